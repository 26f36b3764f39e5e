"""Events → graphs of all containers of one worker: the process table and the dispatch of system calls.

Rules of this file
    - One event, one handler; what a call means is data (`agent.syscalls.MEANING`), handlers are in `agent.calls_*`.
    - What repeats is paid for once: the tail of a SYSCALL record is the same for every call of a process, so it is a key.
    - Bounded: `MAX_PROCESSES` live processes, the least recently started go first, counted.

Invariant: times that leave here never go back (`LogTime`).
Complexity: O(1) per event.
Source: design section 4 (graph).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from agent import calls_files, calls_processes, calls_sockets
from agent.abstraction import Abstraction
from agent.containers import HOST, Container, Containers, is_runtime
from agent.events import Call, Event
from agent.files import Files
from agent.logtime import LogTime
from agent.loss import Loss
from agent.processes import Process
from agent.records import untrusted
from agent.syscalls import ARCHITECTURES, MEANING, NUMBERS, URING
from agent.upg import EDGE, Recorder, Scope, States

MAX_PROCESSES: Final = 32_768
MAX_TAILS: Final = 4_096

Handler = Callable[["Node", Process, Call, int, str], None]
Entry = tuple[Handler, int, str] | None

_TAIL: Final = re.compile(rb'(?:ppid=(\d+) )?pid=(\d+) .*? comm=("[^"]*"|\S+) exe=("[^"]*"|\S+)')
_CALL: Final = re.compile(rb"arch=(\w+) syscall=(\d+)(?: per=\w+)?(?: success=(\w+))?")
_URING: Final = re.compile(rb"uring_op=(\d+) success=yes exit=(-?\d+).*?(?:ppid=\d+ )?pid=(\d+) ")
_RELATION: Final = {
    "take_fd": "USED", "open_file": "USED", "copy_fd": "USED", "peek": "USED", "accept": "USED", "map_file": "USED",
    "fork": "WAS_TRIGGERED_BY", "execute": "WAS_TRIGGERED_BY", "signal": "WAS_TRIGGERED_BY",
    "become": "WAS_TRIGGERED_BY",
}  # fmt: skip


@dataclass(slots=True)
class Node:
    """One worker's processes, files and containers; `apply` takes its events in order.

    `scopes` are the graphs, by container name (`host` for what belongs to none).
    """

    containers: Containers
    abstraction: Abstraction = field(default_factory=Abstraction)
    recorder: Recorder | None = None
    loss: Loss = field(default_factory=Loss)
    time: LogTime = field(default_factory=LogTime)
    scopes: dict[str, Scope] = field(default_factory=dict)
    states: dict[str, States] = field(default_factory=dict)
    files: dict[str, Files] = field(default_factory=dict)
    processes: dict[bytes, Process] = field(default_factory=dict)
    events: int = 0
    _tails: dict[bytes, Process] = field(default_factory=dict)
    _calls: dict[bytes, Entry] = field(default_factory=dict)
    _born: int = 0

    def apply(self, events: Iterable[Event]) -> None:
        """Take events in the order of the log."""
        tails, calls, see = self._tails, self._calls, self.time.see
        for event in events:
            self.events += 1
            see(event.millis)
            call = event.call
            if call is None:
                if event.raw.startswith(b"type=URINGOP "):
                    self._uring(event)
                continue
            try:
                entry = calls[call[1]]
            except KeyError:
                entry = self._entry(call[1])
            process = tails.get(call[7])
            if process is None or process.dead:
                process = self._subject(call, entry)
                if process is None:
                    continue
            if entry is not None:
                entry[0](self, process, call, entry[1], entry[2])
        if self.time.steps:
            self.loss.note("clock_step", self.time.steps)
            self.time.steps = 0

    def scope(self, container: Container | None) -> Scope:
        """The graph of a container, made when it is first needed."""
        name, app = (container.name, container.app) if container else (HOST, HOST)
        found = self.scopes.get(name)
        if found is None:
            states = self.states.setdefault(app, States())
            found = self.scopes[name] = Scope(app, name, states, self.time.clock, self.recorder)
            self.files[name] = Files(self.loss)
        return found

    def label(self, comm: bytes, exe: bytes) -> str:
        """The label of a process."""
        name, path = self.abstraction.text(untrusted(comm)), self.abstraction.text(untrusted(exe).removesuffix(" (deleted)"))
        return f"Process {name.replace(' ', '_') or '{any}'} {path.replace(' ', '_') or '{any}'}"

    def forget(self, process: Process) -> None:
        """The process is gone."""
        process.dead = True
        process.fds = {}
        process.pending = {}
        if self.processes.get(process.pid) is process:
            del self.processes[process.pid]

    def _entry(self, key: bytes) -> Entry:
        """Look a call up once: its architecture, number and success decide the handler."""
        found = _CALL.match(key)
        entry: Entry = None
        if found is not None:
            architecture = ARCHITECTURES.get(found[1].decode())
            if architecture is None:
                self.loss.note("unknown_arch")
            else:
                entry = entry_of(NUMBERS[architecture].get(int(found[2]), ""), found[3] == b"no")
        if len(self._calls) < MAX_TAILS:
            self._calls[key] = entry
        return entry

    def _subject(self, call: Call, entry: Entry) -> Process | None:
        """The process of a tail that is new: known by its pid, or seen for the first time."""
        found = _TAIL.match(call[7])
        if found is None:
            self.loss.note("malformed")
            return None
        ppid, pid, comm, exe = found.groups()
        process = self.processes.get(pid)
        executing = entry is not None and entry[0] is calls_processes.execute
        if process is None:
            process = self._appear(pid, ppid or b"0", comm, exe, executing)
        if not executing:
            process.comm, process.exe = comm, exe
            if len(self._tails) >= MAX_TAILS:
                self._tails.clear()
            self._tails[call[7]] = process
        return process

    def _appear(self, pid: bytes, ppid: bytes, comm: bytes, exe: bytes, executing: bool) -> Process:
        """A process that has not been seen before: its parent's child if the parent is known.

        If its first event is an exec, the record already shows the new program: until then it was its parent's.
        """
        parent = self.processes.get(ppid)
        container = self.containers.by_pid.get(pid)
        inside = container is not None and not is_runtime(untrusted(comm).encode(), untrusted(exe).encode())
        scope = self.scope(container) if inside else parent.scope if parent else self.scope(None)
        self._born += 1
        ident = f"{pid.decode()}@{self._born}"
        if parent is None:
            lineage = (calls_processes.entry_of_container(container, pid),) if inside else ()
            process = Process(pid, scope, self.label(comm, exe), lineage, ident)
            process.comm, process.exe = comm, exe
        else:
            label = parent.label if executing else self.label(comm, exe)
            process = self._child(parent, pid, scope, label, ident)
        if container is not None and not inside:
            process.joining = container.id
        self.processes[pid] = process
        if len(self.processes) > MAX_PROCESSES:
            self.loss.note("processes_evicted")
            self.forget(next(iter(self.processes.values())))
        return process

    def _child(self, parent: Process, pid: bytes, scope: Scope, label: str, ident: str) -> Process:
        lineage = descend(parent.lineage, parent.label)
        process = Process(pid, scope, label, lineage, ident)
        process.comm, process.exe, process.joining = parent.comm, parent.exe, parent.joining
        snapshot = parent.claim(pid, self.time.clock.millis)
        process.cloexec = snapshot.cloexec
        if scope is parent.scope:
            process.fds = snapshot.fds
            scope.trigger(process.base, EDGE["WAS_TRIGGERED_BY", "fork"], snapshot.vertex, parent.label)
        else:
            process.fds = calls_files.rescoped(snapshot.fds, ident)
        return process

    def _uring(self, event: Event) -> None:
        """An io_uring operation: no arguments, no descriptor; its paths are what there is."""
        found = _URING.search(event.raw)
        if found is None:
            return
        entry = entry_of(URING.get(int(found[1]), ""), failed=False)
        process = self.processes.get(found[3])
        if entry is not None and process is not None:
            at_cwd = b"ffffff9c"
            entry[0](self, process, (b"", b"", b"uring", at_cwd, b"0", b"0", b"0", b"", event.raw, b""), *entry[1:])


def descend(lineage: tuple[str, ...], label: str, depth: int = 3) -> tuple[str, ...]:
    """The programs that a process descends from, nearest first, at most `depth`.

    >>> descend(("from b",), "a")
    ('from a', 'from b')
    """
    return (f"from {label}", *lineage)[:depth]


def entry_of(name: str, failed: bool) -> Entry:
    """Handler, edge and parameter of a call's name; None if the call means nothing (a failed one: only connect may)."""
    meaning = MEANING.get(name)
    if meaning is None or (failed and name != "connect"):
        return None
    handler, operation, parameter = meaning
    relation = _RELATION.get(handler, "WAS_GENERATED_BY")
    module = next(m for m in (calls_files, calls_sockets, calls_processes) if hasattr(m, handler))
    kind = EDGE[relation, operation] if operation else -1
    return getattr(module, handler), kind, parameter
