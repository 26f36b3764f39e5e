"""kill -9 of real monitors that share a broker, and of the broker: what is acknowledged is applied, once, everywhere.

Rules of this file
    - Monitors and broker are processes; agents are their ledgers, senders and links, in threads, always busy.
    - Counts are told as one loss a heartbeat: their sum says whether one was lost or doubled. Models are compared with
      one that was told everything at once.
"""

from __future__ import annotations

import fcntl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

import pytest
from broker import Broker, missing
from nodes import RealMonitor, until
from reference import applied, models
from town import KafkaTown, Worker

from grammar.topics import Layout
from monitor.chain import Chain
from monitor.kafka_client import Cluster
from monitor.register import monitor_key
from monitor.store import Store

LAYOUT = Layout(partitions=4)
APPS = ("web", "db", "mail", "app1", "app2")
KEY = b"m" * 32
KAFKA = """
[kafka]
servers = ["{server}"]
name = "{name}"
partitions = 4
models = "300ms"
counts = "1s"
timeout = "3s"
"""


class Busy(threading.Thread):
    """A worker that shows something new again and again, and sends it."""

    def __init__(self, worker: Worker, seed: int) -> None:
        super().__init__(daemon=True)
        self.worker, self.chance = worker, Random(seed)
        self.going, self.failures, self.beats = True, 0, 0
        self.opening = threading.Lock()

    def run(self) -> None:
        number = 0
        while self.going:
            self.worker.show(self.chance.choice(APPS), f"/{self.worker.name}/{number}", f"/all/{number}")
            number += 1
            if number % 2 == 0:
                self.worker.beat()
                self.beats += 1
            self.failures += not self.worker.tries()
            if self.chance.random() < 0.02:
                with self.opening:
                    self.worker.restart()
            time.sleep(self.chance.uniform(0, 0.05))

    def heads(self) -> dict[tuple[str, str], int]:
        """How many envelopes it has sent in each lane."""
        with self.opening:
            return {(self.worker.name, lane): self.worker.ledger.head(lane).sequence for lane in ("", *APPS)}


class Site:
    """Two monitors of one cluster, and the workers."""

    def __init__(self, folder: Path, stack: ExitStack, broker: Broker) -> None:
        self.broker = broker
        reached = Cluster((broker.server,), LAYOUT, "any", timeout_millis=3_000)
        self.town = KafkaTown(folder, stack, lambda name: reached)
        self.monitors = [self._monitor(folder / name, name, stack) for name in ("m1", "m2")]
        for one in self.monitors:
            one.start()
        self.busy = [Busy(self._worker(f"w{number}", folder), number) for number in range(2)]
        for one in self.busy:
            one.start()

    def _monitor(self, folder: Path, name: str, stack: ExitStack) -> RealMonitor:
        one = RealMonitor(folder, more=KAFKA.format(server=self.broker.server, name=name))
        with closing(Store(one.state, create=True, live=True)):
            monitor_key(one.state, lambda size: KEY)
        return stack.enter_context(one)

    def _worker(self, name: str, folder: Path) -> Worker:
        identity = self.monitors[0].enrol(name, folder / f"{name}-identity")
        worker = Worker(name, folder / name, self.town.link)
        worker.signer = identity.signer
        worker.restart()
        self.town.listen(worker)
        self.town.workers.append(worker)
        self.town.stack.callback(worker.link.close)
        return worker

    def finish(self) -> None:
        """Everything that the workers have is delivered."""
        for one in self.busy:
            one.going = False
            one.join(60)
            assert not one.is_alive()
            one.worker.go(120)

    def heads(self) -> dict[tuple[str, str], int]:
        """How many envelopes each worker has sent in each lane."""
        return {place: number for one in self.busy for place, number in one.heads().items()}

    def check(self) -> None:
        """Both monitors have all of it, nothing twice."""
        whole = {app: self.town.whole(app) for app in APPS}
        for one in self.monitors:
            until(lambda one=one: models(one.state) == whole, 90, f"{one.folder.name} knows everything", every=0.2)
            until(lambda one=one: chains(one) == self.heads(), 60, f"{one.folder.name} is at the heads", every=0.2)
            beats = {b.worker.name: b.beats for b in self.busy}
            until(lambda one=one, beats=beats: late(one) == beats, 60, f"{one.folder.name} has counted", every=0.2)
            assert not one.incidents(), one.incidents()
            assert not [lost for lost in one.lost().values() if lost.get("envelopes_missing")]


def chains(monitor: RealMonitor) -> dict[tuple[str, str], int]:
    """How many envelopes a monitor has of each worker in each lane."""
    with closing(monitor.store) as store:
        found = {lane: store.chains(lane) for lane in ("", *APPS)}
    return {(agent, lane): Chain.decode(data).head + 1 for lane, of in found.items() for agent, data in of.items()}


def late(monitor: RealMonitor) -> dict[str, int]:
    """What the heartbeats said."""
    return {agent: lost.get("late", 0) for agent, lost in monitor.lost().items()}


@pytest.fixture
def site(tmp_path: Path, stack: ExitStack) -> Iterator[Site]:
    """All of it, running."""
    if why := missing():
        pytest.skip(why)
    # A killed broker's port is free for another test's broker: then each speaks to the other's agents. One at a time.
    turn = stack.enter_context((Path(tempfile.gettempdir()) / "winnower-tests-broker.lock").open("w"))
    fcntl.flock(turn, fcntl.LOCK_EX)
    broker = Broker(tmp_path / "kafka").start()
    stack.callback(broker.kill)
    yield Site(tmp_path, stack, broker)


def taken_over(site: Site, survivor: RealMonitor) -> float:
    """Seconds until the survivor has applied, of every application, what was sent after now."""
    begun, sent = time.monotonic(), site.heads()

    def goes_on() -> bool:
        found = chains(survivor)
        return all(found.get(place, 0) > number for place, number in sent.items())

    until(goes_on, 60, "the survivor takes everything", every=0.1)
    return time.monotonic() - begun


def test_one_of_two_monitors_is_killed_under_load(site: Site, extent: Callable[[int, int], int]) -> None:
    chance = Random(16)
    until(lambda: all(chains(one).keys() == site.heads().keys() for one in site.monitors), 60, "both take part")
    waits = []
    for _ in range(extent(1, 20)):
        time.sleep(chance.uniform(0.0, 2.0))
        victim, survivor = chance.sample(site.monitors, 2)
        victim.kill()
        waits.append(taken_over(site, survivor))
        victim.launch()
        if chance.random() < 0.7:  # else it is killed while it starts, next time
            victim.wait()
    for one in site.monitors:
        one.wait()
    site.finish()
    site.check()
    print(f"taken over after {', '.join(f'{one:.1f}' for one in waits)} s")
    if len(waits) == 1:  # a state that is replaced by what another has published is not in the journal
        for one in site.monitors:
            assert max(Counter(applied(one.state)).values()) == 1


def test_the_broker_is_killed_under_real_monitors(site: Site, extent: Callable[[int, int], int]) -> None:
    chance = Random(17)
    for _ in range(extent(2, 25)):
        time.sleep(chance.uniform(0.5, 2.0))
        site.broker.kill()
        time.sleep(chance.uniform(0.0, 2.0))
        site.broker.start()
    site.finish()
    if extent(0, 1):  # one kill of a few may fall between two sends
        assert sum(one.failures for one in site.busy) > 0, "nobody noticed"
    site.check()
    for one in site.monitors:
        assert one.alive, one.log[-2_000:]
        assert max(Counter(applied(one.state)).values()) == 1
