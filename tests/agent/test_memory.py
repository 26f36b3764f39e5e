"""A restart repeats what was told, line by line, and what it did not tell is told later: none is lost, none told twice.

Source: agent/memory.py, agent/heard.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_worker import Logging, logging, shown, traced, worker

from agent.containers import Container, Containers
from agent.heard import Heard
from agent.ledger import Recovery, Row
from agent.live_containers import LiveContainers
from agent.logfiles_value import Given, Look
from agent.memory import Cut, Memory, recall
from agent.pipeline import Pipeline


def test_a_line_that_was_read_after_the_last_cut_is_told_after_the_restart() -> None:
    """Its write had been read, but not the line: its log had just been begun. A restart finds both at once."""
    with logging(epoch=50, early=0) as one:
        one.run(1)
        one.opens(str(one.app.path))
        one.says()
        one.loop.step(0)
        assert one.told == {0: []}
        one.kill()
        one.run(3)
        assert one.lines == one.said
        assert any("LogMessage" in str(item) for item in shown(one.entries))


def test_looks_bytes_and_steps_are_repeated_in_their_order() -> None:
    """A look may stand before, between and behind bytes; between steps, too, and behind what was skipped."""
    with traced() as one:
        one.look(1)
        one.write(2)
        one.loop.step(0)
        one.look(2)
        one.write(1)
        one.loop.step(0)
        one.look(3)
        one.run(1)
        one.look(4)
        one.write(1)
        one.loop.step(0)
        one.run(1)
        one.look(5)
        one.loop.step(0)
        one.loop.budget.percent = 1
        one.world.used += 1
        one.write(3)
        one.loop._rest()
        one.look(6)
        one.loop.step(0)
        one.write(1)
        one.look(7)
        one.loop.step(0)
        one.loop.cut()
        trace = one.trace.copy()
        kinds = ["bytes" if isinstance(each, bytes) else each for each in trace]
        assert kinds == [
            "look 1", "bytes", "look 2", "bytes", "look 3", "sealed 0", "look 4", "bytes", "sealed 0", "look 5",
            "look 6", "look 7", "bytes", "cut",
        ]  # fmt: skip
        one.kill()
        assert one.trace == trace


@pytest.mark.parametrize("full", [False, True])
def test_what_was_heard_before_a_snapshot_is_in_it_and_not_in_the_journal(full: bool) -> None:
    """Nothing was open, so that no epoch was cut; if the snapshot cannot be written the journal goes on."""
    with traced() as one:
        one.look(1)
        one.append(b"what is this?\n")
        one.loop.step(0)
        one.world.full = full
        one.notes = [Look(9, (Given("web", "/a.log", 1, 9, 1),))]
        one.loop.save()
        if not full:
            one.trace.clear()
        one.look(2)
        one.append(b"and this?\n")
        one.loop.step(0)
        one.look(3)
        one.write(1)
        one.loop.step(0)
        one.loop.cut()
        trace = one.trace.copy()
        one.world.full = False
        one.kill()
        assert one.trace == trace
        first = "look 1" if full else "look 2"
        assert (trace[0], "look 9" in trace) == (first, full)


class Named(Containers):
    """Finds out a name, and is told it."""

    expected: ClassVar[list[Container]] = []

    def take_named(self) -> tuple[Container, ...]:
        return (Container("ab12", "web1", "web", 7, "nginx:1"),)

    def expect(self, named: Iterable[Container]) -> None:
        self.expected.extend(named)


def test_names_are_journaled_and_told_before_anything_is_read_again() -> None:
    with worker(epoch=50) as one:
        one.loop.memory.pipeline.node.containers = Named({}, {})
        one.loop.save()
        one.write(1)
        one.run(1)
        one.kill()
        assert Named.expected == [Container("ab12", "web1", "web", 0, "nginx:1")]
        assert one.repeated == [0]


def test_what_was_named_is_called_so_again() -> None:
    """After a restart nobody answers yet: without the journal it would be another application's from there on."""
    ident, first, second = "ab" * 32, LiveContainers(), LiveContainers()
    first.expect([Container(ident, "web1", "web", 0, "nginx:1")])
    assert first.enter(ident, b"999999999", 1_000) is not None
    named = first.take_named()
    assert [(one.name, one.app) for one in named] == [("web1", "web")]
    assert first.take_named() == ()
    second.expect(named)
    given = second.enter(ident, b"999999999", 1_000)
    assert given is not None
    assert (given.name, given.app, given.image) == ("web1", "web", "nginx:1")
    assert not second.loss


def test_a_damaged_row_is_counted_and_the_next_one_repeated() -> None:
    memory = Memory(Pipeline(Containers.of([]), 1000))
    with worker(epoch=50) as one:
        source = one.loop.source
        at = source.position.to_bytes()
        damaged = msgspec.msgpack.encode(Cut(1, 2, heard=Heard((), ((0, 0, 1, ((9, 1, 0, 1),)),))))
        rows = [Row("cut", at, payload) for payload in (b"\xc1", damaged, msgspec.msgpack.encode(Cut(1, 2)))]
        recall(memory, source, Recovery("", b"", tuple(rows)), one.again)
    assert (memory.number, memory.replay) == (1, None)
    assert one.repeated == [0]


ACTS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 7)),
    st.tuples(st.just("run"), st.integers(1, 30)),
    st.tuples(st.just("step"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["kill", "rotate", "write", "full"]), st.just(0)),
)


def act(one: Logging, name: str, number: int) -> None:
    if name == "say":
        one.says(100 + number % 2, audited=number != 3, whole=number != 5)
    elif name == "run":
        one.run(number / 10)
    elif name == "step":
        for _ in range(number):
            one.loop.step(0)
    elif name == "kill":
        one.kill()
    elif name == "full":
        one.world.full = not one.world.full
    elif name == "write":
        one.write(1)
    elif one.app.path.exists():
        one.run(6)
        one.loop.save()  # what is rotated before a log is known is nobody's
        one.app.rotate()


@settings(max_examples=30)
@given(st.lists(ACTS, max_size=16), st.sampled_from([0, 0.1]), st.sampled_from([1, 3_000, 1 << 20]))
def test_whatever_happens_every_line_is_told_once_and_epochs_are_repeated_as_they_were(
    acts: list[tuple[str, int]], early: float, snapshot_bytes: int
) -> None:
    """Two programs' lines, of one length; kills at any step, rotation, snapshots that fail, writes that nobody saw."""
    with logging(epoch=2, early=early, snapshot_bytes=snapshot_bytes) as one:
        for pid in (100, 101):
            one.opens(str(one.app.path), pid)
        for name, number in acts:
            act(one, name, number)
        one.app.path.touch()
        one.run(40)
        assert one.other == []
        assert sorted(one.lines) == one.said
        lost = {cause for entry in one.entries for cause in entry.lost if cause.startswith("log_")}
        assert lost <= {"log_unjoined"}
