"""Functions of nodes, relationships and paths, and of what they hold.

Rules of this file
    - A relationship points from effect to cause: its start is the effect.
    - A property that is null is one that is not there; a map may hold null.

Complexity: linear in the answer.
Source: openCypher 9 (scalar, list and predicate functions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policies.expressions_access import identity, properties_of
from policies.frame import Context
from policies.functions_signature import (
    ANY,
    BOOLEAN,
    INTEGER,
    LIST,
    MAP,
    NODE,
    PATH,
    RELATIONSHIP,
    STRING,
    Function,
    Parameter,
)
from policies.graph import Edge
from policies.truth import UNKNOWN
from policies.values import NodeValue, PathValue, Value


def _labels(context: Context, node: NodeValue) -> Value:
    return context.graph.labels(node.name)


def _type(relationship: Edge) -> Value:
    return relationship.relation


def _identity(context: Context, entity: NodeValue | Edge) -> Value:
    return identity(context, entity)


def _start(relationship: Edge) -> Value:
    return NodeValue(relationship.effect)


def _end(relationship: Edge) -> Value:
    return NodeValue(relationship.cause)


def _properties(context: Context, value: Value) -> Value:
    own = properties_of(context, value) or {}
    return own if isinstance(value, Mapping) else {name: part for name, part in own.items() if part is not None}


def _keys(context: Context, value: Value) -> Value:
    own = properties_of(context, value) or {}
    return tuple(name for name, part in own.items() if part is not None or isinstance(value, Mapping))


def _length(path: PathValue) -> Value:
    return len(path.edges)


def _nodes(path: PathValue) -> Value:
    return tuple(map(NodeValue, path.nodes))


def _relationships(path: PathValue) -> Value:
    return path.edges


def _exists(value: Value) -> Value:
    return UNKNOWN if value is UNKNOWN else value is not None


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


ENTITY: Final = NODE | RELATIONSHIP
HOLDER: Final = (Parameter("value", ENTITY | MAP),)
EDGE: Final = (Parameter("relationship", RELATIONSHIP),)
WAY: Final = (Parameter("path", PATH),)

FUNCTIONS: Final = (
    Function(
        "coalesce",
        "scalar",
        (Parameter("value", repeated=True),),
        ANY,
        "The first value that is not null.",
        _coalesce,
        strict=False,
    ),
    Function(
        "exists",
        "predicate",
        (Parameter("property_or_pattern"),),
        BOOLEAN,
        "Whether the property is there, or the pattern can be matched.",
        _exists,
        strict=False,
    ),
    Function("id", "scalar", (Parameter("value", ENTITY),), INTEGER | STRING, "The id.", _identity, contextual=True),
    Function("labels", "graph", (Parameter("node", NODE),), LIST, "The labels of a node.", _labels, contextual=True),
    Function("type", "graph", EDGE, STRING, "The type of a relationship.", _type),
    Function("startNode", "graph", EDGE, NODE, "The node that a relationship starts at: the effect.", _start),
    Function("endNode", "graph", EDGE, NODE, "The node that a relationship ends at: the cause.", _end),
    Function("properties", "graph", HOLDER, MAP, "All properties, as a map.", _properties, contextual=True),
    Function("keys", "graph", HOLDER, LIST, "The names of the properties.", _keys, contextual=True),
    Function("length", "graph", WAY, INTEGER, "The number of relationships of a path.", _length),
    Function("nodes", "graph", WAY, LIST, "The nodes of a path, in order.", _nodes),
    Function("relationships", "graph", WAY, LIST, "The relationships of a path, in order.", _relationships),
)
