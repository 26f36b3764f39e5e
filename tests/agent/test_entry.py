"""Entries: nothing that an epoch says is lost on the way to disk, in portions, or in union with another."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.entry import MAX_PLAIN, MAX_TEXT, Entry, entries_of, told, unite
from agent.epochs import Epoch
from grammar import CodecError, Delta, Evidence, Sighting, Span, State, Transition
from grammar.envelope import Run
from grammar.finding import MAX_UNITED, Finding, Verdict

STATES = [State(f"File /tmp/{n}") for n in range(4)]
MOVES = [Transition(a, "WAS_DERIVED_FROM", "version", b) for a in STATES for b in STATES if a != b]


def epoch(deltas: dict[str, Delta], start: int = 0, length: int = 1_000) -> Epoch:
    return Epoch(start, length, 3, 9, 2, 1, 2, 1, {"late": 1}, (("web1", 4),), deltas, 0.0)


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    first = draw(st.integers(0, 500))
    return Sighting(
        draw(st.sampled_from(["web1", "web2"])),
        tuple(draw(st.lists(st.sampled_from(MOVES), max_size=4, unique=True))),
        tuple(draw(st.lists(st.sampled_from(STATES), max_size=2, unique=True))),
        first,
        first + draw(st.integers(0, 500)),
        tuple((state, draw(st.integers(1, 9))) for state in draw(st.lists(st.sampled_from(STATES), unique=True))),
    )


DELTAS = st.dictionaries(
    st.sampled_from(["web", "db"]),
    st.builds(
        Delta,
        st.lists(sightings(), max_size=3, unique_by=lambda one: one.container).map(tuple),
        st.dictionaries(st.sampled_from(STATES), st.sampled_from(["ls", "cat"])),
        st.lists(st.sampled_from(["File /tmp/{int}", "File /x{int}"]), unique=True).map(tuple),
    ),
)
EPOCHS = st.builds(epoch, DELTAS, st.sampled_from([0, 700, 5_000]))


def shown(*entries: Entry) -> dict[str, Evidence]:
    """What a monitor would know of the deltas: items by replica, commands, learned; levels, but no times."""
    found: dict[str, Evidence] = {}
    for entry in entries:
        for app, delta in told(entry):
            found.setdefault(app, Evidence()).update(delta.evidence("w", Span(0, 0)))
    return found


@given(EPOCHS)
def test_an_epoch_comes_back_from_disk_as_it_was(one: Epoch) -> None:
    """Packed and unpacked, an entry says what the epoch said."""
    (entry,) = entries_of(one, control=3)
    again = Entry.unpack(entry.pack())
    assert again == entry
    assert (again.start, again.events, again.lost, again.active, again.control) == (
        one.start,
        3,
        {"late": 1},
        one.active,
        3,
    )
    wanted = {app: delta.evidence("w", Span(0, 0)) for app, delta in one.deltas.items()}
    assert shown(again) == wanted


@given(EPOCHS, EPOCHS)
def test_two_epochs_united_say_what_both_say(a: Epoch, b: Epoch) -> None:
    """The union holds the same evidence and the sums of all counts, and no sighting has moved in time."""
    (first,), (second,) = entries_of(a), entries_of(b)
    both = unite(first, second)
    assert shown(both) == shown(first, second)
    assert (both.events, both.lost, both.active, both.epochs) == (6, {"late": 2}, (("web1", 8),), 2)
    assert both.start == min(a.start, b.start)
    assert both.start + both.length == max(a.start + a.length, b.start + b.length)
    assert bounds(both) == bounds(first, second)


def bounds(*entries: Entry) -> list[int]:
    """The first and the last time that anything is shown at, by log time."""
    shown = [(entry.start, one) for entry in entries for _, delta in told(entry) for one in delta.sightings]
    return [min(at + one.first for at, one in shown), max(at + one.last for at, one in shown)] if shown else []


def test_containers_lives_are_told_once_as_they_were_known_last() -> None:
    begun, ended, other = (
        Run("web1", "id1", "web", "i", 5, 0),
        Run("web1", "id1", "web", "i", 5, 9),
        Run("b", "2", "", "", 1, 0),
    )
    both = unite(Entry(0, 1, runs=(begun, other)), Entry(1, 1, runs=(ended,)))
    assert both.runs == (ended, other)


def test_a_large_epoch_makes_several_entries_and_the_first_has_the_counts() -> None:
    many = [State("File /" + hashlib.shake_128(b"%d" % n).hexdigest(450)) for n in range(2 * MAX_PLAIN // 900)]
    entries = entries_of(epoch({"web": Delta((Sighting("web1", (), tuple(many)),))}))
    assert len(entries) > 1
    assert all(len(one.pack()) <= MAX_PLAIN and one.size <= MAX_PLAIN for one in entries)
    assert [one.events for one in entries] == [3] + [0] * (len(entries) - 1)
    assert [one.epochs for one in entries] == [1] + [0] * (len(entries) - 1)
    assert {state for one in entries for _, delta in told(one) for state in delta.states} == set(many)


def test_what_cannot_be_written_is_a_loss_and_not_an_error() -> None:
    (entry,) = entries_of(epoch({"web": Delta((Sighting("web1", (), (State("File /" + "x" * 20_000),)),))}))
    assert entry.deltas == ()
    assert entry.lost == {"late": 1, "unencodable": 1}


def test_without_its_deltas_an_entry_says_how_many_epochs_have_lost_theirs() -> None:
    entry = Entry(0, 1, lost={"late": 2}, deltas=(("web", b"x"),), epochs=5, news=3)
    assert entry.without_deltas("spool_dropped").lost == {"late": 2, "spool_dropped": 3}
    assert Entry(0, 1).without_deltas("spool_dropped") == Entry(0, 1)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-3], lambda b: b[:20] + b"\xff" + b[21:], lambda b: b"", lambda b: b"x"]
)
def test_a_damaged_entry_is_an_error_of_ours(damage: object) -> None:
    assert callable(damage)
    data = entries_of(epoch({"web": Delta((Sighting("web1", tuple(MOVES)),))}))[0].pack()
    with pytest.raises(CodecError):
        Entry.unpack(damage(data))
    with pytest.raises(CodecError):
        Entry.unpack(__import__("zstandard").compress(msgspec.msgpack.encode([1])))


def finding(number: int, verdict: Verdict, label: str = "File /x") -> Finding:
    return Finding("p", "web", "web1", ("Process sh", f"{label}{number}"), verdict, number)


def test_of_a_match_the_last_word_is_kept_but_what_was_seen_stays_seen() -> None:
    before = Entry(0, 1, findings=(finding(1, "unseen"), finding(2, "seen"), finding(3, "open")))
    after = Entry(1, 1, findings=(finding(1, "seen"), finding(2, "unseen"), finding(3, "unseen")))
    said = {one.ends[1][-1]: one.verdict for one in unite(before, after).findings}
    assert said == {"1": "seen", "2": "seen", "3": "unseen"}


def test_what_is_real_is_kept_when_there_are_too_many_findings() -> None:
    one = Entry(0, 1)
    for number in range(20):
        many = tuple(finding(100 * number + at, "seen" if at == 99 else "unseen") for at in range(100))
        one = unite(one, Entry(number, 1, findings=many))
    assert len(one.findings) == MAX_UNITED
    assert sum(found.verdict == "seen" for found in one.findings) == 20
    for number in range(100):
        one = unite(one, Entry(number, 1, findings=(finding(number, "seen", "File /" + "y" * 60_000),)))
    assert sum(len(end) for found in one.findings for end in found.ends) <= MAX_TEXT
    assert Entry.unpack(one.pack()) == one
