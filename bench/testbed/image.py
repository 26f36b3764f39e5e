"""A small real image: Apache, Perl, a shell and netcat from Debian's packages, unpacked and not installed.

    tar = image_tar(STATE)    # .testbed/image-<key>.tar

Rules of this file
    - The key is over package versions (their checksums) and our own contents: what is kept is used only if both agree.
    - Packages come by `apt-get download`, which checks signatures; nothing of them is run while unpacking.
    - An image is written under another name and renamed: what is there is whole.

Complexity: about 60 packages, 30 MB to fetch; a few seconds with a near mirror, then under one from what is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import rootfs
from .kept import making
from .ledger import STATE
from .packages import update
from .tell import TestbedError, run, step

DEPENDS: Final = ["apt-cache", "depends", "--recurse"] + [
    f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
]


def image_tar(state: Path = STATE) -> Path:
    """The image's file system as a tar file, made if what is kept does not fit."""
    packages, key = _current()
    tar = state / f"image-{key}.tar"
    if tar.exists():
        return tar
    with step(f"making the image of {len(packages)} Debian packages"), making(state) as folder:
        root = folder / "root"
        _unpack(packages, folder, root)
        _contents(root)
        part = folder / "image.tar"
        run(["tar", "--numeric-owner", "--sort=name", "-C", str(root), "-cf", str(part), "."])
        for old in state.glob("image-*.tar"):
            old.unlink()
        part.rename(tar)
    return tar


def closure(listing: str, roots: Sequence[str], without: frozenset[str]) -> list[str]:
    """Packages that `roots` need, from what `apt-cache depends --recurse` printed: of alternatives the first.

    >>> closure("a\\n |Depends: b\\n  Depends: c\\n  Depends: <v>\\nb\\n", ["a"], frozenset())
    ['a', 'b']
    """
    needs: dict[str, list[str]] = {}
    name, another = "", False
    for line in listing.splitlines():
        if not line.startswith(" "):
            name, another = line, False
            needs[name] = []
        elif "Depends: " in line:
            if not another:
                needs[name].append(line.partition(": ")[2])
            another = line.startswith(" |")
    found: set[str] = set()
    open_ends = list(roots)
    while open_ends:
        package = open_ends.pop()
        if package in found or package in without or package.startswith("<"):
            continue
        found.add(package)
        open_ends += needs.get(package, [])
    return sorted(found)


def _current() -> tuple[list[str], str]:
    """The packages, and the key over their checksums and our contents."""
    try:
        return _named()
    except TestbedError:
        update()
        return _named()


def _named() -> tuple[list[str], str]:
    packages = closure(run([*DEPENDS, *rootfs.PACKAGES]), rootfs.PACKAGES, rootfs.WITHOUT)
    addresses = run(["apt-get", "download", "--print-uris", *packages])
    contents = Path(rootfs.__file__).read_bytes() + Path(__file__).read_bytes()
    return packages, hashlib.sha256(addresses.encode() + contents).hexdigest()[:16]


def _unpack(packages: Sequence[str], folder: Path, root: Path) -> None:
    debs = folder / "debs"
    debs.mkdir()
    root.mkdir()
    fetch = 'cd "$0" && exec apt-get -qq -o APT::Sandbox::User=root download "$@"'
    run(["sh", "-c", fetch, str(debs), *packages], timeout=600)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg-deb", "-x", str(deb), str(root)])
    for name in rootfs.MERGED:
        _merge(root, name)


def _merge(root: Path, name: str) -> None:
    """/bin is usr/bin, as Debian has it: packages of this release still carry both."""
    old, new = root / name, root / "usr" / name
    new.mkdir(parents=True, exist_ok=True)
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, new, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(old)
    if not old.is_symlink():
        old.symlink_to(f"usr/{name}")


def _contents(root: Path) -> None:
    for name in rootfs.DROPPED:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in rootfs.FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text, mode in rootfs.FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(mode)
    for name, target in rootfs.LINKS:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)
    pages = root / "var/www/html"
    (pages / "index.html").write_text(rootfs.page(0), "utf-8")
    for number in range(rootfs.PAGES):
        (pages / f"page{number}.html").write_text(rootfs.page(number), "utf-8")
    (root / "tmp").chmod(0o1777)
    os.chown(root / "etc/shadow", 0, rootfs.SHADOW_GROUP)
