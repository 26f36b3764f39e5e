"""Neighbouring slots of a pattern as one field: which bytes it can hold, and whether some bytes are of it.

Rules of this file
    - The commonest fields are checked by `bytes` methods, the others by an automaton that is kept by its expression:
      the last `MAX_KEPT`, each with a budget for its states. When they fill it, RE2 forgets them and goes on.
    - RE2 answers an automaton without room for its first states with "nothing matches", silently. So each is asked once
      for what it must find, and given more room if it does not; in the end `Pattern.matches` is asked instead.
    - A precision (`{text:64}`) is left open: counting to 64 at every place of a text multiplies the states. Who asks
      checks texts that are long enough to go beyond one.

Complexity: O(length) for a question.
Source: RE2 (lazy deterministic automata with a budget); Cox, "Regular expression matching in the wild", 2010.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import not_
from typing import Final, Protocol, cast

import re2

from grammar.errors import InputError
from grammar.pattern import MAX_COMPILED, Pattern, Slot, writable

MAX_KEPT: Final = 1_024
FIRST_BUDGET: Final = 128 << 10

Part = str | Slot
Check = Callable[[bytes], bool]

_DIGITS: Final = b"0123456789"
_HEX: Final = _DIGITS + b"abcdefABCDEF"
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_ALL: Final = frozenset(range(256))

ALPHABETS: Final = {
    "int": frozenset(b"-" + _DIGITS),
    "hex": frozenset(_HEX),
    "uuid": frozenset(b"-" + _HEX),
    "id": frozenset(_HEX),
    "date": frozenset(b"-" + _DIGITS),
    "ip": frozenset(b".:" + _HEX),
    "port": frozenset(_DIGITS),
    "token": frozenset(_DIGITS + _LOWER + _LOWER.upper()),
    "lower": frozenset(_LOWER),
    "digits": frozenset(_DIGITS),
    "word": _ALL - frozenset(b"/ "),
    "term": _ALL - frozenset(b" \t\r\n"),
    "float": frozenset(b"+-.einfapxE" + _HEX),
    "pointer": frozenset(b"(nil)x" + _HEX),
    "space": frozenset(b" "),
}
"""The bytes that a field of a type can hold, or more; all bytes where a type is missing."""

SAMPLES: Final = {
    "uuid": "00000000-0000-0000-0000-000000000000",
    "id": "0" * 64,
    "date": "2026-01-01",
    "pointer": "(nil)",
    "lower": "a",
    "any": "",
    "text": "",
    "space": "",
}
"""The shortest text of a field; of all others it is `0`."""


class Automaton(Protocol):
    """An RE2 set, compiled."""

    def Match(self, text: bytes) -> list[int] | None:  # noqa: N802 (RE2's name)
        """The positions of what was found; None if nothing was."""


def probed(made: re2.Set, regexes: Sequence[bytes], known: bytes) -> Automaton | None:
    """The set, compiled, if it has room and so finds its first expression in `known`, where it is."""
    try:
        for regex in regexes:
            made.Add(regex)
        made.Compile()
    except re2.error:
        return None
    automaton = cast(Automaton, made)
    return automaton if 0 in (automaton.Match(known) or ()) else None


def options(budget: int, latin: bool = False) -> re2.Options:
    """RE2's, with a budget of bytes; `latin` takes bytes for characters, which literals do not mind."""
    found = re2.Options()
    found.log_errors = False
    found.max_mem = budget
    if latin:
        found.encoding = re2.Options.Encoding.LATIN1
    return found


@dataclass(frozen=True, slots=True)
class Field:
    """Parts as one pattern without precisions, its expression, and a text that it matches."""

    pattern: Pattern
    regex: str
    known: bytes
    simple: Check | None = None

    @staticmethod
    @lru_cache(maxsize=MAX_KEPT)
    def of(parts: tuple[Part, ...]) -> Field:
        """The field of some parts.

        >>> Field.of((Slot("int"),)).holds(b"-12"), Field.of((Slot("space"), Slot("float"))).holds(b" 1.x")
        (True, False)
        """
        wide = tuple(Slot("text") if isinstance(part, Slot) and part.type == "text" else part for part in parts)
        return Field(Pattern(wide), Pattern(wide).regex, literal_of(sample(parts)), _simple(parts))

    def holds(self, data: bytes) -> bool:
        """True if `data`, whole, is of this field."""
        if self.simple is not None:
            return self.simple(data)
        automaton = _automaton(self.regex, self.known)
        return exactly(self.pattern, data.decode()) if automaton is None else bool(automaton.Match(data))


def exactly(pattern: Pattern, text: str) -> bool:
    """As `Pattern.matches`; a pattern too large for RE2 matches nothing."""
    try:
        return pattern.matches(text)
    except InputError:
        return False


def can_hold(slots: Sequence[Slot], byte: int) -> bool:
    """True if the byte can be in a text of one of these slots."""
    return any(byte in ALPHABETS.get(slot.type, _ALL) for slot in slots)


def literal_of(text: str) -> bytes:
    """Text as it is looked for."""
    return writable(text).encode()


def sample(parts: Sequence[Part]) -> str:
    """A short text that a pattern's parts match.

    >>> sample(Pattern.parse("user {text:64} has {int} of {token:4}").parts)
    'user  has 0 of 0000'
    """
    return "".join(part if isinstance(part, str) else _sample(part) for part in parts)


def _sample(slot: Slot) -> str:
    return SAMPLES.get(slot.type, "0") * max(slot.width, 1)


@lru_cache(maxsize=MAX_KEPT)
def _automaton(regex: str, known: bytes) -> Automaton | None:
    budget = FIRST_BUDGET
    while budget <= MAX_COMPILED:
        made = probed(re2.Set.FullMatchSet(options(budget)), [regex.encode()], known)
        if made is not None:
            return made
        budget *= 4
    return None


def _simple(parts: Sequence[Part]) -> Check | None:
    """The check of a single slot of the commonest types, and of nothing at all."""
    if not parts:
        return not_
    only = parts[0]
    if len(parts) > 1 or isinstance(only, str):
        return None
    check = _CHECKS.get(only.type)
    width = only.width
    if check is None or not width:
        return check
    return lambda data: len(data) == width and check(data)


def _is_int(data: bytes) -> bool:
    return data.isdigit() or (data[:1] == b"-" and data[1:].isdigit())


def _is_hex(data: bytes) -> bool:
    return data != b"" and not data.translate(None, _HEX)


def _is_lower(data: bytes) -> bool:
    return data != b"" and not data.translate(None, _LOWER)


def _is_term(data: bytes) -> bool:
    return data != b"" and len(data.translate(None, b" \t\r\n")) == len(data)


_CHECKS: Final[dict[str, Check]] = {
    "int": _is_int,
    "digits": bytes.isdigit,
    "port": bytes.isdigit,
    "hex": _is_hex,
    "token": bytes.isalnum,
    "lower": _is_lower,
    "term": _is_term,
}
"""Methods of `bytes` know ASCII only, as the expressions do."""
