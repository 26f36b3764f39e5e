"""Aggregating functions: count, sum, avg, min, max, collect, stDev, stDevP, percentileDisc, percentileCont.

Rules of this file
    - One accumulator for each call and group: rows are fed one at a time, the result can be asked at any time.
    - Null is not counted, by any of them; `count(*)` counts rows. DISTINCT looks at equivalence (`values.key`).
    - A value that could be anything makes the result UNKNOWN, and so does a `Text` where a number or an order is
      needed. What rows that are only possible do to a group is for the matching side to say.

Invariant: the result does not depend on the order of the rows, but for `collect` and for rounding in float sums.
Complexity: O(1) a row; collect, DISTINCT and the percentiles keep what they are fed, and pay for it (`Budget.hold`).
Source: openCypher 9 (aggregating functions); Welford 1962 (variance in one pass).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Protocol, TypeAlias

from policies import syntax as s
from policies.errors import QueryError
from policies.expressions import compile_expression, place
from policies.frame import Compiled, Context, Frame, Patterns
from policies.functions import FUNCTIONS, Function
from policies.ordering import SortKey, sort_key
from policies.truth import UNKNOWN
from policies.values import Value, fault, integer, is_abstract, key, weigh


class Accumulator(Protocol):
    """What a call makes of the values of one group; null and UNKNOWN never come here."""

    def take(self, value: Value, context: Context) -> None:
        """One more value."""
        ...

    def result(self) -> Value:
        """What it is of those so far."""
        ...


class Count:
    """How many."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def take(self, value: Value, context: Context) -> None:
        """Any value counts."""
        self._count += 1

    def result(self) -> Value:
        """0 of nothing."""
        return self._count


class Sum:
    """The sum, of integers exactly."""

    __slots__ = ("_sum",)

    def __init__(self) -> None:
        self._sum: int | float = 0

    def take(self, value: Value, context: Context) -> None:
        """A number."""
        self._sum += _number(value)

    def result(self) -> Value:
        """0 of nothing; an error if it does not fit."""
        return integer(self._sum) if isinstance(self._sum, int) else self._sum


class Mean:
    """The mean."""

    __slots__ = ("_count", "_sum")

    def __init__(self) -> None:
        self._sum: int | float = 0
        self._count = 0

    def take(self, value: Value, context: Context) -> None:
        """A number."""
        self._sum += _number(value)
        self._count += 1

    def result(self) -> Value:
        """Null of nothing."""
        return float(self._sum / self._count) if self._count else None


class Extreme:
    """The least value, or the greatest."""

    __slots__ = ("_best", "_greatest", "_open", "_value")

    def __init__(self, *, greatest: bool) -> None:
        self._greatest = greatest
        self._best: SortKey | None = None
        self._value: Value = None
        self._open = False

    def take(self, value: Value, context: Context) -> None:
        """Any value: there is an order across all sorts."""
        place = sort_key(value)
        if self._best is not None:
            self._open |= place != self._best and (is_abstract(value) or is_abstract(self._value))
            if place == self._best or (place < self._best) is self._greatest:
                return
        self._best, self._value = place, value

    def result(self) -> Value:
        """Null of nothing; unknown if it depends on what an abstract value stands for."""
        return UNKNOWN if self._open else self._value


class Collection:
    """The list of all."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[Value] = []

    def take(self, value: Value, context: Context) -> None:
        """Any value; it is kept, and paid for."""
        context.budget.hold()
        self._values.append(value)

    def result(self) -> Value:
        """In the order of the rows; an error if too large."""
        made = tuple(self._values)
        weigh(made)
        return made


class Deviation:
    """The standard deviation, of a sample or of a whole population."""

    __slots__ = ("_count", "_mean", "_squares", "_whole")

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def take(self, value: Value, context: Context) -> None:
        """A number."""
        number = float(_number(value))
        self._count += 1
        off = number - self._mean
        self._mean += off / self._count
        self._squares += off * (number - self._mean)

    def result(self) -> Value:
        """0.0 of fewer than two."""
        over = self._count if self._whole else self._count - 1
        return math.sqrt(self._squares / over) if self._count > 1 else 0.0


class Percentile:
    """The value below which so much of the group lies; between two values if it is continuous."""

    __slots__ = ("_between", "_percentile", "_values")

    def __init__(self, *, between: bool) -> None:
        self._between = between
        self._percentile = 0.0
        self._values: list[int | float] = []

    def aim(self, percentile: Value) -> None:
        """Set the percentile, which must be from 0 to 1."""
        number = float(_number(percentile))
        if not 0 <= number <= 1:
            raise fault("ArgumentError", "NumberOutOfRange", "a percentile is from 0.0 to 1.0", percentile)
        self._percentile = number

    def take(self, value: Value, context: Context) -> None:
        """A number; it is kept, and paid for."""
        context.budget.hold()
        self._values.append(_number(value))

    def result(self) -> Value:
        """Null of nothing."""
        if not self._values:
            return None
        ranked = sorted(self._values, key=sort_key)
        if not self._between:
            return ranked[max(math.ceil(self._percentile * len(ranked)) - 1, 0)]
        place = self._percentile * (len(ranked) - 1)
        below, above = float(ranked[math.floor(place)]), float(ranked[math.ceil(place)])
        share = place - math.floor(place)
        return below if share == 0 else below * (1 - share) + above * share


class Group:
    """One call in one group: the argument of each row goes to its accumulator, unless it is null or a repeat."""

    __slots__ = ("_accumulator", "_aim", "_argument", "_at", "_function", "_seen", "_unknown", "_vague")

    def __init__(self, call: Prepared, accumulator: Accumulator) -> None:
        self._argument, self._aim, self._function = call.argument, call.aim, call.function
        self._accumulator, self._at = accumulator, call.at
        self._seen: set[Hashable] | None = set() if call.distinct else None
        self._unknown = False
        self._vague: bool | None = None

    def feed(self, frame: Frame) -> None:
        """One row; raises `QueryError` for a value that the function does not take."""
        try:
            self._feed(frame)
        except QueryError as error:
            raise place(error, self._at) from None

    def result(self) -> Value:
        """The call's value for the group."""
        try:
            return UNKNOWN if self._unknown else self._accumulator.result()
        except QueryError as error:
            raise place(error, self._at) from None

    def _feed(self, frame: Frame) -> None:
        value = self._argument(frame)
        if self._aim is not None and isinstance(self._accumulator, Percentile):
            aim = self._aim(frame)
            if aim is UNKNOWN:
                self._unknown = True
            else:
                self._accumulator.aim(aim)
        if value is None:
            return
        if value is UNKNOWN or (self._function.accepts(0) is not ANYTHING and is_abstract(value)):
            self._unknown = True
            return
        if self._seen is not None:
            first, self._vague = self._vague is None, bool(self._vague) or is_abstract(value)
            self._unknown |= self._vague and not first  # two texts of one pattern need not be one, nor of two be two
            word = key(value)
            if word in self._seen:
                return
            frame.context.budget.hold()
            self._seen.add(word)
        self._accumulator.take(value, frame.context)


class Prepared:
    """A call with its argument compiled."""

    __slots__ = ("aim", "argument", "at", "distinct", "function")

    def __init__(self, call: s.Call | s.CountAll, patterns: Patterns) -> None:
        arguments = call.arguments if isinstance(call, s.Call) else (s.Literal(True),)
        self.function: Function = FUNCTIONS[call.function if isinstance(call, s.Call) else "count"]
        self.argument: Compiled = compile_expression(arguments[0], patterns)
        self.aim = compile_expression(arguments[1], patterns) if len(arguments) > 1 else None
        self.distinct = isinstance(call, s.Call) and call.distinct
        self.at = call.at


MakeGroup: TypeAlias = Callable[[], Group]


def aggregator(call: s.Call | s.CountAll, patterns: Patterns) -> MakeGroup:
    """What makes a new `Group` for the call: `feed` it every row of one group, then ask for its `result`."""
    prepared = Prepared(call, patterns)
    make = ACCUMULATORS[prepared.function.name]
    return lambda: Group(prepared, make())


def is_aggregate(expression: object) -> bool:
    """Whether the expression is itself a call that aggregates."""
    if isinstance(expression, s.Call):
        function = FUNCTIONS.get(expression.function)
        return function is not None and function.aggregating
    return isinstance(expression, s.CountAll)


def _number(value: Value) -> int | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise fault("TypeError", "InvalidArgumentValue", "this aggregating function takes numbers only", value)


ANYTHING: Final = FUNCTIONS["collect"].accepts(0)

ACCUMULATORS: Final[Mapping[str, Callable[[], Accumulator]]] = {
    "count": Count,
    "sum": Sum,
    "avg": Mean,
    "min": lambda: Extreme(greatest=False),
    "max": lambda: Extreme(greatest=True),
    "collect": Collection,
    "stDev": lambda: Deviation(whole=False),
    "stDevP": lambda: Deviation(whole=True),
    "percentileDisc": lambda: Percentile(between=False),
    "percentileCont": lambda: Percentile(between=True),
}
