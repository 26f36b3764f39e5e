"""The shortest trace that explains an alert: how it began, up to what is alarming.

Rules of this file
    - A trace runs forward in time for the reader: from the first program on record, through who started whom and what
      carried content over, to the state in question. Configuration and libraries that everybody reads are not on it.
    - Ties break by canonical order: the same model gives the same trace.

Complexity: O(transitions reached).
Source: issue "alerts"; breadth-first search over causes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from grammar import kind_of
from monitor.alerts import Step
from monitor.view import View
from policies.graph import Edge

_STARTING = frozenset({"WAS_TRIGGERED_BY", "WAS_GENERATED_BY", "WAS_DERIVED_FROM"})


def shortest(view: View, target: str) -> tuple[Step, ...]:
    """The shortest way from a program without a known parent to `target`; `target` alone if there is none."""
    came: dict[str, Edge] = {}
    seen = {target}
    queue = deque([target])
    while queue:
        node = queue.popleft()
        causes = [edge for edge in view.causes(node) if edge.relation in _STARTING]
        if node != target and not causes and view.labels(node) == ("Process",):
            return _steps(view, target, node, came)
        for edge in sorted(causes, key=lambda e: (e.relation, e.operation, e.cause)):
            if edge.cause not in seen:
                seen.add(edge.cause)
                came[edge.cause] = edge
                queue.append(edge.cause)
    return _steps(view, target, target, came)


def through(view: View, edges: Iterable[Edge]) -> tuple[Step, ...]:
    """The trace to a policy's match: the shortest one to its earliest process, then along the matched edges."""
    path = list(edges)
    if not path:
        return ()
    causes = {edge.cause for edge in path}
    effects = {edge.effect for edge in path}
    first = sorted(causes - effects) or sorted(causes)
    last = sorted(effects - causes) or sorted(effects)
    start = first[0]
    lead = shortest(view, start) if view.labels(start) == ("Process",) else shortest(view, last[0])
    steps = list(lead) if lead else [step(view, start)]
    shown = {one.node for one in steps}
    for edge in sorted(path, key=lambda e: e.effect in effects - causes):
        if edge.effect not in shown:
            steps.append(step(view, edge.effect, edge))
            shown.add(edge.effect)
        if edge.cause not in shown:
            steps.append(step(view, edge.cause, edge))
            shown.add(edge.cause)
    return tuple(steps)


def step(view: View, node: str, edge: Edge | None = None) -> Step:
    """One state as a step."""
    state = view.shown.states[node]
    command = view.model.commands.get(state, "") if kind_of(state.label) == "Process" else ""
    return Step(node, state.label, edge.relation if edge else "", edge.operation if edge else "", command)


def _steps(view: View, target: str, start: str, came: dict[str, Edge]) -> tuple[Step, ...]:
    steps = [step(view, start)]
    node = start
    while node != target:
        edge = came[node]
        node = edge.effect
        steps.append(step(view, node, edge))
    return tuple(steps)
