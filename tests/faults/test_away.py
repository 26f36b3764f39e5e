"""The monitor is away for 500 epochs, then back: all arrives, in order; what has no room is united, not dropped."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from growing_log import GrowingLog
from nodes import RealAgent, RealMonitor, until
from reference import applied, check_journal, check_models, check_told, counted, envelope, sent, settle
from simulated import SimulatedAgent

from grammar import Transition
from monitor.monitor import Monitor

EPOCHS = 500
BUDGET = 8_000


def test_the_monitor_is_away_for_500_epochs(monitor: RealMonitor, tmp_path: Path) -> None:
    """The sender tries all the while; in the middle the agent is restarted."""
    agent = SimulatedAgent(tmp_path, monitor, "w1").start()
    agent.news("before")
    agent.drained()
    monitor.kill()
    for number in range(EPOCHS):
        agent.news(number) if number % 5 == 0 else agent.beat()
        if number == EPOCHS // 2:
            agent.stop()
            agent.resume()
    assert agent.waiting == EPOCHS and agent.sender.counts["unreachable"] > 0
    assert (agent.folder / "agent.sqlite").stat().st_size < 4 << 20
    monitor.start()
    agent.drained(60)
    envelopes = [envelope(one) for one in sent("w1", agent.ledger).values()]
    assert [one.start for one in envelopes] == sorted(one.start for one in envelopes)
    assert sum(one.events for one in envelopes) == EPOCHS + 1
    compare(monitor, agent, tmp_path, EPOCHS + 1)


def test_away_for_longer_than_there_is_room_for(
    monitor: RealMonitor, tmp_path: Path, extent: Callable[[int, int], int]
) -> None:
    """The ledger unites epochs to stay within its budget: fewer arrive, and they say all that was to be said."""
    agent = SimulatedAgent(tmp_path, monitor, "w1", budget=BUDGET).start()
    monitor.kill()
    epochs = extent(EPOCHS // 4, 5 * EPOCHS)
    for number in range(epochs):
        agent.news(number) if number % 5 == 0 else agent.beat()
        assert agent.ledger.depth.bytes <= BUDGET
    assert agent.ledger.counts["united"] > 0 and agent.ledger.counts["dropped"] == 0
    monitor.start()
    agent.drained(60)
    envelopes = [envelope(one) for one in sent("w1", agent.ledger).values()]
    assert len(envelopes) < epochs and sum(one.events for one in envelopes) == epochs
    assert sum(one.lost["late"] for one in envelopes) == epochs
    compare(monitor, agent, tmp_path, len(envelopes))
    with closing(monitor.store) as store:
        seen = Monitor(store).apps["web"].evidence.seen
    files = {item.cause.label for item in seen if isinstance(item, Transition)}
    assert files == {f"File /srv/{number}" for number in range(0, epochs, 5)}


def test_the_monitor_is_away_while_a_real_agent_goes_on(
    monitor: RealMonitor, tmp_path: Path, agent_of: Callable[..., RealAgent], extent: Callable[[int, int], int]
) -> None:
    """The log grows; in the long version for 500 epochs. Then the monitor is back."""
    log = GrowingLog(tmp_path / "audit" / "audit.log", 14, rotate=4 << 20)
    agent = agent_of(monitor, "w1", log.log)
    agent.start()
    log.start()
    time.sleep(1)
    monitor.kill()
    time.sleep(extent(2, 0))
    if extent(0, 1):
        first = cuts(agent)
        until(lambda: cuts(agent) >= first + EPOCHS, 1_200, "500 epochs are cut", every=10.0)
    assert agent.memory() < 300 << 20
    monitor.start()
    time.sleep(1)
    log.stop()
    settle(agent, counted(log.whole))
    with agent.ledger() as ledger:
        kept = sent("w1", ledger)
    assert monitor.stop() == 0
    journal = applied(monitor.state)
    check_journal(journal, {"w1": len(kept)})
    assert len(journal) >= extent(2, EPOCHS)
    check_told(log.whole, [envelope(kept[key]) for key in journal])
    check_models(monitor.state, tmp_path / "fresh", journal, kept)


def cuts(agent: RealAgent) -> int:
    """How many epochs wait with an agent; it is stopped to be asked."""
    assert agent.stop() == 0
    waiting = agent.entries()
    agent.start()
    return waiting


def compare(monitor: RealMonitor, agent: SimulatedAgent, folder: Path, epochs: int) -> None:
    """All are applied once, and the model is theirs."""
    kept = sent("w1", agent.ledger)
    agent.stop()
    assert monitor.stop() == 0
    journal = applied(monitor.state)
    check_journal(journal, {"w1": epochs})
    check_models(monitor.state, folder / "fresh", journal, kept)
