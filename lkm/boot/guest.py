"""A guest with a job: its initramfs packed, booted, its words read.

Rules of this file
    - The job is a script for busybox's shell; every file that it may want is given by name and lies in /files.
    - `host`: the job finds the host's root in /host (read-only) and the same with a layer of memory over it in /root.
"""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .console import Report, report
from .cpio import Archive
from .kept import KEPT
from .kernels import Kernel
from .modules import order
from .programs import busybox, servers
from .qemu import Machine, boot

HERE: Final = Path(__file__).resolve().parent
PLAIN: Final = ("overlay", "crc32c_generic", "ext4", "loop")
SHARING: Final = ("virtio_pci", "9pnet_virtio", "9p")


@dataclass(frozen=True, slots=True)
class Job:
    """What to run on which kernel, with which files (name in /files: where it is here)."""

    kernel: Kernel
    script: str
    files: Mapping[str, Path] = field(default_factory=dict)
    seconds: float = 120
    words: str = ""
    host: bool = False
    parallel: bool = True
    megabytes: int = 768


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a job, and its kernel's log."""

    report: Report
    log: str
    results: str


def do(job: Job) -> Said:
    """Boot it and wait for its end."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="guest-", dir=KEPT) as name:
        folder = Path(name)
        (folder / "initramfs").write_bytes(initramfs(job))
        machine = Machine(
            kernel=job.kernel.image,
            initramfs=folder / "initramfs",
            folder=folder,
            seconds=job.seconds,
            words=job.words,
            parallel=job.parallel,
            megabytes=max(job.megabytes, 1536 if job.host else 0),
            shares={"host": Path("/"), "servers": servers()} if job.host else {},
        )
        results, log, ended = boot(machine)
    return Said(report(results, log, ended), log, results)


def initramfs(job: Job) -> bytes:
    """The guest's first files."""
    archive = Archive()
    archive.folder("dev")
    archive.device("dev/console", 5, 1)
    for folder in ("proc", "sys", "bin", "tmp", "files"):
        archive.folder(folder)
    archive.file("init", (HERE / "init").read_bytes(), executable=True)
    archive.file("bin/busybox", busybox(), executable=True)
    _modules(archive, job)
    for name, path in job.files.items():
        archive.file(f"files/{name}", path.read_bytes(), executable=bool(path.stat().st_mode & stat.S_IXUSR))
    archive.file("job", (_prelude(job) + job.script).encode())
    return bytes(archive)


def _modules(archive: Archive, job: Job) -> None:
    wanted: Sequence[str] = (*PLAIN, *SHARING) if job.host else PLAIN
    modules = order(job.kernel.modules, wanted)
    for module in modules:
        archive.file(f"modules/{module.name}", module.read_bytes())
    archive.file("modules/order", "".join(f"{module.name}\n" for module in modules).encode())


def _prelude(job: Job) -> str:
    return (HERE / "init_host").read_text("utf-8") if job.host else ""
