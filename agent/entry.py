"""What waits to be sent: one epoch in words that need no other, or several that have been united.

Rules of this file
    - No I/O. An entry is self-contained: its deltas spell out every word, so that it can be told anew against whatever
      the cluster knows when its turn comes. On disk it is compressed lightly and has a checksum.
    - Evidence is a set: two epochs are one longer epoch with the union of what they show and the sums of what they
      count. What an entry says of losses, calls and containers' lives survives whatever becomes of its deltas.
    - An entry is small enough for one envelope: a larger epoch makes several entries, the first with the counts.

Complexity: O(bytes).
Source: design section 3 (promises 3, 4, 5), section 4 (publish).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import zstandard

from agent.epochs import Epoch
from grammar import CodecError, Delta, Lexicon, Sighting, State, Transition, decode_delta
from grammar.codec import delta_writer
from grammar.envelope import Run
from grammar.finding import MAX_UNITED, Finding
from grammar.wire import MAX_ITEMS, STORED

MAX_PLAIN: Final = 4 << 20
"""Bytes of deltas in one entry; an envelope holds four times as much."""
MAX_TEXT: Final = 1 << 20
"""Characters in the findings of one entry."""
MAX_UNPACKED: Final = 16 << 20
TRUSTED: Final = 16 * MAX_ITEMS
"""The purse for reading what this agent itself has written."""


class Entry(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Fields as in `grammar.envelope.Envelope`; `deltas` are in full.

    It stands for `epochs` cuts; the deltas of `news` of them are here.
    """

    start: int
    length: int
    events: int = 0
    lost: dict[str, int] = {}
    deltas: tuple[tuple[str, bytes], ...] = ()
    active: tuple[tuple[str, int], ...] = ()
    runs: tuple[Run, ...] = ()
    control: int = 0
    epochs: int = 1
    news: int = 0
    kernel: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its deltas."""
        return sum(len(data) for _, data in self.deltas)

    def pack(self) -> bytes:
        """As bytes with a checksum."""
        return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(msgspec.msgpack.encode(self))

    @staticmethod
    def unpack(data: bytes) -> Entry:
        """Read what `pack` has written; anything else is a `CodecError`."""
        try:
            if zstandard.frame_content_size(data) > MAX_UNPACKED:
                raise CodecError("an entry of the spool is too large", hint=f"limit {MAX_UNPACKED} bytes")
            plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_UNPACKED)
            return msgspec.msgpack.decode(plain, type=Entry)
        except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"not an entry of the spool: {error}", offending=data[:16].hex()) from None

    def without_deltas(self, cause: str) -> Entry:
        """Its counts alone; every epoch whose deltas go is a loss."""
        return msgspec.structs.replace(self.with_loss(cause, self.news), deltas=(), news=0)

    def with_loss(self, cause: str, number: int) -> Entry:
        """The same with more lost."""
        lost = {**self.lost, cause: self.lost.get(cause, 0) + number} if number else self.lost
        return msgspec.structs.replace(self, lost=lost)


def entries_of(
    epoch: Epoch,
    runs: tuple[Run, ...] = (),
    control: int = 0,
    kernel: tuple[int, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> tuple[Entry, ...]:
    """An epoch as entries, mostly one. What cannot be written at all is counted (`unencodable`), not thrown."""
    lost = dict(epoch.lost)
    portions: list[list[tuple[str, bytes]]] = [[]]
    room = MAX_PLAIN
    for app, data in _written(epoch.deltas, lost):
        if len(data) > room and portions[-1]:
            portions.append([])
            room = MAX_PLAIN
        portions[-1].append((app, data))
        room -= len(data)
    first, *rest = map(tuple, portions)
    news = int(bool(first))
    return (
        Entry(
            epoch.start, epoch.length, epoch.events, lost, first, epoch.active, runs, control, 1, news, kernel, findings
        ),
        *(Entry(epoch.start, epoch.length, deltas=one, control=control, epochs=0, news=1) for one in rest),
    )


def told(entry: Entry) -> Iterator[tuple[str, Delta]]:
    """The deltas as values, by application, in the order of writing."""
    for app, data in entry.deltas:
        yield app, decode_delta(data, Lexicon(), TRUSTED)


def unite(first: Entry, second: Entry) -> Entry:
    """One entry that says all that both say; times of sightings stay what they were."""
    start = min(first.start, second.start)
    gathered: dict[str, _Union] = {}
    for entry in (first, second):
        for app, delta in told(entry):
            gathered.setdefault(app, _Union()).add(delta, entry.start - start)
    lost = _summed(first.lost.items(), second.lost.items())
    deltas = tuple(_written({app: one.delta for app, one in gathered.items()}, lost))
    return Entry(
        start=start,
        length=max(one.start + one.length for one in (first, second)) - start,
        events=first.events + second.events,
        lost=lost,
        deltas=deltas,
        active=tuple(_summed(first.active, second.active).items()),
        runs=tuple({run.id: run for run in (*first.runs, *second.runs)}.values()),
        control=max(first.control, second.control),
        epochs=first.epochs + second.epochs,
        kernel=second.kernel or first.kernel,
        news=first.news + second.news,
        findings=_latest(first.findings + second.findings),
    )


def _latest(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Of each match the last word, but for `seen`, which stays; what is real before what is not."""
    found: dict[tuple[str, ...], Finding] = {}
    for one in findings:
        key = one.policy, one.app, one.container, *one.ends
        if key not in found or found[key].verdict != "seen":
            found[key] = one
    ranked = sorted(found.values(), key=lambda one: one.verdict != "seen")
    size = 0
    for at, one in enumerate(ranked):
        size += sum(map(len, one.ends)) + sum(len(f"{i.label}{i.name}{i.command}") for i in one.instances)
        if at >= MAX_UNITED or size > MAX_TEXT:
            return tuple(ranked[:at])
    return tuple(ranked)


def _summed(*counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pairs in counts:
        for name, number in pairs:
            found[name] = found.get(name, 0) + number
    return found


def _written(deltas: Mapping[str, Delta], lost: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """Each delta in portions that a decoder takes, in full and uncompressed."""
    for app, delta in sorted(deltas.items()):
        for part in delta.parts():
            try:
                yield app, bytes([STORED]) + delta_writer(part, Lexicon()).data
            except CodecError:
                lost["unencodable"] = lost.get("unencodable", 0) + 1


@dataclass(slots=True)
class _Seen:
    """What one container shows: items in order of arrival, without repeats."""

    transitions: dict[Transition, None] = field(default_factory=dict)
    states: dict[State, None] = field(default_factory=dict)
    levels: dict[State, int] = field(default_factory=dict)
    first: int = -1
    last: int = 0

    def add(self, one: Sighting, shift: int) -> None:
        self.transitions.update(dict.fromkeys(one.transitions))
        self.states.update(dict.fromkeys(one.states))
        for state, level in one.levels:
            self.levels[state] = max(level, self.levels.get(state, 0))
        begun = one.first + shift
        self.first = begun if self.first < 0 else min(self.first, begun)
        self.last = max(self.last, one.last + shift)


@dataclass(slots=True)
class _Union:
    """The deltas of one application, united."""

    seen: dict[str, _Seen] = field(default_factory=dict)
    commands: dict[State, str] = field(default_factory=dict)
    learned: dict[str, None] = field(default_factory=dict)

    def add(self, delta: Delta, shift: int) -> None:
        for one in delta.sightings:
            self.seen.setdefault(one.container, _Seen()).add(one, shift)
        for state, command in delta.commands.items():
            self.commands[state] = min(command, self.commands.get(state, command))
        self.learned.update(dict.fromkeys(delta.learned))

    @property
    def delta(self) -> Delta:
        sightings = tuple(
            Sighting(name, tuple(one.transitions), tuple(one.states), one.first, one.last, tuple(one.levels.items()))
            for name, one in self.seen.items()
        )
        return Delta(sightings, self.commands, tuple(self.learned))
