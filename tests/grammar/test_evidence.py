"""Evidence only grows: merging is commutative, associative and idempotent, and a difference is what is missing."""

from hypothesis import given
from hypothesis import strategies as st
from strategies import evidences

from grammar import Evidence, Replica, Span, State, Transition

SHELL, SHADOW = State("Process sh /bin/sh"), State("File /etc/shadow", ("write Process cp /bin/cp",))
READS = Transition(SHELL, "USED", "read", SHADOW)
WEB1, WEB2 = Replica("w1", "web1"), Replica("w1", "web2")


def copied(evidence: Evidence) -> Evidence:
    return evidence | Evidence()


def shown(evidence: Evidence) -> set[tuple[object, Replica]]:
    return {(item, replica) for item, held in evidence.seen.items() for replica in held}


def test_a_sighting_is_news_once() -> None:
    evidence = Evidence()
    assert evidence.add(READS, WEB1, Span(10, 20))
    assert not evidence.add(READS, WEB1, Span(5, 12))
    assert evidence.add(READS, WEB2, Span(7, 7))
    assert evidence.seen[READS] == {WEB1: Span(5, 20), WEB2: Span(7, 7)}


def test_a_transition_brings_its_states() -> None:
    evidence = Evidence({READS: {WEB1: Span(1, 1)}})
    assert evidence.states == {SHELL, SHADOW}
    assert evidence.transitions == [READS]
    assert evidence.replicas == {WEB1}


def test_of_two_commands_the_smaller_is_kept_whatever_comes_first() -> None:
    one, two = Evidence(), Evidence()
    for evidence, order in ((one, ("sh -c b", "sh -c a")), (two, ("sh -c a", "sh -c b"))):
        for command in order:
            evidence.command(SHELL, command)
    assert one == two
    assert one.commands == {SHELL: "sh -c a"}


def test_a_difference_is_who_has_not_been_seen_doing_what() -> None:
    both = Evidence({READS: {WEB1: Span(1, 1), WEB2: Span(2, 2)}})
    known = Evidence({READS: {WEB1: Span(9, 9)}})
    assert (both - known).seen == {READS: {WEB2: Span(2, 2)}}
    assert known <= both
    assert not both <= known


def test_merging_does_not_touch_what_is_merged() -> None:
    one = Evidence({READS: {WEB1: Span(1, 1)}})
    merged = one | Evidence({READS: {WEB2: Span(2, 2)}}, {SHELL: "sh"}, {"File /tmp/{int}"})
    merged.add(READS, WEB1, Span(0, 9))
    assert one == Evidence({READS: {WEB1: Span(1, 1)}})


@given(evidences(), evidences(), evidences())
def test_merging_is_a_union(a: Evidence, b: Evidence, c: Evidence) -> None:
    """a | b = b | a, (a | b) | c = a | (b | c), a | a = a."""
    assert a | b == b | a
    assert (a | b) | c == a | (b | c)
    assert a | a == a


@given(evidences(), evidences())
def test_a_difference_is_exact(a: Evidence, b: Evidence) -> None:
    """What a difference holds is missing on the other side, and adding it covers everything; times aside."""
    missing = a - b
    assert shown(missing) == shown(a) - shown(b)
    assert a <= b | missing
    assert shown(b | missing) == shown(a | b)
    assert not a - a


@given(evidences())
def test_taking_itself_in_changes_nothing(evidence: Evidence) -> None:
    """`update` with what is known already, itself included, changes nothing."""
    before = copied(evidence)
    evidence.update(evidence)
    assert evidence == before
    assert bool(evidence) == (evidence != Evidence())


@given(evidences(), st.integers(0, 100))
def test_what_is_older_is_left_out_and_nothing_else(evidence: Evidence, millis: int) -> None:
    recent = evidence.since(millis)
    assert recent <= evidence
    for item, replicas in evidence.seen.items():
        for replica, span in replicas.items():
            assert (replica in recent.seen.get(item, {})) == (span.last >= millis)
    assert evidence.since(evidence.latest + 1).seen == {}


@given(evidences(), evidences(), st.integers(0, 100))
def test_ageing_does_not_depend_on_the_order_of_arrival(one: Evidence, other: Evidence, age: int) -> None:
    both, again = one | other, other | one | one
    assert both.since(both.latest - age) == again.since(again.latest - age)
