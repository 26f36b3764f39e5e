"""Lines of real logs: Debian's daemons as they are unpacked run for a short session each and log all that they can.

    python bench/testbed/daemons.py FOLDER [NAME]...     # FOLDER/NAME/*.log

Rules of this file
    - Nothing is installed. The daemons run in namespaces of their own (`daemons_inside`), with only a loopback; with
      their last process everything is gone but the logs.
    - Shared libraries that the machine may lack are fetched as the binaries are (`binaries`), and kept beside them.
    - Needs root: mounts, a tunnel, logins. Ctrl-C ends it whole.

Invariant: after `collect` every daemon is ended, and nothing is mounted or bound that was not before.
Source: issue "application logs" (precision); unshare(1).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from testbed.binaries import fetch
from testbed.kept import making
from testbed.ledger import STATE
from testbed.tell import TestbedError, run, step

LIBRARIES: Final = "daemons"
PACKAGES: Final = (
    *(
        "libhiredis0.14",
        "libmemcached11",
        "libmemcachedutil2",
        "libhashkit2",
        "libpcre2-posix3",
        "libsasl2-2",
        "liburing2",
        "liblzo2-2",
    ),
    *("libpkcs11-helper1", "libnl-genl-3-200", "libnl-3-200", "mariadb-client-core", "openssh-client", "openssl"),
)
NAMES: Final = ("nginx", "apache2", "php-fpm", "redis", "mariadbd", "proftpd", "sshd", "openvpn", "wget")
LONGEST: Final = 900.0


def libraries(state: Path = STATE) -> Path:
    """The folder that what the daemons need besides was unpacked in."""
    folder = state / LIBRARIES
    if folder.is_dir():
        return folder
    with step(f"fetching {len(PACKAGES)} packages of Debian into {folder}"), making(state) as work:
        run(
            ["env", "-C", str(work), "apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *PACKAGES],
            timeout=900,
        )
        made = work / LIBRARIES
        for file in sorted(work.glob("*.deb")):
            run(["dpkg-deb", "-x", str(file), str(made)])
        if (made / "lib").is_dir():  # Debian's /lib is /usr/lib
            shutil.copytree(made / "lib", made / "usr" / "lib", symlinks=True, dirs_exist_ok=True)
        made.rename(folder)
    return folder


def why_no_daemons() -> str:
    """Why they cannot be run here: for tests and benches, which skip with it."""
    if os.geteuid() != 0:
        return "daemons need root (mounts, logins)"
    lacks = [name for name in ("unshare", "mount", "ip", "dpkg-deb", "apt-get") if shutil.which(name) is None]
    return f"{', '.join(lacks)} not installed" if lacks else ""


def collect(out: Path, names: Sequence[str] = NAMES) -> dict[str, list[Path]]:
    """Run the daemons; their logs by application."""
    if why := why_no_daemons():
        raise TestbedError(why)
    layers = [fetch(), libraries()]
    out.mkdir(parents=True, exist_ok=True)
    inside = Path(__file__).with_name("daemons_inside.py")
    work = Path(tempfile.mkdtemp(prefix="winnower-daemons-"))
    argv = [
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        sys.executable,
        str(inside),
    ]
    process = subprocess.Popen(
        [*argv, str(out.resolve()), str(work), ",".join(names), *map(str, layers)], stdin=subprocess.DEVNULL
    )
    try:
        if process.wait(LONGEST):
            raise TestbedError(f"the daemons' machine ended with {process.returncode}")
    except subprocess.TimeoutExpired:
        raise TestbedError(f"the daemons did not end within {LONGEST:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        work.rmdir()
    return found(out)


def found(folder: Path) -> dict[str, list[Path]]:
    """The logs in a folder that `collect` has filled."""
    return {
        one.name: sorted(path for path in one.iterdir() if path.is_file() and path.stat().st_size)
        for one in sorted(folder.iterdir())
        if one.is_dir()
    }


def main(arguments: Sequence[str]) -> int:
    """Run, and say how many lines there are."""
    parser = argparse.ArgumentParser(description="logs of Debian's daemons")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[])
    options = parser.parse_args(arguments)
    try:
        logs = collect(options.folder, options.names or NAMES)
    except (TestbedError, OSError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    for name, files in logs.items():
        print(f"{name}: {len(files)} files, {sum(path.read_bytes().count(10) for path in files):,} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
