"""Tags since the last snapshot, kept on disk: a restart joins what it reads again as it was joined before.

Rules of this file
    - The kernel gives a tag once; the log is read again from the snapshot on. So what was taken is written down before
      it is used, in generations, of which a snapshot names the one that begins with it. Kept is all since the one that
      the last snapshot names that was written (`kept`), however many could not be written since.
    - A block is `MAGIC, length, checksum, records`. A block that is not whole ends its file: an agent that was killed
      leaves one at most, and what could not be written whole (no room) is taken back.
    - At most `room` bytes. What does not go in (`left_out`) is missed by a restart alone, which sees the gap. Nothing
      is synced: a machine that fails takes the end of its log with it, too.

Complexity: O(bytes).
Source: agent.memory (a restart is a snapshot, then the log again); issue "live agent" (kill -9 at any instant).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from agent.private import make_folder

MAGIC: Final = b"WSPL"
HEAD: Final = Struct("=4sII")
MAX_BLOCK: Final = 4 << 20
PREFIX: Final = "tags-"
_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

_log = logging.getLogger("agent.tags")


class Spool:
    """The generations in `folder`, of `size` bytes; `damaged` counts files that did not end with a whole block."""

    def __init__(self, folder: Path, room: int) -> None:
        make_folder(folder)
        self.folder, self.room = folder, room
        self.left_out = self.damaged = 0
        self.kept = 0
        self._sizes = {number: _size(folder / name) for number, name in _generations(folder).items()}
        self._number = max(self._sizes, default=0)
        self._file = -1
        self._trouble = ""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values())

    def append(self, raw: bytes) -> bool:
        """Write down the records of one poll; whether that was possible."""
        block = HEAD.pack(MAGIC, len(raw), crc32(raw)) + raw
        if len(raw) > MAX_BLOCK or self.size + len(block) > self.room or not self._write(block):
            self.left_out += len(raw)
            return False
        return True

    def cut(self) -> int:
        """Begin a generation, and let go of those that no snapshot needs any more; its number.

        Needed is what has come since `kept`, which the last snapshot that was written names.
        """
        self._let_go()
        self._number += 1
        for number in [number for number in self._sizes if number < min(self._number - 1, self.kept)]:
            with suppress(OSError):
                self._path(number).unlink(missing_ok=True)
                del self._sizes[number]
        return self._number

    def since(self, generation: int) -> Iterator[bytes]:
        """The records of each poll from that generation on, as far as they were on disk when this was asked."""
        for number, size in sorted(self._sizes.items()):
            if number >= generation:
                yield from self._blocks(number, size)

    def close(self) -> None:
        """Let go of the file."""
        self._let_go()

    def _path(self, number: int) -> Path:
        return self.folder / f"{PREFIX}{number}"

    def _write(self, block: bytes) -> bool:
        """All of it or nothing."""
        size = self._sizes.get(self._number, 0)
        try:
            if self._file < 0:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FLAGS
                self._file = os.open(self._path(self._number), flags, 0o600)
                os.ftruncate(self._file, size)
            if os.write(self._file, block) != len(block):
                os.ftruncate(self._file, size)
                raise OSError("no room")
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self._trouble:
                self._trouble = reason
                _log.warning("tags cannot be kept for a restart", extra={"folder": str(self.folder), "reason": reason})
            return False
        self._sizes[self._number] = size + len(block)
        self._trouble = ""
        return True

    def _blocks(self, number: int, size: int) -> Iterator[bytes]:
        """Those of one file; what follows its last whole block is written over."""
        try:
            with os.fdopen(os.open(self._path(number), os.O_RDONLY | _FLAGS), "rb") as file:
                while (at := file.tell()) < size:
                    head = file.read(HEAD.size)
                    magic, length, checksum = HEAD.unpack(head) if len(head) == HEAD.size else (b"", 0, 0)
                    raw = file.read(length) if magic == MAGIC and length <= MAX_BLOCK else b""
                    if magic != MAGIC or len(raw) != length or crc32(raw) != checksum:
                        self.damaged += 1
                        self._sizes[number] = at
                        return
                    yield raw
        except OSError:
            self.damaged += 1

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _generations(folder: Path) -> dict[int, str]:
    rests = {path.name: path.name.removeprefix(PREFIX) for path in folder.glob(f"{PREFIX}*")}
    return {int(rest): name for name, rest in rests.items() if rest.isascii() and rest.isdecimal() and len(rest) < 16}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
