"""The preset `causes`: base states by causal history, folded into a model by minimum description length.

Rules of this file
    - The evidence is what graphs show: base states and their transitions (`grammar.causal`). The model is folded when
      it is needed, and never stored.
    - A delta's news are the culprits and what comes from them; what else the evidence lacks is a witness. Together they
      are every base item of the graph, so no later folding can refuse it.

Invariant: a model accepts every graph whose base items its evidence holds; so does any model that holds more.
Complexity: that of folding (`grammar.merging`); a delta costs parsing its graph, and folds nothing.
Source: design section 3, promises 1, 3 and 4.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from grammar.causal import Arc, CausalGraph
from grammar.cost import Settings, answer_bits, model_bits
from grammar.drawing import Arrow, Node, Picture
from grammar.errors import InputError, escape
from grammar.evidence import Evidence, Item, State
from grammar.learned import Blame, Delta, digest_of, mismatch
from grammar.merging import ancestor_labels
from grammar.model import HIGHEST, Model
from grammar.nodelink import LabelledGraph, operated
from grammar.parsing import Culprit, Parser

APP: Final = "graph"
"""The application that models of graph files are of."""
TRACING: Final = 4.0
"""`Settings.tracing` for graph files. `grammar.cost.TRACING` is for a cluster under load, where a state is asked for
thousands of times; in a few files each vertex counts once, and what has been seen twice should be a loop. Measured: up
to 6 a pipeline of two rounds is accepted at any length (8 needs three), up to 12 a request with four files instead of
three after a shell was learned (16 refuses it). In the shipped recording, each container against the others, up to 6
blame 3 vertices of seven harmless web servers (64: 898), and 31 of the attacked one."""
EDGES: Final = 5
"""How many new edges of one vertex are named."""
ORIGINS: Final = 6
"""How many labels that a state comes from are listed."""
LEVELS: Final = 62
"""A higher level is shown as this one."""


@dataclass(frozen=True)
class Causes:
    """Base states by causal history, and the model that minimum description length folds them into."""

    tracing: float
    base: Model
    preset: str = "causes"
    file: str = field(default="", compare=False)

    @staticmethod
    def of(evidence: Evidence, tracing: float = TRACING, file: str = "") -> Causes:
        """Learn from evidence."""
        return Causes(tracing, Model.of(APP, evidence), file=file)

    @cached_property
    def model(self) -> Model:
        """The folded model."""
        return self.base.folded(Settings(tracing=self.tracing))

    @cached_property
    def parser(self) -> Parser:
        """The folded model, indexed."""
        return Parser(self.model)

    @cached_property
    def digest(self) -> str:
        """Names settings and evidence."""
        return self._digest(self.base.evidence)

    @cached_property
    def bits(self) -> tuple[float, float]:
        """Total bits (`grammar.cost`) of the folded model and of the unmerged one."""
        base, model = self.base, self.model
        labels = len({state.label for state in base.states})
        kinds = len({(one.relation, one.operation) for one in base.transitions})
        told, true = _answers(model)[1], _answers(base)[1]
        asked = (
            (_weight(base, state), told[model.state_of(state)].bit_count(), true[state].bit_count())
            for state in base.states
        )
        folded, unmerged = (model_bits(len(one.states), len(one.transitions), labels, kinds) for one in (model, base))
        return folded + answer_bits(self.tracing, asked), unmerged

    def blamed(self, graph: LabelledGraph) -> list[Blame]:
        """The vertices that do not fit, with their new edges; none for a member."""
        causal = CausalGraph.of(graph)
        return [
            Blame(graph.nodes[one.vertex], one.label, _reason(one, graph)) for one in self.parser.parse(causal).culprits
        ]

    def delta(self, graph: LabelledGraph) -> Delta:
        """The base items of the graph that the evidence lacks; news: those of culprits and of what comes from them."""
        causal = CausalGraph.of(graph)
        shown, known = causal.evidence().seen, self.base.support
        lacking = {item: held for item, held in shown.items() if item not in known}
        culprits = self.parser.parse(causal).culprits
        told = _told(causal, culprits) & lacking.keys()
        if culprits and not told:  # only what they come from is new
            told = set(lacking)
        news = {item: held for item, held in lacking.items() if item in told}
        witness = {item: held for item, held in lacking.items() if item not in told}
        return Delta(self.preset, self.digest, evidence=Evidence(news), witness=Evidence(witness))

    def merged(self, others: Sequence[Causes], deltas: Sequence[Delta]) -> Causes:
        """The model of all evidence together; deltas in their order."""
        evidence = Evidence()
        for one in (self, *others):
            if one.tracing != self.tracing:
                found = f"{self.tracing} and {one.tracing}"
                raise InputError("models learned with different --tracing", file=one.file, offending=found)
            evidence.update(_shown(one.base))
        known = {one.digest for one in (self, *others)} | {self._digest(evidence)}
        for delta in deltas:
            shown = _shown(Model.of(APP, delta.evidence | delta.witness))
            if delta.base not in known and not (shown and shown <= evidence):
                raise mismatch(delta, self._digest(evidence))
            evidence.update(shown)
            known.add(self._digest(evidence))
        return Causes.of(evidence, self.tracing)

    def picture(self) -> Picture:
        """States as nodes, arrows from effect to cause."""
        model, graphs, vertices = self.model, defaultdict[State, set[str]](set), Counter[State]()
        for state in self.base.states:
            for replica, span in self.base.support[state].items():
                graphs[model.state_of(state)].add(replica.container)
                vertices[model.state_of(state)] += 1 << min(span.level, LEVELS)
        labels, answers = _answers(model)
        nodes = tuple(
            Node(model.ids[state], state.label, len(graphs[state]), vertices[state], _origin(labels, answers[state]))
            for state in model.states
        )
        found: defaultdict[tuple[State, State], list[str]] = defaultdict(list)
        shown: defaultdict[tuple[State, State], set[str]] = defaultdict(set)
        for one in model.transitions:
            found[one.effect, one.cause].append(operated(one.relation, one.operation))
            shown[one.effect, one.cause].update(replica.container for replica in model.support[one])
        arrows = tuple(
            Arrow(model.ids[effect], model.ids[cause], tuple(operations), len(shown[effect, cause]))
            for (effect, cause), operations in sorted(found.items())
        )
        return Picture(nodes, arrows, True)

    def _digest(self, evidence: Evidence) -> str:
        base = Model.of(APP, evidence)
        ordered: tuple[Item, ...] = (*base.states, *base.transitions)
        items = [(item, sorted(base.support[item].items())) for item in ordered]
        return digest_of([self.preset, self.tracing, items])


def _told(causal: CausalGraph, culprits: Sequence[Culprit]) -> set[Item]:
    """The base items of culprits and of all that comes from them."""
    new = {one.vertex for one in culprits}
    for component in causal.components:
        if any(vertex in new or any(arc.cause in new for arc in causal.causes[vertex]) for vertex in component):
            new.update(component)
    edges = {causal.transition(vertex, arc) for vertex in new for arc in causal.causes[vertex]}
    return {causal.states[vertex] for vertex in new} | edges


def _shown(model: Model) -> Evidence:
    """What a model was made of, with the states at the ends of transitions."""
    return Evidence({item: dict(held) for item, held in model.support.items()})


def _weight(base: Model, state: State) -> float:
    """How often a state was seen, as the model weighs it."""
    return sum(2.0 ** max(0, min(span.level, HIGHEST)) for span in base.support[state].values())


def _answers(model: Model) -> tuple[list[str], dict[State, int]]:
    """All labels, and as bits those of every state's ancestors."""
    labels = sorted({state.label for state in model.states})
    numbers = {label: number for number, label in enumerate(labels)}
    place = {state: number for number, state in enumerate(model.states)}
    causes = [[place[one.cause] for one in model.causes.get(state, ())] for state in model.states]
    found = ancestor_labels([numbers[state.label] for state in model.states], causes)
    return labels, dict(zip(model.states, found, strict=True))


def _origin(labels: Sequence[str], answer: int) -> str:
    """Some of the labels that a state comes from: what tells it from others of its label; files last."""
    names = sorted(
        (label for number, label in enumerate(labels) if answer >> number & 1),
        key=lambda label: (label.startswith("File "), label),
    )
    more = [f"and {len(names) - ORIGINS} more"] if len(names) > ORIGINS else []
    return f"comes from {', '.join([*names[:ORIGINS], *more])}" if names else ""


def _reason(culprit: Culprit, graph: LabelledGraph) -> str:
    parts = [] if culprit.is_known else ["unknown label"]
    if culprit.arcs:
        told = [_edge(arc, graph) for arc in culprit.arcs[:EDGES]]
        more = [f"and {len(culprit.arcs) - EDGES} more"] if len(culprit.arcs) > EDGES else []
        parts.append(f"new edge{'s' * (len(culprit.arcs) > 1)} {', '.join([*told, *more])}")
    return ", ".join(parts)


def _edge(arc: Arc, graph: LabelledGraph) -> str:
    label, cause = operated(arc.relation, arc.operation), json.dumps(graph.nodes[arc.cause], ensure_ascii=False)
    named = f"'{escape(label)}' " if label else ""
    return f"{named}to {escape(cause)} ('{escape(graph.labels[arc.cause])}')"
