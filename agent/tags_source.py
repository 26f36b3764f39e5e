"""Where tags come from, as the agent sees it: a channel gives them as they come, a reader in order and with their gaps.

Rules of this file
    - Types, and the one reader that all channels share. Who opens a device or starts a helper is in `agent.tags_device`
      and `agent.tags_helper`; which one it is, in `agent.tags_choice`.
    - Nothing here waits. One poll gives a bounded number of tags; what is left stays with the channel (`behind`), and
      what has no room there stays with the kernel, which counts what it then drops.
    - Gaps are looked for in the order of the numbers: two that have overtaken each other are none. Then time sorts.

Complexity: O(n log n) for n tags, about 1 µs a tag.
Source: lkm/winnower_tag.h; issue "lkm" (agent side).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Final, Literal, NamedTuple, Protocol

from agent.loss import Loss
from agent.tags import Decoder, Tag
from agent.tags_marks import Marks

Kind = Literal["module", "ebpf", "none"]
State = Literal["starting", "works", "ended"]

EACH: Final = 1.0
"""Seconds between two looks at the kernel's own counters."""
WRAPS: Final = 1 << 63
"""Numbers of one poll that lie further apart have begun anew: the order in which they came is right."""
_sequence, _nanos = itemgetter(0), itemgetter(1)


class Refused(Exception):  # noqa: N818 - it says what was done
    """A channel that cannot be had now; its text says why, and what to do."""


class Batch(NamedTuple):
    """Tags in the order in which they came, and the bytes that they are made of."""

    tags: list[Tag]
    raw: bytes


class Channel(Protocol):
    """One way to the kernel's tags, open or about to be; `why` says what it is, or why it has ended."""

    @property
    def loss(self) -> Loss:
        """What was no tag, and what else was lost here."""

    @property
    def kind(self) -> Kind:
        """What makes the tags."""

    @property
    def state(self) -> State:
        """One that is starting gives nothing yet, one that has ended nothing any more."""

    @property
    def why(self) -> str:
        """In words."""

    @property
    def behind(self) -> int:
        """Bytes that are here and have not been taken."""

    def take(self) -> Batch:
        """What has come, bounded; never waits."""

    def counters(self) -> Mapping[str, int]:
        """What the kernel's side has counted, as it was last told."""

    def exclude(self, pids: Iterable[int]) -> None:
        """Leave out what these processes write from here on."""

    def close(self) -> None:
        """Let go of it."""


class TagSource(Protocol):
    """Tags in order of time."""

    @property
    def loss(self) -> Loss:
        """What was lost, by cause."""

    @property
    def kind(self) -> Kind:
        """What makes the tags now."""

    @property
    def why(self) -> str:
        """Why it is that, in words."""

    def poll(self) -> list[Tag]:
        """What has come; never waits, bounded, sorted by time."""

    def close(self) -> None:
        """Let go of it."""


class TagReader:
    """A `TagSource` of what a channel gives; `raw` are the bytes of the last poll, which `again` reads like new.

    `marks` is how far each processor's tags have been read. It is memory: a restart goes on with it.
    """

    def __init__(
        self, channel: Channel, marks: Marks | None = None, wall: Callable[[], int] = time.time_ns, each: float = EACH
    ) -> None:
        self.channel = channel
        self.marks = marks if marks is not None else Marks()
        self.loss = Loss()
        self.raw = b""
        self.read = 0
        self.counted: Mapping[str, int] = {}
        self._wall, self._each, self._looked = wall, int(each * 1e9), 0
        self._was: Kind = "none"

    @property
    def kind(self) -> Kind:
        """What makes the tags now."""
        return self.channel.kind

    @property
    def why(self) -> str:
        """Why it is that."""
        return self.channel.why

    @property
    def behind(self) -> int:
        """Bytes that are here and have not been polled."""
        return self.channel.behind

    def poll(self) -> list[Tag]:
        """What has come; never waits, bounded, sorted by time."""
        now = self._wall()
        batch = self.channel.take()
        self.loss.update(self.channel.loss.take())
        self.raw = batch.raw
        due = not 0 <= now - self._looked < self._each
        if self.kind != self._was:
            self._was, due = self.kind, True
            self._look(now)
        tags = self._in_order(batch.tags, now)
        if due:
            self._look(now)
        return tags

    def again(self, raw: bytes) -> list[Tag]:
        """The tags of an earlier poll's bytes."""
        decoder = Decoder()
        tags = decoder.feed(raw)
        self.loss.note("tags_damaged", decoder.damaged)
        return self._in_order(tags, self._wall())

    def close(self) -> None:
        """Let go of the channel."""
        self.channel.close()

    def _look(self, now: int) -> None:
        self._looked, self.counted = now, self.channel.counters()
        self.marks.look(self.counted, now, self.loss, ours=self.kind == "ebpf")

    def _in_order(self, tags: list[Tag], now: int) -> list[Tag]:
        ordered = sorted(tags, key=_sequence)
        wraps = bool(tags) and ordered[-1].sequence - ordered[0].sequence >= WRAPS
        self.marks.see(tags if wraps else ordered, now, self.loss)
        tags.sort(key=_nanos)
        self.read += len(tags)
        return tags
