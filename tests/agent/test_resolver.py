"""A line that several strings match is decided by the lines around it, once, and never by a guess kept silent."""

import pickle
from collections.abc import Iterable, Sequence
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import resolver as resolver_module
from agent import resolver_beam
from agent.resolver import ENOUGH, MAX_TRACKS, Resolved, Resolver, Track
from agent.resolver_beam import BREAK, MAX_BEAM, MAX_PENDING, Beam, Choice
from agent.resolver_strings import Strings, variants
from agent.resolver_wrapped import MAX_WRAPPED
from grammar.follow import Follow
from grammar.pattern import Pattern
from grammar.profile import ENTRY, Binary, EventLoop, Function, LogString, Point, Profile

ONE, TWO = Track(7), Track(7, "2")


def profile_of(texts: Sequence[str], edges: Iterable[tuple[int, int]], callee: str = "") -> Profile:
    """One function with a string at each point."""
    strings = tuple(LogString(str(at), text, text, 0, at, "emits", callee=callee) for at, text in enumerate(texts))
    points = tuple(Point(at) for at in range(len(texts)))
    main = Function("main", 0, 0, points, ((ENTRY, 0), *edges))
    return Profile((Binary("server", "", ""),), strings, (main,), (EventLoop(0, ("0",), (str(len(texts) - 1),)),))


CONNECT = ["accepted {int}", "user {text}", "closing now", "rejected {int}", "user {text}", "goodbye now"]
CHAIN = ((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3))
"""Two ways to say `user …`: after `accepted` and before `closing`, after `rejected` and before `goodbye`."""


def resolver(texts: Sequence[str] = CONNECT, edges: Iterable[tuple[int, int]] = CHAIN) -> Resolver:
    profile = profile_of(texts, edges)
    return Resolver(profile, Follow(profile))


def settled(some: Resolver) -> list[tuple[int, str]]:
    return [(one.string, one.how) for one in some.take()]


def test_the_line_before_decides() -> None:
    some = resolver()
    for line in ("rejected 1", "user x", "accepted 2", "user y"):
        some.resolve(ONE, line)
    some.end(ONE)
    assert settled(some) == [(3, "only"), (4, "path"), (0, "only"), (1, "path")]


def test_a_later_line_decides_what_an_earlier_one_was() -> None:
    some = resolver()
    first = some.resolve(ONE, "user x")
    assert first is not None
    assert (first.string, first.how, first.settled, first.ambiguous) == (1, "open", False, True)
    assert some.take() == []
    some.resolve(ONE, "goodbye now")
    assert settled(some) == [(4, "path"), (5, "only")]


def test_what_no_line_decides_is_a_tie_and_the_first() -> None:
    some = resolver()
    some.resolve(ONE, "user x")
    some.end(ONE)
    assert settled(some) == [(1, "tie")]


def test_threads_do_not_disturb_each_other() -> None:
    some = resolver()
    for track, line in (
        (ONE, "rejected 1"),
        (TWO, "accepted 1"),
        (ONE, "user x"),
        (TWO, "user y"),
        (ONE, "goodbye now"),
    ):
        some.resolve(track, line)
    some.flush()
    found = {(one.track, one.number): one.string for one in some.take()}
    assert found == {(ONE, 1): 3, (TWO, 2): 0, (ONE, 3): 4, (TWO, 4): 1, (ONE, 5): 5}


def test_the_more_specific_wins_over_a_missing_edge() -> None:
    """Edges through indirect calls are missing; a text that says all is no accident."""
    some = resolver(["begin {int}", "error: {text}", "error: table is full"], ((0, 1),))
    for line in ("begin 1", "error: table is full"):
        some.resolve(ONE, line)
    some.end(ONE)
    assert settled(some) == [(0, "only"), (2, "specific")]


def test_a_line_of_another_program_is_none_and_moves_nothing() -> None:
    some = resolver()
    some.resolve(ONE, "rejected 1")
    assert some.resolve(ONE, "oom-killer invoked") is None
    some.resolve(ONE, "user x")
    some.end(ONE)
    assert settled(some) == [(3, "only"), (4, "path")]


def test_a_profile_that_answers_nothing_is_useless() -> None:
    some = resolver()
    for _ in range(ENOUGH - 1):
        some.resolve(ONE, "something else")
    assert not some.trust.useless
    some.resolve(ONE, "something else")
    assert some.trust.useless
    for _ in range(3 * ENOUGH):
        some.resolve(ONE, "accepted 1")
    assert not some.trust.useless


def test_ends_of_iterations_are_marked() -> None:
    some = resolver()
    first, last = some.resolve(ONE, "accepted 1"), some.resolve(ONE, "goodbye now")
    assert first is not None
    assert last is not None
    assert (first.begins, first.ends, last.begins, last.ends) == (True, False, False, True)


def test_a_track_that_is_pushed_out_is_settled_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "MAX_TRACKS", 2)
    some = resolver()
    for number in range(4):
        some.resolve(Track(number), "user x")
    assert [one.track.process for one in some.take()] == [0, 1]
    assert len(some.state.beams) == 2 < MAX_TRACKS


def test_a_dropped_track_is_forgotten() -> None:
    some = resolver()
    some.resolve(ONE, "rejected 1")
    some.drop(ONE)
    some.drop(TWO)
    some.resolve(ONE, "user x")
    some.flush()
    assert settled(some) == [(3, "only"), (1, "tie")]


def test_only_the_component_that_speaks_is_meant() -> None:
    profile = profile_of(["{text} (attempt {int})"], ())
    modules = (Binary("apache2", "", ""), Binary("mod_ldap.so", "", ""), Binary("libphp8.2.so", "", ""))
    strings = (LogString("0", "", "{text} (attempt {int})", 0, 0, "emits", binary=1),)
    some = Strings(Profile(modules, strings, profile.functions))
    assert [some.match("failed login (attempt 3)", component) for component in ("php", "ldap", "core")] == [
        [], [(0, 11)], [(0, 11)]]  # fmt: skip


@pytest.mark.parametrize(
    ("callee", "message", "found"),
    [
        ("perror", "cannot open x: No such file", True),
        ("warn", "wget: cannot open x: No such file", True),
        ("ap_log_error_", "wget: cannot open x", False),
        ("ngx_log_error_core", "cannot open x (2: No such file) while reading", True),
        ("my_printf_error", "mariadbd: cannot open x", True),
    ],
)
def test_what_a_logger_adds_is_allowed_to_that_logger(callee: str, message: str, found: bool) -> None:
    strings = Strings(profile_of(["cannot open x"], (), callee))
    assert bool(strings.match(message)) is found
    assert strings.match("cannot open x") == [(0, 13)]


def test_what_a_string_forwards_is_a_string_too() -> None:
    strings = Strings(
        profile_of(["InnoDB: {text}", "load completed at {text}", "{int} pages", "InnoDB: {text} done"], ())
    )
    assert strings.match("InnoDB: load completed at 7") == [(1, 26), (0, 8)]
    assert strings.match("InnoDB: load completed at 7 done") == [(1, 26), (3, 13), (0, 8)]
    assert strings.match("InnoDB: 7 pages") == [(2, 14), (0, 8)]
    assert strings.match("InnoDB: something else") == [(0, 8)]
    assert strings.match("InnoDB: InnoDB: 7 pages") == [(2, 22), (0, 16)]
    assert strings.match("InnoDB: " * MAX_WRAPPED + "7 pages") == [(0, 8 * MAX_WRAPPED)], "so many layers, no more"


def test_a_string_of_several_lines_is_each_of_them() -> None:
    string = LogString("", "", "{text}: ready.\nVersion: {text}", 0, 0, "emits")
    assert [str(one) for one in variants(string)][1:] == ["{text}: ready.", "Version: {text}"]
    assert list(variants(LogString("", "", "{broken", 0, 0, "emits"))) == []


def test_nearest_strings_of_an_unknown_line() -> None:
    assert [position for position, _ in resolver().strings.nearest("connection rejected: 7", 1)] == [3]


def test_state_can_be_saved_at_any_line() -> None:
    lines = ["user a", "goodbye now", "user b", "user c", "closing now", "accepted 1", "user d"]
    profile = profile_of(CONNECT, CHAIN)
    follow = Follow(profile)
    whole = Resolver(profile, follow)
    for line in lines:
        whole.resolve(ONE, line)
    for cut in range(len(lines)):
        found: list[Resolved] = []
        some = Resolver(profile, follow)
        for line in lines[:cut]:
            some.resolve(ONE, line)
        found += some.take()
        some = Resolver(profile, follow, pickle.loads(pickle.dumps(some.state)))
        for line in lines[cut:]:
            some.resolve(ONE, line)
        assert found + some.take() == whole._settled


def brute(lines: Sequence[Sequence[tuple[int, int]]], edges: set[tuple[int, int]]) -> int:
    """What the cheapest path costs."""
    costs = []
    for path in product(*lines):
        unsaid = sum(line[0][1] - literal for line, (_, literal) in zip(lines, path, strict=True))
        breaks = sum((a, b) not in edges for (a, _), (b, _) in pairwise(path))
        costs.append(unsaid + BREAK * breaks)
    return min(costs)


EDGES = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)))
CANDIDATES = st.dictionaries(st.integers(0, 5), st.integers(0, 9), min_size=1, max_size=4).map(
    lambda found: sorted(found.items(), key=lambda one: -one[1])
)


@given(EDGES, st.lists(CANDIDATES, min_size=1, max_size=6))
def test_the_path_is_the_cheapest(edges: set[tuple[int, int]], lines: list[list[tuple[int, int]]]) -> None:
    """Every line is settled once, in order; together they are a cheapest path."""
    beam, choices = Beam(), list[Choice]()

    def step(a: int, b: int) -> int:
        return 0 if (a, b) in edges else BREAK

    for number, found in enumerate(lines):
        choices += beam.take(number, found, step)
    choices += beam.settle(step)
    assert [one.number for one in choices] == list(range(len(lines)))
    literal = [dict(line)[one.string] for line, one in zip(lines, choices, strict=True)]
    unsaid = sum(line[0][1] - most for line, most in zip(lines, literal, strict=True))
    walked = [one.string for one in choices]
    assert unsaid + sum(step(a, b) for a, b in pairwise(walked)) == brute(lines, edges)
    for line, one in zip(lines, choices, strict=True):
        assert (one.how == "only") == (len(line) == 1)


def test_a_beam_is_bounded_however_ambiguous_the_lines_are() -> None:
    beam, choices = Beam(), list[Choice]()
    for number in range(200):
        choices += beam.take(number, [(string, 5) for string in range(100)], lambda a, b: int(a != b))
        assert len(beam.paths) <= MAX_BEAM
        assert len(beam.waiting) <= MAX_PENDING
        assert len(pickle.dumps(beam)) < 100_000
    choices += beam.settle(lambda a, b: int(a != b))
    assert [one.number for one in choices] == list(range(200))
    assert {one.string for one in choices} == {0}
    assert resolver_beam.MAX_CANDIDATES >= MAX_BEAM


def test_patterns_of_the_test_are_patterns() -> None:
    assert all(str(Pattern.parse(text)) == text for text in CONNECT)
