"""The last bytes of one log file, so that what a tag says of them can be held against them.

Rules of this file
    - A part is one file that a log's path has stood for (a file that was emptied is another one), by device and inode,
      if they are known. Its bytes are kept as they came, without a copy, no more than `WINDOW` of them.
    - The parts of a log hold no more than two `WINDOW`s together.
    - Bytes that are not here, not yet or no longer, have no sum: nobody believes a tag for them.

Complexity: O(pieces looked through) a sum, O(1) a piece.
Source: lkm/winnower_tag.h (crc: zlib's, over the first bytes of a write).
"""

from __future__ import annotations

from collections import deque
from typing import Final
from zlib import crc32

WINDOW: Final = 256 << 10
MAX_PIECES: Final = 1_024
MAX_PARTS: Final = 16
"""Files that one log's path has stood for and that are remembered."""
Key = tuple[int, int]
"""Device and inode."""


class Part:
    """One file: `serial` counts those of its book; `born` is the generation of its inode, once a tag has told it.

    `since` is by when it was there, 0 for the book's first; `first` is the first byte that is kept.
    """

    __slots__ = ("_pieces", "born", "first", "held", "key", "serial", "since")

    def __init__(self, serial: int, key: Key | None, since: int = 0, first: int = 0) -> None:
        self.serial, self.key, self.since, self.first = serial, key, since, first
        self.born: int | None = None
        self._pieces: deque[tuple[int, bytes]] = deque()
        self.held = 0

    @property
    def upto(self) -> int:
        """Where the next byte will stand."""
        at, data = self._pieces[-1] if self._pieces else (self.first, b"")
        return at + len(data)

    def add(self, at: int, data: bytes) -> None:
        """Bytes of the file at their place."""
        if not self._pieces:
            self.first = at
        self._pieces.append((at, data))
        self.held += len(data)
        while len(self._pieces) > 1 and (self.held > WINDOW or len(self._pieces) > MAX_PIECES):
            self.held -= len(self._pieces.popleft()[1])
            self.first = self._pieces[0][0]

    def crc(self, at: int, count: int) -> int | None:
        """The sum of `count` bytes from `at` on; None if they are not all here."""
        place = len(self._pieces) - 1
        while place >= 0 and self._pieces[place][0] > at:
            place -= 1
        found, upto = 0, at + count
        while at < upto and 0 <= place < len(self._pieces):
            start, data = self._pieces[place]
            part = data[at - start : upto - start]
            if start > at or not part:
                break
            found, at, place = crc32(part, found), at + len(part), place + 1
        return found if at == upto else None


def begin(parts: deque[Part], part: Part) -> None:
    """The log's path stands for another file from here on; the oldest go if there is no room for them."""
    parts.append(part)
    while len(parts) > MAX_PARTS or sum(one.held for one in parts) > 2 * WINDOW:
        parts.popleft()
