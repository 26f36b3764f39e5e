"""Code as arrays of bytes, in pieces of bounded size; and look-ups in ordered arrays.

Rules of this file
    - A piece overlaps the next by `OVERLAP`, and only what begins in its own part counts: no instruction is cut, none
      is found twice.

Complexity: O(piece) memory for each operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.static.elf import Image

U64 = np.ndarray[tuple[int], np.dtype[np.uint64]]
I64 = np.ndarray[tuple[int], np.dtype[np.int64]]
B1 = np.ndarray[tuple[int], np.dtype[np.bool_]]
U8 = np.ndarray[tuple[int], np.dtype[np.uint8]]
I32 = np.ndarray[tuple[int], np.dtype[np.int32]]
PIECE: Final = 1 << 21
OVERLAP: Final = 32  # longer than what is looked at around a place


@dataclass(frozen=True, slots=True)
class Piece:
    """Code from address `low` on: its bytes, and every place in them read as a 32-bit number."""

    low: int
    own: int
    bytes: U8
    words: I32

    def places(self, mask: B1, need: int) -> I64:
        """Positions in this piece's own part where `mask` holds and `need` bytes follow."""
        found = np.flatnonzero(mask[: self.own])
        return found[found + need <= len(self.bytes)]

    def reach(self, at: I64, skip: int) -> I64:
        """Where an operand of 4 bytes at `at` + `skip` leads, counted from its end."""
        found: I64 = self.words[at + skip].astype(np.int64) + at + (self.low + skip + 4)
        return found


def pieces(image: Image) -> Iterator[Piece]:
    """All code of `image`."""
    for low, high in image.code_ranges:
        for begin in range(low, high, PIECE):
            data = image.at(begin, min(PIECE + OVERLAP, high - begin))
            count = max(len(data) - 3, 0)
            words: I32 = np.ndarray((count,), "<i4", data, 0, (1,))
            yield Piece(begin, min(PIECE, len(data)), np.frombuffer(data, np.uint8), words)


def is_in(values: U64 | I64, ordered: U64 | I64) -> B1:
    """Which of `values` are among the ascending `ordered`."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: B1 = ordered[at] == values
    return found


def range_of(starts: U64, ends: U64, places: U64) -> I64:
    """Which range `starts[i] <= place < ends[i]` each place is in, -1 if none."""
    if not len(ends):
        return np.full(len(places), -1, np.int64)
    at = np.searchsorted(starts, places, side="right").astype(np.int64) - 1
    return np.where((at >= 0) & (places < ends[np.maximum(at, 0)]), at, -1)
