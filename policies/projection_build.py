"""From the syntax of a projection to `Columns`: which expression is asked of which names.

Rules of this file
    - Of a column that aggregates, the aggregating calls and the grouping keys inside it become hidden names; what is
      left is computed once for each group.
    - In ORDER BY and WHERE an expression that is a column means the column: always if it is the whole sort key, and
      anywhere in it if nothing else is left to ask (after grouping or DISTINCT). A new name hides an old one.

Invariant: the columns stand in the order written, those of `*` before the others and by name.
Source: openCypher 9, WITH and RETURN; scopes as `check` enforces them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies import syntax as s
from policies.aggregates import aggregator, is_aggregate
from policies.clauses_patterns import Matching
from policies.expressions_loops import judged
from policies.frame import Compiled
from policies.plan import Condition
from policies.plan_names import conjuncts, exchanged, mentioned, parts, size
from policies.projection import Columns
from policies.projection_groups import Groups
from policies.search_live import Trace


def build_columns(
    projection: s.Projection,
    where: s.Expression | None,
    scope: tuple[str, ...],
    matching: Matching,
    trace: Trace | None,
) -> Columns:
    """Make a projection ready, in a scope."""
    items = [s.ReturnItem(name, s.Variable(name)) for name in sorted(scope)] if projection.star else []
    items += projection.items
    asked = [item.expression for item in items] + [key.expression for key in projection.order] + [*conjuncts(where)]
    calls = _calls(asked)
    closed = bool(calls) or projection.distinct
    hidden = _hidden(items, calls) if calls else {}
    names = frozenset(item.name for item in items)
    table = _columns_table(items) if closed else {}
    grouped = matching.within(frozenset(h.name for h in hidden.values())) if calls else matching
    after = matching.within(names | {h.name for h in hidden.values()} | (frozenset() if closed else frozenset(scope)))

    def build(part: s.Expression) -> Compiled:
        return after.compile(exchanged(exchanged(part, table), hidden))

    whole = _columns_table(items)
    order = [whole.get(key.expression, key.expression) for key in projection.order]
    conditions = conjuncts(where)
    return Columns(
        tuple((item.name, grouped.compile(exchanged(item.expression, hidden))) for item in items),
        _groups(items, hidden, calls, matching, trace) if calls else None,
        projection.distinct,
        tuple((build(part), key.descending) for part, key in zip(order, projection.order, strict=True)),
        matching.compile(projection.skip) if projection.skip is not None else None,
        matching.compile(projection.limit) if projection.limit is not None else None,
        tuple(Condition(mentioned(part), judged(part, build(part)), 1 + size(part) // 16) for part in conditions),
        _looks_back(order, names, closed),
        _looks_back(conditions, names, closed) or bool(calls and conditions),
        trace,
    )


def _calls(expressions: Iterable[s.Expression]) -> list[s.Expression]:
    """The aggregating calls, each once."""
    found: dict[s.Expression, None] = {}
    for expression in expressions:
        for part in parts(expression, queries=False):
            if isinstance(part, (s.Call, s.CountAll)) and is_aggregate(part):
                found[part] = None
    return list(found)


def _hidden(items: Iterable[s.ReturnItem], calls: list[s.Expression]) -> dict[s.Expression, s.Variable]:
    """Hidden names for what a group knows."""
    table: dict[s.Expression, s.Variable] = {call: s.Variable(f" call{n}") for n, call in enumerate(calls)}
    keys = [item.expression for item in items if not _calls([item.expression])]
    return table | {key: s.Variable(f" key{n}") for n, key in enumerate(dict.fromkeys(keys))}


def _groups(
    items: list[s.ReturnItem],
    hidden: Mapping[s.Expression, s.Variable],
    calls: list[s.Expression],
    matching: Matching,
    trace: Trace | None,
) -> Groups:
    keys = [(hidden[key].name, matching.compile(key)) for key in hidden if key not in calls]
    made = [
        (hidden[call].name, aggregator(call, matching.around(call)))
        for call in calls
        if isinstance(call, (s.Call, s.CountAll))
    ]
    return Groups(tuple(keys), tuple(made), trace)


def _columns_table(items: Iterable[s.ReturnItem]) -> dict[s.Expression, s.Expression]:
    """Each column's expression to the column; a bare variable that is a column's name is that column already."""
    items = list(items)
    names = {item.name for item in items}
    table: dict[s.Expression, s.Expression] = {}
    for item in items:
        if not (isinstance(item.expression, s.Variable) and item.expression.name in names):
            table.setdefault(item.expression, s.Variable(item.name))
    return table


def _looks_back(expressions: Iterable[s.Expression], names: frozenset[str], closed: bool) -> bool:
    """Whether they name anything that is no column."""
    return not closed and any(mentioned(expression) - names for expression in expressions)
