"""From the kernel's side into the index: the tags of what has been written, before the writes of it are read.

Rules of this file
    - Fed before each bite of the audit log, after the lines: whoever finds a line finds its tag. What one poll does not
      hold is polled for at once, `ROUNDS` times at most; the rest waits in the channel.
    - What is taken is in the spool before it is in the index, and each poll is journaled as a look at logs is
      (`agent.heard`): with a tag a line is told at another place than without. A restart gives the index what the spool
      holds where it had been given at first; the rest, and what is new, when the agent goes on.
    - So is the place where a source was there for the first time: from there on writes wait for their tags.
    - What was lost travels with the epoch.

Complexity: that of a poll.
Source: agent.logfiles_feed, which does the same for lines; issue "lkm" (agent side).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Protocol
from zlib import crc32

from agent.health import Figure
from agent.heard import TAGS
from agent.logfiles_value import Given, Look
from agent.logmessages import LogMessages
from agent.loss import Loss
from agent.memory import Memory
from agent.tags import Tag
from agent.tags_source import TagReader
from agent.tags_spool import Spool

ROUNDS: Final = 4
LOST: Final = ("evicted", "odd")
"""Reasons why the index could not use a tag that are a loss; the others are of tags that nobody needs."""
KINDS: Final = ("module", "ebpf", "none")


class Index(Protocol):
    """Where tags go (`agent.tagindex`); `on` says that there has been a source."""

    on: bool

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

    def saved(self) -> None:
        """It has been written."""

    def close(self) -> None:
        """Let go of all."""


class TagFeed:
    """Gives `memory` the tags of `source`. `unused` are those that the index could not use, by reason."""

    def __init__(self, source: TagReader, spool: Spool, memory: Memory) -> None:
        self.source, self.spool, self.memory = source, spool, memory
        spool.kept = source.marks.generation
        self._old: Iterator[bytes] | None = spool.since(source.marks.generation)
        self._next = b""
        self.unused: Counter[str] = Counter()
        self._turn()

    def feed(self, memory: Memory) -> None:
        """All that has come by now, as far as it goes."""
        logs, node = memory.pipeline.node.logs, memory.pipeline.node
        if logs is None:
            return
        if memory.replay is not None:
            self._again(logs, memory.replay)
        else:
            self._rest(logs, memory)
            self._new(logs, memory)
        self._count(logs.tags, node.loss)

    def note(self) -> None:
        """What comes from here on is not in the snapshot that is about to be taken: it begins a generation."""
        logs, node = self.memory.pipeline.node.logs, self.memory.pipeline.node
        if logs is not None:
            self._rest(logs, self.memory)
            self._count(logs.tags, node.loss)
        self.source.marks.generation = self.spool.cut()

    def saved(self) -> None:
        """The snapshot has been written: a restart asks for no generation before it."""
        self.spool.kept = self.source.marks.generation

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

    def _rest(self, logs: LogMessages, memory: Memory) -> None:
        """What of the spool was read after the last epoch that is journaled; and that there is a source."""
        given: list[Given] = []
        if self.source.kind != "none" and not logs.tags.on:
            given.append(_poll(b""))
            _put(logs, ())
        while self._old is not None:
            given.append(_poll(self._next))
            _put(logs, self.source.again(self._next))
            self._turn()
        if given:
            memory.heard.append(Look(memory.pipeline.node.time.clock.millis, tuple(given)))

    def _new(self, logs: LogMessages, memory: Memory) -> None:
        given: list[Given] = []
        for _ in range(ROUNDS):
            tags = self.source.poll()
            if tags and self.spool.append(self.source.raw):
                given.append(_poll(self.source.raw))
            if tags:
                _put(logs, tags)
            if not self.source.behind:
                break
        if given:
            memory.heard.append(Look(memory.pipeline.node.time.clock.millis, tuple(given)))

    def _again(self, logs: LogMessages, look: Look) -> None:
        """The polls of one look; one that the spool has not kept is missed."""
        for one in look.given:
            if one.path == TAGS and not one.size:
                _put(logs, ())
            elif self._old is not None and one == _poll(self._next):
                _put(logs, self.source.again(self._next))
                self._turn()

    def _turn(self) -> None:
        """Go on to the spool's next poll; whoever comes to its end knows what was damaged."""
        assert self._old is not None
        raw = next(self._old, None)
        self._next = raw or b""
        if raw is None:
            self._old = None
            self.source.loss.note("tags_unknown", self.spool.damaged)

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

    def saved(self) -> None:
        """It has been written."""
        for one in self.feeds:
            one.saved()

    def close(self) -> None:
        """Let go of all."""
        for one in self.feeds:
            one.close()


def _poll(raw: bytes) -> Given:
    """As it is journaled."""
    return Given("", TAGS, 0, crc32(raw), len(raw))


def _put(logs: LogMessages, tags: Iterable[Tag]) -> None:
    """Into the index; writes that wait for them are joined here, and not whenever somebody looks next."""
    logs.tags.put(tags)
    logs.take(())
