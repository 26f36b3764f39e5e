"""The clock is set back and forward, by seconds and by years: nothing is lost, and what was bridged is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from growing_log import GrowingLog, now
from nodes import Clock, RealAgent, RealMonitor, until
from reference import applied, check_journal, check_models, check_told, counted, envelope, sent, settle

from grammar import Envelope
from monitor.monitor import Monitor

HOUR, DAY = 3_600, 86_400
STEPS = (-HOUR, +HOUR, -2, +2, -30 * DAY, 365 * DAY, 0, -10 * 365 * DAY, 0)


def test_the_clock_of_all_is_set_back_and_forward(
    tmp_path: Path, agent_of: Callable[..., RealAgent], extent: Callable[[int, int], int]
) -> None:
    """Log, agent and monitor share a clock that jumps while they work; the agent is killed now and then."""
    clock = Clock(tmp_path / "clock")
    with RealMonitor(tmp_path / "monitor") as monitor:
        clock.of(monitor)
        monitor.start()
        log = GrowingLog(tmp_path / "audit" / "audit.log", 6, rate=700, clock=clock.millis)
        agent = agent_of(monitor, "w1", log.log)
        clock.of(agent)
        agent.start()
        log.start()
        time.sleep(0.5)
        for again in range(extent(2, 4 * len(STEPS))):
            clock.set(STEPS[again % len(STEPS)])
            time.sleep(0.8)
            if again % 3 == 1:
                agent.kill()
                agent.start()
        log.stop()
        settle(agent, counted(log.whole))
        with agent.ledger() as ledger:
            kept = sent("w1", ledger)
        assert monitor.stop() == 0
        journal = applied(monitor.state)
        check_journal(journal, {"w1": len(kept)})
        envelopes = [envelope(kept[key]) for key in journal]
        check_told(log.whole, envelopes)
        check_models(monitor.state, tmp_path / "fresh", journal, kept)
        check_steps(monitor, envelopes, extent(1, 2))


def check_steps(monitor: RealMonitor, envelopes: list[Envelope], least: int) -> None:
    """Steps back are counted, at the agent and at the monitor; no epoch lasts as long as a step."""
    told = sum(one.lost.get("clock_step", 0) for one in envelopes)
    assert told >= least
    with closing(monitor.store) as store:
        assert Monitor(store).lost["w1"]["clock_step"] == told
    assert max(one.length for one in envelopes) < 60_000


def test_a_clock_that_stands_wrong_when_they_start(tmp_path: Path, agent_of: Callable[..., RealAgent]) -> None:
    """The monitor lives in 1990, the agent's machine in 2060: a token that is good, epochs that arrive."""
    clocks = {name: Clock(tmp_path / f"{name}-clock") for name in ("monitor", "agent")}
    clocks["monitor"].set(-33 * 365 * DAY)
    clocks["agent"].set(35 * 365 * DAY)
    with RealMonitor(tmp_path / "monitor") as monitor:
        clocks["monitor"].of(monitor)
        monitor.start()
        log = GrowingLog(tmp_path / "audit" / "audit.log", 7, clock=clocks["agent"].millis)
        agent = agent_of(monitor, "w1", log.log)
        clocks["agent"].of(agent)
        agent.start()
        log.write(300)
        log.complete()
        until(lambda: len(applied(monitor.state)) > 0, 20, "an epoch has arrived")
        settle(agent, counted(log.whole))
        with agent.ledger() as ledger:
            starts = [envelope(one).start for one in sent("w1", ledger).values()]
        assert min(starts) > now() + 30 * 365 * DAY * 1_000
        with closing(monitor.store) as store:
            (seen,) = store.rows("SELECT enrolled FROM agent")[0]
            assert int(seen or 0) < now() - 30 * 365 * DAY * 1_000
