"""What a request has started belongs to that request; its tree shows who started whom, and nothing twice."""

from attacked import (
    ATTACK,
    ATTACKED,
    BASE,
    CURL,
    DROP,
    HARMLESS,
    LINK,
    LOGIN,
    MAIN,
    PEER,
    REPLICAS,
    SHELL,
    TOP,
    UNIT,
    WRITER,
    attacked,
    evidence_of,
)
from hypothesis import given
from test_lines_causes import GRAPHS

from grammar import Evidence, Model, Replica, Span, State, Transition
from monitor.alerts import Alert, Step
from monitor.lines import unit_of
from monitor.lines_units import MAX_BRANCHES, MAX_READ, Branch, unit_of_alert, unit_tree

MODEL = attacked()
PLACE = Replica("w", "c")


def shown(branch: Branch, depth: int = 0) -> list[str]:
    mark = "< " if branch.source else ""
    mine = (
        [" " * depth + f"{mark}{branch.operation} {branch.state.label.split()[1].rpartition('/')[2]}"] if depth else []
    )
    return mine + [line for one in branch.below for line in shown(one, depth + 1)]


def alert(*nodes: State, worker: str = "worker2", container: str = "lamp2") -> Alert:
    steps = tuple(Step(MODEL.ids[one], one.label) for one in nodes)
    return Alert("p", "t", "high", "portal", worker, container, ATTACK, (1, 3), (MODEL.ids[nodes[-1]],), steps)


def test_whatever_the_attack_did_belongs_to_its_request() -> None:
    for state in (PEER, CURL, DROP):
        assert unit_of(MODEL, state) == unit_of(MODEL, state, REPLICAS[1])
        assert unit_of(MODEL, state)[0] == ATTACKED
    assert ATTACKED in unit_of(MODEL, SHELL)


def test_what_several_lines_cover_belongs_to_all_of_them() -> None:
    assert set(unit_of(MODEL, BASE)) == {HARMLESS, ATTACKED, LOGIN}
    assert set(unit_of(MODEL, BASE, REPLICAS[0])) == {HARMLESS, LOGIN}


def test_a_line_is_its_own_and_what_came_before_all_lines_has_none() -> None:
    assert unit_of(MODEL, ATTACKED) == (ATTACKED,)
    assert unit_of(MODEL, TOP) == ()
    assert unit_of(MODEL, MAIN) == ()


def test_a_line_that_was_joined_by_its_time_comes_last() -> None:
    assert unit_of(MODEL, WRITER)[-1] == LOGIN


def test_a_program_that_once_wrote_a_line_does_not_claim_all_its_children() -> None:
    line, child = State("LogMessage x"), State("Process b /b")
    for context, found in (((), ()), (("unit Socket 1.2.3.4:5>*:80",), (line,))):
        program = State("Process a /a", context)
        steps = (
            Transition(line, "WAS_GENERATED_BY", "log", program),
            Transition(child, "WAS_TRIGGERED_BY", "fork", program),
        )
        assert unit_of(model_of(*steps), child) == found
        assert unit_of(model_of(*steps), program) == found


def test_who_reads_what_a_request_has_written_does_not_belong_to_it() -> None:
    line, file = State("LogMessage x"), State("File /f")
    reader, server = State("Process b /b", ("unit Socket 1.2.3.4:5>*:80",)), State("Process b /b")
    model = model_of(
        Transition(line, "WAS_DERIVED_FROM", "covers", file),
        Transition(line, "WAS_GENERATED_BY", "covers", server),
        Transition(reader, "USED", "read", file),
        Transition(reader, "WAS_TRIGGERED_BY", "unit", server),
    )
    assert unit_of(model, reader) == ()
    assert unit_of(model, file) == unit_of(model, server) == (line,)


def test_an_alert_belongs_to_the_request_of_its_last_step() -> None:
    assert unit_of_alert(MODEL, alert(TOP, UNIT, SHELL, CURL, PEER)) == ATTACKED
    assert unit_of_alert(MODEL, alert(TOP)) is None
    assert unit_of_alert(MODEL, alert(PEER, worker="worker1", container="lamp1")) is None
    odd = Alert("p", "t", "high", "portal", "w", "c", 0, (1, 3), ("nonsense",), (Step("", ""),))
    assert unit_of_alert(MODEL, odd) is None


def test_of_several_requests_an_alert_belongs_to_the_one_at_its_time() -> None:
    early, late = State(f"LogMessage {LINK}", ("#1",)), State(f"LogMessage {LINK}", ("#2",))
    shell = State("Process sh /sh")
    evidence = Evidence()
    for line, when in ((early, 0), (late, ATTACK)):
        evidence.update(evidence_of([Transition(line, "WAS_GENERATED_BY", "covers", shell)], PLACE, when, when))
    model = Model.of("portal", evidence)
    raised = Alert("p", "t", "high", "portal", "w", "c", ATTACK, (1, 1), (model.ids[shell],), ())
    assert unit_of_alert(model, raised) == late


def test_the_tree_of_the_attack() -> None:
    tree = unit_tree(MODEL, ATTACKED)
    assert not tree.cut
    assert shown(tree.root) == [
        " log apache2",
        "  execve sh",
        "   execve curl",
        "    connect 10.89.0.1:9998",
        "   create .r",
        "   < read mal.sh",
        "  connect 10.89.0.30:3306",
    ]


def test_who_started_whom_comes_before_who_read_what() -> None:
    """The program that reads a file of its grandparent hangs under its parent, not under the file."""
    line, unit = State("LogMessage x"), State("Process a /a")
    parent, child, file = State("Process b /b"), State("Process c /c"), State("File /t")
    tree = unit_tree(
        model_of(
            Transition(line, "WAS_GENERATED_BY", "log", unit),
            Transition(line, "WAS_GENERATED_BY", "covers", parent),
            Transition(parent, "WAS_TRIGGERED_BY", "fork", unit),
            Transition(line, "WAS_DERIVED_FROM", "covers", file),
            Transition(file, "WAS_GENERATED_BY", "write", unit),
            Transition(child, "USED", "read", file),
            Transition(child, "WAS_TRIGGERED_BY", "fork", parent),
        ),
        line,
    )
    assert shown(tree.root) == [" log a", "  fork b", "   fork c", "  write t"]


def test_what_has_no_known_way_to_the_unit_hangs_there_all_the_same() -> None:
    line, unit, child = State("LogMessage x"), State("Process a /a"), State("Process b /b")
    steps = [Transition(line, "WAS_GENERATED_BY", "log", unit), Transition(line, "WAS_GENERATED_BY", "covers", child)]
    assert shown(unit_tree(model_of(*steps), line).root) == [" log a", "  covers b"]
    assert shown(unit_tree(model_of(*steps[1:]), line).root) == [" covers b"]
    assert shown(unit_tree(model_of(), line).root) == []


def test_children_without_a_known_way_stand_by_each_other_as_they_came() -> None:
    line, unit = State("LogMessage x"), State("Process a /a")
    child, grandchild, file = State("Process z /z"), State("Process b /b"), State("File /f")
    steps = [
        Transition(line, "WAS_GENERATED_BY", "log", unit),
        Transition(line, "WAS_GENERATED_BY", "covers", child),
        Transition(line, "WAS_GENERATED_BY", "covers", grandchild),
        Transition(line, "WAS_DERIVED_FROM", "covers", file),
        Transition(grandchild, "WAS_TRIGGERED_BY", "fork", child),
        Transition(file, "WAS_GENERATED_BY", "write", unit),
        Transition(child, "USED", "read", file),
    ]
    assert shown(unit_tree(model_of(*steps), line).root) == [" log a", "  covers z", "   fork b", "  write f"]


def test_what_looks_the_same_is_one_and_noise_is_left_out() -> None:
    line, unit = State("LogMessage x"), State("Process a /a")
    twins = [State("Process b /b", (f"#{n}",)) for n in range(5)]
    steps = [Transition(line, "WAS_GENERATED_BY", "log", unit)]
    for number, twin in enumerate(twins):
        steps.append(Transition(line, "WAS_GENERATED_BY", "covers", twin))
        steps.append(Transition(twin, "WAS_TRIGGERED_BY", "fork", unit))
        steps.append(Transition(State(f"File /out{number % 2}"), "WAS_GENERATED_BY", "write", twin))
        steps.append(Transition(State("File /dev/null"), "WAS_GENERATED_BY", "write", twin))
        steps.append(Transition(twin, "USED", "read", State("File /usr/lib/libc.so")))
    assert shown(unit_tree(model_of(*steps), line).root) == [" log a", "  fork b", "   write out0", "   write out1"]


def test_a_large_unit_is_cut_and_says_so() -> None:
    line, unit, child = State("LogMessage x"), State("Process a /a"), State("Process b /b")
    start = [Transition(line, "WAS_GENERATED_BY", "log", unit), Transition(line, "WAS_GENERATED_BY", "covers", child)]
    many = [Transition(State(f"File /f{n}"), "WAS_GENERATED_BY", "write", child) for n in range(MAX_BRANCHES * 2)]
    tree = unit_tree(model_of(*start, *many), line)
    assert tree.cut
    assert tree.root.size() <= MAX_BRANCHES
    reads = [Transition(child, "USED", "read", State(f"File /r{n}")) for n in range(MAX_READ + 1)]
    tree = unit_tree(model_of(*start, *reads), line)
    assert tree.cut
    assert tree.root.size() == 3 + MAX_READ


@given(GRAPHS)
def test_any_model_has_a_tree_and_a_unit(edges: list[tuple[State, tuple[str, str], State]]) -> None:
    """Whatever a model holds, every line has a finite tree, and what it covers is of its unit."""
    steps = [Transition(effect, *kind, cause) for effect, kind, cause in edges]
    model = model_of(*steps)
    for line in (one for one in model.states if one.label.startswith("LogMessage")):
        assert unit_tree(model, line).root.size() <= MAX_BRANCHES
        for one in model.causes.get(line, ()):
            if one.operation == "covers" and not one.cause.label.startswith("LogMessage"):
                assert line in unit_of(model, one.cause)


def model_of(*transitions: Transition) -> Model:
    evidence = evidence_of(transitions, PLACE, 0, 0)
    evidence.add(State("LogMessage x"), PLACE, Span(0, 0))
    return Model.of("app", evidence)
