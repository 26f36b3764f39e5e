"""Position automata: which characters may come next, as one integer.

Rules of this file
    - Every place of a tree where a character is read is a position, a bit; a state is the set of positions that may
      read the next character. Bit 0 says that the text may end here. Stepping is one AND, and an OR per position left.
    - Anchors and word boundaries read nothing; each has a bit too, that is opened when the characters before and after
      are known (`opened`).
    - An automaton is built for at most `MAX_POSITIONS`; larger ones are None, and nothing is decided about them.

Invariant: a state of 0 accepts nothing more; `follow[p]` holds what may come after position p has read its character.
Complexity: building is O(positions^2 / 64) at worst, a step O(positions of the state).
Source: Glushkov 1961 (position automata); RE2 (empty-width assertions).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from policies.languages_regex import Either, Join, One, Place, Repeat, Tree
from policies.languages_sets import FULL, NEWLINE, WORD, Ranges, holds, scalar

MAX_POSITIONS: Final = 1024
MAX_NODES: Final = 8 * MAX_POSITIONS


class Sort(IntEnum):
    """What anchors ask of a neighbouring character; EDGE is that there is none."""

    EDGE = 0
    NEWLINE = 1
    WORD = 2
    OTHER = 3


def sort_of(code: int) -> Sort:
    """The sort of a character."""
    if holds(WORD, code):
        return Sort.WORD
    return Sort.NEWLINE if holds(NEWLINE, code) else Sort.OTHER


@dataclass(frozen=True, slots=True)
class Automaton:
    """`sets[p]` is what position p reads (nothing for bit 0 and for anchors), `start` the first state."""

    start: int
    sets: tuple[Ranges, ...]
    follow: tuple[int, ...]
    anchors: dict[int, Place] = field(default_factory=dict)

    @property
    def anchored(self) -> int:
        """All anchors' bits."""
        return sum(1 << at for at in self.anchors)

    def opened(self, state: int, before: Sort, after: Sort) -> int:
        """The state with what lies behind its anchors, as far as they hold between these two."""
        done, wanted = 0, self.anchored
        while found := state & wanted & ~done:
            for at in bits(found):
                if _holds(self.anchors[at], before, after):
                    state |= self.follow[at]
            done |= found
        return state


def bits(mask: int) -> Iterator[int]:
    """Which bits are set, in ascending order.

    >>> list(bits(0b1010))
    [1, 3]
    """
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def build(tree: Tree) -> Automaton | None:
    """The automaton of a tree; None if it would be too large."""
    if _size(tree) > MAX_NODES:
        return None
    builder = _Builder()
    start = builder.enter(tree, 1)
    return builder.finish(start) if len(builder.sets) <= MAX_POSITIONS else None


class _Builder:
    """From the end to the beginning: what may come after a part is known before the part is read."""

    def __init__(self) -> None:
        self.sets: list[Ranges] = [()]
        self.follow: list[int] = [0]
        self.anchors: dict[int, Place] = {}
        self.loops: dict[int, int] = {}

    def enter(self, tree: Tree, after: int) -> int:
        """Bits that may come next where `tree` begins, if `after` may come next where it ends."""
        match tree:
            case One(of):
                return self.bit(of, after)
            case Join(parts):
                for part in reversed(parts):
                    after = self.enter(part, after)
                return after
            case Either(parts):
                found = 0
                for part in parts:
                    found |= self.enter(part, after)
                return found
            case Repeat(part, least, most):
                return self.repeated(part, least, most, after)
        bit = self.bit((), after)
        self.anchors[bit.bit_length() - 1] = tree
        return bit

    def repeated(self, part: Tree, least: int, most: int | None, after: int) -> int:
        if most is None:
            loop = self.bit((), 0)
            self.loops[loop.bit_length() - 1] = after | self.enter(part, loop)
            after = loop
        else:
            for _ in range(most - least):
                after |= self.enter(part, after)
        for _ in range(least):
            after = self.enter(part, after)
        return after

    def bit(self, of: Ranges, after: int) -> int:
        self.sets.append(of)
        self.follow.append(after)
        return 1 << len(self.sets) - 1

    def finish(self, start: int) -> Automaton:
        """Replace the loops' bits by what lies behind them."""
        if not self.loops:
            return Automaton(start, tuple(self.sets), tuple(self.follow), self.anchors)
        wanted = sum(1 << at for at in self.loops)
        known: dict[int, int] = {}

        def plain(mask: int) -> int:
            if not mask & wanted:
                return mask
            if mask not in known:
                done, found = 0, mask
                while more := found & wanted & ~done:
                    for at in bits(more):
                        found |= self.loops[at]
                    done |= more
                known[mask] = found & ~wanted
            return known[mask]

        return Automaton(plain(start), tuple(self.sets), tuple(map(plain, self.follow)), self.anchors)


def _size(tree: Tree) -> int:
    """How many calls and bits building takes."""
    match tree:
        case Join(parts) | Either(parts):
            return 1 + sum(map(_size, parts))
        case Repeat(part, least, most):
            return 1 + _size(part) * max(1, least + 1 if most is None else most)
    return 1


def _holds(place: Place, before: Sort, after: Sort) -> bool:
    match place:
        case Place.BEGIN:
            return before is Sort.EDGE
        case Place.END:
            return after is Sort.EDGE
        case Place.LINE_BEGIN:
            return before in (Sort.EDGE, Sort.NEWLINE)
        case Place.LINE_END:
            return after in (Sort.EDGE, Sort.NEWLINE)
    return ((before is Sort.WORD) != (after is Sort.WORD)) == (place is Place.EDGE)


def below(limit: str, *, or_equal: bool) -> Automaton | None:
    """The strings that come before `limit`, character by character.

    Position 2k - 1 reads the k-th character of `limit`, 2k a lower one in its place, the last anything after that.
    """
    size = len(limit)
    rest = 1 << 2 * size + 1
    sets: list[Ranges] = [()]
    follow = [0]
    for at, code in enumerate(map(ord, limit), 1):
        sets += [((code, code),), scalar(0, code - 1)]
        follow += [0b11 << 2 * at + 1 | 1 if at < size else int(or_equal), rest | 1]
    start = 0b111 if size else int(or_equal)
    return _limited(Automaton(start, (*sets, FULL), (*follow, rest | 1)))


def pieces(whole: str, *, first: bool = False, last: bool = False) -> Automaton | None:
    """The substrings of `whole`; only those it begins with (`first`), or ends with (`last`)."""
    size = len(whole)
    sets = ((), *(((code, code),) for code in map(ord, whole)))
    follow = (0, *(1 << at + 1 | int(not last) for at in range(1, size)), 1) if size else (0,)
    return _limited(Automaton(0b11 if first and size else (1 << size + 1) - 1, sets, follow))


def _limited(automaton: Automaton) -> Automaton | None:
    return automaton if len(automaton.sets) <= MAX_POSITIONS else None
