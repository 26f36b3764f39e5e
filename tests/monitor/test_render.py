"""Whatever the data holds, what is shown is printable, is not taken for markup or syntax, and fits the terminal."""

import io
import json
import re

import pytest
from rich.console import Console, RenderableType

from grammar import Evidence, InputError, Model, Replica, Span, State, Transition
from monitor.alerts import Alert, Step
from monitor.exports import show_answer
from monitor.query import Answer, trace
from monitor.render import alerts_table, safe, time_text, to_json

HOSTILE = (
    '\x1b]0;owned\x07\x1b[31mred\r\n\t\0\x7f\x9b "\'\\\\" ]; evil [label="x" {a|b} [red]bold[/] </script>\u202e\udcff'
)
FILE, PROCESS = f"File /tmp/{HOSTILE}", f"Process {HOSTILE.replace(' ', '_')} /bin/{HOSTILE.replace(' ', '_')}"


@pytest.fixture
def answer() -> Answer:
    evidence = Evidence()
    replica = Replica(HOSTILE, HOSTILE)
    evidence.add(
        Transition(State(FILE, (HOSTILE,)), "WAS_GENERATED_BY", HOSTILE, State(PROCESS)), replica, Span(0, 1 << 62)
    )
    evidence.command(State(PROCESS), HOSTILE * 50)
    model = Model.of(HOSTILE, evidence)
    found = trace([model], model.ids[State(FILE, (HOSTILE,))], "ancestors")
    return Answer(model, found.states, found.start, {HOSTILE: {HOSTILE: 3}})


def alert() -> Alert:
    steps = (Step("aa", PROCESS, "", "", HOSTILE * 9), Step("bb", FILE, HOSTILE, HOSTILE))
    return Alert(
        policy=HOSTILE, title=HOSTILE, severity=HOSTILE, app=HOSTILE, worker=HOSTILE, container=HOSTILE, time=1 << 62,
        replicas=(1, 8), nodes=("aa",), trace=steps, summary=(HOSTILE,), lost={HOSTILE: 1},
    )  # fmt: skip


def printed(what: RenderableType, width: int = 80, *, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, markup=False, highlight=False, emoji=False, force_terminal=terminal)
    console.print(what)
    return out.getvalue()


def assert_plain(text: str) -> None:
    assert set(re.findall(r"[^ -~\n]", text)) <= set("…└→")
    assert "[red]bold[/]" in text  # markup comes out as the text that it is


def test_tables_hold_nothing_but_plain_text_and_fit_80_columns(answer: Answer) -> None:
    for table in (show_answer(answer, "table"), alerts_table([alert()])):
        text = printed(table)
        assert_plain(text.replace("\n", ""))
        assert max(map(len, text.splitlines())) <= 80


def test_on_a_terminal_the_only_escapes_are_ours(answer: Answer) -> None:
    for table in (show_answer(answer, "table"), alerts_table([alert()])):
        left = re.sub(r"\x1b\[[0-9;]*m", "", printed(table, terminal=True))
        assert "\x1b" not in left
        assert "\x1b[31mred" not in printed(table, terminal=True)


def test_ids_are_never_cut(answer: Answer) -> None:
    text = printed(show_answer(answer, "table"))
    assert all(answer.model.ids[state] in text for state in answer.states)


def test_json_is_ascii_holds_no_markup_and_any_reader_takes_it(answer: Answer) -> None:
    for value in (answer.value(), [alert().value()]):
        text = to_json(value)
        assert text.isascii()
        assert "<" not in text
        assert "\x1b" not in text
        assert "\x7f" not in text
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    assert json.loads(to_json({"é\udcff": "\ud800"})) == {"é\\xff": "\\x00"}


def test_dot_has_one_statement_a_line_and_quotes_closed(answer: Answer) -> None:
    lines = str(show_answer(answer, "dot")).splitlines()
    quoted = r'"(?:[^"\\]|\\.)*"'
    statement = rf"  (?:rankdir=.*|label={quoted};|n[0-9a-f]+ \[shape=\w+, label={quoted}(?:, style=bold)?\];"
    statement += rf"|n[0-9a-f]+ -> n[0-9a-f]+ \[label={quoted}\];)"
    assert lines[0] == "digraph answer {"
    assert lines[-1] == "}"
    assert [line for line in lines[1:-1] if not re.fullmatch(statement, line)] == []
    assert len(lines) == 3 + 1 + len(answer.nodes) + len(answer.edges)


def test_what_was_lost_is_told_below_answers_and_alerts(answer: Answer) -> None:
    assert "lost on" in printed(show_answer(answer, "table"))
    assert "lost on" in str(show_answer(answer, "dot"))
    assert "lost on" in printed(alerts_table([alert()]))


def test_alerts_of_one_container_at_one_time_are_one_incident() -> None:
    first = Alert("p1", "one", "low", "web", "w1", "web1", 5, (1, 8), ("aa",), ())
    second = Alert("p2", "two", "critical", "web", "w1", "web1", 5, (1, 8), ("aa",), ())
    other = Alert("p1", "one", "low", "web", "w2", "web2", 5, (1, 8), ("aa",), ())
    text = printed(alerts_table([first, second, other]))
    assert text.count("ALERT") == 2
    assert text.index("critical") < text.index("low")
    assert printed(alerts_table([])) == "no alerts\n"


def test_an_alert_is_told_with_the_number_that_it_is_acknowledged_by() -> None:
    alert = Alert("p1", "one", "low", "web", "w1", "web1", 5, (1, 8), ("aa",), ())
    assert "#12 p1: one" in printed(alerts_table([alert.numbered(12)]))
    assert "#" not in printed(alerts_table([alert]))


def test_steps_that_only_renew_a_version_are_left_out_of_the_telling() -> None:
    steps = (
        Step("a", "Process sh /bin/sh"),
        Step("b", "Process sh /bin/sh", "R", "version"),
        Step("c", "File /x", "R", "write"),
    )
    text = printed(alerts_table([Alert("p", "t", "low", "a", "w", "c", 5, (1, 1), ("c",), steps)]))
    assert "version" not in text
    assert text.index("Process sh") < text.index("write → File /x")


def test_no_answer_says_so_and_no_format_is_an_error(answer: Answer) -> None:
    assert "no such node" in printed(show_answer(Answer(answer.model, {}), "table"))
    with pytest.raises(InputError, match="no such format"):
        show_answer(answer, "html")


def test_times_that_no_calendar_knows_are_shown_as_numbers() -> None:
    assert time_text(0) == "1970-01-01T00:00:00.000+00:00"
    assert time_text(1 << 62) == f"{1 << 62} ms"


def test_long_text_is_cut_with_a_mark() -> None:
    assert len(safe("x" * 100, 10)) <= 11
