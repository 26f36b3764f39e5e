"""A run over a state prints what matches; exit codes say so only if that is asked for."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scribe import Scribe, ordinary
from stage import Answer, Played, Stage

from grammar.errors import InputError
from winnower.policy_run import sent_of, window_of

Winnower = Callable[..., Answer]
DAWN = "1970-01-02"


@pytest.fixture
def played(scribe: Scribe, stage: Stage) -> Played:
    ordinary(scribe)
    scribe.writes(101, "/usr/bin/implant")
    return stage.play(scribe.save(), 1_000)


def test_matches_are_printed_and_fail_on_demand(winnower: Winnower, played: Played) -> None:
    asked = ("policy", "run", "write-below-binary-directory", "--state", played.state, "--since", DAWN)
    answer = winnower(*asked)
    assert (answer.code, answer.err) == (0, "")
    assert "/usr/bin/implant" in answer.out.replace("\n", "").replace(" ", "")
    assert winnower(*asked, "--fail").code == 1
    value = json.loads(winnower(*asked, "--format", "json").out)
    assert {one["policy"] for one in value["matches"]} == {"write-below-binary-directory"}
    assert {one["certainty"] for one in value["matches"]} == {"certain"}


def test_nothing_since_now(winnower: Winnower, played: Played) -> None:
    answer = winnower("policy", "run", "--state", played.state, "--since", "now", "--fail")
    assert (answer.code, answer.out) == (0, "no match\n")
    answer = winnower("policy", "run", "--state", played.state, "--since", DAWN, "--until", "1970-01-03")
    assert answer.out == "no match\n"


def test_a_policy_of_one_s_own_is_run(winnower: Winnower, played: Played, tmp_path: Path) -> None:
    file = tmp_path / "own.cypher"
    head = "---\nid: own\ntitle: t\nseverity: low\ntechnique: T1000\nfalse_positives: x\n---\n"
    file.write_text(head + "MATCH (p:Process) RETURN p.name AS name\n", encoding="utf-8")
    answer = winnower("policy", "run", file, "--state", played.state, "--since", DAWN)
    assert (answer.code, "own" in answer.out) == (0, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "soon"), "not a time: 'soon'"),
        (("--since", "1h", "--until", "2h"), "--since is after --until"),
        (("--since", "1h", "--app", "none"), "no such application"),
        (("--since", "1h", "none"), "no such policy"),
        ((), "--since"),
    ],
)
def test_bad_input_is_said(winnower: Winnower, played: Played, options: tuple[str, ...], words: str) -> None:
    answer = winnower("policy", "run", "--state", played.state, *options)
    assert (answer.code, words in answer.err) == (2, True)


def test_times_are_lengths_or_moments() -> None:
    now = time.time() * 1000
    window = window_of("2h", "-1h")
    assert window.since is not None
    assert window.until is not None
    assert abs(now - 7_200_000 - window.since) < 60_000
    assert abs(now - 3_600_000 - window.until) < 60_000
    assert window_of("1970-01-01T00:00:01Z", "2").until == 2_000


def test_what_is_sent_are_ids_and_texts(tmp_path: Path) -> None:
    file = tmp_path / "a.cypher"
    file.write_text("x", encoding="utf-8")
    sent = sent_of(["cron-persistence", str(file)])
    assert (sent.ids, sent.files) == (("cron-persistence",), ((str(file), "x"),))
    with pytest.raises(InputError, match="cannot be read"):
        sent_of([str(tmp_path / "none.cypher")])
