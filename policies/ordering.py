"""Which values are equal, which is less, and in what order rows stand.

Rules of this file
    - `equal`, `below` and `at_most` are the operators: three-valued, UNKNOWN where an abstract value leaves it open.
    - `sort_key` is orderability: every value has its place, across all sorts, null last.
    - `same` says what `=` of one and the same node, relationship or path is: True, or UNKNOWN where a node of the graph
      stands for several real ones (`Meaning.INSTANCES`).

Invariant: no function here raises, whatever the values; where `below(a, b)` is True, `sort_key(a) < sort_key(b)`; where
    `equal(a, b)` is True (and `same` too), the keys are equal.
Complexity: O(1) for scalars; for lists and maps linear in the shorter, their parts included.
Source: openCypher 9 (equality, comparability, orderability; CIP2016-06-14).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, TypeAlias

from policies.graph import Edge
from policies.truth import UNKNOWN, Truth, all_of, any_of
from policies.values import NodeId, NodeValue, PathValue, Text, Value

SortKey: TypeAlias = tuple[object, ...]

NUMBERS: Final = (int, float)
PLACES: Final = ("map", "node", "relationship", "list", "path", "string", "boolean", "number", "NaN", "unknown", "null")
MAP, NODE, RELATIONSHIP, LIST, PATH, STRING, BOOLEAN, NUMBER, NAN, OPEN, NULL = range(len(PLACES))


def equal(left: Value, right: Value, same: Truth = True) -> Truth:
    """`left = right`.

    >>> equal(1, 1.0), equal(1, True), equal((1, None), (2, None)), equal((1, None), (1, 2))
    (True, False, False, None)
    """
    if left is None or right is None:
        return None
    if left.__class__ is right.__class__ is str:
        return left == right
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(left, tuple):
        if not isinstance(right, tuple) or len(left) != len(right):
            return False
        return all_of(equal(a, b, same) for a, b in zip(left, right, strict=True))
    if isinstance(left, Mapping):
        if not isinstance(right, Mapping) or left.keys() != right.keys():
            return False
        return all_of(equal(part, right[name], same) for name, part in left.items())
    if isinstance(left, (Text, NodeId)) or isinstance(right, (Text, NodeId)):
        return _equal_texts(left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (NodeValue, Edge, PathValue)):
        return same if left == right else False
    return left == right


def among(item: Value, items: Value, same: Truth = True) -> Truth:
    """`item IN items` of a list or null."""
    if isinstance(items, tuple):
        return any_of(equal(item, one, same) for one in items)
    return UNKNOWN if items is UNKNOWN else None


def below(left: Value, right: Value, same: Truth = True) -> Truth:
    """`left < right`; null if they have no common order.

    >>> below(1, 1.5), below("a", 1), below((1, 2), (1, None)), below((1, 2), (3, None))
    (True, None, None, True)
    """
    return _ordered(left, right, same, ties=False)


def at_most(left: Value, right: Value, same: Truth = True) -> Truth:
    """`left <= right`."""
    return _ordered(left, right, same, ties=True)


def sort_key(value: Value) -> SortKey:
    """The place of `value` among all values, ascending: maps, nodes, …, strings, booleans, numbers, NaN, null.

    >>> sorted([None, 2, "b", (1,), True, 1.5], key=sort_key)
    [(1,), 'b', True, 1.5, 2, None]
    """
    match value:
        case str():
            return (STRING, value, 0)
        case bool():
            return (BOOLEAN, value)
        case int():
            return (NUMBER, value)
        case float():
            return (NAN,) if math.isnan(value) else (NUMBER, value)
        case None:
            return (NULL,)
        case NodeValue():
            return (NODE, value.name)
        case Edge():
            return (RELATIONSHIP, *_edge(value))
        case tuple():
            return (LIST, tuple(map(sort_key, value)))
        case PathValue():
            return (PATH, value.nodes, tuple(map(_edge, value.edges)))
        case Mapping():
            pairs = sorted(value.items())
            return (MAP, len(pairs), tuple(name for name, _ in pairs), tuple(sort_key(part) for _, part in pairs))
        case Text() | NodeId():
            return (STRING, str(value) if isinstance(value, Text) else value.name, 1)
    return (OPEN,)


def _edge(edge: Edge) -> tuple[str, ...]:
    return (edge.effect, edge.relation, edge.operation, edge.cause, str(getattr(edge, "key", "")))


def _equal_texts(left: Value, right: Value) -> Truth:
    """Of two, at least one of which is a text that is known in part only."""
    if isinstance(left, NodeId) or isinstance(right, NodeId):
        if isinstance(left, NodeId) and isinstance(right, NodeId):
            return UNKNOWN if left.name == right.name else False
        return UNKNOWN if isinstance(left, (str, Text)) or isinstance(right, (str, Text)) else False
    if isinstance(left, Text):
        return left.equals(right) if isinstance(right, (str, Text)) else False
    return right.equals(left) if isinstance(left, str) and isinstance(right, Text) else False


def _ordered(left: Value, right: Value, same: Truth, *, ties: bool) -> Truth:
    if left is None or right is None:
        return None
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(left, bool) and isinstance(right, bool):
        return left <= right if ties else left < right
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if isinstance(left, str) and isinstance(right, str):
        return left <= right if ties else left < right
    if isinstance(left, NUMBERS) and isinstance(right, NUMBERS):
        return left <= right if ties else left < right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return _ordered_lists(left, right, same, ties=ties)
    return _ordered_texts(left, right, ties=ties)


def _ordered_lists(left: tuple[Value, ...], right: tuple[Value, ...], same: Truth, *, ties: bool) -> Truth:
    """The first parts that differ decide; if they cannot be told apart, nothing does."""
    for a, b in zip(left, right, strict=False):
        alike = equal(a, b, same)
        if alike is False:
            return _ordered(a, b, same, ties=ties)
        if alike is not True:
            return alike
    return len(left) <= len(right) if ties else len(left) < len(right)


def _ordered_texts(left: Value, right: Value, *, ties: bool) -> Truth:
    texts = (str, Text, NodeId)
    if not (isinstance(left, texts) and isinstance(right, texts)):
        return None
    if isinstance(left, Text) and isinstance(right, (str, Text)):
        return left.at_most(right) if ties else left.below(right)
    if isinstance(right, Text) and isinstance(left, str):
        return right.at_least(left) if ties else right.above(left)
    return UNKNOWN
