"""Lines that no audited write has claimed, joined by time.

Rules of this file
    - A line is due `DRIFT` after its own time; one without a time is with the next that has one.
    - It is the unit's whose client it names with the port; else the only unit of that client, or (if it names none) the
      only one at all, that was open at its time. If several may have written it, or some have been forgotten, it is
      their program's, outside units, and covers nothing. If it may be of several programs, it is nobody's.
    - A book that writes have claimed lines of is exact: a line of it that is left behind for `STUCK` was written by
      nobody that audit saw, and is given up.

Complexity: O(processes + recent units of the container) a line.
Source: issue "log processor" (join by time within a stated drift).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.logbook import Book
from agent.processes import Process
from agent.upg import Actor, Scope
from grammar.line import Line

if TYPE_CHECKING:
    from agent.node import Node

DRIFT: Final = 2_000
"""Milliseconds by which a line's time and the log's may differ."""
STUCK: Final = 10_000
BATCH: Final = 4_096
"""Lines of one book that are joined at once."""
MAX_RECENT: Final = 512
"""Units of one container that are remembered for lines to come."""


class Writer(NamedTuple):
    """A line's process and unit."""

    process: Process
    unit: Actor


def joined_by_time(
    node: Node, scope: Scope, book: Book, gone: Mapping[Actor, int], since: int
) -> Iterator[tuple[Line, Writer | None]]:
    """The lines of a book that are due, each with its writer, if there can be just one; none from before `since`."""
    now = node.time.clock.millis
    if scope.recent is None and not book.exact:
        scope.recent = deque(maxlen=MAX_RECENT)
    while book.lost:
        lost = book.lost.popleft().line
        if lost is not None:
            yield lost, None
    for _ in range(BATCH):
        due = book.time()
        if due is None or due + (STUCK if book.exact else DRIFT) > now:
            return
        line = book.skip().line
        if line is not None and due + DRIFT >= since:
            yield line, None if book.exact else _writer(node, scope, book, line, gone)


def ended(node: Node, scope: Scope, known: Mapping[Actor, int]) -> dict[Actor, int]:
    """When the last units of a container were seen to have ended, to the second."""
    held = {id(one.unit) for each in node.processes.values() if each.scope is scope for one in each.fds.values()}
    now = node.time.clock.millis
    return {unit: known.get(unit, now) for _, _, unit in scope.recent or () if id(unit) not in held}


def _writer(node: Node, scope: Scope, book: Book, line: Line, gone: Mapping[Actor, int]) -> Writer | None:
    holders = [one for one in node.processes.values() if one.scope is scope and _holds(one, book)]
    found = _units(scope, line, gone)
    recent = scope.recent
    forgot = recent is not None and len(recent) == MAX_RECENT and recent[0][0] > (line.millis or 0) - DRIFT
    if len(found) == 1 and not forgot:
        return found[0]
    programs = {one.label: one for one in [*(one.process for one in found), *holders]}
    if len(programs) != 1:
        return None
    only = next(iter(programs.values()))
    return Writer(only, only.base)


def _units(scope: Scope, line: Line, gone: Mapping[Actor, int]) -> list[Writer]:
    """The units that may have written a line, the last ones first."""
    named, found = [], []
    at, grain = line.millis or 0, line.grain
    for begun, process, unit in reversed(scope.recent or ()):
        if not isinstance(process, Process) or begun > at + grain + DRIFT or gone.get(unit, at) < at - DRIFT:
            continue
        if line.client and unit.peer == line.client:
            named.append(Writer(process, unit))
        if not line.client or unit.peer.rpartition(":")[0] == line.client:
            found.append(Writer(process, unit))
    return named or found


def _holds(process: Process, book: Book) -> bool:
    return any(handle.log is book for handle in process.fds.values())
