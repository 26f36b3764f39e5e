"""The inside of `daemons`: a machine of its own for as long as this process lives, in which the daemons run and log.

Rules of this file
    - Started by `daemons.collect` alone, in new mount, network and pid namespaces: what is mounted, bound or started
      here is nowhere else, and is gone with this process. It refuses to run outside of them.
    - Debian's packages lie over /usr and /etc as overlays, /run, /tmp/… and /dev/log are its own: daemons find all
      where they expect it, and nothing of the machine is written to.
    - What is sent to /dev/log is written as a syslog daemon does, to the folder of the program that its tag names.

Source: mount_namespaces(7), kernel documentation of overlayfs.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from testbed.daemons_data import mariadbd, redis
from testbed.daemons_login import openvpn, proftpd, sshd
from testbed.daemons_place import Place
from testbed.daemons_web import apache, nginx, php_fpm, wget
from testbed.tell import TestbedError, run, say, step

SESSIONS: Final[dict[str, Callable[[Place], None]]] = {
    "nginx": nginx,
    "apache2": apache,
    "php-fpm": php_fpm,
    "redis": redis,
    "mariadbd": mariadbd,
    "proftpd": proftpd,
    "sshd": sshd,
    "openvpn": openvpn,
    "wget": wget,
}
_TAG: Final = re.compile(rb"<\d{1,3}>.{15} ([a-z-]{1,32})[\[:]")
TAGS: Final = {"proftpd": "proftpd", "sshd": "sshd", "openvpn": "openvpn"}
USERS: Final = "sshd:x:981:65534::/run/sshd:/usr/sbin/nologin\nalice:x:4000:4000::/tmp:/bin/sh\n"


def dress(work: Path, layers: list[Path]) -> None:
    """Mount all that makes this machine another one."""
    run(["mount", "--make-rprivate", "/"])
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(work)])
    for part in ("usr", "etc"):
        upper, busy = work / f"{part}-upper", work / f"{part}-busy"
        upper.mkdir()
        busy.mkdir()
        lower = ":".join([*(str(layer / part) for layer in layers if (layer / part).is_dir()), f"/{part}"])
        run(
            ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={busy}", f"/{part}"]
        )
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    Path("/run/sshd").mkdir(mode=0o755)
    _own_dev(work)
    with Path("/etc/passwd").open("a") as passwd:
        passwd.write(USERS)
    with Path("/etc/shadow").open("a") as shadow:
        shadow.write(f"alice:{run(['openssl', 'passwd', '-6', 'secret']).strip()}:19000:0:99999:7:::\n")
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.0.1 " + socket.gethostname() + "\n")
    run(["ldconfig"], fails=True)
    run(["ip", "link", "set", "lo", "up"])


def _own_dev(work: Path) -> None:
    """/dev with what programs need, so that /dev/log is ours."""
    dev = work / "dev"
    dev.mkdir()
    for name in ("null", "zero", "full", "random", "urandom", "tty", "net", "pts", "shm", "ptmx"):
        source = Path("/dev") / name
        if source.is_symlink():
            (dev / name).symlink_to(source.readlink())
        elif source.is_dir():
            (dev / name).mkdir()
        elif source.exists():
            (dev / name).touch()
        if source.exists() and not source.is_symlink():
            run(["mount", "--rbind", str(source), str(dev / name)])
    for at, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{at}")
    (dev / "fd").symlink_to("/proc/self/fd")
    run(["mount", "--rbind", str(dev), "/dev"])


def keep_syslog(out: Path) -> None:
    """Write what comes to /dev/log, until the end."""
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    Path("/dev/log").chmod(0o666)

    def forever() -> None:
        while True:
            data = log.recv(1 << 16).rstrip(b"\0\n")
            tag = _TAG.match(data)
            name = TAGS.get(tag[1].decode(), "") if tag else ""
            if name:
                with (out / name / "syslog.log").open("ab") as file:
                    file.write(data + b"\n")

    threading.Thread(target=forever, daemon=True).start()


def main(out: Path, work: Path, names: list[str], layers: list[Path]) -> int:
    """All sessions, one after the other."""
    if os.getpid() != 1:
        print("testbed: only daemons.py starts this", file=sys.stderr)
        return 2
    dress(work, layers)
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    os.environ.pop("LD_LIBRARY_PATH", None)
    for name in names:
        (out / name).mkdir(parents=True, exist_ok=True)
    keep_syslog(out)
    for name in names:
        folder = work / name
        folder.mkdir(mode=0o755)
        with step(f"{name} runs and logs"):
            try:
                SESSIONS[name](Place(name, folder, out / name))
            except (OSError, ValueError, subprocess.SubprocessError, TestbedError) as error:
                say(f"{name}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","), [Path(one) for one in sys.argv[4:]]))
