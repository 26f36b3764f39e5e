"""Snapshots: memory comes back exactly as it was, or not at all; nobody else's file is ever believed."""

from __future__ import annotations

import os
import pickle
import random
import sys
from collections.abc import Callable
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from lines import AT_CWD, START, path, syscall

from agent import snapshot
from agent.containers import Containers
from agent.epochs import Epoch
from agent.live_containers import LiveContainers
from agent.loss import Loss
from agent.memory import Memory
from agent.node import Node
from agent.pipeline import Pipeline
from agent.recording import open_recording
from agent.snapshot import SnapshotError, pack, restore, save, tidy, unpack
from grammar.control import Control


class Recorder:
    """Something from outside that hears of every vertex."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.handle = sys.stderr  # what no pickle can hold

    def vertex(self, scope: object, number: int, label: str, ident: str) -> None:
        self.heard.append(("vertex", number, label, ident))

    def sealed(self, scope: object, number: int, state: int) -> None:
        self.heard.append(("sealed", number, state))

    def edge(self, scope: object, effect: int, kind: int, cause: int, millis: int) -> None:
        self.heard.append(("edge", effect, kind, cause, millis))


def told(epochs: list[Epoch]) -> list[object]:
    return [(one.start, one.events, one.records, one.vertices, one.deltas, one.lost, one.active) for one in epochs]


def again(pipeline: Pipeline) -> Pipeline:
    return unpack(pack(pipeline, {}), "f", Pipeline, {})


@pytest.fixture(scope="module")
def web(shared: Path, recording_log: Callable[[str, str], Path]) -> tuple[Containers, bytes]:
    log = recording_log("web", "worker3").read_bytes()
    known = Containers.of(open_recording(shared / "recordings" / "web").containers["worker3"])
    return known, log[: 2 << 20]


def run(known: Containers, pieces: list[bytes], *, saved: bool) -> list[object]:
    """The epochs of a log that comes in pieces; `saved`: with a snapshot after each."""
    pipeline, epochs = Pipeline(known, 50), list[Epoch]()
    for piece in pieces:
        epochs += list(pipeline.feed(piece))
        pipeline = again(pipeline) if saved else pipeline
    return told([*epochs, *pipeline.finish()])


@pytest.mark.parametrize("seed", range(4))
def test_at_any_byte_a_restored_pipeline_goes_on_as_if_nothing_had_happened(
    web: tuple[Containers, bytes], seed: int
) -> None:
    """Saved and restored at any bytes of a real log, the epochs are those of a pipeline that was never interrupted."""
    known, log = web
    cuts = [0, *sorted(random.Random(seed).choices(range(len(log)), k=4)), len(log)]
    pieces = [log[a:b] for a, b in pairwise(cuts)]
    straight = run(known, pieces, saved=False)
    assert len(straight) > 5
    same = run(known, pieces, saved=True) == straight
    assert same  # nobody wants to read the difference


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 10**6))
def test_small_logs_too(times: list[int], at: int) -> None:
    """Wherever a small log is cut, inside records and between them."""
    data = b"".join(
        syscall("openat", stamp=(START + 700 * n, n + 1), exit=3, a0=AT_CWD, pid=100 + time, paths=[path(f"/f/{time}")])
        for n, time in enumerate(times)
    )
    cut = at % (len(data) + 1)
    known, pieces = Containers.of([]), [data[:cut], data[cut:]]
    assert run(known, pieces, saved=True) == run(known, pieces, saved=False)


def test_what_is_shared_in_memory_is_shared_again(web: tuple[Containers, bytes]) -> None:
    known, log = web
    pipeline = Pipeline(known, 2_000)
    list(pipeline.feed(log))
    node = again(pipeline).node
    assert all(scope.clock is node.time.clock for scope in node.scopes.values())
    assert all(files._loss is node.loss for files in node.files.values())
    assert all(process.scope is node.scopes[process.scope.container] for process in node.processes.values())
    assert isinstance(node.loss, Loss)


def test_thirty_thousand_processes_are_no_deep_recursion() -> None:
    """A chain of forks, each the child of the one before, with the recursion limit of a small thread."""
    pipeline = Pipeline(Containers.of([]), 1_000)
    log = b"".join(
        syscall("openat", stamp=(START + n, n + 1), exit=3, a0=AT_CWD, pid=1_000 + n, ppid=999 + n, paths=[path("/f")])
        for n in range(3_000)
    )
    pipeline.absorb(log)
    assert len(pipeline.node.processes) == 3_000
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        restored = again(pipeline)
    finally:
        sys.setrecursionlimit(limit)
    assert len(restored.node.processes) == 3_000


def test_what_is_outside_is_put_in_again(tmp_path: Path) -> None:
    recorder, other = Recorder(), Recorder()
    pipeline = Pipeline(Containers.of([]), 1_000, recorder=recorder)
    pipeline.absorb(syscall("openat", stamp=(START, 1), exit=3, a0=AT_CWD, paths=[path("/f")]))
    name = save(tmp_path, pipeline, {"recorder": recorder})
    found = restore(tmp_path, name, Pipeline, {"recorder": other})
    assert found.node.recorder is other
    assert all(scope.recorder is other for scope in found.node.scopes.values())
    assert restore(tmp_path, name, Pipeline, {}).node.recorder is None


def test_the_memory_of_a_live_agent_can_be_saved(web: tuple[Containers, bytes]) -> None:
    memory = Memory(
        Pipeline(LiveContainers(), 1_000), control=Control(4, patterns=(("web", ("File /a{int}",)),)), number=7
    )
    memory.pipeline.absorb(web[1])
    found = unpack(pack(memory, {}), "f", Memory, {})
    assert (found.control, found.number) == (memory.control, 7)
    memory.pipeline.cut(0, 1_000), found.pipeline.cut(0, 1_000)
    more = web[1][:100_000]
    for one in (memory, found):
        one.pipeline.absorb(more)
    assert told([found.pipeline.cut(0, 1_000)]) == told([memory.pipeline.cut(0, 1_000)])


def test_what_nobody_has_named_cannot_be_saved() -> None:
    pipeline = Pipeline(Containers.of([]), 1_000, recorder=Recorder())
    with pytest.raises(SnapshotError, match="cannot be saved"):
        pack(pipeline, {})


@pytest.fixture
def saved() -> bytes:
    return pack(Node(Containers.of([])), {})


@given(st.data())
def test_a_changed_byte_or_a_missing_end_is_noticed_before_anything_is_made(data: st.DataObject) -> None:
    """Whatever is damaged, and however, the answer is a `SnapshotError`."""
    whole = pack(Node(Containers.of([])), {})
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    for bad in (flipped, whole[:at]):
        with pytest.raises(SnapshotError):
            unpack(bad, "f", Node, {})


def forged(pickled: bytes, stamp: bytes | None = None) -> bytes:
    """Whole and with a fitting digest, but not of our making."""
    head = snapshot.MAGIC + (snapshot.stamp() if stamp is None else stamp) + zstandard.compress(pickled)
    return head + blake2b(head, digest_size=snapshot.STAMP).digest()


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


@pytest.mark.parametrize(
    "pickled",
    [
        pickle.dumps(Evil()),
        b"cagent.snapshot\nPath\n.",
        b"cagent.node\nre.compile\n.",
        b"cagent.private\nwrite_private\n.",
        b"cbuiltins\neval\n.",
        b"cagent.ledger\nLedger\n.",
        b"",
        b"\x80\x05" + b"\x8e" + (1 << 62).to_bytes(8, "little"),
    ],
)
def test_a_pickle_can_only_make_what_memory_is_made_of(pickled: bytes) -> None:
    with pytest.raises(SnapshotError):
        unpack(forged(pickled), "f", Node, {})


def test_a_bomb_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_PLAIN", 1 << 20)
    with pytest.raises(SnapshotError, match="too large"):
        unpack(forged(pickle.dumps(b"\0" * (8 << 20))), "f", bytes, {})


def test_another_program_or_another_kind_is_refused(saved: bytes) -> None:
    with pytest.raises(SnapshotError, match="another version"):
        unpack(forged(pickle.dumps(1), b"x" * snapshot.STAMP), "f", int, {})
    with pytest.raises(SnapshotError, match="something else"):
        unpack(saved, "f", Pipeline, {})


def test_only_a_private_file_of_ours_is_read(tmp_path: Path) -> None:
    name = save(tmp_path, Loss(), {})
    file = tmp_path / name
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o666)
    with pytest.raises(SnapshotError, match="others may write") as caught:
        restore(tmp_path, name, Loss, {})
    assert "chmod 600" in caught.value.hint
    (tmp_path / "snapshot-9").symlink_to(file)
    for bad in ("snapshot-9", "snapshot-8", "../x", "snapshot-x", ""):
        with pytest.raises(SnapshotError):
            restore(tmp_path, bad, Loss, {})


def test_each_snapshot_has_its_own_name_and_old_ones_can_be_tidied_away(tmp_path: Path) -> None:
    names = [save(tmp_path, Loss(late=n), {}) for n in range(3)]
    assert len(set(names)) == 3
    (tmp_path / ".snapshot-7.new").write_bytes(b"half")
    (tmp_path / "agent.sqlite").write_bytes(b"other")
    tidy(tmp_path, names[1])
    assert {one.name for one in tmp_path.iterdir()} == {names[1], "agent.sqlite"}
    assert restore(tmp_path, names[1], Loss, {}) == Loss(late=1)
