"""What an owner publishes of an application is what another monitor takes over: whole, in any order, or not at all."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from playbook import APACHE, SH, USUAL, runs, shows, writes
from signed import SignedAgent

from grammar import CodecError, encode_model
from monitor import kafka_state
from monitor.kafka_mirror import Kept, Mirror, Put
from monitor.monitor import Monitor
from monitor.store import Store


def monitor(folder: Path) -> Monitor:
    return Monitor(Store(folder, create=True))


def taught(folder: Path) -> Monitor:
    one = monitor(folder)
    for name in ("w1", "w2"):
        agent = SignedAgent(name)
        container = f"web\udcff{name}"
        batch = [
            agent.envelope({"web": shows(container, *USUAL)}, lane="web"),
            agent.envelope({"web": shows(container, writes(APACHE, f"/{name}"), runs(APACHE, SH))}, lane="web"),
        ]
        assert one.receive_many(batch) == ["new", "new"]
    return one


def take_over(other: Monitor, parts: dict[tuple[str, ...], bytes]) -> bool:
    with other.store.transaction():
        taken = kafka_state.take_over(other.store, "web", parts)
        other.reload("web")
    return taken


def test_the_same_model_and_the_same_chains(tmp_path: Path) -> None:
    one, other = taught(tmp_path / "a"), monitor(tmp_path / "b")
    parts = kafka_state.export(one.store, "web", None, 0)
    assert take_over(other, parts)
    assert encode_model(other.apps["web"].model) == encode_model(one.apps["web"].model)
    assert other.store.chains("web") == one.store.chains("web")
    assert kafka_state.export(other.store, "web", None, 0) == parts


@given(st.randoms(use_true_random=False))
def test_parts_merge_in_any_order_and_portion(tmp_path_factory: pytest.TempPathFactory, chance: random.Random) -> None:
    """However parts are divided and repeated (words first), the state is the same."""
    folder = tmp_path_factory.mktemp("parts")
    one, other = taught(folder / "a"), monitor(folder / "b")
    parts = kafka_state.export(one.store, "web", None, 0)
    words = {part: data for part, data in parts.items() if part[0] == "words"}
    rest = [part for part in parts if part[0] != "words"] * 2
    chance.shuffle(rest)
    assert take_over(other, words)
    while rest:
        size = chance.randint(1, 3)
        assert take_over(other, {part: parts[part] for part in rest[:size]})
        rest = rest[size:]
    assert kafka_state.export(other.store, "web", None, 0) == parts


def test_only_what_is_asked_for_is_exported(tmp_path: Path) -> None:
    one = taught(tmp_path)
    parts = kafka_state.export(one.store, "web", ["w2"], 1)
    assert {part[1] for part in parts if part[0] in {"items", "agent"}} == {"w2"}
    assert ("words", "00000000") not in parts


def test_other_words_are_seen_and_missing_ones_too(tmp_path: Path) -> None:
    one, other = taught(tmp_path / "a"), monitor(tmp_path / "b")
    parts = kafka_state.export(one.store, "web", None, 0)
    first = ("words", "00000000")
    with pytest.raises(LookupError):
        take_over(other, {part: data for part, data in parts.items() if part != first})
    assert take_over(other, {first: parts[first]})
    assert not take_over(other, {first: b"other"})


@given(st.binary(max_size=100))
def test_no_bytes_are_a_part_by_accident(data: bytes) -> None:
    """Whatever the bytes, they are a part, or a `CodecError`."""
    with suppress(CodecError):
        kafka_state.unpack(data, kafka_state.Items)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(kafka_state.MOST + 1))
    assert len(bomb) < 10_000
    with pytest.raises(CodecError, match="too large"):
        kafka_state.unpack(bomb, kafka_state.Items)


def test_the_mirror_keeps_the_higher_version_then_the_later(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    assert mirror.put("t", Kept(b"web/a", 3, b"three")) is Put.NEW
    assert mirror.put("t", Kept(b"web/a", 3, b"three")) is Put.SAME
    assert mirror.put("t", Kept(b"web/a", 2, b"two")) is Put.STALE
    assert mirror.put("t", Kept(b"web/a", 3, b"other three")) is Put.NEW
    mirror.put("t", Kept(b"web2/a", 1, b"x"))
    mirror.put("u", Kept(b"web/b", 1, b"x"))
    assert [one.sealed for one in mirror.under("t", b"web/")] == [b"other three"]
    mirror.note({("t", 0): 5})
    mirror.close()
    again = Mirror(tmp_path)
    assert again.positions() == {("t", 0): 5}
    again.clear(["t"])
    assert again.keys("t") == []
    assert again.positions() == {}
    again.close()
