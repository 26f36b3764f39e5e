"""What /proc says: processes by identity (a pid is reused, a pid with its start time is not), and mounts.

Rules of this file
    - Only /proc is read. A process that ends while we look is not there, never an error.
    - What is ours is found by program name *and* a folder name that nobody else has (`marked`), then ended by pid.

Invariant: `end` signals no process whose identity has changed since it was found.
Source: proc(5), fields of /proc/PID/stat.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: pid and start time in ticks since boot."""

    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.pid}-{self.start}"

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        fields = _stat(self.pid)
        return bool(fields) and int(fields[19]) == self.start and fields[0] != "Z"


def of_process(pid: int) -> Identity:
    """The identity of a process; start 0 if there is none with this pid."""
    fields = _stat(pid)
    return Identity(pid, int(fields[19]) if fields else 0)


def cpu_seconds(pid: int) -> float:
    """User and system seconds that a process has used, all its threads; 0 if it is not there. Resolution 1/100 s."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it is not there."""
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def arguments(pid: int) -> list[str]:
    """The command line; empty for kernel threads, zombies and what is gone."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return os.fsdecode(raw).rstrip("\0").split("\0") if raw else []


def everyone() -> Iterator[int]:
    """The pids of all processes now."""
    return (int(path.name) for path in PROC.iterdir() if path.name.isdigit())


def mounts() -> list[str]:
    """Where something is mounted, bind mounts included (which `Path.is_mount` does not see)."""
    return [line.split()[4] for line in (PROC / "self/mountinfo").read_text("utf-8").splitlines()]


def root_mount(pid: int) -> str:
    """What a process has as its root file system, as mountinfo has it: a container's layers and where they lie."""
    try:
        lines = (PROC / str(pid) / "mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.split()[4] == "/"), "")


def marked(mark: str, name: str) -> list[Identity]:
    """Processes of program `name` that carry `mark` in an argument."""
    found = []
    for pid in everyone():
        words = arguments(pid)
        if words and Path(words[0]).name == name and any(mark in word for word in words):
            found.append(of_process(pid))
    return found


def end(process: Identity, *, grace: float = 5.0) -> None:
    """Ask a process to end, make it after `grace` seconds, and wait until it has."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if not process.alive():
            return
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        wait_until(lambda: not process.alive(), patience)


def wait_until(true: Callable[[], bool], seconds: float, *, every: float = 0.05) -> bool:
    """Whether a condition came true within `seconds`; asked every 50 ms."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may itself hold blanks and brackets: [0] is the state, field 3 of proc(5)."""
    try:
        return (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
