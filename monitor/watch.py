"""What goes wrong with agents themselves: counted always, told as alerts at most once in a while.

Rules of this file
    - Pure: what happened and the time come in; an alert comes out if it is time to tell. Counts are the store's.
    - `agent-identity` is what somebody tries who is not who he says: forgeries, conflicts, foreign names. A repeat is
      no incident. `behaviour-flood` is an agent that shows more than there is room for.

Complexity: O(1); memory O(agents).
Source: issue "live monitor" (detected, reported, and without effect).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.alerts import Alert

IDENTITY: Final = "agent-identity"
FLOOD: Final = "behaviour-flood"
EVERY: Final = 600_000
"""Milliseconds after which the same of the same agent is told again."""
TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "forged": (IDENTITY, "messages whose signature does not fit"),
    "unknown": (IDENTITY, "messages signed with a key that is not enrolled"),
    "revoked": (IDENTITY, "messages of an agent that is revoked"),
    "foreign": (IDENTITY, "an agent that writes in another's name"),
    "conflict": (IDENTITY, "envelopes that are not of its chain: two agents with one identity, or a replay"),
    "malformed": (IDENTITY, "envelopes with contents that cannot be read"),
    "refused": (IDENTITY, "envelopes beyond what an agent may send"),
    "token": (IDENTITY, "enrolment with a token that is unknown, used, expired, or another's"),
    "flood": (FLOOD, "more new behaviour than there is room for: the excess is counted, not taken"),
}
"""Every cause, its policy, and what it means."""


@dataclass(slots=True)
class Watch:
    """When each (agent, cause) was told last, in milliseconds of the monitor's time."""

    told: dict[tuple[str, str], int] = field(default_factory=dict)

    def alert(self, agent: str, cause: str, number: int, now: int, *, app: str = "") -> Alert | None:
        """The alert for an incident, unless the same was told less than `EVERY` ago; `number` have been counted."""
        before = self.told.get((agent, cause))
        if before is not None and now - before < EVERY:
            return None
        self.told[agent, cause] = now
        policy, title = TITLES[cause]
        return Alert(
            policy=policy,
            title=title,
            severity="high",
            app=app,
            worker=agent,
            container="",
            time=now,
            replicas=(1, 1),
            nodes=(),
            trace=(),
            summary=(f"{cause}: {number} so far",),
        )
