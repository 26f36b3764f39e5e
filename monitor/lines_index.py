"""An application's log patterns: which of a model's states a message may stand for, and which come nearest to it.

Rules of this file
    - A state `LogMessage PATTERN` is a candidate for every message that its pattern matches. One pattern has as many
      states as there are histories of it. A label that is no pattern, or is too large to match, stands for nothing.
    - All patterns are matched at once (`grammar.matcher`); those that say next to nothing only where no other matches.
      What has been compiled stays while the patterns stay the same; patterns that come later are a part of their own,
      until they are so many that all are compiled anew.
    - An index knows its model weakly: a model that nobody else holds goes.

Complexity: making O(items of the model), compiling O(new patterns) amortised; a message as `grammar.matcher`; the
nearest O(patterns that share a word with it).
Source: DisProTrack section IV (LMS regex form); issue "application logs", reverse query.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from threading import Lock
from typing import Final
from weakref import ReferenceType, ref

from grammar import InputError, Model, Pattern, State
from grammar.formats import telling
from grammar.matcher import Matcher
from grammar.matcher_nearest import Nearest

KIND: Final = "LogMessage "
DEFAULT_EPOCH: Final = 10_000
LONGEST_EPOCH: Final = 3_600_000
NEAREST: Final = 5
MAX_VAGUE: Final = 64
"""Patterns with next to no text of their own that a message is held against."""
PARTS: Final = 8
"""Parts that a book of patterns may have before it is compiled anew."""


@dataclass(frozen=True, slots=True)
class Near:
    """A pattern that does not match, and how much it shares with the message, from 0 to 1."""

    app: str
    pattern: str
    score: float


@dataclass(frozen=True, slots=True)
class Word:
    """A pattern in written form that can be matched; `literal` are its characters that are no field."""

    text: str
    pattern: Pattern
    literal: int

    @staticmethod
    def of(text: str) -> Word | None:
        """Read it; None if it is none, or too large to match."""
        try:
            pattern = Pattern.parse(text)
            pattern.matches("")
        except InputError:
            return None
        return Word(text, pattern, sum(len(part) for part in pattern.parts if isinstance(part, str)))


@dataclass(frozen=True, slots=True)
class Book:
    """Patterns that were compiled, in parts. A value: a book with more patterns shares the parts of this one."""

    known: Mapping[str, Word | None] = field(default_factory=dict)
    parts: tuple[tuple[Sequence[Word], Matcher], ...] = ()
    _near: list[Nearest] = field(default_factory=list)

    def having(self, texts: Iterable[str]) -> Book:
        """The book of these patterns and no others: a part more, or all compiled anew."""
        wanted = sorted(set(texts))
        fresh = [text for text in wanted if text not in self.known]
        if not fresh and len(wanted) == len(self.known):
            return self
        gone = len(self.known) + len(fresh) != len(wanted)
        words = {text: self.known[text] if text in self.known else Word.of(text) for text in wanted}
        anew = gone or len(self.parts) >= PARTS or len(fresh) > len(self.known)
        usable = tuple(word for text in (wanted if anew else fresh) if (word := words[text]) is not None)
        added = ((usable, Matcher([word.pattern for word in usable])),) if usable else ()
        return Book(words, added if anew else (*self.parts, *added))

    @property
    def words(self) -> list[Word]:
        """The patterns that can be matched, in order."""
        return [word for word in self.known.values() if word is not None]

    def matching(self, message: str) -> list[Word]:
        """The patterns that match a message, in order; those that say too little only if no other does."""
        found = [words[number] for words, matcher in self.parts for number in matcher.match(message)]
        if not found:
            vague = islice((word for word in self.words if not telling(word.pattern)), MAX_VAGUE)
            found = [word for word in vague if word.pattern.matches(message)]
        return sorted(found, key=lambda word: word.text)

    def nearest(self, message: str, app: str = "") -> list[Near]:
        """The patterns that share most with a message, best first."""
        words = self.words
        if not self._near:
            self._near.append(Nearest([word.pattern for word in words]))
        return [Near(app, words[number].text, score) for number, score in self._near[0].find(message, NEAREST)]


@dataclass(frozen=True, slots=True)
class Index:
    """One model's `LogMessage` states by pattern; `epoch` is about how long its epochs are, in milliseconds."""

    book: Book
    states: Mapping[str, Sequence[State]]
    epoch: int

    @staticmethod
    def of(model: Model, book: Book | None = None) -> Index:
        """Look through a model; `book` is what was compiled for the model before."""
        states: dict[str, list[State]] = {}
        times: set[int] = set()
        for item, held in model.support.items():
            if isinstance(item, State) and item.label.startswith(KIND):
                states.setdefault(item.label[len(KIND) :], []).append(item)
                times.update(time for span in held.values() for time in (span.first, span.last))
        return Index(
            (book or Book()).having(states), {text: sorted(found) for text, found in states.items()}, _epoch(times)
        )

    def candidates(self, message: str) -> dict[Word, Sequence[State]]:
        """The states that a message may stand for, by pattern."""
        return {word: self.states[word.text] for word in self.book.matching(message)}


class Indexes:
    """The indexes of the models that were asked about last, one per application; may be used by several threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ReferenceType[Model], Index]] = {}
        self._lock = Lock()

    def of(self, model: Model) -> Index:
        """The index of a model: made when it is asked for first."""
        with self._lock:
            known = self._known.get(model.app)
            if known is not None and known[0]() is model:
                return known[1]
            index = Index.of(model, known[1].book if known else None)
            self._known[model.app] = ref(model), index
            return index


def _epoch(times: Iterable[int]) -> int:
    """The least distance between two starts of epochs: the length of an epoch, or some of them."""
    ordered = sorted(times)
    gaps = [later - earlier for earlier, later in pairwise(ordered)]
    return min(max(1_000, min(gaps)), LONGEST_EPOCH) if gaps else DEFAULT_EPOCH
