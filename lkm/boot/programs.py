"""Programs of the guest: a static busybox for its first steps; auditd and a web server for the test from end to end.

Rules of this file
    - Downloaded and unpacked, never installed: the host gets no service and no changed file.
    - A tree of programs is a layer over the host's own files: only what the host lacks is in it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from . import kept
from .archive import INSTALLED, Archive
from .tell import BootError, run

SUITES: Final = ("bookworm", "bookworm-security")
SERVERS: Final[dict[str, str]] = {"auditd": "usr/sbin/auditd", "nginx-light": "usr/sbin/nginx"}


def busybox() -> bytes:
    """A static busybox."""
    return (kept.have("busybox", _busybox) / "busybox").read_bytes()


def servers() -> Path:
    """A folder to lay over the host's root: auditd and nginx are in one or the other."""
    tree = kept.have("servers", _servers) / "tree"
    if not all(_there(program, tree) for program in SERVERS.values()):
        # The host had a program when the folder was made, and has it no longer.
        (tree.parent / kept.MANIFEST).unlink()
        tree = kept.have("servers", _servers) / "tree"
    return tree


def _busybox(into: Path) -> dict[str, str]:
    archive = Archive(into / "apt", SUITES)
    (deb,) = archive.download(["busybox-static"], into / "debs")
    run(["dpkg-deb", "-x", str(deb), str(into / "out")], seconds=60)
    found = [path for path in (into / "out").rglob("busybox") if path.is_file() and not path.is_symlink()]
    programs = [path for path in found if path.read_bytes()[:4] == b"\x7fELF"]
    if not programs:
        raise BootError(f"{deb.name} holds no busybox")
    programs[0].rename(into / "busybox")
    run(["rm", "-r", *(str(into / part) for part in ("apt", "debs", "out"))], seconds=60)
    return {"deb": deb.name}


def _servers(into: Path) -> dict[str, str]:
    archive = Archive(into / "apt", SUITES, status=INSTALLED)
    debs = archive.lacking(tuple(SERVERS))
    (into / "tree" / "usr").mkdir(parents=True)
    for deb in debs:
        run(["dpkg-deb", "-x", str(deb), str(into / "tree")], seconds=60)
    merge(into / "tree")
    run(["rm", "-r", str(into / "apt")], seconds=60)
    (into / "list").write_text("".join(f"{deb.name}\n" for deb in debs), "utf-8")
    return {}


def merge(tree: Path) -> None:
    """What packages put in /sbin or /lib goes below usr: a folder of that name would hide the host's link."""
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (tree / name).is_dir():
            shutil.copytree(tree / name, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / name)


def _there(program: str, tree: Path) -> bool:
    return (Path("/") / program).exists() or (tree / program).exists()
