"""Which container a process belongs to, from the engine's `inspect` and from process ancestry.

Rules of this file
    - The engine's first process of a container, and all below it, belong to the container; so does what the runtime
      starts in it later (`exec`): the process whose ancestors named the container's id and that has left the runtime by
      exec.
    - The runtime's own work (engine, shim, runc before its last exec) belongs to no container: it is the host's.
    - An application is the set of containers with one service or workload label; without a label, with one image.

Source: OCI runtime specification (create, exec); runc's stages as comm shows them; design section 2 and 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from posixpath import basename
from typing import Final

HOST: Final = "host"
SERVICE_LABELS: Final = (
    "com.docker.swarm.service.name",
    "com.docker.compose.service",
    "io.podman.compose.service",
    "app.kubernetes.io/name",
    "io.kubernetes.container.name",
)
RUNTIMES: Final = frozenset(
    {"runc", "crun", "youki", "runsc", "conmon", "kata-runtime", "containerd-shim", "docker-runc", "exe"}
)
_ID: Final = re.compile(r"\b[0-9a-f]{64}\b")
_STAGE: Final = re.compile(rb"(?:runc|youki):\[")
_LAST_STAGE: Final = re.compile(rb"(?:runc|youki):\[2:INIT\]")


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine knows it; `pid` is its first process on the host, 0 if it does not run."""

    id: str
    name: str
    app: str
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of one worker, by id and by first process."""

    by_id: dict[str, Container]
    by_pid: dict[bytes, Container]

    @staticmethod
    def of(containers: Iterable[Container]) -> Containers:
        """Index them."""
        known = list(containers)
        return Containers({one.id: one for one in known}, {b"%d" % one.pid: one for one in known if one.pid})

    def named_in(self, arguments: Iterable[str]) -> str:
        """The id of the container that a runtime's command line names, or nothing."""
        for argument in arguments:
            for found in _ID.findall(argument):
                if found in self.by_id:
                    return str(found)
        return ""


def application(labels: dict[str, str], image: str, image_id: str) -> str:
    """Its application: the service or workload label, else the image's name, else its id."""
    return next((labels[key] for key in SERVICE_LABELS if labels.get(key)), "") or image or image_id[:12] or "unknown"


def is_runtime(comm: bytes, exe: bytes) -> bool:
    """Whether this is the container runtime at work (runc is seen from memory and from a changed root: `exe`, `/`)."""
    name = _name(exe)
    return name in RUNTIMES or name.startswith("containerd-shim") or name == "" or _STAGE.match(comm) is not None


def leaves_runtime(comm: bytes, exe: bytes, new_exe: bytes) -> bool:
    """Whether an exec from (comm, exe) to `new_exe` is the step from the runtime into the container.

    runc and youki say when they are about to take it. crun does not: there it is any exec of another program, which
    takes the hooks that crun runs for the container's own too.
    """
    if _STAGE.match(comm):
        return _LAST_STAGE.match(comm) is not None
    return _name(exe) in ("crun", "runsc") and not is_runtime(b"", new_exe)


def _name(exe: bytes) -> str:
    return basename(exe.decode("utf-8", "replace").removesuffix(" (deleted)"))
