"""A model is a function of its evidence; membership, union, difference and order are those of a language."""

from time import process_time

from hypothesis import given
from strategies import evidences, graphs

from grammar import Edge, Evidence, Graph, Model, Replica, Span, State, Transition, encode_model, state_id

SHELL, PASSWD, SHADOW = State("Process sh /bin/sh"), State("File /etc/passwd"), State("File /etc/shadow")
READS = Transition(SHELL, "USED", "read", PASSWD)
WEB1, WEB2, NOW = Replica("w1", "web1"), Replica("w2", "web2"), Span(1, 1)


def chain(*states: State) -> Model:
    """Each state reads the next."""
    graph = Graph(states, tuple(Edge(n, "USED", "read", n + 1) for n in range(len(states) - 1)))
    return Model.of("app", graph.observed(WEB1, NOW))


def test_misfits_are_the_culprits_only() -> None:
    graph = Graph(
        (SHELL, PASSWD, SHADOW),
        (
            Edge(0, "USED", "read", 1),
            Edge(0, "USED", "write", 1),
            Edge(0, "USED", "read", 2),
            Edge(1, "USED", "read", 0),
        ),
    )
    model = chain(SHELL, PASSWD)
    assert graph not in model
    assert list(model.misfits(graph)) == [2, graph.edges[1], graph.edges[2], graph.edges[3]]
    assert Graph(graph.vertices[:2], graph.edges[:1]) in model


def test_a_context_makes_another_state() -> None:
    other = State(SHELL.label, ("from Process sshd /usr/sbin/sshd",))
    assert Graph((other,)) not in chain(SHELL, PASSWD)
    assert state_id("app", other) != state_id("app", SHELL) != state_id("other", SHELL)


def test_ids_do_not_depend_on_how_text_is_cut() -> None:
    assert state_id("ab", State("c")) != state_id("a", State("bc"))
    assert state_id("a", State("b", ("c", "d"))) != state_id("a", State("b", ("cd",)))
    assert len(state_id("a", State("\udcff"))) == 16


def test_ancestors_come_nearest_first_and_stop_at_the_depth() -> None:
    model = chain(SHELL, PASSWD, SHADOW)
    assert model.ancestors(SHELL) == {PASSWD: 1, SHADOW: 2}
    assert list(model.ancestors(SHELL)) == [PASSWD, SHADOW]
    assert model.ancestors(SHELL, depth=1) == {PASSWD: 1}
    assert model.ancestors(SHELL, depth=0) == {}
    assert model.descendants(SHADOW) == {PASSWD: 1, SHELL: 2}


def test_a_state_is_its_own_ancestor_only_on_a_cycle() -> None:
    assert chain(SHELL, PASSWD, SHELL).ancestors(SHELL) == {PASSWD: 1, SHELL: 2}
    assert chain(SHELL, SHELL).ancestors(SHELL) == {SHELL: 1}
    assert SHELL not in chain(SHELL, PASSWD, PASSWD).ancestors(SHELL)


def test_states_that_become_equal_share_support() -> None:
    evidence = Evidence(learned={"File /tmp/sess_{token:3}"})
    evidence.add(State("File /tmp/sess_abc"), WEB1, Span(1, 2))
    evidence.add(State("File /tmp/sess_xyz"), WEB1, Span(5, 6))
    evidence.add(State("File /tmp/sess_xyz"), WEB2, NOW)
    model = Model.of("app", evidence)
    assert model.support == {State("File /tmp/sess_{token:3}"): {WEB1: Span(1, 6), WEB2: NOW}}
    assert Graph((State("File /tmp/sess_new"),)) in model


def test_overlapping_patterns_may_come_in_any_order() -> None:
    """A model that has generalised a name by one pattern must still take the better one that comes later."""
    names, wide, narrow = (
        Evidence(),
        Evidence(learned={"File /tmp/{token:8}"}),
        Evidence(learned={"File /tmp/sess_{any}"}),
    )
    names.add(State("File /tmp/sessabcd"), WEB1, NOW)
    names.add(State("File /tmp/sess_abc"), WEB1, NOW)
    whole = Model.of("app", names | wide | narrow)
    assert Model.of("app", names) | wide | narrow == Model.of("app", names) | narrow | wide == whole


def test_a_command_waits_for_its_state() -> None:
    told, shown = Evidence(commands={SHELL: "sh -c id"}), Evidence({READS: {WEB1: NOW}})
    early = Model.of("app", told)
    assert encode_model(early)
    assert dict(early.commands) == {}
    assert dict((early | shown).commands) == {SHELL: "sh -c id"}


@given(evidences(), evidences())
def test_a_union_is_the_model_of_all_evidence(a: Evidence, b: Evidence) -> None:
    """`Model.of(a) | b == Model.of(a | b)`, in whichever order and however often."""
    whole = Model.of("app", a | b)
    assert Model.of("app", a) | b == Model.of("app", b) | a == whole
    assert whole | a | b | Evidence() == whole
    assert Model.of("app", whole.evidence) == whole


@given(evidences(), evidences())
def test_difference_and_order_agree(one: Evidence, two: Evidence) -> None:
    """`a - b` are the items of a that b lacks; `a <= b` says there are none; equal models are below one another."""
    a, b = Model.of("app", one), Model.of("app", two)
    assert a - b == frozenset(a.support) - frozenset(b.support)
    assert (a <= b) == (not a - b)
    assert a == Model.of("app", one)
    if a == b:
        assert a <= b <= a


@given(evidences(), graphs())
def test_a_union_accepts_what_its_parts_accept(evidence: Evidence, graph: Graph) -> None:
    """A graph is a member of every model whose evidence includes it, and then nothing of it is a misfit."""
    model = Model.of("app", evidence)
    merged = model | graph.observed(WEB1, NOW)
    assert graph in merged
    assert list(merged.misfits(graph)) == []
    assert (graph in model) == (not list(model.misfits(graph)))


@given(evidences(), graphs())
def test_misfits_are_what_the_model_lacks(evidence: Evidence, graph: Graph) -> None:
    """Taking away the vertices and edges that do not fit, and the edges at those vertices, leaves a member."""
    model = Model.of("app", evidence)
    wrong = set(model.misfits(graph))
    kept = [position for position in range(len(graph.vertices)) if position not in wrong]
    moved = {old: new for new, old in enumerate(kept)}
    edges = [edge for edge in graph.edges if edge not in wrong]
    rest = Graph(
        tuple(graph.vertices[position] for position in kept),
        tuple(Edge(moved[edge.effect], edge.relation, edge.operation, moved[edge.cause]) for edge in edges),
    )
    assert rest in model


def test_making_and_encoding_a_model_of_web_size_takes_under_50_ms() -> None:
    """300 states, 500 transitions, 8 replicas: what the recording `web` comes to (best of five, CPU time)."""
    states = [State(f"File /usr/lib/x{n % 97}/lib{n}.so.{{int}}", ("from Process sh /bin/sh",)) for n in range(300)]
    evidence = Evidence(learned={"File /tmp/sess_{token:26}"})
    for n in range(500):
        item = Transition(states[n % 300], "USED", "read" if n < 300 else "map", states[(n * 7 + 1) % 300])
        for k in range(8):
            evidence.add(
                item, Replica(f"worker{k // 2}", f"web{k}"), Span(1_700_000_000_000 + n, 1_700_000_000_000 + n + k)
            )

    def seconds() -> float:
        begun = process_time()
        encode_model(Model.of("web", evidence))
        return process_time() - begun

    assert min(seconds() for _ in range(5)) < 0.05
