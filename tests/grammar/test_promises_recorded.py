"""The promises of design section 3 over real audit logs: the first 6 MB of every worker of `web` and `portal`.

A vertex that moves to another state (a unit's first file) is judged in its last one. Skipped where there are no
recordings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import pytest

from agent.containers import Container, Containers
from agent.epochs import Epoch
from agent.pipeline import Pipeline
from agent.recording import open_recording, read_log
from agent.upg import KINDS_OF_EDGE, Scope
from grammar import (
    Delta,
    Edge,
    Evidence,
    Graph,
    Lexicon,
    Model,
    Span,
    State,
    apply_extension,
    decode_delta,
    encode_delta,
    encode_extension,
    encode_model,
)

SIZE = 6 << 20
CHUNK = 1 << 16


@dataclass(frozen=True)
class Slice:
    """The beginning of one worker's log."""

    worker: str
    log: bytes
    containers: tuple[Container, ...]


@dataclass
class Instance:
    """One container's graph as it grows; `old` and `used` say what an epoch began with."""

    scope: Scope
    states: list[int] = field(default_factory=list)
    edges: list[tuple[int, int, int]] = field(default_factory=list)
    cut: int = 0

    def state(self, number: int) -> State:
        return State(*self.scope.states.states[self.states[number - 1]])

    def graph(self, first: int = 0) -> Graph:
        """With final states; only the edges from `first` on and their ends, if it is not 0."""
        edges = self.edges[first:]
        numbers = sorted({n for e, _, c in edges for n in (e, c)}) if first else range(1, len(self.states) + 1)
        at = {number: position for position, number in enumerate(numbers)}
        vertices = tuple(self.state(number) for number in numbers)
        return Graph(vertices, tuple(Edge(at[e], *KINDS_OF_EDGE[kind], at[c]) for e, kind, c in edges))


@dataclass
class Instances:
    """A recorder of all containers of one worker; what moved or stands alone in an epoch is in `touched`."""

    of: dict[str, Instance] = field(default_factory=dict)

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        instance = self.of.setdefault(scope.container, Instance(scope))
        assert number == len(instance.states) + 1
        instance.states.append(-1)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        self.of[scope.container].states[number - 1] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        self.of[scope.container].edges.append((effect, kind, cause))


@cache
def slices(folder: Path) -> tuple[Slice, ...]:
    recording = open_recording(folder)
    found = []
    for worker, path in recording.logs.items():
        log = b""
        for chunk in read_log(path):
            log += chunk
            if len(log) >= SIZE:
                break
        found.append(Slice(worker, log[:SIZE], tuple(recording.containers.get(worker, ()))))
    return tuple(found)


@pytest.fixture(params=["web", "portal"], scope="module")
def workers(request: pytest.FixtureRequest, shared: Path) -> tuple[Slice, ...]:
    folder = shared / "recordings" / request.param
    if not folder.is_dir():
        pytest.skip(f"no recording {request.param} in `shared`")
    return slices(folder)


def run(one: Slice, millis: int, chunk: int = CHUNK, recorder: Instances | None = None) -> Iterator[Epoch]:
    pipeline = Pipeline(Containers.of(one.containers), millis, recorder=recorder)
    for at in range(0, len(one.log), chunk):
        yield from pipeline.feed(one.log[at : at + chunk])
    yield from pipeline.finish()


def evidences(workers: tuple[Slice, ...], millis: int) -> dict[str, list[Evidence]]:
    """What every epoch of every worker adds, by application."""
    found: dict[str, list[Evidence]] = {}
    for one in workers:
        for epoch in run(one, millis):
            for app, delta in epoch.deltas.items():
                found.setdefault(app, []).append(delta.evidence(one.worker, Span(epoch.start, epoch.start)))
    return found


def merged(parts: list[Evidence]) -> Evidence:
    whole = Evidence()
    for part in parts:
        whole.update(part)
    return whole


def bits_of(labels: set[str], number: dict[str, int]) -> int:
    return sum(1 << number.setdefault(label, len(number)) for label in labels)


def check_recall(graph: Graph, model: Model) -> None:
    """The labels of time-respecting ancestors are among those of the state's ancestors; label sets are bits."""
    number: dict[str, int] = {}
    image = [model.state_of(state) for state in graph.vertices]
    own = [bits_of({state.label}, number) for state in image]
    known = [0] * len(image)
    for edge in graph.edges:
        known[edge.effect] |= known[edge.cause] | own[edge.cause]
    answers = {state: bits_of({one.label for one in model.ancestors(state)}, number) for state in set(image)}
    assert all(not truth & ~answers[state] for state, truth in zip(image, known, strict=True))


def test_p1_nothing_seen_is_lost(workers: tuple[Slice, ...]) -> None:
    """Every container's graph is a member of its application's model, and tracing recall in it is exactly 1."""
    recorders, parts = [], {}
    for one in workers:
        recorder = Instances()
        recorders.append(recorder)
        for epoch in run(one, 10_000, recorder=recorder):
            for app, delta in epoch.deltas.items():
                parts.setdefault(app, []).append(delta.evidence(one.worker, Span(epoch.start, epoch.start)))
    models = {app: Model.of(app, merged(found)) for app, found in parts.items()}
    seen = 0
    for recorder in recorders:
        for instance in recorder.of.values():
            graph, model = instance.graph(), models[instance.scope.app]
            assert list(model.misfits(graph)) == []
            check_recall(graph, model)
            seen += len(graph.edges)
    assert seen > 1000


def test_p3_same_evidence_same_bytes(workers: tuple[Slice, ...]) -> None:
    """The models are the same bytes whatever the order, the batching and the repetition of the deltas."""
    for app, parts in evidences(workers, 10_000).items():
        expected = encode_model(Model.of(app, merged(parts)))
        shuffled = parts + parts[::3]
        Random(7).shuffle(shuffled)
        model = Model.of(app, Evidence())
        for at in range(0, len(shuffled), 5):
            model |= merged(shuffled[at : at + 5])
        assert encode_model(model) == expected


def test_p3_the_protocol_leaves_no_trace(workers: tuple[Slice, ...]) -> None:
    """Agents that ask for words now and then, and deltas that arrive twice and late, end in the same bytes."""
    monitor: dict[str, Lexicon] = {}
    agents: dict[tuple[str, str], Lexicon] = {}
    sent: list[tuple[str, str, int, bytes]] = []
    expected: dict[str, Evidence] = {}
    found: dict[str, Evidence] = {}
    epochs = [(one, epoch) for one in workers for epoch in run(one, 1000)]
    for turn, (one, epoch) in enumerate(epochs):
        for app, delta in epoch.deltas.items():
            words, own = monitor.setdefault(app, Lexicon()), agents.setdefault((one.worker, app), Lexicon())
            if turn % 3 == 0:
                apply_extension(own, encode_extension(words, own.revision))
            span = Span(epoch.start, epoch.start)
            expected.setdefault(app, Evidence()).update(delta.evidence(one.worker, span))
            sent.append((one.worker, app, epoch.start, encode_delta(delta, own)))
            if turn % 4:
                words.extend(delta.states, delta.transitions)
    sent += sent[::2]
    Random(7).shuffle(sent)
    for worker, app, start, data in sent:
        delta = decode_delta(data, monitor[app])
        monitor[app].extend(delta.states, delta.transitions)
        found.setdefault(app, Evidence()).update(delta.evidence(worker, Span(start, start)))
    for app, evidence in expected.items():
        assert encode_model(Model.of(app, found[app])) == encode_model(Model.of(app, evidence))


def test_p4_a_delta_is_exact(workers: tuple[Slice, ...]) -> None:
    """An epoch's graph is accepted with its delta and not without; a container without a sighting is a member."""
    deltas = 0
    for one in workers[:2]:
        recorder = Instances()
        shown: dict[str, Evidence] = {}
        for epoch in run(one, 250, recorder=recorder):
            for name, instance in recorder.of.items():
                before = shown.get(name, Evidence())
                added = added_by(epoch, instance)
                after = shown[name] = before | added
                graph = instance.graph(instance.cut)
                assert graph in Model.of("app", after)
                assert (graph in Model.of("app", before)) == (not added)
                instance.cut = len(instance.edges)
                deltas += bool(added)
    assert deltas > 3


def added_by(epoch: Epoch, instance: Instance) -> Evidence:
    """What the epoch's delta says of one container."""
    delta = epoch.deltas.get(instance.scope.app, Delta(()))
    mine = tuple(sighting for sighting in delta.sightings if sighting.container == instance.scope.container)
    return Delta(mine, learned=delta.learned if mine else ()).evidence("w", Span(0, 0))


def test_p4_one_second_and_ten_second_epochs_end_in_the_same_model(workers: tuple[Slice, ...]) -> None:
    """However time is cut, the models have the same states, transitions and replicas of each."""
    short, long = evidences(workers, 1_000), evidences(workers, 10_000)
    assert set(short) == set(long)
    for app, parts in short.items():
        one, two = Model.of(app, merged(parts)), Model.of(app, merged(long[app]))
        assert {item: set(held) for item, held in one.support.items()} == {i: set(h) for i, h in two.support.items()}
        assert one.ids == two.ids


def test_p6_twice_the_same_bytes_however_they_are_fed(workers: tuple[Slice, ...]) -> None:
    """The same log gives the same encoded deltas, epoch by epoch, in chunks of any size."""
    one = workers[-1]

    def told(chunk: int) -> list[tuple[int, int, str, bytes]]:
        return [
            (epoch.start, epoch.events, app, encode_delta(delta, Lexicon()))
            for epoch in run(one, 1_000, chunk)
            for app, delta in sorted(epoch.deltas.items())
        ]

    first = told(CHUNK)
    assert first
    assert told(CHUNK) == first
    assert told(777) == first
    assert told(SIZE) == first


def test_models_stay_small(workers: tuple[Slice, ...]) -> None:
    """An encoded model of an application is a few kilobytes (all replicas' support included)."""
    for app, parts in evidences(workers, 10_000).items():
        assert len(encode_model(Model.of(app, merged(parts)))) < 64_000
