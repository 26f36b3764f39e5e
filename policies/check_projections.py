"""Checks WITH and RETURN: columns, grouping, ORDER BY, SKIP and LIMIT; says what is known after them.

Rules of this file
    - Beside an aggregate stands what is the same for all of a group: constants, and variables or their properties that
      are columns of their own.
    - After DISTINCT or an aggregate, ORDER BY and WHERE see the columns; else also what was known before.
    - In ORDER BY an expression that is a column's means that column.

Complexity: O(size x depth): a part is looked for among the columns by its hash.
Source: openCypher 9; the conformance suite's ReturnOrderBy6, WithOrderBy4, Return6, With6.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from policies import check_shapes as h
from policies import functions_signature as f
from policies import syntax as s
from policies.check_expressions import ExpressionChecker, Mode
from policies.check_scope import Scope
from policies.check_walk import aggregates, bound, children, free, is_aggregate, named, walk

AMBIGUOUS: Final = "AmbiguousAggregationExpression"


class ProjectionChecker:
    """Checks one WITH or RETURN; `columns` are its names, `after` is what is known then."""

    def __init__(self, clause: s.With | s.Return, scope: Scope, checks: ExpressionChecker) -> None:
        self._clause, self._scope, self._checks, self._report = clause, scope, checks, checks.report
        self._projection = projection = clause.projection
        self._grouped = any(aggregates(item.expression) for item in projection.items)
        self.columns = self._columns()
        self.after = Scope(self._items())
        self._closed = self._grouped or projection.distinct
        self._both = Scope(self.after.names, scope)
        self._columned = frozenset(item.expression for item in projection.items)
        if self._grouped:
            self._groups()
        self._order()
        for rows, word in ((projection.skip, "SKIP"), (projection.limit, "LIMIT")):
            if rows is not None:
                self._rows(rows, word)
        if isinstance(clause, s.With) and clause.where is not None:
            checks.condition(clause.where, self._both)
            if self._closed:
                self._seen(clause.where, grouped=False, own=frozenset())

    def _columns(self) -> tuple[str, ...]:
        star = tuple(dict.fromkeys(self._scope)) if self._projection.star else ()
        if self._projection.star and not star and isinstance(self._clause, s.Return):
            self._report.wrong("RETURN * without a variable", self._clause.at, "*", detail="NoVariablesInScope")
        return (*star, *(item.name for item in self._projection.items))

    def _items(self) -> dict[str, h.Shape]:
        names = (
            {name: shape for name in self._scope if (shape := self._scope.get(name))} if self._projection.star else {}
        )
        for item in self._projection.items:
            shape = self._checks.check(item.expression, self._scope, Mode.FREE)
            if isinstance(self._clause, s.With) and not item.aliased and not isinstance(item.expression, s.Variable):
                self._report.wrong(
                    "a column of WITH without a name", item.at, item.name, "AS name", detail="NoExpressionAlias"
                )
            if item.name in names:
                hint = "name one of them with AS"
                self._report.wrong("two columns have one name", item.at, item.name, hint, detail="ColumnNameConflict")
            names[item.name] = shape.settled
        return names

    # Grouping

    def _groups(self) -> None:
        items = self._projection.items
        keys = {item.expression for item in items if not aggregates(item.expression)}
        names = {key.name for key in keys if isinstance(key, s.Variable)}
        if self._projection.star:
            names.update(self._scope)
        for item in items:
            if aggregates(item.expression):
                self._beside(item.expression, keys, names)

    def _beside(self, part: s.Expression, keys: Set[s.Expression], names: Set[str]) -> None:
        """What stands beside an aggregate must be known of the whole group."""
        if is_aggregate(part) or (_is_simple(part) and part in keys):
            return
        for name in _names(part):
            if name not in names and self._scope.get(name) is not None:
                hint = "WITH it before, or make it a column of its own"
                self._report.wrong("not the same for all that is aggregated", part, name, hint, detail=AMBIGUOUS)
        inner = names | set(bound(part))
        for child in children(part):
            self._beside(child, keys, inner)

    # ORDER BY, SKIP, LIMIT

    def _order(self) -> None:
        for item in self._projection.order:
            expression = item.expression
            if expression in self._columned:
                continue
            self._checks.check(expression, self._both, Mode.FREE if self._grouped else Mode.NOWHERE)
            if self._closed:
                self._seen(expression, grouped=aggregates(expression), own=frozenset())

    def _seen(self, part: s.Expression, *, grouped: bool, own: frozenset[str]) -> None:
        """After DISTINCT or an aggregate: only columns, and expressions that are columns."""
        if part in self._columned:
            if grouped and not _is_simple(part) and not is_aggregate(part):
                self._report.wrong("beside an aggregate, name the column", part, detail=AMBIGUOUS)
            return
        known = self.after.names.keys() | own
        for name in _names(part) if isinstance(part, s.Variable | s.PatternPredicate) else ():
            if name not in known and self._scope.get(name) and s.Variable(name) not in self._columned:
                message = "a variable that is not a column any more"
                self._report.wrong(message, part, name, "make it a column too", detail="UndefinedVariable")
        before = len(self._report.errors)
        for child in children(part):
            self._seen(child, grouped=grouped, own=own.union(bound(part)))
        if grouped and is_aggregate(part) and len(self._report.errors) == before:
            message = "an aggregate that is not a column"
            self._report.wrong(message, part, hint="make it a column with AS", detail="InvalidAggregation")

    def _rows(self, rows: s.Expression, word: str) -> None:
        subqueries = (s.PatternPredicate, s.PatternComprehension, s.Exists)
        if free(rows) or any(isinstance(part, subqueries) for part in walk(rows)):
            message = f"{word} must be the same for all rows"
            self._report.wrong(message, rows, hint="a number or a parameter", detail="NonConstantExpression")
            return
        shape = self._checks.check(rows, Scope())
        if not shape.may_be(f.INTEGER):
            message = f"{word} takes an integer, not {shape.named}"
            self._report.wrong(message, rows, detail="InvalidArgumentType")
        elif isinstance(rows, s.Literal) and isinstance(rows.value, int) and rows.value < 0:
            self._report.wrong(f"a negative {word}", rows, str(rows.value), detail="NegativeIntegerArgument")


def _names(part: s.Expression) -> tuple[str, ...]:
    """The names that a part itself holds, those of its patterns among them: they may be new, or known before."""
    match part:
        case s.Variable(name):
            return (name,)
        case s.PatternPredicate(path) | s.PatternComprehension(path):
            return named(path)
        case s.Exists(query):
            clauses = [clause for one in query.parts for clause in one.clauses if isinstance(clause, s.Match)]
            return tuple(name for clause in clauses for path in clause.paths for name in named(path))
    return ()


def _is_simple(part: s.Expression) -> bool:
    """A variable, or a property of one."""
    while isinstance(part, s.Property):
        part = part.subject
    return isinstance(part, s.Variable)
