"""The promises of design section 3 that the grammar keeps, over generated graphs: driven through `agent.upg`, or any.

Each property states its promise in one sentence first. The same over the recordings: `test_promises_recorded.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from strategies import LEARNED, REPLICAS, SPANS, deltas, evidences, graphs

from agent.containers import Container, Containers
from agent.epochs import Epochs
from agent.node import Node
from agent.upg import EDGE, KINDS_OF_EDGE, Actor, Artifact, Scope
from grammar import (
    Delta,
    Edge,
    Evidence,
    Graph,
    Lexicon,
    Model,
    Replica,
    Revision,
    Settings,
    Sighting,
    Span,
    State,
    apply_extension,
    decode_delta,
    encode_delta,
    encode_extension,
    encode_model,
)

REPLICA, NOW = Replica("w1", "web1"), Span(0, 1)
TAKES = [EDGE["USED", "read"], EDGE["USED", "execve"]]
GIVES = [EDGE["WAS_GENERATED_BY", "write"], EDGE["WAS_GENERATED_BY", "connect"]]
FORK, SIGNAL, UNIT = (EDGE["WAS_TRIGGERED_BY", name] for name in ("fork", "kill", "unit"))
RENAME = EDGE["WAS_DERIVED_FROM", "rename"]
NAMES = ["/tmp/sess_abc", "/tmp/sess_xyz", "/etc/passwd"]
PATTERN = "/tmp/sess_{token:3}"


@dataclass
class Seen:
    """A recorder: vertices with their states, edges in event order with monotone times."""

    labels: dict[int, str] = field(default_factory=dict)
    states: dict[int, int] = field(default_factory=dict)
    edges: list[tuple[int, int, int, int]] = field(default_factory=list)
    _sealed: list[int] = field(default_factory=list)
    _told: int = 0

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        self.labels[number] = label

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        self.states[number] = state
        self._sealed.append(number)

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        self.edges.append((effect, kind, cause, millis))

    def graph(self, scope: Scope) -> Graph:
        """The instance graph with final states."""
        position = {number: at for at, number in enumerate(self.states)}
        vertices = tuple(State(*scope.states.states[state]) for state in self.states.values())
        edges = (Edge(position[e], *KINDS_OF_EDGE[kind], position[c]) for e, kind, c, _ in self.edges)
        return Graph(vertices, tuple(edges))

    def cut(self, scope: Scope) -> Graph:
        """What has happened since the last cut: vertices sealed since then, edges and their ends."""
        edges, self._told = self.edges[self._told :], len(self.edges)
        position = {
            n: at for at, n in enumerate(dict.fromkeys([*self._sealed, *(n for e in edges for n in (e[0], e[2]))]))
        }
        self._sealed = []
        vertices = tuple(State(*scope.states.states[self.states[number]]) for number in position)
        return Graph(vertices, tuple(Edge(position[e], *KINDS_OF_EDGE[kind], position[c]) for e, kind, c, _ in edges))


Move = tuple[int, int, int, int]
MOVES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), max_size=40)


class World:
    """A few processes, units, files and pipes of one container; `do` turns four small numbers into an event."""

    def __init__(self, *more: str, name: str = "web1") -> None:
        self.seen = Seen()
        self.node = Node(Containers.of(()), recorder=self.seen)
        self.scope = self.node.scope(Container("0" * 64, name, "app", 0))
        self.actors: list[Actor] = []
        self._actor("Process init /sbin/init", ())
        files = [Artifact("File", f"File {path}", path) for path in (*NAMES, *more)]
        self.artifacts = [*files, Artifact("Pipe", "Pipe", "pipe"), Artifact("Socket", "Socket a:1>", "a")]
        self.artifacts.append(Artifact("File", "File /dev/null", "null", inert=True))

    def _actor(self, label: str, context: tuple[str, ...]) -> Actor:
        actor = Actor(label, context, label, self.scope.vertex(label, context, label))
        self.actors.append(actor)
        return actor

    def do(self, move: Move) -> None:
        what, first, second, third = move
        actor, other = (self.actors[number % len(self.actors)] for number in (first, second))
        artifact, target = (self.artifacts[number % len(self.artifacts)] for number in (second, third))
        self.scope.clock.millis += third
        if what in (0, 1, 2, 3, 4):
            self._flow(what, actor, artifact, target, third)
        else:
            self._start(what, actor, other, third)

    def _flow(self, what: int, actor: Actor, artifact: Artifact, target: Artifact, how: int) -> None:
        if what <= 1:
            self.scope.take(artifact, actor, TAKES[how % 2])
        elif what <= 3:
            self.scope.give(artifact, actor, GIVES[how % 2])
        elif artifact is not target:
            self.scope.derive(target, artifact, actor, RENAME)

    def _start(self, what: int, actor: Actor, other: Actor, how: int) -> None:
        if what == 5:
            self.scope.trigger(actor, SIGNAL, other.vertex)
        elif what == 6:
            self.scope.renew(actor)
        elif what == 7:
            child = self._actor(f"Process p{how} /bin/p{how}", (f"from {actor.label}",))
            self.scope.trigger(child, FORK, actor.vertex)
        elif what == 8:
            unit = self._actor(actor.label, (*actor.context[:3], f"unit Socket {how}"))
            self.scope.edge(unit.vertex, UNIT, actor.vertex)


def known_labels(graph: Graph, labels: Sequence[str]) -> list[set[str]]:
    """The labels of every vertex's time-respecting ancestors; edges stand in event order."""
    known: list[set[str]] = [set() for _ in graph.vertices]
    for edge in graph.edges:
        known[edge.effect] |= known[edge.cause] | {labels[edge.cause]}
    return known


def check_nothing_is_lost(graph: Graph, model: Model) -> None:
    """Membership, a label-preserving homomorphism into the model, and tracing recall 1."""
    assert graph in model
    image = [model.state_of(state) for state in graph.vertices]
    labels = [model.relabel(state.label) for state in graph.vertices]
    assert [state.label for state in image] == labels
    transitions = set(model.transitions)
    for edge in graph.edges:
        mapped = (image[edge.effect], edge.relation, edge.operation, image[edge.cause])
        assert mapped in transitions
    answers = {state: {one.label for one in model.ancestors(state)} for state in set(image)}
    for state, known in zip(image, known_labels(graph, labels), strict=True):
        assert known <= answers[state]


def evidence_of(deltas: Sequence[Delta]) -> Evidence:
    found = Evidence()
    for delta in deltas:
        found.update(delta.evidence("w1", NOW))
    return found


@given(MOVES, st.sets(LEARNED))
def test_p1_nothing_seen_is_lost(moves: list[Move], learned: set[str]) -> None:
    """Every instance graph is a member of the model of its own evidence, and tracing recall in it is exactly 1."""
    world = World(PATTERN)
    for move in moves:
        world.do(move)
    epoch = Epochs(world.node, 1000).close(0, 0, {})
    evidence = evidence_of(list(epoch.deltas.values()))
    graph = world.seen.graph(world.scope)
    for model in (Model.of("app", evidence), Model.of("app", evidence | Evidence(learned=learned))):
        check_nothing_is_lost(graph, model)
        for tracing in (0, 1, 64):
            check_nothing_is_lost(graph, model.folded(Settings(tracing=tracing)))


@given(graphs(), evidences(), st.sets(LEARNED), st.sampled_from([0.0, 1.0, 64.0, inf]))
def test_p1_nothing_is_lost_of_any_graph(graph: Graph, others: Evidence, learned: set[str], tracing: float) -> None:
    """The same of any labelled graph, cyclic or not, among any other evidence and patterns, however it is folded."""
    evidence = graph.observed(REPLICA, NOW) | others | Evidence(learned=learned)
    model = Model.of("app", evidence)
    check_nothing_is_lost(graph, model)
    check_nothing_is_lost(graph, model.folded(Settings(tracing=tracing)))


@given(st.lists(st.tuples(deltas(), REPLICAS, SPANS), max_size=5), st.data())
def test_p3_same_evidence_same_bytes(sent: list[tuple[Delta, Replica, Span]], data: st.DataObject) -> None:
    """The encoded model is the same under any order, any batching and any repetition of the deltas."""
    parts = [delta.evidence(replica.worker, span) for delta, replica, span in sent]
    whole = Evidence()
    for part in parts:
        whole.update(part)
    expected = encode_model(Model.of("app", whole))
    arrivals = data.draw(
        st.permutations(parts + data.draw(st.lists(st.sampled_from(parts), max_size=3)) if parts else [])
    )
    model, batch = Model.of("app", Evidence()), Evidence()
    for part in arrivals:
        batch = batch | part
        if data.draw(st.booleans()):
            model, batch = model | batch, Evidence()
    assert encode_model(model | batch) == expected
    assert encode_model((model | batch).folded()) == encode_model(Model.of("app", whole).folded())


@given(MOVES)
def test_p2_folding_without_loss_answers_exactly(moves: list[Move]) -> None:
    """As long as histories are told apart, a model that is folded without changing an answer has precision 1."""
    world = World()
    for move in moves:
        world.do(move)
    evidence = evidence_of(list(Epochs(world.node, 1000).close(0, 0, {}).deltas.values()))
    model, graph = Model.of("app", evidence).folded(Settings(tracing=inf)), world.seen.graph(world.scope)
    labels = [state.label for state in graph.vertices]
    for state, known in zip(graph.vertices, known_labels(graph, labels), strict=True):
        assert {one.label for one in model.ancestors(model.state_of(state))} == known


@given(
    st.lists(st.tuples(st.integers(0, 2), deltas(), st.integers(0, 3), st.booleans()), max_size=6),
    st.randoms(use_true_random=False),
)
def test_p3_the_protocol_leaves_no_trace(sent: list[tuple[int, Delta, int, bool]], random: Random) -> None:
    """Agents that lag, ask for words or do not, and deltas that come late, twice, out of order: the same bytes."""
    monitor, agents = Lexicon(), [Lexicon() for _ in range(3)]
    expected, evidence = Evidence(), Evidence()
    waiting: list[tuple[bytes, Span, str]] = []
    answers: list[tuple[int, bytes]] = []

    def arrive(data: bytes, span: Span, worker: str) -> None:
        delta = decode_delta(data, monitor)
        monitor.extend(delta.states, delta.transitions)
        evidence.update(delta.evidence(worker, span))

    for turn, (who, delta, how, late) in enumerate(sent):
        span, worker = Span(turn, turn), f"w{who}"
        answer = encode_extension(monitor, agents[who].revision)
        if how == 1:
            apply_extension(agents[who], answer)
        elif how == 2:
            answers.append((who, answer))
        elif how == 3:
            for other, old in answers:
                apply_extension(agents[other], old)
        expected.update(delta.evidence(worker, span))
        one = (encode_delta(delta, agents[who]), span, worker)
        waiting.append(one)
        if not late:
            arrive(*one)
    random.shuffle(waiting)
    for one in waiting:
        arrive(*one)
    assert encode_model(Model.of("app", evidence)) == encode_model(Model.of("app", expected))
    for agent in agents:
        apply_extension(agent, encode_extension(monitor, agent.revision))
        assert agent == monitor


@given(deltas(), deltas())
def test_p3_two_agents_may_add_the_same_words(one: Delta, two: Delta) -> None:
    """Words that two agents spell out at the same time get one number, and both agents learn it."""
    monitor, first, second = Lexicon(), Lexicon(), Lexicon()
    sent = [encode_delta(one, first), encode_delta(two, second), encode_delta(one, second)]
    for data in sent:
        delta = decode_delta(data, monitor)
        monitor.extend(delta.states, delta.transitions)
    for agent in (first, second):
        apply_extension(agent, encode_extension(monitor, Revision()))
        assert agent == monitor
    assert len(set(monitor.texts)) == len(monitor.texts)
    assert set(monitor.states) == one.states | two.states
    assert set(monitor.transitions) == one.transitions | two.transitions


@given(MOVES, st.sets(st.integers(0, 40)))
def test_p4_a_delta_is_exact(moves: list[Move], cuts: set[int]) -> None:
    """An epoch whose graph is a member gives no delta; any other is accepted with its delta, and was not without."""
    world = World()
    epochs = Epochs(world.node, 1000)
    evidence = Evidence()
    for number, move in enumerate([*moves, None]):
        if number in cuts or move is None:
            delta = epochs.close(0, 0, {}).deltas.get("app", Delta(()))
            graph = world.seen.cut(world.scope)
            before = Model.of("app", evidence)
            assert (graph in before) == (not delta)
            assert graph in before | delta.evidence("w1", NOW)
            evidence.update(delta.evidence("w1", NOW))
        if move is not None:
            world.do(move)
    check_nothing_is_lost(world.seen.graph(world.scope), Model.of("app", evidence))


@given(MOVES, st.sets(st.integers(0, 40)), st.data())
def test_p4_cutting_time_differently_gives_the_same_model(
    moves: list[Move], seconds: set[int], data: st.DataObject
) -> None:
    """Wherever epochs of whole seconds end, the models have the same states, transitions and replicas."""
    some, others = (data.draw(st.sets(st.sampled_from(sorted(seconds)))) if seconds else set() for _ in "ab")

    def model(cuts: set[int]) -> Model:
        world = World()
        epochs = Epochs(world.node, 1000)
        told: list[Delta] = []
        for number, move in enumerate(moves):
            if number in seconds:
                world.node.tick()
            if number in cuts:
                told += epochs.close(0, 0, {}).deltas.values()
            world.do(move)
        told += epochs.close(0, 0, {}).deltas.values()
        return Model.of("app", evidence_of(told))

    one, two = model(some), model(others)
    assert one <= two <= one
    assert {item: set(held) for item, held in one.support.items()} == {i: set(h) for i, h in two.support.items()}
    assert one.ids == two.ids


PAGES = ("/srv/p1.html", "/srv/p2.html", "/srv/p33.html", "/srv/q1-2.log", "/srv/q1-3.log", "/srv/plain")
FOREIGN = st.sampled_from(
    ["File /srv/{any}", "File /srv/p{token:1}.html", "File /srv/a{int}", "File /srv/q{int}-2.log"]
)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, len(PAGES) - 1), st.booleans()), max_size=30),
    st.sets(FOREIGN),
)
def test_p4_a_delta_is_exact_where_names_become_numbers(
    steps: list[tuple[bool, int, int, bool]], foreign: set[str]
) -> None:
    """What was told of `p1.html` covers `p{int}.html`: no delta for it, whatever patterns others have learned."""
    world = World()
    for move in ((7, 0, 0, 1), (8, 0, 0, 1)):
        world.do(move)
    epochs, evidence, files = Epochs(world.node, 1000), Evidence(), dict[int, Artifact]()
    for gives, who, page, cut in [*steps, (False, 0, 5, True)]:
        if page not in files:
            path = PAGES[page]
            label = f"File {world.node.abstraction.path(path, 'Process p', 'read')}"
            files[page] = Artifact("File", label, path)
        actor = world.actors[who % len(world.actors)]
        if gives:
            world.scope.give(files[page], actor, GIVES[0])
        else:
            world.scope.take(files[page], actor, TAKES[0])
        if cut:
            delta = epochs.close(0, 0, {}).deltas.get("app", Delta(()))
            graph = world.seen.cut(world.scope)
            assert (graph in Model.of("app", evidence)) == (not delta)
            evidence.update(delta.evidence("w1", NOW))
            assert graph in Model.of("app", evidence)
            assert graph in Model.of("app", evidence | Evidence(learned=foreign))
    everything = Model.of("app", evidence | Evidence(learned=foreign))
    check_nothing_is_lost(world.seen.graph(world.scope), everything)


def test_p4_a_delta_names_only_what_is_new() -> None:
    """The second replica's delta names the same words by number: nobody pays twice for what is shared."""
    lexicon, told = Lexicon(), []
    for name in ("web1", "web2"):
        world = World(name=name)
        for move in [(7, 0, 0, 1), (0, 1, 0, 0), (2, 1, 1, 0)]:
            world.do(move)
        delta = Epochs(world.node, 1000).close(0, 0, {}).deltas["app"]
        told.append(encode_delta(delta, lexicon))
        lexicon.extend(delta.states, delta.transitions)
        assert [type(one) for one in delta.sightings] == [Sighting]
    assert len(told[1]) < len(told[0]) / 4
