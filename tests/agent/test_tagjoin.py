"""Lines joined by the tags of their writes: whose they are, what is told of them, what is not believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import WRONLY, World
from tag_scene import DEVICE, LOG, MS, O_APPEND, START, Faults, File, Scene, Watching, finish, play, tag, world_of

from agent.containers import Container, Containers
from agent.logbook import Book
from agent.logfiles_value import Generation, Piece
from agent.logmessages import LogMessages
from agent.tags import GUESSED, Tag

PIDS = [201, 202]


def served(count: int = 6, gap: int = 15_000, *, reads: bool = False, **shape: bool) -> Scene:
    """Requests that two workers serve, a line each; `reads` are audited or not."""
    scene, file = Scene(**shape), File(LOG)
    for number in range(count):
        pid = PIDS[number % 2]
        scene.accept(pid)
        if reads:
            scene.read(pid)
        scene.step(gap)
        scene.write(file, pid, scene.line(pid))
    return scene


class Commands(World):
    """A world whose recorder takes command lines."""

    def __init__(self, containers: Containers | None = None) -> None:
        super().__init__(containers)
        self.commands: dict[str, str] = {}
        graph, commands = self.graph, self.commands

        class Recorder:
            vertex, sealed, edge = graph.vertex, graph.sealed, graph.edge

            def command(self, ident: str, text: str) -> None:
                commands[ident] = text

        self.node.recorder = Recorder()

    def take(self, container: str, data: bytes, offset: int = 0, path: str = LOG, millis: int = START + 50) -> None:
        assert self.node.logs is not None
        self.node.logs.take([Piece(container, path, Generation(DEVICE, 1, 1), offset, data, millis)])

    def later(self, millis: int = 4_000, **fields: object) -> None:
        self.millis += millis
        self.call("getpid", **{"pid": 100, **fields})


def test_audited_writes_take_their_own_lines() -> None:
    scene = served(gap=0)
    told = play(scene, world_of(PIDS))
    assert (told.wrong(scene), told.logs.how["tag"], told.in_units(scene)) == ([], 6, 6)
    assert told.logs.joined == {"log": 6, "log_near": 0, "": 0}


def test_lines_of_unaudited_writes_are_the_units_of_their_time() -> None:
    scene = served(audited=False)
    told = play(scene, world_of(PIDS))
    assert (told.wrong(scene), told.logs.how["tag"], told.in_units(scene)) == ([], 6, 6)


def test_units_that_began_within_a_step_of_audits_clock_are_not_chosen() -> None:
    scene = served(audited=False, gap=0)
    told = play(scene, world_of(PIDS))
    assert (told.wrong(scene), told.logs.how["tag"], told.in_units(scene)) == ([], 6, 0)


@pytest.mark.parametrize("reads", [False, True])
def test_the_events_own_record_needs_no_search(reads: bool) -> None:
    """Where reads are not audited, a lost accept would not be noticed: the line is the process's."""
    scene = served(companion=True, reads=reads)
    everything = frozenset(range(1, 7))
    told = play(scene, world_of(PIDS), Faults(tags=everything))
    assert (told.wrong(scene), told.logs.how["tag"], told.in_units(scene)) == ([], 6, 6 * reads)


def test_a_tag_that_comes_twice_by_two_ways_is_one() -> None:
    scene = served(companion=True)
    told = play(scene, world_of(PIDS))
    assert (told.wrong(scene), told.logs.how["tag"]) == ([], 6)


def test_a_recording_with_records_of_tags_is_joined_by_them() -> None:
    """Its logs are files that are there from the start, rotated ones before the last: offsets begin anew."""
    scene, file = served(companion=True), File(LOG, inode=2)
    for pid in PIDS:
        scene.write(file, pid, scene.line(pid))
    world, whole = world_of(PIDS, "/elsewhere.log"), b"".join(one.piece[2] for one in scene.happened if one.piece)
    assert world.node.logs is not None
    world.node.logs.add("host", Book("app.log", iter([whole])))
    world.open(LOG, 7, WRONLY | O_APPEND)
    for pid in PIDS:
        world.open(LOG, 7, WRONLY | O_APPEND, pid=pid, ppid=100, comm="p100", exe="/bin/p100")
    for one in scene.happened:
        if one.event:
            world.feed(one.event)
    finish(scene, world)
    logs = world.node.logs
    assert isinstance(logs, Watching)
    assert {token: pid for token, pid, *_ in logs.seen} == {token: pid for token, (pid, _) in scene.truth.items()}
    assert logs.how["tag"] == 8


def test_where_nothing_is_tagged_lengths_go_on() -> None:
    scene = served(40)
    told = play(scene, world_of(PIDS), Faults(tags=frozenset(range(1, 41))), batch=3)
    assert told.wrong(scene) == []
    assert told.logs.how == {"tag": 0, "offset": 40, "time": 0, "unknown": 0, "nothing": 0}


def test_a_write_whose_tag_is_lost_fills_the_only_hole() -> None:
    scene = served(6)
    told = play(scene, world_of(PIDS), Faults(tags=frozenset({3})), batch=3)
    assert told.wrong(scene) == []
    assert (told.logs.how["tag"], told.logs.how["offset"]) == (5, 1)


def test_a_write_that_may_have_filled_several_holes_fills_none() -> None:
    """The slow one of 201 ended last; of the first hole's write audit says nothing either."""
    scene, file = Scene(), File(LOG)
    began = scene.nanos
    for pid in (202, 202, 202):
        scene.write(file, pid, scene.line(pid))
        scene.step(20_000)
    scene.write(file, 201, scene.line(201), began=began)
    scene.write(file, 202, scene.line(202))
    told = play(scene, world_of(PIDS), Faults(tags=frozenset({2, 4}), events=frozenset({2})), batch=20)
    assert told.wrong(scene) == []
    assert (told.logs.how["tag"], told.logs.how["offset"]) == (3, 0)


def test_a_line_says_who_wrote_it_as_the_kernel_numbers_them_and_as_they_do() -> None:
    world = Commands(Containers.of([Container("c" * 64, "web", "shop", 300)]))
    world.node.logs = Watching()
    world.node.logs.tags.put(())
    world.open(LOG, 7, WRONLY | O_APPEND, pid=300)
    data = b"a line q00001\n"
    world.take("web", data)
    said = tag(0, data, 300, START * MS + 25_000_123, inner_tgid=1, inner_pid=9, **{"pid": 309})
    world.node.logs.tags.put([said])
    world.call("write", a0=7, exit=len(data), pid=300)
    world.later()
    assert world.node.logs.how["tag"] == 1
    line = next(iter(world.commands))
    assert line.startswith(f"log:{LOG}:")
    assert world.commands[line] == (
        "by tag: container web, pid 300 (inside 1), thread 309 (inside 9), at 2023-11-14T22:13:20.025000123Z"
    )


def test_a_shared_files_lines_go_to_their_writers_container_only() -> None:
    roster = Containers.of([Container(name * 64, name, "app", pid) for name, pid in (("a", 300), ("b", 400))])
    for audited in (True, False):
        world = Commands(roster)
        logs = world.node.logs = Watching()
        logs.tags.put(())
        at = 0
        for pid in (300, 400):
            world.open(LOG, 7, WRONLY | O_APPEND, pid=pid)
        for token, pid in enumerate((300, 400, 400, 300, 400), 1):
            data = b"line q%05d\n" % token
            now = (world.millis + 12) * MS
            for container in ("a", "b"):
                world.take(container, data, at, millis=world.millis)
            logs.tags.put([tag(at, data, pid, now, sequence=token, cgroup=pid)])
            if audited:
                world.call("write", a0=7, exit=len(data), pid=pid)
            else:
                world.later(20)
            at += len(data)
        world.later()
        told = sorted((token, pid) for token, pid, _, operation in logs.seen)
        assert told == [(1, 300), (2, 400), (3, 400), (4, 300), (5, 400)]
        assert all(not book.lines for books in logs.books.values() for book in books.values())
        keys = [key for key, label in world.graph.labels.items() if label.startswith("LogMessage")]
        assert sorted(container for container, _ in keys) == ["a", "a", "b", "b", "b"]


def test_a_writer_that_the_node_does_not_know_is_told_without_an_edge() -> None:
    world = Commands()
    world.node.logs = Watching()
    world.node.logs.tags.put(())
    world.open(LOG, 7, WRONLY | O_APPEND)
    world.take("host", b"line q00001\n")
    world.node.logs.tags.put([tag(0, b"line q00001\n", 999, START * MS + 15 * MS)])
    world.later()
    assert world.node.logs.how["unknown"] == 1
    assert "pid 999" in next(iter(world.commands.values()))
    assert not any(operation.startswith("log") for _, _, operation, _, _ in world.graph.edges)


def test_a_number_that_is_in_use_again_is_not_the_writers() -> None:
    """The process that has it now was not there yet."""
    world = Commands()
    world.node.logs = Watching()
    world.node.logs.tags.put(())
    world.open(LOG, 7, WRONLY | O_APPEND)
    world.take("host", b"line q00001\n")
    world.node.logs.tags.put([tag(0, b"line q00001\n", 500, (world.millis + 1) * MS)])
    world.call("getpid", pid=500, ppid=1)
    world.later()
    assert world.node.logs.how == {"tag": 0, "offset": 0, "time": 0, "unknown": 1, "nothing": 0}


def test_a_process_that_has_ended_since_is_still_known() -> None:
    world = Commands()
    world.node.logs = Watching()
    world.node.logs.tags.put(())
    world.open(LOG, 7, WRONLY | O_APPEND)
    world.open(LOG, 7, WRONLY | O_APPEND, pid=500)
    world.take("host", b"line q00001\n")
    world.node.logs.tags.put([tag(0, b"line q00001\n", 500, (world.millis + 1) * MS)])
    world.millis += 5
    world.call("exit_group", pid=500)
    world.later()
    assert world.node.logs.how["tag"] == 1
    assert world.node.logs.seen[0][1] == 500


def test_bytes_that_do_not_fit_are_not_believed() -> None:
    scene = served(6)
    for one in scene.happened:
        if one.tag is not None:
            one.tag = one.tag._replace(crc=one.tag.crc ^ 1)
    told = play(scene, world_of(PIDS))
    assert told.logs.how["tag"] == 0
    assert told.wrong(scene) == []


def test_another_generation_of_the_inode_is_another_file() -> None:
    world = Commands()
    world.node.logs = Watching()
    world.node.logs.tags.put(())
    world.open(LOG, 7, WRONLY | O_APPEND)
    data = b"line q00001\n"
    world.take("host", data + data)
    world.node.logs.tags.put([tag(0, data, 100, (world.millis + 1) * MS)])
    world.later(1_500)
    world.node.logs.tags.put([tag(12, data, 100, (world.millis + 1) * MS, generation=2)])
    world.later(1_500)
    assert world.node.logs.how["tag"] == 1


def test_a_guessed_place_is_found_by_its_bytes() -> None:
    """Two threads' writes moved the descriptor's place before either was told."""
    scene, file = Scene(guessed=True, audited=False), File(LOG)
    for pid in PIDS:
        scene.write(file, pid, scene.line(pid))
    last = scene.happened[-1].tag
    for one in scene.happened:
        if one.tag is not None and last is not None:
            one.tag = one.tag._replace(offset=last.offset)
    told = play(scene, world_of(PIDS))
    assert (told.wrong(scene), told.logs.how["tag"]) == ([], 2)


def test_of_two_processes_that_wrote_the_same_no_guessed_place_is_believed() -> None:
    world = Commands()
    logs = world.node.logs = Watching()
    logs.tags.put(())
    world.open(LOG, 7, WRONLY | O_APPEND).open(LOG, 7, WRONLY | O_APPEND, pid=500)
    data = b"line q00001\n"
    world.take("host", data + data)
    now = (world.millis + 1) * MS
    logs.tags.put([tag(12, data, pid, now + pid, flags=GUESSED) for pid in (100, 500)])
    world.later()
    assert (logs.how["tag"], logs.tags.counts["unfit"]) == (0, 2)


def test_threads_units_are_not_told_apart() -> None:
    scene, file = Scene(), File(LOG)
    for fd in (4, 5):
        scene.accept(201, fd)
        scene.step(20_000)
    scene.write(file, 201, scene.line(201, 1), thread=1201)
    scene.write(file, 201, scene.line(201, 2), thread=1202)
    told = play(scene, world_of(PIDS))
    assert (told.wrong(scene), told.logs.how["tag"], told.in_units(scene)) == ([], 2, 0)


def test_an_event_that_was_lost_leaves_no_doubt_of_the_process_only() -> None:
    """Two requests within one step of audit's clock; of the first write audit says nothing."""
    scene = served(4, gap=0)
    scene.nanos += MS
    told = play(scene, world_of(PIDS), Faults(events=frozenset({1})))
    assert (told.wrong(scene), told.logs.how["tag"]) == ([], 4)


@given(st.integers(0, 40), st.integers(1, 7), st.booleans(), st.booleans())
def test_a_node_that_was_saved_goes_on_as_if_nothing_had_happened(
    at: int, batch: int, audited: bool, companion: bool
) -> None:
    scene = served(8, gap=1_000, audited=audited, companion=companion)
    late = Faults(late=frozenset({2, 5}), tags=frozenset({3}))
    kept = play(scene, world_of(PIDS, logs=LogMessages()), late, batch=batch)
    again = play(scene, world_of(PIDS, logs=LogMessages()), late, batch=batch, saved=at)
    assert again.world.graph.edges == kept.world.graph.edges
    assert again.logs.how == kept.logs.how


NUMBERS = st.integers(0, 40) | st.sampled_from([2**32 - 1, 2**31, 2**63 - 20, 2**64 - 1])


@given(st.lists(st.tuples(st.lists(NUMBERS, min_size=21, max_size=21), st.booleans()), max_size=20))
def test_hostile_tags_change_nothing_but_their_counts(numbers: list[tuple[list[int], bool]]) -> None:
    """Any numbers, and such that are nearly right: no traceback, and no line is a stranger's."""
    scene = served(4)
    hostile = [
        Tag(*said, b"\xff")._replace(
            **({"inode": 1, "major": 0, "minor": DEVICE, "nanos": scene.nanos, "load": 9} if near else {})
        )
        for said, near in numbers
    ]
    world = world_of(PIDS)
    assert world.node.logs is not None
    world.node.logs.tags.put(hostile)
    told = play(scene, world)
    assert told.wrong(scene) == []
    assert sum(told.logs.how.values()) == 4


def test_what_waits_is_bounded() -> None:
    scene, file = Scene(), File(LOG)
    scene.write(file, 201, scene.line(201))
    for _ in range(2_000):
        scene.write(file, 201, scene.line(201), micros=1)
    told = play(scene, world_of(PIDS), Faults(tags=frozenset(range(2, 2_002))), batch=50)
    assert told.wrong(scene) == []
    assert sum(map(len, told.logs.asked.values())) == 0


def test_a_container_that_ends_takes_along_what_waits() -> None:
    world = world_of(PIDS)
    logs = world.node.logs
    assert logs is not None
    logs.tags.put(())
    world.call("write", pid=201, ppid=100, comm="p100", exe="/bin/p100", a0=7, exit=5)
    assert logs.asked
    logs.retire("host")
    assert not logs.asked
