"""What an epoch brings is new, complete, and the same however time is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from lines import CREAT, WRONLY, World

from agent.abstraction import Abstraction
from agent.containers import Container, Containers
from agent.epochs import Epoch, Epochs
from grammar import Delta, Lexicon, State

WEB = [Container("c" * 64, "web1", "web", 100), Container("d" * 64, "web2", "web", 200)]


class Cut:
    """A world whose life is cut into epochs by hand."""

    def __init__(self, abstraction: Abstraction | None = None) -> None:
        self.world = World(Containers.of(WEB))
        if abstraction is not None:
            self.world.node.abstraction = abstraction
        self.epochs = Epochs(self.world.node, 1_000)

    def close(self) -> Epoch:
        return self.epochs.close(self.world.millis, self.world.parser.lines, self.world.node.loss.take())


def serve(world: World, pid: int, name: str) -> None:
    world.open(f"/www/{name}", 5, pid=pid).close(5, pid=pid)
    world.open("/log", 6, WRONLY | CREAT, pid=pid).close(6, pid=pid)


def test_an_epoch_without_news_has_no_delta_but_its_counts() -> None:
    cut = Cut()
    serve(cut.world, 100, "a")
    assert set(cut.close().deltas) == {"web"}
    cut.world.read(77, pid=100)
    cut.close()
    cut.world.read(77, pid=100)
    quiet = cut.close()
    assert (quiet.deltas, quiet.events, quiet.records, quiet.edges) == ({}, 1, 2, 0)


def test_the_same_behaviour_in_another_container_is_news_of_that_container_only() -> None:
    cut = Cut()
    serve(cut.world, 100, "a")
    cut.close()
    serve(cut.world, 200, "a")
    (sighting,) = cut.close().deltas["web"].sightings
    assert sighting.container == "web2"


def test_how_often_a_state_is_seen_travels_with_news_and_not_without() -> None:
    cut = Cut()
    for _ in range(3):
        serve(cut.world, 100, "a")
    cut.close()
    for pid in range(1000, 1070):
        cut.world.call("clone", pid=100, exit=pid, a0=0x11).open("/www/a", 5, pid=pid, ppid=100)
        cut.world.call("exit_group", exit=None, pid=pid, ppid=100)
    told = cut.close().deltas
    serve(cut.world, 100, "b")
    (sighting,) = cut.close().deltas["web"].sightings
    levels = {*(one for delta in told.values() for s in delta.sightings for one in s.levels), *sighting.levels}
    assert max(level for _, level in levels) == 6
    assert cut.close().deltas == {}


def test_what_still_goes_on_is_told_again_after_a_while_and_the_rest_is_not() -> None:
    cut = Cut()
    cut.epochs.refresh = 5_000
    serve(cut.world, 100, "a")
    serve(cut.world, 100, "b")
    cut.close()
    for pid in (101, 102, 103):
        cut.world.millis += 3_000
        cut.world.call("clone", pid=100, exit=pid, a0=0x11)
        told = cut.close()
    serve(cut.world, 100, "a")
    (sighting,) = cut.close().deltas["web"].sightings
    shown = {one.cause.label for one in sighting.transitions}
    assert "File /www/a" in shown
    assert "File /www/b" not in shown
    assert told.events


def test_a_process_that_has_done_nothing_stands_alone() -> None:
    cut = Cut()
    cut.world.close(9)
    (sighting,) = cut.close().deltas["web"].sightings
    assert (sighting.transitions, sighting.states) == ((), (State("Process p100 /bin/p100", ("entry start",)),))


def test_counts_are_of_the_epoch_and_totals_are_totals() -> None:
    cut = Cut()
    serve(cut.world, 100, "a")
    first = cut.close()
    serve(cut.world, 100, "b")
    second = cut.close()
    assert (first.events, second.events) == (4, 4)
    assert (first.vertices, second.vertices) == (3, 3)
    assert second.states > first.states
    assert second.active == (("web1", 4),)


def test_a_command_line_goes_with_its_state_unless_the_cluster_knows_the_state() -> None:
    plain, knowing = Cut(), Cut()
    plain.world.execve("/bin/x", ["x", "-v"])
    delta = plain.close().deltas["web"]
    assert set(delta.commands.values()) == {"x -v"}
    lexicon = knowing.epochs.lexicons.setdefault("web", Lexicon())
    for number, state in enumerate(sorted(delta.states)):
        lexicon.state_number[state] = number
    knowing.world.execve("/bin/x", ["x", "-v"])
    assert knowing.close().deltas["web"].commands == {}


def test_what_was_learned_is_told_once_to_every_application() -> None:
    cut = Cut(Abstraction(tau_file=3))
    cut.world.close(9, pid=300).close(9)
    for pid in (300, 100):
        for name in ("ab", "cd", "ef", "gh", "ij"):
            cut.world.open(f"/tmp/sess_{name}", 5, pid=pid).close(5, pid=pid)
    deltas = cut.close().deltas
    assert deltas["web"].learned
    assert deltas["web"].learned == deltas["host"].learned
    serve(cut.world, 100, "x")
    assert cut.close().deltas["web"].learned == ()


steps = st.lists(st.tuples(st.sampled_from([100, 200, 300]), st.sampled_from("abc"), st.integers(0, 3)), max_size=30)


@given(steps, st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_cutting_time_differently_gives_the_same_evidence(
    script: list[tuple[int, str, int]], seconds: set[int], cuts: set[int]
) -> None:
    """All sightings of all epochs together do not depend on at which whole seconds the epochs end."""
    assert told(script, seconds, cuts & seconds) == told(script, seconds, set())


def told(script: list[tuple[int, str, int]], seconds: set[int], cuts: set[int]) -> set[object]:
    cut = Cut()
    found: set[object] = set()
    for position, (pid, name, what) in enumerate(script):
        if what == 0:
            serve(cut.world, pid, name)
        elif what == 1:
            cut.world.execve(f"/bin/{name}", [name, str(position)], pid=pid)
        elif what == 2:
            cut.world.call("accept4", a0=3, exit=7, saddr="", pid=pid).open(f"/www/{name}", 5, pid=pid)
        else:
            cut.world.call("clone", pid=pid, exit=400 + position, a0=0x11).write(1, pid=400 + position, ppid=pid)
        if position in seconds:
            cut.world.millis += 990 - cut.world.millis % 1000  # the next call begins the next second
        if position in cuts:
            found |= content(cut.close().deltas)
    return found | content(cut.close().deltas)


def content(deltas: dict[str, Delta]) -> set[object]:
    found: set[object] = set()
    for app, delta in deltas.items():
        for sighting in delta.sightings:
            found |= {(app, sighting.container, one) for one in sighting.transitions}
            found |= {
                (app, sighting.container, state) for one in sighting.transitions for state in (one.effect, one.cause)
            }
            found |= {(app, sighting.container, state) for state in sighting.states}
    return found
