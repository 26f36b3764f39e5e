"""What the machine's own files say about a process and about a container: /proc, and the engines' state on disk.

Rules of this file
    - Reads of single small files, none of which waits for another program; what is gone or damaged is `None`.
    - A process is believed only if it began before the event that is asked about: numbers are used again.
    - An engine writes a container's state before the container's first process runs, so that what is read here is there
      in time even when the engine's own events are late: Docker's config.v2.json, the bundle's annotations (containerd,
      cri-o), podman's storage (name, image) and its log of events (labels; kept after the container is gone).
    - Names come from ids of 64 hex digits only: no text from outside becomes a path.

Complexity: O(1) files of at most `MAX_FILE` bytes each.
Source: proc(5); moby daemon/container (config.v2.json); containerd v2 task directories and pkg/cri/annotations; cri-o
pkg/annotations; containers/storage containers.json; podman libpod/events; runc libcontainer state.json.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent.kubernetes import CONTAINER, NAMESPACE, POD

MAX_FILE: Final = 4_194_304
MAX_TAIL: Final = 1_048_576  # of podman's log of events: its own limit for a file
SLACK: Final = 50
"""Milliseconds by which a process may seem younger than its first event: clock ticks are 10 ms, stamps 4 ms coarse."""
TICKS: Final = os.sysconf("SC_CLK_TCK")

_ID: Final = re.compile(r"[0-9a-f]{64}")
_CRI: Final = {
    "io.kubernetes.cri.sandbox-name": POD,
    "io.kubernetes.cri.sandbox-namespace": NAMESPACE,
    "io.kubernetes.cri.container-name": CONTAINER,
}


@dataclass(frozen=True, slots=True)
class Known:
    """A container as an engine or its files describe it; times in milliseconds, `end` 0 while it runs.

    `whole` says that labels are known too: what is not whole may belong to another application than its image says.
    """

    id: str
    name: str = ""
    image: str = ""
    image_id: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    start: int = 0
    end: int = 0
    whole: bool = True


class _Config(msgspec.Struct, frozen=True):
    image: str = msgspec.field(default="", name="Image")
    labels: dict[str, str] | None = msgspec.field(default=None, name="Labels")


class _State(msgspec.Struct, frozen=True):
    pid: int = msgspec.field(default=0, name="Pid")
    running: bool = msgspec.field(default=False, name="Running")
    started: str = msgspec.field(default="", name="StartedAt")
    finished: str = msgspec.field(default="", name="FinishedAt")


class Inspected(msgspec.Struct, frozen=True):
    """The parts of an engine's `inspect`, and of Docker's config.v2.json, that are used."""

    id: str = msgspec.field(default="", name="Id")
    ident: str = msgspec.field(default="", name="ID")
    name: str = msgspec.field(default="", name="Name")
    image_id: str = msgspec.field(default="", name="Image")
    config: _Config | None = msgspec.field(default=None, name="Config")
    state: _State | None = msgspec.field(default=None, name="State")

    def known(self) -> Known:
        """The same without the engine's layout."""
        config, state = self.config or _Config(), self.state or _State()
        start = millis_of(state.started)
        finished = 0 if state.running else millis_of(state.finished)
        end = finished and max(start, finished)  # the two are stamped by two programs, milliseconds apart
        pid = state.pid if state.running else 0
        name = self.name.lstrip("/")
        return Known(self.id or self.ident, name, config.image, self.image_id, config.labels or {}, pid, start, end)


class _Bundle(msgspec.Struct, frozen=True):
    annotations: dict[str, str] | None = None


class _Stored(msgspec.Struct, frozen=True):
    id: str
    names: list[str] | None = None
    metadata: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    image: str = msgspec.field(default="", name="image-name")


class _Event(msgspec.Struct, frozen=True):
    id: str = msgspec.field(default="", name="ID")
    name: str = msgspec.field(default="", name="Name")
    image: str = msgspec.field(default="", name="Image")
    labels: dict[str, str] | None = msgspec.field(default=None, name="Attributes")


class _Runtime(msgspec.Struct, frozen=True):
    pid: int = msgspec.field(default=0, name="init_process_pid")


def millis_of(stamp: str) -> int:
    """An engine's time (RFC 3339, nanoseconds) in milliseconds; 0 for none and for Go's year 1."""
    head, _, rest = stamp.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    try:
        at = datetime.fromisoformat(head + (zone or ("" if head.endswith("Z") or not rest else "Z")))
    except ValueError:
        return 0
    digits = rest[: len(rest) - len(zone)][:3].ljust(3, "0") if rest else "000"
    return max(0, int(at.timestamp()) * 1_000 + int(digits)) if at.tzinfo and at.year > 1970 else 0


class ProcessFiles:
    """/proc, as far as it tells where a process is and since when it has been there."""

    def __init__(self, root: str = "/proc") -> None:
        self.root = root

    def cgroup(self, pid: bytes, born: int) -> bytes | None:
        """The text of its cgroup file if the process that has this number began before `born` (milliseconds)."""
        ticks = self._ticks(pid)
        if ticks is None or _wall(ticks) > born + SLACK:
            return None
        text = _read(f"{self.root}/{int(pid)}/cgroup", 65_536)
        return text if self._ticks(pid) == ticks else None  # it may have ended in between, its number gone on

    def alive(self, pid: bytes, before: int) -> bool:
        """Whether the process that has this number now began before a time in milliseconds."""
        ticks = self._ticks(pid)
        return ticks is not None and _wall(ticks) <= before + SLACK

    def _ticks(self, pid: bytes) -> int | None:
        """When the process with this number began, in clock ticks since the machine did; None if there is none."""
        fields = (_read(f"{self.root}/{int(pid)}/stat", 4_096) or b"").rpartition(b")")[2].split()
        return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else None

    def first(self, pid: bytes) -> bool | None:
        """Whether it is the first process of a pid namespace below this one; None if that cannot be told (any more)."""
        text = _read(f"{self.root}/{int(pid)}/status", 16_384) or b""
        numbers = text.partition(b"\nNSpid:")[2].partition(b"\n")[0].split()
        return numbers[-1] == b"1" if len(numbers) > 1 else None


class EngineFiles:
    """The state that engines keep on disk, by id."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def known(self, ident: str) -> Known | None:
        """What is written about this container, the engine that tells most first."""
        if not _ID.fullmatch(ident):
            return None
        for look in (self._docker, self._bundle, self._event, self._storage):
            found = look(ident)
            if found is not None:
                return found
        return None

    def first_process(self, ident: str) -> int:
        """Its first process as the runtime has written it down, or 0."""
        if not _ID.fullmatch(ident):
            return 0
        for place in ("run/runc", "run/docker/runtime-runc/moby", "run/containerd/runc/k8s.io"):
            state = _decoded(_read(self.root / place / ident / "state.json"), _Runtime)
            if state is not None:
                return max(0, state.pid)
        return 0

    def _docker(self, ident: str) -> Known | None:
        text = _read(self.root / "var/lib/docker/containers" / ident / "config.v2.json")
        found = _decoded(text, Inspected)
        return found.known() if found is not None else None

    def _bundle(self, ident: str) -> Known | None:
        """containerd's and cri-o's bundles carry the pod's names as annotations, nerdctl's its own; podman's do not."""
        tasks = [f"run/containerd/io.containerd.runtime.v2.task/{space}" for space in ("k8s.io", "default")]
        tasks.append("run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io")
        places = [f"{task}/{ident}/config.json" for task in tasks]
        stores = ("run/containers/storage", "var/lib/containers/storage")
        places += [f"{store}/overlay-containers/{ident}/userdata/config.json" for store in stores]
        for place in places:
            bundle = _decoded(_read(self.root / place), _Bundle)
            if bundle is not None and bundle.annotations:
                known = _annotated(ident, bundle.annotations)
                if known is not None:
                    return known
        return None

    def _event(self, ident: str) -> Known | None:
        """The last line about it in podman's log of events: name, image and labels, also when it is gone."""
        tail = _read(self.root / "run/libpod/events/events.log", MAX_TAIL, tail=True) or b""
        at = tail.rfind(b'{"ID":"' + ident.encode() + b'"')
        event = _decoded(tail[at:].partition(b"\n")[0], _Event) if at >= 0 else None
        return Known(ident, event.name, event.image, labels=event.labels or {}) if event is not None else None

    def _storage(self, ident: str) -> Known | None:
        """podman's and cri-o's common store: name and image, no labels."""
        for store in ("var/lib/containers/storage", "run/containers/storage"):
            text = _read(self.root / store / "overlay-containers/containers.json")
            for one in _decoded(text, list[_Stored]) or ():
                if one.id == ident:
                    about = _decoded(one.metadata.encode("utf-8", "replace"), _Metadata)
                    return Known(ident, (one.names or [""])[0], about.image if about else "", whole=False)
        return None


def _annotated(ident: str, annotations: dict[str, str]) -> Known | None:
    """A container by its bundle's annotations: of containerd's CRI, of cri-o, of nerdctl."""
    labels = annotations | {_CRI[key]: text for key, text in annotations.items() if key in _CRI}
    if annotations.get("io.kubernetes.cri.container-type") == "sandbox":
        labels[CONTAINER] = "POD"
    image = labels.get("io.kubernetes.cri.image-name", "") or labels.get("io.kubernetes.cri-o.ImageName", "")
    name = labels.get("nerdctl/name", "") or labels.get("io.kubernetes.cri-o.Name", "")
    if not name and not (labels.get(POD) and labels.get(CONTAINER)):
        return None
    return Known(ident, name, image, labels=labels)


T = TypeVar("T")


def _wall(ticks: int) -> int:
    """Ticks since boot as milliseconds of the wall clock (not by btime in /proc/stat: that has whole seconds)."""
    return (time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1_000_000 + ticks * 1_000 // TICKS


def _decoded(text: bytes | None, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(text, type=kind) if text else None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


def _read(path: str | Path, limit: int = MAX_FILE, tail: bool = False) -> bytes | None:
    """A whole small file, or the end of a log; None if it is not there or larger."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the cost of Path.open
            if tail:
                file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            parts, size = [], 0
            while size <= limit and (part := file.read(limit + 1 - size)):
                parts.append(part)
                size += len(part)
    except OSError:
        return None
    return b"".join(parts) if size <= limit or tail else None
