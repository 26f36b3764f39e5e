"""Steps of variable length: every walk from a node, or every node that a walk can reach.

Rules of this file
    - A walk never takes an edge twice (a trail), and none that another step of the same MATCH holds.
    - If only the ends matter, or if an edge stands for many (`Meaning.INSTANCES`), ends are found by reachability, each
      once, with one shortest walk to show for it.
    - If both ends are known, the two are first searched towards each other; only nodes from which the target is near
      enough are walked through.
    - No recursion: a walk may be as long as the graph.

Invariant: what is yielded is `(end, walk, sure)`, the walk in the direction of walking, `least <= len(walk) <= most`.
Complexity: reachability is linear in the edges within reach; trails are as many as there are (each is paid for).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeAlias

from policies import syntax as s
from policies.graph import Edge, Meaning, PolicyGraph
from policies.plan import Condition, Link
from policies.search_live import Live
from policies.truth import UNKNOWN
from policies.values import Value

Hop: TypeAlias = tuple[Edge, str, bool]
Near: TypeAlias = Callable[[str], Sequence[Hop]]
Found: TypeAlias = tuple[str, tuple[Edge, ...], bool]


def edges_at(graph: PolicyGraph, direction: s.Direction, node: str, forward: bool) -> Iterable[Edge]:
    """The edges that a step can take from `node`; forward is from the left of the pattern to its right."""
    if direction is s.Direction.BOTH:
        away = [edge for edge in graph.effects(node) if edge.effect != edge.cause]  # a loop is met once
        return chain(graph.causes(node), away)
    return graph.causes(node) if (direction is s.Direction.OUT) is forward else graph.effects(node)


def degree(graph: PolicyGraph, direction: s.Direction, node: str, forward: bool) -> int:
    """How many edges that are."""
    causes = direction is s.Direction.BOTH or (direction is s.Direction.OUT) is forward
    effects = direction is s.Direction.BOTH or not causes
    return (len(graph.causes(node)) if causes else 0) + (len(graph.effects(node)) if effects else 0)


def taken(values: Mapping[str, Value], earlier: Iterable[Link], edge: Edge) -> bool:
    """Whether a step before holds the edge."""
    for link in earlier:
        held = values[link.key]
        if held is edge or held == edge or (isinstance(held, tuple) and edge in held):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Leg:
    """One use of a step: from the node `at`, forward or backward, to a target that is known, or to any end."""

    live: Live
    link: Link
    earlier: tuple[Link, ...]
    at: str
    forward: bool = True
    target: str | None = None

    @property
    def abstract(self) -> bool:
        """Whether an edge stands for many."""
        return self.live.context.meaning is Meaning.INSTANCES

    def near(self, *, back: bool = False) -> Near:
        """From a node to the hops that the step allows there; `back` from its end."""
        values, graph, spend = self.live.values, self.live.context.graph, self.live.context.budget.spend
        link, types, direction = self.link, frozenset(self.link.step.types), self.link.step.direction
        live, earlier, forward = self.live, () if self.abstract else self.earlier, self.forward is not back
        asked = bool(link.each or link.along)
        known: dict[str, list[Hop]] = {}

        def near(node: str) -> Sequence[Hop]:
            found = known.get(node)
            if found is not None:
                spend(1 + len(found))
                return found
            found = known[node] = []
            looked = 1
            for edge in edges_at(graph, direction, node, forward):
                looked += 1
                if types and edge.relation not in types:
                    continue
                if earlier and taken(values, earlier, edge):
                    continue
                other = edge.cause if edge.effect == node else edge.effect
                # Of a walk, what is asked of a node is asked where a hop arrives, seen in the direction of walking.
                sure = _allowed(live, link, edge, node if back else other) if asked else True
                if sure is not None:
                    found.append((edge, other, sure))
            spend(looked)
            return found

        return near


def _allowed(live: Live, link: Link, edge: Edge, node: str) -> bool | None:
    """Whether a hop is surely allowed; None if it is not."""
    values, sure = live.values, True
    asked: list[tuple[str, Value, Condition]] = [(name, edge, condition) for name, condition in link.each]
    asked += [(name, live.node(node), condition) for name, condition in link.along]
    for name, value, condition in asked:
        hidden, before = name in values, values.get(name)
        values[name] = value
        answer = condition.holds(live)
        if hidden:
            values[name] = before
        else:
            del values[name]
        if answer is not True and answer is not UNKNOWN:
            return None
        sure &= answer is True or condition.implied
    return sure


def trails(leg: Leg) -> Iterator[Found]:
    """Every walk that takes no edge twice; with a target, every one that ends there."""
    near, least, most, at, target = leg.near(), leg.link.least, leg.link.most, leg.at, leg.target
    ahead: Mapping[str, int] | None = None
    if target is not None:
        ahead = distances(near, leg.near(back=True), at, target, most)
        if at not in ahead:
            return
    if least == 0 and target in (None, at):
        yield at, (), True
    spend = leg.live.context.budget.spend
    trail = _Trail(near, at, most)
    while trail.stack:
        hop = trail.next(ahead)
        if hop is None:
            trail.back()
            continue
        end = trail.go(hop)
        long = len(trail.walk)
        if long >= least and target in (None, end):
            spend(1 + long // 8)
            yield end, tuple(trail.walk), not trail.doubts


class _Trail:
    """A walk in the making, and at each of its nodes the hops that are still to be tried."""

    __slots__ = ("doubts", "most", "near", "stack", "sures", "visits", "walk")

    def __init__(self, near: Near, at: str, most: int | None) -> None:
        self.near, self.most = near, most
        self.walk: list[Edge] = []
        self.sures: list[bool] = []
        self.doubts = 0
        self.visits: dict[str, int] = {at: 1}
        self.stack: list[tuple[str, Iterator[Hop]]] = [(at, iter(near(at) if most != 0 else ()))]

    def next(self, ahead: Mapping[str, int] | None) -> Hop | None:
        """The next hop to take from here; None if there is none left."""
        walk, visits, most = self.walk, self.visits, self.most
        left = None if most is None else most - len(walk) - 1
        for hop in self.stack[-1][1]:
            edge, other, _ = hop
            if other in visits and edge in walk:
                continue
            if ahead is not None and (other not in ahead or (left is not None and ahead[other] > left)):
                continue
            return hop
        return None

    def go(self, hop: Hop) -> str:
        """Take a hop; where it leads."""
        edge, other, sure = hop
        self.walk.append(edge)
        self.sures.append(sure)
        self.doubts += not sure
        self.visits[other] = self.visits.get(other, 0) + 1
        full = self.most is not None and len(self.walk) >= self.most
        self.stack.append((other, iter(() if full else self.near(other))))
        return other

    def back(self) -> None:
        """Take the last hop back."""
        node, _ = self.stack.pop()
        self.visits[node] -= 1
        if not self.visits[node]:
            del self.visits[node]
        if self.walk:
            self.walk.pop()
            self.doubts -= not self.sures.pop()


def distances(near: Near, back: Near, at: str, target: str, most: int | None) -> Mapping[str, int]:
    """How far the target is, at least, from each node on the way from `at` to it; empty if there is no way.

    Both ends search towards each other, the smaller border first, so a target that cannot be reached costs little.
    """
    ahead, behind = {at: 0}, {target: 0}
    front, rear = [at], [target]
    steps = depth = 0
    while front and rear and (most is None or steps < most):
        steps += 1
        if len(front) <= len(rear):
            front = _grow(near, front, ahead, None)
        else:
            depth += 1
            rear = _grow(back, rear, behind, None)
    if not rear:
        return behind if at in behind else {}
    if not front:
        found = _all(back, target, most, ahead)
        return found if at in found else {}
    return {} if ahead.keys().isdisjoint(behind) else dict.fromkeys(ahead, depth + 1) | behind


def _all(near: Near, start: str, most: int | None, within: Mapping[str, int] | None) -> dict[str, int]:
    found, border, steps = {start: 0}, [start], 0
    while border and (most is None or steps < most):
        steps += 1
        border = _grow(near, border, found, within)
    return found


def _grow(near: Near, border: list[str], found: dict[str, int], within: Mapping[str, int] | None) -> list[str]:
    far: list[str] = []
    for node in border:
        depth = found[node] + 1
        for _, other, _ in near(node):
            if other not in found and (within is None or other in within):
                found[other] = depth
                far.append(other)
    return far


def reach(leg: Leg) -> Iterator[Found]:
    """Every end that some walk reaches, each once; sure ones first."""
    near, link, at, target = leg.near(), leg.link, leg.at, leg.target
    met: set[str] = set()
    if link.step.direction is s.Direction.BOTH and link.least and not leg.abstract:
        met.add(at)  # there and back along one edge is no trail: the way round must be walked
        if target in (None, at):
            yield from islice(trails(replace(leg, target=at)), 1)
    doubtful = False
    for sure in (True, False):
        if not sure and not doubtful:
            return
        for end, walk, doubt in _reach(near, link, at, target, sure):
            doubtful |= doubt
            if walk is not None and end not in met:
                met.add(end)
                yield end, walk, sure
                if end == target:
                    return


def _reach(
    near: Near, link: Link, at: str, target: str | None, sure: bool
) -> Iterator[tuple[str, tuple[Edge, ...] | None, bool]]:
    """Breadth first over (node, edges taken, up to `least`): the shortest walk long enough to each end."""
    least, most = link.least, link.most
    start = (at, 0)
    came: dict[tuple[str, int], tuple[tuple[str, int], Edge] | None] = {start: None}
    if least == 0 and target in (None, at):
        yield at, (), False
    border, steps = [start], 0
    while border and (most is None or steps < most):
        steps += 1
        far: list[tuple[str, int]] = []
        for state in border:
            for edge, other, certain in near(state[0]):
                if sure and not certain:
                    yield other, None, True
                    continue
                new = (other, min(state[1] + 1, least))
                if new in came:
                    continue
                came[new] = (state, edge)
                far.append(new)
                if new[1] == least and target in (None, other):
                    yield other, _route(came, new), False
        border = far


def _route(
    came: Mapping[tuple[str, int], tuple[tuple[str, int], Edge] | None], state: tuple[str, int]
) -> tuple[Edge, ...]:
    walk: list[Edge] = []
    while (step := came[state]) is not None:
        state, edge = step
        walk.append(edge)
    return tuple(reversed(walk))
