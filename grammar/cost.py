"""What a folded model costs: the bits of the model, and the bits that its answers leave open.

Rules of this file
    - A two-part code. D(M) = |Q| log2|L| + |T| (2 log2|Q| + log2|R|), for Q states, L labels, T transitions and R
      kinds of transition (relation and operation): each state names its label, each transition two states and a kind.
    - D(g|M) = tracing * sum over base states s of weight(s) * log2(|A(s)| / |K(s)|). A(s): the labels of all ancestors
      of s in the model; its own only if it is on a cycle or has an ancestor of its label. K(s): the same in the
      unmerged graph. Whoever is told |A| labels of which |K| are true needs that many bits more to be told which.
    - log2 of zero is zero: who has no ancestors has nothing to be told.

Invariant: merging never makes an answer smaller, so D(g|M) >= 0; it is 0 for the unmerged graph.
Complexity: O(1) each but for `answer_bits`, O(states).
Source: minimum description length (Rissanen 1978), as in state merging for automata; the error that it weighs is
tracing precision (design section 3, promise 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TRACING: Final = 64.0
"""Bits of model that one bit left open by one answer may cost: the least power of two at which each of 14 recorded
applications is half-way from the label quotient's precision to 1 (bench/curve.py; the mean's knee is at 16 to 32)."""
CANDIDATES: Final = 8
"""How many of the nearest classes of its label a class is tried against. Over 14 recorded applications 4 cost 0.5 %
more bits, 16 and 32 save none."""
ROUNDS: Final = 16
"""How often at most all classes are gone through."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is folded: equal evidence folded with equal settings gives equal models.

    `tracing` moves along the curve of precision against size: 0 merges all that makes the model smaller, infinity only
    what changes no answer. `candidates` and `rounds` bound the search. ValueError for what makes no sense.
    """

    tracing: float = TRACING
    candidates: int = CANDIDATES
    rounds: int = ROUNDS

    def __post_init__(self) -> None:
        if not self.tracing >= 0:
            raise ValueError(f"tracing is a number of bits, 0 or more, not {self.tracing}")
        if self.candidates < 1 or self.rounds < 0:
            raise ValueError(f"a search needs candidates and rounds, not {self.candidates} and {self.rounds}")


def log2(number: int) -> float:
    """The binary logarithm; 0 of what is not positive."""
    return math.log2(number) if number > 0 else 0.0


def transition_bits(states: int, kinds: int) -> float:
    """Bits of one transition: which two states, which kind."""
    return 2 * log2(states) + log2(kinds)


def model_bits(states: int, transitions: int, labels: int, kinds: int) -> float:
    """D(M): the bits of a model of that size."""
    return states * log2(labels) + transitions * transition_bits(states, kinds)


def answer_bits(tracing: float, answers: Iterable[tuple[float, int, int]]) -> float:
    """D(g|M), from weight, |A| and |K| of each base state; an exact answer costs nothing, whatever `tracing` is."""
    return sum(tracing * weight * (log2(told) - log2(true)) for weight, told, true in answers if told != true)
