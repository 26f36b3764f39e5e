"""Two agents with one identity, an agent that comes back from a backup: loud, without effect, and it can be mended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from nodes import RealMonitor, until
from reference import Key, applied, check_journal, check_models, sent
from simulated import SimulatedAgent

from agent import identity
from monitor.monitor import Monitor


def copied(agent: SimulatedAgent, monitor: RealMonitor) -> SimulatedAgent:
    """The same agent once more: its folder was copied while it did not run."""
    twin = SimulatedAgent.__new__(SimulatedAgent)
    twin.__dict__.update(agent.__dict__)
    twin.folder = agent.folder.with_name(f"{agent.name}-copy")
    shutil.copytree(agent.folder, twin.folder)
    return twin


def test_two_agents_with_one_identity(monitor: RealMonitor, tmp_path: Path) -> None:
    """Both send; the chain is that of one of them, whole; the other is told, loses nothing, and is enrolled anew."""
    first = SimulatedAgent(tmp_path, monitor, "w1").start()
    first.news("common")
    first.drained()
    first.stop()
    second = copied(first, monitor)
    first.resume()
    for number in range(5):
        first.news(f"first/{number}")
        first.drained()
    second.resume()
    for number in range(5):
        second.news(f"second/{number}")
        first.news(f"later/{number}")
    first.drained()
    until(lambda: "conflict" in second.sender.state.trouble, 20, "the second is told")
    assert second.waiting == 5
    assert monitor.incidents()["w1"]["conflict"] >= 1
    with closing(monitor.store) as store:
        assert "agent-identity" in [alert.policy for alert in Monitor(store).alerts]

    second.stop()
    identity.forget(second.folder)
    second.name = "w2"
    monitor.enrol("w2", second.folder)
    second.open()
    second.ledger.begin_session()
    second.start()
    second.drained()
    compare(tmp_path, monitor, first, second, {"w1": 11, "w2": 5})


def test_an_agent_that_is_restored_from_a_backup(monitor: RealMonitor, tmp_path: Path) -> None:
    """It would say other things under known numbers: conflict; enrolled again under its name, what waits arrives."""
    agent = SimulatedAgent(tmp_path, monitor, "w1").start()
    agent.news("before")
    agent.drained()
    agent.stop()
    backup = copied(agent, monitor)
    agent.resume()
    agent.news("lost with the disk")
    agent.drained()
    agent.stop()
    backup.resume()
    backup.news("after")
    until(lambda: "conflict" in backup.sender.state.trouble, 20, "it is told")
    assert len(applied(monitor.state)) == 2
    backup.stop()
    identity.forget(backup.folder)
    monitor.enrol("w1", backup.folder)
    backup.open()
    backup.ledger.begin_session()
    backup.start()
    backup.drained()
    assert [sequence for _, _, _, sequence in applied(monitor.state)] == [0, 1, 0]


def compare(
    folder: Path, monitor: RealMonitor, first: SimulatedAgent, second: SimulatedAgent, heads: dict[str, int]
) -> None:
    """The model is that of the envelopes which the two kept as sent."""
    kept = sent("w1", first.ledger) | sent("w2", second.ledger)
    for one in (first, second):
        one.stop()
    assert monitor.stop() == 0
    journal = applied(monitor.state)
    check_journal(journal, heads)
    check_models(monitor.state, folder / "fresh", journal, kept)


def test_agents_that_hammer_the_monitor_at_once(
    monitor: RealMonitor, tmp_path: Path, extent: Callable[[int, int], int]
) -> None:
    """Many agents with the same news at once: each is counted once."""
    agents = [SimulatedAgent(tmp_path, monitor, f"w{number}").start() for number in range(extent(4, 16))]
    for number in range(extent(10, 100)):
        for agent in agents:
            agent.news(number, f"{agent.name}/{number}")
    for agent in agents:
        agent.drained(120)
        agent.stop()
    kept: dict[Key, bytes] = {}
    for agent in agents:
        agent.open()
        kept |= sent(agent.name, agent.ledger)
        agent.ledger.close()
    monitor.stop()
    journal = applied(monitor.state)
    check_journal(journal, {agent.name: extent(10, 100) for agent in agents})
    check_models(monitor.state, tmp_path / "fresh", journal, kept)
