"""What a compiled expression is given: the variables of one row, and what is the same for the whole run.

Rules of this file
    - Shapes only. The clauses (`plan`, `search`, `clauses`) fill frames; expressions read them and change nothing.
    - Time and chance come in as arguments: `Budget` knows the clock, `Chance` starts from a seed.

Invariant: an expression that binds a variable of its own (a quantifier, a comprehension, reduce) does it in a frame of
    its own; the row's values are never written to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from policies import syntax as s
from policies.graph import Meaning, PolicyGraph
from policies.limits import Budget
from policies.values import Value

MASK: Final = (1 << 64) - 1


class Chance:
    """Where `rand()` comes from: the same seed, the same numbers (splitmix64).

    >>> Chance(1).random() == Chance(1).random(), 0 <= Chance(2).random() < 1
    (True, True)
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int = 0) -> None:
        self._state = seed & MASK

    def random(self) -> float:
        """The next number of [0, 1)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)


@dataclass(frozen=True, slots=True)
class Context:
    """What one run of a query works on."""

    graph: PolicyGraph
    meaning: Meaning
    parameters: Mapping[str, Value]
    budget: Budget
    chance: Chance = field(default_factory=Chance)


@dataclass(slots=True)
class Frame:
    """What the variables stand for at one moment of a run."""

    values: dict[str, Value]
    context: Context


Compiled: TypeAlias = Callable[[Frame], Value]


class Patterns(Protocol):
    """How the matching side compiles the expressions that have a pattern inside."""

    def predicate(self, predicate: s.PatternPredicate, /) -> Compiled:
        """True, False or UNKNOWN: can the path be matched."""
        ...

    def comprehension(self, comprehension: s.PatternComprehension, /) -> Compiled:
        """The list of the results, in order of matching."""
        ...

    def exists(self, exists: s.Exists, /) -> Compiled:
        """True, False or UNKNOWN: has the query a row."""
        ...
