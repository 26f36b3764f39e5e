"""The syntax tree of the query language: what a query says, and where it says it.

Rules of this file
    - Values only: frozen, compared by what they say; a `Place` is for error messages and never takes part in
      comparison.
    - Winnower's published form leaves no trace but `Glob`: `build` rewrites it into ordinary patterns.
    - AND, OR and XOR are n-ary, a chain of comparisons is an AND of them, so the tree is only as deep as the brackets
      of the query (`parse.MAX_DEPTH`).

Invariant: a tree that `parse_query` returned names only variables that its clauses bind.
Source: openCypher 9 (grammar and names of its parts).
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


# Expressions


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A string, number, boolean or null; `1`, `1.0` and `true` are three, as are `0.0` and `-0.0`."""

    value: Scalar

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def _told(self) -> tuple[type, str | int | None]:
        value = self.value
        return (value.__class__, repr(value) if isinstance(value, float) else value)


@dataclass(frozen=True, slots=True)
class Glob:
    """A string of the published form, in which `*` stands for any text."""

    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`."""

    name: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b, …]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{key: value, …}`; of a key that stands twice the last counts."""

    pairs: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """Whatever a clause, a quantifier or a comprehension has bound."""

    name: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Property:
    """`subject.key`; null if the subject has no such property."""

    subject: Expression
    key: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HasLabels:
    """`subject:A:B`: a node has all of the labels, a relationship is of that type."""

    subject: Expression
    labels: tuple[str, ...]
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`subject[index]` of a list, a map, a node or a relationship."""

    subject: Expression
    index: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """`subject[first..last]`; an end that is not written is None."""

    subject: Expression
    first: Expression | None
    last: Expression | None
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """Three-valued negation."""

    operand: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """Three-valued conjunction of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Three-valued disjunction of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Xor:
    """Three-valued exclusive disjunction of two or more, from the left."""

    operands: tuple[Expression, ...]


class Operator(Enum):
    """What stands between two operands and gives a truth value."""

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
    MATCHES = "=~"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`."""

    operator: Operator
    left: Expression
    right: Expression
    at: Place = field(default=NOWHERE, compare=False)


class Sign(Enum):
    """What stands between two operands and gives a value."""

    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left sign right`; `+` also joins strings and lists."""

    sign: Sign
    left: Expression
    right: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """`-operand`; of a literal number `build` makes the literal."""

    operand: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    """`operand IS NULL`; `IS NOT NULL` is its `Not`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`, the name in lower case; aggregating functions too (`distinct` is theirs)."""

    function: str
    arguments: tuple[Expression, ...]
    distinct: bool = False
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class CountAll:
    """`count(*)`."""

    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Case:
    """`CASE [subject] WHEN … THEN … [ELSE …] END`."""

    subject: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None = None


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


@dataclass(frozen=True, slots=True)
class ListComprehension:
    """`[variable IN items WHERE where | result]`; without a result, the elements themselves."""

    variable: str
    items: Expression
    where: Expression | None = None
    result: Expression | None = None
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Reduce:
    """`reduce(accumulator = start, variable IN items | step)`."""

    accumulator: str
    start: Expression
    variable: str
    items: Expression
    step: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class PatternComprehension:
    """`[path WHERE where | result]`."""

    path: PathPattern
    where: Expression | None
    result: Expression
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class PatternPredicate:
    """A path where a truth value stands: whether it can be matched. Binds nothing."""

    path: PathPattern
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Exists:
    """`EXISTS { [MATCH] pattern [WHERE …] }`, or `EXISTS { a whole query }`."""

    query: Query
    at: Place = field(default=NOWHERE, compare=False)


Expression: TypeAlias = (
    Literal
    | Glob
    | Parameter
    | ListOf
    | MapOf
    | Variable
    | Property
    | HasLabels
    | Index
    | Slice
    | Not
    | And
    | Or
    | Xor
    | Comparison
    | Arithmetic
    | Negative
    | IsNull
    | Call
    | CountAll
    | Case
    | Quantifier
    | ListComprehension
    | Reduce
    | PatternComprehension
    | PatternPredicate
    | Exists
)


# Patterns


@dataclass(frozen=True, slots=True)
class NodePattern:
    """`(variable:A|B:C {key: value})`; `labels` are all demanded, each of them one of its alternatives."""

    variable: str | None = None
    labels: tuple[tuple[str, ...], ...] = ()
    properties: MapOf | Parameter | None = None
    at: Place = field(default=NOWHERE, compare=False)


class Direction(Enum):
    """Where the arrow points, seen from the node on the left."""

    OUT = "->"
    IN = "<-"
    BOTH = "--"


@dataclass(frozen=True, slots=True)
class Hops:
    """How many edges a variable-length step may take, both ends included; None is as many as there are."""

    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class RelationshipPattern:
    """`-[variable:TYPE|TYPE*1..3 {key: value}]->`; every edge of a variable-length step must fulfil the map."""

    direction: Direction
    variable: str | None = None
    types: tuple[str, ...] = ()
    properties: MapOf | Parameter | None = None
    hops: Hops | None = None
    at: Place = field(default=NOWHERE, compare=False)


class Shortest(Enum):
    """Which of the ways between two nodes."""

    ONE = "shortestPath"
    ALL = "allShortestPaths"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """`[variable =] nodes[0] steps[0] nodes[1] …`: one more node than steps."""

    nodes: tuple[NodePattern, ...]
    steps: tuple[RelationshipPattern, ...] = ()
    variable: str | None = None
    shortest: Shortest | None = None
    at: Place = field(default=NOWHERE, compare=False)


# Clauses


@dataclass(frozen=True, slots=True)
class Match:
    """`[OPTIONAL] MATCH paths [WHERE where]`."""

    paths: tuple[PathPattern, ...]
    where: Expression | None = None
    optional: bool = False
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Unwind:
    """`UNWIND items AS variable`."""

    items: Expression
    variable: str
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ReturnItem:
    """One column: an expression and its name (the alias, else the text of the expression as written)."""

    name: str
    expression: Expression
    aliased: bool = False
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SortItem:
    """One key of ORDER BY."""

    expression: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Projection:
    """`[DISTINCT] [*,] items [ORDER BY …] [SKIP …] [LIMIT …]`; `star` stands before the items."""

    items: tuple[ReturnItem, ...]
    star: bool = False
    distinct: bool = False
    order: tuple[SortItem, ...] = ()
    skip: Expression | None = None
    limit: Expression | None = None


@dataclass(frozen=True, slots=True)
class With:
    """`WITH projection [WHERE where]`."""

    projection: Projection
    where: Expression | None = None
    at: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Return:
    """`RETURN projection`."""

    projection: Projection
    at: Place = field(default=NOWHERE, compare=False)


Clause: TypeAlias = Match | Unwind | With | Return


@dataclass(frozen=True, slots=True)
class SingleQuery:
    """Clauses in the order written; the last is RETURN (inside EXISTS it may be missing)."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """One or more queries joined by UNION (`all`: UNION ALL)."""

    parts: tuple[SingleQuery, ...]
    all: bool = False
