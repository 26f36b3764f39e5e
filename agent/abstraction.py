r"""What differs from run to run becomes a typed field: the labels of the graph.

Rules of this file
    - By rule: numbers of four digits or a whole path component, hex, uuids, container ids, dates, random tokens.
    - By comparison: names in one directory that differ in their numbers only are one shape from the second on
      (`temp-{int}.rdb`); the model gives the first one that shape too.
    - By threshold: more than `tau_file` distinct names under one directory, for one label and operation, become the
      narrowest shape that they share (`sess_{token:26}`, not `{any}`); more than `tau_sock` distinct peers become a
      prefix of their address, then any. What was learned is evidence too: `learned` lists it, the monitor's model
      applies it.
    - What the cluster has learned elsewhere can be adopted: a name takes a shape before this worker has met enough of
      its kind, so that replicas agree.
    - Memory is bounded: `MAX_GROUPS` groups with `MAX_NAMES` names between them, `MAX_NUMBERED` numbered names, a
      table of recent results.

Complexity: O(length) for a text not seen lately, one table look-up for the rest.
Source: Winnower section IV-B (thresholds, default 400); DisProTrack (LMS fields); design section 4 (abstraction).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Final

from grammar import InputError, Pattern, generalise, quote
from grammar.pattern import MAX_WIDTH, writable

TAU_FILE: Final = 400
TAU_SOCK: Final = 400
MAX_PORTS: Final = 8
MAX_GROUPS: Final = 4096
MAX_NAMES: Final = 65_536
MAX_NUMBERED: Final = 16_384
MAX_CACHED: Final = 16_384
MAX_ADOPTED: Final = 16_384
MAX_TEXT: Final = 1024

_RULES: Final = re.compile(
    r"(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r"|(?P<date>\b(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9]))"
    r"|(?<![^/])(?P<whole>[0-9]+)(?=/|$)"
    r"|(?P<run>[0-9A-Za-z]+)"
)
_SPLIT: Final = re.compile(r"[0-9]{4,}")
_NUMBER: Final = re.compile(r"[0-9]+")
_MARK: Final = "\0"


def abstract(text: str) -> str:
    r"""Put typed fields for what differs from run to run, by rule; the result is a pattern in written form.

    >>> abstract("/proc/4711/stat"), abstract("/tmp/sess_0a1b2c3d4e5f6g7h8i9j0k1l2m")
    ('/proc/{int}/stat', '/tmp/sess_{token:26}')
    """
    text = writable(text)
    if len(text) > MAX_TEXT:
        return _RULES.sub(_field, quote(text[:MAX_TEXT])) + "{any}"
    return _RULES.sub(_field, quote(text))


def _field(found: re.Match[str]) -> str:
    kind, text = found.lastgroup, found.group()
    if kind in ("uuid", "date"):
        return f"{{{kind}}}"
    if kind == "whole":
        return "{int}"
    return "{token:6}" if _made_by_mkstemp(found, text) else _run(text)


def _made_by_mkstemp(found: re.Match[str], text: str) -> bool:
    """Six characters of mixed case at the end of a name, behind a mark: what mkstemp(3) and its kin append."""
    before = found.string[found.start() - 1 : found.start()]
    if len(text) != 6 or found.end() != len(found.string) or before not in tuple(".-_"):
        return False
    if any(c.isdigit() for c in text) and any(c.isupper() for c in text):
        return True
    return sum(a.isupper() != b.isupper() for a, b in pairwise(text)) >= 2


def _run(text: str) -> str:
    """One run of letters and digits: an id, hex, a random token, or text with long numbers in it."""
    size = len(text)
    if size < 4:
        return text
    digits = sum(c.isdigit() for c in text)
    if digits == size:
        return "{int}"
    if digits and size >= 8 and all(c in "0123456789abcdef" for c in text):
        return "{id}" if size == 64 else f"{{hex:{size}}}" if size <= MAX_WIDTH else "{hex}"
    if _random(text, digits):
        return f"{{token:{size}}}" if size <= MAX_WIDTH else "{token}"
    return _SPLIT.sub("{int}", text) if digits >= 4 else text


def _random(text: str, digits: int) -> bool:
    """Whether letters and digits are mixed as no name mixes them: many changes between them, or all three classes."""
    size = len(text)
    if not digits or digits == size:
        return False
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(text))
    if size >= 16:
        return changes >= 2
    three = any(c.islower() for c in text) and any(c.isupper() for c in text)
    return size >= 6 and three and (changes >= 2 or size <= 8)


@dataclass(slots=True)
class _Group:
    names: set[str] = field(default_factory=set)
    learned: list[Pattern] = field(default_factory=list)


@dataclass(slots=True)
class Abstraction:
    """The labels of one worker's artifacts, with what its thresholds have learned so far."""

    tau_file: int = TAU_FILE
    tau_sock: int = TAU_SOCK
    learned: dict[str, None] = field(default_factory=dict)
    _groups: dict[tuple[str, str, str], _Group] = field(default_factory=dict)
    _numbers: dict[tuple[str, str], str] = field(default_factory=dict)
    _adopted: dict[str, list[Pattern]] = field(default_factory=dict)
    _names: int = 0
    _cache: dict[str, str] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """`abstract`, remembered."""
        found = self._cache.get(text)
        if found is None:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            found = abstract(text)
            if len(text) <= MAX_TEXT:
                self._cache[text] = found
        return found

    def path(self, path: str, actor: str, operation: str) -> str:
        """The pattern of a path that `actor` (a label) meets with `operation`."""
        shape = self.text(path)
        directory, _, name = shape.rpartition("/")
        literal = writable(path).rpartition("/")[2]
        if name != quote(literal):  # a field already says what differs
            return shape
        numbered = self._numbered(directory, literal)
        if numbered:
            return f"{directory}/{numbered}"
        for pattern in self._adopted.get(directory, ()):
            if pattern.matches(literal):
                return f"{directory}/{pattern}"
        found = self._group((actor, operation, directory), literal, self.tau_file)
        return f"{directory}/{found}" if found else shape

    def adopt(self, patterns: Iterable[str]) -> None:
        """Use the shapes of names that other workers have learned (labels of files); others are left out."""
        self._adopted.clear()
        for label in islice(patterns, MAX_ADOPTED):
            kind, _, path = label.partition(" ")
            directory, slash, name = path.rpartition("/")
            if kind != "File" or not slash or "{" not in name:
                continue
            try:
                self._adopted.setdefault(directory, []).append(Pattern.parse(name))
            except InputError:
                continue

    def _numbered(self, directory: str, name: str) -> str:
        """The shape of names in a directory that differ in their numbers only, as soon as there are two of them."""
        mask = _NUMBER.sub(_MARK, name)
        if mask == name or _MARK in name:
            return ""
        first = self._numbers.setdefault((directory, mask), name)
        if first == name:
            if len(self._numbers) > MAX_NUMBERED:
                del self._numbers[next(iter(self._numbers))]
            return ""
        shape = quote(mask).replace(_MARK, "{int}")
        if first:
            self._numbers[directory, mask] = ""
            self.learned[f"File {directory}/{shape}"] = None
        return shape

    def address(self, address: str, actor: str, operation: str) -> str:
        """The pattern of a peer's address: itself, its prefix, or any."""
        prefix = _prefix(address)
        if self._group((actor, operation, "peer"), address, self.tau_sock) is None:
            return quote(address)
        if self._group((actor, operation, "prefix"), prefix, self.tau_sock) is None:
            return prefix
        return "{ip}"

    def port(self, port: str, actor: str, host: str) -> str:
        """The pattern of a peer's high port: itself, until `MAX_PORTS` of one host have been met."""
        return port if self._group((actor, host, "peer"), port, MAX_PORTS) is None else "{port}"

    def _group(self, key: tuple[str, str, str], name: str, tau: int) -> str | None:
        """The learned shape that covers `name` in its group, if the group has outgrown its threshold."""
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MAX_GROUPS or self._names >= MAX_NAMES:
                self._names -= len(self._groups.pop(next(iter(self._groups))).names)
            group = self._groups[key] = _Group()
        for pattern in group.learned:
            if pattern.matches(name):
                return str(pattern)
        if name not in group.names:
            group.names.add(name)
            self._names += 1
        if len(group.names) <= tau:
            return None
        shape = generalise(sorted(group.names))
        self._names -= len(group.names)
        group.names.clear()
        group.learned.append(shape)
        if key[2] not in ("peer", "prefix"):
            self.learned[f"File {key[2]}/{shape}"] = None
        return str(shape)


def _prefix(address: str) -> str:
    """The pattern of an address's network: 24 bits of IPv4, 64 of IPv6 (or up to its `::`)."""
    if ":" in address:
        groups = address.split(":")[:-1][:4]
        return "".join(f"{group}:" for group in groups[: groups.index("") if "" in groups else 4]) + "{ip}"
    return address.rpartition(".")[0] + ".{int}"
