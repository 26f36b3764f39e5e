"""kill -9 of the broker, of monitors and of agents behind it, under load: acknowledged means applied, once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from broker import Broker, missing
from town import KafkaPost, KafkaTown, Worker, until

from grammar.topics import Layout
from monitor.kafka_client import Cluster
from monitor.kafka_topics import prepare

LAYOUT = Layout(prefix="killed", partitions=4)
APPS = ("web", "db", "mail")


class Busy(threading.Thread):
    """A worker that shows something new again and again, and sends it; it is restarted now and then."""

    def __init__(self, worker: Worker, seed: int) -> None:
        super().__init__(daemon=True)
        self.worker, self.chance = worker, Random(seed)
        self.going, self.failures = True, 0

    def run(self) -> None:
        """Until `going` is taken back; what is left waits."""
        number = 0
        while self.going:
            self.worker.show(APPS[number % len(APPS)], f"/{self.worker.name}/{number}", f"/all/{number}")
            number += 1
            if number % 3 == 0:
                self.worker.beat()
            if not self.worker.tries():
                self.failures += 1
            if self.chance.random() < 0.05:
                self.worker.restart()
            time.sleep(self.chance.uniform(0, 0.1))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One that may be killed."""
    if why := missing():
        pytest.skip(why)
    one = Broker(tmp_path / "kafka").start()
    yield one
    one.kill()


def test_the_broker_is_killed_at_random_instants(
    broker: Broker, tmp_path: Path, stack: ExitStack, extent: Callable[[int, int], int]
) -> None:
    """The broker is killed, workers go and come, in the long version monitors too; then every model is compared."""
    prepare(Cluster((broker.server,), LAYOUT, "setup"))
    town = KafkaTown(tmp_path, stack, lambda name: Cluster((broker.server,), LAYOUT, name, timeout_millis=3_000))
    for name in ("m1", "m2"):
        town.monitor(name)
    workers = [Busy(town.worker(f"w{number}"), number) for number in range(2)]
    for one in workers:
        one.start()
    chance = Random(15)
    for _ in range(extent(1, 25)):
        time.sleep(chance.uniform(0.2, 2.0))
        if extent(0, 1) and chance.random() < 0.3:
            name = chance.choice(("m1", "m2"))
            town.end(name)
            town.monitor(name)
        broker.kill()
        time.sleep(chance.uniform(0.0, 1.0))
        broker.start()
    for one in workers:
        one.going = False
        one.join(60)
        assert not one.is_alive()
        one.worker.go(90)
    if extent(0, 1):  # one kill may fall between two sends
        assert sum(one.failures for one in workers) > 0, "nobody noticed"
    for app in APPS:
        whole = town.whole(app)
        for name, post in town.posts.items():
            until(lambda post=post, app=app, whole=whole: post.model(app) == whole, 90, f"{name} knows {app}")
    for post in town.posts.values():
        assert isinstance(post, KafkaPost)
        twice = {place: n for place, n in Counter(row[1:] for row in post.applied()).items() if n > 1}
        assert not twice
