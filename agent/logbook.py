"""The books of a container's log files: what an application has written, waiting for the writes that audit saw.

Rules of this file
    - A book holds the lines of one file (or of one stream) that no write has claimed yet, in the order of the file. A
      write of N bytes claims the next N bytes: an exact join, by offset. Writers that meet at the same instant may have
      been recorded in another order than their lines stand in the file: then a line of just N bytes near by is theirs.
    - A line that several writes have made belongs to the last of them, the one that ended it.
    - Bounded: at most `MAX_LINES` unclaimed lines and `MAX_LINE` bytes of one line are held; what goes is counted by
      the caller (`dropped`).
    - Lines are read when they arrive, in the order of the file: what continues an entry has no line of its own.
    - Bytes that were written but have not been read yet are owed (`debt`): they are skipped when they come.

Complexity: O(bytes); a claim looks at no more than `NEAR` lines.
Source: write(2) with O_APPEND (a write is one piece of the file); DisProTrack section V (ASCL).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from grammar.line import Line
from grammar.lineformat import Reader

MAX_LINES: Final = 16_384
MAX_LINE: Final = 1 << 20
NEAR: Final = 16
AHEAD: Final = 1_000
"""Milliseconds by which a line's clock may be ahead of the audit log's."""
LOW: Final = 64
"""Lines below which a book that has a source reads on."""


class Entry(NamedTuple):
    """One physical line: its bytes with the newline, and what it says if it begins an entry."""

    size: int
    line: Line | None


class Book:
    """One log file of one container: `path` as the container sees it, or the name that a recording gives it.

    `exact` says that writes have claimed lines: then time joins none; `guessed` that whoever wrote them was known by
    the lengths of lines only. `offset` is that of the first unclaimed byte; `upto` that of the next byte to come, in
    the file that is `generation`, and `begins` that of the book's first. `near` is about when lines are written: some
    name no year.
    """

    __slots__ = (
        "begins", "debt", "dropped", "exact", "generation", "guessed", "lines", "near", "offset", "partial", "path",
        "reader", "source", "tail", "upto",
    )  # fmt: skip

    def __init__(self, path: str, source: Iterator[bytes] | None = None) -> None:
        self.path, self.source = path, source
        self.lines: deque[Entry] = deque()
        self.tail = bytearray()
        self.reader = Reader()
        self.offset = self.partial = self.debt = self.dropped = 0
        self.exact = self.guessed = False
        self.generation: object = None
        self.upto = self.begins = self.near = 0

    @property
    def is_unread(self) -> bool:
        """Whether nothing of it has been read yet."""
        return self.generation is None and self.source is None and not (self.lines or self.tail or self.exact or self.begins)

    def take(self, generation: object, offset: int, data: bytes) -> None:
        """Bytes of a file at their place: another file, or a gap, ends the line before."""
        if self.generation is None:
            self.begins = self.begins or offset
        elif generation != self.generation or offset != self.upto:
            self.begin()
            self.debt = 0
        self.generation, self.upto = generation, offset + len(data)
        self.put(data)

    def entry(self, data: bytes, millis: int) -> None:
        """A whole entry of a stream, with a time of its own."""
        self._add([data], millis)

    def put(self, data: bytes) -> None:
        """The next bytes of the file."""
        if self.debt:
            skipped = min(self.debt, len(data))
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

    def claim(self, count: int, millis: int = 0, since: int = 0) -> list[Entry]:
        """The lines that a write of `count` bytes at `millis` has ended; empty if it ended none.

        The first claim of a book that may hold lines from before `since`, when writes began to be seen, or lack lines
        from after, has to find its place: a line of its length and time.
        """
        self.near = millis or self.near
        self._fill()
        lines = self.lines
        if not self.exact and not self._is_fresh(since):
            return self._placed(count, millis)
        if not self.partial and lines and lines[0].size == count:
            self.offset += count
            return [lines.popleft()]
        found = self._near(count)
        return found if found is not None else self._in_order(count)

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

    def _near(self, count: int) -> list[Entry] | None:
        """A line of just that length, behind lines that other writes have still to claim.

        Where whole lines in order fit as well, order wins.
        """
        if self.partial or not self.lines or (self.lines[0].size < count and self._fits(count)):
            return None
        for position, entry in zip(range(NEAR), self.lines, strict=False):
            if entry.size == count:
                del self.lines[position]
                self.offset += count
                return [entry]
        return None

    def _fits(self, count: int) -> bool:
        """Whether that many bytes end at the end of a line."""
        for entry in self.lines:
            count -= entry.size
            if count <= 0:
                return count == 0
        return False

    def _in_order(self, count: int) -> list[Entry]:
        found: list[Entry] = []
        while count and self.lines:
            size = self.lines[0].size - self.partial
            if count < size:
                self.partial += count
                self.offset += count
                return found
            count -= size
            self.offset += size
            self.partial = 0
            found.append(self.lines.popleft())
        begun = 0 if self.lines else min(count, len(self.tail) - self.partial)
        self.partial += begun
        self.offset += begun
        self.debt += count - begun
        return found

    def _add(self, lines: Iterable[bytes], millis: int = 0) -> None:
        for raw in lines:
            line = self.reader.feed(raw, self.near or None)
            if millis and line is not None and line.millis is None:
                line = replace(line, millis=millis, grain=1)
            self.lines.append(Entry(len(raw), line))
        while len(self.lines) > MAX_LINES and self.source is None:
            self.dropped += self.lines[0].size - self.partial
            self.skip()

    def _fill(self) -> None:
        """Read on until there are some lines."""
        while self.source is not None and len(self.lines) < LOW:
            data = next(self.source, None)
            if data is None:
                self.source = None
                self.begin()
                return
            self.put(data)


def _is_of(line: Line | None, millis: int) -> bool:
    """Whether a line says that it is about that old."""
    return line is not None and line.millis is not None and abs(millis - line.millis) <= AHEAD + line.grain
