"""What an answer is, how long it may get, and how much may be tried for it.

Rules of this file
    - Work is counted in steps (a replay is cut in the same place at every speed); rows that are held at once are
      counted too, so memory is bounded; with a clock, time is bounded as well. There is no clock here: it is given.
    - Nothing is tried before it is paid for: `Budget.spend` raises `SpentError`, which `run` and `evaluate` turn into
      a `LimitError`.
    - A limit never hides what was already found: it travels with the error.

Invariant: a budget that has raised once raises at every later call.
Complexity: O(1) per call; the clock is read once every `STRIDE` steps.
Source: issue "a real query language", bad input (default 5 s, 10^6 rows); design promise 5 (loss is visible).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grammar.errors import InputError
from policies.graph import Edge

if TYPE_CHECKING:
    from policies.values import Value

STRIDE: Final = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows may be held or returned, how much may be tried, and for how long (if there is a clock)."""

    rows: int = 1_000_000
    steps: int = 5_000_000
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer, in the order of the columns; `certain` unless a condition could not be decided."""

    values: tuple[Value, ...]
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The whole answer to a query."""

    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Match:
    """One row of a policy's answer, and the part of the graph that it stands for, in the order of the pattern."""

    row: Mapping[str, Value]
    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    certain: bool = True


class SpentError(Exception):
    """A budget is used up; the message says of what."""


class LimitError(InputError):
    """A query that wanted more than its limits; what was found before is kept, as `matches` or as `result`."""

    def __init__(self, message: str, hint: str, matches: Iterable[Match] = (), result: Result | None = None) -> None:
        """The message names the limit; the hint says what to do."""
        super().__init__(message, hint=hint)
        self.matches = tuple(matches)
        self.result = result or Result((), [])


class Budget:
    """What is left of some `Limits`.

    >>> budget = Budget(Limits(steps=3))
    >>> budget.spend(3)
    >>> budget.spend()
    Traceback (most recent call last):
    policies.limits.SpentError: more than 3 steps
    """

    __slots__ = ("_check", "_clock", "_deadline", "_limits", "_rows", "_steps")

    def __init__(self, limits: Limits, clock: Callable[[], float] | None = None) -> None:
        """With a clock, the time runs from now."""
        self._limits = limits
        self._clock = clock
        self._deadline = clock() + limits.seconds if clock else 0.0
        self._steps = limits.steps
        self._rows = limits.rows
        self._check = self._next_check()

    def spend(self, steps: int = 1) -> None:
        """Pay for work."""
        self._steps -= steps
        if self._steps < self._check:
            self._look()

    def hold(self, rows: int = 1) -> None:
        """Pay for rows, or elements of lists, that are kept; they are given back with `release`."""
        self._rows -= rows
        if self._rows < 0:
            raise SpentError(f"more than {self._limits.rows} rows")

    def release(self, rows: int) -> None:
        """Rows that are kept no longer."""
        self._rows += rows

    def _next_check(self) -> int:
        return max(self._steps - STRIDE, 0) if self._clock else 0

    def _look(self) -> None:
        if self._steps < 0:
            raise SpentError(f"more than {self._limits.steps} steps")
        if self._clock and self._clock() > self._deadline:
            self._check = self._limits.steps + 1  # from now on every call looks
            raise SpentError(f"more than {self._limits.seconds:g} s")
        self._check = self._next_check()
