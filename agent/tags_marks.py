"""How far each processor's tags have been read, so that what is missing is counted.

Rules of this file
    - Sequences are a processor's own and a load's own: another load of the module or of the program begins anew.
    - A jump forward is a loss of so many tags (`tags_dropped`) only if so many writes can have been made since the tag
      before it, by its time and by our clock. Any other jump, forward or back, is one thing that is not known
      (`tags_unknown`): no number that comes in makes millions. Either way what follows is counted from there.
    - What was dropped after the last tag of a processor shows only in the kernel's own counter: it is told from there
      when it is looked at, and not once more when the gap is seen.
    - Of the first load that is ever seen nothing is missed before its first tag: it may have begun long before us. Of
      a later one, or one that we began, all that it counted is ours, from 0 on; that it is another one is itself
      something not known.
    - It is memory: part of a snapshot, a value that the same tags change in the same way.

Invariant: where nothing is forged and no clock steps, `tags_dropped` is the number of sequence numbers not seen between
    the first one and the last one of each processor.
Complexity: O(1) a tag; at most `MAX_CPUS` processors of each of `MAX_LOADS` loads.
Source: lkm/winnower_tag.h (`sequence`, `load`); design section 3 (promise 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.loss import Loss
from agent.tags import Tag

WIDTH: Final = 1 << 64
FASTEST: Final = 500
"""Nanoseconds: no processor makes writes in less time than this, one after another."""
BURST: Final = 1 << 16
"""So many may be missing whatever the clocks say: they are set now and then."""
SWAPPED: Final = 64
"""A tag that is behind another by so few has been overtaken: it was counted as missing already."""
MAX_LOADS: Final = 4
MAX_CPUS: Final = 8_192


@dataclass(slots=True)
class Load:
    """The last tag of each processor of one load; it counts for us from `since` (nanoseconds) on, if that is known.

    `missed` and `base` are the kernel's counters (of missed writes, of dropped tags) that all before is not ours of;
    `counted` dropped tags were told, `ahead` of them before their gap was seen. `looked`: when, at the counters.
    """

    since: int | None
    looked: int
    last: dict[int, Tag] = field(default_factory=dict)
    missed: int | None = None
    base: int | None = None
    counted: int = 0
    ahead: int = 0


@dataclass(slots=True)
class Marks:
    """The loads seen last. `latest`: the time of the newest tag.

    `generation` is the spool's that holds what came after the snapshot that this is in (`agent.tags_spool`).
    """

    generation: int = 0
    loads: dict[int, Load] = field(default_factory=dict)
    latest: int = 0

    def see(self, tags: Sequence[Tag], now: int, loss: Loss) -> None:
        """Take tags as they came; `now` is our clock, in nanoseconds."""
        number, load = -1, Load(None, now)
        last = load.last
        for tag in tags:
            if tag[18] != number:  # its load; by number, for speed, as are sequence, time and cpu below
                number = tag[18]
                load = self._load(number, now, loss)
                last = load.last
            before = last.get(tag[16])
            if before is None:
                self._first(tag, load, now, loss)
            elif tag[0] != before[0] + 1:
                missing = (tag[0] - before[0] - 1) % WIDTH
                if missing >= WIDTH - SWAPPED:
                    continue
                self._jumped(missing, min(tag[1], now) - before[1], load, loss)
            last[tag[16]] = tag
        if tags:
            self.latest = max(self.latest, min(tags[-1].nanos, now))

    def look(self, counters: Mapping[str, int], now: int, loss: Loss, *, ours: bool = False) -> None:
        """Take the kernel's own counters: writes missed, and tags dropped of which no later tag has told yet.

        Of a load that is `ours`, which we have begun ourselves, all is ours.
        """
        if "load" not in counters:
            return
        load = self._load(counters["load"], now, loss, ours=ours)
        missed, dropped = counters.get("missed"), counters.get("dropped")
        if missed is not None:
            before = load.missed if load.missed is not None else 0 if load.since is not None else missed
            loss.note("tags_missed", max(0, missed - before))
            load.missed = missed
        if dropped is not None:
            self._dropped(dropped, now, load, loss)
        load.looked = now

    def _dropped(self, dropped: int, now: int, load: Load, loss: Loss) -> None:
        """So many were dropped by now: those that no gap has told of are told here, and not again by their gap."""
        if load.base is None:
            load.base = 0 if load.since is not None else dropped
        more = dropped - load.base - load.counted
        if more <= 0:
            return
        if more <= BURST + max(1, len(load.last)) * max(0, now - load.looked) // FASTEST:
            loss.note("tags_dropped", more)
            load.counted += more
            load.ahead += more
        else:
            loss.note("tags_unknown")
            load.base += more

    def _load(self, number: int, now: int, loss: Loss, *, ours: bool = False) -> Load:
        """What is known of a load; of too many, the one that came first goes."""
        found = self.loads.get(number)
        if found is None:
            loss.note("tags_unknown", bool(self.loads))
            since = self.latest or now if self.loads else now if ours else None
            found = Load(since, now if since is None else min(now, since))
            if len(self.loads) >= MAX_LOADS:
                del self.loads[next(iter(self.loads))]
            self.loads[number] = found
        return found

    def _first(self, tag: Tag, load: Load, now: int, loss: Loss) -> None:
        """The first tag of a processor."""
        if load.since is not None:
            self._jumped(tag.sequence, min(tag.nanos, now) - load.since, load, loss)
        if len(load.last) >= MAX_CPUS:
            loss.note("tags_unknown")
            load.last.clear()

    def _jumped(self, missing: int, nanos: int, load: Load, loss: Loss) -> None:
        """`missing` tags did not come within so many nanoseconds."""
        if missing > BURST + max(0, nanos) // FASTEST:
            loss.note("tags_unknown")
            return
        told = min(load.ahead, missing)
        load.ahead -= told
        load.counted += missing - told
        loss.note("tags_dropped", missing - told)
