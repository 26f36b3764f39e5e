"""A longer log is the same log again, later: ids stay unique, the order of time and the rest of each record stay."""

from __future__ import annotations

from pathlib import Path

import zstandard
from hypothesis import given
from hypothesis import strategies as st
from logs import count_records, plain_log, worker_logs
from shift import bounds, main, shifted

LOG = (
    b"type=SYSCALL msg=audit(100.900:7): a0=1\n"
    b'node=w1 type=CWD msg=audit(100.900:7): cwd="/audit(1.000:1)"\n'
    b"type=SYSCALL msg=audit(102.000:9): a0=2\n"
    b"rubbish\n"
)


def test_copies_follow_one_another_with_ids_of_their_own(tmp_path: Path) -> None:
    source, out = tmp_path / "audit.log", tmp_path / "out.log"
    source.write_bytes(LOG)
    assert main([str(source), "3", str(out)]) == 0
    lines = out.read_bytes().splitlines(keepends=True)
    assert b"".join(lines[:4]) == LOG
    assert lines[4] == b"type=SYSCALL msg=audit(103.000:10): a0=1\n"
    assert lines[5] == b'node=w1 type=CWD msg=audit(103.000:10): cwd="/audit(1.000:1)"\n'
    assert lines[10:] == [b"type=SYSCALL msg=audit(106.200:15): a0=2\n", b"rubbish\n"]


@given(st.integers(0, 10**12), st.integers(0, 2**31))
def test_a_shift_and_what_is_left_of_it_add_up(later_ms: int, more: int) -> None:
    """Shifting twice is shifting once by the sum."""
    line = LOG.splitlines(keepends=True)[1]
    assert shifted(shifted(line, later_ms, more), 500, 3) == shifted(line, later_ms + 500, more + 3)


def test_a_log_without_its_last_newline_is_whole_again_in_every_copy(tmp_path: Path) -> None:
    source, out = tmp_path / "audit.log", tmp_path / "out.log"
    source.write_bytes(LOG[:-1])
    main([str(source), "2", str(out)])
    assert count_records(source) * 2 == count_records(out) == 8


def test_a_log_of_rubbish_has_no_bounds(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_bytes(b"a\nb")
    found = bounds(tmp_path / "audit.log")
    assert (found.first_ms, found.last_ms, found.step_ms, found.step_serial) == (0, 0, 1000, 1)


def test_a_compressed_log_is_unpacked_elsewhere(tmp_path: Path) -> None:
    worker, folder = tmp_path / "w1", tmp_path / "folder"
    worker.mkdir()
    folder.mkdir()
    (worker / "audit.log.zst").write_bytes(zstandard.compress(LOG))
    assert worker_logs(tmp_path) == {"w1": worker / "audit.log.zst"}
    assert worker_logs(worker) == {"w1": worker / "audit.log.zst"}
    assert plain_log(worker, folder).read_bytes() == LOG
    assert [path.name for path in worker.iterdir()] == ["audit.log.zst"]
