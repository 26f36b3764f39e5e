r"""What a literal of a query stands for: numbers in three bases, strings with their escapes, quoted names.

Rules of this file
    - Functions of text: a value, or what is wrong (`LiteralProblemError`) in the words of the conformance suite.
    - Integers have 64 bits. 9223372036854775808 alone is one too large, after a minus it is not: `build_expressions`
      decides.

Complexity: linear in the literal.
Source: openCypher 9 (NumberLiteral, StringLiteral, EscapedSymbolicName).
"""

from __future__ import annotations

import re
from typing import Final

INTEGER_END: Final = 1 << 63
ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "`": "`", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
HALF: Final = re.compile("[\ud800-\udfff]")


class LiteralProblemError(Exception):
    """What is wrong with a literal, the detail of the error, and what to do."""

    def __init__(self, message: str, detail: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.detail, self.hint = message, detail, hint


def read_integer(text: str) -> int:
    """The value of a decimal, hexadecimal or octal integer, at most 9223372036854775808.

    >>> read_integer("42"), read_integer("0xff"), read_integer("0o17")
    (42, 255, 15)
    """
    base = {"x": 16, "o": 8}.get(text[1:2].lower(), 10)
    digits = (text[2:] if base != 10 else text).lstrip("0")
    value = int(digits or "0", base) if len(digits) <= 22 else INTEGER_END + 1
    if value > INTEGER_END:
        raise LiteralProblemError("an integer that does not fit 64 bits", "IntegerOverflow")
    return value


def read_decimal(text: str) -> float:
    """The value of a decimal number.

    >>> read_decimal(".5e1")
    5.0
    """
    value = float(text)
    if value == float("inf"):
        raise LiteralProblemError("a number that is too large", "FloatingPointOverflow")
    return value


def read_string(text: str) -> str:
    r"""The text between the quotes, escapes decoded.

    >>> read_string(r"'a\'b\u00e9'")
    "a'bé"
    """
    if "\\" not in text:
        return text[1:-1]
    decoded = ESCAPE.sub(_decoded, text[1:-1])
    if HALF.search(decoded) and not HALF.search(text):
        decoded = PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), decoded)
        if HALF.search(decoded):
            raise LiteralProblemError("half of a character in a string", "InvalidUnicodeLiteral", "write both halves")
    return decoded


def _decoded(found: re.Match[str]) -> str:
    code = found[1]
    if code in ESCAPES:
        return ESCAPES[code]
    if code[0] not in "uU":
        raise LiteralProblemError(
            "unknown escape in a string", "UnexpectedSyntax", f"write \\\\ for a backslash; got \\{code}"
        )
    number = int(code[1:], 16) if len(code) > 1 else 0x110000
    if number > 0x10FFFF:
        raise LiteralProblemError(
            "not a character in a string", "InvalidUnicodeLiteral", "four digits after \\u, eight after \\U"
        )
    return chr(number)


def read_name(text: str) -> str:
    """A name, its quotes taken off.

    >>> read_name("`odd ``key```")
    'odd `key`'
    """
    return text[1:-1].replace("``", "`") if text.startswith("`") else text
