"""Which unit of a process a line of its log belongs to.

Rules of this file
    - The unit of the client that the line names with its port; else that of the connection number that it names, once
      that has been met; else the only one of the host that it names; else the unit that runs.
    - What a line says is a claim of whoever could write to the log: it chooses among the units of the process that
      wrote it, no others.

Complexity: O(descriptors of the process).
Source: DisProTrack section V; issue "log processor".
"""

from __future__ import annotations

from typing import Final

from agent.logbook import Book
from agent.processes import Process
from agent.upg import Actor
from grammar.line import Line

CONNECTIONS: Final = frozenset({"mysql_general", "mysql_error", "nginx_error"})
"""Formats whose thread is the number of a connection: one unit each, whatever thread of the process serves it."""
THREADED: Final = frozenset({"mysql_general", "mysql_error"})
"""Such of them whose connections have threads: the unit that runs when a line is written may be another's."""
MAX_CONNECTIONS: Final = 1_024
SEVERAL: Final = "*"


class Units:
    """What is known of processes' threads and numbered connections by their lines."""

    __slots__ = ("_connections", "_threads")

    def __init__(self) -> None:
        self._threads: dict[str, str] = {}
        self._connections: dict[tuple[str, str], Actor] = {}

    def _unit(self, book: Book, process: Process, line: Line, current: Actor) -> Actor:
        """The unit of a process that a line belongs to; `current` was running when it was written."""
        named = self._named(process, line.client, current) if line.client else None
        if named is not None:
            return named
        if line.thread and line.format in CONNECTIONS:
            return self._connection(process, line, current)
        if line.client and (book.is_mixed or current.peer.rpartition(":")[0] != line.client):
            return _only(process, line.client, current)
        return current

    def _named(self, process: Process, client: str, current: Actor) -> Actor | None:
        """The unit of a process that serves a client, given with its port."""
        if current.peer == client:
            return current
        for handle in process.fds.values():
            if handle.unit is not None and handle.unit.peer == client and handle.unit.ident == process.ident:
                return handle.unit
        return None

    def _is_running(self, process: Process, unit: Actor, line: Line) -> bool:
        """Whether the unit that seems to run is the one that does: threads of a process run in several at once.

        A child that has made no call is a thread: audit gives all threads of a process one number.
        """
        if not process.pending or unit is process.base or (line.thread and line.format in CONNECTIONS):
            return True
        return is_only(process, unit)

    def _is_alone(self, process: Process, thread: str) -> bool:
        """Whether all lines of a process have named one thread: others' calls could not be told from its."""
        known = self._threads.get(process.ident)
        if known is None:
            if len(self._threads) >= MAX_CONNECTIONS:
                del self._threads[next(iter(self._threads))]
            self._threads[process.ident] = known = thread
        elif known != thread:
            self._threads[process.ident] = known = SEVERAL
        return known != SEVERAL

    def _connection(self, process: Process, line: Line, current: Actor) -> Actor:
        """The unit of a numbered connection, while it lasts: the one that ran when the number was first met.

        Where connections have threads, only if no other can be meant: the only one without a number, or the one that
        was accepted so many after another as their numbers differ.
        """
        number = line.thread
        key = process.ident, number
        found = self._connections.get(key)
        open_units = list(
            dict.fromkeys(one.unit for one in process.fds.values() if one.unit is not None and one.unit.did is not None)
        )
        if found is None or found not in open_units:
            self._connections.pop(key, None)
            found = self._unnumbered(process, line, current, open_units)
            if found is process.base:
                return found
            if found.did is not None:
                if len(self._connections) >= MAX_CONNECTIONS:
                    del self._connections[next(iter(self._connections))]
                self._connections[key] = found
        return found

    def _unnumbered(self, process: Process, line: Line, current: Actor, units: list[Actor]) -> Actor:
        """Which of a process's open units has a number that has not been met."""
        known = {
            unit: int(number)
            for (ident, number), unit in self._connections.items()
            if ident == process.ident and number.isdecimal()
        }
        if current.did is not None and current in known:
            current = process.base  # that is another number's
        if line.format not in THREADED:
            return current
        left = [unit for unit in units if unit not in known]
        if len(left) == 1:
            return left[0]
        before = (
            [unit for unit in units if unit in known and known[unit] < int(line.thread)]
            if line.thread.isdecimal()
            else []
        )
        if left and before:
            last = max(before, key=lambda unit: known[unit])
            place = units.index(last) + int(line.thread) - known[last]
            if place < len(units) and units[place] is current:
                return current
        return process.base if left else current


def _only(process: Process, host: str, current: Actor) -> Actor:
    """The one unit of a process that serves a host; none of several; who runs, where it is no client's (a proxy's)."""
    units = {id(one.unit): one.unit for one in process.fds.values() if one.unit is not None}
    found = [unit for unit in units.values() if unit.ident == process.ident and unit.peer.rpartition(":")[0] == host]
    return current if not found else found[0] if len(found) == 1 else process.base


def is_only(process: Process, unit: Actor) -> bool:
    """Whether a process has no other unit that its threads could be in."""
    units = {id(one.unit) for one in process.fds.values() if one.unit is not None}
    return units == {id(unit)}
