"""The ledger: whatever happens to process, disk or file, no entry is lost uncounted, and none is doubled."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import ledger as module
from agent.entry import Entry, entries_of, told
from agent.epochs import Epoch
from agent.ledger import Depth, Head, Ledger, Row
from agent.ledger_file import FILE
from grammar import Delta, InputError, Sighting, State


def opened(folder: Path, budget: int = 1 << 20, keep_sent: bool = False) -> Ledger:
    return Ledger(folder, budget, lambda: b"session1", keep_sent)


def beat(number: int, **lost: int) -> Entry:
    return Entry(number * 1_000, 1_000, events=1, lost=lost)


def news(number: int, width: int = 0) -> Entry:
    """An epoch that shows one new file, with a name of at least `width` letters that do not compress."""
    name = random.Random(number).randbytes(width // 2).hex()
    delta = Delta((Sighting("web1", (), (State(f"File /{number}/{name}"),)),))
    return entries_of(Epoch(number * 1_000, 1_000, 1, 1, 1, 0, 1, 0, {}, (), {"web": delta}, 0.0))[0]


def files(entries: list[Entry]) -> set[int]:
    return {int(s.label.split("/")[1]) for one in entries for _, delta in told(one) for s in delta.states}


def cut(ledger: Ledger, entry: Entry) -> bool:
    return ledger.cut([entry], b"%d" % entry.start)


def send(ledger: Ledger, sealed: bytes = b"sealed") -> Entry | None:
    """Send the oldest entry, as a link that works would."""
    held = ledger.upcoming()
    if held is None:
        return None
    head = ledger.head("")
    ledger.fly(held.number, "", head.sequence, sealed)
    ledger.acknowledge(held.number, "", sealed, last=True)
    return held.entry


def drain(ledger: Ledger) -> list[Entry]:
    return list(iter(lambda: send(ledger), None))


@contextlib.contextmanager
def full(ledger: Ledger) -> Iterator[None]:
    """A disk without room: the file may not grow any more."""
    assert ledger._db is not None
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    yield
    if ledger._db is not None:
        ledger._db.execute("PRAGMA max_page_count = 1000000")


def test_entries_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    for number in range(3):
        assert cut(ledger, beat(number))
    assert ledger.depth == Depth(3, ledger.depth.bytes, 0, 0)
    assert [one.start for one in drain(ledger)] == [0, 1_000, 2_000]
    assert ledger.depth == Depth(0, 0, 0, 0)
    assert ledger.head("") == Head(3, b"sealed")


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    cut(ledger, beat(0))
    cut(ledger, beat(1))
    ledger.cut([], b"1500", "control", b"wishes")
    held = ledger.upcoming()
    assert held is not None
    ledger.fly(held.number, "", 0, b"signed")
    ledger.close()
    again = Ledger(tmp_path, 1 << 20, lambda: b"another")
    assert again.session == b"session1"
    same = again.upcoming()
    assert same is not None
    assert (same.entry, same.flights[""].sealed, same.flights[""].done) == (beat(0), b"signed", False)
    assert again.recovery().rows == (
        Row("cut", b"0", b""),
        Row("cut", b"1000", b""),
        Row("control", b"1500", b"wishes"),
    )


def test_a_snapshot_begins_the_journal_anew(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    cut(ledger, beat(0))
    assert ledger.snapshot_taken("snapshot-1", b"0")
    cut(ledger, beat(1))
    assert ledger.recovery() == module.Recovery("snapshot-1", b"0", (Row("cut", b"1000", b""),))


def test_an_entry_of_several_lanes_goes_when_all_have_arrived(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    cut(ledger, beat(0))
    held = ledger.upcoming()
    assert held is not None
    for lane in ("", "web"):
        ledger.fly(held.number, lane, 0, lane.encode() + b"sealed")
    ledger.acknowledge(held.number, "", b"d1", last=False)
    again = ledger.upcoming()
    assert again is not None
    assert again.flights == {"": module.Flight(0, b"", True), "web": module.Flight(0, b"websealed", False)}
    ledger.acknowledge(held.number, "web", b"d2", last=True)
    assert ledger.upcoming() is None
    assert (ledger.head(""), ledger.head("web"), ledger.head("db")) == (Head(1, b"d1"), Head(1, b"d2"), Head(0, b""))


def test_acknowledging_twice_moves_the_chain_once(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    cut(ledger, beat(0))
    cut(ledger, beat(1))
    held = ledger.upcoming()
    assert held is not None
    ledger.fly(held.number, "", 0, b"s")
    for _ in range(2):
        ledger.acknowledge(held.number, "", b"d", last=True)
    assert ledger.head("") == Head(1, b"d")


def test_another_key_begins_a_new_session_and_signs_anew_what_was_on_its_way(tmp_path: Path) -> None:
    names = iter([b"one", b"two"])
    ledger = Ledger(tmp_path, 1 << 20, lambda: next(names))
    cut(ledger, beat(0))
    send(ledger)
    cut(ledger, beat(1))
    held = ledger.upcoming()
    assert held is not None
    ledger.fly(held.number, "", 1, b"old")
    ledger.belongs_to(b"key1")
    ledger.belongs_to(b"key1")
    assert ledger.session == b"one"
    ledger.belongs_to(b"key2")
    again = ledger.upcoming()
    assert again is not None
    assert (ledger.session, ledger.head(""), again.flights) == (b"two", Head(0, b""), {})


def test_what_was_sent_is_kept_where_a_test_asks_for_it(tmp_path: Path) -> None:
    ledger = opened(tmp_path, keep_sent=True)
    for number in range(2):
        cut(ledger, beat(number))
        send(ledger, b"%d" % number)
    assert ledger.sent() == [(b"session1", "", 0, b"0"), (b"session1", "", 1, b"1")]


def test_beyond_the_budget_heartbeats_are_merged_first(tmp_path: Path) -> None:
    ledger = opened(tmp_path, budget=6_000)
    for number in range(300):
        cut(ledger, news(number) if number in (100, 200) else beat(number, late=1))
    assert ledger.depth.bytes <= 6_000
    sent = drain(ledger)
    assert (sum(one.events for one in sent), sum(one.epochs for one in sent)) == (300, 300)
    assert sum(one.lost.get("late", 0) for one in sent) == 298
    assert files(sent) == {100, 200}
    assert not ledger.counts["dropped"]


def test_then_epochs_are_united_and_nothing_is_lost(tmp_path: Path) -> None:
    ledger = opened(tmp_path, budget=20_000)
    for number in range(400):
        cut(ledger, news(number))
    assert ledger.depth.bytes <= 20_000
    sent = drain(ledger)
    assert len(sent) < 400
    assert files(sent) == set(range(400))
    assert not ledger.counts["dropped"]


def test_only_then_the_oldest_deltas_are_dropped_and_their_epochs_counted(tmp_path: Path) -> None:
    ledger = opened(tmp_path, budget=20_000)
    for number in range(60):
        cut(ledger, news(number, width=1_800))
    assert ledger.depth.bytes <= 20_000
    sent = drain(ledger)
    dropped = sum(one.lost.get("spool_dropped", 0) for one in sent)
    kept = files(sent)
    assert 0 < dropped == 60 - len(kept)
    assert kept == set(range(60 - len(kept), 60))
    assert sum(one.events for one in sent) == 60


def test_what_is_on_its_way_is_neither_merged_nor_dropped(tmp_path: Path) -> None:
    ledger = opened(tmp_path, budget=10_000)
    cut(ledger, news(0, width=1_000))
    held = ledger.upcoming()
    assert held is not None
    ledger.fly(held.number, "", 0, b"signed")
    for number in range(1, 40):
        cut(ledger, news(number, width=1_000))
    again = ledger.upcoming()
    assert again is not None
    assert (again.entry, again.flights[""].sealed) == (news(0, width=1_000), b"signed")


def test_without_room_cuts_wait_in_memory_and_go_to_disk_when_there_is_room(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    cut(ledger, news(0))
    with full(ledger):
        assert [cut(ledger, news(number, width=9_000)) for number in range(1, 6)] == [False] * 5
        assert ledger.counts["no_room"] == 5
        assert ledger.depth.waiting == 5
        assert not ledger.snapshot_taken("snapshot-1", b"5000")
        assert [row.position for row in ledger.recovery().rows] == [b"0"]
    assert cut(ledger, beat(6))
    assert [row.position for row in ledger.recovery().rows] == [b"%d" % (1_000 * n) for n in range(7)]
    assert files(drain(ledger)) == set(range(6))


def test_what_waits_in_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 50_000)
    monkeypatch.setattr(module, "MAX_PLAIN", 30_000)
    ledger = opened(tmp_path, budget=10 << 20)
    with full(ledger):
        for number in range(60):
            cut(ledger, news(number, width=1_900))
            assert sum(one.size for one in ledger._waiting) <= 50_000
    cut(ledger, beat(60))
    sent = drain(ledger)
    dropped = sum(one.lost.get("spool_dropped", 0) for one in sent)
    assert 0 < dropped == 60 - len(files(sent))
    assert sum(one.events for one in sent) == 61


def test_a_journal_that_cannot_be_kept_says_where_to_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    ledger = opened(tmp_path)
    with full(ledger):
        for number in range(5):
            ledger.cut([news(number, width=9_000)], b"%d" % number)
    cut(ledger, beat(5))
    assert [row.kind for row in ledger.recovery().rows] == ["reset", "cut", "cut"]


@pytest.mark.parametrize("damage", ["rubbish", "torn", "format"])
def test_a_damaged_file_is_set_aside_loudly(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    ledger = opened(tmp_path)
    for number in range(50):
        cut(ledger, news(number, width=1_000))
    ledger.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    if damage == "rubbish":
        data[:] = b"rubbish" * 1_000
    elif damage == "torn":
        data[8_000:40_000] = os.urandom(32_000)
    else:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE about SET format = 99")
            db.commit()
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    again = opened(tmp_path)
    assert again.counts["set_aside"] == 1
    assert "set aside" in caplog.text
    assert (tmp_path / f"{FILE}.damaged").exists()
    assert again.upcoming() is None
    assert cut(again, beat(1, late=2))
    assert cut(again, beat(2))
    assert [one.lost for one in drain(again)] == [{"late": 2, "spool_damaged": 1}, {}]


def test_damage_that_shows_later_costs_what_was_there_and_not_the_loop(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    for number in range(200):
        cut(ledger, news(number, width=2_000))
    assert ledger._db is not None
    ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger._db.execute("PRAGMA cache_size = 0")
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(4_096)
        file.write(os.urandom(400_000))
    results = [cut(ledger, beat(number)) for number in range(200, 203)]
    assert results[-1]
    assert ledger.counts["set_aside"] == 1
    assert ledger.recovery().position == b"200000"


def test_a_damaged_entry_is_counted_and_the_others_go_on(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    for number in range(3):
        cut(ledger, news(number))
    assert ledger._db is not None
    ledger._db.execute("UPDATE entries SET body = x'00' WHERE number = 1")
    sent = drain(ledger)
    assert sent[0] == Entry(0, 0, lost={"spool_damaged": 1})
    assert files(sent) == {1, 2}


def test_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    ledger = opened(folder)
    cut(ledger, beat(0))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    ledger.close()
    folder.chmod(0o777)
    with pytest.raises(InputError, match="chmod 700"):
        opened(folder)


def test_two_agents_cannot_share_a_folder(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    program = (
        "import sys; from pathlib import Path; from agent.ledger import Ledger; from grammar import InputError\n"
        "try: Ledger(Path(sys.argv[1]), 1, bytes)\nexcept InputError as error: print(error)"
    )
    found = subprocess.run(
        [os.sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "another agent uses this folder" in found.stdout
    assert cut(ledger, beat(0))


def test_room_that_is_not_needed_any_more_is_given_back(tmp_path: Path) -> None:
    ledger = opened(tmp_path, budget=16 << 20)
    for number in range(200):
        cut(ledger, news(number, width=16_000))
    drain(ledger)
    assert ledger._db is not None
    before = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger.snapshot_taken("snapshot-1", b"")
    assert ledger._db.execute("PRAGMA page_count").fetchone()[0] < before / 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    """Others fill the disk during a burst: cuts wait, what was safe can still be sent, and all arrives in the end."""
    ledger = opened(small_disk, budget=16 << 20)
    for number in range(20):
        assert cut(ledger, news(number, width=2_000))
    with (small_disk / "other").open("wb", buffering=0) as other, contextlib.suppress(OSError):
        while True:
            other.write(bytes(4_096))
    safe = [cut(ledger, news(number, width=16_000)) for number in range(20, 120)]
    assert not safe[-1]
    assert ledger.counts["no_room"]
    assert not ledger.snapshot_taken("snapshot-1", b"")
    sent = [send(ledger) for _ in range(5)]
    (small_disk / "other").unlink()
    assert cut(ledger, beat(120))
    assert files([one for one in sent if one] + drain(ledger)) == set(range(120))
    assert not ledger.counts["dropped"]
    ledger.close()


STEPS = st.lists(st.sampled_from(["beat", "news", "send", "fly", "full", "restart"]), max_size=30)


@given(STEPS)
def test_whatever_happens_each_epoch_is_told_once(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Cuts, sends, restarts and times without room, in any order: the events of all cuts arrive, none of them twice."""
    folder = tmp_path_factory.mktemp("ledger")
    ledger, sent, number = opened(folder, budget=3_000), [], 0
    for step in steps:
        if step in ("beat", "news"):
            cut(ledger, beat(number) if step == "beat" else news(number))
            number += 1
        elif step == "send":
            sent += [one] if (one := send(ledger)) else []
        elif step == "fly" and (held := ledger.upcoming()):
            ledger.fly(held.number, "", ledger.head("").sequence, b"signed")
        elif step == "full":
            with full(ledger):
                cut(ledger, news(number, width=9_000))
            number += 1
        elif step == "restart" and not ledger.depth.waiting:
            ledger.close()
            ledger = opened(folder, budget=3_000)
    cut(ledger, beat(number))
    sent += drain(ledger)
    ledger.close()
    assert sum(one.events for one in sent) == number + 1
    assert [one.start for one in sent] == sorted(one.start for one in sent)


def _work(folder: Path, arrived: Path) -> None:
    """A child that cuts and sends as fast as it can; the monitor is a file to which it appends."""
    ledger = opened(folder, budget=1 << 30)
    rows = ledger.recovery().rows
    number = int(rows[-1].position) + 1 if rows else 0
    with arrived.open("ab", buffering=0) as monitor:
        while True:
            ledger.cut([Entry(number, 1, events=1)], b"%d" % number)
            number += 1
            while (held := ledger.upcoming()) is not None:
                flight = held.flights.get("")
                head = ledger.head("")
                sealed = (
                    flight.sealed
                    if flight
                    else b"%d %d %s" % (head.sequence, held.entry.start, head.before.hex().encode())
                )
                if flight is None:
                    ledger.fly(held.number, "", head.sequence, sealed)
                monitor.write(sealed + b"\n")
                ledger.acknowledge(held.number, "", blake2b(sealed, digest_size=8).digest(), last=True)


def test_killed_at_100_random_instants_nothing_is_lost_or_doubled_and_the_chain_holds(tmp_path: Path) -> None:
    """A real process and kill -9: what arrives is every cut once under its own number, chained without a break."""
    chance = random.Random(4)
    arrived = tmp_path / "arrived"
    context = multiprocessing.get_context("fork")
    for _ in range(100):
        child = context.Process(target=_work, args=(tmp_path / "state", arrived))
        child.start()
        time.sleep(chance.uniform(0.005, 0.06))
        child.kill()
        child.join()
    lines = arrived.read_bytes().split(b"\n")[:-1]
    before, sequence, known = b"", -1, b""
    for line in lines:
        if line == known:
            continue
        number, start, named = line.split(b" ")
        assert (int(number), int(start), named) == (sequence + 1, sequence + 1, before.hex().encode())
        sequence, known, before = sequence + 1, line, blake2b(line, digest_size=8).digest()
    assert sequence > 100
