"""Whatever is done to a log's files, its bytes are given once each, in order, or counted as lost.

Source: agent/follow.py; design section 3 (promise 5).
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from follow_log import ALL, Log, again, drained

from agent import follow
from agent.follow import LogFollower
from agent.follow_files import Listed, list_files
from agent.source import Position, Source
from grammar.errors import CodecError, InputError


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit.log")


def test_it_is_a_source(log: Log) -> None:
    source: Source = LogFollower(log.path)
    assert source.position == Position()
    assert not source.ended


def test_begins_at_the_end_or_at_the_oldest_file(log: Log) -> None:
    first = log.append(3)
    log.rotate()
    second = log.append(2)
    assert drained(LogFollower(log.path)) == b""
    assert drained(LogFollower(log.path, start="beginning")) == first + second


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    log = Log(tmp_path / "later" / "audit.log")
    follower = LogFollower(log.path)
    assert (follower.read(ALL), follower.wait(0), follower.behind) == (b"", False, 0)
    log.path.parent.mkdir()
    log.append(2)
    assert follower.wait(0)
    assert drained(follower) == log.written
    assert not follower.loss


def test_half_a_line_is_given_and_its_rest_later(log: Log) -> None:
    follower = LogFollower(log.path)
    half = log.append(half=True)
    assert follower.read(ALL) == half
    assert follower.position.cut
    with log.path.open("ab") as file:
        file.write(b"the rest\n")
    assert follower.read(3) == b"the"
    assert again(follower).read(ALL) == b" rest\n"


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_several_rotations_between_two_reads(log: Log, rounds: int) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    got = follower.read(40)
    for _ in range(rounds):
        log.append(2)
        log.rotate()
    log.append(1)
    assert follower.behind == len(log.written) - 40
    assert got + drained(follower) == log.written
    assert not follower.loss


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_several_copies_between_two_reads(log: Log, rounds: int) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    got = follower.read(40)
    for _ in range(rounds):
        log.append(2)
        log.copytruncate()
    log.append(1)
    assert got + drained(follower) == log.written
    assert not follower.loss


def test_a_file_emptied_and_grown_beyond_the_offset_is_noticed(log: Log) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    got = drained(follower)
    log.copytruncate()
    log.append(9)
    assert got + drained(follower) == log.written
    assert not follower.loss


def test_a_copy_that_is_being_made_is_not_read(log: Log) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    got = follower.read(40)
    log.rotate()
    log.append(3)
    log.shift()
    log.name(1).write_bytes(log.path.read_bytes()[:100])  # logrotate is at work
    got += drained(follower)
    shutil.copy(log.path, log.name(1))
    os.truncate(log.path, 0)
    log.append(1)
    assert got + drained(follower) == log.written
    assert not follower.loss


def test_a_writer_that_has_not_reopened_yet_is_still_heard(log: Log) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    drained(follower)
    log.rotate()
    late = log.append(1, to=log.name(1))
    assert drained(follower) == late
    later = log.append(1, to=log.name(1))
    new = log.append(1)
    assert drained(follower) == later + new
    assert not follower.loss


@pytest.mark.parametrize("happens", ["written", "renamed"])
def test_what_happens_between_the_look_at_the_files_and_the_change(
    log: Log, monkeypatch: pytest.MonkeyPatch, happens: str
) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    got = drained(follower)
    log.rotate()
    looks = []

    def look(path: Path) -> list[Listed]:
        looks.append(1)
        if len(looks) > 1:
            return list_files(path)
        if happens == "written":
            log.append(1, to=log.name(1))
        log.append(1)
        listed = list_files(path)
        if happens == "renamed":
            log.rotate()
            log.append(1)
        return listed

    monkeypatch.setattr(follow, "list_files", look)
    got += drained(follower) + drained(follower)
    assert got == log.written
    assert not follower.loss


def test_a_file_first_seen_with_half_a_line_is_known_by_all_of_it_later(log: Log) -> None:
    log.path.write_bytes(b"type=SYSCALL")
    follower = LogFollower(log.path, start="beginning")
    got = drained(follower)
    log.written = got
    log.append(1)
    got += drained(follower)
    log.copytruncate()
    log.append(5)
    assert got + drained(follower) == log.written
    assert not follower.loss


def test_deleted_and_made_anew_loses_nothing_that_was_read(log: Log) -> None:
    log.append(2)
    log.rotate()
    log.append(2)
    follower = LogFollower(log.path)
    log.append(1)
    log.path.unlink()
    assert follower.wait(0)
    got = drained(follower)
    log.append(2)
    assert log.written.endswith(got + drained(follower))
    assert follower.behind == 0
    assert not follower.loss


def test_deleted_and_rotated_before_a_look_may_be_a_loss(log: Log) -> None:
    for rounds in (1, 2):  # without an older file, and with one
        log.append(1)
        follower = LogFollower(log.path)
        log.path.unlink()
        for age in range(1, rounds):
            log.name(age).unlink()
        log.append(1)
        log.rotate()
        log.append(1)
        assert drained(follower) == log.name(1).read_bytes() + log.path.read_bytes()
        assert follower.loss == {"capture_unknown": 1}


def test_a_number_used_again_is_not_the_same_file(log: Log) -> None:
    log.append(2)
    follower = LogFollower(log.path, start="beginning")
    drained(follower)
    saved = follower.position
    follower.close()
    number = log.path.stat().st_ino
    for _ in range(200):  # most file systems give the number away again at once
        log.path.unlink()
        log.path.touch()
        if log.path.stat().st_ino == number:
            break
    else:
        pytest.skip("this file system does not use inode numbers again")
    new = log.append(9)
    follower = LogFollower(log.path, saved)
    assert drained(follower) == new
    assert follower.loss == {"capture_unknown": 1}


@pytest.mark.parametrize("before", [0, 1])
def test_what_was_rotated_away_is_counted_and_the_next_record_is_whole(log: Log, before: int) -> None:
    for _ in range(before):
        log.append(1)
        log.rotate()
    log.append(4)
    follower = LogFollower(log.path, start="beginning")
    if before:
        follower.read(log.name(1).stat().st_size)
    follower.read(10)
    saved = follower.position
    follower.close()
    for _ in range(3):
        log.rotate(keep=2)
        log.append(1)
    follower = LogFollower(log.path, saved)
    assert drained(follower) == b"\n" + log.name(2).read_bytes() + log.name(1).read_bytes() + log.path.read_bytes()
    assert follower.loss == {"capture_gap": saved.seen - 10}


def test_emptied_without_a_copy_is_counted(log: Log) -> None:
    log.append(4)
    follower = LogFollower(log.path, start="beginning")
    follower.read(100)
    os.truncate(log.path, 0)
    known = len(log.written) - 100
    new = log.append(1)
    assert drained(follower) == b"\n" + new
    assert follower.loss.take() == {"capture_gap": known}
    os.truncate(log.path, 0)
    new = log.append(1)
    assert drained(follower) == new
    assert follower.loss.take() == {"capture_unknown": 1}


def test_the_copy_lacks_what_was_written_while_it_was_emptied(log: Log) -> None:
    """Copytruncate's own flaw: bytes that were seen, but are in neither file, are a counted gap."""
    log.append(4)
    follower = LogFollower(log.path, start="beginning")
    follower.read(10)
    log.shift()
    shutil.copy(log.path, log.name(1))
    flawed = log.append(1)
    assert follower.behind == len(log.written) - 10
    os.truncate(log.path, 0)
    log.append(1)
    assert drained(follower) == log.written[10:].replace(flawed, b"")
    assert follower.loss == {"capture_gap": len(flawed)}


def test_dated_names_are_read_in_order_packed_ones_are_not(log: Log) -> None:
    for date in ("20260101", "20260102", "20260102-1700000000"):
        log.append(1)
        log.path.rename(log.path.with_name(f"audit.log-{date}"))
    log.append(1)
    for name in ("audit.log.1.gz", "audit.log.old", "audit.log~", "audit.logs"):
        log.path.with_name(name).write_bytes(b"type=X msg=audit(1.000:1): \n")
    assert drained(LogFollower(log.path, start="beginning")) == log.written


def test_read_to_gives_the_same_bytes_up_to_each_cut(log: Log) -> None:
    log.append(3)
    follower = LogFollower(log.path, start="beginning")
    cuts, parts = [follower.position], []
    for how in (log.rotate, log.copytruncate, log.rotate):
        parts.append(follower.read(70) + follower.read(30))
        cuts.append(follower.position)
        how()
        log.append(2)
        parts.append(drained(follower))
        cuts.append(follower.position)
    follower = LogFollower(log.path, cuts[1])
    assert follower.read_to(cuts[1], ALL) == b""
    for cut, part in zip(cuts[2:], parts[1:], strict=True):
        got = b""
        while more := follower.read_to(cut, 50):
            got += more
        assert got == part
    assert follower.read(ALL) == b""
    assert follower.position == cuts[-1]


def test_read_to_a_place_that_is_gone_gives_nothing_and_read_goes_on(log: Log) -> None:
    log.append(1)
    follower = LogFollower(log.path, start="beginning")
    first = follower.position, follower.read(ALL)
    log.rotate()
    log.append(1)
    drained(follower)
    gone = follower.position
    log.rotate()
    log.append(1)
    log.name(1).unlink()
    follower = LogFollower(log.path, gone)
    assert follower.read_to(first[0], ALL) == b""
    assert follower.read_to(gone, ALL) == b""
    assert follower.read(ALL) == log.path.read_bytes()
    assert follower.loss


def test_skip_counts_whole_records_and_cuts_none(log: Log) -> None:
    log.append(10)
    follower = LogFollower(log.path, start="beginning")
    first = follower.read(100)  # in the middle of the second record
    log.rotate()
    log.append(5)
    half = log.append(half=True)
    assert follower.skip() == 13
    assert follower.loss.take() == {"throttled": 13}
    follower = again(follower)
    assert follower.behind == len(half) + len(follower.position.owed)
    assert first + follower.read(10) + follower.read(ALL) == b"".join(log.written.splitlines(True)[:2])
    assert follower.read(ALL) == half
    assert follower.skip() == 0  # the rest of this one is not there yet
    with log.path.open("ab") as file:
        file.write(b"rest\n")
    after = log.append(1)
    assert follower.skip() == 1
    assert follower.read(ALL) == b"rest\n"
    assert after not in drained(follower)


def test_the_rest_of_a_record_is_given_up_to_a_cut(log: Log) -> None:
    log.append(3)
    follower = LogFollower(log.path, start="beginning")
    follower.read(10)
    follower.skip()
    first = follower.position
    rest = follower.read(7)
    second = follower.position
    follower.seek(first)
    assert follower.read_to(second, ALL) == rest
    assert follower.read_to(second, ALL) == b""


def test_of_a_record_longer_than_any_can_be_only_so_much_is_held(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "MAX_REST", 1000)
    follower = LogFollower(log.path, start="beginning")
    log.append(1)
    log.path.write_bytes(log.path.read_bytes() + b"x" * 100_000)
    got = follower.read(80)
    assert follower.skip() == 0
    assert 1000 < len(follower.position.owed) < 10_000
    got += follower.read(ALL)
    assert got.endswith(b"x\n")
    assert follower.behind > 80_000


def test_skip_on_a_boundary_leaves_a_record_being_written(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "CHUNK", 64)  # a record reaches over several chunks
    follower = LogFollower(log.path, start="beginning")
    log.append(5)
    half = log.append(half=True)
    assert follower.skip() == 5
    assert follower.skip() == 0
    assert drained(follower) == half


def test_rights_and_folders_are_errors_that_say_what_to_do(log: Log) -> None:
    log.path.mkdir()
    with pytest.raises(InputError, match="not a file"):
        LogFollower(log.path)
    if os.geteuid() == 0:
        script = f"import os; os.setuid(65534); from agent.follow import LogFollower; LogFollower({str(log.path)!r})"
        log.path.rmdir()
        log.append(1)
        log.path.chmod(0)
        log.path.parent.chmod(0o755)
        for parent in log.path.parents:
            if not parent.stat().st_mode & stat.S_IXOTH:
                return
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "cannot be read: Permission denied (run the agent as root, or set log_group" in done.stderr


def test_what_is_no_position_is_refused() -> None:
    for data in (b"", b"\x00", b"\x93", os.urandom(50), b"x" * (1 << 20), Position(offset=-1).to_bytes()):
        with pytest.raises(CodecError):
            Position.from_bytes(data)


def test_wait_sees_what_is_written_within_a_quarter_of_a_second(log: Log) -> None:
    log.append(1)
    follower = LogFollower(log.path)
    began = time.monotonic()
    assert not follower.wait(0.5)
    assert 0.5 <= time.monotonic() - began < 0.75
    writer = subprocess.Popen(["sh", "-c", f"sleep 0.6; date +%s.%N >> '{log.path}'"])
    assert follower.wait(5)
    seen = time.time()
    assert writer.wait() == 0
    assert seen - float(follower.read(ALL)) < 0.25 + 0.05
