"""`--report FILE`: what a replay did and cost, as one JSON object.

Rules of this file
    - Field names are a contract. Byte counts are what crosses the wire, heads and framing included.

Source: design section 5 (--report).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.epochs import Epoch
from grammar import encode_model
from monitor.alerts import Alert
from monitor.monitor import Monitor


@dataclass(slots=True)
class WorkerReport:
    """One worker's counts so far; `epochs` in order; `lines` of application logs by how they were joined.

    `tagged` of them by what the kernel has tagged their writes with.
    """

    records: int = 0
    events: int = 0
    raw_bytes: int = 0
    cpu_seconds: float = 0.0
    epochs: list[dict[str, object]] = field(default_factory=list)
    uplink: int = 0
    downlink: int = 0
    deltas: int = 0
    lines: dict[str, int] = field(default_factory=dict)
    tagged: int = 0

    def add(self, epoch: Epoch, uplink: int, downlink: int, delta: int, seconds: float) -> None:
        """One more epoch."""
        self.records += epoch.records
        self.events += epoch.events
        self.uplink += uplink
        self.downlink += downlink
        self.deltas += delta
        self.epochs.append(
            {
                "start": epoch.start / 1000,
                "events": epoch.events,
                "vertices": epoch.vertices,
                "edges": epoch.edges,
                "states": epoch.states,
                "transitions": epoch.transitions,
                "delta_states": sum(len(one.states) for one in epoch.deltas.values()),
                "delta_transitions": sum(len(one.transitions) for one in epoch.deltas.values()),
                "delta_bytes": delta,
                "uplink_bytes": uplink,
                "downlink_bytes": downlink,
                "induction_seconds": round(epoch.seconds + seconds, 6),
                "lost": epoch.lost,
            }
        )

    def value(self) -> dict[str, object]:
        """As the contract has it."""
        return {
            "records": self.records,
            "events": self.events,
            "raw_bytes": self.raw_bytes,
            "cpu_seconds": round(self.cpu_seconds, 6),
            "lines": self.lines,
            "epochs": self.epochs,
        }


@dataclass(slots=True)
class Report:
    """The whole replay."""

    recording: str
    epoch_seconds: float
    workers: dict[str, WorkerReport]
    wall_seconds: float = 0.0
    peak_rss_bytes: int = 0

    def value(self, monitor: Monitor) -> dict[str, object]:
        """As one JSON object."""
        apps = {}
        for name, app in sorted(monitor.apps.items()):
            model = app.folded
            apps[name] = {
                "states": len(model.states),
                "transitions": len(model.transitions),
                "model_bytes": len(encode_model(model)),
                "replicas": len(model.replicas),
                "settled": monitor.settled(name),
            }
        reports = self.workers.values()
        return {
            "recording": self.recording,
            "epoch_seconds": self.epoch_seconds,
            "workers": {name: one.value() for name, one in self.workers.items()},
            "apps": apps,
            "alerts": [_alert(alert, monitor) for alert in monitor.alerts],
            "totals": {
                "raw_bytes": sum(one.raw_bytes for one in reports),
                "uplink_bytes": sum(one.uplink for one in reports),
                "delta_bytes": sum(one.deltas for one in reports),
                "downlink_bytes": sum(one.downlink for one in reports),
                "cpu_seconds": round(sum(one.cpu_seconds for one in reports), 6),
                "wall_seconds": round(self.wall_seconds, 3),
                "peak_rss_bytes": self.peak_rss_bytes,
            },
        }


def _alert(alert: Alert, monitor: Monitor) -> dict[str, object]:
    """An alert whose nodes are those of the application's folded model, which is what a dump shows."""
    if alert.app not in monitor.apps:  # about a worker, not about behaviour
        return alert.value()
    model = monitor.apps[alert.app].folded
    nodes = [model.ids[model.by_id[node]] if node in model.by_id else node for node in alert.nodes]
    return alert.value() | {"nodes": list(dict.fromkeys(nodes))}
