"""System calls on files and descriptors, applied to the graph.

Rules of this file
    - One function per meaning (`agent.syscalls.MEANING`), all with one signature.
    - To open for reading counts as reading and to open for writing as writing: what goes through mmap, copy_file_range or an
      unaudited call leaves no record of its own. For the same reason a file that is open only to be written, and is closed
      (or is standard output at exit) without a visible write, counts as written then. (Read-write is not enough: lock files.)
    - A descriptor that the log has not explained becomes an unknown artifact of its own that connects nothing.

Complexity: O(1) per call, O(descriptors) for close_range.
Source: open(2), openat2(2), dup(2), close_range(2), rename(2), memfd_create(2); design section 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.events import Call
from agent.paths import DIRECTORY, FIFO, FORMAT, REGULAR, Named, carries_nothing, named, resolve, working_directory
from agent.processes import Handle, Process
from agent.upg import EDGE, KINDS_OF_EDGE, Artifact

if TYPE_CHECKING:
    from agent.node import Node

AT_CWD: Final = frozenset({b"ffffff9c", b"ffffffffffffff9c"})
O_CLOEXEC: Final = 0x80000
O_PATH: Final = 0x200000
CLOEXEC_RANGE: Final = 4
WRITE: Final = EDGE["WAS_GENERATED_BY", "write"]
CREATE: Final = EDGE["WAS_GENERATED_BY", "create"]
COPY_OUT: Final = EDGE["WAS_GENERATED_BY", "copy"]
_OPENAT2: Final = re.compile(rb"type=OPENAT2 [^\n]*?oflag=0?([0-7]+)")
_PAIR: Final = re.compile(rb"type=FD_PAIR [^\n]*?fd0=(\d+) fd1=(\d+)")
_MMAP: Final = re.compile(rb"type=MMAP [^\n]*?fd=(-?\d+) flags=0x([0-9a-f]+)")


def take_fd(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """Bytes come in through descriptor a0."""
    if call[2] == b"0":
        return  # end of file: nothing was learned
    handle = process.fds.get(call[3])
    if handle is None:
        handle = unknown(process, call[3])
    unit = handle.unit
    if unit is not None:
        process.current = unit
    source = handle.source
    if source is None:
        return
    actor = process.current
    if handle.peers is not None and call[8]:
        source = node_peer(node, process, handle, call, kind)[0]
    elif source.vertex is handle.seen and handle.seen_by is actor and handle.seen_kind == kind:
        return
    process.scope.take(source, actor, kind)
    handle.seen, handle.seen_by, handle.seen_kind = source.vertex, actor, kind


def give_fd(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """Bytes go out through descriptor a0 (or its file is changed)."""
    handle = process.fds.get(call[3])
    if handle is None:
        handle = unknown(process, call[3])
    unit = handle.unit
    if unit is not None:
        process.current = unit
    target = handle.target or handle.source
    if target is None:
        return
    actor = process.current
    if handle.peers is not None and call[8]:
        target = node_peer(node, process, handle, call, kind)[1]
    elif handle.gave is actor.vertex and handle.gave_kind == kind:
        return
    process.scope.give(target, actor, kind)
    handle.gave, handle.gave_kind = actor.vertex, kind


def node_peer(node: Node, process: Process, handle: Handle, call: Call, kind: int) -> tuple[Artifact, Artifact]:
    """The two directions of an unconnected datagram socket towards the peer that this call names."""
    from agent.calls_sockets import peer_of  # one-way at run time: sockets are files, files are not sockets

    return peer_of(node, process, handle, call, KINDS_OF_EDGE[kind][1])


def copy_fd(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """Bytes go from one descriptor to another inside the kernel."""
    source, target = (call[int(argument[1]) + 3] for argument in parameter.split())
    take_fd(node, process, (*call[:3], source, *call[4:]), kind, "")
    give_fd(node, process, (*call[:3], target, *call[4:]), COPY_OUT, "")


def unknown(process: Process, fd: bytes) -> Handle:
    """An explicit unknown: two artifacts, so that what goes in does not come out."""
    ident = f"unknown:{process.ident}:{fd.decode()}"
    handle = Handle(Artifact("File", "File unknown", ident), Artifact("File", "File unknown", ident))
    process.fds[fd] = handle
    return handle


def rescoped(fds: dict[bytes, Handle], ident: str) -> dict[bytes, Handle]:
    """Handles for a process that has left its parent's graph: the same shape, artifacts of the new graph's own."""
    twins: dict[int, Artifact] = {}

    def twin(artifact: Artifact | None) -> Artifact | None:
        if artifact is None:
            return None
        new = Artifact(artifact.kind, artifact.label, f"{artifact.ident}/{ident}", artifact.inert)
        return twins.setdefault(id(artifact), new)

    moved = {}
    for fd, handle in fds.items():
        moved[fd] = Handle(twin(handle.source), twin(handle.target), regular=handle.regular, socket=handle.socket)
    return moved


def file_at(node: Node, process: Process, path: str, mode: int, operation: str) -> Artifact:
    """The file at an absolute path of this process's container."""
    files = node.files[process.scope.container]
    found = files.get(path)
    if found is None:
        shape = node.abstraction.path(path, process.label, operation)
        kind = "Pipe" if mode & FORMAT == FIFO else "File"
        found = files.put(path, Artifact(kind, f"{kind} {shape}", path, carries_nothing(path, mode)))
    return found


def base_of(process: Process, call: Call, argument: str) -> str | None:
    """The directory that a call's relative names start from: its descriptor argument, else the CWD record."""
    if argument[:1] == "a":
        fd = call[int(argument[1]) + 3]
        if fd not in AT_CWD:
            handle = process.fds.get(fd)
            return handle.source.ident if handle is not None and handle.source is not None else None
    return working_directory(call[8])


def decimal_fd(number: bytes | None) -> bytes | None:
    """A descriptor as audit prints it in a result (decimal) in the form of its arguments (hex)."""
    if number is None or not number.isdigit():
        return None
    return b"%x" % int(number)


def open_file(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """open, openat, openat2, creat: a descriptor of a file, and what opening it means."""
    directory, _, where = parameter.partition(" ")
    fd = decimal_fd(call[2])
    flags = _flags(call, where)
    target = _opened(named(call[8]))
    if target is None:
        if fd is not None:
            process.fds.pop(fd, None)  # a new descriptor of a file that was not named: unknown when it is used
        return
    path = resolve(target.name, base_of(process, call, directory)) if target.name else "{any}"
    artifact = file_at(node, process, path, target.mode, "write" if flags & 3 else "read")
    access = flags & 3
    regular = target.mode & FORMAT in (0, REGULAR)
    if fd is not None:
        handle = Handle(artifact if access != 1 else None, artifact if access else None, regular=regular)
        handle.source = handle.source or (artifact if target.mode & FORMAT == DIRECTORY else None)
        process.fds[fd] = handle
        (process.cloexec.add if flags & O_CLOEXEC else process.cloexec.discard)(fd)
    if flags & O_PATH:
        return
    if access != 1:
        process.scope.take(artifact, process.current, kind)
    if access == 1 or target.nametype == b"CREATE":
        process.scope.give(artifact, process.current, CREATE if target.nametype == b"CREATE" else WRITE)


def _flags(call: Call, where: str) -> int:
    if where == "creat":
        return 1
    if where == "-":
        found = _OPENAT2.search(call[8])
        return int(found[1], 8) if found else 0
    return int(call[int(where[1]) + 3], 16)


def _opened(paths: list[Named]) -> Named | None:
    for path in paths:
        if path.nametype == b"CREATE" or path.nametype == b"NORMAL":
            return path
    return paths[0] if paths else None


def memfd(_node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """Anonymous memory with a descriptor: it can be written, and executed."""
    fd = decimal_fd(call[2])
    if fd is not None:
        memory = Artifact("Memory", "Memory memfd", f"memfd:{process.ident}:{fd.decode()}:{process.scope.vertices}")
        process.fds[fd] = Handle(memory, memory)
        process.scope.give(memory, process.current, kind)


def pipe(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """pipe, pipe2: the FD_PAIR record names both ends."""
    found = _PAIR.search(call[8])
    if found is not None:
        read, write = b"%x" % int(found[1]), b"%x" % int(found[2])
        artifact = Artifact("Pipe", "Pipe", f"pipe:{process.ident}:{call[0].decode()}")
        process.fds[read], process.fds[write] = Handle(artifact, None), Handle(None, artifact)
        change = process.cloexec.update if int(call[4], 16) & O_CLOEXEC else process.cloexec.difference_update
        change((read, write))


def duplicate(_node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """dup, dup2, dup3: one more descriptor of the same file."""
    fd = decimal_fd(call[2])
    handle = process.fds.get(call[3])
    if fd is None or fd == call[3]:
        return
    if fd in process.fds:
        drop(process, fd)
    if handle is None:
        handle = unknown(process, call[3])
    process.fds[fd] = handle.inherited()
    flags = int(call[5], 16) if parameter == "a1" and call[1].find(b"syscall=292") >= 0 else 0
    (process.cloexec.add if flags & O_CLOEXEC else process.cloexec.discard)(fd)


def control_fd(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """fcntl: F_DUPFD (0), F_DUPFD_CLOEXEC (1030), F_SETFD (2)."""
    command = int(call[4], 16)
    if command in (0, 1030):
        duplicate(node, process, call, kind, "any")
        fd = decimal_fd(call[2])
        if fd is not None and command:
            process.cloexec.add(fd)
    elif command == 2:
        (process.cloexec.add if int(call[5], 16) & 1 else process.cloexec.discard)(call[3])


def close(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """One descriptor less."""
    if call[3] in process.fds:
        drop(process, call[3])


def close_range(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """All descriptors from a0 to a1; with flag 4 they are closed by the next exec."""
    first, last = int(call[3], 16), int(call[4], 16) & 0xFFFFFFFF
    for fd in [fd for fd in process.fds if first <= int(fd, 16) <= last]:
        if int(call[5], 16) & CLOEXEC_RANGE:
            process.cloexec.add(fd)
        else:
            drop(process, fd)


def drop(process: Process, fd: bytes) -> None:
    """Close a descriptor: what was open only to be written, and was not seen to be, is written now; a unit may end."""
    handle = process.fds.pop(fd)
    process.cloexec.discard(fd)
    if handle.unseen and handle.target is not None and handle.gave is None:
        process.scope.give(handle.target, process.current, WRITE)
    if handle.unit is not None and process.current is handle.unit:
        process.current = process.base


def unlink(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The name is gone; that, too, is something that the process did to the file."""
    base = base_of(process, call, "a0" if call[3] in AT_CWD or len(named(call[8])) == 0 else _directory(process, call))
    for path in named(call[8]):
        if path.nametype == b"DELETE":
            whole = resolve(path.name, base)
            process.scope.give(file_at(node, process, whole, path.mode, "write"), process.current, kind)
            node.files[process.scope.container].drop(whole)


def _directory(process: Process, call: Call) -> str:
    return "a0" if call[3] in process.fds and len(call[3]) < 8 else "-"


def rename(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The file at the old name is now at the new one; what was there is replaced."""
    paths = named(call[8])
    base = base_of(process, call, _directory(process, call))
    old = next((p for p in paths if p.nametype == b"DELETE"), None)
    new = next((p for p in paths if p.nametype == b"CREATE"), None)
    if old is None or new is None:
        return
    files = node.files[process.scope.container]
    source_path, target_path = resolve(old.name, base), resolve(new.name, base)
    source = file_at(node, process, source_path, old.mode, "write")
    label = f"{source.kind} {node.abstraction.path(target_path, process.label, 'write')}"
    target = Artifact(source.kind, label, target_path, source.inert)
    process.scope.derive(target, source, process.current, kind)
    process.scope.give(target, process.current, kind)
    files.drop(source_path)
    files.put(target_path, target)


def link(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """A second name for the same content (for a symbolic link: the name only)."""
    paths = named(call[8])
    base = base_of(process, call, _directory(process, call))
    new = next((p for p in paths if p.nametype == b"CREATE"), None)
    old = next((p for p in paths if p.nametype == b"NORMAL"), None)
    if new is None:
        return
    target = file_at(node, process, resolve(new.name, base), new.mode, "write")
    if old is not None and KINDS_OF_EDGE[kind][1] == "link":
        process.scope.derive(
            target, file_at(node, process, resolve(old.name, base), old.mode, "read"), process.current, kind
        )
    process.scope.give(target, process.current, kind)


def change(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The file at a path is made, or its attributes change."""
    base = base_of(process, call, _directory(process, call))
    target = _opened(named(call[8]))
    if target is not None and target.name:
        path = resolve(target.name, base)
        process.scope.give(file_at(node, process, path, target.mode, "write"), process.current, kind)


def map_file(_node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """mmap of a file: it can be read from now on, and written if shared and writable."""
    found = _MMAP.search(call[8])
    fd = decimal_fd(found[1]) if found else None
    handle = process.fds.get(fd) if fd is not None else None
    if found is None or handle is None:
        return
    if handle.source is not None:
        process.scope.take(handle.source, process.current, kind)
    if handle.target is not None and int(found[2], 16) & 1 and int(call[5], 16) & 2:
        process.scope.give(handle.target, process.current, WRITE)
