"""Where the writes to one log lie, as far as their tags have been found in its bytes.

Rules of this file
    - A tag has a place once the bytes there fit it (`agent.tagjoin_fit`). What its offset says is not enough: it may be
      guessed, and two tags never have one place.
    - Between two places that touch nothing was written that has no tag. From one write back to the first that had
      returned before a call began, all that has been written since is seen: if no byte is without a tag, no tag of that
      time is missing. What is missing harms nobody but the writes of its own time.
    - Bounded: `MAX_PLACES`, the oldest go; `MAX_TODO` tags wait for their bytes, and each is looked for `TRIES` times.

Complexity: O(1) a tag; O(writes since the call began) a question, `STEPS` at most.
Source: write(2) with O_APPEND (a write is one piece of the file); issue "lkm" (join).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from agent.tagindex import Held
    from agent.tags import Tag

MAX_PLACES: Final = 16_384
MAX_TODO: Final = 4_096
TRIES: Final = 8
STEPS: Final = 512


class Found(NamedTuple):
    """Where the bytes of a tag lie."""

    part: int
    at: int


class Todo(NamedTuple):
    """A tag whose bytes have not been found, and how often they have been looked for."""

    held: Held
    tries: int = 0


class Places:
    """The places of one book's writes; `upto` is how far its bytes went when they were looked for last."""

    __slots__ = ("_after", "_before", "_of", "todo", "upto")

    def __init__(self) -> None:
        self._of: dict[tuple[int, int, int], Found] = {}
        self._before: dict[tuple[int, int], tuple[int, int]] = {}
        self._after: dict[tuple[int, int], tuple[int, int]] = {}
        self.todo: list[Todo] = []
        self.upto = 0, 0

    def put(self, tag: Tag, found: Found) -> None:
        """A tag's place."""
        if len(self._of) >= MAX_PLACES:
            self._drop(next(iter(self._of)))
        self._of[ident(tag)] = found
        self._before[found.part, found.at + tag.length] = found.at, tag.nanos
        self._after[found] = found.at + tag.length, tag.nanos

    def of(self, tag: Tag) -> Found | None:
        """Where a tag has been found."""
        return self._of.get(ident(tag))

    def is_taken(self, part: int, at: int) -> bool:
        """Whether a write is known to begin there."""
        return (part, at) in self._after

    def is_whole_before(self, found: Found, nanos: int) -> bool:
        """Whether every byte before that place which was written since that time has a tag."""
        part, at = found
        for _ in range(STEPS):
            before = self._before.get((part, at))
            if before is None:
                return at == 0
            at, returned = before
            if returned < nanos:
                return True
        return False

    def is_whole_behind(self, found: Found, upto: int, nanos: int) -> bool:
        """Whether every byte from that place on has a tag, as far as `upto` or as what was written by that time."""
        part, at = found
        for _ in range(STEPS):
            after = self._after.get((part, at))
            if after is None:
                return at >= upto
            at, returned = after
            if returned > nanos:
                return True
        return False

    def _drop(self, key: tuple[int, int, int]) -> None:
        found = self._of.pop(key)
        end, _ = self._after.pop(found, (0, 0))
        self._before.pop((found.part, end), None)


def ident(tag: Tag) -> tuple[int, int, int]:
    """A tag's own number."""
    return tag.load, tag.cpu, tag.sequence
