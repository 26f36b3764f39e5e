"""Histories: the same labels make the same context; what is rationed coarsens and is never lost."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import Histories
from grammar.history import MARK, MUCH, Ration

LABELS = [f"File /f{letter}" for letter in "abcdefgh"] + [f"Process p{letter} /bin/p" for letter in "abcd"]
SETS = st.lists(st.sets(st.sampled_from(LABELS), min_size=1), min_size=1, max_size=30)


def bits(histories: Histories, labels: set[str]) -> int:
    known = 0
    for label in labels:
        known |= histories.bit(label)
    return known


@given(SETS, st.randoms(use_true_random=False))
def test_a_fingerprint_is_of_the_labels_and_not_of_their_order(sets: list[set[str]], random: Random) -> None:
    """Two workers that have met the labels in different orders name the same history alike, and two apart."""
    ration = Ration(fine=1000, coarse=1000)
    one, other = Histories(ration), Histories(ration)
    for label in random.sample(LABELS, len(LABELS)):
        other.bit(label)
    named = [one.context("Process x /x", (), bits(one, labels)) for labels in sets]
    shuffled = random.sample(sets, len(sets))
    again = {frozenset(labels): other.context("Process x /x", (), bits(other, labels)) for labels in shuffled}
    assert named == [again[frozenset(labels)] for labels in sets]
    assert len(set(named)) == len({frozenset(labels) for labels in sets})


@given(SETS, st.integers(1, 4), st.integers(1, 4))
def test_contexts_are_rationed(sets: list[set[str]], fine: int, coarse: int) -> None:
    """However many histories there are, a label and its tags have at most coarse * (fine + 1) + 1 contexts."""
    histories = Histories(Ration(fine=fine, coarse=coarse))
    found = {histories.context("Process x /x", ("entry exec",), bits(histories, labels)) for labels in sets}
    assert len(found) <= coarse * (fine + 1) + 1
    assert all(one[0] == "entry exec" for one in found)


@given(SETS)
def test_a_context_once_given_stays(sets: list[set[str]]) -> None:
    histories = Histories(Ration(fine=2, coarse=2))
    known = [bits(histories, labels) for labels in sets]
    assert [histories.context("L", (), one) for one in known][:1] == [histories.context("L", (), known[0])]
    told = {one: histories.context("L", (), one) for one in known}
    assert {one: histories.context("L", (), one) for one in known} == told


def test_names_that_differ_in_numbers_are_one_history() -> None:
    histories = Histories()
    assert (
        histories.bit("File /srv/p1.html")
        == histories.bit("File /srv/p22.html")
        == histories.bit("File /srv/p{int}.html")
    )
    assert histories.bit("Process p1 /p1") != histories.bit("Process p2 /p2")


def test_past_the_exact_ones_come_rough_ones_and_then_none() -> None:
    """Files are detail: what programs a history holds, and how large it is, is told apart for longer."""
    histories = Histories(Ration(fine=1, coarse=2))
    shell = histories.bit("Process sh /bin/sh")
    files = [histories.bit(f"File /{letter}") for letter in "abc"]
    exact, rough, same = (histories.context("L", (), shell | one) for one in files)
    assert exact != rough == same
    assert rough[0].startswith(MARK)
    other = histories.context("L", (), histories.bit("Process cron /bin/cron") | files[0])
    assert other not in (exact, rough)
    assert histories.context("L", (), histories.bit("Process at /bin/at") | files[0]) == (MUCH,)


@pytest.mark.parametrize("many", [100, 5_000])
def test_labels_share_bits_when_there_are_too_many(many: int) -> None:
    histories = Histories(Ration(labels=64))
    known = 0
    for number in range(many):
        known |= histories.bit(f"Process p{number} /p")
    assert known.bit_length() <= 64
    assert histories.context("L", (), known)[0].startswith(MARK)
