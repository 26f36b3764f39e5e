"""The presets `multiset` and `set`: the published model with the graphs that it was learned from.

Rules of this file
    - The evidence is the graphs themselves, in canonical form, by a digest of what the learner sees of them. The same
      graph twice is one graph.
    - The model is learned again from all graphs when evidence is added; the largest `limit` bounds the search.

Invariant: a model accepts every graph of its evidence.
Complexity: that of the search (`grammar.published_search`); canonical forms O((V + E) log E).
Source: the vectors' README; design section 3, promise 3.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from grammar.drawing import Arrow, Node, Picture
from grammar.errors import InputError
from grammar.learned import Blame, Delta, digest_of, mismatch
from grammar.nodelink import Edge, LabelledGraph, NodeId, to_json
from grammar.published import Misfit, PublishedModel, base_model
from grammar.published_search import Observer, climb

LIMIT: Final = 100_000


class Search(NamedTuple):
    """Bits of the model and of the unmerged one, merges tried, and whether the search came to its end."""

    bits: float
    unmerged: float
    evaluations: int
    is_complete: bool


@dataclass(frozen=True)
class Trees:
    """The published model, of multisets or of sets, and its graphs by digest (None: a file that did not keep them)."""

    preset: str
    limit: int
    graphs: Mapping[str, LabelledGraph] | None
    model: PublishedModel
    file: str = field(default="", compare=False)
    search: Search | None = field(default=None, compare=False)
    """How the model was found, unless it was read from a file."""

    @staticmethod
    def of(
        preset: str, graphs: Mapping[str, LabelledGraph], limit: int = LIMIT, observer: Observer | None = None
    ) -> Trees:
        """Learn from canonical graphs; InputError for a cyclic one."""
        ordered = [graph for _, graph in sorted(graphs.items())]
        base = base_model(ordered, counted=preset != "set")
        found = climb(base, ordered, limit=limit, observer=observer)
        search = Search(found.bits, base.total_bits(ordered), found.evaluations, found.complete)
        return Trees(preset, limit, dict(sorted(graphs.items())), found.model, search=search)

    @cached_property
    def digest(self) -> str:
        """Names settings and evidence; the model itself where the evidence is not known."""
        if self.graphs is None:
            return digest_of([self.preset, self.model.to_value()])
        return digest_of([self.preset, self.limit, sorted(self.graphs)])

    def blamed(self, graph: LabelledGraph) -> list[Blame]:
        """The vertices that do not fit; none for a member."""
        parts: dict[NodeId, list[Misfit]] = {}
        for misfit in self.model.misfits(graph):
            parts.setdefault(misfit.vertex, []).append(misfit)
        return [
            Blame(vertex, found[0].label, "unknown " + ", ".join(one.reason for one in found))
            for vertex, found in parts.items()
        ]

    def delta(self, graph: LabelledGraph) -> Delta:
        """The graph, unless it is one of those learned from: a witness if it is a member, else news."""
        known = self.graphs or {}
        found = {digest: one for digest, one in by_digest([graph], self.preset).items() if digest not in known}
        if graph in self.model:
            return Delta(self.preset, self.digest, witness_graphs=found)
        return Delta(self.preset, self.digest, graphs=found)

    def merged(
        self, others: Sequence[Trees], deltas: Sequence[Delta], limit: int = 0, observer: Observer | None = None
    ) -> Trees:
        """The model of all evidence together, searched with the largest limit; deltas in their order."""
        for one in (self, *others):
            if one.graphs is None:
                raise InputError("a model without its graphs cannot be merged", file=one.file, hint="learn it again")
        limit = max(limit, *(one.limit for one in (self, *others)))

        def digest() -> str:
            return digest_of([self.preset, limit, sorted(graphs)])

        graphs: dict[str, LabelledGraph] = {}
        for one in (self, *others):
            _unite(graphs, one.graphs or {})
        known = {one.digest for one in (self, *others)} | {digest()}
        for delta in deltas:
            shown = {**delta.witness_graphs, **delta.graphs}
            if delta.base not in known and not (shown and shown.keys() <= graphs.keys()):
                raise mismatch(delta, digest())
            _unite(graphs, shown)
            known.add(digest())
        return Trees.of(self.preset, graphs, limit, observer)

    def picture(self) -> Picture:
        """Types as nodes; an arrow where both T and T' have a transition that uses it."""
        support: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for graph in (self.graphs or {}).values():
            for pair, times in Counter(self.model.vertex_types([graph]) or ()).items():
                support[pair].append(times)
        labels = self.model.forward.labels
        nodes = tuple(
            Node(f"t{f}_{b}", labels[f], len(support[f, b]), sum(support[f, b]), f"T {f}, T' {b}")
            for f, b in sorted(self.model.types)
        )
        return Picture(nodes, tuple(self._arrows()), False)

    def _arrows(self) -> Iterable[Arrow]:
        after, before = (
            {(source.state, source.relation, rule.state) for rule in automaton.rules for source in rule.left.sources}
            for automaton in (self.model.forward, self.model.backward)
        )
        leads: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for source, relation, target in sorted(after):
            leads[source].append((relation, target))
        partners: defaultdict[int, list[int]] = defaultdict(list)
        for f, b in sorted(self.model.types):
            partners[f].append(b)
        for f, b in sorted(self.model.types):
            found: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
            for relation, target in leads[f]:
                for other in partners[target]:
                    if (other, relation, b) in before:
                        found[target, other].append(relation)
            for (target, other), relations in sorted(found.items()):
                yield Arrow(f"t{f}_{b}", f"t{target}_{other}", tuple(relations))


def by_digest(graphs: Iterable[LabelledGraph], preset: str) -> dict[str, LabelledGraph]:
    """Graphs in canonical form by the digest of what the published learner sees of them: the types of their vertices.

    Vertices are numbered by type; in the preset `set`, parallel edges of one label are one. Of graphs with one digest
    (they differ in what no learner sees) the smallest is kept. InputError for a cyclic graph.
    """
    found: dict[str, LabelledGraph] = {}
    for graph in graphs:
        model = base_model([graph], counted=preset != "set")
        types = model.vertex_types([graph]) or []
        order = sorted(range(len(graph)), key=lambda position: types[position])
        number = {graph.nodes[position]: place for place, position in enumerate(order)}
        arcs = ((number[edge.source], number[edge.target], edge.label) for edge in graph.edges)
        edges = sorted(set(arcs) if preset == "set" else arcs)
        labels = tuple(graph.labels[position] for position in order)
        canonical = LabelledGraph(tuple(range(len(graph))), labels, tuple(Edge(*edge) for edge in edges), graph.file)
        _unite(found, {digest_of([model.to_value(), sorted(types)]): canonical})
    return found


def _unite(graphs: dict[str, LabelledGraph], more: Mapping[str, LabelledGraph]) -> None:
    for digest, graph in more.items():
        before = graphs.get(digest)
        graphs[digest] = graph if before is None or before == graph else min(before, graph, key=to_json)
