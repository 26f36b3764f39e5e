"""Behaviour as novelty judges it: what a program does, without the fine print of context.

Rules of this file
    - A behaviour is (what, who, whom): a program that runs a program, connects to a peer, writes, changes or reads a
      file. Versions, units, descriptors and library loads are mechanics and give none.
    - On the host the container engine's own work is left out: it follows what is asked of it, worker by worker.
    - What the log could not explain (an unknown descriptor, a peer that audit did not name) proves nothing, gives none.
    - Weight says how much a new one matters: running and connecting more than writing, writing more than reading.

Source: design section 2 (transition); issue "alerts": what few replicas have.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from grammar import Transition, kind_of

HOST: Final = "host"
"""The application of what belongs to no container."""
_CLIENTS: Final = ("podman", "docker", "dockerd", "docker-proxy", "ctr", "nerdctl", "crio", "buildah", "kubelet")
_RUNTIMES: Final = ("containerd", "containerd-shim", "containerd-shim-runc-v2", "conmon", "runc", "crun")
_ENGINES: Final = frozenset({*_CLIENTS, *_RUNTIMES, "netavark", "aardvark-dns"})
_SYSTEM: Final = ("/usr/", "/bin/", "/sbin/", "/opt/cni/")


class Weight(IntEnum):
    """How much a behaviour that no other replica shows matters."""

    READS = 1
    WRITES = 2
    CONNECTS = 3
    RUNS = 4


class Behaviour(NamedTuple):
    """`who` does `what` to `whom`; labels."""

    what: Weight
    who: str
    whom: str


_CONNECTS: Final = frozenset({"connect", "send", "write"})
_LIBRARIES: Final = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/local/lib/")


def behaviour_of(transition: Transition) -> Behaviour | None:
    """The behaviour that a transition stands for, if it stands for one."""
    effect, relation, operation, cause = transition
    if _unexplained(effect.label) or _unexplained(cause.label):
        return None
    if relation == "WAS_TRIGGERED_BY" and operation == "execve":
        return Behaviour(Weight.RUNS, cause.label, effect.label)
    if relation == "WAS_GENERATED_BY" and kind_of(effect.label) == "Socket":
        named = ">" not in effect.label and effect.label.startswith("Socket ") and operation in _CONNECTS
        return Behaviour(Weight.CONNECTS, cause.label, effect.label) if named else None
    if relation == "WAS_GENERATED_BY" and kind_of(effect.label) == "File":
        return Behaviour(Weight.WRITES, _actor(cause.label, cause.context), effect.label)
    if relation == "USED" and kind_of(cause.label) == "File" and operation != "execve":
        path = cause.label.partition(" ")[2]
        if path.startswith(_LIBRARIES):
            return None
        return Behaviour(Weight.READS, _actor(effect.label, effect.context), cause.label)
    return None


def by_engine(transition: Transition) -> bool:
    """Whether the container engine did it, or what it started: its work on the host is done for others.

    Which worker starts or enters a container says nothing about the host; what happens inside is the container's.
    """
    effect, _relation, _operation, cause = transition
    told = [effect.label, cause.label, *(e.partition(" ")[2] for e in (*effect.context, *cause.context))]
    return any(_engine(label) for label in told if label.startswith("Process "))


def _engine(label: str) -> bool:
    name, _, exe = label.partition(" ")[2].partition(" ")
    if name.startswith("runc:[") and exe == "/":
        return True
    return exe.startswith(_SYSTEM) and exe.rpartition("/")[2] in _ENGINES


_SERVING: Final = " serving"


def _actor(label: str, context: tuple[str, ...]) -> str:
    """A program serving a connection is not the same actor as the program starting up."""
    return label + _SERVING if any(entry.startswith("unit ") for entry in context) else label


def program(who: str) -> str:
    """The program of an actor, whether it is serving or not."""
    return who.removesuffix(_SERVING)


def _unexplained(label: str) -> bool:
    return label in ("File unknown", "Socket") or "{any}" in label
