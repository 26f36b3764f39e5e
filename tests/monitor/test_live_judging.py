"""Live there is no barrier: news is judged a moment after it came; settling takes as much activity as in a replay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from playbook import APACHE, CURL, SH, USUAL, connects, runs, shows
from signed import SignedAgent

from grammar import Transition
from monitor.monitor import HOLD, SETTLE_EVERY, Monitor
from monitor.store import Store

ATTACK = (runs(APACHE, SH), runs(SH, CURL), connects(CURL, "10.89.0.1:4444"))
EPOCH = 10_000


class LiveCluster:
    """Eight replicas that report on their own; a clock that ticks four times a second."""

    def __init__(self, folder: Path, replicas: int = 8) -> None:
        self.folder = folder
        self.agents = {n: SignedAgent(f"w{n}") for n in range(1, replicas + 1)}
        self.now = 0.0
        self.open()

    def open(self) -> None:
        self.monitor = Monitor(Store(self.folder, create=True))

    def restart(self) -> None:
        """Killed: nothing is closed, the clock of the machine starts again."""
        self.now = 0.0
        self.open()

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.now += 0.25
            self.monitor.judge(self.now)

    def send(self, replica: int, shown: Iterable[Transition] = (), length: int = EPOCH) -> None:
        deltas = {"web": shows(f"web{replica}", *shown)} if shown else {}
        envelope = self.agents[replica].envelope(deltas, active=(f"web{replica}",), length=length)
        assert self.monitor.receive_many([envelope], self.now) == ["new"]

    def epochs(self, number: int, news: Mapping[int, Iterable[Transition]] | None = None) -> None:
        """Epochs of ten seconds in which every replica reports at its own moment, all of the same usual work."""
        for _ in range(number):
            for replica in self.agents:
                self.send(replica, (news or {}).get(replica, USUAL))
                self.wait(10 / len(self.agents))


def test_news_of_one_replica_alarms_within_the_hold_and_a_tick(tmp_path: Path) -> None:
    web = LiveCluster(tmp_path)
    web.epochs(8)
    assert web.monitor.settled("web")
    assert web.monitor.alerts == []
    web.send(3, ATTACK, length=200)
    web.wait(0.5)
    assert web.monitor.alerts == []
    web.wait(HOLD - 0.5 + 0.25 + 0.25)
    assert [(a.policy, a.worker, a.replicas) for a in web.monitor.alerts] == [("novelty", "w3", (1, 8))]


def test_an_application_settles_after_as_much_activity_as_in_a_replay(tmp_path: Path) -> None:
    web = LiveCluster(tmp_path)
    web.epochs(3)
    assert not web.monitor.settled("web")
    web.send(3, ATTACK)
    web.wait(5)
    web.epochs(5)
    assert web.monitor.settled("web")
    assert web.monitor.alerts == []


@pytest.mark.parametrize("length", [1_000, 200])
def test_short_envelopes_settle_by_their_time_not_by_their_number(tmp_path: Path, length: int) -> None:
    web = LiveCluster(tmp_path)
    for _ in range(3 * EPOCH // length):
        for replica in web.agents:
            web.send(replica, USUAL, length)
        web.wait(length / 1000)
    web.wait(2 * SETTLE_EVERY)
    assert not web.monitor.settled("web")
    judge = web.monitor._judge("web")
    assert 2 * EPOCH <= judge.alive <= 3 * EPOCH


def test_what_all_start_to_do_within_the_hold_is_no_news(tmp_path: Path) -> None:
    web = LiveCluster(tmp_path)
    web.epochs(8)
    for replica in web.agents:
        web.send(replica, ATTACK, length=100)
    web.wait(3)
    assert web.monitor.alerts == []


def test_news_that_was_not_judged_yet_alarms_after_a_kill(tmp_path: Path) -> None:
    web = LiveCluster(tmp_path)
    web.epochs(8)
    web.send(3, ATTACK, length=200)
    web.restart()
    assert web.monitor.alerts == []
    web.wait(1)
    assert [(a.policy, a.worker) for a in web.monitor.alerts] == [("novelty", "w3")]
    web.restart()
    web.wait(1)
    assert [(a.policy, a.worker) for a in web.monitor.alerts] == [("novelty", "w3")]
    assert web.monitor.store.pending("web") == set()


def test_a_judge_goes_on_from_where_it_was_after_a_kill(tmp_path: Path) -> None:
    web = LiveCluster(tmp_path)
    web.epochs(3)
    judge = web.monitor._judge("web")
    before = (judge.settled, judge.alive, judge.quiet)
    assert (before[0], before[1] >= 2 * EPOCH) == (False, True)
    web.restart()
    judge = web.monitor._judge("web")
    assert (judge.settled, judge.alive, judge.quiet) == before
    web.epochs(4)
    assert web.monitor.settled("web")
    assert web.monitor.alerts == []
