"""The values of a query and Cypher's three-valued logic over them.

Rules of this file
    - Null is unknown: what depends on it is null, never an error, never silently false.
    - Strings, numbers and booleans never compare across their sorts: `'80' = 80` is false, `'80' < 90` is null (use
      toInteger).

Invariant: no function here raises, whatever the values.
Source: openCypher 9, sections on equality, comparability and null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from policies.graph import Edge

INTEGER: Final = re.compile(r"\s*-?[0-9]{1,18}\s*")


@dataclass(frozen=True, slots=True)
class NodeValue:
    """A node as a value: equal to itself only."""

    id: str


Value: TypeAlias = "str | int | float | bool | NodeValue | Edge | tuple[Value, ...] | None"


def equal(left: Value, right: Value) -> bool | None:
    """`left = right`."""
    if left is None or right is None:
        return None
    if isinstance(left, tuple) and isinstance(right, tuple):
        if len(left) != len(right):
            return False
        return all_of(equal(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, str) or isinstance(right, str):
        return left == right  # nearly all there is
    return _sort(left) is _sort(right) and left == right


def less(left: Value, right: Value, *, or_equal: bool) -> bool | None:
    """`left < right`, or `left <= right`; null if they have no common order."""
    if isinstance(left, str) and isinstance(right, str):
        return left <= right if or_equal else left < right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)) and _sort(left) is _sort(right):
        return left <= right if or_equal else left < right
    return None


def among(item: Value, items: Value) -> bool | None:
    """`item IN items`."""
    if not isinstance(items, tuple):
        return None
    return any_of(equal(item, one) for one in items)


def negated(value: Value) -> bool | None:
    """`NOT value`; what is not a truth value is unknown."""
    return (not value) if isinstance(value, bool) else None


def all_of(values: Iterable[Value]) -> bool | None:
    """AND of all: false wins over null, null over true; stops at the first false."""
    unknown = False
    for value in values:
        if value is False:
            return False
        unknown |= value is not True
    return None if unknown else True


def any_of(values: Iterable[Value]) -> bool | None:
    """OR of all: true wins over null, null over false; stops at the first true."""
    unknown = False
    for value in values:
        if value is True:
            return True
        unknown |= value is not False
    return None if unknown else False


def single_of(values: Iterable[Value]) -> bool | None:
    """Whether exactly one is true."""
    found = list(values)
    certain = sum(value is True for value in found)
    if certain > 1:
        return False
    if any(value is not True and value is not False for value in found):
        return None
    return certain == 1


def to_integer(value: Value) -> int | None:
    """`toInteger(value)`: of a number or a decimal string; anything else is null."""
    if isinstance(value, str):
        return int(value) if INTEGER.fullmatch(value) else None
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def rendered(value: Value) -> str | None:
    """How a value stands in a row: a node by its id, a relationship by its four words."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case NodeValue(name):
            return name
        case Edge(effect, relation, operation, cause):
            return f"{effect} {relation} {operation} {cause}"
        case tuple():
            return "[" + ", ".join(rendered(part) or "null" for part in value) + "]"
    return str(value)


def _sort(value: Value) -> type:
    """Integers and decimals are one sort; a boolean is no number."""
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)
