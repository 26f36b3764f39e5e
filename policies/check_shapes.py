"""What an expression can be, as far as its text tells: sorts of values, and the sorts of a list's elements.

Rules of this file
    - A shape says what is possible, never what is certain: null belongs to every shape, and of what is not known all
      is possible. An error is where what is possible has nothing in common with what is wanted.
    - What a literal's elements are is known to the quantifier or comprehension that goes through it, and to nobody who
      takes them out of it otherwise (UNWIND, an index, a name): there an engine finds out at run time.
    - Values only; who walks the expressions is `check_expressions`.

Source: openCypher 9 (types; the conformance suite's compile-time InvalidArgumentType).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from policies import functions_signature as f
from policies import syntax as s

Sort = f.Sort


@dataclass(frozen=True, slots=True)
class Shape:
    """The sorts that a value may have; `element` is what a list may hold, as far as it is known."""

    sorts: f.Sorts
    element: Shape | None = None

    def may_be(self, wanted: f.Sorts) -> bool:
        """Whether the value can be of one of the wanted sorts."""
        return not self.sorts.isdisjoint(wanted)

    @property
    def elements(self) -> Shape:
        """What an element can be."""
        return self.element or ANYTHING

    @property
    def settled(self) -> Shape:
        """What a name that is given to the value is known to stand for: of values in a list, only what patterns tell.

        A list that a query builds may be mixed, so what is taken out of it is judged at run time.
        """
        return self if self.element is None or self.element.sorts <= MATCHED else Shape(self.sorts)

    @property
    def named(self) -> str:
        """The sorts in words.

        >>> Shape(f.NUMBER).named
        'a float or integer'
        """
        words = " or ".join(sorted(sort.value for sort in self.sorts))
        return f"an {words}" if words[:1] in tuple("aeio") else f"a {words}"


MATCHED: Final = f.NODE | f.RELATIONSHIP | f.PATH
ANYTHING: Final = Shape(f.ANY)
BOOLEAN: Final = Shape(f.BOOLEAN)
INTEGER: Final = Shape(f.INTEGER)
FLOAT: Final = Shape(f.FLOAT)
NUMBER: Final = Shape(f.NUMBER)
STRING: Final = Shape(f.STRING)
LIST: Final = Shape(f.LIST)
MAP: Final = Shape(f.MAP)
NODE: Final = Shape(f.NODE)
EDGE: Final = Shape(f.RELATIONSHIP)
EDGES: Final = Shape(f.LIST, EDGE)
PATH: Final = Shape(f.PATH)

# Lists whose elements a function's signature does not tell.
ELEMENTS: Final = {
    "nodes": NODE,
    "relationships": EDGE,
    "range": INTEGER,
    "labels": STRING,
    "keys": STRING,
    "split": STRING,
}


def of_literal(value: s.Scalar) -> Shape:
    """The shape of a literal; null can be anything."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INTEGER
    if isinstance(value, float):
        return FLOAT
    return STRING if isinstance(value, str) else ANYTHING


def either(shapes: Iterable[Shape]) -> Shape:
    """One of several; of none, anything."""
    found = list(dict.fromkeys(shapes))
    if len(found) == 1:
        return found[0]
    sorts = frozenset[Sort]().union(*(shape.sorts for shape in found))
    return Shape(sorts) if sorts else ANYTHING


def of_arithmetic(sign: s.Sign, left: Shape, right: Shape) -> Shape:
    """What a calculation gives."""
    if sign is s.Sign.PLUS and not (left.sorts | right.sorts) <= f.NUMBER:
        if f.LIST in (left.sorts, right.sorts):
            return LIST
        return STRING if left.sorts == right.sorts == f.STRING else ANYTHING
    if sign is s.Sign.POWER:
        return FLOAT
    return INTEGER if left.sorts == right.sorts == f.INTEGER else NUMBER


def of_call(function: f.Function, arguments: tuple[Shape, ...]) -> Shape:
    """What a function gives for arguments of these shapes."""
    name = function.name.lower()
    if name in ELEMENTS:
        return Shape(function.result, ELEMENTS[name])
    if name == "collect" and arguments:
        return Shape(f.LIST, arguments[0])
    if name in ("tail", "reverse") and arguments and arguments[0].sorts == f.LIST:
        return arguments[0]
    if name in ("head", "last") and arguments:
        return arguments[0].settled.elements
    if name == "coalesce":
        return either(arguments)
    return Shape(function.result)
