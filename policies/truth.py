"""Three-valued logic, and the fourth value that a compressed model needs: *could be any*.

Rules of this file
    - True, False and null (None) are Cypher's; `UNKNOWN` stands for whatever it may be, null included.
    - A connective answers only what holds for everything that `UNKNOWN` can be, so negation stays sound by itself.
    - What is no truth value is the caller's error (`policies.expressions` says so); here it counts as null.

Invariant: AND, OR and XOR do not depend on the order of their operands; NOT is its own inverse.
Complexity: linear in the operands; AND and OR stop at the first that decides.
Source: openCypher 9 (three-valued logic); Kleene's strong logic, with null and UNKNOWN as two sorts of not knowing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, TypeAlias


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN

Truth: TypeAlias = bool | Unknown | None


def negated(value: object) -> Truth:
    """`NOT value`."""
    if value is True:
        return False
    if value is False:
        return True
    return UNKNOWN if value is UNKNOWN else None


def all_of(values: Iterable[object]) -> Truth:
    """AND of all: false wins over UNKNOWN, UNKNOWN over null, null over true.

    >>> all_of([True, None, UNKNOWN]), all_of([UNKNOWN, False]), all_of([])
    (UNKNOWN, False, True)
    """
    result: Truth = True
    for value in values:
        if value is True:
            continue
        if value is False:
            return False
        result = UNKNOWN if value is UNKNOWN or result is UNKNOWN else None
    return result


def any_of(values: Iterable[object]) -> Truth:
    """OR of all: true wins over UNKNOWN, UNKNOWN over null, null over false."""
    result: Truth = False
    for value in values:
        if value is False:
            continue
        if value is True:
            return True
        result = UNKNOWN if value is UNKNOWN or result is UNKNOWN else None
    return result


def odd_of(values: Iterable[object]) -> Truth:
    """XOR of all: null wins over everything, for null XOR x is null whatever x is."""
    odd, unknown = False, False
    for value in values:
        if value is UNKNOWN:
            unknown = True
        elif value is True or value is False:
            odd ^= value
        else:
            return None
    return UNKNOWN if unknown else odd


def none_of(values: Iterable[object]) -> Truth:
    """Whether not one is true."""
    return negated(any_of(values))


def single_of(values: Iterable[object]) -> Truth:
    """Whether exactly one is true; two that are true decide, whatever the rest."""
    true, null, unknown = 0, False, 0
    for value in values:
        if value is True:
            true += 1
            if true > 1:
                return False
        elif value is UNKNOWN:
            unknown += 1
        elif value is not False:
            null = True
    if unknown and not (null and true + unknown < 2):  # beside a null, one more that is true decides nothing
        return UNKNOWN
    return None if null else true == 1
