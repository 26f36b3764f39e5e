"""Values between processes: JSON, in which lists, maps, nodes, relationships and paths carry their names.

    ["list", 1, 2.0]   ["map", {"k": null}]   ["node", ["A"], {}]   ["relationship", "T", {}]
    ["path", [node, node], [[relationship, true]]]

Rules of this file
    - Scalars stand for themselves; JSON as Python writes it has NaN and Infinity, and tells 1 from 1.0.
    - Peers are given plain parameters (`plain`): lists as lists, maps as objects.

Invariant: `from_wire` gives a value of `tck_values`, or raises `ValueError`: a peer may send anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from tck_values import Node, Path, Relationship, Shown

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def from_wire(value: Json) -> Shown:
    """The value that a peer sent."""
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise ValueError("an object without a name")
        return value
    match value:
        case ["list", *items]:
            return tuple(map(from_wire, items))
        case ["map", dict(pairs)]:
            return _pairs(pairs)
        case ["node", list(labels), dict(pairs)]:
            return Node(frozenset(map(str, labels)), _pairs(pairs))
        case ["relationship", str(relation), dict(pairs)]:
            return Relationship(relation, _pairs(pairs))
        case ["path", list(nodes), list(steps)]:
            return _path(nodes, steps)
    raise ValueError(f"no value of the wire: {value!r}"[:200])


def _pairs(pairs: Mapping[str, Json]) -> dict[str, Shown]:
    return {name: from_wire(item) for name, item in pairs.items()}


def _path(nodes: list[Json], steps: list[Json]) -> Path:
    read = [node for node in map(from_wire, nodes) if isinstance(node, Node)]
    walked: list[tuple[Relationship, bool]] = []
    for step in steps:
        match step:
            case [one, bool(right)]:
                relationship = from_wire(one)
                if isinstance(relationship, Relationship):
                    walked.append((relationship, right))
    if len(read) != len(nodes) or len(walked) != len(steps) or len(read) != len(walked) + 1:
        raise ValueError("no path of the wire")
    return Path(tuple(read), tuple(walked))


def plain(value: Shown) -> Json:
    """A parameter, as a program would give it."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Node | Relationship | Path):
        raise ValueError("no parameter is a node, a relationship or a path")
    return value
