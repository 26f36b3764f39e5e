"""System calls on processes, applied to the graph.

Rules of this file
    - fork: the child is triggered by the version of the parent that forked. exec: a new process vertex, triggered by
      the old one, that has used the program's file and its interpreter. exit: the process is forgotten, its files stay.
    - A process enters its container with the exec that leaves the runtime; its past belongs to the host's graph.

Source: fork(2), clone(2), execve(2), kill(2), ptrace(2), setuid(2); OCI runtimes; design section 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.calls_files import AT_CWD, WRITE, absolute, argument, file_at, located, number, rescoped
from agent.containers import HOST, Container, is_runtime, leaves_runtime
from agent.events import Call
from agent.logfiles_value import STDERR, STDOUT
from agent.paths import named
from agent.processes import Process, Snapshot
from agent.records import arguments, untrusted
from agent.syscalls import OPERATIONS
from agent.upg import EDGE, Actor, Artifact

if TYPE_CHECKING:
    from agent.node import Node

CLONE_FILES: Final = 0x400
CLONE_PARENT: Final = 0x8000
CLONE_THREAD: Final = 0x10000
FORK: Final = EDGE["WAS_TRIGGERED_BY", "fork"]
USED_EXEC: Final = EDGE["USED", "execve"]
READ: Final = EDGE["USED", "read"]
PTRACE: Final = EDGE["WAS_TRIGGERED_BY", "ptrace"]
STANDARD_OUTPUT: Final = b"1"
STANDARD_ERROR: Final = b"2"
MAX_COMMAND: Final = 200

TAIL: Final = re.compile(
    rb'(?:ppid=(\d{1,10}) )?pid=(\d{1,10}) (?:(?!comm=)\w+=[^\s"=]*+ )*'
    rb'comm=("[^"\n]*+"|[^\s"]++) exe=("[^"\n]*+"|[^\s"]++)'
)
"""The end of a SYSCALL record: parent, process, name, program. Like all here: a definite head, nothing tried twice."""
_EXECVE: Final = re.compile(rb"type=EXECVE msg=audit\([\d.:]{1,36}\): ([^\n]*+)")
_TARGET: Final = re.compile(rb"type=OBJ_PID msg=audit\([\d.:]{1,36}\): opid=(\d{1,10}) ")


def plain(name: bytes) -> bytes:
    """A name as the kernel has it, without quotes or hex."""
    return untrusted(name).encode("utf-8", "surrogateescape")


def begun(call: Call) -> int:
    """When a call began, in milliseconds of the log."""
    seconds, _, rest = call[0].partition(b".")
    return int(seconds + rest[:3].ljust(3, b"0")) if seconds.isdigit() and rest[:3].isdigit() else 0


def fork(node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """fork, vfork, clone, clone3: the call returned the child's number (in the caller's pid namespace)."""
    flags = number(argument(call, parameter))
    if flags & CLONE_THREAD or call[2] is None:
        return
    host, start = process.scope.container == HOST, begun(call)
    known = node.processes.get(call[2]) if host else None
    if known is not None and known.born < start:
        node.forget(known)  # it ended without a record, and its number is in use again
        known = None
    if process.met(call[2], start, exact=host) or known is not None:
        if known is not None and flags & CLONE_FILES and not known.execs:
            known.fds, known.cloexec = process.fds, process.cloexec
        return
    # Flags of clone3 are not in the log; it may have made a thread: only a child of exactly this number may claim it.
    shared = bool(flags & CLONE_FILES)
    snapshot = Snapshot(process, node.time.clock.millis, named=host or parameter == "?", shared=shared)
    if flags & CLONE_PARENT:
        process.scope.seal(process.current.vertex)
        node.leave_child((process.scope.container, call[2]), snapshot)
    else:
        process.forked(call[2], snapshot)


def execute(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """execve, execveat: the same process runs another program."""
    found = TAIL.match(call[7])
    names = (found[3], found[4]) if found else (b"", b"")
    argv = arguments(_EXECVE.findall(call[8]))
    programs = _programs(node, process, call, parameter)
    _close_on_exec(process)
    container = _entered(node, process, names, argv, begun(call))
    if container is not None:
        process.fds = rescoped(process.fds, process.ident)
        _keep_streams(node, process, container)
    run(node, process, names, container, kind)
    for path, mode, artifact in programs:
        program = file_at(node, process, path, mode, "read") if artifact is None or container is not None else artifact
        process.scope.take(program, process.current, USED_EXEC)
    _remember_command(process, argv)


def _keep_streams(node: Node, process: Process, container: Container) -> None:
    """What comes out of a container's first process is kept by its engine, line by line."""
    for fd, path in ((STANDARD_OUTPUT, STDOUT), (STANDARD_ERROR, STDERR)):
        handle = process.fds.get(fd)
        if node.logs is not None and handle is not None and not handle.regular:
            handle.log = node.logs.stream(container.name, path)


def _entered(
    node: Node, process: Process, names: tuple[bytes, bytes], argv: list[str], millis: int
) -> Container | None:
    """The container that a process enters by an exec, if it leaves the runtime by it."""
    old = (plain(process.comm), plain(process.exe))
    new = (plain(names[0]), plain(names[1]))
    if process.joining and leaves_runtime(*old, new[1]):
        container = node.containers.enter(process.joining, process.pid, millis)
        if container is not None:
            process.joining = ""
            return container
    if is_runtime(*new):
        process.joining = node.containers.named_in(argv, process.scope.container == HOST) or process.joining
    return None


def entry_of_container(container: Container, pid: bytes) -> str:
    """How a process came into its container: as the first one, or put there later by the engine (`exec`)."""
    return "entry start" if pid == b"%d" % container.pid else "entry exec"


def run(node: Node, process: Process, names: tuple[bytes, bytes], entered: Container | None, kind: int) -> None:
    """The process goes on as another program, triggered by what it was; in the container `entered`, without a past."""
    old = process.current
    if entered is not None:
        process.scope = node.scope(entered)
        process.lineage = (entry_of_container(entered, process.pid),)
    elif process.lineage[:1] != (f"from {old.label}",):
        process.lineage = (f"from {old.label}", *process.lineage)[:3]
    process.execs += 1
    process.label, (process.comm, process.exe) = node.label(*names), names
    process.ident = f"{process.ident.partition('/')[0]}/{process.execs}"
    vertex = process.scope.vertex(process.label, process.lineage, process.ident)
    actor = process.base = process.current = Actor(process.label, process.lineage, process.ident, vertex)
    process.became.clear()
    if entered is None:
        process.scope.trigger(actor, kind, old.vertex)


def _close_on_exec(process: Process) -> None:
    """The table is the process's own after an exec; what is marked is closed without having been written by this."""
    process.fds = {fd: handle.executed() for fd, handle in process.fds.items() if fd not in process.cloexec}
    process.cloexec = set()


def _programs(node: Node, process: Process, call: Call, directory: str) -> list[tuple[str, int, Artifact | None]]:
    """The program and its interpreters: by path, or (through a descriptor) what it holds."""
    programs: list[tuple[str, int, Artifact | None]] = []
    for path in named(call[8]):
        if path.name[:4] not in ("/dev", "/pro", ""):
            programs.append((absolute(process, call, path.name, directory), path.mode, None))
        elif path.name or argument(call, directory) not in AT_CWD:
            held = located(node, process, call, path, directory=directory, operation="read")
            programs.append((path.name or "{any}", path.mode, held))
    return programs


def _remember_command(process: Process, argv: list[str]) -> None:
    """The command line, as an example for the state of this version."""
    process.current.vertex.command = " ".join(argv)[:MAX_COMMAND]


def leave(node: Node, process: Process, _call: Call, _kind: int, _: str) -> None:
    """exit_group: standard output that was inherited and never visibly written counts as written."""
    handle = process.fds.get(STANDARD_OUTPUT)
    if handle is not None and handle.write_only and handle.target is not None and handle.gave is None:
        process.scope.give(handle.target, process.current, WRITE)
    node.forget(process)


def signal(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """kill, ptrace, process_vm_writev: others are made to do something. (Signal 0 only asks whether they are there.)"""
    if parameter and number(argument(call, parameter)) == 0:
        return
    for target in _targets(node, process, call, "a1" if kind == PTRACE else "a0"):
        process.scope.trigger(target.current, kind, process.current.vertex)


def peek(node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """process_vm_readv: this process learns what the other one knows."""
    for target in _targets(node, process, call):
        kind = EDGE["WAS_TRIGGERED_BY", "vm_read"]
        process.scope.trigger(process.current, kind, target.current.vertex)


def _targets(node: Node, process: Process, call: Call, at: str = "a0") -> list[Process]:
    """The other processes that a call concerns: OBJ_PID names them in the host's numbers, an argument in the caller's.

    `at` is that argument: ptrace has the request first.
    """
    pids = _TARGET.findall(call[8])
    if not pids and process.scope.container == HOST:
        pids = [b"%d" % number(argument(call, at))]
    found = (node.processes.get(pid) for pid in pids)
    return [one for one in found if one is not None and one is not process and one.scope is process.scope]


def become(_node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """Other rights, other namespaces, another root: from here on a version of its own (once per kind and program)."""
    if number(argument(call, parameter)) & CLONE_FILES:
        process.unshare()
    if kind in process.became:
        return
    process.became.add(kind)
    actor = process.current
    old = actor.vertex
    operation = OPERATIONS[kind % len(OPERATIONS)]
    actor.context = (*actor.context, operation)[-4:]
    actor.vertex = process.scope.vertex(actor.label, actor.context, actor.ident)
    process.scope.edge(actor.vertex, kind, old)


def module(_node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """A kernel module is loaded or removed: the kernel's memory is written by this process, with what it took in."""
    handle = process.fds.get(argument(call, parameter))
    if handle is not None and handle.source is not None:
        process.scope.take(handle.source, process.current, READ)
    process.scope.give(Artifact("Memory", "Memory kernel", "kernel"), process.current, kind)
