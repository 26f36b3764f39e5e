"""The spool: what was written down comes back, wherever the agent was killed, and no more than its room is used.

Source: agent/tags_spool.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tags_spool import HEAD, MAX_BLOCK, Spool

ROOM = 1 << 20


def test_what_was_written_down_comes_back_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    for number in range(5):
        assert spool.append(b"%d" % number * 128)
    spool.close()
    assert list(Spool(tmp_path, ROOM).since(0)) == [b"%d" % number * 128 for number in range(5)]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_snapshot_names_the_generation_that_begins_with_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.append(b"before")
    first = spool.cut()
    spool.append(b"one")
    second = spool.cut()
    spool.append(b"two")
    assert list(spool.since(second)) == [b"two"]
    assert list(spool.since(first)) == [b"one", b"two"]
    assert list(spool.since(0)) == [b"before", b"one", b"two"]
    spool.kept = second
    third = spool.cut()
    assert list(spool.since(0)) == [b"two"]
    spool.append(b"three")
    spool.cut()
    spool.cut()  # none of their snapshots could be written: the last one that was names `second`
    assert list(spool.since(second)) == [b"two", b"three"]
    spool.kept = third
    spool.cut()
    assert list(spool.since(0)) == [b"three"]
    assert {path.name for path in tmp_path.iterdir()} == {f"tags-{third}"}


def test_a_restart_goes_on_in_the_same_generation(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    number = spool.cut()
    spool.append(b"one")
    again = Spool(tmp_path, ROOM)
    assert list(again.since(number)) == [b"one"]
    again.append(b"two")
    assert list(Spool(tmp_path, ROOM).since(number)) == [b"one", b"two"]


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6), st.data())
def test_killed_at_any_byte_all_whole_blocks_are_there_and_it_goes_on(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, ROOM)
    for block in blocks:
        spool.append(block)
    spool.close()
    (path,) = folder.iterdir()
    cut = data.draw(st.integers(0, path.stat().st_size))
    os.truncate(path, cut)
    ends = [sum(HEAD.size + len(block) for block in blocks[: n + 1]) for n in range(len(blocks))]
    whole = [block for block, end in zip(blocks, ends, strict=True) if end <= cut]
    again = Spool(folder, ROOM)
    assert list(again.since(0)) == whole
    assert again.damaged == (cut not in (0, *ends))
    again.append(b"after")
    assert list(Spool(folder, ROOM).since(0)) == [*whole, b"after"]


@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(1, 255))
def test_damage_is_never_taken_for_tags(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, flip: int
) -> None:
    """A byte turned anywhere ends what is believed there; a file of noise is none."""
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, ROOM)
    blocks = [b"a" * 128, b"b" * 256, b"c" * 128]
    for block in blocks:
        spool.append(block)
    (path,) = folder.iterdir()
    raw = bytearray(path.read_bytes() + noise)
    raw[at % len(raw)] ^= flip
    path.write_bytes(raw)
    found = list(Spool(folder, ROOM).since(0))
    assert found == blocks[: len(found)] or b"" in found


def test_beyond_its_room_it_takes_nothing_and_counts_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1_000)
    assert [spool.append(b"x" * 300) for _ in range(5)] == [True, True, True, False, False]
    assert spool.left_out == 600
    assert spool.size <= 1_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == spool.size
    spool.cut()
    spool.kept = spool.cut()
    spool.cut()
    assert spool.append(b"x" * 300)


def test_a_block_longer_than_is_ever_read_is_not_written(tmp_path: Path) -> None:
    assert not Spool(tmp_path, 64 << 20).append(bytes(MAX_BLOCK + 1))


def test_a_full_disk_is_said_once_and_leaves_no_half_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.append(b"before")
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: real(file, data[:5]))
        assert not spool.append(b"torn")
        assert not spool.append(b"torn")
    assert len(caplog.records) == 1
    assert spool.append(b"after")
    assert list(spool.since(0)) == [b"before", b"after"]
    assert spool.left_out == 8


def test_only_files_of_ours_are_generations(tmp_path: Path) -> None:
    for name in ("tags-x", "tags-", "tags-1.new", "tags-٣", "tags-" + "9" * 30):
        (tmp_path / name).write_bytes(b"none of ours")
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"not to be touched")
    (tmp_path / "tags-7").symlink_to(theirs)
    spool = Spool(tmp_path, ROOM)
    assert list(spool.since(0)) == []
    assert not spool.append(b"through the link")
    assert theirs.read_bytes() == b"not to be touched"
    assert spool.damaged == 1
