"""What policies match in one replica.

Rules of this file
    - Pure. A policy is evaluated on what one replica has shown, where that touches news; replicas that have shown the
      very same have the same matches (the caller's to use).

Complexity: what the policies cost where they touch news (`policies.evaluate` bounds it).
Source: `policies.evaluate`; `monitor.view`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from monitor.view import View
from policies.evaluate import evaluate
from policies.graph import Meaning
from policies.limits import LimitError, Match
from policies.policy import Policy

Matches = Sequence[tuple[Policy, Sequence[Match], bool]]
"""Of each policy what it matches, and whether a limit cut that."""


def matches_of(view: View, nodes: AbstractSet[str], policies: Sequence[Policy]) -> Matches:
    """The matches that touch `nodes`."""
    touched = frozenset(nodes)
    found: list[tuple[Policy, Sequence[Match], bool]] = []
    for policy in policies:
        try:
            found.append((policy, _in_order(evaluate(policy.query, view, touched, meaning=Meaning.INSTANCES)), False))
        except LimitError as error:
            found.append((policy, _in_order(error.matches), True))
    return found


def _in_order(matches: Iterable[Match]) -> list[Match]:
    """Whatever order they were found in: the same news gives the same alerts."""
    return sorted(matches, key=lambda match: (match.nodes, match.edges))
