"""A trace starts at the first program on record and is the shortest way to what alarms; one model gives one trace."""

import random

from playbook import APACHE, CURL, SH, connects, reads, runs, writes

from grammar import Evidence, Model, Replica, Span, State, Transition
from monitor.trace import shortest, through
from monitor.view import View

ONE = Replica("w1", "web1")


def at(label: str, *context: str) -> State:
    return State(label, context)


INIT, SHELL, MOVER = at(APACHE), at(SH, f"from {APACHE}"), at(CURL, f"from {SH}")
PEER = at("Socket 10.0.0.1:4444")
CHAIN = (
    Transition(SHELL, "WAS_TRIGGERED_BY", "execve", INIT),
    Transition(MOVER, "WAS_TRIGGERED_BY", "execve", SHELL),
    Transition(PEER, "WAS_GENERATED_BY", "connect", MOVER),
    Transition(MOVER, "USED", "read", at("File /etc/shadow")),
)


def view(*transitions: Transition) -> View:
    evidence = Evidence()
    for transition in transitions:
        evidence.add(transition, ONE, Span(0, 0))
    return View(Model.of("web", evidence))


def ident(seen: View, state: State) -> str:
    return seen.model.ids[state]


def told(steps: tuple[object, ...]) -> list[tuple[str, str]]:
    return [(getattr(step, "operation"), getattr(step, "label")) for step in steps]  # noqa: B009 - steps of any kind


def test_from_the_first_program_to_the_target() -> None:
    seen = view(*CHAIN)
    assert told(shortest(seen, ident(seen, PEER))) == [
        ("", APACHE),
        ("execve", SH),
        ("execve", CURL),
        ("connect", "Socket 10.0.0.1:4444"),
    ]


def test_what_nothing_started_stands_alone() -> None:
    seen = view(*CHAIN)
    assert told(shortest(seen, ident(seen, INIT))) == [("", APACHE)]
    assert told(shortest(seen, ident(seen, at("File /etc/shadow")))) == [("", "File /etc/shadow")]


def test_a_cycle_ends() -> None:
    seen = view(runs(SH, CURL), Transition(State(SH), "WAS_TRIGGERED_BY", "fork", State(CURL, (f"from {SH}",))))
    assert told(shortest(seen, ident(seen, State(SH))))[-1][1] == SH


def test_the_order_of_evidence_leaves_no_trace() -> None:
    many = [*CHAIN, *(runs(f"Process p{n} /p{n}", SH) for n in range(5)), *(writes(SH, f"/tmp/{n}") for n in "abc")]
    found = set()
    for seed in range(5):
        random.Random(seed).shuffle(many)
        seen = view(*many)
        found.add(shortest(seen, ident(seen, PEER)))
    assert len(found) == 1


def test_through_a_match_each_state_is_told_once_and_the_way_to_it_first() -> None:
    seen = view(*CHAIN)
    mover = ident(seen, MOVER)
    edges = [edge for edge in (*seen.causes(mover), *seen.effects(mover)) if edge.operation in ("read", "connect")]
    steps = through(seen, edges)
    assert len({step.node for step in steps}) == len(steps)
    assert {step.label for step in steps} >= {CURL, "File /etc/shadow", "Socket 10.0.0.1:4444"}
    assert through(seen, ()) == ()


def test_a_program_shows_its_example_command() -> None:
    evidence = Evidence()
    evidence.add(connects(CURL, "10.0.0.1:80"), ONE, Span(0, 0))
    evidence.add(reads(CURL, "/x"), ONE, Span(0, 0))
    evidence.command(State(CURL), "curl -T /x")
    seen = View(Model.of("web", evidence))
    steps = shortest(seen, ident(seen, State("Socket 10.0.0.1:80")))
    assert [step.command for step in steps] == ["curl -T /x", ""]
