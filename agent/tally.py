"""What the main loop has done so far, for /metrics.

Rules of this file
    - Sums only; names are `winnower_agent_…`, labels closed lists (causes of loss).

Source: issue "live agent" (Prometheus metrics).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.epochs import Epoch
from agent.health import Figure
from agent.kernel_wire import KernelStatus
from agent.loop import Loop
from agent.resident import resident
from agent.world import World


@dataclass(slots=True)
class Tally:
    """Counts over all epochs of this process."""

    epochs: int = 0
    early: int = 0
    events: int = 0
    records: int = 0
    seconds: float = 0.0
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, epoch: Epoch) -> None:
        """One more epoch."""
        self.epochs += 1
        self.early += bool(epoch.deltas)
        self.events += epoch.events
        self.records += epoch.records
        self.seconds += epoch.seconds
        self.lost.update(epoch.lost)

    def figures(self, loop: Loop, world: World, kernel: KernelStatus) -> Iterator[Figure]:
        """As Prometheus wants them."""
        node = loop.memory.pipeline.node
        yield Figure("winnower_agent_epochs", "Epochs cut.", self.epochs, counter=True)
        yield Figure("winnower_agent_epochs_with_news", "Of these, with something new.", self.early, counter=True)
        yield Figure("winnower_agent_events", "Audit events.", self.events, counter=True)
        yield Figure("winnower_agent_records", "Audit records.", self.records, counter=True)
        yield Figure("winnower_agent_bytes", "Bytes of the audit log.", loop.bytes_read, counter=True)
        yield Figure("winnower_agent_induction_seconds", "CPU seconds in ends of epochs.", self.seconds, counter=True)
        for cause, number in sorted(dict(self.lost).items()):
            yield Figure("winnower_agent_lost", "What was lost, by cause.", number, {"cause": cause}, True)
        yield Figure("winnower_agent_behind_bytes", "Bytes of log not read yet.", loop.behind)
        yield Figure(
            "winnower_agent_rested_seconds", "Seconds of rest for the budget.", loop.budget.rested, counter=True
        )
        yield Figure("winnower_agent_resident_bytes", "Resident memory.", resident())
        yield Figure("winnower_agent_cpu_seconds", "CPU seconds of all threads.", time.process_time(), counter=True)
        yield Figure("winnower_agent_processes", "Processes that are followed.", len(node.processes))
        yield Figure("winnower_agent_graphs", "Containers that are followed, the host among them.", len(node.scopes))
        yield Figure("winnower_agent_control_revision", "Control that it goes by.", loop.memory.control.revision)
        yield Figure("winnower_agent_snapshots", "Snapshots written.", world.snapshots, counter=True)
        yield Figure("winnower_agent_snapshot_failures", "Snapshots that failed.", world.failures, counter=True)
        yield Figure("winnower_agent_snapshot_seconds", "Seconds for snapshots.", world.snapshot_seconds, counter=True)
        yield Figure("winnower_agent_kernel_backlog", "Records that wait in the kernel.", kernel.backlog)
        yield Figure("winnower_agent_kernel_backlog_limit", "How many may wait there.", kernel.backlog_limit)
        yield Figure("winnower_agent_kernel_lost_since_boot", "Records that the kernel has lost.", kernel.lost)
