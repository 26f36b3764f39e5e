"""Audit events as they are written, and the graph that they make: tests read as scripts of system calls.

Rules of this file
    - `syscall` writes one event as the kernel and auditd do (raw, with PROCTITLE); a test gives what matters to it.
    - `World` feeds events to one worker's node, in order, and keeps every vertex and edge; time goes on 10 ms an event.
    - A graph is looked at by label: `edges` are (effect, operation, cause); `causes` are the labels of all ancestors.

Source: kernel/auditsc.c (what is written); agent.syscalls (numbers).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

from agent.containers import Containers
from agent.events import AuditParser
from agent.node import Node
from agent.processes import Process
from agent.syscalls import ARCHITECTURES, NUMBERS
from agent.upg import KINDS_OF_EDGE, Scope

AT_CWD: Final = 0xFFFFFF9C
RDONLY, WRONLY, RDWR, CREAT, TRUNC, CLOEXEC = 0, 1, 2, 0o100, 0o1000, 0o2000000
REGULAR, DIRECTORY, FIFO, DEVICE = 0o100644, 0o040755, 0o010600, 0o020666
START: Final = 1_700_000_000_000

Path = tuple[str, str, int]


def path(name: str, mode: int = REGULAR) -> Path:
    """A PATH record of a file that was there."""
    return name, "NORMAL", mode


def made(name: str, mode: int = REGULAR) -> Path:
    """A PATH record of a file that the call made."""
    return name, "CREATE", mode


def gone(name: str, mode: int = REGULAR) -> Path:
    """A PATH record of a name that the call took away."""
    return name, "DELETE", mode


def inet(host: str, port: int) -> str:
    """A SOCKADDR of IPv4 or IPv6."""
    address = ip_address(host)
    if address.version == 4:
        return f"0200{port:04X}{address.packed.hex().upper()}{'0' * 16}"
    return f"0A00{port:04X}00000000{address.packed.hex().upper()}00000000"


def unix(name: str) -> str:
    """A SOCKADDR of the file system."""
    return f"0100{name.encode().hex().upper()}00"


def untrusted(text: str | bytes) -> str:
    """Text as audit_log_untrustedstring writes it."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    plain = all(0x20 < byte < 0x7F and byte != 0x22 for byte in raw)
    return f'"{raw.decode()}"' if plain else raw.hex().upper()


def _hex(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value & 0xFFFFFFFFFFFFFFFF:x}"


def syscall(
    name: str,
    *,
    stamp: tuple[int, int] = (START, 1),
    pid: int = 100,
    ppid: int = 1,
    comm: str = "",
    exe: str = "",
    exit: int | str | None = 0,  # noqa: A002 - the field's name
    a0: int | str = 0,
    a1: int | str = 0,
    a2: int | str = 0,
    a3: int | str = 0,
    arch: str = "x86_64",
    paths: Iterable[Path] = (),
    cwd: str | None = "/srv",
    argv: Iterable[str] = (),
    saddr: str = "",
    fd_pair: tuple[int, int] | None = None,
    mmap: tuple[int, int] | None = None,
    oflag: int | None = None,
    opids: Iterable[int] = (),
    socketcall: Iterable[int] = (),
) -> bytes:
    """One event: the call's record, those that go with it, its title."""
    millis, serial = stamp
    mark = f"msg=audit({millis // 1000}.{millis % 1000:03}:{serial}):"
    code = next(hexed for hexed, known in ARCHITECTURES.items() if known == arch)
    number = next((n for n, known in NUMBERS[arch].items() if known == name), 9999)
    comm = comm or f"p{pid}"
    exe = exe or f"/bin/{comm}"
    success = "" if exit is None else f" success={'no' if str(exit).startswith('-') else 'yes'} exit={exit}"
    lines = [
        f"type=SYSCALL {mark} arch={code} syscall={number}{success} a0={_hex(a0)} a1={_hex(a1)} a2={_hex(a2)} "
        f"a3={_hex(a3)} items=0 ppid={ppid} pid={pid} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 "
        f"fsgid=0 tty=(none) ses=1 comm={untrusted(comm)} exe={untrusted(exe)} key=(null)"
    ]
    if argv := list(argv):
        words = " ".join(f"a{n}={untrusted(word)}" for n, word in enumerate(argv))
        lines.append(f"type=EXECVE {mark} argc={len(argv)} {words}")
    if saddr:
        lines.append(f"type=SOCKADDR {mark} saddr={saddr}")
    if fd_pair:
        lines.append(f"type=FD_PAIR {mark} fd0={fd_pair[0]} fd1={fd_pair[1]}")
    if mmap:
        lines.append(f"type=MMAP {mark} fd={mmap[0]} flags=0x{mmap[1]:x}")
    if oflag is not None:
        lines.append(f"type=OPENAT2 {mark} oflag=0{oflag:o} mode=00 resolve=0x0")
    if words := list(socketcall):
        listed = " ".join(f"a{n}={word:x}" for n, word in enumerate(words))
        lines.append(f"type=SOCKETCALL {mark} nargs={len(words)} {listed}")
    lines += [f'type=OBJ_PID {mark} opid={opid} oauid=1000 ouid=0 oses=1 ocomm="x"' for opid in opids]
    if paths := list(paths):
        if cwd is not None:
            lines.append(f"type=CWD {mark} cwd={untrusted(cwd)}")
        lines += _paths(mark, paths)
    lines.append(f"type=PROCTITLE {mark} proctitle={untrusted(comm)}")
    return "".join(line + "\n" for line in lines).encode()


def _paths(mark: str, paths: list[Path]) -> list[str]:
    return [
        f"type=PATH {mark} item={item} name={untrusted(name)} inode={item + 7} dev=fe:00 mode=0{mode:o} ouid=0 ogid=0 "
        f"rdev=00:00 nametype={kind} cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
        for item, (name, kind, mode) in enumerate(paths)
    ]


class Graph:
    """A recorder (`agent.upg.Recorder`) that keeps everything."""

    def __init__(self) -> None:
        self.labels: dict[tuple[str, int], str] = {}
        self.states: dict[tuple[str, int], int] = {}
        self.idents: dict[tuple[str, int], str] = {}
        self.edges: list[tuple[tuple[str, int], str, str, tuple[str, int], int]] = []

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        key = scope.container, number
        assert key not in self.labels
        self.labels[key], self.idents[key] = label, ident

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        key = scope.container, number
        assert key not in self.states
        assert self.labels[key] == scope.states.states[state][0]
        self.states[key] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        ends = (scope.container, effect), (scope.container, cause)
        assert ends[0] in self.labels, "an edge between vertices that exist"
        assert ends[1] in self.states, "the cause is sealed before it passes something on"
        self.edges.append((ends[0], *KINDS_OF_EDGE[kind], ends[1], millis))


class World:
    """One worker's node and what it made of the events so far."""

    def __init__(self, containers: Containers | None = None) -> None:
        self.graph = Graph()
        self.node = Node(containers or Containers.of([]), recorder=self.graph)
        self.parser = AuditParser()
        self.millis, self.serial = START, 0

    def feed(self, data: bytes) -> World:
        """Take raw bytes of a log."""
        self.node.apply(self.parser.feed(data))
        return self

    def call(self, name: str, **fields: Any) -> World:
        """The next event."""
        self.millis, self.serial = self.millis + 10, self.serial + 1
        return self.feed(syscall(name, **{"stamp": (self.millis, self.serial), **fields}))

    def open(self, name: str, fd: int, flags: int = RDONLY, **fields: Any) -> World:
        """openat of an absolute name that exists (or, with CREAT, does not)."""
        one = made(name) if flags & CREAT else path(name)
        return self.call("openat", **{"exit": fd, "a0": AT_CWD, "a2": flags, "paths": [one], **fields})

    def read(self, fd: int, **fields: Any) -> World:
        return self.call("read", a0=fd, exit=8, **fields)

    def write(self, fd: int, **fields: Any) -> World:
        return self.call("write", a0=fd, exit=8, **fields)

    def close(self, fd: int, **fields: Any) -> World:
        return self.call("close", a0=fd, **fields)

    def execve(self, program: str, argv: Iterable[str] = (), **fields: Any) -> World:
        """execve; the record shows the new program already."""
        comm = program.rpartition("/")[2][:15]
        words = list(argv) or [comm]
        return self.call("execve", **{"paths": [path(program)], "argv": words, "comm": comm, "exe": program, **fields})

    def process(self, pid: int) -> Process:
        return self.node.processes[b"%d" % pid]

    def edges(self, container: str = "host") -> set[tuple[str, str, str]]:
        """(label of the effect, operation, label of the cause), versions and units of one object left out."""
        labels = self.graph.labels
        found = [(labels[e], op, labels[c]) for e, _, op, c, _ in self.graph.edges if e[0] == container]
        return {edge for edge in found if edge[1] not in ("version", "unit")}

    def count(self, label: str) -> int:
        """How many vertices (versions, units) have this label."""
        return sum(known == label for known in self.graph.labels.values())

    def causes(self, label: str, container: str = "host") -> set[str]:
        """The labels of everything that the last vertex of this label has as an ancestor."""
        last = max(key for key, known in self.graph.labels.items() if known == label and key[0] == container)
        return self.causes_of(last)

    def causes_of(self, *starts: tuple[str, int]) -> set[str]:
        """The labels of all ancestors of some vertices; not themselves."""
        return {self.graph.labels[key] for key in self.ancestors(*starts)}

    def ancestors(self, *starts: tuple[str, int]) -> set[tuple[str, int]]:
        """All ancestors of some vertices."""
        causes: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for effect, _, _, cause, _ in self.graph.edges:
            causes.setdefault(effect, []).append(cause)
        found: set[tuple[str, int]] = set()
        rest = list(starts)
        while rest:
            for cause in causes.get(rest.pop(), ()):
                if cause not in found:
                    found.add(cause)
                    rest.append(cause)
        return found
