"""Alerts: what is told to a person, and how it is kept.

Rules of this file
    - An alert names policy, severity, application, worker, container, k of n replicas, the log time, the states
      involved by id, what was lost on that worker so far, and opens with the shortest trace that explains it.
    - Log text in it is data: it is escaped where it is shown (`monitor.render`).

Source: design section 5 (alerts), section 3 promise 5.
"""

from __future__ import annotations

import json
from typing import Final

import msgspec

from grammar import InputError

NOVELTY: Final = "novelty"


class Step(msgspec.Struct, frozen=True):
    """One state on a trace, and the edge that led to it from the step before (empty on the first)."""

    node: str
    label: str
    relation: str = ""
    operation: str = ""
    command: str = ""


class Alert(msgspec.Struct, frozen=True):
    """One alert; `time` is log time in milliseconds, `replicas` is (k, n).

    `deeds` say what it is about whatever the context: the same deed of the same container is told once.
    """

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
    deeds: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """For the store; undecodable bytes in its texts stay what they are."""
        return json.dumps(msgspec.to_builtins(self)).encode("ascii")

    @staticmethod
    def decode(data: bytes) -> Alert:
        """From the store."""
        try:
            return msgspec.convert(json.loads(data), Alert)
        except (ValueError, msgspec.ValidationError) as error:
            raise InputError(f"damaged alert in the state: {error}", offending=data[:40]) from None

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
