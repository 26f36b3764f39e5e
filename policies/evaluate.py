"""What matches: a query asked of a graph, within limits.

Rules of this file
    - Cypher's meaning: every assignment that fits is a match, and no edge is used twice within one MATCH.
    - Work is counted, not timed (a replay is cut in the same place at every speed): `Limits.steps` bounds what is
      tried, `Limits.rows` the answer. Beyond either, `LimitError` carries what was found: a cut answer says that it
      is cut.
    - The order of matches follows the order of the graph's answers.

Invariant: with `touched`, exactly those matches of the whole answer that contain a touched node (before DISTINCT and
    LIMIT).
Complexity: one pass over the nodes (with `touched` and a connected pattern: over its surroundings) to find
    candidates; then time grows with the partial matches from the rarest node outwards.
Source: openCypher 9, MATCH and RETURN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from grammar.errors import InputError
from policies.expressions import compile_expression, cost
from policies.graph import Edge, PolicyGraph
from policies.plan import pattern_of
from policies.search import Column, Search, SpentError
from policies.syntax import Query


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer may get, and how much may be tried for it."""

    rows: int = 100_000
    steps: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Match:
    """One row of the answer, and the part of the graph that it stands for, in the order of the pattern."""

    row: Mapping[str, str | None]
    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]


class LimitError(InputError):
    """A query that wanted more than its limits; `matches` is what was found before."""

    def __init__(self, message: str, hint: str, matches: Iterable[Match] = ()) -> None:
        """The message names the limit; the hint says what to do."""
        super().__init__(message, hint=hint)
        self.matches = tuple(matches)


DEFAULT_LIMITS: Final = Limits()


def evaluate(
    query: Query, graph: PolicyGraph, touched: frozenset[str] | None = None, limits: Limits = DEFAULT_LIMITS
) -> list[Match]:
    """All matches of `query` in `graph`; with `touched`, those that contain at least one of these nodes.

    Raises `LimitError` with the matches so far when `limits` do not suffice.
    """
    found: list[Match] = []
    if query.limit == 0:
        return found
    rows: set[tuple[str | None, ...]] = set()
    search = Search(pattern_of(query), graph, touched, limits.steps)
    columns = [Column(item.name, compile_expression(item.expression), cost(item.expression)) for item in query.items]
    try:
        for _ in search.solutions():
            nodes, edges = search.trace()
            if touched is not None and touched.isdisjoint(nodes):
                continue
            row = search.row(columns)
            if query.distinct and tuple(row.values()) in rows:
                continue
            if len(found) == limits.rows:
                raise LimitError(f"more than {limits.rows} rows", "add a condition or a LIMIT", found)
            rows.add(tuple(row.values()))
            found.append(Match(row, nodes, edges))
            if len(found) == query.limit:
                break
    except SpentError:
        raise LimitError(f"more than {limits.steps} steps", "add a condition or shorten a step", found) from None
    return found
