"""The network is cut, slow, lossy, a black hole, and loses just the answers: all arrives once, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from bad_network import Mood, Proxy
from growing_log import GrowingLog
from namespaces import Host
from nodes import RealAgent, RealMonitor, until
from reference import applied, check_journal, check_models, check_told, counted, envelope, sent, settle
from simulated import SimulatedAgent

ANSWER = 110
"""Bytes that an answer has at least."""


@pytest.fixture
def proxy(monitor: RealMonitor) -> Iterator[Proxy]:
    """Between agents and the monitor."""
    with Proxy(monitor.port) as one:
        yield one


@pytest.fixture
def agent(monitor: RealMonitor, proxy: Proxy, tmp_path: Path) -> Iterator[SimulatedAgent]:
    """Behind the proxy; it waits 5 s for an answer."""
    one = SimulatedAgent(tmp_path, monitor, "w1", url=proxy.url).start()
    yield one
    proxy.mood = Mood()
    proxy.cut()
    one.stop()


def finish(monitor: RealMonitor, agent: SimulatedAgent, folder: Path) -> None:
    """All has arrived: once, in order, and the model is that of what was sent."""
    agent.drained(60)
    kept = sent(agent.name, agent.ledger)
    assert monitor.stop() == 0
    journal = applied(monitor.state)
    check_journal(journal, {agent.name: agent.number})
    check_models(monitor.state, folder / "fresh", journal, kept)


def test_answers_are_lost_at_every_byte(
    monitor: RealMonitor, proxy: Proxy, agent: SimulatedAgent, tmp_path: Path, extent: Callable[[int, int], int]
) -> None:
    """The monitor has taken it, the agent does not know: it says the same bytes again, and they count once."""
    agent.news("first")
    agent.drained()
    for at in range(0, ANSWER, extent(30, 1)):
        proxy.mood = Mood(cut_answer=at)
        before = proxy.cuts["cut answer"]
        agent.news(f"cut/{at}")
        until(lambda before=before: proxy.cuts["cut answer"] > before + 1, 20, "answers are cut")
        assert agent.waiting == 1
        proxy.mood = Mood()
        agent.drained()
    finish(monitor, agent, tmp_path)


def test_questions_are_cut_at_every_byte(
    monitor: RealMonitor, proxy: Proxy, agent: SimulatedAgent, tmp_path: Path, extent: Callable[[int, int], int]
) -> None:
    """Half an envelope is none."""
    for at in range(0, 400, extent(150, 3)):
        proxy.mood = Mood(cut_question=at)
        before = proxy.cuts["cut question"]
        agent.news(f"cut/{at}")
        until(lambda before=before: proxy.cuts["cut question"] > before, 20, "questions are cut")
        proxy.mood = Mood()
        agent.drained()
    finish(monitor, agent, tmp_path)


def test_a_slow_and_lossy_network(
    monitor: RealMonitor, proxy: Proxy, agent: SimulatedAgent, tmp_path: Path, extent: Callable[[int, int], int]
) -> None:
    """200 ms each way, in small pieces, one in ten breaks the connection."""
    proxy.mood = Mood(delay=0.1 if extent(1, 0) else 0.2, loss=0.1, pieces=600)
    for number in range(extent(2, 100)):
        agent.news(f"slow/{number}")
        agent.beat()
    agent.drained(600)
    finish(monitor, agent, tmp_path)


def test_a_black_hole_by_proxy(monitor: RealMonitor, proxy: Proxy, agent: SimulatedAgent, tmp_path: Path) -> None:
    """Connections stay open and nobody answers: every request ends in its time, and all is tried again."""
    agent.sender.link.seconds = 0.5  # type: ignore[attr-defined]
    agent.news("before")
    agent.drained()
    proxy.mood = Mood(swallow=True)
    for number in range(20):
        agent.news(f"swallowed/{number}")
    until(lambda: agent.sender.counts["unreachable"] >= 2, 20, "requests end")
    assert "in time" in agent.sender.state.trouble
    proxy.mood = Mood()
    proxy.cut()
    finish(monitor, agent, tmp_path)


def test_the_network_changes_its_mood_all_the_time(
    monitor: RealMonitor, proxy: Proxy, agent: SimulatedAgent, tmp_path: Path, extent: Callable[[int, int], int]
) -> None:
    """Any fault at any time, and the agent is restarted in between."""
    chance = Random(12)
    moods = (
        Mood(), Mood(), Mood(loss=0.3), Mood(refuse=True), Mood(swallow=True), Mood(delay=0.05, pieces=100),
        Mood(cut_answer=150), Mood(cut_question=30),
    )  # fmt: skip
    for number in range(extent(8, 200)):
        agent.sender.link.seconds = 0.3  # type: ignore[attr-defined]
        proxy.mood = chance.choice(moods)
        if chance.random() < 0.3:
            proxy.cut()
        for at in range(chance.randrange(4)):
            agent.news(f"{number}/{at}") if chance.random() < 0.5 else agent.beat()
        if chance.random() < 0.15:
            agent.stop()
            agent.resume()
        time.sleep(chance.uniform(0, 0.3))
    proxy.mood = Mood()
    proxy.cut()
    finish(monitor, agent, tmp_path)


def test_the_cable_is_pulled_while_a_real_agent_sends(tmp_path: Path, extent: Callable[[int, int], int]) -> None:
    """Agent here, monitor on a host of its own: the cable is pulled and plugged in again, the monitor killed once."""
    with Host() as host, RealMonitor(tmp_path / "monitor", host=host.address, before=host.before) as monitor:
        monitor.start()
        log = GrowingLog(tmp_path / "audit" / "audit.log", 13)
        with RealAgent(tmp_path / "w1", monitor, "w1", log.log, settings={"timeout": "1s"}) as agent:
            agent.start()
            log.start()
            for again in range(extent(2, 15)):
                time.sleep(1.0)
                host.pull()
                if again == 1:
                    monitor.kill()
                    monitor.launch()
                time.sleep(extent(1, 5))
                assert agent.alive
                host.plug()
                done = len(applied(monitor.state))
                until(lambda done=done: len(applied(monitor.state)) > done, 60, "it goes on")
            log.stop()
            settle(agent, counted(log.whole))
            with agent.ledger() as ledger:
                kept = sent("w1", ledger)
        assert monitor.stop() == 0
        journal = applied(monitor.state)
        check_journal(journal, {"w1": len(kept)})
        check_told(log.whole, [envelope(kept[key]) for key in journal])
        check_models(monitor.state, tmp_path / "fresh", journal, kept)
