"""An initramfs: files as the kernel unpacks them at boot, in cpio's `newc` form.

Rules of this file
    - Bytes in, bytes out; no owner, no clock: the same files give the same bytes.
    - Every folder above a file is there before it, once: the kernel makes none by itself.

Complexity: O(bytes).
Source: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from typing import Final

MAGIC: Final = b"070701"
END: Final = "TRAILER!!!"
ALIGN: Final = 4


class Archive:
    """Files added one by one; `bytes(archive)` is the whole.

    >>> archive = Archive()
    >>> archive.file("etc/motd", b"hi")
    >>> bytes(archive)[:6], len(bytes(archive)) % 4
    (b'070701', 0)
    """

    def __init__(self) -> None:
        self._out = bytearray()
        self._names = set[str]()
        self._inode = 0

    def folder(self, name: str) -> None:
        """A folder, and those above it, unless they are there."""
        parts = _parts(name)
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if path not in self._names:
                self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, *, executable: bool = False) -> None:
        """A regular file."""
        self._above(name)
        self._entry("/".join(_parts(name)), stat.S_IFREG | (0o755 if executable else 0o644), data)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self._above(name)
        self._entry("/".join(_parts(name)), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        """A character device: the console must be there before anything is mounted."""
        self._above(name)
        self._entry("/".join(_parts(name)), stat.S_IFCHR | 0o600, b"", (major, minor))

    def __bytes__(self) -> bytes:
        """All that was added, and the entry that ends an archive."""
        return bytes(self._out) + _record(END, 0, 0, b"", (0, 0))

    def _above(self, name: str) -> None:
        self.folder("/".join(_parts(name)[:-1]))

    def _entry(self, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        if name in self._names:
            raise ValueError(f"twice in one archive: {name}")
        self._names.add(name)
        self._inode += 1
        self._out += _record(name, self._inode, mode, data, device)


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ValueError(f"not a plain path: {name}")
    return parts


def _record(name: str, inode: int, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    """Thirteen numbers of eight hex digits, the name with its zero byte, the data; both padded to four bytes."""
    named = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    numbers = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(named), 0)
    head = MAGIC + b"".join(b"%08X" % number for number in numbers) + named
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGN)
