"""Matches that wait for a worker's word: bounded, fair to workers, and on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grammar.control import Question, Reply
from monitor.alerts import Alert
from monitor.lifecycle_values import Terms
from monitor.pending import AT_ONCE, MAX_OF_WORKER, MAX_TRIES, Pending, Waiting, ident_of, verdict
from monitor.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_it = Store(tmp_path, create=True)
    yield with_it
    with_it.close()


def waiting(worker: str, number: int) -> Waiting:
    alert = Alert("p", "t", "high", "web", worker, "web1", 0, (1, 1), (), ())
    ident = ident_of(alert, ("Process a", f"File /{number}"))
    return Waiting(alert, Question(ident, "web", (), container="web1", policy="MATCH (a) RETURN a"), Terms())


def add(store: Store, pending: Pending, *all_: Waiting) -> list[bool]:
    with store.transaction():
        return [pending.add(one) for one in all_]


def test_the_same_match_waits_once_and_outlives_the_process(store: Store) -> None:
    pending = Pending(store)
    one = waiting("w1", 1)
    assert add(store, pending, one, one, waiting("w1", 2)) == [True] * 3
    again = Pending(store)
    assert list(again.waiting.values()) == list(pending.waiting.values())
    with store.transaction():
        assert again.take(one.question.id) == one
        assert again.take(one.question.id) is None
    assert len(Pending(store).waiting) == 1


def test_no_worker_fills_the_table(store: Store) -> None:
    pending = Pending(store)
    taken = add(store, pending, *(waiting("loud", number) for number in range(MAX_OF_WORKER + 5)))
    assert taken.count(True) == MAX_OF_WORKER
    assert add(store, pending, waiting("quiet", 1)) == [True]
    with store.transaction():
        pending.take(waiting("loud", 0).question.id)
    assert add(store, pending, waiting("loud", 9_999), waiting("loud", 10_000)) == [True, False]
    assert add(store, Pending(store), waiting("loud", 10_000)) == [False]


def test_a_worker_that_is_away_holds_up_nobody_else(store: Store) -> None:
    pending = Pending(store)
    add(store, pending, *(waiting("away", number) for number in range(20)), waiting("there", 1))
    asked = pending.unasked(8)
    assert [one.alert.worker for one in asked] == ["away"] * AT_ONCE + ["there"]
    assert pending.unasked(8, {one.question.id for one in asked}) == []
    assert len(pending.unasked(8, {asked[0].question.id})) == AT_ONCE - 1 + 1


def test_nobody_is_asked_for_ever_and_what_did_not_get_out_is_no_try(store: Store) -> None:
    pending = Pending(store)
    one = waiting("w1", 1)
    add(store, pending, one)
    for _ in range(5):
        assert pending.unasked(1) == [one]
        pending.unasked_after_all(one.question.id)
    for _ in range(MAX_TRIES):
        assert not pending.tired(one.question.id)
        assert pending.unasked(1) == [one]
    assert pending.tired(one.question.id)
    assert pending.unasked(1) == []


@pytest.mark.parametrize(("said", "meant"), [("seen", "seen"), ("unseen", "unseen"), ("open", "open"), ("yes", None)])
def test_a_word_that_we_do_not_know_is_none(said: str, meant: str | None) -> None:
    assert verdict(Reply(b"q", "w", verdict=said)) == meant
