"""From the kernel's side into the index: the tags of what has been written, before the writes of it are read.

Rules of this file
    - Fed before each bite of the audit log, after the lines: whoever finds a line finds its tag. What one poll does not
      hold is polled for at once, `ROUNDS` times at most; the rest waits in the channel.
    - What is taken is in the spool before it is in the index. A restart gives the index first what the spool holds: by
      the log's own time, as far as the log has been read, and a little ahead; then what is new.
    - What was lost travels with the epoch.

Complexity: that of a poll.
Source: agent.logfiles_feed, which does the same for lines; issue "lkm" (agent side).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from agent.health import Figure
from agent.loss import Loss
from agent.memory import Memory
from agent.tags import Tag
from agent.tags_source import TagReader
from agent.tags_spool import Spool

ROUNDS: Final = 4
AHEAD: Final = 300_000
"""Milliseconds that the spool's tags may be ahead of the log that is read again: one bite of it may be minutes."""
AT_ONCE: Final = 32_768
"""Tags of the spool that the index gets at once, about: it holds twice as many."""
LOST: Final = ("evicted", "odd")
"""Reasons why the index could not use a tag that are a loss; the others are of tags that nobody needs."""
KINDS: Final = ("module", "ebpf", "none")


class Index(Protocol):
    """Where tags go (`agent.tagindex`)."""

    def put(self, tags: Iterable[Tag]) -> None:
        """Take tags; with none of them, too, from here on there is a source."""

    def take(self) -> dict[str, int]:
        """What could not be used since the last call, by reason."""


class Feed(Protocol):
    """What the main loop asks to bring something in (`agent.loop.Logs`)."""

    def feed(self, memory: Memory) -> None:
        """Bring in what has been written by now."""

    def note(self) -> None:
        """A snapshot is about to be taken."""

    def close(self) -> None:
        """Let go of all."""


class TagFeed:
    """Gives `memory` the tags of `source`. `unused` are those that the index could not use, by reason."""

    def __init__(self, source: TagReader, spool: Spool, memory: Memory) -> None:
        self.source, self.spool, self.memory = source, spool, memory
        self._old: Iterator[bytes] | None = spool.since(source.marks.generation)
        self._early: list[Tag] = []
        self.unused: Counter[str] = Counter()
        if memory.pipeline.node.logs is not None and source.kind != "none":
            memory.pipeline.node.logs.tags.put(())

    def feed(self, memory: Memory) -> None:
        """All that has come by now, as far as it goes."""
        logs, node = memory.pipeline.node.logs, memory.pipeline.node
        if logs is None:
            return
        millis = node.time.clock.millis
        if self._old is None or self._again(logs.tags, millis and millis + AHEAD):
            self._new(logs.tags)
        self._count(logs.tags, node.loss)

    def note(self) -> None:
        """What comes from here on is not in the snapshot that is about to be taken: it begins a generation."""
        logs, node = self.memory.pipeline.node.logs, self.memory.pipeline.node
        if logs is not None:
            while self._old is not None:
                self._again(logs.tags, 0)
            self._count(logs.tags, node.loss)
        self.source.marks.generation = self.spool.cut()

    def close(self) -> None:
        """Let go of channel and file."""
        self.source.close()
        self.spool.close()

    def exclude(self, pid: int) -> None:
        """Leave out what this process writes, too: the audit daemon has another one."""
        self.source.channel.exclude((pid,))

    def figures(self) -> Iterator[Figure]:
        """What /metrics shows."""
        kind = self.source.kind
        for one in KINDS:
            labels = {"source": one}
            yield Figure("winnower_agent_tags_source", "What tags log writes (1) here.", one == kind, labels)
        yield Figure("winnower_agent_tags", "Tags of log writes that were read.", self.source.read, counter=True)
        yield Figure("winnower_agent_tags_behind_bytes", "Tags that wait to be read.", self.source.behind)
        yield Figure("winnower_agent_tags_spool_bytes", "Tags on disk since the last snapshots.", self.spool.size)
        left = self.spool.left_out
        yield Figure("winnower_agent_tags_unspooled_bytes", "Tags a restart would miss: no room.", left, counter=True)
        for what, number in sorted(dict(self.unused).items()):
            labels = {"why": what}
            yield Figure("winnower_agent_tags_unused", "Tags that joined nothing, and why.", number, labels, True)
        for what, number in sorted(self.source.counted.items()):
            if what != "load":
                labels = {"what": what}
                yield Figure("winnower_agent_tags_kernel", "What the kernel's side has counted.", number, labels)

    def _new(self, index: Index) -> None:
        for _ in range(ROUNDS):
            tags = self.source.poll()
            if tags:
                self.spool.append(self.source.raw)
            if tags or self.source.kind != "none":
                index.put(tags)
            if not self.source.behind:
                break

    def _again(self, index: Index, until: int) -> bool:
        """Tags of the spool up to a time (0: any), so many at most; whether that was the last of them."""
        assert self._old is not None
        count = 0
        while count < AT_ONCE:
            if not self._early:
                raw = next(self._old, None)
                if raw is None:
                    self._old = None
                    self.source.loss.note("tags_unknown", self.spool.damaged)
                    return True
                self._early = self.source.again(raw)
            if until and self._early and self._early[0].millis > until:
                return False
            index.put(self._early)
            count += len(self._early)
            self._early = []
        return False

    def _count(self, index: Index, loss: Loss) -> None:
        for cause, number in self.source.loss.take().items():
            loss.note(cause, number)
        unused = index.take()
        self.unused.update(unused)
        if lost := sum(unused.get(reason, 0) for reason in LOST):
            loss.note("tags_unused", lost)


class Feeds:
    """Several feeds as one, in their order."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self.feeds = tuple(feeds)

    def feed(self, memory: Memory) -> None:
        """Bring in what has been written by now."""
        for one in self.feeds:
            one.feed(memory)

    def note(self) -> None:
        """A snapshot is about to be taken."""
        for one in self.feeds:
            one.note()

    def close(self) -> None:
        """Let go of all."""
        for one in self.feeds:
            one.close()
