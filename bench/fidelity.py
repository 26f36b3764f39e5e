"""What compression loses: recall and precision of tracing, from a `--dump` alone.

    python bench/fidelity.py DUMPDIR… [--json]

Rules of this file
    - Written from the definition and the dump's layout only: nothing of ours is imported, so no error is shared.
    - Every answer has its baselines beside it: label quotient, merged by causal history, unmerged.
    - What the dump breaks (a state that the model lacks, an edge that it cannot generate) is listed: exit code 1.

Truth: edges in order of time (one time: event order), `known[effect] |= known[cause] | {label(cause)}`.
Answer: the labels of all ancestors of the vertex's state (itself included only if it lies on a cycle).
Recall and precision are averaged over the vertices that have causes. A vertex without an answer scores 0 in both.
Complexity: O((V + E) L / 64) for L labels: label sets are bits of integers, cycles are condensed first (Tarjan 1972).
Source: design sections 3 (promises 1 and 2) and 5 (--dump).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

INSTANCE: Final = ".instance.json"
MODEL: Final = ".model.json"
EPSILON: Final = 1e-9


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
    """Effect and cause by vertex number, and what relates them."""

    effect: int
    cause: int
    kind: tuple[str, str]


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
    transitions: set[tuple[int, int, tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Score:
    """One graph that answers for the instance graph: its size and how right its answers are."""

    name: str
    states: int
    transitions: int
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of one application: sizes of its instance graph, the scores, what the dump breaks (kind: count, example)."""

    app: str
    vertices: int
    edges: int
    objects: int
    dropped: int
    scores: dict[str, Score]
    violations: dict[str, tuple[int, str]]

    @property
    def goal(self) -> float:
        """Half-way from the label quotient's precision to 1."""
        return (1 + self.scores["label quotient"].precision) / 2

    @property
    def broken(self) -> list[str]:
        """The promises that this dump breaks, as sentences."""
        model = self.scores["model"]
        said = [f"{kind}: {count:,}, first {first}" for kind, (count, first) in self.violations.items()]
        if model.recall < 1 - EPSILON:
            said.append(f"recall is {model.recall:.4f}, not 1")
        if model.precision < self.goal - EPSILON:
            said.append(f"precision is {model.precision:.3f}, below the goal {self.goal:.3f}")
        return said


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
            edges=[Edge(numbers[str(e["source"])], numbers[str(e["target"])], _kind(e)) for e in edges],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DumpError(f"{path}: {error!r} is missing or wrong") from error


def read_model(path: Path, labels: Labels) -> Grammar:
    """The model of a dump."""
    nodes, edges = load(path)
    try:
        numbers = {str(node["id"]): at for at, node in enumerate(nodes)}
        transitions = {(numbers[str(e["source"])], numbers[str(e["target"])], _kind(e)) for e in edges}
        return Grammar(numbers, [labels.number(node["label"]) for node in nodes], transitions)
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


def score(name: str, size: tuple[int, int], instance: Instance, known: list[int], answers: list[int]) -> Score:
    """Compare the answer for each vertex with the truth; `size` is the answering graph's states and transitions."""
    caused = {edge.effect for edge in instance.edges}
    recall = precision = 0.0
    for vertex in caused:
        right = (known[vertex] & answers[vertex]).bit_count()
        recall += right / known[vertex].bit_count()
        precision += right / answers[vertex].bit_count() if answers[vertex] else 0.0
    many = len(caused) or 1
    return Score(name, *size, recall / many if caused else 1.0, precision / many if caused else 1.0)


def folded(name: str, classes: Sequence[Hashable], instance: Instance, known: list[int]) -> Score:
    """The score of the instance graph with all vertices of one class merged; a class has one label."""
    numbers: dict[Hashable, int] = {}
    states = [numbers.setdefault(one, len(numbers)) for one in classes]
    labels = [0] * len(numbers)
    for state, label in zip(states, instance.labels, strict=True):
        labels[state] = label
    transitions = {(states[edge.effect], states[edge.cause], edge.kind) for edge in instance.edges}
    answers = ancestor_labels(labels, ((effect, cause) for effect, cause, _ in transitions))
    return score(name, (len(labels), len(transitions)), instance, known, [answers[state] for state in states])


def answered(instance: Instance, model: Grammar, known: list[int]) -> Score:
    """The score of the model as it is."""
    answers = ancestor_labels(model.labels, ((effect, cause) for effect, cause, _ in model.transitions))
    numbers = [model.numbers.get(state, -1) if state is not None else -1 for state in instance.states]
    by_vertex = [answers[number] if number >= 0 else 0 for number in numbers]
    return score("model", (len(model.labels), len(model.transitions)), instance, known, by_vertex)


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


def evaluate(folder: Path, app: str) -> Report:
    """Everything about one application of a dump."""
    labels = Labels()
    instance = read_instance(folder / f"{app}{INSTANCE}", labels)
    model = read_model(folder / f"{app}{MODEL}", labels)
    known = truth(instance)
    scores = (
        folded("label quotient", instance.labels, instance, known),
        answered(instance, model, known),
        folded("causal history", list(zip(instance.labels, known, strict=True)), instance, known),
        folded("unmerged", range(len(known)), instance, known),
    )
    placed: defaultdict[str, bool] = defaultdict(bool)
    for name, state in zip(instance.objects, instance.states, strict=True):
        placed[name] |= state in model.numbers
    return Report(
        app=app,
        vertices=len(known),
        edges=len(instance.edges),
        objects=len(placed),
        dropped=sum(not kept for kept in placed.values()),
        scores={one.name: one for one in scores},
        violations=violations(instance, model),
    )


def reports(folder: Path) -> list[Report]:
    """A report for each application of a dump, in order of name."""
    apps = sorted(path.name.removesuffix(INSTANCE) for path in folder.glob(f"*{INSTANCE}"))
    if not apps:
        raise DumpError(f"{folder}: no APP{INSTANCE} in it (winnower replay RECORDING --state DIR --dump {folder})")
    return [evaluate(folder, app) for app in apps]


def as_json(report: Report) -> dict[str, Any]:
    """A report as plain values, for scripts."""
    names = ("app", "vertices", "edges", "objects", "dropped", "goal", "broken")
    scores = {
        one.name: {
            "states": one.states,
            "transitions": one.transitions,
            "recall": one.recall,
            "precision": one.precision,
        }
        for one in report.scores.values()
    }
    return {name: getattr(report, name) for name in names} | {"scores": scores}


def show(report: Report, console: Console) -> None:
    title = (
        f"{report.app}: {report.vertices:,} vertices, {report.edges:,} edges, "
        f"{report.objects:,} objects, {report.dropped:,} dropped"
    )
    table = Table("graph", title=title, title_justify="left")
    for column in ("states", "transitions", "recall", "precision"):
        table.add_column(column, justify="right")
    for one in report.scores.values():
        sizes = (f"{one.states:,}", f"{one.transitions:,}")
        table.add_row(
            one.name, *sizes, f"{one.recall:.3f}", f"{one.precision:.3f}", style="bold" * (one.name == "model")
        )
    table.add_row("goal", "", "", "1.000", f"{report.goal:.3f}")
    console.print(table)
    for sentence in report.broken:
        console.print(f"  broken: {sentence}", markup=False)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="recall and precision of tracing in the models of a --dump")
    parser.add_argument("dumps", type=Path, nargs="+", metavar="DUMPDIR")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        found = [report for folder in options.dumps for report in reports(folder)]
    except DumpError as error:
        print(f"fidelity: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([as_json(report) for report in found]))
    else:
        console = Console(width=None if sys.stdout.isatty() else 80)
        for report in found:
            show(report, console)
    return 1 if any(report.broken for report in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
