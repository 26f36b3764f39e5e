"""The broker dies, or stops to answer, while agents deliver: nothing acknowledged is lost, nothing is applied twice."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from broker import Broker
from plain import MONITOR, PlainAgent
from transport_stage import Stage, until

from agent.kafka_link import KafkaLink, Place
from agent.link import UnreachableError
from grammar.topics import Layout
from monitor.kafka_client import Cluster
from monitor.kafka_topics import prepare

ROUNDS = int(os.environ.get("WINNOWER_ROUNDS", "0"))
"""How often the broker is killed; without it that is left to tests/faults, where monitors are processes."""
LAYOUT = Layout(prefix="faults", partitions=4)


class Sender(threading.Thread):
    """Delivers envelope after envelope, each until it is acknowledged, as the agent's sender does."""

    def __init__(self, link: KafkaLink, agent: PlainAgent, apps: list[str]) -> None:
        super().__init__(daemon=True)
        self.link, self.agent, self.apps = link, agent, apps
        self.going, self.again = True, 0

    def run(self) -> None:
        number = 0
        while self.going:
            lane = self.apps[number % len(self.apps)]
            sealed, number = self.agent.envelope(lane), number + 1
            while True:
                try:
                    assert self.link.deliver(sealed, lane, b"s", self.agent.next[lane] - 1).status == "new"
                    break
                except UnreachableError:
                    self.again += 1
                    time.sleep(0.2)
            time.sleep(0.005)


@pytest.mark.skipif(ROUNDS == 0, reason="takes long: WINNOWER_ROUNDS=N kills the broker N times")
@pytest.mark.timeout(600)
def test_a_broker_killed_under_load(mortal: Broker, tmp_path: Path) -> None:
    prepare(Cluster((mortal.server,), LAYOUT, "setup"))
    with ExitStack() as stack:
        stage = Stage(lambda name: Cluster((mortal.server,), LAYOUT, name, timeout_millis=3_000), tmp_path, stack)
        feeds = [stage.monitor("m1"), stage.monitor("m2")]
        agents = [PlainAgent("w1"), PlainAgent("w2")]
        for agent in agents:
            feeds[0].member(1, agent.member)
        until(lambda: all(len(core.members) == 2 for core in stage.cores.values()), why="roster")
        until(lambda: all(feed.ready and feed.owner.given for feed in feeds), why="division")
        apps = ["", *(f"app{n}" for n in range(5))]
        senders = [Sender(stage.link(agent), agent, apps) for agent in agents]
        for sender in senders:
            sender.start()
        for _ in range(ROUNDS):
            time.sleep(1.0)
            mortal.kill()
            time.sleep(0.5)
            mortal.start()
            goal = {agent.name: len(agent.sent[""]) + 3 for agent in agents}
            until(lambda goal=goal: all(len(one.sent[""]) > goal[one.name] for one in agents), 40, "deliver again")
        for sender in senders:
            sender.going = False
            sender.join(20)
        assert sum(sender.again for sender in senders) > 0, "nobody noticed"
        for core in stage.cores.values():
            for app in apps:
                wanted = {agent.name: agent.sent[app] for agent in agents}
                until(lambda core=core, app=app, wanted=wanted: core.seen(app) == wanted, 40, f"{app} whole")
            assert max(core.applied.values()) == 1


@pytest.mark.timeout(60)
def test_a_broker_that_does_not_answer_holds_nobody_up(mortal: Broker) -> None:
    before = threading.active_count()  # other tests' threads end when they do
    prepare(Cluster((mortal.server,), LAYOUT, "setup"))
    agent = PlainAgent("w1")
    link = KafkaLink(Place((mortal.server,), LAYOUT, timeout_millis=1_500), "w1", MONITOR.public)
    assert link.deliver(agent.envelope("web"), "web", b"s", 0).status == "new"
    mortal.freeze()
    try:
        begun = time.monotonic()
        for _ in range(2):
            with pytest.raises(UnreachableError):
                link.deliver(agent.envelope("web"), "web", b"s", 1)
        assert time.monotonic() - begun < 10
    finally:
        mortal.thaw()
    until(lambda: _delivers(link, agent), 20, "goes on")
    link.close()
    nobody = KafkaLink(Place(("127.0.0.1:1",), LAYOUT, timeout_millis=500), "w1", MONITOR.public)
    with pytest.raises(UnreachableError):
        nobody.deliver(agent.envelope("web"), "web", b"s", 1)
    with pytest.raises(UnreachableError):
        nobody.listen(0, 500)
    assert threading.active_count() < before + 10


def _delivers(link: KafkaLink, agent: PlainAgent) -> bool:
    try:
        return link.deliver(agent.envelope("web"), "web", b"s", 1).status == "new"
    except UnreachableError:
        return False
