"""A node as the accumulator sees it, made of folders: containers with a root, processes in /proc, rotated logs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from agent.containers import Container
from agent.logfiles import LogFiles
from agent.logfiles_finder import Limits, Progress
from agent.logfiles_journal import Journal
from agent.logfiles_places import Places
from agent.logfiles_value import Generation, Piece, Rule

ACCESS = "/var/log/apache2/access.log"


@dataclass
class Clock:
    """Milliseconds that go on when they are told to."""

    millis: int = 1_000_000

    def __call__(self) -> int:
        return self.millis


@dataclass
class Log:
    """A log that is written, rotated, emptied; `written` is all of it, `lines` counts them.

    `renamed`: the file before this one was renamed, so that somebody may still have it open.
    """

    path: Path
    written: bytes = b""
    lines: int = 0
    renamed: bool = False

    def append(self, count: int = 1, to: Path | None = None) -> bytes:
        data = b"".join(b"line %06d of the log\n" % (self.lines + at) for at in range(count))
        self.lines += count
        self.raw(data, to)
        return data

    def raw(self, data: bytes, to: Path | None = None) -> None:
        (to or self.path).parent.mkdir(parents=True, exist_ok=True)
        with (to or self.path).open("ab") as file:
            file.write(data)
        self.written += data

    def old(self, age: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{age}")

    def shift(self) -> None:
        ages = sorted(int(one.name.rsplit(".", 1)[1]) for one in self.path.parent.glob(f"{self.path.name}.*"))
        for age in reversed(ages):
            self.old(age).rename(self.old(age + 1))

    def rotate(self, create: bool = True) -> None:
        self.shift()
        self.path.rename(self.old(1))
        self.renamed = True
        if create:
            self.path.touch()

    def copytruncate(self) -> None:
        self.shift()
        shutil.copy(self.path, self.old(1))
        os.truncate(self.path, 0)
        self.renamed = False


@dataclass
class Node:
    """Folders below `base`; `files()` is an accumulator on them, `again()` one that was restarted."""

    base: Path
    clock: Clock = field(default_factory=Clock)
    known: dict[str, Container] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    limits: Limits = field(default_factory=Limits)
    journal: Journal | None = None

    def add(self, name: str, pid: int = 0) -> Path:
        """A container that runs; its root."""
        pid = pid or 100 + len(self.known)
        ident = f"{len(self.known) + 1:064x}" if name not in self.known else self.known[name].id
        root = self.base / "roots" / name
        (root / "var/log").mkdir(parents=True, exist_ok=True)
        proc = self.base / "proc" / str(pid)
        (proc / "fd").mkdir(parents=True)
        (proc / "fdinfo").mkdir()
        (proc / "cgroup").write_text(f"0::/machine/libpod-{ident}\n")
        (proc / "root").symlink_to(root)
        self.known[name] = Container(ident, name, "app", pid)
        return root

    def holds(self, name: str, path: str, flags: int = os.O_APPEND | os.O_WRONLY) -> None:
        """Its first process has a file open."""
        proc = self.base / "proc" / str(self.known[name].pid)
        number = len(list((proc / "fd").iterdir()))
        (proc / "fd" / str(number)).symlink_to(path)
        (proc / "fdinfo" / str(number)).write_text(f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t7\n")

    def log(self, name: str, path: str = ACCESS) -> Log:
        log = Log(self.base / "roots" / name / path.lstrip("/"))
        log.path.parent.mkdir(parents=True, exist_ok=True)
        return log

    def fork(self, name: str, pid: int) -> None:
        """One more process of a container, in its control group."""
        first = self.base / "proc" / str(self.known[name].pid)
        shutil.copytree(first, first.with_name(str(pid)), symlinks=True)
        group = self.base / "host/sys/fs/cgroup/machine" / f"libpod-{self.known[name].id}"
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text(f"{self.known[name].pid}\n{pid}\n")

    def kill(self, name: str) -> None:
        """All of its processes are gone, and its root as they saw it."""
        shutil.rmtree(self.base / "proc" / str(self.known[name].pid))

    def files(self, progress: Progress | None = None) -> LogFiles:
        (self.base / "proc").mkdir(exist_ok=True)
        return LogFiles(
            lambda: list(self.known.values()),
            self.clock,
            rules=self.rules,
            limits=self.limits,
            progress=progress,
            places=Places(str(self.base / "host"), str(self.base / "proc")),
            journal=self.journal or Journal(folders=()),
        )

    def tick(self, files: LogFiles, millis: int = 5_000) -> list[Piece]:
        """Later."""
        self.clock.millis += millis
        return files.poll()


def given(pieces: list[Piece]) -> bytes:
    """All bytes, as they came."""
    return b"".join(piece.data for piece in pieces)


def in_order(pieces: list[Piece]) -> bool:
    """Of each generation the offsets ascend, none twice."""
    ends: dict[tuple[str, str, Generation], int] = {}
    for one in pieces:
        key = (one.container, one.path, one.generation)
        if one.offset < ends.get(key, 0):
            return False
        ends[key] = one.offset + len(one.data)
    return True
