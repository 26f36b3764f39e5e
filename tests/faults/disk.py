"""A disk that is full when told to be: a small file system of its own, or a limit on how large files may grow.

Rules of this file
    - `tmpfs` needs root: a mount that is gone at the end. `limit` needs nothing: prlimit on a process, for which no
      file can be written then (EFBIG instead of ENOSPC), its log neither.
    - What is mounted is unmounted by its path, lazily: nothing of ours stays.
"""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Protocol

import pytest
from nodes import Process

SMALL = 16 << 20


class Disk(Protocol):
    """`folder` is where the state goes; `fill` and `free` as often as one likes."""

    folder: Path

    def fill(self, process: Process) -> None:
        """No room from here on."""

    def free(self, process: Process) -> None:
        """Room again."""


class Tmpfs:
    """A file system of `SMALL` bytes."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("a small file system needs root to be mounted")
        self.folder = folder
        folder.mkdir(parents=True)
        options = f"size={SMALL},mode=0700"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "winnower-faults", str(folder)], check=False)
        if done.returncode:
            pytest.skip("tmpfs cannot be mounted here")

    def __enter__(self) -> Tmpfs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self, process: Process) -> None:
        """No room from here on."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 4096, 512):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self, process: Process) -> None:
        """Room again."""
        (self.folder / "filler").unlink()


class Limit:
    """A limit on the process: no file of it may be written any more, what it has to say (its log) included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True)

    def __enter__(self) -> Limit:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return

    def fill(self, process: Process) -> None:
        """No room from here on."""
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def free(self, process: Process) -> None:
        """Room again."""
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


DISKS: dict[str, type[Tmpfs] | type[Limit]] = {"tmpfs": Tmpfs, "limit": Limit}
