"""Checks patterns: what their variables stand for, and what may be bound twice.

Rules of this file
    - A name keeps its sort: a node stays a node in all patterns that name it; a relationship is matched once in a
      MATCH.
    - A path's own name must be new; its nodes and relationships are bound before it.
    - A pattern predicate binds nothing: all its names must be known.

Complexity: linear in the pattern.
Source: openCypher 9 (pattern matching; VariableTypeConflict, VariableAlreadyBound, RelationshipUniquenessViolation).
"""

from __future__ import annotations

from typing import Final, Protocol

from policies import check_shapes as h
from policies import functions_signature as f
from policies import syntax as s
from policies.check_scope import Report, Scope

MAX_NODES: Final = 64


class Checks(Protocol):
    """What a pattern's property maps are checked with."""

    report: Report

    def check(self, expression: s.Expression, scope: Scope) -> h.Shape:
        """Check an expression of a pattern."""
        ...


def check_match(match: s.Match, scope: Scope, checks: Checks) -> None:
    """Bind what a MATCH binds into `scope`, and check its patterns."""
    if sum(len(path.nodes) for path in match.paths) > MAX_NODES:
        checks.report.wrong(f"a MATCH of more than {MAX_NODES} nodes", match.at, detail="QueryTooLarge")
    used = set[str]()
    for path in match.paths:
        _bind(path, scope, checks.report, used)
    for path in match.paths:
        _maps(path, scope, checks)


def check_path(path: s.PathPattern, scope: Scope, checks: Checks, *, binds: bool) -> None:
    """Check one path; if it `binds`, its names come into `scope`, else they must be there."""
    if len(path.nodes) > MAX_NODES:
        checks.report.wrong(f"a pattern of more than {MAX_NODES} nodes", path.at, detail="QueryTooLarge")
    if not binds:
        for part in _parts(path):
            if part.variable is not None and scope.get(part.variable) is None:
                checks.report.undefined(part.variable, part.at, scope)
                scope = scope.inner({part.variable: h.ANYTHING})
    _bind(path, scope if binds else scope.inner(), checks.report, set())
    _maps(path, scope, checks)


def _bind(path: s.PathPattern, scope: Scope, report: Report, used: set[str]) -> None:
    for index, node in enumerate(path.nodes):
        if index:
            step = path.steps[index - 1]
            _bind_part(step.variable, h.EDGES if step.hops else h.EDGE, step.at, scope, report)
            _bind_once(step, report, used)
        _bind_part(node.variable, h.NODE, node.at, scope, report)
    if path.variable is not None:
        if scope.get(path.variable) is not None:
            message = "a path's name that is already bound"
            report.wrong(message, path.at, path.variable, "give the path its own name", detail="VariableAlreadyBound")
        scope.names[path.variable] = h.PATH


def _bind_part(name: str | None, shape: h.Shape, at: s.Place, scope: Scope, report: Report) -> None:
    if name is None:
        return
    before = scope.get(name)
    if before is not None and not _fits(before, shape):
        message = f"a variable that is already {before.named}"
        report.wrong(message, at, name, "give this one its own name", detail="VariableTypeConflict")
        return
    scope.names[name] = shape


def _fits(before: h.Shape, shape: h.Shape) -> bool:
    if not before.may_be(shape.sorts):
        return False
    return shape != h.EDGES or before.elements.may_be(f.RELATIONSHIP)


def _bind_once(step: s.RelationshipPattern, report: Report, used: set[str]) -> None:
    if step.variable is None:
        return
    if step.variable in used:
        message = "a relationship that is matched twice"
        hint = "give the second one its own name"
        report.wrong(message, step.at, step.variable, hint, detail="RelationshipUniquenessViolation")
    used.add(step.variable)


def _parts(path: s.PathPattern) -> tuple[s.NodePattern | s.RelationshipPattern, ...]:
    return (*path.nodes, *path.steps)


def _maps(path: s.PathPattern, scope: Scope, checks: Checks) -> None:
    for part in _parts(path):
        if isinstance(part.properties, s.Parameter):
            hint = "WHERE a.name = $map.name"
            checks.report.wrong(
                "a parameter for all the properties of a pattern",
                part.properties.at,
                part.properties.name,
                hint,
                detail="InvalidParameterUse",
            )
        elif part.properties is not None:
            checks.check(part.properties, scope)
