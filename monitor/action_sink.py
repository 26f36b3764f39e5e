"""What an action delivers to: one alert at a time, and what can go wrong with it; the JSON that it sends.

Rules of this file
    - `send` returns when the alert is there, or raises: `NotDeliveredError` (try again), `RefusedError` (never will).
    - Whatever an alert holds, its line is one line of ASCII: JSON that is safe anywhere (`monitor.render.to_json`).

Complexity: O(what the alert holds), which is bounded.
Source: issue "policies and questions" (actions).
"""

from __future__ import annotations

from typing import Literal, Protocol

from monitor.alerts import Alert
from monitor.ocsf import finding
from monitor.render import to_json

Format = Literal["winnower", "ocsf"]


class NotDeliveredError(Exception):
    """Not this time; after `seconds` at the earliest, if the other side said so."""

    def __init__(self, text: str, seconds: float = 0.0) -> None:
        self.seconds = seconds
        super().__init__(text)


class RefusedError(Exception):
    """Not this alert, however often it is tried."""


class Sink(Protocol):
    """Where alerts go. Used by one thread."""

    @property
    def tries(self) -> int:
        """How often an alert is tried; 0: until it is there."""

    def send(self, alert: Alert) -> None:
        """Deliver one alert."""

    def close(self) -> None:
        """Give back what is open."""


def line_of(alert: Alert, form: Format) -> bytes:
    """An alert as one JSON object, without a line's end; its `key` (OCSF: `finding_info.uid`) tells repeats apart."""
    value = finding(alert) if form == "ocsf" else alert.value() | {"key": alert.key}
    return to_json(value, None).encode("ascii")
