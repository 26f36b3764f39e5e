"""The paths of an event: its PATH and CWD records, resolved.

Rules of this file
    - A relative name is taken from the directory descriptor if the call has one, else from the event's CWD record.
      (The kernel prints the working directory as PARENT even where a descriptor was meant: PARENT is never trusted.)
    - A base that is not known stays explicit (`{any}/name`), never a guess.

Complexity: O(records of the event).
Source: kernel/auditsc.c audit_log_name, audit_log_cwd.
"""

from __future__ import annotations

import re
from posixpath import normpath
from typing import Final, NamedTuple

from agent.records import untrusted

_PATH: Final = re.compile(
    rb'type=PATH msg=audit\([^)\n]{1,40}\): *+item=\d+ name=("[^"\n]*+"|\S++)'
    rb"(?: inode=\d+ dev=\S++ mode=0?([0-7]{1,7})\b)?(?:[^\n]*? (?:name|obj)type=(\w+))?"
)
_CWD: Final = re.compile(rb'type=CWD msg=audit\([^)\n]{1,40}\): *+cwd=("[^"\n]*+"|\S++)')
DELETED: Final = " (deleted)"
ANY: Final = "{any}"

FORMAT: Final = 0o170000
REGULAR: Final = 0o100000
DIRECTORY: Final = 0o040000
DEVICE: Final = 0o020000
FIFO: Final = 0o010000


class Named(NamedTuple):
    """One PATH record: the name as written, the file's mode (0 if unknown), the nametype.

    Linux 3.10 of RHEL 7 calls it objtype; kernels before that do not write it (then `UNKNOWN`, as the kernel says it).
    """

    name: str
    mode: int
    nametype: bytes


def named(records: bytes) -> list[Named]:
    """The PATH records that carry a name, PARENT ones left out."""
    return [
        Named(untrusted(name), int(mode, 8) if mode else 0, nametype or b"UNKNOWN")
        for name, mode, nametype in _PATH.findall(records)
        if nametype != b"PARENT" and name != b"(null)"
    ]


def working_directory(records: bytes) -> str | None:
    """The CWD record's directory, if there is one."""
    found = _CWD.search(records)
    return untrusted(found[1]).removesuffix(DELETED) if found else None


def resolve(name: str, base: str | None) -> str:
    """An absolute, normal path from a name and the directory that it is relative to.

    The parent of an unknown directory is as unknown as the directory.

    >>> resolve("../b", "/a/c"), resolve("x", None), resolve("../x", None)
    ('/a/b', '{any}/x', '{any}/x')
    """
    if name[:1] != "/":
        name = f"{base if base and base.startswith(('/', ANY)) else ANY}/{name}"
    if "//" in name or "/." in name or name[-1:] == "/":
        root, inside = (ANY, name[len(ANY) :]) if name.startswith(f"{ANY}/") else ("", name)
        inside = normpath(f"/{inside}")
        return f"{root}{inside[1:] if inside[:2] == '//' else inside}" if inside.strip("/") or not root else root
    return name


def carries_nothing(path: str, mode: int) -> bool:
    """Whether what is written here is never what is read here: devices, directories, /proc, /sys."""
    kind = mode & FORMAT
    if kind in (DIRECTORY, DEVICE):
        return True
    return path.startswith(("/proc/", "/sys/")) or (path.startswith("/dev/") and not path.startswith("/dev/shm/"))
