"""What a dump says: the instance graph, the model, the truth, and what a graph answers; from the definition alone.

Rules of this file
    - Written from the definition and the dump's layout only: nothing of ours is imported, so no error is shared.
    - A label set is the bits of an integer; numbers of labels are given as labels are met (`Labels`).

Truth: edges in order of time (one time: event order), `known[effect] |= known[cause] | {label(cause)}`.
Answer: the labels of all ancestors of the vertex's state (itself included only if it lies on a cycle).
Complexity: O((V + E) L / 64) for L labels: cycles are condensed first (Tarjan 1972).
Source: design sections 3 (promises 1 and 2) and 5 (--dump).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

INSTANCE: Final = ".instance.json"
MODEL: Final = ".model.json"


class DumpError(Exception):
    """A dump that is not one: which file, and what is wrong with it."""


@dataclass(slots=True)
class Labels:
    """Numbers for labels: bit n of a label set stands for the n-th label met."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, label: object) -> int:
        """The number of a label; one that is not text is its JSON."""
        text = label if isinstance(label, str) else json.dumps(label, sort_keys=True)
        return self.numbers.setdefault(text, len(self.numbers))


@dataclass(frozen=True, slots=True)
class Edge:
    """Effect and cause by vertex number, what relates them, and when, in seconds."""

    effect: int
    cause: int
    kind: tuple[str, str]
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Instance:
    """What happened: vertices by number, edges in order of time."""

    names: list[str]
    labels: list[int]
    states: list[str | None]
    objects: list[str]
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class Grammar:
    """The model as dumped: states by number, their labels, and the transitions between them."""

    numbers: dict[str, int]
    labels: list[int]
    contexts: list[tuple[str, ...]]
    transitions: set[tuple[int, int, tuple[str, str]]]


def load(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Nodes and edges of a node-link file (`edges`, or `links` as networkx wrote before 3.4)."""
    try:
        graph = json.loads(path.read_bytes())
        return graph["nodes"], graph["edges" if "edges" in graph else "links"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DumpError(f"{path}: not a node-link graph: {error!r}") from error


def read_instance(path: Path, labels: Labels) -> Instance:
    """The instance graph of a dump; its edges sorted by time, stably."""
    nodes, edges = load(path)
    try:
        numbers = {str(node["id"]): at for at, node in enumerate(nodes)}
        edges = sorted(edges, key=lambda edge: float(edge["time"]))
        return Instance(
            names=list(numbers),
            labels=[labels.number(node["label"]) for node in nodes],
            states=[None if node.get("state") is None else str(node["state"]) for node in nodes],
            objects=[str(node.get("object", node["id"])) for node in nodes],
            edges=[
                Edge(numbers[str(e["source"])], numbers[str(e["target"])], _kind(e), float(e["time"])) for e in edges
            ],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DumpError(f"{path}: {error!r} is missing or wrong") from error


def read_model(path: Path, labels: Labels) -> Grammar:
    """The model of a dump."""
    nodes, edges = load(path)
    try:
        numbers = {str(node["id"]): at for at, node in enumerate(nodes)}
        transitions = {(numbers[str(e["source"])], numbers[str(e["target"])], _kind(e)) for e in edges}
        contexts = [tuple(map(str, node.get("context", ()))) for node in nodes]
        return Grammar(numbers, [labels.number(node["label"]) for node in nodes], contexts, transitions)
    except (KeyError, TypeError, ValueError) as error:
        raise DumpError(f"{path}: {error!r} is missing or wrong") from error


def _kind(edge: dict[str, Any]) -> tuple[str, str]:
    return str(edge["relation"]), str(edge["operation"])


def truth(instance: Instance) -> list[int]:
    """What each vertex knew in the end, as label sets."""
    bits = [1 << label for label in instance.labels]
    known = [0] * len(bits)
    for edge in instance.edges:
        known[edge.effect] |= known[edge.cause] | bits[edge.cause]
    return known


def components(causes: Sequence[Sequence[int]]) -> list[list[int]]:
    """Strongly connected components, each after all that it can reach (Tarjan's order), without recursion."""
    order, low = [0] * len(causes), [0] * len(causes)
    closed = [False] * len(causes)
    found: list[list[int]] = []
    waiting: list[int] = []
    met = 0
    for root in range(len(causes)):
        work = [] if order[root] else [(root, iter(causes[root]))]
        while work:
            vertex, rest = work[-1]
            if not order[vertex]:
                met += 1
                order[vertex] = low[vertex] = met
                waiting.append(vertex)
            cause = next((c for c in rest if not closed[c]), None)
            if cause is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[vertex])
                if low[vertex] == order[vertex]:
                    found.append(_pop_through(waiting, vertex))
                    for member in found[-1]:
                        closed[member] = True
            elif order[cause]:
                low[vertex] = min(low[vertex], order[cause])
            else:
                work.append((cause, iter(causes[cause])))
    return found


def _pop_through(stack: list[int], last: int) -> list[int]:
    popped = [stack.pop()]
    while popped[-1] != last:
        popped.append(stack.pop())
    return popped


def ancestor_labels(labels: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each vertex of a graph of (effect, cause) pairs, the labels of all that it can reach in one step or more."""
    causes: list[list[int]] = [[] for _ in labels]
    for effect, cause in set(pairs):
        causes[effect].append(cause)
    answers = [0] * len(labels)
    for members in components(causes):
        own = set(members)
        answer = 0
        for member in members:
            for cause in causes[member]:
                answer |= answers[cause] | 1 << labels[cause] if cause not in own else 1 << labels[cause]
        for member in members:
            answers[member] = answer
    return answers


def violations(instance: Instance, model: Grammar) -> dict[str, tuple[int, str]]:
    """What the model cannot account for: how often, and one example of each kind."""
    found: Counter[str] = Counter()
    first: dict[str, str] = {}

    def note(kind: str, example: str) -> None:
        found[kind] += 1
        first.setdefault(kind, example)

    numbers = [model.numbers.get(state, -1) if state is not None else -1 for state in instance.states]
    for name, label, state, number in zip(instance.names, instance.labels, instance.states, numbers, strict=True):
        if state is None:
            note("vertices without a state", name)
        elif number < 0:
            note("states that the model lacks", f"{state} of vertex {name}")
        elif model.labels[number] != label:
            note("states with another label than their vertex", f"{state} of vertex {name}")
    for edge in instance.edges:
        effect, cause = numbers[edge.effect], numbers[edge.cause]
        if effect >= 0 and cause >= 0 and (effect, cause, edge.kind) not in model.transitions:
            example = f"{instance.names[edge.effect]} -> {instance.names[edge.cause]} {' '.join(edge.kind)}"
            note("edges that the model lacks", example)
    return {kind: (count, first[kind].encode("unicode_escape").decode("ascii")) for kind, count in found.items()}
