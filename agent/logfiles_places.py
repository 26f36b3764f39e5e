"""Where a container's files and its stdout are on the host: asked of /proc while it lives, of the engine's files after.

Rules of this file
    - Nobody is waited for: mounts and the monitor's command line from /proc, single files that engines keep. What an
      engine's `inspect` says is the same (`inspected`).
    - Only what a host's root has written is believed; ids are 64 hex digits before they become part of a path.

Complexity: O(1) files of at most `MAX_FILE` bytes.
Source: overlay (upperdir=), proc(5); conmon(8) (-l, -b); OCI runtime specification (root, mounts); moby
config.v2.json (LogPath, MountPoints) and layerdb (mount-id); Kubernetes /var/log/containers; podman-inspect(1).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent.logfiles_scan import CGROUPS
from agent.logfiles_value import Where

MAX_FILE: Final = 4 << 20
MAX_MOUNTS: Final = 256
_ID: Final = re.compile(r"[0-9a-f]{64}")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_DRIVERS: Final = {"k8s-file": "k8s-file", "json-file": "json-file", "kubernetes": "k8s-file", "journald": "journald"}
STORES: Final = ("var/lib/containers/storage", "run/containers/storage")

T = TypeVar("T")


class _Mount(msgspec.Struct, frozen=True):
    destination: str = ""
    source: str = ""
    type: str = ""


class _Point(msgspec.Struct, frozen=True):
    target: str = msgspec.field(default="", name="Destination")
    source: str = msgspec.field(default="", name="Source")


class _RootFolder(msgspec.Struct, frozen=True):
    path: str = ""


class _Bundle(msgspec.Struct, frozen=True):
    root: _RootFolder | None = None
    mounts: list[_Mount] | None = None


class _LogConfig(msgspec.Struct, frozen=True):
    type: str = msgspec.field(default="", name="Type")
    path: str = msgspec.field(default="", name="Path")


class _HostConfig(msgspec.Struct, frozen=True):
    log: _LogConfig | None = msgspec.field(default=None, name="LogConfig")


class _Graph(msgspec.Struct, frozen=True):
    data: dict[str, str] | None = msgspec.field(default=None, name="Data")


class _Inspected(msgspec.Struct, frozen=True):
    log: str = msgspec.field(default="", name="LogPath")
    host: _HostConfig | None = msgspec.field(default=None, name="HostConfig")
    graph: _Graph | None = msgspec.field(default=None, name="GraphDriver")
    mounts: list[_Point] | None = msgspec.field(default=None, name="Mounts")


class _Docker(msgspec.Struct, frozen=True):
    log: str = msgspec.field(default="", name="LogPath")
    points: dict[str, _Point] | None = msgspec.field(default=None, name="MountPoints")


def inspected(answer: object) -> Where:
    """What an engine's `inspect` says: `LogPath` or `HostConfig.LogConfig.Path`, `GraphDriver.Data`, `Mounts`."""
    try:
        found = msgspec.convert(answer, _Inspected)
    except msgspec.ValidationError:
        return Where()
    config = (found.host.log if found.host else None) or _LogConfig()
    log = config.path or found.log
    upper = (found.graph.data or {}).get("UpperDir", "") if found.graph else ""
    mounts = {one.target: one.source for one in (found.mounts or [])[:MAX_MOUNTS] if _whole(one.source, one.target)}
    driver = _DRIVERS.get(config.type, "json-file" if log.endswith("-json.log") else "k8s-file" if log else "")
    return Where(upper if upper.startswith("/") else "", mounts, driver, log if log.startswith("/") else "")


class Places:
    """What the host's own files say, below `root`; `inspect` gives an engine's answer if that is there already."""

    def __init__(self, root: str = "/", proc: str = "/proc", inspect: Callable[[str], object] | None = None) -> None:
        self.root, self.proc = Path(root), proc
        self.cgroups = tuple(str(self.root / place.lstrip("/")) for place in CGROUPS)
        self.inspect = inspect or (lambda ident: None)

    def of(self, ident: str, pid: int) -> Where:
        """All that can be found out about a container now."""
        known = Where()
        if pid:
            known = self._living(pid)
        if not _ID.fullmatch(ident):
            return known
        for more in (inspected(self.inspect(ident)), self._docker(ident), self._stored(ident), self._kubernetes(ident)):
            known = merged(known, more)
        return known

    def _living(self, pid: int) -> Where:
        """By its mounts, and by the monitor above it: conmon is told where to write and where the bundle is."""
        where = Where(upper=_upper(_read(f"{self.proc}/{pid}/mountinfo")))
        fields = _read(f"{self.proc}/{pid}/stat").rpartition(b")")[2].split()
        parent = fields[1].decode() if len(fields) > 1 and fields[1].isdigit() else "0"
        words = _read(f"{self.proc}/{parent}/cmdline").decode("utf-8", "surrogateescape").split("\0")
        if os.path.basename(words[0]) != "conmon":  # noqa: PTH119 - text of a command line
            return where
        driver, _, log = _after(words, "-l", "--log-path").partition(":")
        where = replace(where, driver=_DRIVERS.get(driver, ""), log=log if driver in _DRIVERS else "")
        if driver.startswith("/"):  # cri-o gives the path alone
            where = replace(where, driver="k8s-file", log=driver)
        return merged(where, _bundle(f"{_after(words, '-b', '--bundle')}/config.json"))

    def _docker(self, ident: str) -> Where:
        found = _decoded(_read(self.root / "var/lib/docker/containers" / ident / "config.v2.json"), _Docker)
        if found is None:
            return Where()
        points = list((found.points or {}).values())[:MAX_MOUNTS]
        mounts = {one.target: one.source for one in points if _whole(one.source, one.target)}
        layer = _read(self.root / f"var/lib/docker/image/overlay2/layerdb/mounts/{ident}/mount-id").decode(
            "ascii", "replace"
        )
        upper = str(self.root / f"var/lib/docker/overlay2/{layer}/diff") if _ID.fullmatch(layer) else ""
        return Where(upper, mounts, "json-file" if found.log else "", found.log)

    def _stored(self, ident: str) -> Where:
        """podman's and cri-o's bundle, which stays until the container is removed; podman's log lies beside it."""
        for store in STORES:
            folder = self.root / store / "overlay-containers" / ident / "userdata"
            found = _bundle(str(folder / "config.json"))
            if found.upper or found.mounts:
                log = folder / "ctr.log"
                return replace(found, driver="k8s-file", log=str(log)) if log.exists() else found
        return Where()

    def _kubernetes(self, ident: str) -> Where:
        folder = self.root / "var/log/containers"
        try:
            link = next((one for one in folder.iterdir() if one.name.endswith(f"-{ident}.log")), None)
            return Where(driver="k8s-file", log=os.path.realpath(link)) if link is not None else Where()
        except OSError:
            return Where()


def merged(first: Where, more: Where) -> Where:
    """What `first` says, and where it says nothing what `more` does."""
    mounts = more.mounts | first.mounts
    log = first if first.log or first.driver == "journald" else more
    return Where(first.upper or more.upper, mounts, log.driver, log.log)


def _upper(mountinfo: bytes) -> str:
    """The upper layer of the overlay at `/`; nothing for another root."""
    for line in mountinfo[:MAX_FILE].splitlines():
        words, _, rest = line.partition(b" - ")
        if words.split(b" ")[4:5] == [b"/"] and rest.startswith(b"overlay "):
            for option in rest.split(b" ")[-1].split(b","):
                if option.startswith(b"upperdir="):
                    text = option[9:].decode("utf-8", "surrogateescape")
                    path = _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
                    return path if path.startswith("/") else ""
    return ""


def _bundle(path: str) -> Where:
    found = _decoded(_read(path), _Bundle)
    if found is None:
        return Where()
    root = found.root.path if found.root else ""
    upper = f"{root.removesuffix('/merged')}/diff" if root.startswith("/") and root.endswith("/merged") else ""
    bound = [one for one in (found.mounts or [])[:MAX_MOUNTS] if one.type == "bind"]
    return Where(upper, {one.destination: one.source for one in bound if _whole(one.source, one.destination)})


def _whole(*paths: str) -> bool:
    return all(path.startswith("/") for path in paths)


def _after(words: list[str], *options: str) -> str:
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word in options), "")


def _decoded(text: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(text, type=kind) if text else None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


def _read(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - /proc, and half the cost of Path.open
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError):
        return b""
    return data if len(data) <= MAX_FILE else b""
