"""Application logs in a replay: the attack is one unit's graph, and a line of a log leads to what it did."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from stage import Answer, Played, Stage

from agent.lognames import LogNames
from agent.recording import open_recording, read_log
from agent.recording_logs import logs_of
from monitor.monitor import Monitor
from monitor.novelty import Settings
from monitor.store import Store
from winnower.policy_command import shipped_policies
from winnower.replay import Replay
from winnower.report import Report

ATTACKER = "Socket 10.89.0.1:9998"
DATABASE = "Socket 10.89.0.30:3306"
Winnower = Callable[..., Answer]


EXCERPT = Path(__file__).resolve().parents[1] / "recordings" / "portal"
"""Of the recording `portal`: how lamp2 starts, its first requests, and ten seconds with its attack."""


@pytest.fixture(scope="session")
def portal_folder(shared: Path) -> Path:
    folder = shared / "recordings" / "portal"
    if not folder.is_dir():
        pytest.skip("no recording `portal` in `shared`")
    return folder


@pytest.fixture(scope="session")
def excerpt(stage: Stage) -> Played:
    return stage.play(EXCERPT, 10_000)


def line_of(folder: Path, log: str, *texts: str) -> str:
    """The last line of lamp2's log with all these texts."""
    lines = b"".join(read_log(folder / "worker2" / "logs" / "lamp2" / log)).decode().splitlines()
    return [line for line in lines if all(text in line for text in texts)][-1]


def best(answer: Answer) -> str:
    """The likeliest of what a line may stand for."""
    assert answer.code == 0
    return json.dumps(json.loads(answer.out)["candidates"][0])


def test_every_line_is_joined_with_its_write(portal: Played) -> None:
    report = json.loads((portal.folder / "report.json").read_text(encoding="utf-8"))
    lines = [worker["lines"] for worker in report["workers"].values()]
    assert sum(one["log"] for one in lines) > 15_000
    assert sum(one["unjoined"] for one in lines) == 0
    near = {name: worker["lines"]["log_near"] for name, worker in report["workers"].items()}
    assert near.pop("worker1") > 500, "writes through descriptors whose opening was not seen"
    assert sum(near.values()) <= 10, "lines whose writes have met"


def test_the_attack_is_one_units_graph_that_starts_at_the_request(winnower: Winnower, tmp_path: Path) -> None:
    shown = winnower("replay", EXCERPT, "--state", tmp_path / "state").out
    assert shown.count("the unit that it happened in") == 1
    shown = shown.partition("the unit that it happened in")[2]
    parts = ("request: GET /app.php?a=link 302", "Process apache2", "mal.sh", "cat /etc/os-release", "curl -s")
    places = [shown.index(part) for part in (*parts, ATTACKER)]
    assert places == sorted(places)


def test_the_access_logs_line_reaches_the_socket(winnower: Winnower, excerpt: Played) -> None:
    line = line_of(EXCERPT, "access.log.zst", "22/Nov/2026:01:50:47", "a=link")
    found = best(winnower("trace-log", "--state", excerpt.state, "--format", "json", line))
    assert "worker2" in found
    assert ATTACKER in found


@pytest.mark.parametrize("action", ["home", "welcome"])
def test_a_harmless_requests_line_does_not_lead_to_the_attack(winnower: Winnower, excerpt: Played, action: str) -> None:
    line = line_of(EXCERPT, "access.log.zst", f"a={action}")
    assert ATTACKER not in best(winnower("trace-log", "--state", excerpt.state, "--format", "json", line))


def test_the_error_logs_line_reaches_the_database(winnower: Winnower, excerpt: Played) -> None:
    line = line_of(EXCERPT, "error.log.zst", "portal: user", "logged in")
    assert DATABASE in best(winnower("trace-log", "--state", excerpt.state, "--format", "json", line))


def test_the_whole_recording_says_the_same(winnower: Winnower, portal: Played, portal_folder: Path) -> None:
    for log, texts, reached in (
        ("access.log", ("22/Nov/2026:01:50:47", "a=link"), ATTACKER),
        ("error.log", ("portal: user", "logged in"), DATABASE),
    ):
        line = line_of(portal_folder, log, *texts)
        assert reached in best(winnower("trace-log", "--state", portal.state, "--format", "json", line))


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


def test_with_profiles_of_debians_binaries_lines_name_their_log_strings(winnower: Winnower, tmp_path: Path) -> None:
    binaries = Path(__file__).resolve().parents[2] / ".testbed" / "binaries" / "usr"
    apache, modules = binaries / "sbin" / "apache2", binaries / "lib" / "apache2" / "modules"
    if not apache.is_file():
        pytest.skip("no Debian binaries in .testbed: python bench/testbed/binaries.py fetches them")
    profile = tmp_path / "apache.json"
    made = winnower("profile", apache, modules / "mod_mpm_prefork.so", "-o", profile)
    assert made.code == 0, made.err
    played = winnower("replay", EXCERPT, "--state", tmp_path / "state", "--profile", profile)
    assert "request: GET /app.php?a=link 302" in played.out
    line = line_of(EXCERPT, "error.log.zst", "AH00163")
    found = json.loads(winnower("trace-log", "--state", tmp_path / "state", "--format", "json", line).out)[
        "candidates"
    ][0]
    assert found["pattern"] == "AH00163: {text} configured -- resuming normal operations"
    assert "apache2" in json.dumps(found["lms"])


def test_a_profile_that_is_none_is_said_with_its_file(winnower: Winnower, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"binaries": 7}', encoding="utf-8")
    answer = winnower("replay", EXCERPT, "--state", tmp_path / "state", "--profile", wrong)
    assert answer.code == 2
    assert "wrong.json:1:1: not a profile" in answer.err
