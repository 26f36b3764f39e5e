"""The tags of log writes, as the kernel gave them: held until the lines and the calls that they are of are there.

Rules of this file
    - By file (device and inode), in the order of time, whatever order they come in. One that has been there already,
      by load, CPU and number, is not taken twice: what is read again after a restart changes nothing.
    - A tag that is used is kept for a while: what lies between two writes says whether one is missing.
    - Bounded: `MAX_HELD` tags, `MAX_FILES` files; what goes is counted (`evicted`). A tag whose line does not
      come goes after `EXPIRE` of log time (`expired`).
    - Nothing is held, and nobody asks, until tags have been put for the first time (`on`).

Complexity: O(log n) a tag.
Source: lkm/winnower_tag.h; issue "lkm" (tag index by device, inode and offset).
"""

from __future__ import annotations

import os
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from agent.logbook_bytes import Key
from agent.tag_record import is_sound
from agent.tags import Tag

if TYPE_CHECKING:
    from agent.processes import Process

MAX_HELD: Final = 65_536
MAX_FILES: Final = 1_024
MAX_CPUS: Final = 4_096
MAX_THREADED: Final = 4_096
EXPIRE: Final = 30_000
"""Milliseconds of log time that a tag is held."""
REMEMBERED: Final = 1_024
"""Numbers of one CPU by which a tag is known again; older ones are all taken for known."""
NEAR: Final = 256
"""Tags of one file that are looked at by one write."""
MET: Final = 5_000_000
"""Nanoseconds by which the tags of writes that met may stand in another order than their bytes."""
NOWHERE: Final = -1
WAITS, SPENT, ALONE = 0, 1, 2
"""A tag waits; it has told a line with its event; it has told one without."""
SEVERAL: Final = 0


class Held:
    """A tag in its place: whether it waits for its line, and in which part of its book its bytes were found to lie.

    `told` says that its line may still have to leave other containers' books.
    """

    __slots__ = ("at", "part", "state", "tag", "told")

    def __init__(self, tag: Tag) -> None:
        self.tag, self.state, self.part, self.at, self.told = tag, WAITS, NOWHERE, tag.offset, False

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return self.at + self.tag.length


class TagFile:
    """One file's tags in the order of time; by who wrote how much, and by what was written, too.

    `fresh` have not been looked for in any book; `waiting` are those that may still have to be told, `told` those whose
    lines may still have to leave other books.
    """

    __slots__ = ("_alike", "_written", "fresh", "held", "last", "told", "waiting")

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.waiting: list[Held] = []
        self.told: list[Held] = []
        self.fresh: list[Held] = []
        self._written: dict[tuple[int, int], list[Held]] = {}
        self._alike: dict[tuple[int, int], list[Held]] = {}
        self.last = 0

    def put(self, tag: Tag) -> Held:
        """One more tag, where its time has its place."""
        one = Held(tag)
        insort(self.held, one, key=_nanos)
        insort(self.waiting, one, key=_nanos)
        insort(self._written.setdefault((tag.tgid, tag.length), []), one, key=_nanos)
        if tag.guessed:
            insort(self._alike.setdefault((tag.length, tag.crc), []), one, key=_nanos)
        self.fresh.append(one)
        self.last = max(self.last, tag.millis)
        return one

    def trim(self, count: int) -> None:
        """Let go of the first tags."""
        self.held = self.held[count:]
        since = self.held[0].tag.nanos if self.held else 1 << 64
        for named in (self._written, self._alike):
            for key, ones in list(named.items()):
                del ones[: bisect_left(ones, since, key=_nanos)]
                if not ones:
                    del named[key]
        for ones in (self.waiting, self.told):
            del ones[: bisect_left(ones, since, key=_nanos)]
        self.fresh = [one for one in self.fresh if one.tag.nanos >= since]

    def place(self, millis: int) -> int:
        """Where the tags of that time and later begin."""
        return bisect_left(self.held, millis * 1_000_000, key=_nanos)

    def candidates(self, tgid: int, length: int, millis: int, until: int = 1 << 64) -> Iterator[Held]:
        """Tags without an event, of writes of that process and length that returned after a call began, in time."""
        ones = self._written.get((tgid, length), ())
        for place in range(bisect_left(ones, millis * 1_000_000, key=_nanos), len(ones)):
            if ones[place].tag.millis > until:
                return
            if ones[place].state != SPENT:
                yield ones[place]

    def has_rival(self, tag: Tag, about: int) -> bool:
        """Whether another process has written the same, its place guessed too, within so many nanoseconds."""
        ones = self._alike.get((tag.length, tag.crc), ())
        if len(ones) < 2:
            return False
        first, last = (bisect_left(ones, tag.nanos + far, key=_nanos) for far in (-about, about))
        return any(one.tag.tgid != tag.tgid for one in ones[first:last])

    def find(self, tag: Tag) -> Held | None:
        """A tag that has been put already, however it came."""
        first = bisect_left(self.held, tag.nanos, key=_nanos)
        near = self.held[first : first + NEAR]
        return next((one for one in near if one.tag[:1] + one.tag[16:19] == tag[:1] + tag[16:19]), None)

    def holes(self, upto: int) -> list[Hole]:
        """Stretches before `upto` that no tag is of, with the times of what stands before and behind them."""
        end, since = 0, 0
        for place, one in enumerate(self.held):
            if one.at < end and place and one.tag.nanos > self.held[place - 1].tag.nanos + MET:
                since, end = place, 0  # it was emptied, or is not only appended to
            end = max(end, one.end)
        ordered = sorted(self.held[since:], key=_offset)
        first, last = ordered[0].tag, ordered[-1].tag
        ends = accumulate((one.end for one in ordered), max)
        pairs = zip(ends, pairwise(ordered), strict=False)
        found = [(end, other.at, one.tag.millis, other.tag.millis) for end, (one, other) in pairs]
        found += [(0, ordered[0].at, 0, first.millis), (end, max(end, upto), last.millis, ALWAYS)]
        found += [(0, WIDE, 0, self.held[since].tag.millis)] if since else []
        return [hole for hole in found if hole[0] < hole[1]]


Hole = tuple[int, int, int, int]
"""From, to, and when what stands before and behind it was written."""
ALWAYS: Final = 1 << 62
WIDE: Final = 1 << 62
"""The length of a stretch that is not known."""


class TagIndex:
    """All tags of one worker; `counts` says what could not be used. `alive` are the processes of the last second.

    `fresh` are files with tags that have not been looked for.
    """

    __slots__ = ("_seen", "_threads", "alive", "cgroups", "counts", "files", "fresh", "held", "on", "second", "version")

    def __init__(self) -> None:
        self.on = False
        self.files: dict[Key, TagFile] = {}
        self.fresh: set[Key] = set()
        self.held = self.version = 0
        self.counts: Counter[str] = Counter()
        self.alive: dict[bytes, Process] = {}
        self.second = 0
        self.cgroups: dict[int, str] = {}
        self._seen: dict[tuple[int, int], tuple[int, set[int]]] = {}
        self._threads: dict[int, int] = {}

    def put(self, tags: Iterable[Tag]) -> None:
        """Tags as they come; with none of them too, from here on there is a source."""
        self.on = True
        self.version += 1
        for tag in tags:
            self.add(tag)

    def add(self, tag: Tag) -> Held | None:
        """One tag; None if it is known already, or no write's."""
        if not is_sound(tag):
            self.counts["odd"] += 1
            return None
        if self._is_known(tag):
            self.counts["duplicate"] += 1
            return None
        self._know_thread(tag)
        key = key_of(tag)
        file = self.files.get(key)
        if file is None:
            if len(self.files) >= MAX_FILES:
                self._forget(min(self.files, key=lambda one: self.files[one].last))
            file = self.files[key] = TagFile()
        one = file.put(tag)
        self.fresh.add(key)
        self.held += 1
        if self.held > MAX_HELD:
            self._relieve()
        return one

    def take(self) -> dict[str, int]:
        """What was counted since the last call."""
        taken = {cause: number for cause, number in sorted(self.counts.items()) if number}
        self.counts.clear()
        return taken

    def is_threaded(self, tgid: int) -> bool:
        """Whether a process is known to write by more threads than its first."""
        return self._threads.get(tgid) == SEVERAL

    def expire(self, before: int) -> None:
        """Let go of what is older; the last tag of a file stays, for it says where the next write begins."""
        for file in self.files.values():
            spent = next((place for place, one in enumerate(file.held) if one.state == WAITS), len(file.held))
            count = min(max(file.place(before), spent - 2 * NEAR), len(file.held) - 1)
            if count > 0:
                self.counts["expired"] += sum(one.state == WAITS for one in file.held[:count])
                self.held -= count
                file.trim(count)
            last = file.held[0]
            if last.state == WAITS and last.tag.millis < before:
                last.state = SPENT
                self.counts["expired"] += 1

    def _relieve(self) -> None:
        """Too many are held: the oldest eighth of the fullest file goes."""
        fullest = max(self.files, key=lambda key: len(self.files[key].held))
        file = self.files[fullest]
        count = max(1, len(file.held) // 8)
        self.counts["evicted"] += sum(one.state == WAITS for one in file.held[:count])
        self.held -= count
        file.trim(count)

    def _forget(self, key: Key) -> None:
        file = self.files.pop(key)
        self.held -= len(file.held)
        self.counts["evicted"] += sum(one.state == WAITS for one in file.held)

    def _is_known(self, tag: Tag) -> bool:
        where = tag.load, tag.cpu
        floor, seen = self._seen.get(where, (0, set()))
        if tag.sequence < floor or tag.sequence in seen:
            return True
        if where not in self._seen and len(self._seen) >= MAX_CPUS:
            del self._seen[next(iter(self._seen))]
        seen.add(tag.sequence)
        if len(seen) > REMEMBERED:
            kept = sorted(seen)[REMEMBERED // 2 :]
            floor, seen = kept[0], set(kept)
        self._seen[where] = floor, seen
        return False

    def _know_thread(self, tag: Tag) -> None:
        known = self._threads.get(tag.tgid, tag.tgid)
        if tag.tgid not in self._threads and len(self._threads) >= MAX_THREADED:
            del self._threads[next(iter(self._threads))]
        self._threads[tag.tgid] = known if known == tag.pid else SEVERAL


def key_of(tag: Tag) -> Key:
    """The file that a write went to, as `stat` tells it."""
    return os.makedev(tag.major, tag.minor), tag.inode


def _nanos(one: Held) -> int:
    return one.tag.nanos


def _offset(one: Held) -> tuple[int, int]:
    return one.at, one.tag.nanos
