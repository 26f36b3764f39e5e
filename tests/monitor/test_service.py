"""The writer answers after the commit, refuses rather than waits, survives its disk, and works off all it was given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playbook import APACHE, CURL, USUAL, connects, shows, writes
from signed import Fresh, SignedAgent, seed

from grammar.signing import Signer
from monitor.monitor import Monitor, Result
from monitor.register import Register
from monitor.service import LATE, PER_AGENT, BusyError, Service
from monitor.store import Store

MONITOR = Signer(seed("monitor"))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(Monitor(Store(tmp_path / "state", create=True, live=True)), most=64, slow=0.5)
    service.start()
    yield service
    service.stop()


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


class Results(list[Result | BusyError]):
    def wait(self, number: int) -> list[str]:
        until(lambda: len(self) >= number)
        return [one if isinstance(one, str) else type(one).__name__ for one in self]


def test_what_is_answered_is_on_the_disk(service: Service, tmp_path: Path) -> None:
    agent, results = SignedAgent("w1"), Results()
    for number in range(5):
        assert service.submit(agent.envelope({"web": shows("web1", writes(APACHE, f"/{number}"))}), results.append)
        assert results.wait(number + 1)[number] == "new"
        other = Store(tmp_path / "state", live=True)
        assert len(other.journal()) == number + 1
        other.close()


def test_while_the_writer_is_held_up_envelopes_gather_and_become_one_group(service: Service) -> None:
    gate, results = threading.Event(), Results()
    service.call(gate.wait)
    agents = [SignedAgent(f"w{n}") for n in range(20)]
    assert all(service.submit(agent.envelope({}), results.append) for agent in agents)
    gate.set()
    assert results.wait(20) == ["new"] * 20
    assert service.figures.groups == 1


def test_a_full_queue_refuses_and_one_agent_cannot_fill_it(service: Service) -> None:
    gate, results = threading.Event(), Results()
    service.call(gate.wait)
    until(lambda: service.depth == 0)
    greedy = SignedAgent("w0")
    taken = [service.submit(greedy.envelope({}), results.append) for _ in range(PER_AGENT + 3)]
    assert taken == [True] * PER_AGENT + [False] * 3
    others = [SignedAgent(f"w{n}") for n in range(1, 80)]
    taken = [service.submit(agent.envelope({}), results.append) for agent in others]
    assert taken.count(True) == 64 - PER_AGENT
    with pytest.raises(BusyError):
        service.call(lambda: None)
    gate.set()
    assert set(results.wait(64)) == {"new"}
    assert service.submit(SignedAgent("late").envelope({}), results.append)
    assert results.wait(65)[-1] == "new"


def test_where_envelopes_wait_too_long_new_ones_are_told_to_come_again(service: Service) -> None:
    now = [service.clock()]
    service.clock = lambda: now[0]
    gate, second, results = threading.Event(), threading.Event(), Results()
    service.call(gate.wait)
    until(lambda: service.depth == 0)
    assert service.submit(SignedAgent("first").envelope({}), results.append)
    service.call(second.wait)
    for number in range(40):
        assert service.submit(SignedAgent(f"w{number}").envelope({}), results.append)
    now[0] += LATE + 1
    gate.set()
    assert results.wait(1) == ["new"]
    assert not service.submit(SignedAgent("later").envelope({}), results.append)
    second.set()
    assert set(results.wait(41)) == {"new"}
    assert service.submit(SignedAgent("later").envelope({}), results.append)


def test_a_disk_that_refuses_refuses_and_is_tried_again_after_a_rest(service: Service) -> None:
    agent, results = SignedAgent("w1"), Results()
    first = agent.envelope({"web": shows("web1", *USUAL)})
    trigger = "CREATE TRIGGER f BEFORE INSERT ON chain BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    service.call(lambda: service.store._db.execute(trigger)).result()
    service.submit(first, results.append)
    assert results.wait(1) == ["BusyError"]
    assert "disk full" in service.figures.ill
    assert not service.submit(first, results.append)
    service.call(lambda: service.store._db.execute("DROP TRIGGER f")).result()
    until(lambda: service.submit(first, results.append))
    assert results.wait(2)[-1] == "new"
    assert service.figures.ill == ""


def test_an_idle_monitor_finds_out_itself_that_the_disk_is_well_again(service: Service) -> None:
    results = Results()
    trigger = "CREATE TRIGGER f BEFORE INSERT ON chain BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    service.call(lambda: service.store._db.execute(trigger)).result()
    service.submit(SignedAgent("w1").envelope({}), results.append)
    assert results.wait(1) == ["BusyError"]
    service.call(lambda: service.store._db.execute("DROP TRIGGER f")).result()
    until(lambda: service.figures.ill == "")


def test_stopping_works_off_what_was_handed_over_and_refuses_what_comes_later(tmp_path: Path) -> None:
    service = Service(Monitor(Store(tmp_path / "state", create=True, live=True)))
    service.start()
    gate, results = threading.Event(), Results()
    service.call(gate.wait)
    agents = [SignedAgent(f"w{n}") for n in range(30)]
    for agent in agents:
        assert service.submit(agent.envelope({}), results.append)
    stopper = threading.Thread(target=service.stop)
    stopper.start()
    until(lambda: service._stopping)
    assert not service.submit(SignedAgent("late").envelope({}), results.append)
    with pytest.raises(BusyError, match="stopping"):
        service.call(lambda: None)
    gate.set()
    stopper.join()
    assert results == ["new"] * 30
    assert len(Store(tmp_path / "state").journal()) == 30


def test_an_errand_that_fails_is_its_callers_and_the_writer_goes_on(service: Service) -> None:
    with pytest.raises(ZeroDivisionError):
        service.call(lambda: 1 / 0).result()
    assert service.call(lambda: 1).result() == 1


def test_what_another_program_does_to_the_register_is_seen(service: Service, tmp_path: Path) -> None:
    seen: list[str] = []
    service.on_roster = seen.append
    other = Register(Store(tmp_path / "state", create=True, live=True))
    agent = SignedAgent("w1").enrolled(other, MONITOR)
    until(lambda: "w1" in service.register.by_name)
    with other.store.transaction():
        other.revoke("w1")
    until(lambda: service.register.by_key[agent.signer.key_id].revoked)
    until(lambda: len(seen) == 2)
    other.store.close()


def test_incidents_are_counted_and_told_once_in_a_while(service: Service) -> None:
    for _ in range(100):
        service.note("w1", "forged")
    until(lambda: service.call(service.store.incidents).result().get("w1", {}).get("forged", (0, 0))[0] == 100)
    service.note("w1", "forged")
    until(lambda: service.call(service.store.incidents).result()["w1"]["forged"][0] == 101)
    assert [(a.policy, a.worker, a.severity) for a in service.monitor.alerts] == [("agent-identity", "w1", "high")]


def test_a_batch_with_positions_is_one_transaction(service: Service) -> None:
    agent = SignedAgent("w1")
    good = agent.envelope(lane="web")
    assert service.take_many([good, good], {"deltas/3": 17}) == ["new", "repeat"]
    assert service.call(service.store.positions).result() == {"deltas/3": 17}


def test_novelty_is_judged_by_the_writers_clock(service: Service) -> None:
    agents = {n: SignedAgent(f"w{n}") for n in range(4)}
    results = Results()
    for n, agent in agents.items():
        shown = agent.envelope({"web": shows(f"web{n}", *USUAL)}, active=(f"web{n}",), length=60_000)
        assert service.submit(shown, results.append)
    assert results.wait(4) == ["new"] * 4
    until(lambda: not service.call(lambda: service.monitor._judge("web").pending).result())
    service.call(lambda: setattr(service.monitor._judge("web"), "settled", True)).result()
    begun = time.monotonic()
    service.submit(agents[1].envelope({"web": shows("web1", connects(CURL, "10.0.0.9:4444"))}), results.append)
    until(lambda: bool(service.monitor.alerts))
    assert time.monotonic() - begun < 1.5
    assert [a.policy for a in service.monitor.alerts] == ["novelty"]


def test_patterns_of_settled_applications_become_control(service: Service) -> None:
    changed = threading.Event()
    service.on_orders = changed.set
    monitor, agent = service.monitor, SignedAgent("w1")
    results = Results()
    learned = shows("web1", *USUAL)
    learned = type(learned)(learned.sightings, {}, ("File /tmp/{int}", "File /tmp/\udcff{int}"))
    service.submit(agent.envelope({"web": learned}, active=("web1",)), results.append)
    results.wait(1)
    service.call(lambda: setattr(monitor._judge("web"), "settled", True)).result()
    assert changed.wait(10)
    assert service.controls.current.patterns == (("web", ("File /tmp/{int}",)),)
    assert service.controls.current.revision == 1


def test_signs_of_life_reach_the_register(service: Service, tmp_path: Path) -> None:
    other = Register(Store(tmp_path / "state", create=True, live=True))
    agent, results = SignedAgent("w1").enrolled(other, MONITOR), Results()
    service.submit(agent.envelope({}, lost={"late": 3}, control=5), results.append)
    results.wait(1)
    until(lambda: service.register.by_name["w1"].control == 5, 8)
    other.load()
    assert (other.by_name["w1"].control, other.by_name["w1"].lost) == (5, {"late": 3})
    assert other.issue("w2", 0, Fresh("x")).id
    other.store.close()
