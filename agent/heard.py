"""What applications' logs gave before which byte of the audit log: the journal holds it, so that a restart hears it so.

Rules of this file
    - A line is told in the epoch in which it is joined. A restart repeats epochs that were told, and throws away what
      they give (`agent.memory`): a line that had not been read by then must not be read there, or it is never told.
    - A look is one poll of all logs that gave something: when, and of each log how many bytes from where on. Bytes are
      not kept: the files still have them.
    - Where in the epoch a look belongs is counted: bytes of the audit log taken before it, steps besides reading.
    - So it is with the kernel's tags (`agent.tags_feed`): one that comes after the cut joins no line before it.

Complexity: some 20 bytes of the journal for each log and look; `MAX_LOOKS` an epoch (the loop cuts there).
Source: event sourcing; design section 3 (promises 3 and 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from agent.logfiles_value import Given, Look
from grammar import CodecError

MAX_LOOKS: Final = 4_096
TAGS: Final = "\0tags"
"""Stands for a log's path where a poll of tags is meant: of `size` bytes, `offset` is their sum."""


class Placed(NamedTuple):
    """A look, with how many steps had been done in its epoch, and how many bytes been taken."""

    asides: int
    taken: int
    look: Look


class Heard(msgspec.Struct, array_like=True, frozen=True):
    """The looks of one epoch, as they are journaled: `logs` are containers and paths, that looks name by their number.

    >>> heard = Heard.of([Placed(0, 7, Look(5, (Given("web", "/a.log", 3, 0, 10),)))])
    >>> heard.logs, [one.taken for one in heard.placed()]
    (((b'web', b'/a.log'),), [7])
    """

    logs: tuple[tuple[bytes, bytes], ...] = ()
    looks: tuple[tuple[int, int, int, tuple[tuple[int, int, int, int], ...]], ...] = ()

    @staticmethod
    def of(placed: Iterable[Placed]) -> Heard:
        """Each log's name is written once."""
        number: dict[tuple[str, str], int] = {}
        looks = tuple(
            (asides, taken, look.millis,
             tuple((number.setdefault(one[:2], len(number)), *one[2:]) for one in look.given))
            for asides, taken, look in placed
        )  # fmt: skip
        return Heard(tuple((_raw(container), _raw(path)) for container, path in number), looks)

    def placed(self) -> Iterator[Placed]:
        """The looks again; a log that is not named is a `CodecError`."""
        logs = [(_text(container), _text(path)) for container, path in self.logs]
        for asides, taken, millis, given in self.looks:
            if any(not 0 <= number < len(logs) for number, *_ in given):
                raise CodecError("a look at logs names one that is not there")
            found = (Given(*logs[number], *rest) for number, *rest in given)
            yield Placed(asides, taken, Look(millis, tuple(found)))


class Hearing:
    """The looks of the epoch that is open; `taken` counts the audit log's bytes in it."""

    def __init__(self) -> None:
        self.taken = 0
        self._placed: list[Placed] = []

    def __bool__(self) -> bool:
        return bool(self._placed)

    @property
    def full(self) -> bool:
        """Whether the epoch has as many as it should."""
        return len(self._placed) >= MAX_LOOKS

    def note(self, asides: int, looks: list[Look]) -> None:
        """These have been had here, after so many steps; the list is emptied."""
        self._placed += [Placed(asides, self.taken, look) for look in looks]
        looks.clear()

    def take(self) -> Heard:
        """All of them: the epoch ends."""
        heard = Heard.of(self._placed)
        self.clear()
        return heard

    def clear(self) -> None:
        """The journal goes on from here."""
        self.taken = 0
        self._placed = []


def _raw(text: str) -> bytes:
    """A path may be no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise CodecError("not a log's name", offending=raw[:16].hex()) from None
