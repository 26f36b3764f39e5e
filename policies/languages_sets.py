r"""Sets of characters, as RE2 understands them.

Rules of this file
    - A set is a tuple of ranges (first, last): ascending, disjoint, not touching; surrogates are in no set, for no text
      that can be written has one.
    - What depends on Unicode's tables (`\p{Greek}`, `(?i)é`) is not looked up in ours: RE2 itself is asked about every
      character, once, because what counts is what it will answer.

Complexity: every operation is linear in the ranges; `asked` reads 1.1 million characters (some 20 ms), and is cached.
Source: RE2 syntax (character classes, Perl and ASCII classes); Unicode scalar values.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from sys import byteorder
from typing import Final, TypeAlias

import re2

Ranges: TypeAlias = tuple[tuple[int, int], ...]

FULL: Final[Ranges] = ((0, 0xD7FF), (0xE000, 0x10FFFF))
NEWLINE: Final[Ranges] = ((10, 10),)
DIGIT: Final[Ranges] = ((48, 57),)
WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
SPACE: Final[Ranges] = ((9, 10), (12, 13), (32, 32))
FOLDS: Final = {75: 0x212A, 83: 0x17F}
"""Characters outside ASCII that are letters of ASCII when case does not count: the Kelvin sign, the long s."""

LETTERS: Final[Ranges] = ((65, 90), (97, 122))
NAMED: Final[dict[str, Ranges]] = {
    "alnum": ((48, 57), *LETTERS),
    "alpha": LETTERS,
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}


def union(parts: Iterable[Ranges]) -> Ranges:
    """All characters of the parts.

    >>> union([((1, 3),), ((4, 5), (9, 9))])
    ((1, 5), (9, 9))
    """
    found: list[tuple[int, int]] = []
    for first, last in sorted(pair for part in parts for pair in part):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def complement(ranges: Ranges) -> Ranges:
    """All other characters.

    >>> complement(((1, 0xD7FF), (0xE000, 0x10FFFF)))
    ((0, 0),)
    """
    found: list[tuple[int, int]] = []
    for start, end in FULL:
        at = start
        for first, last in ranges:
            if last < at or first > end:
                continue
            if first > at:
                found.append((at, first - 1))
            at = last + 1
        if at <= end:
            found.append((at, end))
    return tuple(found)


def scalar(first: int, last: int) -> Ranges:
    """The characters from `first` to `last`, surrogates left out."""
    return tuple((max(first, a), min(last, b)) for a, b in FULL if first <= b and last >= a)


def holds(ranges: Ranges, code: int) -> bool:
    """Whether a character is in the set."""
    return any(first <= code <= last for first, last in ranges)


def is_ascii(ranges: Ranges) -> bool:
    """Whether every character of the set is ASCII."""
    return not ranges or ranges[-1][1] < 128


def folded(ranges: Ranges) -> Ranges:
    """A set of ASCII characters, and what they are when case does not count.

    >>> folded(((107, 107),))
    ((75, 75), (107, 107), (8490, 8490))
    """
    more: list[Ranges] = [ranges]
    for first, last in ranges:
        for low, high, shift in ((65, 90, 32), (97, 122, -32)):
            one, other = max(first, low), min(last, high)
            if one <= other:
                more.append(((one + shift, other + shift),))
    more.extend(((fold, fold),) for code, fold in FOLDS.items() if holds(union(more), code))
    return union(more)


@lru_cache(maxsize=256)
def asked(source: str) -> Ranges:
    r"""The characters that RE2 matches with `source`, an expression for one character.

    >>> asked("[a-c\\x{1F600}]")
    ((97, 99), (128512, 128512))
    """
    runs = re2.compile(f"(?:{source})+").finditer(_everything())
    return tuple(part for run in runs for part in scalar(*_range(run)))


def _range(run: re.Match[bytes]) -> tuple[int, int]:
    """First and last character of a run of them in UTF-8."""
    found = run.group()
    end = next(at for at in range(1, 5) if found[-at] & 0xC0 != 0x80)
    return ord(found[:4].decode("utf-8", "ignore")[0]), ord(found[-end:].decode())


def _everything() -> bytes:
    """Every character in its order; made anew each time, for 4 MB are seldom needed."""
    codes = array("I", chain.from_iterable(range(first, last + 1) for first, last in FULL))
    return codes.tobytes().decode(f"utf-32-{byteorder[0]}e").encode()
