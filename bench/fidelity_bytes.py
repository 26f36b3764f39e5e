"""What a graph takes as a model's bytes: any merging of the instance graph, written as our own models are.

Rules of this file
    - One rule for all graphs, ours included: a state is a label and its context; who has shown it, since when and how
      often (log2) comes from the instance graph. Example command lines are in no graph.
    - Ours keeps the contexts that it has. The classes of other graphs are numbered in order of appearance, which
      compresses better than our fingerprints; a class that is the only one of its label needs no number.

Invariant: `size` is the length of `grammar.encode_model`: compressed, with support.
Complexity: O((V + E) log E).
Source: `grammar.codec`; design section 2 (model).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from fidelity_graphs import Grammar, Instance, Labels

from grammar import Item, Model, Replica, Span, State, Transition, encode_model

EPOCH: Final = 10_000
"""Times are those of epochs, in milliseconds."""

Support = dict[Item, dict[Replica, Span]]


def numbered(labels: Labels, instance: Instance, classes: Sequence[int]) -> list[State]:
    """A state for each class (0, 1, …) of the instance graph's vertices."""
    texts = list(labels.numbers)
    label_of = dict(zip(classes, instance.labels, strict=True))
    many = Counter(label_of.values())
    return [State(texts[label], (f"#{one:08x}",) if many[label] > 1 else ()) for one, label in sorted(label_of.items())]


def named(labels: Labels, model: Grammar) -> list[State]:
    """The states of a dumped model."""
    texts = list(labels.numbers)
    return [State(texts[label], context) for label, context in zip(model.labels, model.contexts, strict=True)]


def size(app: str, instance: Instance, states: Sequence[State]) -> int:
    """Bytes of the instance graph as a model, where `states` has the state of each vertex."""
    return len(encode_model(model_of(app, instance, states)))


def model_of(app: str, instance: Instance, states: Sequence[State]) -> Model:
    """The model that the merged instance graph is."""
    replicas = [_replica(name) for name in instance.names]
    times: list[float | None] = [None] * len(states)
    support: Support = {}
    for edge in instance.edges:  # in order of time
        for end in (edge.effect, edge.cause):
            times[end] = edge.time if times[end] is None else times[end]
        moved = Transition(states[edge.effect], *edge.kind, states[edge.cause])
        epoch = _epoch(edge.time)
        support.setdefault(moved, {}).setdefault(replicas[edge.effect], Span(epoch, epoch))
    began = instance.edges[0].time if instance.edges else 0.0
    seen: dict[tuple[State, Replica], list[float]] = {}
    for state, replica, time in zip(states, replicas, times, strict=True):
        seen.setdefault((state, replica), []).append(began if time is None else time)
    for (state, replica), shown in seen.items():
        shown.sort()
        level = len(shown).bit_length() - 1
        support.setdefault(state, {})[replica] = Span(_epoch(shown[0]), _epoch(shown[(1 << level) - 1]), level)
    for item in [item for item in support if isinstance(item, Transition)]:
        _shown_with(support, item)
    return Model(app, support)


def _shown_with(support: Support, item: Transition) -> None:
    """Whoever has shown a transition has shown its states."""
    for replica, span in support[item].items():
        for state in (item.effect, item.cause):
            held = support[state]
            held[replica] = held[replica].joined(span) if replica in held else span


def _epoch(seconds: float) -> int:
    return max(0, int(seconds * 1000)) // EPOCH * EPOCH


def _replica(name: str) -> Replica:
    """Worker and container from a vertex's id, `worker/container/number`."""
    worker, _, rest = name.partition("/")
    return Replica(worker, rest.rpartition("/")[0])
