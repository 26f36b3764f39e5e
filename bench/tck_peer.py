"""One peer, in a process and an environment of its own: answers each line of JSON on standard input with one.

    .venv-peers/bin/python bench/tck_peer.py grand-cypher|nxcypher|kglite|ocg

Rules of this file
    - In: `{"nodes": [[labels, properties]…], "edges": [[from, type, to, properties]…], "query", "parameters"}`. Out:
      `{"columns", "rows"}` or `{"error", "message"}`, the values in the form of `tck_wire`. Before the first line:
      `{"version"}`.
    - Each peer gets the graph in its own way of loading, and the query as it stands.
    - Of doubt the peer has the benefit: what it adds by itself to a node (kglite: id, title, type, a label `Node`; both
      networkx peers: plain dictionaries for nodes, relationships and paths) is taken off, or put right, here.
    - What a peer prints itself goes nowhere. Nothing here imports the project.

Source: the packages' own documentation.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Final

Reply = dict[str, Any]


def wire(value: Any) -> Any:
    """Plain values in the form of `tck_wire`; the adapters do nodes, relationships and paths before."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return ["list", *map(wire, value)]
    if isinstance(value, Mapping):
        return ["map", {str(key): wire(item) for key, item in value.items()}]
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return str(value)


class Networkx:
    """grand-cypher and nxcypher: a networkx MultiDiGraph with `__labels__`; columns of lists come back."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        import networkx as nx  # noqa: PLC0415 - in the peers' environment only

        self.graph = nx.MultiDiGraph()
        self.names = [f"#node{number}" for number in range(len(job["nodes"]))]
        for name, (labels, properties) in zip(self.names, job["nodes"], strict=True):
            self.graph.add_node(name, __labels__=set(labels), **properties)
        for start, relation, end, properties in job["edges"]:
            self.graph.add_edge(self.names[start], self.names[end], __labels__={relation}, **properties)
        self._nodes = {id(attributes): name for name, attributes in self.graph.nodes(data=True)}
        self._edges = {id(attributes): start for start, _, attributes in self.graph.edges(data=True)}

    def reply(self, columns: Mapping[Any, list[Any]]) -> Reply:
        """Columns as rows."""
        rows = [[self.shown(value) for value in row] for row in zip(*columns.values(), strict=True)]
        return {"columns": [str(name) for name in columns], "rows": rows}

    def shown(self, value: Any) -> Any:
        """A value on the wire; what is a node's or an edge's dictionary is one."""
        if self._is_path(value):
            return self._path(value)
        if isinstance(value, (list, tuple)):
            return ["list", *map(self.shown, value)]
        if isinstance(value, str) and value in self.graph:
            return self._entity("node", self.graph.nodes[value])
        if not isinstance(value, Mapping):
            return wire(value)
        if value.get("__id__") in self.graph:
            return self.shown(value["__id__"])
        if "__labels__" in value:
            return self._entity("relationship" if self._is_edge(value) else "node", value)
        if len(value) == 1 and all(isinstance(key, int) for key in value):
            return self.shown(next(iter(value.values())))
        return ["map", {str(key): self.shown(item) for key, item in value.items()}]

    def _is_edge(self, value: Mapping[str, Any]) -> bool:
        if id(value) in self._nodes or id(value) in self._edges:
            return id(value) in self._edges
        return not any(value == attributes for _, attributes in self.graph.nodes(data=True))

    @staticmethod
    def _entity(kind: str, value: Mapping[str, Any]) -> Any:
        properties = {key: wire(item) for key, item in value.items() if key != "__labels__"}
        labels = sorted(value["__labels__"])
        return [kind, labels if kind == "node" else "".join(labels), properties]

    def _is_path(self, value: Any) -> bool:
        if not isinstance(value, list) or len(value) < 3 or not len(value) % 2:
            return False
        nodes = all(isinstance(node, str) and node in self.graph for node in value[::2])
        return nodes and all(isinstance(step, Mapping) for step in value[1::2])

    def _path(self, value: list[Any]) -> Any:
        steps = []
        for start, step in zip(value[::2], value[1::2], strict=False):
            one = step if "__labels__" in step else next(iter(step.values()))
            steps.append([self._entity("relationship", one), self._edges.get(id(one), start) == start])
        return ["path", [self.shown(node) for node in value[::2]], steps]


def grand_cypher(job: Mapping[str, Any]) -> Reply:
    from grandcypher import GrandCypher  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    if job["parameters"]:
        raise NotImplementedError("grand-cypher has no parameters")
    host = Networkx(job)
    return host.reply(GrandCypher(host.graph).run(job["query"]))


def nxcypher(job: Mapping[str, Any]) -> Reply:
    from nxcypher import NXCypher  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    host = Networkx(job)
    return host.reply(NXCypher(host.graph).run(job["query"], params=job["parameters"]))


def creating(job: Mapping[str, Any], quote: str = "`") -> Iterator[tuple[str, dict[str, Any]]]:
    """The graph as one CREATE statement, and its parameters; nothing for an empty graph. ocg wants no quotes."""
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    for number, (labels, properties) in enumerate(job["nodes"]):
        words = "".join(f":{quote}{label}{quote}" for label in labels)
        parts.append(f"(n{number}{words} {_given(f'n{number}', properties, parameters, quote)})")
    for number, (start, relation, end, properties) in enumerate(job["edges"]):
        given = _given(f"e{number}", properties, parameters, quote)
        parts.append(f"(n{start})-[:{quote}{relation}{quote} {given}]->(n{end})")
    if parts:
        yield "CREATE " + ", ".join(parts), parameters


def _given(name: str, properties: Mapping[str, Any], parameters: dict[str, Any], quote: str) -> str:
    places = {key: f"{name}_{number}" for number, key in enumerate(properties)}
    parameters.update({places[key]: value for key, value in properties.items()})
    return "{" + ", ".join(f"{quote}{key}{quote}: ${place}" for key, place in places.items()) + "}" if places else ""


def kglite(job: Mapping[str, Any]) -> Reply:
    import kglite as peer  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    graph = peer.KnowledgeGraph()
    for statement, parameters in creating(job):
        graph.cypher(statement, params=parameters)
    view = graph.cypher(job["query"], params=job["parameters"])
    given = {key for _, properties in job["nodes"] for key in properties}
    node = partial(_kglite_node, made={"id", "title", "type"} - given)
    rows = [[graph_value(row[name], "start", node) for name in view.columns] for row in view.to_list()]
    return {"columns": list(view.columns), "rows": rows}


def _kglite_node(value: Mapping[str, Any], made: Collection[str]) -> Any:
    labels = [] if value["labels"] == ["Node"] else value["labels"]
    return ["node", labels, {key: wire(item) for key, item in value["properties"].items() if key not in made}]


def ocg(job: Mapping[str, Any]) -> Reply:
    from ocg import Graph  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    graph = Graph()
    for statement, parameters in creating(job, quote=""):
        graph.execute(statement, parameters)
    rows = graph.execute(job["query"], job["parameters"])
    columns = list(rows[0]) if rows else None
    values = [[graph_value(value, "start_node_id", _plain_node) for value in row.values()] for row in rows]
    return {"columns": columns, "rows": values}


def _plain_node(value: Mapping[str, Any]) -> Any:
    return ["node", value["labels"], {key: wire(item) for key, item in value["properties"].items()}]


def graph_value(value: Any, start: str, node: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Values in which a node is `{id, labels, properties}`, a relationship has `type`, a path `nodes`."""
    if isinstance(value, (list, tuple)):
        return ["list", *(graph_value(item, start, node) for item in value)]
    if not isinstance(value, Mapping):
        return wire(value)
    if {"id", "labels", "properties"} == set(value):
        return node(value)
    if {"id", "type", "properties", start} <= set(value):
        return ["relationship", value["type"], {key: wire(item) for key, item in value["properties"].items()}]
    if {"nodes", "relationships"} == set(value):
        starts = [one["id"] for one in value["nodes"]]
        steps = [
            [graph_value(one, start, node), one[start] == here]
            for one, here in zip(value["relationships"], starts, strict=False)
        ]
        return ["path", [node(one) for one in value["nodes"]], steps]
    return ["map", {key: graph_value(item, start, node) for key, item in value.items()}]


PEERS: Final = {"grand-cypher": grand_cypher, "nxcypher": nxcypher, "kglite": kglite, "ocg": ocg}


def answered(peer: Callable[[Mapping[str, Any]], Reply], job: Mapping[str, Any]) -> Reply:
    """The peer's answer, or its error, whatever it is: a panic of Rust is no `Exception`."""
    try:
        return peer(job)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return {"error": type(error).__name__, "message": str(error)[:500]}


def main(name: str) -> None:
    """One reply for each line, until the lines end."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - this file needs no pathlib
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    print(json.dumps({"version": version(name)}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answered(PEERS[name], json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
