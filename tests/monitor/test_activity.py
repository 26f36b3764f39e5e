"""Whatever is told in whatever order: never more is counted than any replica was active, nor much less."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.activity import Activity

STRETCHES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300), st.integers(1, 30)), max_size=40)


@given(STRETCHES, st.integers(1, 5))
def test_never_more_is_counted_than_the_union(stretches: list[tuple[int, int, int]], every: int) -> None:
    activity, union, total, counted = Activity(), set[int](), dict[int, int](), 0
    for number, (replica, start, length) in enumerate(stretches):
        told = set(range(start, start + length))
        total[replica] = total.get(replica, 0) + len(told)
        if any(r == replica and told & set(range(s, s + n)) for r, s, n in stretches[:number]):
            return  # a replica does not live twice at once
        union |= told
        activity.note(start, length, total[replica])
        if number % every == 0:
            counted += activity.take()
    assert 0 <= counted + activity.take() <= len(union)


def test_replicas_that_tell_in_turn_count_once() -> None:
    web, counted = Activity(), 0
    for epoch in range(5):
        for replica in range(8):
            web.note(epoch * 10_000 + replica, 10_000, (epoch + 1) * 10_000)
            counted += web.take()
    assert 50_000 <= counted <= 50_007


def test_short_lived_replicas_count_together() -> None:
    web = Activity()
    for number in range(10):
        web.note(number * 5_000, 3_000, 3_000)
    assert web.take() == 30_000


def test_a_clock_that_is_ahead_does_not_stop_the_count() -> None:
    web = Activity(before=7)
    web.note(1 << 50, 10, 10)
    for number in range(5):
        web.note(number * 10_000, 10_000, 7 + (number + 1) * 10_000)
    assert web.take() == 50_000
