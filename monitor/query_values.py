"""Values of a query's rows as others read them: JSON, cells of a table.

Rules of this file
    - A node is the contract's node, a relationship its four words, a path its nodes and relationships; a text that is
      known only as a pattern is its written pattern, and what is not known at all is `?`.
    - Writing is paid for: lists that hold one another are small in memory and endless on paper. `Writer` writes so
      many parts and then says that it will not write more (`SpentError`).

Complexity: O(parts written).
Source: design section 5 (a node in JSON); `policies.values`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from grammar import InputError, Model
from monitor.query import node_value
from policies import Edge, Value, rendered
from policies.limits import SpentError
from policies.values import NodeValue, PathValue, weigh

MAX_PARTS: Final = 1_000_000
MAX_NESTING: Final = 32
LEAST, MOST = -(1 << 63), (1 << 63) - 1


class Writer:
    """Writes values of one answer; nodes are looked up in the model that they come from."""

    __slots__ = ("_left", "_most", "_nodes")

    def __init__(self, most: int = MAX_PARTS) -> None:
        self._left = self._most = most
        self._nodes: dict[str, tuple[dict[str, object], int]] = {}

    def json(self, model: Model, value: Value) -> object:
        """A value for JSON."""
        match value:
            case None | bool() | int():
                self.spend(1)
                return value
            case float():
                self.spend(1)
                return value if math.isfinite(value) else rendered(value)
            case tuple():
                self.spend(1)
                return [self.json(model, one) for one in value]
            case NodeValue():
                return self.node(model, value.name)
            case Edge():
                return self.edge(value)
            case PathValue():
                nodes = [self.node(model, name) for name in value.nodes]
                return {"nodes": nodes, "edges": [self.edge(one) for one in value.edges]}
            case Mapping():
                self.spend(len(value))
                return {name: self.json(model, one) for name, one in value.items()}
        text = rendered(value)
        self.spend(1 + (len(text or "") >> 6))
        return text

    def node(self, model: Model, name: str) -> dict[str, object]:
        """A node for JSON."""
        known = self._nodes.get(name)
        if known is None:
            found = node_value(model, model.by_id[name])
            known = self._nodes[name] = found, _size(found)
        self.spend(known[1])
        return known[0]

    def edge(self, edge: Edge) -> dict[str, object]:
        """A relationship for JSON."""
        self.spend(5)
        return {"effect": edge.effect, "relation": edge.relation, "operation": edge.operation, "cause": edge.cause}

    def cell(self, model: Model, value: Value, *, labels: bool) -> str:
        """A value for a cell; with `labels`, a node says what it is beside its id, and null is not just empty."""
        self.spend(weigh(value))
        if isinstance(value, PathValue):
            self.spend(4 * len(value.edges))
        text = rendered(value)
        if labels and isinstance(value, NodeValue):
            return f"{text} {model.by_id[value.name].label}"
        if text is None:
            return "null" if labels else ""
        return text

    def spend(self, parts: int) -> None:
        """Pay for parts."""
        self._left -= parts
        if self._left < 0:
            raise SpentError(f"more than {self._most} values to write")


def _size(value: object) -> int:
    """Parts of a node in JSON; 64 characters are one."""
    if isinstance(value, str):
        return 1 + (len(value) >> 6)
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def parameter(value: object, depth: int = MAX_NESTING) -> Value:
    """A parameter's value, from JSON."""
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        if not LEAST <= value <= MOST:
            raise InputError("a parameter that does not fit 64 bits")
        return value
    if depth <= 0:
        raise InputError(f"a parameter nested more than {MAX_NESTING} deep")
    if isinstance(value, list):
        return tuple(parameter(one, depth - 1) for one in value)
    if isinstance(value, dict):
        return {str(name): parameter(one, depth - 1) for name, one in value.items()}
    raise InputError("a parameter that is no JSON")
