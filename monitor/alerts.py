"""Alerts: what is told to a person, and how it is kept.

Rules of this file
    - An alert names policy, severity, application, worker, container, k of n replicas, the log time, the states
      involved by id, what was lost on that worker so far, and opens with the shortest trace that explains it.
    - It says how sure it is. `certain`: the labels of the model alone prove it, or a worker has seen it in its own
      graph (`confirmed` is "worker"). `possible`: the labels allow it, and nobody could be asked ("unanswered").
    - What became of it since (acknowledged, armed again) is not part of it: see `monitor.lifecycle`.
    - Log text in it is data: it is escaped where it is shown (`monitor.render`).

Invariant: `number` is the store's, never encoded: the same alert has the same bytes at every monitor.
Source: design section 5 (alerts), section 3 promise 5; issue "policies and questions" (certain and possible).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from itertools import islice
from typing import Final, Literal

import msgspec

from grammar import InputError

NOVELTY: Final = "novelty"
SEVERITIES: Final = ("low", "medium", "high", "critical")
"""From the least to the worst."""
MAX_COLUMNS: Final = 32
MAX_TEXT: Final = 1_024
"""What of a row an alert holds: so many columns, so many characters of each."""

Certainty = Literal["certain", "possible"]
Confirmed = Literal["", "worker", "unanswered"]
Quiet = Literal["", "snoozed", "elsewhere"]
"""Why an alert is kept but not told: its policy is snoozed, or another monitor has told it."""


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
    certainty: Certainty = "certain"
    confirmed: Confirmed = ""
    techniques: tuple[str, ...] = ()
    maturity: str = ""
    actions: tuple[str, ...] = ()
    row: dict[str, str | None] = {}
    quiet: Quiet = ""
    number: int = 0

    @property
    def sure(self) -> bool:
        """Whether it happened: by the labels alone, or because a worker has seen it."""
        return self.certainty == "certain" or self.confirmed == "worker"

    @property
    def key(self) -> str:
        """What tells two alerts apart, at every monitor and however often one is told."""
        return blake2b(self.encode(), digest_size=16).hexdigest()

    def numbered(self, number: int) -> Alert:
        """The same with the number that the store gave it (0: none)."""
        return msgspec.structs.replace(self, number=number)

    def encode(self) -> bytes:
        """For the store; undecodable bytes in its texts stay what they are."""
        told = msgspec.structs.asdict(self)
        del told["number"]
        return json.dumps(msgspec.to_builtins(told)).encode("ascii")

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
            "certainty": self.certainty,
            "confirmed": self.confirmed,
            "techniques": list(self.techniques),
            "maturity": self.maturity,
            "actions": list(self.actions),
            "row": dict(self.row),
            **({"quiet": self.quiet} if self.quiet else {}),
            **({"number": self.number} if self.number else {}),
        }


def bounded_row(row: Mapping[str, object]) -> dict[str, str | None]:
    """What a policy gave back, as an alert holds it: texts, and not more of them than there is room for.

    >>> bounded_row({"path": "/etc/shadow", "by": None})
    {'path': '/etc/shadow', 'by': None}
    """
    return {_cut(name): None if value is None else _cut(str(value)) for name, value in islice(row.items(), MAX_COLUMNS)}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
