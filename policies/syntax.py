"""The syntax tree of the policy language: what a query says, and where it says it.

Rules of this file
    - Values only: frozen, compared by what they say; a `Place` is for error messages and never takes part in
      comparison.
    - Winnower's published form leaves no trace but `Glob`: `build` rewrites it into ordinary patterns.
    - AND and OR are n-ary, so the tree is only as deep as the brackets and NOTs of the query
      (`parse.MAX_DEPTH`).

Invariant: a tree that `parse_query` returned names only variables that it binds, and every regex in it compiles.
Source: openCypher 9, clauses MATCH, WHERE, RETURN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column in the whole file, from 1."""

    line: int = 0
    column: int = 0


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or null."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Glob:
    """A string of the published form, in which `*` stands for any text."""

    text: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b, …]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A node, a relationship, the relationships of a variable-length step, or the element of a quantifier."""

    name: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Property:
    """`variable.key`; null if the variable's value has no such property."""

    variable: str
    key: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`, the name in lower case."""

    function: str
    arguments: tuple[Expression, ...]
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Three-valued negation."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    """Three-valued conjunction of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Three-valued disjunction of two or more."""

    operands: tuple[Expression, ...]


class Operator(Enum):
    """What stands between two operands."""

    EQUAL = "="
    UNEQUAL = "<>"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "IN"
    STARTS_WITH = "STARTS WITH"
    ENDS_WITH = "ENDS WITH"
    CONTAINS = "CONTAINS"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`."""

    operator: Operator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Matches:
    """`operand =~ 'pattern'`: the whole string, RE2 syntax."""

    operand: Expression
    pattern: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    """`operand IS NULL`."""

    operand: Expression


class Quantity(Enum):
    """How many elements must fulfil a quantifier's condition."""

    ALL = "all"
    ANY = "any"
    NONE = "none"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Quantifier:
    """`all(variable IN items WHERE condition)`, and its siblings."""

    quantity: Quantity
    variable: str
    items: Expression
    condition: Expression
    at: Place = field(default=NOWHERE, compare=False)


Expression: TypeAlias = (
    Literal | ListOf | Variable | Property | Call | Not | And | Or | Comparison | Matches | IsNull | Quantifier
)


@dataclass(frozen=True, slots=True)
class PropertyTest:
    """`key: value` in a property map."""

    key: str
    value: Literal | Glob


@dataclass(frozen=True, slots=True)
class NodePattern:
    """`(variable:LABEL|LABEL {key: value})`; no label means any kind."""

    variable: str | None = None
    labels: tuple[str, ...] = ()
    properties: tuple[PropertyTest, ...] = ()
    at: Place = field(default=NOWHERE, compare=False)


class Direction(Enum):
    """Where the arrow points, seen from the node on the left."""

    OUT = "->"
    IN = "<-"
    BOTH = "--"


@dataclass(frozen=True, slots=True)
class Hops:
    """How many edges a variable-length step may take, both ends included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class RelationshipPattern:
    """`-[variable:TYPE|TYPE*1..3 {key: value}]->`; every edge of a variable-length step must fulfil the map."""

    direction: Direction
    variable: str | None = None
    types: tuple[str, ...] = ()
    properties: tuple[PropertyTest, ...] = ()
    hops: Hops | None = None
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """`nodes[0] steps[0] nodes[1] …`: one more node than steps."""

    nodes: tuple[NodePattern, ...]
    steps: tuple[RelationshipPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class ReturnItem:
    """One column: an expression and its name (the alias, else the text of the expression)."""

    name: str
    expression: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """`MATCH paths [WHERE where] RETURN [DISTINCT] items [LIMIT limit]`."""

    paths: tuple[PathPattern, ...]
    where: Expression | None
    items: tuple[ReturnItem, ...]
    distinct: bool = False
    limit: int | None = None
