"""The demo shows the alert and its trace, and leaves nothing behind but what it was asked to keep."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import WINNOWER, free_port, until
from stage import Answer, left_in

from monitor.alerts import Alert
from monitor.monitor import Monitor
from monitor.store import Store
from winnower.demo import _programs


def test_the_demo_finds_the_attack_and_keeps_the_state_that_it_was_asked_to_keep(
    winnower: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    answer = winnower("demo", "--state", tmp_path / "kept state")
    assert (answer.code, answer.err) == (0, "")
    for told in ("ALERT web / worker3 / web31", "1 of 8 replicas", "Process .x /tmp/.x", "Socket 10.89.0.1:4444"):
        assert told in answer.out
    assert f"--state '{tmp_path}/kept state'" in answer.out.replace("\n", "")
    assert left_in(tmp_path) == ["kept state", "kept state/monitor.sqlite", "scratch"]
    assert winnower("alerts", "--state", tmp_path / "kept state").code == 0


def test_an_alert_without_nodes_or_trace_is_shown_all_the_same(tmp_path: Path) -> None:
    monitor = Monitor(Store(tmp_path, create=True))
    assert _programs(monitor, Alert("p", "t", "low", "a", "w", "c", 0, (1, 1), (), ())) == "  nothing is known of it"


def test_what_the_demo_has_left_can_be_asked_over_http(tmp_path: Path) -> None:
    state, port = tmp_path / "state", free_port()
    arguments = [WINNOWER, "demo", "--serve", "--port", str(port), "--state", str(state)]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: (state / "users.token").exists() and answers(port), 60)
        asked = [WINNOWER, "alerts", "--url", f"http://127.0.0.1:{port}", "--token-file", str(state / "users.token")]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout
        assert "ALERT web / worker3 / web31" in told
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0 and "Traceback" not in err
        assert f"winnower alerts --url http://127.0.0.1:{port}" in out
    finally:
        running.kill()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
