"""Questions to a model: nodes by property, ancestors, descendants.

Rules of this file
    - An answer is nodes with their distance and the edges among them; how it looks is `monitor.render`'s business.
    - A value given by a person matches a property if it is a glob of it, or if it is one of the texts that the
      property's pattern stands for (`/var/lib/php/sessions/sess_x…` finds `sess_{token:26}`).
    - An answer says what was lost on the workers that it rests on (promise 5), and how many nodes it leaves out.

Complexity: O(states) for nodes and for a prefix of an id, O(reached) for tracing; writing O(what is shown of it).
Source: Winnower's getNodes, getAncestors, getDescendants; design section 5 (a node in JSON).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final

from grammar import InputError, Model, Pattern, State, Transition, kind_of, properties_of

SHOWN: Final = 8
"""Ids listed when the start of an id fits several."""


@dataclass(frozen=True, slots=True)
class Answer:
    """States of a model with their distance from what was asked for, nearest first, and `start` if there was one.

    `total` says how many there are in all, if these are a page of them.
    """

    model: Model
    states: Mapping[State, int]
    start: State | None = None
    lost: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    total: int | None = None

    def page(self, skip: int = 0, limit: int | None = None) -> Answer:
        """At most `limit` states after the first `skip`."""
        if not skip and (limit is None or len(self.states) <= limit):
            return self
        stop = None if limit is None else skip + limit
        return replace(self, states=dict(islice(self.states.items(), skip, stop)), total=len(self.states))

    def with_lost(self, lost: Mapping[str, Mapping[str, int]]) -> Answer:
        """The same, with what was lost on the workers of the model."""
        workers = {replica.worker for replica in self.model.replicas}
        return replace(self, lost={worker: causes for worker, causes in lost.items() if worker in workers})

    @property
    def notes(self) -> list[str]:
        """What must be said beside the answer."""
        if self.total is None:
            return []
        return [f"{len(self.states):,} of {self.total:,} nodes; --limit and --skip (limit=, skip=) show others"]

    @property
    def nodes(self) -> list[State]:
        """The start, if there was one, and every other state."""
        first = [self.start] if self.start else []
        return [*first, *(state for state in self.states if state != self.start)]

    @property
    def edges(self) -> list[Transition]:
        """The transitions among the states of the answer and its start, in canonical order."""
        inside, causes = set(self.nodes), self.model.causes
        return [one for state in sorted(inside) for one in causes.get(state, ()) if one.cause in inside]

    def value(self) -> list[dict[str, object]]:
        """As JSON: the contract's fields, and the distance."""
        return [
            node_value(self.model, state) | {"distance": distance, "lost": self._lost_for(state)}
            for state, distance in self.states.items()
        ]

    def _lost_for(self, state: State) -> dict[str, int]:
        """What was lost, by cause, on the workers that have shown a state."""
        found: Counter[str] = Counter()
        for worker in {replica.worker for replica in self.model.support[state]}:
            found.update(self.lost.get(worker, {}))
        return dict(sorted(found.items()))


def node_value(model: Model, state: State) -> dict[str, object]:
    """One node in JSON, as the contract has it."""
    held = model.support[state]
    command = model.commands.get(state)
    return {
        "id": model.ids[state],
        "app": model.app,
        "kind": kind_of(state.label),
        "label": state.label,
        "properties": properties_of(state.label) | ({"command": command} if command else {}),
        "context": list(state.context),
        "support": {
            "workers": sorted({replica.worker for replica in held}),
            "containers": len(held),
            "of": len(model.replicas),
        },
        "first_seen": min(span.first for span in held.values()) / 1000,
        "last_seen": max(span.last for span in held.values()) / 1000,
    }


def find_nodes(model: Model, conditions: Mapping[str, str]) -> Answer:
    """States whose properties (or `kind`, `label`, `id`) match every condition.

    States that are what was asked for to the letter (or its wildcards) come alone; where there are none, those whose
    patterns stand for it.
    """
    for exact in (True, False):
        found = {state: 0 for state in model.states if _fits(model, state, conditions, exact=exact)}
        if found:
            break
    return Answer(model, found)


def _fits(model: Model, state: State, conditions: Mapping[str, str], *, exact: bool) -> bool:
    known = properties_of(state.label) | {
        "kind": kind_of(state.label),
        "label": state.label,
        "id": model.ids[state],
        "command": model.commands.get(state, ""),
    }
    return all(key in known and matches(known[key], wanted, exact=exact) for key, wanted in conditions.items())


def matches(value: str, wanted: str, *, exact: bool = False) -> bool:
    """Whether a property's value is what a person asked for; `exact` leaves out what its pattern stands for."""
    if value == wanted or fnmatchcase(value, wanted):
        return True
    try:
        return not exact and "{" in value and Pattern.parse(value).matches(wanted)
    except InputError:
        return False


def conditions_of(arguments: Iterable[str]) -> dict[str, str]:
    """`KEY=PATTERN` arguments as a table."""
    found = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key:
            hint = "for example path=/etc/shadow, name=sh, kind=Socket, peer='10.0.0.*'"
            raise InputError("not KEY=PATTERN", offending=argument, hint=hint)
        found[key] = value
    return found


def trace(models: Iterable[Model], node: str, direction: str, depth: int | None = None) -> Answer:
    """Ancestors or descendants of the node with that id, or the only one whose id starts so, in any application."""
    model, state = _named(models, node)
    reach = model.ancestors if direction == "ancestors" else model.descendants
    return Answer(model, reach(state, depth), state)


def _named(models: Iterable[Model], node: str) -> tuple[Model, State]:
    found = []
    for model in models:
        if node in model.by_id:
            return model, model.by_id[node]
        states = {state for number, state in model.by_id.items() if node and number.startswith(node)}
        found += [(model, model.ids[state]) for state in states]
    if not found:
        raise InputError("no such node", offending=node, hint="winnower nodes --app APP KEY=PATTERN lists ids")
    if len(found) > 1:
        listed = ", ".join(sorted(number for _, number in found)[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        raise InputError(f"the start of {len(found)} ids", offending=node, hint=f"more of one of: {listed}")
    model, number = found[0]
    return model, model.by_id[number]
