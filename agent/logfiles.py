"""The log accumulator: the bytes of all applications' logs on this node, in order, with their places, as they come.

    containers ──which logs──► tracks (one a path: rotation, truncation) ──poll()──► pieces ──► the books
         │                     streams (stdout, stderr as the engine keeps them) ──► whole entries, with times
         └── rules, open files, `offer`                  journald ──► whole entries, with times

Rules of this file
    - One thread calls it, and it never waits: bounded bytes a poll, shared fairly; bounded files, on the whole and of
      one container. What is left out is counted, by cause.
    - A log is what a rule names, what processes hold open for appending and is called like a log, and what the graph
      offers. A log that is there at the agent's first look is read from its end; one found later from its beginning
      (at most `FRESH` bytes back).
    - What was written before a container's death is read after it: files that are open stay so until they are read,
      others are looked for in the upper layer and in volumes, stdout in the engine's copy.
    - What can be lost: what a process had buffered and not written; files of a tmpfs, or of a container that the engine
      removed (`--rm`), that were not open yet; packed rotated files; logs of a container without a known first process.
    - A restart that reads the audit log again gets what was given there at first (`again`), and no more.
    - The state is one value (`Progress`), saved with the agent's snapshot; a restart goes on there or counts a gap.

Invariant: between two polls the same files give the same pieces; each byte is given once, or counted.
Complexity: two system calls a quiet file and poll; 3 µs a KiB read.
Source: issue "application logs" (log accumulator); design section 3 (promise 5).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from agent.containers import Container
from agent.logfiles_finder import ENGINE, Finder, Limits, Progress
from agent.logfiles_home import Home
from agent.logfiles_journal import Journal, Logged
from agent.logfiles_places import Places
from agent.logfiles_streams import Entries, Form
from agent.logfiles_track import CHUNK, Bytes, Track
from agent.logfiles_value import JOURNALD, NOTHING, STDERR, STDOUT, Generation, Given, Look, Piece, Rule
from agent.loss import Loss

POLL: Final = 4 << 20
PATIENCE: Final = 2.0
"""Seconds that a restart waits for journald, at most, to get again what it had."""


class LogFiles:
    """All logs of a node. `containers` gives those that are known (also such as have ended), `clock` milliseconds."""

    def __init__(
        self,
        containers: Callable[[], Iterable[Container]],
        clock: Callable[[], int],
        *,
        rules: Iterable[Rule] = (),
        limits: Limits | None = None,
        progress: Progress | None = None,
        places: Places | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.clock, self.limits = clock, limits or Limits()
        self.loss = Loss()
        self.finder = Finder(
            containers,
            rules=tuple(rules),
            limits=self.limits,
            progress=progress or Progress(),
            places=places or Places(),
            loss=self.loss,
        )
        self.journal = journal or Journal(self.finder.progress.cursor)
        self.heard = NOTHING
        self._given: list[Given] = []
        self._early: list[Logged] = []
        self._cursor, self._patience = "", PATIENCE
        self._turn = 0

    # What the pipeline asks

    def poll(self) -> list[Piece]:
        """What has been written since the last call, at most `POLL` bytes of it and a chunk."""
        now = self.clock()
        self.finder.look(now)
        self._given = []
        found, logged = self._files(now), self._journal(now)
        read = self.clock()  # by now all of it was there; when the look began, perhaps not: looking takes its time
        self.heard = Look(read, tuple(self._given))
        pieces = [piece for home, path, one in found for piece in self._pieces(home, path, one, read, self.loss)]
        return [*pieces, *_entries(logged, self._in_journal(), read)]

    def again(self, look: Look) -> list[Piece]:
        """What that look has given before the restart, as far as it is there: the rest is found by the next poll.

        What of it was malformed has been counted then.
        """
        pieces = list[Piece]()
        for one in look.given:
            if one.path == JOURNALD:
                pieces += self._journal_again(one.size, look.millis)
            elif (found := self.finder.again(one, self.clock())) is not None:
                home, path, track = found
                for more in track.again(one, self.clock()):
                    pieces += self._pieces(home, path, more, look.millis, Loss())
        return pieces

    def look(self) -> None:
        """Find out which logs there are now, and read nothing."""
        self.finder.look(self.clock())

    def offer(self, container: str, path: str, fresh: bool = False) -> bool:
        """A process of the container has opened this file for appending; `fresh`: it has made or emptied it.

        True if it is (or will be) read. A fresh file is given from its first byte.
        """
        return self.finder.offer(container, path, fresh)

    def rule(self, container: str, path: str) -> Rule | None:
        """The rule that names this file: its format and zone."""
        return self.finder.rule(container, path)

    def named(self, container: str, path: str) -> str:
        """Under which path the pieces of this file come: that of its first name, `/dev/stdout` for a link to that."""
        home = self.finder.homes.get(container)
        return home.names.get(path, path) if home is not None else path

    @property
    def behind(self) -> int:
        """Bytes that were there at the last look and have not been given."""
        return sum(track.behind for _, _, track in self._tracks())

    @property
    def followed(self) -> int:
        """Logs that are read."""
        return sum(len(home.tracks) for home in self.finder.homes.values())

    @property
    def progress(self) -> Progress:
        """How far everything has been given; what a restart goes on from."""
        for home in self.finder.homes.values():
            home.note()
        self.finder.progress.cursor = self._cursor if self._early else self.journal.cursor
        return self.finder.progress

    def close(self) -> None:
        """Let go of all files; `progress` stays as it is."""
        self.finder.close()
        self.journal.close()

    # Reading

    def _tracks(self) -> list[tuple[Home, str, Track]]:
        return [(home, path, track) for home in self.finder.homes.values() for path, track in home.tracks.items()]

    def _files(self, now: int) -> list[tuple[Home, str, Bytes]]:
        """In turns, each a chunk, until nothing is left or the poll is full; who was left out is first next time."""
        tracks, left, given = self._tracks(), POLL, list[tuple[Home, str, Bytes]]()
        at = self._turn % len(tracks) if tracks else 0
        tracks = tracks[at:] + tracks[:at]
        self._turn = at
        while tracks and left > 0:
            more = []
            for home, path, track in tracks:
                if left <= 0:
                    break
                self._turn += 1
                for found in track.poll(min(CHUNK, left), now):
                    left -= len(found[2])
                    self._given.append(Given(home.about.name, path, found[0].inode, found[1], len(found[2])))
                    given.append((home, path, found))
                if track.behind:
                    more.append((home, path, track))
            tracks = more
        return given

    def _pieces(self, home: Home, path: str, found: Bytes, now: int, loss: Loss) -> Iterable[Piece]:
        name, (generation, offset, data) = home.about.name, found
        if path != ENGINE:
            return (Piece(name, path, generation, offset, data, now),)
        form: Form = "json-file" if home.kept.where.driver == "json-file" else "k8s-file"
        entries = home.kept.entries.setdefault(path, Entries(form))
        return [
            Piece(name, STDOUT if one.stream == "stdout" else STDERR, generation, one.offset, one.data, now,
                  one.stream, one.millis, 0, one.cut)
            for one in entries.feed(generation, offset, data, loss)
        ]  # fmt: skip

    def _journal(self, now: int) -> list[Logged]:
        if not (self.limits.journal and self._in_journal()):
            return []
        logged = [*self._early, *self.journal.poll(POLL, now, self.loss)]
        self._early = []
        if logged:
            self._given.append(Given("", JOURNALD, 0, 0, len(logged)))
        return logged

    def _in_journal(self) -> dict[str, str]:
        """Names, by id, of containers that write there."""
        return {home.kept.ident: home.about.name for home in self.finder.homes.values() if _in_journal(home)}

    def _journal_again(self, count: int, millis: int) -> list[Piece]:
        """So many entries; what comes with them is kept for later."""
        until = time.monotonic() + self._patience
        while len(self._early) < count and time.monotonic() < until:
            more = self.journal.poll(POLL, self.clock(), Loss())
            self._early += more
            if not more:
                time.sleep(0.01)
        self._patience = max(0.0, until - time.monotonic()) if len(self._early) < count else self._patience
        logged, self._early = self._early[:count], self._early[count:]
        self._cursor = logged[-1].cursor if logged else self._cursor or self.finder.progress.cursor
        return _entries(logged, {one.id: one.name for one in self.finder.containers()}, millis)


def _entries(logged: Iterable[Logged], names: Mapping[str, str], now: int) -> list[Piece]:
    return [
        Piece(names[one.container], STDERR if one.error else STDOUT, Generation(), 0, one.data, now,
              "journal", one.millis, one.pid, one.cut)
        for one in logged if one.container in names
    ]  # fmt: skip


def _in_journal(home: Home) -> bool:
    return home.kept.where.driver == "journald"
