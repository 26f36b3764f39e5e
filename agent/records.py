r"""One audit record: its type and its fields, raw and enriched.

Rules of this file
    - A record is one line of the audit log. Fields are decoded only when somebody asks: the hot path asks for few.
    - Values stay text. Quoted values lose their quotes; hex values of fields that the kernel may encode are decoded
      (undecodable bytes as surrogates, so that nothing is lost and encoding again gives the same bytes).
    - The enriched part behind 0x1d (upper-case names, already interpreted) is kept apart from the kernel's own fields.
    - Any bytes in: a value out. A line that is no record is `None`, and the parser counts it.

Complexity: O(length of the line).
Source: audit(7) record formats; kernel/audit.c, audit_log_untrustedstring; design section 4 (parse).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HEADER: Final = re.compile(
    rb"(?:node=(?P<node>\S++) )?type=(?P<type>[\w\[\]]++) msg=audit\((?P<stamp>(?P<sec>\d{1,12})\.(?P<frac>\d{1,9})"
    rb":(?P<serial>\d{1,10}))\)(?:: ?| )(?P<body>.*)",
    re.DOTALL,
)
"""The head that every record has (auditd's own DAEMON_ records may lack the colon); `stamp`, `seconds.fraction:serial`,
names the event."""

_FIELD: Final = re.compile(rb"""(?<![\w\[\]-])([A-Za-z_][\w\[\]-]*+)=("[^"]*+"|'[^']*+'|\{ [^{}]*+\}|[^\s'"]*+)""")
_HEX: Final = re.compile(rb"(?:[0-9A-F]{2})+")
_ARGUMENT_NAME: Final = re.compile(r"a\d+(?:\[\d+\])?")
ENRICHED: Final = b"\x1d"

MAY_BE_HEX: Final = frozenset(
    ("acct", "cmd", "comm", "cwd", "data", "device", "dir", "exe", "file", "grp", "key", "name", "new_group", "ocomm")
) | {"path", "proctitle", "root_dir", "sw", "vm", "watch"}
"""Fields written as hex when they hold anything but plain text (audit_log_untrustedstring, audit_encode_value)."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line: record type, stamp and body as bytes; `fields` decodes."""

    type: str
    stamp: bytes
    body: bytes
    node: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """The kernel's fields in order; nested `msg='…'` of user-space records is opened; later repeats do not win."""
        kernel = self.body.partition(ENRICHED)[0]
        outer, opened, nested = kernel.partition(b"msg='")
        inner, closed, after = nested.rpartition(b"'")
        parts = (outer, inner, after) if opened and closed else (outer, nested)
        found: dict[str, str] = {}
        for name, value in (field for part in parts for field in _fields(part)):
            found.setdefault(name, decode(name, value, self.type))
        return found

    @property
    def interpreted(self) -> dict[str, str]:
        """The enriched part, if the log has it: names in upper case, values as auditd resolved them."""
        return {name: decode("", value) for name, value in _fields(self.body.partition(ENRICHED)[2])}


def parse_line(line: bytes) -> Record | None:
    """Read one line without its newline; None if it has no record head."""
    found = HEADER.match(line)
    if found is None:
        return None
    node = found["node"]
    return Record(found["type"].decode("ascii"), found["stamp"], found["body"], text(node) if node else "")


def _fields(body: bytes) -> Iterator[tuple[str, bytes]]:
    for name, value in _FIELD.findall(body):
        listed = value[-1:] in (b")", b",") and b"(" not in value  # RHEL 5: (hostname=?, res=success)
        yield name.decode("ascii"), value.rstrip(b"),") if listed else value


def decode(name: str, value: bytes, record_type: str = "") -> str:
    """Decode one value: quotes off, hex to text where this field may be hex.

    >>> decode("comm", b'"sh"'), decode("proctitle", b"6C73002D6C"), decode("pid", b"10")
    ('sh', 'ls\\x00-l', '10')
    """
    if value[:1] in (b'"', b"'"):
        return text(value[1:-1])
    argument = record_type == "EXECVE" and _ARGUMENT_NAME.fullmatch(name) is not None
    if (argument or name in MAY_BE_HEX) and _HEX.fullmatch(value):
        return text(bytes.fromhex(value.decode("ascii")))
    return text(value)


def text(value: bytes) -> str:
    """Bytes as text that encodes back to the same bytes."""
    return value.decode("utf-8", "surrogateescape")


def untrusted(value: bytes) -> str:
    """Decode a value that is quoted, hex, or `(null)` (then empty)."""
    if value[:1] == b'"':
        return text(value[1:].removesuffix(b'"'))
    if value in (b"(null)", b"?"):
        return ""
    if _HEX.fullmatch(value):
        return text(bytes.fromhex(value.decode("ascii")))
    return text(value)


_ARGUMENT: Final = re.compile(rb'(?:^| )a(\d{1,6})(?:\[(\d{1,6})\])?=("[^"]*+"|[^\s"]*+)')
MAX_ARGUMENTS: Final = 4096


def arguments(bodies: list[bytes]) -> list[str]:
    """Join the argument vector of the EXECVE records of one event, long ones from their pieces (`a1[0]`, `a1[1]`).

    >>> arguments([b'argc=3 a0="sh" a1_len=4 a1[0]=2D63', b'a1[1]=6464 a2="x"'])
    ['sh', '-cdd', 'x']
    """
    pieces: dict[int, dict[int, bytes]] = {}
    for body in bodies:
        for number, part, value in _ARGUMENT.findall(body.partition(ENRICHED)[0]):
            if int(number) < MAX_ARGUMENTS:
                pieces.setdefault(int(number), {})[int(part or 0)] = _argument(value)
    return [text(b"".join(chunk for _, chunk in sorted(pieces[n].items()))) for n in sorted(pieces)]


def _argument(value: bytes) -> bytes:
    if value[:1] == b'"':
        return value[1:-1]
    return bytes.fromhex(value.decode("ascii")) if _HEX.fullmatch(value.upper()) else value
