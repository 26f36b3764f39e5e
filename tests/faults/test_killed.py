"""kill -9 of agent and monitor at random instants, under load: nothing acknowledged is lost or applied twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from growing_log import GrowingLog
from nodes import RealAgent, RealMonitor
from reference import Key, applied, check_journal, check_models, check_told, counted, envelope, sent, settle

# Patterns of settled applications would come back to the agents as control: the reference knows none.
UNSETTLED = '[novelty]\nsettle_active = "1000h"\n'


def test_agent_and_monitor_are_killed_at_random_instants(
    tmp_path: Path, agent_of: Callable[..., RealAgent], extent: Callable[[int, int], int]
) -> None:
    """The log grows, is rotated; agent, monitor or both are killed and started again; at the end all is compared."""
    chance = Random(4)
    with RealMonitor(tmp_path / "monitor", more=UNSETTLED) as monitor:
        monitor.start()
        log = GrowingLog(tmp_path / "audit" / "audit.log", 4, rotate=1 << 20)
        agent = agent_of(monitor, "w1", log.log)
        agent.launch()
        log.start()
        for _ in range(extent(5, 200)):
            if chance.random() < 0.7:  # else it is killed while it starts
                agent.wait()
                monitor.wait()
            time.sleep(chance.uniform(0.0, 1.2))
            victims = chance.choice([(agent,), (monitor,), (agent, monitor), (monitor, agent)])
            for victim in victims:
                victim.kill()
            time.sleep(chance.uniform(0.0, 0.3))
            for victim in victims:
                victim.launch()
        log.stop()
        monitor.wait()
        settle(agent, counted(log.whole))
        compare(tmp_path, monitor, [(agent, log)])


def compare(folder: Path, monitor: RealMonitor, workers: list[tuple[RealAgent, GrowingLog]]) -> None:
    """What the monitor has against what the agents sent, and that against what the logs say."""
    monitor.stop()
    journal = applied(monitor.state)
    kept: dict[Key, bytes] = {}
    heads: dict[str, int] = {}
    for agent, _ in workers:
        with agent.ledger() as ledger:
            kept |= sent(agent.name, ledger)
            heads[agent.name] = ledger.head("").sequence
    check_journal(journal, heads)
    assert set(journal) == set(kept)
    for agent, log in workers:
        check_told(log.whole, [envelope(kept[key]) for key in journal if key[0] == agent.name])
    assert check_models(monitor.state, folder / "fresh", journal, kept) > 1_000
