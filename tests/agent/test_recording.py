"""A recording is read or refused: an error names the file, what is wrong with it, and what to do."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from agent.containers import Container
from agent.recording import CHUNK, open_recording, read_log
from grammar import InputError

LOG = b"type=USER msg=audit(1.000:1): pid=1\n" * 5_000
ENTRY: dict[str, Any] = {
    "Id": "c" * 64,
    "Worker": "w1",
    "Name": "/web1",
    "ImageName": "nginx:1",
    "State": {"Pid": 77},
    "Config": {"Labels": {"com.docker.compose.service": "web"}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording of one worker and one container."""
    (tmp_path / "w1").mkdir()
    (tmp_path / "w1" / "audit.log.zst").write_bytes(zstandard.compress(LOG))
    write(tmp_path, "recording.json", {"name": "small"})
    write(tmp_path, "containers.json", [ENTRY])
    return tmp_path


def write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(json.dumps(value))


def refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        recording = open_recording(folder)
        for log in recording.logs.values():
            b"".join(read_log(log))
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 2_000
    return caught.value


def test_what_a_recording_says(folder: Path) -> None:
    recording = open_recording(folder)
    assert recording.name == "small"
    assert recording.containers == {"w1": [Container("c" * 64, "web1", "web", 77)]}
    assert b"".join(read_log(recording.logs["w1"])) == LOG
    assert max(len(piece) for piece in read_log(recording.logs["w1"])) <= CHUNK


def test_an_uncompressed_log_and_symlinks_are_fine(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / "w1" / "audit.log.zst").unlink()
    real = tmp_path_factory.mktemp("real") / "x"
    real.write_bytes(LOG)
    (folder / "w1" / "audit.log").symlink_to(real)
    link = tmp_path_factory.mktemp("link") / "recording"
    link.symlink_to(folder)
    assert b"".join(read_log(open_recording(link).logs["w1"])) == LOG


def test_an_entry_needs_only_an_id(folder: Path) -> None:
    write(folder, "containers.json", [{"Id": "abcdef0123456789", "State": None, "Config": {"Labels": None}}])
    assert open_recording(folder).containers == {"w1": [Container("abcdef0123456789", "abcdef012345", "unknown")]}


def test_two_frames_are_one_log(folder: Path) -> None:
    (folder / "w1" / "audit.log.zst").write_bytes(zstandard.compress(LOG) + zstandard.compress(b"more\n"))
    assert b"".join(read_log(folder / "w1" / "audit.log.zst")) == LOG + b"more\n"


MISSING: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda folder: folder.rename(folder.parent / "gone"), "no such recording"),
    "no recording.json": (lambda folder: (folder / "recording.json").unlink(), "recording.json: missing file"),
    "no containers.json": (lambda folder: (folder / "containers.json").unlink(), "containers.json: missing file"),
    "no log": (lambda folder: (folder / "w1" / "audit.log.zst").unlink(), "no worker's audit.log"),
    "a folder as a file": (
        lambda folder: (folder / "recording.json").unlink() or (folder / "recording.json").mkdir(), "cannot be read"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), MISSING.values(), ids=MISSING.keys())
def test_what_is_missing_is_named(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    error = refused(folder)
    assert message in str(error)
    assert error.hint or message == "cannot be read"


@pytest.mark.parametrize("name", ["recording.json", "containers.json"])
@pytest.mark.parametrize(
    "text", [b'{"a": 1,\n "b" oops}', b"", b"\xff\xfe{", b"[" * 100_000, b"1" * 5_000, b"null", b'"x"']
)
def test_what_is_no_json_is_located(folder: Path, name: str, text: bytes) -> None:
    (folder / name).write_bytes(text)
    assert f"{name}:" in str(refused(folder))


def test_bad_json_is_located_by_line_and_column(folder: Path) -> None:
    (folder / "containers.json").write_bytes(b'[\n  {"Id": oops}]')
    assert "containers.json:2:10: not JSON" in str(refused(folder))


@pytest.mark.parametrize(
    "about",
    [[], {"workers": "w1"}, {"workers": [1]}, {"workers": {}}, {"workers": ["w1", "w1"]}, {"workers": []},
     {"workers": ["w1", "w2"]}, {"workers": ["../w1"]}, {"workers": ["w1/"]}, {"workers": ["."]}, {"workers": [""]},
     {"workers": ["a\0b"]}, {"workers": ["/etc"]}],
)  # fmt: skip
def test_workers_are_names_of_folders_that_are_there(folder: Path, about: object) -> None:
    write(folder, "recording.json", about)
    refused(folder)


@pytest.mark.parametrize(
    "change",
    [{"Id": ""}, {"Id": 7}, {"Id": None}, {"Worker": "w9"}, {"Worker": 5}, {"Worker": []}, {"Worker": None},
     {"State": []},
     {"State": {"Pid": "77"}}, {"State": {"Pid": True}}, {"State": {"Pid": 1.5}}, {"Config": "x"}, {"Name": 5},
     {"Config": {"Labels": ["a"]}}, {"Config": {"Labels": {"a": 1}}}, {"Config": {"Image": {}}}, {"ImageName": []}],
)  # fmt: skip
def test_entries_of_wrong_types_are_refused_by_number(folder: Path, change: dict[str, object]) -> None:
    write(folder, "containers.json", [ENTRY, ENTRY | {"Id": "d" * 64} | change])
    assert "entry 1" in str(refused(folder))


@pytest.mark.parametrize("value", [["x"], [None], [[ENTRY]], {"a": ENTRY}])
def test_entries_are_objects_in_an_array(folder: Path, value: object) -> None:
    write(folder, "containers.json", value)
    refused(folder)


def test_offending_text_is_escaped_and_cut(folder: Path) -> None:
    write(folder, "recording.json", {"workers": ["\x1b[31m/" + "x" * 10_000]})
    assert "\x1b" not in str(refused(folder))


DAMAGED = {
    "truncated": (lambda packed: packed[: len(packed) // 2], "truncated"),
    "cut by a byte": (lambda packed: packed[:-1], "truncated"),
    "rubbish": (lambda packed: b"no zstd at all", "damaged"),
    "rubbish behind": (lambda packed: packed + b"rubbish", "damaged"),
    "a flipped bit": (lambda packed: packed[:-3] + bytes([packed[-3] ^ 1]) + packed[-2:], "damaged"),
    "the second frame cut": (lambda packed: packed + packed[:9], "truncated"),
    "nothing": (lambda packed: b"", "empty"),
    "a frame of nothing": (lambda packed: zstandard.compress(b""), "empty"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_log_is_an_error_not_an_end(folder: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    log = folder / "w1" / "audit.log.zst"
    log.write_bytes(damage(zstandard.ZstdCompressor(write_checksum=True).compress(LOG)))
    assert message in str(refused(folder))


def test_an_empty_plain_log_is_an_error(folder: Path) -> None:
    (folder / "w1" / "audit.log.zst").rename(folder / "w1" / "audit.log")
    (folder / "w1" / "audit.log").write_bytes(b"")
    assert "empty log" in str(refused(folder))


def test_a_decompression_bomb_is_held_in_pieces(folder: Path) -> None:
    """256 MB of one byte are 8 kB packed: what is held at once stays small."""
    log = folder / "w1" / "audit.log.zst"
    packed = zstandard.ZstdCompressor().compressobj()
    log.write_bytes(b"".join([*(packed.compress(b"\n" * (1 << 20)) for _ in range(256)), packed.flush()]))
    assert log.stat().st_size < 32_000
    tracemalloc.start()
    size = sum(len(piece) for piece in read_log(log))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 256 << 20
    assert peak < 48 << 20


def test_an_unreadable_log_is_an_error(folder: Path) -> None:
    recording = open_recording(folder)
    recording.logs["w1"].unlink()
    with pytest.raises(InputError, match="cannot be read"):
        list(read_log(recording.logs["w1"]))
