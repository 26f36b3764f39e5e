"""The local store: every vertex and edge of the last hours as it really was, and the answers to questions about them.

Rules of this file
    - A recorder (`agent.upg.Recorder`): its hooks are on the agent's hot path and only append to columns. `cut` ends an
      epoch: what came since the last one is a segment, packed and written. More than `MAX_ROWS` are not held: the
      settled ones go out as a part of the epoch.
    - Nothing here waits or raises into the agent's loop: what finds no room on the disk is dropped, counted, and said
      in every answer.
    - Restarts: `Resume.told` is the last epoch that the agent's journal has; what the files have beyond it is cut off,
      for it will be read again, and perhaps cut elsewhere. Epochs that are there already are not written twice. So:
      journal first, then `cut`, then `sync`, then a snapshot. Who has lost the journal begins a new life: no `Resume`.
    - One thread records and cuts; any other may `answer`: it takes the open columns as they are at that moment, then
      the list of segments; if the segment of these columns has been written meanwhile it counts once.

Invariant: (scope, vertex number) is one vertex for ever, across restarts and lives: a scope that begins anew, with
vertex 1, gets a new number of the store's.
Complexity: a hook O(1), some appends; `cut` O(rows since the last one); an answer: see `agent.instance_walk`.
Source: design section 4 (local store); issue "live agent", items 4 and 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from agent.instance_ball import Ball
from agent.instance_files import Budget, Entry, Lookup, SegmentFiles
from agent.instance_walk import Reader, Walk
from agent.loss import Loss
from agent.segment_rows import FIELDS, UNSEALED, Rows
from agent.segments import Head, Packer, Segment, Stamp
from agent.upg import Scope
from grammar import CodecError
from grammar.control import Link, Question, Reply
from grammar.finding import Instance

MAX_HELD: Final = 65_536
"""Vertices and edges between two segments."""
MAX_COMMANDS: Final = 16_384
DROPPED: Final = "instances_dropped"
FORGOTTEN: Final = "instances_forgotten"
"""Of one answer: vertices that an edge leads to, and that no segment has (any longer)."""
DEADLINE: Final = 2.0
_FOREVER: Final = 1 << 62
Told = tuple[tuple[Instance, ...], tuple[Link, ...]]
Opened = tuple[int, Segment | None]


@dataclass(frozen=True, slots=True)
class Resume:
    """After a restart: the last epoch in the journal, and the number of the epoch that is recorded first."""

    told: int
    epoch: int


class _Open:
    """What has come since the last segment: columns by scope, and which segment they will be."""

    __slots__ = ("part", "rows", "serial")

    def __init__(self, serial: int, part: int = 0) -> None:
        self.serial, self.part = serial, part
        self.rows: dict[Scope, Rows] = {}


class Instances:
    """One worker's store in `folder`; what it has dropped is counted in `loss` too."""

    def __init__(
        self,
        folder: Path,
        worker: str,
        budget: Budget | None = None,
        *,
        resume: Resume | None = None,
        loss: Loss | None = None,
    ) -> None:
        self.worker, self.loss = worker, loss if loss is not None else Loss()
        self.files = SegmentFiles(folder, budget)
        self.dropped = self.life = 0
        self.epoch = resume.epoch if resume else 0
        self._packer = Packer()
        self._commands: dict[str, str] = {}
        self._scopes: dict[tuple[str, str], tuple[int, int]] = {}
        self._next_scope, self._stored = 1, -1
        self._recover(resume)
        self._open = _Open(0)
        self._rows, self._room = self._open.rows, MAX_HELD

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex."""
        rows = self._rows.get(scope)
        if rows is None:
            rows = self._rows[scope] = Rows(scope, number)
        rows.idents.append(ident)
        rows.times.append(scope.clock.millis)
        rows.states.append(UNSEALED)
        self._room -= 1
        if self._room < 0:
            self._flush()

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """A vertex has its state; one that has been dropped meanwhile is not here."""
        rows = self._rows.get(scope)
        if rows is not None and number >= rows.first:
            rows.states[number - rows.first] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A new edge."""
        rows = self._rows.get(scope)
        if rows is None:
            rows = self._rows[scope] = Rows(scope, scope.made + 1)
        rows.edges.extend((effect, kind, cause, millis))
        self._room -= 1
        if self._room < 0:
            self._flush()

    def command(self, ident: str, text: str) -> None:
        """What the process of that identity runs (`agent.upg.CommandRecorder`)."""
        if len(self._commands) >= MAX_COMMANDS:
            self._commands = dict(islice(self._commands.items(), MAX_COMMANDS // 2, None))
        self._commands[ident] = text

    def cut(self, epoch: int) -> None:
        """The epoch of this number ends: what has come in it is a segment, unless it is one already."""
        if epoch > self._stored:
            self._store(self._open, Stamp(self.life, epoch, self._open.part), self._rows.values())
        self._begin(_Open(self._open.serial + 1))
        self.epoch = epoch + 1

    def sync(self) -> None:
        """What has been cut outlives the machine's power; to be called before a snapshot."""
        self.files.sync()

    def close(self) -> None:
        """Nothing more comes; what has not been cut is forgotten, for it will be read again."""
        self.files.close()

    def answer(self, question: Question, within: float = DEADLINE) -> Reply:
        """The instances in question, or what they say of a policy, after at most about `within` seconds.

        From any thread.
        """
        if question.policy:
            from agent.confirm import verdict_of  # noqa: PLC0415 - most questions need no parser

            return verdict_of(self, question, within)
        return self._walked(question, within, lambda walk: walk.run())

    def around(self, question: Question, turns: int, within: float = DEADLINE) -> Reply:
        """All that lies around the vertices in question, whatever way the edges point (`agent.instance_ball`)."""
        return self.still().around(question, turns, within)

    def still(self) -> Still:
        """As it is now: the open columns are copied once for several questions."""
        return Still(self)

    def stirred(self, scope: Scope, states: frozenset[int]) -> tuple[bool, bool]:
        """Whether vertices of these states are new since the last cut; whether edges between older vertices are.

        In the thread that records, when all is sealed.
        """
        if self._open.part:
            return True, True  # some of it has been written already
        rows = self._rows.get(scope)
        if rows is None:
            return False, False
        first, edges = rows.first, rows.edges
        return not states.isdisjoint(rows.states), any(map(first.__gt__, map(max, edges[0::FIELDS], edges[2::FIELDS])))

    def _walked(
        self, question: Question, within: float, run: Callable[[Walk], Told], opened: Opened | None = None
    ) -> Reply:
        deadline = time.monotonic() + within
        opened = opened or self._opened()
        with Lookup() as lookup:
            reader = Reader(lookup, *self._without_twice(opened))
            walk = Walk(reader, question, lambda: time.monotonic() > deadline)
            instances, links = run(walk)
        lost = {DROPPED: self.dropped + reader.unread, FORGOTTEN: walk.gone}
        starts = [entry.start for entry in self.files.entries[:1]] or [start for start, _ in reader.spans[-1:]]
        return Reply(
            id=question.id,
            worker=self.worker,
            instances=instances,
            links=links,
            cut=walk.cut,
            since=max(0, *starts) if starts else 0,
            lost={cause: number for cause, number in lost.items() if number},
        )

    def _opened(self, container: str = "") -> Opened:
        """The open columns (of a container) as they are now, as far as they are settled, and their segment's number."""
        opened = self._open
        numbered = self._numbered(list(opened.rows.values()))
        there = [(number, rows) for number, rows in numbered if container in ("", rows.scope.container)]
        copies = [(number, rows.frozen().split()[0]) for number, rows in there]
        held = [(number, rows) for number, rows in copies if rows]
        if not held or self.epoch <= self._stored:
            return opened.serial, None
        stamp = Stamp(self.life, self.epoch, opened.part)
        return opened.serial, Packer().pack(stamp, held, dict(self._commands))

    def _without_twice(self, opened: tuple[int, Segment | None]) -> tuple[list[Entry], Segment | None]:
        """The segments on disk now, and the open one unless it has become one of them."""
        entries = list(self.files.entries)
        written = any(entry.serial >= opened[0] for entry in entries[-1:])
        return entries, None if written else opened[1]

    def _flush(self) -> None:
        """Too much for one segment: what is settled goes out as a part of the epoch; of the rest not all can stay."""
        opened = self._open
        after = _Open(opened.serial + 1, opened.part + 1)
        ready = []
        for scope, rows in opened.rows.items():
            done, rest = rows.split()
            ready.append(done)
            if rest is not None:
                after.rows[scope] = rest
        if self.epoch > self._stored:
            self._store(opened, Stamp(self.life, self.epoch, opened.part, last=False), ready)
        held = sum(rows.held for rows in after.rows.values())
        if held > MAX_HELD // 2:
            self._drop(after.rows.values())
            after.rows = {scope: Rows(scope, scope.made + 1) for scope in after.rows}
            held = 0
        self._begin(after, held)

    def _begin(self, opened: _Open, held: int = 0) -> None:
        self._open = opened
        self._rows, self._room = opened.rows, MAX_HELD - held

    def _store(self, opened: _Open, stamp: Stamp, rows: Iterable[Rows]) -> None:
        held = [one for one in rows if one]
        if not held:
            return
        scopes = self._numbered(held)
        segment = self._packer.pack(stamp, scopes, self._commands)
        head, body = self._packer.encode(segment)
        if not self.files.append(head, body, (segment[0].start, segment[0].end), opened.serial):
            self._drop(held)
            return
        for number, one in scopes:  # only now: who answers meanwhile numbers them as they were
            key = one.scope.app, one.scope.container
            self._scopes[key] = number, one.first + len(one.idents) - 1
            self._next_scope = max(self._next_scope, number + 1)

    def _drop(self, rows: Iterable[Rows]) -> None:
        count = sum(len(one.idents) for one in rows)
        self.dropped += count
        if count:
            self.loss.note(DROPPED, count)

    def _numbered(self, held: Iterable[Rows]) -> list[tuple[int, Rows]]:
        """The rows with the numbers of their scopes; one that begins anew gets a new number."""
        found = []
        free = self._next_scope
        for rows in held:
            number, last = self._scopes.get((rows.scope.app, rows.scope.container), (0, _FOREVER))
            if rows.first <= last:
                number, free = free, free + 1
            found.append((number, rows))
        return found

    def _recover(self, resume: Resume | None) -> None:
        """Take on from the segments that are there: scopes, commands, and which epochs need not be written again."""
        with Lookup() as lookup:
            heads = [self._head(lookup, entry) for entry in self.files.entries]
        newest = next((head for head in reversed(heads) if head is not None), None)
        if newest is not None:
            self.life = newest.life + (resume is None)
        if resume is not None:
            keep = len(heads)
            while keep and _again(heads[keep - 1], self.life, resume.told):
                keep -= 1
            self.files.cut_after(keep)
            del heads[keep:]
        for head in filter(None, heads):
            for one in head.sections:
                self._scopes[one.app, one.container] = one.scope, one.first + one.count - 1
                self._next_scope = max(self._next_scope, one.scope + 1)
            if head.life == self.life:
                self._stored = max(self._stored, head.epoch)
                for ident, text in head.commands.items():
                    self.command(ident, text)

    def _head(self, lookup: Lookup, entry: Entry) -> Head | None:
        try:
            return lookup.head(entry)
        except CodecError:
            self.files.damaged += 1
            return None


class Still:
    """A store at one moment."""

    def __init__(self, store: Instances) -> None:
        self.worker, self._store = store.worker, store
        self._opened: dict[str, Opened] = {}

    def around(self, question: Question, turns: int, within: float = DEADLINE) -> Reply:
        """As `Instances.around`."""
        opened = self._opened.get(question.container)
        if opened is None:
            opened = self._opened[question.container] = self._store._opened(question.container)
        return self._store._walked(question, within, lambda walk: Ball(walk, turns).run(), opened)


def _again(head: Head | None, life: int, told: int) -> bool:
    """Whether a segment at the end will come again: beyond the journal, not whole, or not readable."""
    return head is None or (head.life == life and (head.epoch > told or not head.last))
