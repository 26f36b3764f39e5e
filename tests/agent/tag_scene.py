"""A made-up worker whose log writes are tagged: which process and which unit has written each line is known.

Rules of this file
    - A `Scene` is a clock in nanoseconds, files that processes append to, and what the kernel makes of each write: an
      audit event (its stamp in steps of the tick, told when the call is over), a tag, bytes in the file.
    - `play` gives it to a node round by round, as an agent reads: bytes, tags, events; some of them late, lost, twice.
    - Each line has a token of its own; all of a kind have one length.

Source: kernel/auditsc.c (stamps); lkm/winnower_tag.h; agent.logfiles_value (generations).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from zlib import crc32

from lines import START, WRONLY, World, inet, syscall
from unit_server import access

from agent.containers import Containers
from agent.logbook import Book
from agent.logfiles_value import Generation, Piece
from agent.logmessages import LogMessages
from agent.logtimes import Joined
from agent.node import Node
from agent.snapshot import pack, unpack
from agent.tags import APPEND, GUESSED, Tag
from agent.upg import Actor
from grammar.line import Line

LOG = "/var/log/app.log"
DEVICE = 5
TICK = 4
Bytes = tuple[Generation, int, bytes, str]
O_APPEND = 0x400
TOKEN = re.compile(r"q(\d{5})")
MS = 1_000_000


def tag(offset: int, data: bytes, tgid: int, nanos: int, **other: int) -> Tag:
    """What the kernel says of a write."""
    said = {
        "sequence": nanos, "nanos": nanos, "cgroup": 9, "inode": 1, "offset": offset, "major": 0, "minor": DEVICE,
        "length": len(data), "crc": crc32(data[:256]), "tgid": tgid, "pid": tgid, "inner_tgid": 1, "inner_pid": 1,
        "namespace": 1, "uid": 0, "auid": 0, "cpu": 0, "flags": APPEND, "load": 7, "generation": 1,
        "hashed": min(len(data), 256),
    }  # fmt: skip
    return Tag(**{**said, **other}, comm=b"")


@dataclass
class File:
    """A log: the inode behind its path now, which generation it is for a reader, how long it is."""

    path: str
    inode: int = 1
    number: int = 1
    size: int = 0


@dataclass
class Happened:
    """One thing that somebody could see: a piece of a file, a tag, or an event, at a moment."""

    nanos: int
    piece: Bytes | None = None
    tag: Tag | None = None
    event: bytes = b""
    marks: tuple[int, int] = (0, 0)
    written: bool = False


@dataclass
class Scene:
    """What happened, in order; `truth` says by token which process and which unit (0: none) has written it."""

    nanos: int = START * MS + 5_000 * MS
    serial: int = 1_000
    happened: list[Happened] = field(default_factory=list)
    truth: dict[int, tuple[int, int]] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)
    audited: bool = True
    timed: bool = False
    companion: bool = False
    guessed: bool = False
    _made: int = 0
    _sequence: int = 0

    def step(self, micros: int) -> None:
        self.nanos += micros * 1_000

    def stamp(self) -> tuple[int, int]:
        self.serial += 1
        return self.nanos // MS // TICK * TICK, self.serial

    def accept(self, pid: int, fd: int = 4) -> None:
        """A client: a unit of its own begins."""
        stamp = self.stamp()
        self.step(20)
        self._made += 1
        self.units[pid] = self._made
        one = syscall(
            "accept4", stamp=stamp, pid=pid, ppid=100, comm="p100", exe="/bin/p100", a0=3, exit=fd,
            saddr=inet("10.0.0.2", 40_000 + self._made % 20_000),
        )  # fmt: skip
        self.happened.append(Happened(self.nanos, event=one, marks=(pid, self._made)))

    def read(self, pid: int, fd: int = 4) -> None:
        """It reads what its client asks."""
        stamp = self.stamp()
        self.step(20)
        one = syscall("read", stamp=stamp, pid=pid, ppid=100, comm="p100", exe="/bin/p100", a0=fd, exit=80)
        self.happened.append(Happened(self.nanos, event=one))

    def line(self, pid: int, unit: int = -1) -> bytes:
        """A line with a token of its own."""
        token = len(self.truth) + 1
        self.truth[token] = pid, self.units.get(pid, 0) if unit < 0 else unit
        text = f"q{token:05}"
        return access(self.nanos // MS, "10.0.0.2", text).encode() if self.timed else f"line {text} of it\n".encode()

    def write(self, file: File, pid: int, data: bytes, *, thread: int = 0, micros: int = 30, began: int = 0) -> None:
        """One write: bytes, a tag, an event."""
        serial = self.stamp()[1]
        stamp = (began or self.nanos) // MS // TICK * TICK, serial
        self.step(micros)
        self._sequence += 1
        offset, file.size = file.size, file.size + len(data)
        self.happened.append(
            Happened(self.nanos, piece=(Generation(DEVICE, file.inode, file.number), offset, data, file.path))
        )
        said = tag(
            offset, data, pid, self.nanos, inode=file.inode, pid=thread or pid, cpu=self._sequence % 2,
            sequence=self._sequence, cgroup=pid, flags=APPEND | (GUESSED if self.guessed else 0),
        )  # fmt: skip
        self.happened.append(Happened(self.nanos, tag=said))
        if self.audited:
            one = syscall("write", stamp=stamp, pid=pid, ppid=100, comm="p100", exe="/bin/p100", a0=7, exit=len(data))
            one = with_companion(one, said) if self.companion else one
            self.happened.append(Happened(self.nanos, event=one, written=True))


def with_companion(event: bytes, said: Tag) -> bytes:
    """The event with the module's record in it."""
    head, title = event[: event.index(b"type=PROCTITLE")], event[event.index(b"type=PROCTITLE") :]
    mark = re.search(rb"msg=audit\([^)]*\):", event)
    assert mark is not None
    return head + b"type=KERNEL_OTHER " + mark[0] + b" " + companion(said) + b"\n" + title


def companion(said: Tag) -> bytes:
    """A tag as the module writes it into the write's own audit event."""
    return (
        f"winnower: load={said.load} cpu={said.cpu} seq={said.sequence} dev={said.major:02x}:{said.minor:02x} "
        f"ino={said.inode} gen={said.generation} off={said.offset} len={said.length} crc={said.crc:08x} "
        f"hashed={said.hashed} tgid={said.tgid} pid={said.pid} itgid={said.inner_tgid} ipid={said.inner_pid} "
        f"ns={said.namespace} cgroup={said.cgroup} nanos={said.nanos} flags={said.flags}"
    ).encode()


class Watching(LogMessages):
    """Keeps whose each line was said to be: (token, process, unit, operation)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, Actor | None, str]] = []

    def tell(self, joined: Joined) -> None:
        process, unit = joined.writer
        pid = int(process.pid) if joined.operation else 0
        self.seen.append((token_of(joined.line), pid, unit, joined.operation))
        super().tell(joined)

    def alone(self, node: Node, container: str, book: Book, line: Line, tag: Tag | None = None) -> None:
        self.seen.append((token_of(line), 0, None, ""))
        super().alone(node, container, book, line, tag)


def token_of(line: Line) -> int:
    found = TOKEN.search(line.message)
    return int(found[1]) if found else 0


@dataclass(frozen=True)
class Faults:
    """What goes wrong on the way, by the places of tags and of writes' events; `delay`: rounds that a tag is late."""

    tags: frozenset[int] = frozenset()
    events: frozenset[int] = frozenset()
    late: frozenset[int] = frozenset()
    twice: frozenset[int] = frozenset()
    lines_late: bool = False
    shuffled: int = 0
    delay: int = 2


@dataclass
class Told:
    """What a node made of a scene."""

    world: World
    logs: LogMessages
    units: dict[int, Actor]

    def wrong(self, scene: Scene) -> list[object]:
        """Lines of another's process, or of another unit than their own."""
        assert isinstance(self.logs, Watching)
        known = {id(unit): number for number, unit in self.units.items()}
        found: list[object] = []
        for token, pid, unit, operation in self.logs.seen:
            if not token or not pid:
                continue
            theirs = known.get(id(unit), 0)
            process = scene.truth[token][0] != pid and operation == "log"  # time joins with a program, not a process
            if process or (theirs and theirs != scene.truth[token][1]):
                found.append((token, scene.truth[token], pid, theirs, operation))
        tokens = [one[0] for one in self.logs.seen if one[0]]
        return found + [token for token in set(tokens) if tokens.count(token) > 1]

    def in_units(self, scene: Scene) -> int:
        assert isinstance(self.logs, Watching)
        return sum(self.units.get(scene.truth[one[0]][1]) is one[2] for one in self.logs.seen if one[0])


def world_of(pids: list[int], path: str = LOG, logs: LogMessages | None = None) -> World:
    """A server with its log open at 7, and its children."""
    world = World(Containers.of([]))
    world.node.logs = logs if logs is not None else Watching()
    world.open(path, 7, WRONLY | O_APPEND)
    world.call("socket", a0=10, a1=1, exit=3).call("bind", a0=3, saddr=inet("::", 80)).call("listen", a0=3)
    for pid in pids:
        world.call("clone", exit=pid, a0=0x11)
        world.call("getpid", pid=pid, ppid=100, comm="p100", exe="/bin/p100")
    return world


def play(scene: Scene, world: World, faults: Faults | None = None, *, batch: int = 5, saved: int = -1) -> Told:
    """Give a scene to a node, `batch` things a round; `saved`: written down and read again before that round."""
    assert world.node.logs is not None
    world.node.logs.tags.put(())
    told = Told(world, world.node.logs, {})
    way = Way(faults or Faults())
    rounds = [scene.happened[at : at + batch] for at in range(0, len(scene.happened), max(1, batch))]
    for number, part in enumerate([*rounds, *[[] for _ in range(way.faults.delay + 1)]]):
        if number == saved:
            told.logs = again(world)
        pieces, tags, events = way.round(number, part)
        read = max((one.nanos for one in part), default=0) // MS or START + 10_000
        for generation, offset, data, path in pieces:
            told.logs.take([Piece("host", path, generation, offset, data, read)])
        told.logs.tags.put(tags)
        for one in events:
            world.feed(one.event)
            if one.marks[0]:
                told.units[one.marks[1]] = world.process(one.marks[0]).current
    finish(scene, world)
    return told


class Way:
    """From where things happen to the node, with its faults."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.tags = self.events = 0
        self.late: dict[int, list[Tag]] = {}
        self.pieces: list[Bytes] = []
        self.random = Random(faults.shuffled)

    def round(self, number: int, part: list[Happened]) -> tuple[list[Bytes], list[Tag], list[Happened]]:
        """What arrives in a round."""
        tags = self.late.pop(number, []) + [said for one in part for said in self._tags(number, one)]
        pieces = [one.piece for one in part if one.piece is not None]
        if self.faults.lines_late:
            pieces, self.pieces = self.pieces, pieces
        if self.faults.shuffled:
            self.random.shuffle(tags)
        return pieces, tags, [one for one in part if one.event and self._arrives(one)]

    def _tags(self, number: int, one: Happened) -> list[Tag]:
        self.tags += one.tag is not None
        if one.tag is None or self.tags in self.faults.tags:
            return []
        if self.tags in self.faults.late:
            self.late.setdefault(number + self.faults.delay, []).append(one.tag)
            return []
        return [one.tag] * (2 if self.tags in self.faults.twice else 1)

    def _arrives(self, one: Happened) -> bool:
        self.events += one.written
        return not (one.written and self.events in self.faults.events)


def finish(scene: Scene, world: World) -> None:
    """Time goes on until nothing waits any more."""
    for seconds in (1, 2, 3, 4, 60):
        scene.serial += 1
        millis = scene.nanos // MS + seconds * 1_000
        world.feed(syscall("getpid", stamp=(millis, scene.serial), pid=100, comm="p100", exe="/bin/p100"))


def again(world: World) -> LogMessages:
    """The node, written down and read again."""
    logs = world.node.logs
    assert logs is not None
    outside = {"graph": world.graph, "profiles": logs.names.profiles}
    world.node = unpack(pack(world.node, outside), "f", Node, outside)
    assert world.node.logs is not None
    return world.node.logs
