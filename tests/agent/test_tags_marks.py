"""Gaps: what is missing is counted, once, and no number that comes in makes millions.

Source: agent/tags_marks.py.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tagged import LOAD, NOW, tag, tags

from agent.loss import Loss
from agent.tags import Tag
from agent.tags_marks import BURST, FASTEST, MAX_CPUS, MAX_LOADS, WIDTH, Marks

LATER = NOW + 10**15


def lost(*polls: list[Tag], now: int = LATER, marks: Marks | None = None) -> dict[str, int]:
    marks, loss = marks or Marks(), Loss()
    for one in polls:
        marks.see(one, now, loss)
    return loss.take()


def test_in_order_nothing_is_missing() -> None:
    assert lost(tags(0, 50), tags(50, 60), tags(0, 9, cpu=1)) == {}


def test_a_gap_is_counted_by_its_length_within_a_poll_and_between_polls() -> None:
    assert lost(tags(0, 5) + tags(7, 9), tags(19, 20)) == {"tags_dropped": 12}


def test_each_processor_counts_for_itself() -> None:
    assert lost([*tags(0, 3), *tags(100, 103, cpu=1), *tags(3, 5), *tags(104, 105, cpu=1)]) == {"tags_dropped": 1}


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 200))), st.data())
def test_where_nothing_is_forged_each_missing_number_is_counted_once(
    there: set[tuple[int, int]], data: st.DataObject
) -> None:
    """Of each processor: from the first to the last one seen, whatever came, and however it was polled."""
    order = sorted(there, key=lambda one: (one[1], one[0]))
    many = [tag(sequence, cpu=cpu) for cpu, sequence in order]
    cut = data.draw(st.integers(0, len(many)))
    numbers = {cpu: [sequence for c, sequence in order if c == cpu] for cpu in range(4)}
    missing = sum(max(seen) - min(seen) + 1 - len(seen) for seen in numbers.values() if seen)
    assert lost(many[:cut], many[cut:]).get("tags_dropped", 0) == missing


def test_sequences_wrap() -> None:
    last = WIDTH - 1
    assert lost([tag(last - 1, nanos=NOW), tag(last, nanos=NOW), tag(0, nanos=NOW)]) == {}
    assert lost([tag(last, nanos=NOW), tag(4, nanos=NOW)]) == {"tags_dropped": 4}


def test_before_the_first_load_that_is_seen_nothing_is_missing() -> None:
    assert lost(tags(500, 503), tags(900, 901, cpu=3)) == {}


def test_another_load_begins_anew_and_all_that_it_counted_is_ours() -> None:
    """What was written between two loads is not known; of the later one, three were dropped before the first tag."""
    marks = Marks()
    assert lost(tags(50, 60), marks=marks) == {}
    after = [tag(sequence, load=LOAD + 1, nanos=NOW + 10**9) for sequence in range(3, 6)]
    assert lost(after, marks=marks) == {"tags_dropped": 3, "tags_unknown": 1}
    assert lost(tags(60, 70), marks=marks) == {}


@given(st.integers(2 * BURST, WIDTH - 2 * BURST))
def test_a_forged_number_is_one_thing_unknown_and_what_follows_is_counted_from_there(jump: int) -> None:
    forged = tag((9 + jump) % WIDTH, nanos=NOW + 10_000_000)
    assert lost([*tags(0, 10), forged, *tags(10, 20)]) == {"tags_unknown": 2}


@given(st.integers(1, WIDTH - 1), st.integers(0, WIDTH - 1))
def test_no_gap_is_longer_than_the_time_allows(sequence: int, nanos: int) -> None:
    """Whatever number and time one tag brings: by our own clock a second has gone by, and not a write more."""
    found = lost([tag(0)], [tag(sequence, nanos=nanos)], now=NOW + 10**9)
    assert found.get("tags_dropped", 0) <= BURST + 10**9 // FASTEST
    assert found.get("tags_unknown", 0) <= 1


def test_a_flood_that_can_have_been_is_counted_in_full() -> None:
    """Ten million writes in ten seconds, of which one tag came."""
    assert lost([tag(0, nanos=NOW)], [tag(10_000_001, nanos=NOW + 10**10)]) == {"tags_dropped": 10_000_000}


def test_a_repeat_and_one_that_was_overtaken_are_no_gaps() -> None:
    """What is behind by a few is no loss; behind by many it is not known what it is, and counting begins there."""
    assert lost([tag(5), tag(5)], [tag(3)], [tag(6)]) == {}
    assert lost([tag(500), tag(3)], [tag(4)]) == {"tags_unknown": 1}


def test_what_is_held_is_bounded_by_loads_and_processors() -> None:
    marks, loss = Marks(), Loss()
    marks.see([tag(0, load=load) for load in range(100)], LATER, loss)
    assert len(marks.loads) == MAX_LOADS
    marks.see([tag(0, cpu=cpu, load=5_000) for cpu in range(MAX_CPUS + 10)], LATER, loss)
    assert max(len(load.last) for load in marks.loads.values()) <= MAX_CPUS
    assert loss["tags_unknown"] == 101


def test_writes_without_a_probe_are_counted_from_the_first_look_on() -> None:
    marks, loss = Marks(), Loss()
    for counters in ({"load": 1, "missed": 7}, {"load": 1, "missed": 9}, {}, {"load": 1, "missed": 9}):
        marks.look(counters, NOW, loss)
    assert loss.take() == {"tags_missed": 2}
    marks.look({"load": 2, "missed": 4}, NOW, loss)
    assert loss.take() == {"tags_missed": 4, "tags_unknown": 1}
    marks.look({"load": 2, "missed": 1}, NOW, loss)
    assert loss.take() == {}


def test_what_was_dropped_last_is_told_before_its_gap_is_seen_and_only_once() -> None:
    marks, loss = Marks(), Loss()
    marks.look({"load": LOAD, "dropped": 0}, NOW, loss, ours=True)
    marks.see(tags(0, 10), LATER, loss)
    marks.look({"load": LOAD, "dropped": 7}, LATER, loss)
    assert loss.take() == {"tags_dropped": 7}
    marks.see(tags(14, 20), LATER, loss)
    marks.look({"load": LOAD, "dropped": 7}, LATER, loss)
    assert loss.take() == {}
    marks.see(tags(25, 26) + tags(3, 4, cpu=1), LATER, loss)
    marks.look({"load": LOAD, "dropped": 12}, LATER, loss)
    assert loss.take() == {"tags_dropped": 5}


def test_what_the_module_dropped_before_we_came_is_not_ours() -> None:
    marks, loss = Marks(), Loss()
    marks.look({"load": LOAD, "dropped": 1_000}, NOW, loss)
    marks.look({"load": LOAD, "dropped": 1_003}, LATER, loss)
    assert loss.take() == {"tags_dropped": 3}


@given(st.integers(0, WIDTH - 1), st.integers(0, WIDTH - 1))
def test_a_forged_counter_makes_no_millions_and_is_told_once(first: int, second: int) -> None:
    marks, loss = Marks(), Loss()
    marks.look({"load": LOAD, "dropped": 0}, NOW, loss, ours=True)
    for number in (first, first, second, second):
        marks.look({"load": LOAD, "dropped": number}, NOW + 10**9, loss)
    assert loss["tags_dropped"] <= 2 * (BURST + 10**9 // FASTEST)
    assert loss["tags_unknown"] <= 2


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=80))
def test_however_often_the_counter_is_looked_at_each_drop_is_told_once(writes: list[tuple[int, bool, bool]]) -> None:
    """Of a load of our own: all that the kernel's side dropped is told at the last look, no more, no less."""
    marks, loss = Marks(), Loss()
    marks.look({"load": LOAD, "dropped": 0}, NOW, loss, ours=True)
    numbers, dropped = [0, 0, 0], 0
    for cpu, is_dropped, looks in writes:
        if is_dropped:
            dropped += 1
        else:
            marks.see([tag(numbers[cpu], cpu=cpu)], LATER, loss)
        numbers[cpu] += 1
        if looks:
            marks.look({"load": LOAD, "dropped": dropped}, LATER, loss)
            assert loss["tags_dropped"] == dropped
    marks.look({"load": LOAD, "dropped": dropped}, LATER, loss)
    assert loss["tags_dropped"] == dropped
    assert "tags_unknown" not in loss or not loss["tags_unknown"]
