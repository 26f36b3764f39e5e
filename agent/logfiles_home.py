"""One container as its log files are read: its root while it lives, the host's folders after, its tracks.

Rules of this file
    - Its root is taken through its first process, and only while that process is known to be the container's: a number
      may be another's by now. From then on the descriptor is asked, not the number. When that process ends and others
      of its control group do not, one of them stands in for it.
    - When the container has died, what is open is read to its end; what was never opened is looked for in its upper
      layer and in the sources of its volumes. Descriptors are closed as soon as nothing is left, so that neither the
      engine's overlay nor a tmpfs is held longer than it takes to read.

Complexity: O(1) a call.
Source: proc(5) (root, cgroup); pidfd_open(2).
"""

from __future__ import annotations

import contextlib
import os
import select
from dataclasses import dataclass, field
from typing import Final

from agent.containers import HOST, Container
from agent.logfiles_path import Absent, Mounts, Root, said
from agent.logfiles_places import Places, merged
from agent.logfiles_scan import group_of, members
from agent.logfiles_streams import Entries
from agent.logfiles_track import Followed, Track
from agent.logfiles_value import Where

MAX_TRIED: Final = 16


@dataclass(slots=True)
class Kept:
    """What is kept of one container for a restart."""

    ident: str = ""
    where: Where = field(default_factory=Where)
    logs: dict[str, Followed] = field(default_factory=dict)
    entries: dict[str, Entries] = field(default_factory=dict)
    ended: int = 0


class Home:
    """The container `about`; `kept` is what outlives us, `tracks` what is open."""

    def __init__(self, about: Container, kept: Kept, places: Places) -> None:
        self.about, self.kept, self.places = about, kept, places
        self.tracks: dict[str, Track] = {}
        self.wanted: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.refused: set[str] = set()
        self.left_out: set[str] = set()
        self.root: Root | None = None
        self.pidfd, self.pid, self.group = -1, 0, ""
        self.alive = self.tried = False

    def wake(self, about: Container) -> None:
        """It is there, with this first process; if that is another one than before, it has begun again."""
        if self.tried and about.pid == self.about.pid:
            return
        self.sleep()
        if self.kept.ident != about.id:
            self.kept.ident, self.kept.where = about.id, Where()
        self.about, self.tried = about, True
        self.refused.clear()
        with contextlib.suppress(OSError):
            self._enter()
        if self.alive:
            self.kept.ended = 0
            self.kept.where = merged(self.places.of(about.id, about.pid), self.kept.where)
        elif not (self.kept.where.upper or self.kept.where.log):
            self.kept.where = merged(self.kept.where, self.places.of(about.id, 0))

    @property
    def unknown(self) -> bool:
        """Whether nobody has said yet where its files are: after a restart it is known by name before it is by pid."""
        return not (self.about.pid or self.kept.where.upper or self.kept.where.log or self.kept.where.mounts)

    def sleep(self) -> None:
        """Its processes are gone: no new file will come by its own root."""
        self.alive = False
        for track in self.tracks.values():
            track.unseat()
        if self.root is not None:
            self.root.close()
            self.root = None
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def look(self) -> None:
        """Does it still live?"""
        if self.alive and self.about.name != HOST and self._has_ended() and not self._stand_in():
            self.sleep()

    def seat(self, track: Track, path: str) -> None:
        """Find where this path is, inside or, once that is gone, outside; raises what `agent.logfiles_path` does."""
        if self.root is not None:
            track.seat(self.root, path)
            return
        outside = self.kept.where.outside(self.names.get(path, path))
        if outside is None:
            raise Absent("the container is gone, and where its files were is not known")
        try:
            root = Root.open(outside[0])
        except OSError as error:
            raise said(error) from None
        try:
            track.seat(root, outside[1])
        finally:
            root.close()

    def close(self) -> None:
        """Let go of everything, having noted how far it was read."""
        self.note()
        for track in self.tracks.values():
            track.close()
        self.tracks.clear()
        self.sleep()

    def note(self) -> None:
        """Write down how far everything has been read."""
        for path, track in self.tracks.items():
            self.kept.logs[path] = track.snapshot()

    def _enter(self) -> None:
        """Take its root, if the process is the container's before and after."""
        proc, pid = self.places.proc, self.about.pid
        if self.about.name == HOST:
            self.root, self.alive = Root.open("/"), True
            return
        if not pid or not self._is_ours(pid):
            return
        root = Root.open(f"{proc}/{pid}/root", Mounts(f"{proc}/{pid}/mountinfo"))
        if not self._is_ours(pid):
            root.close()
            return
        self.root, self.alive = root, True
        self.group = group_of(pid, self.about.id, proc)
        self._watch(pid)

    def _watch(self, pid: int) -> None:
        """By this process it is known to live."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
        self.pid, self.pidfd = pid, -1
        if hasattr(os, "pidfd_open") and self.places.proc == "/proc":
            with contextlib.suppress(OSError):
                self.pidfd = os.pidfd_open(pid)

    def _stand_in(self) -> bool:
        """Another process of it goes on: its first one was not what holds it together."""
        for pid in members(self.group, self.places.cgroups)[:MAX_TRIED]:
            if pid != self.pid and self._is_ours(pid) and self.root is not None:
                self.root.mounts.path = f"{self.places.proc}/{pid}/mountinfo"
                self._watch(pid)
                return True
        return False

    def _is_ours(self, pid: int) -> bool:
        try:
            with open(f"{self.places.proc}/{pid}/cgroup", "rb") as file:  # noqa: PTH123 - /proc
                return self.about.id.encode() in file.read(1 << 16)
        except OSError:
            return False

    def _has_ended(self) -> bool:
        if self.pidfd >= 0:
            poller = select.poll()
            poller.register(self.pidfd, select.POLLIN)
            return bool(poller.poll(0))
        return not self._is_ours(self.pid)
