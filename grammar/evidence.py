"""Evidence: the grow-only set of what replicas have been seen to do.

Rules of this file
    - A state is a label and its context; a transition is (effect state, relation, operation, cause state). Both are
      values made of text, so that the same behaviour is the same value on every worker.
    - Evidence says who has shown which state or transition, and between which times. Merging is a union with the
      earliest first and the latest last time: commutative, associative, idempotent (design promise 3). Nothing is ever
      removed.
    - A delta is evidence too: what an epoch adds.

Invariant: `a | (b - a)` shows the same items and replicas as `a | b`; `not (a - a)`.
Complexity: `update` O(other); `|` O(both); `-` and `<=` O(left side); `latest` and `since` O(all).
Source: design section 3, promises 3 and 4; state-based grow-only sets (Shapiro et al., CRDTs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class State(NamedTuple):
    """A label (`File /etc/shadow`) in a context: programs descended from, execution unit, the version's first cause."""

    label: str
    context: tuple[str, ...] = ()


class Transition(NamedTuple):
    """An edge between states, from effect to cause."""

    effect: State
    relation: str
    operation: str
    cause: State


class Replica(NamedTuple):
    """One container of an application on one worker."""

    worker: str
    container: str


class Span(NamedTuple):
    """Log time in milliseconds: start of the first and of the last epoch in which something new was reported.

    `level` says how often a state was seen: at least `2 ** level` times. Levels join by the higher one, so that what is
    told twice counts once.
    """

    first: int
    last: int
    level: int = 0

    def joined(self, other: Span) -> Span:
        """The span that covers both."""
        return Span(
            self.first if self.first < other.first else other.first,
            self.last if self.last > other.last else other.last,
            self.level if self.level > other.level else other.level,
        )


Item = State | Transition
Sightings = dict[Item, dict[Replica, Span]]


@dataclass(slots=True)
class Evidence:
    """Who has shown what. `commands` holds one example command line per state, `learned` the patterns of thresholds."""

    seen: Sightings = field(default_factory=dict)
    commands: dict[State, str] = field(default_factory=dict)
    learned: set[str] = field(default_factory=set)

    def add(self, item: Item, replica: Replica, span: Span) -> bool:
        """Note one sighting; True if this replica had not shown the item before."""
        replicas = self.seen.setdefault(item, {})
        before = replicas.get(replica)
        replicas[replica] = span if before is None else before.joined(span)
        return before is None

    def command(self, state: State, command: str) -> None:
        """Offer an example command line: the smallest is kept, whatever the order of arrival."""
        before = self.commands.get(state)
        if before is None or command < before:
            self.commands[state] = command

    def update(self, other: Evidence) -> None:
        """Take in other evidence; doing it twice changes nothing."""
        seen = self.seen
        for item, replicas in other.seen.items():
            held = seen.get(item)
            if held is None:
                seen[item] = dict(replicas)
            else:
                join(held, replicas)
        for state, command in other.commands.items():
            self.command(state, command)
        self.learned |= other.learned

    def __or__(self, other: Evidence) -> Evidence:
        merged = Evidence()
        merged.update(self)
        merged.update(other)
        return merged

    def __sub__(self, other: Evidence) -> Evidence:
        """What this evidence has that `other` lacks: items and replicas, whatever their times."""
        rest = Evidence(learned=self.learned - other.learned)
        for item, replicas in self.seen.items():
            known = other.seen.get(item, {})
            for replica, span in replicas.items():
                if replica not in known:
                    rest.add(item, replica, span)
        rest.commands = {s: c for s, c in self.commands.items() if other.commands.get(s, c + "\0") > c}
        return rest

    def __le__(self, other: Evidence) -> bool:
        """Whether `other` already covers all of this."""
        return not (self - other)

    def __bool__(self) -> bool:
        return bool(self.seen or self.commands or self.learned)

    @property
    def latest(self) -> int:
        """When anything was told last; 0 if nothing was."""
        return max((span.last for held in self.seen.values() for span in held.values()), default=0)

    def since(self, millis: int) -> Evidence:
        """What has been told at `millis` or later, and by whom: the rest has been unseen for long.

        That ageing is a function of the evidence, too. It needs agents that tell again now and then what still goes on.
        """
        recent: Sightings = {}
        for item, replicas in self.seen.items():
            held = {replica: span for replica, span in replicas.items() if span.last >= millis}
            if held:
                recent[item] = held
        return Evidence(recent, dict(self.commands), set(self.learned))

    @property
    def states(self) -> set[State]:
        """Every state that is seen itself or in a transition."""
        return set(_states(self.seen))

    @property
    def transitions(self) -> list[Transition]:
        """Every transition, in canonical order."""
        return sorted(item for item in self.seen if isinstance(item, Transition))

    @property
    def replicas(self) -> set[Replica]:
        """Every replica that has shown anything."""
        return {replica for replicas in self.seen.values() for replica in replicas}


def join(held: dict[Replica, Span], replicas: Mapping[Replica, Span]) -> None:
    """Take in who else has shown an item, and when."""
    if held.keys().isdisjoint(replicas):
        held.update(replicas)
        return
    for replica, span in replicas.items():
        before = held.get(replica)
        if before is None:
            held[replica] = span
        elif before != span:
            held[replica] = before.joined(span)


def _states(items: Iterable[Item]) -> Iterator[State]:
    for item in items:
        if isinstance(item, Transition):
            yield item.effect
            yield item.cause
        else:
            yield item
