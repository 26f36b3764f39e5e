"""Which logs there are: by rule, by what processes hold open, by what the graph offers; and when they are let go.

Rules of this file
    - A look a second at who lives; every five seconds at open files and rules. Nothing is waited for.
    - At the first look of an agent without a past a log is taken from its end: what was written before it is nobody's.
      Later ones are taken from their beginning, at most `FRESH` bytes back.
    - Bounded: `Limits.files` logs, `of_one` of each container. The one that has been quiet longest makes room, with its
      place kept; if none has been quiet for `QUIET` the new one is not read, and counted (`log_files_limit`).
    - A container that has died keeps its logs until all is read; its places are kept for `FORGET`, in case it comes
      back.

Complexity: O(containers) a look, O(descriptors) every five seconds.
Source: issue "application logs" (log accumulator).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final

from agent.containers import HOST, Container
from agent.logfiles_home import Home, Kept
from agent.logfiles_path import Absent, Refused, Root, Stdio
from agent.logfiles_places import Places
from agent.logfiles_scan import appended
from agent.logfiles_track import Followed, Track
from agent.logfiles_value import STDERR, STDOUT, Given, Rule, is_log, lost
from agent.loss import Loss

FRESH: Final = 1 << 20
LOOK: Final = 1_000
SCAN: Final = 5_000
QUIET: Final = 60_000
FORGET: Final = 600_000
WAIT: Final = 30_000
"""How long a file that was offered and is not there is looked for."""
MAX_HOMES: Final = 1_024
MAX_DEAD: Final = 8_192
MAX_OFFERS: Final = 1_024
MAX_NAMES: Final = 10_000
MAX_KEPT: Final = 4
MAX_TROUBLES: Final = 256
ENGINE: Final = "\0engine"
"""The name among a container's logs of what the engine keeps of its stdout and stderr."""
_log = logging.getLogger("agent.logfiles")
_OLD: Final = re.compile(r"[.-]\d{1,14}([._-]\d+)*$|\.(gz|xz|bz2|zst|lz4)$")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many files are read at once, and of one container; how far behind one may be; whether journald is read."""

    files: int = 256
    of_one: int = 64
    behind: int = 64 << 20
    journal: bool = True


@dataclass(slots=True)
class Progress:
    """How far everything has been read: by container's name; `looked` says that a first look was taken."""

    homes: dict[str, Kept] = field(default_factory=dict)
    cursor: str = ""
    looked: bool = False


class Finder:
    """Containers (`homes`) and their open logs, kept up to date by `look`."""

    def __init__(
        self,
        containers: Callable[[], Iterable[Container]],
        *,
        rules: tuple[Rule, ...],
        limits: Limits,
        progress: Progress,
        places: Places,
        loss: Loss,
    ) -> None:
        self.containers, self.rules, self.limits, self.progress = containers, rules, limits, progress
        self.places, self.loss = places, loss
        self.homes: dict[str, Home] = {}
        self.troubles: dict[tuple[str, str], str] = {}
        self._dead: dict[tuple[str, int], None] = {}
        self._host = Root.open("/")
        self._offers: dict[tuple[str, str], bool] = {}
        self._looked_at = self._scanned_at = -SCAN
        self._first = not progress.looked
        self._now = 0

    def look(self, now: int) -> None:
        """At who lives and what is offered, as far as it is due."""
        self._now = now
        if not 0 <= now - self._looked_at < LOOK or self._is_eager():
            self._look()
        offers, self._offers = self._offers, {}
        for (name, path), fresh in offers.items():
            if (home := self.homes.get(name)) is not None:
                home.names.pop(path, None) if path not in home.tracks else None
                self._want(home, path, at_end=False, most=1 << 62 if fresh else FRESH)
                if path not in home.tracks and path not in home.names:
                    home.wanted.setdefault(path, now)

    def _is_eager(self) -> bool:
        """Whether somebody writes to a log already of whom little is known: a second of catching up is many writes."""
        offered = any(name not in self.homes for name, _ in self._offers)
        return offered or any(home.unknown and home.wanted for home in self.homes.values())

    def offer(self, container: str, path: str, fresh: bool) -> bool:
        """See `LogFiles.offer`."""
        named = self.rule(container, path) is not None
        if not named and (container == HOST or not is_log(path)):
            return False
        if len(self._offers) >= MAX_OFFERS and (container, path) not in self._offers:
            self.loss.note("log_files_limit")
            return False
        self._offers[container, path] = fresh or self._offers.get((container, path), False)
        return True

    def again(self, one: Given, now: int) -> tuple[Home, str, Track] | None:
        """The log that gave this before a restart, from there on if it is not read yet; its container may be dead."""
        self._now = now
        for about in self._known():
            if about.name == one.container:
                self._wake(about, offered=True)
        home = self.homes.get(one.container)
        if home is None:
            return None
        if one.path not in home.names and one.path not in home.tracks:
            home.refused.discard(one.path)
            self._want(home, one.path, at_end=False, most=FRESH, place=(one.inode, one.offset))
        path = home.names.get(one.path, one.path)
        return (home, path, home.tracks[path]) if path in home.tracks else None

    def rule(self, container: str, path: str) -> Rule | None:
        """See `LogFiles.rule`."""
        return next((rule for rule in self.rules if rule.fits(container, path)), None)

    def close(self) -> None:
        """Let go of everything; `progress` stays."""
        for home in self.homes.values():
            home.close()
        self.homes.clear()
        self._host.close()

    # Who lives

    def _look(self) -> None:
        self._looked_at = self._now
        offered = {name for name, _ in self._offers}
        for one in self._known():
            self._wake(one, one.name in offered)
        for home in list(self.homes.values()):
            home.look()
            self._await(home)
            if not home.alive:
                self._ended(home)
        if not 0 <= self._now - self._scanned_at < SCAN:
            self._scanned_at = self._now
            for home in self.homes.values():
                self._scan(home)
            self._forget()
            self._first, self.progress.looked = False, True

    def _known(self) -> list[Container]:
        """All that may have logs."""
        reads_host = any(fnmatchcase(HOST, rule.container) for rule in self.rules)
        return [*self.containers(), *([Container("", HOST, HOST)] if reads_host else [])]

    def _wake(self, about: Container, offered: bool) -> None:
        """A container that is known: it becomes a home if it lives, was read before, or something of it is offered."""
        home = self.homes.get(about.name)
        if home is None:
            if (about.id, about.pid) in self._dead and not offered:
                return
            kept = self.progress.homes.get(about.name)
            if kept is None or kept.ident != about.id:
                kept = Kept(about.id)
            home = Home(about, kept, self.places)
            home.wake(about)
            if len(self.homes) >= MAX_HOMES or not (home.alive or offered or (kept.logs and not kept.ended)):
                home.close()
                self._dead[about.id, about.pid] = None
                if len(self._dead) > MAX_DEAD:
                    del self._dead[next(iter(self._dead))]
                return
            self.homes[about.name] = home
            self.progress.homes[about.name] = kept
        elif home.tried and home.about.pid == about.pid:
            return
        else:
            home.wake(about)
            for path, track in list(home.tracks.items()):
                self._seat(home, path, track)
            self._scan(home)
        for path in [*home.kept.logs, ENGINE]:
            self._want(home, path, at_end=self._first, most=FRESH)

    def _ended(self, home: Home) -> None:
        """It has died: once all is read its files are let go, much later its places."""
        kept = home.kept
        if not kept.ended:
            kept.ended = max(1, self._now)
            for path, track in list(home.tracks.items()):
                self._seat(home, path, track)
        elif self._now - kept.ended >= LOOK and not home.wanted:
            for path, track in list(home.tracks.items()):
                if not track.behind:
                    self._let_go(home, path)
            if not home.tracks and self._now - kept.ended > FORGET:
                for mark in (mark for state in kept.logs.values() for mark in state.unsettled):
                    lost(self.loss, "log_gap", mark.seen - mark.offset)
                home.close()
                del self.homes[home.about.name]
                self.progress.homes.pop(home.about.name, None)

    def _forget(self) -> None:
        """Places in logs of containers that have not been heard of since a restart."""
        for name, kept in list(self.progress.homes.items()):
            if name not in self.homes:
                kept.ended = kept.ended or max(1, self._now)
                if self._now - kept.ended > FORGET:
                    del self.progress.homes[name]

    # What is read

    def _scan(self, home: Home) -> None:
        """What its processes hold open, and what rules name; folders that are others by now."""
        if not home.alive or home.root is None:
            return
        home.refused = {path for path in home.refused if path in home.tracks}
        for path, track in list(home.tracks.items()):
            self._seat(home, path, track)
            if track.trouble and track.current is None:
                self._tell(home, path, track.trouble)
        found = (
            [] if home.about.name == HOST else appended(home.pid, home.about.id, self.places.proc, self.places.cgroups)
        )
        named = (path for rule in self.rules if fnmatchcase(home.about.name, rule.container)
                 for path in expand(home.root, rule.path))  # fmt: skip
        full = not self._has_room(home)
        for path in (*found, *islice(named, MAX_NAMES)):
            if not (full and path in home.left_out):
                self._want(home, path, at_end=self._first, most=FRESH)

    def _await(self, home: Home) -> None:
        """What was offered and is not there yet."""
        for path, since in list(home.wanted.items()):
            self._want(home, path, at_end=False, most=FRESH)
            if path in home.tracks or path in home.names:
                del home.wanted[path]
            elif self._now - since > WAIT or not (home.alive or home.unknown):
                del home.wanted[path]
                self._unread(home, path, "not there any more")

    def _want(self, home: Home, path: str, *, at_end: bool, most: int, place: tuple[int, int] | None = None) -> None:
        """Read this log, if it can be and there is room."""
        if path in home.tracks or path in home.names or path in home.refused:
            return
        if path == ENGINE and not (home.kept.where.log and home.kept.where.driver in ("k8s-file", "json-file")):
            return
        if not self._has_room(home):
            home.refused.add(path)
            if path not in home.left_out and len(home.left_out) < MAX_NAMES:
                home.left_out.add(path)
                self.loss.note("log_files_limit")
            return
        state = home.kept.logs.get(path) or Followed(path)
        track = Track(state, self.loss, self.limits.behind)
        if not self._seat(home, path, track):
            return
        twin = next((name for name, one in home.tracks.items() if one.real == track.real and path != ENGINE), None)
        if twin is not None:
            home.names[path] = twin
        else:
            self._make_room(home)
            if not state.begun:
                track.begin(at_end, most, place)
            if not track.trouble:
                home.tracks[path] = track
                self._keep(home, path, state)
                return
            self._unread(home, path, track.trouble)
        track.close()

    def _seat(self, home: Home, path: str, track: Track) -> bool:
        """Find its folder; true if it was found."""
        try:
            if path == ENGINE:
                track.seat(self._host, home.kept.where.log)
            else:
                home.seat(track, path)
        except Stdio as found:
            if path not in home.tracks:
                home.names[path] = STDOUT if found.stream == "stdout" else STDERR
        except Refused as error:
            self._unread(home, path, str(error))
        except (Absent, OSError):
            pass
        else:
            return True
        return False

    def _unread(self, home: Home, path: str, why: str) -> None:
        """Not now; it is tried again at the next scan that finds it."""
        if path not in home.tracks:
            home.refused.add(path)
            self._tell(home, path, why)

    def _tell(self, home: Home, path: str, why: str) -> None:
        """Count what cannot be read, each file once."""
        if (home.about.name, path) in self.troubles:
            return
        self.loss.note("log_unreadable")
        self.troubles[home.about.name, path] = why
        _log.warning("a log cannot be read", extra={"container": home.about.name, "path": path, "reason": why})
        while len(self.troubles) > MAX_TROUBLES:
            del self.troubles[next(iter(self.troubles))]

    def _keep(self, home: Home, path: str, state: Followed) -> None:
        """Its place is kept; of too many, those that are not read."""
        logs = home.kept.logs
        logs[path] = state
        if len(logs) > MAX_KEPT * self.limits.of_one:
            for name in [name for name in logs if name not in home.tracks][: len(logs) - MAX_KEPT * self.limits.of_one]:
                del logs[name]

    def _rivals(self, home: Home) -> list[Home]:
        """Whose logs one more of this container's would have to make room for it; nobody's, if there is room."""
        if len(home.tracks) >= self.limits.of_one:
            return [home]
        homes = list(self.homes.values())
        return homes if sum(len(one.tracks) for one in homes) >= self.limits.files else []

    def _quietest(self, homes: list[Home]) -> tuple[str, str] | None:
        quiet = [
            (track.idle_since, home.about.name, path)
            for home in homes
            for path, track in home.tracks.items()
            if track.idle_since and self._now - track.idle_since > QUIET
        ]
        return min(quiet)[1:] if quiet else None

    def _has_room(self, home: Home) -> bool:
        """Is there room for one more, or can there be?"""
        rivals = self._rivals(home)
        return not rivals or self._quietest(rivals) is not None

    def _make_room(self, home: Home) -> None:
        """Let the quietest go, if one has to."""
        if (rivals := self._rivals(home)) and (found := self._quietest(rivals)) is not None:
            self._let_go(self.homes[found[0]], found[1])

    def _let_go(self, home: Home, path: str) -> None:
        track = home.tracks.pop(path)
        home.kept.logs[path] = track.snapshot()
        track.close()
        for name in [name for name, twin in home.names.items() if twin == path]:
            del home.names[name]


def expand(root: Root, pattern: str) -> Iterator[str]:
    """The paths below a root that a glob names; rotated and packed ones are left out."""
    yield from _expand(root, "", [part for part in pattern.split("/") if part])


def _expand(root: Root, above: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        yield above
        return
    if not any(sign in parts[0] for sign in "*?["):
        yield from _expand(root, f"{above}/{parts[0]}", parts[1:])
        return
    try:
        folder = root.folder(above)
    except (Absent, Refused, Stdio, OSError):
        return
    try:
        names = sorted(os.listdir(folder))[:MAX_NAMES]  # noqa: PTH208 - by its descriptor
    except OSError:
        return
    finally:
        os.close(folder)
    for name in names:
        if fnmatchcase(name, parts[0]) and (len(parts) > 1 or not _OLD.search(name)):
            yield from _expand(root, f"{above}/{name}", parts[1:])
