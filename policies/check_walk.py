"""Going through expressions: their parts, what they need from outside, whether they aggregate.

Rules of this file
    - `children` is the one place that knows what each node of the tree holds.
    - Nothing here judges; these are questions about a tree.

Invariant: `walk` visits every expression of a tree once, those in patterns and subqueries included, in reading order.
Complexity: linear in the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies import syntax as s
from policies.functions import FUNCTIONS

AGGREGATING: Final = frozenset(name for name, function in FUNCTIONS.items() if function.aggregating)


def children(expression: s.Expression) -> tuple[s.Expression, ...]:
    """The direct parts of an expression, in reading order."""
    match expression:
        case s.ListOf(items) | s.And(items) | s.Or(items) | s.Xor(items):
            return items
        case s.Call():
            return expression.arguments
        case s.MapOf(pairs):
            return tuple(value for _, value in pairs)
        case s.Property(subject) | s.HasLabels(subject) | s.Not(subject) | s.Negative(subject) | s.IsNull(subject):
            return (subject,)
        case s.Index(left, right) | s.Comparison(_, left, right) | s.Arithmetic(_, left, right):
            return (left, right)
        case s.Slice(subject, first, last):
            return _present(subject, first, last)
        case s.Case(subject, branches, otherwise):
            return _present(subject, *(part for branch in branches for part in branch), otherwise)
    return _of_scopes(expression)


def _of_scopes(expression: s.Expression) -> tuple[s.Expression, ...]:
    """The direct parts of what binds names of its own."""
    match expression:
        case s.Quantifier(_, _, items, condition):
            return (items, condition)
        case s.ListComprehension(_, items, where, result):
            return _present(items, where, result)
        case s.Reduce(_, start, _, items, step):
            return (start, items, step)
        case s.PatternComprehension(path, where, result):
            return _present(*of_path(path), where, result)
        case s.PatternPredicate(path):
            return of_path(path)
        case s.Exists(query):
            return tuple(of_query(query))
    return ()


def of_path(path: s.PathPattern) -> tuple[s.Expression, ...]:
    """The maps of a pattern."""
    parts = [path.nodes[0], *(part for pair in zip(path.steps, path.nodes[1:], strict=True) for part in pair)]
    return tuple(part.properties for part in parts if part.properties is not None)


def of_query(query: s.Query) -> Iterator[s.Expression]:
    """The outermost expressions of a query."""
    for part in query.parts:
        for clause in part.clauses:
            yield from of_clause(clause)


def of_clause(clause: s.Clause) -> Iterator[s.Expression]:
    """The outermost expressions of a clause."""
    if isinstance(clause, s.Match):
        for path in clause.paths:
            yield from of_path(path)
    elif isinstance(clause, s.Unwind):
        yield clause.items
    else:
        projection = clause.projection
        yield from (item.expression for item in projection.items)
        yield from (item.expression for item in projection.order)
        yield from _present(projection.skip, projection.limit)
    if isinstance(clause, s.Match | s.With) and clause.where is not None:
        yield clause.where


def walk(expression: s.Expression, *, subqueries: bool = True) -> Iterator[s.Expression]:
    """The expression and all its parts, in reading order; those of an EXISTS only if `subqueries`."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        if subqueries or not isinstance(part, s.Exists):
            stack.extend(reversed(children(part)))


def is_aggregate(expression: s.Expression) -> bool:
    """Whether it is itself a call that aggregates."""
    return isinstance(expression, s.CountAll) or (isinstance(expression, s.Call) and expression.function in AGGREGATING)


def aggregates(expression: s.Expression) -> bool:
    """Whether it, or a part of it outside of subqueries, aggregates."""
    return any(map(is_aggregate, walk(expression, subqueries=False)))


def bound(expression: s.Expression) -> tuple[str, ...]:
    """The names that an expression binds for its own parts."""
    match expression:
        case s.Quantifier(_, name) | s.ListComprehension(name):
            return (name,)
        case s.Reduce(accumulator, _, name):
            return (accumulator, name)
        case s.PatternComprehension(path):
            return named(path)
    return ()


def named(path: s.PathPattern) -> tuple[str, ...]:
    """The variables of a pattern, each once."""
    names = [path.variable, *(node.variable for node in path.nodes), *(step.variable for step in path.steps)]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def free(expression: s.Expression, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The names that it needs from outside. A part's own names count for all of the part, as they hide others."""
    if isinstance(expression, s.Variable):
        return frozenset() if expression.name in known else frozenset({expression.name})
    inner = known.union(bound(expression))
    own = named(expression.path) if isinstance(expression, s.PatternPredicate) else ()
    return frozenset(own).difference(known).union(*(free(part, inner) for part in children(expression)))


def _present(*parts: s.Expression | None) -> tuple[s.Expression, ...]:
    return tuple(part for part in parts if part is not None)
