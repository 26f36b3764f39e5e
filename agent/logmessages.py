"""Lines of application logs in the graph: each one a LogMessage, joined with the unit that wrote it.

Rules of this file
    - A write that audit saw claims its line by offset (`agent.logbook`): the edge's operation is `log`. Where writes
      are not audited, or have been lost, time joins (`agent.logtimes`): `log_near`. A line that nobody can be found for
      is told without an edge: never with a wrong one.
    - Writes that have met (`agent.logtimes`) may each have made the other's line. A line that such another might as
      well have made is the program's, outside units (`log_near`). So is one whose unit serves more than the request
      that it ends.
    - Whose line it is within a process: the unit of the client that the line names with its port; else that of the
      connection number that it names, once that has been met; else the unit that runs. What a line says is a claim of
      whoever could write to the log: it chooses among the units of the process that wrote it, no others. A line that
      says that it is another's (`_weigh`), or stands behind the first one of a write, is the process's, outside units.
    - A request is ended by a line of a log that has nothing but such lines, written alone: not by one that imitates it.
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

from agent import tagjoin
from agent.events import Call
from agent.files import path_of
from agent.logbook import ANOTHERS, BEFORE, COMPARABLE, LIKELY, MUTE, OWN, SKEW, Book, Entry
from agent.logfiles_value import Piece, is_log
from agent.logmessages_units import Units
from agent.lognames import LogNames, Named
from agent.logtimes import DRIFT, STUCK, Joined, Writer, ended, joined_by_time, met
from agent.processes import Handle, Process
from agent.tag_record import PRESENT
from agent.tagindex import TagIndex
from agent.tagjoin_alone import CLOCK, say
from agent.tags import Tag
from agent.units import begin
from agent.upg import EDGE, MAX_DID, Actor, Artifact, Scope
from grammar.line import MAX_PROGRAMS, RAN, STARTED, Line

if TYPE_CHECKING:
    from agent.node import Node

LOG: Final = {operation: EDGE["WAS_GENERATED_BY", operation] for operation in ("log", "log_near")}
COVERS: Final = {
    "Process": EDGE["WAS_GENERATED_BY", "covers"],
    "Artifact": EDGE["WAS_DERIVED_FROM", "covers"],
}
_HOW: Final = {"log": "offset", "log_near": "time", "": "nothing"}
BY_LOG: Final = "unit log"
"""What a unit comes from that a line has begun."""
MAX_OWED: Final = 256
"""Writes to one log that are kept until it is read for the first time."""
MAX_WAITING: Final = 256
"""Lines of one log that wait for writes that may have met theirs."""
MAX_BOOKS: Final = 64
"""Logs of one container."""
UNEXPLAINED: Final = frozenset({"File unknown", "Socket"})


class Write(NamedTuple):
    """A write to a log: how many bytes, when it began (by the clock of the log's lines), whose.

    `own` says that the unit has opened the log itself, or has written to it before: what stands in it does not end
    requests. `at` counts the vertices that there were, `since` those when its unit, as it is, was made; `did` is how
    much the unit had done.
    """

    size: int
    millis: int
    writer: Writer
    own: bool
    at: int
    since: int
    did: int

    @property
    def is_past(self) -> bool:
        """Whether its unit has gone on after it (a write seals its unit's vertex)."""
        unit = self.writer.unit
        return unit.did is not None and (unit.vertex.number != self.since or len(unit.did) > self.did)


class LogMessages(Units):
    """The logs of one worker's containers.

    `names` gives lines their patterns; `joined` counts lines by operation; `wanted` are logs that have been opened, by
    container and path, since pieces were taken last: whoever reads logs may not know of them. `began` is the time of
    the first event. `tags` are what the kernel has tagged (`agent.tagjoin`), `asked` writes that wait for it, by
    container and path. `how` counts lines by what has joined them; `unknown` are those whose writer only the tag knows.
    """

    __slots__ = (
        "_caught", "_ended", "_owed", "_second", "_unjoined", "asked", "began", "books", "how", "joined", "names",
        "offset", "tags", "wanted",
    )  # fmt: skip

    def __init__(self, names: LogNames | None = None) -> None:
        super().__init__()
        self.names = names or LogNames()
        self.books: dict[str, dict[str, Book]] = {}
        self.joined = {"log": 0, "log_near": 0, "": 0}
        self.how = {"tag": 0, "offset": 0, "time": 0, "unknown": 0, "nothing": 0}
        self.tags = TagIndex()
        self.asked: dict[tuple[str, str], list[tagjoin.Asked]] = {}
        self.began = 0
        self.wanted: set[tuple[str, str]] = set()
        self._owed: dict[tuple[str, str], list[Write]] = {}
        self._ended: dict[str, dict[Actor, int]] = {}
        self.offset = self._caught = self._unjoined = self._second = 0

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
            book.near = book.read = piece.millis_read
            if self.tags.on:
                book.keep()
            if piece.millis:
                book.entry(piece.data, piece.millis)
            else:
                book.take(piece.generation, piece.offset, piece.data)
            if self.tags.on:
                tagjoin.find(self, book)  # its bytes are not kept for long
            self._settle(piece.container, book)
        if self.asked:
            tagjoin.again(self)
        self.wanted.clear()

    def retire(self, container: str) -> None:
        """A container has ended, and so have its logs."""
        for book in self.books.pop(container, {}).values():
            self._tell_waiting(book)
        self._ended.pop(container, None)
        self._owed = {key: writes for key, writes in self._owed.items() if key[0] != container}
        self.asked = {key: writes for key, writes in self.asked.items() if key[0] != container}

    def wrote(self, node: Node, process: Process, handle: Handle, call: Call) -> None:
        """A write to a log, or to a file that is not known: the lines that it has ended are this process's."""
        if call[2] is None or not call[2].isdigit():
            return
        self.offset = node.time.offset
        unit = process.current
        did = unit.did or {}
        own = handle.target in did
        write = Write(
            int(call[2]), stamp_of(call) or node.time.clock.millis, Writer(process, unit), own,
            process.scope.made, unit.vertex.number, min(MAX_DID, len(did) + (not own)),
        )  # fmt: skip
        if (self.tags.on or PRESENT in call[8]) and tagjoin.wrote(self, process, handle, call, write):
            return  # what the kernel tells of a write goes before all that its length says
        book = handle.log
        if book is None:
            book = handle.log = self._guess(process.scope.container, write.size, write.millis)
            if book is None:
                return
        self.by_length(process.scope.container, book, write)

    def by_length(self, container: str, book: Book, write: Write, *, late: bool = False) -> None:
        """A write of whose place nothing is known, now or when its lines are read."""
        if book.is_unread or book.is_short(write.size) or (container, book.path) in self._owed:
            self._owe(container, book, write)
        else:
            self.claim(book, write, late=late)

    def _settle(self, container: str, book: Book) -> None:
        """Writes that have waited for what has been read now."""
        owed = self._owed.pop((container, book.path), [])
        while owed and not book.is_short(owed[0].size):
            self.claim(book, owed.pop(0), late=True)
        if owed:
            self._owed[container, book.path] = owed

    def _owe(self, container: str, book: Book, write: Write) -> None:
        """A log that is not read yet: the write is kept until it is, if there are not too many."""
        owed = self._owed.setdefault((container, book.path), [])
        if len(owed) < MAX_OWED:
            owed.append(write)
        else:
            book.begins = 1  # who reads it some day has to find the place
            self._forgive(container, book.path)

    def _forgive(self, container: str, path: str) -> None:
        """Writes whose lines will not be known: each may have ended a request."""
        for write in self._owed.pop((container, path)):
            write.writer.unit.done = True

    def claim(self, book: Book, write: Write, *, late: bool = False) -> None:
        """Join a write with its lines by its length; `late` says that they were not there when it was seen."""
        self._tell_waiting(book, write.millis - SKEW)
        found = book.claim(write.size, write.millis, self.began, lambda line: self._weigh(book, write.writer, line))
        self.share(book, write, found, late=late)

    def share(
        self, book: Book, write: Write, found: list[Entry], *, late: bool, tag: Tag | None = None, sure: bool = False
    ) -> None:
        """The lines that a write has made; that of a `tag` may be another's of its process, if it is not `sure`."""
        process, current = write.writer
        alone = sum(entry.line is not None for entry in found) == 1
        past = late and write.is_past
        for place, entry in enumerate(found):
            book.exact = True
            line = entry.line
            if line is None:
                continue
            weight = self._weigh(book, write.writer, line)
            book.names = book.names or weight == OWN
            if place:  # whoever wrote the first line of a write may have made up the rest
                unit = current if current.peer and current.peer == line.client else process.base
            elif weight > ANOTHERS and (alone or not line.ends):
                unit = self._unit(book, process, line, current)
                if weight < OWN and (
                    (unit is current and not self._is_running(process, unit, line))
                    or (tag is not None and current is process.base)  # a tag's unit that is not known is not guessed
                ):
                    unit = process.base
            else:
                unit = process.base
            if unit.did is not None and line.ends and book.serves and alone and not book.guessed:
                past = past or (unit.done and write.own)  # it has served another request before
                unit.done = unit.done or not write.own
            if past or (late and unit is not current):
                unit = process.base
            if sure or tag is not None:
                self._join_exactly(book, write, entry, unit, tag, sure=sure)
            else:
                only = len(found) == 1 and entry.size == write.size
                self._join(book, write, entry, unit, weight if only else OWN)

    def _join_exactly(
        self, book: Book, write: Write, entry: Entry, unit: Actor, tag: Tag | None, *, sure: bool
    ) -> None:
        """A line whose bytes say whose it is; which of its process's writes it was may still have to wait."""
        assert entry.line is not None
        joined = self._joined(book, Writer(write.writer.process, unit), entry.line, "log")
        joined.tag, joined.part, joined.place, joined.millis = tag, entry.part, entry.at, write.millis
        if sure or tag is None or tag.millis >= write.millis + CLOCK:
            self.tell(joined)
        else:
            self._keep(book, joined)

    def _join(self, book: Book, write: Write, entry: Entry, unit: Actor, weight: int) -> None:
        """A line that a write has claimed: told at once, if no other write near may have made it."""
        process, line = write.writer.process, entry.line
        assert line is not None
        joined = self._joined(book, Writer(process, unit), line, "log_near" if book.guessed else "log")
        if weight < OWN:
            joined.size, joined.at, joined.millis, joined.weight = write.size, write.at, write.millis, weight

            def weigh(line: Line) -> int:
                return self._weigh(book, write.writer, line)

            if book.skipped:  # only its time has told it from the next one
                joined.doubt(LOG["log_near"], {process.label})
            near = met(book.waiting, joined, write.since, weigh)
            for one in near:
                one.doubt(LOG["log_near"], {other.writer.process.label for other in near})
            if near or book.has_rival(write.size, write.millis, line.message, weight, weigh):
                self._keep(book, joined)
                return
        self.tell(joined)

    def _keep(self, book: Book, joined: Joined) -> None:
        """A line that is told later, as it is now."""
        joined.keep()
        book.waiting.append(joined)
        if len(book.waiting) > MAX_WAITING:
            self._tell_first(book)

    def _tell_waiting(self, book: Book, before: int | None = None) -> None:
        """Tell lines that have waited for writes that may have met theirs: those that were written before that time."""
        while book.waiting and (before is None or book.waiting[0].millis < before):
            self._tell_first(book)

    def _tell_first(self, book: Book) -> None:
        joined = book.waiting.popleft()
        if joined.tag is not None and tagjoin.is_doubtful(self, book, joined):
            joined.outside(LOG["log"])
        self.tell(joined)

    def _weigh(self, book: Book, writer: Writer, line: Line) -> int:
        """What a line says of whether this is its writer (`agent.logbook.Weigh`)."""
        process, current = writer
        named = ":" in line.client and line.client.rpartition(":")[0] != ""
        unit = self._named(process, line.client, current) if named else None
        its = unit or current
        age = its.begun - self.offset - line.millis - line.grain if its.begun and line.millis is not None else 0
        if BEFORE < age < COMPARABLE and (unit is not None or not book.is_mixed):
            return ANOTHERS  # older than the unit
        if unit is not None:
            return OWN
        host = its.peer.rpartition(":")[0]
        if named and host and (book.names or line.client.startswith(f"{host}:")):
            return ANOTHERS
        return LIKELY if line.client and line.client == host else MUTE

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

    def finish(self, node: Node) -> None:
        """The audit log ends: lines from its time that nobody has claimed will not be joined."""
        now = node.time.clock.millis
        if self.tags.on:
            tagjoin.settle(self, node, ended=True)
        for books in self.books.values():
            for book in books.values():
                self._tell_waiting(book)
                while (at := book.time()) is not None and at <= now:
                    if book.skip().line is not None and at >= self.began:
                        self.joined[""] += 1
                        self.how["nothing"] += 1
                        node.loss.note("log_unjoined")

    def tick(self, node: Node) -> None:
        """A second has passed: lines that no write has claimed are joined by time."""
        self.began = self.began or node.time.clock.millis
        now = node.time.clock.millis
        for key, owed in list(self._owed.items()):
            if owed[0].millis + STUCK < now and not self.books[key[0]][key[1]].is_unread:
                self._forgive(*key)  # what they wrote will not be read
        self._note(node)
        quiet = self._second == now // 1000  # the second is not over: nothing more has come
        self._second = now // 1000
        if self.tags.on:
            tagjoin.settle(self, node)
        for container, books in self.books.items():
            scope = node.scopes.get(container)
            if scope is not None and scope.recent is not None:
                self._ended[container] = ended(node, scope, self._ended.get(container, {}))
            gone = self._ended.get(container, {})
            for book in books.values():
                book.near = book.near or self.began
                self._tell_waiting(book, None if quiet else now - SKEW)
                for line, writer in joined_by_time(node, scope, book, gone, self.began) if scope is not None else ():
                    if writer is not None:
                        self.tell(self._joined(book, writer, line, "log_near"))
                    else:
                        self.alone(node, container, book, line)
                if book.dropped:
                    node.loss.note("log_unread", book.dropped)
                    book.dropped = 0
                if book.flooded:
                    node.loss.note("log_flood", book.flooded)
                    book.flooded = 0

    def _note(self, node: Node) -> None:
        """Count what was lost since the last time."""
        if self._unjoined:
            node.loss.note("log_unjoined", self._unjoined)
            self._unjoined = 0
        if self._caught:
            node.loss.note("behaviour_limit", self._caught)
            self._caught = 0

    def alone(self, node: Node, container: str, book: Book, line: Line, tag: Tag | None = None) -> None:
        """A line that nobody can be found for; only its tag may know who has written it."""
        scope = node.scopes[container]
        named = self._name(scope.app, b"", "", line)
        vertex = scope.vertex(f"LogMessage {named.pattern}", (), f"log:{book.path}:{book.offset}")
        if tag is not None:
            say(scope, vertex, tag)
        self.joined[""] += 1
        self.how["nothing" if tag is None else "unknown"] += 1
        node.loss.note("log_unjoined")

    def tell_alone(self, book: Book, writer: Writer, line: Line, tag: Tag, *, covers: bool) -> None:
        """A line whose writer only its tag tells, some time after."""
        joined = self._joined(book, writer, line, "log", now=False)
        joined.tag = tag
        if not covers:
            del joined.causes[1:]
            joined.tags = ()
        self.tell(joined)

    def nearly(self, book: Book, process: Process, entries: Iterable[Entry]) -> None:
        """Lines that a process or another of its program has written, which of them is not known."""
        for entry in entries:
            if entry.line is not None:
                joined = self._joined(book, Writer(process, process.base), entry.line, "log_near", now=False)
                self.tell(joined)

    def _joined(self, book: Book, writer: Writer, line: Line, operation: str, *, now: bool = True) -> Joined:
        """A line of a unit, with what it covers; it may begin one, or end it, if it is written `now`."""
        process, unit = writer
        named = self._name(process.scope.app, process.exe, process.ident, line)
        if (
            now
            and named.begins
            and operation == "log"
            and self._is_alone(process, line.thread)
            and _by_log(unit)
            and not _serves(process)
        ):
            unit = begin(process, BY_LOG.partition(" ")[2])
        scope = process.scope
        started = [one for one in unit.did or () if isinstance(one, Process) and one.scope is scope]
        tags = tuple(sorted({(RAN if one.dead else STARTED) + one.label for one in started}))[:MAX_PROGRAMS]
        ident = f"log:{book.path}:{book.offset}"
        label = f"LogMessage {named.pattern}"
        joined = Joined(Writer(process, unit), line, book.path, ident, label, tags, named.node, operation)
        joined.causes.append((LOG[operation], unit.vertex))
        for child in started:
            joined.causes.append((COVERS["Process"], child.base.vertex))  # its own units are other requests
        for thing in unit.did or ():
            if isinstance(thing, Artifact) and thing.vertex is not None and self._outgoing(scope, thing):
                joined.causes.append((COVERS["Artifact"], thing.vertex))
        if now and unit.did is not None:
            _end(process, unit, named)
        return joined

    def tell(self, joined: Joined) -> None:
        """A LogMessage with its edges."""
        scope = joined.writer.process.scope
        vertex = scope.vertex(joined.label, joined.tags, joined.ident)
        vertex.command = joined.command
        for kind, cause in joined.causes:
            scope.edge(vertex, kind, cause)
        if joined.tag is not None:
            say(scope, vertex, joined.tag)
        self.joined[joined.operation] += 1
        self.how[_HOW[joined.operation] if joined.tag is None else "tag"] += 1
        self._unjoined += not joined.operation

    def _name(self, app: str, exe: bytes, ident: str, line: Line) -> Named:
        """What a line is called; those for which there is no room are counted."""
        miner = self.names.miners.get(app)
        before = miner.caught if miner is not None else 0
        named = self.names.name(app, exe, ident, line)
        self._caught += miner.caught - before if miner is not None else 0
        return named

    def _outgoing(self, scope: Scope, artifact: Artifact) -> bool:
        """Whether it is more than the client's own connection, a log, an unknown, or a place where all vanishes."""
        if artifact.inert or artifact.ident.endswith("#sink") or artifact.label in UNEXPLAINED:
            return False
        if artifact.kind == "Socket":
            return ">" not in artifact.label
        return self.opened(scope.container, path_of(artifact)) is None


def _end(process: Process, unit: Actor, named: Named) -> None:
    """The last line of an iteration ends a unit that no connection carries."""
    if named.ends and not named.begins and unit is process.current and _by_log(unit):
        process.current = process.base


def _serves(process: Process) -> bool:
    """Whether a process has a connection that it has accepted."""
    return any(one.unit is not None and one.unit.did is not None for one in process.fds.values())


def _by_log(unit: Actor) -> bool:
    """Whether a line may end it: a unit that a line has begun, or none."""
    return unit.did is None or BY_LOG in unit.context


def stamp_of(call: Call) -> int:
    """When a call began, in milliseconds, as the kernel wrote it; 0 if it did not."""
    seconds, _, rest = call[0].partition(b".")
    return int(seconds + rest[:3]) if seconds.isdigit() and rest[:3].isdigit() and len(rest) > 3 else 0
