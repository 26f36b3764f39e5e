"""Tags: what the kernel says of one write to a log file, as the module and its eBPF twin tell it.

Rules of this file
    - The layout is that of `lkm/winnower_tag.h`, version 1; a newer one is longer, and its beginning is this.
    - Nothing in a tag is trusted for what it is about but the numbers that the kernel gave; `comm` is any bytes.
    - Any bytes in: tags out, or a count of bytes that are none. What follows damage is found again at the next magic.

Complexity: O(bytes): about 0.7 µs a tag where all are of this version, twice that where they are not.
Source: lkm/winnower_tag.h; issue "lkm".
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

MAGIC: Final = b"WTAG"
VERSION: Final = 1
LAYOUT: Final = Struct("=4sHHQQQQQIIIIIIIIIIIIIIII16s")
SIZE: Final = LAYOUT.size
_HEAD: Final = Struct("=4sHH")
_BODY: Final = Struct("=8x5Q16I16s")
_PLAIN: Final = _HEAD.pack(MAGIC, VERSION, SIZE)
_made: Final = tuple.__new__
HASHED: Final = 256
MAX_RECORD: Final = 4_096
"""Bytes of one record of the newest version that is believed."""
APPEND: Final = 1
GUESSED: Final = 2


class Tag(NamedTuple):
    """One write: `length` bytes at `offset` of the file that is `device` and `inode`, by thread `pid` of `tgid`.

    `nanos` is realtime when the write returned; `inner_*` are the numbers that the process itself sees; `crc` is over
    the first `hashed` bytes. `guessed`: the offset is the descriptor's place afterwards, which others may have moved.
    """

    sequence: int
    nanos: int
    cgroup: int
    inode: int
    offset: int
    major: int
    minor: int
    length: int
    crc: int
    tgid: int
    pid: int
    inner_tgid: int
    inner_pid: int
    namespace: int
    uid: int
    auid: int
    cpu: int
    flags: int
    load: int
    generation: int
    hashed: int
    comm: bytes

    @property
    def guessed(self) -> bool:
        """Whether its offset may be another write's."""
        return bool(self.flags & GUESSED)

    @property
    def millis(self) -> int:
        """When the write returned."""
        return self.nanos // 1_000_000


def pack(tag: Tag) -> bytes:
    """A tag as a record of this version."""
    return LAYOUT.pack(MAGIC, VERSION, SIZE, *tag)


class Decoder:
    """Records out of a stream of bytes, wherever it is cut.

    `damaged` counts bytes that were no record's; `used` are the bytes that the last `feed` has done with: fed to
    another decoder by themselves they give the same.
    """

    __slots__ = ("_rest", "damaged", "used")

    def __init__(self) -> None:
        self._rest = b""
        self.damaged = 0
        self.used = b""

    def feed(self, data: bytes) -> list[Tag]:
        """The tags that are whole by now."""
        data = self._rest + data
        count = len(data) // SIZE
        if _plain(data, count):
            found, at = _many(data[: count * SIZE]), count * SIZE
        else:
            found, at = self._one_by_one(data)
        self.used, self._rest = data[:at], data[at:]
        return found

    def _one_by_one(self, data: bytes) -> tuple[list[Tag], int]:
        """The tags, and how far the bytes are used: what stands there may be of another length, or none of ours."""
        at, found = 0, list[Tag]()
        while len(data) - at >= SIZE:
            magic, version, size = _HEAD.unpack_from(data, at)
            if magic != MAGIC or version < 1 or not SIZE <= size <= MAX_RECORD or (version == VERSION and size != SIZE):
                next_at = data.find(MAGIC, at + 1)
                if next_at < 0:
                    next_at = len(data) - len(MAGIC) + 1
                self.damaged += next_at - at
                at = next_at
                continue
            if len(data) - at < size:
                break
            found += _many(data[at : at + SIZE])
            at += size
        return found, at


def _plain(data: bytes, count: int) -> bool:
    """Whether the first `count` records begin as those of this version do: eight comparisons, however many they are."""
    end = count * SIZE
    return all(data[at:end:SIZE] == _PLAIN[at : at + 1] * count for at in range(_HEAD.size))


def _many(data: bytes) -> list[Tag]:
    """Records of this version's length, whose heads have been looked at."""
    return [_made(Tag, (*one[:-1], one[-1].rstrip(b"\0"))) for one in _BODY.iter_unpack(data)]
