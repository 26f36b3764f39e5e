"""The cost of a folded model is the formula in the header of `grammar/cost.py`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.cost import CANDIDATES, ROUNDS, TRACING, Settings, answer_bits, log2, model_bits, transition_bits


def test_the_bits_of_a_small_model_by_hand() -> None:
    """Four states of two labels: a bit each; three transitions of two kinds: two states of two bits, and one bit."""
    assert transition_bits(4, 2) == 5.0
    assert model_bits(4, 3, 2, 2) == 4 * 1 + 3 * 5


def test_answers_cost_what_they_leave_open() -> None:
    """Asked five times, told eight labels of which two are true: two bits each time, at three bits per bit."""
    assert answer_bits(3.0, [(5.0, 8, 2)]) == 3 * 5 * 2
    assert answer_bits(3.0, [(5.0, 8, 8), (1.0, 0, 0)]) == 0.0
    assert answer_bits(1.0, [(1.0, 4, 0)]) == 2.0


def test_an_exact_answer_costs_nothing_at_any_price() -> None:
    assert answer_bits(math.inf, [(5.0, 8, 8)]) == 0.0
    assert answer_bits(math.inf, [(5.0, 8, 7)]) == math.inf


def test_nothing_costs_nothing() -> None:
    assert model_bits(0, 0, 0, 0) == model_bits(1, 0, 1, 0) == model_bits(1, 1, 1, 1) == 0.0
    assert log2(0) == log2(-3) == log2(1) == 0.0


@given(st.integers(1, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50))
def test_a_smaller_model_costs_no_more(states: int, transitions: int, labels: int, kinds: int) -> None:
    """A state less, or a transition less, never costs a bit more."""
    bits = model_bits(states + 1, transitions + 1, labels, kinds)
    assert model_bits(states, transitions + 1, labels, kinds) <= bits
    assert model_bits(states + 1, transitions, labels, kinds) <= bits


def test_settings_that_make_no_sense_are_refused() -> None:
    assert Settings() == Settings(TRACING, CANDIDATES, ROUNDS)
    for wrong in ({"tracing": -1.0}, {"tracing": math.nan}, {"candidates": 0}, {"rounds": -1}):
        with pytest.raises(ValueError, match="not"):
            Settings(**wrong)  # type: ignore[arg-type]
