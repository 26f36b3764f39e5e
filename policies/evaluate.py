"""Asking: a query of a graph, within limits; for its rows, or for what they were made of.

Rules of this file
    - A query is compiled once and kept with the tree (`compiled`): policies are evaluated again and again.
    - A limit never hides what was found: `LimitError` carries it.
    - UNION joins the rows of its parts; without ALL each row stands once, certain if it is certain in one of them.

Invariant: `evaluate` with `touched` finds every match that holds a touched node (`incremental` says how).
Complexity: see `search` and `projection`; compiling is linear in the query, but for the order of long patterns.
Source: openCypher 9; design section 7 (policies).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policies import syntax as s
from policies.clauses import Single, compile_single, subquery
from policies.clauses_patterns import Matching
from policies.frame import Context
from policies.graph import Edge, Meaning, PolicyGraph
from policies.incremental import Change, change_of
from policies.limits import Budget, LimitError, Limits, Match, Result, Row, SpentError
from policies.search_live import TRACE, Made, Run
from policies.values import Value, key

NOTHING: Final[Mapping[str, Value]] = {}
LIMITS: Final = Limits()
POLICY_LIMITS: Final = Limits(rows=100_000, steps=2_000_000)
MAX_READY: Final = 1024
HINT: Final = "add a condition or a LIMIT, or shorten a step"


@dataclass(frozen=True, slots=True)
class Ready:
    """A query, ready to run."""

    parts: tuple[Single, ...]
    all: bool
    changes: tuple[Change | None, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self.parts[0].columns

    def rows(self, context: Context, touched: frozenset[str] | None = None) -> Iterator[Made]:
        """All rows, or those that a change of some nodes can have brought."""
        found = (
            row
            for part, change in zip(self.parts, self.changes, strict=True)
            for row in (
                part.rows(Made({}), context) if touched is None or change is None else change.rows(touched, context)
            )
        )
        return found if self.all or len(self.parts) == 1 else _once(found, self.columns, context)


READY: Final[dict[tuple[int, bool], tuple[s.Query, Ready]]] = {}


def _once(rows: Iterator[Made], columns: tuple[str, ...], context: Context) -> Iterator[Made]:
    seen: dict[Hashable, Made] = {}
    for row in rows:
        same = tuple(key(row.values[name]) for name in columns)
        first = seen.get(same)
        if first is None:
            context.budget.hold()
            seen[same] = row
        else:
            first.certain |= row.certain
    return iter(seen.values())


def compiled(query: s.Query, traced: bool = False) -> Ready:
    """The query made ready; once for each tree, by its identity (to hash a tree takes longer than to find it)."""
    known = READY.get((id(query), traced))
    if known is not None:
        return known[1]
    matching = Matching(frozenset(), subquery)
    singles = tuple(compile_single(part, matching, traced) for part in query.parts)
    changes = tuple(
        change_of(part, one, matching) if traced else None for part, one in zip(query.parts, singles, strict=True)
    )
    ready = Ready(singles, query.all, changes)
    if len(READY) >= MAX_READY:
        READY.clear()
    READY[(id(query), traced)] = (query, ready)  # the tree is kept, so its identity stays its own
    return ready


def run(
    query: s.Query,
    graph: PolicyGraph,
    *,
    meaning: Meaning = Meaning.CONCRETE,
    parameters: Mapping[str, Value] = NOTHING,
    limits: Limits = LIMITS,
    clock: Callable[[], float] | None = None,
) -> Result:
    """The rows of a query. Raises `QueryError` for what goes wrong with its values, `LimitError` beyond the limits."""
    ready = compiled(query)
    context = Run(graph, meaning, parameters, Budget(limits, clock))
    result = Result(ready.columns, [])
    try:
        for row in ready.rows(context):
            context.budget.hold()
            result.rows.append(Row(tuple(row.values[name] for name in ready.columns), row.certain))
    except SpentError as error:
        raise LimitError(str(error), HINT, result=result) from None
    return result


def evaluate(
    query: s.Query,
    graph: PolicyGraph,
    touched: frozenset[str] | None = None,
    limits: Limits = POLICY_LIMITS,
    *,
    meaning: Meaning = Meaning.CONCRETE,
    clock: Callable[[], float] | None = None,
) -> list[Match]:
    """The matches of a policy's query; with `touched`, at least all that hold one of these nodes."""
    ready = compiled(query, traced=True)
    context = Run(graph, meaning, NOTHING, Budget(limits, clock))
    found: list[Match] = []
    try:
        for row in ready.rows(context, touched):
            context.budget.hold()
            found.append(match_of(row, ready.columns))
    except SpentError as error:
        raise LimitError(str(error), HINT, found) from None
    return found


def match_of(row: Made, columns: tuple[str, ...]) -> Match:
    """A row with what it was made of."""
    trace = row.values.get(TRACE)
    nodes, edges = trace if isinstance(trace, tuple) else ((), ())
    assert isinstance(nodes, tuple)
    assert isinstance(edges, tuple)
    return Match(
        {name: row.values[name] for name in columns},
        tuple(node for node in nodes if isinstance(node, str)),
        tuple(edge for edge in edges if isinstance(edge, Edge)),
        row.certain,
    )
