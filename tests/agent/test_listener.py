"""The listener: control reaches the main loop whole and once, questions are answered, and nothing ends it."""

from __future__ import annotations

import random

import pytest
from fake_monitor import AGENT, FakeLink, FakeMonitor

from agent.backoff import Backoff
from agent.link import BusyError, RefusedError
from agent.listener import MAX_QUESTIONS, Listener, fitting
from grammar.control import Control, Link, Orders, Question, Reply, read, write
from grammar.finding import Instance


def listening(monitor: FakeMonitor, answer: object = None) -> Listener:
    def nothing(question: Question) -> Reply:
        return Reply(question.id, "w")

    return Listener(FakeLink(monitor), AGENT, answer or nothing, Backoff(random.Random(1).random))  # type: ignore[arg-type]


def question(number: int = 0) -> Question:
    return Question(b"q%d" % number, "web", (("File /a", ()),))


def test_control_is_kept_until_it_is_taken_and_the_newest_counts() -> None:
    monitor, heard = FakeMonitor(), []
    one = listening(monitor)
    one.on_control = lambda: heard.append(1)
    for revision in (2, 5, 4):
        monitor.orders = Orders(Control(revision))
        assert one.step() == 0.0
    assert one.take() == Control(5)
    assert one.take() is None
    assert (one.revision, len(heard)) == (5, 2)


def test_questions_are_answered_with_signed_replies() -> None:
    monitor = FakeMonitor()
    monitor.orders = Orders(None, (question(1), question(2)))
    assert listening(monitor).step() == 0.0
    assert [one.id for one in monitor.replies] == [b"q1", b"q2"]


def test_a_question_that_cannot_be_answered_does_not_keep_the_others_from_it() -> None:
    def answer(one: Question) -> Reply:
        if one.id == b"q1":
            raise ZeroDivisionError
        return Reply(one.id, "w")

    monitor = FakeMonitor()
    monitor.orders = Orders(None, (question(1), question(2)))
    one = listening(monitor, answer)
    assert one.step() == 0.0
    assert [reply.id for reply in monitor.replies] == [b"q2"]
    assert one.counts["unanswered"] == 1


def test_a_flood_of_questions_is_not_answered_at_once() -> None:
    monitor = FakeMonitor()
    monitor.orders = Orders(None, tuple(map(question, range(100))))
    listening(monitor).step()
    assert len(monitor.replies) == MAX_QUESTIONS


def test_away_it_waits_longer_each_time_and_then_goes_on() -> None:
    monitor = FakeMonitor()
    one = listening(monitor)
    assert isinstance(one.link, FakeLink)
    one.link.away = True
    waits = [one.step() for _ in range(10)]
    assert all(wait > 0 for wait in waits)
    assert waits[-1] >= 15
    assert waits[0] < 1
    one.link.away = False
    assert one.step() == 0.0
    assert one.backoff.failures == 0


@pytest.mark.parametrize("error", [BusyError("later", 9.0), RefusedError("no"), ZeroDivisionError()])
def test_nothing_ends_it(error: Exception) -> None:
    def fail(*_: object) -> Orders:
        raise error

    one = listening(FakeMonitor())
    one.link.listen = fail  # type: ignore[method-assign]
    assert one.step() >= (9.0 if isinstance(error, BusyError) else 0.2)


def test_a_reply_that_is_too_large_is_cut_and_says_so() -> None:
    instances = tuple(Instance(n, "web1", "File /a", "x" * 100) for n in range(1_000))
    links = tuple(Link(n, "USED", "read", n + 1, 0) for n in range(999))
    whole = Reply(b"q", "w", instances, links)
    assert fitting(whole) == write(whole)
    data = fitting(whole, 20_000)
    cut = read(data, Reply)
    assert len(data) <= 20_000
    assert cut.cut
    assert 0 < len(cut.instances) < 1_000
    assert len(cut.links) == len(cut.instances) - 1


def test_it_stops_when_told() -> None:
    one = listening(FakeMonitor())
    thread = one.start()
    one.stop()
    thread.join(5)
    assert not thread.is_alive()
