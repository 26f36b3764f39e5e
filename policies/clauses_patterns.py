"""Patterns inside expressions: pattern predicates, pattern comprehensions, EXISTS { }.

Rules of this file
    - Each is a query of its own, run in a frame of its own that starts with what the row says; it stops as soon as its
      answer is known.
    - What a name stands for is decided by scope; only names that a quantifier or comprehension around it may have bound
      are looked up in the frame, and each outcome is compiled once.
    - On a model nothing proves absence but the absence of every possible match, and there is no proof of presence in
      an instance: under `Meaning.INSTANCES` the answers are False and UNKNOWN.

Invariant: the frame that asks is not changed.
Source: openCypher 9; issue "a real query language", what a match on a model means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Final, TypeAlias

from policies import syntax as s
from policies.expressions import compile_expression
from policies.frame import Compiled, Frame
from policies.graph import Meaning, PolicyGraph
from policies.plan import Link, Pattern, between, moves, pattern_of
from policies.plan_names import locals_of, mentioned, named
from policies.search import operations, smallest, solutions
from policies.search_live import Live, Operation, live
from policies.search_walks import degree, edges_at
from policies.truth import UNKNOWN, Truth
from policies.values import Value

Subquery: TypeAlias = Callable[[Live], Iterator[bool]]
"""The rows of a query, each only by whether it is certain."""
Rows: TypeAlias = Callable[[s.Query, "Matching"], Subquery]
"""How a query inside an expression is compiled in its scope."""


HEAVY: Final = 64
MAX_WEIGHED: Final = 64
LIGHT: Final = frozenset[str]()


class Finder:
    """A pattern, ready to be matched: it decides at each run where to begin, and keeps a plan for every such choice."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._plans: dict[tuple[tuple[str, ...], frozenset[str]], tuple[Operation, ...]] = {}
        links = pattern.links.values()
        held = {end for link in links if link.bound for end in (link.left, link.right)}
        self._open = [c for c in pattern.components if not any(pattern.slots[key].bound or key in held for key in c)]
        self._ways: dict[tuple[str, str], Finder] = {}

    def way(self, slot: str, name: str) -> Finder:
        """Only what lies between two slots of the pattern: it finds more, and is found sooner."""
        finder = self._ways.get((slot, name))
        if finder is None:
            finder = self._ways[slot, name] = Finder(between(self.pattern, slot, name))
        return finder

    def run(self, live: Live) -> Iterator[None]:
        """Bind the pattern in every way that fits."""
        starts = self._starts(live) if self._open else ()
        heavy = self._heavy(live, live.seeds) if live.seeds else LIGHT
        return solutions(self._steps(starts, heavy), live)

    def _steps(self, starts: tuple[str, ...], heavy: frozenset[str]) -> tuple[Operation, ...]:
        """The operations, given where to begin in each component that nothing bound hangs on."""
        plan = self._plans.get((starts, heavy))
        if plan is None:
            plan = self._plans[starts, heavy] = operations(self.pattern, moves(self.pattern, starts, heavy))
        return plan

    def _starts(self, live: Live) -> tuple[str, ...]:
        """The rarest slot of each component; the rarest component first."""
        graph, seeds, slots = live.context.graph, live.seeds, self.pattern.slots
        best: list[tuple[int, str]] = []
        for component in self._open:
            rare = (1 << 61, component[0])
            for key in component:
                number = -1 if seeds is not None and key in seeds else smallest(graph, slots[key].labels)[0]
                if number < rare[0] or (number == rare[0] and self._asked(key) > self._asked(rare[1])):
                    rare = (number, key)
            best.append(rare)
        return tuple(key for _, key in sorted(best, key=lambda one: one[0]))

    def _heavy(self, live: Live, seeds: Mapping[str, Collection[str]]) -> frozenset[str]:
        """Links for which very many edges start at one of the seeds."""
        graph, found = live.context.graph, set[str]()
        for link in self.pattern.links.values():
            for key, forward in ((link.left, True), (link.right, False)):
                nodes = seeds.get(key, ())
                if len(nodes) <= MAX_WEIGHED and any(_crowded(graph, link, node, forward) for node in nodes):
                    found.add(link.key)
        return frozenset(found) if len(found) < len(self.pattern.links) else LIGHT

    def _asked(self, key: str) -> int:
        return sum(condition.needs == {key} for condition in self.pattern.conditions)


def _crowded(graph: PolicyGraph, link: Link, node: str, forward: bool) -> bool:
    if degree(graph, link.step.direction, node, forward) <= HEAVY:
        return False
    edges, types = edges_at(graph, link.step.direction, node, forward), link.step.types
    mine = edges if not types else (edge for edge in edges if edge.relation in types)
    return next(islice(mine, HEAVY, None), None) is not None


@dataclass(frozen=True, slots=True)
class Matching:
    """How expressions are compiled in a scope: `policies.frame.Patterns`, and what is around."""

    scope: frozenset[str]
    rows: Rows
    local: frozenset[str] = frozenset()
    numbers: Iterator[int] = field(default_factory=count)

    def compile(self, expression: s.Expression) -> Compiled:
        """The function that gives the expression's value."""
        return compile_expression(expression, self.around(expression))

    def around(self, expression: s.Expression) -> Matching:
        """The same, for what stands inside of the expression."""
        return replace(self, local=self.local | locals_of(expression))

    def within(self, names: frozenset[str]) -> Matching:
        """The same, in another scope."""
        return replace(self, scope=names)

    def prefix(self) -> str:
        """What makes the names of one pattern's anonymous parts its own."""
        return f"{next(self.numbers)}."

    def finder(self, match: s.Match, bound: frozenset[str], once: bool = False) -> Finder:
        """A MATCH in this scope."""
        inside = replace(self, scope=self.scope | named(match.paths))
        return Finder(pattern_of(match, bound, inside.compile, self.prefix(), once))

    def predicate(self, predicate: s.PatternPredicate) -> Compiled:
        """Whether the path can be matched."""
        bound = mentioned(predicate.path)
        finder = self.finder(s.Match((predicate.path,)), bound, once=True)

        def run(frame: Frame) -> Value:
            inner = live(frame)
            return _answer(inner.context.meaning, (inner.certain for _ in finder.run(inner)))

        return run

    def comprehension(self, comprehension: s.PatternComprehension) -> Compiled:
        """The list of the results."""
        return self._variants(mentioned(comprehension), lambda inside: inside._listed(comprehension))

    def _listed(self, comprehension: s.PatternComprehension) -> Compiled:
        match = s.Match((comprehension.path,), comprehension.where)
        bound = self.scope & mentioned(comprehension)
        finder = self.finder(match, bound)
        inside = self.within(self.scope | named((comprehension.path,)))
        result = compile_expression(comprehension.result, replace(inside, local=self.local | locals_of(comprehension)))

        def run(frame: Frame) -> Value:
            inner, found, certain = live(frame), [], True
            budget = inner.context.budget
            for _ in finder.run(inner):
                budget.hold()
                certain &= inner.certain
                found.append(result(inner))
            budget.release(len(found))
            if found and (not certain or inner.context.meaning is Meaning.INSTANCES):
                return UNKNOWN
            return tuple(found)

        return run

    def exists(self, exists: s.Exists) -> Compiled:
        """Whether the query has a row."""
        return self._variants(mentioned(exists), lambda inside: inside._exists(exists))

    def _exists(self, exists: s.Exists) -> Compiled:
        rows = self.rows(exists.query, self)

        def run(frame: Frame) -> Value:
            inner = live(frame)
            return _answer(inner.context.meaning, rows(inner))

        return run

    def _variants(self, names: frozenset[str], compile_in: Callable[[Matching], Compiled]) -> Compiled:
        """Compile for what is bound; if that depends on the place in an expression, for each outcome."""
        doubtful = (names & self.local) - self.scope
        if not doubtful:
            return compile_in(replace(self, local=frozenset()))
        compiled: dict[frozenset[str], Compiled] = {}

        def run(frame: Frame) -> Value:
            bound = frozenset(name for name in doubtful if name in frame.values)
            if bound not in compiled:
                compiled[bound] = compile_in(replace(self, scope=self.scope | bound, local=frozenset()))
            return compiled[bound](frame)

        return run


def _answer(meaning: Meaning, rows: Iterator[bool]) -> Truth:
    """Whether there is a row, from whether each is certain."""
    answer: Truth = False
    for certain in rows:
        if meaning is Meaning.INSTANCES:
            return UNKNOWN
        if certain:
            return True
        answer = UNKNOWN
    return answer
