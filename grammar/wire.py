"""Small things on the wire: numbers, texts, bounded decompression.

Rules of this file
    - The first byte of a message is its version and form: stored, compressed, compressed with the shared dictionary. A
      writer takes the shortest form, of equals the first; a reader takes any.
    - A reader never trusts a number: every count is checked against the bytes that are left and paid for from one purse
      (`Reader.items`), in units of about 0.2 µs of decoding; every text is checked against `MAX_TEXT`, every
      decompression against what the purse allows. What does not fit is a `CodecError`, before anything is allocated.
    - A writer refuses the text that a reader would refuse.

Invariant: with a purse of `MAX_ITEMS` reading takes under 50 ms and 64 MB, whatever the bytes.
Complexity: O(bytes).
Source: LEB128; front coding (Witten, Moffat, Bell: Managing Gigabytes); RFC 8878 (zstd frames, raw dictionaries).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise
from operator import add
from typing import Final

import zstandard

from grammar.dictionary import DICTIONARY
from grammar.errors import CodecError

VERSION: Final = 2
"""Of messages and of the dictionary; version 1 began with 0 or 1."""
STORED, PACKED, SHARED = (VERSION << 2 | form for form in range(3))
MAX_ITEMS: Final = 1 << 17
"""The purse of one message that nobody vouches for."""
PLAIN_PER_ITEM: Final = 16
LETTERS_PER_ITEM: Final = 8
MAX_TEXT: Final = 16_384
MAX_NUMBER: Final = (1 << 63) - 1
LEVEL: Final = 19
LARGE: Final = 1 << 18
"""Plain bytes from which on a message has words enough of its own: the dictionary only costs time."""
TEXT: Final = 4
LONG: Final = 4
"""What a text and a number of more than three bytes cost, in units of the purse."""
_MAGIC: Final = b"\x28\xb5\x2f\xfd"


SHORT: Final = 1 << 14
"""The first number that takes more than two bytes."""
FEW: Final = 4_096
"""Numbers for which a table of them is not worth making."""


@cache
def _short() -> tuple[bytes, ...]:
    """The numbers of one or two bytes, as they are written."""
    return tuple([bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80, n >> 7]) for n in range(SHORT)])


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(DICTIONARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def compress(plain: bytes, cuts: Sequence[int] = ()) -> bytes:
    """The shortest form of a message; zstd frames without their magic number, always with their size.

    At `cuts` letters end and numbers begin, or the other way round: a block for each has tables of its own.
    """
    forms = [(STORED, plain), (PACKED, _frame(plain, (), None))]
    if len(plain) <= LARGE:
        forms += [(SHARED, _frame(plain, (), _dictionary())), (SHARED, _frame(plain, cuts, _dictionary()))]
    form, data = min(forms, key=lambda one: (len(one[1]), one[0]))
    return bytes([form]) + data


def _frame(plain: bytes, cuts: Sequence[int], dictionary: zstandard.ZstdCompressionDict | None) -> bytes:
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False, dict_data=dictionary)
    if not cuts:
        return packer.compress(plain)[len(_MAGIC) :]
    unit = packer.compressobj(size=len(plain))
    data = b""
    for start, end in pairwise((0, *cuts, len(plain))):
        data += unit.compress(plain[start:end]) + unit.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return (data + unit.flush())[len(_MAGIC) :]


def decompress(data: bytes, what: str = "message", most: int = MAX_ITEMS) -> bytes:
    """Undo `compress`: one whole frame, nothing after it; more than a purse of `most` allows is an error."""
    if not data:
        raise CodecError(f"{what} without a byte")
    version = data[0] >> 2
    if version > VERSION:
        hint = f"this reads version {VERSION}: upgrade winnower"
        raise CodecError(f"{what} of a newer version", column=1, offending=str(version), hint=hint)
    if version < VERSION:
        hint = f"this reads version {VERSION} only: make it again"
        raise CodecError(f"{what} of an older version", column=1, offending=str(version), hint=hint)
    limit = most * PLAIN_PER_ITEM
    if data[0] == STORED:
        _check_size(len(data) - 1, limit)
        return data[1:]
    if data[0] > SHARED:
        raise CodecError("unknown compression", column=1, offending=data[:8].hex())
    frame = _MAGIC + data[1:]
    try:
        known = zstandard.get_frame_parameters(frame)
        if known.has_checksum or known.dict_id or not known.content_size:
            raise CodecError("not a frame of ours", column=2, offending=data[:16].hex())
        _check_size(known.content_size, limit)
        unit = zstandard.ZstdDecompressor(dict_data=_dictionary() if data[0] == SHARED else None)
        return unit.decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CodecError(f"damaged compressed data: {error}", column=2, offending=data[:16].hex()) from None


def _check_size(size: int, limit: int) -> None:
    """A frame that does not say its size says 2^64 - 1 bytes."""
    if size > limit:
        raise CodecError("more data than a decoder will hold", hint=f"limit {limit} bytes")


@dataclass(slots=True)
class Writer:
    """Appends to `data`; `cuts` are where the kind of content changes."""

    data: bytearray = field(default_factory=bytearray)
    cuts: list[int] = field(default_factory=list)

    def cut(self) -> None:
        """Here the content changes from letters to numbers or back."""
        self.cuts.append(len(self.data))

    def message(self) -> bytes:
        """Everything so far, compressed."""
        return compress(bytes(self.data), self.cuts)

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
        """Texts with their count."""
        self.number(len(values))
        self.uncounted(values)

    def uncounted(self, values: Sequence[str]) -> None:
        """Texts front-coded: the lengths shared with the one before, then the rests, with a zero byte between."""
        if not values:
            return
        encoded = [_encoded(value) for value in values]
        shared = [_shared(a, b) for a, b in zip([b"", *encoded], encoded, strict=False)]
        rests = b"\0".join(_escaped(one[size:]) for one, size in zip(encoded, shared, strict=True))
        self.column(shared)
        self.number(len(rests))
        self.data += rests

    def ascending(self, values: Sequence[int]) -> None:
        """Strictly ascending numbers with their count: the first, then how many are left out before each."""
        self.number(len(values))
        before = -1
        for value in values:
            self.number(value - before - 1)
            before = value

    def column(self, values: Sequence[int]) -> None:
        """Numbers without their count (the reader knows it)."""
        if max(values, default=0) < 0x80:
            self.data += bytes(values)
            return
        if max(values) < SHORT and len(values) > FEW:
            short = _short()
            self.data += b"".join([short[value] for value in values])
            return
        for value in values:
            self.number(value)


@dataclass(slots=True)
class Reader:
    """Reads from `data`; every method may raise `CodecError`. `items`: the purse; `letters`: bytes of texts to come."""

    data: bytes
    at: int = 0
    items: int = MAX_ITEMS
    letters: int = field(init=False)

    def __post_init__(self) -> None:
        self.letters = self.items * LETTERS_PER_ITEM

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

    def count(self, price: int = 1) -> int:
        """A number of things that each take at least one of the bytes left, and `price` of the purse."""
        value = self.number()
        if value > len(self.data) - self.at:
            raise CodecError("more items than bytes", column=self.at + 1, offending=str(value))
        self.hold(value * price)
        return value

    def hold(self, units: int) -> None:
        """Pay from the purse."""
        self.items -= units
        if self.items < 0:
            raise CodecError("more items than a decoder will hold", column=self.at + 1, offending=str(units))

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
        """Texts with their count."""
        return self.uncounted(self.count())

    def uncounted(self, count: int) -> list[str]:
        """`count` texts front-coded, each with as much shared as there is."""
        if not count:
            return []
        self.hold(count * TEXT)
        sizes = self.column(count, MAX_TEXT + 1)
        joined = self.raw(self.number())
        if joined.count(0) != count - 1:
            raise CodecError("not as many texts as there should be", column=self.at + 1)
        found: list[str] = []
        before = b""
        for shared, rest in zip(sizes, joined.split(b"\0"), strict=True):
            if shared > len(before):
                raise CodecError("front coding refers beyond the text before", column=self.at + 1)
            if 1 in rest:
                rest = self._unescaped(rest)  # noqa: PLW2901 - the same rest, as it was
            if rest[:1] and rest[:1] == before[shared : shared + 1]:
                raise CodecError("front coding shares less than it could", column=self.at + 1)
            before = before[:shared] + rest
            found.append(self._decoded(before))
        return found

    def ascending(self, size: int) -> list[int]:
        """Strictly ascending numbers below `size`."""
        count = self.count()
        found = list(map(add, accumulate(self.column(count, size)), range(count)))
        if found and found[-1] >= size:
            raise CodecError("index out of range", column=self.at + 1, offending=f"{found[-1]} of {size}")
        return found

    def column(self, count: int, size: int) -> list[int]:
        """`count` numbers, each below `size`."""
        values = self._column(count)
        if values and max(values) >= size:
            raise CodecError("index out of range", column=self.at + 1, offending=f"{max(values)} of {size}")
        return values

    def _column(self, count: int) -> list[int]:
        """As calls of `number` would read them; at once where all are of one byte."""
        ahead = self.data[self.at : self.at + count]
        if len(ahead) < count:
            raise CodecError("more items than bytes", column=self.at + 1, offending=str(count))
        if ahead.isascii():
            self.at += count
            return list(ahead)
        values: list[int] = []
        data, at = self.data, self.at
        for _ in range(count):
            if at < len(data) and data[at] < 0x80:
                values.append(data[at])
                at += 1
            elif at + 1 < len(data) and 0 < data[at + 1] < 0x80:
                values.append(data[at] & 0x7F | data[at + 1] << 7)
                at += 2
            elif at + 2 < len(data) and data[at + 1] >= 0x80 and 0 < data[at + 2] < 0x80:
                values.append(data[at] & 0x7F | (data[at + 1] & 0x7F) << 7 | data[at + 2] << 14)
                at += 3
            else:
                self.hold(LONG)
                self.at = at
                values.append(self.number())
                at = self.at
        self.at = at
        return values

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.data):
            raise CodecError("bytes left over", column=self.at + 1, offending=self.data[self.at : self.at + 16].hex())

    def _decoded(self, value: bytes) -> str:
        self.letters -= len(value)
        if len(value) > MAX_TEXT or self.letters < 0:
            raise CodecError("text longer than a decoder will hold", column=self.at + 1)
        return value.decode("utf-8", "surrogateescape")

    def _unescaped(self, value: bytes) -> bytes:
        found = value.replace(b"\1\2", b"\0").replace(b"\1\3", b"\1")
        if _escaped(found) != value:
            raise CodecError("an escape that stands for nothing", column=self.at + 1)
        return found


def _escaped(value: bytes) -> bytes:
    """Free of zero bytes."""
    return value.replace(b"\1", b"\1\3").replace(b"\0", b"\1\2") if b"\0" in value or b"\1" in value else value


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
