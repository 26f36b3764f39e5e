"""What a settled application's few replicas do that the others do not.

Rules of this file
    - Pure: evidence and the passing of epochs come in, findings come out. Time is the log's.
    - An application is judged only when it is *settled*: it has been active for `settle_active`, and for `settle_quiet` of
      activity nothing new that matters has appeared, or what appeared was too little against what is known (`settle_rate`).
      The replica in question must itself have been active for `settle_active`. Once settled it stays settled, until most of
      its replicas change together (a roll-out): then it settles anew.
    - A new behaviour is judged when every worker has reported the epoch, so that what all replicas do at once is no news.
    - Judged few: at most `few` of the replicas, at least one. Weak behaviour (reading, writing one more file where many
      are known) is never a finding by itself.

Complexity: O(1) per transition that is new to a replica.
Source: issue "alerts" (novelty); Good-Turing: what has been new lately says how much new is to be expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from grammar import Replica, Transition, kind_of
from monitor.behaviour import Behaviour, Weight, behaviour_of

OPEN_DIRECTORY: Final = 3
"""Names known in one directory (or peers on one port) from which on one more is no news."""


@dataclass(frozen=True, slots=True)
class Settings:
    """When an application counts as settled, and how many replicas are few. Times in milliseconds of log time."""

    settle_active: int = 40_000
    settle_quiet: int = 20_000
    settle_rate: float = 0.02
    few: float = 0.25


@dataclass(frozen=True, slots=True)
class Finding:
    """Behaviour of one replica that `k` of `n` replicas show; `transitions` are the culprits, `behaviours` what they mean."""

    replica: Replica
    k: int
    n: int
    behaviours: tuple[Behaviour, ...]
    transitions: tuple[Transition, ...]

    @property
    def weight(self) -> Weight:
        """The weightiest behaviour."""
        return max(behaviour.what for behaviour in self.behaviours)


@dataclass(slots=True)
class Novelty:
    """The judge of one application."""

    settings: Settings = field(default_factory=Settings)
    settled: bool = False
    _who: dict[Behaviour, set[Replica]] = field(default_factory=dict)
    _siblings: dict[tuple[Weight, str, str], set[str]] = field(default_factory=dict)
    _active: dict[Replica, int] = field(default_factory=dict)
    _alive: int = 0
    _quiet: int = 0
    _pending: dict[Replica, dict[Transition, Behaviour]] = field(default_factory=dict)

    def see(self, transition: Transition, replica: Replica) -> None:
        """A transition that is new to a replica."""
        behaviour = behaviour_of(transition)
        if behaviour is not None and replica not in self._who.get(behaviour, ()):
            self._pending.setdefault(replica, {})[transition] = behaviour

    def activity(self, replica: Replica, length: int) -> None:
        """A replica did something in an epoch of that length."""
        self._active[replica] = self._active.get(replica, 0) + length

    def end(self, length: int, active: bool) -> list[Finding]:
        """Every worker has reported the epoch: judge what came in it, then learn it."""
        fresh = self._fresh()
        together = self._changing_together()
        for replica, shown in self._pending.items():
            for behaviour in shown.values():
                self._who.setdefault(behaviour, set()).add(replica)
        findings = [] if not self.settled or together else self._findings(fresh)
        for behaviour in fresh:
            where, name = _place(behaviour)
            self._siblings.setdefault(where, set()).add(name)
        self._pending.clear()
        if active:
            self._settle(length, fresh, together)
        return findings

    def _fresh(self) -> set[Behaviour]:
        """What no replica had shown before this epoch."""
        shown = {behaviour for replica in self._pending.values() for behaviour in replica.values()}
        return {behaviour for behaviour in shown if behaviour not in self._who}

    def _changing_together(self) -> bool:
        """Whether most replicas (of more than one) start to do new things in the same epoch."""
        changing = sum(1 for shown in self._pending.values() if any(b not in self._who for b in shown.values()))
        return len(self._active) > 1 and changing * 2 > len(self._active)

    def _settle(self, length: int, fresh: set[Behaviour], together: bool) -> None:
        self._alive += length
        matter = [behaviour for behaviour in fresh if self._matters(behaviour, learned=True)]
        expected = self.settings.settle_rate * len(self._who)
        noisy = together or len(matter) > expected
        if self.settled:
            self.settled = not together
            self._quiet = 0 if together else self._quiet
            return
        self._quiet = 0 if noisy else self._quiet + length
        self.settled = self._alive >= self.settings.settle_active and self._quiet >= self.settings.settle_quiet

    def _findings(self, fresh: set[Behaviour]) -> list[Finding]:
        found = []
        n = max(1, len(self._active))
        for replica, shown in sorted(self._pending.items()):
            if self._active.get(replica, 0) < self.settings.settle_active:
                continue
            news = {t: b for t, b in shown.items() if self._few(b, n)}
            if any(self._alarming(behaviour, fresh, n) for behaviour in news.values()):
                k = max(len(self._who[behaviour]) for behaviour in news.values())
                found.append(Finding(replica, k, n, tuple(sorted(set(news.values()), reverse=True)), tuple(sorted(news))))
        return found

    def _few(self, behaviour: Behaviour, n: int) -> bool:
        return len(self._who[behaviour]) <= max(1, int(self.settings.few * n))

    def _alarming(self, behaviour: Behaviour, fresh: set[Behaviour], n: int) -> bool:
        """Whether this behaviour alone is worth an alert; alone in its application, only running and connecting are."""
        if behaviour not in fresh or not self._matters(behaviour, learned=False):
            return False
        return n > 1 or behaviour.what >= Weight.CONNECTS

    def _matters(self, behaviour: Behaviour, *, learned: bool) -> bool:
        """Whether it is more than one more of a known sort."""
        where, name = _place(behaviour)
        known = self._siblings.get(where, set())
        if behaviour.what == Weight.READS:
            top = _tree(where[2])
            trees = any(_tree(other[2]) == top for other in self._siblings if other[:2] == where[:2])
            return not known and not trees
        return behaviour.what == Weight.RUNS or len(known - ({name} if learned else set())) < OPEN_DIRECTORY


def _place(behaviour: Behaviour) -> tuple[tuple[Weight, str, str], str]:
    """Where a behaviour belongs with its siblings: (what, who, directory or port), and its name there."""
    what, who, whom = behaviour
    rest = whom.partition(" ")[2]
    if kind_of(whom) == "Socket":
        host, _, port = rest.rpartition(":")
        return (what, who, f":{port}"), host
    if what == Weight.RUNS:
        return (what, who, ""), rest
    directory, _, name = rest.rpartition("/")
    return (what, who, directory), name


def _tree(directory: str) -> str:
    """The first two components of a directory."""
    return "/".join(directory.split("/")[:3])
