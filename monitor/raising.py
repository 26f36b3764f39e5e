"""From a policy's matches, or a finding of novelty, to an alert.

Rules of this file
    - Pure: a model and what was found in it come in, an alert comes out. What the alert names comes in order of weight,
      so that a cut (`MAX_NODES`) loses the least of it, and the same finding gives the same alert.

Complexity: O(items of the replica) for its view.
Source: design section 5 (alerts); issue "alerts" (k of n replicas, the shortest trace).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from grammar import Model, Replica, State, Transition
from grammar.finding import Finding as Found
from grammar.finding import Instance
from monitor.alerts import NOVELTY, Alert, bounded_row
from monitor.behaviour import Weight, behaviour_of
from monitor.novelty import Finding
from monitor.trace import shortest, through
from monitor.view import Shown, View
from policies.limits import Match
from policies.policy import Policy
from policies.reach import shape_of
from policies.values import rendered

MAX_NODES: Final = 64
MAX_LINE: Final = 1_000
"""Characters of a line in a summary: a worker has sent them."""
SEVERITIES: Final = {Weight.READS: "low", Weight.WRITES: "medium", Weight.CONNECTS: "high", Weight.RUNS: "high"}
_TOLD: Final = {Weight.CONNECTS: 4, Weight.WRITES: 3, Weight.RUNS: 2, Weight.READS: 1}


class Scene(NamedTuple):
    """Where and when: the application's model, a replica, log time in milliseconds, what was lost on its worker."""

    model: Model
    replica: Replica
    time: int
    lost: Mapping[str, int]


def violation(scene: Scene, policy: Policy, view: View, matches: Sequence[Match]) -> Alert:
    """The alert for what a policy matches in one replica (at least one match)."""
    first = min(matches, key=lambda match: (not match.certain, len(match.edges), match.nodes))
    n = max(1, len(scene.model.replicas))
    return Alert(
        policy=policy.id,
        title=policy.title,
        severity=policy.severity,
        app=scene.model.app,
        worker=scene.replica.worker,
        container=scene.replica.container,
        time=scene.time,
        replicas=(_sharing(view.shown, first), n),
        nodes=tuple(dict.fromkeys(node for match in matches for node in match.nodes))[:MAX_NODES],
        trace=through(view, first.edges) or shortest(view, first.nodes[0]),
        lost=dict(scene.lost),
        deeds=tuple(dict.fromkeys(deed(ends_of(view, match, policy)) for match in matches)),
        certainty="certain" if any(match.certain for match in matches) else "possible",
        techniques=policy.techniques,
        maturity=policy.maturity,
        actions=policy.actions,
        row=bounded_row({name: rendered(value) for name, value in first.row.items()}),
    )


def ends_of(view: View, match: Match, policy: Policy | None = None) -> tuple[str, str]:
    """The labels that tell what a match is about, whatever the contexts and the way between: mostly those at its ends.

    Without a policy, the match is that of a query that groups nothing.
    """
    if policy is None:
        return view.label(match.nodes[0]), view.label(match.nodes[-1])
    return shape_of(policy.query).ends(match, view.label)


def deed(ends: tuple[str, str]) -> str:
    """A hash of the labels at the ends."""
    return blake2b("\0".join(ends).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def seen_by(alert: Alert, findings: Sequence[Found]) -> Alert:
    """The same, borne out by what its worker has found: real processes and files are in its summary."""
    if not findings:
        return alert
    told = dict.fromkeys(_line(one)[:MAX_LINE] for finding in findings for one in finding.instances)
    return msgspec.structs.replace(alert, confirmed="worker", summary=(*alert.summary, *told)[:MAX_NODES])


def _line(one: Instance) -> str:
    """`sh pid 2457: sh -c id`, `/etc/shadow`."""
    kind, _, rest = one.label.partition(" ")
    if kind != "Process":
        return one.name or rest
    command = f": {one.command}" if one.command else ""
    return f"{rest.partition(' ')[0]} pid {one.pid}{command}"


def novelty(scene: Scene, finding: Finding) -> Alert:
    """The alert for a finding: nodes and trace start from what tells most."""
    model = scene.model
    told = sorted((_now(model, one) for one in finding.transitions), key=lambda t: _told(t, finding), reverse=True)
    told = [one for one in told if one in model.support]
    ends = list(dict.fromkeys(end for one in told for end in (one.effect, one.cause)))
    fresh = [end for end in ends if len(model.support[end]) <= finding.k] or ends
    return Alert(
        policy=NOVELTY,
        title=f"behaviour that {finding.k} of {finding.n} replicas show",
        severity=SEVERITIES[finding.weight],
        app=model.app,
        worker=scene.replica.worker,
        container=scene.replica.container,
        time=scene.time,
        replicas=(finding.k, finding.n),
        nodes=tuple(model.ids[end] for end in fresh[:MAX_NODES]),
        trace=shortest(View(model, scene.replica), model.ids[told[0].effect]) if told else (),
        deeds=tuple(model.ids[end] for end in fresh),
        summary=tuple(f"{b.who} {b.what.name.lower()} {b.whom}" for b in finding.behaviours[:MAX_NODES]),
        lost=dict(scene.lost),
    )


def _now(model: Model, one: Transition) -> Transition:
    """The transition as the model has it by now: patterns may have been learned since it was seen."""
    return Transition(_state(model, one.effect), one.relation, one.operation, _state(model, one.cause))


def _state(model: Model, state: State) -> State:
    return state if state in model.support else model.state_of(state)


def _told(transition: Transition, finding: Finding) -> tuple[int, int, Transition]:
    """Which culprit the trace leads to: a connection before a write before a program, then the longest descent."""
    behaviour = behaviour_of(transition)
    weight = _TOLD[behaviour.what] if behaviour in finding.behaviours and behaviour is not None else 0
    return weight, len(transition.effect.context), transition


def _sharing(shown: Shown, match: Match) -> int:
    """How many replicas show every edge of a match (or its nodes, if it has no edge)."""
    held = [shown.edges.get(edge, set()) for edge in match.edges] or [shown.holders[node] for node in match.nodes]
    return len(set.intersection(*held)) if held else 0
