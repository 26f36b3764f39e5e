"""An agent's main loop in a folder: clocks go when told, logs grow, the agent is killed and comes back.

`Worker` reads the audit log alone; `Logging` an application's log as well, and holds each repeated epoch against what
was told at first.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from lines import AT_CWD, CREAT, START, WRONLY, made, path, syscall
from log_node import Log, Node

from agent.containers import Containers
from agent.entry import Entry, told
from agent.epochs import Epoch
from agent.follow import LogFollower
from agent.ledger import Ledger
from agent.logbook import Book
from agent.logfiles_feed import LogFeed
from agent.logfiles_value import Given, Look, Rule
from agent.logmessages import LogMessages
from agent.logtimes import Joined
from agent.loop import Logs, Loop, Timing
from agent.memory import Cut, Memory, recall
from agent.node import Node as WorkersNode
from agent.pipeline import Pipeline
from agent.tags import Tag
from grammar.control import Control
from grammar.envelope import Run
from grammar.finding import Finding
from grammar.line import Line

ACCESS = "/var/log/access.log"
APPEND = 0x400


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
            memory = self.fresh()
        source = LogFollower(self.log, start="beginning")
        logs = self.logs(memory)
        recall(memory, source, recovery, self.again, logs.feed if logs else lambda memory: None)
        self.loop = Loop(memory, source, self.ledger, self.world, self.timing, logs=logs)
        self.loop.begin()

    def fresh(self) -> Memory:
        return Memory(Pipeline(Containers.of([]), 1000))

    def logs(self, memory: Memory) -> Logs | None:
        return None

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

    def opens(self, name: str, pid: int = 100) -> None:
        """A program opens its log."""
        self.serial += 1
        fields = {"exit": 7, "a0": AT_CWD, "a2": CREAT | WRONLY | APPEND, "paths": [made(name)], "pid": pid}
        self.append(syscall("openat", stamp=(self.world.wall(), self.serial), **fields))

    def writes(self, size: int, pid: int = 100) -> None:
        """It writes to it."""
        self.serial += 1
        self.append(syscall("write", stamp=(self.world.wall(), self.serial), a0=7, exit=size, pid=pid))

    def append(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)

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


class Tells(LogMessages):
    """Keeps what lines have been told since it was asked last."""

    __slots__ = ()
    now: ClassVar[list[str]] = []

    def tell(self, joined: Joined) -> None:
        super().tell(joined)
        self.now.append(joined.line.message)

    def alone(self, node: WorkersNode, container: str, book: Book, line: Line, tag: Tag | None = None) -> None:
        super().alone(node, container, book, line, tag)
        self.now.append(line.message)


class Logging(Worker):
    """Two programs write lines to one log; `told` are the lines of each epoch, `other` epochs repeated otherwise."""

    def __init__(self, folder: Path, timing: Timing) -> None:
        self.told: dict[int, list[str]] = {}
        self.other: list[tuple[list[str], list[str]]] = []
        self.app = Log(folder / "app.log")
        self.said: list[str] = []
        self.node = Node(folder, rules=(Rule("host", str(self.app.path)),))
        self.feed: LogFeed | None = None
        super().__init__(folder, timing)

    def fresh(self) -> Memory:
        return Memory(Pipeline(Containers.of([]), 1000, logs=Tells()))

    def logs(self, memory: Memory) -> LogFeed:
        Tells.now.clear()
        self.node.clock = self.world.wall  # type: ignore[assignment]  # what is called is a clock
        self.world.epoch = self.cut  # type: ignore[method-assign]
        if self.feed is not None:
            self.feed.close()
        self.feed = LogFeed(self.node.files(memory.logs))
        return self.feed

    def cut(self, number: int, epoch: Epoch) -> None:
        self.told[number] = Tells.now.copy()
        Tells.now.clear()

    def again(self, number: int, epoch: Epoch) -> None:
        if self.told[number] != Tells.now:
            self.other.append((self.told[number], Tells.now.copy()))
        Tells.now.clear()

    def says(self, pid: int = 100, *, audited: bool = True, whole: bool = True) -> None:
        """One more line, and the record of its write; or the first half of it only, if it is not whole."""
        number = len(self.said)
        word = "".join(chr(97 + number // 26**place % 26) for place in range(3))
        line = line_of(word, self.world.wall())
        self.said.append(f"GET /{word} 200")
        for data in (line[:20], line[20:]) if not whole else (line,):
            self.app.raw(data)
            if audited:
                self.writes(len(data), pid)

    @property
    def lines(self) -> list[str]:
        """All that has been told, in the order of telling."""
        return [line for number in sorted(self.told) for line in self.told[number]]


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


class TracedMemory(Memory):
    """Tells when it is sealed, and cut."""

    __slots__ = ()

    def seal(self, later: int = 0) -> None:
        Traced.trace.append(f"sealed {later}")
        super().seal(later)

    def cut(self, cut: Cut) -> Epoch:
        Traced.trace.append("cut")
        return super().cut(cut)


class TracedPipeline(Pipeline):
    """Tells what it absorbs."""

    def absorb(self, data: bytes) -> None:
        last = Traced.trace[-1] if Traced.trace else ""
        if isinstance(last, bytes):  # how large a bite is does not matter
            Traced.trace[-1] = last + data
        else:
            Traced.trace.append(data)
        super().absorb(data)


class Traced(Worker):
    """What happened to memory since the last snapshot, in order: bytes, looks at logs (made up), steps besides."""

    trace: ClassVar[list[bytes | str]] = []

    def __init__(self, folder: Path, timing: Timing) -> None:
        self.looks: list[Look] = []
        self.notes: list[Look] = []
        super().__init__(folder, timing)

    def fresh(self) -> Memory:
        return TracedMemory(TracedPipeline(Containers.of([]), 1000))

    def logs(self, memory: Memory) -> Traced:
        self.trace.clear()
        return self

    def look(self, millis: int) -> None:
        """At the next step there is something in the logs."""
        self.looks.append(Look(millis, (Given("web", "/a.log", 1, millis, 1),)))

    def feed(self, memory: Memory) -> None:
        if memory.replay is None:
            memory.heard += self.looks
            self.trace += [f"look {one.millis}" for one in self.looks]
            self.looks = []
        elif memory.replay.given:
            self.trace.append(f"look {memory.replay.millis}")

    def note(self) -> None:
        """What was held back until a snapshot."""
        self.loop.memory.heard += self.notes
        self.trace += [f"look {one.millis}" for one in self.notes]
        self.notes = []

    def saved(self) -> None:
        """Nothing hangs on it."""


@contextmanager
def traced() -> Iterator[Traced]:
    with tempfile.TemporaryDirectory() as folder:
        yield Traced(Path(folder), Timing(epoch=1e6, early=1e6, gather=0.0, snapshot=1e6, most_behind=1))


@contextmanager
def logging(**timing: float) -> Iterator[Logging]:
    with tempfile.TemporaryDirectory() as folder:
        yield Logging(Path(folder), Timing(**{"gather": 0.0, **timing}))  # type: ignore[arg-type]


def line_of(word: str, millis: int = START) -> bytes:
    time = datetime.fromtimestamp(millis // 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return b'10.0.0.1 - - [%s] "GET /%s HTTP/1.1" 200 1 "-" "-"\n' % (time.encode(), word.encode())
