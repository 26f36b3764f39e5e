"""Which of an application's patterns a message is: one automaton over all of them, then the few that it leaves.

Rules of this file
    - A pattern is found by its literal beginning (a trie over all of them). One that has none, or one that too many
      others share, is found by a *piece* of its literal text: its rarest run of at most `PIECE` bytes, all of them
      together one automaton that passes over the message once.
    - What is found is asked whole (`grammar.matcher_whole`), so the answer is exact.
    - The whole message must match. Nothing is searched for inside of it, nothing may be left over at its ends; what
      a logger adds there is the business of who makes the patterns.
    - A pattern that says too little (`grammar.formats.telling`) matches nothing. Equal patterns are matched once.
    - Most specific first: letters and digits that the pattern has literally, then literal characters, then position.

Invariant: `match(text)` equals asking every telling pattern whether it `matches(text)`.
Complexity: making, O(literal text); a message, O(length) for the automaton and for every pattern that it leaves.
    Memory: O(literal text), `BUDGET` for each `TOGETHER` pieces, and the fields' automata (`grammar.matcher_field`).
Source: DisProTrack Algorithm 2 (one regular expression after another); Aho and Corasick 1975; RE2's FilteredRE2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import re2

from grammar.formats import specificity, telling
from grammar.matcher_field import Automaton, literal_of, options, probed
from grammar.matcher_heads import Heads, popularity
from grammar.matcher_nearest import Nearest
from grammar.matcher_whole import Whole
from grammar.pattern import Pattern

PIECE: Final = 8
"""Bytes of a piece: longer ones are more states to remember, shorter ones are in more lines."""
BUDGET: Final = 16 << 20
TOGETHER: Final = 2_048
"""Pieces in one automaton."""
SHORT: Final = 3
POPULAR: Final = 3
"""A beginning shorter than that, or one that more patterns begin with, finds a pattern less well than a piece does."""

Group = list[tuple[int, Whole]]
"""Patterns that are found by the same piece, with their ranks."""


class Matcher:
    """All patterns of an application.

    >>> patterns = [Pattern.parse(text) for text in ("user {text}", "user {text} logged in", "{text}: {text}")]
    >>> matcher = Matcher(patterns)
    >>> matcher.match("user alice logged in"), matcher.match("user alice"), matcher.match("x: user alice")
    ((1, 0), (0,), ())
    >>> matcher.nearest("failed: user alice logged out", limit=1)[0][0]
    1
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        same: dict[Pattern, list[int]] = {}
        for position, pattern in enumerate(self._patterns):
            if telling(pattern):
                same.setdefault(pattern, []).append(position)
        order = sorted(same, key=lambda one: (-specificity(one), -_literals(one), same[one]))
        self._order = order
        self._positions = [tuple(same[one]) for one in order]
        """By rank: the positions of each distinct pattern, the most specific pattern first."""
        heads, pieces = _found_by(order)
        self._heads = Heads(heads)
        self._filters = list(_filters(list(pieces.items())))
        self._nearest: Nearest | None = None

    def __len__(self) -> int:
        return len(self._patterns)

    def match(self, text: str) -> tuple[int, ...]:
        """The positions of all patterns that are the whole of `text`, the most specific first."""
        data = text.encode("utf-8", "backslashreplace")
        broken = "\n" in text
        ranks = []
        for rank, whole in self._heads.of(data):
            if whole.matches(data, text, broken):
                ranks.append(rank)
        for automaton, groups in self._filters:
            for found in automaton.Match(data) or ():
                for rank, whole in groups[found]:
                    if whole.matches(data, text, broken):
                        ranks.append(rank)
        if not ranks:
            return ()
        if len(ranks) == 1:
            return self._positions[ranks[0]]
        ranks.sort()
        return tuple([position for rank in ranks for position in self._positions[rank]])

    def nearest(self, text: str, limit: int = 5) -> list[tuple[int, float]]:
        """Patterns that share most with a text that is none of them, with a score from 0 to 1, best first."""
        if self._nearest is None:
            self._nearest = Nearest(self._order)
        return [(self._positions[rank][0], score) for rank, score in self._nearest.find(text, limit)]


def _literals(pattern: Pattern) -> int:
    return sum(len(part) for part in pattern.parts if isinstance(part, str))


def _found_by(order: Sequence[Pattern]) -> tuple[dict[bytes, Group], dict[bytes, Group]]:
    """The patterns by their beginning, and the others by a piece."""
    runs = [[literal_of(part) for part in pattern.parts if isinstance(part, str) and part] for pattern in order]
    begins = [literal_of(pattern.prefix) for pattern in order]
    popular = popularity(begins)
    rare = Counter(piece for run in runs for piece in set(_pieces(run)))
    heads: dict[bytes, Group] = {}
    pieces: dict[bytes, Group] = {}
    for rank, (run, head) in enumerate(zip(runs, begins, strict=True)):
        one = (rank, Whole(order[rank]))
        piece = min(_pieces(run), key=lambda some: (-len(some), rare[some]))
        if len(head) >= SHORT and (popular[head] <= POPULAR or len(piece) < PIECE):
            heads.setdefault(head, []).append(one)
        else:
            pieces.setdefault(piece, []).append(one)
    return heads, pieces


def _pieces(runs: Sequence[bytes]) -> Iterator[bytes]:
    """All pieces that a pattern could be found by."""
    for run in runs:
        for at in range(max(1, len(run) - PIECE + 1)):
            yield run[at : at + PIECE]


def _filters(groups: Sequence[tuple[bytes, Group]]) -> Iterator[tuple[Automaton, list[Group]]]:
    """Automata over all pieces, each with its groups; too many for one are shared out."""
    for at in range(0, len(groups), TOGETHER):
        some = groups[at : at + TOGETHER]
        regexes = [re2.escape(piece) for piece, _ in some]
        automaton = probed(re2.Set.SearchSet(options(BUDGET, latin=True)), regexes, some[0][0])
        if automaton is not None:
            yield automaton, [group for _, group in some]
        elif len(some) > 1:
            half = len(some) // 2
            yield from _filters(some[:half])
            yield from _filters(some[half:])
