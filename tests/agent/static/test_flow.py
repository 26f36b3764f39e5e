"""From a point the next points are those reached without another between; what is joined stays linear in size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.static.flow import FEW, Shape, adopt, below, edges_of, masks, orphans
from grammar.profile import ENTRY, EXIT


def edges(shape: Shape, count: int) -> set[tuple[int, int]]:
    return set(edges_of(shape, [(number,) for number in range(count)])[0])


def test_blocks_without_points_are_passed() -> None:
    shape = Shape(marks=((0,), (), (), (1,)), successors=((1, 2), (3,), (3,), ()), returns={3})
    assert edges(shape, 2) == {(ENTRY, 0), (0, 1), (1, EXIT)}


def test_points_of_one_block_follow_one_another() -> None:
    shape = Shape(marks=((0, 1, 2),), successors=((),), returns={0})
    assert edges(shape, 3) == {(ENTRY, 0), (0, 1), (1, 2), (2, EXIT)}


def test_a_path_that_never_returns_has_no_exit() -> None:
    shape = Shape(marks=((), (0,), ()), successors=((1, 2), (), ()), returns={2})
    assert edges(shape, 1) == {(ENTRY, 0), (ENTRY, EXIT)}


def test_a_point_may_follow_itself() -> None:
    shape = Shape(marks=((0,), ()), successors=((1,), (0, 1)), returns=frozenset())
    assert edges(shape, 1) == {(ENTRY, 0), (0, 0)}


def test_alternatives_at_one_call_exclude_one_another() -> None:
    found, hubs = edges_of(Shape(marks=((0, 1),), successors=((),), returns={0}), [(0, 1), (2,)])
    assert (set(found), hubs) == ({(ENTRY, 0), (ENTRY, 1), (0, 2), (1, 2), (2, EXIT)}, 0)


def test_many_alternatives_are_joined_before_and_behind() -> None:
    groups = [tuple(range(50)), tuple(range(50, 100))]
    found, hubs = edges_of(Shape(marks=((0, 1),), successors=((),), returns={0}), groups)
    assert hubs == 4
    assert len(found) == 2 * 100 + 3
    assert past_joints(found, 100, ENTRY) == set(range(50))
    assert all(past_joints(found, 100, point) == set(range(50, 100)) for point in range(50))
    assert past_joints(found, 100, 99) == {EXIT}


def test_a_large_switch_in_a_loop_needs_one_point_more_and_not_the_square() -> None:
    count = 200
    marks = ((), *((number,) for number in range(count)))
    shape = Shape(marks, (tuple(range(1, count + 1)), *([(0,)] * count)), frozenset())
    found, hubs = edges_of(shape, [(number,) for number in range(count)])
    assert hubs == 1
    assert len(found) == 2 * count + 1
    assert {(number, count) for number in (ENTRY, *range(count))} <= set(found)


def test_what_nothing_leads_to_is_found_and_can_be_led_to() -> None:
    shape = Shape(marks=((0,), (), (1,)), successors=((), (2,), ()), returns={0, 2})
    assert orphans(shape) == [1]
    joined = adopt(shape, {0}, [1])
    assert edges(joined, 2) >= {(ENTRY, 0), (0, 1), (0, EXIT), (1, EXIT)}
    assert below(joined, (0,)) == {0, 1, 2, 3}


def test_a_cycle_that_nothing_leads_to_has_one_way_in() -> None:
    assert orphans(Shape(marks=((), (), ()), successors=((), (2,), (1,)), returns={0})) == [1]


def test_a_chain_of_options_has_no_more_edges_than_jumps() -> None:
    """Each option may log and goes on to the next: directly that is a triangle."""
    count = 500
    marks = [inside for number in range(count) for inside in ((), (number,))] + [()]
    successors = [few for number in range(count) for few in ((2 * number + 1, 2 * number + 2), (2 * number + 2,))]
    found, hubs = edges_of(Shape(marks, [*successors, ()], {2 * count}), [(number,) for number in range(count)])
    assert hubs <= count
    assert len(found) <= 4 * count


def test_a_hundred_thousand_blocks_in_a_row_are_no_recursion() -> None:
    count = 100_000
    shape = Shape([(0,), *[()] * (count - 1)], [(number + 1,) for number in range(count - 1)] + [()], {count - 1})
    assert masks(shape, 1) == [0b10, 0b01]


@st.composite
def shapes(draw: st.DrawFn) -> tuple[Shape, int]:
    """Blocks with points, jumps and returns at random."""
    blocks = draw(st.integers(1, 7))
    sizes = draw(st.lists(st.integers(0, 2), min_size=blocks, max_size=blocks))
    marks, count = [], 0
    for size in sizes:
        marks.append(tuple(range(count, count + size)))
        count += size
    anywhere = st.sets(st.integers(0, blocks - 1), max_size=3).map(tuple)
    successors = draw(st.lists(anywhere, min_size=blocks, max_size=blocks))
    return Shape(tuple(marks), tuple(successors), draw(st.frozensets(st.integers(0, blocks - 1)))), count


def walked(shape: Shape, start: tuple[int, int]) -> set[int]:
    """Next points from the place after (block, position), step by step."""
    found, seen, waiting = set(), set(), [start]
    while waiting:
        block, at = waiting.pop()
        if at < len(shape.marks[block]):
            found.add(shape.marks[block][at])
        elif (block, at) not in seen:
            seen.add((block, at))
            found |= {EXIT} if block in shape.returns else set()
            waiting += [(child, 0) for child in shape.successors[block]]
    return found


@given(shapes(), st.sampled_from([0, FEW]))
def test_edges_equal_walking_through_the_blocks(made: tuple[Shape, int], few: int) -> None:
    """For any blocks, the points that follow a point are those that a walk meets first; joined points are passed."""
    shape, count = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.static.flow.FEW", few)
        patch.setattr("agent.static.flow.TIMES", few)
        found, _ = edges_of(shape, [(number,) for number in range(count)])
    assert past_joints(found, count, ENTRY) == walked(shape, (0, 0))
    for block, inside in enumerate(shape.marks):
        for at, mark in enumerate(inside):
            assert past_joints(found, count, mark) == walked(shape, (block, at + 1))


def past_joints(found: list[tuple[int, int]], count: int, start: int) -> set[int]:
    seen, waiting, result = set(), [start], set()
    while waiting:
        here = waiting.pop()
        for a, b in found:
            if a == here and b not in seen:
                seen.add(b)
                if b >= count:
                    waiting.append(b)
                else:
                    result.add(b)
    return result
