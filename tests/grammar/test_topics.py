"""Names, keys and seals: everybody agrees on the place, and a record out of its place is a forgery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import CodecError
from grammar.signing import ForgeryError, Signer
from grammar.topics import (
    MAX_RECORD,
    Layout,
    Stamped,
    client_settings,
    key,
    open_record,
    parts_of,
    seal_record,
)

SIGNER = Signer(b"s" * 32)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_a_key_gives_back_its_parts_whatever_they_hold(parts: list[str]) -> None:
    """Keys of different parts are different, and none can be made to look like another's."""
    parts = [part.encode("utf-8", "ignore").decode() for part in parts]
    assert parts_of(key(*parts)) == tuple(parts)


@given(st.text(max_size=40), st.integers(min_value=1, max_value=200))
def test_an_application_has_one_partition(app: str, partitions: int) -> None:
    layout = Layout(partitions=partitions)
    assert 0 <= layout.partition(app) < partitions
    assert layout.partition(app) == Layout(partitions=partitions).partition(app)


def test_partitions_are_where_they_have_always_been() -> None:
    assert [Layout(partitions=8).partition(app) for app in ("web", "db", "host", "")] == [4, 3, 7, 4]


def test_every_topic_is_uncompressed_bounded_and_timed_by_the_broker() -> None:
    for topic in Layout(min_insync=2).topics():
        assert topic.settings["compression.type"] == "uncompressed"
        assert topic.settings["message.timestamp.type"] == "LogAppendTime"
        assert topic.settings["min.insync.replicas"] == "2"
        assert int(topic.settings["max.message.bytes"]) == MAX_RECORD
        assert topic.compacted == ("retention.ms" not in topic.settings)


def test_a_sealed_record_counts_in_its_place_only() -> None:
    sealed = seal_record(SIGNER, "models", "t.models", b"web/head", Stamped(3, b"data"))
    assert open_record(SIGNER.public, "models", "t.models", b"web/head", sealed) == Stamped(3, b"data")
    for kind, topic, name in (
        ("models", "t.models", b"db/head"),
        ("models", "u.models", b"web/head"),
        ("words", "t.models", b"web/head"),
    ):
        with pytest.raises(ForgeryError):
            open_record(SIGNER.public, kind, topic, name, sealed)  # type: ignore[arg-type]
    with pytest.raises(ForgeryError):
        open_record(Signer(b"o" * 32).public, "models", "t.models", b"web/head", sealed)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_record_by_accident(data: bytes) -> None:
    with pytest.raises(CodecError):
        open_record(SIGNER.public, "models", "t.models", b"k", data)


def test_keys_are_bounded_and_client_settings_known() -> None:
    with pytest.raises(CodecError, match="key too long"):
        parts_of(b"x" * 5_000)
    with pytest.raises(CodecError, match=r"acks.*known: "):
        client_settings({"acks": 0, "ssl_cafile": "x"})
    assert client_settings({"ssl_cafile": "x"}) == {"ssl_cafile": "x"}
