"""What lines are called: by their log string if the profile fits, by their text if not."""

from __future__ import annotations

import pytest

from agent.lognames import LogNames, Profiles
from agent.snapshot import pack, unpack
from grammar.line import MAX_MESSAGE, Line
from grammar.profile import Binary, EventLoop, Function, LogString, Point, Profile

SERVER = b'"/usr/sbin/served"'


def string(number: int, text: str, pattern: str, level: str = "") -> LogString:
    return LogString(str(number), text, pattern, 0, 0x1000 + number, "emits", level)


STRINGS = (
    string(0, "request %d from %s", "request {int} from {text}"),
    string(1, "done with %d", "done with {int}"),
    string(2, "note: %s", "note: {text}"),
    string(3, "failed: %s (%d)", "failed: {text} ({int})", "error"),
)
POINTS = tuple(Point(number) for number in range(4))
PROFILE = Profile(
    (Binary("/usr/sbin/served", "", ""),),
    STRINGS,
    (Function("serve", 0x1000, 0, POINTS, ((-1, 0), (0, 1), (1, 0), (0, 3), (3, 0), (1, -2))),),
    (EventLoop(0, ("0",), ("1",)),),
)


def named(message: str, exe: bytes = SERVER, level: str = "") -> tuple[str, str]:
    found = LogNames(Profiles([PROFILE])).name("app", exe, "7@1", Line(message, level=level))
    return found.pattern, found.node


def test_a_line_is_called_by_its_log_string() -> None:
    assert named("request 7 from 10.0.0.1") == ("request {int} from {text}", "served serve 0x1000")


def test_another_programs_line_is_called_by_its_text() -> None:
    assert named("request 7 from 10.0.0.1", b'"/usr/bin/other"') == ("request {int} from {ip}", "")


def test_a_line_of_another_level_is_another_strings() -> None:
    assert named("failed: user alice (7)", level="notice")[1] == ""
    assert named("failed: user alice (7)", level="error") == ("failed: {text} ({int})", "served serve 0x1003 [error]")


def test_a_pattern_that_says_little_of_a_line_does_not_name_it_but_says_where_it_is_from() -> None:
    pattern, node = named("note: the disk of the second host is full again")
    assert pattern == "note: the disk of the second host is full again"
    assert node == "served serve 0x1002"


def test_loops_begin_and_end_where_the_string_is_sure() -> None:
    names = LogNames(Profiles([PROFILE]))
    first = names.name("app", SERVER, "7@1", Line("request 7 from 10.0.0.1"))
    last = names.name("app", SERVER, "7@1", Line("done with 7"))
    assert [(one.begins, one.ends) for one in (first, last)] == [(True, False), (False, True)]


def test_a_profile_that_does_not_fit_cuts_nothing() -> None:
    names = LogNames(Profiles([PROFILE]))
    for number in range(1_000):
        assert not names.name("app", SERVER, "7@1", Line(f"nothing of it, {number}")).begins
    assert not names.name("app", SERVER, "7@1", Line("request 7 from 10.0.0.1")).begins


@pytest.mark.parametrize("message", ["", "\0", "\x1b[31m", "x" * MAX_MESSAGE, "{int}", "\\{", "\ud800"])
def test_any_text_has_a_name_that_it_matches(message: str) -> None:
    assert isinstance(named(message)[0], str)


def test_names_are_remembered_over_a_snapshot_and_profiles_are_not_in_it() -> None:
    profiles = Profiles([PROFILE])
    names = LogNames(profiles)
    lines = [Line(f"user u{number} came from host{number % 3}") for number in range(40)]
    for line in lines[:20]:
        names.name("app", b"", "7@1", line)
    names.name("app", SERVER, "7@1", Line("request 7 from 10.0.0.1"))
    again = unpack(pack(names, {"profiles": profiles}), "s", LogNames, {"profiles": profiles})
    assert again.profiles is profiles
    assert [again.name("app", b"", "7@1", line) for line in lines] == [
        names.name("app", b"", "7@1", one) for one in lines
    ]
