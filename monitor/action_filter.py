"""Which alerts an action takes, and which ones a list shows: by severity, policy, application, certainty.

Rules of this file
    - Pure: an alert comes in, yes or no comes out. Globs are those of policies (`policies.policy.fits`).
    - A response (pause, stop, a program) takes only alerts whose policy names it in its own `actions`, unless told
      otherwise: nobody's container stops because somebody wrote a policy.

Complexity: O(globs times name).
Source: issue "policies and questions" (actions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.alerts import SEVERITIES, Alert
from policies.policy import fits


@dataclass(frozen=True, slots=True)
class Filter:
    """What is taken. `named`: only if the alert's policy names one of these; empty: whether it does or not.

    >>> Filter(policies=("shell-*",)).least
    'low'
    """

    least: str = "low"
    policies: tuple[str, ...] = ("*",)
    apps: tuple[str, ...] = ("*",)
    certain: bool = False
    named: tuple[str, ...] = ()

    def takes(self, alert: Alert) -> bool:
        """Whether it takes an alert; what is kept quiet, nobody takes."""
        return (
            not alert.quiet
            and worse(alert.severity, self.least)
            and (alert.sure or not self.certain)
            and fits_one(self.policies, alert.policy)
            and fits_one(self.apps, alert.app)
            and (not self.named or any(one in self.named for one in alert.actions))
        )


def worse(severity: str, least: str) -> bool:
    """Whether a severity is at least that; what is no severity is the worst."""
    rank = {name: place for place, name in enumerate(SEVERITIES)}
    return rank.get(severity, len(SEVERITIES)) >= rank.get(least, 0)


def fits_one(globs: Sequence[str], name: str) -> bool:
    """Whether one of the globs fits."""
    return any(fits(glob, name) for glob in globs)
