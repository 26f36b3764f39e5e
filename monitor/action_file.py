"""Alerts as JSON lines in a file that is rotated by its size, or on standard output.

Rules of this file
    - A line is there whole or not at all: a write that fails in the middle is taken back. It is on the disk when `send`
      returns.
    - FILE becomes FILE.1, that FILE.2, and so on up to `keep`. A file that somebody else has moved away is made anew.
    - The file is private (0600); only a regular file is rotated or written.

Complexity: O(line); O(keep) renames a rotation.
Source: issue "policies and questions" (JSON lines on stdout or file).
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from monitor.action_sink import Format, NotDeliveredError, line_of
from monitor.alerts import Alert

STDOUT = "-"


@dataclass(slots=True)
class Lines:
    """The file at `path`; of `keep` older ones each has about `most` bytes."""

    path: Path
    most: int
    keep: int
    form: Format = "winnower"
    tries: int = 0
    _handle: int = -1

    def send(self, alert: Alert) -> None:
        """Append one line."""
        line = line_of(alert, self.form) + b"\n"
        try:
            handle = self._opened(len(line))
            before = os.fstat(handle).st_size
            try:
                _write(handle, line)
                os.fsync(handle)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, before)
                raise
        except OSError as error:
            self.close()
            raise NotDeliveredError(f"{self.path}: {error.strerror or error}") from None

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _opened(self, more: int) -> int:
        """The file, with room for so many bytes."""
        if self._handle >= 0 and self._moved():
            self.close()
        if self._handle < 0:
            self._handle = self._open()
        size = os.fstat(self._handle).st_size
        if size and size + more > self.most:
            self.close()
            self._rotate()
            self._handle = self._open()
        return self._handle

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        handle = os.open(self.path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError("not a regular file")
        return handle

    def _moved(self) -> bool:
        try:
            found, ours = self.path.stat(), os.fstat(self._handle)
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def _rotate(self) -> None:
        """The oldest goes, each takes the next number."""
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{one}") for one in range(1, self.keep + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)


@dataclass(slots=True)
class Output:
    """Standard output."""

    form: Format = "winnower"
    tries: int = 0

    def send(self, alert: Alert) -> None:
        """Write one line."""
        try:
            _write(sys.__stdout__.fileno() if sys.__stdout__ else 1, line_of(alert, self.form) + b"\n")
        except (OSError, ValueError) as error:
            raise NotDeliveredError(f"standard output: {error}") from None

    def close(self) -> None:
        """Nothing of ours is open."""


def _write(handle: int, data: bytes) -> None:
    """All of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
