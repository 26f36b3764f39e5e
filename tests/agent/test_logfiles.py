"""Whatever is done to applications' logs, their bytes are given once each, in order, or counted as lost.

Source: agent/logfiles.py and its parts; design section 3 (promise 5).
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from log_node import ACCESS, Log, Node, given, in_order

from agent import logfiles
from agent.containers import HOST
from agent.logfiles import LogFiles
from agent.logfiles_finder import FORGET, FRESH, QUIET, Limits, Progress
from agent.logfiles_track import CHUNK
from agent.logfiles_value import STDERR, STDOUT, Generation, Rule
from agent.loss import CAUSES


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def web(node: Node) -> tuple[Node, Log, LogFiles]:
    """A container whose access log is followed from its first byte on."""
    node.add("web")
    log = node.log("web")
    files = node.files()
    files.poll()
    log.path.touch()
    assert files.offer("web", ACCESS, fresh=True)
    assert files.poll() == []
    return node, log, files


def again(node: Node, files: LogFiles) -> LogFiles:
    """The agent is killed after a snapshot, and starts again."""
    saved = pickle.dumps(files.progress)
    files.close()
    return node.files(pickle.loads(saved))


def test_what_a_container_appends_is_given_with_its_place(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    first = log.append(2)
    (piece,) = files.poll()
    status = log.path.stat()
    assert (piece.container, piece.path, piece.stream, piece.offset) == ("web", ACCESS, "file", 0)
    assert piece.generation == Generation(status.st_dev, status.st_ino, 1)
    assert (piece.data, piece.millis_read, piece.millis) == (first, node.clock.millis, 0)
    second = log.append()
    (piece,) = files.poll()
    assert (piece.offset, piece.data) == (len(first), second)
    assert files.poll() == []
    assert not files.loss


def test_logs_that_are_held_open_are_found_and_others_are_not(node: Node) -> None:
    node.add("web")
    node.holds("web", ACCESS)
    node.holds("web", "/srv/app.log", os.O_APPEND | os.O_RDWR)
    node.holds("web", "/srv/read.log", os.O_RDONLY)
    node.holds("web", "/srv/data.bin")
    node.holds("web", "/var/log/gone.log (deleted)")
    logs = [node.log("web", path) for path in (ACCESS, "/srv/app.log", "/srv/read.log", "/srv/data.bin")]
    for log in logs:
        log.append()
    files = node.files()
    assert files.poll() == []  # what was there before the agent is nobody's
    for log in logs:
        log.append()
    assert [piece.path for piece in files.poll()] == ["/srv/app.log", ACCESS]


def test_a_log_found_later_is_read_from_its_beginning(node: Node) -> None:
    files = node.files()
    files.poll()
    node.add("web")
    node.holds("web", ACCESS)
    log = node.log("web")
    log.append(3)
    assert given(node.tick(files)) == log.written


def test_of_an_old_and_long_log_only_the_end_is_read(node: Node) -> None:
    node.add("web")
    files = node.files()
    files.poll()
    log = node.log("web")
    log.raw(b"x" * (FRESH + 10))
    files.offer("web", ACCESS)
    (first, *_) = pieces = files.poll()
    assert (first.offset, len(given(pieces))) == (10, FRESH)


def test_after_a_kill_the_rest_is_read(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    log.append(2)
    pieces = files.poll()
    log.append(3)
    node.kill("web")
    pieces += node.tick(files, 1_500)
    for _ in range(5):
        pieces += node.tick(files, 1_500)
    assert given(pieces) == log.written
    assert files.finder.homes["web"].tracks == {}  # nothing of the dead is held
    node.tick(files, FORGET + 5_000)
    node.tick(files, 5_000)
    assert (files.finder.homes, files.progress.homes) == ({}, {})


def test_a_container_that_began_and_died_between_two_looks_is_read_outside(node: Node, tmp_path: Path) -> None:
    files = node.files()
    files.poll()
    node.add("job")
    node.kill("job")
    ident = node.known["job"].id
    store = tmp_path / "host/var/lib/containers/storage/overlay-containers" / ident / "userdata"
    store.mkdir(parents=True)
    layer, volume = tmp_path / "layer", tmp_path / "volume"
    spec = (
        f'{{"root":{{"path":"{layer}/merged"}},"mounts":[{{"destination":"/data","type":"bind","source":"{volume}"}}]}}'
    )
    (store / "config.json").write_text(spec)
    (store / "ctr.log").write_bytes(b"2026-11-22T11:00:00.5+00:00 stdout F said\n")
    inside, outside = Log(layer / "diff/var/log/job.log"), Log(volume / "logs/app.log")
    inside.append(2)
    outside.append(2)
    files.offer("job", "/var/log/job.log", fresh=True)
    files.offer("job", "/data/logs/app.log", fresh=True)
    found = {piece.path: piece.data for piece in files.poll()}
    assert found == {"/var/log/job.log": inside.written, "/data/logs/app.log": outside.written, STDOUT: b"said\n"}
    assert not files.loss
    files.offer("job", "/var/log/none.log")
    assert node.tick(files) + node.tick(files) == []
    assert files.loss == {"log_unreadable": 1}


def test_a_container_that_begins_again_goes_on_in_its_logs(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    log.append(2)
    pieces = files.poll()
    node.kill("web")
    log.append()
    pieces += node.tick(files) + node.tick(files)
    node.add("web", pid=999)
    log.append(2)
    for _ in range(3):
        pieces += node.tick(files)
    assert given(pieces) == log.written
    assert in_order(pieces)
    assert not files.loss


def test_when_the_process_that_was_known_ends_another_stands_in(web: tuple[Node, Log, LogFiles]) -> None:
    """The first process as the agent knows it may be one that was only let in."""
    node, log, files = web
    node.fork("web", 777)
    node.kill("web")
    pieces = node.tick(files)
    log.rotate()
    log.append()
    (node.base / "proc/777/fd/0").symlink_to("/var/log/second.log")
    (node.base / "proc/777/fdinfo/0").write_text(f"flags:\t0{os.O_APPEND | os.O_WRONLY:o}\n")
    second = node.log("web", "/var/log/second.log")
    second.append()
    pieces += node.tick(files)
    assert files.finder.homes["web"].alive
    assert given([one for one in pieces if one.path == ACCESS]) == log.written
    assert given([one for one in pieces if one.path != ACCESS]) == second.written
    shutil.rmtree(node.base / "proc/777")
    node.tick(files)
    assert not files.finder.homes["web"].alive


def test_a_number_that_is_another_process_by_now_is_not_believed(node: Node) -> None:
    node.add("web")
    node.holds("web", ACCESS)
    node.log("web").append()
    (node.base / "proc" / str(node.known["web"].pid) / "cgroup").write_text("0::/user.slice\n")
    files = node.files()
    assert files.poll() == []
    assert files.finder.homes == {}


def test_ten_thousand_files_are_bounded_and_counted(tmp_path: Path) -> None:
    memory = Path("/dev/shm")  # a disk takes seconds to make so many
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        _ten_thousand(Node(Path(folder)))


def _ten_thousand(node: Node) -> None:
    node.add("web")
    node.limits = Limits(files=40, of_one=30)
    node.rules = (Rule("web", "/srv/*.log"),)
    (node.base / "roots/web/srv").mkdir()
    for number in range(10_000):
        (node.base / f"roots/web/srv/{number}.log").touch()
    files = node.files()
    began = time.process_time()
    files.poll()
    assert time.process_time() - began < 5
    assert len(files.finder.homes["web"].tracks) == 30
    assert files.loss == {"log_files_limit": 9_970}
    began = time.process_time()
    for _ in range(20):
        node.tick(files, 100)
    assert time.process_time() - began < 1


def test_the_quietest_log_makes_room_and_loses_nothing(node: Node) -> None:
    node.add("web")
    node.limits = Limits(of_one=2)
    files = node.files()
    files.poll()
    logs = {name: node.log("web", f"/srv/{name}.log") for name in "abc"}
    for name in "ab":
        logs[name].append()
        files.offer("web", f"/srv/{name}.log", fresh=True)
    pieces = files.poll() + files.poll()
    logs["b"].append()
    pieces += node.tick(files, QUIET)
    logs["c"].append()
    pieces += node.tick(files, 1_000)
    files.offer("web", "/srv/c.log", fresh=True)
    pieces += node.tick(files, 5_000)
    assert set(files.finder.homes["web"].tracks) == {"/srv/b.log", "/srv/c.log"}
    node.tick(files, QUIET + 5_000)
    logs["a"].append()
    files.offer("web", "/srv/a.log")
    pieces += node.tick(files, 1_000) + files.poll()
    for name, log in logs.items():
        assert given([piece for piece in pieces if piece.path == f"/srv/{name}.log"]) == log.written
    assert not files.loss


def test_files_share_a_poll_and_what_waits_is_known(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "POLL", 2 << 20)
    node.add("web")
    files = node.files()
    files.poll()
    loud, soft = node.log("web", "/srv/loud.log"), node.log("web", "/srv/soft.log")
    loud.raw(b"l" * (10 << 20))
    soft.raw(b"s\n")
    files.offer("web", "/srv/loud.log", fresh=True)
    files.offer("web", "/srv/soft.log", fresh=True)
    pieces = files.poll()
    assert {piece.path for piece in pieces} == {"/srv/loud.log", "/srv/soft.log"}
    assert 2 << 20 <= len(given(pieces)) <= (2 << 20) + CHUNK
    assert files.behind == len(loud.written) + len(soft.written) - len(given(pieces))
    while files.behind:
        pieces += files.poll()
    assert given([piece for piece in pieces if piece.path == "/srv/loud.log"]) == loud.written
    assert in_order(pieces)


def test_a_link_to_stdout_is_the_engines_copy(node: Node, tmp_path: Path) -> None:
    root = node.add("web")
    ident = node.known["web"].id
    kept = tmp_path / "host/var/lib/docker/containers" / ident
    kept.mkdir(parents=True)
    log = kept / f"{ident}-json.log"
    (kept / "config.v2.json").write_text(f'{{"LogPath":"{log}","MountPoints":{{}}}}')
    log.write_bytes(b'{"log":"before\\n","stream":"stdout","time":"2026-11-22T11:00:00Z"}\n')
    files = node.files()
    assert files.poll() == []
    (root / "var/log/apache2").mkdir()
    (root / "var/log/apache2/access.log").symlink_to("/dev/stdout")
    (root / "var/log/apache2/error.log").symlink_to("../../../dev/stderr")
    files.offer("web", ACCESS)
    files.offer("web", "/var/log/apache2/error.log")
    with log.open("ab") as file:
        file.write(b'{"log":"one ","stream":"stdout","time":"2026-11-22T11:00:00.25Z"}\n')
        file.write(b'{"log":"oops\\n","stream":"stderr","time":"2026-11-22T11:00:01Z"}\n')
        file.write(b'{"log":"whole\\n","stream":"stdout","time":"2026-11-22T11:00:02Z"}\n')
    pieces = node.tick(files)
    assert [(one.path, one.stream, one.data, one.millis % 60_000) for one in pieces] == [
        (STDERR, "stderr", b"oops\n", 1_000),
        (STDOUT, "stdout", b"one whole\n", 250),
    ]
    assert (files.named("web", ACCESS), files.named("web", "/var/log/apache2/error.log")) == (STDOUT, STDERR)
    assert not files.loss


def test_two_names_of_one_file_are_read_once(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    (node.base / "roots/web/srv").mkdir()
    (node.base / "roots/web/srv/access.log").symlink_to(ACCESS)
    files.offer("web", "/srv/access.log")
    log.append()
    assert [piece.path for piece in files.poll()] == [ACCESS]
    assert files.named("web", "/srv/access.log") == ACCESS


def test_rules_name_logs_of_containers_and_of_the_host(node: Node, tmp_path: Path) -> None:
    node.add("web-1")
    node.add("db")
    ours = tmp_path / "ours.txt"
    node.rules = (Rule("web-*", "/srv/*/app.out", "json", "UTC"), Rule(HOST, str(ours)))
    logs = [node.log(name, "/srv/one/app.out") for name in ("web-1", "db")]
    for path in (ours, *(log.path for log in logs)):
        path.write_bytes(b"before\n")
    files = node.files()
    files.poll()
    for path in (ours, *(log.path for log in logs)):
        with path.open("ab") as file:
            file.write(b"after\n")
    assert {(one.container, one.path): one.data for one in files.poll()} == {
        ("web-1", "/srv/one/app.out"): b"after\n",
        (HOST, str(ours)): b"after\n",
    }
    assert files.rule("web-1", "/srv/one/app.out") == node.rules[0]
    assert not files.offer(HOST, "/var/log/other.log")
    assert not files.offer("db", "/srv/data.db")
    files.close()


def test_what_may_not_be_read_is_counted_once(node: Node) -> None:
    root = node.add("web")
    os.mkfifo(root / "var/log/pipe.log")
    files = node.files()
    files.poll()
    for _ in range(3):
        files.offer("web", "/var/log/pipe.log")
        assert node.tick(files) == []
    (root / "var/log/loop.log").symlink_to("loop.log")
    files.offer("web", "/var/log/loop.log")
    assert node.tick(files) == []
    assert files.loss == {"log_unreadable": 2}
    assert files.finder.troubles["web", "/var/log/loop.log"] == "too many links"


def test_offers_are_bounded(node: Node) -> None:
    node.add("web")
    files = node.files()
    assert [files.offer("web", f"/var/log/{number}") for number in range(1_030)].count(False) == 6
    assert files.loss == {"log_files_limit": 6}


def test_no_descriptor_is_left(web: tuple[Node, Log, LogFiles]) -> None:
    node, log, files = web
    for _ in range(3):
        log.append()
        log.rotate()
        files.poll()
        log.copytruncate()
        node.tick(files)
    files = again(node, files)
    files.poll()
    files.close()
    held = [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]
    assert not [one for one in held if one.startswith(str(node.base))]


def test_causes_are_documented() -> None:
    assert set(CAUSES) >= {
        "log_truncated", "log_gap", "log_unknown", "log_backlog", "log_oversized", "log_malformed", "log_files_limit",
        "log_unreadable",
    }  # fmt: skip


def test_progress_is_plain_and_small(web: tuple[Node, Log, LogFiles]) -> None:
    _, log, files = web
    log.append(50)
    files.poll()
    progress = pickle.loads(pickle.dumps(files.progress))
    assert isinstance(progress, Progress)
    assert progress == files.progress
    assert len(pickle.dumps(progress)) < 2_000


def test_a_log_that_is_offered_before_its_container_is_known_by_pid_is_read_when_it_is(node: Node) -> None:
    """After a restart the audit log is read again before any engine has answered."""
    node.add("web")
    whole, log = node.known["web"], node.log("web")
    log.append(2)
    node.known["web"] = replace(whole, pid=0)
    files = node.files()
    files.poll()
    files.offer("web", ACCESS)
    assert node.tick(files) == []
    assert not files.loss
    node.known["web"] = whole
    assert given(node.tick(files, 1_000)) == log.written
    assert not files.loss
    files.close()


def test_open_logs_of_a_container_are_found_as_soon_as_it_is_known_by_pid(node: Node) -> None:
    node.add("web")
    node.holds("web", ACCESS)
    whole, log = node.known["web"], node.log("web")
    log.append(2)
    node.known["web"] = replace(whole, pid=0)
    files = node.files()
    files.poll()
    files.offer("web", "/var/log/other.log")
    files.poll()
    node.tick(files, 1_000)
    node.known["web"] = whole
    assert given(node.tick(files, 1_000)) == log.written
    files.close()
