"""A path inside a container, opened so that nothing in it can lead out, and nothing can make us wait.

Rules of this file
    - One component at a time, each through the descriptor of the one before: links are read and resolved here, below
      the container's root; `..` goes back to the folder that we came from. The kernel follows nothing for us.
    - A file is opened only when its descriptor says that it is a regular one: no FIFO, socket or device is ever opened.
      File systems that another program or machine answers for (FUSE, NFS, …) are not entered: they could stall us.
      The mount is asked of the descriptor, before anything is asked of the file.
    - /proc, /sys and /dev of a container are nobody's logs; its names of stdout and stderr stand for the engine's copy.

Invariant: a descriptor that is given back lies below the root, or is of a mount below it.
Complexity: four system calls a component, at most `MAX_STEPS` of them.
Source: openat2(2) RESOLVE_IN_ROOT, done by hand; path_resolution(7); proc(5) (fdinfo, mountinfo); symlink(7).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Final

from agent.logfiles_value import STDERR, STDOUT, Stream

MAX_LINKS: Final = 40
MAX_STEPS: Final = 256
MAX_MOUNTS: Final = 4 << 20
FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
STEP: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
REMOTE: Final = frozenset(
    [
        "fuse",
        "fuseblk",
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "afs",
        "autofs",
        "lustre",
        "gpfs",
        "ocfs2",
        "gfs2",
        "glusterfs",
        "virtiofs",
        "coda",
        "beegfs",
        "proc",
        "sysfs",
        "devpts",
        "mqueue",
        "debugfs",
        "tracefs",
        "securityfs",
        "cgroup",
        "cgroup2",
        "pstore",
        "bpf",
        "configfs",
    ]
)
_NAMES: Final = ("/proc/self/fd", "/proc/1/fd", "/dev/fd", "/proc/thread-self/fd")
_STDIO: Final[dict[str, Stream]] = {f"{name}/1": "stdout" for name in _NAMES}
_STDIO.update({f"{name}/2": "stderr" for name in _NAMES})
_STDIO[STDOUT], _STDIO[STDERR] = "stdout", "stderr"


class Refused(Exception):  # noqa: N818 - it is said to the caller, not to a person
    """This path is not read, and why."""


class Absent(Exception):  # noqa: N818
    """Nothing is there (now)."""


class Stdio(Exception):  # noqa: N818
    """The path is a name of the process's stdout or stderr."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.stream = stream


@dataclass(slots=True)
class Mounts:
    """The mounts of a process, by their number; read again for each path: numbers are used again."""

    path: str = "/proc/self/mountinfo"
    _kinds: dict[int, str] = field(default_factory=dict)

    def forget(self) -> None:
        """Another path: look again."""
        self._kinds = {}

    def check(self, fd: int) -> None:
        """Refuse a descriptor whose file system may make us wait; asks nothing of that file system."""
        number = _mount_of(fd)
        if number not in self._kinds:
            self._kinds = _kinds(self.path)
        kind = self._kinds.get(number, "")
        if kind in REMOTE or kind.startswith("fuse."):
            raise Refused(f"on a file system that may make us wait or holds no logs: {kind}")


def _mount_of(fd: int) -> int:
    text = _small(f"/proc/self/fdinfo/{fd}", 4_096)
    words = text.partition(b"mnt_id:")[2].split(None, 1)
    return int(words[0]) if words and words[0].isdigit() else 0


def _kinds(path: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in _small(path, MAX_MOUNTS).splitlines():
        words, _, rest = line.partition(b" - ")
        number = words.split(b" ", 1)[0]
        if number.isdigit() and rest:
            found[int(number)] = rest.split(b" ", 1)[0].decode("ascii", "replace")
    return found


def _small(path: str, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - /proc, and half the cost of Path.open
            return file.read(limit)
    except OSError:
        return b""


@dataclass(slots=True)
class Root:
    """The root folder of a container (or of its upper layer, or of a volume), held open."""

    fd: int
    mounts: Mounts = field(default_factory=Mounts)

    @staticmethod
    def open(path: str, mounts: Mounts | None = None) -> Root:
        """Hold this folder; an `OSError` if it cannot be."""
        return Root(os.open(path, FOLDER), mounts or Mounts())

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def find(self, path: str, missing: bool = False) -> tuple[int, str, str]:
        """The folder (a descriptor, the caller's) in which a path ends, the last name, and the path without links.

        `missing`: nothing needs to be there of that name, yet or any more.
        """
        walk = _Walk(self, [part for part in path.split("/") if part])
        try:
            walk.go()
        except Absent:
            if not (missing and walk.missing and not walk.parts):
                walk.close()
                raise
            walk.names.append(walk.missing)
            walk.fds.append(os.dup(self.fd))
        except BaseException:
            walk.close()
            raise
        try:
            if not walk.names:
                raise Refused("the root is no file")
            return os.dup(walk.fds[-2]), walk.names[-1], "/" + "/".join(walk.names)
        finally:
            walk.close()

    def folder(self, path: str) -> int:
        """A folder below the root as a descriptor that can be listed; the caller's."""
        walk = _Walk(self, [part for part in path.split("/") if part])
        try:
            walk.go()
            return os.open(f"/proc/self/fd/{walk.fds[-1]}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise said(error) from None
        finally:
            walk.close()


class _Walk:
    """One path on its way down."""

    def __init__(self, root: Root, parts: list[str]) -> None:
        self.root, self.parts = root, parts[::-1]
        root.mounts.forget()
        self.fds, self.names = [root.fd], list[str]()
        self.links = self.steps = 0
        self.missing = ""

    def go(self) -> None:
        """To its end; links are followed, the last one too."""
        while self.parts:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise Refused("a path of too many steps")
            part = self.parts.pop()
            if part == "..":
                self.up()
            elif part not in (".", ""):
                self.down(part)

    def up(self) -> None:
        if self.names:
            os.close(self.fds.pop())
            self.names.pop()

    def down(self, part: str) -> None:
        whole = "/" + "/".join([*self.names, part, *self.parts[::-1]])
        if whole in _STDIO:
            raise Stdio(_STDIO[whole])
        if not self.names and (part in ("proc", "sys") or (part == "dev" and self.parts[-1:] != ["shm"])):
            raise Refused(f"below /{part}")
        try:
            fd = os.open(part, STEP, dir_fd=self.fds[-1])
        except (OSError, ValueError) as error:
            self.missing = part if isinstance(error, FileNotFoundError) else ""
            raise said(error) from None
        self.fds.append(fd)
        self.names.append(part)
        self.root.mounts.check(fd)
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            self.follow(os.readlink("", dir_fd=fd))

    def follow(self, target: str) -> None:
        self.links += 1
        if self.links > MAX_LINKS:
            raise Refused("too many links")
        self.up()
        while target.startswith("/") and self.names:
            self.up()
        self.parts += [part for part in target.split("/") if part][::-1]

    def close(self) -> None:
        for fd in self.fds[1:]:
            os.close(fd)


def open_regular(folder: int, name: str, mounts: Mounts | None = None) -> int:
    """A regular file of a folder, open for reading; `Refused` if it is anything else, `Absent` if nothing."""
    fd = -1
    try:
        fd = os.open(name, STEP, dir_fd=folder)
        if mounts is not None:
            mounts.check(fd)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Refused("not a regular file")
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise said(error) from None
    finally:
        if fd >= 0:
            os.close(fd)


def said(error: Exception) -> Exception:
    """An error of the system as one of ours."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError, ProcessLookupError)):
        return Absent(str(error))
    return Refused(getattr(error, "strerror", None) or str(error))
