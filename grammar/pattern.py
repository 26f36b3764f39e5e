r"""The LMS regex form: a literal string with typed fields where instances differ.

Rules of this file
    - One `Pattern` type serves paths, addresses, ports, command lines and log messages.
    - The written form is the literal text with fields in braces: `sess_{token:26}`; literal braces and backslashes are
      escaped with a backslash. Writing and reading are inverse.
    - Matching runs on RE2, so its time is linear in the text whatever the text is (design section 2).
    - Patterns are text that can be written: a byte that was no text (a lone surrogate) is its escape, `\udc80`.
    - `generalise` keeps the shape that names share: `sess_[0-9a-z]{26}`, not `.*`.

Complexity: parse and write O(length); match O(length of the text); generalise O(total length of the names).
Source: DisProTrack section IV (LMS regex form); design section 4 (typed fields, learned patterns).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, cast

import re2

from grammar.errors import InputError

FIELDS: Final = {
    "int": "-?[0-9]+",
    "hex": "[0-9a-fA-F]",
    "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "id": "[0-9a-f]{64}",
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "ip": "[0-9a-fA-F.:]+",
    "port": "[0-9]+",
    "token": "[0-9A-Za-z]",
    "lower": "[a-z]",
    "digits": "[0-9]",
    "word": "[^/ ]+",
    "any": "(?s:.)*",
    "term": "[^ \\t\\r\\n]+",
    "text": "[^\\n]",
    "float": "[-+]?(?:[0-9]+(?:\\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|0x[0-9a-f.]+p[-+]?[0-9]+|inf|nan)",
    "pointer": "(?:0x[0-9a-f]+|\\(nil\\))",
    "char": "(?s:.)",
    "space": " *",
}
"""Regular expression of every field type; those of one character take a width (`{hex:12}`) or mean one or more.

`text` is what a `%s` prints: any characters of one line, with a width (a precision) at most so many, else any number.
"""

WIDTHS: Final = frozenset({"hex", "token", "lower", "digits", "text"})
MAX_WIDTH: Final = 999  # RE2 counts to 1,000
MAX_PATTERN: Final = 8192
MAX_COMPILED: Final = 1 << 20
"""Bytes that one compiled pattern may take: what somebody sends must not fill the memory of who reads it."""


class _Matcher(Protocol):
    def fullmatch(self, text: str) -> object: ...


@dataclass(frozen=True, slots=True)
class Slot:
    """One typed field; `width` is its number of characters, 0 where the type has none or it varies."""

    type: str
    width: int = 0

    def __str__(self) -> str:
        return f"{{{self.type}:{self.width}}}" if self.width else f"{{{self.type}}}"

    @property
    def regex(self) -> str:
        """Its regular expression, in RE2 syntax."""
        base = FIELDS[self.type]
        if self.type == "text":
            return base + (f"{{0,{self.width}}}" if self.width else "*")
        if self.type in WIDTHS:
            return base + (f"{{{self.width}}}" if self.width else "+")
        return base


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sequence of literals and slots.

    >>> pattern = Pattern.parse("/var/lib/php/sessions/sess_{token:26}")
    >>> pattern.matches("/var/lib/php/sessions/sess_0123456789abcdefghijklmnop")
    True
    >>> str(pattern)
    '/var/lib/php/sessions/sess_{token:26}'
    """

    parts: tuple[str | Slot, ...]

    def __str__(self) -> str:
        return "".join(quote(part) if isinstance(part, str) else str(part) for part in self.parts)

    @staticmethod
    def parse(text: str) -> Pattern:
        """Read the written form; a field of unknown type, or an open brace, is an `InputError` with its column."""
        if len(text) > MAX_PATTERN:
            raise InputError("pattern is too long", offending=text, hint=f"at most {MAX_PATTERN} characters")
        return Pattern(tuple(_parts(text)))

    @property
    def is_literal(self) -> bool:
        """True if it matches exactly one text."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def prefix(self) -> str:
        """The literal text that every match begins with."""
        return self.parts[0] if self.parts and isinstance(self.parts[0], str) else ""

    @property
    def regex(self) -> str:
        """The whole pattern as one RE2 expression."""
        return "".join(part.regex if isinstance(part, Slot) else re2.escape(writable(part)) for part in self.parts)

    def matches(self, text: str) -> bool:
        """True if the whole of `text` is in the pattern's language; linear in the length of `text`."""
        return _compiled(self.regex).fullmatch(writable(text)) is not None


def _options() -> object:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_COMPILED
    return options


_OPTIONS: Final = _options()


@lru_cache(maxsize=512)
def _compiled(regex: str) -> _Matcher:
    try:
        return cast(_Matcher, re2.compile(regex, _OPTIONS))
    except re2.error as error:
        raise InputError("pattern is too large to match", offending=regex, hint="fewer or narrower fields") from error


def writable(text: str) -> str:
    r"""Text as UTF-8 can write it: lone surrogates (bytes that were no text) as escapes.

    >>> writable("a\udc80")
    'a\\udc80'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def quote(literal: str) -> str:
    r"""Escape what the written form gives a meaning.

    >>> quote("a{b}")
    'a\\{b\\}'
    """
    if "{" in literal or "}" in literal or "\\" in literal:
        return literal.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}")
    return literal


def _parts(text: str) -> Iterable[str | Slot]:
    literal: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            literal.append(text[at + 1])
            at += 2
        elif char == "{":
            if literal:
                yield "".join(literal)
                literal = []
            slot, at = _slot(text, at)
            yield slot
        else:
            literal.append(char)
            at += 1
    if literal:
        yield "".join(literal)


def _slot(text: str, at: int) -> tuple[Slot, int]:
    end = text.find("}", at)
    name, _, width = text[at + 1 : end].partition(":")
    if end < 0 or name not in FIELDS or (width and not (name in WIDTHS and _is_width(width))):
        hint = "fields are " + ", ".join(FIELDS) + "; write \\{ for a brace"
        raise InputError("not a typed field", column=at + 1, offending=text[at : at + 40], hint=hint)
    return Slot(name, int(width or 0)), end + 1


def _is_width(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text[0] != "0" and len(text) <= len(str(MAX_WIDTH))


def generalise(names: Sequence[str]) -> Pattern:
    """Give the narrowest of our shapes that all `names` share: common prefix and suffix, and one field between.

    There must be at least one name.

    >>> str(generalise(["sess_0a", "sess_9z"]))
    'sess_{token:2}'
    """
    names = [writable(name) for name in names]
    shortest = min(names, key=len)
    start = next((i for i in range(len(shortest)) if any(n[i] != shortest[i] for n in names)), len(shortest))
    room = len(shortest) - start
    end = next((i for i in range(room) if any(n[-1 - i] != shortest[-1 - i] for n in names)), room)
    middles = [name[start : len(name) - end] for name in names]
    between = _field(middles) if any(middles) else ""
    parts = (shortest[:start], between, shortest[len(shortest) - end :] if end else "")
    return Pattern(tuple(part for part in parts if part != ""))


def _field(middles: Sequence[str]) -> Slot:
    widths = {len(middle) for middle in middles}
    width = widths.pop() if len(widths) == 1 and max(widths) <= MAX_WIDTH else 0
    for kind in ("digits", "lower", "token"):
        one = Slot(kind, width)
        if all(_compiled(one.regex).fullmatch(middle) for middle in middles):
            return Slot("int") if kind == "digits" and not width else one
    if all(_compiled(Slot("word").regex).fullmatch(middle) for middle in middles):
        return Slot("word")
    return Slot("any")
