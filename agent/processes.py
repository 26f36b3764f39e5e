"""Processes and their descriptors, as far as the log has shown them.

Rules of this file
    - A handle is one descriptor of one process: where its bytes come from, where they go, which unit it belongs to.
    - Descriptors are keyed by the hex text that audit prints for them: the hot path converts nothing.
    - A fork's snapshot waits for the child's first event. In the host's pid namespace the child is known by its number; in
      another one the call returns a number that the log never shows again, and the oldest recent snapshot is taken.
    - Bounded: at most `MAX_PENDING` snapshots a process.

Source: fork(2), clone(2), execve(2), fcntl(2): what is inherited and what is not.
"""

from __future__ import annotations

from typing import Final

from agent.upg import Actor, Artifact, Scope, Vertex

MAX_PENDING: Final = 32
RECENT: Final = 5_000  # milliseconds between a fork and its child's first event


class Handle:
    """One descriptor. `seen…`/`gave…` remember the last transfer, so that its repetition costs a comparison."""

    __slots__ = (
        "gave",
        "gave_kind",
        "local",
        "peers",
        "regular",
        "seen",
        "seen_by",
        "seen_kind",
        "socket",
        "source",
        "target",
        "unit",
        "unseen",
    )

    def __init__(self, source: Artifact | None, target: Artifact | None, *, regular: bool = False, socket: str = "") -> None:
        self.source, self.target = source, target
        self.regular, self.socket, self.local = regular, socket, ""
        self.unseen = regular and source is None  # a file opened only to write: a write may leave no record
        self.unit: Actor | None = None
        self.peers: dict[str, tuple[Artifact, Artifact]] | None = None
        self.seen: Vertex | None = None
        self.seen_by: Actor | None = None
        self.seen_kind = self.gave_kind = -1
        self.gave: Vertex | None = None

    def inherited(self) -> Handle:
        """The child's copy: the same file or socket, none of the parent's memory, no unit."""
        copy = Handle(self.source, self.target, regular=self.regular, socket=self.socket)
        copy.local, copy.peers, copy.unseen = self.local, self.peers, self.unseen
        return copy


class Snapshot:
    """What a child gets: descriptors and what the parent knew when it forked."""

    __slots__ = ("by_number", "cloexec", "fds", "millis", "vertex")

    def __init__(self, process: Process, millis: int, by_number: bool) -> None:
        self.vertex = process.current.vertex
        self.fds = {fd: handle.inherited() for fd, handle in process.fds.items()}
        self.cloexec = set(process.cloexec)
        self.millis, self.by_number = millis, by_number


class Process:
    """One process between fork or exec and the next exec or exit."""

    __slots__ = (
        "base",
        "became",
        "cloexec",
        "comm",
        "current",
        "dead",
        "early",
        "exe",
        "execs",
        "fds",
        "ident",
        "joining",
        "label",
        "lineage",
        "pending",
        "pid",
        "scope",
    )

    def __init__(self, pid: bytes, scope: Scope, label: str, lineage: tuple[str, ...], ident: str) -> None:
        self.pid, self.scope, self.label, self.lineage, self.ident = pid, scope, label, lineage, ident
        self.base = self.current = Actor(label, lineage, ident, scope.vertex(label, lineage, ident))
        self.fds: dict[bytes, Handle] = {}
        self.cloexec: set[bytes] = set()
        self.pending: dict[bytes, Snapshot] = {}
        self.became: set[int] = set()
        self.early = self.execs = 0
        self.dead = False
        self.comm = self.exe = b""
        self.joining = ""

    def forked(self, child: bytes, millis: int, by_number: bool) -> None:
        """A fork returned `child`: keep a snapshot, unless that child has been seen already."""
        self.current.vertex.sealed = True
        if self.early and not by_number:
            self.early -= 1
            return
        if len(self.pending) >= MAX_PENDING:
            del self.pending[next(iter(self.pending))]
        self.pending[child] = Snapshot(self, millis, by_number)

    def claim(self, child: bytes, millis: int) -> Snapshot:
        """What the child that has just been seen got from its parent."""
        found = self.pending.pop(child, None)
        if found is not None:
            return found
        for number, snapshot in self.pending.items():
            if not snapshot.by_number and millis - snapshot.millis <= RECENT:
                return self.pending.pop(number)
        self.early += 1
        return Snapshot(self, millis, by_number=False)
