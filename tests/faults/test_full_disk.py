"""The disk is full, at the monitor and at the agent, and has room again later: nothing is lost, nothing twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from disk import DISKS, Disk
from growing_log import GrowingLog
from nodes import RealAgent, RealMonitor, until
from reference import Key, applied, check_journal, check_models, check_told, counted, envelope, sent, settle
from simulated import SimulatedAgent


@pytest.fixture(params=sorted(DISKS))
def kind(request: pytest.FixtureRequest, extent: Callable[[int, int], int]) -> str:
    """Both kinds of disks in the long version; in the short one the real one, if it can be mounted."""
    if request.param != ("tmpfs" if os.geteuid() == 0 else "limit") and extent(1, 0):
        pytest.skip("the short version fills one kind of disk")
    return str(request.param)


def test_full_disk_at_the_monitor(tmp_path: Path, kind: str, extent: Callable[[int, int], int]) -> None:
    """Agents send, the disk fills: the monitor says busy; it is killed, there is room, all arrives."""
    with DISKS[kind](tmp_path / "disk") as disk, RealMonitor(tmp_path / "monitor", state=disk.folder) as monitor:
        monitor.start()
        agents = [SimulatedAgent(tmp_path, monitor, f"w{n}").start() for n in range(2)]
        for again in range(extent(2, 6)):
            tell(agents, 10, f"before {again}")
            until(lambda: not any(agent.waiting for agent in agents), 60, "all is there")
            disk.fill(monitor)
            taken = push(monitor, agents, again)
            time.sleep(0.3)
            assert monitor.alive
            held = sum(agent.waiting for agent in agents)
            assert held > 0 and len(applied(monitor.state)) == taken - held
            if again % 2:
                monitor.kill()
                disk.free(monitor) if kind == "tmpfs" else None
                monitor.start()
            else:
                disk.free(monitor)
            until(lambda: not any(agent.waiting for agent in agents), 300, "there is room: all arrives")
        kept: dict[Key, bytes] = {}
        for agent in agents:
            kept |= sent(agent.name, agent.ledger)
            agent.stop()
        assert monitor.stop() == 0
        journal = applied(monitor.state)
        check_journal(journal, {agent.name: agent.number for agent in agents})
        check_models(monitor.state, tmp_path / "fresh", journal, kept)


def push(monitor: RealMonitor, agents: list[SimulatedAgent], again: int) -> int:
    """Send until the monitor takes no more; how many epochs there are in all."""
    for number in range(300):
        for agent in agents:
            agent.news(*(f"{again}/{number}/{agent.name}/{file}" for file in range(20)))
        time.sleep(0.01)
        if all(agent.sender.state.failures for agent in agents):
            break
    until(lambda: all(agent.sender.counts["busy"] for agent in agents), 10, "the monitor says that it is busy")
    return sum(agent.number for agent in agents)


def tell(agents: list[SimulatedAgent], number: int, name: str) -> None:
    """Some epochs of each."""
    for at in range(number):
        for agent in agents:
            agent.news(f"{name}/{at}")


def test_full_disk_at_the_agent(
    tmp_path: Path, kind: str, monitor: RealMonitor, extent: Callable[[int, int], int]
) -> None:
    """The log grows while the agent has no room for a cut: it waits in memory; it is killed; there is room again."""
    log = GrowingLog(tmp_path / "audit" / "audit.log", 5, rate=600)
    with DISKS[kind](tmp_path / "disk") as disk:
        with RealAgent(tmp_path / "w1", monitor, "w1", log.log, state=disk.folder) as agent:
            agent.start()
            log.start()
            for again in range(extent(2, 10)):
                full(agent, disk, kind, again)
            log.stop()
            settle(agent, counted(log.whole))
            with agent.ledger() as ledger:
                kept = sent("w1", ledger)
        assert monitor.stop() == 0
        journal = applied(monitor.state)
        check_journal(journal, {"w1": len(kept)})
        check_told(log.whole, [envelope(kept[key]) for key in journal])


def full(agent: RealAgent, disk: Disk, kind: str, again: int) -> None:
    """No room for a while; every second time it is killed then."""
    time.sleep(1.0)
    before = len(agent.said("no room for the ledger"))
    disk.fill(agent)
    if kind == "tmpfs":  # else it cannot say anything
        until(lambda: len(agent.said("no room for the ledger")) > before, 20, "the agent says so")
    time.sleep(0.7)
    assert agent.alive
    if again % 2:
        agent.kill()
        if kind == "tmpfs":
            disk.free(agent)
        agent.start()
    else:
        disk.free(agent)
