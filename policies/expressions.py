"""Expressions made executable: each becomes a function from bindings to a value.

Rules of this file
    - Compiled once for a query, run for every candidate: constants, regexes and sets are prepared here.
    - A compiled expression reads the graph, changes nothing and never raises.
    - Its cost in steps is `cost(expression)`, known beforehand, so that the evaluator can charge for long conditions.

Invariant: every variable that the expression names is bound when it runs (`variables` says which).
Source: openCypher 9, expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from policies import syntax as s
from policies.check import walk
from policies.graph import Edge, PolicyGraph
from policies.patterns import compile_regex, glob_matches
from policies.values import (
    NodeValue,
    Value,
    all_of,
    among,
    any_of,
    equal,
    less,
    negated,
    rendered,
    single_of,
    to_integer,
)


@dataclass(slots=True)
class Bindings:
    """What the variables stand for at one moment of the search; `values` is changed in place as the search goes."""

    graph: PolicyGraph
    values: dict[str, Value] = field(default_factory=dict)


Compiled: TypeAlias = Callable[[Bindings], Value]
Holds: TypeAlias = Callable[[Value], bool]


def variables(expression: s.Expression) -> frozenset[str]:
    """The variables of MATCH that the expression needs."""
    parts = list(walk(expression))
    named = {part.name for part in parts if isinstance(part, s.Variable)}
    named |= {part.variable for part in parts if isinstance(part, s.Property)}
    return frozenset(named - {part.variable for part in parts if isinstance(part, s.Quantifier)})


def cost(expression: s.Expression) -> int:
    """Steps that one evaluation is charged."""
    return sum(1 for _ in walk(expression))


def conjuncts(expression: s.Expression | None) -> tuple[s.Expression, ...]:
    """The parts that must all be true for the whole to be true."""
    if expression is None:
        return ()
    if isinstance(expression, s.And):
        return tuple(part for operand in expression.operands for part in conjuncts(operand))
    return (expression,)


def property_of(graph: PolicyGraph, value: Value, key: str) -> Value:
    """`value.key`; every node has its `id`, every relationship its `operation`."""
    if isinstance(value, NodeValue):
        return value.id if key == "id" else graph.properties(value.id).get(key)
    if isinstance(value, Edge) and key == "operation":
        return value.operation
    return None


def compile_test(test: s.PropertyTest) -> Holds:
    """One entry of a property map, as a question about the property's text."""
    value = test.value
    if isinstance(value, s.Glob):
        pattern = value.text
        if not pattern.strip("*"):
            return lambda text: True  # the published form writes {name: "*"} for "whatever the name"
        return lambda text: isinstance(text, str) and glob_matches(pattern, text)
    wanted = value.value
    return lambda text: equal(text, wanted) is True


def compile_expression(expression: s.Expression) -> Compiled:
    """The function that gives the expression's value."""
    match expression:
        case s.Literal(constant):
            return lambda row: constant
        case s.ListOf(items):
            parts = tuple(compile_expression(item) for item in items)
            return lambda row: tuple(part(row) for part in parts)
        case s.Variable(name):
            return lambda row: row.values[name]
        case s.Property(name, key):
            return lambda row: property_of(row.graph, row.values[name], key)
        case s.Not(operand):
            inner = compile_expression(operand)
            return lambda row: negated(inner(row))
        case s.And(operands):
            parts = tuple(compile_expression(operand) for operand in operands)
            return lambda row: all_of(part(row) for part in parts)
        case s.Or(operands):
            parts = tuple(compile_expression(operand) for operand in operands)
            return lambda row: any_of(part(row) for part in parts)
    return _compile_test(expression)


def _compile_test(expression: s.Expression) -> Compiled:
    match expression:
        case s.IsNull(operand):
            subject = compile_expression(operand)
            return lambda row: subject(row) is None
        case s.Matches(operand, pattern):
            subject, fits = compile_expression(operand), compile_regex(pattern)
            return lambda row: fits(text) if isinstance(text := subject(row), str) else None
        case s.Comparison(s.Operator.IN, left, s.ListOf(items)) if all(_is_text(item) for item in items):
            member, texts = compile_expression(left), frozenset(i.value for i in items if isinstance(i, s.Literal))
            return lambda row: (value in texts) if isinstance(value := member(row), str) else among(value, tuple(texts))
        case s.Comparison(operator, left, right):
            compare, first, second = COMPARE[operator], compile_expression(left), compile_expression(right)
            return lambda row: compare(first(row), second(row))
        case s.Quantifier():
            return _compile_quantifier(expression)
        case s.Call(function, arguments):
            parts = tuple(compile_expression(argument) for argument in arguments)
            if function == "coalesce":
                return lambda row: next((v for part in parts if (v := part(row)) is not None), None)
            apply = APPLY[function]
            return lambda row: apply(parts[0](row))
    raise TypeError(f"no expression: {expression!r}")


def _is_text(item: s.Expression) -> bool:
    return isinstance(item, s.Literal) and isinstance(item.value, str)


def _compile_quantifier(quantifier: s.Quantifier) -> Compiled:
    items, condition = compile_expression(quantifier.items), compile_expression(quantifier.condition)
    name, combine = quantifier.variable, COMBINE[quantifier.quantity]

    def run(row: Bindings) -> Value:
        elements = items(row)
        if not isinstance(elements, tuple):
            return None
        return combine([condition(Bindings(row.graph, {**row.values, name: element})) for element in elements])

    return run


def _text_test(test: Callable[[str, str], bool]) -> Callable[[Value, Value], Value]:
    return lambda a, b: test(a, b) if isinstance(a, str) and isinstance(b, str) else None


def _text_function(function: Callable[[str], Value]) -> Callable[[Value], Value]:
    return lambda value: function(value) if isinstance(value, str) else None


COMPARE: Final[Mapping[s.Operator, Callable[[Value, Value], Value]]] = {
    s.Operator.EQUAL: equal,
    s.Operator.UNEQUAL: lambda a, b: negated(equal(a, b)),
    s.Operator.LESS: lambda a, b: less(a, b, or_equal=False),
    s.Operator.AT_MOST: lambda a, b: less(a, b, or_equal=True),
    s.Operator.MORE: lambda a, b: less(b, a, or_equal=False),
    s.Operator.AT_LEAST: lambda a, b: less(b, a, or_equal=True),
    s.Operator.IN: among,
    s.Operator.STARTS_WITH: _text_test(str.startswith),
    s.Operator.ENDS_WITH: _text_test(str.endswith),
    s.Operator.CONTAINS: _text_test(str.__contains__),
}

COMBINE: Final[Mapping[s.Quantity, Callable[[list[Value]], Value]]] = {
    s.Quantity.ALL: all_of,
    s.Quantity.ANY: any_of,
    s.Quantity.NONE: lambda values: negated(any_of(values)),
    s.Quantity.SINGLE: single_of,
}

APPLY: Final[Mapping[str, Callable[[Value], Value]]] = {
    "id": rendered,
    "type": lambda value: value.relation if isinstance(value, Edge) else None,
    "tointeger": to_integer,
    "tolower": _text_function(str.lower),
    "toupper": _text_function(str.upper),
    "size": lambda value: len(value) if isinstance(value, (str, tuple)) else None,
}
