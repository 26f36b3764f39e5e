"""Processes and their descriptors, as far as the log has shown them.

Rules of this file
    - A handle is one descriptor of one process: where its bytes come from, where they go, which unit it belongs to.
    - Descriptors are keyed by the hex text that audit prints for them: the hot path converts nothing.
    - A fork's snapshot waits for the child's first event. In the host's pid namespace the child is known by its number;
      in another one the call returns a number that the log never shows again, and the oldest recent snapshot is taken.
    - A child may be seen before its parent's record (vfork, a busy node): then it gets what the parent has at that
      moment, and is remembered as early, so that the record, when it comes, is not taken for another child's.
    - Bounded: at most `MAX_PENDING` snapshots and as many early children a process.

Source: fork(2), clone(2), execve(2), fcntl(2): what is inherited and what is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from agent.upg import Actor, Artifact, Scope, Vertex

if TYPE_CHECKING:
    from agent.logbook import Book

MAX_PENDING: Final = 32
RECENT: Final = 5_000  # milliseconds between a fork and its child's first event


class Handle:
    """One descriptor. `seen…`/`gave…` remember the last transfer, so that its repetition costs a comparison.

    `unseen` marks a file that this program has opened, or been given, only to write: writes may leave no record.
    `doubled` says that the process may hold the same thing under another number; `given`, that an exec left it to this
    program. `unknown` says that nobody saw what was opened; `log` is the book of the log that is written through it.
    """

    __slots__ = (
        "doubled",
        "gave",
        "gave_kind",
        "given",
        "local",
        "log",
        "peers",
        "regular",
        "seen",
        "seen_by",
        "seen_kind",
        "socket",
        "source",
        "target",
        "unit",
        "unknown",
        "unseen",
    )

    def __init__(
        self, source: Artifact | None, target: Artifact | None, *, regular: bool = False, socket: str = ""
    ) -> None:
        self.source, self.target = source, target
        self.regular, self.socket, self.local = regular, socket, ""
        self.unseen = regular and source is None
        self.doubled = self.given = self.unknown = False
        self.unit: Actor | None = None
        self.peers: dict[str, tuple[Artifact, Artifact]] | None = None
        self.seen: Vertex | None = None
        self.seen_by: Actor | None = None
        self.seen_kind = self.gave_kind = -1
        self.gave: Vertex | None = None
        self.log: Book | None = None

    @property
    def write_only(self) -> bool:
        """A regular file that can only be written through this descriptor."""
        return self.regular and self.source is None and self.target is not None

    def duplicate(self) -> Handle:
        """Another descriptor of the same process: the same file or socket, the same unit."""
        copy = self._copy(self.unseen, self.unit)
        copy.doubled = self.doubled = True
        return copy

    def inherited(self) -> Handle:
        """The child's copy: none of the parent's memory, no unit; it was not the child who opened the file."""
        return self._copy(False, None)

    def executed(self) -> Handle:
        """The copy that survives an exec: it is the new program's to write to, outside any unit."""
        copy = self._copy(self.write_only, None)
        copy.given = True
        return copy

    def _copy(self, unseen: bool, unit: Actor | None) -> Handle:
        copy = Handle(self.source, self.target, regular=self.regular, socket=self.socket)
        copy.local, copy.peers, copy.unseen, copy.unit = self.local, self.peers, unseen, unit
        copy.log, copy.unknown = self.log, self.unknown
        return copy


class Snapshot:
    """What a child gets: descriptors, and who and what the parent was when it forked.

    `named` says that only the number that the call returned can name the child; `unit` is the unit that forked, or that
    had started who forked.
    """

    __slots__ = (
        "cloexec", "comm", "exe", "fds", "joining", "label", "lineage", "millis", "named", "scope", "unit", "vertex",
    )  # fmt: skip

    def __init__(self, process: Process, millis: int, *, named: bool = False, shared: bool = False) -> None:
        self.vertex, self.scope = process.current.vertex, process.scope
        self.unit = process.current if process.current.did is not None else process.owner
        self.label, self.lineage = process.label, process.lineage
        self.comm, self.exe, self.joining = process.comm, process.exe, process.joining
        self.fds = process.fds if shared else {fd: handle.inherited() for fd, handle in process.fds.items()}
        self.cloexec = process.cloexec if shared else set(process.cloexec)
        self.millis, self.named = millis, named


class Process:
    """One process between fork or exec and the next exec or exit; `born` is the stamp of its first event.

    `owner` is the unit, of another process, that has started it or one of its parents.
    """

    __slots__ = (
        "base",
        "became",
        "born",
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
        "owner",
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
        self.early: dict[bytes, int] = {}
        self.became: set[int] = set()
        self.born = self.execs = 0
        self.dead = False
        self.comm = self.exe = b""
        self.joining = ""
        self.owner: Actor | None = None

    def put(self, fd: bytes, handle: Handle, cloexec: bool) -> None:
        """A new descriptor."""
        self.fds[fd] = handle
        (self.cloexec.add if cloexec else self.cloexec.discard)(fd)

    def forget_causes(self) -> None:
        """What this process takes in or gives out from here on makes edges again, as if for the first time."""
        self.base.known.clear()
        self.current.known.clear()
        for handle in self.fds.values():
            handle.seen = handle.gave = None
            if handle.unit is not None:
                handle.unit.known.clear()
            for artifact in (handle.source, handle.target):
                if artifact is not None:
                    artifact.known.clear()

    def unshare(self) -> None:
        """From here on the descriptor table is this process's own (CLONE_FILES had made it common)."""
        self.fds = {fd: handle.duplicate() for fd, handle in self.fds.items()}
        self.cloexec = set(self.cloexec)

    def met(self, child: bytes, begun: int, *, exact: bool) -> bool:
        """Whether the child of a fork that began at `begun` has been seen already; if so, this settles it."""
        for pid, born in self.early.items():
            if born >= begun and (pid == child or not exact):
                del self.early[pid]
                return True
        return False

    def forked(self, child: bytes, snapshot: Snapshot) -> None:
        """Keep a snapshot for a child that is still to be seen; the parent has passed on what it knows."""
        self.scope.seal(self.current.vertex)
        _put_last(self.pending, child, snapshot)

    def claim(self, child: bytes) -> Snapshot | None:
        """The snapshot that was kept for the child of this number."""
        return self.pending.pop(child, None)

    def claim_any(self, millis: int) -> Snapshot | None:
        """The oldest recent snapshot that a child of unknown number may take."""
        for number, snapshot in self.pending.items():
            if not snapshot.named and millis - snapshot.millis <= RECENT:
                return self.pending.pop(number)
        return None

    def surprised(self, child: bytes, born: int, millis: int) -> Snapshot:
        """A child whose fork has left no record (yet): it gets what there is now."""
        _put_last(self.early, child, born)
        return Snapshot(self, millis)


Kept = TypeVar("Kept")


def _put_last(table: dict[bytes, Kept], key: bytes, value: Kept) -> None:
    """Add to a small table in order of arrival, the oldest entry out when it is full."""
    table.pop(key, None)
    if len(table) >= MAX_PENDING:
        del table[next(iter(table))]
    table[key] = value
