"""What a function of the language is: its name, what it takes and gives, and what it says about itself.

Rules of this file
    - Shapes only; the functions stand in `functions_*`, all of them together in `functions.FUNCTIONS`.
    - A sort that a function does not take is a compile-time error if the argument can have no other sort, else a
      run-time one (`called`). Null is of every sort, and makes null, unless the function is not `strict`.
    - An abstract argument makes `UNKNOWN`, unless the function is `textual`, and takes a `Text` for a string.

Source: openCypher 9 (function signatures).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from policies.errors import QueryError
from policies.frame import Context
from policies.graph import Edge
from policies.truth import UNKNOWN
from policies.values import NodeValue, PathValue, Text, Value, fault


class Sort(Enum):
    """What a value can be, as far as signatures care."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"
    LIST = "list"
    MAP = "map"
    NODE = "node"
    RELATIONSHIP = "relationship"
    PATH = "path"


Sorts: TypeAlias = frozenset[Sort]

ANY: Final[Sorts] = frozenset(Sort)
BOOLEAN: Final[Sorts] = frozenset({Sort.BOOLEAN})
INTEGER: Final[Sorts] = frozenset({Sort.INTEGER})
FLOAT: Final[Sorts] = frozenset({Sort.FLOAT})
NUMBER: Final[Sorts] = INTEGER | FLOAT
STRING: Final[Sorts] = frozenset({Sort.STRING})
LIST: Final[Sorts] = frozenset({Sort.LIST})
MAP: Final[Sorts] = frozenset({Sort.MAP})
NODE: Final[Sorts] = frozenset({Sort.NODE})
RELATIONSHIP: Final[Sorts] = frozenset({Sort.RELATIONSHIP})
PATH: Final[Sorts] = frozenset({Sort.PATH})

Apply: TypeAlias = Callable[..., Value]
"""The function itself: of its arguments, after the `Context` if `Function.contextual`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument; an optional one may be left out, a repeated one may come any number of times."""

    name: str
    sorts: Sorts = ANY
    optional: bool = False
    repeated: bool = False


def _no_result(*_: Value) -> Value:
    raise NotImplementedError("an aggregating function has no value of its own")


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its written name, with its documentation; aggregating ones are run by `aggregates`."""

    name: str
    group: str
    parameters: tuple[Parameter, ...]
    result: Sorts
    doc: str
    apply: Apply = _no_result
    contextual: bool = False
    textual: bool = False
    strict: bool = True
    aggregating: bool = False

    @property
    def least(self) -> int:
        """The fewest arguments."""
        return sum(1 for one in self.parameters if not one.optional)

    @property
    def most(self) -> int | None:
        """The most arguments; None is any number."""
        return None if any(one.repeated for one in self.parameters) else len(self.parameters)

    @property
    def signature(self) -> str:
        """How it is called, as the reference shows it.

        >>> Function("left", "string", (Parameter("text"), Parameter("length")), STRING, "").signature
        'left(text, length)'
        """
        names = [f"[{p.name}]" if p.optional else p.name + ", …" * p.repeated for p in self.parameters]
        return f"{self.name}({', '.join(names)})"

    def accepts(self, position: int) -> Sorts:
        """The sorts that the argument at `position` (from 0) may have."""
        return self.parameters[min(position, len(self.parameters) - 1)].sorts

    def called(self, context: Context, arguments: tuple[Value, ...]) -> Value:
        """The value for these arguments, after what is the same for all functions: nulls, abstract values, sorts."""
        if self.strict:
            abstract = False
            for position, argument in enumerate(arguments):
                if argument is None:
                    return None
                sort = SORTS.get(argument.__class__) or _sort_of(argument)
                if sort is None:
                    abstract |= not (self.textual and isinstance(argument, Text))
                elif sort not in self.accepts(position):
                    raise self.refused(argument)
            if abstract:  # after the loop: a null further on decides
                return UNKNOWN
        return self.apply(context, *arguments) if self.contextual else self.apply(*arguments)

    def refused(self, argument: Value) -> QueryError:
        """The error for an argument of a wrong sort."""
        return fault("TypeError", "InvalidArgumentValue", f"{self.name}() does not take this", argument)


SORTS: Final[dict[type, Sort]] = {
    bool: Sort.BOOLEAN,
    int: Sort.INTEGER,
    float: Sort.FLOAT,
    str: Sort.STRING,
    tuple: Sort.LIST,
    dict: Sort.MAP,
    NodeValue: Sort.NODE,
    Edge: Sort.RELATIONSHIP,
    PathValue: Sort.PATH,
}


def _sort_of(value: Value) -> Sort | None:
    """Of a value whose class is derived from one of `SORTS`; None of an abstract one."""
    if isinstance(value, Mapping):
        return Sort.MAP
    return next((sort for kind, sort in SORTS.items() if isinstance(value, kind)), None)
