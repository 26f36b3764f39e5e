"""The beginnings of patterns, in order: those that a text begins with, found by one binary search.

Rules of this file
    - A sorted list is a trie: the longest entry that a text begins with is the text's predecessor in the list, or one
      of the predecessor's own beginnings.
    - Each entry knows the next shorter one that it begins with, and what all of them lead to.

Complexity: making, O(n log n) for n entries; a text, O(log n) comparisons and the entries nested in one another.
Source: ternary and sorted-array tries, Bentley and Sedgewick 1997.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Heads(Generic[T]):
    """What beginnings lead to.

    >>> heads = Heads({b"a": ["a"], b"abc": ["abc"], b"abd": ["abd"]})
    >>> [list(heads.of(text)) for text in (b"abcd", b"abz", b"b")]
    [['a', 'abc'], ['a'], []]
    """

    def __init__(self, entries: Mapping[bytes, Sequence[T]]) -> None:
        self._heads = sorted(entries)
        self._above: list[int] = []
        self._found: list[tuple[T, ...]] = []
        for at, head in enumerate(self._heads):
            above = at - 1
            while above >= 0 and not head.startswith(self._heads[above]):
                above = self._above[above]
            self._above.append(above)
            self._found.append((self._found[above] if above >= 0 else ()) + tuple(entries[head]))

    def of(self, text: bytes) -> tuple[T, ...]:
        """What all beginnings of the text lead to, the shortest first."""
        at = bisect_right(self._heads, text) - 1
        while at >= 0:
            if text.startswith(self._heads[at]):
                return self._found[at]
            at = self._above[at]
        return ()


def popularity(heads: Sequence[bytes]) -> dict[bytes, int]:
    """How many of the heads begin with each, itself among them.

    >>> popularity([b"a", b"ab", b"ab", b"c"]) == {b"a": 3, b"ab": 2, b"c": 1}
    True
    """
    ordered = sorted(heads)
    found: dict[bytes, int] = {}
    open_heads: list[tuple[bytes, int]] = []
    for at, head in enumerate([*ordered, b""]):
        while open_heads and (at == len(ordered) or not head.startswith(open_heads[-1][0])):
            begun, first = open_heads.pop()
            found[begun] = at - first
        if at < len(ordered) and (not open_heads or open_heads[-1][0] != head):
            open_heads.append((head, at))
    return found
