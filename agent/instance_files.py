"""The files that segments lie in: append, find again after a crash, delete the oldest when a budget is spent.

Rules of this file
    - A record is a fixed head (magic, sizes, checksums, time span), then a segment's head and body as bytes. What was
      being written when the machine or the process died is known by its size or its checksum, and cut off.
    - Only the thread that writes calls `append`, `cut_after` and `sync`; any thread reads. `entries` is replaced, never
      changed in place but for its end, so that whoever has taken it has a whole.
    - What cannot be written is taken back and said (`append` gives False); a full disk is nobody's exception.
    - Whole files are deleted, oldest first: by bytes, and by age in log time.

Invariant: `size` is what the files hold; it is above the budget by one segment at most.
Complexity: O(1) a segment; opening reads every segment's head and the newest file whole.
Source: issue "live agent", item 4 (budgets); log-structured stores (checksummed records, torn tails).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

from agent.segments import Body, Head, Unpacker
from grammar import CodecError, InputError

MAGIC: Final = b"WNS1"
_RECORD: Final = struct.Struct("<4sIIIIqq")
PARTS: Final = 32
"""A file is closed at this part of either budget: so much is deleted at once."""
MIN_FILE: Final = 1 << 16
MAX_OPEN: Final = 64
"""Files that one question holds open."""
NAME: Final = "segments-{:012d}.wns"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many bytes of segments, and how many milliseconds of log time, are kept."""

    size: int = 256 << 20
    age: int = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a segment lies, and its time span; `serial` says which open segment it was (in this process only)."""

    path: Path
    offset: int
    sizes: tuple[int, int]
    checks: tuple[int, int]
    start: int
    end: int
    serial: int = -1

    @property
    def stop(self) -> int:
        """The offset behind it."""
        return self.offset + _RECORD.size + sum(self.sizes)


class Lookup:
    """Reads segments; keeps the files open until it is left. For one thread."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}
        self._unpacker = Unpacker()

    def __enter__(self) -> Lookup:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            os.close(file)
        self._open.clear()

    def head(self, entry: Entry) -> Head:
        """The index of a segment; a `CodecError` if it is gone or damaged."""
        return self._unpacker.decode(self._read(entry, 0), Head)

    def body(self, entry: Entry) -> Body:
        """The columns of a segment; a `CodecError` if they are gone or damaged."""
        return self._unpacker.decode(self._read(entry, 1), Body)

    def _read(self, entry: Entry, part: int) -> bytes:
        try:
            file = self._open.get(entry.path, -1)
            if file < 0:
                if len(self._open) >= MAX_OPEN:
                    self.__exit__()
                file = self._open[entry.path] = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(file, entry.sizes[part], entry.offset + _RECORD.size + part * entry.sizes[0])
        except OSError:
            raise CodecError("a segment is gone", file=str(entry.path)) from None
        if crc32(data) != entry.checks[part]:
            raise CodecError("a damaged segment", file=str(entry.path))
        return data


class SegmentFiles:
    """The segments in one folder, oldest first; made if it is not there, with the owner's rights only."""

    def __init__(self, folder: Path, budget: Budget | None = None) -> None:
        self.folder, self.budget = folder, budget or Budget()
        self.entries: list[Entry] = []
        self.damaged = 0
        self._sizes: dict[Path, int] = {}
        self._latest: dict[Path, int] = {}
        self._number, self._file = 0, -1
        self._started = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            self._find()
        except OSError as error:
            hint = "name a folder that the agent may write"
            raise InputError(f"no instance store here: {error.strerror}", file=str(folder), hint=hint) from None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.values())

    def append(self, head: bytes, body: bytes, span: tuple[int, int], serial: int = -1) -> bool:
        """Write a segment; whether it is there now."""
        sizes, checks = (len(head), len(body)), (crc32(head), crc32(body))
        data = _RECORD.pack(MAGIC, *sizes, *checks, *span) + head + body
        try:
            path = self._current(span)
            offset = self._sizes[path]
            if not self._write(path, offset, data):
                return False
        except OSError:
            return False
        entry = Entry(path, offset, sizes, checks, *span, serial)
        self._sizes[path] = entry.stop
        self._latest[path] = max(self._latest.get(path, 0), span[1])
        self.entries.append(entry)
        self._keep_within(span[1])
        return True

    def cut_after(self, count: int) -> None:
        """Only the first `count` segments are left."""
        gone, self.entries = self.entries[count:], self.entries[:count]
        self._close()
        for entry in reversed(gone):
            try:
                os.truncate(entry.path, entry.offset)
                self._sizes[entry.path] = entry.offset
            except OSError:
                self.damaged += 1

    def sync(self) -> None:
        """What has been appended outlives the machine's power."""
        if self._file >= 0:
            try:
                os.fsync(self._file)
            except OSError:
                self.damaged += 1

    def close(self) -> None:
        """Nothing is written any more."""
        self.sync()
        self._close()

    def _current(self, span: tuple[int, int]) -> Path:
        """The file to append to: the last one, or a new one when it has its part of a budget."""
        path = self.folder / NAME.format(self._number)
        full = self._sizes.get(path, 0) >= max(MIN_FILE, self.budget.size // PARTS)
        old = span[1] - self._started >= max(1, self.budget.age // PARTS)
        if self._file < 0 or full or old:
            self._close()
            self._number += 1
            path = self.folder / NAME.format(self._number)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._sizes[path] = 0
            self._started = span[0]
        return path

    def _write(self, path: Path, offset: int, data: bytes) -> bool:
        try:
            if os.pwrite(self._file, data, offset) == len(data):
                return True
        except OSError:
            pass
        try:
            os.ftruncate(self._file, offset)
        except OSError:
            self._sizes[path] = offset
            self._close()  # the torn end stays behind: no more goes into this file
        return False

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _keep_within(self, now: int) -> None:
        while len(self._sizes) > 1:
            oldest = next(iter(self._sizes))
            if self.size <= self.budget.size and self._latest.get(oldest, 0) >= now - self.budget.age:
                return
            self.entries = [entry for entry in self.entries if entry.path != oldest]
            try:
                oldest.unlink(missing_ok=True)
            except OSError:
                self.damaged += 1
            del self._sizes[oldest]
            self._latest.pop(oldest, None)

    def _find(self) -> None:
        """Take in what is there; the newest file is read whole, and its torn end cut off."""
        paths = sorted(self.folder.glob("segments-*.wns"))
        for path in paths:
            entries, good = _scan(path, whole=path == paths[-1])
            if good < path.stat().st_size:
                self.damaged += path != paths[-1]
                os.truncate(path, good)
            if entries:
                self.entries += entries
                self._sizes[path], self._latest[path] = good, max(entry.end for entry in entries)
            else:
                path.unlink()
            number = path.stem.rpartition("-")[2]
            self._number = max(self._number, int(number) if number.isascii() and number.isdigit() else 0)


def _scan(path: Path, *, whole: bool) -> tuple[list[Entry], int]:
    """The segments of a file up to the first that is not one, and the offset where they end."""
    found: list[Entry] = []
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while len(fixed := file.read(_RECORD.size)) == _RECORD.size:
            magic, *numbers = _RECORD.unpack(fixed)
            sizes, checks, span = tuple(numbers[:2]), tuple(numbers[2:4]), numbers[4:]
            entry = Entry(path, offset, (sizes[0], sizes[1]), (checks[0], checks[1]), span[0], span[1])
            if magic != MAGIC or entry.stop > size:
                break
            if whole and [crc32(file.read(one)) for one in sizes] != list(checks):
                break
            found.append(entry)
            offset = entry.stop
            file.seek(offset)
    return found, offset
