"""The books of a container's log files: what an application has written, waiting for the writes that audit saw.

Rules of this file
    - A book holds the lines of one file (or of one stream) that no write has claimed yet, in the order of the file. A
      write of N bytes claims the next N bytes: an exact join, by offset. Writers that meet at the same instant may have
      been recorded in another order than their lines stand in the file: then a line of just N bytes near by is theirs.
    - Writes get lost. A line that another has been claimed behind, `SKEW` ago, is given up (`lost`). That lines of one
      length have been shifted shows in what they say (`weigh`): a line that names the writer's own client is its line;
      one that can be no unit's of it is so only if nothing better is near; one from after the write never is.
    - What lines say is a claim. Only a line that names the writer's own client with its port, or one of a log that has
      nothing but ends of requests (the server's own text), is taken before one that stands first.
    - A line that several writes have made belongs to the last of them, the one that ended it.
    - Bounded: at most `MAX_LINES` unclaimed lines and `MAX_LINE` bytes of one line are held; what goes is counted by
      the caller (`dropped` bytes that came too late, `flooded` lines that there was no room for).
    - Lines are read when they arrive, in the order of the file: what continues an entry has no line of its own.
    - Bytes that were written but have not been read yet are owed (`debt`): they are skipped when they come.
    - Where the kernel tags writes, nothing is searched: the bytes that a tag names are claimed where they stand
      (`claim_at`), in any order, if they are the ones that were written (`parts`).

Complexity: O(bytes); a claim looks at no more than `NEAR` lines.
Source: write(2) with O_APPEND (a write is one piece of the file); DisProTrack section V (ASCL).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.logbook_bytes import Key, Part, begin
from agent.logfiles_value import Generation
from agent.tagjoin_places import Places
from grammar.line import Line
from grammar.lineformat import Reader

if TYPE_CHECKING:
    from agent.logtimes import Joined

MAX_LINES: Final = 16_384
MAX_LINE: Final = 1 << 20
NEAR: Final = 16
AHEAD: Final = 1_000
"""Milliseconds by which a line's clock may be ahead of the audit log's."""
EARLY: Final = 200
"""Milliseconds by which a line's clock may be ahead of that of its own write."""
BEFORE: Final = 20
"""Milliseconds by which a line's clock may be behind the beginning of its own unit."""
COMPARABLE: Final = 10 * 60_000
"""Times that are further apart are of clocks that are not the same (another zone)."""
READ: Final = 100
"""Milliseconds after which a line that had been read is no later write's."""
SKEW: Final = 50
"""Milliseconds by which the records of writers that met may be late."""
LOW: Final = 64
"""Lines below which a book that has a source reads on."""
DOUBT: Final = 16
"""Lines that name another host than the unit that runs count four, those that name it take one away: from here on they
are mixed, as threads write them. Half of it is where a book begins to be trusted."""
TRUSTED: Final = DOUBT // 2
OWN, LIKELY, MUTE, ANOTHERS = 2, 1, 0, -1
"""What a line says of its writer: names its client with the port, or its host; nothing; it is another's."""
Weigh = Callable[[Line], int]


class Entry(NamedTuple):
    """One physical line: its bytes with the newline, and what it says if it begins an entry.

    `passed` is when a line behind it was claimed first, `read` when it was there already; 0 if that is not known. It
    begins `at` that byte of the book's `part`.
    """

    size: int
    line: Line | None
    passed: int = 0
    read: int = 0
    part: int = 0
    at: int = 0

    @property
    def end(self) -> tuple[int, int]:
        """Where it ends: part, and byte."""
        return self.part, self.at + self.size

    def is_overdue(self, millis: int) -> bool:
        """Whether no write from then on can be its own."""
        passed = self.passed > 0 and millis - self.passed > SKEW
        return passed or (self.read > 0 and READ < millis - self.read < COMPARABLE)


def mute(_: Line) -> int:
    """Of a line nothing is known."""
    return MUTE


class Book:
    """One log file of one container: `path` as the container sees it, or the name that a recording gives it.

    `exact` says that writes have claimed lines: then time joins none; `guessed` that whoever wrote them was known by
    the lengths of lines only. `offset` is that of the first unclaimed byte; `upto` that of the next byte to come, in
    the file that is `generation`, and `begins` that of the book's first. `near` is about when lines are written: some
    name no year. `serves` says that all of its lines are ends of requests; `names`, that a line has named its writer's
    own client with the port; `pieced`, that lines are written in pieces; `read` is when it was read last; `doubt` grows
    with lines that are not of the unit that runs. `lost` are lines whose writes are; `waiting` those not told yet.
    `skipped` says that the last claim passed a line that names the same client, which only time has told from it.
    `parts` are the last files that it has been read from, with their last bytes: of a book with a source always, else
    from `keep` on; `shifts` say how much further on a file's bytes stand in a source. `tagless` is since when writes to
    it are not expected to be tagged, `asked_at` how many tags there were when its writes were last held against them;
    `places` are where tagged writes lie.
    """

    __slots__ = (
        "_place", "_serial", "asked_at", "begins", "debt", "doubt", "dropped", "exact", "flooded", "generation",
        "guessed", "lines", "lost", "names", "near", "offset", "partial", "parts", "path", "pieced", "places", "read",
        "reader", "serves", "shifts", "skipped", "source", "tagless", "tail", "upto", "waiting",
    )  # fmt: skip

    def __init__(self, path: str, source: Iterator[bytes] | None = None) -> None:
        self.path, self.source = path, source
        self.lines: deque[Entry] = deque()
        self.tail = bytearray()
        self.reader = Reader()
        self.offset = self.partial = self.debt = self.dropped = self.flooded = 0
        self.doubt = DOUBT - 4
        self.exact = self.guessed = self.names = self.pieced = self.skipped = False
        self.serves, self.read = True, 0
        self.lost: deque[Entry] = deque()
        self.waiting: deque[Joined] = deque()
        self.generation: object = None
        self.upto = self.begins = self.near = self.tagless = 0
        self._serial = self._place = self.asked_at = 0
        self.shifts: dict[Key, int] = {}
        self.places = Places()
        self.parts: deque[Part] = deque([Part(0, None)] if source is not None else ())

    @property
    def is_mixed(self) -> bool:
        """Whether the unit that runs is not to be trusted."""
        return self.doubt >= DOUBT

    @property
    def is_unread(self) -> bool:
        """Whether nothing of it has been read yet."""
        return (
            self.generation is None
            and self.source is None
            and not (self.lines or self.tail or self.exact or self.begins)
        )

    def take(self, generation: object, offset: int, data: bytes) -> None:
        """Bytes of a file at their place: another file, or a gap, ends the line before."""
        if self.generation is None:
            self.begins = self.begins or offset
        elif generation != self.generation or offset != self.upto:
            self.begin()
            self.debt = 0
        if offset != self._place + len(self.tail):
            self._place = offset
        if generation != self.generation:
            self._serial += 1
            if self.parts:
                if self.generation is None:
                    self.parts.clear()
                since = self.read if self.generation is not None else 0
                begin(self.parts, Part(self._serial, key_of(generation), since))
        self.generation, self.upto = generation, offset + len(data)
        self.put(data)

    def keep(self) -> None:
        """From here on the last bytes are kept: tags will be held against them."""
        if not self.parts:
            self.parts.append(Part(self._serial, key_of(self.generation), 0, self._place + len(self.tail)))

    def entry(self, data: bytes, millis: int) -> None:
        """A whole entry of a stream, with a time of its own."""
        self._add([data], millis)

    def put(self, data: bytes) -> None:
        """The next bytes of the file."""
        if self.parts:
            self.parts[-1].add(self._place + len(self.tail), data)
        if self.debt:
            skipped = min(self.debt, len(data))
            self._place += skipped
            self.debt -= skipped
            self.dropped += skipped
            self.offset += skipped
            data = data[skipped:]
        self.tail += data
        whole, newline, rest = bytes(self.tail).rpartition(b"\n")
        if newline:
            self._add(line + b"\n" for line in whole.split(b"\n"))
            self.tail = bytearray(rest)
        if len(self.tail) > MAX_LINE:
            self._add([bytes(self.tail)])
            self.tail = bytearray()

    def begin(self) -> None:
        """Another file has taken this one's place: what is left of a line will not be ended."""
        if self.tail:
            self._add([bytes(self.tail)])
            self.tail = bytearray()
        self.reader.reset()

    def claim(self, count: int, millis: int = 0, since: int = 0, weigh: Weigh = mute) -> list[Entry]:
        """The lines that a write of `count` bytes at `millis` has ended; empty if it ended none.

        The first claim of a book that may hold lines from before `since`, when writes began to be seen, or lack lines
        from after, has to find its place: a line of its length and time.
        """
        self.near, self.skipped = millis or self.near, False
        self._fill()
        while self.lines and self.lines[0].is_overdue(millis):
            self._lose()
        if not self.exact and not self._is_fresh(since):
            return self._placed(count, millis)
        if self.partial:
            if not self._is_astray(count, millis):
                return self._in_order(count)
            self._lose()
        found = self._near(count, millis, weigh)
        return found if found is not None else self._in_order(count, millis)

    def claim_at(self, part: int, offset: int, length: int) -> list[Entry]:
        """The unclaimed lines that a write of `length` bytes at that place has ended, wherever they stand."""
        place = self.place_of(part, offset)
        found: list[Entry] = []
        while place < len(self.lines) and self.lines[place].end <= (part, offset + length):
            found.append(self.lines[place])
            del self.lines[place]
            self.offset += found[-1].size
        if found:
            self.partial = self.debt = 0
        return found

    def place_of(self, part: int, offset: int) -> int:
        """Which unclaimed line is the first to end behind that byte."""
        return bisect_right(self.lines, (part, offset), key=_end)

    def reach(self, upto: int) -> None:
        """Read a source on to that byte, if it is not far."""
        while self.source is not None and self.parts[-1].upto < upto <= self.parts[-1].upto + MAX_LINE:
            self._read_on()

    def is_short(self, count: int) -> bool:
        """Whether a write of `count` bytes has not been read yet, or not all of it."""
        if self.source is not None:
            return False
        held = len(self.tail) - self.partial
        for entry in self.lines:
            if held >= count:
                return False
            held += entry.size
        return held < count

    def has_rival(self, count: int, millis: int, message: str, weight: int, weigh: Weigh) -> bool:
        """Whether one of the next lines, of that length too, says something else and is as likely to be of a write."""
        return any(
            entry.line is not None
            and entry.line.message != message
            and not _is_later(entry.line, millis)
            and weigh(entry.line) >= weight
            for entry in islice(self.lines, NEAR)
            if entry.size == count
        )

    def _is_fresh(self, since: int) -> bool:
        """Whether the book begins with the file, and the file after `since`."""
        if self.begins:
            return False
        time = self.time()
        return time is None or time + AHEAD >= since

    def _placed(self, count: int, millis: int) -> list[Entry]:
        """A line of just that length and about that time; lines before it are left to time."""
        for position, entry in zip(range(NEAR), self.lines, strict=False):
            if entry.size == count and _is_of(entry.line, millis):
                del self.lines[position]
                self.offset += count
                return [entry]
        return []

    def head(self) -> Entry | None:
        """The first unclaimed line."""
        self._fill()
        return self.lines[0] if self.lines else None

    def time(self) -> int | None:
        """The latest that the first unclaimed lines may have been written, as they say; None if none of them says."""
        self._fill()
        for entry in islice(self.lines, NEAR):
            if entry.line is not None and entry.line.millis is not None:
                return entry.line.millis + entry.line.grain
        return None

    def skip(self) -> Entry:
        """Give up the first unclaimed line: nothing has claimed it."""
        entry = self.lines.popleft()
        self.offset += entry.size - self.partial
        self.partial = 0
        return entry

    def _lose(self) -> None:
        """Give up the first unclaimed line: its write has been lost."""
        entry = self.skip()
        if len(self.lost) >= MAX_LINES:
            self.lost.popleft()
            self.flooded += 1
        self.lost.append(entry)

    def _near(self, count: int, millis: int, weigh: Weigh) -> list[Entry] | None:
        """A line of just that length, behind lines that other writes have still to claim.

        Where whole lines in order fit as well, or lines are written in pieces, order wins.
        """
        if not self.lines:
            return None
        first = self.lines[0].size
        if (first < count and self._fits(count)) or (self.pieced and count < first):
            return None
        found = [
            (position, weigh(entry.line) if entry.line is not None else MUTE)
            for position, entry in zip(range(NEAR), self.lines, strict=False)
            if entry.size == count and not _is_later(entry.line, millis)
        ]
        if not found:
            return self._behind(count, millis)
        best = self._best(found)
        if self.serves and found[0][0] == 0:
            self.doubt = max(0, self.doubt - 1) if found[0][1] >= LIKELY else min(4 * DOUBT, self.doubt + 4)
        self.skipped = best != found[0][0] and self._are_alike(found[0][0], best)
        return self._taken(best, 1, millis)

    def _are_alike(self, first: int, other: int) -> bool:
        """Whether two lines name one client."""
        lines = self.lines[first].line, self.lines[other].line
        return lines[0] is not None and lines[1] is not None and lines[0].client == lines[1].client

    def _best(self, found: list[tuple[int, int]]) -> int:
        """Which of the lines of one length, by place and weight: the first one, if not for good reasons."""
        least = LIKELY if self.serves and self.doubt < TRUSTED else OWN
        if found[0][1] >= LIKELY:
            return found[0][0]
        better = next((position for position, weight in found if weight >= least), None)
        if better is None and self.serves and not self.is_mixed and found[0][1] < MUTE:
            better = next((position for position, weight in found if weight >= MUTE), None)
        return found[0][0] if better is None else better

    def _behind(self, count: int, millis: int) -> list[Entry] | None:
        """Several whole lines that were written at once, behind lines that are others'."""
        for start in range(1, min(NEAR, len(self.lines))):
            number = self._fits(count, start)
            if number and not any(_is_later(entry.line, millis) for entry in islice(self.lines, start, start + number)):
                return self._taken(start, number, millis)
        return None

    def _taken(self, position: int, number: int, millis: int) -> list[Entry]:
        """Lines claimed where they stand; those before them have been passed."""
        for before in range(position):
            if not self.lines[before].passed:
                self.lines[before] = self.lines[before]._replace(passed=millis)
        found = list(islice(self.lines, position, position + number))
        for entry in found:
            del self.lines[position]
            self.offset += entry.size
        return found

    def _is_astray(self, count: int, millis: int) -> bool:
        """Whether a write does not go on with a line that was begun, but is another line of its own."""
        if not self.lines or count <= self.lines[0].size - self.partial or self._fits(count + self.partial):
            return False
        near = islice(self.lines, 1, NEAR)
        return any(entry.size == count and not _is_later(entry.line, millis) for entry in near)

    def _fits(self, count: int, start: int = 0) -> int:
        """How many whole lines have that many bytes; 0 if they do not end at the end of a line."""
        for number, entry in enumerate(islice(self.lines, start, None), 1):
            count -= entry.size
            if count <= 0:
                return number if count == 0 else 0
        return 0

    def _in_order(self, count: int, millis: int = 0) -> list[Entry]:
        found: list[Entry] = []
        if self.lines and not self.partial and _is_later(self.lines[0].line, millis):
            return found  # its line is not here
        while count and self.lines:
            size = self.lines[0].size - self.partial
            if count < size:
                self.partial += count
                self.offset += count
                return found
            self.pieced = self.pieced or (count == size and self.partial > 0)
            count -= size
            self.offset += size
            self.partial = 0
            found.append(self.lines.popleft())
        begun = 0 if self.lines else min(count, len(self.tail) - self.partial)
        self.partial += begun
        self.offset += begun
        self.debt += count - begun if self.source is None else 0
        return found

    def _add(self, lines: Iterable[bytes], millis: int = 0) -> None:
        for raw in lines:
            line = self.reader.feed(raw, self.near or None)
            if millis and line is not None and line.millis is None:
                line = replace(line, millis=millis, grain=1)
            self.serves = self.serves and (line is None or line.ends)
            self.lines.append(Entry(len(raw), line, 0, self.read, self._serial, self._place))
            self._place += len(raw)
        while len(self.lines) > MAX_LINES and self.source is None:
            self.flooded += 1
            self.skip()

    def _fill(self) -> None:
        """Read on until there are some lines."""
        while self.source is not None and len(self.lines) < LOW:
            self._read_on()

    def _read_on(self) -> None:
        data = next(self.source, None) if self.source is not None else None
        if data is None:
            self.source = None
            self.begin()
        else:
            self.put(data)


def _is_of(line: Line | None, millis: int) -> bool:
    """Whether a line says that it is about that old."""
    return line is not None and line.millis is not None and abs(millis - line.millis) <= AHEAD + line.grain


def _is_later(line: Line | None, millis: int) -> bool:
    """Whether a line is from after a write."""
    return line is not None and line.millis is not None and millis > 0 and EARLY < line.millis - millis < COMPARABLE


def key_of(generation: object) -> Key | None:
    """The file that a generation is of."""
    known = isinstance(generation, Generation) and generation.inode
    return (generation.device, generation.inode) if known and isinstance(generation, Generation) else None


def _end(entry: Entry) -> tuple[int, int]:
    return entry.end
