"""A worker that floods with new behaviour: the model is bounded, the excess is counted and told, others are served."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from growing_log import BEYOND, now
from lines import AT_CWD, path, syscall
from nodes import RealAgent, RealMonitor
from reference import applied, envelope, sent, settle, told
from simulated import SimulatedAgent

from grammar import Transition
from monitor.monitor import Monitor

LIMITS = "[limits]\nreplica_items = 2000\napp_items = 3000\nminute_items = 1000000\n"


def test_the_monitor_takes_no_more_than_there_is_room_for(tmp_path: Path, extent: Callable[[int, int], int]) -> None:
    """One replica shows thousands of files; the application stays within its limits, the other replica is heard."""
    with RealMonitor(tmp_path / "monitor", more=LIMITS) as monitor:
        monitor.start()
        quiet, loud = (SimulatedAgent(tmp_path, monitor, name).start() for name in ("quiet", "loud"))
        quiet.news("usual")
        quiet.drained()
        epochs = extent(10, 100)
        for number in range(epochs):
            loud.news(*(f"{number}/{file}" for file in range(500)))
        loud.drained(120)
        quiet.news("and so on")
        quiet.drained()
        with closing(monitor.store) as store:
            seen = Monitor(store)
            app = seen.apps["web"]
            # One item more than 500 * epochs: the shell itself.
            shown = sum(any(r.worker == "loud" for r in by) for by in app.evidence.seen.values())
            assert shown <= 2_000 and len(app.lexicon.states) + len(app.lexicon.transitions) <= 3_000
            cut = seen.lost["loud"]["model_limit"]
            assert cut >= 500 * epochs - 2_000
            assert [a.worker for a in seen.alerts if a.policy == "behaviour-flood"] == ["loud"]
            named = {item.cause.label for item in app.evidence.seen if isinstance(item, Transition)}
            assert {"File /srv/usual", "File /srv/and so on"} <= named
        assert monitor.incidents()["loud"]["flood"] == cut
        assert len(applied(monitor.state)) == epochs + 2
        for agent in (quiet, loud):
            agent.stop()


def test_the_agent_bounds_its_own_graph(
    monitor: RealMonitor, tmp_path: Path, agent_of: Callable[..., RealAgent], extent: Callable[[int, int], int]
) -> None:
    """A log full of names that share nothing: memory stays bounded, what is beyond is counted, nothing waits."""
    log = tmp_path / "audit.log"
    log.touch()
    agent = agent_of(monitor, "w1", log)
    agent.start()
    serials = count(1)
    number = extent(3_000, 120_000)
    for at in range(0, number, 500):
        with log.open("ab") as file:
            file.write(b"".join(strange(next(serials)) for _ in range(at, at + 500)))
    settle(agent, number)
    assert agent.peak < 400 << 20
    with agent.ledger() as ledger:
        envelopes = [envelope(one) for one in sent("w1", ledger).values()]
    shown = sum(map(len, told(envelopes)))
    lost = sum(one.lost.get("behaviour_limit", 0) for one in envelopes)
    assert shown < 150_000
    assert lost > 0 or number < 30_000


def strange(serial: int) -> bytes:
    """Each time another program reads another file in another folder."""
    letters = "".join(chr(97 + serial * 7919 // 26**power % 26) for power in range(6))
    name = f"/{letters[:2]}/{letters[2:4]}/{letters[4:]}{letters}"
    return syscall(
        "openat",
        stamp=(now(), serial),
        pid=BEYOND + serial % 50,
        comm=f"c{serial % 50}",
        exit=3,
        a0=AT_CWD,
        paths=[path(name)],
    )
