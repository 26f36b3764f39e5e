"""What tags a repeated epoch knows: those that had been read there at first, so that its lines are told as they were.

Source: agent/tags_feed.py, agent/heard.py, agent/memory.py.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from loop_worker import Logging
from tag_scene import tag
from tagged import Silent, packed

from agent.loop import Timing
from agent.memory import Memory
from agent.tags import Decoder, Tag
from agent.tags_feed import Feeds, TagFeed
from agent.tags_source import Batch, Kind, TagReader
from agent.tags_spool import Spool


class Queue(Silent):
    """The kernel's side: it outlives the agent, and holds what has not been read."""

    kind: Kind = "module"

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[Tag] = []

    def take(self) -> Batch:
        raw = packed(*self.tags)
        self.tags = []
        return Batch(Decoder().feed(raw), raw)


class Tagging(Logging):
    """Writes are tagged; the tag comes when it is told to (`late`)."""

    def __init__(self, folder: Path, timing: Timing) -> None:
        self.queue, self.late = Queue(), list[Tag]()
        self.sequence = 0
        super().__init__(folder, timing)

    def logs(self, memory: Memory) -> Feeds:
        lines = super().logs(memory)
        reader = TagReader(self.queue, memory.tags, lambda: self.world.wall() * 1_000_000)
        self.tagging = TagFeed(reader, Spool(self.folder / "tags", 1 << 20), memory)
        return Feeds([lines, self.tagging])

    def says(self, pid: int = 100, *, audited: bool = True, whole: bool = True) -> None:
        path = self.app.path
        offset = path.stat().st_size if path.exists() else 0
        super().says(pid, audited=audited, whole=True)
        about = path.stat()
        where = {"inode": about.st_ino, "major": os.major(about.st_dev), "minor": os.minor(about.st_dev)}
        nanos = (self.world.wall() + 12) * 1_000_000
        data = path.read_bytes()[offset:]
        self.late.append(tag(offset, data, pid, nanos, sequence=self.sequence, cpu=0, **where))
        self.sequence += 1

    def tagged(self) -> None:
        """The tags come."""
        self.queue.tags += self.late
        self.late = []


@contextmanager
def tagging(**timing: float) -> Iterator[Tagging]:
    with tempfile.TemporaryDirectory() as folder:
        yield Tagging(Path(folder), Timing(**{"gather": 0.0, **timing}))  # type: ignore[arg-type]


def begun(one: Tagging) -> None:
    """One line that is joined by its tag, and a snapshot."""
    one.opens(str(one.app.path))
    one.says()
    one.tagged()
    one.run(3)
    one.loop.cut()
    one.loop.save()
    assert one.lines == one.said


def how(one: Tagging) -> dict[str, int]:
    logs = one.loop.memory.pipeline.node.logs
    assert logs is not None
    return {way: number for way, number in logs.how.items() if number}


def test_a_tag_that_came_after_the_cut_joins_after_the_restart() -> None:
    """The write was told of, and an epoch cut; then its tag came, and the agent was killed."""
    with tagging(epoch=50, early=50) as one:
        begun(one)
        assert how(one) == {"tag": 1}
        one.says()
        one.loop.step(0)
        one.loop.cut()
        assert len(one.lines) == 1
        one.tagged()
        one.loop.step(0)
        assert how(one) == {"tag": 2}
        one.kill()
        one.run(60)
        assert (one.lines, one.other, how(one)) == (one.said, [], {"tag": 2})


def test_a_line_that_was_told_before_its_tag_came_is_not_told_again() -> None:
    """A source begins: until then lines are joined without it, and so they are when that is repeated."""
    with tagging(epoch=50, early=50) as one:
        one.queue.kind = "none"
        one.opens(str(one.app.path))
        one.kill()
        assert one.loop.memory.pipeline.node.logs is not None
        one.loop.memory.pipeline.node.logs.tags.on = False
        one.loop.save()
        one.says()
        one.loop.step(0)
        one.loop.step(0)
        one.loop.cut()
        told = one.lines
        one.queue.kind = "module"
        one.loop.step(0)
        one.kill()
        one.run(60)
        assert told == one.said
        assert (one.lines, one.other) == (one.said, [])


ACTS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 7)),
    st.tuples(st.just("run"), st.integers(1, 30)),
    st.tuples(st.just("step"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["kill", "tagged", "cut", "write"]), st.just(0)),
)


def act(one: Tagging, name: str, number: int) -> None:
    if name == "say":
        one.says(100 + number % 2, audited=number != 3)
    elif name == "run":
        one.run(number / 10)
    elif name == "step":
        for _ in range(number):
            one.loop.step(0)
    elif name == "kill":
        one.kill()
    elif name == "tagged":
        one.tagged()
    elif name == "cut":
        one.loop.cut()
    else:
        one.write(1)


@settings(max_examples=30)
@given(st.lists(ACTS, max_size=16), st.sampled_from([0, 0.1]), st.sampled_from([1, 3_000, 1 << 20]))
def test_whenever_tags_come_every_line_is_told_once_and_epochs_are_repeated_as_they_were(
    acts: list[tuple[str, int]], early: float, snapshot_bytes: int
) -> None:
    """Two programs' lines; a tag may come long after its write, or never; kills at any step."""
    with tagging(epoch=2, early=early, snapshot_bytes=snapshot_bytes) as one:
        for pid in (100, 101):
            one.opens(str(one.app.path), pid)
        for name, number in acts:
            act(one, name, number)
        one.app.path.touch()
        one.run(60)
        assert one.other == []
        assert sorted(one.lines) == one.said
