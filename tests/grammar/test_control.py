"""Messages: they come back as they went, and nothing else comes in."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.control import (
    MAX_MESSAGE,
    Answer,
    Control,
    Enrol,
    Instance,
    Link,
    Listen,
    Orders,
    Question,
    Reply,
    read,
    write,
)
from grammar.errors import CodecError

QUESTION = Question(b"q", "web", (("Process sh", ("from a",)),), "descendants", 3, 10, 1, 2)
MESSAGES = [
    Answer("new", 7, 1),
    Control(3, 10_000, (("web", ("/tmp/{int}",)),), (("a.cypher", "MATCH (a) RETURN a"),)),
    QUESTION,
    Listen("w1", 3, 55_000),
    Orders(Control(1), (QUESTION,)),
    Enrol("w1", b"p" * 32, b"t" * 16, b"x" * 32),
    Reply(b"q", "w1", (Instance(1, "c", "File /x", "/x", "", 7, 9, True),), (Link(1, "USED", "read", 2, 9),), True, 5),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_messages_come_back(message: msgspec.Struct) -> None:
    assert read(write(message), type(message)) == message


@pytest.mark.parametrize("sort", [type(one) for one in MESSAGES])
@given(data=st.binary(max_size=80))
def test_any_bytes_are_a_value_or_a_typed_error(sort: type[msgspec.Struct], data: bytes) -> None:
    try:
        message = read(data, sort)
    except CodecError:
        return
    assert read(write(message), sort) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_a_message_of_one_sort_is_none_of_another(message: msgspec.Struct) -> None:
    with pytest.raises(CodecError):
        read(b"\xff" + write(message), type(message))


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(CodecError, match="too large"):
        read(bytes(MAX_MESSAGE + 1), Answer)


@pytest.mark.parametrize(
    "bad", [Answer("taken", 0), Control(0, -1), Listen("w" * 257), Enrol("w", b"short", b"t" * 16, b"x" * 32)]
)
def test_values_out_of_bounds_are_refused(bad: msgspec.Struct) -> None:
    with pytest.raises(CodecError):
        read(write(bad), type(bad))
