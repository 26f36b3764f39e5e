r"""A string of which only the pattern is known: what a label keeps of a path, an address, a command line.

Rules of this file
    - A `Text` is one string of its pattern's language, nobody knows which. A question about it is answered True if all
      strings of the language fulfil it, False if none does; else it is `UNKNOWN`, and so is what costs too much.
    - Two equal Texts need not be one string: they are never `=` for certain.
    - What a function makes of a Text is a Text of at least all the results, so that True and False stay right; where no
      pattern says it, UNKNOWN.

Invariant: an answer that is True or False is the answer for every string of the language (`Pattern.matches`).
Complexity: comparing with a constant is linear in it; the rest is `languages.decide`, remembered.
Source: issue 6, item 3: certain is inclusion of languages, possible their intersection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from grammar.errors import InputError
from grammar.pattern import MAX_PATTERN, Pattern, Slot, writable
from policies.languages import Question, decide
from policies.truth import UNKNOWN, Unknown

MAX_PARTS: Final = 256
MAX_PIECES: Final = 512
"""Longest string that is asked whether it begins with a Text, ends with it or holds it."""

LENGTHS: Final = {"uuid": 36, "id": 64, "date": 10, "char": 1}
LETTERS: Final = {"digits": 10, "hex": 22, "token": 62, "lower": 26}
"""How many characters a field of so many characters chooses from."""

SOLID: Final = frozenset(
    {"int", "hex", "uuid", "id", "date", "ip", "port", "token", "lower", "digits", "float", "pointer"}
)
"""Fields that are never empty and hold no space."""

LOWER: Final = {"char": "any", "text": "text"}
UPPER: Final = LOWER | {"lower": "token", "id": "token", "float": "term", "pointer": "term"}
"""Fields that hold what another one holds when its case is changed; the rest hold it themselves."""


@dataclass(frozen=True, slots=True)
class Text:
    """Any one string of the pattern's language.

    >>> session = Text.of("/tmp/sess_{token:26}")
    >>> session.starts_with("/tmp/"), session.equals("/tmp/x"), session.ends_with("z")
    (True, False, UNKNOWN)
    """

    pattern: Pattern

    @staticmethod
    def of(written: str) -> str | Text:
        r"""Read a label's written property; without fields it is a plain string, and so is what is no pattern.

        >>> Text.of(r"a\{b\}"), str(Text.of("{int}")), Text.of("{none}")
        ('a{b}', '{int}', '{none}')
        """
        if "{" not in written and "\\" not in written:
            return written
        try:
            return _value(Pattern.parse(written).parts)
        except InputError:
            return written

    def __str__(self) -> str:
        return str(self.pattern)

    # Comparison

    def equals(self, other: str | Text) -> bool | Unknown:
        """`=`; of two Texts, False if they have no string in common."""
        if isinstance(other, Text):
            return False if self._ask(Question.IS, other.pattern) is False else UNKNOWN
        return self.among(frozenset((other,)))

    def among(self, items: frozenset[str]) -> bool | Unknown:
        """`IN` a list of strings."""
        prefix, suffix = self._ends()
        likely = [one for one in items if one.startswith(prefix) and one.endswith(suffix)]
        try:
            mine = frozenset(one for one in likely if self.pattern.matches(one))
        except InputError:
            return UNKNOWN
        if not mine:
            return False
        if not all(map(_is_writable, mine)):
            return UNKNOWN
        return UNKNOWN if len(mine) < self._least() else self._ask(Question.AMONG, mine)

    def below(self, other: str | Text) -> bool | Unknown:
        """`<`."""
        return UNKNOWN if isinstance(other, Text) else self._ask(Question.BELOW, other)

    def at_most(self, other: str | Text) -> bool | Unknown:
        """`<=`."""
        return UNKNOWN if isinstance(other, Text) else self._ask(Question.AT_MOST, other)

    def above(self, other: str | Text) -> bool | Unknown:
        """`>`."""
        return _not(self.at_most(other))

    def at_least(self, other: str | Text) -> bool | Unknown:
        """`>=`."""
        return _not(self.below(other))

    # Parts

    def starts_with(self, other: str | Text) -> bool | Unknown:
        """`STARTS WITH`."""
        return UNKNOWN if isinstance(other, Text) else self._ask(Question.STARTS_WITH, other)

    def ends_with(self, other: str | Text) -> bool | Unknown:
        """`ENDS WITH`."""
        if isinstance(other, Text):
            return UNKNOWN
        suffix = self._ends()[1]
        if suffix.endswith(other):
            return True
        return self._ask(Question.ENDS_WITH, other) if other.endswith(suffix) else False

    def contains(self, other: str | Text) -> bool | Unknown:
        """`CONTAINS`."""
        if isinstance(other, Text):
            return UNKNOWN
        if any(isinstance(part, str) and other in part for part in self.pattern.parts):
            return True
        return self._ask(Question.CONTAINS, other)

    def begins(self, other: str) -> bool | Unknown:
        """`other STARTS WITH` this."""
        return self._ask(Question.BEGINS, other) if len(other) <= MAX_PIECES else UNKNOWN

    def finishes(self, other: str) -> bool | Unknown:
        """`other ENDS WITH` this."""
        return self._ask(Question.FINISHES, other) if len(other) <= MAX_PIECES else UNKNOWN

    def inside(self, other: str) -> bool | Unknown:
        """`other CONTAINS` this."""
        return self._ask(Question.INSIDE, other) if len(other) <= MAX_PIECES else UNKNOWN

    # Patterns

    def matches(self, regex: str) -> bool | Unknown:
        """`=~`; a regular expression that RE2 refuses decides nothing."""
        return self._ask(Question.MATCHES, regex)

    def glob(self, written: str) -> bool | Unknown:
        """Whether it fits a glob of the published form, in which `*` is any text."""
        return self._ask(Question.GLOB, written)

    # Functions

    def size(self) -> int | Unknown:
        """How many characters, if that is the same for all.

        >>> Text.of("sess_{token:26}").size(), Text.of("{int}").size()
        (31, UNKNOWN)
        """
        total = 0
        for part in self.pattern.parts:
            length = len(writable(part)) if isinstance(part, str) else _length(part)
            if length is None:
                return UNKNOWN
            total += length
        return total

    def lower(self) -> str | Text | Unknown:
        """`toLower`."""
        return self._cased(LOWER, str.lower)

    def upper(self) -> str | Text | Unknown:
        """`toUpper`."""
        return self._cased(UPPER, str.upper)

    def trimmed(self) -> Text | Unknown:
        """`trim`, and its halves below: itself if there is nothing to take away for certain."""
        return UNKNOWN if self.right_trimmed() is UNKNOWN else self.left_trimmed()

    def left_trimmed(self) -> Text | Unknown:
        """`lTrim`."""
        return self if any(map(_is_solid, self.pattern.parts[:1])) else UNKNOWN

    def right_trimmed(self) -> Text | Unknown:
        """`rTrim`."""
        return self if any(map(_is_solid, self.pattern.parts[-1:])) else UNKNOWN

    # How

    def _ask(self, question: Question, operand: str | frozenset[str] | Pattern) -> bool | Unknown:
        if isinstance(operand, str) and not _is_writable(operand):
            return UNKNOWN
        answer = decide(self.pattern, question, operand)
        return UNKNOWN if answer is None else answer

    def _ends(self) -> tuple[str, str]:
        """Literal text that every string begins and ends with."""
        last = self.pattern.parts[-1] if self.pattern.parts else ""
        return self.pattern.prefix, last if isinstance(last, str) else ""

    def _least(self) -> int:
        """A number of strings that the language has at least."""
        return max((_strings(part) for part in self.pattern.parts if isinstance(part, Slot)), default=1)

    def _cased(self, fields: dict[str, str], change: Callable[[str], str]) -> str | Text | Unknown:
        parts: list[str | Slot] = []
        for part in self.pattern.parts:
            if isinstance(part, Slot):
                other = fields.get(part.type, part.type)
                parts.append(Slot(other, 0 if other == "text" else part.width))
            elif "\N{GREEK CAPITAL LETTER SIGMA}" in part:  # its small letter depends on what comes next
                return UNKNOWN
            else:
                parts.append(change(part))
        return _value(tuple(parts))


def joined(left: str | Text, right: str | Text) -> str | Text | Unknown:
    """`left + right`.

    >>> str(joined("/tmp/", Text.of("{int}.sock")))
    '/tmp/{int}.sock'
    """
    sides = (left, right)
    parts = tuple(part for side in sides for part in ((side,) if isinstance(side, str) else side.pattern.parts))
    if len(parts) > MAX_PARTS or sum(len(part) for part in parts if isinstance(part, str)) > MAX_PATTERN:
        return UNKNOWN
    return _value(parts)


def _value(parts: tuple[str | Slot, ...]) -> str | Text:
    """A plain string if there is no field; literals that touch are one."""
    merged: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(last := merged[-1], str):
            merged[-1] = last + part
        elif part != "":
            merged.append(part)
    if all(isinstance(part, str) for part in merged):
        return "".join(map(str, merged))
    return Text(Pattern(tuple(merged)))


def _not(answer: bool | Unknown) -> bool | Unknown:
    return answer if answer is UNKNOWN else not answer


def _is_writable(text: str) -> bool:
    """Whether there is no lone surrogate; strings of a pattern have none, and nothing is said about such text."""
    return text.isascii() or writable(text) == text


def _is_solid(part: str | Slot) -> bool:
    """Whether text with this at an end has no space there, whatever counts as one."""
    if isinstance(part, Slot):
        return part.type in SOLID
    return bool(part) and not (part[0].isspace() or part[-1].isspace())


def _length(slot: Slot) -> int | None:
    if slot.type in LENGTHS:
        return LENGTHS[slot.type]
    return slot.width if slot.width and slot.type != "text" else None


def _strings(slot: Slot) -> int:
    """At least how many strings the field stands for."""
    if slot.width and slot.type in LETTERS:
        return int(LETTERS[slot.type] ** min(slot.width, 6))
    return 1_000_000
