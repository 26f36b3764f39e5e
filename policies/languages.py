"""Whether all, some or none of a pattern's strings fulfil a condition.

Rules of this file
    - `decide` is exact: True is all, False is none, None is some; but None too where deciding would cost too much, or
      where the condition is nothing that `languages_regex` reads. Cost is counted in steps, so that two machines decide
      alike.
    - The literal text that the pattern begins with is walked first: most conditions fail, or are fulfilled, in it.
    - What is remembered is bounded, in number and in size: patterns come from anywhere.

Invariant: the answer depends on the pattern and on the condition only, not on what was asked before.
Complexity: at most `MAX_STEPS` steps of the product of the pattern's automaton and the condition's subset construction,
    each O(positions / 64); an ordinary decision takes some hundred.
Source: Rabin and Scott 1959 (subset construction), done only where the pattern leads.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

from grammar.pattern import Pattern, Slot, writable
from policies.languages_automaton import Automaton, Sort, below, bits, build, pieces, sort_of
from policies.languages_regex import Either, Join, One, Repeat, Tree, read, text
from policies.languages_sets import FULL, NEWLINE, WORD, Ranges

MAX_STEPS: Final = 100_000
KEPT_POSITIONS: Final = 256
"""Larger automata are made anew for each decision, and forgotten."""
KEPT_MOVES: Final = 1024

ANYTHING: Final = Repeat(One(FULL), 0, None)


class Question(Enum):
    """What may be asked of a string; the operand is text, a regular expression, a set of strings or a pattern."""

    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"
    CONTAINS = "contains"
    MATCHES = "matches"
    GLOB = "fits the glob"
    BELOW = "comes before"
    AT_MOST = "comes before, or is"
    AMONG = "is one of"
    IS = "is one that the pattern has"
    BEGINS = "is what the operand starts with"
    FINISHES = "is what the operand ends with"
    INSIDE = "is in the operand"


Operand: TypeAlias = str | frozenset[str] | Pattern


@lru_cache(maxsize=1 << 15)
def decide(pattern: Pattern, question: Question, operand: Operand) -> bool | None:
    """Whether all (True), none (False) or some (None) of the pattern's strings pass the test.

    >>> decide(Pattern.parse("/tmp/sess_{token:26}"), Question.STARTS_WITH, "/tmp/")
    True
    >>> decide(Pattern.parse("/tmp/{word}"), Question.MATCHES, ".*[.]php")
    """
    condition = _condition(question, operand)
    if condition is None:
        return None
    return _Search(condition).run(pattern)


def forget() -> None:
    """Remember nothing of what was decided; for measuring."""
    for cached in (decide, _kept, _rest, read):
        cached.cache_clear()


def tree_of(pattern: Pattern) -> Tree | None:
    """The pattern as a tree; None if a field is none that can be read."""
    parts: list[Tree] = []
    for part in pattern.parts:
        tree = read(part.regex) if isinstance(part, Slot) else text(writable(part))
        if tree is None:
            return None
        parts.append(tree)
    return Join(tuple(parts))


@lru_cache(maxsize=256)
def _kept(question: Question, operand: Operand) -> _Condition | None:
    automaton = _automaton(question, operand)
    return None if automaton is None else _Condition(automaton)


def _condition(question: Question, operand: Operand) -> _Condition | None:
    condition = _kept(question, operand)
    if condition is not None and len(condition.automaton.sets) > KEPT_POSITIONS:
        return _Condition(condition.automaton)
    return condition


def _automaton(question: Question, operand: Operand) -> Automaton | None:
    if isinstance(operand, Pattern):
        tree = tree_of(operand)
        return None if tree is None else build(tree)
    if isinstance(operand, frozenset):
        return build(Either(tuple(text(one) for one in sorted(operand))))
    if question in (Question.BELOW, Question.AT_MOST):
        return below(operand, or_equal=question is Question.AT_MOST)
    if question in (Question.BEGINS, Question.FINISHES, Question.INSIDE):
        return pieces(operand, first=question is Question.BEGINS, last=question is Question.FINISHES)
    tree = _tree(question, operand)
    return None if tree is None else build(tree)


def _tree(question: Question, operand: str) -> Tree | None:
    match question:
        case Question.MATCHES:
            return read(operand)
        case Question.STARTS_WITH:
            return Join((text(operand), ANYTHING))
        case Question.ENDS_WITH:
            return Join((ANYTHING, text(operand)))
        case Question.CONTAINS:
            return Join((ANYTHING, text(operand), ANYTHING))
    first, *rest = map(text, operand.split("*"))
    return Join((first, *(part for piece in rest for part in (ANYTHING, piece))))


@lru_cache(maxsize=256)
def _rest(parts: tuple[str | Slot, ...]) -> Automaton | None:
    tree = tree_of(Pattern(parts))
    return None if tree is None else build(tree)


def _positions(parts: tuple[str | Slot, ...]) -> int:
    """About how many positions the automaton will have."""
    return sum(len(part) if isinstance(part, str) else max(part.width, 64) for part in parts)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the condition does with a character: the positions that read it, and its sort if that matters."""

    reading: int
    sort: Sort = Sort.OTHER


class _Condition:
    """A condition's automaton, and what was found out about it."""

    __slots__ = ("_choices", "_moves", "_segments", "_starts", "automaton", "loops", "settled")

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        readers: dict[Ranges, int] = {}
        for at, ranges in enumerate(automaton.sets):
            readers[ranges] = readers.get(ranges, 0) | 1 << at
        self._starts, self._segments = _segments(readers, bool(automaton.anchors))
        self._choices: dict[Ranges, tuple[_Choice, ...]] = {(): ()}
        self._moves: dict[int, int] = {0: 0}
        follow = automaton.follow
        self.loops = sum(1 << at for at in range(len(follow)) if follow[at] & 1 and follow[at] >> at & 1)
        """Positions that may read for ever, and end at any time."""
        self.settled = sum(1 << at for at in bits(self.loops) if automaton.sets[at] == FULL)
        """Those of them that read everything."""

    def choices(self, ranges: Ranges) -> tuple[_Choice, ...]:
        """All that the condition can do with the characters of a set."""
        found = self._choices.get(ranges)
        if found is None:
            chosen: dict[_Choice, None] = {}
            for first, last in ranges:
                at = bisect_right(self._starts, first) - 1
                while at < len(self._starts) and self._starts[at] <= last:
                    chosen[self._segments[at]] = None
                    at += 1
            if len(self._choices) >= KEPT_MOVES:
                self._choices.clear()
            found = self._choices[ranges] = tuple(chosen)
        return found

    def move(self, reading: int) -> int:
        """The state after the positions `reading` have read."""
        found = self._moves.get(reading)
        if found is None:
            found = 0
            for at in bits(reading):
                found |= self.automaton.follow[at]
            if len(self._moves) >= KEPT_MOVES:
                self._moves.clear()
            self._moves[reading] = found
        return found


def _segments(readers: dict[Ranges, int], anchored: bool) -> tuple[list[int], list[_Choice]]:
    """Where stretches of characters begin that the condition treats alike, and how it treats each."""
    splits = [*readers, FULL, *((WORD, NEWLINE) if anchored else ())]
    starts = sorted({0, 0x110000} | {edge for ranges in splits for first, last in ranges for edge in (first, last + 1)})
    index = {start: at for at, start in enumerate(starts)}
    reading = [0] * len(starts)
    for ranges, mask in readers.items():
        for first, last in ranges:
            for at in range(index[first], index[last + 1]):
                reading[at] |= mask
    return starts, [
        _Choice(mask, sort_of(start)) if anchored else _Choice(mask)
        for start, mask in zip(starts, reading, strict=True)
    ]


class _Search:
    """One decision: looks for a string that passes and for one that does not, and stops when it has both."""

    def __init__(self, condition: _Condition) -> None:
        self.condition = condition
        self.automaton = condition.automaton
        self.steps = MAX_STEPS
        self.passed = self.failed = False

    def run(self, pattern: Pattern) -> bool | None:
        """Walk the literal text that the pattern begins with, then explore the rest."""
        state, before = self.automaton.start, Sort.EDGE
        for code in map(ord, writable(pattern.prefix)):
            (choice,) = self.condition.choices(((code, code),))
            state, before = self.step(state, before, choice), choice.sort
            if not state:
                return False
        if self.settles(state, self.condition.settled):
            return True
        rest = pattern.parts[1:] if pattern.prefix else pattern.parts
        automaton = _rest(rest) if _positions(rest) <= KEPT_POSITIONS else _rest.__wrapped__(rest)
        return None if automaton is None else self.explore(automaton, state, before)

    def explore(self, pattern: Automaton, state: int, before: Sort) -> bool | None:
        """Follow every way through the pattern with the state that the condition is in."""
        choices = {ranges: self.condition.choices(ranges) for ranges in set(pattern.sets)}
        settled = self.condition.loops
        for choice in chain.from_iterable(choices.values()):
            settled &= choice.reading
        if self.settles(state, settled):
            return True
        seen: set[tuple[int, int, Sort]] = set()
        stack = [(pattern.start, state, before)]
        while stack:
            follow, state, before = stack.pop()
            if follow & 1:
                self.end(state, before)
            for at in bits(follow & ~1):
                for choice in choices[pattern.sets[at]]:
                    after = self.step(state, before, choice)
                    if not after:
                        self.failed = True
                    elif self.settles(after, settled):
                        self.passed = True
                    elif (key := (at, after, choice.sort)) not in seen:
                        seen.add(key)
                        stack.append((pattern.follow[at], after, choice.sort))
                if (self.passed and self.failed) or self.steps < 0:
                    return None
        return None if self.passed and self.failed else self.passed

    @staticmethod
    def settles(state: int, settled: int) -> bool:
        """Whether every string that goes on from here passes."""
        return bool(state & 1 and state & settled)

    def step(self, state: int, before: Sort, choice: _Choice) -> int:
        """The condition's state after one character."""
        if self.automaton.anchors:
            state = self.automaton.opened(state, before, choice.sort)
        reading = state & choice.reading
        self.steps -= 1 + reading.bit_count()  # the same whether the move is remembered or not
        return self.condition.move(reading)

    def end(self, state: int, before: Sort) -> None:
        """The pattern's string may end here."""
        if self.automaton.anchors:
            state = self.automaton.opened(state, before, Sort.EDGE)
        if state & 1:
            self.passed = True
        else:
            self.failed = True
