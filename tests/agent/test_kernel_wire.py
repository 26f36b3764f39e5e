"""Messages of the kernel's audit: what goes out comes back, and no bytes can do more than be refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import kernel_wire as wire
from agent.kernel_wire import Condition, KernelStatus, Message, Rule
from grammar.errors import CodecError

TEXT_FIELDS = sorted(name for name, number in wire.FIELDS.items() if number in wire.TEXTS)
NUMBER_FIELDS = sorted(name for name, number in wire.FIELDS.items() if number not in wire.TEXTS)
operators = st.sampled_from(sorted(wire.OPERATORS))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
conditions = st.one_of(
    st.builds(Condition, st.sampled_from(NUMBER_FIELDS), operators, st.integers(0, wire.UNSET)),
    st.builds(Condition, st.sampled_from(TEXT_FIELDS), operators, texts),
)
rules = st.builds(
    Rule,
    st.sampled_from(sorted(wire.LISTS)),
    st.sampled_from(sorted(wire.ACTIONS)),
    st.frozensets(st.integers(0, 2_047)),
    st.lists(conditions, max_size=8).map(tuple),
)


@given(rules)
def test_a_rule_survives_the_wire(rule: Rule) -> None:
    assert wire.decode_rule(wire.encode_rule(rule)) == rule


@given(st.binary(max_size=2_000))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    """Whatever the kernel sent, it is read or it is a `CodecError`."""
    for decode in (wire.messages, wire.decode_rule, wire.decode_status, wire.error_of):
        try:
            decode(data)
        except CodecError:
            continue


@given(rules, st.data())
def test_a_changed_rule_is_read_or_refused(rule: Rule, data: st.DataObject) -> None:
    body = bytearray(wire.encode_rule(rule))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    found = wire.decode_rule(bytes(body[: data.draw(st.integers(1_040, len(body)))]))
    assert len(found.conditions) <= 64


def test_a_rule_has_the_layout_of_the_header_file() -> None:
    rule = Rule("exit", "always", frozenset({0, 33}), (Condition("arch", "=", 0xC000003E), Condition("key", "=", "k")))
    body = wire.encode_rule(rule)
    assert struct.unpack_from("=3I", body) == (4, 2, 2)
    assert struct.unpack_from("=2I", body, 12) == (1, 2)
    assert struct.unpack_from("=2I", body, 12 + 256) == (11, 210)
    assert struct.unpack_from("=2I", body, 12 + 512) == (0xC000003E, 1)
    assert struct.unpack_from("=2I", body, 12 + 768) == (0x40000000, 0x40000000)
    assert body[12 + 1024 :] == struct.pack("=I", 1) + b"k"


def test_a_status_of_an_older_kernel_reads_as_zeros_where_it_ends() -> None:
    body = struct.pack("=9I", 0, 1, 1, 700, 0, 64, 3, 2, 0)
    assert wire.decode_status(body) == KernelStatus(1, 1, 700, 0, 64, 3, 2)
    assert wire.decode_status(body + bytes(80)) == KernelStatus(1, 1, 700, 0, 64, 3, 2)


def test_a_datagram_may_hold_several_messages_of_odd_length() -> None:
    data = wire.message(wire.GET, 7, b"abc") + b"\0" + wire.message(wire.DONE, 7)
    assert wire.messages(data) == [Message(wire.GET, 7, b"abc"), Message(wire.DONE, 7, b"")]


@pytest.mark.parametrize("cut", [b"\xff" * 16, wire.message(wire.GET, 1, b"abcd")[:-1]])
def test_a_message_that_is_cut_is_refused(cut: bytes) -> None:
    with pytest.raises(CodecError, match="cut short"):
        wire.messages(cut)


def test_only_the_backlog_limit_is_set() -> None:
    fields = struct.unpack("=11I", wire.backlog_request(8_192))
    assert fields == (wire.STATUS_BACKLOG_LIMIT, 0, 0, 0, 0, 8_192, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("exit", "always", frozenset({2_048}), ()),
        Rule("exit", "always", frozenset(), (Condition("nonsense", "=", 1),)),
        Rule("exit", "always", frozenset(), (Condition("pid", "=", 1),) * 65),
    ],
)
def test_what_is_no_rule_is_refused(rule: Rule) -> None:
    with pytest.raises(CodecError, match="no such"):
        wire.encode_rule(rule)
