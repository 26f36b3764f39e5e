"""One measured stretch of load on a live worker: what the servers gave, what auditd, the agent and the kernel took.

Rules of this file
    - Three states of the worker: without rules; with rules and auditd, the agent frozen (SIGSTOP); with rules, auditd
      and the agent. What the agent has to catch up with after it was frozen is never in a measured stretch.
    - A stretch begins when everybody has caught up and ends when everybody has caught up again: the CPU time of auditd
      and of the agent is that of all records of the stretch, those after the load's end included.
    - `lifted`: everybody named here runs 11 steps of nice above what else the machine does, in the same relation to one
      another as before: for machines that others use as well.
    - `apart` gives the containers, `ab` and the kernel's own thread (kauditd) one core, and everybody else the other.
      `together` leaves all to the scheduler.

Invariant: after a stretch rules and agent are as they were before.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from live_agent import rules_for
from live_scene import Scene
from testbed.processes import arguments, cpu_seconds, everyone, wait_until
from testbed.tell import TestbedError
from testbed.traffic import begin_load, end_load

Condition = Literal["no audit", "auditd", "auditd + agent"]
Placement = Literal["apart", "together"]
CONDITIONS: Final[tuple[Condition, ...]] = ("no audit", "auditd", "auditd + agent")
CAUGHT_UP: Final = 120.0
READ: Final = "winnower_agent_bytes_total"


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch: requests per second of all servers, CPU seconds, bytes of log that the agent read, records lost."""

    condition: Condition
    rate: float
    failed: int
    auditd: float
    agent: float
    kernel: float
    read: int
    lost: int


class Meter:
    """Measures stretches on a scene. Made when nothing happens: what the agent has read by then is all there is."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._sizes: dict[bytes, int] = {}
        scene.agent.rest(CAUGHT_UP)
        self._before = self._written() - scene.agent.figure(READ)

    def stretch(self, condition: Condition, seconds: float, placement: Placement) -> Stretch:
        """Load for so long in that state, and everything that follows from it."""
        with self._state(condition):
            self._caught_up(condition)
            before = self._look(condition)
            rate, failed = _load(self.scene, seconds, placement)
            self._caught_up(condition)
            after = self._look(condition)
        auditd, agent, kernel, read, lost = (late - early for late, early in zip(after, before, strict=True))
        return Stretch(condition, rate, failed, auditd, agent, kernel, int(read), int(lost))

    @contextmanager
    def _state(self, condition: Condition) -> Iterator[None]:
        scene = self.scene
        if condition == "no audit":
            scene.auditd.remove_rules()
        if condition != "auditd + agent":
            scene.agent.program.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            scene.agent.program.signal(signal.SIGCONT)
            if condition == "no audit":
                scene.auditd.add_rules(rules_for(scene.plan.rules, scene.plan.auid))
        if condition != "auditd + agent":
            self._caught_up("auditd + agent")

    def _caught_up(self, condition: Condition) -> None:
        scene = self.scene
        if not scene.auditd.settle(CAUGHT_UP):
            raise TestbedError("auditd does not catch up")
        if condition == "auditd + agent":
            if not wait_until(lambda: scene.agent.figure(READ) + self._before >= self._written(), CAUGHT_UP, every=0.1):
                raise TestbedError("the agent does not catch up")
            scene.agent.rest(CAUGHT_UP, quiet=0.3)

    def _written(self) -> int:
        """Bytes of the log so far, those of files that are gone included: a file is known by its first record."""
        for path in self.scene.auditd.log_files():
            with path.open("rb") as file:
                head = file.read(100)
                self._sizes[head] = os.fstat(file.fileno()).st_size
        self._sizes.pop(b"", None)
        return sum(self._sizes.values())

    def _look(self, condition: Condition) -> tuple[float, float, float, float, float]:
        scene = self.scene
        agent = scene.agent.program.cpu_seconds()
        read = scene.agent.figure(READ) if condition == "auditd + agent" else 0.0  # a frozen one does not answer
        return scene.auditd.cpu_seconds(), agent, kauditd_seconds(), read, float(scene.auditd.lost())


def _load(scene: Scene, seconds: float, placement: Placement) -> tuple[float, int]:
    started = [begin_load(one, seconds=seconds) for one in scene.web.running]
    if placement == "apart":
        _pin((process.pid for process in started), SERVERS)
    rows = [end_load(process, seconds + 120) for process in started]
    return sum(row.rate for row in rows), sum(row.failed for row in rows)


SERVERS: Final = {0}
OTHERS: Final = {1}
LIFT: Final = 11
STEP: Final = 1.25


@contextmanager
def placed(scene: Scene, placement: Placement) -> Iterator[None]:
    """Give everybody a core, or all of them all; kauditd goes back to where it may go now."""
    if placement == "together":
        yield
        return
    for one in scene.web.running:
        _pin([one.pid, *below(one.pid)], SERVERS)
    _pin(_threads([scene.auditd.pid, scene.agent.program.pid, scene.monitor.program.pid]), OTHERS)
    before = {pid: os.sched_getaffinity(pid) for pid in kauditd()}
    try:
        _pin(before, SERVERS)
        yield
    finally:
        for pid, cores in before.items():
            _pin([pid], cores)


@contextmanager
def lifted(scene: Scene) -> Iterator[None]:
    """Everybody 11 steps above what others do, `ab` and this program too; what outlives the scene goes back after it.

    Where the kernel groups processes by session (sched_autogroup) a step of nice counts among groups, and containers
    are a control group of their own.
    """
    sessions = [scene.auditd.pid, scene.agent.program.pid, scene.monitor.program.pid, os.getpid()]
    shares = _shares(scene.web.running[0].pid)
    _lift(sessions, shares, -LIFT)
    try:
        yield
    finally:
        _lift([os.getpid()], shares, LIFT)


def _lift(sessions: Iterable[int], shares: Path | None, steps: int) -> None:
    for pid in kauditd():
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + steps)
    for pid in sessions:
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():
            group.write_text(str(min(steps, 0)), "ascii")
    if shares is not None:
        shares.write_text(str(max(2, round(int(shares.read_text("ascii")) * STEP**-steps))), "ascii")


def _shares(pid: int) -> Path | None:
    """The file with the weight of the containers' common control group; none where we do not know it."""
    for line in Path(f"/proc/{pid}/cgroup").read_text("utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            file = Path("/sys/fs/cgroup/cpu") / path.lstrip("/").split("/")[0] / "cpu.shares"
            return file if file.exists() else None
    return None


def _pin(pids: Iterable[int], cores: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


def _threads(pids: Iterable[int]) -> list[int]:
    return [int(one.name) for pid in pids for one in Path(f"/proc/{pid}/task").iterdir()]


def below(pid: int) -> list[int]:
    """All processes below one."""
    children: dict[int, list[int]] = {}
    for one in everyone():
        children.setdefault(_parent(one), []).append(one)
    found, waiting = [], [pid]
    while waiting:
        fresh = children.get(waiting.pop(), [])
        found += fresh
        waiting += fresh
    return found


def kauditd_seconds() -> float:
    """CPU seconds of the kernel's audit thread since boot; 0 if it is not to be seen (a container)."""
    return sum(cpu_seconds(pid) for pid in kauditd())


@cache
def kauditd() -> tuple[int, ...]:
    """The kernel's audit thread."""
    return tuple(pid for pid in everyone() if not arguments(pid) and _name(pid) == "kauditd")


def _name(pid: int) -> str:
    return _field("Name", pid)


def _parent(pid: int) -> int:
    return int(_field("PPid", pid) or 0)


def _field(name: str, pid: int) -> str:
    """A field of /proc/PID/status; nothing if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{name}:")), "")
