"""A finite automaton as plain values, what it costs in bits, what it accepts: one measure for every learner's result.

Rules of this file
    - Learners draw their automata differently (sinks, rejecting states, unreachable ones). Only what takes part in an
      accepted word is kept, so that all are counted alike; the language stays the same.
    - Bits are one two-part code for all, with n states, t transitions, an alphabet of a symbols:
        model  t * (2 * log2 n + log2 a) + n       a transition names its ends and its symbol; a state is final or not
        data   sum over the words, and over the states that a word passes, of log2(choices)
      where the choices of a state are its transitions, and to stop where it is final. Where a word has several runs
      (a nondeterministic automaton) it takes the cheapest.
      Each distinct word counts once: how often a request repeats says nothing about which model is right.

Invariant: state 0 is the start; states are numbered breadth first, symbols in order.
Complexity: O(states + transitions + symbols of the words).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Word = Sequence[str]
S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Automaton:
    """`moves[state][symbol]` are the next states: one of them in a deterministic automaton, and none is left out."""

    moves: list[dict[str, list[int]]]
    final: list[bool]

    @property
    def transitions(self) -> int:
        """How many there are."""
        return sum(map(_count, self.moves))

    @property
    def deterministic(self) -> bool:
        """Whether a symbol never leads to more than one state."""
        return all(len(targets) == 1 for moves in self.moves for targets in moves.values())

    def accepts(self, word: Word) -> bool:
        """Whether the word may end in a final state."""
        states = {0}
        for symbol in word:
            states = {target for state in states for target in self.moves[state].get(symbol, ())}
        return any(self.final[state] for state in states)

    def model_bits(self, alphabet: int) -> float:
        """What the automaton itself takes."""
        states = len(self.moves)
        return self.transitions * (2 * math.log2(states) + math.log2(max(1, alphabet))) + states

    def data_bits(self, words: Iterable[Word]) -> float:
        """What the words take when the automaton is known; infinite if one of them is not accepted."""
        choices = [
            math.log2(max(1, _count(moves) + final)) for moves, final in zip(self.moves, self.final, strict=True)
        ]
        return sum(self._cheapest(word, choices) for word in words)

    def _cheapest(self, word: Word, choices: Sequence[float]) -> float:
        runs = {0: 0.0}
        for symbol in word:
            before, runs = runs, {}
            for state, bits in before.items():
                for target in self.moves[state].get(symbol, ()):
                    runs[target] = min(runs.get(target, math.inf), bits + choices[state])
        return min((bits + choices[state] for state, bits in runs.items() if self.final[state]), default=math.inf)


def _count(moves: Mapping[str, Collection[object]]) -> int:
    return sum(map(len, moves.values()))


def trimmed(start: S, moves: Mapping[S, Mapping[str, Collection[S]]], final: Collection[S]) -> Automaton:
    """What of an automaton takes part in an accepted word, numbered densely."""
    back: dict[S, list[S]] = {}
    for state, choices in moves.items():
        for targets in choices.values():
            for target in targets:
                back.setdefault(target, []).append(state)
    live, waiting = set(final), deque(final)
    while waiting:
        for state in back.get(waiting.popleft(), ()):
            if state not in live:
                live.add(state)
                waiting.append(state)
    numbers, order, table = {start: 0}, [start], []
    for state in order:  # grows while it is read
        row: dict[str, list[int]] = {}
        for symbol, targets in sorted(moves.get(state, {}).items()):
            for target in targets:
                if target in live:
                    if target not in numbers:
                        numbers[target] = len(order)
                        order.append(target)
                    row.setdefault(symbol, []).append(numbers[target])
        table.append(row)
    return Automaton(table, [state in final for state in order])


def single(start: S, moves: Mapping[S, Mapping[str, S]], final: Collection[S]) -> Automaton:
    """`trimmed` for what is deterministic as it comes."""
    return trimmed(start, {state: {s: (to,) for s, to in row.items()} for state, row in moves.items()}, final)
