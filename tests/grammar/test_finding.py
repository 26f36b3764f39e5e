"""Findings travel with an epoch: small, bounded, and nothing else is one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import CodecError, Envelope, decode_envelope
from grammar.finding import MAX_SHOWN, MAX_UNITED, Finding, Instance

SEEN = Finding("p", "web", "web1", ("Process sh", "File /x"), "seen", 7, (Instance(1, "web1", "File /x", "/x"),))


def envelope(*findings: object) -> bytes:
    told = Envelope("w1", b"s", 0, 0, 1, 0, {}, (), (), b"")
    fields = [getattr(told, one.name) for one in msgspec.structs.fields(Envelope)]
    return msgspec.msgpack.encode([*fields[:-1], findings])


def test_what_is_sent_is_what_is_read() -> None:
    assert decode_envelope(envelope(SEEN, SEEN)).findings == (SEEN, SEEN)
    assert decode_envelope(envelope(*[SEEN] * MAX_UNITED)).findings[-1] == SEEN


@pytest.mark.parametrize(
    "bad",
    [
        [SEEN] * (MAX_UNITED + 1),
        [["p", "web", "web1", ["a", "b"], "maybe"]],
        [["p", "web", "web1", ["a"], "seen"]],
        [["p", "web", "web1", ["a", "b"], "seen", -1]],
        [["p" * 257, "web", "web1", ["a", "b"], "seen"]],
        [["p", "web", "web1", ["a" * 65_537, "b"], "seen"]],
        [["p", "web", "web1", ["a", "b"], "seen", 0, [[1, "c", "l", "n"]] * (MAX_SHOWN + 1)]],
        [["p", "web", "web1", ["a", "b"], "seen", 0, [], "more"]],
        [7],
    ],
    ids=["many", "verdict", "one end", "time", "policy", "label", "instances", "fields", "number"],
)
def test_what_is_none_is_no_envelope(bad: list[object]) -> None:
    with pytest.raises(CodecError, match="not an envelope"):
        decode_envelope(envelope(*bad))


def test_who_has_no_findings_need_not_say_so() -> None:
    """An agent of before."""
    told = Envelope("w1", b"s", 0, 0, 1, 0, {}, (), (), b"")
    fields = [getattr(told, one.name) for one in msgspec.structs.fields(Envelope)]
    assert decode_envelope(msgspec.msgpack.encode(fields[:-1])) == told


@given(st.data())
def test_any_change_of_a_byte_is_an_envelope_or_an_error(data: st.DataObject) -> None:
    whole = bytearray(envelope(SEEN, SEEN))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    try:
        found = decode_envelope(bytes(whole))
    except CodecError:
        return
    assert len(found.findings) <= MAX_UNITED
