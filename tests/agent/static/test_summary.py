"""Functions that matter: those that may log or wait, and all that call them; callees come first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.static.summary import Calls


def calls(pairs: list[tuple[int, int]], count: int) -> Calls:
    callers, callees = np.array([*pairs, (0, 0)][: len(pairs) or 1], dtype=np.int64).reshape(-1, 2).T
    return Calls((0,), count, callers[: len(pairs)], callees[: len(pairs)])


def test_callers_of_callers_matter_and_callees_do_not() -> None:
    graph = calls([(0, 1), (1, 2), (2, 3), (4, 3)], 5)
    assert np.flatnonzero(graph.above({2})).tolist() == [0, 1, 2]


def test_a_number_of_levels_is_kept_to() -> None:
    graph = calls([(n, n + 1) for n in range(9)], 10)
    assert np.flatnonzero(graph.above({9}, 3)).tolist() == [6, 7, 8, 9]
    assert np.flatnonzero(graph.above({9}, 0)).tolist() == [9]


def test_callees_come_first_even_where_others_are_left_out() -> None:
    graph = calls([(0, 1), (1, 2), (0, 3)], 4)
    order = graph.order(np.array([True, True, True, False]))
    assert order == [2, 1, 0]


def test_a_caller_that_calls_twice_is_one() -> None:
    assert calls([(0, 1), (0, 1), (2, 1), (1, 0)], 3).fan_in().tolist() == [1, 2, 0]


def test_no_calls_at_all() -> None:
    graph = calls([], 3)
    assert graph.order(graph.above({1})) == [1]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20), st.sets(st.integers(0, 7)))
def test_what_is_above_is_what_leads_to_the_seeds(pairs: list[tuple[int, int]], seeds: set[int]) -> None:
    """A function is above the seeds exactly if a chain of calls leads from it to one; each is ordered once."""
    expected = set(seeds)
    for _ in range(8):
        expected |= {caller for caller, callee in pairs if callee in expected}
    graph = calls(pairs, 8)
    above = graph.above(seeds)
    assert set(np.flatnonzero(above).tolist()) == expected
    assert sorted(graph.order(above)) == sorted(expected)
