r"""Regular expressions in RE2's syntax, read into a tree that says which strings they match.

Rules of this file
    - RE2 has the word on what is a regular expression: the reader runs on what RE2 has compiled, so it need not find
      errors. What it does not know (`\C`, brackets nested too deep) is None: nothing is decided about it.
    - Groups capture nothing here, and greedy or not makes no difference to which strings match as a whole.

Invariant: `read(regex)`, if not None, matches the same strings as RE2 does.
Complexity: linear in the expression; a class that depends on Unicode's tables costs one look at all characters
    (`languages_sets.asked`).
Source: RE2 syntax (github.com/google/re2/wiki/Syntax), Perl flags and UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

import re2

from policies.languages_sets import (
    DIGIT,
    FULL,
    NAMED,
    NEWLINE,
    SPACE,
    WORD,
    Ranges,
    asked,
    complement,
    folded,
    is_ascii,
    scalar,
    union,
)

MAX_DEPTH: Final = 60
MAX_REGEX: Final = 10_000
MAX_PROGRAM: Final = 1 << 20

PERL: Final = {"d": DIGIT, "w": WORD, "s": SPACE}
CONTROL: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
COUNT: Final = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}")
FLAGS: Final = re.compile(r"\(\?([imsU]*)(?:-([imsU]*))?([:)])")
NAME: Final = re.compile(r"\(\?P?<[^>]*>|\(\?:")
CODE: Final = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))")
PROPERTY: Final = re.compile(r"\\[pP](?:\{[^}]*\}|[^{])", re.DOTALL)
POSIX: Final = re.compile(r"\[:(\^?)([a-z]+):\]")


@dataclass(frozen=True, slots=True)
class One:
    """One character of a set."""

    of: Ranges


@dataclass(frozen=True, slots=True)
class Join:
    """All parts, one after the other; of none, the empty string."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Any one of the parts."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The part `least` to `most` times; None is without end."""

    part: Tree
    least: int
    most: int | None


class Place(Enum):
    """Matches the empty string, but only here."""

    BEGIN = "\\A"
    END = "\\z"
    LINE_BEGIN = "(?m)^"
    LINE_END = "(?m)$"
    EDGE = "\\b"
    INSIDE = "\\B"


Tree: TypeAlias = One | Join | Either | Repeat | Place


class _UnreadError(Exception):
    """Nothing that this reader knows."""


@lru_cache(maxsize=512)
def read(regex: str) -> Tree | None:
    """The tree of an expression; None if RE2 refuses it or this reader does not know a part of it.

    >>> read("a|b*")
    Either(parts=(One(of=((97, 97),)), Repeat(part=One(of=((98, 98),)), least=0, most=None)))
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PROGRAM
    try:
        if len(regex) > MAX_REGEX:
            return None
        re2.compile(regex, options)
        return _Reader(regex).whole()
    except (re2.error, UnicodeEncodeError, _UnreadError):
        return None


def text(literal: str) -> Join:
    """The tree of one string."""
    return Join(tuple(One(((ord(char), ord(char)),)) for char in literal))


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.flags: frozenset[str] = frozenset()

    def whole(self) -> Tree:
        """All of it; whatever is left over is something unknown."""
        tree = self.alternatives(0)
        if self.at != len(self.source):
            raise _UnreadError
        return tree

    def alternatives(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise _UnreadError
        flags, branches = self.flags, [self.sequence(depth)]
        while self.source.startswith("|", self.at):
            self.at += 1
            branches.append(self.sequence(depth))
        self.flags = flags
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def sequence(self, depth: int) -> Tree:
        items: list[Tree] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            count = self.count()
            if count is None:
                items.extend(self.atoms(depth))
            elif items:
                items[-1] = Repeat(items[-1], *count)
            else:
                raise _UnreadError
        return items[0] if len(items) == 1 else Join(tuple(items))

    def count(self) -> tuple[int, int | None] | None:
        """A repetition if one stands here; a brace that is none is an ordinary character."""
        char = self.source[self.at]
        if char in "*+?":
            self.at += 1
            found: tuple[int, int | None] = (int(char == "+"), 1 if char == "?" else None)
        elif (braces := COUNT.match(self.source, self.at)) is not None:
            self.at = braces.end()
            least = int(braces[1])
            found = (least, (int(braces[3]) if braces[3] else None) if braces[2] else least)
        else:
            return None
        if self.source.startswith("?", self.at):
            self.at += 1
        return found

    def atoms(self, depth: int) -> Iterator[Tree]:
        """What stands here: mostly one atom; of flags none, of a quotation one for each character."""
        match char := self.source[self.at]:
            case "(":
                yield from self.group(depth)
            case "[":
                yield One(self.bracket())
            case "\\":
                yield from self.escape()
            case "^" | "$":
                self.at += 1
                yield _anchor(char, "m" in self.flags)
            case ".":
                self.at += 1
                yield One(FULL if "s" in self.flags else complement(NEWLINE))
            case _:
                self.at += 1
                yield self.letter(ord(char))

    def group(self, depth: int) -> Iterator[Tree]:
        outer = self.flags
        if (flags := FLAGS.match(self.source, self.at)) is not None:
            self.at = flags.end()
            self.flags = (self.flags | set(flags[1])) - set(flags[2] or "")
            if flags[3] == ")":
                return
        elif (name := NAME.match(self.source, self.at)) is not None:
            self.at = name.end()
        elif self.source.startswith("(?", self.at):
            raise _UnreadError
        else:
            self.at += 1
        tree = self.alternatives(depth + 1)
        self.flags = outer
        if not self.source.startswith(")", self.at):
            raise _UnreadError
        self.at += 1
        yield tree

    def escape(self) -> Iterator[Tree]:
        code = self.source[self.at + 1 : self.at + 2]
        if code == "Q":
            end = self.source.find("\\E", self.at)
            quoted = self.source[self.at + 2 : end if end >= 0 else len(self.source)]
            self.at = end + 2 if end >= 0 else len(self.source)
            yield from (self.letter(ord(char)) for char in quoted)
        elif code in ("A", "z", "b", "B"):
            self.at += 2
            yield {"A": Place.BEGIN, "z": Place.END, "b": Place.EDGE, "B": Place.INSIDE}[code]
        elif (group := self.several()) is not None:
            yield One(group)
        else:
            yield self.letter(self.code())

    def several(self) -> Ranges | None:
        r"""The set of `\d`, `\P{Greek}`, …; None if no such stands here."""
        code, start = self.source[self.at + 1 : self.at + 2], self.at
        if code and code in "dwsDWS":
            self.at += 2
        elif (found := PROPERTY.match(self.source, self.at)) is not None:
            self.at = found.end()
        else:
            return None
        if code in "pP" or "i" in self.flags:
            return asked(self.folding() + self.source[start : self.at])
        ranges = PERL[code.lower()]
        return complement(ranges) if code.isupper() else ranges

    def code(self) -> int:
        """The character that an escape writes."""
        code = self.source[self.at + 1 : self.at + 2]
        if (number := CODE.match(self.source, self.at)) is not None:
            self.at = number.end()
            return int(number[3], 8) if number[3] else int(number[1] or number[2], 16)
        if not code or (code.isalnum() and code not in CONTROL):
            raise _UnreadError
        self.at += 2
        return CONTROL.get(code, ord(code))

    def letter(self, code: int) -> One:
        """One character, in both cases if case does not count."""
        plain = scalar(code, code)
        if "i" not in self.flags:
            return One(plain)
        return One(folded(plain) if code < 128 else asked(f"(?i)\\x{{{code:x}}}"))

    def bracket(self) -> Ranges:
        start = self.at
        self.at += 1
        negated = self.source.startswith("^", self.at)
        self.at += negated
        parts: list[Ranges] = []
        simple = True
        while not self.source.startswith("]", self.at) or not parts:
            ranges, easy = self.item()
            parts.append(ranges)
            simple &= easy
        self.at += 1
        ranges = union(parts)
        if "i" in self.flags and not (simple and is_ascii(ranges)):
            return asked("(?i)" + self.source[start : self.at])
        ranges = folded(ranges) if "i" in self.flags else ranges
        return complement(ranges) if negated else ranges

    def item(self) -> tuple[Ranges, bool]:
        """One item of a bracket, and whether it is a plain character or range."""
        if (named := POSIX.match(self.source, self.at)) is not None:
            self.at = named.end()
            ranges = NAMED[named[2]]
            return (complement(ranges) if named[1] else ranges), False
        if self.source.startswith("\\", self.at) and (group := self.several()) is not None:
            return group, False
        first = last = self.member()
        if self.source.startswith("-", self.at) and not self.source.startswith("-]", self.at):
            self.at += 1
            last = self.member()
        return scalar(first, last), True

    def member(self) -> int:
        if self.source.startswith("\\", self.at):
            return self.code()
        char = self.source[self.at : self.at + 1]
        if not char:
            raise _UnreadError
        self.at += 1
        return ord(char)

    def folding(self) -> str:
        return "(?i)" if "i" in self.flags else ""


def _anchor(char: str, lines: bool) -> Place:
    if char == "^":
        return Place.LINE_BEGIN if lines else Place.BEGIN
    return Place.LINE_END if lines else Place.END
