"""How an agent starts: memory as it was when it stopped, the local store beside it, and the log where that ended.

Rules of this file
    - Snapshot, then the journal along the log (`agent.memory`). What cannot be had is counted (`state_reset`), logged,
      and begun anew: an agent always starts.
    - A stream (dispatcher, stdin) cannot be read again: it goes on where the ledger ends, and memory where the snapshot
      was.

Complexity: O(bytes since the snapshot).
Source: issue "live agent" (a restart neither skips nor repeats).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from agent.abstraction import Abstraction
from agent.config import Config
from agent.follow import LogFollower
from agent.instance_files import Budget
from agent.instances import Instances, Resume
from agent.ledger import Ledger, Recovery
from agent.live_containers import LiveContainers
from agent.logfiles import LogFiles
from agent.logfiles_feed import LogFeed
from agent.logfiles_finder import Limits
from agent.logmessages import LogMessages
from agent.lognames import LogNames, Profiles
from agent.memory import Memory, recall
from agent.pipeline import Pipeline
from agent.plugin import DispatcherSource
from agent.profile_files import read_profiles
from agent.snapshot import SnapshotError, restore
from agent.source import Position, Source
from agent.tags_choice import choose
from agent.tags_feed import Feeds, TagFeed
from agent.tags_spool import Spool
from grammar import CodecError

INSTANCES = "instances"

_log = logging.getLogger("agent.recovery")


@dataclass(slots=True)
class Started:
    """What the main loop is made of; `outside` is what a snapshot leaves out."""

    memory: Memory
    source: Source
    containers: LiveContainers
    instances: Instances
    outside: dict[str, object]
    logs: LogFeed | None = None
    tags: TagFeed | None = None

    @property
    def feeds(self) -> Feeds:
        """What is brought in before each bite of the log: lines first, then their tags."""
        return Feeds(one for one in (self.logs, self.tags) if one is not None)


def start(config: Config, name: str, ledger: Ledger, folder: Path) -> Started:
    """Bring everything to where the ledger ends."""
    recovery = ledger.recovery()
    profiles = Profiles(read_profiles(config.logs.profiles))
    instances, memory, whole = _memory(config, name, recovery, folder, profiles)
    containers = memory.pipeline.node.containers
    assert isinstance(containers, LiveContainers)
    outside: dict[str, object] = {"recorder": instances, "profiles": profiles}
    logs = _logs(config, memory, containers, profiles)
    tags = _tags(config, memory, folder)
    source = _source(config, recovery)
    started = Started(memory, source, containers, instances, outside, logs, tags)
    if not whole:
        memory.pipeline.node.loss.note("state_reset")
    if isinstance(source, LogFollower):
        recall(memory, source, recovery, lambda number, epoch: instances.cut(number), started.feeds.feed)
    elif recovery.rows:
        memory.number += sum(row.kind == "cut" for row in recovery.rows)
        memory.pipeline.node.loss.note("state_reset")
    if recovery.rows:
        _log.info("went on from the journal", extra={"steps": len(recovery.rows), "epoch": memory.number})
    return started


def _logs(config: Config, memory: Memory, containers: LiveContainers, profiles: Profiles) -> LogFeed | None:
    """The accumulator, where memory says that it was, if logs are to be read."""
    node, told = memory.pipeline.node, config.logs
    if not told.enabled:
        node.logs = None
        return None
    node.logs = node.logs or LogMessages(LogNames(profiles))
    limits = Limits(told.most, told.of_one, int(told.behind), told.journal)
    rules = [one.rule for one in told.files]
    return LogFeed(LogFiles(containers.named, _wall, rules=rules, limits=limits, progress=memory.logs))


def _tags(config: Config, memory: Memory, folder: Path) -> TagFeed | None:
    """The kernel's tags, where lines are read that they can be joined with."""
    if memory.pipeline.node.logs is None or config.tags.source == "none":
        return None
    return TagFeed(choose(config.tags, memory.tags), Spool(folder / "tags", int(config.tags.spool)), memory)


def _wall() -> int:
    return time.time_ns() // 1_000_000


def _memory(
    config: Config, name: str, recovery: Recovery, folder: Path, profiles: Profiles
) -> tuple[Instances, Memory, bool]:
    """Store and memory; whether memory is what it was."""
    room = Budget(int(config.limits.instances), int(config.limits.instances_age))
    if recovery.snapshot:
        try:
            number = restore(folder, recovery.snapshot, Memory, {"recorder": None, "profiles": profiles}).number
            told = number + sum(row.kind == "cut" for row in recovery.rows) - 1
            instances = Instances(folder / INSTANCES, name, room, resume=Resume(told, number))
            memory = restore(folder, recovery.snapshot, Memory, {"recorder": instances, "profiles": profiles})
        except SnapshotError as error:
            _log.error("memory is lost: the agent begins anew", extra={"reason": str(error)})
        else:
            instances.loss = memory.pipeline.node.loss
            return instances, memory, True
    instances = Instances(folder / INSTANCES, name, room)
    memory = _fresh(config, instances)
    instances.loss = memory.pipeline.node.loss
    return instances, memory, not recovery.snapshot


def _fresh(config: Config, instances: Instances) -> Memory:
    containers = LiveContainers()
    abstraction = Abstraction(config.abstraction.files, config.abstraction.peers)
    memory = Memory(Pipeline(containers, int(config.epochs.length), abstraction, instances))
    containers.loss = memory.pipeline.node.loss
    return memory


def _source(config: Config, recovery: Recovery) -> Source:
    """The log from the snapshot on, or a stream from the journal's end on."""
    written = [row.position for row in recovery.rows if row.position]
    last = written[-1] if written else recovery.position
    position = _position(recovery.position if config.capture.source == "log" else last)
    if config.capture.source == "log":
        return LogFollower(config.capture.log, position, start=config.capture.start)
    descriptor = 0 if config.capture.source == "stdin" else None
    return DispatcherSource(config.capture.socket, position, descriptor=descriptor)


def _position(written: bytes) -> Position | None:
    if not written:
        return None
    try:
        return Position.from_bytes(written)
    except CodecError as error:
        _log.error(
            "the place in the log is lost: the agent reads from where it is told to start", extra={"reason": str(error)}
        )
        return None
