"""The module's own record in an event: read as it is written, and nothing else taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tag_scene import companion, tag

from agent.tag_record import is_sound, tag_of

SAID = tag(120, b"a line\n", 201, 1_700_000_000_123_456_789, inner_tgid=7, inner_pid=8, cgroup=99)
HEAD = b"type=KERNEL_OTHER msg=audit(1700000000.123:45): "


def test_a_record_says_what_its_write_was() -> None:
    found = tag_of(b'type=CWD msg=audit(1700000000.123:45): cwd="/"\n' + HEAD + companion(SAID) + b"\n")
    assert found is not None
    told = SAID._replace(uid=0xFFFFFFFF, auid=0xFFFFFFFF)  # the record does not say them
    assert found == told


def test_an_older_auditd_has_no_name_for_it() -> None:
    assert tag_of(b"type=UNKNOWN[1316] msg=audit(1.000:1): " + companion(SAID) + b"\n") is not None


@pytest.mark.parametrize("kind", [b"USER_AVC", b"USER", b"TRUSTED_APP", b"UNKNOWN[1120]", b"KERNEL", b"PATH"])
def test_a_record_that_user_space_can_write_is_none(kind: bytes) -> None:
    """CAP_AUDIT_WRITE lets a process write records of types that begin with USER, whatever they say."""
    assert tag_of(b"type=" + kind + b" msg=audit(1700000000.123:45): " + companion(SAID) + b"\n") is None


def test_a_name_that_looks_like_a_record_is_none() -> None:
    inside = b'type=PATH msg=audit(1.000:1): item=0 name="' + HEAD + companion(SAID) + b'" inode=1\n'
    assert tag_of(inside) is None


def test_an_event_of_several_writes_means_none_of_them() -> None:
    one = HEAD + companion(SAID) + b"\n"
    assert tag_of(one + one) is None


@pytest.mark.parametrize(
    "other",
    [
        {"length": 0}, {"hashed": 9}, {"hashed": 257, "length": 300}, {"offset": 2**63 - 3}, {"nanos": 0},
        {"major": 1 << 12}, {"minor": 1 << 20}, {"tgid": 1 << 32}, {"sequence": 1 << 64}, {"length": 1 << 32},
    ],
)  # fmt: skip
def test_numbers_that_no_write_has_are_none(other: dict[str, int]) -> None:
    odd = SAID._replace(**other)
    assert not is_sound(odd)
    assert tag_of(HEAD + companion(odd) + b"\n") is None


@given(st.binary(max_size=400))
def test_whatever_stands_in_it_there_is_no_traceback(noise: bytes) -> None:
    tag_of(noise)
    tag_of(HEAD + b"winnower: load=" + noise)


@given(st.data())
def test_a_damaged_record_is_none_or_says_other_numbers(data: st.DataObject) -> None:
    whole = HEAD + companion(SAID) + b"\n"
    at = data.draw(st.integers(0, len(whole) - 1))
    found = tag_of(whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + 1 :])
    assert found is None or is_sound(found)
