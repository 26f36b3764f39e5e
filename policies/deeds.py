"""What a policy says of a graph that changes: its matches near what is new, whatever goes wrong with it.

Rules of this file
    - Workers and monitor ask by this one function: the same graph gives the same answer at both ends.
    - What is wrong with one policy stops no other: a limit, or a value that a function does not take, is part of the
      answer. What was found before it is kept.

Complexity: what `policies.evaluate` costs where it touches news; at most what asking about everything costs.
Source: issue "policies and questions", item 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from policies.evaluate import evaluate
from policies.graph import Meaning, PolicyGraph
from policies.limits import LimitError, Limits, Match
from policies.reach import Shape

MOST: Final = 0.6
"""Share of a graph from which on it is cheaper to ask about all of it than to begin everywhere."""
LIMIT: Final = "limit"
FAILED: Final = "failed"


class Deeds(NamedTuple):
    """Matches that have nodes, in an order of their own; `trouble`: nothing, `limit`, or `failed`."""

    matches: list[Match]
    trouble: str = ""


def near(touched: frozenset[str], size: int) -> frozenset[str] | None:
    """Where to look in a graph of so many nodes; None: everywhere."""
    return None if len(touched) > MOST * size else touched


def deeds(
    shape: Shape,
    graph: PolicyGraph,
    touched: frozenset[str] | None,
    meaning: Meaning,
    *,
    limits: Limits,
    clock: Callable[[], float] | None = None,
) -> Deeds:
    """The matches of a policy's query, at least all that hold a touched node; None: all."""
    try:
        return Deeds(_in_order(evaluate(shape.query, graph, touched, limits, meaning=meaning, clock=clock)))
    except LimitError as error:
        return Deeds(_in_order(error.matches), LIMIT)
    except Exception:  # whoever wrote it, and whatever it does: the others go on, and the caller counts it
        return Deeds([], FAILED)


def _in_order(matches: Iterable[Match]) -> list[Match]:
    """Whatever order they were found in: the same news gives the same alerts."""
    return sorted((one for one in matches if one.nodes), key=lambda match: (match.nodes, match.edges))
