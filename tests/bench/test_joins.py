"""The parts of the live join table that need no root: what is true, what is seen as wrong, what a capture keeps.

A table that shows no wrong join is worth what its judge would have seen: every kind of wrong is made here on purpose.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joins_capture import WORKER, About, Capture, Step, Watcher, load, names, only, save
from joins_client import Client
from joins_judge import CLASSES, Class, class_of, judge, tags_right
from joins_replay import AUDIT, TIME, Method, Outcome, Said, bites, dropped, pieces, replay
from joins_table import Row, joins, kernel, share
from joins_truth import DisagreementError, Truth, agreed

from agent.tags import HASHED, Tag, pack

ID, OTHER = "00000001", "00000002"
PIDS = (71, 72)
TRUE = Truth(ID, 71, "t", 1, 40_000, 1, 1_000, 1_001)
RIGHT = Said("log", 71, "127.0.0.1:40000", 9, {ID})


def asked(one: Truth) -> str:
    return json.dumps(
        {"id": one.id, "connection": one.connection, "port": one.port, "number": one.number, "sent": 1.0, "done": 1.001,
         "status": 200}
    )  # fmt: skip


def account(one: Truth, *, counts_from: int = 1) -> bytes:
    return f"{one.pid} {one.thread} {one.port} {one.number - 1 + counts_from} /{one.id} 200".encode()


def outcome(*said: tuple[str, Said]) -> Outcome:
    return Outcome(dict(said), 0.1, 10, 1_000, 0, {}, {}, {}, {})


# --- what is true ---


@pytest.mark.parametrize("counts_from", [0, 1])
def test_the_truth_is_what_client_and_server_both_say(counts_from: int) -> None:
    assert agreed([asked(TRUE)], [account(TRUE, counts_from=counts_from)], counts_from=counts_from) == {ID: TRUE}


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ([TRUE], [TRUE._replace(port=40_001)]),
        ([TRUE], [TRUE._replace(number=2)]),
        ([TRUE], []),
        ([], [TRUE]),
        ([TRUE, TRUE], [TRUE]),
    ],
)
def test_where_they_differ_there_is_no_truth(client: list[Truth], server: list[Truth]) -> None:
    with pytest.raises(DisagreementError):
        agreed([asked(one) for one in client], [account(one) for one in server], counts_from=1)


def test_an_account_that_is_cut_short_is_no_account() -> None:
    with pytest.raises(DisagreementError):
        agreed([asked(TRUE)], [account(TRUE)[:-4]], counts_from=1)


# --- what is wrong ---


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (RIGHT, "exact"),
        (replace(RIGHT, pages={ID, OTHER}), "exact"),
        (replace(RIGHT, unit=0, peer="", pages=set()), "process"),
        (replace(RIGHT, operation="log_near", unit=0), "program"),
        (replace(RIGHT, operation="log_near", unit=0, pid=72), "program"),
        (replace(RIGHT, operation="log_near", unit=0, pid=99), "wrong process"),
        (replace(RIGHT, operation="log_near", peer="127.0.0.1:40001"), "wrong unit"),
        (replace(RIGHT, pid=72), "wrong process"),
        (replace(RIGHT, pid=72, unit=0), "wrong process"),
        (replace(RIGHT, tag=(72, 72)), "wrong process"),
        (replace(RIGHT, tag=(71, 75)), "exact"),
        (replace(RIGHT, peer="127.0.0.1:40001"), "wrong unit"),
        (replace(RIGHT, pages={OTHER}), "wrong unit"),
        (replace(RIGHT, pages=set()), "wrong unit"),
        (replace(RIGHT, operation=""), "none"),
        (None, "none"),
    ],
)
def test_each_kind_of_join_is_seen_as_what_it_is(said: Said | None, found: Class) -> None:
    assert class_of(TRUE, said, PIDS) == found


def test_two_lines_that_have_changed_places_are_both_wrong() -> None:
    second = Truth(OTHER, 72, "t", 2, 40_001, 1, 1_000, 1_001)
    truth = {ID: TRUE, OTHER: second}
    left, right = RIGHT, Said("log", 72, "127.0.0.1:40001", 10, {OTHER})
    assert judge(truth, outcome((ID, left), (OTHER, right))).wrong == 0
    changed = judge(truth, outcome((ID, right), (OTHER, left)))
    assert changed.wrong == 2
    assert len(changed.examples) == 2


def test_a_thread_that_two_kernel_numbers_stand_for_is_wrong() -> None:
    truth = {ID: TRUE, OTHER: TRUE._replace(id=OTHER, number=2)}
    same = [(one, replace(RIGHT, pages={one}, unit=at, tag=(71, 71))) for at, one in enumerate(truth, 1)]
    assert judge(truth, outcome(*same)).wrong == 0
    same[1] = OTHER, replace(same[1][1], tag=(71, 73))
    assert judge(truth, outcome(*same)).wrong == 1


def test_lines_of_one_unit_are_exact_and_counted_as_shared() -> None:
    truth = {ID: TRUE, OTHER: TRUE._replace(id=OTHER, number=2)}
    both = replace(RIGHT, pages={ID, OTHER})
    assert (judge(truth, outcome((ID, both), (OTHER, both))).shared, judge(truth, outcome((ID, both))).shared) == (2, 0)


@given(st.lists(st.sampled_from([RIGHT, replace(RIGHT, pid=72), replace(RIGHT, operation=""), None]), max_size=20))
def test_every_line_is_in_one_class(said: list[Said | None]) -> None:
    truth = {f"{at:08x}": TRUE._replace(id=f"{at:08x}") for at in range(len(said))}
    found = judge(truth, outcome(*((f"{at:08x}", one) for at, one in enumerate(said) if one is not None)))
    assert sum(found.counts[one] for one in CLASSES) == found.lines == len(said)


def test_a_share_is_said_to_be_whole_only_if_it_is() -> None:
    truth = {f"{at:08x}": TRUE._replace(id=f"{at:08x}") for at in range(3_000)}
    all_right = [(one, replace(RIGHT, pages={one})) for one in truth]
    assert share(judge(truth, outcome(*all_right)), "exact") == "100 %"
    assert share(judge(truth, outcome(*all_right[1:])), "exact") == "99.96 %"


# --- what is kept ---


def line(ident: str, size: int = 88) -> bytes:
    text = f'127.0.0.1 - - [22/Nov/2026:18:00:00 +0000] "GET /{ident} HTTP/1.1" 200 24 "-" "'
    return (text.ljust(size - 2, "j") + '"\n').encode()


def record(serial: int, call: int, size: int, *, a0: int = 5, pid: int = 71) -> bytes:
    return (
        f"type=SYSCALL msg=audit(1000.100:{serial}): arch=c000003e syscall={call} success=yes exit={size} a0={a0:x} "
        f'a1=1 a2={size:x} a3=0 items=0 ppid=1 pid={pid} auid=5977 comm="nginx" exe="/usr/sbin/nginx" key=(null)\n'
        f"type=PROCTITLE msg=audit(1000.100:{serial}): proctitle=00\n"
    ).encode()


@pytest.fixture
def capture() -> Capture:
    """Two lines of a log, each written after an account of it (34 bytes); an open, which the lean rules audit too."""
    about = About("nginx", "full", 2, "/var/tmp/x/access.log", "nginx", [(9, 8)], [34])
    audit = b"".join([record(1, 257, 5), record(2, 1, 34, a0=6), record(3, 1, 88), record(4, 1, 34), record(5, 0, 80)])
    logs = [line(ID) + line(OTHER)]
    steps = [Step(1_000, len(audit) // 2, (88,), 0), Step(1_100, len(audit), (176,), 0)]
    return Capture(about, audit, logs, b"", steps, {ID: TRUE})


@pytest.mark.parametrize("packed", [False, True])
def test_a_capture_is_read_as_it_was_written(capture: Capture, tmp_path: Path, packed: bool) -> None:
    assert load(save(capture, tmp_path, packed=packed)) == capture
    assert (tmp_path / WORKER / "logs" / "host" / f"access.log{'.zst' if packed else ''}").is_file()


def test_generations_of_a_log_are_named_as_rotation_names_them() -> None:
    about = About("nginx", "full", 2, "/x/access.log", "nginx", [(1, 1), (1, 2), (1, 3)])
    assert names(about) == ["access.log.2", "access.log.1", "access.log"]


def serials(data: bytes) -> list[int]:
    return [int(one.rpartition(b":")[2].split(b")")[0]) for one in data.split(b"): ") if b"audit(" in one]


@pytest.mark.parametrize(
    ("method", "left_out"),
    [(AUDIT, {b"2", b"4"}), (TIME, {b"2", b"3", b"4", b"5"})],
)
def test_the_account_is_left_out_of_every_method_and_reads_and_writes_of_the_lean_one(
    capture: Capture, method: Method, left_out: set[bytes]
) -> None:
    assert dropped(capture, method) == left_out


def test_steps_cut_the_audit_log_at_whole_records_and_lose_none(capture: Capture) -> None:
    found = list(bites(capture, AUDIT))
    assert all(one.endswith(b"\n") for one in found if one)
    assert b"".join(found) == b"".join([record(1, 257, 5), record(3, 1, 88), record(5, 0, 80)])


def test_a_line_as_long_as_an_account_is_refused(capture: Capture) -> None:
    capture.about.widths.append(88)
    with pytest.raises(ValueError, match="account"):
        dropped(capture, AUDIT)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 40))
def test_pieces_give_every_byte_of_the_log_once_and_in_order(cuts: list[int], size: int) -> None:
    log = bytes(range(size))
    about = About("nginx", "full", 1, "/x/access.log", "nginx", [(1, 1)])
    ends = [*sorted(min(one, size) for one in cuts), size]
    given, found = [0], b""
    for end in ends:
        for piece in pieces(about, [log], (end,), given, 1):
            assert piece.offset == len(found)
            found += piece.data
    assert found == log


def test_whoever_watches_sees_a_log_that_another_file_has_taken_the_place_of(tmp_path: Path) -> None:
    audit, log = tmp_path / "audit.log", tmp_path / "access.log"
    audit.write_bytes(b"before\n")
    log.write_bytes(b"one\n")
    watcher = Watcher(audit, log, None, began=7)
    with watcher:
        audit.write_bytes(b"before\nafter\n")
        watcher.look()
        log.rename(tmp_path / "access.log.1")
        log.write_bytes(b"three\n")
    found, logs, files = watcher.taken()
    assert (found, logs, len(set(files))) == (b"after\n", [b"one\n", b"three\n"], 2)
    assert watcher.steps[-1].logs == (4, 6)


# --- reading and telling ---


def test_a_capture_without_a_server_joins_nothing_wrongly(capture: Capture) -> None:
    found = judge(capture.truth, replay(capture, AUDIT))
    assert (found.lines, found.wrong) == (1, 0)


def test_the_table_says_what_joining_costs_over_the_least(capture: Capture) -> None:
    lean = replace(capture, about=replace(capture.about, rules="lean"))
    cheap, dear = outcome((ID, RIGHT)), replace(outcome((ID, RIGHT)), records=25)
    rows = [Row(one, how, what, judge(capture.truth, what)) for one, how, what in
            ((capture, AUDIT, dear), (lean, TIME, cheap))]  # fmt: skip
    told = [[cell.strip() for cell in one.split("|")] for one in joins(rows)[2:]]
    assert [one[4] for one in told] == [TIME.name, AUDIT.name]
    assert [one[11:13] for one in told] == [["10.0", "0.0"], ["25.0", "15.0"]]


def tag(at: int, text: bytes, pid: int) -> Tag:
    sums = crc32(text[:HASHED])
    place = (os.major(9), os.minor(9))
    return Tag(1, 1, 0, 8, at, *place, len(text), sums, pid, pid, pid, pid, 0, 0, 0, 0, 1, 1, 0, len(text), b"nginx")


@pytest.mark.parametrize(
    ("at", "pid", "found"), [(0, 71, (1, 0, 0)), (88, 71, (0, 1, 0)), (0, 72, (0, 0, 1))],
)  # fmt: skip
def test_a_tag_is_right_at_its_place_by_its_process_only(
    capture: Capture, at: int, pid: int, found: tuple[int, int, int]
) -> None:
    capture.tags = pack(tag(at, line(ID), pid))
    assert tags_right(capture) == found
    assert kernel([replace(capture, about=replace(capture.about, tags="sys_exit"))])[2].startswith("| nginx | 2 | full")


def test_tags_of_other_files_are_not_kept_and_steps_follow() -> None:
    mine, other = pack(tag(0, line(ID), 71)), pack(tag(0, line(ID), 71)._replace(inode=99))
    steps = [Step(1, 0, (0,), 128), Step(2, 0, (0,), 256), Step(3, 0, (0,), 384)]
    found, moved = only(other + mine + mine, steps, [(9, 8)])
    assert found == mine + mine
    assert [one.tags for one in moved] == [0, 128, 256]


# --- the client ---


class Handler(BaseHTTPRequestHandler):
    """Answers with the port that it was asked from; what it was asked stands in the server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"page"
        self.server.seen.append((self.path.lstrip("/"), self.client_address[1]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


def test_the_client_asks_for_each_page_once_and_knows_its_port(server: ThreadingHTTPServer) -> None:
    ids = [f"{at:08x}" for at in range(60)]
    found = Client(server.server_port, 4, 1).run(ids)
    assert sorted(one.id for one in found) == ids
    assert {(one.id, one.port) for one in found} == set(server.seen)  # type: ignore[attr-defined]
    for connection in {one.connection for one in found}:
        mine = [one.number for one in found if one.connection == connection]
        assert mine == list(range(1, len(mine) + 1))
