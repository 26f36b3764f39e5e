"""Words to learn from: the traces of recorded instance graphs, or the chains of the published vectors.

Rules of this file
    - A word is a path of labels from effect to cause, written as in `grammar.algebra`. Those of a recording begin at a
      vertex that caused nothing and end at one without a cause, or after `length` steps. The many paths that read alike
      are one word, and its count is how many there are. Versions make reachability causality, so time is not asked.
    - The language is prefix-closed, as that of a model is: each prefix of a word is positive too.
    - Every fifth word (in order of text) is held out. No learner sees it, nor a transition that only it shows. Which
      vertices are in one state is the dump's model's word.
    - Nobody has recorded what cannot happen. Negative words are made, with a seed: one symbol of a positive word
      replaced by another ("changed"), or a word that goes on, after a symbol, as another word goes on after that symbol
      ("crossed": each step was seen, the history was not). Those that the instance graph can show, from any vertex, are
      left out; what remains did not happen, though some of it might have. One set is for learning, another for judging.

Complexity: O(distinct prefixes * vertices that show one); refused above `PREFIXES`.
Source: design sections 3 (algebra) and 5 (--dump); ../shared/vectors/README.md.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fidelity import INSTANCE, MODEL, DumpError, load

from grammar import State, Transition
from grammar.algebra import step
from grammar.nodelink import LabelledGraph, from_value

HOLD_OUT: Final = 5
PREFIXES: Final = 400_000
SEED: Final = 20_17
ATTEMPTS: Final = 20
"""Tries for each negative word that is wanted: there may be fewer than wanted, or none."""

Words = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Shown:
    """States and transitions that words have shown, and the states where the words begin; None is anywhere."""

    states: list[State]
    transitions: list[Transition]
    begin: list[State] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What learners get (`train`, `forbidden`, `shown`, `whole`, `graph`) and what they are judged by."""

    name: str
    train: Words
    held_out: Words
    forbidden: Words
    judged: dict[str, Words]
    """Negative words by kind."""
    shown: Shown | None = None
    """What the words of `train` have shown, with contexts."""
    whole: Shown | None = None
    """The model of the dump: it has seen the held-out words too."""
    graph: dict[str, Any] | None = None
    """Node-link: what the published learner learns from."""
    traces: int = 0
    """Paths that the words stand for."""

    @property
    def symbols(self) -> set[str]:
        """The alphabet of the words to learn from."""
        return {symbol for word in self.train for symbol in word}


@dataclass(slots=True)
class Instance:
    """An instance graph by vertex number; `causes[vertex][symbol]` are transitions (by number) and vertices."""

    states: list[State]
    causes: list[dict[str, list[tuple[int, int]]]]
    begin: list[int]
    transitions: list[Transition]
    walks: dict[tuple[str, ...], frozenset[int]] = field(default_factory=dict)

    def shows(self, word: tuple[str, ...]) -> bool:
        """Whether some path, from any vertex, reads like this."""
        return bool(self._walk(word))

    def _walk(self, word: tuple[str, ...]) -> frozenset[int]:
        if word not in self.walks:
            if len(word) == 1:
                found = frozenset(at for at, state in enumerate(self.states) if state.label == word[0])
            else:
                before = self._walk(word[:-1])
                found = frozenset(cause for at in before for _, cause in self.causes[at].get(word[-1], ()))
            self.walks[word] = found
        return self.walks[word]


@dataclass(slots=True)
class Prefix:
    """A node of the tree of words: how many paths end in each vertex, and the transitions of its last step."""

    word: tuple[str, ...]
    parent: int
    ends: Counter[int]
    steps: set[int] = field(default_factory=set)


def model_states(path: Path) -> tuple[dict[str, State], Shown]:
    """The states of a dumped model by id, and all of the model; the id stands for all that tells states apart."""
    nodes, edges = load(path)
    states = {str(node["id"]): State(str(node["label"]), (str(node["id"]),)) for node in nodes}
    transitions = [
        Transition(states[edge["source"]], edge["relation"], edge["operation"], states[edge["target"]])
        for edge in edges
    ]
    return states, Shown(list(states.values()), transitions)


def read_instance(path: Path, by_id: dict[str, State]) -> Instance:
    """The instance graph of a dump, with the model's states."""
    nodes, edges = load(path)
    numbers = {node["id"]: at for at, node in enumerate(nodes)}
    states = [by_id[node["state"]] for node in nodes]
    causes: list[dict[str, list[tuple[int, int]]]] = [{} for _ in nodes]
    known: dict[Transition, int] = {}
    caused = set()
    for edge in edges:
        effect, cause = numbers[edge["source"]], numbers[edge["target"]]
        one = Transition(states[effect], edge["relation"], edge["operation"], states[cause])
        causes[effect].setdefault(step(one), []).append((known.setdefault(one, len(known)), cause))
        caused.add(cause)
    begin = [at for at in range(len(nodes)) if at not in caused]
    return Instance(states, causes, begin, list(known))


def prefixes(instance: Instance, length: int) -> Iterator[list[Prefix]]:
    """The tree of words, level by level; `parent` is the position in the level before."""
    first: dict[str, Counter[int]] = {}
    for vertex in instance.begin:
        first.setdefault(instance.states[vertex].label, Counter())[vertex] += 1
    level, met = [Prefix((label,), -1, ends) for label, ends in sorted(first.items())], 0
    for _ in range(length + 1):
        yield level
        met += len(level)
        if met > PREFIXES:
            raise DumpError(f"more than {PREFIXES:,} different prefixes: choose a smaller --length")
        level = [new for at, prefix in enumerate(level) for new in _longer(instance, at, prefix)]


def _longer(instance: Instance, at: int, prefix: Prefix) -> Iterable[Prefix]:
    found: dict[str, Prefix] = {}
    for vertex, paths in prefix.ends.items():
        for symbol, steps in instance.causes[vertex].items():
            new = found.setdefault(symbol, Prefix((*prefix.word, symbol), at, Counter()))
            for transition, cause in steps:
                new.ends[cause] += paths
                new.steps.add(transition)
    return (found[symbol] for symbol in sorted(found))


def task_of_dump(folder: Path, app: str, length: int, most: int) -> Task:
    """The words of one application of a dump, at most `most` of them, evenly spread."""
    by_id, whole = model_states(folder / f"{app}{MODEL}")
    instance = read_instance(folder / f"{app}{INSTANCE}", by_id)
    levels = list(prefixes(instance, length))
    ending: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for depth, level in enumerate(levels):
        for at, prefix in enumerate(level):
            paths = sum(n for vertex, n in prefix.ends.items() if depth == length or not instance.causes[vertex])
            if paths:
                ending[prefix.word] = (depth, at, paths)
    words = sorted(ending)[:: max(1, -(-len(ending) // max(1, most)))]
    train, held_out = split(words)
    forbidden, judged = negatives(train, held_out, instance.shows)
    return Task(
        app,
        train,
        held_out,
        [word for kind in forbidden.values() for word in kind],
        judged,
        _shown(instance, levels, [ending[word][:2] for word in train]),
        whole,
        traces=sum(ending[word][2] for word in words),
    )


def _shown(instance: Instance, levels: list[list[Prefix]], ends: list[tuple[int, int]]) -> Shown:
    """What the words that end at these nodes of the tree have shown."""
    met: set[tuple[int, int]] = set()
    for depth, position in ends:
        at = (depth, position)
        while at[1] >= 0 and at not in met:
            met.add(at)
            at = (at[0] - 1, levels[at[0]][at[1]].parent)
    transitions = {number for depth, at in met for number in levels[depth][at].steps}
    begin = {instance.states[vertex] for depth, at in met if depth == 0 for vertex in levels[0][at].ends}
    return Shown(sorted(begin), sorted(instance.transitions[number] for number in transitions), sorted(begin))


def split(words: Sequence[tuple[str, ...]]) -> tuple[Words, Words]:
    """Words to learn from, words held out."""
    train = [word for at, word in enumerate(words) if at % HOLD_OUT != HOLD_OUT - 1]
    return train, list(words[HOLD_OUT - 1 :: HOLD_OUT])


def negatives(
    train: Words, held_out: Words, shows: Callable[[tuple[str, ...]], bool]
) -> tuple[dict[str, Words], dict[str, Words]]:
    """Negative words by kind: to learn from (together as many as `train`), and to be judged by."""
    chosen, everything = random.Random(SEED), [*train, *held_out]
    firsts = sorted({word[0] for word in everything})
    steps = sorted({symbol for word in everything for symbol in word[1:]})
    after: dict[str, Words] = {}
    for word in everything:
        for at, symbol in enumerate(word[:-1]):
            after.setdefault(symbol, []).append(word[at + 1 :])

    def changed(word: tuple[str, ...]) -> tuple[str, ...]:
        at = chosen.randrange(len(word))
        return (*word[:at], chosen.choice(steps if at else firsts), *word[at + 1 :])

    def crossed(word: tuple[str, ...]) -> tuple[str, ...]:
        at = chosen.randrange(len(word))
        return (*word[: at + 1], *chosen.choice(after.get(word[at], [()])))[: len(word)]

    used: set[tuple[str, ...]] = set()

    def some(make: Callable[[tuple[str, ...]], tuple[str, ...]], words: Words, many: int) -> Words:
        found: Words = []
        for _ in range(ATTEMPTS * many):
            if len(found) == many:
                break
            new = make(chosen.choice(words))
            if new not in used and not shows(new):
                used.add(new)
                found.append(new)
        return found

    kinds, half, many = {"changed": changed, "crossed": crossed}, -(-len(train) // 2), len(held_out)
    learned = {kind: some(make, train, half) for kind, make in kinds.items()}
    return learned, {kind: some(make, everything, many) for kind, make in kinds.items()}


def tasks_of_vectors(path: Path) -> list[Task]:
    """A task for each published vector: learn from `learn`, held out is `accept`, judged by `reject`."""
    return [_task_of_vector(vector) for vector in json.loads(path.read_bytes())]


def _task_of_vector(vector: dict[str, Any]) -> Task:
    train = chains(from_value(vector["learn"], vector["name"]))
    held_out, rejected = (
        sorted({word for graph in vector[name] for word in chains(from_value(graph, vector["name"]))})
        for name in ("accept", "reject")
    )
    positive = {word[:end] for word in (*train, *held_out) for end in range(1, len(word) + 1)}
    # A rejected graph may differ from the accepted ones in more than its words can say: those are no negatives.
    rejected = [word for word in rejected if word not in positive]
    # Words that cross are none either: joining two chains is what these vectors want to be learned.
    forbidden = negatives(train, held_out, positive.__contains__)[0]["changed"]
    return Task(vector["name"], train, held_out, forbidden, {"rejected": rejected}, graph=vector["learn"])


def chains(graph: LabelledGraph) -> Words:
    """The distinct words of a graph's paths from its sources to its sinks, in the direction of its edges."""
    labels = dict(zip(graph.nodes, graph.labels, strict=True))
    targets = {edge.target for edge in graph.edges}
    found: set[tuple[str, ...]] = set()
    waiting = [((labels[node],), node) for node in graph.nodes if node not in targets]
    while waiting:
        word, node = waiting.pop()
        onward = [edge for edge in graph.edges if edge.source == node]
        for edge in onward:
            one = Transition(State(labels[node]), "", edge.label, State(labels[edge.target]))
            waiting.append(((*word, step(one)), edge.target))
        if not onward:
            found.add(word)
    return sorted(found)
