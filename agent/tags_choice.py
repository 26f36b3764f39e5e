"""Which of the kernel's sides gives the tags: the module, the eBPF helper, or none; and what when that one ends.

Rules of this file
    - The best that can be had is read: the module, whose offsets are exact, before the helper, before none. Each that
      cannot be had says why, once; what was not to be had is tried again, after longer and longer times.
    - One that ends gives way to the next best, and back when it can be had again. Each end is logged and counted
      (`tags_unknown`: what is written meanwhile may have no tag).
    - A helper that is starting keeps nobody waiting.

Source: issue "lkm" (the agent chooses module, eBPF or none, says which).
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.backoff import Backoff
from agent.config_tags import Tags
from agent.kernel import KernelAuditError, read_status
from agent.loss import Loss
from agent.tags_device import PARAMETERS, STATISTICS, Device, Parameters
from agent.tags_helper import PATIENCE, Helper, find
from agent.tags_marks import Marks
from agent.tags_source import Batch, Channel, Kind, Refused, TagReader

SETTLED: Final = 60.0
"""Seconds after which one that works has shown that it does."""
AUDITD: Final = 0.5
"""Seconds that the kernel gets to say who takes its records."""

_log = logging.getLogger("agent.tags")


@dataclass(slots=True)
class Candidate:
    """One way to tags: how it is made (or `Refused`), and if it is not open, why, and when it is tried again."""

    kind: Kind
    make: Callable[[], Channel]
    backoff: Backoff
    channel: Channel | None = None
    why: str = ""
    due: float = 0.0
    since: float = 0.0


class Choice:
    """The best of `candidates`, which come best first, as a `Channel`; `falls` counts ends of those that had worked."""

    state: Final = "works"

    def __init__(
        self,
        candidates: Sequence[Candidate],
        clock: Callable[[], float] = time.monotonic,
        excluded: set[int] | None = None,
    ) -> None:
        self.candidates = tuple(candidates)
        self.excluded = excluded if excluded is not None else set()
        self.loss = Loss()
        self.falls = 0
        self._clock = clock
        self._current: Candidate | None = None
        self._told = ""
        self._tend()

    @property
    def kind(self) -> Kind:
        """What makes the tags now."""
        return self._current.kind if self._current is not None else "none"

    @property
    def why(self) -> str:
        """What is read, and why nothing better is."""
        told: list[str] = []
        for one in self.candidates:
            told.append(f"{one.kind}: {one.channel.why if one.channel is not None else one.why}")
            if one is self._current:
                break
        return "; ".join(told) or "not wanted (tags.source)"

    @property
    def behind(self) -> int:
        """Bytes that were read and not taken."""
        return self._open.behind if self._open is not None else 0

    def take(self) -> Batch:
        """What has come; never waits."""
        self._tend()
        if self._open is None:
            return Batch([], b"")
        batch = self._open.take()
        self.loss.update(self._open.loss.take())
        return batch

    def counters(self) -> Mapping[str, int]:
        """What the kernel's side has counted."""
        return self._open.counters() if self._open is not None else {}

    def exclude(self, pids: Iterable[int]) -> None:
        """Leave out what these processes write, whoever makes the tags."""
        new = set(pids) - self.excluded - {0}
        self.excluded |= new
        for one in self.candidates if new else ():
            if one.channel is not None:
                one.channel.exclude(self.excluded)

    def close(self) -> None:
        """Let go of all."""
        for one in self.candidates:
            if one.channel is not None:
                one.channel.close()
                one.channel = None
        self._current = None

    @property
    def _open(self) -> Channel | None:
        return self._current.channel if self._current is not None else None

    def _tend(self) -> None:
        """Try what is due, see who has ended, and go by the best that works."""
        now, best = self._clock(), None
        for one in self.candidates:
            if one.channel is None and now >= one.due:
                self._try(one, now)
            if one.channel is None:
                continue
            if one.channel.state == "starting":
                one.channel.take()
            if one.channel.state == "ended":
                self._ended(one, now)
            elif one.channel.state == "works":
                best = one
                break
        self._go_by(best, now)

    def _try(self, one: Candidate, now: float) -> None:
        try:
            one.channel, one.since = one.make(), now
        except Refused as reason:
            one.why = str(reason)
            one.due = now + one.backoff.failed()

    def _ended(self, one: Candidate, now: float) -> None:
        """It has; and if it was the one that was read, that is a loss."""
        assert one.channel is not None
        one.why = one.channel.why
        self.loss.update(one.channel.loss.take())
        one.channel.close()
        one.channel = None
        if now - one.since >= SETTLED:
            one.backoff.worked()
        one.due = now + one.backoff.failed()
        if one is self._current:
            for other in self.candidates[self.candidates.index(one) + 1 :]:
                other.due = now
            self._current = None
            self.falls += 1
            self.loss.note("tags_unknown")
            _log.warning("tags of log writes have ended", extra={"source": one.kind, "reason": one.why})

    def _go_by(self, best: Candidate | None, now: float) -> None:
        """Read `best`, and let go of what is worse; say so if it is another."""
        if best is not None and best is not self._current:
            self._current = best
            for one in self.candidates[self.candidates.index(best) + 1 :]:
                if one.channel is not None:
                    self.loss.update(one.channel.loss.take())
                    one.channel.close()
                    one.channel, one.due = None, now
        starting = any(one.channel is not None for one in self.candidates if one is not self._current)
        if not starting and self.candidates and self.why != self._told:
            self._told = self.why
            level = logging.INFO if self._current is not None else logging.WARNING
            said = "log writes are tagged" if self._current is not None else "log writes are not tagged"
            _log.log(level, said, extra={"source": self.kind, "reason": self._told})


def auditd() -> int:
    """The process that takes the kernel's audit records; 0 if that cannot be told."""
    try:
        return read_status(AUDITD).pid
    except KernelAuditError:
        return 0


@dataclass(slots=True)
class Outside:
    """What a choice asks of the world; a test puts its own here."""

    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    auditd: Callable[[], int] = auditd
    statistics: str = STATISTICS
    parameters: str = PARAMETERS
    patience: float = PATIENCE


def choose(settings: Tags, marks: Marks, outside: Outside | None = None) -> TagReader:
    """A reader of the best there is; whatever else the settings name is tried again later."""
    world = outside or Outside()
    excluded = {os.getpid(), world.auditd()} - {0}

    def module() -> Channel:
        parameters, cgroups = Parameters(world.parameters), _cgroups(settings)
        device = Device(settings.device, parameters=parameters, statistics=world.statistics)
        device.exclude(excluded)
        parameters.add("paths", [one.rstrip("/") or "/" for one in settings.paths])
        parameters.add("cgroups", [str(one) for one in cgroups])
        return device

    def helper() -> Channel:
        command = [find(settings.helper), "--mode", settings.mode, "--buffer", str(int(settings.buffer))]
        for name, values in (("path", settings.paths), ("cgroup", _cgroups(settings)), ("exclude", excluded)):
            for value in values:
                command += [f"--{name}", str(value)]
        return Helper(command, excluded=excluded, patience=world.patience, clock=world.clock)

    candidates = (
        Candidate("module", module, Backoff(world.chance, 2.0, 60.0)),
        Candidate("ebpf", helper, Backoff(world.chance, 2.0, 300.0)),
    )
    wanted = [one for one in candidates if settings.source in ("auto", one.kind)]
    return TagReader(Choice(wanted, world.clock, excluded), marks)


def _cgroups(settings: Tags) -> list[int]:
    """Ids of the folders; one that is not there is `Refused`: without it, all would be tagged."""
    try:
        return [Path(folder).stat().st_ino for folder in settings.cgroups]
    except OSError as error:
        raise Refused(f"tags.cgroups: {error.filename}: {error.strerror}") from None
