"""Application logs in a replay: the attack is one unit's graph, and a line of a log leads to what it did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from stage import Answer, Played

from agent.lognames import LogNames
from agent.recording import open_recording
from agent.recording_logs import logs_of
from monitor.monitor import Monitor
from monitor.novelty import Settings
from monitor.render_units import units_of_alerts
from monitor.store import Store
from winnower.policy_command import shipped_policies
from winnower.replay import Replay
from winnower.report import Report

ATTACKER = "Socket 10.89.0.1:9998"
DATABASE = "Socket 10.89.0.30:3306"
Winnower = Callable[..., Answer]


@pytest.fixture(scope="session")
def portal_folder(shared: Path) -> Path:
    folder = shared / "recordings" / "portal"
    if not folder.is_dir():
        pytest.skip("no recording `portal` in `shared`")
    return folder


def line_of(folder: Path, log: str, *texts: str) -> str:
    """The last line of lamp2's log with all these texts."""
    lines = (folder / "worker2" / "logs" / "lamp2" / log).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if all(text in line for text in texts)][-1]


def test_every_line_is_joined_with_its_write(portal: Played) -> None:
    report = json.loads((portal.folder / "report.json").read_text(encoding="utf-8"))
    lines = [worker["lines"] for worker in report["workers"].values()]
    assert sum(one["log"] for one in lines) > 15_000
    assert sum(one["unjoined"] for one in lines) == 0
    assert {name for name, worker in report["workers"].items() if worker["lines"]["log_near"]} == {"worker1"}


def test_the_attack_is_one_units_graph_that_starts_at_the_request(portal: Played) -> None:
    console = Console(width=200, record=True, file=(portal.folder / "unused").open("w", encoding="utf-8"))
    models = {name: app.model for name, app in portal.monitor.apps.items()}
    console.print(units_of_alerts(models, portal.monitor.alerts))
    shown = console.export_text()
    assert shown.count("the unit that it happened in") == 1
    parts = (
        "request: GET /app.php?a=link 302",
        "Process apache2",
        "mal.sh",
        "cat /etc/os-release",
        "curl -s",
        ATTACKER,
    )
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


def test_the_access_logs_line_reaches_the_socket(winnower: Winnower, portal: Played, portal_folder: Path) -> None:
    line = line_of(portal_folder, "access.log", "22/Nov/2026:01:50:47", "a=link")
    answer = winnower("trace-log", "--state", portal.state, "--format", "json", line)
    best = json.loads(answer.out)["candidates"][0]
    assert answer.code == 0
    assert "worker2" in json.dumps(best)
    assert ATTACKER in json.dumps(best)


@pytest.mark.parametrize("action", ["home", "welcome"])
def test_a_harmless_requests_line_does_not_lead_to_the_attack(
    winnower: Winnower, portal: Played, portal_folder: Path, action: str
) -> None:
    line = line_of(portal_folder, "access.log", f"a={action}")
    assert ATTACKER not in winnower("trace-log", "--state", portal.state, "--format", "json", line).out


def test_the_error_logs_line_reaches_the_database(winnower: Winnower, portal: Played, portal_folder: Path) -> None:
    line = line_of(portal_folder, "error.log", "portal: user", "logged in")
    answer = winnower("trace-log", "--state", portal.state, "--format", "json", line)
    assert DATABASE in json.dumps(json.loads(answer.out)["candidates"][0])


def replayed(folder: Path, state: Path, *, lines: bool) -> tuple[Monitor, Report]:
    store = Store(state, create=True)
    try:
        return Replay(open_recording(folder), 10_000, shipped_policies(), Settings(), lines=lines).run(store)
    finally:
        store.close()


def test_lines_cost_less_than_a_third_more_bytes(portal_folder: Path, tmp_path: Path) -> None:
    sizes = []
    for lines in (False, True):
        _, report = replayed(portal_folder, tmp_path / str(lines), lines=lines)
        sizes.append(sum(worker.uplink for worker in report.workers.values()))
    assert sizes[1] <= 1.3 * sizes[0]


def test_logs_of_a_recording_are_read_over_rotation_and_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "logs" / "box"
    folder.mkdir(parents=True)
    for name, text in (("a.log.2", "one\n"), ("a.log.1", "two\n"), ("a.log", "three\n"), ("b.log.gz", "packed")):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "c.log").symlink_to("/etc/passwd")
    books = logs_of(tmp_path, LogNames()).books["box"]
    assert list(books) == ["a.log"]
    assert [entry.size for entry in books["a.log"].claim(14)] == [4, 4, 6]
