"""Questions to a model: nodes by property, ancestors, descendants.

Rules of this file
    - An answer is nodes with their distance and the edges among them; how it looks is `monitor.render`'s business.
    - A value given by a person matches a property if it is a glob of it, or if it is one of the texts that the property's
      pattern stands for (`/var/lib/php/sessions/sess_x…` finds `sess_{token:26}`).

Complexity: O(states) for nodes, O(reached) for tracing.
Source: Winnower's getNodes, getAncestors, getDescendants; design section 5 (a node in JSON).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from grammar import InputError, Model, Pattern, State, Transition, kind_of, properties_of


@dataclass(frozen=True, slots=True)
class Answer:
    """States of a model with their distance from what was asked for, nearest first, and `start` if there was one."""

    model: Model
    states: Mapping[State, int]
    start: State | None = None

    @property
    def edges(self) -> list[Transition]:
        """The transitions among the states of the answer and its start."""
        inside = {*self.states, *([self.start] if self.start else [])}
        return [one for one in self.model.transitions if one.effect in inside and one.cause in inside]

    def value(self) -> list[dict[str, object]]:
        """As JSON: the contract's fields, and the distance."""
        return [node_value(self.model, state) | {"distance": distance} for state, distance in self.states.items()]


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
    """States whose properties (or `kind`, `label`, `id`) match every condition."""
    found = {}
    for state in model.states:
        known = properties_of(state.label) | {
            "kind": kind_of(state.label),
            "label": state.label,
            "id": model.ids[state],
            "command": model.commands.get(state, ""),
        }
        if all(key in known and matches(known[key], wanted) for key, wanted in conditions.items()):
            found[state] = 0
    return Answer(model, found)


def matches(value: str, wanted: str) -> bool:
    """Whether a property's value is what a person asked for."""
    if value == wanted or fnmatchcase(value, wanted):
        return True
    try:
        return "{" in value and Pattern.parse(value).matches(wanted)
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
    """Ancestors or descendants of the node with that id, in whichever application it is."""
    for model in models:
        state = model.by_id.get(node)
        if state is not None:
            reach = model.ancestors if direction == "ancestors" else model.descendants
            return Answer(model, reach(state, depth), state)
    raise InputError("no such node", offending=node, hint="winnower nodes --app APP KEY=PATTERN lists ids")
