"""Policies at the worker: evaluated on what an epoch adds to its own graphs, and held against the real instances.

Rules of this file
    - The worker's answer travels with the epoch (`grammar.finding`): an alert needs no round trip. The monitor
      evaluates the same policies on the same news; a finding says which of its matches are real.
    - A policy that cannot be read here is left out, and said once in the log; the others go on. So is one that runs
      into its limits: its findings are missing, and the monitor asks.
    - A match that has been found real is told once. What is told of one epoch is bounded (`MAX_FINDINGS`), and so is
      how often the store is asked for it (`MAX_CONFIRMED`): the monitor asks for what is missing.
    - Nothing here is memory: graphs are made anew from scopes, at most `MAX_GRAPHS` are held.

Complexity: what the policies cost where they touch news (`policies.evaluate`), and one look into the store for each
policy that matches in a container.
Source: issue "policies and questions", items 3 and 5.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent.confirm import Store, real_matches
from agent.policy_graph import Properties, ScopeGraph
from agent.upg import Scope
from grammar import InputError, Sighting
from grammar.control import Question
from grammar.finding import MAX_FINDINGS, Finding
from policies.evaluate import evaluate
from policies.graph import Meaning
from policies.limits import LimitError, Limits, Match
from policies.policy import Policy, parse_policy

if TYPE_CHECKING:
    from agent.epochs import Epoch
    from agent.node import Node

MAX_GRAPHS: Final = 256
MAX_CONFIRMED: Final = 16
"""Looks into the store for one epoch."""
MAX_TOLD: Final = 4_096
MAX_STATES: Final = 500
WITHIN: Final = 0.5
"""Seconds for one look into the store, live."""
LIMITS: Final = Limits(rows=1_000, steps=200_000)

_log = logging.getLogger("agent.police")


@dataclass(slots=True)
class Police:
    """The policies that a worker goes by; `within` seconds for one look into the store.

    `counts`: evaluations cut by a limit, looks into the store, findings.
    """

    policies: tuple[Policy, ...] = ()
    within: float = WITHIN
    counts: dict[str, int] = field(default_factory=lambda: {"cut": 0, "looked": 0, "found": 0})
    _texts: tuple[tuple[str, str], ...] = ()
    _graphs: OrderedDict[str, tuple[Scope, ScopeGraph]] = field(default_factory=OrderedDict)
    _properties: dict[str, Properties] = field(default_factory=dict)
    _told: dict[tuple[str, str, tuple[str, str]], None] = field(default_factory=dict)

    def obey(self, texts: tuple[tuple[str, str], ...]) -> None:
        """Go by these policies, as (file name, text), from here on."""
        if texts == self._texts:
            return
        self._texts, found = texts, []
        for file, text in texts:
            try:
                found.append(parse_policy(text, file))
            except InputError as error:
                _log.error("a policy cannot be read", extra={"file": file, "reason": str(error)})
        self.policies = tuple(found)

    def judge(self, node: Node, epoch: Epoch, store: Store | None) -> tuple[Finding, ...]:
        """What the policies find in what an epoch has told. After the epoch is cut; quick without news."""
        found: list[Finding] = []
        if not self.policies:
            return ()
        looks = MAX_CONFIRMED
        for app, delta in epoch.deltas.items():
            policies = [one for one in self.policies if one.applies_to(app)]
            for sighting in delta.sightings if policies else ():
                scope = node.scopes.get(sighting.container)
                if scope is None or scope.app != app or not (sighting.transitions or sighting.states):
                    continue
                graph, touched = self._grown(scope, sighting)
                for policy, matches in self._matches(policies, graph, touched):
                    looks -= 1
                    if store is None or looks < 0 or len(found) >= MAX_FINDINGS:
                        return tuple(found)
                    at = epoch.start + sighting.last
                    found += self._held(policy, graph, matches, store, at)[: MAX_FINDINGS - len(found)]
        self.counts["found"] += len(found)
        return tuple(found)

    def _grown(self, scope: Scope, sighting: Sighting) -> tuple[ScopeGraph, frozenset[str]]:
        """The scope's graph with what is new, and the nodes that this touches."""
        numbers = scope.states.number_of
        kept = self._graphs.pop(scope.container, None)
        if kept is None or kept[0] is not scope:
            properties = self._properties.get(scope.app)
            if properties is None or properties.states is not scope.states:
                properties = self._properties[scope.app] = Properties(scope.states)
            graph = ScopeGraph(scope, properties)
        else:
            graph = kept[1]
            graph.grow(scope.seen - graph.known)
        self._graphs[scope.container] = scope, graph
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)
        ends = {end for one in sighting.transitions for end in (one.effect, one.cause)} | set(sighting.states)
        touched = frozenset(str(numbers[one.label, one.context]) for one in ends if (one.label, one.context) in numbers)
        graph.grow((), map(int, touched))
        return graph, touched

    def _matches(
        self, policies: Sequence[Policy], graph: ScopeGraph, touched: frozenset[str]
    ) -> Iterable[tuple[Policy, list[Match]]]:
        """The policies that match, with what of it has not been told."""
        for policy in policies:
            try:
                matches: Sequence[Match] = evaluate(
                    policy.query, graph, touched, limits=LIMITS, meaning=Meaning.INSTANCES
                )
            except LimitError as error:
                self.counts["cut"] += 1
                matches = error.matches
            where = graph.scope.container
            matches = sorted(matches, key=lambda match: (match.nodes, match.edges))
            fresh = [one for one in matches if one.nodes and (policy.id, where, ends(graph, one)) not in self._told]
            if fresh:
                yield policy, fresh

    def _held(
        self, policy: Policy, graph: ScopeGraph, matches: Sequence[Match], store: Store, at: int
    ) -> list[Finding]:
        """The matches of one policy in one scope, each once, with what the instances say."""
        self.counts["looked"] += 1
        scope = graph.scope
        states = list(dict.fromkeys(graph.state(node) for match in matches for node in match.nodes))[:MAX_STATES]
        question = Question(b"", scope.app, tuple(states), container=scope.container)
        real = real_matches(store, policy.query, question, self.within)
        found = []
        for told in dict.fromkeys(ends(graph, match) for match in matches):
            verdict, shown = real.verdict(told)
            if verdict == "seen":
                self._tell((policy.id, scope.container, told))
            found.append(Finding(policy.id, scope.app, scope.container, told, verdict, at, shown))
        return found

    def _tell(self, key: tuple[str, str, tuple[str, str]]) -> None:
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[key] = None


def ends(graph: ScopeGraph, match: Match) -> tuple[str, str]:
    """The labels at the ends of a match: what it is about, whatever the way between."""
    return graph.state(match.nodes[0])[0], graph.state(match.nodes[-1])[0]
