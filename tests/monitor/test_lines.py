"""The state that a line means ranks first, for reasons that can be read; the same question has the same answer."""

import pytest
from attacked import ACCESS, ATTACK, ATTACKED, BASE, BEGIN, EPOCH, HARMLESS, LOGIN, PEER, UNIT, attacked
from hypothesis import given
from hypothesis import strategies as st

from grammar import Evidence, Model, Replica, Span, State, Transition
from grammar.line import MAX_MESSAGE
from monitor.lines import COMPARED, EXPLAINED, Told, trace_line
from monitor.lines_index import Indexes
from monitor.lines_value import told_value
from monitor.render import to_json

MODEL = attacked()
PLAIN = b"GET /app.php?a=link 302"


def ranked(told: Told) -> list[State]:
    return [one.state for one in told.candidates]


def reasons(told: Told, rank: int = 0) -> dict[str, float]:
    return {one.what: one.score for one in told.candidates[rank].reasons}


def test_the_line_of_the_attack_means_the_state_of_the_attack() -> None:
    told = trace_line([MODEL], ACCESS)
    assert ranked(told) == [ATTACKED, HARMLESS]
    best = told.explained[0]
    assert PEER in best.effects.distance
    assert best.candidate.odd[PEER.label] == 1
    assert UNIT.label not in best.candidate.odd  # that it forked says nothing
    assert {one.root.kind for one in best.roots} >= {"client", "file", "source", "program"}
    assert [replica.worker for replica, _ in best.candidate.replicas] == ["worker2"]


def test_a_line_from_before_the_attack_means_the_harmless_state() -> None:
    early = ACCESS.replace(b"01:50:46", b"01:48:35")
    told = trace_line([MODEL], early)
    assert ranked(told) == [HARMLESS, ATTACKED]
    assert reasons(told, 1)["time"] == 0


def test_without_a_time_what_few_have_shown_comes_first() -> None:
    told = trace_line([MODEL], PLAIN)
    assert ranked(told) == [ATTACKED, HARMLESS]
    assert "time" not in reasons(told)
    assert reasons(told)["rarity"] > reasons(told, 1)["rarity"]
    assert reasons(told)["effects"] > reasons(told, 1)["effects"] == 0


def test_since_and_until_take_the_place_of_the_lines_own_time() -> None:
    told = trace_line([MODEL], ACCESS, BEGIN, BEGIN + EPOCH)
    assert ranked(told) == [HARMLESS]
    assert told.later == 1
    again = trace_line([MODEL], ACCESS, ATTACK, None)
    assert ranked(again)[0] == ATTACKED


def test_what_was_first_shown_after_until_is_left_out_and_counted() -> None:
    told = trace_line([MODEL], ACCESS, None, BEGIN - 2 * EPOCH)
    assert (told.candidates, told.later, told.nearest) == ([], 2, ())


def test_a_line_reaches_the_database_from_the_error_log() -> None:
    line = b"[Sun Nov 22 01:49:00.500000 2026] [php:notice] [pid 8:tid 8] [client 10.89.0.1:3] "
    line += b"portal: user a1b2c3d4e5f logged in from 10.89.0.1"
    told = trace_line([MODEL], line)
    assert ranked(told) == [LOGIN]
    assert BASE in told.explained[0].effects.distance
    assert reasons(told)["certainty"] == 0.5
    assert reasons(told)["client"] == 1
    assert "effects" not in reasons(told)  # there is nothing to compare it with


def test_a_unit_that_serves_another_client_ranks_behind() -> None:
    strange = trace_line([MODEL], ACCESS.replace(b"10.89.0.1", b"10.89.0.99"))
    assert reasons(strange)["client"] == 0
    assert strange.candidates[0].score < trace_line([MODEL], ACCESS).candidates[0].score


def test_an_unknown_line_gets_its_nearest_patterns() -> None:
    told = trace_line([MODEL], b"portal: user bob logged out")
    assert told.candidates == []
    assert [one.pattern for one in told.nearest][:1] == [LOGIN.label.removeprefix("LogMessage ")]
    assert 0 < told.nearest[0].score <= 1


def test_applications_are_ranked_together() -> None:
    other = attacked("shop")
    told = trace_line([MODEL, other], ACCESS)
    assert [(one.model.app, one.state) for one in told.candidates][:2] == [("portal", ATTACKED), ("shop", ATTACKED)]


def test_what_was_lost_is_said_of_the_workers_that_it_rests_on() -> None:
    lost = {"worker2": {"late": 3}, "elsewhere": {"late": 1}}
    assert trace_line([MODEL], ACCESS, lost=lost).lost == {"worker2": {"late": 3}}


def crowd(states: int) -> Model:
    """Histories of one pattern; the last in order has led to something of its own, further down."""
    evidence, replica = Evidence(), Replica("w", "c")
    for number in range(states):
        line, unit = State("LogMessage job done", (f"{number:04}",)), State("Process job /job", (f"{number:04}",))
        child = State("Process sh /sh", (f"{number:04}",))
        evidence.add(Transition(line, "WAS_GENERATED_BY", "log", unit), replica, Span(0, 0))
        evidence.add(Transition(line, "WAS_GENERATED_BY", "covers", child), replica, Span(0, 0))
        if number == states - 1:
            evidence.add(
                Transition(State("Socket 1.2.3.4:5"), "WAS_GENERATED_BY", "connect", child), replica, Span(0, 0)
            )
    return Model.of("jobs", evidence)


def test_those_that_look_alike_are_compared_by_all_that_came_of_them() -> None:
    told = trace_line([crowd(COMPARED)], b"job done")
    assert told.candidates[0].odd == {"Socket 1.2.3.4:5": 1}
    assert (len(told.explained), len(told.others)) == (EXPLAINED, COMPARED - EXPLAINED)


def test_what_few_share_is_odd_for_each_of_them() -> None:
    """Two attacks in a crowd do not hide each other."""
    evidence = crowd(8).evidence
    child = State("Process sh /sh", ("0000",))
    evidence.add(
        Transition(State("Socket 1.2.3.4:5"), "WAS_GENERATED_BY", "connect", child), Replica("w", "c"), Span(0, 0)
    )
    told = trace_line([Model.of("jobs", evidence)], b"job done")
    assert [one.odd for one in told.candidates[:3]] == [{"Socket 1.2.3.4:5": 2}, {"Socket 1.2.3.4:5": 2}, {}]
    assert [reasons(told, rank)["effects"] > 0 for rank in range(3)] == [True, True, False]


def test_many_candidates_are_all_ranked_and_few_explained() -> None:
    told = trace_line([crowd(500)], b"job done")
    assert (len(told.explained), len(told.candidates)) == (EXPLAINED, 500)
    assert len(set(ranked(told))) == 500


def test_only_the_beginning_of_an_endless_line_is_read() -> None:
    told = trace_line([MODEL], b"portal: user " * 1_000_000)
    assert len(told.line.message) <= MAX_MESSAGE


@pytest.mark.parametrize("line", [ACCESS, PLAIN, b"portal: user a1b2c3d4e5f logged in from 10.89.0.1"])
def test_the_same_evidence_in_another_order_has_the_same_answer(line: bytes) -> None:
    turned = Evidence()
    for item, held in reversed(MODEL.evidence.seen.items()):
        for replica, span in reversed(held.items()):
            turned.add(item, replica, span)
    for state, command in MODEL.evidence.commands.items():
        turned.command(state, command)
    one, other = (to_json(told_value(trace_line([model], line))) for model in (MODEL, Model.of("portal", turned)))
    assert one == other


@given(st.binary(max_size=300), st.sampled_from([(None, None), (0, 1), (BEGIN, None), (None, ATTACK)]))
def test_any_bytes_have_an_answer(raw: bytes, window: tuple[int | None, int | None]) -> None:
    """Whatever a line holds, there are candidates with scores from 0 to 1, in order, or at most five near patterns."""
    told = trace_line([MODEL], raw, *window, indexes=INDEXES)
    scores = [one.score for one in told.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len(told.nearest) <= 5
    assert not (told.candidates and told.nearest)


INDEXES = Indexes()


@given(st.integers(min_value=0, max_value=1 << 45))
def test_a_candidate_never_gains_from_a_time_before_it_was_shown(millis: int) -> None:
    """A time before the epoch that precedes a state's first is a reason against it, any other is not."""
    told = trace_line([MODEL], PLAIN, millis, millis, indexes=INDEXES)
    kept = {one.state for one in told.candidates}
    assert (ATTACKED in kept) == (millis >= ATTACK - EPOCH)
    assert (HARMLESS in kept) == (millis >= BEGIN - EPOCH)


def test_a_line_from_just_before_the_attacks_epoch_means_what_had_been_shown_by_then() -> None:
    """The attack is shown a second later, and has led to more; another state fits the time as it is."""
    told = trace_line([MODEL], ACCESS.replace(b"01:50:46", b"01:50:38"))
    assert ranked(told) == [HARMLESS, ATTACKED]
    assert told.candidates[1].slow
