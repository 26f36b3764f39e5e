"""Labelled graphs, and the node-link JSON in which networkx writes them.

Rules of this file
    - No I/O: bytes and the name to blame come in, a value or an `InputError` comes out.
    - What networkx writes is read (`edges` or `links`, simple or multi); what it would silently repair is refused: a
      dangling edge would become a new vertex, a repeated id or edge would overwrite the first.
    - A label is a string. An edge without a label has the label "" or, as the edges of our dumps do, what its relation
      and operation make: "USED/read", and the relation alone if there is no operation.
    - Syntax errors give line and column; errors of meaning give the place inside the document (`edges[3].target`).

Invariant: every edge of a `LabelledGraph` joins two of its nodes, ids are unique, the order is the file's order.
Complexity: O(bytes) time and memory; files above `Limits` are refused, by size before anything is parsed.
Source: networkx 3, `readwrite.json_graph.node_link`; design section 5 (`winnower grammar`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from grammar.errors import InputError

NodeId: TypeAlias = str | int
BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one file may hold: bytes before parsing, nodes and edges after it."""

    size: int = 256 * 2**20
    nodes: int = 1_000_000
    edges: int = 5_000_000


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Edge:
    """A directed edge; parallel edges are different edges."""

    source: NodeId
    target: NodeId
    label: str = ""


@dataclass(frozen=True, slots=True)
class LabelledGraph:
    """A directed multigraph with labels; `file` only says where errors come from and is no part of the value.

    >>> graph = from_json(b'{"nodes": [{"id": 1, "label": "a"}], "links": []}', "g.json")
    >>> graph.nodes, graph.labels, graph.edges
    ((1,), ('a',), ())
    """

    nodes: tuple[NodeId, ...]
    labels: tuple[str, ...]
    edges: tuple[Edge, ...]
    file: str = field(default="", compare=False)

    def __len__(self) -> int:
        return len(self.nodes)


def parse_json(data: bytes | str, file: str, limit: int = DEFAULT_LIMITS.size) -> object:
    """The JSON value in `data`; InputError with line and column where it is not JSON, or is larger than `limit`."""
    if len(data) > limit:
        raise InputError(f"{len(data)} bytes are more than the limit of {limit}", file=file)
    text = _decode(data, file) if isinstance(data, bytes) else data
    try:
        value: object = json.loads(text.removeprefix(BYTE_ORDER_MARK))
    except json.JSONDecodeError as error:
        where = text.removeprefix(BYTE_ORDER_MARK)[error.pos : error.pos + 40].partition("\n")[0]
        message = f"not JSON: {error.msg}"
        raise InputError(message, file=file, line=error.lineno, column=error.colno, offending=where) from None
    except RecursionError:
        raise InputError("JSON is nested too deeply", file=file, offending=text[:40]) from None
    except ValueError as error:  # a number with more digits than the interpreter converts
        raise InputError(f"not JSON that can be read: {error}", file=file) from None
    return value


def from_json(data: bytes | str, file: str, limits: Limits = DEFAULT_LIMITS) -> LabelledGraph:
    """The graph in node-link JSON text; InputError if it is anything else."""
    return from_value(parse_json(data, file, limits.size), file, limits)


def from_value(value: object, file: str, limits: Limits = DEFAULT_LIMITS) -> LabelledGraph:
    """The graph in a parsed node-link document; InputError names the place and the offending text."""
    document = _object(value, "the document", file)
    if document.get("directed", True) is not True:
        raise InputError("the graph is not directed", file=file, offending=_shown(document["directed"]))
    nodes = _list(document, ("nodes",), limits.nodes, file)
    labels = dict(_nodes(nodes, file))
    if len(labels) < len(nodes):
        raise InputError("the same node id twice", file=file, offending=_shown(_repeated_id(nodes)))
    edges = _list(document, ("edges", "links"), limits.edges, file)
    multi = document.get("multigraph", True) is not False
    return LabelledGraph(tuple(labels), tuple(labels.values()), tuple(_edges(edges, labels, multi, file)), file)


def to_value(graph: LabelledGraph) -> dict[str, object]:
    """The node-link document of `graph`: what `networkx.node_link_graph(value, edges="edges")` reads."""
    nodes = [{"id": node, "label": label} for node, label in zip(graph.nodes, graph.labels, strict=True)]
    edges = [
        {"source": edge.source, "target": edge.target} | ({"label": edge.label} if edge.label else {})
        for edge in graph.edges
    ]
    return {"directed": True, "multigraph": True, "graph": {}, "nodes": nodes, "edges": edges}


def to_json(graph: LabelledGraph) -> bytes:
    """The node-link JSON text of `graph`; `from_json` reads it back to an equal value."""
    return json.dumps(to_value(graph), ensure_ascii=True).encode("ascii") + b"\n"


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        offending = data[error.start : error.start + 20]
        raise InputError("not UTF-8", file=file, line=line, column=column, offending=offending) from None


def _nodes(values: list[object], file: str) -> Iterator[tuple[NodeId, str]]:
    for position, value in enumerate(values):
        place = f"nodes[{position}]"
        node = _object(value, place, file)
        identity = _identity(node, "id", place, file)
        if "label" not in node:
            raise InputError(f"{place} has no label", file=file, offending=_shown(value))
        yield identity, _label(node["label"], place, file)


def _edges(values: list[object], known: dict[NodeId, str], multi: bool, file: str) -> Iterator[Edge]:
    seen: set[tuple[NodeId, NodeId, str]] = set()
    for position, value in enumerate(values):
        place = f"edges[{position}]"
        edge = _object(value, place, file)
        source, target = _identity(edge, "source", place, file), _identity(edge, "target", place, file)
        for end, node in (("source", source), ("target", target)):
            if node not in known:
                raise InputError(f"{place}.{end} is not a node", file=file, offending=_shown(node))
        if not multi or "key" in edge:
            identity = (source, target, _shown(edge["key"]) if multi else "")
            if identity in seen:
                hint = "parallel edges need distinct keys" if multi else "the document says multigraph: false"
                raise InputError(f"{place} is the same edge again", file=file, offending=_shown(value), hint=hint)
            seen.add(identity)
        label = edge.get("label")
        yield Edge(source, target, _dumped(edge, place, file) if label is None else _label(label, place, file))


def _dumped(edge: dict[str, object], place: str, file: str) -> str:
    """The label of an edge that has none: from relation and operation, each optional."""
    parts = []
    for name in ("relation", "operation"):
        part = edge.get(name)
        if not isinstance(part, str | None):
            raise InputError(f"{place}.{name} is not a string", file=file, offending=_shown(part))
        parts.append(part or "")
    return operated(*parts)


def operated(relation: str, operation: str) -> str:
    """The edge label of a relation and an operation; `operation_of` takes it apart.

    >>> operated("USED", "read"), operated("calls", "")
    ('USED/read', 'calls')
    """
    return f"{relation}/{operation}" if operation else relation


def operation_of(label: str) -> tuple[str, str]:
    """Relation and operation of an edge label; different labels give different pairs.

    >>> operation_of("USED/read"), operation_of("calls"), operation_of("calls/")
    (('USED', 'read'), ('calls', ''), ('calls/', ''))
    """
    relation, _, operation = label.partition("/")
    return (relation, operation) if operation else (label, "")


def _identity(holder: dict[str, object], name: str, place: str, file: str) -> NodeId:
    value = holder.get(name)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    problem = "is not a string or an integer" if name in holder else "is missing"
    raise InputError(f"{place}.{name} {problem}", file=file, offending=_shown(value if name in holder else holder))


def _label(value: object, place: str, file: str) -> str:
    if isinstance(value, str):
        return value
    raise InputError(f"{place}.label is not a string", file=file, offending=_shown(value))


def _object(value: object, place: str, file: str) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise InputError(
        f"{place} is not an object", file=file, offending=_shown(value), hint="expected networkx node-link JSON"
    )


def _list(document: dict[str, object], names: tuple[str, ...], limit: int, file: str) -> list[object]:
    hint = "expected networkx node-link JSON"
    found = [name for name in names if name in document]
    if len(found) != 1:
        message = "more than one of" if found else "no"
        wanted = " or ".join(f"'{name}'" for name in names)
        offending = _shown(sorted(document))
        raise InputError(f"the document has {message} {wanted}", file=file, offending=offending, hint=hint)
    value = document[found[0]]
    if not isinstance(value, list):
        raise InputError(f"'{found[0]}' is not a list", file=file, offending=_shown(value), hint=hint)
    if len(value) > limit:
        raise InputError(f"{len(value)} {found[0]} are more than the limit of {limit}", file=file)
    return value


def _repeated_id(nodes: list[object]) -> object:
    counts = Counter(node["id"] for node in nodes if isinstance(node, dict))
    return next(identity for identity, times in counts.items() if times > 1)


def _shown(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:  # read with less of the stack in use
        return "something nested very deeply"
