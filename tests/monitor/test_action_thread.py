"""Whatever fails and whenever it is restarted: every alert of the table is delivered, not taken, or counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listeners import until
from told import State, alert

from monitor.action_filter import Filter
from monitor.action_sink import NotDeliveredError, RefusedError
from monitor.action_thread import LOOK, Runner
from monitor.alerts import Alert
from monitor.store import Store


@dataclass
class Sink:
    """Notes what comes; `answers` are what goes wrong with the next tries, then all goes well."""

    answers: list[Exception | None] = field(default_factory=list)
    got: list[int] = field(default_factory=list)
    tries: int = 0
    closed: bool = False

    def send(self, one: Alert) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.got.append(one.number)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@pytest.fixture
def runner(state: State, tmp_path: Path) -> Callable[..., Runner]:
    def make(sink: Sink, wanted: Filter = Filter(), most: int = 1_000, chance: float = 1.0) -> Runner:  # noqa: B008
        made = Runner("a", wanted, sink, tmp_path / "a.json", state.open, most, lambda: chance)
        made.place()
        return made

    return make


def test_a_new_action_begins_behind_what_is_there(state: State, runner: Callable[..., Runner]) -> None:
    state.add(alert(1), alert(2))
    one = runner(Sink())
    assert one.step() == LOOK
    state.add(alert(3), alert(4))
    assert one.step() == LOOK
    assert (one.sink.got, one.position.counts) == ([3, 4], {"delivered": 2})


def test_a_restart_goes_on_where_it_was(state: State, runner: Callable[..., Runner]) -> None:
    one = runner(Sink())
    state.add(alert(1), alert(2))
    one.step()
    state.add(alert(3))
    again = runner(Sink())
    again.step()
    assert (again.sink.got, again.position.counts) == ([3], {"delivered": 3})


def test_what_fails_is_tried_again_in_order_and_later_each_time(state: State, runner: Callable[..., Runner]) -> None:
    one = runner(Sink([None, *[NotDeliveredError("away")] * 3]))
    state.add(*map(alert, range(3)))
    waits = [one.step() for _ in range(4)]
    assert waits == [0.5, 1.0, 2.0, LOOK]
    assert one.sink.got == [1, 2, 3]
    assert one.position.counts == {"delivered": 3, "failed": 3}
    assert runner(Sink([NotDeliveredError("busy", 33.0)])).step() == LOOK


def test_half_of_a_wait_is_chance_and_the_other_side_may_ask_for_more(
    state: State, runner: Callable[..., Runner]
) -> None:
    one = runner(Sink([NotDeliveredError("x"), NotDeliveredError("x", 33.0)]), chance=0.0)
    state.add(alert(0))
    assert [one.step(), one.step()] == [0.25, 33.0]
    assert one.health.error == "x"


def test_waits_end_to_grow(state: State, runner: Callable[..., Runner]) -> None:
    one = runner(Sink([NotDeliveredError("x")] * 100))
    state.add(alert(0))
    assert max(one.step() for _ in range(100)) == 60.0


def test_what_is_refused_or_has_been_tried_often_enough_is_counted(state: State, runner: Callable[..., Runner]) -> None:
    sink = Sink(
        [RefusedError("no"), NotDeliveredError("x"), NotDeliveredError("x"), ValueError("a bug"), None], tries=2
    )
    one = runner(sink)
    state.add(*map(alert, range(4)))
    while one.step() != LOOK:
        pass
    assert sink.got == [4]
    assert one.position.counts == {"refused": 2, "failed": 2, "given_up": 1, "delivered": 1}
    assert one.health.failures == 0


def test_what_is_not_taken_is_passed_over_and_remembered(state: State, runner: Callable[..., Runner]) -> None:
    one = runner(Sink(), Filter(least="critical"))
    state.add(alert(0), alert(1, severity="critical"), alert(2), alert(3, severity="critical", quiet="snoozed"))
    one.step()
    assert one.sink.got == [2]
    assert json.loads(one.path.read_text())["number"] == 4


def test_too_far_behind_the_oldest_are_given_up_and_counted(state: State, runner: Callable[..., Runner]) -> None:
    one = runner(Sink(), Filter(apps=("web",)), most=10)
    state.add(*(alert(n, app="web" if n % 2 else "db") for n in range(250)))
    while one.step() != LOOK:
        pass
    assert one.sink.got == [n + 1 for n in range(240, 250) if n % 2]
    assert one.position.counts == {"overflow": 120, "delivered": 5}


def test_a_damaged_alert_is_counted_and_stops_nothing(state: State, runner: Callable[..., Runner]) -> None:
    one = runner(Sink())
    with closing(Store(state.folder, create=True)) as store, store.transaction():
        store.add_alert(b"rubbish")
    state.add(alert(1))
    one.step()
    assert (one.sink.got, one.position.counts) == ([2], {"damaged": 1, "delivered": 1})


@pytest.mark.parametrize("rubbish", [b"", b"[]", b"\xff", b'{"number": "x"}'])
def test_a_position_that_cannot_be_read_is_a_new_action(
    state: State, runner: Callable[..., Runner], tmp_path: Path, rubbish: bytes
) -> None:
    state.add(alert(1))
    (tmp_path / "a.json").write_bytes(rubbish)
    one = runner(Sink())
    assert one.position.number == 1


def test_in_another_state_all_is_news(state: State, runner: Callable[..., Runner], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"number": 99, "counts": {"delivered": 7}}')
    state.add(alert(1))
    one = runner(Sink())
    one.step()
    assert (one.sink.got, one.position.counts) == ([1], {"delivered": 8})


def test_as_a_thread_it_hears_of_news_and_ends_when_told(state: State, runner: Callable[..., Runner]) -> None:
    sink = Sink([NotDeliveredError("x")])
    one = runner(sink)
    one.start()
    for number in range(3):
        state.add(alert(number))
        one.wake()
    until(lambda: sink.got == [1, 2, 3])
    one.stop()
    assert one.join(2)
    assert sink.closed
    assert one.health.behind == 0


def test_a_state_that_cannot_be_read_is_no_end(state: State, runner: Callable[..., Runner]) -> None:
    sink = Sink()
    one = runner(sink)
    file = state.folder / "monitor.sqlite"
    file.rename(file.with_suffix(".away"))
    one.first = one.longest = 0.02
    one.start()
    until(lambda: one.health.failures > 0)
    file.with_suffix(".away").rename(file)
    until(lambda: one.health.failures == 0)
    time.sleep(0.05)  # it waits for news now
    state.add(alert(0))
    one.wake()
    until(lambda: sink.got == [1], 5.0)
    one.stop()
    assert one.join(2)


moves = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 5)),
        st.tuples(st.just("step"), st.sampled_from(["", "away", "refused", "bug"])),
        st.tuples(st.just("restart"), st.just("")),
    ),
    max_size=25,
)
WRONG = {"away": NotDeliveredError("away"), "refused": RefusedError("no"), "bug": ValueError("bug")}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(played=moves)
def test_whatever_happens_none_is_lost_without_a_word(
    tmp_path_factory: pytest.TempPathFactory, played: list[tuple[str, object]]
) -> None:
    """Every alert is delivered at least once, or refused and counted; what is delivered twice was not kept as such."""
    folder = tmp_path_factory.mktemp("played")
    state, sink = State(folder / "state"), Sink()

    def make() -> Runner:
        made = Runner("a", Filter(), sink, folder / "a.json", state.open, 1_000, lambda: 0.0)
        made.place()
        return made

    one, many = make(), 0
    for what, detail in played:
        if what == "add":
            assert isinstance(detail, int)
            state.add(*(alert(many + n) for n in range(detail)))
            many += detail
        elif what == "step":
            sink.answers = [WRONG[str(detail)]] if detail else []
            one.step()
        else:
            one = make()
    sink.answers = []
    while one.step() != LOOK:
        pass
    refused = one.position.counts.get("refused", 0)
    assert sink.got == sorted(set(sink.got))
    assert len(sink.got) + refused == many
    assert one.position.number == many
