"""Backtracking over the moves of a plan: every way to bind a pattern in a graph, paid for step by step.

Rules of this file
    - Bindings are changed in place and taken back; a solution is valid until the next one is asked for.
    - Nothing is tried before it is paid for (`spend`); `SpentError` ends a search whose steps are used up.
    - Recursion is as deep as the plan has moves plus hops, both bounded (`check.MAX_NODES`, `build.MAX_HOPS`).

Invariant: at each solution every slot and link is bound, and no edge is in two places of `walked`.
Complexity: one step for each candidate, edge and part of a condition that is looked at.
Source: openCypher 9, MATCH (relationship isomorphism).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from policies import syntax as s
from policies.expressions import Bindings, Compiled, Holds, compile_test, property_of
from policies.graph import Edge, PolicyGraph
from policies.plan import Condition, Link, Move, Pattern, Slot, plan
from policies.values import NodeValue, Value, rendered


class SpentError(Exception):
    """The steps are used up."""


@dataclass(frozen=True, slots=True)
class Column:
    """One item of RETURN, ready to run."""

    name: str
    value: Compiled
    cost: int


@dataclass(slots=True)
class Search:
    """The state of one search: what is bound, which edges are in use, how many steps are left."""

    pattern: Pattern
    graph: PolicyGraph
    touched: frozenset[str] | None
    steps: int
    bindings: Bindings = field(init=False)
    used: set[Edge] = field(default_factory=set)
    walked: dict[str, tuple[bool, tuple[Edge, ...]]] = field(default_factory=dict)
    candidates: dict[str, Collection[str]] = field(default_factory=dict)
    tests: dict[str, list[tuple[str, Holds]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bindings = Bindings(self.graph)
        for link in self.pattern.links.values():
            self.tests[link.name] = [(test.key, compile_test(test)) for test in link.step.properties]

    def spend(self, steps: int = 1) -> None:
        """Pay before doing."""
        self.steps -= steps
        if self.steps < 0:
            raise SpentError

    def solutions(self) -> Iterator[None]:
        """Bind everything in every way that fits."""
        universe = self._universe()
        for slot in self.pattern.slots.values():
            self.candidates[slot.name] = universe if slot.free else self._fitting(slot, universe)
            if not self.candidates[slot.name]:
                return  # the usual end of a policy: nothing here is of the kind that it speaks of
        sizes = {name: len(nodes) for name, nodes in self.candidates.items()}
        yield from self._follow(plan(self.pattern, sizes), 0)

    def row(self, columns: Iterable[Column]) -> dict[str, str | None]:
        """What the current solution returns."""
        row: dict[str, str | None] = {}
        for column in columns:
            self.spend(column.cost)
            row[column.name] = rendered(column.value(self.bindings))
        return row

    def trace(self) -> tuple[tuple[str, ...], tuple[Edge, ...]]:
        """The nodes and edges of the current solution, in the order of the pattern."""
        nodes: dict[str, None] = {}
        edges: list[Edge] = []
        for path in self.pattern.paths:
            at = self._node(path[0])
            nodes[at] = None
            for name in path[1::2]:
                forward, walk = self.walked[name]
                for edge in walk if forward else reversed(walk):
                    at = edge.other(at)
                    nodes[at] = None
                    edges.append(edge)
        return tuple(nodes), tuple(edges)

    # Candidates

    def _universe(self) -> Collection[str]:
        """The nodes that a wanted match can contain: with `touched`, those within the pattern's reach of it."""
        everything = dict.fromkeys(self.graph.nodes())
        self.spend(len(everything))
        reach = self.pattern.reach
        if self.touched is None or reach is None:
            return everything
        seen = {node: None for node in everything if node in self.touched}
        border = list(seen)
        for _ in range(reach):
            near: dict[str, None] = {}
            for node in border:
                edges = (*self.graph.causes(node), *self.graph.effects(node))
                self.spend(len(edges))
                near.update((edge.other(node), None) for edge in edges)
            border = [node for node in near if node not in seen]
            seen.update(dict.fromkeys(border))
        return seen

    def _fitting(self, slot: Slot, universe: Iterable[str]) -> Collection[str]:
        tests = [(test.key, compile_test(test)) for pattern in slot.patterns for test in pattern.properties]
        kinds = [frozenset(pattern.labels) for pattern in slot.patterns if pattern.labels]
        price = 1 + len(tests)
        found: dict[str, None] = {}
        for node in universe:
            self.spend(price)
            kind, value = self.graph.kind(node), NodeValue(node)
            if all(kind in names for names in kinds) and self._passes(tests, value):
                self.bindings.values[slot.name] = value
                if self._hold(slot.conditions):
                    found[node] = None
        self.bindings.values.pop(slot.name, None)
        return found

    def _passes(self, tests: list[tuple[str, Holds]], value: Value) -> bool:
        return all(holds(property_of(self.graph, value, key)) for key, holds in tests)

    def _hold(self, conditions: Iterable[Condition]) -> bool:
        for condition in conditions:
            self.spend(condition.cost)
            if condition.holds(self.bindings) is not True:
                return False
        return True

    # Moves

    def _follow(self, moves: tuple[Move, ...], index: int) -> Iterator[None]:
        if index == len(moves):
            yield None
            return
        move = moves[index]
        for _ in self._scan(move.source) if move.link is None else self._walk(move.link, move.source):
            if self._hold(move.conditions):
                yield from self._follow(moves, index + 1)

    def _scan(self, slot: str) -> Iterator[None]:
        for node in self.candidates[slot]:
            self.spend()
            self.bindings.values[slot] = NodeValue(node)
            yield None
        self.bindings.values.pop(slot, None)

    def _walk(self, link: Link, source: str) -> Iterator[None]:
        """Bind `link` and its far end in every way that fits; an end that is bound already must be met."""
        forward = source == link.left
        far = link.right if forward else link.left
        values = self.bindings.values
        bound = values.get(far)
        for end, walk in self._walks(link, self._node(source), forward, ()):
            if bound is None and end in self.candidates[far]:
                values[far] = NodeValue(end)
            elif bound != NodeValue(end):
                continue
            self.walked[link.name] = (forward, walk)
            values[link.name] = (walk if forward else walk[::-1]) if link.step.hops else walk[0]
            yield None
        if bound is None:
            values.pop(far, None)
        values.pop(link.name, None)

    def _walks(
        self, link: Link, at: str, forward: bool, walk: tuple[Edge, ...]
    ) -> Iterator[tuple[str, tuple[Edge, ...]]]:
        if len(walk) >= link.hops.least:
            yield at, walk
        if len(walk) == link.hops.most:
            return
        types, tests = link.step.types, self.tests[link.name]
        for edge in self._edges(link.step.direction, at, forward):
            self.spend()
            if edge in self.used or (types and edge.relation not in types) or not self._passes(tests, edge):
                continue
            self.used.add(edge)
            yield from self._walks(link, edge.other(at), forward, (*walk, edge))
            self.used.discard(edge)

    def _edges(self, direction: s.Direction, at: str, forward: bool) -> Iterator[Edge]:
        if direction is s.Direction.BOTH:
            yield from self.graph.causes(at)
            yield from (edge for edge in self.graph.effects(at) if edge.effect != edge.cause)  # a loop is met once
        elif (direction is s.Direction.OUT) is forward:
            yield from self.graph.causes(at)
        else:
            yield from self.graph.effects(at)

    def _node(self, slot: str) -> str:
        value = self.bindings.values[slot]
        return value.id if isinstance(value, NodeValue) else ""
