"""What the main loop asks of the world (`agent.loop.Outside`), answered by the real one.

Rules of this file
    - Every call is quick and raises nothing into the loop: what fails is logged, counted, and shown.

Complexity: O(1) a call, but for snapshots.
Source: issue "live agent" (capture, containers, epoch loop).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.epochs import Epoch
from agent.instances import Instances
from agent.kernel import boot_id, read_status
from agent.kernel_wire import KernelStatus
from agent.live_containers import LiveContainers
from agent.memory import Memory
from agent.snapshot import save, tidy
from grammar import InputError
from grammar.control import Control
from grammar.envelope import Run
from grammar.finding import Finding

if TYPE_CHECKING:
    from agent.police import Police

FULL: Final = 0.9
"""Share of the kernel's backlog from which on it is nearly full."""

_log = logging.getLogger("agent.world")


@dataclass(slots=True)
class World:
    """`outside` are the parts of memory that are not saved with it, by name (`agent.snapshot`)."""

    folder: Path
    containers: LiveContainers
    instances: Instances | None
    outside: Mapping[str, object]
    orders_of: Callable[[], Control | None] = lambda: None
    wake_sender: Callable[[], None] = lambda: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_kernel: Callable[[KernelStatus], None] = lambda status: None
    ask_kernel: bool = True
    police: Police | None = None
    snapshots: int = 0
    snapshot_seconds: float = 0.0
    failures: int = 0
    _boot: str = field(default_factory=boot_id)
    _unread: str = ""
    _counters: tuple[int, ...] = ()

    def now(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic()

    def wall(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def cpu(self) -> float:
        """CPU seconds of all threads."""
        return time.process_time()

    def sleep(self, seconds: float) -> None:
        """Rest."""
        time.sleep(seconds)

    def kernel(self, memory: Memory) -> dict[str, int]:
        """The kernel's losses since the last reading."""
        if not self.ask_kernel:
            return {}
        self._counters = ()
        try:
            status = read_status()
        except InputError as error:
            if str(error) != self._unread:
                self._unread = str(error)
                _log.warning("the kernel's audit status cannot be read", extra={"reason": str(error)})
            return memory.meter.unread()
        self._unread = ""
        self.on_kernel(status)
        self._counters = (status.backlog, status.backlog_limit, status.rate_limit)
        lost = memory.meter.see(self._boot, status)
        if (
            memory.meter.rest() >= FULL and lost
        ):  # a full backlog makes processes wait; lost is only what it could not hold
            lost["kernel_backlog_full"] = 1
        if status.rate_limit:
            lost["kernel_rate_limited"] = 1
        return lost

    def counters(self) -> tuple[int, ...]:
        """Backlog, its limit, rate limit; nothing if the kernel was not asked, or did not say."""
        return self._counters

    def runs(self) -> tuple[Run, ...]:
        """Containers' lives that have changed."""
        return self.containers.take_runs()

    def retired(self) -> tuple[str, ...]:
        """Containers that have ended for long enough; each is told once."""
        return self.containers.take_ended()

    def findings(self, memory: Memory, epoch: Epoch) -> tuple[Finding, ...]:
        """What policies find in an epoch that has been cut; trouble with one is logged, and costs no epoch."""
        texts = memory.control.policies
        if self.police is None and texts:
            from agent.police import Police  # noqa: PLC0415 - an agent without policies needs no parser

            self.police = Police()
        if self.police is None:
            return ()
        try:
            self.police.obey(texts)
            return self.police.judge(memory.pipeline.node, epoch, self.instances)
        except Exception:
            _log.exception("policies could not be evaluated; the monitor does it")
            return ()

    def epoch(self, number: int, epoch: Epoch) -> None:
        """Keep its instances, show its figures."""
        if self.instances is not None:
            self.instances.cut(number)
        self.on_epoch(epoch)

    def save(self, memory: Memory, position: bytes) -> str:
        """Write a snapshot; its name, or nothing if that failed."""
        begun = self.now()
        try:
            if self.instances is not None:
                self.instances.sync()
            name = save(self.folder, memory, self.outside)
        except (OSError, InputError) as error:
            self.failures += 1
            _log.error(
                "no snapshot: a restart would read the log again from the last one", extra={"reason": str(error)}
            )
            return ""
        self.snapshots += 1
        self.snapshot_seconds += self.now() - begun
        return name

    def saved(self, name: str) -> None:
        """The ledger goes by that snapshot now: the others can go."""
        tidy(self.folder, name)

    def orders(self) -> Control | None:
        """Newer control, if any has come."""
        return self.orders_of()

    def wake(self) -> None:
        """Something is there to be sent."""
        self.wake_sender()
