"""A reason is a score and words that agree; time, certainty, rarity and the client each pull their own way."""

import pytest
from attacked import ATTACKED, BEGIN, EPOCH, HARMLESS, LOGIN, attacked
from hypothesis import given
from hypothesis import strategies as st

from grammar import Evidence, Model, Replica, Span, State, Transition
from grammar.line import Line
from monitor.lines_index import Word
from monitor.lines_rank import Reason, Window, asked_by, certainty, fit, led_to, literal, mean, rarity, stamp, when

MODEL = attacked()
ONE, TWO = Replica("w1", "c1"), Replica("w2", "c2")


def at(millis: int, until: int | None = None) -> Window:
    return Window(millis, millis if until is None else until)


def test_a_line_says_when_unless_somebody_else_does() -> None:
    line = Line("x", millis=5_000, grain=1_000)
    assert Window.of(line, None, None) == Window(5_000, 6_000)
    assert Window.of(line, 7, None) == Window(7, None, asked=True)
    assert not Window.of(Line("x"), None, None)
    assert Window.of(Line("x"), 0, None)


@pytest.mark.parametrize(
    ("millis", "low", "high"),
    [(BEGIN, 0.6, 1.0), (BEGIN + EPOCH, 0.6, 1.0), (BEGIN - EPOCH, 0.5, 0.5), (BEGIN - EPOCH - 1, 0, 0),
     (BEGIN + EPOCH + 1, 0.3, 0.3)],
)  # fmt: skip
def test_inside_counts_most_then_just_before_then_after_and_never_counts_before(
    millis: int, low: float, high: float
) -> None:
    assert low <= fit(Span(BEGIN, BEGIN), at(millis), EPOCH) <= high


def test_the_narrower_the_span_the_better() -> None:
    widths = [fit(Span(BEGIN, BEGIN + n * EPOCH), at(BEGIN), EPOCH) for n in (0, 1, 10, 1_000_000)]
    assert widths == sorted(widths, reverse=True)
    assert (widths[0], widths[-1] > 0.6) == (1.0, True)


def test_an_open_window_contradicts_only_what_is_later() -> None:
    assert fit(Span(BEGIN, BEGIN), Window(None, BEGIN - 5 * EPOCH), EPOCH) == 0
    assert fit(Span(BEGIN, BEGIN), Window(BEGIN - 5 * EPOCH, None), EPOCH) >= 0.6


def test_the_replica_that_fits_best_is_named() -> None:
    held = {ONE: Span(BEGIN, BEGIN), TWO: Span(BEGIN + 100 * EPOCH, BEGIN + 100 * EPOCH)}
    told = when(held, at(BEGIN + 100 * EPOCH), EPOCH)
    assert told is not None
    assert "w2/c2" in told.text
    assert when(held, Window(), EPOCH) is None


def test_each_time_has_its_words() -> None:
    held = {ONE: Span(BEGIN, BEGIN)}
    words = [when(held, at(BEGIN + shift), EPOCH) for shift in (0, -EPOCH, -9 * EPOCH, 9 * EPOCH)]
    texts = [one.text if one else "" for one in words]
    assert ["then" in texts[0], "at once after" in texts[1], "not shown before" in texts[2]] == [True] * 3
    assert "what is known is not told again" in texts[3]


def test_an_exact_join_is_surer_than_one_by_time_than_none() -> None:
    scores = [certainty(MODEL, one).score for one in (ATTACKED, LOGIN, State("LogMessage lonely"))]
    assert scores == [1.0, 0.5, 0.0]


def test_what_is_rare_is_more_suspicious() -> None:
    few, many = {ONE: Span(0, 0)}, {ONE: Span(0, 0, 9), TWO: Span(0, 0, 9)}
    assert rarity(few, 8).score > rarity(many, 8).score
    assert rarity(few, 8).text == "1 of 8 replicas have shown it, at least 1 time"
    assert rarity({ONE: Span(0, 0, 1 << 40)}, 1).score > 0


def test_only_what_others_lack_counts_and_sockets_are_named_first() -> None:
    labels = ["File /f", "Process curl /curl", "Process sh /sh", "Process z /z", "Socket 1.2.3.4:5"]
    told = led_to(dict.fromkeys(labels, 1), 3)
    assert told is not None
    assert told.text.startswith("it alone has led to Socket 1.2.3.4:5, Process curl")
    assert told.text.endswith(", ...")
    assert told.score == 1
    shared = led_to({"Socket 1.2.3.4:5": 3}, 9)
    assert shared is not None
    assert shared.text == "at most 3 of 9 with this pattern have led to Socket 1.2.3.4:5"
    assert 0 < shared.score < 1
    file, program = led_to({"File /f": 1}, 3), led_to({"Process sh /sh": 1}, 3)
    assert file is not None
    assert program is not None
    assert file.score < program.score
    nothing = led_to({}, 3)
    assert nothing is not None
    assert nothing.score == 0
    assert led_to({"File /f": 1}, 1) is None


def test_the_more_of_the_message_is_literal_the_better() -> None:
    exact, loose = Word.of("GET /x 200"), Word.of("GET {text} 200")
    assert exact
    assert loose
    assert literal(exact, "GET /x 200").score == 1 > literal(loose, "GET /x 200").score


@pytest.mark.parametrize(
    ("client", "score"),
    [("10.89.0.1", 1.0), ("10.89.0.1:4711", 1.0), ("10.89.0.2", 0.0), ("\x1b[31m", 0.0), ("", None)],
)
def test_a_unit_serves_the_client_that_the_line_names(client: str, score: float | None) -> None:
    told = asked_by(MODEL, HARMLESS, client)
    assert (told.score if told else None) == score


@pytest.mark.parametrize(
    ("unit", "client", "score"),
    [("{any}>*:80", "1.2.3.4", 0.5), ("1.2.3.{int}:{port}>*:80", "1.2.3.4", 0.5), ("[::1]:{port}>*:80", "::1", 1.0),
     ("{nonsense:{port}", "1.2.3.4", 0.0)],
)  # fmt: skip
def test_a_pattern_of_clients_is_half_a_reason(unit: str, client: str, score: float) -> None:
    line = State("LogMessage x")
    evidence = Evidence()
    process = State("Process a /a", (f"unit Socket {unit}",))
    evidence.add(Transition(line, "WAS_GENERATED_BY", "log", process), ONE, Span(0, 0))
    told = asked_by(Model.of("app", evidence), line, client)
    assert told is not None
    assert told.score == score


def test_no_reasons_are_no_rank() -> None:
    assert mean([]) == 0
    assert mean([Reason("time", 1, ""), Reason("pattern", 0, "")]) > 0.5


@given(st.integers(-(1 << 70), 1 << 70), st.integers(0, 1 << 70), st.integers(0, 1 << 70))
def test_a_fit_is_a_score_whatever_the_times(first: int, width: int, millis: int) -> None:
    """Times that an agent may send, however absurd, give a score from 0 to 1 and text."""
    span = Span(first, first + width)
    assert 0 <= fit(span, at(millis), EPOCH) <= 1
    assert stamp(first).isprintable()
