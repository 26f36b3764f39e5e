"""A program gets an alert's fields as whole arguments, nothing else of ours, and no more time than it may have."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listeners import until
from told import HOSTILE, alert, alerts, hostile, texts

from monitor.action_exec import MAX_OUTPUT, Program, _talk
from monitor.action_exec_fields import FIELDS, MAX_VALUE, arguments, field_of
from monitor.action_sink import NotDeliveredError
from monitor.alerts import Alert

TELL = """#!/usr/bin/python3
import json, os, sys
told = {"argv": [os.fsencode(one).hex() for one in sys.argv[1:]], "stdin": sys.stdin.read(), "env": dict(os.environ)}
told |= {"cwd": os.getcwd(), "handles": sorted(os.listdir("/proc/self/fd")), "sid": os.getsid(0) == os.getpid()}
open(sys.argv[1], "w").write(json.dumps(told))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "tell"
    path.write_text(TELL)
    path.chmod(0o700)
    return path


def run(script: Path, *rest: str, one: Alert | None = None) -> dict[str, object]:
    out = script.with_name("told.json")
    Program((str(script), str(out), *rest)).send(one or alert(7))
    found = json.loads(out.read_text())
    found["argv"] = [bytes.fromhex(each) for each in found["argv"]][1:]
    return found  # type: ignore[no-any-return]


def test_fields_are_whole_arguments_and_the_alert_is_on_standard_input(script: Path) -> None:
    told = run(script, "{policy}", "--app={app}", "{container}", "--", "{severity}", "{time}")
    assert told["argv"] == [b"shell-below-web-server", b"--app={app}", b"web-1", b"--", b"high", b"1769860800.130"]
    assert json.loads(str(told["stdin"]))["key"] == alert(7).key


def test_it_inherits_nothing_of_ours(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    handle = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(handle, True)
    told = run(script)
    os.close(handle)
    assert set(told["env"]) <= {"PATH", "LANG", "LC_CTYPE"}  # type: ignore[call-overload]
    assert (told["cwd"], told["sid"]) == ("/", True)
    assert len(told["handles"]) <= 4  # type: ignore[arg-type]  # the three, and the listing's own


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_arguments_like_others(script: Path, text: str) -> None:
    told = run(script, "{title}", "{container}", "last", one=hostile(text))
    assert len(told["argv"]) == 3  # type: ignore[arg-type]
    assert told["argv"][2] == b"last"  # type: ignore[index]
    shown = text.replace("\0", "\\x00")
    try:
        assert told["argv"][0] == shown.encode("utf-8", "surrogateescape")  # type: ignore[index]
    except UnicodeEncodeError:
        assert b"\\ud800" in told["argv"][0]  # type: ignore[index]


@given(alerts, st.lists(st.one_of(texts, st.sampled_from([f"{{{name}}}" for name in FIELDS])), min_size=1))
def test_as_many_arguments_come_out_as_go_in(one: Alert, command: list[str]) -> None:
    made = arguments(command, one)
    assert len(made) == len(command)
    assert all(b"\0" not in each and len(each) <= 4 * MAX_VALUE + 8 for each in made)


@pytest.mark.parametrize("text", ["", "{}", "{", "a{policy}", "{policy}b", "{ policy}", "{pol.icy}", "{{policy}}"])
def test_what_is_no_field_is_literal_text(text: str) -> None:
    assert field_of(text) is None
    assert arguments([text], alert()) == [text.encode()]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/bin/false",), "exit code 1"),
        (("/bin/sh", "-c", "echo what went wrong >&2; exit 3"), "exit code 3: what went wrong"),
        (("/nowhere",), "cannot be run"),
        (("/bin/sh", "-c", "kill -9 $$"), "exit code -9"),
        (("/bin/sh", "-c", "head -c 1000000 /dev/zero; exit 1"), "exit code 1"),
    ],
)
def test_anything_but_exit_code_0_is_no_delivery(command: tuple[str, ...], why: str) -> None:
    with pytest.raises(NotDeliveredError, match=why) as caught:
        Program(command).send(alert(1))
    assert len(str(caught.value)) < 1_000


def test_a_program_need_not_read_its_input_nor_be_read_to_its_end() -> None:
    Program(("/bin/true",)).send(hostile("x" * 300_000))
    Program(("/bin/sh", "-c", "head -c 3000000 /dev/zero")).send(alert(1))


def test_of_what_it_prints_only_the_beginning_is_held() -> None:
    words = ["/bin/sh", "-c", "head -c 1000000 /dev/zero"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as one:
        assert _talk(one, b"", time.monotonic() + 5, time.monotonic) == b"\0" * MAX_OUTPUT


def test_one_that_takes_too_long_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    mark, begun = tmp_path / "pids", time.monotonic()
    command = ("/bin/sh", "-c", f"sleep 60 & echo $! > {mark}; sleep 60")
    with pytest.raises(NotDeliveredError, match="longer than"):
        Program(command, timeout=0.3).send(alert(1))
    assert time.monotonic() - begun < 5
    until(lambda: not _alive(int(mark.read_text())))


def test_what_it_leaves_behind_neither_holds_it_up_nor_stays(tmp_path: Path) -> None:
    mark, begun = tmp_path / "pid", time.monotonic()
    Program(("/bin/sh", "-c", f"sleep 60 & echo $! > {mark}")).send(alert(1))
    assert time.monotonic() - begun < 5
    until(lambda: not _alive(int(mark.read_text())))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False
