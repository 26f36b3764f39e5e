"""The live agent's main loop: log in, epochs out, each made safe before the next. Read this after `agent.pipeline`.

    Source ──read──► Pipeline ──cut──► Ledger (entries + position + journal, one transaction) ──► sender, its own thread
                        │ snapshot now and then         └── after a crash: snapshot, then the log again up to here

Rules of this file
    - One thread, and nothing in it waits for the network. It waits for the log, and where a container begins for its
      engine's answer, bounded (`agent.live_containers`).
    - An epoch is cut when its time is over, or soon after something new has appeared: an attack does not wait. What is
      open and has nothing more to read after it (`idle`) is sealed: no further event would end its second.
    - A cut ends what is open, but not the wait of lines for other writes that may have met theirs, nor are those told
      that have been given up: where nothing more comes, both are sealed all the same (`Memory.open`).
    - Lines of applications' logs that time joins wait for some seconds of the log to go by. Where it stands still, the
      clock that goes on stands in for it (`LINES`).
    - Whatever changes memory besides bytes is journaled with its position (`agent.memory`).
    - Over its CPU budget the loop rests; what then falls further behind than `most_behind` is skipped, every record
      counted. Lengths of epochs are measured by the monotonic clock: a step of the other one stretches nothing.

Invariant: what the ledger holds was cut at positions that ascend; the snapshot is not younger than the journal's start.
Complexity: O(bytes), and O(scopes) per cut.
Source: design section 4 (publish), section 3 promises 5 and 6; issue "live agent" (epoch loop, capture).
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from agent.budget import Budget
from agent.entry import entries_of
from agent.epochs import Epoch
from agent.heard import Hearing
from agent.ledger import Ledger
from agent.memory import BITE, Aside, Cut, Memory
from agent.source import Source
from grammar.control import Control, write
from grammar.envelope import Run
from grammar.finding import Finding

LINES: Final = 4.0
"""Seconds without a record after which lines that wait for their time are due."""
LATER: Final = 3.0
"""So many times as long, and again: then those are whose write never came, and those that were written meanwhile."""
SPACING: Final = 0.5
"""Seconds between two early cuts, at least."""

_log = logging.getLogger("agent.loop")


@dataclass(slots=True)
class Timing:
    """Seconds, but for `snapshot_bytes` (of log) and `most_behind` (bytes of log not read yet; 0: no limit).

    `gather`: how long records are left to gather once all that was there has been read. Many at once cost half of what
    they cost one by one, and the node's own work is not interrupted.
    """

    epoch: float = 50.0
    early: float = 0.1
    idle: float = 0.3
    gather: float = 0.1
    snapshot: float = 300.0
    snapshot_bytes: int = 16 << 20
    most_behind: int = 0


class Outside(Protocol):
    """What else the loop asks of the world, each call quick and without exceptions."""

    def now(self) -> float:
        """Seconds, monotonic."""

    def wall(self) -> int:
        """Milliseconds since 1970."""

    def cpu(self) -> float:
        """CPU seconds that this process has used."""

    def sleep(self, seconds: float) -> None:
        """Rest."""

    def kernel(self, memory: Memory) -> dict[str, int]:
        """What the kernel has lost since the last reading, by cause."""

    def counters(self) -> tuple[int, ...]:
        """What the kernel said at that reading (`grammar.envelope.Envelope.kernel`)."""

    def runs(self) -> tuple[Run, ...]:
        """What of the containers' lives has changed since the last call."""

    def retired(self) -> tuple[str, ...]:
        """Containers that have ended some time ago: their graphs can go."""

    def findings(self, memory: Memory, epoch: Epoch) -> tuple[Finding, ...]:
        """What policies find in an epoch that has been cut."""

    def epoch(self, number: int, epoch: Epoch) -> None:
        """An epoch has been cut and journaled: its instances can be kept, figures be shown."""

    def save(self, memory: Memory, position: bytes) -> str:
        """Write a snapshot; its name, or nothing if that failed."""

    def saved(self, name: str) -> None:
        """The ledger goes by the snapshot of that name from here on."""

    def orders(self) -> Control | None:
        """Newer control, if any has come."""

    def wake(self) -> None:
        """Something is there to be sent."""


class Logs(Protocol):
    """Where applications' logs come from (`agent.logfiles_feed`)."""

    def feed(self, memory: Memory) -> None:
        """Bring in what has been written by now; what that was is noted in `memory.heard`."""

    def note(self) -> None:
        """A snapshot is about to be taken; what is brought in for it is noted, too."""

    def saved(self) -> None:
        """It has been written."""


@dataclass(slots=True)
class Loop:
    """The loop and its clocks; `step` is one turn of it. `lock` guards the words that it shares with the sender.

    `behind`: bytes of log that were there and not read, when last looked; other threads must not ask `source`.
    """

    memory: Memory
    source: Source
    ledger: Ledger
    outside: Outside
    timing: Timing = field(default_factory=Timing)
    budget: Budget = field(default_factory=Budget)
    lock: AbstractContextManager[object] = field(default_factory=nullcontext)
    logs: Logs | None = None
    bytes_read: int = 0
    behind: int = 0
    _asides: list[Aside] = field(default_factory=list)
    _hearing: Hearing = field(default_factory=Hearing)
    _begun: float = 0.0
    _start: int = 0
    _news_since: float | None = None
    _read_at: float = 0.0
    _sealed_at: float = 0.0
    _saved_at: float = 0.0
    _saved_bytes: int = 0
    _stood: float = 0.0

    def begin(self) -> None:
        """Start the clocks; a first snapshot says where the log is read from."""
        now = self.outside.now()
        self._begun, self._start, self._read_at = now, self.outside.wall(), now
        self.save()

    def step(self, wait: float) -> None:
        """Read a bite, or wait for one at most so many seconds; then do what is due."""
        data = self.source.read(BITE)
        if self.logs is not None:
            self.logs.feed(self.memory)
            self._hearing.note(len(self._asides), self.memory.heard)
        if data:
            self.memory.pipeline.absorb(data)
            self._hearing.taken += len(data)
            self.bytes_read += len(data)
            self._read_at, self._stood = self.outside.now(), 0.0
            if self.timing.gather and len(data) < BITE:
                self.outside.sleep(self.timing.gather)
        else:
            self.behind = 0
            if wait:
                self.source.wait(self._patience(wait))
        self._obey()
        self._seal_if_idle()
        self._cut_if_due()
        self._rest()
        self._save_if_due()

    def cut(self) -> bool:
        """End the epoch here; whether it is safe on disk."""
        now, pipeline = self.outside.now(), self.memory.pipeline
        for cause, number in self.outside.kernel(self.memory).items():
            pipeline.node.loss.note(cause, number)
        for cause, number in self.source.loss.take().items():
            pipeline.node.loss.note(cause, number)
        length = max(1, round((now - self._begun) * 1000))
        start = min(self._start, pipeline.earliest or self._start)
        named = tuple((one.id, one.name, one.app, one.image) for one in pipeline.node.containers.take_named())
        heard = self._hearing.take()
        cut = Cut(start, length, tuple(self._asides), self.memory.meter.last, heard=heard, named=named)
        runs = self.outside.runs()
        with self.lock:
            epoch = self.memory.cut(cut)
        findings = self.outside.findings(self.memory, epoch)
        entries = entries_of(epoch, runs, self.memory.control.revision, self.outside.counters(), findings)
        safe = self.ledger.cut(entries, self._position(), "cut", msgspec.msgpack.encode(cut))
        self.outside.epoch(self.memory.number - 1, epoch)
        self._begun, self._news_since = now, None
        self._start = max(self.outside.wall(), self._start + length)
        self._asides.clear()
        self.outside.wake()
        self.behind = self.source.behind
        return safe

    def save(self) -> None:
        """Take a snapshot here; if it cannot be written the one before it counts, and the log is read from there."""
        if self._asides or self._has_open_epoch():
            self.cut()
        position = self._position()
        if self.logs is not None:
            self.logs.note()
            self._hearing.note(len(self._asides), self.memory.heard)
        with self.lock:
            name = self.outside.save(self.memory, position)
        if name and self.ledger.snapshot_taken(name, position):
            self.outside.saved(name)
            if self.logs is not None:
                self.logs.saved()
            self._saved_bytes = self.bytes_read
            self._hearing.clear()
        self._saved_at = self.outside.now()

    def finish(self) -> None:
        """Stop in good order: nothing is left to be read again."""
        self.cut()
        self.save()

    def _position(self) -> bytes:
        return self.source.position.to_bytes()

    def _has_open_epoch(self) -> bool:
        return self.memory.pipeline.news or self.memory.pipeline.open

    def _patience(self, wait: float) -> float:
        """How long to wait for the log, so that nothing that is due is late."""
        now = self.outside.now()
        due = self._begun + self.timing.epoch - now
        if self.memory.open:
            due = min(due, max(self._read_at, self._sealed_at) + self.timing.idle - now)
        if self._news_since is not None:
            due = min(due, self._early_at() - now)
        return min(wait, max(0.0, due))

    def _obey(self) -> None:
        control = self.outside.orders()
        if control is None or control.revision <= self.memory.control.revision:
            return
        if self._asides or self._hearing or self._has_open_epoch():
            self.cut()
        self.memory.obey(control)
        self.ledger.cut((), self._position(), "control", write(control))
        self._hearing.clear()
        if control.epoch_millis:
            self.timing.epoch = control.epoch_millis / 1000
        _log.info("new control", extra={"revision": control.revision, "epoch_millis": control.epoch_millis})

    def _seal_if_idle(self) -> None:
        now = self.outside.now()
        idle = now - self._read_at
        if now - max(self._read_at, self._sealed_at) >= self.timing.idle and self.memory.open:
            self._sealed_at = now
            self._asides.append(Aside(self._position()))
            self.memory.seal()
        due = LATER * self._stood or LINES
        if idle >= due:
            self._stood = due
            if self.memory.lines_wait:
                self._asides.append(Aside(self._position(), later=round(1000 * due)))
                self.memory.seal(round(1000 * due))

    def _early_at(self) -> float:
        return max((self._news_since or 0.0) + self.timing.early, self._begun + SPACING)

    def _cut_if_due(self) -> None:
        now = self.outside.now()
        if self._news_since is None and self.memory.pipeline.news:
            self._news_since = now
        over = now - self._begun >= self.timing.epoch or self._hearing.full
        if over or (self._news_since is not None and now >= self._early_at()):
            self.cut()

    def _rest(self) -> None:
        pause = self.budget.rest(self.outside.cpu(), self.outside.now())
        if pause <= 0:
            return
        self.outside.sleep(pause)
        if self.timing.most_behind and self.source.behind > self.timing.most_behind:
            before = self._position()
            skipped = self.source.skip()
            self._asides.append(Aside(before, self._position()))
            _log.warning("over its CPU budget: records skipped", extra={"records": skipped})

    def _save_if_due(self) -> None:
        read = self.bytes_read - self._saved_bytes
        if read and (read >= self.timing.snapshot_bytes or self.outside.now() - self._saved_at >= self.timing.snapshot):
            self.save()
