"""The published model: two tree automata over a DAG and the pairs of states that were seen, with its cost in bits.

Rules of this file
    - This is the reference: plain, slow where plain is clearer, exact in bits. The fast search is checked against it.
    - T (`forward`) reads from sources to sinks, T' (`backward`) reads the reversed graph; a vertex's type is the pair.
    - States are numbered by (level, label, sources): a model depends on the graphs' shape, not on ids or file order.
    - Only types of one label merge: every state keeps one label, so acceptance implies a label-preserving homomorphism.
    - Ours, not the paper's: an edge's label is kept beside the source state (`Source.relation`) and costs log|E| bits
      each; with no more than one edge label in the graphs that is 0, and the cost is the published one.
    - Ours too: an automaton that does not count (`counted=False`, the preset `set`) reads sets instead of multisets.
      Every multiplicity is then 1, and its cost follows from that: log 1 = 0.
    - A cyclic graph is refused: the published method needs a DAG.

Invariant: rules are deterministic (one state per left side), and every graph that a model was learned from is a member
of that model and of all its merges.
Complexity: base, membership and cost O((V + E) log E); `merged` O(states * (states + rules)).
Source: "DAG automata", TaPP 2017; cost function and facts in the vectors' README.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

import msgspec

from grammar.errors import InputError
from grammar.nodelink import LabelledGraph, NodeId
from grammar.published_dag import Arcs, Dag

FORMAT: Final = "winnower-published-model"
WRITTEN_BY: Final = "models are written by winnower grammar learn"
Type: TypeAlias = tuple[int, int]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Source(NamedTuple):
    """`times` edges with label `relation` from vertices in `state`."""

    relation: str
    state: Count
    times: Count


class Left(NamedTuple):
    """The left side of a transition: a vertex's label and the multiset of its neighbours' states."""

    label: str
    sources: tuple[Source, ...]


class Rule(NamedTuple):
    """A transition."""

    left: Left
    state: Count


def log2(x: float) -> float:
    """Bits to name one of `x` things; 0 for nothing to choose, as the cost function wants it."""
    return math.log2(x) if x > 0 else 0.0


@dataclass(slots=True)
class Tally:
    """What the cost of one automaton depends on; integers only, so that updates in any order end in the same bits."""

    states: int = 0
    rules: int = 0
    sources: int = 0
    times: Counter[int] = field(default_factory=Counter)
    """Multiplicity → number of sources with it."""
    arrivals: Counter[int] = field(default_factory=Counter)
    """Number of rules into a state → number of learned vertices in such states."""

    def model_bits(self, labels: int, relations: int) -> float:
        """D(T), by the number of vertex and edge labels."""
        per_state = log2(self.states) * (1 + self.sources + self.rules)
        per_label = log2(labels) * (1 + self.rules) + log2(relations) * (1 + self.sources)
        return math.fsum([per_state, per_label, *(n * log2(m) for m, n in self.times.items())])

    def graph_bits(self) -> float:
        """The half of D(g | M) that this automaton pays."""
        return math.fsum(vertices * log2(rules) for rules, vertices in self.arrivals.items())


def combined_bits(forward: Tally, backward: Tally, types: int, labels: int, relations: int) -> float:
    """D(M) + D(g | M) from the two tallies; D(M) alone where no vertices were tallied."""
    return math.fsum(
        [
            types * (log2(forward.states) + log2(backward.states)),
            *(tally.model_bits(labels, relations) + tally.graph_bits() for tally in (forward, backward)),
            -log2(labels),  # the alphabets are the same in T and T': they are named once
            -log2(relations),
        ]
    )


@dataclass(frozen=True, slots=True)
class TreeAutomaton:
    """A deterministic bottom-up automaton over multisets (or sets); states are 0..states-1, rules are sorted."""

    rules: tuple[Rule, ...]
    counted: bool = True
    """Whether multiplicities matter; where they do not, each is 1."""
    table: Mapping[Left, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", dict(self.rules))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each state."""
        found = {rule.state: rule.left.label for rule in self.rules}
        return tuple(found[state] for state in range(len(found)))

    def tally(self, vertices: Iterable[int] = ()) -> Tally:
        """The counts behind the cost; `vertices` are the states of the learned graph's vertices."""
        into = Counter(rule.state for rule in self.rules)
        sources = [source for rule in self.rules for source in rule.left.sources]
        arrivals: Counter[int] = Counter()
        for state, number in Counter(vertices).items():
            arrivals[into[state]] += number
        return Tally(len(into), len(self.rules), len(sources), Counter(s.times for s in sources), arrivals)

    def merged(self, one: int, other: int) -> tuple[TreeAutomaton, tuple[int, ...]]:
        """The automaton with two states merged and made deterministic again, and the new name of every old state."""
        names, pending = list(range(len(self.labels))), [(one, other)]
        while pending:
            for pair in pending:
                keep, gone = sorted(names[state] for state in pair)
                names = [keep if name == gone else name for name in names]
            targets: dict[Left, int] = {}
            renamed = [(renamed_left(left, names, self.counted), names[state]) for left, state in self.rules]
            pending = [(state, there) for left, state in renamed if (there := targets.setdefault(left, state)) != state]
        dense = {name: number for number, name in enumerate(sorted(set(names)))}
        final = tuple(dense[name] for name in names)
        rules = {Rule(renamed_left(left, final, self.counted), final[state]) for left, state in self.rules}
        return TreeAutomaton(tuple(sorted(rules)), self.counted), final


@dataclass(frozen=True, slots=True)
class Misfit:
    """A vertex that the model cannot explain, and which part refuses it; what only follows from it is not repeated."""

    vertex: NodeId
    label: str
    reason: str
    """`predecessors` (no transition in T), `successors` (none in T'), or `type` (the pair of states was never seen)."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """(T, T', P); `graph in model` is membership.

    >>> from grammar.nodelink import Edge, LabelledGraph
    >>> chain = LabelledGraph((0, 1, 2), ("a", "b", "c"), (Edge(0, 1), Edge(1, 2)))
    >>> model = base_model([chain])
    >>> chain in model, LabelledGraph((0, 1), ("a", "b"), (Edge(1, 0),)) in model
    (True, False)
    """

    forward: TreeAutomaton
    backward: TreeAutomaton
    types: frozenset[Type]

    def __contains__(self, graph: LabelledGraph) -> bool:
        return not self.misfits(graph)

    def misfits(self, graph: LabelledGraph) -> tuple[Misfit, ...]:
        """The vertices that do not fit, causes first; empty for a member. InputError for a cyclic graph."""
        dag = Dag.of([graph])
        forward, backward = self.runs(dag)
        found: list[Misfit] = []
        for vertex in (vertex for level in dag.forward for vertex in level):
            pair = forward[vertex], backward[vertex]
            stuck = {
                "predecessors": pair[0] is None
                and all(forward[source] is not None for _, source in dag.sources[vertex]),
                "successors": pair[1] is None
                and all(backward[target] is not None for _, target in dag.targets[vertex]),
                "type": None not in pair and pair not in self.types,
            }
            found += [
                Misfit(graph.nodes[vertex], graph.labels[vertex], part) for part, is_stuck in stuck.items() if is_stuck
            ]
        return tuple(found)

    def runs(self, dag: Dag) -> tuple[list[int | None], list[int | None]]:
        """The state of every vertex in T and in T'; None without a transition, and for what hangs on it."""
        forward = _run(self.forward, dag.labels, dag.sources, dag.forward)
        return forward, _run(self.backward, dag.labels, dag.targets, dag.backward)

    def vertex_types(self, graphs: Iterable[LabelledGraph]) -> list[Type] | None:
        """The type of every vertex, graphs in order; None if one is not a member."""
        runs = self.runs(Dag.of(graphs))
        pairs = [(f, b) for f, b in zip(*runs, strict=True) if f is not None and b is not None]
        return pairs if len(pairs) == len(runs[0]) and self.types.issuperset(pairs) else None

    def alphabet(self) -> tuple[int, int]:
        """|L| and |E|: the numbers of vertex labels and edge labels."""
        lefts = [rule.left for rule in self.forward.rules]
        return len({left.label for left in lefts}), len({source.relation for left in lefts for source in left.sources})

    def bits(self) -> float:
        """D(M)."""
        return combined_bits(self.forward.tally(), self.backward.tally(), len(self.types), *self.alphabet())

    def total_bits(self, graphs: Iterable[LabelledGraph]) -> float:
        """D(M) + D(g | M) with g the disjoint union of `graphs`; infinite if one is not a member."""
        types = self.vertex_types(graphs)
        if types is None:
            return math.inf
        forward, backward = self.forward.tally(f for f, _ in types), self.backward.tally(b for _, b in types)
        return combined_bits(forward, backward, len(self.types), *self.alphabet())

    def merged(self, one: Type, other: Type) -> PublishedModel:
        """The model with two of its types, of one label, merged in T and in T'."""
        if not self.compatible(one, other):
            raise ValueError(f"types {one} and {other} have different labels")
        forward, forward_names = self.forward.merged(one[0], other[0])
        backward, backward_names = self.backward.merged(one[1], other[1])
        types = frozenset((forward_names[f], backward_names[b]) for f, b in self.types)
        return PublishedModel(forward, backward, types)

    def compatible(self, one: Type, other: Type) -> bool:
        """Whether two types may merge: their vertices have one label."""
        return self.forward.labels[one[0]] == self.forward.labels[other[0]]

    def to_value(self) -> dict[str, object]:
        """The model as JSON data; the same model gives the same value."""

        def rules(automaton: TreeAutomaton) -> list[object]:
            return [[[left.label, [list(source) for source in left.sources]], state] for left, state in automaton.rules]

        types = [list(pair) for pair in sorted(self.types)]
        return {"format": FORMAT, "forward": rules(self.forward), "backward": rules(self.backward), "types": types}


def base_model(graphs: Iterable[LabelledGraph], *, counted: bool = True) -> PublishedModel:
    """One state per distinct (multiset, label), each way, over the disjoint union; InputError for a cyclic graph.

    Sets take the place of multisets where multiplicities are not `counted`.
    """
    dag = Dag.of(graphs)
    forward, f = _base(dag.labels, dag.sources, dag.forward, counted)
    backward, b = _base(dag.labels, dag.targets, dag.backward, counted)
    return PublishedModel(forward, backward, frozenset(zip(f, b, strict=True)))


def left_of(label: str, arcs: Mapping[tuple[str, int], int], counted: bool = True) -> Left:
    """The left side for a label and the number of edges per (edge label, state); each 1 if not `counted`."""
    found = (Source(relation, state, times if counted else 1) for (relation, state), times in arcs.items())
    return Left(label, tuple(sorted(found)))


def renamed_left(left: Left, names: Sequence[int], counted: bool = True) -> Left:
    """`left` with its states renamed; sources that become equal add up, or are one if not `counted`."""
    arcs: Counter[tuple[str, int]] = Counter()
    for relation, state, times in left.sources:
        arcs[relation, names[state]] += times
    return left_of(left.label, arcs, counted)


def _base(
    labels: Sequence[str], arcs: Arcs, order: Sequence[Sequence[int]], counted: bool
) -> tuple[TreeAutomaton, list[int]]:
    states = [0] * len(labels)
    table: dict[Left, int] = {}
    for level in order:
        lefts = {
            vertex: left_of(
                labels[vertex], Counter((relation, states[other]) for relation, other in arcs[vertex]), counted
            )
            for vertex in level
        }
        for left in sorted(set(lefts.values())):
            table[left] = len(table)
        for vertex, left in lefts.items():
            states[vertex] = table[left]
    return TreeAutomaton(tuple(Rule(*item) for item in sorted(table.items())), counted), states


def _run(
    automaton: TreeAutomaton, labels: Sequence[str], arcs: Arcs, order: Sequence[Sequence[int]]
) -> list[int | None]:
    states: list[int | None] = [None] * len(labels)
    for vertex in (vertex for level in order for vertex in level):
        counts: Counter[tuple[str, int]] = Counter()
        for relation, other in arcs[vertex]:
            state = states[other]
            if state is None:
                break
            counts[relation, state] += 1
        else:
            states[vertex] = automaton.table.get(left_of(labels[vertex], counts, automaton.counted))
    return states


def from_value(value: object, file: str, *, counted: bool = True) -> PublishedModel:
    """The model that `to_value` wrote; InputError if it is not one. Whether it counts is not in it."""
    try:
        stored = msgspec.convert(value, _Stored)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise InputError("not a published model", file=file, offending=str(error), hint=WRITTEN_BY) from None
    forward = _checked("forward", stored.forward, file, counted)
    backward = _checked("backward", stored.backward, file, counted)
    names = forward.labels, backward.labels
    for position, (f, b) in enumerate(stored.types):
        if not (f < len(names[0]) and b < len(names[1]) and names[0][f] == names[1][b]):
            message = f"types[{position}] is not two states of one label"
            raise InputError(message, file=file, offending=f"[{f}, {b}]", hint=WRITTEN_BY)
    return PublishedModel(forward, backward, frozenset(stored.types))


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal["winnower-published-model"]
    forward: tuple[Rule, ...]
    backward: tuple[Rule, ...]
    types: tuple[tuple[Count, Count], ...]


def _checked(side: str, rules: tuple[Rule, ...], file: str, counted: bool) -> TreeAutomaton:
    """The automaton of stored rules, if they keep this file's invariants."""
    labels: dict[int, str] = {}
    for rule in rules:
        labels.setdefault(rule.state, rule.left.label)
    seen: set[Left] = set()
    for position, rule in enumerate(rules):
        left = rule.left
        proper = left == left_of(left.label, {(s.relation, s.state): s.times for s in left.sources}, counted)
        known = rule.state < len(labels) and all(s.state in labels and s.times > 0 for s in left.sources)
        if left in seen or not proper or not known or labels[rule.state] != left.label:
            message = f"{side}[{position}] is not a transition of a model"
            raise InputError(message, file=file, offending=left.label, hint=WRITTEN_BY)
        seen.add(left)
    return TreeAutomaton(tuple(sorted(rules)), counted)
