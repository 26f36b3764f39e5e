"""`winnower agent` and `winnower monitor` as processes: a real log in, an alert and its instances out."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import zstandard
from processes import Site, site, until

ROOT = Path(__file__).resolve().parents[2]


def attacked() -> bytes:
    packed = (ROOT / "winnower/recording/worker3/audit.log.zst").read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


def append(one: Site, data: bytes) -> None:
    with one.log.open("ab") as file:
        file.write(data)


def test_from_the_log_to_the_alert_and_back_to_the_instances(tmp_path: Path) -> None:
    data = attacked()
    with site(tmp_path) as one:
        append(one, data[: len(data) // 2])
        until(lambda: one.figures()["winnower_agent_bytes_total"] >= len(data) // 2 and one.drained())
        one.kill("agent")
        append(one, data[len(data) // 2 :])
        one.start_agent()
        assert "memory is lost" not in one.said("agent")
        until(lambda: len(one.alerts()) >= 5 and one.drained())
        policies = {str(alert["policy"]) for alert in one.alerts()}
        assert {"shadow-file-read", "read-then-send", "run-from-temp"} <= policies
        shown = one.ask("alerts").stdout
        assert "ALERT" in shown and "nc -N -w 1" in shown and "\x1b" not in shown
        trace = next(alert["trace"] for alert in one.alerts() if alert["policy"] == "run-from-temp")
        assert isinstance(trace, list)
        told = one.ask("ancestors", trace[-1]["node"], "--instances", "--format", "json")
        assert told.returncode == 0, told.stderr
        value = json.loads(told.stdout)
        assert value["workers"]["w1"]["answered"]
        assert any(instance["pid"] and instance["command"] for instance in value["instances"])
        table = one.ask("ancestors", trace[-1]["node"], "--instances").stdout
        assert "w1" in table and "/tmp/.x" in table
        assert one.ask("nodes", "--app", "unknown", "path=/etc/shadow").stdout.count("/etc/shadow") >= 1
        rows = one.ask("query", "MATCH (f:File) WHERE f.path = '/etc/shadow' RETURN f.path").stdout
        assert "/etc/shadow" in rows
        assert one.kill("agent", signal.SIGTERM) == 0
        assert '"waiting": 0' in one.said("agent")
        assert one.kill("monitor", signal.SIGTERM) == 0


def test_settings_are_read_again_and_the_last_good_ones_stay(tmp_path: Path) -> None:
    with site(tmp_path) as one:
        one.write_agent("[limits]\ncpu_percent = 33.0")
        one.running["agent"].send_signal(signal.SIGHUP)
        until(lambda: "settings reloaded" in one.said("agent"))
        one.write_agent("[limits]\ncpu_percent = 0.5")
        one.running["agent"].send_signal(signal.SIGHUP)
        until(lambda: "settings not reloaded" in one.said("agent"))
        assert "less than one percent" in one.said("agent") and "agent.toml:" in one.said("agent")
        one.command("monitor", "control", "--epoch", "3s", "--state", "monitor")
        until(lambda: '"epoch_millis": 3000' in one.said("agent"))


def test_an_agent_that_nobody_knows_says_what_to_do(tmp_path: Path) -> None:
    one = Site(tmp_path)
    done = one.command("agent", "run", "--config", "agent.toml")
    assert done.returncode == 2
    assert "winnower monitor token w1" in done.stderr and "Traceback" not in done.stderr


def test_a_token_is_good_once_and_for_one_name(tmp_path: Path) -> None:
    one = Site(tmp_path)
    try:
        one.start_monitor()
        token = one.command("monitor", "token", "other", "--state", "monitor").stdout
        refused = one.command("agent", "enrol", "--config", "agent.toml", told=token)
        assert refused.returncode == 2 and token.strip() not in refused.stderr
        one.enrol()
        again = one.command("agent", "enrol", "--config", "agent.toml", told=token)
        assert again.returncode == 2 and "enrolled already" in again.stderr
    finally:
        one.end()


@pytest.mark.parametrize("which", ["agent", "monitor"])
def test_the_example_file_is_without_errors_and_a_wrong_one_is_explained(tmp_path: Path, which: str) -> None:
    one = Site(tmp_path)
    example = one.command(which, "check-config", "--example").stdout
    (tmp_path / "example.toml").write_text(example)
    assert one.command(which, "check-config", "--config", "example.toml").returncode == 0
    (tmp_path / "wrong.toml").write_text("state = 1\nstat = 2\n")
    wrong = one.command(which, "check-config", "--config", "wrong.toml")
    assert wrong.returncode == 2
    assert "wrong.toml:1:" in wrong.stderr and "wrong.toml:2:" in wrong.stderr
