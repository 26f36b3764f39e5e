"""The main loop as a playbook: a log grows, clocks go on, the agent is killed and comes back."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from lines import AT_CWD, START, path, syscall

from agent.containers import Containers
from agent.entry import Entry, told
from agent.epochs import Epoch
from agent.follow import LogFollower
from agent.ledger import Ledger
from agent.logfiles_value import Generation, Piece
from agent.logmessages import LogMessages
from agent.loop import Loop, Timing
from agent.memory import Cut, Memory, recall
from agent.pipeline import Pipeline
from grammar.control import Control, read
from grammar.envelope import Run
from grammar.finding import Finding


@dataclass
class FakeWorld:
    """Clocks that go when told, a kernel that loses what it is told to, snapshots in a table."""

    seconds: float = 0.0
    used: float = 0.0
    kernel_lost: int = 0
    control: Control | None = None
    slept: float = 0.0
    saves: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    full: bool = False
    snapshots: int = 0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return START + round(self.seconds * 1000)

    def cpu(self) -> float:
        return self.used

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.seconds += seconds

    def kernel(self, memory: Memory) -> dict[str, int]:
        lost, self.kernel_lost = self.kernel_lost, 0
        return {"kernel_lost": lost} if lost else {}

    def counters(self) -> tuple[int, ...]:
        return (1, 64, 0)

    def findings(self, memory: Memory, epoch: Epoch) -> tuple[Finding, ...]:
        return ()

    def runs(self) -> tuple[Run, ...]:
        return ()

    def retired(self) -> tuple[str, ...]:
        return ()

    def epoch(self, number: int, epoch: Epoch) -> None:
        self.cuts.append(number)

    def save(self, memory: Memory, position: bytes) -> str:
        if self.full:
            return ""
        self.snapshots += 1
        name = f"s{self.snapshots}"
        self.saves[name] = pickle.dumps(memory)
        return name

    def saved(self, name: str) -> None:
        self.saves = {name: self.saves[name]}

    def orders(self) -> Control | None:
        return self.control

    def wake(self) -> None:
        pass


class Worker:
    """An agent that can be killed and started again; `entries` is what its ledger holds."""

    def __init__(self, folder: Path, timing: Timing) -> None:
        self.folder, self.timing, self.world = folder, timing, FakeWorld()
        self.log = folder / "audit.log"
        self.log.write_bytes(b"")
        self.serial = 0
        self.repeated: list[int] = []
        self.start()

    def start(self) -> None:
        self.ledger = Ledger(self.folder / "state", 1 << 30, lambda: b"session")
        recovery = self.ledger.recovery()
        if recovery.snapshot:
            memory: Memory = pickle.loads(self.world.saves[recovery.snapshot])
        else:
            memory = Memory(Pipeline(Containers.of([]), 1000))
        source = LogFollower(self.log, start="beginning")
        recall(memory, source, recovery, self.again)
        self.loop = Loop(memory, source, self.ledger, self.world, self.timing)
        self.loop.begin()

    def again(self, number: int, epoch: Epoch) -> None:
        self.repeated.append(number)

    def kill(self) -> None:
        self.loop.source.close()
        self.ledger.close()
        self.start()

    def write(self, count: int) -> None:
        """`count` more events."""
        with self.log.open("ab") as file:
            for _ in range(count):
                self.serial += 1
                file.write(event(self.serial, self.world.wall()))

    def run(self, seconds: float) -> None:
        end = self.world.seconds + seconds
        while self.world.seconds < end:
            self.loop.step(0)
            self.world.seconds += 0.05

    @property
    def entries(self) -> list[Entry]:
        rows = self.ledger._db.execute("SELECT body FROM entries ORDER BY number").fetchall()  # type: ignore[union-attr]
        return [Entry.unpack(row[0]) for row in rows]


def event(serial: int, millis: int) -> bytes:
    name = f"/f/{chr(97 + serial % 23)}{chr(97 + serial // 23 % 23)}"
    return syscall("openat", stamp=(millis, serial), exit=3, a0=AT_CWD, paths=[path(name)])


@contextmanager
def worker(**timing: float) -> Iterator[Worker]:
    with tempfile.TemporaryDirectory() as folder:
        yield Worker(Path(folder), Timing(**{"gather": 0.0, **timing}))  # type: ignore[arg-type]


def shown(entries: list[Entry]) -> list[object]:
    """What the deltas say, in the order of telling; the same thing told twice appears twice."""
    found: list[object] = []
    for entry in entries:
        for app, delta in told(entry):
            for sighting in delta.sightings:
                found += [(app, sighting.container, item) for item in (*sighting.transitions, *sighting.states)]
    return found


def test_what_is_new_is_cut_at_once_and_what_is_known_waits_for_the_epoch() -> None:
    with worker(epoch=50) as one:
        one.write(3)
        one.run(2)
        assert [bool(entry.deltas) for entry in one.entries] == [True]
        one.run(47)
        assert len(one.entries) == 1
        one.run(2)
        assert [bool(entry.deltas) for entry in one.entries] == [True, False]
        assert sum(entry.events for entry in one.entries) == 3
        assert sum(entry.length for entry in one.entries) >= 50_000


def test_an_attack_does_not_wait_for_further_events() -> None:
    with worker(epoch=50) as one:
        one.run(3)
        one.write(1)
        one.run(1.1)
        assert one.entries[-1].deltas


def test_lines_of_logs_do_not_wait_for_further_events() -> None:
    """The log stands still: by the clock that goes on, a line is due some seconds later."""
    with worker(epoch=50) as one:
        one.loop.memory.pipeline.node.logs = logs = LogMessages()
        one.write(1)
        one.run(1)
        line = b'10.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "GET / HTTP/1.1" 200 1 "-" "-"\n'
        logs.take([Piece("host", "/var/log/access.log", Generation(1, 2), 0, line, one.world.wall())])
        lines, clock = logs.books["host"]["/var/log/access.log"].lines, one.loop.memory.pipeline.node.time.clock
        now = clock.millis
        one.run(2)
        assert (len(lines), sum(logs.joined.values())) == (1, 0)
        one.run(2)
        assert (len(lines), sum(logs.joined.values()), clock.millis) == (0, 1, now)
        one.loop.cut()
        cuts = [read(row.payload, Cut) for row in one.ledger.recovery().rows if row.kind == "cut"]
        assert [aside.later for cut in cuts for aside in cut.asides if aside.later] == [4_000]


def test_killed_after_a_cut_it_tells_nothing_twice() -> None:
    with worker(epoch=50) as one:
        one.write(5)
        one.run(2)
        one.kill()
        assert one.repeated == [0]
        one.write(5)
        one.run(2)
        told_now = shown(one.entries)
        assert len(told_now) == len(set(told_now))
        assert sum(entry.events for entry in one.entries) == 10


def test_killed_before_a_cut_it_reads_again() -> None:
    with worker(epoch=50) as one:
        one.write(5)
        one.loop.step(0)
        one.kill()
        one.run(2)
        assert sum(entry.events for entry in one.entries) == 5


def test_records_gather_before_the_next_look() -> None:
    with worker(epoch=50, gather=0.1) as one:
        one.write(3)
        one.loop.step(0)
        assert one.world.slept == 0.1
        one.loop.step(0)
        assert one.world.slept == 0.1


def test_losses_travel_with_the_next_epoch() -> None:
    with worker(epoch=5) as one:
        one.world.kernel_lost = 7
        one.run(6)
        assert one.entries[0].lost == {"kernel_lost": 7}
        assert one.entries[0].kernel == (1, 64, 0)
        assert not one.entries[-1].lost or len(one.entries) == 1


def test_control_is_obeyed_and_survives_a_kill() -> None:
    with worker(epoch=50) as one:
        one.world.control = Control(3, 2_000, (("web", ("File /f/{lower:2}",)),))
        one.run(5)
        assert one.loop.timing.epoch == 2 and len(one.entries) >= 2
        one.world.control = None
        one.kill()
        assert one.loop.memory.control.revision == 3
        one.write(1)
        one.run(3)
        assert any("{lower:2}" in str(item) for item in shown(one.entries))


def test_over_its_budget_it_rests_and_counts_what_it_skips() -> None:
    with worker(epoch=5, most_behind=1) as one:
        one.loop.budget.percent = 1
        one.write(50)
        one.loop.step(0)
        one.world.used += 1
        one.write(50)
        one.loop._rest()
        assert one.world.slept > 0
        one.run(6)
        lost = sum(entry.lost.get("throttled", 0) for entry in one.entries)
        assert lost > 0
        before = shown(one.entries)
        one.kill()
        assert shown(one.entries) == before
        assert sum(entry.lost.get("throttled", 0) for entry in one.entries) == lost


def test_without_room_for_a_snapshot_the_one_before_it_counts() -> None:
    with worker(epoch=50, snapshot_bytes=1) as one:
        one.world.full = True
        one.write(20)
        one.run(2)
        one.kill()
        one.write(20)
        one.run(2)
        told_now = shown(one.entries)
        assert len(told_now) == len(set(told_now))
        assert sum(entry.events for entry in one.entries) == 40


ACTS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 30)),
    st.tuples(st.just("run"), st.integers(1, 30)),
    st.tuples(st.just("step"), st.integers(1, 3)),
    st.tuples(st.just("kill"), st.just(0)),
    st.tuples(st.just("rotate"), st.just(0)),
    st.tuples(st.just("full"), st.just(0)),
)


@settings(max_examples=40)
@given(st.lists(ACTS, max_size=14), st.sampled_from([1, 3_000, 1 << 20]))
def test_whatever_happens_every_event_is_counted_once_and_everything_is_told_once(
    acts: list[tuple[str, int]], snapshot_bytes: int
) -> None:
    """Kills at any step, rotation, snapshots that fail: each event in one entry, each item told once."""
    with worker(epoch=2, snapshot_bytes=snapshot_bytes) as one:
        for act, number in acts:
            if act == "write":
                one.write(number)
            elif act == "run":
                one.run(number / 10)
            elif act == "step":
                for _ in range(number):
                    one.loop.step(0)
            elif act == "kill":
                one.kill()
            elif act == "full":
                one.world.full = not one.world.full
            elif one.log.stat().st_size:
                rotated = sorted(one.folder.glob("audit.log.*"), key=lambda p: -int(p.suffix[1:]))
                for place in rotated:
                    place.rename(place.with_suffix(f".{int(place.suffix[1:]) + 1}"))
                one.log.rename(one.folder / "audit.log.1")
                one.log.write_bytes(b"")
        one.run(3)
        told_now = shown(one.entries)
        assert len(told_now) == len(set(told_now))
        assert sum(entry.events for entry in one.entries) == one.serial
        assert not any(entry.lost for entry in one.entries)
