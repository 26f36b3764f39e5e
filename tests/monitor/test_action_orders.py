"""An order is given once, told until its worker has said what became of it, and void after its time."""

from pathlib import Path

import pytest
from listeners import until
from told import HOSTILE, alert, hostile

from grammar.control import Outcome
from monitor import action_orders
from monitor.action_orders import AT_ONCE, MAX_SETTLED, MAX_WAITING, Orders, Responses
from monitor.action_sink import NotDeliveredError, RefusedError
from monitor.alerts import Alert


class Clock:
    now = 1_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(action_orders, "AGAIN", 0)
    return Clock()


@pytest.fixture
def orders(tmp_path: Path, clock: Clock) -> Orders:
    return Orders(tmp_path / "orders", lambda: clock.now)


def give(orders: Orders, *alerts: Alert) -> None:
    for one in alerts:
        Responses(orders, "pause", 500).send(one)


def test_an_order_says_what_whom_why_and_until_when(orders: Orders) -> None:
    give(orders, alert(7))
    (order,) = orders.waiting("worker1")
    assert (order.verb, order.container, order.policy, order.alert) == ("pause", "web-1", "shell-below-web-server", 7)
    assert (order.time, order.expires) == (alert(7).time, 1_500)
    assert orders.waiting("worker2") == ()


def test_the_same_alert_is_the_same_order_also_after_a_restart(orders: Orders, clock: Clock) -> None:
    give(orders, alert(7), alert(7))
    again = Orders(orders.path, lambda: clock.now)
    give(again, alert(7))
    assert again.waiting("worker1") == orders.waiting("worker1")
    Responses(again, "stop", 500).send(alert(7))
    assert [one.verb for one in again.waiting("worker1")] == ["pause", "stop"]


def test_it_is_told_until_its_own_worker_has_answered(orders: Orders) -> None:
    give(orders, alert(7))
    (order,) = orders.waiting("worker1")
    orders.settled("worker2", [Outcome(order.id, "done")])
    orders.settled("worker1", [Outcome(b"another", "done")])
    assert orders.waiting("worker1") == (order,)
    orders.settled("worker1", [Outcome(order.id, "dry-run", "x"), Outcome(order.id, "done")])
    assert orders.waiting("worker1") == ()
    until(lambda: [one.outcome for one in Orders(orders.path, lambda: 0).all()] == [Outcome(order.id, "dry-run", "x")])


def test_an_order_is_not_told_again_at_once(tmp_path: Path) -> None:
    clock = Clock()
    orders = Orders(tmp_path / "orders", lambda: clock.now)
    Responses(orders, "pause", 60_000).send(alert(7))
    assert len(orders.waiting("worker1")) == 1
    assert orders.waiting("worker1") == ()
    clock.now += action_orders.AGAIN - 1
    assert orders.waiting("worker1") == ()
    clock.now += 1
    assert len(orders.waiting("worker1")) == 1


def test_after_its_time_it_is_void(orders: Orders, clock: Clock) -> None:
    give(orders, alert(7))
    clock.now = 1_501
    assert orders.waiting("worker1") == ()
    (told,) = orders.all()
    assert told.outcome is not None
    assert told.outcome.result == "expired"


def test_the_worker_is_woken(tmp_path: Path) -> None:
    woken: list[str] = []
    give(Orders(tmp_path / "orders", lambda: 0, woken.append), alert(1), alert(1), alert(2, worker="w2"))
    assert woken == ["worker1", "w2"]


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_orders, "AGAIN", 0)
    orders = Orders(tmp_path / "orders", lambda: 0)
    monkeypatch.setattr(orders, "_save", lambda: None)
    give(orders, *map(alert, range(MAX_WAITING + 20)))
    assert len(orders.waiting("worker1")) == AT_ONCE
    assert sum(one.outcome is None for one in orders.all()) == MAX_WAITING
    for _ in range(MAX_WAITING):
        orders.settled("worker1", [Outcome(one.id, "done") for one in orders.waiting("worker1")])
    assert orders.waiting("worker1") == ()
    assert len(orders.all()) <= MAX_SETTLED + AT_ONCE


@pytest.mark.parametrize("one", [alert(container=""), alert(container="host"), alert(worker=""), hostile("\udcff")])
def test_what_is_no_container_is_refused(orders: Orders, one: Alert) -> None:
    with pytest.raises(RefusedError):
        give(orders, one)
    assert orders.all() == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_travel_as_they_are_or_not_at_all(orders: Orders, text: str) -> None:
    try:
        give(orders, hostile(text))
    except RefusedError:
        return
    assert [one.container for one in Orders(orders.path, lambda: 0).waiting(text)] == [text]


def test_a_disk_that_refuses_is_tried_again(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "none" / "orders", lambda: 0)
    with pytest.raises(NotDeliveredError):
        give(orders, alert(7))
    (tmp_path / "none").mkdir()
    give(orders, alert(7))
    assert len(orders.waiting("worker1")) == 1


def test_a_file_that_is_damaged_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "orders").write_bytes(b"rubbish")
    orders = Orders(tmp_path / "orders", lambda: 0)
    give(orders, alert(7))
    assert len(orders.all()) == 1
