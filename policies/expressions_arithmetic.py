"""`+ - * / % ^` and the minus sign, over numbers, strings and lists.

Rules of this file
    - Null makes null, whatever the other operand; then `UNKNOWN` makes `UNKNOWN`; then the sorts are looked at.
    - Integers have 64 bits and overflow is an error, as is division by the integer 0; floats follow IEEE 754.
    - What can grow is paid for before it is made (`Budget`), and no value outgrows `values.MAX_SIZE`.

Complexity: O(1) for numbers, linear in the result for strings and lists.
Source: openCypher 9 (arithmetic, string and list operators).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from policies.frame import Context
from policies.limits import Budget
from policies.syntax import Sign
from policies.text import joined
from policies.truth import UNKNOWN
from policies.values import NodeId, Text, Value, bounded, decimal, fault, integer, weigh

Number: TypeAlias = int | float

MAX_PATTERN: Final = 10_000


def add(left: Value, right: Value, context: Context) -> Value:
    """`left + right`: a sum, a joined string, a joined or longer list."""
    if left.__class__ is right.__class__ is int:
        return integer(left + right)
    if left is None or right is None:
        return None
    if isinstance(left, tuple) or isinstance(right, tuple):
        return _joined_lists(left, right, context.budget)
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(left, (str, Text, NodeId)) or isinstance(right, (str, Text, NodeId)):
        return _joined_texts(left, right, context.budget)
    return _numbers(Sign.PLUS, left, right)


def calculate(sign: Sign, left: Value, right: Value) -> Value:
    """`left sign right`, of every sign but `+`."""
    if left is None or right is None:
        return None
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    return _numbers(sign, left, right)


def negative(value: Value) -> Value:
    """`-value`."""
    if value is None or value is UNKNOWN:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return integer(-value) if isinstance(value, int) else -value
    if isinstance(value, (Text, NodeId)):
        return UNKNOWN
    raise fault("TypeError", "InvalidArgumentType", "only a number can be negated", value)


def _joined_lists(left: Value, right: Value, budget: Budget) -> Value:
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN  # an element, or a list of them
    first = left if isinstance(left, tuple) else (left,)
    second = right if isinstance(right, tuple) else (right,)
    budget.spend(bounded(len(first) + len(second)) >> 2)
    result = first + second
    budget.spend(weigh(result) >> 3)
    return result


def _joined_texts(left: Value, right: Value, budget: Budget) -> Value:
    first, second = _as_text(left), _as_text(right)
    if first is None or second is None:
        raise fault("TypeError", "InvalidArgumentType", "these cannot be joined", right if second is None else left)
    if isinstance(first, NodeId) or isinstance(second, NodeId):
        return UNKNOWN
    if isinstance(first, str) and isinstance(second, str):
        budget.spend(bounded(len(first) + len(second)) >> 4)
        return first + second
    budget.spend(16)
    result = joined(first, second)
    return UNKNOWN if len(str(result)) > MAX_PATTERN else result


def _as_text(value: Value) -> str | Text | NodeId | None:
    if isinstance(value, (str, Text, NodeId)):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value) if isinstance(value, int) else decimal(value)
    return None


def _numbers(sign: Sign, left: Value, right: Value) -> Value:
    for operand in (left, right):
        if isinstance(operand, bool) or not isinstance(operand, (int, float, Text, NodeId)):
            raise fault("TypeError", "InvalidArgumentType", f"'{sign.value}' does not take this", operand)
    if not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
        return UNKNOWN
    if isinstance(left, int) and isinstance(right, int) and sign is not Sign.POWER:
        return integer(INTEGERS[sign](left, right))
    return FLOATS[sign](float(left), float(right))


def _quotient(left: int, right: int) -> int:
    """Towards zero, as the sign rule of `_remainder` demands."""
    if right == 0:
        raise fault("ArithmeticError", "DivisionByZero", "division by zero")
    size = abs(left) // abs(right)
    return size if (left < 0) == (right < 0) else -size


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _float_remainder(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:  # 0 to a negative power, or a root of a negative number
        return math.nan if left else math.inf


INTEGERS: Final[Mapping[Sign, Callable[[int, int], int]]] = {
    Sign.PLUS: lambda a, b: a + b,
    Sign.MINUS: lambda a, b: a - b,
    Sign.TIMES: lambda a, b: a * b,
    Sign.DIVIDE: _quotient,
    Sign.MODULO: _remainder,
}

FLOATS: Final[Mapping[Sign, Callable[[float, float], float]]] = {
    Sign.PLUS: lambda a, b: a + b,
    Sign.MINUS: lambda a, b: a - b,
    Sign.TIMES: lambda a, b: a * b,
    Sign.DIVIDE: _divided,
    Sign.MODULO: _float_remainder,
    Sign.POWER: _power,
}
