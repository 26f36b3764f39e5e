"""Envelopes that are taken in one transaction.

Rules of this file
    - A value that is filled while the group is taken: news by application, alerts to tell after the commit. Alone, an
      envelope's news is judged at once; of several, that of one application together.

Complexity: O(news).
Source: `monitor.monitor.Monitor.receive_many`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from grammar import Evidence
from grammar.finding import Finding
from monitor.alerts import Alert


@dataclass(slots=True)
class Group:
    """Envelopes that are taken in one transaction: when, how strictly, what they tell of; news is merged by default."""

    now: float | None
    millis: int
    strict: bool = True
    at_once: bool = False
    news: list[tuple[str, Evidence]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    findings: list[tuple[str, Finding]] = field(default_factory=list)

    def merged(self) -> dict[str, Evidence]:
        """What is new in each application, of all envelopes."""
        found: dict[str, Evidence] = {}
        for name, heard in self.news:
            found.setdefault(name, Evidence()).update(heard)
        return found

    @property
    def found(self) -> dict[str, dict[tuple[str, str, str], list[Finding]]]:
        """What each worker has found, by application, container and policy; what comes later counts."""
        found: dict[str, dict[tuple[str, str, str], list[Finding]]] = {}
        for worker, one in self.findings:
            found.setdefault(worker, {}).setdefault((one.app, one.container, one.policy), []).append(one)
        return found
