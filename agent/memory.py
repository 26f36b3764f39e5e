"""What the main loop carries in memory, and how a restart gets it back: a snapshot, then the log again.

Rules of this file
    - `Memory` is one object graph; everything that the bytes of the log change is in it, nothing else is.
    - Whatever else changes it is a step at a position of the log (`Cut` with its asides, control): the same bytes with
      the same steps give the same memory. What a repeated cut gives is thrown away: it is in the ledger already.
    - So are the world's answers: how containers are called (`Cut.named`), what logs gave and which tags were there
      (`agent.heard`). Lines and tags that came later are not read into an epoch that is repeated: lines would be joined
      there, and thrown away with it.
    - A restart that cannot do that (no snapshot, or a damaged one; log gone) goes on with what it has, and counts it.

Complexity: O(bytes since the snapshot).
Source: event sourcing; design section 3 (promises 3 and 5); issue "live agent" (kill -9 at any instant).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agent.containers import Container
from agent.epochs import Epoch
from agent.heard import Heard
from agent.kernel_loss import LossMeter, Reading
from agent.ledger import Recovery, Row
from agent.logfiles_finder import Progress
from agent.logfiles_value import NOTHING, Look
from agent.pipeline import Pipeline
from agent.source import Position, Source
from agent.tags_marks import Marks
from grammar import CodecError
from grammar.control import Control, read

BITE: Final = 1 << 18
"""Bytes that are read at once."""

_log = logging.getLogger("agent.memory")


class Aside(msgspec.Struct, array_like=True, frozen=True):
    """Done besides reading, at a position of the log: what is open was sealed, or (`to`) records were skipped.

    `later` are the milliseconds that had gone by without a record, where lines of logs had waited for them.
    """

    at: bytes
    to: bytes = b""
    later: int = 0


class Cut(msgspec.Struct, array_like=True, frozen=True):
    """The end of an epoch: its beginning and length in milliseconds, what was done in it, the kernel's counter then.

    `retired` are containers whose graphs are let go of after it; `heard` is what logs gave in it, `named` (id, name,
    application, image) what containers have been called in it.
    """

    start: int
    length: int
    asides: tuple[Aside, ...] = ()
    reading: Reading | None = None
    retired: tuple[str, ...] = ()
    heard: Heard = Heard()
    named: tuple[tuple[str, str, str, str], ...] = ()


@dataclass(slots=True)
class Memory:
    """`number` counts the epochs cut so far; `meter` the kernel's losses; `control` is what the agent goes by.

    `logs` is how far applications' logs have been read, `tags` how far the kernel's tags. `heard` is what logs gave,
    until the main loop takes it; `replay`, while the audit log is read again, what they gave there at first (None: what
    is there now is taken).
    """

    pipeline: Pipeline
    meter: LossMeter = field(default_factory=LossMeter)
    control: Control = field(default_factory=Control)
    number: int = 0
    logs: Progress = field(default_factory=Progress)
    tags: Marks = field(default_factory=Marks)
    heard: list[Look] = field(default_factory=list)
    replay: Look | None = None

    def obey(self, control: Control) -> None:
        """Go by `control` from here on."""
        self.control = control
        self.pipeline.node.abstraction.adopt(label for _, patterns in control.patterns for label in patterns)
        if self.pipeline.node.logs is not None:
            for app, patterns in control.patterns:
                self.pipeline.node.logs.names.adopt(app, patterns)

    def cut(self, cut: Cut) -> Epoch:
        """End an epoch."""
        epoch = self.pipeline.cut(cut.start, cut.length)
        for container in cut.retired:
            self.pipeline.retire(container)
        self.meter.last = cut.reading or self.meter.last
        self.number += 1
        return epoch

    @property
    def lines_wait(self) -> bool:
        """Whether lines of logs wait for a write, or for their time."""
        logs = self.pipeline.node.logs
        return logs is not None and any(book.lines for books in logs.books.values() for book in books.values())

    @property
    def lines_settled(self) -> bool:
        """Whether lines wait to be told: claimed, but other writes may have met theirs; or given up."""
        books = self.pipeline.node.logs.books if self.pipeline.node.logs is not None else {}
        return any(book.waiting or book.lost for by_path in books.values() for book in by_path.values())

    @property
    def open(self) -> bool:
        """Whether anything waits for its second to end: with no further record, `seal` ends it."""
        return self.pipeline.open or self.lines_settled

    def seal(self, later: int = 0) -> None:
        """What is open learns nothing more; lines of logs that are due so much `later` are joined."""
        node, clock = self.pipeline.node, self.pipeline.node.time.clock
        if later and node.logs is not None:
            now = clock.millis
            clock.millis += later
            try:
                node.logs.tick(node)
            finally:
                clock.millis = now
        node.tick()


def recall(
    memory: Memory,
    source: Source,
    recovery: Recovery,
    again: Callable[[int, Epoch], None],
    feed: Callable[[Memory], None] = lambda memory: None,
) -> None:
    """Bring `memory` from the snapshot's position to the journal's end; `again` hears of every cut that is repeated.

    `feed` is called before each bite: it brings in what applications had logged by then (`Memory.replay`).
    """
    memory.replay = NOTHING
    if recovery.position:
        source.seek(Position.from_bytes(recovery.position))
    _expect(memory, recovery)
    for row in recovery.rows:
        try:
            _step(memory, source, row, again, feed)
        except CodecError as error:
            _log.error("a step of the journal is damaged", extra={"reason": str(error)})
            memory.pipeline.node.loss.note("state_reset")
    memory.replay = None
    memory.heard.clear()


def _expect(memory: Memory, recovery: Recovery) -> None:
    """What containers were called; a row that is damaged is counted when its turn comes."""
    for row in recovery.rows:
        if row.kind == "cut":
            with suppress(CodecError):
                named = read(row.payload, Cut).named
                memory.pipeline.node.containers.expect(
                    Container(ident, name, app, 0, image) for ident, name, app, image in named
                )


def _step(
    memory: Memory, source: Source, row: Row, again: Callable[[int, Epoch], None], feed: Callable[[Memory], None]
) -> None:
    if row.kind == "reset":
        memory.pipeline.node.loss.note("state_reset")
    if row.kind != "cut":
        _read_up_to(memory, source, row.position, feed)
        if row.kind == "control":
            memory.obey(read(row.payload, Control))
        return
    cut = read(row.payload, Cut)
    taken = done = 0
    for asides, upto, look in cut.heard.placed():
        for aside in cut.asides[done:asides]:
            taken += _aside(memory, source, aside, feed)
        done = max(done, asides)
        goal = cut.asides[done].at if done < len(cut.asides) else row.position
        taken += _read(memory, source, Position.from_bytes(goal), feed, upto - taken)
        memory.replay = look
        feed(memory)
        memory.replay = NOTHING
    for aside in cut.asides[done:]:
        _aside(memory, source, aside, feed)
    _read_up_to(memory, source, row.position, feed)
    again(memory.number, memory.cut(cut))


def _aside(memory: Memory, source: Source, aside: Aside, feed: Callable[[Memory], None]) -> int:
    """Do what was done besides reading; how many bytes led there."""
    taken = _read_up_to(memory, source, aside.at, feed)
    if aside.to:
        source.seek(Position.from_bytes(aside.to))
    else:
        memory.seal(aside.later)
    return taken


def _read_up_to(memory: Memory, source: Source, written: bytes, feed: Callable[[Memory], None]) -> int:
    """Take the log up to a position; what of it is gone by now is counted by the source."""
    position = Position.from_bytes(written)
    taken = _read(memory, source, position, feed, 1 << 62)
    source.seek(position)
    return taken


def _read(memory: Memory, source: Source, goal: Position, feed: Callable[[Memory], None], most: int) -> int:
    """Take so many bytes, none beyond the goal; how many there were."""
    taken = 0
    while taken < most and (data := source.read_to(goal, min(BITE, most - taken))):
        feed(memory)
        memory.pipeline.absorb(data)
        taken += len(data)
    return taken
