"""From files into books: a line is there when its write is read, also after a restart.

Source: agent/logfiles_feed.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from lines import CREAT, WRONLY, World
from log_node import ACCESS, Node

from agent import figures, logfiles
from agent.containers import Containers
from agent.heard import TAGS
from agent.logfiles import LogFiles
from agent.logfiles_feed import LogFeed, reader_of
from agent.logfiles_value import Generation, Given, Look, Piece, Rule
from agent.logmessages import LogMessages
from agent.lognames import LogNames, Profiles
from agent.memory import Memory
from agent.pipeline import Pipeline
from agent.snapshot import pack, unpack

APPEND = 0x400


def fresh(profiles: Profiles) -> Memory:
    return Memory(Pipeline(Containers.of([]), 1_000, logs=LogMessages(LogNames(profiles))))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_line_is_in_its_book_before_its_write_is_read(node: Node, tmp_path: Path) -> None:
    """A program of the host opens its log, writes a line and only then is told of: the join is exact."""
    log = tmp_path / "app.log"
    node.rules = (Rule("host", str(log)),)
    files, world = node.files(), World()
    world.node.logs = LogMessages()
    memory = Memory(Pipeline(Containers.of([]), 1_000, logs=world.node.logs))
    memory.pipeline.node = world.node
    feed = LogFeed(files)
    feed.feed(memory)
    world.open(str(log), 7, CREAT | WRONLY | APPEND)
    assert world.node.logs.wanted == {("host", str(log))}
    for number in range(3):
        line = b"request %d served\n" % number
        with log.open("ab") as file:
            file.write(line)
        feed.feed(memory)
        world.call("write", a0=7, exit=len(line))
    assert world.node.logs.joined["log"] == 3
    assert feed.read == 3 * len(b"request 0 served\n")
    shown = {(one.name, *one.labels.values()): one.value for one in figures.logs(feed, world.node.logs)}
    assert shown == {
        ("winnower_agent_log_lines", "log"): 3,
        ("winnower_agent_log_lines", "log_near"): 0,
        ("winnower_agent_log_lines", "none"): 0,
        ("winnower_agent_log_files",): 1,
        ("winnower_agent_log_bytes",): feed.read,
        ("winnower_agent_log_behind_bytes",): 0,
    }
    assert world.node.logs.wanted == set()
    feed.close()


def test_a_line_that_is_written_while_a_look_takes_long_is_its_writes(node: Node, tmp_path: Path) -> None:
    """On a crowded machine a look may take a second: what was read in it was not there when it began."""
    log, world = tmp_path / "app.log", World()
    node.rules = (Rule("host", str(log)),)
    times = iter(range(world.millis, world.millis + 1_000_000, 400))
    files = LogFiles(lambda: [], lambda: next(times), rules=node.rules)
    world.node.logs = LogMessages()
    memory = Memory(Pipeline(Containers.of([]), 1_000, logs=world.node.logs))
    memory.pipeline.node = world.node
    feed = LogFeed(files)
    feed.feed(memory)
    world.open(str(log), 7, CREAT | WRONLY | APPEND)
    line = b"request served\n"
    for _ in range(3):
        with log.open("ab") as file:
            file.write(line)
        begun = next(times) + 400
        feed.feed(memory)
        world.call("write", a0=7, exit=len(line), stamp=(begun + 399, 7))
    assert world.node.logs.joined["log"] == 3
    feed.close()


def test_a_container_that_is_known_by_name_before_it_is_by_pid_is_read_at_once(node: Node) -> None:
    """The clock stands still: whoever catches up with the audit log reads thousands of writes in a second."""
    node.add("web")
    whole = node.known["web"]
    node.known["web"] = replace(whole, pid=0)
    memory, feed = fresh(Profiles()), LogFeed(node.files())
    feed.feed(memory)
    node.log("web").append(3)
    assert memory.pipeline.node.logs is not None
    memory.pipeline.node.logs.wanted.add(("web", ACCESS))
    feed.feed(memory)
    assert memory.pipeline.node.logs.books == {}
    node.known["web"] = whole
    feed.feed(memory)
    assert len(memory.pipeline.node.logs.books["web"][ACCESS].lines) == 3
    feed.close()


def test_what_is_lost_travels_with_the_epoch(node: Node) -> None:
    node.add("web")
    memory = fresh(Profiles())
    feed = LogFeed(node.files())
    feed.feed(memory)
    log = node.log("web")
    log.append(2)
    assert memory.pipeline.node.logs is not None
    memory.pipeline.node.logs.wanted.add(("web", ACCESS))
    feed.feed(memory)
    assert [one.size for one in memory.pipeline.node.logs.books["web"][ACCESS].lines] == [23, 23]
    log.path.write_bytes(b"")
    feed.feed(memory)
    assert memory.pipeline.node.loss["log_unknown"] == 1
    feed.close()


def test_a_snapshot_holds_books_and_places_and_a_restart_goes_on(node: Node) -> None:
    node.add("web")
    profiles = Profiles()
    memory = fresh(profiles)
    feed = LogFeed(node.files(memory.logs))
    feed.feed(memory)
    log = node.log("web")
    log.append(2)
    assert memory.pipeline.node.logs is not None
    memory.pipeline.node.logs.wanted.add(("web", ACCESS))
    feed.feed(memory)
    feed.note()
    saved = pack(memory, {"profiles": profiles})
    log.append()
    feed.feed(memory)  # after the snapshot: forgotten, and read again
    feed.close()
    again = unpack(saved, "f", Memory, {"profiles": profiles})
    feed = LogFeed(node.files(again.logs))
    log.rotate()
    log.append()
    feed.feed(again)
    assert again.pipeline.node.logs is not None
    book = again.pipeline.node.logs.books["web"][ACCESS]
    assert [one.line.message for one in book.lines if one.line] == [f"line {n:06d} of the log" for n in range(4)]
    assert not again.pipeline.node.loss
    feed.close()


def test_what_has_been_written_since_the_first_snapshot_is_read_after_a_restart(node: Node) -> None:
    """Killed before the second snapshot: what was there before is left out, what a new container has said is not."""
    node.add("old")
    node.holds("old", ACCESS)
    node.log("old").append(2)
    profiles = Profiles()
    memory = fresh(profiles)
    feed = LogFeed(node.files(memory.logs))
    feed.note()
    saved = pack(memory, {"profiles": profiles})
    feed.close()
    new = node.log("old").append()
    node.add("new")
    node.holds("new", ACCESS)
    node.log("new").append(3)
    again = unpack(saved, "f", Memory, {"profiles": profiles})
    feed = LogFeed(node.files(again.logs))
    feed.feed(again)
    assert again.pipeline.node.logs is not None
    books = again.pipeline.node.logs.books
    assert [one.size for one in books["old"][ACCESS].lines] == [len(new)]
    assert len(books["new"][ACCESS].lines) == 3
    feed.close()


def test_a_snapshot_holds_writes_whose_log_has_not_been_read(tmp_path: Path) -> None:
    """The snapshot is taken between a write and the first look at its log: the line is joined all the same."""
    world, path = World(), str(tmp_path / "app.log")
    world.node.logs = LogMessages()
    world.open(path, 7, CREAT | WRONLY | APPEND).call("write", a0=7, exit=6)
    outside = {"recorder": world.node.recorder, "profiles": world.node.logs.names.profiles}
    again = unpack(pack(world.node, outside), "f", type(world.node), outside)
    assert again.logs is not None
    again.logs.take([Piece("host", path, Generation(1, 2), 0, b"first\n", 0)])
    assert again.logs.joined["log"] == 1


def test_rules_tell_a_reader_what_lines_do_not_say(node: Node) -> None:
    node.add("web")
    node.rules = (Rule("web", "/srv/app.out", "", "+02:00"),)
    memory, feed = fresh(Profiles()), LogFeed(node.files())
    feed.feed(memory)
    node.log("web", "/srv/app.out").raw(b"2026-11-22 12:00:00 hello\n")
    node.clock.millis += 5_000
    feed.feed(memory)
    assert memory.pipeline.node.logs is not None
    (entry,) = memory.pipeline.node.logs.books["web"]["/srv/app.out"].lines
    assert entry.line is not None
    assert entry.line.millis == 1_795_341_600_000  # ten o'clock UTC
    assert reader_of(Rule("*", "/a", "", "UTC")).zone_minutes == 0
    feed.close()


class Takes(LogMessages):
    """Counts how often it is given something, or nothing."""

    __slots__ = ("takes",)

    def __init__(self) -> None:
        super().__init__()
        self.takes = 0

    def take(self, pieces: Iterable[Piece]) -> None:
        self.takes += 1
        super().take(pieces)


def test_a_look_that_gives_nothing_changes_nothing_for_it_is_not_repeated(node: Node) -> None:
    """What is wanted is offered all the same; a look at tags is none at logs."""
    node.add("web")
    memory, feed = fresh(Profiles()), LogFeed(node.files())
    memory.pipeline.node.logs = logs = Takes()
    logs.wanted.add(("web", ACCESS))
    feed.feed(memory)
    assert (logs.takes, logs.wanted, memory.heard) == (0, set(), [])
    logs.wanted.add(("web", ACCESS))
    memory.replay = Look(5, (Given("", TAGS, 0, 7, 128),))
    feed.feed(memory)
    assert (logs.takes, len(logs.wanted)) == (0, 1)
    memory.replay = None
    node.log("web").append(1)
    feed.feed(memory)
    assert logs.takes == 1
    feed.close()


def test_where_logs_are_not_read_nothing_is_opened(node: Node) -> None:
    node.add("web")
    feed = LogFeed(node.files())
    feed.feed(Memory(Pipeline(Containers.of([]), 1_000)))
    assert feed.files.finder.homes == {}
    feed.close()


def test_what_one_poll_does_not_hold_is_polled_for_at_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "POLL", 30)
    node.add("web")
    memory, feed = fresh(Profiles()), LogFeed(node.files())
    feed.feed(memory)
    node.log("web").append(3)
    assert memory.pipeline.node.logs is not None
    memory.pipeline.node.logs.wanted.add(("web", ACCESS))
    feed.feed(memory)
    assert len(memory.pipeline.node.logs.books["web"][ACCESS].lines) == 3
    feed.close()
