"""The moves of a plan as operations: each binds one more part of a pattern in every way that fits.

Rules of this file
    - Every candidate is paid for; labels are asked first, then the conditions that are ready, in the order written.
    - Within one MATCH no two steps hold one edge (relationship isomorphism), except where an edge of the graph stands
      for many real ones (`Meaning.INSTANCES`).
    - What was bound before is met, never bound again; null meets nothing; an unknown value meets everything, possibly.
    - `solutions` keeps the operations on a stack of its own: a long pattern does not recurse.

Invariant: whoever asks for the next solution finds the frame as it left it; after the last, it is as it was before.
Complexity: one step for each candidate and edge that is looked at, more if its conditions are long.
Source: openCypher 9, MATCH.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from policies import syntax as s
from policies.graph import Edge, Meaning, PolicyGraph
from policies.plan import Link, Move, Pattern, Slot
from policies.search_live import Live, Operation, Own, holds, path_value, price
from policies.search_walks import Found, Leg, degree, edges_at, reach, taken, trails
from policies.shortest import shortest
from policies.truth import UNKNOWN
from policies.values import NodeValue, Value, fault

Fits: TypeAlias = Callable[[tuple[str, ...]], bool]
Accepts: TypeAlias = Callable[[Live], bool]
MISSING = object()


def operations(pattern: Pattern, moves: Iterable[Move]) -> tuple[Operation, ...]:
    """One operation for each move."""
    found: list[Operation] = []
    for move in moves:
        accepts, cost = _accepts(move), price(move.own + move.conditions)
        if move.link is None:
            slot = pattern.slots[move.source]
            found.append(_meet(slot, accepts) if slot.bound else _scan(slot, accepts, cost))
        elif move.link.bound:
            found.append(_held(pattern, move, accepts))
        elif move.link.single and move.link.shortest is None:
            found.append(_expand(pattern, move, accepts, cost))
        else:
            found.append(_walk(pattern, move, accepts))
    return tuple(found)


def solutions(steps: tuple[Operation, ...], live: Live) -> Iterator[None]:
    """Every way to get through all of the operations, the first one outermost."""
    if not steps:
        yield
        return
    last = len(steps) - 1
    stack = [steps[0](live)]
    while stack:
        if next(stack[-1], MISSING) is MISSING:
            stack.pop()
        elif len(stack) > last:
            yield
        else:
            stack.append(steps[len(stack)](live))


def smallest(graph: PolicyGraph, labels: tuple[tuple[str, ...], ...]) -> tuple[int, tuple[str, ...] | None]:
    """Of the demanded labels those that the fewest nodes have, and how many; None and a large number if any will do."""
    best: tuple[int, tuple[str, ...] | None] = (1 << 60, None)
    for group in labels:
        count = sum(len(graph.having(label)) for label in group)
        if count < best[0]:
            best = (count, group)
    return best


def candidates(graph: PolicyGraph, labels: tuple[tuple[str, ...], ...]) -> Iterable[str]:
    """The nodes to look at for such a slot."""
    _, group = smallest(graph, labels)
    if group is None:
        return graph.nodes()
    if len(group) == 1:
        return graph.having(group[0])
    return dict.fromkeys(node for label in group for node in graph.having(label))


def fitting(labels: tuple[tuple[str, ...], ...]) -> Fits | None:
    """Whether a node's labels are those demanded; None if nothing is."""
    if not labels:
        return None
    if len(labels) == 1 and len(labels[0]) == 1:
        only = labels[0][0]
        return lambda has: only in has
    return lambda has: all(any(label in has for label in group) for group in labels)


def _accepts(move: Move) -> Accepts | None:
    """Ask what can be asked of the node that is new, build the paths that are complete now, then ask all the rest."""
    link, own, key = move.link, move.own, move.source
    if link is not None:
        key = link.right if move.source == link.left else link.left
    rest = _rest(move)
    if not own:
        return rest
    asked = Own(own)

    def accepts(live: Live) -> bool:
        return asked.hold(_name(live.values[key]), live) and (rest is None or rest(live))

    return accepts


def _rest(move: Move) -> Accepts | None:
    conditions, paths, late, link = move.conditions, move.paths, move.late, move.link
    if not (conditions or paths or late):
        return None
    if not (paths or late):
        return lambda live: holds(conditions, live)

    def accepts(live: Live) -> bool:
        for path in paths:
            if path.variable:
                live.values[path.variable] = path_value(path, live.values, live.context.meaning)
        if link is not None and late and not _late(live, link.key, move):
            return False
        return holds(conditions, live)

    return accepts


def _late(live: Live, key: str, move: Move) -> bool:
    """Ask of each edge of a walk what names things that were bound after it."""
    walk = live.values[key]
    for name, condition in move.late:
        for edge in walk if isinstance(walk, tuple) else ():
            live.values[name] = edge
            if not holds((condition,), live):
                return False
    return True


def _scan(slot: Slot, accepts: Accepts | None, cost: int) -> Operation:
    """Bind a slot to each candidate."""
    key, labels = slot.key, slot.labels
    every = fitting(labels)
    rest = every if len(labels) > 1 else None

    def run(live: Live) -> Iterator[None]:
        values, graph, before = live.values, live.context.graph, live.certain
        spend = live.context.budget.spend
        seeds = live.seeds.get(key) if live.seeds is not None else None
        fits = rest if seeds is None else every
        for name in candidates(graph, labels) if seeds is None else seeds:
            spend(cost)
            if fits is not None and not fits(graph.labels(name)):
                continue
            values[key] = live.node(name)
            live.certain = before
            if accepts is None or accepts(live):
                yield
        values.pop(key, None)
        live.certain = before

    return run


def _meet(slot: Slot, accepts: Accepts | None) -> Operation:
    """Look at a slot that was bound before."""
    key, fits = slot.key, fitting(slot.labels)

    def run(live: Live) -> Iterator[None]:
        values, before = live.values, live.certain
        held = values[key]
        live.context.budget.spend()
        if isinstance(held, NodeValue):
            if (fits is None or fits(live.context.graph.labels(held.name))) and (accepts is None or accepts(live)):
                yield
        elif held is UNKNOWN:
            for name in candidates(live.context.graph, slot.labels):
                live.context.budget.spend()
                values[key] = live.node(name)
                live.certain = False
                if (fits is None or fits(live.context.graph.labels(name))) and (accepts is None or accepts(live)):
                    yield
            values[key] = held
        elif held is not None:
            raise fault("TypeError", "InvalidArgumentType", f"'{key}' stands for a node here, but is none", held)
        live.certain = before

    return run


def _expand(pattern: Pattern, move: Move, accepts: Accepts | None, cost: int) -> Operation:
    """Follow one edge from a bound slot."""
    assert move.link is not None
    link, known, source, earlier = move.link, move.known, move.source, move.earlier
    forward = source == link.left
    far = link.right if forward else link.left
    types, direction, key = frozenset(link.step.types), link.step.direction, link.key
    fits = None if known else fitting(pattern.slots[far].labels)

    def run(live: Live) -> Iterator[None]:
        values, graph, before = live.values, live.context.graph, live.certain
        spend = live.context.budget.spend
        here = _name(values[source])
        there = _name(values[far]) if known else None
        start, onward, target = here, forward, there
        if there is not None and _crowded(graph, direction, here, there, forward):
            start, onward, target = there, not forward, here  # both ends are known: from the one with fewer edges
        for edge in edges_at(graph, direction, start, onward):
            spend(cost)
            if types and edge.relation not in types:
                continue
            end = edge.cause if edge.effect == start else edge.effect
            if (fits is not None and not fits(graph.labels(end))) if target is None else end != target:
                continue
            if earlier and live.context.meaning is not Meaning.INSTANCES and taken(values, earlier, edge):
                continue
            if not known:
                values[far] = live.node(end)
            values[key] = edge
            live.certain = before
            if accepts is None or accepts(live):
                yield
        values.pop(key, None)
        if not known:
            values.pop(far, None)
        live.certain = before

    return run


def _crowded(graph: PolicyGraph, direction: s.Direction, here: str, there: str, forward: bool) -> bool:
    return here != there and degree(graph, direction, here, forward) > degree(graph, direction, there, not forward)


def _walk(pattern: Pattern, move: Move, accepts: Accepts | None) -> Operation:
    """Follow a step of variable length, or a shortest path, from a bound slot."""
    assert move.link is not None
    link, known, source = move.link, move.known, move.source
    forward = source == link.left
    far = link.right if forward else link.left
    fits = None if known else fitting(pattern.slots[far].labels)

    def run(live: Live) -> Iterator[None]:
        values, graph, before = live.values, live.context.graph, live.certain
        target = _name(values[far]) if known else None
        abstract = live.context.meaning is Meaning.INSTANCES
        for end, walk, sure in _found(live, move, target):
            live.context.budget.spend()
            if not known:
                if fits is not None and not fits(graph.labels(end)):
                    continue
                values[far] = live.node(end)
            live.certain = before and sure and not (abstract and (known or _open(move, walk)))
            _store(values, link, walk if forward else walk[::-1], abstract)
            if accepts is None or accepts(live):
                yield
        for name in (link.key, link.step.variable, None if known else far):
            if name is not None:
                values.pop(name, None)
        live.certain = before

    return run


def _found(live: Live, move: Move, target: str | None) -> Iterator[Found]:
    link = move.link
    assert link is not None
    leg = Leg(live, link, move.earlier, _name(live.values[move.source]), move.source == link.left, target)
    if leg.abstract:
        return reach(leg)
    if link.once and link.least <= 1:
        bare = not (link.each or link.along)
        return shortest(leg, 1) if bare and target not in (None, leg.at) else reach(leg)
    if link.shortest is not None:
        return shortest(leg, 1 if link.shortest is s.Shortest.ONE else None)
    return trails(leg)


def _open(move: Move, walk: tuple[Edge, ...]) -> bool:
    """Whether a walk over edges that stand for many may be no walk of real ones."""
    loop = bool(walk) and walk[0].effect == walk[0].cause  # between a real node and itself there is no shortest path
    return len(walk) > 1 or (loop and move.link is not None and move.link.shortest is not None)


def _store(values: dict[str, Value], link: Link, walk: tuple[Edge, ...], abstract: bool) -> None:
    """A walk under its key; its variable is the same list, unless other walks may stand behind it."""
    if link.single:  # shortestPath over one edge
        values[link.key] = walk[0]
        return
    values[link.key] = walk
    if link.step.variable is not None:
        values[link.step.variable] = UNKNOWN if abstract else walk


def _held(pattern: Pattern, move: Move, accepts: Accepts | None) -> Operation:
    """Lay a step over an edge, or a list of edges, that was bound before."""
    assert move.link is not None
    link = move.link
    name = link.step.variable or link.key
    ends = [key for key in dict.fromkeys((link.left, link.right)) if key not in move.before]
    fits = {key: fitting(pattern.slots[key].labels) for key in ends}

    def run(live: Live) -> Iterator[None]:
        values, graph, before = live.values, live.context.graph, live.certain
        held = values[name]
        for left, walk, right in _laid(live, link, held):
            live.context.budget.spend()
            if any(
                _name(values[key]) != end for key, end in ((link.left, left), (link.right, right)) if key not in ends
            ):
                continue
            if link.left == link.right and left != right:
                continue
            concrete = live.context.meaning is not Meaning.INSTANCES
            if concrete and any(taken(values, move.earlier, edge) for edge in walk):
                continue
            for key, end in ((link.left, left), (link.right, right)):
                if key in ends:
                    values[key] = live.node(end)
            if not all(fit is None or fit(graph.labels(_name(values[key]))) for key, fit in fits.items()):
                continue
            live.certain = before and live.context.meaning is not Meaning.INSTANCES
            values[link.key] = walk[0] if link.single else walk
            if accepts is None or accepts(live):
                yield
        for key in (link.key, *ends):
            values.pop(key, None)
        values[name] = held
        live.certain = before

    return run


def _laid(live: Live, link: Link, held: Value) -> Iterator[tuple[str, tuple[Edge, ...], str]]:
    """Every way to read what is held as the step: its left end, the edges, its right end."""
    if held is UNKNOWN:
        yield from _any(live, link)
        return
    if held is None:
        return
    walk = held if isinstance(held, tuple) and not link.single else (held,)
    edges = [edge for edge in walk if isinstance(edge, Edge)]
    if len(set(edges)) < len(edges) and live.context.meaning is not Meaning.INSTANCES:
        return
    if len(edges) < len(walk):
        raise fault("TypeError", "InvalidArgumentType", "a relationship was expected here", held)
    if len(edges) < link.least or (link.most is not None and len(edges) > link.most):
        return
    if link.step.types and any(edge.relation not in link.step.types for edge in edges):
        return
    starts: Iterable[str] = dict.fromkeys((edges[0].effect, edges[0].cause)) if edges else live.context.graph.nodes()
    for start in starts:
        end: str | None = start
        for edge in edges:
            end = _onward(link.step.direction, edge, end) if end is not None else None
        if end is not None:
            yield start, tuple(edges), end


def _onward(direction: s.Direction, edge: Edge, at: str) -> str | None:
    """Where the edge leads from `at`, in that direction."""
    if direction is not s.Direction.IN and edge.effect == at:
        return edge.cause
    if direction is not s.Direction.OUT and edge.cause == at:
        return edge.effect
    return None


def _any(live: Live, link: Link) -> Iterator[tuple[str, tuple[Edge, ...], str]]:
    for node in live.context.graph.nodes():
        for end, walk, _ in reach(Leg(live, link, (), node)):
            yield node, walk, end


def _name(value: Value) -> str:
    """The node that a bound slot stands for."""
    return value.name if isinstance(value, NodeValue) else ""
