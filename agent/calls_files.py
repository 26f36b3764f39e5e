"""System calls on files and descriptors, applied to the graph.

Rules of this file
    - One function per meaning (`agent.syscalls.MEANING`), all with one signature.
    - To open for reading counts as reading and to open for writing (or to empty) as writing: what goes through mmap,
      copy_file_range or an unaudited call leaves no record of its own. For the same reason a file that this program has
      opened (or that its exec was given) only to be written, and that is closed without a visible write, counts as
      written then, as does standard output at exit. Read-write is not enough (lock files), nor is what a fork has left
      behind. A file that the open has made holds nothing to read yet.
    - A descriptor that the log has not explained, or that cannot do what the call did with it, becomes an unknown
      artifact of its own that connects nothing; so does a name whose directory is not known.
    - A new descriptor in the place of an old one closes the old one: its close was not seen.

Complexity: O(1) per call, O(descriptors) for close_range, O(remembered files) for the rename of a directory.
Source: open(2), openat2(2), dup(2), close_range(2), rename(2), memfd_create(2), proc(5) (/proc/self/fd); design section
4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from agent.events import Call
from agent.files import lends, path_of
from agent.paths import DIRECTORY, FIFO, FORMAT, REGULAR, Named, carries_nothing, named, resolve, working_directory
from agent.processes import Handle, Process
from agent.units import again
from agent.upg import EDGE, Artifact

if TYPE_CHECKING:
    from agent.node import Node

AT_CWD: Final = frozenset({b"ffffff9c", b"ffffffffffffff9c"})
O_TRUNC: Final = 0x200
O_APPEND: Final = 0x400
O_CLOEXEC: Final = 0x80000
O_PATH: Final = 0x200000
O_TMPFILE: Final = 0x400000
MFD_CLOEXEC: Final = 1
CLOSE_RANGE_UNSHARE: Final = 2
CLOSE_RANGE_CLOEXEC: Final = 4
MAX_BELOW: Final = 256
WRITE: Final = EDGE["WAS_GENERATED_BY", "write"]
CHMOD: Final = EDGE["WAS_GENERATED_BY", "chmod"]
CHMOD_SETUID: Final = EDGE["WAS_GENERATED_BY", "chmod_setuid"]
CREATE: Final = EDGE["WAS_GENERATED_BY", "create"]
COPY_OUT: Final = EDGE["WAS_GENERATED_BY", "copy"]
_CONTENT: Final = frozenset({WRITE, COPY_OUT, EDGE["WAS_GENERATED_BY", "send"]})
_STANDARD: Final = {"/dev/stdin": b"0", "/dev/stdout": b"1", "/dev/stderr": b"2"}
_OPENAT2: Final = re.compile(rb"type=OPENAT2 msg=audit\([\d.:]{1,36}\): oflag=([0-7]{1,22}) ")
_PAIR: Final = re.compile(rb"type=FD_PAIR msg=audit\([\d.:]{1,36}\): fd0=(\d{1,10}) fd1=(\d{1,10})\b")
_MMAP: Final = re.compile(rb"type=MMAP msg=audit\([\d.:]{1,36}\): fd=(-?\d{1,10}) flags=0x([0-9a-f]{1,16})\b")
_PLACES: Final[dict[str, Literal[3, 4, 5, 6]]] = {"a0": 3, "a1": 4, "a2": 5, "a3": 6}
_COMMON: Final = {b"%d" % fd: b"%x" % fd for fd in range(1024)}
_OWN_FD: Final = re.compile(r"/(?:proc/(self|thread-self|[0-9]{1,10})|dev)/fd/([0-9]{1,9})")


def number(text: bytes) -> int:
    """An argument as audit prints it: hex; what is no number is 0.

    >>> number(b"ffffff9c"), number(b"?")
    (4294967196, 0)
    """
    try:
        return int(text, 16)
    except ValueError:
        return 0


def argument(call: Call, name: str) -> bytes:
    """The argument that a parameter names (`a0` … `a3`); `-` and nothing are none."""
    place = _PLACES.get(name)
    return b"" if place is None else call[place]


def decimal_fd(text: bytes | None) -> bytes | None:
    """A descriptor as audit prints it in a result (decimal) in the form of its arguments (hex)."""
    if text is None:
        return None
    found = _COMMON.get(text)
    if found is not None:
        return found
    return b"%x" % int(text) if len(text) <= 10 and text.isdigit() else None


def take_fd(_node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """Bytes come in through descriptor a0."""
    if call[2] == b"0":
        return  # end of file: nothing was learned
    handle = process.fds.get(call[3])
    if handle is None or handle.source is None:
        handle = unknown(process, call[3], call)
    unit = handle.unit
    if unit is not None and unit.ident == process.ident:
        if unit.done:
            unit = handle.unit = again(process, unit)
        process.current = unit
    source, actor = handle.source, process.current
    if source is None or (source.vertex is handle.seen and handle.seen_by is actor and handle.seen_kind == kind):
        return
    process.scope.take(source, actor, kind)
    if source.own is not actor:  # its own words are nothing new now; others may still add theirs
        handle.seen, handle.seen_by, handle.seen_kind = source.vertex, actor, kind


def give_fd(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """Bytes go out through descriptor a0 (or its file is changed)."""
    handle = process.fds.get(call[3])
    if handle is None or (handle.target is None and (kind in _CONTENT or handle.source is None)):
        handle = unknown(process, call[3], call)
    unit = handle.unit
    if unit is not None and unit.ident == process.ident:
        process.current = unit
    giver = process.current.vertex
    target = handle.target or handle.source
    if node.logs is not None and kind in _CONTENT and (handle.log is not None or handle.unknown):
        node.logs.wrote(node, process, handle, call)  # a line stands just before its write
    if target is not None and (handle.gave is not giver or handle.gave_kind != kind):
        process.scope.give(target, process.current, kind)
        handle.gave, handle.gave_kind = giver, kind


def copy_fd(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """Bytes go from one descriptor to another inside the kernel."""
    if call[2] == b"0":
        return
    source, target = (argument(call, name) for name in parameter.split())
    take_fd(node, process, (*call[:3], source, *call[4:]), kind, "")
    give_fd(node, process, (*call[:3], target, *call[4:]), COPY_OUT, "")


def splice_memory(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """vmsplice: into a pipe's writing end, or out of its reading end."""
    handle = process.fds.get(call[3])
    if handle is not None and handle.target is None:
        take_fd(node, process, call, EDGE["USED", "read"], "")
    else:
        give_fd(node, process, call, kind, "")


def unknown(process: Process, fd: bytes, call: Call) -> Handle:
    """An explicit unknown: two artifacts, so that what goes in does not come out."""
    ident = f"unknown:{process.ident}:{fd.decode()}:{call[0].decode()}"
    handle = Handle(Artifact("File", "File unknown", ident), Artifact("File", "File unknown", ident))
    handle.unknown = True
    process.fds[fd] = handle
    return handle


def rescoped(fds: dict[bytes, Handle], ident: str) -> dict[bytes, Handle]:
    """Handles for a process that has left its parent's graph: the same shape, artifacts of the new graph's own."""
    twins: dict[int, Artifact] = {}

    def twin(artifact: Artifact | None) -> Artifact | None:
        if artifact is None:
            return None
        new = Artifact(artifact.kind, artifact.label, f"inherited:{ident}:{artifact.ident}", artifact.inert)
        return twins.setdefault(id(artifact), new)

    moved = {}
    for fd, handle in fds.items():
        new = moved[fd] = handle.executed()
        new.source, new.target = twin(handle.source), twin(handle.target)
        new.peers = None if handle.peers is None else {}
    return moved


def install(process: Process, fd: bytes, handle: Handle, cloexec: bool) -> None:
    """A new descriptor; what was there has been closed without a record."""
    if fd in process.fds:
        displace(process, fd)
    process.put(fd, handle, cloexec)


def label_at(node: Node, process: Process, kind: str, path: str, operation: str) -> str:
    """The label of a file at a path; `{any}` stands for a directory that is not known."""
    if path[:1] == "/":
        return f"{kind} {node.abstraction.path(path, process.label, operation)}"
    _, _, name = path.partition("/")
    return f"{kind} {{any}}{node.abstraction.path('/' + name, process.label, operation) if name else ''}"


def file_at(node: Node, process: Process, path: str, mode: int, operation: str) -> Artifact:
    """The file at an absolute path of this process's container; one whose directory is not known is nobody else's."""
    files = node.files[process.scope.container]
    found = files.get(path) if path[:1] == "/" else None
    if found is None:
        kind = "Pipe" if mode & FORMAT == FIFO else "File"
        label = label_at(node, process, kind, path, operation)
        if path[:1] != "/":
            ident = files.ident(f"unknown:{process.ident}:{path}")
            return Artifact(kind, label, ident, mode & FORMAT == DIRECTORY, blank=False)
        found = files.put(path, Artifact(kind, label, files.ident(path), carries_nothing(path, mode), blank=False))
    return found


def base_of(process: Process, call: Call, name: str) -> str | None:
    """The directory that a call's relative names start from: its descriptor argument, else the CWD record."""
    if name[:1] == "a":
        fd = argument(call, name)
        if fd not in AT_CWD:
            handle = process.fds.get(fd)
            return path_of(handle.source) if handle is not None else None
    return working_directory(call[8])


def absolute(process: Process, call: Call, name: str, directory: str) -> str:
    """A name of a call as a whole path, `{any}/name` where the directory is not known."""
    return resolve(name, None if name[:1] == "/" else base_of(process, call, directory))


def located(node: Node, process: Process, call: Call, path: Named, *, directory: str, operation: str) -> Artifact:
    """The file that a PATH record of a call names; `directory` is the argument that its relative name starts from."""
    name = path.name
    fd = _descriptor_named(process, call, name, directory) if not name or name[:5] in ("/proc", "/dev/") else None
    if fd is not None:
        handle = process.fds.get(fd) or unknown(process, fd, call)
        ends = (handle.target, handle.source) if operation == "write" else (handle.source, handle.target)
        found = ends[0] or ends[1]
        if found is not None:
            return found
    whole = absolute(process, call, name, directory) if name else "{any}"
    made = path.nametype == b"CREATE"
    if made:  # whatever had this name is gone
        node.files[process.scope.container].drop(whole)
    file = file_at(node, process, whole, path.mode, operation)
    file.blank = made or file.blank
    return file


def _descriptor_named(process: Process, call: Call, name: str, directory: str) -> bytes | None:
    """The descriptor that a name stands for: the empty one of AT_EMPTY_PATH, /proc/self/fd/3, /dev/fd/3, /dev/stdin."""
    if not name:
        fd = argument(call, directory)
        return fd if fd and fd not in AT_CWD else None
    found = _OWN_FD.fullmatch(name)
    if found is None or (found[1] not in (None, "self", "thread-self") and found[1].encode() != process.pid):
        return _STANDARD.get(name)
    return b"%x" % int(found[2])


def open_file(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """open, openat, openat2, creat: a descriptor of a file, and what opening it means."""
    directory, _, where = parameter.partition(" ")
    fd = decimal_fd(call[2])
    if fd is not None and fd in process.fds:
        displace(process, fd)
    path = _opened(named(call[8]))
    if path is None:
        return  # a file that was not named: its descriptor is unknown when it is used
    flags = _flags(call, where)
    reads, writes = flags & 3 in (0, 2), flags & 3 in (1, 2)
    operation = "write" if writes else "read"
    if flags & O_TMPFILE:
        artifact = _unnamed(node, process, call, path, directory)
    else:
        artifact = located(node, process, call, path, directory=directory, operation=operation)
    if fd is not None:
        regular = path.mode & FORMAT in (0, REGULAR)
        handle = Handle(artifact if reads else None, artifact if writes else None, regular=regular)
        process.put(fd, handle, bool(flags & O_CLOEXEC))
        if writes and node.logs is not None:
            appends = bool(flags & O_APPEND)
            handle.log = node.logs.opened(process.scope.container, path_of(artifact), appends=appends)
    if flags & O_PATH:
        return
    made = path.nametype == b"CREATE"
    if writes and flags & O_TRUNC and artifact.vertex is None:
        artifact.blank = True
    if reads and not made:
        process.scope.take(artifact, process.current, kind)
    if made or flags & 3 == 1 or (writes and flags & O_TRUNC):
        process.scope.give(artifact, process.current, CREATE if made else WRITE)


def _unnamed(node: Node, process: Process, call: Call, path: Named, directory: str) -> Artifact:
    """O_TMPFILE: the record names the directory, the file has no name."""
    folder = absolute(process, call, path.name, directory) if path.name else "{any}"
    label = label_at(node, process, "File", folder, "write")
    return Artifact("File", f"{label}/#{{int}}", f"unnamed:{process.ident}:{call[0].decode()}")  # as /proc/PID/fd says


def _flags(call: Call, where: str) -> int:
    if where == "creat":
        return 1
    if where == "-":
        found = _OPENAT2.search(call[8])
        return int(found[1], 8) if found else 0
    return number(argument(call, where))


def _opened(paths: list[Named]) -> Named | None:
    for path in paths:
        if path.nametype in (b"CREATE", b"NORMAL"):
            return path
    return paths[0] if paths else None


def memfd(_node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """Anonymous memory with a descriptor: it can be written, and executed."""
    fd = decimal_fd(call[2])
    if fd is not None:
        memory = Artifact("Memory", "Memory memfd", f"memfd:{process.ident}:{call[0].decode()}")
        install(process, fd, Handle(memory, memory), bool(number(argument(call, parameter)) & MFD_CLOEXEC))
        process.scope.give(memory, process.current, kind)


def foreign_fd(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """pidfd_getfd: a descriptor of another process, of which the log says nothing: unknown when it is used."""
    fd = decimal_fd(call[2])
    if fd is not None and fd in process.fds:
        drop(process, fd)


def pair_of(call: Call) -> tuple[bytes, bytes] | None:
    """The two descriptors that an FD_PAIR record names."""
    found = _PAIR.search(call[8])
    return (b"%x" % int(found[1]), b"%x" % int(found[2])) if found else None


def pipe(_node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """pipe, pipe2: the FD_PAIR record names both ends."""
    pair = pair_of(call)
    if pair is not None:
        artifact = Artifact("Pipe", "Pipe", f"pipe:{process.ident}:{call[0].decode()}")
        cloexec = bool(number(argument(call, parameter)) & O_CLOEXEC)
        install(process, pair[0], Handle(artifact, None), cloexec)
        install(process, pair[1], Handle(None, artifact), cloexec)


def duplicate(_node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """dup, dup2, dup3: one more descriptor of the same file."""
    fd = decimal_fd(call[2])
    if fd is None or fd == call[3]:
        return
    handle = process.fds.get(call[3]) or unknown(process, call[3], call)
    install(process, fd, handle.duplicate(), bool(number(argument(call, parameter)) & O_CLOEXEC))


def control_fd(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """fcntl: F_DUPFD (0), F_DUPFD_CLOEXEC (1030), F_SETFD (2)."""
    command = number(call[4])
    if command in (0, 1030):
        duplicate(node, process, call, kind, "")
        fd = decimal_fd(call[2])
        if fd is not None and command:
            process.cloexec.add(fd)
    elif command == 2:
        (process.cloexec.add if number(call[5]) & 1 else process.cloexec.discard)(call[3])


def close(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """One descriptor less."""
    if call[3] in process.fds:
        drop(process, call[3])


def close_range(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """All descriptors from a0 to a1; with flag 4 they are closed by the next exec, with 2 in a table of its own."""
    first, last, flags = number(call[3]), number(call[4]) & 0xFFFFFFFF, number(call[5])
    if flags & CLOSE_RANGE_UNSHARE:
        process.unshare()
    for fd in [fd for fd in process.fds if first <= number(fd) <= last]:
        if flags & CLOSE_RANGE_CLOEXEC:
            process.cloexec.add(fd)
        else:
            drop(process, fd)


def drop(process: Process, fd: bytes) -> None:
    """Close a descriptor: what was opened only to be written, and was not seen to be, is written now.

    Closing the connection of the running unit ends the unit.
    """
    handle = process.fds.pop(fd)
    process.cloexec.discard(fd)
    if handle.unseen and handle.target is not None and handle.gave is None:
        process.scope.give(handle.target, process.current, WRITE)
    unit = handle.unit
    if unit is not None and process.current is unit:
        if handle.doubled and any(other.unit is unit for other in process.fds.values()):
            return
        process.current = process.base


def displace(process: Process, fd: bytes) -> None:
    """The number stands for something else by now, and nobody saw the close.

    What an exec had left to this program may have been closed before the exec: no write is made up.
    """
    if process.fds[fd].given:
        process.fds[fd].unseen = False
    drop(process, fd)


def unlink(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """The name is gone; that, too, is something that the process did to the file."""
    for path in named(call[8]):
        if path.nametype == b"DELETE" and path.name:
            whole = absolute(process, call, path.name, parameter)
            process.scope.give(file_at(node, process, whole, path.mode, "write"), process.current, kind)
            node.files[process.scope.container].drop(whole)


def rename(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """The file at the old name is now at the new one; what was there is replaced (or, exchanged, at the old one)."""
    paths = named(call[8])
    gone = [path for path in paths if path.nametype == b"DELETE" and path.name]
    made = [path for path in paths if path.nametype == b"CREATE" and path.name]
    if not gone or not made:
        return
    old, new = (
        absolute(process, call, path.name, directory)
        for path, directory in zip((gone[0], made[0]), parameter.split(), strict=True)
    )
    source = file_at(node, process, old, gone[0].mode, "write")
    exchanged = file_at(node, process, new, gone[-1].mode, "write") if len(made) > 1 and len(gone) > 1 else None
    node.files[process.scope.container].drop(old)
    _move(node, process, source, new, kind)
    process.scope.give(source, process.current, kind)
    if exchanged is not None:
        _move(node, process, exchanged, old, kind)
        process.scope.give(exchanged, process.current, kind)
    elif gone[0].mode & FORMAT == DIRECTORY and old[:1] == new[:1] == "/":
        _move_below(node, process, old, new, kind)


def _move(node: Node, process: Process, artifact: Artifact, path: str, kind: int) -> None:
    files = node.files[process.scope.container]
    label = label_at(node, process, artifact.kind, path, "write")
    process.scope.rename(artifact, label, files.ident(path), process.current, kind)
    if path[:1] == "/":
        files.put(path, artifact)


def _move_below(node: Node, process: Process, old: str, new: str, kind: int) -> None:
    """A directory takes along what is remembered below it; of very many files only the first, the rest is a loss."""
    files = node.files[process.scope.container]
    for position, (path, artifact) in enumerate(files.below(old)):
        files.drop(path)
        if artifact.vertex is not None and not artifact.inert:
            if position < MAX_BELOW:
                _move(node, process, artifact, new + path[len(old) :], kind)
            else:
                node.loss.note("files_evicted")


def link(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """A second name for the same content, as it is now."""
    paths = named(call[8])
    new = next((path for path in paths if path.nametype == b"CREATE" and path.name), None)
    old = next((path for path in paths if path.nametype == b"NORMAL"), None)
    if new is None:
        return
    old_directory, new_directory = parameter.split()
    target = located(node, process, call, new, directory=new_directory, operation="write")
    if old is not None:
        source = located(node, process, call, old, directory=old_directory, operation="read")
        process.scope.derive(target, source, process.current, kind)
    process.scope.give(target, process.current, kind)


def change(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """The file at a path is made, or its attributes change."""
    path = _opened(named(call[8]))
    if path is not None and (path.name or parameter[:1] == "a"):
        target = located(node, process, call, path, directory=parameter, operation="write")
        if (
            kind == CHMOD
            and lends(number(argument(call, "a1" if parameter == "-" else "a2")))
            and path.mode & FORMAT == REGULAR
        ):
            kind = CHMOD_SETUID
        process.scope.give(target, process.current, kind)


def permit_fd(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """fchmod; the log does not tell of what kind the file is, but a directory carries nothing."""
    handle = process.fds.get(call[3])
    target = (handle.target or handle.source) if handle is not None else None
    if target is not None and target.kind == "File" and not target.inert and lends(number(argument(call, "a1"))):
        kind = CHMOD_SETUID
    give_fd(node, process, call, kind, parameter)


def map_file(_node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """mmap of a file: it can be read from now on, and written if shared and writable."""
    found = _MMAP.search(call[8])
    fd = decimal_fd(found[1]) if found else None
    if found is None or fd is None:
        return
    handle = process.fds.get(fd) or unknown(process, fd, call)
    if handle.source is not None:
        process.scope.take(handle.source, process.current, kind)
    if handle.target is not None and int(found[2], 16) & 1 and number(call[5]) & 2:
        process.scope.give(handle.target, process.current, WRITE)
