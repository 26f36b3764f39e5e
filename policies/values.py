"""The values of a query: what they are, when two are the same row, how they are shown.

Rules of this file
    - Concrete values are null (None), booleans, 64-bit integers, floats, strings, lists (tuples), maps, nodes,
      relationships and paths. Abstract ones stand for many: `Text` (a string known by its pattern), `NodeId` (the id
      of some real node of a state) and `UNKNOWN` (anything).
    - A value never changes; a map is a dictionary that nobody writes to.
    - `key` is equivalence (null is null, NaN is NaN), for DISTINCT and grouping; `=` is `policies.ordering.equal`.

Invariant: `key(a) == key(b)` if and only if `a` and `b` are one value for DISTINCT; an abstract value is equivalent
    to itself as it is written.
Complexity: O(1) for a scalar, linear for a list, a map or a path.
Source: openCypher 9 (values and types; equality and equivalence).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from policies.errors import QueryError
from policies.graph import Edge
from policies.text import Text
from policies.truth import UNKNOWN, Unknown

LEAST: Final = -(1 << 63)
MOST: Final = (1 << 63) - 1
MAX_SIZE: Final = 1_200_000
"""The most parts of a value, counted as if it were written out; 64 characters of a string are one part."""
MAX_DEPTH: Final = 100
"""The most lists and maps inside one another."""


@dataclass(frozen=True, slots=True, order=True)
class NodeValue:
    """A node, by the name that its graph gave it."""

    name: str


@dataclass(frozen=True, slots=True)
class PathValue:
    """A walk: one more node than edges; each edge joins the node before it and the node after it, either way round."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeId:
    """The id of one of the real nodes that the state `name` stands for."""

    name: str


Value: TypeAlias = (
    "bool | int | float | str | tuple[Value, ...] | Mapping[str, Value] | "
    "NodeValue | Edge | PathValue | Text | NodeId | Unknown | None"
)

__all__ = ["LEAST", "MAX_SIZE", "MOST", "UNKNOWN", "NodeId", "NodeValue", "PathValue", "Text", "Unknown", "Value"]
ABSTRACT: Final = (Text, NodeId, Unknown)
LIGHT: Final = frozenset({int, float, bool, NodeValue, Edge, type(None)})
"""The classes of most values that are neither text nor have parts."""


def is_abstract(value: Value) -> bool:
    """Whether `value`, or something inside it, stands for more than one value."""
    if isinstance(value, tuple):
        return any(is_abstract(part) for part in value)
    if isinstance(value, Mapping):
        return any(is_abstract(part) for part in value.values())
    return isinstance(value, ABSTRACT)


def fault(kind: str, detail: str, message: str, offending: Value = "") -> QueryError:
    """A run-time error, without a place yet: whoever knows the place adds it (`expressions`)."""
    large = "a list" if isinstance(offending, tuple) else "a map" if isinstance(offending, Mapping) else ""
    shown = offending if isinstance(offending, str) else large or written(offending)
    return QueryError(message, kind=kind, detail=detail, offending=shown)


def integer(value: int) -> int:
    """`value` if it fits 64 bits, else an error."""
    if LEAST <= value <= MOST:
        return value
    raise fault("ArithmeticError", "IntegerOverflow", "the result does not fit a 64-bit integer")


def bounded(size: int) -> int:
    """`size` of something about to be made, if it may be that large."""
    if size <= MAX_SIZE:
        return size
    raise fault("ArgumentError", "NumberOutOfRange", f"a value of more than {MAX_SIZE} parts")


def weigh(value: Value) -> int:
    """How many parts `value` has when it is written out, shared ones as often as they stand; an error if too many.

    It stops at the limit: a list that holds itself twice, sixty times over, costs no more than any other.
    """
    if not isinstance(value, (tuple, Mapping)):
        return 1 + (len(value) >> 6) if isinstance(value, str) else 1
    total = 1
    open_: list[tuple[tuple[Value, ...] | Mapping[str, Value], int]] = [(value, 1)]
    while open_:
        whole, depth = open_.pop()
        total += len(whole)
        for part in whole if isinstance(whole, tuple) else whole.values():
            if part.__class__ is str:
                total += len(part) >> 6
            elif part.__class__ not in LIGHT and isinstance(part, (tuple, Mapping)):
                if depth == MAX_DEPTH:
                    raise fault("ArgumentError", "NumberOutOfRange", f"lists and maps nested deeper than {depth}")
                open_.append((part, depth + 1))
        bounded(total)
    return total


def key(value: Value) -> Hashable:
    """What two values share if and only if they are equivalent."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, float):
        return ("nan",) if math.isnan(value) else value  # 1 and 1.0 are one number, and one hash
    if isinstance(value, tuple):
        return ("list", *map(key, value))
    if isinstance(value, Mapping):
        return ("map", frozenset((name, key(part)) for name, part in value.items()))
    return value


def rendered(value: Value) -> str | None:
    """How a value stands in a row: text as it is, null as None, everything else as Cypher writes it.

    >>> rendered("a"), rendered(True), rendered((1, "a", None)), rendered(NodeValue("n1"))
    ('a', 'true', "[1, 'a', null]", 'n1')
    """
    return value if value is None or isinstance(value, str) else written(value)


def written(value: Value) -> str:
    """The value as text, strings inside it in quotes; a node by its name, a relationship by its four words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case int():
            return str(value)
        case float():
            return decimal(value)
        case tuple():
            return "[" + ", ".join(map(written, value)) + "]"
        case NodeValue() | NodeId():
            return value.name
        case Edge():
            return f"{value.effect} {value.relation} {value.operation} {value.cause}"
        case PathValue():
            return _path(value)
        case Unknown():
            return "?"
        case Mapping():
            return "{" + ", ".join(f"{name}: {written(part)}" for name, part in value.items()) + "}"
    return str(value)


def decimal(value: float) -> str:
    """A float as `toString` writes it: shortest digits that read back as it, an exponent outside 10^-3 … 10^7.

    >>> decimal(1.0), decimal(1e7), decimal(12345678.9), decimal(0.0001), decimal(float("nan"))
    ('1.0', '1.0E7', '1.23456789E7', '1.0E-4', 'NaN')
    """
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits, _, exponent = f"{value!r}".partition("e")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, rest = digits.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    figures = whole + rest
    if whole == "0":
        figures = rest.lstrip("0")
        power = int(exponent or 0) - (len(rest) - len(figures)) - 1
    return f"{sign}{figures[0]}.{figures[1:].rstrip('0') or '0'}E{power}"


def _path(path: PathValue) -> str:
    parts = [f"({path.nodes[0]})"]
    for before, edge, after in zip(path.nodes, path.edges, path.nodes[1:], strict=False):
        forward = edge.effect == before
        parts.append(f"-[{edge.relation}]->" if forward else f"<-[{edge.relation}]-")
        parts.append(f"({after})")
    return "".join(parts)
