"""Questions are answered in every format; a bad question is one located line and exit 2; hostile text stays text."""

import io
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scribe import Scribe, ordinary
from stage import Answer, Played, Stage, left_in

from monitor.exports import FORMATS
from winnower.query_command import Where

Winnower = Callable[..., Answer]


@pytest.fixture
def played(scribe: Scribe, stage: Stage) -> Played:
    ordinary(scribe)
    scribe.writes(101, "/usr/bin/implant")
    return stage.play(scribe.save(), 1_000)


def asked(winnower: Winnower, *arguments: str | Path) -> Any:
    answer = winnower(*arguments, "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


def implant(winnower: Winnower, played: Played) -> str:
    first, *_ = asked(winnower, "nodes", "--state", played.state, "--app", "web", "path=/usr/bin/implant")
    return str(first["id"])


def test_nodes_have_the_fields_of_the_contract(winnower: Winnower, played: Played) -> None:
    first, *_ = asked(winnower, "nodes", "--state", played.state, "--app", "web", "path=/usr/bin/impl*")
    contract = {"id", "app", "kind", "label", "properties", "support", "first_seen", "last_seen"}
    assert contract <= set(first)
    assert first["support"] == {"workers": ["worker1"], "containers": 1, "of": 2}


def test_ancestors_and_descendants_turn_each_other_round(winnower: Winnower, played: Played) -> None:
    node = implant(winnower, played)
    causes = asked(winnower, "ancestors", node, "--state", played.state)
    assert "Process dash /usr/bin/dash" in {one["label"] for one in causes}
    for cause in causes:
        effects = asked(winnower, "descendants", cause["id"], "--state", played.state)
        assert node in {one["id"] for one in effects}


def test_depth_cuts_the_answer(winnower: Winnower, played: Played) -> None:
    node = implant(winnower, played)
    depths = [asked(winnower, "ancestors", node, "--state", played.state, "--depth", str(n)) for n in (0, 1, 99)]
    assert depths[0] == []
    assert {one["distance"] for one in depths[1]} == {1}
    assert depths[2] == asked(winnower, "ancestors", node, "--state", played.state)
    assert winnower("ancestors", node, "--state", played.state, "--depth", "-1").code == 2


def test_an_id_may_be_cut_to_where_it_is_unique(winnower: Winnower, played: Played) -> None:
    node = implant(winnower, played)
    assert asked(winnower, "ancestors", node[:10], "--state", played.state) == asked(
        winnower, "ancestors", node, "--state", played.state
    )
    every = sorted(played.model("web").by_id)
    first = next(one[0] for one, other in pairwise(every) if one[0] == other[0])
    answer = winnower("ancestors", first, "--state", played.state)
    assert (answer.code, answer.out) == (2, "")
    assert sum(one in answer.err for one in every) >= 2


def test_dot_and_table_tell_the_same_nodes(winnower: Winnower, played: Played) -> None:
    node = implant(winnower, played)
    ids = {one["id"] for one in asked(winnower, "ancestors", node, "--state", played.state)}
    dot = winnower("ancestors", node, "--state", played.state, "--format", "dot").out
    assert set(re.findall(r"^  n([0-9a-f]{16}) \[", dot, re.MULTILINE)) == {*ids, node}
    table = winnower("ancestors", node, "--state", played.state).out
    assert set(re.findall(r"^([0-9a-f]{16}) ", table, re.MULTILINE)) == ids


def test_the_policy_language_ad_hoc(winnower: Winnower, played: Played) -> None:
    text = "MATCH (f:File)-[:WAS_GENERATED_BY]->(p:Process) WHERE f.path STARTS WITH '/usr/bin/'"
    text += " RETURN f.path AS path, p.name AS by"
    rows = asked(winnower, "query", text, "--state", played.state)
    assert {"app": "web", "path": "/usr/bin/implant", "by": "httpd"} in rows
    assert "/usr/bin/implant" in winnower("query", text, "--state", played.state).out
    assert (
        asked(winnower, "query", "MATCH (f:File {path: '/none'}) RETURN f.path AS app", "--state", played.state) == []
    )
    assert (
        winnower("query", "MATCH (f:File {path: '/none'}) RETURN f.path AS x", "--state", played.state).out
        == "no match\n"
    )


def test_parameters_pages_and_limits(winnower: Winnower, played: Played) -> None:
    ask = ("query", "--state", played.state)
    text = "MATCH (f:File) WHERE f.path = $path RETURN f.path AS path"
    assert asked(winnower, *ask, text, "--param", 'path="/usr/bin/implant"') == [
        {"app": "web", "path": "/usr/bin/implant"}
    ]
    text = "MATCH (a)-[r]->(b) RETURN a, b"
    whole = asked(winnower, *ask, text)
    page = winnower(*ask, text, "--limit", "2", "--skip", "1", "--format", "json")
    assert (page.code, json.loads(page.out)) == (0, whole[1:3])
    assert f"rows 2-3 of {len(whole)}" in page.err
    cut = winnower(*ask, text, "--rows", "1", "--format", "json")
    assert (cut.code, json.loads(cut.out)) == (0, whole[:1])
    assert "not all there is: more than 1 rows" in cut.err
    table = winnower(*ask, text, "--rows", "1")
    assert (table.code, table.err, "more than 1 rows" in table.out) == (0, "", True)


def test_a_query_may_come_from_standard_input(
    winnower: Winnower, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"RETURN '" + b"a" * 500_000 + b"' AS x")))
    (row,) = asked(winnower, "query", "-", "--state", played.state)
    assert row == {"app": "web", "x": "a" * 500_000}


@pytest.mark.parametrize("how", [one for one in FORMATS if one != "table"])
def test_answers_in_every_format(winnower: Winnower, played: Played, how: str) -> None:
    node = implant(winnower, played)
    for question in (
        ("nodes", "--app", "web"),
        ("ancestors", node),
        ("descendants", node, "--depth", "2"),
        ("query", "MATCH p = (f:File)-[:WAS_GENERATED_BY]->(:Process) RETURN p"),
    ):
        answer = winnower(*question, "--state", played.state, "--format", how)
        assert (answer.code, answer.err) == (0, "")
        assert answer.out
        if how in ("json", "node-link", "prov"):
            json.loads(answer.out)


def test_a_long_answer_is_not_poured_into_a_terminal(
    winnower: Winnower, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winnower.query_command.SHOWN", 3)
    whole = asked(winnower, "nodes", "--app", "web", "--state", played.state)
    table = winnower("nodes", "--app", "web", "--state", played.state).out
    assert len(re.findall(r"^[0-9a-f]{16} ", table, re.MULTILINE)) == 3
    assert f"3 of {len(whole)} nodes" in table
    all_of_it = winnower("nodes", "--app", "web", "--state", played.state, "--limit", "100").out
    assert len(re.findall(r"^[0-9a-f]{16} ", all_of_it, re.MULTILINE)) == len(whole)
    rows = winnower("query", "MATCH (n) RETURN n.kind AS k", "--state", played.state).out
    assert f"rows 1-3 of {len(whole)}" in rows


def test_a_running_monitor_is_asked_the_same_and_notes_go_to_the_other_stream(
    winnower: Winnower, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, str], str | None]] = []

    def ask(where: Where, path: str, how: str, params: dict[str, str], *rest: str | None) -> str:
        sent.append((path, params, rest[0]))
        return json.dumps({"text": "[]", "notes": ["not \x1b all"]})

    monkeypatch.setattr(Where, "_asked", ask)
    url = ("--url", "http://127.0.0.1:1", "--format", "json")
    answer = winnower("query", "RETURN $x AS x", "--param", "x=[1]", "--limit", "7", "--app", "web", *url)
    assert (answer.code, answer.out, answer.err) == (0, "[]\n", "note: not \\x1b all\n")
    told = json.loads(str(sent[0][2]))
    assert (told["query"], told["parameters"], told["limit"], told["app"]) == ("RETURN $x AS x", {"x": [1]}, 7, "web")
    winnower("ancestors", "ab", "--depth", "2", "--skip", "3", *url)
    assert sent[1][:2] == ("/v1/ancestors/ab", {"depth": "2", "limit": "", "skip": "3", "notes": "1"})


def test_alerts_of_one_application(winnower: Winnower, played: Played) -> None:
    (alert,) = asked(winnower, "alerts", "--state", played.state)
    assert alert["policy"] == "write-below-binary-directory"
    assert asked(winnower, "alerts", "--state", played.state, "--app", "web") == [alert]
    assert "ALERT web / worker1 / web1" in winnower("alerts", "--state", played.state).out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nodes", "--app", "nope"], "no such application: 'nope' (known: web)"),
        (["nodes", "--app", "\x1b[31m"], "no such application: '\\x1b[31m'"),
        (["alerts", "--app", "nope"], "no such application"),
        (["query", "MATCH (f:File) RETURN f.path AS p", "--app", "nope"], "no such application"),
        (["nodes", "--app", "web", "path"], "not KEY=PATTERN: 'path'"),
        (["ancestors", "ffffffffffffffffffff"], "no such node"),
        (["descendants", ""], "no such node"),
        (["query", "MATCH (f:File RETURN f"], "query:1:15:"),
        (["query", "RETURN $x AS x", "--param", "x"], "not NAME=JSON: 'x'"),
        (["query", "RETURN $x AS x", "--param", "x=/etc"], "a parameter that is not JSON: 'x=/etc'"),
        (["query", "RETURN $x AS x"], "x"),
        (["query", "RETURN 1 / 0 AS x"], "1:"),
        (["query", "MATCH (f:File) RETURN f.path AS p", "--format", "html"], "'html' is not one of"),
    ],
)
def test_a_bad_question_is_one_located_line(
    winnower: Winnower, played: Played, arguments: list[str], what: str
) -> None:
    answer = winnower(*arguments, "--state", played.state)
    assert (answer.code, answer.out) == (2, "")
    assert what in answer.err
    assert "Traceback" not in answer.err
    assert "\x1b" not in answer.err


def test_no_state_is_an_error_that_makes_none(winnower: Winnower, tmp_path: Path) -> None:
    answer = winnower("alerts", "--state", tmp_path / "none")
    assert (answer.code, answer.out) == (2, "")
    assert f"{tmp_path}/none: no monitor state here" in answer.err
    assert left_in(tmp_path) == []


HOSTILE = "\x1b]0;owned\x07\x1b[31m red\r\n\t\x7f \"q\" 's' \\ [red]bold[/] {any} ]; evil </script> \u202e"
ODD_BYTES = "/tmp/\udcff\udc80\x9b" + HOSTILE.replace("/", "_")


@pytest.fixture
def hostile(scribe: Scribe, stage: Stage) -> Played:
    scribe.contain(HOSTILE, 100, "../../x")
    scribe.execs(100, 1, "/usr/bin/dash", "-c", HOSTILE)
    scribe.execs(
        101, 100, "/usr/bin/" + HOSTILE.replace("/", "_"), HOSTILE, "\udcff" * 9, comm=HOSTILE.replace("/", "")[:15]
    )
    scribe.writes(101, ODD_BYTES)
    scribe.writes(101, "/usr/bin/" + ODD_BYTES.replace("/", "_").replace("\n", ""))
    scribe.reads(101, "/etc/shadow")
    scribe.execs(102, 100, "/usr/bin/env", "x" * 200_000)
    return stage.play(scribe.save(), 1_000, dump=True)


def test_hostile_text_stays_text_in_every_output(winnower: Winnower, hostile: Played) -> None:
    app = ("--app", "../../x", "--state", hostile.state)
    every = asked(winnower, "nodes", *app)
    (written, *_) = [one for one in every if one["kind"] == "File" and "/tmp/" in one["label"]]
    texts = []
    for how in FORMATS:
        texts.append(winnower("nodes", *app, "--format", how))
        texts.append(winnower("ancestors", written["id"], "--state", hostile.state, "--format", how))
    for how in ("table", "json"):
        texts.append(winnower("alerts", "--state", hostile.state, "--format", how))
    for how in FORMATS:
        returned = "MATCH (p:Process)<-[:WAS_GENERATED_BY]-(f:File) RETURN f.path AS path, p.command AS command, p"
        texts.append(winnower("query", returned, "--state", hostile.state, "--format", how))
    for answer in texts:
        assert (answer.code, answer.err) == (0, "")
        assert set(re.findall(r"[^ -~\n]", answer.out)) <= set("…└→")
    alerts = asked(winnower, "alerts", "--state", hostile.state)
    assert {"write-below-binary-directory", "shadow-file-read"} <= {alert["policy"] for alert in alerts}


def test_hostile_text_stays_text_in_report_and_dump(hostile: Played) -> None:
    files = [hostile.folder / "report.json", *hostile.dump.iterdir()]
    assert len(files) == 3
    for file in files:
        text = file.read_text("ascii")
        assert "\x1b" not in text
        assert "\x7f" not in text
        assert "</script" not in text
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")


def test_hostile_names_lead_nowhere(hostile: Played) -> None:
    assert all(path.parent == hostile.dump for path in hostile.dump.rglob("*"))
    assert sorted(path.name for path in hostile.folder.iterdir()) == ["dump", "report.json", "state"]
    assert not (hostile.folder.parent / "x.model.json").exists()
