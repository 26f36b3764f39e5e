"""What a policy's query asks of a graph: how far from a match it can matter, and how; and what its matches are about.

Rules of this file
    - Counted in edges, over every pattern in the query: those of MATCH, of EXISTS, predicates and comprehensions.
    - A policy is asked for deeds, not for rows: what RETURN would make one (DISTINCT, UNION) or cut off (SKIP, LIMIT)
      may be deeds of different things, and each is held against the instances by itself (`Shape.query`).

Complexity: linear in the tree, once for each (`shape_of`).
Source: `policies.syntax`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Final

from policies import syntax as s
from policies.functions import FUNCTIONS
from policies.limits import Match

MOST_TURNS: Final = 16
MAX_SHAPES: Final = 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """A query as a policy is evaluated (`query`), and what `reach_of`, `turns_of`, `is_positive`, … say of it."""

    source: s.Query
    query: s.Query
    reach: int | None
    turns: int
    positive: bool
    grouped: bool
    connected: bool

    def ends(self, match: Match, label: Callable[[str], str]) -> tuple[str, str]:
        """The labels that tell what a match is about, whatever the contexts and the way between.

        Those of its first and last node; of a group, that of a program in it: it is the same when the group has grown.
        """
        if not self.grouped:
            return label(match.nodes[0]), label(match.nodes[-1])
        labels = sorted(set(map(label, match.nodes)))
        first = next((one for one in labels if one.startswith("Process ")), labels[0])
        return first, first


_SHAPES: Final[dict[int, Shape]] = {}


def shape_of(query: s.Query) -> Shape:
    """The shape of a query; once for each tree, by its identity."""
    found = _SHAPES.get(id(query))
    if found is None:
        if len(_SHAPES) >= MAX_SHAPES:
            _SHAPES.clear()
        asked = deeds_of(query)
        found = Shape(
            query, asked, reach_of(query), turns_of(query), is_positive(asked), is_grouped(query), is_connected(query)
        )
        _SHAPES[id(query)] = found
    return found


def deeds_of(query: s.Query) -> s.Query:
    """The query without what its last clauses do to make one row of several, or to leave rows out."""
    return replace(query, parts=tuple(map(_every_row, query.parts)), all=True)


def _every_row(part: s.SingleQuery) -> s.SingleQuery:
    last = part.clauses[-1]
    if not isinstance(last, s.Return):
        return part
    every = replace(last.projection, distinct=False, skip=None, limit=None, order=())
    return replace(part, clauses=(*part.clauses[:-1], replace(last, projection=every)))


def is_grouped(query: s.Query) -> bool:
    """Whether a row stands for a group of matches.

    >>> from policies import parse_query
    >>> is_grouped(parse_query("MATCH (p)-->(f) WITH p, count(f) AS n WHERE n > 9 RETURN p"))
    True
    """
    return any(
        isinstance(part, s.CountAll) or (isinstance(part, s.Call) and FUNCTIONS[part.function].aggregating)
        for part in _parts(query)
    )


def reach_of(query: s.Query) -> int | None:
    """The sum of the hops of all patterns; None if one of them has no end.

    >>> from policies import parse_query
    >>> reach_of(parse_query("MATCH (a)-[*1..3]->(b)-[]->(c) WHERE NOT (a)-->() RETURN a"))
    5
    """
    total = 0
    for path in _paths(query):
        for step in path.steps:
            most = step.hops.most if step.hops is not None else 1
            if most is None:
                return None
            total += most
    return total


def turns_of(query: s.Query) -> int:
    """How often a way through the query's patterns can turn round: at most once at each of their steps.

    >>> from policies import parse_query
    >>> turns_of(parse_query("MATCH (a)-->(b)-->(c) RETURN a")), turns_of(parse_query("MATCH (a)-->(b)<--(c) RETURN a"))
    (0, 1)
    """
    paths = list(_paths(query))
    turns = max(0, sum(bool(path.steps) for path in paths) - 1)
    for path in paths:
        ways = [step.direction for step in path.steps]
        turns += sum(one is not other for one, other in pairwise(ways))
        for step in path.steps:
            if step.direction is s.Direction.BOTH:
                turns += min(MOST_TURNS, step.hops.most or MOST_TURNS) if step.hops is not None else 1
    return min(turns, MOST_TURNS)


def is_positive(query: s.Query) -> bool:
    """Whether more of a graph can only add rows: no pattern in an expression, nothing optional, no aggregate, no cut.

    >>> from policies import parse_query
    >>> is_positive(parse_query("MATCH (a)-->(b) WHERE NOT a.path = 'x' RETURN a"))
    True
    >>> is_positive(parse_query("MATCH (a) WHERE NOT (a)-->() RETURN a"))
    False
    """
    for part in _parts(query):
        if isinstance(part, (s.Exists, s.PatternPredicate, s.PatternComprehension, s.CountAll)):
            return False
        if isinstance(part, s.PathPattern) and part.shortest is not None:
            return False
        if isinstance(part, s.Call) and FUNCTIONS[part.function].aggregating:
            return False
        if isinstance(part, s.Match) and part.optional:
            return False
        if isinstance(part, s.Projection) and (part.skip is not None or part.limit is not None):
            return False
    return True


def is_connected(query: s.Query) -> bool:
    """Whether everything that a row is made of hangs together: within `reach_of` of any node of it is all of it.

    >>> from policies import parse_query
    >>> is_connected(parse_query("MATCH (a)-->(b), (b)-->(c) RETURN a"))
    True
    >>> is_connected(parse_query("MATCH (a)-->(b), (c) RETURN a"))
    False
    """
    return all(map(_hangs_together, query.parts))


def _hangs_together(part: s.SingleQuery) -> bool:
    matches = [clause for clause in part.clauses if isinstance(clause, s.Match)]
    if len(matches) != 1 or not isinstance(part.clauses[0], s.Match) or matches[0].optional:
        return False
    first, *rest = [{node.variable for node in path.nodes} - {None, ""} for path in matches[0].paths]
    while rest:
        near = [names for names in rest if names & first]
        if not near:
            return False
        first = first.union(*near)
        rest = [names for names in rest if names not in near]
    return True


def _paths(query: s.Query) -> Iterator[s.PathPattern]:
    return (part for part in _parts(query) if isinstance(part, s.PathPattern))


def _parts(query: s.Query) -> Iterator[object]:
    """Everything in the tree, without recursion."""
    waiting: list[object] = [query]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, tuple):
            waiting.extend(part)
        elif is_dataclass(part) and not isinstance(part, (s.Place, type)):
            waiting.extend(getattr(part, one.name) for one in fields(part))
