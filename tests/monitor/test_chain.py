"""Honest links are new once, in whatever order and however often they come; what is not of the chain has no effect."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.chain import WINDOW, Chain, Link, Verdict

LENGTH = 200


def links(session: bytes = b"s", length: int = LENGTH, before: bytes = b"", mark: bytes = b"") -> list[Link]:
    made = []
    for number in range(length):
        made.append(Link(session, number, before, b"%s-%d%s" % (session, number, mark)))
        before = made[-1].digest
    return made


HONEST = links()


def offer(chain: Chain, link: Link) -> Verdict:
    verdict = chain.judge(link, strict=True)
    if verdict is Verdict.NEW:
        chain.take(link)
    return verdict


def sent(upto: int) -> Chain:
    chain = Chain()
    assert [offer(chain, link) for link in HONEST[:upto]] == [Verdict.NEW] * upto
    return chain


@st.composite
def journeys(draw: st.DrawFn) -> list[Link]:
    """Honest links, some lost, some twice, each less than `WINDOW` numbers late."""
    arrivals: list[tuple[float, int]] = []
    for number in range(LENGTH):
        copies = draw(st.sampled_from((0, 1, 1, 1, 1, 2)))
        arrivals += [(number + draw(st.floats(0, WINDOW - 2)), number) for _ in range(copies)]
    return [HONEST[number] for _, number in sorted(arrivals)]


@given(journeys())
def test_however_honest_links_travel_each_is_new_on_its_first_arrival_and_what_is_missing_is_counted(
    journey: list[Link],
) -> None:
    chain, seen = Chain(), set[int]()
    lost = 0
    for link in journey:
        verdict = chain.judge(link, strict=True)
        assert verdict is (Verdict.REPEAT if link.number in seen else Verdict.NEW)
        if verdict is Verdict.NEW:
            lost += chain.take(link)
        seen.add(link.number)
        assert chain.missing == lost == chain.head + 1 - len(seen)
        assert len(chain.digests) + len(chain.named) <= WINDOW
        assert not chain.digests.keys() & chain.named.keys()
        assert Chain.decode(chain.encode()) == chain


ATTACKS = st.one_of(
    st.builds(lambda n: HONEST[n]._replace(digest=b"other"), st.integers(0, 149)),
    st.builds(lambda n: HONEST[n]._replace(before=b"other", digest=b"more"), st.integers(1, LENGTH - 1)),
    st.builds(lambda n: links(mark=b"fork", before=b"x")[n], st.integers(0, LENGTH - 1)),
    st.builds(lambda n: links(b"t")[n], st.integers(0, LENGTH - 1)),
    st.builds(lambda n: links(b"t", before=b"unknown")[n], st.integers(0, LENGTH - 1)),
    st.builds(lambda n: HONEST[n]._replace(before=b"", digest=b"x"), st.integers(1, LENGTH - 1)),
)


@given(st.integers(150, LENGTH), st.lists(ATTACKS, min_size=1, max_size=20))
def test_who_does_not_know_the_chain_has_no_effect(upto: int, attacks: list[Link]) -> None:
    """Forged numbers, other content, forks, new sessions are conflicts; a gap cannot be told from an honest one."""
    chain = sent(upto)
    before = deepcopy(chain)
    for link in attacks:
        if link.session == b"s" and link.number > upto and link.before:
            continue
        assert offer(chain, link) is Verdict.CONFLICT
        assert chain == before
    assert [offer(chain, link) for link in HONEST[upto:]] == [Verdict.NEW] * (LENGTH - upto)


def test_another_content_under_a_known_number_is_a_conflict() -> None:
    assert offer(sent(100), HONEST[99]._replace(digest=b"other")) is Verdict.CONFLICT
    assert offer(sent(100), HONEST[99]) is Verdict.REPEAT


def test_an_old_replay_is_a_conflict_once_it_is_out_of_the_window() -> None:
    chain = sent(100)
    assert offer(chain, HONEST[100 - WINDOW]) is Verdict.REPEAT
    assert offer(chain, HONEST[99 - WINDOW]) is Verdict.CONFLICT


def test_a_second_agent_with_the_same_key_forks_the_chain_and_only_one_branch_goes_on() -> None:
    chain = sent(100)
    fork = Link(b"s", 100, HONEST[99].digest, b"fork")
    assert offer(chain, fork) is Verdict.NEW
    assert offer(chain, HONEST[100]) is Verdict.CONFLICT
    assert offer(chain, HONEST[101]) is Verdict.CONFLICT
    chain = sent(101)
    assert offer(chain, fork) is Verdict.CONFLICT
    assert offer(chain, Link(b"s", 101, fork.digest, b"fork 2")) is Verdict.CONFLICT


def test_who_fills_a_gap_must_be_what_both_neighbours_name() -> None:
    chain = sent(10)
    assert offer(chain, HONEST[11]) is Verdict.NEW
    assert chain.missing == 1
    assert offer(chain, Link(b"s", 10, HONEST[9].digest, b"other")) is Verdict.CONFLICT
    assert offer(chain, HONEST[10]._replace(before=b"other")) is Verdict.CONFLICT
    assert offer(chain, HONEST[10]) is Verdict.NEW
    assert chain.missing == 0


def test_a_new_session_goes_on_from_the_head_and_starts_at_nought() -> None:
    chain = sent(10)
    follows = links(b"t", before=HONEST[9].digest)
    assert offer(chain, follows[1]) is Verdict.CONFLICT
    assert offer(chain, follows[0]._replace(before=HONEST[8].digest)) is Verdict.CONFLICT
    assert offer(chain, follows[0]._replace(before=b"")) is Verdict.CONFLICT
    assert [offer(chain, link) for link in follows] == [Verdict.NEW] * LENGTH
    assert offer(chain, HONEST[9]) is Verdict.REPEAT
    assert offer(chain, HONEST[10]) is Verdict.CONFLICT


def test_a_gap_that_leaves_the_window_stays_counted() -> None:
    chain = sent(1)
    assert chain.take(HONEST[150]) == 149 == chain.missing
    assert offer(chain, HONEST[1]) is Verdict.CONFLICT
    assert offer(chain, HONEST[149]) is Verdict.NEW
    assert chain.missing == 148


@pytest.mark.parametrize("number", [1, 70])
def test_the_first_link_that_comes_may_be_a_later_one(number: int) -> None:
    chain = Chain()
    assert offer(chain, HONEST[number]) is Verdict.NEW
    assert chain.missing == number
    assert offer(chain, HONEST[number - 1]._replace(digest=b"other")) is Verdict.CONFLICT
    assert offer(chain, HONEST[number - 1]) is Verdict.NEW


def test_a_plain_link_that_says_nothing_of_the_one_before_is_taken_only_without_strictness() -> None:
    chain = sent(3)
    plain = HONEST[3]._replace(before=b"")
    assert chain.judge(plain, strict=True) is Verdict.CONFLICT
    assert chain.judge(plain) is Verdict.NEW
