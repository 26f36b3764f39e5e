"""Asking workers about matches: who answers makes room for the next, who does not holds up nobody, nothing stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playbook import CURL, Cluster, connects, policy, reads

from grammar import InputError
from grammar.control import Question, Reply
from monitor import settling
from monitor.asking import Outcome
from monitor.pending import MAX_TRIES
from monitor.settling import settle_for_ever

PATH = "MATCH (s:Socket)-[:WAS_GENERATED_BY]->(p:Process)-[:USED]->(f:File {path: '/etc/shadow'}) RETURN p.name AS name"
THEFT = (reads(CURL, "/etc/shadow"), connects(CURL, "10.0.0.1:80"))


class Agents:
    """As much of `AgentsApi` as is used: workers that answer as told, or are away; the writer may be busy."""

    def __init__(self, web: Cluster, says: Callable[[str], str]) -> None:
        self.web, self.says, self.stopping = web, says, False
        register = SimpleNamespace(by_name={f"w{n}": None for n in web.replicas})
        self.service = SimpleNamespace(monitor=web.monitor, register=register)
        self.asked: list[str] = []
        self.failing: Iterator[Exception] = iter(())

    async def errand(self, action: Callable[[], Any]) -> Any:
        if (error := next(self.failing, None)) is not None:
            raise error
        return action()

    async def ask(self, question: Question, workers: set[str], seconds: float) -> Outcome:
        (worker,) = workers
        self.asked.append(worker)
        said = self.says(worker)
        if not said:
            await asyncio.sleep(seconds)
        if said == "full":
            raise InputError("64 questions are open already")
        replies = (Reply(question.id, worker, verdict=said),) if said else ()
        return Outcome(question, (worker,), (), (), replies)


def run(agents: Agents, until: Callable[[], bool], seconds: float = 5.0) -> None:
    async def main() -> None:
        task = asyncio.create_task(settle_for_ever(agents, seconds=0.3))  # type: ignore[arg-type]
        async with asyncio.timeout(seconds):
            while not until():
                await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PAUSE", 0.02)


def test_who_is_away_holds_up_nobody(cluster: Callable[..., Cluster]) -> None:
    web = cluster(4, (policy(PATH),))
    web.epoch(dict.fromkeys(web.replicas, THEFT))
    agents = Agents(web, lambda worker: {"w1": "", "w2": "unseen"}.get(worker, "seen"))
    run(agents, lambda: len(web.alerts) == 2)
    assert {(one.worker, one.confirmed) for one in web.alerts} == {("w3", "worker"), ("w4", "worker")}
    assert agents.asked.count("w1") == 1
    run(agents, lambda: len(web.alerts) == 3)
    assert (web.alerts[-1].worker, web.alerts[-1].confirmed) == ("w1", "unanswered")
    assert agents.asked.count("w1") >= MAX_TRIES
    assert web.monitor.alarms.dismissed == {"test-policy": 1}
    assert web.monitor.alarms.pending.waiting == {}


def test_what_goes_wrong_costs_no_match(cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    web = cluster(2, (policy(PATH),))
    web.epoch(dict.fromkeys(web.replicas, THEFT))
    left = {"w1": ["full"] * 5, "w2": []}
    agents = Agents(web, lambda worker: left[worker].pop() if left[worker] else "seen")
    agents.failing = iter([InputError("the disk is full"), RuntimeError("a bug"), OSError("no")])
    run(agents, lambda: len(web.alerts) == 2)
    assert [one.confirmed for one in web.alerts] == ["worker", "worker"]


def test_a_worker_that_was_revoked_is_not_asked(cluster: Callable[..., Cluster]) -> None:
    web = cluster(1, (policy(PATH),))
    web.epoch({1: THEFT})
    agents = Agents(web, lambda worker: "seen")
    agents.service.register.by_name.clear()
    run(agents, lambda: bool(web.alerts))
    assert (agents.asked, web.alerts[0].confirmed) == ([], "unanswered")
