"""The local store answers as the whole graph would, whatever is cut, killed, torn, full or asked meanwhile."""

from __future__ import annotations

import copy
import errno
import os
import random
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import instances as module
from agent.instance_files import Budget, Entry, Lookup, SegmentFiles
from agent.instances import DROPPED, Instances, Resume
from agent.segments import Head
from agent.upg import EDGE, KINDS_OF_EDGE, Actor, Artifact, Clock, Recorder, Scope, States
from grammar import InputError
from grammar.control import Question, Reply, read, write

READ, WRITE, FORK = EDGE["USED", "read"], EDGE["WAS_GENERATED_BY", "write"], EDGE["WAS_TRIGGERED_BY", "fork"]
ALL = 20_000
Open = Callable[..., Instances]


class Script:
    """Actors and files of one container that do something at random, the same for the same seed."""

    def __init__(self, recorder: Recorder, seed: int = 1, container: str = "web1") -> None:
        self.random = random.Random(seed)
        self.scope = Scope("web", container, States(), Clock(1_000_000), recorder)
        self.files = [Artifact("File", f"File /d/{n}", f"/d/{n}#{n}") for n in range(6)]
        self.actors = [self._actor(f"{100 + n}@{n}/1") for n in range(4)]

    def _actor(self, ident: str) -> Actor:
        label = f"Process p{ident[2]} /bin/p"
        vertex = self.scope.vertex(label, (), ident)
        vertex.command = f"p --of {ident}"
        return Actor(label, (), ident, vertex)

    def act(self, steps: int = 10) -> None:
        """Read, write, fork; now and then all that is open is told."""
        for step in range(steps):
            self.scope.clock.millis += self.random.randrange(30)
            actor, file = self.random.choice(self.actors), self.random.choice(self.files)
            match self.random.randrange(8):
                case 0 | 1 | 2:
                    self.scope.take(file, actor, READ)
                case 3 | 4:
                    self.scope.give(file, actor, WRITE)
                case 5:
                    self.scope.trigger(actor, FORK, self.random.choice(self.actors).vertex)
                case 6:
                    self.scope.derive(file, self.random.choice(self.files), actor, WRITE)
                case _:
                    self.scope.flush()
            if step % 6 == 5:
                self.scope.flush()

    def snapshot(self) -> Script:
        """As it is now; the recorder is not part of it."""
        return copy.deepcopy(self, {id(self.scope.recorder): self.scope.recorder})

    def resumed(self, recorder: Recorder) -> Script:
        """The same, going on with another recorder."""
        return copy.deepcopy(self, {id(self.scope.recorder): recorder})

    def play(self, store: Instances, *epochs: int) -> Script:
        """Thirty steps an epoch; gives itself."""
        for epoch in epochs:
            self.act(30)
            self.scope.flush()
            store.cut(epoch)
        return self

    def states(self, label: str = "File /d/0") -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple(one for one in self.scope.states.states if one[0] == label)


class Truth:
    """A recorder that keeps the whole graph, and hands everything on."""

    def __init__(self, store: Instances) -> None:
        self.store, self.graph = store, networkx.MultiDiGraph()
        self.labels: dict[int, str] = {}

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        self.graph.add_node(number)
        self.labels[number] = label
        self.store.vertex(scope, number, label, ident)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        self.store.sealed(scope, number, state)

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        self.graph.add_edge(effect, cause, KINDS_OF_EDGE[kind])
        self.store.edge(scope, effect, kind, cause, millis)

    def near(self, label: str, *, forward: bool, depth: int) -> set[int]:
        """What is reached from the vertices of that label in at most `depth` steps (0: any number)."""
        graph = self.graph.reverse() if forward else self.graph
        found: set[int] = set()
        for start in (number for number, one in self.labels.items() if one == label):
            found |= networkx.single_source_shortest_path_length(graph, start, depth or None).keys()
        return found


def number(key: int) -> int:
    return key & ((1 << 40) - 1)


def ask(store: Instances, states: object, *, forward: bool = False, depth: int = 0, limit: int = ALL) -> Reply:
    direction = "descendants" if forward else "ancestors"
    question = Question(b"q", "web", states, direction, depth, limit)  # type: ignore[arg-type]
    return read(write(store.answer(question, 60)), Reply)


def head(entry: Entry) -> Head:
    with Lookup() as lookup:
        return lookup.head(entry)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Open]:
    """`store(…)` opens the store of this test, as often as it is asked to."""
    made: list[Instances] = []

    def opened(**how: object) -> Instances:
        made.append(Instances(tmp_path / "store", "w1", **how))  # type: ignore[arg-type]
        return made[-1]

    yield opened
    for one in made:
        one.close()


@given(
    seed=st.integers(0, 1 << 30),
    cuts=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    depth=st.integers(0, 4),
    forward=st.booleans(),
    held=st.sampled_from((60, 1 << 16)),
)
def test_an_answer_is_what_the_whole_graph_says(
    seed: int, cuts: list[int], depth: int, forward: bool, held: int
) -> None:
    """Wherever epochs end, however little is held, within any depth: an answer's graph is that of the whole truth."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_HELD", held)
        store = Instances(Path(folder), "w1")
        truth = Truth(store)
        script = Script(truth, seed)
        for epoch, steps in enumerate(cuts):
            script.act(steps)
            script.scope.flush()
            if epoch < len(cuts) - 1:
                store.cut(epoch)  # the last one is open when it is asked about
        reply = ask(store, script.states(), forward=forward, depth=depth)
        store.close()
    assert store.dropped == 0
    expected = truth.near("File /d/0", forward=forward, depth=depth)
    assert {number(one.number) for one in reply.instances} == expected
    links = {(number(one.effect), number(one.cause), (one.relation, one.operation)) for one in reply.links}
    assert links <= set(truth.graph.edges(keys=True))
    if not depth:
        assert links == set(truth.graph.subgraph(expected).edges(keys=True))


def test_an_answer_names_pids_and_command_lines_also_where_the_program_began_long_ago(store: Open) -> None:
    one = store()
    script = Script(one).play(one, *range(6))
    again = store(resume=Resume(told=5, epoch=6))
    script.resumed(again).play(again, 6)
    processes = [found for found in ask(again, script.states()).instances if found.label.startswith("Process")]
    assert {(found.pid, found.command) for found in processes} == {
        (100 + n, f"p --of {100 + n}@{n}/1") for n in range(4)
    }


def test_a_limit_keeps_the_nearest_and_says_so(store: Open) -> None:
    one = store()
    script = Script(one).play(one, *range(6))
    whole, some = ask(one, script.states()), ask(one, script.states(), limit=10)
    assert (whole.cut, some.cut, len(some.instances)) == (False, True, 10)
    assert some == ask(one, script.states(), limit=10)
    asked = [found for found in some.instances if found.asked]
    assert asked == [found for found in whole.instances if found.asked][:5]
    assert ask(one, script.states(), depth=1, limit=10).instances == some.instances


def test_only_the_time_in_question_is_asked_about(store: Open) -> None:
    one = store()
    script = Script(one).play(one, *range(6))
    times = sorted(found.time for found in ask(one, script.states()).instances if found.asked)
    since, until = times[3], times[-3]
    question = Question(b"q", "web", script.states(), "ancestors", 0, ALL, since, until)
    asked = sorted(found.time for found in one.answer(question).instances if found.asked)
    assert asked == [time for time in times if since <= time <= until]


def test_when_time_is_up_the_answer_says_that_it_is_cut(store: Open) -> None:
    one = store()
    script = Script(one).play(one, *range(6))
    assert one.answer(Question(b"q", "web", script.states()), within=-1).cut


def test_another_application_or_an_unknown_state_has_no_instances(store: Open) -> None:
    one = store()
    script = Script(one).play(one, 0)
    assert one.answer(Question(b"q", "db", script.states())).instances == ()
    assert ask(one, (("File /d/0", ("#nothing",)),)).instances == ()


def test_a_learned_pattern_finds_the_names_that_it_stands_for(store: Open) -> None:
    one = store()
    script = Script(one).play(one, 0, 1)
    pattern = tuple(("File /d/{int}", context) for _, context in script.states())
    found = {found.name for found in ask(one, pattern).instances if found.asked}
    assert "/d/0" in found
    assert found <= {f"/d/{n}" for n in range(6)}


@pytest.mark.parametrize("killed", range(6))
@pytest.mark.parametrize("behind", [0, 1])
def test_a_restart_at_any_epoch_repeats_and_loses_nothing(store: Open, killed: int, behind: int) -> None:
    """Killed after epoch `killed`, with the journal as far or one epoch behind, from a snapshot at epoch 2."""
    one = store()
    script = Script(one).play(one, *range(3))
    snapshot = script.snapshot()
    script.play(one, *range(3, 3 + killed))
    told = max(2, 2 + killed - behind)
    script.act(7)
    again = store(resume=Resume(told, epoch=3))
    script = snapshot.resumed(again).play(again, *range(3, 10))
    with tempfile.TemporaryDirectory() as folder:
        whole = Instances(Path(folder), "w1")
        expected = ask(whole, Script(whole).play(whole, *range(10)).states())
        whole.close()
    assert ask(again, script.states()) == expected
    assert [head(entry).epoch for entry in again.files.entries] == list(range(10))


def test_a_new_life_shares_no_number_with_the_one_before(store: Open) -> None:
    one = store()
    first = Script(one).play(one, 0, 1)
    before = ask(one, first.states())
    again = store()
    second = Script(again, seed=2).play(again, 0, 1)
    after = ask(again, (*first.states(), *second.states()))
    assert {found.number for found in before.instances} < {found.number for found in after.instances}
    assert {link for link in after.links if link in before.links} == set(before.links)
    lives = [{found.number >> 40 for found in reply.instances} for reply in (before, after)]
    assert (len(lives[0]), len(lives[1])) == (1, 2)


def test_a_container_that_begins_anew_under_its_name_is_another_scope(store: Open) -> None:
    one = store()
    Script(one).play(one, 0)
    script = Script(one, seed=3).play(one, 1)
    assert len({found.number >> 40 for found in ask(one, script.states()).instances}) >= 1
    sections = [head(entry).sections[0] for entry in one.files.entries]
    assert [(section.scope, section.first) for section in sections] == [(1, 1), (2, 1)]


def test_a_torn_end_is_cut_off_wherever_it_was_torn(store: Open, tmp_path: Path) -> None:
    one = store()
    Script(one).play(one, 0, 1, 2)
    *_, before, last = one.files.entries
    one.close()
    content = last.path.read_bytes()
    for length in (*range(last.offset, last.offset + 40), last.stop - 1):
        last.path.write_bytes(content[:length])
        files = SegmentFiles(tmp_path / "store")
        assert [entry.stop for entry in files.entries][-1] == before.stop
        assert last.path.stat().st_size == before.stop
    for at in range(last.offset, last.stop, 7):
        last.path.write_bytes(content[:at] + bytes((content[at] ^ 1,)) + content[at + 1 :])
        assert len(SegmentFiles(tmp_path / "store").entries) == 2 + (at in range(last.offset + 20, last.offset + 36))


def test_a_process_that_is_killed_while_it_writes_leaves_whole_segments(tmp_path: Path) -> None:
    """kill -9 at any instant: what is found again are the first epochs, each whole, and recording goes on."""
    program = (
        "import sys, test_instances as t; from pathlib import Path; from agent.instances import Instances\n"
        "one = Instances(Path(sys.argv[1]), 'w1'); script = t.Script(one); print('go', flush=True)\n"
        "for epoch in range(1 << 30): script.play(one, epoch)"
    )
    where = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parents[2])))
    for wait in (0.0, 0.03, 0.1):
        folder = tmp_path / str(wait)
        argv = [sys.executable, "-c", program, str(folder)]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": where})
        assert child.stdout is not None
        with child.stdout as told:
            told.readline()
            time.sleep(wait)
            child.kill()
            child.wait()
        epochs = [head(entry).epoch for entry in SegmentFiles(folder).entries]
        assert epochs == list(range(len(epochs)))
        one = Instances(folder, "w1", resume=Resume(len(epochs) - 1, len(epochs)))
        Script(one).play(one, len(epochs))
        assert len(one.files.entries) == len(epochs) + 1
        one.close()


def test_a_damaged_segment_costs_itself_and_is_said(store: Open) -> None:
    one = store()
    script = Script(one).play(one, *range(4))
    entry = one.files.entries[1]
    with entry.path.open("r+b") as file:
        file.seek(entry.stop - 3)
        file.write(b"\xff\xff\xff")
    reply = ask(one, script.states())
    assert reply.lost[DROPPED] > 0
    assert reply.instances


@pytest.mark.parametrize("short", [False, True])
def test_a_full_disk_is_counted_said_and_survived(store: Open, monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    def full(file: int, data: bytes, offset: int) -> int:
        if short:
            return real(file, data[:20], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    one = store()
    script = Script(one).play(one, 0, 1)
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        script.play(one, 2, 3)
        assert sum(path.stat().st_size for path in one.files.folder.iterdir()) == one.files.size
    script.play(one, 4, 5)
    reply = ask(one, script.states())
    assert one.dropped > 0
    assert one.loss[DROPPED] == reply.lost[DROPPED] == one.dropped
    assert {head(entry).epoch for entry in SegmentFiles(one.files.folder).entries} == {0, 1, 4, 5}
    assert reply.instances


def test_budgets_delete_the_oldest_and_the_answer_says_since_when_it_knows(
    store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.instance_files.MIN_FILE", 1_000)
    one = store(budget=Budget(size=20_000))
    script = Script(one)
    for epoch in range(40):
        script.play(one, epoch)
        assert one.files.size <= 20_000 + 5_000
    on_disk = sum(path.stat().st_size for path in one.files.folder.iterdir())
    assert on_disk == one.files.size
    assert head(one.files.entries[0]).epoch > 0
    assert ask(one, script.states()).since == one.files.entries[0].start > 1_000_000


def test_what_is_older_than_the_age_is_deleted(store: Open) -> None:
    one = store(budget=Budget(age=2_000))
    Script(one).play(one, *range(40))
    newest = one.files.entries[-1].end
    assert len(one.files.entries) < 40
    assert one.files.entries[0].end >= newest - 2_000 - 2_000


def test_a_flood_that_is_never_settled_is_dropped_and_counted(store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 100)
    one = store()
    scope = Scope("web", "web1", States(), Clock(1), one)
    for n in range(1_000):
        scope.vertex(f"File /{n}", (), f"/{n}#1")
        assert sum(rows.held for rows in one._open.rows.values()) <= 101
    scope.flush()
    one.cut(0)
    kept = sum(section.count for entry in one.files.entries for section in head(entry).sections)
    assert one.dropped == 1_000 - kept > 0


def test_nobody_else_may_read_the_store(store: Open) -> None:
    one = store()
    Script(one).play(one, 0)
    assert stat.S_IMODE(one.files.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in one.files.folder.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no instance store here"):
        Instances(tmp_path / "file" / "store", "w1")


def test_names_that_are_no_text_are_told_escaped(store: Open) -> None:
    one = store()
    scope = Scope("web", "web1", States(), Clock(1), one)
    scope.vertex("File /\udcff", (), "/\udcff#1")
    scope.flush()
    asked = (("File /\\udcff", ()),)
    assert [found.name for found in ask(one, asked).instances] == ["/\\udcff"]
    one.cut(0)
    assert [found.name for found in ask(one, asked).instances] == ["/\\udcff"]


def test_whoever_asks_while_it_is_recorded_sees_a_whole_past(store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain in which each vertex comes from the one before: every answer is the chain from its latest one to 1."""
    monkeypatch.setattr(module, "MAX_HELD", 500)
    one = store()
    states = States()
    scope = Scope("web", "web1", states, Clock(1), one)
    file, replies, done = Artifact("File", "File /x", "/x#1"), list[Reply](), threading.Event()
    actor = Actor("Process p /p", (), "1@1", scope.vertex("Process p /p", (), "1@1"))

    def asks() -> None:
        while not done.is_set():
            asked = tuple(state for state in list(states.states) if state[0] == "File /x")
            replies.append(one.answer(Question(b"q", "web", asked, limit=ALL), 60))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=asks)
    thread.start()
    for epoch in range(500):
        for _ in range(30):
            scope.clock.millis += 1
            scope.derive(file, file, actor, WRITE)
            scope.flush()
        one.cut(epoch)
    done.set()
    thread.join()
    sys.setswitchinterval(interval)
    assert len(replies) > 3
    for reply in replies:
        seen = sorted(number(found.number) for found in reply.instances)
        assert seen == list(range(2, 2 + len(seen))), "a hole, or a vertex twice"
        assert not seen or len(reply.links) == len(seen) - 1


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("epochs", [1, 3])
def test_an_epoch_that_ends_while_the_question_is_read_counts_once(
    store: Open, monkeypatch: pytest.MonkeyPatch, first: bool, epochs: int
) -> None:
    """The open columns become segments just before, or just after, they are copied."""
    one = store()
    script = Script(one).play(one, 0)
    script.act(30)
    script.scope.flush()
    expected = ask(one, script.states())
    copies, states = one._opened, script.states()

    def meanwhile() -> object:
        copied = None if first else copies()
        one.cut(1)
        script.play(one, *range(2, 1 + epochs))
        return copies() if copied is None else copied

    monkeypatch.setattr(one, "_opened", meanwhile)
    reply = ask(one, states)
    if epochs == 1:
        assert reply == expected
    assert len({found.number for found in reply.instances}) == len(reply.instances)
    assert len(set(reply.links)) == len(reply.links)


def test_what_the_journal_does_not_have_is_cut_off_for_it_may_be_cut_elsewhere(store: Open) -> None:
    one = store()
    script = Script(one).play(one, 0, 1)
    snapshot = script.snapshot()
    script.act(5)
    script.scope.flush()
    one.cut(2)
    again = store(resume=Resume(told=1, epoch=2))
    script = snapshot.resumed(again)
    script.act(5)
    script.scope.flush()
    script.act(25)
    script.scope.flush()
    again.cut(2)
    heads = [head(entry) for entry in again.files.entries]
    assert [one.epoch for one in heads] == [0, 1, 2]
    assert sum(section.count for one in heads for section in one.sections) == script.scope.made
