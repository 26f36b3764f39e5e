"""Every byte of a log is given once, in order: under any history of its files, and in a burst with real processes.

Source: agent/follow.py; design section 3 (promise 5).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from follow_log import ALL, Log, again, drained
from hypothesis import given
from hypothesis import strategies as st

from agent.follow import LogFollower
from agent.source import Position

WRITER = """
import os, sys
path, lines, most, keep = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
fd, size = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), 0
for number in range(lines):
    line = b"type=SYSCALL msg=audit(1700000000.123:%d): %s\\n" % (number, b"x" * (number % 200))
    size += os.write(fd, line)
    if size > most:
        os.close(fd)
        for age in range(keep - 1, 0, -1):
            if os.path.exists(f"{path}.{age}"):
                os.rename(f"{path}.{age}", f"{path}.{age + 1}")
        os.rename(path, path + ".1")
        fd, size = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), 0
"""


def test_a_burst_with_rotations_while_it_is_read(tmp_path: Path) -> None:
    """50,000 lines of another process, a rotation every megabyte: each line once, in order."""
    log = Log(tmp_path / "audit.log")
    follower = LogFollower(log.path, start="beginning")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(log.path), "50000", "1000000", "20"])
    lines, got = 0, b""
    while (running := writer.poll() is None) or follower.behind:
        data = follower.read(65_536)
        if not data and running:
            follower.wait(0.05)
        if lines % 5 == 0:
            follower = again(follower)
        *whole, got = (got + data).split(b"\n")
        for line in whole:
            assert line.startswith(b"type=SYSCALL msg=audit(1700000000.123:%d): " % lines)
            lines += 1
    assert (writer.returncode, lines, got) == (0, 50_000, b"")
    assert not follower.loss
    assert log.name(3).exists()


STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 6)),
    st.tuples(st.just("read"), st.sampled_from([1, 7, 60, 100, 250, ALL])),
    st.tuples(st.sampled_from(["half", "rotate", "copytruncate", "late", "remake", "restart", "cut"]), st.just(0)),
)


def apply(log: Log, step: str, number: int) -> None:
    if step == "append":
        log.append(number)
    elif step == "half":
        log.append(half=True)
    elif step == "rotate":
        log.rotate()
    elif step == "copytruncate":
        log.copytruncate()
    elif step == "late" and log.name(1).exists() and not (log.path.exists() and log.path.stat().st_size):
        log.append(to=log.name(1))  # its writer has not reopened yet


@given(st.lists(STEPS, max_size=40))
def test_every_byte_once_in_order_whatever_is_done_to_the_files(steps: list[tuple[str, int]]) -> None:
    """Appends, rotations, copies, restarts and reads in any order: what is given is what was written; cuts repeat."""
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder) / "audit.log")
        follower = LogFollower(log.path, start="beginning")
        got = b""
        cuts: list[tuple[Position, int]] = []
        for step, number in steps:
            if step == "read":
                got += follower.read(number)
            elif step == "restart":
                follower = again(follower)
            elif step == "cut":
                cuts.append((follower.position, len(got)))
            elif step == "remake":  # what was read is deleted; the number is likely to be used again
                if follower.behind == 0 and log.path.exists() and log.path.stat().st_size and not cuts:
                    got += follower.read(ALL)
                    log.path.unlink()
                    log.append(1)
                    got += follower.read(1)  # it looks before the next rotation
            else:
                apply(log, step, number)
            assert log.written.startswith(got)
            assert follower.behind == len(log.written) - len(got)
        got += drained(follower)
        assert got == log.written
        assert not follower.loss
        follower.close()
        _check_cuts(log, cuts)


def _check_cuts(log: Log, cuts: list[tuple[Position, int]]) -> None:
    if not cuts:
        return
    again = LogFollower(log.path, cuts[0][0])
    at = cuts[0][1]
    for cut, end in cuts[1:]:
        if not cut.mark.head:
            continue  # nothing had been written
        part = b""
        while more := again.read_to(cut, 90):
            part += more
        assert part == log.written[at:end]
        at = end
    assert drained(again) == log.written[at:]
    assert not again.loss
    again.close()
