"""What policies match in one replica.

Rules of this file
    - Pure. A policy is evaluated on what one replica has shown, where that touches news; replicas that have shown the
      very same have the same matches (the caller's to use).

Complexity: O(items of the model) for the view, and what the policies cost (`policies.evaluate` bounds it).
Source: `policies.evaluate`; `monitor.view`.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from grammar import Model, Replica
from monitor.view import View
from policies import LimitError, Match, Policy, evaluate

Matches = Sequence[tuple[Policy, Sequence[Match], bool]]
"""Of each policy what it matches, and whether a limit cut that."""


def matches_of(model: Model, replica: Replica, nodes: AbstractSet[str], policies: Sequence[Policy]) -> Matches:
    """The matches that touch `nodes`."""
    view = View(model, replica)
    found: list[tuple[Policy, Sequence[Match], bool]] = []
    for policy in policies:
        try:
            found.append((policy, evaluate(policy.query, view, frozenset(nodes)), False))
        except LimitError as error:
            found.append((policy, error.matches, True))
    return found
