"""Alerts: what is told to a person, and how it is kept.

Rules of this file
    - An alert names policy, severity, application, worker, container, k of n replicas, the log time, the states involved by
      id, what was lost on that worker meanwhile, and opens with the shortest trace that explains it.
    - Log text in it is data: it is escaped where it is shown (`monitor.render`).

Source: design section 5 (alerts), section 3 promise 5.
"""

from __future__ import annotations

import msgspec

NOVELTY = "novelty"


class Step(msgspec.Struct, frozen=True):
    """One state on a trace, and the edge that led to it from the step before (empty on the first)."""

    node: str
    label: str
    relation: str = ""
    operation: str = ""
    command: str = ""


class Alert(msgspec.Struct, frozen=True):
    """One alert; `time` is log time in milliseconds, `replicas` is (k, n)."""

    policy: str
    title: str
    severity: str
    app: str
    worker: str
    container: str
    time: int
    replicas: tuple[int, int]
    nodes: tuple[str, ...]
    trace: tuple[Step, ...]
    summary: tuple[str, ...] = ()
    lost: dict[str, int] = {}

    def encode(self) -> bytes:
        """For the store."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def decode(data: bytes) -> Alert:
        """From the store."""
        return msgspec.msgpack.decode(data, type=Alert)

    def value(self) -> dict[str, object]:
        """For JSON: the contract's fields first, then what helps a person."""
        return {
            "policy": self.policy,
            "severity": self.severity,
            "app": self.app,
            "worker": self.worker,
            "container": self.container,
            "time": self.time / 1000,
            "nodes": list(self.nodes),
            "title": self.title,
            "replicas": {"k": self.replicas[0], "of": self.replicas[1]},
            "trace": [msgspec.structs.asdict(step) for step in self.trace],
            "summary": list(self.summary),
            "lost": self.lost,
        }
