"""The programs that the testbed needs, and the Debian packages that bring them.

Rules of this file
    - Looked for by what is needed (a program, a file), not by package: who has it otherwise keeps it.
    - As root what is missing is installed, and a line says which packages. Otherwise a message says what to type.
    - Installed packages stay: they are the user's now, as the line says.

Invariant: after `require(feature)` every program of the feature is there, or a `TestbedError` has named those missing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from .tell import TestbedError, run, say, step

# What is needed, a program or a file, and the package that has it.
FEATURES: Final[dict[str, dict[str, str]]] = {
    "audit": {"auditd": "auditd", "auditctl": "auditd"},
    "containers": {
        "podman": "podman",
        "runc": "runc",
        "conmon": "conmon",
        "/usr/lib/podman/netavark": "netavark",
        "iptables": "iptables",
        "ip": "iproute2",
    },
    "image": {"apt-get": "apt", "dpkg-deb": "dpkg", "tar": "tar"},
    "load": {"ab": "apache2-utils"},
    "servers": {"nginx": "nginx-light", "apache2": "apache2-bin"},
    "bpf": {"clang": "clang", "/usr/include/bpf/libbpf.h": "libbpf-dev"},
    "kafka": {"java": "default-jre-headless", "mvn": "maven"},
}
# A broker alone needs no root, once its programs are there.
PRIVILEGED: Final = frozenset({"audit", "containers"})
APT: Final = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def missing(*features: str) -> list[str]:
    """The packages without which these features do not work, in order, each once."""
    needs = {need: package for feature in features for need, package in FEATURES[feature].items()}
    return list(dict.fromkeys(package for need, package in needs.items() if not _there(need)))


def require(*features: str) -> None:
    """Install what is missing; `TestbedError` if that is not ours to do."""
    _add_sbin()
    packages = missing(*features)
    if packages or PRIVILEGED & set(features):
        need_root()
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise TestbedError(f"needs {' '.join(packages)}", "install them: this is not Debian, so they were not")
    with step(f"apt-get install {' '.join(packages)} (they stay installed)"):
        _install(packages)
    if still := missing(*features):
        raise TestbedError(f"installed, and still not there: {' '.join(still)}")


def need_root() -> None:
    """auditd, podman with its own network and login uids: none of them works for anybody else."""
    if os.geteuid() != 0:
        raise TestbedError("the testbed needs root (auditd, containers, login uids)", "try: sudo make live")


def update() -> None:
    """Fetch the package lists; a fresh image of Debian has none."""
    with step("apt-get update"):
        run([*APT, "update"], timeout=600, env={"DEBIAN_FRONTEND": "noninteractive"})


def _install(packages: list[str]) -> None:
    command = [*APT, "install", "-y", "--no-install-recommends", *packages]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(command, timeout=900, env=quiet)
    except TestbedError as error:
        say(f"{error}; with new package lists once more")
        update()
        run(command, timeout=900, env=quiet)


def _there(need: str) -> bool:
    if need.startswith("/usr/lib/podman/"):
        return any((Path(folder) / Path(need).name).exists() for folder in ("/usr/lib/podman", "/usr/libexec/podman"))
    if need.startswith("/"):
        return Path(need).exists()
    return shutil.which(need, path=os.pathsep.join([os.environ.get("PATH", ""), *SBIN])) is not None


def _add_sbin() -> None:
    """A user's `su` may leave the administrator's folders out of PATH."""
    have = os.environ.get("PATH", "").split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*have, *(folder for folder in SBIN if folder not in have)])
