"""What loggers and wrappers put around a text is taken off; level, a narrower string, a cut end say what is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.resolver import Resolver, Track
from agent.resolver_strings import Strings, beginnings, known_level
from agent.resolver_wrapped import MAX_WRAPPED, logger_name, reason, wrap_of
from grammar.errors import InputError
from grammar.follow import Follow
from grammar.line import MAX_MESSAGE
from grammar.pattern import Pattern
from grammar.profile import ENTRY, EXIT, Binary, Function, LogString, Point, Profile


def one(pattern: str, level: str = "", sink: str = "emits", callee: str = "", text: str = "") -> LogString:
    return LogString(pattern, text or pattern, pattern, 0, 0, sink, level, callee)


def profile(*strings: LogString, edges: tuple[tuple[int, int], ...] = ()) -> Profile:
    points = tuple(Point(at) for at in range(len(strings)))
    main = Function("main", 0, 0, points, ((ENTRY, 0), *edges))
    return Profile((Binary("/usr/sbin/sshd", "", ""),), strings, (main,))


def positions(strings: Strings, message: str, level: str = "", cut: bool = False) -> list[int]:
    return [position for position, _ in strings.match(message, "", level, cut)]


@pytest.mark.parametrize(
    ("message", "level"),
    [
        ("debug1: checking request 7", "debug"),
        ("debug3: monitor_read: checking request 7", "debug"),
        ("checking request 7 [preauth]", "debug"),
        ("debug3: monitor_read: checking request 7 [preauth]", "debug"),
        ("fatal: checking request 7: Broken pipe", ""),
        ("sshd: checking request 7: Broken pipe (32)", ""),
        ("sshd: [emerg] checking request 7", ""),
    ],
)
def test_what_a_logger_puts_around_is_taken_off(message: str, level: str) -> None:
    strings = Strings(profile(one("checking request {int}"), one("{text} [preauth]")))
    assert positions(strings, message, level)[0] == 0
    assert [one for one, _ in strings.narrow(strings.match(message, "", level))] == [0]


@pytest.mark.parametrize(
    "message",
    [
        "other: checking request 7",
        "nginx: checking request 7",
        "a b: checking request 7",
        "a_b: [info] checking request 7",
    ],
)
def test_a_plain_word_is_no_logger(message: str) -> None:
    assert positions(Strings(profile(one("checking request {int}"))), message) == []


def test_a_string_that_has_the_name_itself_is_meant() -> None:
    strings = Strings(profile(one("warning: disk full"), one("disk full")))
    assert positions(strings, "warning: disk full") == [0]


def test_names_are_taken_off_so_often_and_no_more() -> None:
    strings = Strings(profile(one("checking request {int}")))
    assert positions(strings, "a_b: " * (MAX_WRAPPED - 1) + "checking request 7") == [0]
    assert positions(strings, "a_b: " * MAX_WRAPPED + "checking request 7") == []


def test_another_level_gives_the_chance_to_others() -> None:
    strings = Strings(
        profile(one("disk {text} is full", "error"), one("disk {text} is full", "trace3"), one("disk {text}"))
    )
    assert positions(strings, "disk 1 is full") == [0, 1, 2]
    assert positions(strings, "disk 1 is full", "trace") == [1, 2], "trace3 is a line's trace"
    assert positions(strings, "disk 1 is full", "info") == [2]


def test_a_level_that_only_the_text_names_says_nothing() -> None:
    assert known_level(one("WARNING: disk full", "warn")) == known_level(one("[Note] disk full", "notice")) == ""
    assert known_level(one("disk full", "trace8")) == "trace"


def test_what_is_only_formatted_is_meant_where_nothing_else_is() -> None:
    strings = Strings(
        profile(one("disk {text} full", sink="formats"), one("disk {text} full"), one("user {text}", sink="formats"))
    )
    assert positions(strings, "disk 1 full") == [1]
    assert positions(strings, "user x") == [2]


def test_the_narrower_string_is_meant_and_said_to_be() -> None:
    some = profile(
        one("open file {text}"), one("open file {text}.c"), one("open {text} {text}"), edges=((0, 0), (0, 2))
    )
    resolver = Resolver(some, Follow(some))
    found = resolver.resolve(Track(1), "open file main.c")
    assert found is not None
    assert (found.string, found.how) == (1, "specific")
    strings = Strings(profile(one("at {int} of {text}"), one("at {text} of {int}")))
    assert strings.narrow(strings.match("at 1 of 2")) == strings.match("at 1 of 2"), "neither holds all of the other"


def test_a_cut_line_is_the_beginning_of_a_string() -> None:
    strings = Strings(profile(one("user {text} said {text} to {int}"), one("user {int} said")))
    long = ("user bob said " + "x" * MAX_MESSAGE)[:MAX_MESSAGE]
    assert positions(strings, long) == []
    assert positions(strings, long, cut=True) == [0]
    assert positions(strings, "user " + "y" * (MAX_MESSAGE - 5), cut=True) == [0]


def test_nginx_puts_the_connection_before_and_errors_behind() -> None:
    accept = one("*{digits} accept: {text} fd:{int}", callee="ngx_log_error_core")
    shake = one("SSL_do_handshake() failed", callee="ngx_ssl_error")
    strings = Strings(profile(accept, shake))
    assert positions(strings, "accept: 127.0.0.1 fd:3") == [0]
    assert positions(strings, "SSL_do_handshake() failed (SSL: error:0A000126::unexpected eof)") == [1]


def test_a_run_of_lines_that_tie_is_no_path() -> None:
    """Two loops that say the same: that the lines go on in the one that was guessed first proves nothing."""
    some = profile(one("accepted {text}"), one("accepted {text}"), one("client closed"), edges=((0, 0), (1, 1)))
    for lines in (3, 100):
        resolver = Resolver(some, Follow(some))
        for line in ["client closed", *(["accepted x"] * lines), "client closed"]:
            resolver.resolve(Track(1), line)
        resolver.flush()
        assert {one.how for one in resolver.take()} == {"only", "tie"}


def test_what_a_dearer_path_gave_up_is_no_path_either() -> None:
    """`test` in two places, one with a known way to it, the other with a known way on: nobody knows which it was."""
    strings = [one("rewrite"), one("test {text} now"), one("test {text} now"), one("using it")]
    functions = (
        Function("a", 0, 0, (Point(0), Point(1)), ((ENTRY, 0), (0, 1), (0, EXIT), (1, 1), (1, EXIT))),
        Function("b", 0, 0, (Point(2), Point(3)), ((ENTRY, 0), (0, 0), (0, 1), (1, EXIT))),
    )
    some = Profile((Binary("a", "", ""),), tuple(strings), functions)
    resolver = Resolver(some, Follow(some))
    for line in ("rewrite", "test 1 now", "test 2 now", "test 3 now", "using it"):
        resolver.resolve(Track(1), line)
    resolver.flush()
    found = resolver.take()
    assert [one.how for one in found] == ["only", "tie", "tie", "path", "only"]
    assert found[3].string == 2, "the last of them is known by what follows"


@given(st.text(max_size=60))
def test_any_message_is_taken_apart(message: str) -> None:
    before, _ = logger_name(message, {"sshd"})
    assert 0 <= before <= len(message)
    assert 0 <= reason(message) <= len(message)


@given(st.lists(st.sampled_from(["a ", "{text}", "{any}", "{int}", " [b1]", " x"]), max_size=5).map("".join))
def test_a_wrap_gives_back_what_it_holds_and_beginnings_begin(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except InputError:
        return
    wrap = wrap_of(pattern)
    if wrap is not None:
        printed = str(pattern).replace("{text}", "inner").replace("{any}", "inner")
        assert printed[wrap.before : len(printed) - wrap.behind] == "inner"
    for begin in beginnings(pattern):
        assert str(pattern).startswith(str(begin))
