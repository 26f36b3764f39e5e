"""Whatever a log holds, its answer is printable, fits 80 columns, is JSON and dot; the unit's tree reads top down."""

import io
import json
import re
from dataclasses import replace

import pytest
from attacked import ACCESS, ATTACKED, HARMLESS, PEER, attacked, evidence_of
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from test_lines_causes import LATER, LATER_LINE, PASSED_ON, SESSION

from grammar import Evidence, InputError, Model, Replica, Span, State, Transition, properties_of
from monitor.lines import Told, trace_line
from monitor.lines_value import lms_value, told_value
from monitor.render_lines import request_text, show_told, unit_text

MODEL = attacked()
HOSTILE = '\x1b]0;owned\x07\x1b[31mred\r\t\0\x7f\x9b "\'\\\\" ]; evil [label="x" |b| [red]bold[/] </script>\u202e'
WRITTEN = HOSTILE.replace("\\", "\\\\")


def printed(what: RenderableType, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, markup=False, highlight=False, emoji=False).print(what)
    return out.getvalue()


def hostile() -> Model:
    """Everything that an agent can send is as nasty as it gets."""
    evidence, replica = Evidence(), Replica(HOSTILE, HOSTILE)
    line, program = State(f"LogMessage {WRITTEN}", (HOSTILE,)), f"Process {HOSTILE.replace(' ', '_')} /{HOSTILE}"
    unit, child, file = (
        State(program, (f"unit Socket {HOSTILE}",)),
        State(program, (HOSTILE,)),
        State(f"File /{HOSTILE}"),
    )
    steps = [
        Transition(line, "WAS_GENERATED_BY", "log", unit),
        Transition(line, "WAS_GENERATED_BY", "covers", child),
        Transition(child, "WAS_TRIGGERED_BY", HOSTILE, unit),
        Transition(State(f"Socket {HOSTILE}"), "WAS_GENERATED_BY", HOSTILE, child),
        Transition(unit, "USED", "accept", State(f"Socket {HOSTILE}>")),
        Transition(child, "USED", "read", file),
        Transition(State(f"LogMessage {WRITTEN}"), "WAS_GENERATED_BY", "log_near", unit),
    ]
    for step in steps:
        evidence.add(step, replica, Span(0, 1 << 62))
    for state in (line, unit, child):
        evidence.command(state, HOSTILE * 50)
    return Model.of(HOSTILE, evidence)


def answers() -> list[Told]:
    model, lost = hostile(), {HOSTILE: {HOSTILE: 3}}
    raw = HOSTILE.encode()
    found = trace_line([model], raw, lost=lost)
    assert found.explained
    return [found, trace_line([model], raw + b"\xff more", lost=lost), trace_line([model], raw, 0, 1, lost=lost)]


def test_tables_hold_nothing_but_plain_text_and_fit_80_columns() -> None:
    for told in (*answers(), trace_line([MODEL], ACCESS), trace_line([MODEL], b"nothing like it")):
        text = printed(show_told(told, "table"))
        assert set(re.findall(r"[^ -~\n]", text)) <= set("…└→")
        assert max(map(len, text.splitlines())) <= 80


def test_json_is_ascii_and_safe_in_a_page() -> None:
    for told in answers():
        text = show_told(told, "json")
        assert isinstance(text, str)
        assert text.isascii()
        assert not re.search(r"[<>&\x00-\x09\x0b-\x1f\x7f]", text)
        assert json.loads(text)["matched"] == bool(told.explained)


def test_dot_keeps_text_inside_its_quotes() -> None:
    for told in answers():
        dot = show_told(told, "dot")
        assert isinstance(dot, str)
        assert not re.search(r"[^ -~\n…]", dot)
        quoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot)
        assert "evil" not in quoted
        assert "script" not in quoted


def test_the_table_of_the_attack_tells_the_story() -> None:
    text = printed(show_told(trace_line([MODEL], ACCESS), "table"))
    for words in (
        "GET /app.php?a=link 302", "read as: access", "logged by: apache2 ap_log_mpm_common 0x3a1b2 [notice]",
        "client: apache2 served it in this unit", "source: sh read it", "file: apache2 read it, cp wrote it",
        "shown by worker2/lamp2 then", "it alone has led to Socket 10.89.0.1:9998", "connect → Socket 10.89.0.1:9998",
    ):  # fmt: skip
        assert words in re.sub(r"\s+", " ", text)
    assert text.count("root causes:") == 1  # the other state is far behind, and told in one line
    assert f"2.  {told_score(HARMLESS)}  {MODEL.ids[HARMLESS]}" in text


def told_score(state: State) -> str:
    (found,) = [one.score for one in trace_line([MODEL], ACCESS).candidates if one.state == state]
    return f"{found:.2f}"


def test_what_was_passed_on_to_other_units_is_said_with_their_lines() -> None:
    model = Model.of("portal", MODEL.evidence | evidence_of(PASSED_ON, Replica("w", "c"), 0, 0))
    told = trace_line([model], b"GET /app.php?a=link 302")
    text = re.sub(r"\s+", " ", printed(show_told(replace(told, explained=told.explained[1:]), "table")))
    assert "passed on to other units, through File /var/lib/php/sessions/sess_{token:26}; their lines:" in text
    assert "request: GET /app.php?a=welcome 200" in text
    (onward,) = told_value(told)["candidates"][1]["onward"]  # type: ignore[index]
    assert onward["id"] == model.ids[LATER]
    assert [one["label"] for one in onward["lines"]] == [LATER_LINE.label]
    assert onward["through"] == model.ids[SESSION]


def test_dot_has_the_line_its_effects_and_the_way_to_its_root_causes() -> None:
    told = trace_line([MODEL], ACCESS)
    dot = show_told(told, "dot")
    ids = set(re.findall(r'^  "([0-9a-f]{16})" \[', str(dot), re.MULTILINE))
    best = told.explained[0]
    wanted = {ATTACKED, PEER, *best.effects.distance, *(root.root.state for root in best.roots)}
    assert {MODEL.ids[one] for one in wanted} <= ids
    arrows = re.findall(r'^  "([0-9a-f]{16})" -> "([0-9a-f]{16})"', str(dot), re.MULTILINE)
    assert arrows
    assert {end for arrow in arrows for end in arrow} <= ids


def test_json_has_the_documented_fields() -> None:
    value = json.loads(str(show_told(trace_line([MODEL], ACCESS, lost={"worker2": {"late": 1}}), "json")))
    assert set(value) == {"line", "window", "matched", "later", "beyond", "candidates", "others", "nearest", "lost"}
    assert value["line"] == {
        "message": "GET /app.php?a=link 302", "format": "access", "time": 1795312246.0, "grain": 1.0, "level": "",
        "pid": 0, "client": "10.89.0.1", "component": "", "program": "",
    }  # fmt: skip
    best = value["candidates"][0]
    assert (best["rank"], best["app"], best["id"]) == (1, "portal", MODEL.ids[ATTACKED])
    assert best["lms"]["function"] == "ap_log_mpm_common"
    assert [one["operation"] for one in best["units"]] == ["log"]
    assert "Socket 10.89.0.1:9998" in {one["label"] for one in best["effects"]["nodes"]}
    contract = {"id", "app", "kind", "label", "properties", "support", "first_seen", "last_seen"}
    for node in (best["node"], *best["units"], *best["roots"], *best["effects"]["nodes"]):
        assert contract <= set(node)
    assert best["node"]["properties"]["message"] == "GET /app.php?a=link 302"
    assert best["unit"]["below"][0]["operation"] == "log"
    assert best["replicas"] == [
        {"worker": "worker2", "container": "lamp2", "first": 1795312240.0, "last": 1795312240.0, "times": 1}
    ]
    assert value["lost"] == {"worker2": {"late": 1}}


def test_the_tree_of_a_unit_opens_with_its_request() -> None:
    lines = printed(unit_text(MODEL, ATTACKED)).splitlines()
    assert lines[0] == "  request: GET /app.php?a=link 302"
    assert lines[1] == "  └ written by Process apache2 /usr/sbin/apache2"
    assert any("execve → Process sh /usr/bin/dash   $ sh -c /bin/sh /var/www/html/mal.sh" in one for one in lines)
    assert any("read from File /var/www/html/mal.sh" in one for one in lines)


def test_a_request_is_told_from_another_line() -> None:
    assert request_text(State("LogMessage POST /x 200")) == "request: POST /x 200"
    assert request_text(State("LogMessage GETTING ready")) == "line: GETTING ready"
    assert "\x1b" not in request_text(State(f"LogMessage {HOSTILE}"))


def test_a_label_of_a_line_has_its_message_as_property() -> None:
    assert properties_of("LogMessage GET /x 200") == {"message": "GET /x 200"}
    assert properties_of("LogMessage") == {"message": ""}


@pytest.mark.parametrize("text", ["", "a b", "a b 0xzz", "a b 0x1 [notice] more", HOSTILE])
def test_what_is_no_log_string_is_kept_as_text(text: str) -> None:
    assert lms_value(text) == {"text": text, "program": "", "function": "", "address": "", "level": ""}


def test_no_such_format() -> None:
    with pytest.raises(InputError, match="no such format"):
        show_told(trace_line([MODEL], ACCESS), "xml")


@given(st.binary(max_size=200))
def test_any_bytes_print_as_plain_text(raw: bytes) -> None:
    """Whatever a line holds, every format of its answer is plain text."""
    told = trace_line([MODEL], raw)
    assert set(re.findall(r"[^ -~\n]", printed(show_told(told, "table")))) <= set("…└→")
    assert str(show_told(told, "json")).isascii()
    assert not re.search(r"[^ -~\n…]", str(show_told(told, "dot")))
    assert told_value(told)["matched"] == bool(told.explained)
