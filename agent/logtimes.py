"""Lines that no audited write has claimed, joined by time.

Rules of this file
    - A line is due `DRIFT` after its own time; one without a time is with the next that has one.
    - It is the unit's whose client it names with the port; else the only unit of that client, or (if it names none) the
      only one at all, that began within its time. If several may have written it, it is their program's, outside units,
      and covers nothing. If it may be of several programs, it is nobody's.
    - A book that writes have claimed lines of is exact: a line of it that is left behind for `STUCK` was written by
      nobody that audit saw, and is given up.

Complexity: O(processes + recent units of the container) a line.
Source: issue "log processor" (join by time within a stated drift).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
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


def joined_by_time(node: Node, scope: Scope, book: Book, since: int) -> Iterator[tuple[Line, Writer | None]]:
    """The lines of a book that are due, each with its writer, if there can be just one; none from before `since`."""
    now = node.time.clock.millis
    if scope.recent is None and not book.exact:
        scope.recent = deque(maxlen=MAX_RECENT)
    for _ in range(BATCH):
        due = book.time()
        if due is None or due + (STUCK if book.exact else DRIFT) > now:
            return
        line = book.skip().line
        if line is not None and due + DRIFT >= since:
            yield line, None if book.exact else _writer(node, scope, book, line)


def _writer(node: Node, scope: Scope, book: Book, line: Line) -> Writer | None:
    holders = [one for one in node.processes.values() if one.scope is scope and _holds(one, book)]
    found = _units(scope, line)
    if len(found) == 1:
        return found[0]
    programs = {one.label: one for one in [*(one.process for one in found), *holders]}
    if len(programs) != 1:
        return None
    only = next(iter(programs.values()))
    return Writer(only, only.base)


def _units(scope: Scope, line: Line) -> list[Writer]:
    """The units that may have written a line, the last ones first."""
    found = []
    at, grain = line.millis or 0, line.grain
    for begun, process, unit in reversed(scope.recent or ()):
        if not isinstance(process, Process) or begun > at + grain + DRIFT:
            continue
        if line.client and unit.peer == line.client:
            return [Writer(process, unit)]
        host = unit.peer.rpartition(":")[0]
        if begun >= at - DRIFT and (not line.client or host == line.client):
            found.append(Writer(process, unit))
    return found


def _holds(process: Process, book: Book) -> bool:
    return any(handle.log is book for handle in process.fds.values())
