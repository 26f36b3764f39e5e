"""Instances as a graph that queries read: real vertices and edges, with the properties that the worker knows of them.

Rules of this file
    - A vertex has its label's properties, the real value where the worker has kept it (a file's path, a process's pid
      and command line). What it has not kept (a peer that was generalised) stays a pattern, and so possible.
    - Edges between instances that are not there are left out.

Complexity: O(instances + links).
Source: `policies.graph.PolicyGraph`; `grammar.finding.Instance`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from grammar import kind_of, properties_of
from grammar.control import Link
from grammar.finding import Instance
from policies.graph import Edge
from policies.text import Text
from policies.values import Value


class InstanceGraph:
    """What one or several replies hold; ids are the instances' numbers as text."""

    __slots__ = ("_causes", "_effects", "_having", "_properties", "by_id")

    def __init__(self, instances: Iterable[Instance], links: Iterable[Link]) -> None:
        self.by_id = {str(one.number): one for one in instances}
        self._causes: dict[str, list[Edge]] = {}
        self._effects: dict[str, list[Edge]] = {}
        self._having: dict[str, list[str]] = {}
        self._properties: dict[str, Mapping[str, Value]] = {}
        for ident, one in self.by_id.items():
            self._having.setdefault(kind_of(one.label), []).append(ident)
        for edge in dict.fromkeys(Edge(str(one.effect), one.relation, one.operation, str(one.cause)) for one in links):
            if edge.effect in self.by_id and edge.cause in self.by_id:
                self._causes.setdefault(edge.effect, []).append(edge)
                self._effects.setdefault(edge.cause, []).append(edge)

    def nodes(self) -> Iterable[str]:
        """All numbers."""
        return self.by_id.keys()

    def labels(self, node: str) -> tuple[str, ...]:
        """Its kind."""
        return (kind_of(self.by_id[node].label),)

    def having(self, label: str) -> Collection[str]:
        """All of a kind."""
        return self._having.get(label, ())

    def properties(self, node: str) -> Mapping[str, Value]:
        """What is known of it."""
        found = self._properties.get(node)
        if found is None:
            found = self._properties[node] = real_properties(self.by_id[node])
        return found

    def causes(self, node: str) -> Sequence[Edge]:
        """Edges from `node` to its causes."""
        return self._causes.get(node, ())

    def effects(self, node: str) -> Sequence[Edge]:
        """Edges from its effects to `node`."""
        return self._effects.get(node, ())


def real_properties(one: Instance) -> dict[str, Value]:
    """The properties of one instance.

    >>> real_properties(Instance(1, "web1", "File /tmp/sess_{int}", "/tmp/sess_7"))
    {'path': '/tmp/sess_7', 'name': 'sess_7'}
    """
    found = _known(one.label)
    kind = kind_of(one.label)
    if kind == "File" and one.name.startswith("/"):
        found |= {"path": one.name, "name": one.name.rpartition("/")[2]}
    if kind == "Socket" and one.name and "{" not in one.name and "{" in one.label:
        found |= _known(f"Socket {one.name}")
    if kind == "Process":
        found |= {"command": one.command} if one.command else {}
        found |= {"pid": one.pid} if one.pid else {}
    return found


def state_properties(label: str, command: str = "", *, example: bool = False) -> dict[str, Value]:
    """The properties of a state; `command` is of one of its vertices, and stands for all only as an `example`.

    Without one, a process of it may have been run by any: nobody need have told it of the first.

    >>> state_properties("Process sh /bin/sh", "sh -c id", example=True)["command"]
    'sh -c id'
    """
    found = _known(label)
    if example and command:
        found["command"] = command
    elif not example and kind_of(label) == "Process":
        found["command"] = ANYTHING
    return found


def _known(label: str) -> dict[str, Value]:
    """The properties of a label, without those of which nothing was seen: they are null.

    `{any}` for a directory, a program or a whole peer is no abstraction of ours: no record has told it. But the label
    `KIND {any}` stands for whatever a full table had no room for, and may be anything.

    >>> _known("File {any}/x"), _known("Socket {any}>*:80"), sorted(_known("File {any}"))
    ({'name': 'x'}, {'local': '*:80'}, ['name', 'path'])
    """
    kind, _, rest = label.partition(" ")
    if rest == "{any}" and kind in OVERFLOWS:
        return dict.fromkeys(OVERFLOWS[kind], ANYTHING)
    unseen = UNSEEN.get(kind, ())
    found = properties_of(label)
    if kind == "Socket" and found.get("peer") == "{any}":
        found = {key: value for key, value in found.items() if key not in ("peer", "address")}
    return {key: Text.of(value) for key, value in found.items() if not (key in unseen and value.startswith("{any}"))}


UNSEEN: Final = {"File": ("path",), "Process": ("name", "exe")}
OVERFLOWS: Final = {"File": ("path", "name"), "Process": ("name", "exe")}
ANYTHING: Final = Text.of("{any}")
