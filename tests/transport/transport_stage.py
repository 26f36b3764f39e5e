"""Monitors with plain cores, agents with links, one broker: what the Kafka tests play on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from plain import MONITOR, PlainAgent, PlainCore

from agent.kafka_link import KafkaLink, Place
from monitor.kafka_client import Cluster
from monitor.kafka_feed import KafkaFeed
from monitor.kafka_publish import Pace

PACE = Pace(models=0.3, counts=0.5)


class Stage:
    """Monitors and agents on one cluster; everything is stopped at the end."""

    def __init__(self, cluster_of: Callable[[str], Cluster], folder: Path, stack: ExitStack) -> None:
        self.cluster_of, self.folder, self.stack = cluster_of, folder, stack
        self.cores: dict[str, PlainCore] = {}

    def monitor(self, name: str, core: PlainCore | None = None, state: str = "") -> KafkaFeed:
        core = core or PlainCore()
        self.cores[name] = core
        folder = self.folder / (state or name)
        folder.mkdir(exist_ok=True)
        feed = KafkaFeed(self.cluster_of(name), MONITOR, core, folder, PACE)
        feed.start()
        self.stack.callback(feed.stop, 5.0)
        return feed

    def link(self, agent: PlainAgent) -> KafkaLink:
        cluster = self.cluster_of("any")
        link = KafkaLink(Place(cluster.servers, cluster.layout, timeout_millis=5_000), agent.name, MONITOR.public)
        self.stack.callback(link.close)
        return link


def until(what: Callable[[], bool], seconds: float = 20.0, why: str = "") -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"never happened: {why}"
        time.sleep(0.02)


def send(link: KafkaLink, agent: PlainAgent, lane: str, number: int = 1) -> None:
    for _ in range(number):
        sealed = agent.envelope(lane)
        assert link.deliver(sealed, lane, b"s", agent.next[lane] - 1).status == "new"
