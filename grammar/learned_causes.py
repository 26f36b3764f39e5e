"""The preset `causes`: base states by causal history, folded into a model by minimum description length.

Rules of this file
    - The evidence is what graphs show: base states and their transitions (`grammar.causal`). The model is folded when
      it is needed, and never stored.
    - A delta holds the culprits and what comes from them. What the model generalises needs no evidence: it stands for
      itself by a known base state.

Invariant: a model accepts every graph of its evidence; `merged` with the delta of a graph accepts the graph.
Complexity: that of folding (`grammar.merging`); a delta folds once more, twice if its first form does not do.
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
from grammar.cost import TRACING, Settings
from grammar.drawing import Arrow, Node, Picture
from grammar.errors import InputError, escape
from grammar.evidence import Evidence, Item, State
from grammar.learned import Blame, Delta, digest_of, mismatch
from grammar.model import Model
from grammar.nodelink import LabelledGraph, operated
from grammar.parsing import Culprit, Parse, Parser

APP: Final = "graph"
"""The application that models of graph files are of."""
EDGES: Final = 5
"""How many new edges of one vertex are named."""
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

    def blamed(self, graph: LabelledGraph) -> list[Blame]:
        """The vertices that do not fit, with their new edges; none for a member."""
        causal = CausalGraph.of(graph)
        return [
            Blame(graph.nodes[one.vertex], one.label, _reason(one, graph)) for one in self.parser.parse(causal).culprits
        ]

    def delta(self, graph: LabelledGraph) -> Delta:
        """What the graph adds to the evidence: culprits and what comes from them; more only if that is not enough."""
        causal = CausalGraph.of(graph)
        parse = self.parser.parse(causal)
        if not parse.culprits:
            return Delta(self.preset, self.digest)
        for added in (self._added(causal, parse), self._beyond(causal.evidence())):
            after = Causes.of(self.base.evidence | added, self.tracing)
            if not after.parser.parse(causal).culprits:
                break
        return Delta(self.preset, self.digest, evidence=added)

    def merged(self, others: Sequence[Causes], deltas: Sequence[Delta]) -> Causes:
        """The model of all evidence together; deltas in their order."""
        evidence = Evidence()
        for one in (self, *others):
            if one.tracing != self.tracing:
                found = f"{self.tracing} and {one.tracing}"
                raise InputError("models learned with different --tracing", file=one.file, offending=found)
            evidence.update(one.base.evidence)
        known = {one.digest for one in (self, *others)} | {self._digest(evidence)}
        for delta in deltas:
            if delta.base not in known and not (delta.evidence and delta.evidence <= evidence):
                raise mismatch(delta, self._digest(evidence))
            evidence.update(delta.evidence)
            known.add(self._digest(evidence))
        return Causes.of(evidence, self.tracing)

    def picture(self) -> Picture:
        """States as nodes, arrows from effect to cause."""
        model, graphs, vertices = self.model, defaultdict[State, set[str]](set), Counter[State]()
        for state in self.base.states:
            for replica, span in self.base.support[state].items():
                graphs[model.state_of(state)].add(replica.container)
                vertices[model.state_of(state)] += 1 << min(span.level, LEVELS)
        nodes = tuple(
            Node(model.ids[state], state.label, len(graphs[state]), vertices[state], " ".join(state.context))
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

    def _beyond(self, evidence: Evidence) -> Evidence:
        """The part of the evidence whose items the base model lacks."""
        return Evidence({item: held for item, held in evidence.seen.items() if item not in self.base.support})

    def _added(self, causal: CausalGraph, parse: Parse) -> Evidence:
        """Evidence of the culprits and of what comes from them; the rest stands for itself by known base states."""
        stands = {self.model.state_of(state): state for state in reversed(self.base.states)}
        new = {one.vertex for one in parse.culprits}
        for component in causal.components:
            if any(vertex in new or any(arc.cause in new for arc in causal.causes[vertex]) for vertex in component):
                new.update(component)
        states = list(causal.states)
        for vertex, state in enumerate(parse.assigned):
            if vertex not in new and state is not None and states[vertex] not in self.base.support:
                states[vertex] = stands[state]
        named = CausalGraph(causal.nodes, causal.causes, causal.components, tuple(states), causal.file)
        wanted = {states[vertex] for vertex in new}
        wanted_too = {named.transition(vertex, arc) for vertex in new for arc in causal.causes[vertex]}
        shown, replica = named.evidence().seen, causal.replica()
        found = Evidence({item: {replica: next(iter(shown[item].values()))} for item in wanted | wanted_too})
        return self._beyond(found)


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
