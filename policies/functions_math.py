"""Functions of numbers.

Rules of this file
    - As in IEEE 754, there is an answer for every number: outside a function's domain it is NaN, beyond a float
      infinite. Only `abs` of the least integer is an error.
    - `rand()` draws from the run's seeded `Chance`: the same run, the same numbers.

Source: openCypher 9 (mathematical functions).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from policies.frame import Context
from policies.functions_signature import FLOAT, INTEGER, NUMBER, Function, Parameter
from policies.values import Value, integer

Real: TypeAlias = Callable[[float], float]


def _total(function: Real, at_pole: float = math.nan) -> Callable[[int | float], Value]:
    """The function of a library that raises where mathematics has no answer."""

    def apply(number: int | float) -> Value:
        try:
            return function(float(number))
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError):
            return at_pole if number == 0 else math.nan

    return apply


def _whole(function: Callable[[float], int]) -> Callable[[int | float], Value]:
    """Rounding of some sort, which leaves alone what has nothing behind the point."""

    def apply(number: int | float) -> Value:
        value = float(number)
        return float(function(value)) if math.isfinite(value) and abs(value) < 1 << 53 else value

    return apply


def _nearest(value: float) -> int:
    """Halves go up."""
    below = math.floor(value)
    return below + 1 if value - below >= 0.5 else below


def _absolute(number: int | float) -> Value:
    return integer(abs(number)) if isinstance(number, int) else abs(number)


def _sign(number: int | float) -> Value:
    return (number > 0) - (number < 0)


def _arc(y: int | float, x: int | float) -> Value:
    return math.atan2(y, x)


def _random(context: Context) -> Value:
    return context.chance.random()


def _unary(name: str, doc: str, apply: Callable[[int | float], Value]) -> Function:
    return Function(name, "mathematical", (Parameter("number", NUMBER),), FLOAT, doc, apply)


def _constant(name: str, doc: str, value: float) -> Function:
    return Function(name, "mathematical", (), FLOAT, doc, lambda: value)


NUMBERS: Final = (Parameter("number", NUMBER),)

FUNCTIONS: Final = (
    Function("abs", "mathematical", NUMBERS, NUMBER, "The number without its sign.", _absolute),
    Function("sign", "mathematical", NUMBERS, INTEGER, "-1, 0 or 1.", _sign),
    _unary("ceil", "The least whole number that is not below the number.", _whole(math.ceil)),
    _unary("floor", "The greatest whole number that is not above the number.", _whole(math.floor)),
    _unary("round", "The nearest whole number; halves go up.", _whole(_nearest)),
    _unary("sqrt", "The square root.", _total(math.sqrt)),
    _unary("exp", "e to the power of the number.", _total(math.exp)),
    _unary("log", "The natural logarithm.", _total(math.log, -math.inf)),
    _unary("log10", "The logarithm to the base 10.", _total(math.log10, -math.inf)),
    _unary("sin", "The sine.", _total(math.sin)),
    _unary("cos", "The cosine.", _total(math.cos)),
    _unary("tan", "The tangent.", _total(math.tan)),
    _unary("cot", "The cotangent.", _total(lambda x: 1 / math.tan(x), math.inf)),
    _unary("asin", "The angle whose sine is the number.", _total(math.asin)),
    _unary("acos", "The angle whose cosine is the number.", _total(math.acos)),
    _unary("atan", "The angle whose tangent is the number.", _total(math.atan)),
    Function(
        "atan2",
        "mathematical",
        (Parameter("y", NUMBER), Parameter("x", NUMBER)),
        FLOAT,
        "The angle of the point (x, y).",
        _arc,
    ),
    _unary("degrees", "Radians as degrees.", _total(math.degrees)),
    _unary("radians", "Degrees as radians.", _total(math.radians)),
    _unary("haversin", "Half of 1 - cos of the number.", _total(lambda x: (1 - math.cos(x)) / 2)),
    _constant("e", "The base of the natural logarithm.", math.e),
    _constant("pi", "The ratio of a circle's circumference to its diameter.", math.pi),
    Function("rand", "mathematical", (), FLOAT, "A number of [0, 1), from a seed.", _random, contextual=True),
)
