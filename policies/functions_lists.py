"""Functions of lists.

Rules of this file
    - An end that is not there is null; a list never changes, a function makes another.
    - `range` is paid for element by element: it can make much of little.

Source: openCypher 9 (list functions).
"""

from __future__ import annotations

from typing import Final

from policies.frame import Context
from policies.functions_signature import ANY, LIST, Function, Parameter
from policies.truth import UNKNOWN
from policies.values import NodeId, Text, Value, bounded, fault

ITEMS: Final = (Parameter("list", LIST),)


def _head(items: tuple[Value, ...]) -> Value:
    return items[0] if items else None


def _last(items: tuple[Value, ...]) -> Value:
    return items[-1] if items else None


def _tail(items: tuple[Value, ...]) -> Value:
    return items[1:]


def _range(context: Context, *ends: Value) -> Value:
    """Both ends included; null if one is null."""
    for end in ends:
        if end is not None and end is not UNKNOWN and not isinstance(end, (Text, NodeId)) and end.__class__ is not int:
            raise fault("ArgumentError", "InvalidArgumentType", "range() takes whole numbers", end)
    if None in ends:
        return None
    numbers = [end for end in ends if isinstance(end, int)]
    if len(numbers) < len(ends):
        return UNKNOWN
    first, last, step = (*numbers, 1)[:3]
    if step == 0:
        raise fault("ArgumentError", "NumberOutOfRange", "the step of range() cannot be 0")
    found = range(first, last + (1 if step > 0 else -1), step)
    count = max((found.stop - found.start + step - (1 if step > 0 else -1)) // step, 0)  # len() stops at 2^63
    context.budget.spend(bounded(count))
    return tuple(found)


FUNCTIONS: Final = (
    Function("head", "list", ITEMS, ANY, "The first element.", _head),
    Function("last", "list", ITEMS, ANY, "The last element.", _last),
    Function("tail", "list", ITEMS, LIST, "All elements but the first.", _tail),
    Function(
        "range",
        "list",
        (Parameter("first"), Parameter("last"), Parameter("step", optional=True)),
        LIST,
        "The whole numbers from first to last, both included.",
        _range,
        contextual=True,
        strict=False,
    ),
)
