"""What one agent may add: a worker that floods costs its own detail, not the monitor.

Rules of this file
    - Pure. `objection` says why an envelope is refused whole; `admitted` gives the part of a delta that there is room
      for, and how much was cut: what a replica has shown already, and words that are known, need none.
    - The same evidence gives the same model only as long as nothing is cut; what is cut is counted (`model_limit`).

Complexity: O(sightings) while there is room for all of it, else O(items of the delta).
Source: issue "live monitor" (a worker that floods with new behaviour: bounded, counted, alerted).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from grammar import Delta, Envelope, Evidence, Item, Lexicon, Replica, Sighting, State, Transition

LATEST: Final = 1 << 52
"""Times and counts beyond this are nonsense (and a double holds it exactly)."""
LONGEST: Final = 86_400_000
"""No epoch is longer than a day."""
MAX_NAME: Final = 1_024
MAX_TAG: Final = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """Items (states and transitions) per replica, per application, and new ones per worker and minute; the rest is how
    many applications there may be, and for each agent lanes, containers, causes of loss and portions in an envelope.
    """

    replica_items: int = 50_000
    app_items: int = 500_000
    minute_items: int = 50_000
    apps: int = 2_000
    lanes: int = 2_000
    containers: int = 5_000
    causes: int = 64
    portions: int = 2_048
    patterns: int = 10_000


def objection(envelope: Envelope, limits: Limits) -> str:
    """Why an envelope cannot be taken; nothing if it can."""
    if len(envelope.session) > MAX_TAG or len(envelope.before) > MAX_TAG:
        return "session or hash too long"
    if len(envelope.agent) > 256 or len(envelope.lane) > MAX_NAME:
        return "name too long"
    if envelope.start > LATEST or envelope.length > LONGEST or envelope.sequence > LATEST:
        return "times or numbers that cannot be"
    if len(envelope.deltas) > limits.portions or len(envelope.active) > 4 * limits.containers:
        return "too many parts"
    if any(len(app) > MAX_NAME for app, _ in envelope.deltas):
        return "name of an application too long"
    return ""


@dataclass(slots=True)
class Meter:
    """New items by worker in the minute that `since` began; time is the monitor's, in seconds."""

    limits: Limits
    _since: dict[str, float] = field(default_factory=dict)
    _spent: dict[str, int] = field(default_factory=dict)

    def room(self, worker: str, now: float | None) -> int:
        """How many new items a worker may still show in this minute; without a clock there is no such limit."""
        if now is None:
            return self.limits.app_items
        if now - self._since.get(worker, float("-inf")) >= 60:
            self._since[worker], self._spent[worker] = now, 0
        return max(0, self.limits.minute_items - self._spent[worker])

    def spend(self, worker: str, items: int) -> None:
        """So many were taken."""
        if worker in self._spent:
            self._spent[worker] += items


@dataclass(slots=True)
class Room:
    """What an application has, and how much more each replica (and its worker, and the application) may add."""

    evidence: Evidence
    lexicon: Lexicon
    of: Callable[[Replica], int]
    worker: int
    words: int
    patterns: int
    _left: dict[Replica, int] = field(default_factory=dict)

    def admitted(self, delta: Delta, worker: str) -> tuple[Delta, int]:
        """The delta, or the part of it that there is room for, and how many items, commands and patterns were cut."""
        if self._fits(delta, worker):
            return delta, 0
        sightings, kept, cut = [], set[State](), 0
        for sighting in delta.sightings:
            part = self._part(sighting, Replica(worker, sighting.container))
            sightings.append(part)
            cut += _size(sighting) - _size(part)
            kept.update(part.states, (end for one in part.transitions for end in (one.effect, one.cause)))
        known: Mapping[State, int] = self.lexicon.state_number
        commands = {state: told for state, told in delta.commands.items() if state in known or state in kept}
        learned = delta.learned[: max(0, self.patterns)]
        cut += len(delta.commands) - len(commands) + len(delta.learned) - len(learned)
        return Delta(tuple(one for one in sightings if _size(one)), commands, learned), cut

    def _fits(self, delta: Delta, worker: str) -> bool:
        items = sum(map(_size, delta.sightings))
        if items > self.worker or 3 * items + len(delta.commands) > self.words or len(delta.learned) > self.patterns:
            return False
        return all(_size(one) <= self.of(Replica(worker, one.container)) for one in delta.sightings)

    def _part(self, one: Sighting, replica: Replica) -> Sighting:
        transitions = tuple(item for item in one.transitions if self._takes(item, replica))
        states = tuple(item for item in one.states if self._takes(item, replica))
        levels = tuple(pair for pair in one.levels if self._takes(pair[0], replica))
        return replace(one, transitions=transitions, states=states, levels=levels)

    def _takes(self, item: Item, replica: Replica) -> bool:
        if replica in self.evidence.seen.get(item, ()):
            return True
        left = self._left.setdefault(replica, self.of(replica))
        words = self._words(item)
        if left <= 0 or self.worker <= 0 or words > self.words:
            return False
        self._left[replica] = left - 1
        self.worker -= 1
        self.words -= words
        return True

    def _words(self, item: Item) -> int:
        if isinstance(item, Transition):
            if item in self.lexicon.transition_number:
                return 0
            return 1 + sum(end not in self.lexicon.state_number for end in (item.effect, item.cause))
        return int(item not in self.lexicon.state_number)


def _size(one: Sighting) -> int:
    return len(one.transitions) + len(one.states) + len(one.levels)
