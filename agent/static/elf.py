"""An ELF file as static analysis sees it: what lies at an address, what is imported where, where functions begin.

Rules of this file
    - Program headers say what is mapped; section headers are used only where they agree with the file (they may be
      missing, or lie). No count of a header is believed: every table is cut at the end of the file.
    - What cannot be analysed is an `InputError` that says what to do; what another engine can do is `NeedsAngrError`.

Invariant: `at` and `text` never give bytes from outside the file, whatever the headers say.
Complexity: O(file) time and memory, once; lookups O(log n).
Source: ELF and x86-64 psABI; notes on Go and UPX markers from their own sources.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from agent.static.elf_frames import Ranges, frame_ranges
from agent.static.elf_tables import HIGH, Tables, read_tables, symbol_table
from grammar.errors import InputError

MAX_FILE: Final = 512 << 20
MAX_TEXT: Final = 16_384
"""Bytes of a string; what has no end within them is no string."""
PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_FRAMES, PT_RELRO = 1, 2, 4, 0x6474E550, 0x6474E552
X86_64: Final = 62
MACHINES: Final = {3: "x86", 40: "arm", 62: "x86-64", 183: "aarch64", 243: "riscv", 21: "ppc64", 22: "s390x"}
FULLER: Final = "pip install 'winnower[static]' and use the angr engine"

GO: Final = "Go program: its log strings are not printf's; templates come from its log lines"


class NeedsAngrError(InputError):
    """A sound file that only the angr engine can read: another architecture, or functions that nothing marks."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A mapped part of the file: `size` bytes at `offset` are at `address`."""

    address: int
    offset: int
    size: int
    executable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A section header that agrees with the file."""

    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Image:
    """One ELF file for x86-64, read whole.

    `imports` are GOT slots (by address) of symbols from elsewhere, `exports` the functions that it defines for others,
    `symbols` names of functions by address. `starts` and `ends` (uint64, ascending) are the functions' ranges as the
    unwind table gives them, or the symbol table where there is none. `sealed` (from, to) is not written to after the
    program's start.
    """

    path: str
    data: bytes
    sha256: str
    build_id: str
    machine: str
    fixed: bool
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    tables: Tables
    symbols: dict[int, str]
    ranges: Ranges
    notes: tuple[str, ...]
    code_ranges: tuple[tuple[int, int], ...]
    sealed: tuple[int, int]

    @property
    def imports(self) -> dict[int, str]:
        """Names of imported symbols by the GOT slot that holds their address."""
        return self.tables.imports

    @property
    def exports(self) -> dict[str, int]:
        """Addresses of the functions that are defined here and visible to others."""
        return self.tables.exports

    @property
    def starts(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Where functions and their split-off parts begin."""
        return self.ranges.starts

    @property
    def ends(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Where they end (exclusive)."""
        return self.ranges.ends

    def offset(self, address: int) -> int:
        """Where in the file the byte at `address` is; -1 if nowhere."""
        at = bisect_right(self.segments, address, key=_address) - 1
        if at < 0:
            return -1
        one = self.segments[at]
        return one.offset + address - one.address if address < one.address + one.size else -1

    def at(self, address: int, size: int) -> bytes:
        """At most `size` bytes at `address`, fewer where its segment ends."""
        at = bisect_right(self.segments, address, key=_address) - 1
        if at < 0:
            return b""
        one = self.segments[at]
        begin = address - one.address
        return self.data[one.offset + begin : one.offset + min(one.size, begin + size)] if begin < one.size else b""

    def text(self, address: int) -> bytes | None:
        """The NUL-terminated string at `address`, if it is data and not too long."""
        if self.is_code(address) or (begin := self.offset(address)) < 0:
            return None
        end = self.data.find(0, begin, begin + MAX_TEXT)
        return self.data[begin:end] if end >= 0 else None

    def pointer(self, slot: int) -> int | None:
        """The address that the word at `slot` holds at the program's start; None if it is none that is known."""
        known = self.tables.pointer(slot)
        if known is not None or not self.fixed or self.is_code(slot):
            return known
        word = self.at(slot, 8)
        value = int.from_bytes(word, "little") if len(word) == 8 else 0
        return value if value and self.offset(value) >= 0 else None

    @property
    def marked(self) -> bool:
        """Whether it is known of most of the code where its functions begin and end; of Go's we ask no more."""
        return GO in self.notes or self.ranges.cover(_main_code(self.sections, self.code_ranges))

    def is_code(self, address: int) -> bool:
        """Whether instructions may be at `address`."""
        return any(low <= address < high for low, high in self.code_ranges)


def _address(segment: Segment) -> int:
    return segment.address


def read_image(path: Path | str) -> Image:
    """Read an ELF file; one that is not for us, or not whole, is an `InputError`."""
    name = str(path)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read: {getattr(error, 'strerror', None) or error}", file=name) from None
    if len(data) > MAX_FILE:
        raise InputError("file too large", file=name, hint=f"at most {MAX_FILE >> 20} MiB are analysed")
    return parse_image(data, name)


def parse_image(data: bytes, name: str) -> Image:
    """The same on bytes."""
    _check_kind(data, name)
    segments, wanted = _segments(data, name)
    _check_packed(data, name)
    sections = _sections(data, name)
    code = _code_ranges(segments, sections)
    if not code:
        raise InputError("no code in this file", file=name, hint="give the program itself, not its debug symbols")
    loads = [(one.address, one.offset, one.size) for one in segments]
    tables = read_tables(data, loads, wanted.get(PT_DYNAMIC, (0, 0)), _section_of(sections, 11))
    symbols = dict(tables.named)
    static = symbol_table(data, _section_of(sections, 2), _linked(sections, 2))
    for address, symbol in static.names.items():
        symbols.setdefault(address, symbol)
    tables.name_resolvers(static.resolvers)
    ranges = frame_ranges(data, wanted.get(PT_FRAMES, (0, 0, 0)), loads, code)
    if not ranges.cover(_main_code(sections, code)):
        ranges = Ranges.of((*ranges.pairs(), *(static.ranges or tables.ranges)), code)
    fixed = data[16] == 2
    notes = _notes(data, PT_DYNAMIC in wanted, bool(static.names), len(ranges.starts))
    relro = wanted.get(PT_RELRO, (0, 0, 0))
    digest = hashlib.sha256(data).hexdigest()
    return Image(
        name, data, digest, _build_id(data, wanted.get(PT_NOTE, ())), "x86-64", fixed, segments, sections, tables,
        symbols, ranges, notes, code, (relro[2], relro[2] + relro[1]),
    )  # fmt: skip


def _check_kind(data: bytes, name: str) -> None:
    if data[:4] != b"\x7fELF":
        hint = "give the program's binary; a script's lines need no profile"
        raise InputError("not an ELF file", file=name, offending=data[:16], hint=hint)
    if len(data) < 64:
        raise InputError("truncated ELF file: no header", file=name, hint=f"it has only {len(data)} bytes")
    machine = int.from_bytes(data[18:20], "little" if data[5] == 1 else "big")
    known = MACHINES.get(machine, f"machine {machine}")
    if data[4] != 2:
        raise NeedsAngrError(f"a 32-bit ELF file ({known})", file=name, hint=FULLER)
    if machine != X86_64 or data[5] != 1:
        raise NeedsAngrError(f"an ELF file for {known}", file=name, hint=FULLER)
    kind = data[16] | data[17] << 8
    if kind not in (2, 3):
        hint = "link it first" if kind == 1 else "give the program that has made it"
        raise InputError("neither a program nor a shared library", file=name, hint=hint)


def _segments(data: bytes, name: str) -> tuple[tuple[Segment, ...], dict[int, tuple[int, ...]]]:
    """The mapped parts, ascending and apart, and where the dynamic table, notes and unwind table are."""
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    if not count or size < 56:
        raise InputError("no program headers", file=name, hint="not a program that can be run")
    if table + size * count > len(data):
        raise InputError("truncated ELF file: program headers", file=name, hint=f"it has only {len(data)} bytes")
    found: list[Segment] = []
    wanted: dict[int, tuple[int, ...]] = {}
    for number in range(count):
        kind, flags, offset, address, _, filed = struct.unpack_from("<IIQQQQ", data, table + size * number)
        if kind not in (PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_FRAMES, PT_RELRO):
            continue
        if offset + filed > len(data) or address + filed >= HIGH:
            raise InputError("truncated ELF file: a segment ends outside", file=name, hint=f"{len(data)} bytes")
        if kind == PT_LOAD and filed:
            found.append(Segment(address, offset, filed, bool(flags & 1), bool(flags & 2)))
        elif kind == PT_NOTE:
            wanted[kind] = (*wanted.get(kind, ()), offset, filed)
        elif kind != PT_LOAD:
            wanted[kind] = (offset, filed, address)
    found.sort(key=_address)
    apart = [one for i, one in enumerate(found) if not i or one.address >= found[i - 1].address + found[i - 1].size]
    return tuple(apart), wanted


def _sections(data: bytes, name: str) -> tuple[Section, ...]:
    """Section headers that agree with the file; none if there is no table."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    if not table or not count or size < 64:
        return ()
    if table + size * count > len(data):
        raise InputError("truncated ELF file: section headers", file=name, hint=f"it has only {len(data)} bytes")
    rows = [struct.unpack_from("<IIQQQQI", data, table + size * number) for number in range(count)]
    strings = rows[names][4] if names < count else len(data)
    found = []
    for label, kind, flags, address, offset, length, link in rows:
        if kind == 8 or offset + length > len(data) or address + length >= HIGH:
            found.append(Section("", 0, 0, 0, 0, 0, 0))
            continue
        begin = min(strings + label, len(data))
        text = data[begin : begin + 64].split(b"\0", 1)[0].decode("ascii", "replace")
        found.append(Section(text, kind, flags, address, offset, length, link))
    return tuple(found)


def _section_of(sections: tuple[Section, ...], kind: int) -> tuple[int, int]:
    """Where the first section of a type is in the file, and its size."""
    return next(((one.offset, one.size) for one in sections if one.type == kind), (0, 0))


def _linked(sections: tuple[Section, ...], kind: int) -> tuple[int, int]:
    """Where the strings of the first section of a type are."""
    link = next((one.link for one in sections if one.type == kind), len(sections))
    return (sections[link].offset, sections[link].size) if link < len(sections) else (0, 0)


def _code_ranges(segments: tuple[Segment, ...], sections: tuple[Section, ...]) -> tuple[tuple[int, int], ...]:
    """Where instructions are: executable sections inside executable segments, else those segments."""
    loads = [(one.address, one.address + one.size) for one in segments if one.executable]
    exact = sorted(
        (one.address, one.address + one.size)
        for one in sections
        if one.flags & 6 == 6 and one.size and any(low <= one.address < high for low, high in loads)
    )
    joined: list[tuple[int, int]] = []
    for low, high in exact or loads:
        limit = next(end for begin, end in loads if begin <= low < end)
        if joined and low <= joined[-1][1] + 64:
            joined[-1] = (joined[-1][0], max(joined[-1][1], min(high, limit)))
        else:
            joined.append((low, min(high, limit)))
    return tuple(joined)


def _main_code(sections: tuple[Section, ...], code: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Where the program's own code is, without stubs: `.text`, else all of it."""
    text = tuple((one.address, one.address + one.size) for one in sections if one.name == ".text" and one.flags & 4)
    return tuple(one for one in text if any(low <= one[0] < one[1] <= high for low, high in code)) or code


def _build_id(data: bytes, notes: tuple[int, ...]) -> str:
    for begin, size in zip(notes[::2], notes[1::2], strict=True):
        at, end = begin, begin + size
        while at + 12 <= end:
            named, described, kind = struct.unpack_from("<III", data, at)
            body = at + 12 + (named + 3 & ~3)
            if kind == 3 and data[at + 12 : at + 16] == b"GNU\0" and 0 < described <= 64:
                return data[body : body + described].hex()
            at = body + (described + 3 & ~3)
    return ""


def _check_packed(data: bytes, name: str) -> None:
    if b"UPX!" in data[:1024] or (b"UPX!" in data[-1024:] and b"$Info: This file is packed" in data):
        raise InputError("a packed executable (UPX)", file=name, hint="unpack a copy of it with `upx -d`")


def _notes(data: bytes, dynamic: bool, named: bool, functions: int) -> tuple[str, ...]:
    found = []
    if b"\xff Go buildinf:" in data:
        found.append(GO)
    if b"/rustc/" in data and b"panicked at" in data:
        found.append("Rust program: its log strings are in pieces; templates come from its log lines")
    if not dynamic and not named:
        found.append("static and stripped: library functions have no names; templates come from its log lines")
    if not functions:
        found.append("nothing marks its functions")
    return tuple(found)
