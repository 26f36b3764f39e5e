"""A made-up server that is watched: which request has written which line is known.

Rules of this file
    - A `Script` is what happened: events of the audit log and lines of logs, in their order. `play` gives it to a node,
      with what is lost, late, or read in another way; `Watching` keeps whose each line was said to be.
    - Every request reads, makes a file of its own (`/srv/out-N`), logs, answers. Tokens have one width: lines of one
      kind have one length.
    - The truth is the unit that was current when the request was read.

Source: the shapes of servers: prefork, event loop, threads, numbered connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lines import CREAT, START, WRONLY, World, inet, path

from agent.logbook import Book
from agent.logfiles_value import Generation, Piece
from agent.logmessages import LogMessages
from agent.lognames import LogNames
from agent.logtimes import Joined
from agent.node import Node
from agent.snapshot import pack, unpack
from agent.upg import Actor

ACCESS, ERROR, GENERAL = "/var/log/access.log", "/var/log/error.log", "/var/log/general.log"
LOGS = {ACCESS: 20, ERROR: 21, GENERAL: 22}
APPEND = 0x400
CHILDREN = 1_000
"""Requests start processes of these numbers and theirs."""
OUT = re.compile(r"/srv/out-(\d+)")
CHILD = re.compile(r"(\d{4,})@")
TOKEN = re.compile(r"q(\d{5})")


@dataclass(frozen=True)
class Step:
    """An event, with the line that it writes, if it writes one; `request` is whose it is."""

    request: int
    name: str
    fields: dict[str, Any]
    log: str = ""
    line: bytes = b""
    marks: bool = False


@dataclass
class Connection:
    """One client's connection: its process, descriptor, client, number."""

    pid: int
    fd: int
    host: str
    port: int
    number: int


@dataclass
class Script:
    """What happened, step by step, `pace` milliseconds each."""

    steps: list[tuple[int, Step]] = field(default_factory=list)
    millis: int = START + 5_000
    pace: int = 10
    requests: int = 0
    numbers: int = 0

    def event(self, request: int, name: str, *, marks: bool = False, **fields: Any) -> None:
        self.millis += self.pace
        self.steps.append((self.millis, Step(request, name, fields, marks=marks)))

    def write(self, request: int, pid: int, log: str, line: str) -> None:
        self.millis += self.pace
        fields = {"pid": pid, "a0": LOGS[log], "exit": len(line.encode())}
        self.steps.append((self.millis, Step(request, "write", fields, log, line.encode())))

    def accept(self, one: Connection) -> None:
        self.event(0, "accept4", pid=one.pid, a0=3, exit=one.fd, saddr=inet(one.host, one.port))

    def close(self, one: Connection) -> None:
        self.event(0, "close", pid=one.pid, a0=one.fd)

    def request(self, one: Connection, kinds: str) -> Iterator[None]:
        """One request, step by step: `e` an error line, `n` a numbered one, `a` an access line at the end.

        `c` starts a child and waits for it, `b` leaves it in the background.
        """
        self.requests += 1
        r = self.requests
        begun = self.millis + self.pace
        self.event(r, "read", marks=True, pid=one.pid, a0=one.fd, exit=8)
        yield
        self.event(r, "openat", pid=one.pid, exit=9, a0=0xFFFFFF9C, a2=CREAT | WRONLY, paths=[out(r)])
        self.event(r, "write", pid=one.pid, a0=9, exit=5)
        self.event(r, "close", pid=one.pid, a0=9)
        for kind in kinds:
            yield
            self.log(kind, one, r, begun)
        yield
        self.event(r, "write", pid=one.pid, a0=one.fd, exit=7)

    def child(self, one: Connection, r: int, *, stays: bool) -> None:
        """The request starts a program, and waits for it or not."""
        pid = CHILDREN + r
        shell = {"pid": pid, "ppid": one.pid, "comm": "sh", "exe": "/bin/sh"}
        self.event(r, "clone", pid=one.pid, exit=pid, a0=0x11)
        self.event(r, "execve", paths=[path("/bin/sh")], argv=["sh"], **shell)
        if not stays:
            self.event(r, "exit_group", **shell)

    def log(self, kind: str, one: Connection, r: int, begun: int) -> None:
        if kind in "cb":
            self.child(one, r, stays=kind == "b")
        elif kind == "e":
            self.write(r, one.pid, ERROR, error(self.millis + self.pace, one.host, one.port, f"q{r:05}"))
        elif kind == "n":
            self.write(r, one.pid, GENERAL, general(self.millis, one.number, f"q{r:05}"))
        else:
            self.write(r, one.pid, ACCESS, access(begun, one.host, f"q{r:05}"))


def out(request: int) -> tuple[str, str, int]:
    return f"/srv/out-{request}", "CREATE", 0o100644


def access(millis: int, host: str, text: str) -> str:
    when = datetime.fromtimestamp(millis // 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{host} - - [{when}] "GET /{text} HTTP/1.1" 200 12 "-" "curl"\n'


def error(millis: int, host: str, port: int, text: str) -> str:
    when = datetime.fromtimestamp(millis // 1000, UTC).strftime("%a %b %d %H:%M:%S")
    return f"[{when}.{millis % 1000:03}000 2023] [php:notice] [pid 7:tid 7] [client {host}:{port}] {text}\n"


def general(millis: int, number: int, text: str) -> str:
    when = datetime.fromtimestamp(millis // 1000, UTC).strftime("%y%m%d %H:%M:%S")
    return f"{when}\t{number:6} Query\t{text}\n"


class Watching(LogMessages):
    """Keeps whose each line was said to be: (request that wrote it, unit, operation, number of its vertex, log)."""

    def __init__(self, names: LogNames | None = None) -> None:
        super().__init__(names)
        self.seen: list[tuple[int, Actor, str, int, str]] = []

    def tell(self, joined: Joined) -> None:
        found = TOKEN.search(joined.line.message)
        process, unit = joined.writer
        number = process.scope.made + 1
        self.seen.append((int(found[1]) if found else 0, unit, joined.operation, number, joined.path))
        super().tell(joined)


@dataclass
class Played:
    """What came of a script."""

    world: World
    truth: dict[int, Actor]

    @property
    def seen(self) -> list[tuple[int, Actor, str, int, str]]:
        logs = self.world.node.logs
        assert isinstance(logs, Watching)
        return logs.seen

    def wrong(self, log: str = "", *, covers: bool = True) -> list[int]:
        """Requests whose lines are said to be of another request's unit, or cover what another has made.

        Of threads, calls themselves cannot be told apart: `covers` is no question there.
        """
        units = {id(unit): request for request, unit in self.truth.items()}
        covered = self.covered()
        found = []
        for request, unit, _, number, book in self.seen:
            if not request or (log and book != log):
                continue
            mine = self.truth.get(request)
            theirs = unit is not mine and id(unit) in units
            taken = any(self.truth.get(other) is not mine for other in covered.get(number, ()))
            if theirs or (taken and covers):
                found.append(request)
        return found

    def right(self, log: str = "") -> int:
        """How many lines are their own unit's."""
        return sum(self.truth.get(one[0]) is one[1] for one in self.seen if one[0] and (not log or one[4] == log))

    def covered(self) -> dict[int, list[int]]:
        graph = self.world.graph
        found: dict[int, list[int]] = {}
        for effect, _, operation, cause, _ in graph.edges:
            made, child = OUT.match(graph.idents[cause]), CHILD.match(graph.idents[cause])
            if operation == "covers" and made:
                found.setdefault(effect[1], []).append(int(made[1]))
            elif operation == "covers" and child:
                found.setdefault(effect[1], []).append(int(child[1]) - CHILDREN)
        return found


def site(logs: LogMessages, pids: list[int]) -> World:
    """A node with one server: its processes, its port, its logs open."""
    world = World()
    world.node.logs = logs
    for name, fd in LOGS.items():
        world.open(name, fd, WRONLY | APPEND)
    world.call("socket", a0=10, a1=1, exit=3).call("bind", a0=3, saddr=inet("::", 80)).call("listen", a0=3)
    for pid in pids:
        world.call("clone", exit=pid, a0=0x11)
        world.call("getpid", pid=pid, ppid=100, comm="p100", exe="/bin/p100")
    return world


def play(
    script: Script,
    pids: list[int],
    *,
    lost: frozenset[int] = frozenset(),
    late: frozenset[int] = frozenset(),
    batch: int = 1,
    before: str = "",
    rotated: int = -1,
    saved: int = -1,
    watching: bool = True,
    names: LogNames | None = None,
) -> Played:
    """Give a script to a node. `lost` and `late` are places of writes to logs; a late one comes after the next write.

    `batch` 0: the logs are files of a recording; else so many steps' lines are read before their events. `saved`: the
    node is written down and read again after so many steps.
    """
    logs = Watching(names) if watching else LogMessages(names)
    world = site(logs, pids)
    steps = _ordered(script, late)
    if batch:
        for path in LOGS:
            logs.take([Piece("host", path, Generation(1, 1), 0, b"", START)])
    else:
        for path in LOGS:
            whole = before.encode() + b"".join(step.line for _, step in script.steps if step.log == path)
            logs.add("host", Book(path, iter([whole]))) if path not in logs.books["host"] else _read(logs, path, whole)
    played, position = Played(world, {}), 0
    offsets = dict.fromkeys(LOGS, 0)
    generation = 1
    written = [step for _, step in script.steps if step.line]
    read = 0
    for first in range(0, len(steps), max(1, batch)):
        part = steps[first : first + max(1, batch)]
        if batch:
            upto = max((index for _, _, index in part if index >= 0), default=-1)
            now = max(millis for millis, _, _ in part)
            for step in written[read : upto + 1]:
                if read == rotated:
                    generation, offsets = 2, dict.fromkeys(LOGS, 0)
                read += 1
                logs.take([Piece("host", step.log, Generation(1, generation), offsets[step.log], step.line, now)])
                offsets[step.log] += len(step.line)
        for place, (millis, step, _) in enumerate(part, first):
            if place == saved:
                logs = again(world)
            drop = step.line and position in lost
            position += bool(step.line)
            if not drop:
                world.millis, world.serial = max(world.millis, millis), world.serial + 1
                world.call(step.name, stamp=(millis, world.serial), **fields_of(step.fields))
            if step.marks:
                played.truth[step.request] = world.process(step.fields["pid"]).current
    world.millis += 60_000
    world.call("getpid", stamp=(world.millis, world.serial + 1))
    return played


def again(world: World) -> LogMessages:
    """The node, written down and read again."""
    logs = world.node.logs
    assert logs is not None
    outside = {"graph": world.graph, "profiles": logs.names.profiles}
    world.node = unpack(pack(world.node, outside), "f", Node, outside)
    assert world.node.logs is not None
    return world.node.logs


def fields_of(fields: dict[str, Any]) -> dict[str, Any]:
    return {"ppid": 1, "comm": "p100", "exe": "/bin/p100", **fields}


def _read(logs: LogMessages, path: str, whole: bytes) -> None:
    book = logs.books["host"][path]
    book.source = iter([whole])


def _ordered(script: Script, late: frozenset[int]) -> list[tuple[int, Step, int]]:
    """Steps as their records come; late writes after the next write to a log; each with its place in the files."""
    found: list[tuple[int, Step, int]] = []
    held: tuple[int, Step, int] | None = None
    number = -1
    for millis, step in script.steps:
        number += bool(step.line)
        one = millis, step, number if step.line else -1
        if step.line and number in late and held is None:
            held = one
            continue
        if held is not None and step.fields.get("pid") == held[1].fields.get("pid"):
            found.append(held)
            held = None
        found.append(one)
        if held is not None and step.line:
            found.append(held)
            held = None
    return found + ([held] if held is not None else [])
