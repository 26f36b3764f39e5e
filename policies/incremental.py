"""What a change can have brought: a query asked only where touched nodes are near.

Rules of this file
    - A change adds: whatever is new holds a touched node in its first MATCH, or in a later MATCH, OPTIONAL MATCH,
      pattern predicate, EXISTS or pattern comprehension that is tied to a node of the first. What stands under NOT can
      only take rows away when something is added, so it is not looked at; the caller touches the neighbours of what is
      deleted.
    - So the search begins at the touched nodes, once for each slot that they fit; for the other patterns, at the nodes
      of the first MATCH that a touched match of theirs is tied to; for a walk, at the nodes from which it reaches a
      touched node.
    - After grouping, whole groups are computed again: those of which a key is made of a node of the first MATCH that
      is found so.
    - Where that cannot be told (no such key, SKIP, a LIMIT before the end, a pattern that is tied to nothing), the
      query is evaluated whole, but only if a touched match was found; if it does not begin with MATCH, always.

Invariant: every row of the whole answer that holds a touched node is among the rows found here.
Complexity: grows with what surrounds the touched nodes, not with the graph; a query of which no touched node fits any
    part is left after one look at each label.
Source: issue "a real query language", item 5 (incremental evaluation).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

from policies import syntax as s
from policies.aggregates import is_aggregate
from policies.clauses import Single
from policies.clauses_patterns import Finder, Matching
from policies.frame import Compiled, Context
from policies.graph import Meaning, PolicyGraph
from policies.incremental_walks import around
from policies.plan_names import conjuncts, mentioned, named, parts
from policies.search import candidates, fitting
from policies.search_live import TRACE, Live, Made
from policies.values import NodeValue, key

Part = TypeVar("Part", s.NodePattern, s.RelationshipPattern)
Starts: TypeAlias = list[tuple[str, frozenset[str], bool]]
"""Slots to begin at, and where; the last says that not every match from there holds a touched node."""
EMPTY: Final = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Tied:
    """Another pattern of the query, and the nodes of the first MATCH that it shares; perhaps none."""

    finder: Finder
    anchors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pivot:
    """After grouping: a node of the first MATCH, and the keys of every group that are made of it alone."""

    slot: str
    keys: tuple[Compiled, ...]

    def key(self, name: str, live: Live) -> Hashable:
        """The part of the group's key that the node decides."""
        live.values[self.slot] = live.node(name)
        return tuple(key(value(live)) for value in self.keys)


@dataclass(frozen=True, slots=True)
class Change:
    """How one part of a query is asked about a change."""

    single: Single
    finder: Finder
    tied: tuple[Tied, ...]
    grouped: bool
    pivot: Pivot | None
    """Where groups are computed again; without one, and if rows are counted off before the end, everything is."""
    distinct: bool

    def rows(self, touched: frozenset[str], context: Context) -> Iterator[Made]:
        """The rows that a change of these nodes can have brought, and perhaps some more."""
        starts = self._starts(touched, context)
        if starts is not None and self.grouped:
            starts = self._groups(starts, context)
        if starts is None:
            yield from self.single.rows(Made({}), context)
            return
        seen: set[Hashable] = set()
        exact = not self.distinct and context.meaning is not Meaning.INSTANCES  # else another walk may hold it
        for slot, nodes, loose in starts:
            for row in self.single.rows(Made({}), context, {slot: nodes}):
                trace = row.values.get(TRACE)
                if loose and exact and isinstance(trace, tuple) and not _meets(trace[0], touched):
                    continue
                if len(starts) > 1:
                    same = tuple(key(value) for name, value in row.values.items() if name != TRACE or not self.distinct)
                    if same in seen:
                        continue
                    context.budget.hold()
                    seen.add(same)
                yield row

    def _starts(self, touched: frozenset[str], context: Context) -> Starts | None:
        """Where to begin; None if a pattern that is tied to nothing can have brought rows anywhere."""
        found: dict[str, frozenset[str]] = fits(self.finder, touched, context.graph)
        loose: dict[str, frozenset[str]] = {}
        for link in self.finder.pattern.links.values():
            if not link.single:
                end, nodes = around(link, _labels(touched, context.graph), context)
                loose[end] = loose.get(end, EMPTY) | nodes
        for other in self.tied:
            if not other.anchors:
                if _any(other.finder, touched, context):
                    return None
            elif nodes := _touched_values(other.finder, touched, other.anchors[0], context):
                found[other.anchors[0]] = found.get(other.anchors[0], EMPTY) | nodes
        tight = [(slot, nodes, False) for slot, nodes in found.items() if nodes]
        return tight + [(slot, more, True) for slot, nodes in loose.items() if (more := nodes - found.get(slot, EMPTY))]

    def _groups(self, starts: Starts, context: Context) -> Starts | None:
        """The nodes whose groups rows from these starts belong to."""
        pivot = self.pivot
        if pivot is None:
            return None if any(_first(self.finder, {slot: nodes}, context) for slot, nodes, _ in starts) else []
        nodes = {name for slot, begin, _ in starts for name in _values(self.finder, {slot: begin}, pivot.slot, context)}
        if not nodes or not pivot.keys:
            return [(pivot.slot, frozenset(nodes), False)] if nodes else []
        live = Live({}, context)
        wanted = {pivot.key(name, live) for name in nodes}
        everything = tuple(candidates(context.graph, self.finder.pattern.slots[pivot.slot].labels))
        context.budget.spend(len(everything) >> 4)
        same = frozenset(name for name in everything if pivot.key(name, live) in wanted)
        return [(pivot.slot, same, False)]


def change_of(query: s.SingleQuery, single: Single, matching: Matching) -> Change | None:
    """How to ask the query about a change; None if it must be evaluated whole."""
    first = query.clauses[0]
    if single.first is None or not isinstance(first, s.Match) or first.optional:
        return None
    slots = single.first.pattern.slots
    alive = frozenset(name for name in slots if not name.startswith(" "))
    tied: list[Tied] = []
    keys: dict[str, tuple[s.Expression, ...]] | None = None
    cut = False
    last = len(query.clauses) - 1
    for index, clause in enumerate(query.clauses):
        for pattern in _patterns(clause, first):
            tied.append(
                Tied(_free(pattern, matching), tuple(name for name in slots if name in alive & _nodes(pattern)))
            )
        if isinstance(clause, (s.With, s.Return)):
            columns = clause.projection
            cut |= columns.skip is not None or (columns.limit is not None and index < last)
            if any(is_aggregate(part) for item in columns.items for part in parts(item.expression, queries=False)):
                again = _keys(columns, alive)
                keys = again if keys is None else {name: () for name in keys if keys[name] == again.get(name) == ()}
            alive = _passed(columns, alive)
    ends = query.clauses[-1]
    distinct = isinstance(ends, s.Return) and ends.projection.distinct
    pivot = None if cut or not keys else _pivot(keys, matching.within(frozenset(slots)))
    return Change(single, single.first, tuple(tied), cut or keys is not None, pivot, distinct)


def _keys(columns: s.Projection, alive: frozenset[str]) -> dict[str, tuple[s.Expression, ...]]:
    """Each node that decides keys alone, with them; with none if it is a key itself."""
    found: dict[str, tuple[s.Expression, ...]] = {}
    for item in columns.items:
        names = mentioned(item.expression)
        if len(names) == 1 and names <= alive and not any(map(is_aggregate, parts(item.expression))):
            (name,) = names
            found[name] = (*found.get(name, ()), item.expression)
    whole = {name for name in alive if columns.star or s.Variable(name) in found.get(name, ())}
    return dict.fromkeys(whole, ()) or found


def _pivot(keys: dict[str, tuple[s.Expression, ...]], matching: Matching) -> Pivot:
    name = min(keys, key=lambda one: (len(keys[one]) > 0, -len(keys[one])))
    return Pivot(name, tuple(matching.compile(part) for part in keys[name]))


def _passed(columns: s.Projection, alive: frozenset[str]) -> frozenset[str]:
    """The nodes of the first MATCH that keep their names."""
    new: dict[str, s.Expression] = {name: s.Variable(name) for name in alive} if columns.star else {}
    new |= {item.name: item.expression for item in columns.items}
    return frozenset(name for name in alive if new.get(name) == s.Variable(name))


# The patterns of a query, beside its first MATCH


def _patterns(clause: s.Clause, first: s.Match) -> Iterator[s.Match]:
    """Every pattern of the clause by which a row can become one, but the first MATCH itself."""
    if isinstance(clause, s.Match):
        if clause is not first:
            yield clause
        yield from _positive(clause.where)
        expressions: Iterable[object] = list(clause.paths)
    elif isinstance(clause, s.Unwind):
        expressions = (clause.items,)
    else:
        expressions = (clause.projection,)
        if isinstance(clause, s.With):
            yield from _positive(clause.where)
    for expression in expressions:
        yield from _inner(expression)


def _positive(where: s.Expression | None) -> Iterator[s.Match]:
    for part in conjuncts(where):
        denied = isinstance(part, s.Not) and isinstance(part.operand, (s.PatternPredicate, s.Exists))
        if not denied:
            yield from _inner(part)


def _inner(tree: object) -> Iterator[s.Match]:
    """Every pattern inside of an expression."""
    for part in parts(tree):
        match part:
            case s.PatternPredicate(path):
                yield s.Match((path,))
            case s.PatternComprehension(path, where):
                yield s.Match((path,), where)
            case s.Exists(query):
                yield from (c for one in query.parts for c in one.clauses if isinstance(c, s.Match))


def _nodes(pattern: s.Match) -> frozenset[str]:
    return frozenset(node.variable for path in pattern.paths for node in path.nodes if node.variable)


def _free(pattern: s.Match, matching: Matching) -> Finder:
    """The pattern with nothing bound, and of its conditions those that speak of nothing else."""
    own = named(pattern.paths)
    asked = [part for part in conjuncts(pattern.where) if mentioned(part) <= own and not any(_inner(part))]
    where = None if not asked else asked[0] if len(asked) == 1 else s.And(tuple(asked))
    paths = tuple(
        replace(path, nodes=tuple(_plain(n, own) for n in path.nodes), steps=tuple(_plain(p, own) for p in path.steps))
        for path in pattern.paths
    )
    return matching.finder(s.Match(paths, where), EMPTY)


def _plain(part: Part, own: frozenset[str]) -> Part:
    """Without a property map that speaks of something else."""
    return part if mentioned(part.properties) <= own else replace(part, properties=None)


# Where to begin


def fits(finder: Finder, touched: Iterable[str], graph: PolicyGraph) -> dict[str, frozenset[str]]:
    """The touched nodes that have the labels of each slot."""
    labels = _labels(touched, graph)
    found: dict[str, frozenset[str]] = {}
    for slot in finder.pattern.slots.values():
        test = fitting(slot.labels)
        nodes = frozenset(labels) if test is None else frozenset(node for node, has in labels.items() if test(has))
        if nodes:
            found[slot.key] = nodes
    return found


def _labels(nodes: Iterable[str], graph: PolicyGraph) -> dict[str, tuple[str, ...]]:
    """The labels of those that are (still) there."""
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        with suppress(KeyError):
            found[node] = graph.labels(node)
    return found


def _all_starts(finder: Finder, touched: frozenset[str], context: Context) -> dict[str, frozenset[str]]:
    """For each slot, the nodes that a match that holds a touched node can begin at."""
    found = fits(finder, touched, context.graph)
    for link in finder.pattern.links.values():
        if not link.single:
            end, nodes = around(link, _labels(touched, context.graph), context)
            found[end] = found.get(end, EMPTY) | nodes
    return found


def _touched_values(finder: Finder, touched: frozenset[str], name: str, context: Context) -> frozenset[str]:
    """The nodes that this variable has in matches that hold a touched node, and perhaps some more."""
    found: set[str] = set()
    for slot, nodes in _all_starts(finder, touched, context).items():
        found |= nodes if slot == name else _values(finder.way(slot, name), {slot: nodes}, name, context)
    return frozenset(found)


def _any(finder: Finder, touched: frozenset[str], context: Context) -> bool:
    starts = _all_starts(finder, touched, context)
    return any(_first(finder, {slot: nodes}, context) for slot, nodes in starts.items())


def _first(finder: Finder, seeds: dict[str, frozenset[str]], context: Context) -> bool:
    return next((True for _ in finder.run(Live({}, context, seeds=seeds))), False)


def _values(finder: Finder, seeds: dict[str, frozenset[str]], name: str, context: Context) -> set[str]:
    live = Live({}, context, seeds=seeds)
    found: set[str] = set()
    for _ in finder.run(live):
        value = live.values[name]
        if isinstance(value, NodeValue):
            found.add(value.name)
    return found


def _meets(nodes: object, touched: frozenset[str]) -> bool:
    return isinstance(nodes, tuple) and not touched.isdisjoint(nodes)
