"""However envelopes are repeated and reordered, each number is new once; what is missing is counted while it is."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.sequence import MAX_AHEAD, SessionSequence


def test_in_order_nothing_is_missing() -> None:
    numbers = SessionSequence()
    assert [numbers.see(n) for n in range(3)] == [True] * 3
    assert (numbers.next, numbers.ahead, numbers.missing) == (3, [], 0)


def test_a_gap_is_missing_until_it_is_filled() -> None:
    numbers = SessionSequence()
    numbers.see(0)
    numbers.see(3)
    assert numbers.missing == 2
    numbers.see(2)
    numbers.see(1)
    assert (numbers.next, numbers.missing) == (4, 0)


def test_a_gap_that_outlasts_the_bound_is_given_up_and_stays_counted() -> None:
    numbers = SessionSequence()
    for n in range(1, MAX_AHEAD + 2):
        numbers.see(n)
    assert (numbers.next, numbers.ahead, numbers.missing) == (MAX_AHEAD + 2, [], 1)
    assert not numbers.see(0)


@given(st.lists(st.integers(min_value=0, max_value=400)))
def test_every_number_is_new_at_most_once_and_memory_is_bounded(arrivals: list[int]) -> None:
    numbers = SessionSequence()
    seen: set[int] = set()
    for number in arrivals:
        assert numbers.see(number) in ((False,) if number in seen else (True, False))
        seen.add(number)
        assert number in numbers
        assert len(numbers.ahead) <= MAX_AHEAD


@given(st.permutations(range(40)))
def test_when_all_have_come_nothing_is_missing(arrivals: list[int]) -> None:
    numbers = SessionSequence()
    assert all(numbers.see(number) for number in arrivals)
    assert (numbers.next, numbers.missing) == (40, 0)
