"""What a settled application's few replicas do that the others do not.

Rules of this file
    - Pure: evidence and the passing of epochs come in, findings come out. Time is the log's.
    - An application is judged only when it is *settled*: it has been active for `settle_active`, and for `settle_quiet`
      of activity nothing new that matters has appeared, or what appeared was too little against what is known
      (`settle_rate`). The replica in question must itself have been active for `settle_active`. Once settled it stays
      settled, until most of its replicas start together to do things that matter (a roll-out): then it settles anew.
    - A new behaviour is judged when every worker has reported the epoch, so that what all replicas do at once is no
      news. What has alarmed once alarms again in each further replica, as long as they are few.
    - Judged few: at most `few` of the replicas, at least one. Weak behaviour (one more file where many are known, a
      file in a part of the file system that the program writes anyway) is never a finding by itself. A replica
      without peers cannot be told from them: there only a connection to another host alarms, and a program that never
      ran another.

Complexity: O(1) per transition that is new to a replica; memory O(behaviours known).
Source: issue "alerts" (novelty); Good-Turing: what has been new lately says how much new is to be expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from grammar import Pattern, Replica, Transition, kind_of
from monitor.behaviour import Behaviour, Weight, behaviour_of, program

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
    """Behaviour of one replica: `transitions` are the culprits, `behaviours` what they mean, the weightiest first.

    Of the `n` replicas, `k` show what alarms in it (the most widely shared of it).
    """

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
    """The judge of one application: `alive` and `quiet` say how long it has been active, and how long without news."""

    settings: Settings = field(default_factory=Settings)
    settled: bool = False
    alive: int = 0
    quiet: int = 0
    active: dict[Replica, int] = field(default_factory=dict)
    _who: dict[Behaviour, set[Replica]] = field(default_factory=dict)
    _siblings: dict[tuple[Weight, str, str], set[str]] = field(default_factory=dict)
    _trees: dict[tuple[Weight, str], set[str]] = field(default_factory=dict)
    _programs: set[str] = field(default_factory=set)
    _alarmed: set[Behaviour] = field(default_factory=set)
    _pending: dict[Replica, dict[Transition, Behaviour]] = field(default_factory=dict)

    def know(self, transition: Transition, replica: Replica) -> None:
        """A transition that a replica had shown before this judge was made."""
        behaviour = behaviour_of(transition)
        if behaviour is not None:
            self._who.setdefault(behaviour, set()).add(replica)
            self._learn(behaviour)

    def see(self, transition: Transition, replica: Replica) -> None:
        """A transition that is new to a replica."""
        behaviour = behaviour_of(transition)
        if behaviour is not None and replica not in self._who.get(behaviour, ()):
            self._pending.setdefault(replica, {})[transition] = behaviour

    @property
    def pending(self) -> bool:
        """Whether anything waits to be judged."""
        return bool(self._pending)

    def activity(self, replica: Replica, length: int) -> None:
        """A replica did something in an epoch of that length."""
        self.active[replica] = self.active.get(replica, 0) + length

    def end(self, length: int, active: bool) -> list[Finding]:
        """Every worker has reported the epoch: judge what came in it, then learn it."""
        for shown in self._pending.values():
            for behaviour in shown.values():
                self._inherit(behaviour)
        fresh = self._fresh()
        alarming = {behaviour for behaviour in fresh if self._alarming(behaviour)}
        together = self._changing_together(alarming)
        for replica, shown in self._pending.items():
            for behaviour in shown.values():
                self._who.setdefault(behaviour, set()).add(replica)
        findings = [] if not self.settled or together else self._findings(alarming | self._alarmed)
        for behaviour in fresh:
            self._learn(behaviour)
        self._pending.clear()
        if active:
            self._settle(length, fresh, together)
        return findings

    def _inherit(self, behaviour: Behaviour) -> None:
        """A name that has become a pattern is as well known as the names that it stands for."""
        where, name = _place(behaviour)
        if behaviour in self._who or "{" not in name or behaviour.what > Weight.WRITES:
            return
        pattern, stem = Pattern.parse(name), behaviour.whom[: len(behaviour.whom) - len(name)]
        for sibling in self._siblings.get(where, ()):
            known = self._who.get(Behaviour(behaviour.what, behaviour.who, stem + sibling))
            if known and pattern.matches(sibling):
                self._who.setdefault(behaviour, set()).update(known)

    def _fresh(self) -> set[Behaviour]:
        """What no replica had shown before this epoch."""
        shown = {behaviour for replica in self._pending.values() for behaviour in replica.values()}
        return {behaviour for behaviour in shown if behaviour not in self._who}

    def _learn(self, behaviour: Behaviour) -> None:
        where, name = _place(behaviour)
        self._siblings.setdefault(where, set()).add(name)
        self._programs.add(program(where[1]))
        if behaviour.what <= Weight.WRITES:
            self._trees.setdefault((where[0], where[1]), set()).add(_tree(where[2]))
            if behaviour.what == Weight.WRITES:
                self._trees.setdefault((Weight.WRITES, program(where[1])), set()).add(_tree(where[2]))

    def _changing_together(self, alarming: set[Behaviour]) -> bool:
        """Whether most replicas (of more than one) start in the same epoch to do new things that matter."""
        changing = sum(1 for shown in self._pending.values() if not alarming.isdisjoint(shown.values()))
        return len(self.active) > 1 and changing * 2 > len(self.active)

    def _settle(self, length: int, fresh: set[Behaviour], together: bool) -> None:
        self.alive += length
        matter = [behaviour for behaviour in fresh if self._matters(behaviour, learned=True)]
        expected = self.settings.settle_rate * len(self._who)
        noisy = together or len(matter) > expected
        if self.settled:
            self.settled = not together
            self.quiet = 0 if together else self.quiet
            return
        self.quiet = 0 if noisy else self.quiet + length
        self.settled = self.alive >= self.settings.settle_active and self.quiet >= self.settings.settle_quiet

    def _findings(self, alarming: set[Behaviour]) -> list[Finding]:
        found = []
        n = max(1, len(self.active))
        for replica, shown in sorted(self._pending.items()):
            if self.active.get(replica, 0) < self.settings.settle_active:
                continue
            news = {t: b for t, b in shown.items() if self._few(b, n)}
            alarms = alarming.intersection(news.values())
            if alarms:
                self._alarmed |= alarms
                k = max(len(self._who[behaviour]) for behaviour in alarms)
                behaviours = tuple(sorted(set(news.values()), reverse=True))
                found.append(Finding(replica, k, max(n, k), behaviours, tuple(sorted(news))))
        return found

    def _few(self, behaviour: Behaviour, n: int) -> bool:
        return len(self._who[behaviour]) <= max(1, int(self.settings.few * n))

    def _alarming(self, behaviour: Behaviour) -> bool:
        """Whether this fresh behaviour is worth an alert.

        Alone in its application: a connection to another host, or a known program that runs another for the first time.
        """
        if not self._matters(behaviour, learned=False):
            return False
        if len(self.active) > 1:
            return True
        if behaviour.what == Weight.RUNS:  # what an administrator runs is run by programs that are new themselves
            return behaviour.who in self._programs and not self._siblings.get(_place(behaviour)[0])
        return behaviour.what == Weight.CONNECTS and not behaviour.whom.startswith(("Socket /", "Socket @"))

    def _matters(self, behaviour: Behaviour, *, learned: bool) -> bool:
        """Whether it is more than one more of a known sort."""
        where, name = _place(behaviour)
        known = self._siblings.get(where, set()) - ({name} if learned else set())
        if behaviour.what == Weight.READS:
            return not known and not self._at_home(Weight.READS, where[1], where[2]) and not self._owns(where)
        if behaviour.what == Weight.WRITES:
            return len(known) < OPEN_DIRECTORY and (_sensitive(where[2]) or not self._owns(where))
        return behaviour.what == Weight.RUNS or len(known) < OPEN_DIRECTORY

    def _owns(self, where: tuple[Weight, str, str]) -> bool:
        """Whether the program, serving or not, has written in that part of the file system before."""
        return self._at_home(Weight.WRITES, program(where[1]), where[2])

    def _at_home(self, what: Weight, who: str, directory: str) -> bool:
        here = _tree(directory)
        trees = self._trees.get((what, who), set())
        return any(one == here or one.startswith(f"{here}/") or here.startswith(f"{one}/") for one in trees)


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


_SENSITIVE: Final = ("/etc", "/bin", "/sbin", "/lib", "/usr", "/root", "/boot", "/var/spool/cron")
"""Where one more name is always news: programs, configuration, keys, start-up."""


def _sensitive(directory: str) -> bool:
    return any(directory == one or directory.startswith(f"{one}/") for one in _SENSITIVE) or "/." in directory


def _tree(directory: str) -> str:
    """The first two components of a directory."""
    return "/".join(directory.split("/")[:3])
