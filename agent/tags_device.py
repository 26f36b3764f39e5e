"""The kernel module's device: opened, read without waiting, and what the module counts beside it.

Rules of this file
    - `open_device` and `os.read` are all that touches the device: a test puts a pipe in their place.
    - It has one reader at a time, and keeps tags while it has none: a restart loses nothing short of its room.
    - Which processes it leaves out is a list that others write, too: ours are added, and taken away again at the end.
      What cannot be written there is said once, and is no reason not to read.

Source: lkm/README.md (device, statistics, parameters).
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from agent.loss import Loss
from agent.tags_source import Batch, Kind, Refused, State
from agent.tags_tap import ROOM, Tap

DEVICE: Final = "/dev/winnower"
STATISTICS: Final = "/sys/class/misc/winnower"
PARAMETERS: Final = "/sys/module/winnower/parameters"
COUNTERS: Final = ("tagged", "dropped", "read", "missed", "waiting", "load")
MAX_LIST: Final = 4_096
"""Bytes of a parameter: the kernel gives and takes one page."""
WHY: Final = {
    errno.ENOENT: "the module is not loaded (modprobe winnower)",
    errno.ENODEV: "the module is being removed",
    errno.ENXIO: "the device is there, but not its module (modprobe winnower)",
    errno.EBUSY: "another process reads it: it has one reader at a time",
    errno.EACCES: "it may not be opened: run the agent as root",
    errno.EPERM: "it may not be opened: run the agent as root, in the host's namespaces",
}

_log = logging.getLogger("agent.tags")


def open_device(path: str) -> int:
    """The device's descriptor."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


class Device:
    """The device at `path`, as a `Channel`; one that cannot be had is `Refused`, with the reason."""

    kind: Kind = "module"

    def __init__(
        self,
        path: str = DEVICE,
        *,
        parameters: Parameters | None = None,
        statistics: str = STATISTICS,
        opener: Callable[[str], int] = open_device,
        room: int = ROOM,
    ) -> None:
        try:
            descriptor = opener(path)
        except OSError as error:
            raise Refused(f"{path}: {WHY.get(error.errno or 0, error.strerror)}") from None
        self.path = path
        self._tap = Tap(descriptor, room)
        self._statistics, self._parameters = statistics, parameters

    @property
    def loss(self) -> Loss:
        """What was no tag."""
        return self._tap.loss

    @property
    def state(self) -> State:
        """Whether it can still be read."""
        return "ended" if self._tap.ended and not self._tap.behind else "works"

    @property
    def why(self) -> str:
        """Where the tags come from, or why they do not any more."""
        return f"{self.path}: {self._tap.ended}" if self._tap.ended else f"read from {self.path}"

    @property
    def behind(self) -> int:
        """Bytes that were read and not taken."""
        return self._tap.behind

    def take(self) -> Batch:
        """What has come; never waits."""
        return self._tap.take()

    def counters(self) -> Mapping[str, int]:
        """The module's statistics, as far as they can be read."""
        found = ((name, _text(Path(self._statistics, name))) for name in COUNTERS)
        return {name: int(text) for name, text in found if text.isascii() and text.isdecimal() and len(text) < 21}

    def exclude(self, pids: Iterable[int]) -> None:
        """Leave out what these processes write."""
        if self._parameters is not None:
            self._parameters.add("exclude", [str(pid) for pid in pids])

    def close(self) -> None:
        """Let go of the device; what was added for us is taken away."""
        if self._parameters is not None:
            self._parameters.restore()
        self._tap.close()


class Parameters:
    """The module's lists in sysfs: what we add to them, and only that, is ours to take away."""

    def __init__(self, folder: str = PARAMETERS) -> None:
        self.folder = folder
        self.troubles: dict[str, str] = {}
        self._ours: dict[str, set[str]] = {}

    def read(self, name: str) -> list[str]:
        """What is in a list."""
        words = (word.strip() for word in _text(Path(self.folder, name)).split(","))
        return [word for word in words if word and word != "(null)"]

    def add(self, name: str, values: Iterable[str]) -> None:
        """Put in what is not there yet, one by one: a process that is gone keeps no other one out; the rest stays."""
        for value in dict.fromkeys(values):
            there = self.read(name)
            if value not in there and self._write(name, [*there, value]):
                self._ours.setdefault(name, set()).add(value)

    def restore(self) -> None:
        """Take out what we have put in."""
        while self._ours:
            name, ours = self._ours.popitem()
            there = self.read(name)
            if ours.intersection(there):
                self._write(name, [value for value in there if value not in ours])

    def _write(self, name: str, values: list[str]) -> bool:
        try:
            text = ",".join(values).encode()
            if len(text) >= MAX_LIST:
                raise OSError(errno.E2BIG, "the list is too long")
            descriptor = os.open(Path(self.folder, name), os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
            try:
                os.write(descriptor, text + b"\n")
            finally:
                os.close(descriptor)
        except ProcessLookupError:
            return False
        except OSError as error:
            reason = error.strerror or str(error)
            if self.troubles.get(name) != reason:
                self.troubles[name] = reason
                _log.warning("the module's parameter cannot be set", extra={"parameter": name, "reason": reason})
            return False
        self.troubles.pop(name, None)
        return True


def _text(path: Path) -> str:
    """What stands in a small file; nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_LIST).decode("utf-8", "replace").strip()
    except OSError:
        return ""
