"""What the accumulator gives: pieces of log files and entries of streams, and how one file is told from another.

Rules of this file
    - Values only; nothing in them is trusted but the numbers that the kernel gave.

Source: issue "application logs" (log accumulator); inode(7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple

from agent.loss import Loss

Stream = Literal["file", "stdout", "stderr", "journal"]
STDOUT: Final = "/dev/stdout"
STDERR: Final = "/dev/stderr"
HEAD: Final = 256
TAIL: Final = 64
MAX_NAME: Final = 4_096
JOURNALD: Final = "\0journald"
"""Stands for a path where entries of journald are meant: `size` counts them."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One file that a path has stood for: where it lies as the container sees it, and the how-manieth it is.

    A file that was emptied is another one from there on: same place, next `number`. The device is that of the mount in
    the container while it lived (`dev=` in PATH records); it is kept when the file is read on from elsewhere.
    """

    device: int = 0
    inode: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one generation of one path from `offset` on; or one whole entry of a stream, with `millis` of its own.

    `path` is as the container names it, `/dev/stdout` and `/dev/stderr` for what the engine or journald keeps. An
    entry's `offset` is where it stands in the engine's file (0 in the journal); its `data` ends with a line end.
    `millis` is 0 where the bytes have no time of their own (files); `pid` is the host's number of who spoke, 0 if it is
    not told. `cut`: the entry was longer than is kept.
    """

    container: str
    path: str
    generation: Generation
    offset: int
    data: bytes
    millis_read: int
    stream: Stream = "file"
    millis: int = 0
    pid: int = 0
    cut: bool = False


class Given(NamedTuple):
    """So many bytes of a container's log, from a place in the file of that inode on."""

    container: str
    path: str
    inode: int
    offset: int
    size: int


class Look(NamedTuple):
    """One look at all logs: when, in milliseconds, and what it gave, in that order."""

    millis: int
    given: tuple[Given, ...] = ()


NOTHING: Final = Look(0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which files are logs, by globs over a container's name and a path in it; their format and time zone, if told."""

    container: str
    path: str
    format: str = ""
    zone: str = ""

    def fits(self, container: str, path: str) -> bool:
        """Is this file meant? `*` in a path stays inside one folder."""
        ours, theirs = self.path.split("/"), path.split("/")
        return (
            fnmatchcase(container, self.container)
            and len(ours) == len(theirs)
            and all(fnmatchcase(there, own) for there, own in zip(theirs, ours, strict=True))
        )


@dataclass(slots=True)
class Mark:
    """How far one generation has been given, and by what it is known again: how it begins, and what stands before.

    `seen` is how far the file was known to go, `millis` when it was last written, as far as looked at.
    """

    generation: Generation = Generation()
    offset: int = 0
    seen: int = 0
    head: bytes = b""
    tail: bytes = b""
    nanos: int = 0


@dataclass(slots=True)
class Where:
    """Where a container's files are when its processes are gone: host paths; `mounts` by their place in the container.

    `log` is the engine's copy of stdout and stderr, `driver` how it is written.
    """

    upper: str = ""
    mounts: dict[str, str] = field(default_factory=dict)
    driver: str = ""
    log: str = ""

    def outside(self, path: str) -> tuple[str, str] | None:
        """The host's folder in which a path of the container is, and the path below it."""
        for target in sorted(self.mounts, key=len, reverse=True):
            if path == target or path.startswith(target.rstrip("/") + "/"):
                source, rest = self.mounts[target], path[len(target.rstrip("/")) :]
                folder, _, name = source.rpartition("/")
                return (source, rest) if rest else (folder or "/", f"/{name}")
        return (self.upper, path) if self.upper else None


def is_log(path: str) -> bool:
    """Whether a file is a log by its name: below /var/log, or called `….log`, `…_log`, `…log`.

    >>> [is_log(path) for path in ("/var/log/apache2/access", "/srv/error_log", "/srv/catalog/data", "/srv/app.log.1")]
    [True, True, False, False]
    """
    name = path.rsplit("/", 1)[-1]
    return path.startswith("/") and len(path) < MAX_NAME and (path.startswith("/var/log/") or name.endswith("log"))


def lost(loss: Loss, cause: str, known: int) -> None:
    """Bytes that are known to be missing by `cause`; a stretch of unknown size as such."""
    loss.note(cause, known) if known > 0 else loss.note("log_unknown")
