"""From the kernel's side into the index: before each bite, once each, and after a restart as before it.

Source: agent/tags_feed.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagged import NOW, packed, tag, tags

from agent.containers import Containers
from agent.logfiles_value import NOTHING
from agent.logmessages import LogMessages
from agent.loss import Loss
from agent.memory import Memory
from agent.pipeline import Pipeline
from agent.snapshot import pack, unpack
from agent.tags import Decoder, Tag
from agent.tags_feed import ROUNDS, Feeds, TagFeed
from agent.tags_source import Batch, Kind, TagReader
from agent.tags_spool import Spool

ROOM = 64 << 20
LATER = NOW + 10**15


class Given:
    """A channel with so many polls; `behind` while there are more."""

    state = "works"
    why = "given"

    def __init__(self, *polls: Iterable[Tag], kind: Kind = "module") -> None:
        self.polls = [packed(*one) for one in polls]
        self.kind = kind
        self.loss = Loss()
        self.told: set[int] = set()
        self.open = True

    @property
    def behind(self) -> int:
        return sum(map(len, self.polls))

    def take(self) -> Batch:
        raw = self.polls.pop(0) if self.polls else b""
        return Batch(Decoder().feed(raw), raw)

    def counters(self) -> dict[str, int]:
        return {"load": 77, "tagged": 12, "dropped": 1}

    def exclude(self, pids: Iterable[int]) -> None:
        self.told |= set(pids)

    def close(self) -> None:
        self.open = False


class Index:
    """What was put, and what could not be used."""

    def __init__(self) -> None:
        self.on = False
        self.held: list[Tag] = []
        self.unused: dict[str, int] = {}

    def put(self, tags: Iterable[Tag]) -> None:
        self.on = True
        self.held += tags

    def take(self) -> dict[str, int]:
        taken, self.unused = self.unused, {}
        return taken


def fresh(index: Index | None = None) -> Memory:
    memory = Memory(Pipeline(Containers.of([]), 1_000, logs=LogMessages()))
    if index is not None:
        assert memory.pipeline.node.logs is not None
        memory.pipeline.node.logs.tags = index  # type: ignore[assignment]
    return memory


def feeding(folder: Path, channel: Given, memory: Memory, room: int = ROOM) -> TagFeed:
    return TagFeed(TagReader(channel, memory.tags, lambda: LATER), Spool(folder, room), memory)


def test_what_has_come_is_in_the_index_and_in_the_spool(tmp_path: Path) -> None:
    index = Index()
    memory = fresh(index)
    feed = feeding(tmp_path, Given(tags(0, 3)), memory)
    feed.feed(memory)
    assert index.held == tags(0, 3)
    assert list(feed.spool.since(0)) == [packed(*tags(0, 3))]
    feed.close()


def test_the_index_knows_before_the_first_line_that_there_is_a_source(tmp_path: Path) -> None:
    index = Index()
    feeding(tmp_path, Given(), fresh(index)).note()
    assert index.on
    none = Index()
    memory = fresh(none)
    feeding(tmp_path, Given(kind="none"), memory).feed(memory)
    assert not none.on


def test_one_feed_is_bounded_and_the_rest_comes_with_the_next(tmp_path: Path) -> None:
    index = Index()
    memory = fresh(index)
    feed = feeding(tmp_path, Given(*(tags(n, n + 1) for n in range(ROUNDS + 3))), memory)
    feed.feed(memory)
    assert index.held == tags(0, ROUNDS)
    feed.feed(memory)
    assert index.held == tags(0, ROUNDS + 3)


def test_losses_travel_with_the_epoch(tmp_path: Path) -> None:
    """Gaps, and what the index had no room for or could not believe; what nobody needs is a figure only."""
    index = Index()
    memory = fresh(index)
    index.unused = {"evicted": 2, "odd": 1, "expired": 9, "duplicate": 4}
    feed = feeding(tmp_path, Given([tag(0), tag(4)]), memory)
    feed.feed(memory)
    assert memory.pipeline.node.loss.take() == {"tags_dropped": 3, "tags_unused": 3}
    assert feed.unused["expired"] == 9


def test_after_a_kill_a_restart_from_the_snapshot_gives_the_index_the_same_again(tmp_path: Path) -> None:
    """Before the snapshot, after it, and what the device still holds: each once, with its gaps, in that order."""
    memory = fresh(Index())
    channel = Given(tags(0, 5))
    feed = feeding(tmp_path, channel, memory)
    feed.feed(memory)
    feed.note()
    marks = unpack(pack(memory.tags, {}), "snapshot", type(memory.tags), {})
    channel.polls = [packed(*tags(5, 8)), packed(*tags(9, 12))]
    feed.feed(memory)
    assert memory.pipeline.node.loss.take() == {"tags_dropped": 1}

    index = Index()
    again = fresh(index)
    again.tags = marks
    after = feeding(tmp_path, Given(tags(12, 14)), again)
    after.feed(again)
    assert index.held == [*tags(5, 8), *tags(9, 14)]
    assert again.pipeline.node.loss.take() == {"tags_dropped": 1}
    assert (again.tags.loads, again.tags.generation) == ({77: again.tags.loads[77]}, 1)
    assert again.tags.loads[77].last[0] == tag(13)


def test_if_the_snapshot_was_never_written_the_one_before_it_does(tmp_path: Path) -> None:
    memory = fresh(Index())
    channel = Given()
    feed = feeding(tmp_path, channel, memory)
    feed.note()
    marks = unpack(pack(memory.tags, {}), "snapshot", type(memory.tags), {})
    for first in (0, 5):
        channel.polls = [packed(*tags(first, first + 5))]
        feed.feed(memory)
        if not first:
            feed.note()
    index = Index()
    again = fresh(index)
    again.tags = marks
    feeding(tmp_path, Given(), again).feed(again)
    assert index.held == tags(0, 10)


def test_a_restart_gives_what_was_given_there_at_first_and_the_rest_when_the_agent_goes_on(tmp_path: Path) -> None:
    """Each poll at its look; what is not journaled any more, when the next snapshot is taken at the latest."""
    memory = fresh(Index())
    channel = Given()
    feed = feeding(tmp_path, channel, memory)
    for n in range(4):
        channel.polls = [packed(*tags(2 * n, 2 * n + 1)), packed(*tags(2 * n + 1, 2 * n + 2))]
        feed.feed(memory)
    begins, *looks = memory.heard
    assert [len(look.given) for look in (begins, *looks)] == [1, 2, 2, 2, 2]
    index = Index()
    again = fresh(index)
    after = feeding(tmp_path, Given(), again)
    again.replay = NOTHING
    after.feed(again)
    assert not index.on
    again.replay = begins
    after.feed(again)
    assert (index.on, index.held) == (True, [])
    for n, look in enumerate((looks[0], NOTHING, looks[1]), 1):
        again.replay = look
        after.feed(again)
        assert index.held == tags(0, 2 if n < 3 else 4)
    again.replay, again.heard = None, []
    after.note()
    assert index.held == tags(0, 8)
    assert [one for look in again.heard for one in look.given] == [one for look in looks[2:] for one in look.given]


def test_a_poll_that_the_spool_has_not_kept_is_passed_over(tmp_path: Path) -> None:
    memory = fresh(Index())
    channel = Given(tags(0, 4), tags(4, 8), tags(8, 9))
    feed = feeding(tmp_path, channel, memory, room=800)
    feed.feed(memory)
    *_, look = memory.heard
    index = Index()
    again = fresh(index)
    after = feeding(tmp_path, Given(), again)
    again.replay = look._replace(given=(look.given[0]._replace(offset=1),))
    after.feed(again)
    assert index.held == []
    again.replay = look
    after.feed(again)
    assert index.held == [*tags(0, 4), *tags(8, 9)]


def test_what_the_spool_had_no_room_for_is_a_gap_after_a_restart(tmp_path: Path) -> None:
    memory = fresh(Index())
    channel = Given(tags(0, 4), tags(4, 8))
    feed = feeding(tmp_path, channel, memory, room=700)
    feed.feed(memory)
    assert feed.spool.left_out == 512
    again = fresh(Index())
    feeding(tmp_path, Given(tags(8, 9)), again).feed(again)
    assert again.pipeline.node.loss.take() == {"tags_dropped": 4}


def test_a_spool_with_a_damaged_end_is_something_unknown(tmp_path: Path) -> None:
    memory = fresh(Index())
    feeding(tmp_path, Given(tags(0, 4)), memory).feed(memory)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"WSPL\xff\xff")
    again = fresh(Index())
    feeding(tmp_path, Given(), again).feed(again)
    assert again.pipeline.node.loss.take() == {"tags_unknown": 1}


@given(
    st.lists(st.sets(st.integers(0, 30), max_size=8), min_size=1, max_size=6),
    st.lists(st.sampled_from(("feed", "note", "saved")), max_size=14),
)
def test_wherever_it_is_killed_the_index_has_seen_the_same(
    tmp_path_factory: pytest.TempPathFactory, polls: list[set[int]], steps: list[str]
) -> None:
    """After the last snapshot that was written, the index sees exactly what it saw then, and so do the marks."""
    folder = tmp_path_factory.mktemp("spool")
    index = Index()
    memory = fresh(index)
    channel = Given()
    feed = feeding(folder, channel, memory)
    kept, seen, unsaved = pack(memory.tags, {}), list[Tag](), 0
    sequence = 0
    for number, step in enumerate(steps):
        if step == "feed":
            channel.polls = [packed(*(tag(sequence + n) for n in sorted(polls[number % len(polls)])))]
            sequence += 31
            feed.feed(memory)
        elif step == "saved" or not unsaved:  # two in a row that are not written are more than is kept
            feed.note()
            unsaved = step == "note"
            if step == "saved":
                kept, seen = pack(memory.tags, {}), list(index.held)
    again = fresh(after := Index())
    again.tags = unpack(kept, "snapshot", type(memory.tags), {})
    feeding(folder, Given(), again).note()
    assert after.held == index.held[len(seen) :]
    for load, marks in memory.tags.loads.items():
        assert load in again.tags.loads or not marks.last
        assert again.tags.loads.get(load, marks).last == marks.last


def test_figures_are_told(tmp_path: Path) -> None:
    memory = fresh(Index())
    feed = feeding(tmp_path, Given(tags(0, 3)), memory)
    feed.feed(memory)
    feed.unused["odd"] += 2
    shown = {(one.name, *one.labels.values()): one.value for one in feed.figures()}
    assert shown == {
        ("winnower_agent_tags_source", "module"): 1,
        ("winnower_agent_tags_source", "ebpf"): 0,
        ("winnower_agent_tags_source", "none"): 0,
        ("winnower_agent_tags",): 3,
        ("winnower_agent_tags_behind_bytes",): 0,
        ("winnower_agent_tags_spool_bytes",): 3 * 128 + 12,
        ("winnower_agent_tags_unspooled_bytes",): 0,
        ("winnower_agent_tags_unused", "odd"): 2,
        ("winnower_agent_tags_kernel", "dropped"): 1,
        ("winnower_agent_tags_kernel", "tagged"): 12,
    }


def test_without_logs_nothing_is_read(tmp_path: Path) -> None:
    memory = fresh()
    memory.pipeline.node.logs = None
    channel = Given(tags(0, 3))
    feed = feeding(tmp_path, channel, memory)
    feed.feed(memory)
    feed.note()
    assert channel.behind


def test_another_audit_daemon_is_left_out_too(tmp_path: Path) -> None:
    channel = Given()
    feeding(tmp_path, channel, fresh()).exclude(44)
    assert channel.told == {44}


def test_several_feeds_are_one_in_their_order(tmp_path: Path) -> None:
    first, second = Index(), Index()
    memories = fresh(first), fresh(second)
    channels = Given(tags(0, 1)), Given(tags(1, 2))
    many = [
        feeding(tmp_path / str(n), channel, memory)
        for n, (channel, memory) in enumerate(zip(channels, memories, strict=True))
    ]
    feeds = Feeds(many)
    feeds.feed(memories[0])
    assert first.held == tags(0, 2)
    feeds.note()
    assert [memory.tags.generation for memory in memories] == [1, 1]
    feeds.close()
    assert not any(channel.open for channel in channels)


def test_tags_are_in_the_real_index_after_a_feed(tmp_path: Path) -> None:
    memory = fresh()
    feeding(tmp_path, Given([tag(0, nanos=NOW)]), memory).feed(memory)
    logs = memory.pipeline.node.logs
    assert logs is not None
    assert (logs.tags.on, logs.tags.held) == (True, 1)
