"""Which alerts a list shows, and what it says of what has become of them.

Rules of this file
    - Pure. What somebody has acknowledged or snoozed is not shown unless it is asked for, but how many those are is.

Complexity: O(alerts).
Source: issue "policies and questions" (acknowledged, re-armed); design section 5 (`winnower alerts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grammar import InputError
from monitor.action_filter import worse
from monitor.alerts import SEVERITIES, Alert
from monitor.lifecycle import Lifecycle
from monitor.lifecycle_values import Snooze, Standing
from monitor.render import safe, time_text
from policies.policy import fits

STATUSES: Final = ("open", "acknowledged", "rearmed", "snoozed", "elsewhere")
HIDDEN: Final = frozenset(("acknowledged", "snoozed"))


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked for: `since` in milliseconds of log time, `least` a severity, `policy` a glob, `app` a name."""

    app: str = ""
    policy: str = "*"
    least: str = SEVERITIES[0]
    since: int = 0
    status: str = ""
    everything: bool = False

    @staticmethod
    def of(params: Mapping[str, str]) -> Listing:
        """From the parameters of a request: `app`, `policy`, `severity`, `since`, `status`, `all`."""
        written = params.get("since") or "0"
        if not written.isascii() or not written.isdigit() or len(written) > 15:
            raise InputError("since is a time in milliseconds", offending=written)
        return Listing(
            params.get("app", ""),
            params.get("policy") or "*",
            _one_of(params.get("severity") or SEVERITIES[0], SEVERITIES, "severity"),
            int(written),
            _one_of(params.get("status", ""), ("", *STATUSES), "status"),
            params.get("all", "") not in ("", "0"),
        )

    def params(self) -> dict[str, str]:
        """As parameters of a request; what is not asked for is empty."""
        found = {"app": self.app, "status": self.status, "all": "1" if self.everything else ""}
        found["policy"] = "" if self.policy == "*" else self.policy
        found["severity"] = "" if self.least == SEVERITIES[0] else self.least
        return found | {"since": str(self.since) if self.since else ""}

    def listed(self, alerts: Sequence[Alert], life: Lifecycle) -> Listed:
        """The alerts that are shown, and of those asked for how many are not."""
        asked = [one for one in alerts if self._asks_for(one)]
        if self.status:
            return Listed([one for one in asked if life.status(one) == self.status])
        if self.everything:
            return Listed(asked)
        shown = [one for one in asked if life.status(one) not in HIDDEN]
        return Listed(shown, len(asked) - len(shown))

    def _asks_for(self, alert: Alert) -> bool:
        return (
            self.app in ("", alert.app)
            and fits(self.policy, alert.policy)
            and worse(alert.severity, self.least)
            and alert.time >= self.since
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """Alerts to show, and how many were left out because somebody has taken note of them."""

    alerts: list[Alert]
    hidden: int = 0

    def values(self, life: Lifecycle) -> list[dict[str, object]]:
        """For JSON."""
        return [value_of(one, life) for one in self.alerts]

    def notes(self, life: Lifecycle) -> str:
        """What a table says below: what somebody said of these alerts, and that some are not shown."""
        lines = [_said(one, life) for one in self.alerts if life.status(one) not in ("open", "elsewhere")]
        if self.hidden:
            lines.append(f"{self.hidden} acknowledged or snoozed: --all shows them")
        return "".join(f"  {line}\n" for line in lines)


def value_of(alert: Alert, life: Lifecycle) -> dict[str, object]:
    """An alert for JSON with what has become of it."""
    standing = life.standing(alert.number)
    said: dict[str, object] = {"status": life.status(alert)}
    return alert.value() | said | ({"said": said_value(standing)} if standing.at or standing.by else {})


def said_value(standing: Standing) -> dict[str, object]:
    """What somebody said of an alert, for JSON."""
    at = standing.at / 1000
    return {
        "number": standing.number,
        "status": standing.state,
        "by": standing.by,
        "at": at,
        "comment": standing.comment,
    }


def snooze_value(snooze: Snooze) -> dict[str, object]:
    """A snooze, for JSON."""
    found: dict[str, object] = {"policy": snooze.policy, "app": snooze.app, "until": snooze.until / 1000}
    return found | {"by": snooze.by, "at": snooze.at / 1000, "comment": snooze.comment}


def _said(alert: Alert, life: Lifecycle) -> str:
    standing, status = life.standing(alert.number), life.status(alert)
    told = f"{alert.number}: {status}"
    if status in HIDDEN and not standing.at:
        return told
    comment = f": {safe(standing.comment, 200)}" if standing.comment else ""
    return f"{told} by {safe(standing.by, 100)}, {time_text(standing.at)}{comment}"


def _one_of(written: str, known: Sequence[str], what: str) -> str:
    if written not in known:
        raise InputError(f"not a {what}", offending=written, hint=", ".join(one for one in known if one))
    return written
