"""Lines of application logs in the graph: each one a LogMessage, joined with the unit that wrote it.

Rules of this file
    - A write that audit saw claims its line by offset (`agent.logbook`): the edge's operation is `log`. Where writes
      are not audited, or have been lost, time joins (`agent.logtimes`): `log_near`. A line that nobody can be found for
      is told without an edge: never with a wrong one.
    - Whose line it is within a process: the unit of the client that the line names with its port; else that of the
      connection number that it names, once that has been met; else the unit that runs.
    - A line tells of what its unit has done so far: it *covers* the processes that the unit has started and what it has
      written, its client's connection and the logs themselves left out.
    - The label is the pattern of the log string in the application's profile, else a mined template. A profile that
      does not fit gives no match, and so no unit is cut by it.

Complexity: O(length of the line + what the unit did).
Source: DisProTrack sections V and VI (ASCL, Algorithm 2); design section 2 (LogMessage).
"""

from __future__ import annotations

from collections.abc import Iterable
from posixpath import basename
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.events import Call
from agent.files import path_of
from agent.logbook import Book
from agent.logfiles_value import Piece, is_log
from agent.lognames import LogNames, Named
from agent.logtimes import DRIFT, Writer, joined_by_time
from agent.processes import Handle, Process
from agent.units import begin
from agent.upg import EDGE, Actor, Artifact, Scope
from grammar.line import MAX_PROGRAMS, RAN, STARTED, Line

if TYPE_CHECKING:
    from agent.node import Node

LOG: Final = {operation: EDGE["WAS_GENERATED_BY", operation] for operation in ("log", "log_near")}
COVERS: Final = {
    "Process": EDGE["WAS_GENERATED_BY", "covers"],
    "Artifact": EDGE["WAS_DERIVED_FROM", "covers"],
}
CONNECTIONS: Final = frozenset({"mysql_general", "mysql_error", "nginx_error"})
"""Formats whose thread is the number of a connection: one unit each, whatever thread of the process serves it."""
MAX_CONNECTIONS: Final = 1_024
SEVERAL: Final = "*"
BY_LOG: Final = "unit log"
"""What a unit comes from that a line has begun."""
MAX_OWED: Final = 256
"""Writes to one log that are kept until it is read for the first time."""
MAX_BOOKS: Final = 64
"""Logs of one container."""
UNEXPLAINED: Final = frozenset({"File unknown", "Socket"})


class Write(NamedTuple):
    """A write to a log: how many bytes, when, whose."""

    size: int
    millis: int
    writer: Writer


class LogMessages:
    """The logs of one worker's containers.

    `names` gives lines their patterns; `joined` counts lines by operation; `wanted` are logs that have been opened, by
    container and path, since pieces were taken last: whoever reads logs may not know of them. `began` is the time of
    the first event.
    """

    __slots__ = ("_connections", "_owed", "_threads", "began", "books", "joined", "names", "wanted")

    def __init__(self, names: LogNames | None = None) -> None:
        self.names = names or LogNames()
        self.books: dict[str, dict[str, Book]] = {}
        self.joined = {"log": 0, "log_near": 0, "": 0}
        self.began = 0
        self.wanted: set[tuple[str, str]] = set()
        self._owed: dict[tuple[str, str], list[Write]] = {}
        self._threads: dict[str, str] = {}
        self._connections: dict[tuple[str, str], Actor] = {}

    def add(self, container: str, book: Book) -> Book:
        """A log file that can be read."""
        return self.books.setdefault(container, {}).setdefault(book.path, book)

    def opened(self, container: str, path: str | None, *, appends: bool = False) -> Book | None:
        """The book of the file that a container's process opens for writing; without one, a log is `wanted`."""
        if path is None:
            return None
        books = self.books.get(container, {})
        found = books.get(path) or books.get(basename(path))
        if found is None and appends and len(books) < MAX_BOOKS and is_log(path):
            self.wanted.add((container, path))
            found = self.add(container, Book(path))
        return found

    def stream(self, container: str, path: str) -> Book | None:
        """The book of what the engine keeps of a container's standard output or error."""
        if len(self.books.get(container, ())) >= MAX_BOOKS:
            return None
        return self.add(container, Book(path))

    def take(self, pieces: Iterable[Piece]) -> None:
        """What has been read of logs since the last call."""
        for piece in pieces:
            book = self.opened(piece.container, piece.path, appends=True) or self.stream(piece.container, piece.path)
            if book is None:
                continue
            book.near = piece.millis_read
            if piece.millis:
                book.entry(piece.data, piece.millis)
            else:
                book.take(piece.generation, piece.offset, piece.data)
            for write in self._owed.pop((piece.container, piece.path), ()):
                self._claim(book, write)
        self.wanted.clear()

    def retire(self, container: str) -> None:
        """A container has ended, and so have its logs."""
        self.books.pop(container, None)
        self._owed = {key: writes for key, writes in self._owed.items() if key[0] != container}

    def wrote(self, node: Node, process: Process, handle: Handle, call: Call) -> None:
        """A write to a log, or to a file that is not known: the lines that it has ended are this process's."""
        if call[2] is None or not call[2].isdigit():
            return
        write = Write(int(call[2]), node.time.clock.millis, Writer(process, process.current))
        book = handle.log
        if book is None:
            book = handle.log = self._guess(process.scope.container, write.size, write.millis)
            if book is None:
                return
        if book.is_unread:
            self._owe(process.scope.container, book, write)
        else:
            self._claim(book, write)

    def _owe(self, container: str, book: Book, write: Write) -> None:
        """A log that is not read yet: the write is kept until it is, if there are not too many."""
        owed = self._owed.setdefault((container, book.path), [])
        if len(owed) < MAX_OWED:
            owed.append(write)
        else:
            book.begins = 1  # who reads it some day has to find the place
            del self._owed[container, book.path]

    def _claim(self, book: Book, write: Write) -> None:
        for entry in book.claim(write.size, write.millis, self.began):
            book.exact = True
            if entry.line is not None:
                process, unit = write.writer
                writer = Writer(process, self._unit(process, entry.line, unit))
                self.tell(book, writer, entry.line, "log_near" if book.guessed else "log")

    def _guess(self, container: str, count: int, now: int) -> Book | None:
        """The only log that waits for a line of just that length at this time: its opening has not been seen."""
        found = []
        for book in self.books.get(container, {}).values():
            entry = book.head() if book.guessed or not book.exact else None
            line = entry.line if entry is not None and entry.size == count and not book.partial else None
            if line is not None and line.millis is not None and abs(now - line.millis) <= DRIFT + line.grain:
                found.append(book)
        if len(found) != 1:
            return None
        found[0].guessed = True
        return found[0]

    def tick(self, node: Node) -> None:
        """A second has passed: lines that no write has claimed are joined by time."""
        self.began = self.began or node.time.clock.millis
        for container, books in self.books.items():
            scope = node.scopes.get(container)
            for book in books.values():
                book.near = book.near or self.began
                for line, writer in joined_by_time(node, scope, book, self.began) if scope is not None else ():
                    if writer is not None:
                        self.tell(book, writer, line, "log_near")
                    else:
                        self._alone(node, container, book, line)
                if book.dropped:
                    node.loss.note("log_unread", book.dropped)
                    book.dropped = 0

    def _alone(self, node: Node, container: str, book: Book, line: Line) -> None:
        """A line that nobody can be found for."""
        scope = node.scopes[container]
        named = self.names.name(scope.app, b"", "", line)
        scope.vertex(f"LogMessage {named.pattern}", (), f"log:{book.path}:{book.offset}")
        self.joined[""] += 1
        node.loss.note("log_unjoined")

    def tell(self, book: Book, writer: Writer, line: Line, operation: str) -> None:
        """A LogMessage of a unit, with what it covers."""
        process, unit = writer
        named = self.names.name(process.scope.app, process.exe, process.ident, line)
        if named.begins and operation == "log" and self._is_alone(process, line.thread) and _by_log(unit):
            unit = begin(process, BY_LOG.partition(" ")[2])
        scope = process.scope
        started = [one for one in unit.did or () if isinstance(one, Process) and one.scope is scope]
        tags = tuple(sorted({(RAN if one.dead else STARTED) + one.label for one in started}))[:MAX_PROGRAMS]
        vertex = scope.vertex(f"LogMessage {named.pattern}", tags, f"log:{book.path}:{book.offset}")
        vertex.command = named.node
        scope.edge(vertex, LOG[operation], unit.vertex)
        self.joined[operation] += 1
        for child in started:
            scope.edge(vertex, COVERS["Process"], child.current.vertex)
        for thing in unit.did or ():
            if isinstance(thing, Artifact) and thing.vertex is not None and self._outgoing(scope, thing):
                scope.edge(vertex, COVERS["Artifact"], thing.vertex)
        if unit.did is not None:
            _end(process, unit, line, named)

    def _outgoing(self, scope: Scope, artifact: Artifact) -> bool:
        """Whether it is more than the client's own connection, a log, an unknown, or a place where all vanishes."""
        if artifact.inert or artifact.ident.endswith("#sink") or artifact.label in UNEXPLAINED:
            return False
        if artifact.kind == "Socket":
            return ">" not in artifact.label
        return self.opened(scope.container, path_of(artifact)) is None

    def _unit(self, process: Process, line: Line, current: Actor) -> Actor:
        """The unit of a process that a line belongs to; `current` was running when it was written."""
        if line.client and current.peer == line.client:
            return current
        if line.client and ":" in line.client:
            for handle in process.fds.values():
                if handle.unit is not None and handle.unit.peer == line.client:
                    return handle.unit
        if line.thread and line.format in CONNECTIONS:
            return self._connection(process, line.thread, current)
        return current

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

    def _connection(self, process: Process, number: str, current: Actor) -> Actor:
        """The unit of a numbered connection: the one that ran when the number was first met, while it lasts."""
        key = process.ident, number
        found = self._connections.get(key)
        if found is None or all(handle.unit is not found for handle in process.fds.values()):
            found = current
            self._connections.pop(key, None)
            if found.did is not None:
                if len(self._connections) >= MAX_CONNECTIONS:
                    del self._connections[next(iter(self._connections))]
                self._connections[key] = found
        return found


def _end(process: Process, unit: Actor, line: Line, named: Named) -> None:
    """A line of an access log ends a request; the last of an iteration ends a unit that no connection carries."""
    if line.ends:
        unit.done = True
    elif named.ends and not named.begins and unit is process.current and _by_log(unit):
        process.current = process.base


def _by_log(unit: Actor) -> bool:
    """Whether a line may end it: a unit that a line has begun, or none."""
    return unit.did is None or BY_LOG in unit.context
