"""Expressions that run another one again and again: quantifiers, comprehensions, reduce; and CASE, which may not.

Rules of this file
    - Each runs in a frame of its own, so that its variable hides an outer one of that name and never leaks.
    - Elements are paid for before they are looked at (`Budget`).
    - A condition that is UNKNOWN leaves the list, or the choice, UNKNOWN; one that is no truth value is an error.

Complexity: linear in the elements, times the inner expression.
Source: openCypher 9 (predicate functions, list comprehension, reduce, CASE).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from policies import syntax as s
from policies.expressions_tests import same_in
from policies.frame import Compiled, Frame
from policies.ordering import equal
from policies.truth import UNKNOWN, Truth, all_of, any_of, none_of, single_of
from policies.values import Value, fault, weigh

Build: TypeAlias = Callable[[s.Expression], Compiled]


def judged(condition: s.Expression, run: Compiled) -> Compiled:
    """The same condition, compiled, but an error if its value is no truth value; the text of most tells that it is."""
    if isinstance(condition, TRUTHS):
        return run
    at = getattr(condition, "at", s.NOWHERE)

    def check(frame: Frame) -> Value:
        value = run(frame)
        if value is True or value is False or value is None or value is UNKNOWN:
            return value
        error = fault("TypeError", "InvalidArgumentType", "a condition that is neither true nor false", value)
        error.line, error.column = at.line, at.column
        raise error

    return check


def compile_quantifier(quantifier: s.Quantifier, build: Build) -> Compiled:
    """`all(x IN items WHERE condition)` and its siblings."""
    items, condition = build(quantifier.items), judged(quantifier.condition, build(quantifier.condition))
    name, decide = quantifier.variable, DECIDE[quantifier.quantity]

    def run(frame: Frame) -> Value:
        elements = items(frame)
        if not isinstance(elements, tuple):
            return _no_list(elements)
        return decide(condition(inner) for inner in _frames(frame, name, elements))

    return run


def compile_comprehension(comprehension: s.ListComprehension, build: Build) -> Compiled:
    """`[x IN items WHERE where | result]`."""
    items, name = build(comprehension.items), comprehension.variable
    where = judged(comprehension.where, build(comprehension.where)) if comprehension.where is not None else None
    result = build(comprehension.result if comprehension.result is not None else s.Variable(name))

    def run(frame: Frame) -> Value:
        elements = items(frame)
        if not isinstance(elements, tuple):
            return _no_list(elements)
        found = []
        for inner in _frames(frame, name, elements):
            kept = where(inner) if where else True
            if kept is UNKNOWN:
                return UNKNOWN
            if kept is True:
                found.append(result(inner))
        made = tuple(found)
        frame.context.budget.spend(weigh(made) >> 3)
        return made

    return run


def compile_reduce(reduce: s.Reduce, build: Build) -> Compiled:
    """`reduce(sum = 0, x IN items | sum + x)`."""
    start, items, step = build(reduce.start), build(reduce.items), build(reduce.step)
    accumulator, name = reduce.accumulator, reduce.variable

    def run(frame: Frame) -> Value:
        elements = items(frame)
        if not isinstance(elements, tuple):
            return _no_list(elements)
        value = start(frame)
        frame.context.budget.spend(len(elements))
        inner = Frame(dict(frame.values), frame.context)
        for element in elements:
            inner.values[accumulator], inner.values[name] = value, element
            value = step(inner)
        return value

    return run


def compile_case(case: s.Case, build: Build) -> Compiled:
    """`CASE [subject] WHEN … THEN … ELSE … END`; with a subject each WHEN is compared with it by `=`."""
    subject = build(case.subject) if case.subject is not None else None
    test = build if subject else lambda when: judged(when, build(when))
    branches = tuple((test(when), build(then)) for when, then in case.branches)
    otherwise = build(case.otherwise if case.otherwise is not None else s.Literal(None))

    def run(frame: Frame) -> Value:
        value = subject(frame) if subject else None
        for when, then in branches:
            holds = equal(value, when(frame), same_in(frame.context)) if subject else when(frame)
            if holds is True:
                return then(frame)
            if holds is UNKNOWN:
                return UNKNOWN
        return otherwise(frame)

    return run


def _frames(frame: Frame, name: str, elements: tuple[Value, ...]) -> Iterator[Frame]:
    """One inner frame, which has each element in turn."""
    frame.context.budget.spend(len(elements))
    inner = Frame(dict(frame.values), frame.context)
    for element in elements:
        inner.values[name] = element
        yield inner


def _no_list(value: Value) -> Value:
    if value is None or value is UNKNOWN:
        return value
    raise fault("TypeError", "InvalidArgumentType", "this needs a list", value)


TRUTHS: Final = (
    s.And,
    s.Or,
    s.Xor,
    s.Not,
    s.Comparison,
    s.IsNull,
    s.HasLabels,
    s.Quantifier,
    s.PatternPredicate,
    s.Exists,
)
DECIDE: Final[Mapping[s.Quantity, Callable[[Iterator[Value]], Truth]]] = {
    s.Quantity.ALL: all_of,
    s.Quantity.ANY: any_of,
    s.Quantity.NONE: none_of,
    s.Quantity.SINGLE: single_of,
}
