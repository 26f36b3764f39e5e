"""An event-handling loop waits in every iteration and logs what it does then; no other loop does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.static.flow import Shape
from agent.static.loops import MAX_DEPTH, Loop, Wait, loops_of
from grammar.components import strong_components

ACCEPT, READ, QUEUE = Wait("accept"), Wait("read"), Wait("pthread_cond_wait")


def shape(
    marks: dict[int, tuple[int, ...]], following: dict[int, tuple[int, ...]], errors: frozenset[int] = frozenset()
) -> Shape:
    count = 1 + max([*marks, *following, *(child for few in following.values() for child in few)])
    return Shape(
        [marks.get(block, ()) for block in range(count)],
        [following.get(block, ()) for block in range(count)],
        {block for block in range(count) if not following.get(block)},
        errors,
    )


def only(loops: list[Loop]) -> Loop:
    assert len(loops) == 1
    return loops[0]


def test_a_server_waits_and_logs_in_every_iteration() -> None:
    loop = only(loops_of(shape({1: (0,), 2: (1,)}, {0: (1,), 1: (2, 3), 2: (1,)}), {0: ACCEPT}, {1}))
    assert (loop.marks, loop.waits, loop.wait) == ({0, 1}, {0}, ACCEPT)


def test_a_loop_that_logs_nothing_is_none() -> None:
    assert not loops_of(shape({1: (0,), 3: (1,)}, {0: (1,), 1: (2, 3), 2: (1,)}), {0: ACCEPT}, {1})


def test_a_loop_that_waits_in_some_callee_now_and_then_is_none() -> None:
    """Signals are handled in passing, below a call: the iteration may do without."""
    deep = Wait("sigsuspend", 2)
    one = shape({2: (0,), 3: (1,)}, {0: (1,), 1: (2, 3, 4), 2: (3,), 3: (1,)})
    assert not loops_of(one, {0: deep}, {1})
    assert loops_of(one, {0: ACCEPT}, {1}), "the wait itself, in the outermost loop, may be passed by"


def test_trying_again_after_an_error_handles_nothing() -> None:
    """accept; if it failed and errno is EINTR: log, again."""
    again = shape({1: (0,), 2: (1,)}, {0: (1,), 1: (2, 3), 2: (1, 3)}, errors=frozenset({2}))
    assert not loops_of(again, {0: ACCEPT}, {1})


def test_the_outermost_loop_around_a_wait_counts_and_what_waits_again_is_the_wait() -> None:
    """1 accept, 2 errno, 3 handles; 1-2 is tried again inside."""
    one = shape({1: (0,), 3: (1,)}, {0: (1,), 1: (2, 3), 2: (1, 3), 3: (1, 4)}, errors=frozenset({2}))
    assert only(loops_of(one, {0: ACCEPT}, {1})).marks == {0, 1}


def test_a_queue_that_is_waited_for_only_when_it_is_empty_is_waited_for_in_every_iteration() -> None:
    """1 locks, 2 asks whether it is empty, 3 waits and asks again, 4 works."""
    one = shape({3: (0,), 4: (1,)}, {0: (1,), 1: (2,), 2: (3, 4), 3: (2,), 4: (1,)})
    loop = only(loops_of(one, {0: QUEUE}, {1}))
    assert (loop.marks, loop.wait) == ({0, 1}, QUEUE)


def test_a_server_and_its_requests_are_two_loops() -> None:
    """1 accepts, 2 reads a request, 3 handles it and reads again, 4 closes."""
    one = shape({1: (0,), 2: (1,), 3: (2,), 4: (3,)}, {0: (1,), 1: (2,), 2: (3, 4), 3: (2,), 4: (1, 5)})
    loops = loops_of(one, {0: ACCEPT, 1: READ}, {2, 3})
    assert sorted((sorted(loop.marks), loop.wait.name) for loop in loops) == [
        ([0, 1, 2, 3], "accept"),
        ([1, 2], "read"),
    ]


def test_a_wait_is_seen_a_few_calls_up_and_no_further() -> None:
    wait: Wait | None = ACCEPT
    for depth in range(1, MAX_DEPTH + 1):
        assert wait is not None
        wait = wait.below()
        assert wait is not None and wait.depth == depth
    assert wait is not None and wait.below() is None
    assert READ.below() is None, "a callee that reads reads a file"


@given(st.data())
def test_a_loop_is_in_one_cycle_holds_what_it_waits_in_and_logs(data: st.DataObject) -> None:
    """Whatever the blocks are, each loop that is found is part of a cycle, with its waits and a log in it."""
    blocks = data.draw(st.integers(2, 9))
    anywhere = st.sets(st.integers(0, blocks - 1), max_size=3).map(lambda few: tuple(sorted(few)))
    following = data.draw(st.lists(anywhere, min_size=blocks, max_size=blocks))
    errors = data.draw(st.frozensets(st.integers(0, blocks - 1), max_size=2))
    waits = data.draw(st.sets(st.integers(0, blocks - 1), max_size=3))
    one = Shape([(block,) for block in range(blocks)], following, frozenset(), errors)
    logs = set(range(blocks)) - waits
    for loop in loops_of(one, dict.fromkeys(waits, ACCEPT), logs):
        assert loop.waits and loop.waits <= waits
        assert loop.marks & logs
        assert any(loop.marks <= set(part) for part in strong_components(following))
