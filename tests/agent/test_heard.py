"""What the journal keeps of looks at logs: all of it, in little room; a damaged row is told from a sound one.

Source: agent/heard.py.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.heard import MAX_LOOKS, Heard, Hearing, Placed
from agent.logfiles_value import Given, Look
from agent.memory import Aside, Cut
from grammar import CodecError
from grammar.control import read

NUMBERS = st.integers(0, (1 << 64) - 1)
NAMES = st.text(max_size=9) | st.just("/var/log/caf\udce9.log")
LOOKS = st.lists(
    st.builds(
        Placed, NUMBERS, NUMBERS,
        st.builds(Look, NUMBERS, st.lists(st.builds(Given, NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS)).map(tuple)),
    )
)  # fmt: skip


@settings(max_examples=200)
@given(LOOKS)
def test_what_is_written_is_read(looks: list[Placed]) -> None:
    cut = Cut(1, 2, heard=Heard.of(looks))
    assert list(read(msgspec.msgpack.encode(cut), Cut).heard.placed()) == looks


def test_a_journal_from_before_says_nothing_of_logs() -> None:
    old = msgspec.msgpack.encode([1, 2, [[b"at"]], None, []])
    assert read(old, Cut) == Cut(1, 2, (Aside(b"at"),))
    assert list(Cut(1, 2).heard.placed()) == []


@pytest.mark.parametrize("heard", [Heard((), ((0, 0, 1, ((0, 1, 2, 3),)),)), Heard(((b"web", b"\xff"),), ())])
def test_a_damaged_one_is_no_journal(heard: Heard) -> None:
    with pytest.raises(CodecError):
        list(heard.placed())


def test_a_look_costs_little_room() -> None:
    looks = [Placed(0, 1 << 20, Look(1_795_371_000_000, (Given("web", "/a.log", 1_701, 1 << 20, 86),)))] * 500
    assert len(msgspec.msgpack.encode(Heard.of(looks))) < 30 * 500


def test_an_epoch_hears_so_much_and_begins_again() -> None:
    hearing, looks = Hearing(), [Look(1), Look(2)]
    hearing.taken = 7
    hearing.note(3, looks)
    assert (looks, bool(hearing), hearing.full) == ([], True, False)
    hearing.note(4, [Look(3)] * MAX_LOOKS)
    assert hearing.full
    assert list(hearing.take().placed())[:2] == [Placed(3, 7, Look(1)), Placed(3, 7, Look(2))]
    assert (bool(hearing), hearing.taken) == (False, 0)
