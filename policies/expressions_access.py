"""Reaching into values: `subject.key`, `subject:Label`, `subject[index]`, `subject[first..last]`.

Rules of this file
    - Null has null in it; what cannot be reached into is a run-time error; what is not there is null.
    - `n.id` is the property of that name; if there is none, the node's own id (unless the graph is `anonymous`).
    - Where a node stands for several real ones (`Meaning.INSTANCES`), so does its id: a `NodeId`.

Complexity: O(1), but for a slice, which is linear in itself.
Source: openCypher 9 (property, label and list access); design section 5 (every node has an `id`).
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.frame import Context
from policies.graph import Edge, Meaning
from policies.truth import UNKNOWN, Truth
from policies.values import NodeId, NodeValue, Text, Value, fault, written


def property_of(context: Context, subject: Value, key: str) -> Value:
    """`subject.key`."""
    if isinstance(subject, NodeValue):
        value = context.graph.properties(subject.name).get(key)
        if value is None and key == "id" and not getattr(context.graph, "anonymous", False):
            return identity(context, subject)
        return value
    if isinstance(subject, Edge):
        return subject.properties().get(key)
    if isinstance(subject, Mapping):
        return subject.get(key)
    if subject is None or subject is UNKNOWN:
        return subject
    raise fault("TypeError", "InvalidArgumentType", f"only nodes, relationships and maps have a '{key}'", subject)


def identity(context: Context, subject: NodeValue | Edge) -> Value:
    """`id(subject)`."""
    name = subject.name if isinstance(subject, NodeValue) else written(subject)
    return NodeId(name) if context.meaning is Meaning.INSTANCES else name


def properties_of(context: Context, subject: Value) -> Mapping[str, Value] | None:
    """All properties of a node or a relationship, the entries of a map; None if it has none to have."""
    if isinstance(subject, NodeValue):
        return context.graph.properties(subject.name)
    if isinstance(subject, Edge):
        return subject.properties()
    return subject if isinstance(subject, Mapping) else None


def has_labels(context: Context, subject: Value, labels: tuple[str, ...]) -> Truth:
    """`subject:A:B`: a relationship has one label, its type."""
    if isinstance(subject, NodeValue):
        own = context.graph.labels(subject.name)
        return all(label in own for label in labels)
    if isinstance(subject, Edge):
        return all(label == subject.relation for label in labels)
    if subject is None:
        return None
    if subject is UNKNOWN:
        return UNKNOWN
    raise fault("TypeError", "InvalidArgumentType", "only nodes and relationships have labels", subject)


def element(context: Context, subject: Value, index: Value) -> Value:
    """`subject[index]`: of a list by a whole number, negative from its end; of the rest by the name of a property."""
    if subject is None or index is None:
        return None
    if subject is UNKNOWN:
        return UNKNOWN
    if isinstance(subject, tuple):
        if isinstance(index, int) and not isinstance(index, bool):
            return subject[index] if -len(subject) <= index < len(subject) else None
        if index is UNKNOWN:
            return UNKNOWN
        raise fault("TypeError", "ListElementAccessByNonInteger", "a list's elements have whole numbers", index)
    if isinstance(subject, (NodeValue, Edge, Mapping)):
        if isinstance(index, str):
            return property_of(context, subject, index)
        if isinstance(index, (Text, NodeId)) or index is UNKNOWN:
            return UNKNOWN
        raise fault("TypeError", "MapElementAccessByNonString", "the key of a property is a string", index)
    raise fault("TypeError", "InvalidArgumentType", "only lists and maps have elements", subject)


def part(subject: Value, first: Value, last: Value) -> Value:
    """`subject[first..last]`, the last excluded; negative ends count from the end, those outside are cut."""
    if subject is None or first is None or last is None:
        return None
    if subject is UNKNOWN or first is UNKNOWN or last is UNKNOWN:
        return UNKNOWN
    if not isinstance(subject, tuple):
        raise fault("TypeError", "InvalidArgumentType", "only lists have parts", subject)
    if not isinstance(first, int) or isinstance(first, bool):
        raise fault("TypeError", "ListElementAccessByNonInteger", "a list's elements have whole numbers", first)
    if not isinstance(last, int) or isinstance(last, bool):
        raise fault("TypeError", "ListElementAccessByNonInteger", "a list's elements have whole numbers", last)
    return subject[first:last]
