"""Which container a process belongs to, from the engine's `inspect` and from process ancestry.

Rules of this file
    - The engine's first process of a container, and all below it, belong to the container; so does what the runtime
      starts in it later (`exec`): the process whose ancestors named the container's id and that has left the runtime by
      exec.
    - The runtime's own work (engine, shim, runc before its last exec) belongs to no container: it is the host's.
    - An application is the set of containers with one service or workload label; without a label, with one image. In
      Kubernetes it is one container of a workload: namespace/workload/container.
    - `Roster` is what the graph asks. `Containers` answers from a table that is whole from the start (a recording);
      `agent.live_containers` finds out as processes appear.

Source: OCI runtime specification (create, exec); runc's stages as comm shows them; design section 2 and 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from posixpath import basename
from typing import ClassVar, Final, Protocol

from agent.kubernetes import application_of

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
ID: Final = re.compile(r"\b[0-9a-f]{64}\b")
LAST_STAGE: Final = b'"runc:[2:INIT]"'
"""The runtime's name as audit writes it, just before it becomes the container's program."""
_STAGE: Final = re.compile(rb"(?:runc|youki):\[")
_LAST_STAGE: Final = re.compile(rb"(?:runc|youki):\[2:INIT\]")


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine knows it; `pid` is its first process on the host, 0 if it does not run."""

    id: str
    name: str
    app: str
    pid: int = 0
    image: str = ""


class Roster(Protocol):
    """What the graph asks about containers, each only when a process appears or leaves the runtime.

    `once` says that a number names one process for ever: when it has been placed, a second one of it is not asked for.
    """

    once: ClassVar[bool]

    def place(self, pid: bytes, ppid: bytes, born: int, heir: bool) -> Container | None:
        """The container of a process seen first in a call that began at `born`; `heir` of a parent that is known."""

    def enter(self, ident: str, pid: bytes, millis: int) -> Container | None:
        """The container of this id, which `pid` may be about to enter."""

    def reaps(self, pid: bytes) -> bool:
        """Whether this is the first process of a container: it becomes the parent of what has lost its own."""

    def named_in(self, arguments: Iterable[str], outside: bool = True) -> str:
        """The id of the container that a runtime's command line names, or nothing; is the runtime the host's own?"""

    def take_named(self) -> tuple[Container, ...]:
        """Those that have got a name since the last call, if it had to be found out: the journal keeps it."""

    def expect(self, named: Iterable[Container]) -> None:
        """So these are called when they are met: the log is about to be read again."""


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of one worker, by id and by first process."""

    once: ClassVar[bool] = True

    by_id: dict[str, Container]
    by_pid: dict[bytes, Container]

    @staticmethod
    def of(containers: Iterable[Container]) -> Containers:
        """Index them."""
        known = list(containers)
        return Containers({one.id: one for one in known}, {b"%d" % one.pid: one for one in known if one.pid})

    def place(self, pid: bytes, ppid: bytes, born: int, heir: bool) -> Container | None:
        """The container whose first process this is: all others are known by their parents."""
        return self.by_pid.get(pid)

    def enter(self, ident: str, pid: bytes, millis: int) -> Container | None:
        """The container of this id."""
        return self.by_id.get(ident)

    def reaps(self, pid: bytes) -> bool:
        """Whether this is a container's first process."""
        return pid in self.by_pid

    def named_in(self, arguments: Iterable[str], outside: bool = True) -> str:
        """The id of the container that a runtime's command line names, or nothing."""
        for argument in arguments:
            for found in ID.findall(argument):
                if found in self.by_id:
                    return str(found)
        return ""

    def take_named(self) -> tuple[Container, ...]:
        """None: all are known from the start."""
        return ()

    def expect(self, named: Iterable[Container]) -> None:
        """All are known."""


def application(labels: dict[str, str], image: str, image_id: str, owner: str = "") -> str:
    """Its application: the pod's container, the service or workload label, else the image's name, else its id.

    A pod's workload is `owner`, or what its name says. It goes first: other labels may be the image's.
    """
    names = (labels[key] for key in SERVICE_LABELS if labels.get(key))
    return application_of(labels, owner) or next(names, "") or image or image_id[:12] or "unknown"


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
