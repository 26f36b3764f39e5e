"""Matches that the instances did not bear out, and that later ones may: a model has no news when its states recur.

Rules of this file
    - `/srv/{int}/x` is one state, whoever opens which of its files: that 7 is opened after 8 is nothing new. So a match
      that was not seen is looked at again where its states, or edges between old vertices, have come again.
    - Looking is not for nothing: at most once in `SOONEST`, then ever more rarely, up to `LATEST` of log time.
    - Bounded: of more than `MAX_WATCHED` the oldest goes, and is counted.

Complexity: `stir` a few set operations in C for each match that is watched in a container with new rows.
Source: issue "policies and questions", item 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.upg import Scope
from grammar.control import Question
from policies.policy import Policy

MAX_WATCHED: Final = 256
SOONEST: Final = 5_000
LATEST: Final = 60_000
Key = tuple[str, str, tuple[str, str]]
"""Policy, container, labels at the ends."""


class Stirring(Protocol):
    """The local store (`agent.instances.Instances`)."""

    def stirred(self, scope: Scope, states: frozenset[int], /) -> tuple[bool, bool]:
        """Whether vertices of these states are new since the last cut; whether edges between old vertices are."""


@dataclass(slots=True)
class Watched:
    """One match; `numbers` are its states, `since` the log time from which on nobody has looked.

    `dirty`: something has happened; `whole`: perhaps between vertices that are older than `since`.
    """

    policy: Policy
    scope: Scope
    key: Key
    question: Question
    numbers: frozenset[int]
    since: int
    pause: int = SOONEST
    next: int = 0
    dirty: bool = False
    whole: bool = False


@dataclass(slots=True)
class Watches:
    """All matches that are watched, oldest first; `dropped` counts those that there was no room for."""

    dropped: int = 0
    _by_key: dict[Key, Watched] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, one: Watched) -> None:
        """Watch it from now on; one that is watched already has been looked at now."""
        known = self._by_key.pop(one.key, None)
        if known is not None and known.scope is one.scope:
            one.pause = known.pause
        elif len(self._by_key) >= MAX_WATCHED:
            del self._by_key[next(iter(self._by_key))]
            self.dropped += 1
        one.next = one.since + one.pause
        self._by_key[one.key] = one

    def keep(self, queries: set[int]) -> None:
        """Only those of these policies (by the identity of the query)."""
        self._by_key = {key: one for key, one in self._by_key.items() if id(one.policy.query) in queries}

    def retire(self, scopes: Iterable[Scope]) -> None:
        """Only those in these scopes: the others have ended."""
        there = {id(scope) for scope in scopes}
        self._by_key = {key: one for key, one in self._by_key.items() if id(one.scope) in there}

    def stir(self, scopes: Iterable[Scope], store: Stirring) -> None:
        """What these scopes have done since the last cut."""
        if not self._by_key:
            return
        busy = {id(scope) for scope in scopes}
        for one in self._by_key.values():
            if id(one.scope) in busy:
                states, edges = store.stirred(one.scope, one.numbers)
                one.dirty |= states or edges
                one.whole |= edges

    def due(self, now: int) -> Iterator[Watched]:
        """Those to look at, as of this log time; clocks may step back."""
        for one in list(self._by_key.values()):
            if one.dirty and not one.next - LATEST <= now < one.next:
                yield one

    def looked(self, one: Watched, now: int, *, seen: bool) -> None:
        """Somebody has."""
        if seen:
            self._by_key.pop(one.key, None)
            return
        one.dirty = one.whole = False
        one.since, one.pause = now, min(LATEST, 2 * one.pause)
        one.next = now + one.pause
