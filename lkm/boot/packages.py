"""Tools that run on this machine, and the Debian packages that bring them.

Rules of this file
    - Looked for by what is needed, not by package: who has it otherwise keeps it.
    - As root what is missing is installed, and a line says what. Otherwise a message says what to type.

Invariant: after `require()` every tool is there, or a `BootError` has named those missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .tell import BootError, run, say, step

# libelf is objtool's, which Debian's headers bring as a program.
TOOLS: Final[dict[str, str]] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "gcc-12": "gcc-12",
    "gcc": "gcc",
    "make": "make",
    "zstd": "zstd",
    "dpkg-deb": "dpkg",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/lib/x86_64-linux-gnu/libelf.so.1": "libelf1",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
# What the eBPF twin is built with: 200 MB when unpacked, so only the complete test wants them.
TWIN: Final[dict[str, str]] = {
    "clang": "clang",
    "/usr/include/bpf/libbpf.h": "libbpf-dev",
    "/usr/lib/x86_64-linux-gnu/libbpf.a": "libbpf-dev",
}
APT: Final = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")


def missing(tools: Mapping[str, str] = TOOLS) -> list[str]:
    """The packages of what is not there, each once."""
    return list(dict.fromkeys(package for need, package in tools.items() if not _there(need)))


def require(tools: Mapping[str, str] = TOOLS) -> None:
    """Install what is missing."""
    packages = missing(tools)
    if not packages:
        return
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise BootError(f"needs {names}", "install them: this is not Debian, so they were not")
    if os.geteuid() != 0:
        raise BootError(f"needs {names}", f"sudo apt-get install --no-install-recommends {names}")
    with step(f"apt-get install {names} (they stay installed)"):
        _install(packages)
    if still := missing(tools):
        raise BootError(f"installed, and still not there: {' '.join(still)}")


def _install(packages: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [*APT, "install", "-y", "--no-install-recommends", *packages]
    try:
        run(command, seconds=600, env=env)
    except BootError as error:
        say(f"{error}; with new package lists once more")
        run([*APT, "update"], seconds=300, env=env)
        run(command, seconds=600, env=env)


def _there(need: str) -> bool:
    return Path(need).exists() if need.startswith("/") else shutil.which(need) is not None
