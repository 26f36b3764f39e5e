"""The sender as a playbook: the monitor is away, deaf, forgetful, or hostile; what was cut arrives once, in order."""

from __future__ import annotations

import logging
import random
import threading
from pathlib import Path

import pytest
from fake_monitor import AGENT, FakeLink, FakeMonitor
from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import Backoff
from agent.entry import Entry, entries_of
from agent.epochs import Epoch
from agent.ledger import Ledger
from agent.ledger_file import NoRoomError
from agent.link import BusyError, RefusedError, UnreachableError, lane_per_app
from agent.publisher import Vocabulary
from agent.sender import IDLE, PATIENCE, Sender
from grammar import Delta, InputError, Lexicon, Sighting, State, Transition
from grammar.control import Answer

SH = State("Process sh /bin/sh")


def news(number: int, app: str = "web") -> Entry:
    """An epoch that shows one more file."""
    made = Transition(State(f"File /{number}"), "WAS_GENERATED_BY", "write", SH)
    delta = Delta((Sighting("web1", (made,)),), {SH: "sh -c x"})
    return entries_of(Epoch(number * 1_000, 1_000, 1, 1, 1, 1, 1, 1, {}, (), {app: delta}, 0.0))[0]


def beat(number: int) -> Entry:
    return Entry(number * 1_000, 1_000, 1, {"late": 1}, active=(("web1", 2),))


class Play:
    """An agent's ledger and sender against a fake monitor; time goes on by what the sender waits."""

    def __init__(self, folder: Path, lanes: object = None) -> None:
        self.folder, self.monitor = folder, FakeMonitor()
        self.link = FakeLink(self.monitor)
        if lanes is not None:
            self.link.lanes = lane_per_app
        self.chance = random.Random(7)
        self.number = 0
        self.waits: list[float] = []
        self.begin()

    def begin(self) -> None:
        self.ledger = Ledger(self.folder, 1 << 24, lambda: b"session1")
        vocabulary = Vocabulary({})
        self.sender = Sender(self.ledger, self.link, "w", AGENT, vocabulary, Backoff(self.chance.random), lambda: 1.0)

    def restart(self) -> None:
        self.ledger.close()
        self.begin()

    def cut(self, *entries: Entry) -> None:
        for entry in entries:
            self.ledger.cut([entry], b"")

    def go(self, most: int = 10_000) -> float:
        """Steps until there is nothing to do or something goes wrong; the wait that ended it."""
        for _ in range(most):
            wait = self.sender.step()
            self.waits.append(wait)
            if wait:
                return wait
        raise AssertionError("it does not come to an end")

    @property
    def files(self) -> set[int]:
        states = {s for one in self.monitor.shown.values() for s in one.states}
        return {int(one.label[6:]) for one in states if one.label.startswith("File")}


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_what_was_cut_arrives_in_order_and_is_forgotten(play: Play) -> None:
    play.cut(beat(0), news(1), beat(2))
    assert play.go() == IDLE
    assert [(one.sequence, one.start) for one in play.monitor.taken] == [(0, 0), (1, 1_000), (2, 2_000)]
    assert [one.before for one in play.monitor.taken[1:]] == [one.digest for one in play.monitor.taken[:-1]]
    assert play.monitor.taken[0].active == (("web1", 2),)
    assert play.ledger.depth.entries == 0
    assert play.sender.state.reached == 1.0


def test_a_heartbeat_asks_for_no_words(play: Play) -> None:
    play.cut(beat(0))
    play.go()
    assert play.monitor.asked == {"/v1/epochs": 1}


def test_words_that_the_cluster_knows_cost_a_number(play: Play) -> None:
    play.cut(news(1))
    play.go()
    play.monitor.lexicon("web").extend(
        [State("File /2"), SH], [Transition(State("File /2"), "WAS_GENERATED_BY", "write", SH)]
    )
    play.cut(news(2))
    play.go()
    first, second = (len(one.deltas[0][1]) for one in play.monitor.taken)
    assert second < first - 20
    assert play.files == {1, 2}


def test_the_monitor_is_away_for_500_epochs_and_then_back(play: Play) -> None:
    play.link.away = True
    for number in range(500):
        play.cut(news(number) if number % 5 == 0 else beat(number))
        assert play.go() > 0
    assert 15 <= play.waits[-1] <= 30
    assert play.sender.state.failures == 500
    assert play.ledger.depth.entries == 500
    play.link.away = False
    assert play.go() == IDLE
    assert [one.start for one in play.monitor.taken] == [1_000 * n for n in range(500)]
    assert play.files == set(range(0, 500, 5))
    assert play.sender.state.failures == 0


def test_an_answer_that_is_lost_is_answered_again_with_the_same_bytes(play: Play) -> None:
    play.cut(news(1))
    play.link.deaf = True
    play.go()  # the words are lost already
    play.link.deaf = False
    play.cut(beat(2))
    deliver = play.link.deliver

    def deafly(sealed: bytes, lane: str, session: bytes, sequence: int) -> Answer:
        deliver(sealed, lane, session, sequence)
        raise BusyError("answer lost", 3.0)

    play.link.deliver = deafly  # type: ignore[method-assign]
    assert play.go() >= 3.0
    play.restart()
    play.link.deliver = deliver  # type: ignore[method-assign]
    assert play.go() == IDLE
    assert [one.sequence for one in play.monitor.taken] == [0, 1]


def test_a_monitor_that_has_forgotten_the_words_gets_the_epoch_in_full_under_the_same_number(play: Play) -> None:
    play.cut(news(1))
    play.go()
    play.sender.vocabulary.lexicons["web"].extend([State("File /elsewhere")], [])
    play.monitor.lexicons["web"] = Lexicon()
    play.link.words = lambda asked: {}  # type: ignore[method-assign]
    play.cut(news(2))
    assert play.go() == IDLE
    assert play.files == {1, 2}
    assert [one.sequence for one in play.monitor.taken] == [0, 1]
    assert play.sender.counts["in_full"] == 1


def test_words_that_are_none_cost_bytes_and_nothing_else(play: Play) -> None:
    play.link.words = lambda asked: {"web": b"rubbish", "other": b"x"}  # type: ignore[method-assign]
    play.cut(news(1))
    assert play.go() == IDLE
    assert play.files == {1}


@pytest.mark.parametrize("status", ["conflict", "refused"])
def test_what_the_monitor_will_not_take_is_loud_and_tried_again_slowly(
    play: Play, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    play.monitor.says = [status]  # type: ignore[list-item]
    play.cut(beat(0), beat(1))
    assert play.go() >= 30
    assert play.sender.state.trouble.startswith(status)
    assert [one.levelno for one in caplog.records] == [logging.ERROR]
    assert play.ledger.depth.entries == 2
    assert play.go() == IDLE
    assert len(play.monitor.taken) == 2
    assert play.sender.state.trouble == ""


def test_what_the_monitor_never_takes_does_not_hold_up_the_rest_for_ever(play: Play) -> None:
    play.monitor.says = ["refused"] * PATIENCE  # type: ignore[list-item]
    play.cut(news(1), news(2))
    for _ in range(PATIENCE):
        assert play.go() >= 30
    assert play.go() == IDLE
    assert play.files == {2}
    assert play.monitor.taken[0].lost == {"spool_refused": 1}
    assert [one.sequence for one in play.monitor.taken] == [0, 1]


@pytest.mark.parametrize(
    ("error", "least", "cause"),
    [
        (RefusedError("no"), 30.0, "refused"),
        (InputError("no"), 30.0, "refused"),
        (BusyError("later", 40.0), 40.0, "busy"),
        (NoRoomError("full"), 0.2, "no_room"),
        (ZeroDivisionError(), 0.2, "failed"),
    ],
)
def test_whatever_goes_wrong_is_a_wait(play: Play, error: Exception, least: float, cause: str) -> None:
    def fail(*_: object) -> Answer:
        raise error

    play.link.deliver = fail  # type: ignore[method-assign]
    play.cut(beat(0))
    assert play.go() >= least
    assert play.sender.counts[cause] == 1
    assert play.ledger.depth.entries == 1


def test_a_lane_for_each_application_has_a_chain_of_its_own(tmp_path: Path) -> None:
    play = Play(tmp_path, lane_per_app)
    play.cut(news(1, "web"), news(2, "db"), beat(3), news(4, "web"))
    assert play.go() == IDLE
    taken = play.monitor.taken
    assert [(one.lane, one.sequence) for one in taken] == [
        ("", 0), ("web", 0), ("", 1), ("db", 0), ("", 2), ("", 3), ("web", 1)
    ]  # fmt: skip
    assert sum(one.events for one in taken) == 4
    assert all(one.events == 0 and not one.lost for one in taken if one.lane)
    assert play.files == {1, 2, 4}


def test_an_entry_that_was_half_brought_over_goes_on_with_its_other_half(tmp_path: Path) -> None:
    play = Play(tmp_path, lane_per_app)
    deliver = play.link.deliver

    def counts_only(sealed: bytes, lane: str, session: bytes, sequence: int) -> Answer:
        if lane:
            raise UnreachableError("away")
        return deliver(sealed, lane, session, sequence)

    play.link.deliver = counts_only  # type: ignore[method-assign]
    play.cut(news(1))
    assert 0 < play.go() < IDLE
    play.restart()
    play.link.deliver = deliver  # type: ignore[method-assign]
    assert play.go() == IDLE
    assert [(one.lane, one.sequence) for one in play.monitor.taken] == [("", 0), ("web", 0)]
    assert play.monitor.asked["/v1/epochs"] == 2
    assert play.ledger.depth.entries == 0


EVENTS = st.lists(
    st.sampled_from(["news", "beat", "go", "away", "back", "deaf", "restart", "base", "forget"]), max_size=25
)


@given(EVENTS, st.booleans())
def test_whatever_happens_on_the_way_all_arrives_once_and_the_chain_holds(
    tmp_path_factory: pytest.TempPathFactory, events: list[str], lanes: bool
) -> None:
    """Losses of questions and answers, restarts and forgotten words in any order: nothing is lost or doubled."""
    play = Play(tmp_path_factory.mktemp("sender"), lanes or None)
    made: list[int] = []
    for number, event in enumerate(events):
        if event in ("news", "beat"):
            play.cut(news(number) if event == "news" else beat(number))
            made.append(number)
        elif event in ("go", "restart"):
            play.go() if event == "go" else play.restart()
        elif event in ("away", "deaf", "back"):
            play.link.away, play.link.deaf = event == "away", event == "deaf"
        elif event == "base":
            play.monitor.says = ["base"]
        elif event == "forget":
            play.monitor.lexicons.clear()
    play.link.away = play.link.deaf = False
    play.monitor.says = []
    assert play.go() == IDLE
    taken = play.monitor.taken
    assert [one.start for one in taken if not one.lane] == [1_000 * n for n in made]
    assert sum(one.events for one in taken) == len(made)
    assert play.files == {n for n, event in enumerate(events) if event == "news"}
    play.ledger.close()


def test_the_thread_wakes_for_new_entries_and_stops_when_told(play: Play) -> None:
    thread = play.sender.start()
    arrived = threading.Event()
    take = play.monitor.take
    play.monitor.take = lambda *a: (take(*a), arrived.set())[0]  # type: ignore[method-assign, func-returns-value]
    for number in range(3):
        arrived.clear()
        play.cut(beat(number))
        play.sender.wake()
        assert arrived.wait(5)
    play.sender.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert play.link.counts["closed"] == 1
