"""The patterns that share most words with a text: what an unknown line may have been meant to be.

Rules of this file
    - Words are compared, not characters: an inverted index from word to patterns. A rare word counts more.
    - What a pattern says and the text does not counts as much as the other way round; words that no pattern has are the
      text's own (names, numbers) and count little.

Complexity: O(patterns that share a word with the text), at most `MAX_WORDS` words.
Source: inverted index with inverse document frequencies (Spärck Jones 1972), cosine of the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from math import log, sqrt
from typing import Final

from grammar.pattern import Pattern

MAX_WORDS: Final = 256
MAX_TEXT: Final = 4_096
UNKNOWN: Final = 0.25
"""What a word that no pattern has weighs."""
_WORD: Final = re.compile(r"[^\W_]+")


class Nearest:
    """An index of patterns by their words.

    >>> index = Nearest([Pattern.parse("cannot open {text}"), Pattern.parse("cannot bind to {int}")])
    >>> index.find("could not open file", 5)
    [(0, 0.66)]
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._having: dict[str, list[int]] = {}
        words = [_words(part for part in pattern.parts if isinstance(part, str)) for pattern in patterns]
        for at, each in enumerate(words):
            for word in each:
                self._having.setdefault(word, []).append(at)
        self._weight = {word: log(1 + len(patterns) / len(having)) ** 2 for word, having in self._having.items()}
        self._length = [sum(self._weight[word] for word in each) for each in words]

    def find(self, text: str, limit: int) -> list[tuple[int, float]]:
        """At most `limit` positions with a score from 0 to 1, best first."""
        words = _words([text[:MAX_TEXT]])
        weight = {word: self._weight.get(word, UNKNOWN) for word in words}
        shared: dict[int, float] = {}
        for word in words:
            for at in self._having.get(word, ()):
                shared[at] = shared.get(at, 0.0) + weight[word]
        length = sum(weight.values())
        scored = ((-common / sqrt(length * self._length[at]), at) for at, common in shared.items())
        return [(at, round(-score, 2)) for score, at in nsmallest(limit, scored)]


def _words(texts: Iterable[str]) -> list[str]:
    """The distinct words, in order."""
    return list(dict.fromkeys(word for text in texts for word in _WORD.findall(text.lower())))[:MAX_WORDS]
