"""Comparisons made executable: `=`, `<`, IN, STARTS WITH, `=~` and their siblings.

Rules of this file
    - What is compared is nearly always a property with a constant string: that case costs one call and one comparison;
      a constant list of scalars is a set, a constant regex is compiled once.
    - A `Text` is asked what it can tell (`policies.text`); what it cannot is UNKNOWN.
    - Strings are searched in strings only: of anything else STARTS WITH and its siblings are null.

Complexity: O(text) for a string, O(1) for IN of constants, O(text x program) for a regex (`patterns`, RE2).
Source: openCypher 9 (comparison, string and list operators).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Final, TypeAlias

from policies import syntax as s
from policies.frame import Compiled, Context, Frame
from policies.graph import Meaning
from policies.ordering import among, at_most, below, equal
from policies.patterns import compile_regex, glob_matches, regex_problem
from policies.syntax import Operator
from policies.truth import UNKNOWN, Truth, any_of, negated
from policies.values import NodeId, Text, Value, fault

Test: TypeAlias = Callable[[Value, Value, Context], Truth]

ABSTRACT_TEXT: Final = (Text, NodeId)


def same_in(context: Context) -> Truth:
    """What `=` says of one and the same node."""
    return UNKNOWN if context.meaning is Meaning.INSTANCES else True


def compile_comparison(comparison: s.Comparison, left: Compiled, right: Compiled) -> Compiled:
    """The comparison of two compiled operands; constants on the right are prepared."""
    operator = comparison.operator
    match comparison.right:
        case s.Literal(str() as text):
            return _with_text(operator, left, text)
        case s.Literal(int() as number) if operator in NUMERIC and not isinstance(number, bool):
            return _with_integer(operator, left, number)
        case s.Glob(written) if operator in (Operator.EQUAL, Operator.UNEQUAL):
            return _with_glob(left, written, wanted=operator is Operator.EQUAL)
        case s.ListOf(items) if operator is Operator.IN and all(isinstance(item, s.Literal) for item in items):
            return _in_constants(left, tuple(item.value for item in items if isinstance(item, s.Literal)))
    test = TESTS[operator]

    def run(frame: Frame) -> Truth:
        return test(left(frame), right(frame), frame.context)

    return run


def _with_text(operator: Operator, left: Compiled, constant: str) -> Compiled:
    slow = TESTS[operator]
    fast = _regex_test(constant) if operator is Operator.MATCHES else FAST.get(operator)
    if operator is Operator.EQUAL:

        def same(frame: Frame) -> Truth:
            value = left(frame)
            return value == constant if value.__class__ is str else slow(value, constant, frame.context)

        return same
    if fast is None:
        return lambda frame: slow(left(frame), constant, frame.context)
    test = fast

    def run(frame: Frame) -> Truth:
        value = left(frame)
        return test(value, constant) if value.__class__ is str else slow(value, constant, frame.context)

    return run


def _with_integer(operator: Operator, left: Compiled, constant: int) -> Compiled:
    fast, slow = NUMERIC[operator], TESTS[operator]

    def run(frame: Frame) -> Truth:
        value = left(frame)
        return fast(value, constant) if value.__class__ is int else slow(value, constant, frame.context)

    return run


def _with_glob(left: Compiled, written: str, *, wanted: bool) -> Compiled:
    if not written.strip("*"):
        return lambda frame: wanted  # the published form writes {name: "*"} for "whatever the name"

    def run(frame: Frame) -> Truth:
        value = left(frame)
        if isinstance(value, str):
            return glob_matches(written, value) is wanted
        if isinstance(value, Text):
            found = value.glob(written)
            return found if wanted else negated(found)
        if value is None:
            return None
        return UNKNOWN if value is UNKNOWN or isinstance(value, NodeId) else not wanted

    return run


def _in_constants(left: Compiled, constants: tuple[s.Scalar, ...]) -> Compiled:
    texts = frozenset(one for one in constants if isinstance(one, str))
    numbers = frozenset(one for one in constants if one.__class__ in (int, float))
    absent = None if any(one is None for one in constants) else False  # what is said of one that is in neither set

    def run(frame: Frame) -> Truth:
        value = left(frame)
        if value.__class__ is str:
            return True if value in texts else absent
        if isinstance(value, Text):
            return any_of((value.among(texts), absent))
        if value.__class__ is int:
            return True if value in numbers else absent
        return _among(value, constants, frame.context)

    return run


def _regex_test(regex: str) -> Callable[[str, str], bool] | None:
    if regex_problem(regex) is not None:
        return None  # the error is the run's: nothing may be compared with it
    fits = compile_regex(regex)
    return lambda text, _: fits(text)


def _starts_with(left: Value, right: Value, _: Context) -> Truth:
    if isinstance(left, str) and isinstance(right, str):
        return left.startswith(right)
    if isinstance(left, Text) and isinstance(right, (str, Text)):
        return left.starts_with(right)
    return right.begins(left) if isinstance(left, str) and isinstance(right, Text) else _no_texts(left, right)


def _ends_with(left: Value, right: Value, _: Context) -> Truth:
    if isinstance(left, str) and isinstance(right, str):
        return left.endswith(right)
    if isinstance(left, Text) and isinstance(right, (str, Text)):
        return left.ends_with(right)
    return right.finishes(left) if isinstance(left, str) and isinstance(right, Text) else _no_texts(left, right)


def _contains(left: Value, right: Value, _: Context) -> Truth:
    if isinstance(left, str) and isinstance(right, str):
        return right in left
    if isinstance(left, Text) and isinstance(right, (str, Text)):
        return left.contains(right)
    return right.inside(left) if isinstance(left, str) and isinstance(right, Text) else _no_texts(left, right)


def _matches(left: Value, right: Value, context: Context) -> Truth:
    if not isinstance(right, str):
        return _no_texts(left, right)
    if not isinstance(left, (str, Text)):
        return _no_texts(left, right)
    context.budget.spend(1 + (len(right) >> 2))
    problem = regex_problem(right)
    if problem is not None:
        raise fault("ArgumentError", "InvalidArgumentValue", f"not a regular expression: {problem}", right)
    return compile_regex(right)(left) if isinstance(left, str) else left.matches(right)


def _no_texts(left: Value, right: Value) -> Truth:
    """Of two that are not both known strings: null if one is no string at all, else undecided."""
    for one in (left, right):
        if one is not UNKNOWN and not isinstance(one, (str, Text, NodeId)):
            return None
    return UNKNOWN


def _among(item: Value, items: Value, context: Context) -> Truth:
    if isinstance(items, tuple):
        context.budget.spend(len(items) >> 3)
        return among(item, items, same_in(context))
    if items is None or items is UNKNOWN:
        return items
    raise fault("TypeError", "InvalidArgumentType", "IN looks into lists only", items)


FAST: Final[Mapping[Operator, Callable[[str, str], bool]]] = {
    Operator.UNEQUAL: ne,
    Operator.LESS: lt,
    Operator.AT_MOST: le,
    Operator.MORE: gt,
    Operator.AT_LEAST: ge,
    Operator.STARTS_WITH: str.startswith,
    Operator.ENDS_WITH: str.endswith,
    Operator.CONTAINS: str.__contains__,
}

NUMERIC: Final[Mapping[Operator, Callable[[int, int], bool]]] = {
    Operator.EQUAL: eq,
    Operator.UNEQUAL: ne,
    Operator.LESS: lt,
    Operator.AT_MOST: le,
    Operator.MORE: gt,
    Operator.AT_LEAST: ge,
}

TESTS: Final[Mapping[Operator, Test]] = {
    Operator.EQUAL: lambda a, b, context: equal(a, b, same_in(context)),
    Operator.UNEQUAL: lambda a, b, context: negated(equal(a, b, same_in(context))),
    Operator.LESS: lambda a, b, context: below(a, b, same_in(context)),
    Operator.AT_MOST: lambda a, b, context: at_most(a, b, same_in(context)),
    Operator.MORE: lambda a, b, context: below(b, a, same_in(context)),
    Operator.AT_LEAST: lambda a, b, context: at_most(b, a, same_in(context)),
    Operator.IN: _among,
    Operator.STARTS_WITH: _starts_with,
    Operator.ENDS_WITH: _ends_with,
    Operator.CONTAINS: _contains,
    Operator.MATCHES: _matches,
}
