"""Functions of strings, and the conversions that `toString` and its siblings make.

Rules of this file
    - A string that cannot be read as what is asked for is null, as openCypher has it: hostile text makes no errors.
    - Where its exact answer is known a `Text` goes in and comes out; elsewhere the table says `UNKNOWN`.
    - `replace` and `split` can grow what they are given: that is paid for before it is made.

Complexity: linear in the strings and in the result.
Source: openCypher 9 (string functions, type conversion).
"""

from __future__ import annotations

import math
import re
from typing import Final

from policies.frame import Context
from policies.functions_signature import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    LIST,
    MAP,
    NUMBER,
    STRING,
    Function,
    Parameter,
)
from policies.values import LEAST, MOST, Text, Value, bounded, decimal, fault

DIGITS: Final = re.compile(r"[+-]?[0-9]{1,40}")
DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,5})?")


def to_string(value: Value) -> Value:
    """`toString`."""
    if isinstance(value, (str, Text)):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal(value) if isinstance(value, float) else str(value)


def to_integer(value: Value) -> Value:
    """`toInteger`: towards zero; null if it is no number, or none that 64 bits hold.

    >>> to_integer("42"), to_integer(" -1.7"), to_integer("x"), to_integer(2.9), to_integer("9" * 30)
    (42, -1, None, 2, None)
    """
    if isinstance(value, str):
        text = value.strip()
        number: Value = int(text) if DIGITS.fullmatch(text) else to_float(text)
        return to_integer(number)
    if isinstance(value, float):
        return to_integer(int(value)) if math.isfinite(value) else None
    return int(value) if isinstance(value, int) and LEAST <= value <= MOST else None


def to_float(value: Value) -> Value:
    """`toFloat`."""
    if isinstance(value, str):
        text = value.strip()
        return float(text) if DECIMAL.fullmatch(text) else None
    return float(value) if isinstance(value, (int, float)) else None


def to_boolean(value: Value) -> Value:
    """`toBoolean`: of a boolean, or a string that says one."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value


def _size(value: Value) -> Value:
    return value.size() if isinstance(value, Text) else len(value)  # type: ignore[arg-type]


def _is_empty(value: Value) -> Value:
    if not isinstance(value, Text):
        return len(value) == 0  # type: ignore[arg-type]
    return value.equals("")


def _lower(text: str | Text) -> Value:
    return text.lower()


def _upper(text: str | Text) -> Value:
    return text.upper()


def _trim(text: str | Text) -> Value:
    return text.trimmed() if isinstance(text, Text) else text.strip()


def _left_trim(text: str | Text) -> Value:
    return text.left_trimmed() if isinstance(text, Text) else text.lstrip()


def _right_trim(text: str | Text) -> Value:
    return text.right_trimmed() if isinstance(text, Text) else text.rstrip()


def _counted(number: int) -> int:
    if number < 0:
        raise fault("ArgumentError", "NegativeIntegerArgument", "a length or a position cannot be negative", number)
    return number


def _left(text: str, length: int) -> Value:
    return text[: _counted(length)]


def _right(text: str, length: int) -> Value:
    return text[max(len(text) - _counted(length), 0) :]


def _substring(text: str, start: int, length: int | None = None) -> Value:
    first = _counted(start)
    return text[first:] if length is None else text[first : first + _counted(length)]


def _replace(context: Context, text: str, search: str, replacement: str) -> Value:
    found = text.count(search)
    context.budget.spend(bounded(len(text) + found * max(len(replacement) - len(search), 0)) >> 4)
    return text.replace(search, replacement)


def _split(context: Context, text: str, delimiter: str) -> Value:
    if not delimiter:
        context.budget.spend(len(text))
        return tuple(text) or ("",)
    context.budget.spend(text.count(delimiter) + (len(text) >> 4))
    return tuple(text.split(delimiter))


def _reverse(value: str | tuple[Value, ...]) -> Value:
    return value[::-1]


TEXT: Final = Parameter("text", STRING)
SIZED: Final = STRING | LIST | MAP
SCALAR: Final = BOOLEAN | NUMBER | STRING

FUNCTIONS: Final = (
    Function(
        "toString", "string", (Parameter("value", SCALAR),), STRING, "The value as text.", to_string, textual=True
    ),
    Function(
        "toInteger",
        "scalar",
        (Parameter("value", SCALAR),),
        INTEGER,
        "The whole number of a number, a string or a boolean; null if it says none.",
        to_integer,
    ),
    Function(
        "toFloat",
        "scalar",
        (Parameter("value", NUMBER | STRING),),
        FLOAT,
        "The number as a float; null if the string says none.",
        to_float,
    ),
    Function(
        "toBoolean",
        "scalar",
        (Parameter("value", BOOLEAN | STRING),),
        BOOLEAN,
        "True or false of a string that says so, else null.",
        to_boolean,
    ),
    Function(
        "size",
        "scalar",
        (Parameter("value", STRING | LIST),),
        INTEGER,
        "The number of elements or characters.",
        _size,
        textual=True,
    ),
    Function(
        "isEmpty",
        "scalar",
        (Parameter("value", SIZED),),
        BOOLEAN,
        "Whether a string, a list or a map has nothing in it.",
        _is_empty,
        textual=True,
    ),
    Function("toLower", "string", (TEXT,), STRING, "The text in lower case.", _lower, textual=True),
    Function("toUpper", "string", (TEXT,), STRING, "The text in upper case.", _upper, textual=True),
    Function("trim", "string", (TEXT,), STRING, "The text without white space at its ends.", _trim, textual=True),
    Function("lTrim", "string", (TEXT,), STRING, "The text without leading white space.", _left_trim, textual=True),
    Function("rTrim", "string", (TEXT,), STRING, "The text without trailing white space.", _right_trim, textual=True),
    Function("left", "string", (TEXT, Parameter("length", INTEGER)), STRING, "The first characters.", _left),
    Function("right", "string", (TEXT, Parameter("length", INTEGER)), STRING, "The last characters.", _right),
    Function(
        "substring",
        "string",
        (TEXT, Parameter("start", INTEGER), Parameter("length", INTEGER, optional=True)),
        STRING,
        "The characters from `start` (from 0) on, at most `length` of them.",
        _substring,
    ),
    Function(
        "replace",
        "string",
        (TEXT, Parameter("search", STRING), Parameter("replacement", STRING)),
        STRING,
        "The text with every `search` replaced.",
        _replace,
        contextual=True,
    ),
    Function(
        "split",
        "string",
        (TEXT, Parameter("delimiter", STRING)),
        LIST,
        "The list of what stands between the delimiters.",
        _split,
        contextual=True,
    ),
    Function(
        "reverse",
        "string",
        (Parameter("value", STRING | LIST),),
        STRING | LIST,
        "The characters or elements in reverse order.",
        _reverse,
    ),
)
