"""Debian's servers as they are shipped, unpacked and not installed: what static analysis is measured on.

    python bench/testbed/binaries.py     # fetches what is not there, says what there is

Rules of this file
    - `apt-get download` and `dpkg-deb -x`: nothing is installed, no root is needed where the package lists are there.
    - Kept in `.testbed/binaries` of the checkout, whole or not at all (`kept.making`).
    - The versions are those of the machine's Debian: numbers are compared between runs on one machine.

Invariant: after `fetch()` every file of `APPLICATIONS` is there, or a `TestbedError` has said why not.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from testbed.kept import making
from testbed.ledger import STATE
from testbed.packages import update
from testbed.tell import TestbedError, run, say, step

FOLDER: Final = "binaries"
PACKAGES: Final = (
    *("apache2-bin", "libapache2-mod-php8.2", "libapr1", "libaprutil1", "php8.2-fpm", "mariadb-server-core"),
    *("imagemagick-6.q16", "libmagickcore-6.q16-6", "libmagickwand-6.q16-6", "openvpn", "wget", "nginx"),
    *("redis-server", "redis-tools", "proftpd-core", "openssh-server"),
)

APPLICATIONS: Final[dict[str, tuple[str, ...]]] = {
    "apache2": (
        "usr/sbin/apache2",
        "usr/lib/apache2/modules/*.so",
        "usr/lib/x86_64-linux-gnu/libapr-1.so.0",
        "usr/lib/x86_64-linux-gnu/libaprutil-1.so.0",
    ),
    "php-fpm": ("usr/sbin/php-fpm8.2",),
    "mariadbd": ("usr/sbin/mariadbd",),
    "imagemagick": (
        "usr/bin/convert-im6.q16",
        "usr/lib/x86_64-linux-gnu/libMagickCore-6.Q16.so.6",
        "usr/lib/x86_64-linux-gnu/libMagickWand-6.Q16.so.6",
    ),
    "openvpn": ("usr/sbin/openvpn",),
    "wget": ("usr/bin/wget",),
    "nginx": ("usr/sbin/nginx",),
    "redis": ("usr/bin/redis-check-rdb",),
    "proftpd": ("usr/sbin/proftpd",),
    "sshd": ("usr/sbin/sshd",),
}
"""The ELF files of each application, the main one first; redis-server is a link to that file."""


def binaries_folder(state: Path = STATE) -> Path | None:
    """The folder that Debian's packages were unpacked in; None if it is not there, or not whole."""
    folder = state / FOLDER
    return None if missing(folder) else folder


def why_no_binaries(state: Path = STATE) -> str:
    """What to do if `binaries_folder` is None: for tests and benches, which skip with it."""
    lacks = missing(state / FOLDER)
    return f"no {', '.join(lacks)} in {FOLDER}: python bench/testbed/binaries.py" if lacks else ""


def application(name: str, state: Path = STATE) -> list[Path]:
    """The files of one application, the main one first; `TestbedError` if they are not there."""
    if why := why_no_binaries(state):
        raise TestbedError(why)
    return [path for pattern in APPLICATIONS[name] for path in sorted((state / FOLDER).glob(pattern))]


def missing(folder: Path) -> list[str]:
    """The applications of which a file is not there."""
    return [
        name
        for name, patterns in APPLICATIONS.items()
        if not all(any(path.is_file() for path in folder.glob(pattern)) for pattern in patterns)
    ]


def fetch(state: Path = STATE) -> Path:
    """Download and unpack what is not there yet."""
    folder = state / FOLDER
    if not missing(folder):
        return folder
    for program, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        if shutil.which(program) is None:
            raise TestbedError(f"{program} is not installed", f"these are Debian's packages: they need {package}")
    with step(f"fetching {len(PACKAGES)} packages of Debian into {folder}"), making(state) as work:
        _download(work)
        made = work / FOLDER
        for file in sorted(work.glob("*.deb")):
            run(["dpkg-deb", "-x", str(file), str(made)])
        if lacks := missing(made):
            raise TestbedError(f"unpacked, and still without {', '.join(lacks)}", "is this Debian 12 on amd64?")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def _download(work: Path) -> None:
    """`apt-get download` into a folder; with new package lists once more, if we may fetch them."""
    work.chmod(0o755)
    command = ["env", "-C", str(work), "apt-get", "-qq", "-o", f"APT::Sandbox::User={_user()}", "download", *PACKAGES]
    try:
        run(command, timeout=900)
    except TestbedError as error:
        if os.geteuid() != 0:
            raise TestbedError(f"{error}", "try: sudo apt-get update") from None
        say(f"{error}; with new package lists once more")
        update()
        run(command, timeout=900)


def _user() -> str:
    """Who downloads: root, as `_apt` may not write into the checkout; nobody else needs to say."""
    return "root" if os.geteuid() == 0 else ""


def report(folder: Path) -> Iterator[str]:
    """One line for each application: its files and their bytes."""
    for name, patterns in APPLICATIONS.items():
        files = [path for pattern in patterns for path in folder.glob(pattern)]
        yield f"{name}: {len(files)} files, {sum(path.stat().st_size for path in files):,} bytes"


def main() -> int:
    """Fetch, and say what there is."""
    had = binaries_folder()
    try:
        folder = fetch()
    except (TestbedError, OSError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: {'was there' if had else 'fetched'}")
    for line in report(folder):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
