"""Whatever happens to a log, and whenever the agent looks or is killed: each byte once, in order, or counted.

Source: agent/logfiles_track.py (invariant); design section 3 (promise 5).
"""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from log_node import ACCESS, Log, Node, in_order

from agent import logfiles
from agent.logfiles import LogFiles
from agent.logfiles_value import Piece

LOSSLESS = ("append", "append", "append", "late", "poll", "poll", "rotate", "copytruncate", "restart", "wait")
LOSING = ("empty", "delete", "remove old", "rewrite")
ROUGH = (*LOSSLESS, *LOSING, "kill", "begin")


def play(steps: list[tuple[str, int]], most: int, *, folder: Path) -> tuple[Log, list[Piece], LogFiles]:
    """Do all of it to one log; the accumulator reads `most` bytes a poll, and to the end at last."""
    node, before = Node(folder), logfiles.POLL
    node.add("web")
    log, files = node.log("web"), node.files()
    files.poll()
    log.path.touch()
    files.offer("web", ACCESS, fresh=True)
    pieces = files.poll()
    total: dict[str, int] = {}
    pid = 500
    try:
        logfiles.POLL = most  # type: ignore[misc]
        for what, number in steps:
            alive = (folder / "proc" / str(node.known["web"].pid)).exists()
            if what in LOSING:
                if not alive:
                    continue
                pieces += files.poll()  # what is thrown away before anybody saw that it was there leaves no trace
            if what == "append":
                log.append(number)
            elif what == "late" and log.old(1).exists():
                log.append(1, to=log.old(1))
            elif what == "poll":
                pieces += files.poll()
            elif what == "wait":
                pieces += node.tick(files, 5_000)
            elif what == "restart":
                saved = pickle.dumps(files.progress)
                _add(total, files)
                files.close()
                files = node.files(pickle.loads(saved))
            elif what == "kill" and alive:
                node.kill("web")
            elif what == "begin" and not alive:
                pid += 1
                node.add("web", pid)
            else:
                _change(log, what)
        if not (folder / "proc" / str(node.known["web"].pid)).exists():
            node.add("web", 999)
        for _ in range(3):
            pieces += node.tick(files, 5_000)
        while files.behind:
            pieces += files.poll()
        pieces += files.poll()
    finally:
        logfiles.POLL = before  # type: ignore[misc]
        _add(total, files)
        files.loss.clear()
        files.loss.update(total)
        files.close()
    return log, pieces, files


def _add(total: dict[str, int], files: LogFiles) -> None:
    for cause, number in files.loss.take().items():
        total[cause] = total.get(cause, 0) + number


def _change(log: Log, what: str) -> None:
    if not log.path.exists():
        log.path.touch()
    if what == "rotate":
        log.rotate()
    elif what == "copytruncate":
        log.copytruncate()
    elif what == "empty":
        os.truncate(log.path, 0)
    elif what == "delete":
        log.path.unlink()
    elif what == "remove old" and log.old(1).exists():
        log.old(1).unlink()
    elif what == "rewrite":
        os.truncate(log.path, 0)
        log.append(7)


def steps(of: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(of), st.integers(1, 9)), max_size=30)


def lines(pieces: list[Piece]) -> list[bytes]:
    """All that was given, of each generation in order of its offsets, as lines."""
    found: dict[object, bytes] = {}
    for one in pieces:
        found[one.generation] = found.get(one.generation, b"") + one.data
    return [line for data in found.values() for line in data.splitlines()]


@settings(max_examples=80)
@given(steps(LOSSLESS), st.sampled_from([1 << 22, 500, 31]))
@example([("append", 3), ("rotate", 1), ("late", 1), ("restart", 1), ("late", 1), ("append", 1)], 31)
def test_rotations_and_restarts_lose_nothing(what: list[tuple[str, int]], most: int) -> None:
    """If nothing is thrown away, every byte that was written is given exactly once, and nothing is counted."""
    with tempfile.TemporaryDirectory() as folder:
        log, pieces, files = play(what, most, folder=Path(folder))
    assert in_order(pieces)
    assert sorted(lines(pieces)) == sorted(log.written.splitlines())
    assert not files.loss


@settings(max_examples=80)
@given(steps(ROUGH), st.sampled_from([1 << 22, 500, 31]))
def test_nothing_is_lost_silently_or_given_twice(what: list[tuple[str, int]], most: int) -> None:
    """Whatever is thrown away: no byte is given twice, and what is missing is counted, or said to be unknown."""
    with tempfile.TemporaryDirectory() as folder:
        log, pieces, files = play(what, most, folder=Path(folder))
    assert in_order(pieces)
    size = sum(len(one.data) for one in pieces)
    whole = [line for line in lines(pieces) if line.startswith(b"line ") and line.endswith(b" log")]
    assert len(set(whole)) == len(whole)
    assert set(whole) <= set(log.written.splitlines())
    known = sum(number for cause, number in files.loss.items() if cause != "log_unknown")
    if not files.loss["log_unknown"]:
        assert size + known == len(log.written)
    else:
        assert size + known <= len(log.written)
