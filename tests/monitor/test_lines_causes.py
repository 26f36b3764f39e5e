"""Effects are what a unit has started and sent, causes the ancestors without them; both have their beginnings."""

from attacked import (
    ATTACKED,
    BASE,
    CLIENT,
    CODE,
    CURL,
    DROP,
    FORKED,
    HARMLESS,
    LOGIN,
    MAIN,
    PAGE,
    PEER,
    SCRIPT,
    SHELL,
    SHELL_LATER,
    TOP,
    UNIT,
    WRITER,
    attacked,
    evidence_of,
)
from hypothesis import given
from hypothesis import strategies as st

from grammar import Evidence, Model, Replica, Span, State, Transition
from grammar.line import MAX_PROGRAMS
from monitor.lines_causes import (
    MAX_REACHED,
    Root,
    causes_of,
    earlier_of,
    effects_of,
    lines_of,
    name_of,
    roots_of,
    units_of,
)

MODEL = attacked()
PLACE = Replica("w", "c")


def roots(line: State, model: Model = MODEL) -> dict[str, Root]:
    effects = effects_of(model, line)
    found = roots_of(model, causes_of(model, line, effects), effects)
    return {f"{one.kind} {one.state.label}": one for one in found}


def test_effects_are_what_is_covered_and_all_that_came_of_it() -> None:
    assert set(effects_of(MODEL, HARMLESS).distance) == {BASE}
    assert set(effects_of(MODEL, ATTACKED).distance) == {BASE, FORKED, SHELL, SHELL_LATER, CURL, DROP, PEER}


def test_what_a_child_was_before_is_an_effect_but_not_who_started_it() -> None:
    effects = effects_of(MODEL, ATTACKED).distance
    assert SHELL in effects  # the line has found a later version of it
    assert not {UNIT, WRITER, MAIN} & set(effects)


def test_where_all_children_had_ended_no_other_program_is_an_effect() -> None:
    shell, listed, other = State("Process sh /bin/sh"), State("Process ls /bin/ls"), State("Process nc /bin/nc")
    for tags, found in (
        (("ran Process ls /bin/ls", "ran Process sh /bin/sh"), {shell, listed}),
        (("ran Process sh /bin/sh", "started Process ls /bin/ls"), {shell, listed, other}),
        (tuple(f"ran Process p{n} /p" for n in range(MAX_PROGRAMS)), {shell, listed, other}),
        ((), {shell, listed, other}),
    ):
        line = State("LogMessage x", tags)
        model = model_of(
            Transition(line, "WAS_GENERATED_BY", "log", State("Process a /a")),
            Transition(line, "WAS_GENERATED_BY", "covers", shell),
            Transition(listed, "WAS_TRIGGERED_BY", "execve", shell),
            Transition(other, "WAS_TRIGGERED_BY", "execve", shell),
        )
        assert set(effects_of(model, line).distance) == found


def test_the_unit_itself_is_no_effect_of_a_child_that_took_its_place() -> None:
    line, unit, child = State("LogMessage x"), State("Process a /a"), State("Process b /b")
    model = model_of(
        Transition(line, "WAS_GENERATED_BY", "log", unit),
        Transition(line, "WAS_GENERATED_BY", "covers", child),
        Transition(child, "WAS_TRIGGERED_BY", "execve", unit),
        Transition(State("File /f"), "WAS_GENERATED_BY", "write", unit),
    )
    assert set(effects_of(model, line).distance) == {child}


def test_other_lines_that_cover_the_same_are_no_effects() -> None:
    assert not {HARMLESS, LOGIN, ATTACKED} & set(effects_of(MODEL, ATTACKED).distance)


SESSION = State("File /var/lib/php/sessions/sess_{token:26}", ("#1",))
LATER = State(MAIN.label, (f"unit {CLIENT.label}", "#2"))
LATER_LINE = State("LogMessage GET /app.php?a=welcome 200", ("#2",))
PASSED_ON = (
    Transition(HARMLESS, "WAS_DERIVED_FROM", "covers", SESSION),
    Transition(SESSION, "WAS_GENERATED_BY", "write", UNIT),
    Transition(LATER, "USED", "read", SESSION),
    Transition(UNIT, "USED", "read", SESSION),
    Transition(LATER_LINE, "WAS_GENERATED_BY", "log", LATER),
    Transition(State("Socket 9.9.9.9:9"), "WAS_GENERATED_BY", "connect", LATER),
    Transition(LATER, "WAS_TRIGGERED_BY", "unit", MAIN),
)


def test_what_another_unit_takes_in_is_said_and_not_followed() -> None:
    model = Model.of("portal", MODEL.evidence | evidence_of(PASSED_ON, PLACE, 0, 0))
    effects = effects_of(model, HARMLESS)
    assert set(effects.distance) == {BASE, SESSION}
    assert [(one.effect, one.operation, one.cause) for one in effects.onward] == [(LATER, "read", SESSION)]
    assert lines_of(model, LATER) == (LATER_LINE,)
    assert effects_of(MODEL, ATTACKED).onward == ()


def test_units_of_a_server_that_a_unit_has_started_are_their_own() -> None:
    line, unit, server = State("LogMessage x"), State("Process a /a"), State("Process b /b")
    served = State("Process b /b", ("unit Socket 1.2.3.4:5>*:80",))
    model = model_of(
        Transition(line, "WAS_GENERATED_BY", "log", unit),
        Transition(line, "WAS_GENERATED_BY", "covers", server),
        Transition(served, "WAS_TRIGGERED_BY", "unit", server),
        Transition(State("File /f"), "WAS_GENERATED_BY", "write", served),
    )
    effects = effects_of(model, line)
    assert (set(effects.distance), [one.effect for one in effects.onward]) == ({server}, [served])


def test_causes_and_effects_are_apart_and_causes_are_ancestors() -> None:
    effects = effects_of(MODEL, ATTACKED)
    causes = causes_of(MODEL, ATTACKED, effects)
    assert set(causes.distance) == set(MODEL.ancestors(ATTACKED)) - set(effects.distance)
    assert {WRITER, UNIT, MAIN, TOP, CLIENT, PAGE} <= set(causes.distance)
    assert list(causes.distance.values()) == sorted(causes.distance.values())


def test_the_beginnings_of_the_attack() -> None:
    found = roots(ATTACKED)
    assert set(found) == {
        f"client {CLIENT.label}",
        f"file {PAGE.label}",
        f"source {SCRIPT.label}",
        f"peer {BASE.label}",
        f"program {TOP.label}",
    }
    assert "cp wrote it (write)" in found[f"file {PAGE.label}"].why
    assert "served it in this unit" in found[f"client {CLIENT.label}"].why
    assert f"source {SCRIPT.label}" not in roots(HARMLESS)
    assert not any(CODE.label in one for one in found)


def test_a_path_leads_from_the_line_to_its_beginning() -> None:
    for line in (ATTACKED, HARMLESS, LOGIN):
        for root in roots(line).values():
            assert len(root.path) == root.distance
            at = line
            for one in root.path:
                assert at in (one.effect, one.cause)
                at = one.cause if one.effect == at else one.effect
            assert at == root.state


def test_a_written_file_that_is_run_says_so() -> None:
    dropped, shell, evil = State("File /tmp/x"), State("Process sh /bin/sh"), State("Process x /tmp/x")
    line = State("LogMessage job done")
    model = model_of(
        Transition(line, "WAS_GENERATED_BY", "log", evil),
        Transition(evil, "USED", "execve", dropped),
        Transition(evil, "WAS_TRIGGERED_BY", "execve", shell),
        Transition(dropped, "WAS_GENERATED_BY", "create", shell),
    )
    assert roots(line, model)["file File /tmp/x"].why == "x ran it, sh wrote it (create)"


def test_a_certain_unit_comes_before_one_known_by_time() -> None:
    line, one, other = State("LogMessage x"), State("Process a /a"), State("Process b /b")
    model = model_of(
        Transition(line, "WAS_GENERATED_BY", "log_near", one), Transition(line, "WAS_GENERATED_BY", "log", other)
    )
    assert [unit.cause for unit in units_of(model, line)] == [other, one]


def test_the_life_of_a_process_is_followed_back_to_its_fork() -> None:
    back = [one.cause for one in earlier_of(MODEL, SHELL_LATER, {"version", "execve"})]
    assert back == [SHELL, FORKED]
    assert [one.cause for one in earlier_of(MODEL, SHELL_LATER)] == [SHELL]
    assert list(earlier_of(MODEL, SHELL_LATER, stop=[SHELL])) == []


def test_a_flood_is_cut_and_says_so() -> None:
    line, child = State("LogMessage x"), State("Process sh /sh")
    many = [Transition(State(f"File /f{n}"), "WAS_GENERATED_BY", "write", child) for n in range(MAX_REACHED + 5)]
    model = model_of(Transition(line, "WAS_GENERATED_BY", "covers", child), *many)
    effects = effects_of(model, line)
    assert effects.cut
    assert len(effects.distance) == MAX_REACHED
    assert not effects_of(MODEL, ATTACKED).cut


def test_a_cycle_ends() -> None:
    line, child, file = State("LogMessage x"), State("Process sh /sh"), State("File /f")
    model = model_of(
        Transition(line, "WAS_GENERATED_BY", "covers", child),
        Transition(line, "WAS_GENERATED_BY", "log", child),
        Transition(file, "WAS_GENERATED_BY", "write", child),
        Transition(child, "USED", "read", file),
        Transition(child, "WAS_TRIGGERED_BY", "version", child),
        Transition(line, "WAS_GENERATED_BY", "log", line),
    )
    assert set(effects_of(model, line).distance) == {child, file}
    assert roots(line, model) == {}


def test_programs_go_by_their_names() -> None:
    assert (name_of(MAIN), name_of(PAGE)) == ("apache2", PAGE.label)


def model_of(*transitions: Transition) -> Model:
    return Model.of("app", evidence_of(transitions, PLACE, 0, 0))


LABELS = (
    "LogMessage a",
    "LogMessage b",
    "Process a /a",
    "Process b /b",
    "File /f",
    "Socket 1.2.3.4:5",
    "Socket x>*:80",
)
STATES = st.builds(State, st.sampled_from(LABELS), st.sampled_from([(), ("#1",), ("unit Socket x>*:80",)]))
RELATIONS = st.sampled_from(
    [("WAS_GENERATED_BY", "log"), ("WAS_GENERATED_BY", "covers"), ("WAS_TRIGGERED_BY", "fork"), ("USED", "read"),
     ("WAS_TRIGGERED_BY", "version"), ("WAS_GENERATED_BY", "write"), ("USED", "accept"), ("WAS_DERIVED_FROM", "covers")]
)  # fmt: skip
GRAPHS = st.lists(st.tuples(STATES, RELATIONS, STATES), max_size=14)


@given(GRAPHS)
def test_in_any_model_nothing_is_both_and_no_ancestor_is_lost(
    edges: list[tuple[State, tuple[str, str], State]],
) -> None:
    """Whatever a model holds, causes and effects of a line are apart, and together have all that it tells of."""
    evidence = Evidence()
    for effect, (relation, operation), cause in edges:
        evidence.add(Transition(effect, relation, operation, cause), PLACE, Span(0, 0))
    model = Model.of("app", evidence)
    for line in (one for one in model.states if one.label.startswith("LogMessage")):
        effects = effects_of(model, line)
        causes = causes_of(model, line, effects)
        assert not set(causes.distance) & set(effects.distance)
        direct = {one.cause for one in model.causes.get(line, ())} - {line}
        assert direct <= {*causes.distance, *effects.distance}
        for root in roots(line, model).values():
            assert root.state in model.by_id.values()
