"""Small things on the wire: varints, texts, bounded decompression.

Rules of this file
    - A reader never trusts a number: every count is checked against the bytes that are left and against what a whole
      message may hold (`MAX_ITEMS`, `MAX_LETTERS`), every text against `MAX_TEXT`, every decompression against
      `MAX_PLAIN`. What does not fit is a `CodecError`, before anything is allocated for it.
    - A writer refuses the text that a reader would refuse.

Invariant: reading takes at most 64 MB of memory and time linear in `MAX_PLAIN`, whatever the bytes.
Complexity: O(bytes).
Source: LEB128; front coding (Witten, Moffat, Bell: Managing Gigabytes); RFC 8878 (zstd frames).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import zstandard

from grammar.errors import CodecError

MAX_PLAIN: Final = 8 << 20
MAX_WINDOW: Final = 8 << 20
SIP: Final = 128
MAX_TEXT: Final = 16_384
MAX_LETTERS: Final = 4 << 20
"""Bytes of all texts of one message, before front coding."""
MAX_ITEMS: Final = 1 << 17
"""Texts, states, entries of contexts, transitions, sightings of one message."""
MAX_NUMBER: Final = (1 << 63) - 1
LEVEL: Final = 19


def compress(plain: bytes) -> bytes:
    """Compress with zstd, or store as it is where that is shorter; one byte says which."""
    packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False, write_content_size=False).compress(plain)
    return b"\x01" + packed if len(packed) < len(plain) else b"\x00" + plain


def decompress(data: bytes) -> bytes:
    """Undo `compress`: one whole frame, nothing after it; more than `MAX_PLAIN` is an error, not an allocation."""
    if data[:1] == b"\x00":
        if len(data) > MAX_PLAIN + 1:
            raise _too_large()
        return data[1:]
    if data[:1] != b"\x01":
        raise CodecError("unknown compression", offending=data[:8].hex())
    try:
        return b"".join(_frame(data))
    except zstandard.ZstdError as error:
        raise CodecError(f"damaged compressed data: {error}", offending=data[:16].hex()) from None


def _frame(data: bytes) -> Iterator[bytes]:
    """The content of one frame, read in sips: a block of four bytes may stand for 128 kB, a sip for 4 MB."""
    unit = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    size = end = 0
    for at in range(1, len(data), SIP):
        end = at + SIP
        plain = unit.decompress(data[at : at + SIP])
        size += len(plain)
        if size > MAX_PLAIN:
            raise _too_large()
        yield plain
        if unit.eof:
            break
    if not unit.eof or unit.unused_data or end < len(data):
        raise CodecError("not one whole frame", offending=data[-16:].hex())


def _too_large() -> CodecError:
    return CodecError("more data than a decoder will hold", hint=f"limit {MAX_PLAIN} bytes")


@dataclass(slots=True)
class Writer:
    """Appends to `data`."""

    data: bytearray = field(default_factory=bytearray)

    def number(self, value: int) -> None:
        """A number of at least 0 as LEB128."""
        while value > 0x7F:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)

    def text(self, value: str) -> None:
        """A text with its length."""
        encoded = _encoded(value)
        self.number(len(encoded))
        self.data += encoded

    def texts(self, values: Sequence[str]) -> None:
        """Texts front-coded: the length shared with the one before, then the rest."""
        self.number(len(values))
        before = b""
        for value in values:
            encoded = _encoded(value)
            shared = _shared(before, encoded)
            self.number(shared)
            self.number(len(encoded) - shared)
            self.data += encoded[shared:]
            before = encoded

    def ascending(self, values: Sequence[int]) -> None:
        """Ascending numbers as differences."""
        self.number(len(values))
        before = 0
        for value in values:
            self.number(value - before)
            before = value

    def column(self, values: Sequence[int]) -> None:
        """Numbers without their count (the reader knows it)."""
        for value in values:
            self.number(value)


@dataclass(slots=True)
class Reader:
    """Reads from `data`; every method may raise `CodecError`. `items`, `letters`: what the message may still hold."""

    data: bytes
    at: int = 0
    items: int = MAX_ITEMS
    letters: int = MAX_LETTERS

    def number(self) -> int:
        """One LEB128 number below 2^63, in its shortest form."""
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 56:
                raise CodecError("number cut short or too large", column=self.at + 1)
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if shift and not byte:
                    raise CodecError("number longer than it needs to be", column=self.at)
                return value
            shift += 7

    def count(self) -> int:
        """A number of things that each take at least one of the bytes left."""
        value = self.number()
        if value > len(self.data) - self.at:
            raise CodecError("more items than bytes", column=self.at + 1, offending=str(value))
        self.hold(value)
        return value

    def hold(self, items: int) -> None:
        """Count `items` against what one message may hold."""
        self.items -= items
        if self.items < 0:
            raise CodecError("more items than a decoder will hold", column=self.at + 1, offending=str(items))

    def index(self, size: int) -> int:
        """A number below `size`."""
        value = self.number()
        if value >= size:
            raise CodecError("index out of range", column=self.at + 1, offending=f"{value} of {size}")
        return value

    def raw(self, size: int) -> bytes:
        """`size` bytes."""
        if size > len(self.data) - self.at:
            raise CodecError("text cut short", column=self.at + 1)
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self) -> str:
        """One text."""
        return self._decoded(self.raw(self.number()))

    def texts(self) -> list[str]:
        """Texts front-coded, each with as much shared as there is."""
        found: list[str] = []
        before = b""
        for _ in range(self.count()):
            shared = self.number()
            if shared > len(before):
                raise CodecError("front coding refers beyond the text before", column=self.at + 1)
            rest = self.raw(self.number())
            if rest[:1] and rest[:1] == before[shared : shared + 1]:
                raise CodecError("front coding shares less than it could", column=self.at + 1)
            before = before[:shared] + rest
            found.append(self._decoded(before))
        return found

    def ascending(self, size: int) -> list[int]:
        """Strictly ascending numbers below `size`."""
        found: list[int] = []
        value = 0
        for position in range(self.count()):
            step = self.number()
            value += step
            if value >= size or (position and not step):
                raise CodecError("index out of order or range", column=self.at + 1, offending=f"{value} of {size}")
            found.append(value)
        return found

    def column(self, count: int, size: int) -> list[int]:
        """`count` numbers, each below `size`."""
        return [self.index(size) for _ in range(count)]

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.data):
            raise CodecError("bytes left over", column=self.at + 1, offending=self.data[self.at : self.at + 16].hex())

    def _decoded(self, value: bytes) -> str:
        self.letters -= len(value)
        if len(value) > MAX_TEXT or self.letters < 0:
            raise CodecError("text longer than a decoder will hold", column=self.at + 1)
        return value.decode("utf-8", "surrogateescape")


def _encoded(value: str) -> bytes:
    try:
        encoded = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise CodecError("text that no bytes stand for", offending=value) from None
    if len(encoded) > MAX_TEXT:
        raise CodecError("text longer than a decoder will hold", offending=value, hint=f"limit {MAX_TEXT} bytes")
    return encoded


def _shared(a: bytes, b: bytes) -> int:
    """The length of the common prefix."""
    if b.startswith(a):
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
