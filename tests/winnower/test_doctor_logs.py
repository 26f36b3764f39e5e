"""What the doctor says of applications' logs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from winnower.doctor_logs import containers, journal
from winnower.doctor_probe import Machine

IDENTS = ["a" * 64, "b" * 64]


class Node(Machine):
    """A machine with these running containers (what podman prints of them), files and folders."""

    def __init__(
        self, *answers: object, there: tuple[str, ...] = (), programs: tuple[str, ...] = ("journalctl",)
    ) -> None:
        self.answers, self.there, self.programs = answers, there, programs

    def output(self, *command: str) -> str | None:
        if command[0] != "podman" or not self.answers:
            return None
        return "\n".join(IDENTS[: len(self.answers)]) if command[1] == "ps" else json.dumps(self.answers)

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
