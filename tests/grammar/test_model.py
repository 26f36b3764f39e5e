"""A model is a function of its evidence; membership, union, difference and order are those of a language.

Folded or not: what a folded model adds is that it is smaller, accepts no less, and answers for base states.
"""

import math
from collections.abc import Callable
from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import LABELS, RELATIONS, REPLICAS, evidences, graphs

import grammar.model
from grammar import Edge, Evidence, Graph, Item, Model, Replica, Span, State, Transition, encode_model, state_id
from grammar.cost import Settings
from grammar.merging import Step

SHELL, PASSWD, SHADOW = State("Process sh /bin/sh"), State("File /etc/passwd"), State("File /etc/shadow")
READS = Transition(SHELL, "USED", "read", PASSWD)
WEB1, WEB2, NOW = Replica("w1", "web1"), Replica("w2", "web2"), Span(1, 1)

CHEAP = Settings(tracing=24)
"""What a bit of an answer costs in these examples of a few states: with the default they would stay as they are."""


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


def test_making_and_encoding_a_model_of_web_size_takes_under_100_ms() -> None:
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

    assert min(seconds() for _ in range(5)) < 0.1


HISTORIES = st.builds(State, LABELS, st.sampled_from(["", "#1", "#2", "#3"]).map(lambda mark: (mark,) if mark else ()))
LEVELS = st.builds(lambda first, level: Span(first, first + 1, level), st.integers(0, 5), st.integers(0, 9))
PRICES = st.sampled_from([Settings(), Settings(0.0), Settings(1.0), Settings(math.inf), Settings(candidates=1)])


@st.composite
def sightings(draw: st.DrawFn) -> list[tuple[Item, Replica, Span]]:
    """Few labels in few histories, seen together in many ways and more or less often."""
    transitions = st.builds(Transition, HISTORIES, RELATIONS, st.just("read"), HISTORIES)
    return draw(st.lists(st.tuples(st.one_of(HISTORIES, transitions, transitions), REPLICAS, LEVELS), max_size=14))


def evidence_of(seen: list[tuple[Item, Replica, Span]]) -> Evidence:
    found = Evidence()
    for item, replica, span in seen:
        found.add(item, replica, span)
    return found


def labels_above(model: Model, state: State) -> set[str]:
    """What tracing answers for a state of an instance."""
    return {one.label for one in model.ancestors(model.state_of(state))}


@given(graphs(HISTORIES), LEVELS, PRICES, evidences())
def test_a_folded_model_accepts_every_observed_graph(graph: Graph, span: Span, price: Settings, more: Evidence) -> None:
    """Whatever is merged and whatever else is known, what was observed is a member, and no vertex changes its label."""
    model = Model.of("app", graph.observed(WEB1, span) | more)
    folded = model.folded(price)
    assert graph in folded
    assert all(folded.state_of(state).label == model.state_of(state).label for state in graph.vertices)


@given(sightings(), PRICES)
def test_folding_takes_no_ancestor_away(seen: list[tuple[Item, Replica, Span]], price: Settings) -> None:
    """Tracing in a folded model answers with at least the labels of the base; with those exactly at infinite price."""
    model = Model.of("app", evidence_of(seen))
    folded = model.folded(price)
    for state in model.states:
        assert labels_above(model, state) <= labels_above(folded, state)
        if math.isinf(price.tracing):
            assert labels_above(model, state) == labels_above(folded, state)
    if price.tracing == 0:
        assert len(folded.states) == len({state.label for state in model.states})


@given(sightings(), PRICES, st.randoms(use_true_random=False))
def test_folding_is_a_function_of_the_evidence(
    seen: list[tuple[Item, Replica, Span]], price: Settings, random: Random
) -> None:
    """Order, batching and repetition leave no trace; folding again, or adding nothing, changes nothing."""
    folded = Model.of("app", evidence_of(seen)).folded(price)
    shuffled = [*seen, *seen[:2]]
    random.shuffle(shuffled)
    cut = random.randrange(len(shuffled) + 1)
    again = Model.of("app", evidence_of(shuffled[:cut])).folded(price) | evidence_of(shuffled[cut:])
    assert again == folded == folded.folded(price) == folded | Evidence()
    assert (again.states, again.transitions, again.ids) == (folded.states, folded.transitions, folded.ids)
    assert Model.of("app", folded.evidence).folded(price) == folded


@given(sightings(), PRICES)
def test_support_is_the_join_over_the_members(seen: list[tuple[Item, Replica, Span]], price: Settings) -> None:
    """A state has been shown by whoever has shown a member; it goes by the name of the member that was seen first."""
    model = Model.of("app", evidence_of(seen))
    folded = model.folded(price)
    assert all(state != name for state, name in folded.merged.items())
    for name in folded.states:
        members = [state for state in model.states if folded.state_of(state) == name]
        assert name == min(members, key=lambda one: (min(span.first for span in model.support[one].values()), one))
        for replica in model.replicas:
            spans = [model.support[one][replica] for one in members if replica in model.support[one]]
            assert (replica in folded.support[name]) == bool(spans)
            if spans:
                first, last = min(span.first for span in spans), max(span.last for span in spans)
                assert folded.support[name][replica] == Span(first, last)
    assert {folded.item_of(one) for one in model.transitions} == set(folded.transitions)
    assert not any(span.level for held in folded.support.values() for span in held.values())


@given(sightings(), PRICES)
def test_ids_of_base_states_stay_good(seen: list[tuple[Item, Replica, Span]], price: Settings) -> None:
    """An id that was given out before folding leads to the state that stands for it now; `ids` lists no others."""
    model = Model.of("app", evidence_of(seen))
    folded = model.folded(price)
    assert set(folded.by_id) == set(model.by_id)
    assert all(folded.by_id[number] == folded.state_of(state) for state, number in model.ids.items())
    assert set(folded.ids) == set(folded.states)


@given(sightings(), sightings(), PRICES, PRICES)
def test_difference_and_order_of_folded_models(
    one: list[tuple[Item, Replica, Span]], two: list[tuple[Item, Replica, Span]], first: Settings, second: Settings
) -> None:
    """`a - b` are base items of a that b cannot generate, `a <= b` says there are none; a base is below its fold."""
    base_a, base_b = Model.of("app", evidence_of(one)), Model.of("app", evidence_of(two))
    a, b = base_a.folded(first), base_b.folded(second)
    assert a - b == base_a - b == {item for item in base_a.support if b.item_of(item) not in b.support}
    assert (a <= b) == (base_a <= b) == (not a - b)
    assert a - base_b == base_a - base_b
    assert base_a <= a
    assert a <= base_a
    assert a <= a | evidence_of(two)
    if a == b:
        assert a <= b <= a


@given(evidences(), graphs(HISTORIES), LEVELS, sightings(), PRICES)
def test_an_extended_model_accepts_every_observed_graph(
    more: Evidence, graph: Graph, span: Span, seen: list[tuple[Item, Replica, Span]], price: Settings
) -> None:
    """Its base is that of all evidence, its support the join over members; settling it gives the canonical model."""
    before, news = Model.of("app", evidence_of(seen)), graph.observed(WEB1, span) | more
    extended, whole = before.folded(price).extended(news), Model.of("app", before.evidence | news)
    assert graph in extended
    assert extended.base == whole
    assert extended.evidence == whole.evidence
    assert extended | Evidence() == extended.folded(price) == whole.folded(price)
    assert {extended.item_of(one) for one in whole.support} == set(extended.support)
    for one in whole.states:
        assert extended.state_of(one).label == one.label
        assert labels_above(whole, one) <= labels_above(extended, one)
        assert whole.support[one].keys() <= extended.support[extended.state_of(one)].keys()
    assert set(extended.by_id) == set(whole.by_id)


@given(sightings(), sightings(), PRICES, st.randoms(use_true_random=False))
def test_an_extended_model_keeps_its_classes(
    one: list[tuple[Item, Replica, Span]], two: list[tuple[Item, Replica, Span]], price: Settings, random: Random
) -> None:
    """Nobody changes names or company; a function of model and evidence, however that comes; nothing new is nothing."""
    before, news = Model.of("app", evidence_of(one)), evidence_of(two)
    folded, whole = before.folded(price), before | news
    extended = folded.extended(news)
    if any(whole.state_of(state) != before.state_of(state) for state in before.evidence.states):
        assert extended == whole.folded(price)
    else:
        assert all(extended.state_of(state) == folded.state_of(state) for state in before.evidence.states)
        assert all(extended.state_of(name) == name for name in extended.states)
    shuffled = [*two, *two[:2]]
    random.shuffle(shuffled)
    again = Model.of("app", evidence_of(one[::-1])).folded(price).extended(evidence_of(shuffled))
    assert again == extended
    assert list(again.states) == list(extended.states)
    assert extended.extended(news) == extended
    assert folded.extended(Evidence()) == folded.extended(folded.evidence) == folded


@given(evidences(), evidences())
def test_an_unfolded_model_is_extended_by_union(a: Evidence, b: Evidence) -> None:
    assert Model.of("app", a).extended(b) == Model.of("app", a | b)


def test_what_changes_an_old_label_settles_the_model_anew() -> None:
    """A pattern for names that are known already; one that covers none of them leaves all classes as they are."""
    names = [State("File /tmp/sess_abc"), State("File /tmp/sess_xyz"), State("File /tmp/sess_{token:3}")]
    folded = Model.of("app", Evidence({one: {WEB1: NOW} for one in names[:2]}, {names[2]: "waits"})).folded()
    news = Evidence({names[2]: {WEB2: NOW}}, {names[0]: "told"})
    extended = folded.extended(news)
    assert extended == folded | news
    assert extended.states == (names[2],)
    assert extended.commands == {names[2]: "told"}
    other = State("File /run/lock_{token:3}")
    assert folded.extended(Evidence({other: {WEB1: NOW}})).states == (other, *folded.states)


def test_commands_go_with_their_states() -> None:
    one, two = (State(SHELL.label, (mark,)) for mark in ("#1", "#2"))
    evidence = Evidence({one: {WEB1: Span(5, 5)}, two: {WEB1: Span(3, 3)}}, {one: "sh -a", two: "sh -b"})
    folded = Model.of("app", evidence).folded(CHEAP)
    assert folded.states == (two,)
    assert folded.merged == {one: two}
    assert folded.commands == {two: "sh -a"}
    assert folded.ancestors(one) == folded.descendants(one) == {}


def story(label: str, histories: dict[str, list[str]]) -> Graph:
    """States of one label that differ in what they come from."""
    names = sorted({name for causes in histories.values() for name in causes})
    vertices = [*map(State, names), *(State(label, (mark,)) for mark in histories)]
    edges = [
        Edge(len(names) + at, "USED", "read", names.index(cause))
        for at, causes in enumerate(histories.values())
        for cause in causes
    ]
    return Graph(tuple(vertices), tuple(edges))


SITE = [f"File /srv/{n}" for n in range(8)]


def test_a_limit_goes_with_the_model() -> None:
    graph = story(SHELL.label, {"#1": SITE[:3], "#2": SITE[:4]})
    model = Model.of("app", graph.observed(WEB1, NOW))
    steps: list[Step] = []
    assert len(model.folded(CHEAP, observer=steps.append).states) == 5
    assert [{step.kept, step.gone} for step in steps] == [{4, 5}]
    cut = model.folded(CHEAP, limit=0)
    assert cut.states == model.states
    assert (cut | Evidence()).states == model.states


@pytest.mark.parametrize(("level", "merged"), [(0, True), (10, False)])
def test_a_request_that_reads_four_files_instead_of_three_folds(level: int, merged: bool) -> None:
    """Rare variants of one behaviour are one state; not so where what is widened has been seen a thousand times."""
    evidence = story("Process php /usr/bin/php", {"#1": SITE[:3], "#2": SITE[:4]}).observed(WEB1, NOW)
    usual = State("Process php /usr/bin/php", ("#1",))
    evidence.add(usual, WEB1, Span(1, 1, level))
    folded = Model.of("web", evidence).folded(CHEAP)
    assert (folded.state_of(State("Process php /usr/bin/php", ("#2",))) == usual) == merged


@pytest.mark.parametrize(("level", "merged"), [(0, True), (10, False)])
def test_a_class_that_was_seen_often_is_not_widened_by_what_was_seen_once(level: int, merged: bool) -> None:
    """Inertia: the fourth file joins the class of a request seen once, and makes a class of its own beside many."""
    label, request = "Process php /usr/bin/php", State("Process php /usr/bin/php", ("#1",))
    evidence = story(label, {"#1": SITE[:3]}).observed(WEB1, NOW)
    evidence.add(request, WEB1, Span(1, 1, level))
    folded = Model.of("web", evidence).folded(CHEAP)
    extended = folded.extended(story(label, {"#2": SITE[:4]}).observed(WEB1, Span(2, 2)))
    assert (extended.state_of(State(label, ("#2",))) == request) == merged
    assert extended.state_of(request) == request
    assert labels_above(extended, request) == {f"{one}" for one in SITE[: 4 if merged else 3]}


def test_new_states_may_share_a_class_of_their_own() -> None:
    """Two new variants that are unlike what is known: one new class, which goes by the name that was seen first."""
    label = "Process sh /usr/bin/dash"
    evidence = story(label, {"#1": ["File /etc/crontab"]}).observed(WEB1, NOW)
    evidence.add(State(label, ("#1",)), WEB1, Span(1, 1, 11))
    folded = Model.of("host", evidence).folded(CHEAP)
    extended = folded.extended(story(label, {"#3": SITE[:4], "#2": SITE[:5]}).observed(WEB1, Span(2, 2)))
    names = [extended.state_of(State(label, (mark,))) for mark in ("#1", "#2", "#3")]
    assert names == [State(label, ("#1",)), State(label, ("#2",)), State(label, ("#2",))]


def test_the_shell_of_cron_and_the_shell_of_the_web_server_are_two_states() -> None:
    """What cron starts every minute does not come to descend from a request, because a request started a shell once."""
    label = "Process sh /usr/bin/dash"
    request = ["Process apache2 /usr/sbin/apache2", "Socket *:80", "File /var/www/index.php"]
    histories = {"#1": ["Process cron /usr/sbin/cron", "File /etc/crontab"], "#2": request}
    cron, web, again = (State(label, (mark,)) for mark in ("#1", "#2", "#3"))
    evidence = story(label, histories | {"#3": [*request, "File /tmp/x"]}).observed(WEB1, NOW)
    evidence.add(cron, WEB1, Span(1, 1, 11))
    folded = Model.of("host", evidence).folded(CHEAP)
    assert folded.state_of(web) == folded.state_of(again) != folded.state_of(cron)
    assert labels_above(folded, cron) == {"Process cron /usr/sbin/cron", "File /etc/crontab"}


def test_a_folded_model_knows_the_forms_of_other_libraries() -> None:
    pytest.importorskip("automata")
    graph = story(SHELL.label, {"#1": ["File /a"], "#2": ["File /a", "File /b"]})
    folded = Model.of("app", graph.observed(WEB1, NOW)).folded(CHEAP)
    assert set(folded.to_networkx().nodes) == set(folded.ids.values())
    assert len(folded.to_dfa().states) >= len(folded.states)


def seconds(make: Callable[[], object]) -> float:
    """CPU time of one call, the best of three."""
    taken = []
    for _ in range(3):
        begun = process_time()
        make()
        taken.append(process_time() - begun)
    return min(taken)


def host(states: range, replicas: int) -> Evidence:
    """Some of 1,670 states of 280 labels and 4,500 transitions: those with effects in a range."""
    random = Random(1)
    known = [State(f"File /usr/lib/x{n % 280}", (f"#{n // 280}",)) for n in range(1670)]
    evidence = Evidence()
    for n in range(4500):
        at = n % 1670
        item = Transition(known[at], "USED", f"op{n % 9}", known[random.randrange(max(0, at - 300), at + 1)])
        for k in range(replicas if at in states else 0):
            evidence.add(item, Replica(f"worker{k}", "host"), Span(n, n + k, n % 7))
    return evidence


def test_folding_the_model_of_a_host_takes_under_600_ms() -> None:
    """With four replicas and all that a model holds."""
    model = Model.of("host", host(range(1670), 4))
    assert seconds(model.folded) < 0.6


def test_an_epoch_is_taken_in_faster_than_by_folding_anew() -> None:
    """Twenty new states beside 1,650: 15 ms measured, where a full fold takes 50; bounds that a busy machine keeps."""
    model, news = Model.of("host", host(range(1650), 1)).folded(), host(range(1650, 1670), 1)
    quick = seconds(lambda: model.extended(news))
    assert quick < 0.1
    assert quick < seconds(lambda: model | news)


def member() -> Graph:
    """An epoch of known behaviour: 20,000 vertices of 400 states, 40,000 edges; each state a value of its own."""
    random = Random(1)
    kinds = [("USED", "read"), ("USED", "mmap"), ("WAS_GENERATED_BY", "write"), ("WAS_TRIGGERED_BY", "fork")]
    pool = [(random.randrange(400), *random.choice(kinds), random.randrange(400)) for _ in range(1500)]
    vertices = tuple(State(f"File /srv/x{n % 400 // 4}", (f"#{n % 4}",)) for n in range(20_000))
    edges = []
    for _ in range(40_000):
        effect, relation, operation, cause = random.choice(pool)
        edges.append(Edge(effect + 400 * random.randrange(50), relation, operation, cause + 400 * random.randrange(50)))
    return Graph(vertices, tuple(edges))


@pytest.mark.parametrize("learned", [set(), {"File /tmp/sess_{token:26}"}])
def test_membership_takes_under_2_us_per_edge(learned: set[str]) -> None:
    """Base and folded, with and without patterns (measured 0.3 µs)."""
    graph = member()
    base = Model.of("app", graph.observed(WEB1, NOW) | Evidence(learned=learned))
    for model in (base, base.folded()):
        assert graph in model
        assert seconds(lambda model=model: graph in model) / len(graph.edges) < 2e-6  # type: ignore[misc]


def test_what_is_remembered_of_instances_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More states than a model remembers, all of one pattern: the answer is the same; strangers are not kept."""
    monkeypatch.setattr(grammar.model, "REMEMBERED", 4)
    pattern = "File /tmp/sess_{any}"
    model = Model.of("app", Evidence({State(pattern): {WEB1: NOW}}, learned={pattern}))
    many = Graph((*(State(f"File /tmp/sess_{n:x}") for n in range(20)), SHELL, SHELL))
    assert list(model.misfits(many)) == list(model.misfits(many)) == [20, 21]
    assert len(model._homes) <= 4
