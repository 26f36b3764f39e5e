"""The files of one rotated log: which there are, in which order, and one of them held open.

Rules of this file
    - A log's files are `NAME`, `NAME.1`, `NAME.2`, … (auditd, logrotate) and `NAME-DATE` (logrotate's dateext). Packed
      ones are not read.
    - Names move while one looks, always to a higher number: looking upwards a file may be met twice, but is not missed.
      A list counts if two looks agree, and a name is opened only if it still names the file of the list.
    - What a person can put right (rights, a folder in place of a file) is an `InputError`.

Complexity: O(files) for a list, read twice; O(1) system calls for the rest.
Source: audit userspace auditd-event.c (rotate_logs: renames from the oldest on); logrotate(8).
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.source import HEAD, Mark
from grammar.errors import InputError

_ROTATED: Final = re.compile(r"\.(\d{1,9})|(-\d{6,14}(?:-\d{1,14})?)")
LOOKS: Final = 16
RIGHTS: Final = "run the agent as root, or set log_group in auditd.conf to a group of the agent and restart auditd"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the log as the list shows it: looked at once, through one descriptor."""

    path: Path
    mark: Mark
    size: int

    def copies(self, other: Listed) -> bool:
        """Do both begin alike, as far as they go?"""
        head, its = self.mark.head, other.mark.head
        return bool(head) and bool(its) and (head.startswith(its) or its.startswith(head))


def list_files(path: Path) -> list[Listed]:
    """The log's files, oldest first; the last is the one being written, if it is there."""
    listed = _look(path)
    for _ in range(LOOKS):
        again = _look(path)
        if [(one.path, one.mark) for one in again] == [(one.path, one.mark) for one in listed]:
            return again
        listed = again
    return listed


def _look(path: Path) -> list[Listed]:
    ages, dates = {1}, []
    try:
        for one in path.parent.iterdir():
            if one.name.startswith(path.name) and (found := _ROTATED.fullmatch(one.name, len(path.name))):
                if found[1]:
                    ages.update(range(int(found[1]), int(found[1]) + 3))  # it may be renamed, once or twice, meanwhile
                else:
                    dates.append(one)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise refused(path.parent, error) from None
    ages.update(range(1, 2 * len(ages)))  # a directory that is being changed may not show all names
    upwards = [path, *(path.with_name(f"{path.name}.{age}") for age in sorted(ages)), *sorted(dates, reverse=True)]
    listed: dict[tuple[int, int], Listed] = {}
    for one in upwards:
        if (look := _glance(one)) is not None:
            listed[look.mark.place] = look
    return list(listed.values())[::-1]


def _glance(path: Path) -> Listed | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(path, error) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a file", file=str(path), hint="the audit log is log_file in auditd.conf")
        return Listed(path, Mark(status.st_dev, status.st_ino, os.pread(fd, HEAD, 0)), status.st_size)
    except OSError as error:
        raise refused(path, error) from None
    finally:
        os.close(fd)


def place_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of what the name stands for now; none if nothing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(path, error) from None
    return status.st_dev, status.st_ino


class LogFile:
    """One file of the log, held open: its number cannot be given to another as long as it is."""

    __slots__ = ("_fd", "_path", "mark")

    def __init__(self, fd: int, path: Path, mark: Mark) -> None:
        self._fd, self._path, self.mark = fd, path, mark

    @staticmethod
    def open(one: Listed) -> LogFile | None:
        """Open it; none if it is empty, or if the name stands for another file by now."""
        try:
            fd = os.open(one.path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(one.path, error) from None
        status = os.fstat(fd)
        mark = Mark(status.st_dev, status.st_ino, os.pread(fd, HEAD, 0))
        if mark.place != one.mark.place or not one.mark.begins(mark.head):
            os.close(fd)
            return None
        return LogFile(fd, one.path, mark)

    def read(self, limit: int, offset: int) -> bytes:
        """At most `limit` bytes from `offset` on."""
        try:
            return os.pread(self._fd, limit, offset)
        except OSError as error:
            raise refused(self._path, error) from None

    def lasts(self) -> bool:
        """Does it still begin as it did? If not, it was emptied and written anew."""
        head = self.read(HEAD, 0)
        if not head.startswith(self.mark.head):
            return False
        if len(head) > len(self.mark.head):
            self.mark = Mark(*self.mark.place, head)
        return True

    @property
    def size(self) -> int:
        """Bytes in it now."""
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


def refused(path: Path, error: OSError) -> InputError:
    """The error that says what to do."""
    hint = RIGHTS if isinstance(error, PermissionError) else ""
    return InputError(f"cannot be read: {error.strerror}", file=str(path), hint=hint)
