"""The agent's share of the processor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.budget import BURST, Budget


def run(percent: float, steps: list[tuple[float, float]]) -> tuple[float, float]:
    """Work and idle in turns, resting as told; gives CPU seconds used and the time at the end."""
    budget, used, now = Budget(percent), 0.0, 0.0
    budget.rest(used, now)
    for work, idle in steps:
        used, now = used + work, now + work
        while pause := budget.rest(used, now):
            now += pause
        now += idle
    return used, now


SECONDS = st.floats(0, 3)


@given(st.floats(1, 90), st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=50))
def test_no_more_than_its_share_but_for_one_burst(percent: float, steps: list[tuple[float, float]]) -> None:
    used, now = run(percent, steps)
    share = percent / 100
    assert used <= share * (now + BURST) + BURST + 0.001


def test_without_a_limit_it_never_rests() -> None:
    budget = Budget(0)
    assert [budget.rest(used, 0.0) for used in (0.0, 10.0, 1000.0)] == [0.0, 0.0, 0.0]


def test_what_rests_comes_to_its_share() -> None:
    used, now = run(10, [(0.5, 0.0)] * 40)
    assert used / now == pytest.approx(0.1, rel=0.05)


def test_a_clock_that_goes_back_earns_nothing_and_breaks_nothing() -> None:
    budget = Budget(50)
    budget.rest(0.0, 100.0)
    assert budget.rest(5.0, 50.0) > 0
    assert budget.rest(5.0, 150.0) == 0.0
