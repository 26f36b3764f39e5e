"""One pattern, asked whether a whole text is its own: literals are looked for, only what is between them is matched.

Rules of this file
    - A field that cannot hold the first byte of the literal after it ends where that literal is found next; from the
      end the same holds backwards. Between fields of any text the leftmost place of each literal is as good as any. So
      most patterns need no automaton of their own.
    - The others, and texts with a newline (which `{text}` cannot hold), have one for all between their literal ends.
    - Precisions are left open; a text that is long enough to go beyond one is matched again, exactly.

Invariant: `matches(data, text, …)` equals `pattern.matches(text)`, `data` being `text` in UTF-8; a pattern that RE2
    refuses as too large matches nothing.
Complexity: O(length of the text) for each part of the pattern.
Source: the argument for the leftmost place is that of shell globbing (`*`); the rest is in `grammar.matcher_field`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from grammar.matcher_field import Field, Part, can_hold, exactly, literal_of
from grammar.pattern import Pattern, Slot

Steps = tuple[tuple[Field, bytes], ...]
FREE: Final = frozenset({"text", "any"})


class Whole:
    """A pattern, ready to be asked.

    Between its literal ends (`head`, `tail`) there are steps: `fore` are fields with the literal after each, `aft` with
    the literal before each, the last first. What they leave is one field (`rest`), or, where that is None, literals in
    order (`inner`) between fields of any text. A pattern that has no such steps is not `planned`.

    >>> whole = Whole(Pattern.parse("user {text} of {int} gone"))
    >>> [whole.matches(text.encode(), text, False) for text in ("user a of b of 7 gone", "user a of b gone")]
    [True, False]
    """

    __slots__ = ("_aft", "_bound", "_ends", "_fore", "_head", "_inner", "_least", "_middle", "_rest", "_tail",
                 "pattern", "planned")  # fmt: skip

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        parts = _merged(pattern.parts)
        self._bound = _bound(parts)
        self._head = _taken(parts, 0)
        self._tail = _taken(parts, -1)
        self._ends = len(self._tail)
        self._least = len(self._head) + len(self._tail)
        self._middle = tuple(parts)
        self._fore: Steps = ()
        self._aft: Steps = ()
        self._inner: tuple[bytes, ...] = ()
        self._rest: Field | None = None
        self.planned = self._plan(parts)

    def matches(self, data: bytes, text: str, broken: bool) -> bool:
        """True if the whole of `text` is in the pattern's language.

        `data` is what it is in UTF-8, `broken` says that it has a newline.
        """
        size = len(data)
        if size < self._least or not data.endswith(self._tail) or not data.startswith(self._head):
            return False
        if broken or not self.planned:
            return self._by_automaton(data, text)
        start, end = len(self._head), size - self._ends
        for field, literal in self._fore:
            to = data.find(literal, start, end)
            if to < 0 or not field.holds(data[start:to]):
                return False
            start = to + len(literal)
        for field, literal in self._aft:
            to = data.rfind(literal, start, end)
            if to < 0 or not field.holds(data[to + len(literal) : end]):
                return False
            end = to
        for literal in self._inner:
            start = data.find(literal, start, end)
            if start < 0:
                return False
            start += len(literal)
        if self._rest is not None and not self._rest.holds(data[start:end]):
            return False
        return size <= self._bound or exactly(self.pattern, text)

    def _by_automaton(self, data: bytes, text: str) -> bool:
        middle = data[len(self._head) : len(data) - self._ends]
        return Field.of(self._middle).holds(middle) and (len(data) <= self._bound or exactly(self.pattern, text))

    def _plan(self, parts: Sequence[Part]) -> bool:
        """Find the steps for parts that begin and end with a slot; false if there are none that are exact."""
        runs = _runs(parts)
        literals = [literal_of(part) for part in parts if isinstance(part, str)]
        free = [_is_free(run) for run in runs]
        ends = [at for at, one in enumerate(free) if one] or [len(free) - 1]
        first, last = ends[0], ends[-1]
        if None in free or not all(free[first:last]):
            return False
        fore = list(zip(runs[:first], literals[:first], strict=True))
        aft = list(zip(runs[last + 1 :], literals[last:], strict=True))[::-1]
        blurred = [can_hold(run, literal[0]) for run, literal in fore]
        blurred += [can_hold(run, literal[-1]) for run, literal in aft]
        if any(blurred):
            return False
        self._fore, self._aft, self._inner = _steps(fore), _steps(aft), tuple(literals[first:last])
        self._rest = None if free[last] else Field.of(tuple(runs[last]))
        return True


def _merged(parts: Sequence[Part]) -> list[Part]:
    """The parts, neighbouring literals made one, empty ones left out."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return found


def _taken(parts: list[Part], at: int) -> bytes:
    """The literal at that end, no longer among the parts."""
    if parts and isinstance(part := parts[at], str):
        del parts[at]
        return literal_of(part)
    return b""


def _runs(parts: Sequence[Part]) -> list[list[Slot]]:
    """The slots between the literals."""
    found: list[list[Slot]] = []
    for part in ("", *parts):
        if isinstance(part, Slot):
            found[-1].append(part)
        else:
            found.append([])
    return found


def _steps(found: Sequence[tuple[list[Slot], bytes]]) -> Steps:
    return tuple((Field.of(tuple(run)), literal) for run, literal in found)


def _is_free(run: Sequence[Slot]) -> bool | None:
    """True if a run of slots takes any text of one line, None if that is so of some of them only."""
    kinds = {slot.type in FREE for slot in run}
    return None if len(kinds) > 1 else True in kinds


def _bound(parts: Sequence[Part]) -> int:
    """Bytes up to which a text cannot go beyond any of the pattern's precisions."""
    widths = [part.width for part in parts if isinstance(part, Slot) and part.type == "text" and part.width]
    literal = sum(len(literal_of(part)) for part in parts if isinstance(part, str))
    return min(widths) + literal if widths else sys.maxsize
