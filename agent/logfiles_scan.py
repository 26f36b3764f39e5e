"""Which log files a container's processes hold open for appending, as /proc says.

Rules of this file
    - A log is called like one (`is_log`) and open with O_WRONLY or O_RDWR and O_APPEND; what a program opens for each
      line alone (Redis) is not seen here, but in the audit log (`LogFiles.offer`).
    - Bounded: `MAX_PIDS` processes, `MAX_FDS` descriptors of each. Nothing of a container is opened.

Complexity: a system call a descriptor.
Source: proc(5) (fd, fdinfo, cgroup); cgroups(7) (cgroup.procs).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from agent.logfiles_value import is_log

MAX_PIDS: Final = 256
MAX_FDS: Final = 1_024
MAX_GROUPS: Final = 64
CGROUPS: Final = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd")


def appended(pid: int, ident: str, proc: str = "/proc", cgroups: tuple[str, ...] = CGROUPS) -> list[str]:
    """Paths of logs that the container of first process `pid` holds open, as it names them, in order."""
    found: set[str] = set()
    for one in islice(processes(pid, ident, proc, cgroups), MAX_PIDS):
        found.update(_of_process(f"{proc}/{one}"))
    return sorted(found)


def processes(pid: int, ident: str, proc: str = "/proc", cgroups: tuple[str, ...] = CGROUPS) -> Iterator[int]:
    """The processes of its control group; where that cannot be read, the first process alone."""
    yield from members(group_of(pid, ident, proc), cgroups) or [pid]


def group_of(pid: int, ident: str, proc: str = "/proc") -> str:
    """The control group of the container that a process is in; nothing if it is not in it."""
    for line in _text(f"{proc}/{pid}/cgroup").splitlines():
        path = line.split(":", 2)[-1]
        if ident and ident in path:
            end = path.find("/", path.index(ident))
            return path[:end] if end >= 0 else path
    return ""


def members(group: str, cgroups: tuple[str, ...] = CGROUPS) -> list[int]:
    """The processes of a control group and of those below it."""
    found = (list(_members(Path(place) / group.lstrip("/"))) for place in cgroups if group)
    return next((numbers for numbers in found if numbers), [])


def _members(folder: Path) -> Iterator[int]:
    for at, (place, below, names) in enumerate(os.walk(folder)):
        below.sort()
        if "cgroup.procs" in names:
            yield from (int(word) for word in _text(f"{place}/cgroup.procs").split() if word.isdecimal())
        if at > MAX_GROUPS:
            return


def _of_process(folder: str) -> Iterator[str]:
    try:
        numbers = os.listdir(f"{folder}/fd")[:MAX_FDS]  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return
    for number in numbers:
        try:
            path = os.readlink(f"{folder}/fd/{number}")  # noqa: PTH115 - no path of ours
        except OSError:
            continue
        if is_log(path) and not path.endswith(" (deleted)") and _appends(_text(f"{folder}/fdinfo/{number}")):
            yield path


def _appends(text: str) -> bool:
    flags = text.partition("flags:")[2].split(None, 1)
    value = int(flags[0], 8) if flags and flags[0].isdecimal() and not set(flags[0]) & {"8", "9"} else 0
    return bool(value & os.O_APPEND) and value & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - /proc
            return file.read(1 << 16)
    except OSError:
        return ""
