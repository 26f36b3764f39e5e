"""Debian's kernels: one that QEMU starts, the modules that a guest needs, the headers that our module is built against.

    kernel("bookworm").headers        # a KDIR

Rules of this file
    - Image and headers are of one version: both come from one set of package lists.
    - The headers are used where they are unpacked: the one absolute path in them is made relative.

Invariant: what `kernel` returns is whole (see kept.py), whoever fetched it.
"""

from __future__ import annotations

import lzma
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import kept
from .archive import Archive
from .tell import BootError, run, step
from .vmlinux import unpack

SUITES: Final[dict[str, tuple[str, ...]]] = {
    "bookworm": ("bookworm", "bookworm-security"),
    "backports": ("bookworm-backports",),
}
# Folders of the image package whose modules a guest may load; all else of its 100 MB stays in the package.
FOLDERS: Final = re.compile(
    r"/kernel/(fs/(9p|netfs|fscache|overlayfs|ext4|jbd2|mbcache)|net/9p|drivers/virtio|drivers/block/loop"
    r"|lib/(crc16|libcrc32c)|crypto/crc32c_generic)[/.]"
)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One version: what QEMU starts, a flat folder of Debian's modules for it, and what Kbuild calls KDIR."""

    label: str
    version: str
    image: Path
    modules: Path
    headers: Path


def kernel(label: str) -> Kernel:
    """That kernel, from the cache or the archive."""
    folder = kept.have(label, lambda into: _fetch(label, into))
    version = kept.facts(folder)["version"]
    headers = folder / "tree" / "usr" / "src" / f"linux-headers-{version}"
    return Kernel(label, version, folder / "vmlinux", folder / "modules", headers)


def _fetch(label: str, into: Path) -> dict[str, str]:
    archive = Archive(into / "apt", SUITES[label])
    version = archive.depends("linux-image-amd64", r"linux-image-[0-9][-+.~\w]*-amd64").removeprefix("linux-image-")
    headers = f"linux-headers-{version}"
    common = archive.depends(headers, r"linux-headers-[-+.~\w]*-common")
    kbuild = archive.depends(headers, r"linux-kbuild-[-+.~\w]*")
    debs = archive.download([f"linux-image-{version}", headers, common, kbuild], into / "debs")
    with step(f"unpacking Linux {version}"):
        for deb in debs:
            if deb.name.startswith("linux-image-"):
                _image(deb, into)
            else:
                run(["dpkg-deb", "-x", str(deb), str(into / "tree")], seconds=300)
    _relative(into / "tree" / "usr" / "src" / headers / "Makefile")
    run(["rm", "-r", str(into / "apt"), str(into / "debs")], seconds=60)
    return {"version": version}


def _image(deb: Path, into: Path) -> None:
    """The kernel and some modules out of a package, read as a stream."""
    (into / "modules").mkdir()
    for name, data in _members(deb):
        if "/boot/vmlinuz-" in name:
            (into / "vmlinux").write_bytes(unpack(data))
        else:
            plain = lzma.decompress(data) if name.endswith(".xz") else data
            (into / "modules" / Path(name.removesuffix(".xz")).name).write_bytes(plain)
    if not (into / "vmlinux").exists():
        raise BootError(f"{deb.name} holds no kernel")


def _members(deb: Path) -> Iterator[tuple[str, bytes]]:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        with tarfile.open(fileobj=tar.stdout, mode="r|") as members:
            for member in members:
                wanted = "/boot/vmlinuz-" in member.name or FOLDERS.search(member.name)
                if wanted and (file := members.extractfile(member)):
                    yield member.name, file.read()


def _relative(makefile: Path) -> None:
    said = makefile.read_text("utf-8")
    here = "$(dir $(lastword $(MAKEFILE_LIST)))../"
    makefile.write_text(re.sub(r"^include /usr/src/", f"include {here}", said, flags=re.M), "utf-8")
