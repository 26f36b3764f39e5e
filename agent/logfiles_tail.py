"""One file held open and read on: its bytes from where we were, or the news that it is not the file that it was.

Rules of this file
    - Each read takes the last bytes that were given with it: if they do not stand there any more, the file was emptied
      and written anew, however large it is by now. It costs no call more.
    - What nobody has written (a hole: a writer that does not append goes on at its old place after the file was
      emptied) is jumped over, not given, and not lost.
    - A descriptor pins the file: its inode is not used again, and a dead container's tmpfs is there until it is closed.

Invariant: bytes are given once each, in ascending order of offsets.
Complexity: one system call where nothing has happened, two or three a read.
Source: lseek(2) (SEEK_DATA); logrotate(8) (copytruncate).
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace

from agent.logfiles_value import HEAD, TAIL, Generation, Mark


@dataclass(slots=True)
class Tail:
    """One generation, open; `mark` says how far it has been given, `quiet` since when it has not grown.

    `stirred`: it was empty when it was looked at last, and has been written to since: perhaps it was emptied, too.
    """

    fd: int
    mark: Mark
    quiet: int = 0
    stirred: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Device and inode of what is held open."""
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino

    @property
    def behind(self) -> int:
        """Bytes that were there at the last look and have not been given."""
        return max(0, self.mark.seen - self.mark.offset)

    def read(self, limit: int) -> tuple[int, bytes] | None:
        """The next bytes and where they stand; none of them if there is nothing new; None if it was emptied."""
        mark, status = self.mark, os.fstat(self.fd)
        size, nanos = status.st_size, status.st_mtime_ns
        if size < max(mark.offset, mark.seen):
            return None
        if size == mark.offset and nanos == mark.nanos:
            return mark.offset, b""
        if not mark.head and mark.nanos and nanos != mark.nanos and not self.stirred:
            self.stirred = True
        data = self._next(limit)
        if data is None:
            return None
        if data[:1] == b"\0" and self._jump(size):
            data = self._next(limit)
            if data is None:
                return None
        offset = mark.offset
        if len(mark.head) < HEAD and not self._lengthen():
            return None
        if data:
            mark.tail = (mark.tail + data[-TAIL:])[-TAIL:]
            mark.offset += len(data)
        mark.seen, mark.nanos = max(size, mark.offset), nanos
        return offset, data

    def skip(self, offset: int) -> int:
        """Go on at `offset`; how many bytes are left out."""
        left = offset - self.mark.offset
        self.mark.offset = offset
        self.mark.tail = os.pread(self.fd, min(TAIL, offset), max(0, offset - TAIL))
        return left

    def link_count(self) -> int:
        """How many names it has: none, and nobody can open it any more."""
        return os.fstat(self.fd).st_nlink

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _next(self, limit: int) -> bytes | None:
        keep = len(self.mark.tail)
        data = os.pread(self.fd, keep + limit, self.mark.offset - keep)
        return data[keep:] if data[:keep] == self.mark.tail else None

    def _jump(self, size: int) -> bool:
        """Over a hole, to where something was written."""
        try:
            at = os.lseek(self.fd, self.mark.offset, os.SEEK_DATA)
        except OSError as error:
            at = size if error.errno == errno.ENXIO else self.mark.offset
        if at <= self.mark.offset:
            return False
        self.skip(at)
        return True

    def _lengthen(self) -> bool:
        """Learn more of how it begins; false if it begins otherwise now."""
        head = os.pread(self.fd, HEAD, 0)
        if not head.startswith(self.mark.head):
            return False
        self.mark.head = head
        return True


@dataclass(slots=True)
class Look:
    """A file as a list of a folder shows it, open; whoever takes its descriptor keeps it."""

    fd: int
    device: int
    inode: int
    size: int
    nanos: int
    head: bytes
    newest: bool = False

    @staticmethod
    def at(fd: int, newest: bool = False) -> Look:
        """Look at an open file."""
        status = os.fstat(fd)
        head = os.pread(fd, HEAD, 0)
        return Look(fd, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, head, newest)

    @property
    def place(self) -> tuple[int, int]:
        """Where it lies."""
        return self.device, self.inode

    def continues(self, mark: Mark) -> bool:
        """Can this be the file of `mark`, grown or copied, with what was given of it?"""
        if not mark.head or mark.offset > self.size or not self.head.startswith(mark.head):
            return False
        keep = len(mark.tail)
        return os.pread(self.fd, keep, mark.offset - keep) == mark.tail

    def lacks(self, mark: Mark) -> bool:
        """Is this a copy of the beginning of that file, shorter than what was given of it?"""
        return bool(self.head) and self.size < mark.offset and self.head.startswith(mark.head[: self.size])

    def repeats(self, mark: Mark) -> bool:
        """Is there nothing in it that is not in the file of `mark`?"""
        return self.lacks(mark) or self.continues(mark)

    def take(self, mark: Mark) -> Tail:
        """Go on in it from `mark`."""
        fd, self.fd = self.fd, -1
        head = mark.head or self.head
        nanos = 0 if head else mark.nanos or self.nanos
        return Tail(fd, replace(mark, nanos=nanos, head=head, seen=max(mark.seen, self.size)))

    def begin(self, number: int, offset: int = 0) -> Tail:
        """Give it from `offset` on, as a new generation."""
        fd, self.fd = self.fd, -1
        tail = os.pread(fd, min(TAIL, offset), max(0, offset - TAIL)) if offset else b""
        nanos = 0 if self.head else self.nanos
        return Tail(fd, Mark(Generation(self.device, self.inode, number), offset, self.size, self.head, tail, nanos))

    def close(self) -> None:
        """Let go of it, unless it was taken."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
