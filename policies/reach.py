"""How far from the nodes of a match the graph can matter to a query, and how.

Rules of this file
    - Counted in edges, over every pattern in the query: those of MATCH, of EXISTS, predicates and comprehensions.

Complexity: linear in the tree.
Source: `policies.syntax`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Final

from policies import syntax as s
from policies.functions import FUNCTIONS

MOST_TURNS: Final = 16


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
