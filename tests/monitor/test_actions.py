"""Actions as the settings say, with real servers; a monitor that is killed loses no alert, and none stalls it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from listeners import Stream, Web, until
from told import HOSTILE, State, alert, hostile

from grammar import InputError
from grammar.settings import read_settings
from monitor.actions import Actions
from monitor.config_actions import Acting

Making = Callable[[str], Actions]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@pytest.fixture
def acting(state: State, tmp_path: Path) -> Iterator[Making]:
    """`acting(TOML)` are actions at work."""
    made: list[Actions] = []

    def make(text: str) -> Actions:
        actions = Actions(state.folder / "actions", state.open)
        actions.change(read_settings(text, "m.toml", Acting), tmp_path)
        actions.start()
        made.append(actions)
        return actions

    yield make
    for one in made:
        one.stop()


def test_a_server_that_fails_twice_gets_each_alert_in_the_end(state: State, acting: Making, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef")
    (tmp_path / "secret").chmod(0o600)
    with Web([(503, {}), (500, {})]).running() as web:
        actions = acting(f'[siem]\nkind = "webhook"\nurl = "{web.url}"\nsecret_file = "secret"')
        told = state.add(*map(alert, range(3)))
        actions.wake()
        until(lambda: len(web.requests) == 5)
        keys = [request.headers["Idempotency-Key"] for request in web.requests]
        assert keys == [told[0].key, told[0].key, *(one.key for one in told)]
        assert len({request.headers["X-Winnower-Signature"] for request in web.requests}) >= 3
        until(lambda: counts(actions)["siem"] == {"delivered": 3, "failed": 2})


def counts(actions: Actions) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in actions.figures():
        if one.outcome != "behind":
            found.setdefault(one.action, {})[one.outcome] = one.number
    return found


def test_every_action_takes_what_it_asks_for_and_none_holds_up_another(
    state: State, acting: Making, tmp_path: Path
) -> None:
    with Stream().running() as logger:
        text = f"""
allow_exec = true
[dead]
kind = "webhook"
url = "http://127.0.0.1:1/"
[file]
kind = "jsonl"
file = "alerts.jsonl"
min_severity = "critical"
[ocsf]
kind = "jsonl"
file = "ocsf.jsonl"
format = "ocsf"
[log]
kind = "syslog"
address = "tcp://127.0.0.1:{logger.port}"
apps = ["d*"]
[page]
kind = "exec"
command = ["/bin/sh", "-c", "echo \\"$0\\" >> {tmp_path}/pages", "{{key}}"]
[freeze]
kind = "pause"
"""
        actions = acting(text)
        told = state.add(
            alert(1),
            alert(2, severity="critical", actions=("page",)),
            alert(3, app="db", actions=("freeze",)),
            alert(4, quiet="snoozed", severity="critical", app="db", actions=("freeze", "page")),
        )
        actions.wake()
        until(lambda: all(one["position"] == 4 for one in actions.status()["actions"] if one["name"] != "dead"))  # type: ignore[attr-defined]
        assert lines(tmp_path / "alerts.jsonl", "key") == [told[1].key]
        assert len(lines(tmp_path / "ocsf.jsonl", "class_uid")) == 3
        until(lambda: len(logger.messages) == 1)
        assert told[2].key.encode() in logger.messages[0]
        assert (tmp_path / "pages").read_text() == told[1].key + "\n"
        assert [one.alert for one in actions.orders.waiting("worker1")] == [3]
        (dead,) = [one for one in actions.status()["actions"] if one["name"] == "dead"]  # type: ignore[attr-defined]
        assert (dead["state"], dead["behind"]) == ("retrying", 4)
        assert "refused" in dead["error"]
        json.dumps(actions.status())


def lines(path: Path, name: str) -> list[object]:
    return [json.loads(line)[name] for line in path.read_text().splitlines()]


def test_wake_takes_no_time_whatever_an_action_does(state: State, acting: Making) -> None:
    with Web(delay=1.0).running() as web:
        actions = acting(f'[slow]\nkind = "webhook"\nurl = "{web.url}"')
        state.add(*map(alert, range(50)))
        actions.wake()
        until(lambda: web.requests != [])
        begun = time.perf_counter()
        for _ in range(10_000):
            actions.wake()
        assert time.perf_counter() - begun < 1.0


def test_settings_change_while_it_runs_and_nothing_is_told_twice(state: State, acting: Making, tmp_path: Path) -> None:
    one = '[a]\nkind = "jsonl"\nfile = "a.jsonl"\n'
    actions = acting(one)
    state.add(alert(1))
    actions.wake()
    until((tmp_path / "a.jsonl").exists)
    actions.change(read_settings(one + '[b]\nkind = "jsonl"\nfile = "b.jsonl"', "m.toml", Acting), tmp_path)
    state.add(alert(2))
    actions.wake()
    until(lambda: (tmp_path / "b.jsonl").exists() and len(lines(tmp_path / "a.jsonl", "number")) == 2)
    assert lines(tmp_path / "a.jsonl", "number") == [1, 2]
    assert lines(tmp_path / "b.jsonl", "number") == [2]
    actions.change(Acting(), tmp_path)
    state.add(alert(3))
    actions.change(read_settings(one, "m.toml", Acting), tmp_path)
    until(lambda: len(lines(tmp_path / "a.jsonl", "number")) == 3)


def test_settings_that_cannot_be_taken_change_nothing(state: State, acting: Making, tmp_path: Path) -> None:
    actions = acting('[a]\nkind = "jsonl"\nfile = "a.jsonl"')
    bad = '[a]\nkind = "jsonl"\nfile = "b.jsonl"\n[w]\nkind = "webhook"\nurl = "https://x/"\nsecret_file = "none"'
    with pytest.raises(InputError, match="cannot read this secret"):
        actions.change(read_settings(bad, "m.toml", Acting), tmp_path)
    state.add(alert(1))
    actions.wake()
    until((tmp_path / "a.jsonl").exists)
    assert not (tmp_path / "b.jsonl").exists()


def test_a_state_that_cannot_be_read_for_a_moment_ends_no_action(state: State, acting: Making, tmp_path: Path) -> None:
    text, file = '[a]\nkind = "jsonl"\nfile = "a.jsonl"', state.folder / "monitor.sqlite"
    actions = acting(text)
    file.rename(file.with_suffix(".away"))
    actions.change(read_settings(text, "m.toml", Acting), tmp_path)
    file.with_suffix(".away").rename(file)
    state.add(alert(1))
    actions.wake()
    until((tmp_path / "a.jsonl").exists)


def test_hostile_texts_go_through_all_of_it(state: State, acting: Making, tmp_path: Path) -> None:
    with Web().running() as web, Stream().running() as logger:
        actions = acting(f"""
[w]
kind = "webhook"
url = "{web.url}"
format = "ocsf"
[l]
kind = "syslog"
address = "tcp://127.0.0.1:{logger.port}"
[f]
kind = "jsonl"
file = "f.jsonl"
""")
        told = state.add(*(hostile(text, number) for number, text in enumerate(HOSTILE)))
        actions.wake()
        until(lambda: len(web.requests) == len(logger.messages) == len(told))
        assert [json.loads(one.body)["finding_info"]["uid"] for one in web.requests] == [one.key for one in told]
        until(lambda: (tmp_path / "f.jsonl").read_bytes().count(b"\n") == len(told))
        assert logger.rubbish == []
        json.dumps(actions.status()).encode()


@contextlib.contextmanager
def process(state: State, settings: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("acting.py")
    with subprocess.Popen([sys.executable, script, state.folder, settings], stdout=subprocess.PIPE) as one:
        try:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
            yield one
        finally:
            one.kill()


def test_killed_with_webhooks_waiting_it_loses_none(state: State, tmp_path: Path) -> None:
    """However often it is killed, and in whatever moment: in the end each alert has come, most of them once."""
    web = Web(delay=0.01)
    with web.running():
        pass  # its port is known, and nobody listens there
    (tmp_path / "m.toml").write_text(f'[siem]\nkind = "webhook"\nurl = "{web.url}"')
    told = []
    with process(state, tmp_path / "m.toml"):
        told += state.add(*map(alert, range(40)))
        until((state.folder / "actions" / "siem.json").exists)
        time.sleep(0.2)
    with web.running():
        for number in range(1):
            with process(state, tmp_path / "m.toml"):
                told += state.add(*(alert(100 * (number + 1) + n) for n in range(10)))
                until(lambda n=number: len(web.requests) >= 8 * (n + 1))  # type: ignore[misc]
        with process(state, tmp_path / "m.toml"):
            until(lambda: {key(one) for one in web.requests} == {one.key for one in told}, 20)
    came = Counter(key(one) for one in web.requests)
    assert set(came) == {one.key for one in told}
    assert sum(came.values()) <= len(told) + 4  # each kill may repeat one


def key(request: object) -> str:
    return str(request.headers["Idempotency-Key"])  # type: ignore[attr-defined]


def test_no_thread_is_left(state: State, acting: Making) -> None:
    actions = acting('[a]\nkind = "jsonl"\nfile = "a.jsonl"')
    assert any(one.name == "action-a" for one in threading.enumerate())
    actions.stop()
    assert not any(one.name == "action-a" for one in threading.enumerate())
