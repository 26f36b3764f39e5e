"""What compression loses, and what it saves: tracing recall and precision, bits and bytes, beside the baselines.

    python bench/fidelity.py [RECORDING… | DUMPDIR…] [--published SECONDS] [--json]

Rules of this file
    - Recall and precision come from a `--dump` alone, by code that imports nothing of ours (`fidelity_graphs`). A
      recording is replayed into a dump first; without arguments the shipped one.
    - Every row is scored by one formula. Bits: D(M) + D(g|M) of `grammar.cost`, with A = answers of that row's graph,
      K = truth, one vertex one weight; infinite where an answer lacks what is true. Bytes: see `fidelity_bytes`.
    - The published method gets 10 s and its row says how far it got.
    - Exit code 1 if recall is not 1, precision is below the goal, the unmerged graph has less than 4 times our bits, or
      the model cannot account for the instance graph (a state that it lacks, an edge that it cannot generate).

Recall and precision are averaged over the vertices that have causes. A vertex without an answer scores 0 in both.
Complexity: O((V + E) L / 64) for L labels, per row; the published method its limit.
Source: design section 3 (promises 1 and 2); `grammar.cost`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from fidelity_bytes import named, numbered, size
from fidelity_graphs import (
    INSTANCE,
    MODEL,
    DumpError,
    Grammar,
    Instance,
    Labels,
    ancestor_labels,
    load,
    read_instance,
    read_model,
    truth,
    violations,
)
from fidelity_published import SECONDS, Reached, classes_of
from fidelity_replay import SHIPPED, dumped, is_recording
from rich.console import Console
from rich.table import Table

from agent.recording import open_recording
from grammar import InputError, State, encode_model
from grammar.cost import TRACING, answer_bits, model_bits

__all__ = ["INSTANCE", "MODEL", "DumpError", "ancestor_labels", "load"]
EPSILON: Final = 1e-9
RATIO: Final = 4.0
"""Times our bits that the unmerged graph must have."""
OURS: Final = "model"


@dataclass(frozen=True, slots=True)
class Score:
    """One graph that answers for the instance graph: its size and how right its answers are."""

    name: str
    states: int
    transitions: int
    bits: float
    """D(M) + D(g|M)."""
    model_bits: float
    """D(M) alone."""
    bytes: int
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of one application: sizes of its instance graph, the scores, what the dump breaks (kind: count, example)."""

    recording: str
    app: str
    vertices: int
    edges: int
    objects: int
    dropped: int
    scores: dict[str, Score]
    violations: dict[str, tuple[int, str]]
    published: str = ""
    """How far the published method got."""
    stored: int | None = None
    """Bytes of our model as the monitor keeps it, if it is at hand."""

    @property
    def goal(self) -> float:
        """Half-way from the label quotient's precision to 1."""
        return (1 + self.scores["label quotient"].precision) / 2

    @property
    def ratio(self) -> float:
        """Bits of the unmerged graph over ours; 0 where ours are infinite."""
        ours, unmerged = self.scores[OURS].bits, self.scores["unmerged"].bits
        return unmerged / ours if ours else math.inf

    @property
    def broken(self) -> list[str]:
        """The promises that this dump breaks, as sentences."""
        ours = self.scores[OURS]
        said = [f"{kind}: {count:,}, first {first}" for kind, (count, first) in self.violations.items()]
        if ours.recall < 1 - EPSILON:
            said.append(f"recall is {ours.recall:.4f}, not 1")
        if ours.precision < self.goal - EPSILON:
            said.append(f"precision is {ours.precision:.4f}, below the goal {self.goal:.4f}")
        if self.ratio < RATIO - EPSILON:
            said.append(f"bits of the unmerged graph are {self.ratio:.2f} times ours, not {RATIO:g}")
        return said


@dataclass(frozen=True, slots=True)
class Question:
    """What all graphs of one application are scored against."""

    app: str
    labels: Labels
    instance: Instance
    known: list[int]

    def score(self, name: str, sizes: tuple[int, int], answers: Sequence[int], states: Sequence[State]) -> Score:
        """Compare the answer for each vertex with the truth; `sizes` are the answering graph's states, transitions."""
        kinds = {edge.kind for edge in self.instance.edges}
        model = model_bits(*sizes, len(set(self.instance.labels)), len(kinds))
        recall, precision = self.rates(answers)
        return Score(
            name=name,
            states=sizes[0],
            transitions=sizes[1],
            bits=model + self.open_bits(answers),
            model_bits=model,
            bytes=size(self.app, self.instance, states),
            recall=recall,
            precision=precision,
        )

    def rates(self, answers: Sequence[int]) -> tuple[float, float]:
        """Recall and precision of an answer for each vertex."""
        caused = {edge.effect for edge in self.instance.edges}
        recall = precision = 0.0
        for vertex in caused:
            right = (self.known[vertex] & answers[vertex]).bit_count()
            recall += right / self.known[vertex].bit_count()
            precision += right / answers[vertex].bit_count() if answers[vertex] else 0.0
        return (recall / len(caused), precision / len(caused)) if caused else (1.0, 1.0)

    def open_bits(self, answers: Sequence[int]) -> float:
        """D(g|M); infinite where an answer lacks what is true."""
        if any(true & ~told for told, true in zip(answers, self.known, strict=True)):
            return math.inf
        pairs = zip(answers, self.known, strict=True)
        return answer_bits(TRACING, ((1.0, told.bit_count(), true.bit_count()) for told, true in pairs))

    def folded(self, name: str, classes: Sequence[Hashable]) -> Score:
        """The score of the instance graph with all vertices of one class merged; a class has one label."""
        numbers: dict[Hashable, int] = {}
        states = [numbers.setdefault(one, len(numbers)) for one in classes]
        labels = [0] * len(numbers)
        for state, label in zip(states, self.instance.labels, strict=True):
            labels[state] = label
        transitions = {(states[edge.effect], states[edge.cause], edge.kind) for edge in self.instance.edges}
        answers = ancestor_labels(labels, ((effect, cause) for effect, cause, _ in transitions))
        names = numbered(self.labels, self.instance, states)
        sizes = len(labels), len(transitions)
        return self.score(name, sizes, [answers[state] for state in states], [names[state] for state in states])

    def told(self, model: Grammar, states: Sequence[str | None]) -> list[int]:
        """What a model answers for each vertex, by its state; nothing where the model lacks that."""
        answers = ancestor_labels(model.labels, ((effect, cause) for effect, cause, _ in model.transitions))
        numbers = [model.numbers.get(state, -1) if state is not None else -1 for state in states]
        return [answers[number] if number >= 0 else 0 for number in numbers]

    def answered(self, model: Grammar) -> Score:
        """The score of the model as it is; a vertex whose state it lacks has no answer, and a name of its own."""
        names = named(self.labels, model)
        texts = list(self.labels.numbers)
        states = []
        for label, state in zip(self.instance.labels, self.instance.states, strict=True):
            number = model.numbers.get(state, -1) if state is not None else -1
            states.append(names[number] if number >= 0 else State(texts[label], (f"no state {state}",)))
        told = self.told(model, self.instance.states)
        return self.score(OURS, (len(model.labels), len(model.transitions)), told, states)


def evaluate(folder: Path, app: str, *, seconds: float = SECONDS, recording: str = "") -> Report:
    """Everything about one application of a dump; the published method gets `seconds`, or no row for 0."""
    labels = Labels()
    instance = read_instance(folder / f"{app}{INSTANCE}", labels)
    model = read_model(folder / f"{app}{MODEL}", labels)
    known = truth(instance)
    question = Question(app, labels, instance, known)
    scores = [
        question.folded("unmerged", range(len(known))),
        question.folded("label quotient", instance.labels),
        question.folded("causal history", list(zip(instance.labels, known, strict=True))),
    ]
    reached = classes_of(folder / f"{app}{INSTANCE}", seconds) if seconds else Reached(None, "")
    if reached.classes is not None:
        scores.append(question.folded("published", reached.classes))
    scores.append(question.answered(model))
    placed: defaultdict[str, bool] = defaultdict(bool)
    for name, state in zip(instance.objects, instance.states, strict=True):
        placed[name] |= state in model.numbers
    return Report(
        recording=recording or folder.name,
        app=app,
        vertices=len(known),
        edges=len(instance.edges),
        objects=len(placed),
        dropped=sum(not kept for kept in placed.values()),
        scores={one.name: one for one in scores},
        violations=violations(instance, model),
        published=reached.said,
    )


def reports(folder: Path, *, seconds: float = SECONDS, recording: str = "") -> Iterator[Report]:
    """A report for each application of a dump, in order of name."""
    apps = sorted(path.name.removesuffix(INSTANCE) for path in folder.glob(f"*{INSTANCE}"))
    if not apps:
        raise DumpError(f"{folder}: no recording.json and no APP{INSTANCE} in it (winnower replay … --dump {folder})")
    return (evaluate(folder, app, seconds=seconds, recording=recording) for app in apps)


def replayed(recording: Path, *, seconds: float = SECONDS) -> Iterator[Report]:
    """A report for each application of a recording."""
    with tempfile.TemporaryDirectory(prefix="fidelity-") as folder:
        models = dumped(recording, Path(folder), lambda app: app.folded)
        for report in reports(Path(folder), seconds=seconds, recording=open_recording(recording).name):
            yield replace(report, stored=len(encode_model(models[report.app])))


def as_json(report: Report) -> dict[str, Any]:
    """A report as plain values, for scripts; null for what is infinite."""
    names = ("recording", "app", "vertices", "edges", "objects", "dropped", "goal", "ratio", "published", "stored")
    value = {name: getattr(report, name) for name in (*names, "broken")}
    value["ratio"] = _finite(report.ratio)
    scores = {name: {key: _finite(one) for key, one in asdict(row).items()} for name, row in report.scores.items()}
    return value | {"scores": scores}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show(report: Report, console: Console) -> None:
    title = (
        f"{report.recording}, {report.app}: {report.vertices:,} vertices, {report.edges:,} edges, "
        f"{report.objects:,} objects, {report.dropped:,} dropped"
    )
    table = Table("graph", title=title, title_justify="left")
    for column in ("states", "transitions", "bits", "of model", "bytes", "recall", "precision"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in report.scores.values():
        counts = (f"{number:,}" for number in (one.states, one.transitions))
        bits = (f"{number:,.0f}" for number in (one.bits, one.model_bits))
        rates = (f"{one.bytes:,}", f"{one.recall:.4f}", f"{one.precision:.4f}")
        name = "ours" if one.name == OURS else one.name
        table.add_row(name, *counts, *bits, *rates, style="bold" * (one.name == OURS))
    table.add_row("goal", "", "", f"unmerged / {RATIO:g}", "", "", "1.0000", f"{report.goal:.4f}")
    console.print(table)
    said = [f"unmerged bits are {report.ratio:,.1f} times ours (goal {RATIO:g})"]
    said += [f"our model as stored, with example commands: {report.stored:,} bytes"] if report.stored else []
    said += [f"published: {report.published}"] if report.published else []
    for sentence in [*said, *(f"broken: {sentence}" for sentence in report.broken)]:
        console.print(f"  {sentence}", markup=False, highlight=False)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="what the models of a recording or a --dump lose and save")
    parser.add_argument("folders", type=Path, nargs="*", metavar="RECORDING|DUMPDIR", default=[SHIPPED])
    parser.add_argument("--published", type=float, default=SECONDS, metavar="SECONDS", help="0 leaves its row out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found: list[Report] = []
    console = Console(width=None if sys.stdout.isatty() else 100)
    try:
        for folder in options.folders:
            for report in (replayed if is_recording(folder) else reports)(folder, seconds=options.published):
                found.append(report)
                if not options.json:
                    show(report, console)
    except (DumpError, InputError) as error:
        print(f"fidelity: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([as_json(report) for report in found]))
    return 1 if any(report.broken for report in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
