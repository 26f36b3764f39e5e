"""`winnower alerts` lists as ever; what is acknowledged is left out until it is armed again; errors are one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scribe import Scribe, ordinary
from stage import Answer, Played, Stage

from monitor.actions_state import load_lifecycle
from monitor.alerts import Alert
from monitor.store import Store
from winnower.alerts_command import alerts as command

Winnower = Callable[..., Answer]
TITLES = ("one", "two\x1b[31m", "three")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state with three alerts, number 1 to 3, and no model."""
    with closing(Store(tmp_path / "state", create=True)) as store, store.transaction():
        for number, title in enumerate(TITLES):
            one = Alert(
                policy=f"policy-{number}",
                title=title,
                severity=("low", "high", "critical")[number],
                app="web",
                worker="w1",
                container=f"c{number}",
                time=1_000_000 * (number + 1),
                replicas=(1, 2),
                nodes=(),
                trace=(),
                deeds=(f"d{number}",),
            )
            store.add_alert(one.encode())
    return tmp_path / "state"


@pytest.fixture
def winnower(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Winnower:
    """The command line with this file's command in its place."""
    from stage import command as run  # noqa: PLC0415

    from winnower import cli  # noqa: PLC0415

    monkeypatch.setitem(cli.COMMANDS, "alerts", ("winnower.alerts_command", command.name or "alerts", "What fired."))
    monkeypatch.setattr("winnower.alerts_command._who", lambda: "tester")
    return lambda *arguments: run(capsys, *arguments)


def listed(winnower: Winnower, state: Path, *options: str) -> list[Any]:
    answer = winnower("alerts", *options, "--state", state, "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)  # type: ignore[no-any-return]


def numbers(winnower: Winnower, state: Path, *options: str) -> list[int]:
    return [one["number"] for one in listed(winnower, state, *options)]


def test_it_lists_with_or_without_saying_so(winnower: Winnower, state: Path) -> None:
    assert numbers(winnower, state) == [1, 2, 3]
    assert winnower("alerts", "list", "--state", state).out == winnower("alerts", "--state", state).out
    assert "ALERT web / w1 / c1" in winnower("alerts", "--state", state).out
    assert "\x1b" not in winnower("alerts", "--state", state).out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--severity", "high"], [2, 3]),
        (["--policy", "*-2"], [3]),
        (["--since", "1970-01-01T00:33:20"], [2, 3]),
        (["--since", "1970-01-01T01:33:20+01:00"], [2, 3]),
        (["--since", "2h"], []),
        (["--status", "acknowledged"], []),
    ],
)
def test_of_all_only_some(winnower: Winnower, state: Path, options: list[str], expected: list[int]) -> None:
    assert numbers(winnower, state, *options) == expected


def test_acknowledged_is_out_of_the_list_until_it_is_armed(winnower: Winnower, state: Path) -> None:
    answer = winnower("alerts", "ack", "1", "3", "--comment", "known\x1b", "--state", state)
    assert (answer.code, answer.out) == (0, "1: acknowledged by tester\n3: acknowledged by tester\n")
    assert numbers(winnower, state) == [2]
    assert "2 acknowledged or snoozed: --all shows them" in winnower("alerts", "--state", state).out
    (first, *_) = listed(winnower, state, "--all")
    assert (first["status"], first["said"]["by"], first["said"]["comment"]) == ("acknowledged", "tester", "known\x1b")
    assert numbers(winnower, state, "--status", "acknowledged") == [1, 3]
    assert winnower("alerts", "rearm", "1", "--state", state).code == 0
    assert numbers(winnower, state) == [1, 2]


def test_a_snooze_is_kept_with_the_state_and_can_be_ended(winnower: Winnower, state: Path) -> None:
    answer = winnower("alerts", "snooze", "policy-1", "--app", "web", "--for", "2h", "--state", state)
    assert (answer.code, answer.out.startswith("snoozed until 20")) == (0, True)
    assert snoozed(state) == [("policy-1", "web")]
    assert winnower("alerts", "snooze", "policy-1", "--app", "web", "--for", "0s", "--state", state).code == 0
    assert snoozed(state) == []


def snoozed(state: Path) -> list[tuple[str, str]]:
    with closing(Store(state)) as store:
        return list(load_lifecycle(store).snoozes)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["ack", "4"], "no alert has this number: '4'"),
        (["ack", "1", "99"], "no alert has this number: '99'"),
        (["ack", "0"], "0 is not in the range"),
        (["ack"], "Missing argument"),
        (["ack", "\x1b"], "is not a valid integer"),
        (["snooze", "p", "--for", "soon"], "a time is written"),
        (["--since", "soon"], "a time is written"),
        (["--severity", "worst"], "is not one of"),
        (["--app", "nope"], "no such application"),
        (["frobnicate"], "No such command"),
    ],
)
def test_what_makes_no_sense_is_one_error_and_changes_nothing(
    winnower: Winnower, state: Path, words: list[str], what: str
) -> None:
    answer = winnower("alerts", *words, "--state", state)
    assert (answer.code, answer.out) == (2, "")
    assert what in answer.err
    assert "Traceback" not in answer.err
    assert numbers(winnower, state) == [1, 2, 3]


@pytest.mark.parametrize("words", [["list"], ["ack", "1"], ["rearm", "1"], ["snooze", "p"]])
def test_no_state_is_an_error_that_makes_none(winnower: Winnower, tmp_path: Path, words: list[str]) -> None:
    answer = winnower("alerts", *words, "--state", tmp_path / "none")
    assert (answer.code, answer.out) == (2, "")
    assert "no monitor state here" in answer.err
    assert not (tmp_path / "none").exists()


def test_a_running_monitor_is_asked_to_do_it(winnower: Winnower, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, str], str | None]] = []

    def ask(where: object, path: str, how: str, params: dict[str, str], body: str | None = None) -> None:
        asked.append((path, {key: value for key, value in params.items() if value}, body))

    monkeypatch.setattr("winnower.query_command.Where.ask", ask)
    url = ("--url", "http://127.0.0.1:1")
    winnower("alerts", *url)
    winnower("alerts", *url, "--app", "web", "--all", "--severity", "high", "--since", "1970-01-01T00:00:01")
    winnower("alerts", "ack", "3", "4", "--comment", "c", *url)
    winnower("alerts", "rearm", "3", *url)
    winnower("alerts", "snooze", "*", "--for", "1m", *url)
    assert asked == [
        ("/v1/alerts", {}, None),
        ("/v1/alerts", {"app": "web", "all": "1", "severity": "high", "since": "1000"}, None),
        ("/v1/alerts/3,4/ack", {"by": "tester", "comment": "c"}, ""),
        ("/v1/alerts/3/rearm", {"by": "tester"}, ""),
        ("/v1/snoozes", {"policy": "*", "app": "*", "for": "60000", "by": "tester"}, ""),
    ]


def test_of_a_replay_too(winnower: Winnower, scribe: Scribe, stage: Stage) -> None:
    ordinary(scribe)
    scribe.writes(101, "/usr/bin/implant")
    played: Played = stage.play(scribe.save(), 1_000)
    assert numbers(winnower, played.state)
    answer = winnower("alerts", "ack", "1", "--state", played.state)
    assert answer.code == 0
    assert 1 not in numbers(winnower, played.state)
