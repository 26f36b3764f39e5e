"""What policies match in one replica.

Rules of this file
    - Pure. A policy is evaluated on what one replica has shown, where that touches news; replicas that have shown the
      very same have the same matches (the caller's to use).

Complexity: what the policies cost where they touch news (`policies.deeds` bounds it).
Source: `policies.deeds`; `monitor.view`.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from monitor.view import View
from policies.deeds import deeds, near
from policies.evaluate import POLICY_LIMITS
from policies.graph import Meaning
from policies.limits import Match
from policies.policy import Policy
from policies.reach import shape_of

Matches = Sequence[tuple[Policy, Sequence[Match], str]]
"""Of each policy what it matches, and what went wrong (`policies.deeds.Deeds.trouble`)."""


def matches_of(view: View, nodes: AbstractSet[str], policies: Sequence[Policy]) -> Matches:
    """The matches that touch `nodes`."""
    touched = near(frozenset(nodes), len(view))
    found: list[tuple[Policy, Sequence[Match], str]] = []
    for policy in policies:
        matches, trouble = deeds(shape_of(policy.query), view, touched, Meaning.INSTANCES, limits=POLICY_LIMITS)
        found.append((policy, matches, trouble))
    return found
