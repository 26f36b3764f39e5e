"""Events → graphs of all containers of one worker: the process table and the dispatch of system calls.

Rules of this file
    - One event, one handler; what a call means is data (`agent.syscalls.MEANING`), handlers are in `agent.calls_*`.
    - What repeats is paid for once: the tail of a SYSCALL record is the same for every call of a process, so it is a
      key.
    - Bounded: `MAX_PROCESSES` live processes; those that have been silent for long go first, counted.
    - A parent may end, or give its child away (CLONE_PARENT), before the child is seen: what the child gets waits in
      `orphans`.
    - A record that shows another program than the last one means that an exec was not seen: it is made up for.

Invariant: times that leave here never go back (`LogTime`).
Complexity: O(1) per event.
Source: design section 4 (graph).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from posixpath import basename
from typing import TYPE_CHECKING, Final

from agent import calls_files, calls_processes, calls_sockets
from agent.abstraction import Abstraction
from agent.containers import HOST, LAST_STAGE, Container, Roster, is_runtime
from agent.events import Call, Event
from agent.files import Files
from agent.logtime import LogTime
from agent.loss import Loss
from agent.processes import RECENT, Process, Snapshot
from agent.records import untrusted
from agent.syscalls import ARCHITECTURES, MEANING, NUMBERS, URING
from agent.upg import EDGE, MAX_DID, Recorder, Scope, States

if TYPE_CHECKING:
    from agent.logmessages import LogMessages  # who reads no logs need not load what reads their lines

MAX_PROCESSES: Final = 32_768
MAX_TAILS: Final = 4_096
MAX_ORPHANS: Final = 256

Handler = Callable[["Node", Process, Call, int, str], None]
Entry = tuple[Handler, int, str] | None

_CALL: Final = re.compile(rb"arch=(\w+) syscall=(\d{1,10})(?: per=\w+)?(?: success=(\w+))?")
_URING: Final = re.compile(
    rb"type=URINGOP msg=audit\(([\d.:]{1,36})\): uring_op=(\d{1,5}) success=yes exit=-?\d{1,20} items=\d{1,10} "
    rb"ppid=\d{1,10} pid=(\d{1,10}) "
)
_NOT_SHOWN: Final = b"uring"
_RELATION: Final = {
    "take_fd": "USED", "receive": "USED", "open_file": "USED", "copy_fd": "USED", "peek": "USED", "accept": "USED",
    "map_file": "USED",
    "fork": "WAS_TRIGGERED_BY", "execute": "WAS_TRIGGERED_BY", "signal": "WAS_TRIGGERED_BY",
    "become": "WAS_TRIGGERED_BY",
}  # fmt: skip

TICK: Final = 1_000
"""Milliseconds of log time after which an open vertex is sealed; epochs of whole seconds cut where nothing is open."""


@dataclass(slots=True)
class Node:
    """One worker's processes, files and containers; `apply` takes its events in order.

    `scopes` are the graphs, by container name (`host` for what belongs to none).
    """

    containers: Roster
    abstraction: Abstraction = field(default_factory=Abstraction)
    recorder: Recorder | None = None
    logs: LogMessages | None = None
    loss: Loss = field(default_factory=Loss)
    time: LogTime = field(default_factory=LogTime)
    scopes: dict[str, Scope] = field(default_factory=dict)
    states: dict[str, States] = field(default_factory=dict)
    files: dict[str, Files] = field(default_factory=dict)
    processes: dict[bytes, Process] = field(default_factory=dict)
    orphans: dict[tuple[str, bytes], Snapshot] = field(default_factory=dict)
    events: int = 0
    _entered: set[bytes] = field(default_factory=set)
    _tails: dict[bytes, Process] = field(default_factory=dict)
    _earlier: dict[bytes, Process] = field(default_factory=dict)
    _calls: dict[bytes, Entry] = field(default_factory=dict)
    _born: int = 0
    _numbered: int = 0
    _tick: int = 0

    def apply(self, events: Iterable[Event]) -> None:
        """Take events in the order of the log."""
        tails, calls, see, clock = self._tails, self._calls, self.time.see, self.time.clock
        for event in events:
            self.events += 1
            see(event.millis)
            if clock.millis >= self._tick:
                self.tick()
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
            process.scope.calls += 1
            if entry is not None:
                entry[0](self, process, call, entry[1], entry[2])
        if self.time.steps:
            self.loss.note("clock_step", self.time.steps)
            self.time.steps = 0

    def tick(self) -> None:
        """A whole second of log time has begun: what was open is told as far as it was."""
        if self.logs is not None:
            self.logs.tick(self)
        for scope in self.scopes.values():
            scope.flush()
        self._tick = self.time.clock.millis // TICK * TICK + TICK

    def forget_told(self) -> None:
        """What still goes on is told again: scopes forget what they have told, processes what they have taken in."""
        for scope in self.scopes.values():
            scope.forget()
        for process in self.processes.values():
            process.forget_causes()

    def scope(self, container: Container | None) -> Scope:
        """The graph of a container, made when it is first needed."""
        name, app = (container.name, container.app) if container else (HOST, HOST)
        found = self.scopes.get(name)
        if found is None:
            states = self.states.setdefault(app, States())
            found = self.scopes[name] = Scope(app, name, states, self.time.clock, self.recorder)
            found._numbers = self._numbered  # a name that comes back does not use its vertices' numbers again
            self.files[name] = Files(self.loss)
        return found

    def retire(self, name: str) -> bool:
        """A container has ended: its graph is forgotten, if all of it has been told. False: not yet."""
        scope = self.scopes.get(name)
        if scope is None or name == HOST:
            return True
        if scope.open or scope.fresh or scope.lone or scope.calls:
            return False
        for process in [one for one in self.processes.values() if one.scope is scope]:
            self.forget(process)
        self.orphans = {key: kept for key, kept in self.orphans.items() if key[0] != name}
        self._numbered = max(self._numbered, scope.made)
        if self.logs is not None:
            self.logs.retire(name)
        del self.scopes[name], self.files[name]
        return True

    def label(self, comm: bytes, exe: bytes) -> str:
        """The label of a process."""
        name, path = (
            self.abstraction.text(untrusted(comm)),
            self.abstraction.text(untrusted(exe).removesuffix(" (deleted)")),
        )
        return f"Process {name.replace(' ', '_') or '{any}'} {path.replace(' ', '_') or '{any}'}"

    def forget(self, process: Process) -> None:
        """The process is gone; children of it that have not been seen yet keep what they got."""
        process.dead = True
        for number, snapshot in process.pending.items():
            self.leave_child((process.scope.container, number), snapshot)
        process.fds, process.pending, process.early = {}, {}, {}
        if self.processes.get(process.pid) is process:
            del self.processes[process.pid]

    def leave_child(self, key: tuple[str, bytes], snapshot: Snapshot) -> None:
        """Keep what a child gets whose parent will not be there to be asked: by container and number."""
        self.orphans.pop(key, None)
        if len(self.orphans) >= MAX_ORPHANS:
            del self.orphans[next(iter(self.orphans))]
        self.orphans[key] = snapshot

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
        found = calls_processes.TAIL.match(call[7])
        if found is None:
            self.loss.note("malformed")
            return None
        ppid, pid, comm, exe = found.groups()
        process = self.processes.get(pid)
        executing = entry is not None and entry[0] is calls_processes.execute
        if process is None:
            process = self._appear(pid, ppid or b"0", (comm, exe), executing, calls_processes.begun(call))
        if not executing:
            if process.exe != exe and process.comm != comm and self._another(process, comm, exe):
                calls_processes.run(self, process, (comm, exe), None, EDGE["WAS_TRIGGERED_BY", "execve"])
            process.comm, process.exe = comm, exe
            if len(self._tails) >= MAX_TAILS:
                self._earlier = dict(self._tails)
                self._tails.clear()
            self._tails[call[7]] = process
        return process

    def _another(self, process: Process, comm: bytes, exe: bytes) -> bool:
        """Whether this is another program than the one that the process was known to run (runtimes change names)."""
        names = [calls_processes.plain(text) for text in (process.comm, process.exe, comm, exe)]
        if is_runtime(*names[:2]) or is_runtime(*names[2:]):
            return False
        return basename(names[1]) != basename(names[3].removesuffix(b" (deleted)"))

    def _appear(self, pid: bytes, ppid: bytes, names: tuple[bytes, bytes], executing: bool, born: int) -> Process:
        """A process that has not been seen before: its parent's child if the parent is known.

        If its first event is an exec, the record already shows the new program: until then it was its parent's.
        """
        comm, exe = names
        snapshot = self._inheritance(pid, ppid, born)
        runtime = is_runtime(calls_processes.plain(comm), calls_processes.plain(exe))
        heir = snapshot is not None and _is_heir(snapshot, runtime)
        container = None if pid in self._entered else self.containers.place(pid, ppid, born, heir)
        # What is found out live by the first event may be the exec into the container: until then it was the runtime's.
        enters = executing and snapshot is not None and not self.containers.once
        inside = None if runtime or enters else container
        scope = self.scope(inside) if inside or snapshot is None else snapshot.scope
        lineage: tuple[str, ...] = (calls_processes.entry_of_container(inside, pid),) if inside else ()
        self._born += 1
        ident = f"{pid.decode()}@{self._born}"
        if snapshot is None:
            process = Process(pid, scope, self.label(comm, exe), lineage, ident)
        else:
            if scope is snapshot.scope:
                lineage = descend(snapshot.lineage, snapshot.label)
            process = Process(pid, scope, snapshot.label if executing else self.label(comm, exe), lineage, ident)
            _inherit(process, snapshot)
        if snapshot is None or not executing:
            process.comm, process.exe = comm, exe
        process.born = born
        if container is not None:
            if self.containers.once:
                self._entered.add(pid)
            process.joining = "" if inside is not None else container.id
            if enters and not runtime:
                process.comm = LAST_STAGE
        self.processes[pid] = process
        if len(self.processes) > MAX_PROCESSES:
            self._evict(process)
        return process

    def _inheritance(self, pid: bytes, ppid: bytes, born: int) -> Snapshot | None:
        """What a new process has got: from the fork that returned its number, else from the parent that it names."""
        parent = self.processes.get(ppid)
        found = parent.claim(pid) if parent is not None else None
        found = found or self.orphans.pop((HOST, pid), None)
        if found is not None or parent is None:
            return found
        now = self.time.clock.millis
        found = parent.claim_any(now)
        if found is None and self.containers.reaps(ppid):  # the container's reaper
            keys = [key for key, one in self.orphans.items() if key[0] == parent.scope.container]
            recent = (key for key in keys if now - self.orphans[key].millis <= RECENT)
            found = self.orphans.pop(next(recent, ("", b"")), None)
        return found or parent.surprised(pid, born, now)

    def _evict(self, newest: Process) -> None:
        """Forget some processes: silent ones first, then the oldest."""
        lively = {id(one) for tails in (self._tails, self._earlier) for one in tails.values()} | {id(newest)}
        silent = [process for process in self.processes.values() if id(process) not in lively]
        oldest = next(iter(self.processes.values()))
        for process in silent[: MAX_PROCESSES // 16 or 1] or [oldest]:
            self.loss.note("processes_evicted")
            self._entered.discard(process.pid)
            self.forget(process)

    def _uring(self, event: Event) -> None:
        """An io_uring operation: no arguments, no descriptor; its paths are what there is."""
        found = _URING.match(event.raw)
        if found is None:
            return
        entry = entry_of(URING.get(int(found[2]), ""), failed=False)
        process = self.processes.get(found[3])
        if entry is not None and process is not None:
            nothing = _NOT_SHOWN
            call = (found[1], b"", None, nothing, nothing, nothing, nothing, b"", event.raw, b"")
            entry[0](self, process, call, *entry[1:])


def _is_heir(snapshot: Snapshot, runtime: bool) -> bool:
    """Whether a new process is where its parent is: all are, but what the runtime has sent elsewhere.

    A stage of the runtime itself stays outside, and goes where its command line says.
    """
    if snapshot.scope.container != HOST or (runtime and snapshot.joining):
        return True
    return not is_runtime(calls_processes.plain(snapshot.comm), calls_processes.plain(snapshot.exe))


def _inherit(process: Process, snapshot: Snapshot) -> None:
    """A new process gets what its parent's fork left it."""
    process.comm, process.exe, process.joining = snapshot.comm, snapshot.exe, snapshot.joining
    process.cloexec = snapshot.cloexec
    if process.scope is snapshot.scope:
        process.fds = snapshot.fds
        process.scope.trigger(process.base, EDGE["WAS_TRIGGERED_BY", "fork"], snapshot.vertex)
        process.owner = snapshot.unit
        if snapshot.unit is not None and snapshot.unit.did is not None and len(snapshot.unit.did) < MAX_DID:
            snapshot.unit.did[process] = None
    else:
        process.fds = calls_files.rescoped(snapshot.fds, process.ident)


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
