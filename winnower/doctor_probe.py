"""What the doctor's checks may ask of a machine, and the machine that answers.

Rules of this file
    - Only `Machine` touches the machine, and it only reads. Nothing here raises for what is merely absent.
    - A `Finding` says what there is; what to do about it unless it is ok.

Source: design section 5.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import platform
import shutil
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final, Literal, Protocol

from agent.kernel import KernelAudit, KernelAuditError
from agent.kernel_wire import KernelStatus, Rule

Result = Literal["ok", "warn", "fail"]

MAX_ENTRIES: Final = 1_000
MAX_PAGE: Final = 1 << 20
UNSYNCHRONISED: Final = 5
"""What adjtimex(2) returns where nothing keeps the clock (TIME_ERROR)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `what` it looked at, the result, what there is, and what to do unless it is ok."""

    what: str
    result: Result
    found: str
    todo: str = ""


class Probe(Protocol):
    """What a check may ask of a machine. Nothing here raises for what is merely absent."""

    def python(self) -> tuple[int, int, int]:
        """Version of the running Python."""

    def version(self, distribution: str) -> str | None:
        """Installed version of a distribution."""

    def importable(self, module: str) -> bool:
        """Whether importing `module` works, tried in earnest."""

    def text(self, path: str) -> str | None:
        """The beginning of a text file, if it can be read."""

    def exists(self, path: str) -> bool:
        """Whether there is anything at `path` that can be seen."""

    def program(self, name: str) -> str | None:
        """Where a program is, administrator's folders included."""

    def output(self, *command: str) -> str | None:
        """What a program prints; nothing if it is absent, fails or takes seconds."""

    def processes(self) -> frozenset[str]:
        """Names of the running processes."""

    def kernel(self) -> str:
        """The kernel's release."""

    def cores(self) -> int:
        """Cores that this process may use."""

    def free_disk(self, path: str = ".") -> int:
        """Bytes free to this user in a folder."""

    def root(self) -> bool:
        """Whether this process has user id 0."""

    def audit_status(self) -> KernelStatus | KernelAuditError:
        """What the kernel says of auditing, or why it does not."""

    def audit_rules(self) -> Sequence[Rule]:
        """The audit rules that are loaded; none where the kernel does not say."""

    def clock_is_kept(self) -> bool | None:
        """Whether something keeps the clock right; None where the kernel does not say."""

    def mode(self, path: str) -> int | None:
        """The permission bits of what is at `path`, if that can be seen."""

    def inside(self, path: str) -> Sequence[str]:
        """Names in a folder, some at least; none if it cannot be read."""

    def machine(self) -> str:
        """The kind of processor, as uname -m says it."""

    def page(self, url: str) -> str | None:
        """A page of this machine's own; nothing if nobody answers within a second or two."""


class Machine:
    """The machine that this runs on."""

    def python(self) -> tuple[int, int, int]:
        """See `Probe`."""
        return sys.version_info[:3]

    def version(self, distribution: str) -> str | None:
        """See `Probe`."""
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def importable(self, module: str) -> bool:
        """See `Probe`; a broken library may raise anything."""
        try:
            importlib.import_module(module)
        except Exception:
            return False
        return True

    def text(self, path: str) -> str | None:
        """See `Probe`; at most 64 KiB."""
        try:
            with Path(path).open("rb") as file:
                return file.read(1 << 16).decode("utf-8", "replace")
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """See `Probe`."""
        return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a folder may not be searched

    def program(self, name: str) -> str | None:
        """See `Probe`."""
        return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")

    def output(self, *command: str) -> str | None:
        """See `Probe`."""
        program = self.program(command[0])
        if program is None:
            return None
        try:
            argv = [program, *command[1:]]
            done = subprocess.run(argv, capture_output=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            return None
        return None if done.returncode else done.stdout.decode("utf-8", "replace")

    def processes(self) -> frozenset[str]:
        """See `Probe`."""
        names = (self.text(str(path)) for path in Path("/proc").glob("[0-9]*/comm"))
        return frozenset(name.strip() for name in names if name)

    def kernel(self) -> str:
        """See `Probe`."""
        return platform.release()

    def cores(self) -> int:
        """See `Probe`."""
        return len(os.sched_getaffinity(0))

    def free_disk(self, path: str = ".") -> int:
        """See `Probe`."""
        return shutil.disk_usage(path).free

    def root(self) -> bool:
        """See `Probe`."""
        return os.geteuid() == 0

    def audit_status(self) -> KernelStatus | KernelAuditError:
        """See `Probe`."""
        try:
            with KernelAudit() as kernel:
                return kernel.status()
        except KernelAuditError as error:
            return error

    def audit_rules(self) -> Sequence[Rule]:
        """See `Probe`."""
        try:
            with KernelAudit() as kernel:
                return kernel.rules()
        except KernelAuditError:
            return ()

    def clock_is_kept(self) -> bool | None:
        """See `Probe`; asked with adjtimex(2), which changes nothing when no bit of `modes` is set."""
        try:
            state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))
        except (OSError, AttributeError):
            return None
        return None if state < 0 else state != UNSYNCHRONISED

    def mode(self, path: str) -> int | None:
        """See `Probe`."""
        try:
            return stat.S_IMODE(Path(path).lstat().st_mode)
        except OSError:
            return None

    def inside(self, path: str) -> Sequence[str]:
        """See `Probe`; at most `MAX_ENTRIES`."""
        try:
            with os.scandir(path) as entries:
                return sorted(entry.name for _, entry in zip(range(MAX_ENTRIES), entries, strict=False))
        except OSError:
            return ()

    def machine(self) -> str:
        """See `Probe`."""
        return platform.machine()

    def page(self, url: str) -> str | None:
        """See `Probe`; at most 1 MiB, and no proxy is asked for what is on this machine."""
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
                return str(answer.read(MAX_PAGE).decode("utf-8", "replace"))
        except (OSError, ValueError, HTTPException):
            return None
