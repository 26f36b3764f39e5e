"""What monitors that change the same thing at once agree on, and what they do not tell twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from plain import MONITOR
from town import KafkaPost, KafkaTown, until

from agent.kafka_reader import Reader
from grammar.control import Control, Question
from grammar.topics import Asked, Layout
from monitor.alerts import Alert
from monitor.controls import Controls
from monitor.kafka_service import ServiceCore, _settled
from monitor.monitor import Monitor
from monitor.service import Service
from monitor.store import Store

ALERT = Alert(
    policy="p",
    title="t",
    severity="high",
    app="web",
    worker="w1",
    container="c",
    time=1,
    replicas=(1, 1),
    nodes=(),
    trace=(),
    summary=("s",),
    deeds=("a deed",),
)


def controls(folder: Path, **changes: int) -> Controls:
    made = Controls(Store(folder, create=True))
    with made.store.transaction():
        made.change(**changes)
    return made


def test_of_two_revisions_made_at_once_all_take_the_same(tmp_path: Path) -> None:
    one, two = controls(tmp_path / "1", epoch_millis=5_000), controls(tmp_path / "2", epoch_millis=7_000)
    first, second = one.current, two.current
    assert first.revision == second.revision
    with one.store.transaction(), two.store.transaction():
        assert _settled(one, second)
        assert _settled(two, first)
    assert one.current == two.current
    assert one.current.revision == first.revision + 1, "agents, who go by the number, take it too"
    with one.store.transaction():
        assert not _settled(one, two.current), "and there it ends"
    one.store.close()
    two.store.close()


def test_older_control_changes_nothing(tmp_path: Path) -> None:
    one = controls(tmp_path / "1", epoch_millis=5_000)
    with one.store.transaction():
        assert not _settled(one, Control(0, 9_000))
    assert one.current.epoch_millis == 5_000
    one.store.close()


def test_two_monitors_with_other_settings_do_not_change_them_for_ever(town_of: Callable[[], KafkaTown]) -> None:
    town = town_of()
    posts = [town.monitor("m1"), town.monitor("m2")]
    until(lambda: all(isinstance(post, KafkaPost) and post.feed.tables.complete for post in posts), why="connected")
    for number, post in enumerate(posts):
        post.service.call(lambda post=post, number=number: change(post.service, 5_000 + number)).result(10)
    until(lambda: posts[0].service.controls.current == posts[1].service.controls.current, why="agreement")
    agreed = posts[0].service.controls.current
    assert agreed.epoch_millis in (5_000, 5_001)
    time.sleep(1.5)
    assert [post.service.controls.current for post in posts] == [agreed, agreed]


def change(service: Service, millis: int) -> None:
    with service.store.transaction():
        service.controls.change(epoch_millis=millis)
    service.on_orders()


def test_what_another_monitor_has_raised_is_not_raised_here(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True, live=True)
    service = Service(Monitor(store))
    service.start()
    core = ServiceCore(service, lambda worker, reply: None)
    for _ in range(2):
        core.alert(ALERT.encode())

    def again() -> list[Alert]:
        with store.transaction():
            return service.monitor.alarms.raised(ALERT)

    try:
        assert service.call(again).result(10) == []
        assert service.call(store.alerts).result(10) == [msgspec.structs.replace(ALERT, quiet="elsewhere").encode()]
    finally:
        service.stop()


@pytest.mark.parametrize(("app", "asked"), [("web", 1), ("db", 0)])
def test_a_worker_is_only_asked_about_what_it_may_hold(app: str, asked: int) -> None:
    reader = Reader("w1", Layout(), MONITOR.public, lambda: 0, concerns=lambda one: one == "web")
    reader._questions[b"q"] = Asked(Question(b"q", app, ()), 10)
    assert len(reader.orders(0).questions) == asked
    assert not reader.orders(0).questions, "once"
