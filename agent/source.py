"""Where a live agent's bytes come from, and how a place in them is written down.

Rules of this file
    - Types only: who reads a file or a socket is in `agent.follow` and `agent.plugin`.
    - A position is one value. It says how far the bytes given so far reach, at any byte, and is what a restart goes on
      from; it holds some bytes of the log, so it is kept as secret as the log.
    - A source is used by one thread, never blocks but in `wait`, holds a bounded amount, and counts what it loses.

Source: design section 3 (promise 5), section 7 (one thin module per outside thing).
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from agent.loss import Loss
from grammar.errors import CodecError

HEAD: Final = 256
"""Bytes of a file's beginning that tell it from others: the first record's node, time and serial number are in them."""
MAX_POSITION: Final = 1 << 18


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Which file: where it lies, and how it begins (at most `HEAD` bytes; none says that there is no file)."""

    device: int = 0
    inode: int = 0
    head: bytes = b""

    @property
    def place(self) -> tuple[int, int]:
        """Device and inode: who it is as long as it is held open, no longer."""
        return self.device, self.inode

    def begins(self, head: bytes) -> bool:
        """Can a file that begins with `head` be this one, grown or copied?"""
        return bool(self.head) and head.startswith(self.head)


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The end of the bytes given so far.

    `offset` in the file `mark`; `prior` is the file before it; `owed` is to be given before what stands at `offset`
    (the rest of a record after `skip`, the line end after a gap); `cut`: the last byte given was no line end; `seen` is
    how far the file was known to go; `stamp` and `boot` are the last event's `time:serial` and the boot it belongs to
    (streams only).
    """

    mark: Mark = Mark()
    offset: int = 0
    prior: Mark | None = None
    owed: bytes = b""
    cut: bool = False
    seen: int = 0
    stamp: str = ""
    boot: str = ""

    def to_bytes(self) -> bytes:
        """This position as bytes; see `from_bytes`."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> Position:
        """What `to_bytes` wrote; anything else is a `CodecError`."""
        if len(data) > MAX_POSITION:
            raise CodecError("not a position in a log", hint=f"at most {MAX_POSITION} bytes")
        try:
            position = msgspec.msgpack.decode(data, type=Position)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CodecError("not a position in a log", hint=str(error)) from error
        if not 0 <= position.offset < 1 << 62 or len(position.mark.head) > HEAD:
            raise CodecError("not a position in a log", hint="offset or mark out of bounds")
        return position


class Source(Protocol):
    """Bytes of an audit log, as they are written."""

    @property
    def loss(self) -> Loss:
        """What was lost before it could be given, by cause."""

    @property
    def position(self) -> Position:
        """The end of the bytes given so far."""

    @property
    def behind(self) -> int:
        """Bytes that are there to be read and have not been."""

    @property
    def ended(self) -> bool:
        """Nothing will ever come again (a log file never says so)."""

    def read(self, limit: int) -> bytes:
        """The next bytes, at most `limit`; none if nothing is there now."""

    def read_to(self, position: Position, limit: int) -> bytes:
        """As `read`, but never beyond `position`; none once it is reached, or cannot be reached any more."""

    def seek(self, position: Position) -> None:
        """Go on from `position` (what lies between is neither given nor counted)."""

    def skip(self) -> int:
        """Leave out the whole records that are there now, counted as `throttled`; gives their number."""

    def wait(self, seconds: float) -> bool:
        """Wait until there may be something to read, at most so long; false if the time is over."""

    def close(self) -> None:
        """Let go of files, sockets and threads."""
