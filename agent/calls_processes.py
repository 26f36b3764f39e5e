"""System calls on processes, applied to the graph.

Rules of this file
    - fork: the child is triggered by the version of the parent that forked. exec: a new process vertex, triggered by the old
      one, that has used the program's file and its interpreter. exit: the process is forgotten, its files stay.
    - A process enters its container with the exec that leaves the runtime; its past belongs to the host's graph.

Source: fork(2), clone(2), execve(2), kill(2), ptrace(2), setuid(2); OCI runtimes; design section 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.calls_files import WRITE, file_at, rescoped
from agent.containers import Container, is_runtime, leaves_runtime
from agent.events import Call
from agent.paths import named, resolve, working_directory
from agent.processes import Process
from agent.records import arguments, untrusted
from agent.syscalls import OPERATIONS
from agent.upg import EDGE, NEXT_VERSION, Actor

if TYPE_CHECKING:
    from agent.node import Node

CLONE_VFORK: Final = 0x4000
CLONE_THREAD: Final = 0x10000
FORK: Final = EDGE["WAS_TRIGGERED_BY", "fork"]
USED_EXEC: Final = EDGE["USED", "execve"]
STANDARD_OUTPUT: Final = b"1"
MAX_COMMAND: Final = 200

_NAMES: Final = re.compile(rb' comm=("[^"]*"|\S+) exe=("[^"]*"|\S+)')
_EXECVE: Final = re.compile(rb"type=EXECVE [^\n]*?\): ([^\n]*)")
_TARGET: Final = re.compile(rb"type=OBJ_PID [^\n]*?opid=(\d+)")


def fork(node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """fork, vfork, clone, clone3: the call returned the child's number (in the caller's pid namespace)."""
    flags = int(call[3], 16) if parameter == "flags" else 0
    if flags & CLONE_THREAD or call[2] is None:
        return
    # Flags of clone3 are not in the log; a thread's number is never seen as a process, so only an exact match may claim it.
    by_number = parameter != "flags" or bool(flags & CLONE_VFORK)
    known = node.processes.get(call[2])
    if known is None or known.dead or not by_number:
        process.forked(call[2], node.time.clock.millis, by_number)


def execute(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """execve, execveat: the same process runs another program."""
    found = _NAMES.search(call[7])
    comm, exe = (found[1], found[2]) if found else (b"", b"")
    argv = arguments(_EXECVE.findall(call[8]))
    _close_on_exec(process)
    old, scope = process.current, process.scope
    container = node.containers.by_id.get(process.joining)
    if container is not None and leaves_runtime(untrusted(process.comm).encode(), untrusted(process.exe).encode(), untrusted(exe).encode()):
        scope = node.scope(container)
        process.joining = ""
        process.fds = rescoped(process.fds, process.ident)
    elif is_runtime(untrusted(comm).encode(), untrusted(exe).encode()):
        process.joining = node.containers.named_in(argv) or process.joining
    process.execs += 1
    inside = scope is process.scope
    label = node.label(comm, exe)
    if not inside:
        process.lineage = (entry_of_container(container, process.pid),)
    elif process.lineage[:1] != (f"from {old.label}",):
        process.lineage = (f"from {old.label}", *process.lineage)[:3]
    process.scope, process.label, process.comm, process.exe = scope, label, comm, exe
    ident = f"{process.ident.partition('/')[0]}/{process.execs}"
    process.ident = ident
    actor = Actor(label, process.lineage, ident, scope.vertex(label, process.lineage, ident))
    process.base = process.current = actor
    process.became.clear()
    if inside:
        scope.trigger(actor, kind, old.vertex, old.label)
    _program(node, process, call)
    _remember_command(node, process, argv)


def entry_of_container(container: Container | None, pid: bytes) -> str:
    """How a process came into its container: as the first one, or put there later by the engine (`exec`)."""
    first = container is not None and pid == b"%d" % container.pid
    return "entry start" if first else "entry exec"


def _close_on_exec(process: Process) -> None:
    for fd in process.cloexec:
        process.fds.pop(fd, None)
    process.cloexec.clear()
    for handle in process.fds.values():
        handle.unit = None
        handle.gave = None


def _program(node: Node, process: Process, call: Call) -> None:
    base = working_directory(call[8])
    for path in named(call[8]):
        if path.name:
            artifact = file_at(node, process, resolve(path.name, base), path.mode, "read")
            process.scope.take(artifact, process.current, USED_EXEC)


def _remember_command(node: Node, process: Process, argv: list[str]) -> None:
    """One example of the command line per state: the smallest, so that every order of arrival keeps the same one."""
    commands = process.scope.states.commands
    state = process.current.vertex.state
    command = " ".join(argv)[:MAX_COMMAND]
    if command and (state not in commands or command < commands[state]):
        commands[state] = command


def leave(node: Node, process: Process, _call: Call, _kind: int, _: str) -> None:
    """exit_group: standard output that was inherited and never visibly written counts as written."""
    handle = process.fds.get(STANDARD_OUTPUT)
    if handle is not None and handle.unseen and handle.target is not None and handle.gave is None:
        process.scope.give(handle.target, process.current, WRITE)
    node.forget(process)


def signal(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """kill, ptrace, process_vm_writev: another process is made to do something. OBJ_PID names it in the host's numbers."""
    found = _TARGET.search(call[8])
    target = node.processes.get(found[1]) if found else None
    if target is not None and target.scope is process.scope and target is not process:
        process.scope.trigger(target.current, kind, process.current.vertex, process.label)


def peek(node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """process_vm_readv: this process learns what the other one knows."""
    found = _TARGET.search(call[8])
    target = node.processes.get(found[1]) if found else None
    if target is not None and target.scope is process.scope and target is not process:
        kind = EDGE["WAS_TRIGGERED_BY", "vm_read"]
        process.scope.trigger(process.current, kind, target.current.vertex, target.label)


def become(_node: Node, process: Process, _call: Call, kind: int, _: str) -> None:
    """Other rights, other namespaces, another root: from here on a version of its own (once per kind and program)."""
    if kind in process.became:
        return
    process.became.add(kind)
    actor = process.current
    old = actor.vertex
    operation = OPERATIONS[kind % len(OPERATIONS)]
    actor.context = (*actor.context, operation)[-4:]
    actor.vertex = process.scope.vertex(actor.label, actor.context, actor.ident)
    process.scope.edge(actor.vertex, kind, old)


def module(_node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """A kernel module is loaded or removed: the kernel's memory is written by this process."""
    from agent.upg import Artifact

    kernel = Artifact("Memory", "Memory kernel", "kernel")
    process.scope.give(kernel, process.current, kind)
    source = process.fds.get(call[3])
    if source is not None and source.source is not None:
        process.scope.take(source.source, process.current, EDGE["USED", "read"])
