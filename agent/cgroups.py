"""Which container a process is in, from the text of /proc/PID/cgroup. Pure: bytes in, names out.

Rules of this file
    - A segment of a path names a container by 64 hex digits, alone or after the engine's prefix (`docker-…`,
      `cri-containerd-…`, `crio-…`, `libpod-…`, `….slice:cri-containerd:…`), by ECS's shorter id, or by a machine's
      name (LXC, systemd-nspawn).
    - What looks after a container is not in it: conmon, lxc.monitor, nspawn's supervisor. Nor is a pod a container.
    - Containers nest (docker in docker, kind): all of them are given, outermost first; who is asked knows which one to
      believe.
    - v1 has a line per controller, v2 one, hybrid both; not every line has been moved: the line that names most counts.

Complexity: O(bytes), of which at most `MAX_TEXT` are looked at.
Source: cgroups(7); runc libcontainer/cgroups (fs, systemd); podman libpod/container_internal_linux.go (libpod_parent);
cri-o internal/config/cgmgr; containerd pkg/cri/sbserver (pod cgroups); lxc.container.conf(5); systemd-nspawn(1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_TEXT: Final = 65_536
ID_LENGTH: Final = 64

ENGINES: Final = {
    b"docker": "docker",
    b"nerdctl": "containerd",
    b"containerd": "containerd",
    b"cri-containerd": "containerd",
    b"crio": "cri-o",
    b"libpod": "podman",
    b"libpod-payload": "podman",
    b"buildah": "podman",
}
"""The prefix before an id, and the engine that writes it."""
PARENTS: Final = {b"docker": "docker", b"ecs": "ecs", b"kubepods": "kubernetes", b"containerd": "containerd"}
"""The beginning of the path before an id that stands alone, and who writes it so."""

_ID: Final = re.compile(rb"[0-9a-f]{64}")
_TASK: Final = re.compile(rb"[0-9a-f]{32}-[0-9]{1,10}")
_ESCAPED: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
_UNIT: Final = re.compile(rb"systemd-nspawn@([^/]{1,255})\.service|machine-(?!qemu)([^/]{1,255})\.scope")
_LXC: Final = re.compile(rb"lxc\.payload\.([^/]{1,255})")


@dataclass(frozen=True, slots=True)
class Mark:
    """One container that a path names: by which engine, as far as the path says (else `oci`), and its id.

    A machine has no id but its name: `lxc/NAME`, `nspawn/NAME`.
    """

    engine: str
    id: str


def containers_in(text: bytes) -> tuple[Mark, ...]:
    """The containers that a process is in, outermost first; none for a process of the host.

    >>> containers_in(b"0::/system.slice/docker-" + b"a1" * 32 + b".scope")[0].engine
    'docker'
    """
    longest: tuple[Mark, ...] = ()
    for line in text[:MAX_TEXT].split(b"\n"):
        parts = line.split(b":", 2)
        if len(parts) == 3:
            found = _in_path(parts[2].split(b"/"))
            if len(found) > len(longest):
                longest = found
    return longest


def _in_path(segments: list[bytes]) -> tuple[Mark, ...]:
    found: list[Mark] = []
    for position, segment in enumerate(segments):
        before = segments[position - 1] if position else b""
        mark = _oci(segment, segments[:position]) or _machine(segment, before, segments[position + 1 :])
        if mark is not None:
            found.append(mark)
    return tuple(found)


def _oci(segment: bytes, before: list[bytes]) -> Mark | None:
    """A container of an OCI engine: prefix, separator, id, and systemd's suffix."""
    name = segment.removesuffix(b".scope").removesuffix(b".service")
    ident, prefix = name[-ID_LENGTH:], name[:-ID_LENGTH]
    if _ID.fullmatch(ident):
        if not prefix:
            pod = before[-1:] == [b"libpod_parent"]
            return None if pod else Mark(_parent(before), ident.decode())
        word = prefix[:-1].rpartition(b":")[2]
        if prefix[-1:] not in (b"-", b":") or b"conmon" in word:
            return None
        return Mark(ENGINES.get(word, "oci"), ident.decode())
    if _TASK.fullmatch(name) and b"ecs" in before:
        return Mark("ecs", name.decode())
    return None


def _parent(before: list[bytes]) -> str:
    """Who writes ids without a prefix under such a path: the nearest segment that says so."""
    for segment in reversed(before):
        for start, engine in PARENTS.items():
            if segment.startswith(start):
                return engine
    return "oci"


def _machine(segment: bytes, before: bytes, after: list[bytes]) -> Mark | None:
    """A system container: LXC and LXD by name, systemd-nspawn by unit."""
    payload = _LXC.fullmatch(segment)
    if payload is not None:
        return Mark("lxc", "lxc/" + _text(payload[1]))
    if before in (b"lxc", b"lxc.payload") and segment and not segment.startswith(b"lxc."):
        return Mark("lxc", "lxc/" + _text(segment[:255]))
    unit = _UNIT.fullmatch(segment)
    if unit is not None and after[:1] != [b"supervisor"]:
        return Mark("nspawn", "nspawn/" + _text(unit[1] or unit[2]))
    return None


def _text(name: bytes) -> str:
    """A machine's name without systemd's escapes, as text that can be sent."""
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), name)
    return plain.decode("utf-8", "backslashreplace")
