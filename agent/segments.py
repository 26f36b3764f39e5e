"""Segments: what one epoch has added to the instance graphs of a worker, as packed columns and as bytes.

Rules of this file
    - No I/O: columns come in, bytes go out, and back. A segment stands alone: it has its own tables of names, states
      and kinds of edges, as text, so that it can be read by whoever has lost everything else.
    - A segment is a head and a body. The head is the index: which containers, which vertices, which older vertices its
      edges touch, which states (sixteen bits of a hash each: it may say yes wrongly, never no). Only a segment whose
      head says that it can matter needs its body.
    - A vertex is a number that counts on within its scope; scopes are numbered by the store. `key_of` makes one number
      of both, which no other vertex of this worker ever has.
    - Columns are differences: numbers that msgpack writes in one byte, and zstd in less.

Invariant: what an `Unpacker` gives is what a `Packer` was given.
Complexity: O(vertices + edges), nearly all of it in C; a head O(states + scopes + older vertices touched).
Source: design section 4 (local store); issue "live agent", item 4; column stores (differences).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from operator import sub
from typing import Final, TypeVar
from zlib import crc32

import msgspec
import zstandard

from agent.segment_rows import FIELDS, Rows
from agent.upg import KINDS_OF_EDGE
from grammar import CodecError, kind_of

LEVEL: Final = 3
MAX_RAW: Final = 1 << 28
NUMBER_BITS: Final = 40
MAX_HASHES: Final = 65_536
"""States whose hash is remembered while the agent runs."""

Text = tuple[str, tuple[str, ...]]
"""A state as text: label and context."""


def key_of(scope: int, number: int) -> int:
    """A vertex of a worker, as one number."""
    return scope << NUMBER_BITS | number


class Section(msgspec.Struct, array_like=True, frozen=True):
    """One scope in a head: `count` vertices from `first` on, and the other vertices that edges have as ends."""

    scope: int
    app: str
    container: str
    first: int
    count: int
    effects: list[int]
    causes: list[int]

    def outside(self, direction: str) -> list[int]:
        """Vertices of other segments from which an edge here leads on in that direction."""
        return sums(self.effects if direction == "ancestors" else self.causes)


class Head(msgspec.Struct, array_like=True, frozen=True):
    """A segment's index: which part of which epoch (`last`: its last one), its time span, its commands by identity."""

    life: int
    epoch: int
    part: int
    last: bool
    start: int
    end: int
    sections: tuple[Section, ...]
    states: bytes
    commands: dict[str, str]

    def may_hold(self, hashes: Iterable[int]) -> bool:
        """Whether a state with one of these hashes may be here."""
        held = array("H", self.states)
        return any(one in held for one in hashes)


class Columns(msgspec.Struct, array_like=True, frozen=True):
    """One scope in a body, as differences; which scope says the head."""

    names: list[int]
    times: list[int]
    states: list[int]
    effects: list[int]
    spans: list[int]
    kinds: list[int]
    edge_times: list[int]

    @property
    def ends(self) -> tuple[list[int], list[int]]:
        """Effects and causes of the edges; `spans` says how far apart they are."""
        effects = sums(self.effects)
        return effects, list(map(sub, effects, self.spans))


class Body(msgspec.Struct, array_like=True, frozen=True):
    """Tables and columns of a segment; `columns[n]` belongs to `sections[n]` of the head."""

    names: list[str]
    kinds: list[tuple[str, str]]
    tables: dict[str, list[Text]]
    columns: list[Columns]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which piece of which epoch a segment is: `last` if the epoch ends with it; epochs count within a `life`."""

    life: int
    epoch: int
    part: int = 0
    last: bool = True


Segment = tuple[Head, Body]
Part = TypeVar("Part", bound=msgspec.Struct)


class Packer:
    """Makes segments of rows, and bytes of segments; keeps what compresses. Used by one thread at a time."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=LEVEL)
        self._encoder = msgspec.msgpack.Encoder()
        self._hashes: dict[tuple[str, Text], int] = {}

    def pack(self, stamp: Stamp, scopes: Sequence[tuple[int, Rows]], commands: dict[str, str]) -> Segment:
        """One segment of settled rows, none empty, by number of scope; `commands` are those known, by identity."""
        names = dict.fromkeys(chain.from_iterable(rows.idents for _, rows in scopes))
        index = dict(zip(names, range(len(names)), strict=True))
        start = min(rows.start for _, rows in scopes)
        kinds: dict[int, int] = {}
        tables: dict[str, dict[int, int]] = {}
        texts: dict[str, list[Text]] = {}
        sections, columns = [], []
        for number, rows in scopes:
            local = tables.setdefault(rows.scope.app, {})
            for state in dict.fromkeys(rows.states):
                local.setdefault(state, len(local))
            for kind in dict.fromkeys(rows.edges[1::FIELDS]):
                kinds.setdefault(kind, len(kinds))
            texts[rows.scope.app] = [rows.scope.states.states[one] for one in local]
            sections.append(_section(number, rows))
            columns.append(_columns(rows, index, local, kinds, start))
        hashes = {self._hash(app, text) for app, table in texts.items() for text in table}
        known = {name: commands[name] for name in sorted(commands.keys() & names.keys())}
        head = Head(
            *(stamp.life, stamp.epoch, stamp.part, stamp.last),
            *(start, max(rows.end for _, rows in scopes)),
            tuple(sections),
            array("H", sorted(hashes)).tobytes(),
            known,
        )
        return head, Body(list(names), [KINDS_OF_EDGE[kind] for kind in kinds], texts, columns)

    def _hash(self, app: str, text: Text) -> int:
        found = self._hashes.get((app, text))
        if found is None:
            if len(self._hashes) >= MAX_HASHES:
                self._hashes = {}
            found = self._hashes[app, text] = filter_hash(app, text)
        return found

    def encode(self, segment: Segment) -> tuple[bytes, bytes]:
        """Head and body as bytes."""
        head, body = segment
        try:
            parts = self._encoder.encode(head), self._encoder.encode(body)
        except UnicodeEncodeError:  # names of bytes that are no UTF-8: rare, so looked for only now
            parts = self._encoder.encode(_sendable_head(head)), self._encoder.encode(_sendable_body(body))
        return self._zstd.compress(parts[0]), self._zstd.compress(parts[1])


class Unpacker:
    """Turns bytes into heads and bodies; keeps what decompresses (it is slow to make). Used by one thread at a time."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()

    def decode(self, data: bytes, sort: type[Part]) -> Part:
        """A `Head` or a `Body`; anything else is a `CodecError`."""
        try:
            size = zstandard.get_frame_parameters(data).content_size
            if not 0 <= size <= MAX_RAW:
                raise CodecError("segment too large", offending=str(size), hint=f"limit {MAX_RAW} bytes")
            return msgspec.msgpack.decode(self._zstd.decompress(data), type=sort)
        except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"not the {sort.__name__.lower()} of a segment: {error}") from None


def filter_hash(app: str, state: Text) -> int:
    """Sixteen bits of a state; of its label counts what a learned pattern leaves alone: the directory, or the kind."""
    label, context = state
    place = label.rpartition("/")[0] or kind_of(label)
    return crc32("\0".join((app, place, *context)).encode("utf-8", "backslashreplace")) & 0xFFFF


def _section(number: int, rows: Rows) -> Section:
    first, scope = rows.first, rows.scope
    outside = []
    for column in (rows.edges[0::FIELDS], rows.edges[2::FIELDS]):
        ends = sorted(set(column))
        low, high = bisect_left(ends, first), bisect_left(ends, first + len(rows.idents))
        outside.append(differences(ends[:low] + ends[high:]))
    return Section(number, scope.app, scope.container, first, len(rows.idents), *outside)


def _columns(rows: Rows, names: dict[str, int], states: dict[int, int], kinds: dict[int, int], start: int) -> Columns:
    edges = rows.edges
    effects = edges[0::FIELDS]
    return Columns(
        differences(list(map(names.__getitem__, rows.idents))),
        differences(rows.times, start),
        list(map(states.__getitem__, rows.states)),
        differences(effects),
        list(map(sub, effects, edges[2::FIELDS])),
        list(map(kinds.__getitem__, edges[1::FIELDS])),
        differences(edges[3::FIELDS], start),
    )


def differences(values: list[int], base: int = 0) -> list[int]:
    """What each number adds to the one before, the first to `base`.

    >>> differences([7, 9, 8]), sums(differences([7, 9, 8]))
    ([7, 2, -1], [7, 9, 8])
    """
    return list(map(sub, values, chain((base,), values)))


def sums(values: list[int], base: int = 0) -> list[int]:
    """The numbers again."""
    return list(islice(accumulate(values, initial=base), 1, None))


def sendable(text: str) -> str:
    r"""Text as UTF-8 can carry it: a byte that is none becomes `\udcNN` text."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _sendable_head(head: Head) -> Head:
    sections = tuple(
        msgspec.structs.replace(one, app=sendable(one.app), container=sendable(one.container)) for one in head.sections
    )
    commands = {sendable(name): sendable(command) for name, command in head.commands.items()}
    return msgspec.structs.replace(head, sections=sections, commands=commands)


def _sendable_body(body: Body) -> Body:
    tables = {
        sendable(app): [(sendable(label), tuple(map(sendable, context))) for label, context in table]
        for app, table in body.tables.items()
    }
    return msgspec.structs.replace(body, names=list(map(sendable, body.names)), tables=tables)
