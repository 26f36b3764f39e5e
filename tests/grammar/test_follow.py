"""Over factored edges, what may come next is what can be reached when calls and returns are matched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.follow import Follow
from grammar.profile import ENTRY, EXIT, EventLoop, Function, LogString, Point, Profile


def profile(functions: list[Function], loops: tuple[EventLoop, ...] = ()) -> Profile:
    """A profile of these functions; string i has the text `si`."""
    count = 1 + max((point.string for one in functions for point in one.points), default=-1)
    owner = {point.string: at for at, one in enumerate(functions) for point in one.points}
    strings = tuple(LogString(f"i{n}", f"s{n}", f"s{n}", owner.get(n, 0), n, "emits") for n in range(count))
    return Profile((), strings, tuple(functions), loops)


def function(name: str, points: list[Point], edges: list[tuple[int, int]]) -> Function:
    return Function(name, 0, 0, tuple(points), tuple(edges))


def test_a_silent_callee_is_passed_through() -> None:
    quiet = function("quiet", [Point(0)], [(ENTRY, 0), (0, EXIT), (ENTRY, EXIT)])
    main = function("main", [Point(1), Point(calls=(0,)), Point(2)], [(ENTRY, 0), (0, 1), (1, 2), (2, EXIT)])
    follow = Follow(profile([quiet, main]))
    assert follow.successors(1) == {0, 2}
    assert follow.successors(0) == {2}
    assert follow.starts(1) == {1}


def test_what_returns_to_two_callers_may_be_followed_by_either_but_a_call_comes_back_to_itself() -> None:
    shared = function("shared", [Point(0)], [(ENTRY, 0), (0, EXIT)])
    one = function("one", [Point(1), Point(calls=(0,)), Point(2)], [(ENTRY, 0), (0, 1), (1, 2), (2, EXIT)])
    two = function("two", [Point(calls=(0,)), Point(3)], [(ENTRY, 0), (0, 1), (1, EXIT)])
    silent = function("silent", [], [(ENTRY, EXIT)])
    after = function("after", [Point(4), Point(calls=(3,)), Point(5)], [(ENTRY, 0), (0, 1), (1, 2), (2, EXIT)])
    follow = Follow(profile([shared, one, two, silent, after]))
    assert follow.successors(0) == {2, 3}
    assert follow.successors(4) == {5}


def test_only_functions_without_known_callers_leave_to_the_unknown() -> None:
    hook = function("hook", [Point(0)], [(ENTRY, 0), (0, EXIT)])
    fatal = function("fatal", [Point(1)], [(ENTRY, 0)])
    main = function("main", [Point(calls=(1,))], [(ENTRY, 0), (0, EXIT)])
    follow = Follow(profile([hook, fatal, main]))
    assert follow.leaves(0) and not follow.leaves(1)
    assert follow.entries == {0, 1}
    assert follow.successors(1) == set()


def test_a_point_that_is_neither_string_nor_call_joins_paths() -> None:
    joined = function("joined", [Point(0), Point(1), Point()], [(ENTRY, 2), (2, 0), (2, 1), (0, 2), (1, 2)])
    follow = Follow(profile([joined]))
    assert follow.successors(0) == follow.successors(1) == {0, 1}


def test_a_recursive_callee_that_never_returns_ends_the_path() -> None:
    endless = function("endless", [Point(calls=(0,))], [(ENTRY, 0), (0, EXIT)])
    main = function("main", [Point(0), Point(calls=(0,)), Point(1)], [(ENTRY, 0), (0, 1), (1, 2), (2, EXIT)])
    assert Follow(profile([endless, main])).successors(0) == set()


def test_loops_are_positions() -> None:
    main = function("main", [Point(0), Point(1)], [(ENTRY, 0), (0, 1), (1, 0)])
    follow = Follow(profile([main], (EventLoop(0, ("i0",), ("i1",), "accept"),)))
    assert (follow.loop_firsts, follow.loop_lasts) == ({0}, {1})


def test_a_position_that_is_none_is_refused() -> None:
    follow = Follow(profile([function("main", [Point(0)], [(ENTRY, 0)])]))
    for wrong in (-1, 1):
        with pytest.raises(IndexError):
            follow.successors(wrong)
        with pytest.raises(IndexError):
            follow.follows(0, wrong)


def test_ten_thousand_functions_that_call_one_another_in_a_row_are_no_recursion() -> None:
    row = [function(f"f{n}", [Point(calls=(n + 1,))], [(ENTRY, 0), (0, EXIT)]) for n in range(10_000)]
    row.append(function("last", [Point(0)], [(ENTRY, 0), (0, EXIT)]))
    assert Follow(profile(row)).starts(0) == {0}


@st.composite
def programs(draw: st.DrawFn) -> Profile:
    """A few functions with strings and calls at random; edges at random."""
    count = draw(st.integers(1, 4))
    functions, string = [], 0
    for number in range(count):
        points = []
        for kind in draw(st.lists(st.integers(0, 2), max_size=4)):
            if kind == 0:
                points.append(Point(string))
                string += 1
            else:
                points.append(Point(calls=tuple(draw(st.sets(st.integers(0, count - 1), max_size=kind)))))
        ends = st.integers(0, len(points) - 1) if points else st.nothing()
        edge = st.tuples(st.one_of(st.just(ENTRY), ends), st.one_of(st.just(EXIT), ends))
        functions.append(function(f"f{number}", points, sorted(draw(st.sets(edge, max_size=10)))))
    return profile(functions)


def brute(found: Profile, start: tuple[int, int]) -> tuple[set[int], bool]:
    """By walking with a stack of at most eight calls: the next strings, and whether the unknown is returned to."""
    result: set[int] = set()
    left = False
    called = {
        (call, (at, p)) for at, f in enumerate(found.functions) for p, q in enumerate(f.points) for call in q.calls
    }
    seen, waiting = set(), [(start, ())]
    while waiting:
        (number, point), stack = waiting.pop()
        if ((number, point), stack) in seen or len(stack) > 8:
            continue
        seen.add(((number, point), stack))
        for a, b in found.functions[number].edges:
            if a != point:
                continue
            if b == EXIT:
                if stack:
                    waiting.append((stack[-1], stack[:-1]))
                else:
                    places = [place for callee, place in called if callee == number]
                    left |= not places
                    waiting += [(place, ()) for place in places]
                continue
            into = found.functions[number].points[b]
            if into.string >= 0:
                result.add(into.string)
            elif into.calls:
                waiting += [((call, ENTRY), (*stack, (number, b))) for call in into.calls]
            else:
                waiting.append(((number, b), stack))
    return result, left


@given(programs())
def test_successors_equal_walking_with_a_stack(found: Profile) -> None:
    """For any program, the factored answer is what walking its calls and returns finds."""
    follow = Follow(found)
    for number, one in enumerate(found.functions):
        for at, point in enumerate(one.points):
            if point.string >= 0:
                strings, left = brute(found, (number, at))
                assert follow.successors(point.string) == strings
                assert follow.leaves(point.string) == left
