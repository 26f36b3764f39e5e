"""Lines whose write is not known for certain: what time says of them, and what it leaves open.

Rules of this file
    - The records of two writes that have met may stand in another order than their lines: one was still on its way
      out of the kernel (measured: of four processes' writes, one in 2,000). They have not met if the one recorded last
      began later, or its unit did after the other's record. Of lines of one length that do not say
      the same, whose writes may have met, none is certain: each is the program's, outside units.
    - A line is due `DRIFT` after its own time; one without a time is with the next that has one.
    - It is the unit's whose client it names with the port, if that was open at its time. Otherwise it is the program's,
      outside units, and covers nothing: time alone says no more (measured: of 1,500 lines without a port it gave one
      to three to a wrong unit, though no other seemed to be open). If it may be of several programs, it is nobody's.
    - A book that writes have claimed lines of is exact: a line of it that is left behind for `STUCK` was written by
      nobody that audit saw, and is given up.

Complexity: O(processes + recent units of the container), once for all lines of a book that are due, and once for each
client and second.
Source: issue "log processor" (join by time within a stated drift).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.logbook import Book, Weigh
from agent.processes import Process
from agent.tags import Tag
from agent.upg import Actor, Scope, Vertex
from grammar.line import Line

if TYPE_CHECKING:
    from agent.node import Node

DRIFT: Final = 2_000
"""Milliseconds by which a line's time and the log's may differ."""
STUCK: Final = 10_000
BATCH: Final = 4_096
"""Lines of one book that are joined at once."""
TICK: Final = 5
"""Milliseconds by which the beginnings of two writes may seem to differ: audit's clock goes in steps."""
MAX_RECENT: Final = 512
"""Units of one container that are remembered for lines to come."""


class Recent(deque[tuple[int, object, Actor]]):
    """The last units of a container; `beside` are those that their process had open when each of them began.

    That is kept (`keeps`) only where tags ask for it.
    """

    def __init__(self, units: Iterable[tuple[int, object, Actor]] = (), maxlen: int | None = MAX_RECENT) -> None:
        super().__init__(units, maxlen)
        self.keeps = False
        self.beside: dict[Actor, tuple[Actor, ...]] = {}

    def append(self, one: tuple[int, object, Actor]) -> None:
        """One more unit; the oldest goes."""
        if self.keeps:
            self._keep(one)
        super().append(one)

    def _keep(self, one: tuple[int, object, Actor]) -> None:
        if len(self) == self.maxlen:
            self.beside.pop(self[0][2], None)
        process = one[1]
        if isinstance(process, Process):
            units = (handle.unit for handle in process.fds.values())
            self.beside[one[2]] = tuple(dict.fromkeys(unit for unit in units if unit is not None))


class Writer(NamedTuple):
    """A line's process and unit."""

    process: Process
    unit: Actor


@dataclass(slots=True)
class Joined:
    """A line with its edges, before it is told; of its write `size`, `at` (how many vertices there were) and `millis`.

    `weight` is what it says of its writer (`agent.logbook.Weigh`); `operation` is empty if it is nobody's. `tag` is
    what the kernel says of its write, which was to that `part` of the book, at that `place`.
    """

    writer: Writer
    line: Line
    path: str
    ident: str
    label: str
    tags: tuple[str, ...]
    command: str
    operation: str = "log"
    causes: list[tuple[int, Vertex]] = field(default_factory=list)
    size: int = 0
    at: int = 0
    millis: int = 0
    weight: int = 0
    tag: Tag | None = None
    part: int = 0
    place: int = 0

    def keep(self) -> None:
        """Its causes stay as they are now, whatever their processes learn until it is told; that is due with a tick."""
        scope = self.writer.process.scope
        for _, cause in self.causes:
            scope.seal(cause)
        scope.open.append(self.writer.unit.vertex)

    def outside(self, kind: int) -> None:
        """It is its process's, but of which of its units is not known after all."""
        base = self.writer.process.base
        self.writer, self.tags = self.writer._replace(unit=base), ()
        self.causes = [(kind, base.vertex)]

    def doubt(self, kind: int, programs: Collection[str]) -> None:
        """It is one of these programs', by an edge of this kind; nobody's if they are several."""
        known = self.operation and len(programs) == 1
        self.operation, self.tags = "log_near" if known else "", ()
        base = self.writer.process.base
        self.writer = self.writer._replace(unit=base)
        self.causes = [(kind, base.vertex)] if known else []


def met(waiting: deque[Joined], last: Joined, since: int, weigh: Weigh) -> list[Joined]:
    """The lines of writes that may have met, `last` among them, if theirs may be one another's; else none.

    `since` counts the vertices that there were when the last write's unit, as it is, was made. What one process writes
    stands in the order of its records (its threads are not known apart).
    """
    found = [last]
    for one in reversed(waiting):
        if one.at < since or one.writer.process is last.writer.process:
            break
        if one.tag is None and one.size == last.size and last.millis <= one.millis + TICK:
            found.append(one)
    others = (one.line for one in found if one.line.message != last.line.message)
    return found if any(weigh(line) >= last.weight for line in others) else []


def joined_by_time(
    node: Node, scope: Scope, book: Book, gone: Mapping[Actor, int], since: int
) -> Iterator[tuple[Line, Writer | None]]:
    """The lines of a book that are due, each with its writer, if there can be just one; none from before `since`."""
    now = node.time.clock.millis
    if scope.recent is None and not book.exact:
        recent = scope.recent = Recent()
        recent.keeps = node.logs is not None and node.logs.tags.on
    while book.lost:
        lost = book.lost.popleft().line
        if lost is not None:
            yield lost, None
    candidates: Candidates | None = None
    for _ in range(BATCH):
        due = book.time()
        if due is None or due + (STUCK if book.exact else DRIFT) > now:
            return
        if candidates is None and (book.parts or not book.exact):
            candidates = Candidates(node, scope, book, gone)
        line = book.skip().line
        if line is not None and due + DRIFT >= since:
            yield line, None if candidates is None else candidates.writer(line)


def ended(node: Node, scope: Scope, known: Mapping[Actor, int]) -> dict[Actor, int]:
    """When the last units of a container were seen to have ended, to the second."""
    held = {id(one.unit) for each in node.processes.values() if each.scope is scope for one in each.fds.values()}
    now = node.time.clock.millis
    return {unit: known.get(unit, now) for _, _, unit in scope.recent or () if id(unit) not in held}


class Candidates:
    """Who may have written the lines of a book that are due: looked up once, for lines come by the thousand.

    Lines of one client and one second have one answer.
    """

    def __init__(self, node: Node, scope: Scope, book: Book, gone: Mapping[Actor, int]) -> None:
        self._gone = gone
        self._holders = [one for one in node.processes.values() if one.scope is scope and _holds(one, book)]
        self._by_host: dict[str, list[tuple[int, Writer]]] = {}
        self._by_peer: dict[str, list[tuple[int, Writer]]] = {}
        self._all: list[tuple[int, Writer]] = []
        for begun, process, unit in scope.recent or ():
            if isinstance(process, Process):
                one = begun, Writer(process, unit)
                self._all.append(one)
                if unit.peer:
                    self._by_peer.setdefault(unit.peer, []).append(one)
                    self._by_host.setdefault(unit.peer.rpartition(":")[0], []).append(one)
        self._forgot = self._all[0][0] if self._all and len(scope.recent or ()) == MAX_RECENT else 0
        self._known: dict[tuple[str, int, int], Writer | None] = {}

    def writer(self, line: Line) -> Writer | None:
        """Who must have written a line; None if nobody is known, or several programs may have."""
        key = line.client, line.millis or 0, line.grain
        if key not in self._known:
            self._known[key] = self._look(*key)
        return self._known[key]

    def _look(self, client: str, at: int, grain: int) -> Writer | None:
        named = self._open(self._by_peer.get(client, ()), at, grain) if client else []
        if len(named) == 1:
            return named[0]  # its port tells, however many others are forgotten
        found = named or self._open(self._by_host.get(client, ()) if client else self._all, at, grain)
        forgot = self._forgot > at - DRIFT
        among = found or ([writer for _, writer in self._all] if forgot else [])
        programs = {one.label: one for one in [*(one.process for one in among), *self._holders]}
        if len(programs) != 1:
            return None
        only = next(iter(programs.values()))
        return Writer(only, only.base)

    def _open(self, units: Iterable[tuple[int, Writer]], at: int, grain: int) -> list[Writer]:
        """Those of the units that may have been open at that time."""
        return [
            writer
            for begun, writer in units
            if begun <= at + grain + DRIFT and self._gone.get(writer.unit, at) >= at - DRIFT
        ]


def _holds(process: Process, book: Book) -> bool:
    return any(handle.log is book for handle in process.fds.values())
