"""One log that is rotated, copied, emptied, deleted, and an agent that is restarted meanwhile.

Source: agent/logfiles_track.py and agent/logfiles_tail.py; design section 3 (promise 5); logrotate(8).
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
from log_node import ACCESS, Log, Node, given, in_order

from agent import logfiles
from agent.logfiles import LogFiles
from agent.logfiles_finder import Limits
from agent.logfiles_track import CHUNK
from agent.logfiles_value import Rule


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def web(node: Node) -> tuple[Node, Log, LogFiles]:
    """A container whose access log is followed from its first byte on."""
    node.add("web")
    log = node.log("web")
    files = node.files()
    files.poll()
    log.path.touch()
    assert files.offer("web", ACCESS, fresh=True)
    assert files.poll() == []
    return node, log, files


def again(node: Node, files: LogFiles) -> LogFiles:
    """The agent is killed after a snapshot, and starts again."""
    saved = pickle.dumps(files.progress)
    files.close()
    return node.files(pickle.loads(saved))


def test_half_a_line_is_given_as_it_is(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.raw(b"half")
    assert given(files.poll()) == b"half"
    log.raw(b" and half\n")
    (piece,) = files.poll()
    assert (piece.offset, piece.data) == (4, b" and half\n")


@pytest.mark.parametrize("rounds", [1, 2, 5, 30])
def test_a_burst_of_rotations_between_two_polls(web: tuple[Node, Log, LogFiles], rounds: int) -> None:
    _, log, files = web
    log.append(2)
    pieces = files.poll()
    for _ in range(rounds):
        log.append(2)
        log.rotate()
    log.append()
    pieces += files.poll()
    assert given(pieces) == log.written
    assert len({piece.generation for piece in pieces}) == rounds + 1
    assert in_order(pieces)
    assert not files.loss


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_copies_and_emptied_files_between_two_polls(web: tuple[Node, Log, LogFiles], rounds: int) -> None:
    _, log, files = web
    log.append(2)
    pieces = files.poll()
    for _ in range(rounds):
        log.append(2)
        log.copytruncate()
    log.append()
    pieces += files.poll() + files.poll()
    assert given(pieces) == log.written
    assert in_order(pieces)
    assert len({piece.generation for piece in pieces}) == rounds + 1
    assert not files.loss


def test_a_copy_of_what_was_read_already_is_no_loss(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.append(5)
    files.poll()
    log.copytruncate()
    new = log.append()
    assert given(files.poll() + files.poll()) == new
    log.copytruncate()
    newer = log.append(9)
    assert given(files.poll() + files.poll()) == newer
    assert not files.loss


def test_emptied_without_a_copy_what_was_seen_is_counted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "POLL", 10)
    node.add("web")
    log, files = node.log("web"), node.files()
    files.poll()
    log.append(3)
    files.offer("web", ACCESS, fresh=True)
    first = given(files.poll())
    os.truncate(log.path, 0)
    assert len(first) == 10
    assert files.poll() == []
    assert files.loss == {"log_truncated": len(log.written) - 10}


def test_emptied_without_a_copy_and_all_read_is_not_known(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.append(9)
    files.poll()
    os.truncate(log.path, 0)
    new = log.append(2)
    (piece,) = files.poll() + files.poll()
    assert (piece.offset, piece.data, piece.generation.number) == (0, new, 2)
    assert files.loss == {"log_unknown": 1}


def test_a_file_emptied_and_grown_beyond_our_place_is_noticed(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.append(20)
    pieces = files.poll()
    begun = log.path.read_bytes()[:300]
    log.copytruncate()
    log.raw(begun)  # it begins as before: a banner, for example
    log.append(50)
    pieces += files.poll() + files.poll()
    assert given(pieces) == log.written
    assert pieces[-1].generation.number == 2


def test_a_writer_that_does_not_append_leaves_a_hole_that_is_not_given(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    far = 10 << 30
    first = log.append(2)
    assert given(files.poll()) == first
    shutil.copy(log.path, log.old(1))
    os.truncate(log.path, 0)
    with log.path.open("r+b") as file:
        file.seek(far)
        file.write(b"far away\n")
    (piece,) = files.poll() + files.poll()
    assert (piece.offset, piece.data, piece.generation.number) == (far, b"far away\n", 2)
    assert not files.loss


def test_an_old_worker_that_still_writes_to_the_old_file_is_heard(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    log.append(2)
    pieces = files.poll()
    log.rotate()
    log.append()
    pieces += files.poll()
    log.append(1, to=log.old(1))
    log.append()
    pieces += node.tick(files, 1_000)
    assert sorted(given(pieces).splitlines()) == sorted(log.written.splitlines())
    assert in_order(pieces)
    assert [piece.generation.number for piece in pieces] == [1, 2, 1, 2]


def test_deleted_and_made_again(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.append(2)
    with log.path.open("ab") as writer:
        log.path.unlink()
        pieces = files.poll()
        writer.write(b"written to what has no name\n")
        writer.flush()
        pieces += files.poll()
    log.path.touch()
    new = log.append()
    pieces += files.poll()
    assert given(pieces) == log.written[: -len(new)] + b"written to what has no name\n" + new
    assert not files.loss


def test_a_folder_that_was_moved_away_and_made_again(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    log.append(2)
    files.poll()
    log.path.parent.rename(log.path.parent.with_name("before"))
    log.path.parent.mkdir()
    new = log.append()
    assert given(node.tick(files) + files.poll()) == new


@pytest.mark.parametrize("change", ["none", "rotate", "rotate twice", "copytruncate", "late"])
def test_a_restart_goes_on_where_it_was(web: tuple[Node, Log, LogFiles], change: str) -> None:
    node, log, files = web
    log.append(20)
    pieces = files.poll()
    files = again(node, files)
    if change == "late":
        files.poll()
    log.append()
    for _ in range({"none": 0, "late": 0, "rotate twice": 2}.get(change, 1)):
        log.copytruncate() if change == "copytruncate" else log.rotate()
        log.append()
    pieces += files.poll() + files.poll()
    assert given(pieces) == log.written
    assert in_order(pieces)
    assert not files.loss


def test_a_log_that_is_gone_after_a_restart_is_a_gap(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "POLL", 10)
    node.add("web")
    log, files = node.log("web"), node.files()
    files.poll()
    log.append(3)
    files.offer("web", ACCESS, fresh=True)
    files.poll()
    files = again(node, files)
    log.path.unlink()
    new = Log(log.path)
    new.append()
    pieces = [piece for _ in range(4) for piece in files.poll()]
    assert given(pieces) == new.written
    assert files.loss == {"log_gap": len(log.written) - 10}


def test_too_far_behind_is_left_out_and_counted(node: Node) -> None:
    node.add("web")
    node.limits = Limits(behind=1 << 20)
    files = node.files()
    files.poll()
    log = node.log("web")
    log.path.touch()
    files.offer("web", ACCESS, fresh=True)
    files.poll()
    log.raw(b"x" * (30 << 20))
    pieces = files.poll() + files.poll()
    assert len(given(pieces)) + files.loss["log_backlog"] == 30 << 20
    assert pieces[-1].offset + len(pieces[-1].data) == 30 << 20
    assert in_order(pieces)


def test_a_line_of_ten_megabytes_is_given_in_pieces(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.raw(b"x" * (10 << 20) + b"\n")
    pieces = files.poll()
    while files.behind:
        pieces += files.poll()
    assert given(pieces) == log.written
    assert max(len(piece.data) for piece in pieces) <= CHUNK


@pytest.mark.parametrize("shows_size", [False, True])
def test_a_descriptor_that_shows_less_than_the_name_is_opened_again(
    web: tuple[Node, Log, LogFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shows_size: bool
) -> None:
    """As on an overlay of older kernels, whose descriptors stay with the lower file."""
    _, log, files = web
    log.append(2)
    pieces = files.poll()
    track = files.finder.homes["web"].tracks[ACCESS]
    assert track.current is not None
    (tmp_path / "lower").write_bytes(log.written)
    lower, real, status = os.open(tmp_path / "lower", os.O_RDONLY), os.pread, os.fstat
    stale = track.current.fd
    monkeypatch.setattr(os, "pread", lambda fd, count, at: real(lower if fd == stale else fd, count, at))
    if not shows_size:
        monkeypatch.setattr(
            os, "fstat", lambda fd: os.stat_result((*status(fd)[:6], len(pieces[0].data), *status(fd)[7:]))
            if fd == stale else status(fd),
        )  # fmt: skip
    log.append(3)
    for _ in range(3):
        pieces += files.poll()
    assert given(pieces) == log.written
    assert track.current.fd != stale
    os.close(lower)


def test_a_file_that_an_overlay_copies_up_is_read_on_in_its_copy(node: Node, tmp_path: Path) -> None:
    """What was open before the first write shows the lower file for ever: the name shows more."""
    root = node.add("web")
    lower, upper, work = (tmp_path / name for name in ("lower", "upper", "work"))
    for folder in (lower / "log", upper, work, root / "srv"):
        folder.mkdir(parents=True)
    (lower / "log/app.log").write_bytes(b"from the image\n")
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(root / "srv")], check=False)
    if done.returncode:
        pytest.skip("no right to mount an overlay here")
    try:
        node.rules = (Rule("web", "/srv/log/*.log"),)
        files, log = node.files(), node.log("web", "/srv/log/app.log")
        assert files.poll() == []
        pieces = []
        for _ in range(3):
            log.append()
            pieces += files.poll() + files.poll()
        assert given(pieces) == log.written
        assert (pieces[0].offset, files.loss.take()) == (15, {})
        files.close()
    finally:
        subprocess.run(["umount", str(root / "srv")], check=True)
