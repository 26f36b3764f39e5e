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
from agent.logfiles_value import Piece
from agent.loss import Loss

LOSSLESS = ("append", "append", "append", "late", "poll", "poll", "rotate", "copytruncate", "restart", "wait")
LOSING = ("empty", "delete", "remove old", "rewrite")
ROUGH = (*LOSSLESS, *LOSING, "kill", "begin")


class Play:
    """One log, what happens to it, and who reads it, `most` bytes a poll; `loss` is all that was counted."""

    def __init__(self, folder: Path, most: int) -> None:
        self.node, self.most, self.pid, self.loss = Node(folder), most, 500, Loss()
        self.node.add("web")
        self.log, self.files, self.pieces = self.node.log("web"), self.node.files(), list[Piece]()
        self.poll()
        self.log.path.touch()
        self.files.offer("web", ACCESS, fresh=True)
        self.poll()

    @property
    def alive(self) -> bool:
        return (self.node.base / "proc" / str(self.node.known["web"].pid)).exists()

    def step(self, what: str, number: int) -> None:
        if what in LOSING:
            if not self.alive:
                return
            self.wait(1)  # what is thrown away before anybody saw that it was there leaves no trace
        if what in ("append", "poll", "wait", "restart", "kill", "begin"):
            getattr(self, what)(number)
        else:
            _change(self.log, what)

    def append(self, number: int) -> None:
        self.log.append(number)

    def poll(self, _: int = 0) -> None:
        self.wait(0)

    def wait(self, millis: int) -> None:
        before, logfiles.POLL = logfiles.POLL, self.most  # type: ignore[misc]
        self.pieces += self.node.tick(self.files, 5_000 if millis else 0)
        logfiles.POLL = before  # type: ignore[misc]

    def restart(self, _: int) -> None:
        saved = pickle.dumps(self.files.progress)
        self.end()
        self.files = self.node.files(pickle.loads(saved))

    def kill(self, _: int) -> None:
        if self.alive:
            self.node.kill("web")

    def begin(self, _: int = 0) -> None:
        if not self.alive:
            self.pid += 1
            self.node.add("web", self.pid)

    def finish(self) -> None:
        """Everything that is still there is read."""
        self.begin()
        for _ in range(3):
            self.wait(1)
        while self.files.behind:
            self.poll()
        self.poll()
        self.end()

    def end(self) -> None:
        self.loss.update(self.files.loss.take())
        self.files.close()


def play(what: list[tuple[str, int]], most: int) -> Play:
    """Do all of it to one log."""
    with tempfile.TemporaryDirectory() as folder:
        one = Play(Path(folder), most)
        for name, number in what:
            one.step(name, number)
        one.finish()
    return one


def _change(log: Log, what: str) -> None:
    if what == "late":
        if log.renamed and log.old(1).exists():
            log.append(1, to=log.old(1))
        return
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
@example([("append", 2), ("copytruncate", 1), ("restart", 1), ("append", 1), ("poll", 1), ("copytruncate", 1)], 31)
@example([("append", 1), *[("rotate", 1), ("append", 1)] * 2, *[("rotate", 1)] * 2, ("poll", 1), ("late", 1)], 1 << 22)
@example([("append", 2), ("rotate", 1), ("poll", 1), ("append", 1), ("copytruncate", 1)], 31)
def test_rotations_and_restarts_lose_nothing(what: list[tuple[str, int]], most: int) -> None:
    """If nothing is thrown away, every byte that was written is given exactly once, and nothing is counted."""
    one = play(what, most)
    assert in_order(one.pieces)
    assert sorted(lines(one.pieces)) == sorted(one.log.written.splitlines())
    assert not one.loss


@settings(max_examples=80)
@given(steps(ROUGH), st.sampled_from([1 << 22, 500, 31]))
@example([("append", 1), ("poll", 1), ("copytruncate", 1), ("kill", 1), ("wait", 1)], 1 << 22)
@example([("append", 3), ("rotate", 1), ("rewrite", 1), ("rewrite", 1)], 31)
@example([("append", 1), ("rewrite", 1), ("rotate", 1)], 1 << 22)
@example([*[("append", 1)] * 2, ("rewrite", 1), ("rotate", 1), ("remove old", 1), ("restart", 1)], 31)
def test_nothing_is_lost_silently_or_given_twice(what: list[tuple[str, int]], most: int) -> None:
    """Whatever is thrown away: no byte is given twice, and what is missing is counted, or said to be unknown."""
    one = play(what, most)
    assert in_order(one.pieces)
    size = sum(len(piece.data) for piece in one.pieces)
    whole = [line for line in lines(one.pieces) if line.startswith(b"line ") and line.endswith(b" log")]
    assert len(set(whole)) == len(whole)
    assert set(whole) <= set(one.log.written.splitlines())
    known = sum(number for cause, number in one.loss.items() if cause != "log_unknown")
    if one.loss["log_unknown"]:
        assert size + known <= len(one.log.written)
    else:
        assert size + known == len(one.log.written)
