"""Policies at the worker: evaluated on what an epoch adds to its own graphs, and held against the real instances.

Rules of this file
    - The worker's answer travels with the epoch (`grammar.finding`): an alert needs no round trip. The monitor
      evaluates the same policies on the same news; a finding says which of its matches are real.
    - A policy that cannot be read here is left out, and said once in the log; the others go on. So is one that runs
      into its limits, or fails: its findings are missing, and the monitor asks.
    - A match that has been found real is told once. One that has not is watched (`agent.watched`): later instances of
      the same states are no news to any model.
    - What is told of one epoch is bounded (`MAX_FINDINGS`, `MAX_TEXT`), and so is the time that it takes (`within`) and
      how often the store is asked for it (`MAX_CONFIRMED`): the monitor asks for what is missing.
    - Nothing here is memory: graphs are made anew from scopes, at most `MAX_GRAPHS` are held.

Complexity: what the policies cost where they touch news (`policies.deeds`), and one look into the store for each
policy that matches in a container.
Source: issue "policies and questions", items 3 and 5.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from agent.confirm import MAX_STATES, Real, Store, real_matches
from agent.policy_graph import Properties, ScopeGraph
from agent.segments import sendable
from agent.upg import Scope
from agent.watched import Stirring, Watched, Watches
from grammar import InputError, Sighting
from grammar.control import Question
from grammar.finding import MAX_FINDINGS, Finding, Instance, Verdict
from policies.deeds import FAILED, deeds, near
from policies.graph import Meaning
from policies.limits import Limits, Match
from policies.policy import Policy, parse_policy
from policies.reach import Shape, shape_of

if TYPE_CHECKING:
    from agent.epochs import Epoch
    from agent.node import Node

MAX_GRAPHS: Final = 256
MAX_CONFIRMED: Final = 16
"""Looks into the store for one epoch, and as many again at what is watched."""
MAX_TOLD: Final = 4_096
MAX_TEXT: Final = 256 << 10
"""Characters in the findings of one epoch."""
SHORT: Final = 1_000
"""Characters of a name or a command line in a finding."""
WITHIN: Final = 1.0
"""Seconds for the policies of one epoch, live."""
NEAREST: Final = 3_000
"""Instances that are looked at here; the monitor can ask for more."""
LOOK: Final = 0.15
"""Share of that for one look into the store."""
COUNTED: Final = ("cut", "failed", "late", "looked", "found")
LIMITS: Final = Limits(rows=10_000, steps=200_000)

_log = logging.getLogger("agent.police")


class Said(NamedTuple):
    """What the instances say of a match: when it was news, and who shows it."""

    verdict: Verdict
    at: int
    instances: tuple[Instance, ...]


class Local(Store, Stirring, Protocol):
    """The local store as it is used here (`agent.instances.Instances`)."""

    def still(self) -> Store:
        """As it is now, for several questions."""


@dataclass(slots=True)
class _Round:
    """One epoch being judged: what has been found in it, and what is left of its limits."""

    start: int
    store: Local | None
    deadline: float
    within: float
    found: list[Finding] = field(default_factory=list)
    looks: int = MAX_CONFIRMED
    room: int = MAX_TEXT
    _still: Store | None = None

    @property
    def left(self) -> float:
        """Seconds."""
        return self.deadline - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether there is no more room for a finding, or no time."""
        return self.store is None or self.looks <= 0 or len(self.found) >= MAX_FINDINGS or self.left <= 0

    def look(self, policy: Policy, question: Question) -> Real:
        """What the instances say; one of the looks."""
        assert self.store is not None
        self.looks -= 1
        if self._still is None:
            self._still = self.store.still()
        return real_matches(self._still, policy.query, question, min(self.left, LOOK * self.within), NEAREST)

    def tell(self, finding: Finding) -> bool:
        """Add a finding; False if there is no room for it."""
        size = sum(map(len, finding.ends)) + sum(len(f"{i.label}{i.name}{i.command}") for i in finding.instances)
        if len(self.found) >= MAX_FINDINGS or size > self.room:
            return False
        self.room -= size
        self.found.append(finding)
        return True


@dataclass(slots=True)
class Police:
    """The policies that a worker goes by; `within` seconds for one epoch.

    `counts`: evaluations cut by a limit, failed ones, epochs that took too long, looks into the store, findings.
    """

    policies: tuple[Policy, ...] = ()
    within: float = WITHIN
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    watches: Watches = field(default_factory=Watches)
    _texts: dict[tuple[str, str], Policy | None] = field(default_factory=dict)
    _of: dict[str, tuple[Policy, ...]] = field(default_factory=dict)
    _failed: set[int] = field(default_factory=set)
    _graphs: OrderedDict[str, tuple[Scope, ScopeGraph]] = field(default_factory=OrderedDict)
    _properties: dict[str, Properties] = field(default_factory=dict)
    _told: dict[tuple[str, str, tuple[str, str]], None] = field(default_factory=dict)

    def obey(self, texts: tuple[tuple[str, str], ...]) -> None:
        """Go by these policies, as (file name, text), from here on; those that are known are not read again."""
        if list(texts) == list(self._texts):
            return
        self._texts = {one: self._texts[one] if one in self._texts else _read(*one) for one in texts}
        self.policies = tuple(one for one in self._texts.values() if one is not None)
        self.watches.keep({id(one.query) for one in self.policies})
        self._failed.clear()
        self._of.clear()

    def judge(self, node: Node, epoch: Epoch, store: Local | None) -> tuple[Finding, ...]:
        """What the policies find in what an epoch has told. After the epoch is cut; quick without news."""
        if not self.policies:
            return ()
        now = _Round(epoch.start, store, time.monotonic() + self.within, self.within)
        self._tidy(node)
        told = {(app, one.container): one for app, delta in epoch.deltas.items() for one in delta.sightings}
        busy = dict.fromkeys([*(container for _, container in told), *(container for container, _ in epoch.active)])
        if store is not None:
            self.watches.stir((node.scopes[one] for one in busy if one in node.scopes), store)
        for container in busy:
            scope = node.scopes.get(container)
            if scope is not None and not now.over:
                self._judge(scope, told.get((scope.app, container)), now)
        if store is not None:
            now.looks = MAX_CONFIRMED
            self._look_again(now)
        self.counts["found"] += len(now.found)
        self.counts["late"] += now.left <= 0
        return tuple(now.found)

    def _judge(self, scope: Scope, sighting: Sighting | None, now: _Round) -> None:
        """One container."""
        policies = self._of.get(scope.app)
        if policies is None:
            policies = self._of[scope.app] = tuple(one for one in self.policies if one.applies_to(scope.app))
        if not policies:
            return
        graph, touched = self._grown(scope, sighting)
        at = now.start + (sighting.last if sighting is not None else 0)
        for policy, matches in self._matches(policies, graph, touched, now) if touched else ():
            if now.over:
                return
            self._hold(policy, graph, matches, now, at)

    def _grown(self, scope: Scope, sighting: Sighting | None) -> tuple[ScopeGraph, frozenset[str]]:
        """The scope's graph with what is new, and the nodes that this touches."""
        kept = self._graphs.pop(scope.container, None)
        touched: set[int] = set()
        if kept is None or kept[0] is not scope:
            properties = self._properties.get(scope.app)
            if properties is None or properties.states is not scope.states:
                properties = self._properties[scope.app] = Properties(scope.states)
            graph = ScopeGraph(scope, properties)
        else:
            graph = kept[1]
            if sighting is not None or len(scope.seen) > len(graph.known):
                fresh = scope.seen - graph.known  # more than was told: what learned patterns cover is no news
                touched.update(end for effect, _, cause in fresh for end in (effect, cause))
                graph.grow(fresh)
        self._graphs[scope.container] = scope, graph
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)
        if sighting is not None:
            ends = {end for one in sighting.transitions for end in (one.effect, one.cause)} | set(sighting.states)
            numbers = scope.states.number_of
            touched.update(numbers[key] for one in ends if (key := (one.label, one.context)) in numbers)
            graph.grow((), touched)
        return graph, frozenset(map(str, touched))

    def _matches(
        self, policies: Sequence[Policy], graph: ScopeGraph, touched: frozenset[str], now: _Round
    ) -> Iterator[tuple[Policy, list[Match]]]:
        """The policies that match, with what of it has not been told."""
        where, around = graph.scope.container, near(touched, len(graph))
        for policy in policies:
            if now.left <= 0:
                self.counts["cut"] += 1
                return
            shape, limits = shape_of(policy.query), replace(LIMITS, seconds=now.left)
            found = deeds(shape, graph, around, Meaning.INSTANCES, limits=limits, clock=time.monotonic)
            if found.trouble:
                self._trouble(policy, found.trouble)
            fresh = [one for one in found.matches if (policy.id, where, shape.ends(one, graph.label)) not in self._told]
            if fresh:
                yield policy, fresh

    def _hold(self, policy: Policy, graph: ScopeGraph, matches: Sequence[Match], now: _Round, at: int) -> None:
        """Hold the matches of one policy in one scope, each once, against the instances.

        What is new comes first. All instances are looked at for what was not seen so; where
        a match hangs together, all of one of its states: the rarest, for a busy program has thousands.
        """
        shape = shape_of(policy.query)
        by_ends: dict[tuple[str, str], list[Match]] = {}
        for match in matches:
            by_ends.setdefault(shape.ends(match, graph.label), []).append(match)
        if shape.positive:
            real = self._look(policy, _about(shape, graph, matches), now, now.start)
            for ends in list(by_ends):
                verdict, shown = real.verdict(ends)
                if verdict == "seen":
                    del by_ends[ends]
                    self._found(policy, graph.scope, ends, now, Said(verdict, at, shown))
        if by_ends and not now.over:
            rest = [match for group in by_ends.values() for match in group]
            real = self._look(policy, _about(shape, graph, rest), now)
            for ends, group in by_ends.items():
                sure = any(one.certain for one in group)
                verdict, shown = real.verdict(ends, proven=sure)
                if verdict != "seen" and (sure or (verdict == "open" and not real.whole)):
                    continue  # it is told anyway; or the monitor asks: then there is more time
                self._found(policy, graph.scope, ends, now, Said(verdict, at, shown))
                if verdict != "seen":
                    key = (policy.id, graph.scope.container, ends)
                    numbers = frozenset(graph.number(node) for match in group for node in match.nodes)
                    self.watches.add(Watched(policy, graph.scope, key, _question(graph, group), numbers, now.start))

    def _look(self, policy: Policy, question: Question, now: _Round, since: int = 0) -> Real:
        self.counts["looked"] += 1
        return now.look(policy, msgspec.structs.replace(question, since=max(0, since)))

    def _found(self, policy: Policy, scope: Scope, ends: tuple[str, str], now: _Round, said: Said) -> None:
        """Tell it; what was seen, once."""
        plain = sendable(ends[0]), sendable(ends[1])
        told = now.tell(
            Finding(policy.id, scope.app, scope.container, plain, said.verdict, said.at, _short(said.instances))
        )
        if told and said.verdict == "seen":
            self._tell((policy.id, scope.container, ends))

    def _look_again(self, now: _Round) -> None:
        """At what was not seen when the model had it, where more of the same has happened."""
        for one in self.watches.due(now.start):
            if now.over:
                return
            since = one.since if shape_of(one.policy.query).positive and not one.whole else 0
            verdict, shown = self._look(one.policy, one.question, now, since).verdict(one.key[2])
            self.watches.looked(one, now.start, seen=verdict == "seen")
            if verdict == "seen" and one.key not in self._told:
                self._found(one.policy, one.scope, one.key[2], now, Said(verdict, now.start, shown))

    def _tidy(self, node: Node) -> None:
        """Containers that have ended, and applications of which none is left, take no room."""
        gone = [container for container, (scope, _) in self._graphs.items() if node.scopes.get(container) is not scope]
        for container in gone:
            del self._graphs[container]
        if gone:
            self.watches.retire(scope for scope in node.scopes.values())
            self._properties = {app: one for app, one in self._properties.items() if app in node.states}
            self._of.clear()

    def _trouble(self, policy: Policy, what: str) -> None:
        if what == FAILED and id(policy.query) not in self._failed:
            self._failed.add(id(policy.query))
            _log.error("a policy fails here", extra={"policy": policy.id})
        self.counts["failed" if what == FAILED else "cut"] += 1

    def _tell(self, key: tuple[str, str, tuple[str, str]]) -> None:
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[key] = None


def _read(file: str, text: str) -> Policy | None:
    try:
        return parse_policy(text, file)
    except InputError as error:
        _log.error("a policy cannot be read", extra={"file": file, "reason": str(error)})
        return None


def _about(shape: Shape, graph: ScopeGraph, matches: Iterable[Match]) -> Question:
    """A question that finds every real match of these: it has a vertex of each state, so one of the rarest."""
    if shape.grouped or not shape.connected:
        return _question(graph, matches)
    counts = graph.scope.counts

    def often(node: str) -> tuple[int, str]:
        return counts.get(graph.number(node), 0), node

    return _question(graph, [replace(one, nodes=(min(one.nodes, key=often),)) for one in matches])


def _question(graph: ScopeGraph, matches: Iterable[Match]) -> Question:
    """About the instances of the states in some matches; of too many, one more than are looked at."""
    nodes = dict.fromkeys(node for match in matches for node in match.nodes)
    states = [graph.state(node) for node in nodes][: MAX_STATES + 1]
    plain = tuple((sendable(label), tuple(map(sendable, context))) for label, context in states)
    return Question(b"", sendable(graph.scope.app), plain, container=graph.scope.container)


def _short(shown: Sequence[Instance]) -> tuple[Instance, ...]:
    """Names and command lines may be long; a finding is not."""
    return tuple(msgspec.structs.replace(one, name=one.name[:SHORT], command=one.command[:SHORT]) for one in shown)
