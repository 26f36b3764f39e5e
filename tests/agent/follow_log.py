"""A log being written and rotated, and the agent that follows it, as tests tell it.

Rules of this file
    - `Log` does to real files what auditd and logrotate do: append, rename, copy and empty.
    - Every line is unique and stamped as the kernel's are: no two files begin alike.

Source: audit userspace auditd-event.c (rotate_logs); logrotate(8).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from agent.follow import LogFollower
from agent.source import Position

ALL = 1 << 20


class Log:
    """A log being written, and all that was ever written to it."""

    def __init__(self, path: Path) -> None:
        self.path, self.written, self.serial = path, b"", 0

    def append(self, lines: int = 1, *, half: bool = False, to: Path | None = None) -> bytes:
        data = b""
        for _ in range(lines):
            self.serial += 1
            data += b"type=SYSCALL msg=audit(17000000%02d.123:%d): arch=c000003e syscall=0\n" % (
                self.serial,
                self.serial,
            )
        data = data[:-9] if half else data
        with (to or self.path).open("ab") as file:
            file.write(data)
        self.written += data
        return data

    def name(self, age: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{age}") if age else self.path

    def shift(self, keep: int = 99) -> None:
        """audit.log.1 becomes audit.log.2, and so on."""
        for age in range(keep, 0, -1):
            if self.name(age).exists():
                self.name(age).rename(self.name(age + 1))
        self.name(keep + 1).unlink(missing_ok=True)

    def rotate(self, keep: int = 99) -> None:
        self.shift(keep)
        if self.path.exists():
            self.path.rename(self.name(1))
        self.path.touch()

    def copytruncate(self) -> None:
        self.shift()
        if self.path.exists():
            shutil.copy(self.path, self.name(1))
            os.truncate(self.path, 0)


def drained(follower: LogFollower) -> bytes:
    data = b""
    while more := follower.read(ALL):
        data += more
    return data


def again(follower: LogFollower) -> LogFollower:
    """The agent is stopped and started from its checkpoint."""
    saved = follower.position.to_bytes()
    follower.close()
    return LogFollower(follower.path, Position.from_bytes(saved))
