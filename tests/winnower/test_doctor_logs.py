"""What the doctor says of applications' logs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from winnower.doctor_logs import METRICS, containers, journal, read
from winnower.doctor_probe import Machine

IDENTS = ["a" * 64, "b" * 64]


class Node(Machine):
    """A machine with these running containers (what podman prints of them), files and folders."""

    metrics: str | None = None

    def __init__(
        self, *answers: object, there: tuple[str, ...] = (), programs: tuple[str, ...] = ("journalctl",)
    ) -> None:
        self.answers, self.there, self.programs = answers, there, programs

    def output(self, *command: str) -> str | None:
        if command[0] != "podman" or not self.answers:
            return None
        return "\n".join(IDENTS[: len(self.answers)]) if command[1] == "ps" else json.dumps(self.answers)

    def page(self, url: str) -> str | None:
        return self.metrics if url == METRICS else None

    def inside(self, path: str) -> Sequence[str]:
        return ["something"] if path in self.there else []

    def exists(self, path: str) -> bool:
        return path in self.there

    def program(self, name: str) -> str | None:
        return name if name in self.programs else None


def answer(name: str, driver: str = "k8s-file", log: str = "/s/ctr.log", pid: int = 7) -> dict[str, object]:
    return {"Name": name, "State": {"Pid": pid}, "HostConfig": {"LogConfig": {"Type": driver, "Path": log}}}


def test_whose_logs_can_be_read() -> None:
    node = Node(answer("web"), answer("db", pid=8), there=("/proc/7/root", "/proc/8/root", "/s/ctr.log"))
    assert (containers(node).result, containers(node).found) == ("ok", "of 2 of 2 containers")
    node = Node(answer("web"), answer("db", "none", ""), there=("/proc/7/root", "/s/ctr.log"))
    found = containers(node)
    assert (found.result, found.found) == ("warn", "of 1 of 2 containers; not db (stdout: its engine keeps none)")
    assert containers(Node(answer("web"))).found == "of 0 of 1 containers; not web (its files)"
    assert containers(Node(answer("web", "journald", ""), there=("/proc/7/root",))).found.endswith(
        "(stdout: no journal)"
    )
    assert containers(Node(answer("web", "journald", ""), there=("/proc/7/root", "/var/log/journal"))).result == "ok"


def test_no_containers_and_odd_answers_are_no_trouble() -> None:
    assert containers(Node()).result == "ok"
    assert containers(Node("odd", 7)).result == "ok"
    assert containers(Node({"State": 7, "Name": ["x"]})).result == "warn"


def test_whether_a_journal_is_kept() -> None:
    assert journal(Node()).found == "no journal is kept here: logs come from files alone"
    assert (
        journal(Node(there=("/var/log/journal",))).result,
        journal(Node(there=("/var/log/journal",), programs=())).result,
    ) == (
        "ok",
        "warn",
    )


def metrics(exact: int, near: int, alone: int, behind: int = 0) -> str:
    lines = f"""# HELP winnower_agent_log_files Logs that are followed.
winnower_agent_log_files 3.0
winnower_agent_log_behind_bytes {behind}.0
"""
    for operation, number in (("log", exact), ("log_near", near), ("none", alone)):
        lines += f'winnower_agent_log_lines_total{{operation="{operation}"}} {number}.0\n'
    return lines


@pytest.mark.parametrize(
    ("page", "result", "found"),
    [
        (None, "ok", "no agent runs here"),
        ("winnower_agent_epochs_total 3.0\n", "ok", "the agent reads none"),
        (metrics(90, 8, 2), "ok", "3 logs; lines by write 90, by time 8, nobody's 2; behind 0 B"),
        (metrics(0, 80, 20), "warn", "3 logs; lines by write 0, by time 80, nobody's 20"),
        (metrics(90, 8, 2, 1 << 30), "warn", "3 logs; lines by write 90"),
        ("winnower_agent_log_files nan\n\x1b[2J", "ok", "the agent reads none"),
    ],
)
def test_what_a_running_agent_has_read(page: str | None, result: str, found: str) -> None:
    node = Node()
    node.metrics = page
    told = read(node)
    assert (told.result, told.found[: len(found)]) == (result, found)
    assert bool(told.todo) == (result == "warn")
