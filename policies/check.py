"""What a query may not say although it parses: clauses out of place, names without a binding, sorts that never fit.

Rules of this file
    - All problems of a query are reported, in reading order; nothing is raised here.
    - This file goes through the clauses; patterns, expressions and projections have files of their own.

Invariant: the evaluator may rely on every rule here and checks none of them again.
Complexity: linear in the tree, but for what `check_projections` says.
Source: openCypher 9; the error details of its conformance suite.
"""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from typing import Final

from policies import functions_signature as f
from policies import syntax as s
from policies.check_expressions import ExpressionChecker
from policies.check_patterns import check_match
from policies.check_projections import ProjectionChecker
from policies.check_scope import Report, Scope
from policies.check_shapes import ANYTHING
from policies.check_words import vocabulary_problems

__all__ = ["check_query", "vocabulary_problems"]

MAX_CLAUSES: Final = 500
COMPOSITION: Final = "InvalidClauseComposition"


def check_query(query: s.Query, report: Report, excused: Container[s.Place] = ()) -> None:
    """Report all that is wrong with `query` on any graph; `excused` are the patterns that stand in exists(…)."""
    with suppress(_EnoughError):
        _QueryChecker(report, excused).query(query, Scope())


class _EnoughError(Exception):
    """The query is too large to be checked any further."""


class _QueryChecker:
    def __init__(self, report: Report, excused: Container[s.Place]) -> None:
        self._report = report
        self._checks = ExpressionChecker(report, excused, self._subquery)
        self._clauses = 0

    def query(self, query: s.Query, around: Scope, *, ends: bool = True) -> None:
        columns = [self._single(part, around, ends=ends) for part in query.parts]
        if any(star for star, _ in columns):
            columns = [(star, tuple(sorted(names))) for star, names in columns]
        for part, (_, names) in zip(query.parts, columns, strict=True):
            if names != columns[0][1]:
                hint = "the same names in the same order"
                at = part.clauses[-1].at
                self._report.wrong("UNION of different columns", at, hint=hint, detail="DifferentColumnsInUnion")

    def _subquery(self, query: s.Query, scope: Scope) -> None:
        self.query(query, scope, ends=False)

    def _single(self, query: s.SingleQuery, around: Scope, *, ends: bool) -> tuple[bool, tuple[str, ...]]:
        """Check one query; whether it returns *, and its columns."""
        scope, columns, star = around.inner(), tuple[str, ...](), False
        for clause, following in zip(query.clauses, (*query.clauses[1:], None), strict=True):
            self._clauses += 1
            if self._clauses > MAX_CLAUSES:
                self._report.wrong(f"more than {MAX_CLAUSES} clauses", clause.at, detail="QueryTooLarge")
                raise _EnoughError
            if isinstance(clause, s.With | s.Return):
                checker = ProjectionChecker(clause, scope, self._checks)
                columns, star = checker.columns, clause.projection.star
                scope = Scope(checker.after.names, around)
            else:
                self._reading(clause, scope)
            self._composition(clause, following, ends)
        return star, columns if isinstance(query.clauses[-1], s.Return) else ()

    def _reading(self, clause: s.Match | s.Unwind, scope: Scope) -> None:
        if isinstance(clause, s.Match):
            check_match(clause, scope, self._checks)
            if clause.where is not None:
                self._checks.condition(clause.where, scope)
            return
        items = self._checks.check(clause.items, scope)
        if scope.get(clause.variable) is not None:
            message = "a variable that is already bound"
            self._report.wrong(message, clause.at, clause.variable, "another name", detail="VariableAlreadyBound")
        scope.names[clause.variable] = items.settled.elements if items.sorts == f.LIST else ANYTHING

    def _composition(self, clause: s.Clause, following: s.Clause | None, ends: bool) -> None:
        if isinstance(clause, s.Return) and following is not None:
            self._report.wrong("a clause after RETURN", following.at, hint="WITH goes on", detail=COMPOSITION)
        elif following is None and ends and not isinstance(clause, s.Return):
            self._report.wrong("a query that does not end with RETURN", clause.at, detail=COMPOSITION)
