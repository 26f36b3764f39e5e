"""From bytes to epochs: time is the log's, cuts do not matter, loss travels with the epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import AT_CWD, START, Graph, path, syscall

from agent.containers import Containers
from agent.epochs import Epoch
from agent.pipeline import Pipeline
from agent.recording import open_recording


def log(times: list[int]) -> bytes:
    """One openat at each of these milliseconds after the start."""
    return b"".join(
        syscall("openat", stamp=(START + at, serial), exit=3, a0=AT_CWD, paths=[path(f"/f/{serial}")])
        for serial, at in enumerate(times, 1)
    )


def run(data: bytes, length: int = 1_000, step: int = 0) -> list[Epoch]:
    pipeline = Pipeline(Containers.of([]), length)
    pieces = [data[at : at + step] for at in range(0, len(data), step)] if step else [data]
    epochs = [epoch for piece in pieces for epoch in pipeline.feed(piece)]
    return epochs + list(pipeline.finish())


def told(epochs: list[Epoch]) -> list[object]:
    return [(one.start, one.events, one.vertices, one.edges, one.deltas, one.lost, one.active) for one in epochs]


def test_an_epoch_ends_with_the_first_event_after_it_and_empty_ones_are_left_out() -> None:
    epochs = run(log([100, 900, 1_000, 5_500]))
    assert [(one.start - START, one.events) for one in epochs] == [(0, 2), (1_000, 1), (5_000, 1)]
    assert sum(one.records for one in epochs) == 4 * 4


def test_an_empty_log_has_no_epochs() -> None:
    assert run(b"") == []


@given(st.lists(st.integers(0, 9_000), max_size=30), st.integers(1, 999))
def test_however_the_bytes_come_the_epochs_are_the_same(times: list[int], step: int) -> None:
    """Fed whole or in pieces of any size: the same epochs with the same content."""
    data = log(sorted(times))
    assert told(run(data, step=step)) == told(run(data))


def test_an_event_that_ends_late_belongs_to_the_epoch_in_which_it_appears() -> None:
    """A blocked accept carries the time of its beginning: no epoch is opened again for it."""
    epochs = run(log([100, 3_000, 200, 3_100]))
    assert [(one.start - START, one.events) for one in epochs] == [(0, 1), (3_000, 3)]


def test_loss_travels_with_the_epoch_in_which_it_happened() -> None:
    epochs = run(log([100]) + b"rubbish\n" + log([2_000]) + b"type=SYSCALL msg=audit(17000")
    assert [one.lost for one in epochs] == [{"unparsable": 1}, {"truncated": 1}]


def test_the_recorder_sees_every_vertex_and_edge() -> None:
    graph = Graph()
    pipeline = Pipeline(Containers.of([]), 1_000, recorder=graph)
    epochs = [*pipeline.feed(log([0, 10, 2_000])), *pipeline.finish()]
    assert len(graph.labels) == sum(one.vertices for one in epochs)
    assert len(graph.edges) == sum(one.edges for one in epochs)


@pytest.mark.parametrize("recording", ["web", "portal"])
def test_a_real_log_is_causal_and_the_same_twice(
    shared: Path, recording_log: Callable[[str, str], Path], recording: str
) -> None:
    """Times in order, no edge between containers, the runtime in `host`, the service's containers found by name."""
    about = open_recording(shared / "recordings" / recording)
    worker = {"web": "worker3", "portal": "worker2"}[recording]
    data = recording_log(recording, worker).read_bytes()
    known = Containers.of(about.containers[worker])
    graph = Graph()
    first, second = Pipeline(known, 10_000, recorder=graph), Pipeline(known, 10_000)
    epochs = [*first.feed(data), *first.finish()]
    times = [millis for *_, millis in graph.edges]
    assert times == sorted(times)
    assert all(effect[0] == cause[0] for effect, _, _, cause, _ in graph.edges)
    assert {name for name, _ in graph.labels} == {"host"} | {one.name for one in about.containers[worker]}
    runtime = {"runc", "conmon", "podman", "netavark"}
    inside = {
        label.split()[1] for (name, _), label in graph.labels.items() if name != "host" and label[:7] == "Process"
    }
    assert not runtime & inside
    assert told([*second.feed(data), *second.finish()]) == told(epochs)
    assert not set(first.node.loss) & {"malformed", "unknown_arch", "processes_evicted"}


def test_what_was_too_much_to_tell_travels_with_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.upg.MAX_STATES", 10)
    names = [f"/f/{a}{b}" for a in "abcdef" for b in "abcdef"]
    opened = (
        syscall("openat", stamp=(START + at, at), exit=3, a0=AT_CWD, paths=[path(name)])
        for at, name in enumerate(names, 1)
    )
    epochs = run(b"".join(opened))
    assert epochs[-1].lost["behaviour_limit"] > 0
    assert max(one.states for one in epochs) <= 12
