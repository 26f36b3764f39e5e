"""The scan of an image's code: calls, jumps between functions, references to data.

Rules of this file
    - Array operations only; what they find in the midst of an instruction is wrong but rare, because it must lead to an
      exact place.

Complexity: O(code), about 10 passes of one byte each, in pieces; rows at most `MAX_ROWS`.
Source: Intel SDM volume 2: E8 call, E9/EB jmp, 0F 80-8F jcc, FF /2 call [rip+n], FF /4 jmp [rip+n], 8D lea, 8B mov.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from agent.static.code_bytes import B1, I64, U64, Piece, is_in, pieces, range_of
from agent.static.code_parts import Parts, join_parts
from agent.static.elf import Image
from grammar.errors import InputError

MAX_ROWS: Final = 4_000_000
"""Calls and jumps of one image; mariadbd has 150,000."""
COUNTED: Final = 24  # bytes looked back
PROLOGUE: Final = 512
ENDBR: Final = b"\xf3\x0f\x1e\xfa"


@dataclass(slots=True)
class Rows:
    """Calls and jumps: where, whereto, whether it calls, whether it leads into a range's midst, how it counts."""

    sites: U64
    targets: U64
    calls: B1
    inner: B1
    counted: B1

    def where(self, kept: B1) -> Rows:
        """Some of them."""
        return Rows(self.sites[kept], self.targets[kept], self.calls[kept], self.inner[kept], self.counted[kept])


@dataclass(slots=True)
class Scan:
    """What was found. `sites[i]` in function `owners[i]` calls, or jumps at its end to, `targets[i]`.

    `starts` and `ends` are ranges without stubs, `parts` says which belong together. `data` are the places that code
    refers to (`lea`, or a plain number where the image is not relocatable), `loads` where an imported address is loaded
    into a register, and its slot. `counted[i]`: site `i` says how many vector registers it uses, as for a variadic
    callee. `variadic` are functions that begin as such, `pointed` those whose address is somewhere.
    """

    starts: U64
    ends: U64
    stubs: dict[int, int]
    parts: Parts
    sites: U64
    targets: U64
    owners: I64
    counted: B1
    pointed: U64
    data: U64
    data_owners: I64
    loads: list[tuple[int, int]]
    variadic: U64


@dataclass(slots=True)
class _Gathered:
    """What the pieces give, one after another."""

    rows: list[Rows] = field(default_factory=list)
    places: list[U64] = field(default_factory=list)
    targets: list[U64] = field(default_factory=list)
    loads: list[tuple[int, int]] = field(default_factory=list)
    variadic: list[U64] = field(default_factory=list)
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a piece is read against: the image, its ranges, stubs and what they stand for; imported slots, all words."""

    image: Image
    normal: Mapping[int, int]
    starts: U64
    ends: U64
    stubs: I64
    stub_slots: I64
    slots: I64
    words: I64


def scan_code(image: Image, normal: Mapping[int, int]) -> Scan:
    """Scan all code of `image`; `normal` tells the number that stands for each slot."""
    stubs: dict[int, int] = {}
    slots = np.array(sorted(image.imports), np.int64)
    for piece in pieces(image):
        _take_stubs(stubs, image, piece, slots)
    starts, ends = _without_stubs(image, stubs)
    places = np.array(sorted(stubs), np.int64)
    reached = np.array([normal.get(stubs[one], stubs[one]) for one in places.tolist()], np.int64)
    words = np.union1d(slots, image.tables.slots.astype(np.int64))
    frame = _Frame(image, normal, starts, ends, places, reached, slots, words)
    found = _Gathered()
    for piece in pieces(image):
        _take_rows(found, frame, piece)
        _take_references(found, frame, piece)
        found.variadic.append(_prologues(frame, piece))
    return _joined(found, frame, stubs)


def _joined(found: _Gathered, frame: _Frame, stubs: dict[int, int]) -> Scan:
    """Put together what all pieces have given."""
    starts, ends = frame.starts, frame.ends
    rows = Rows(*(np.concatenate([getattr(one, name) for one in found.rows]) for name in Rows.__slots__))
    data, places = np.concatenate(found.targets), np.concatenate(found.places)
    pointed = np.unique(np.concatenate([data, frame.image.tables.values, _words(frame.image)]))
    pointed = pointed[is_in(pointed, starts)]
    source, to = range_of(starts, ends, rows.sites), range_of(starts, ends, rows.targets)
    public = _public(frame, pointed, to[rows.calls & ~rows.inner & (to >= 0)])
    jumps = (to >= 0) & (to != source) & ~rows.calls
    parts = join_parts(public, source[jumps], to[jumps], rows.inner[jumps])
    own = np.minimum(np.searchsorted(starts, rows.targets), len(starts) - 1)
    same = (starts[own] == rows.targets) & (parts.head_of[own] == parts.head_of[source])
    kept = ~rows.inner & ~(same & ~rows.calls)
    rows, owners = rows.where(kept), parts.head_of[source[kept]]
    holders = range_of(starts, ends, places)
    variadic = np.unique(np.concatenate(found.variadic))
    return Scan(
        starts, ends, stubs, parts, rows.sites, rows.targets, owners, rows.counted, pointed,
        data[holders >= 0], parts.head_of[holders[holders >= 0]], found.loads, variadic,
    )  # fmt: skip


def _take_stubs(stubs: dict[int, int], image: Image, piece: Piece, slots: I64) -> None:
    """Addresses whose only instruction jumps to what a slot of an imported symbol holds, and that slot."""
    at = piece.places(piece.bytes == 0xFF, 6)
    at = at[piece.bytes[at + 1] == 0x25]
    at = at[is_in(piece.reach(at, 2), slots)]
    for place, slot in zip(at.tolist(), piece.reach(at, 2).tolist(), strict=True):
        begin = piece.low + place
        begin -= image.at(begin - 1, 1) == b"\xf2"
        begin -= 4 * (image.at(begin - 4, 4) == ENDBR)
        if begin % 8 == 0:
            stubs[begin] = slot


def _without_stubs(image: Image, stubs: dict[int, int]) -> tuple[U64, U64]:
    """The image's ranges without those of stubs (their frames cover a whole table of them)."""
    starts = image.starts
    kept = np.ones(len(starts), np.bool_)
    at = np.searchsorted(starts, np.array(sorted(stubs), np.uint64), side="right").astype(np.int64) - 1
    for index in set(at[at >= 0].tolist()):
        begin = int(starts[index])
        kept[index] = begin not in stubs and image.at(begin, 2) != b"\xff\x35"
    return starts[kept], image.ends[kept]


def _take_rows(found: _Gathered, frame: _Frame, piece: Piece) -> None:
    """Calls and jumps of a piece."""
    code = piece.bytes
    for opcode in (0xE8, 0xE9):
        at = piece.places(code == opcode, 5)
        to = piece.reach(at, 1)
        _take_direct(found, frame, piece, at, to, calls=opcode == 0xE8)
        stub = is_in(to, frame.stubs)
        to = frame.stub_slots[np.searchsorted(frame.stubs, to[stub])]
        _take(found, frame, piece, at[stub], to, calls=opcode == 0xE8)
    at = piece.places(code == 0x0F, 6)
    at = at[code[at + 1] & 0xF0 == 0x80]
    _take_direct(found, frame, piece, at, piece.reach(at, 2), calls=False)
    at = piece.places((code == 0xEB) | (code & 0xF0 == 0x70), 2)
    to = code[at + 1].astype(np.int8).astype(np.int64) + at + piece.low + 2
    exact = is_in(to.astype(np.uint64), frame.starts)
    _take(found, frame, piece, at[exact], to[exact])
    at = piece.places(code == 0xFF, 6)
    for second in (0x15, 0x25):
        some = at[code[at + 1] == second]
        some = some[is_in(piece.reach(some, 2), frame.words)]
        words = piece.reach(some, 2).tolist()
        pointer = frame.image.tables.pointer
        to = np.array([frame.normal.get(one) or pointer(one) or 0 for one in words], np.uint64).astype(np.int64)
        _take(found, frame, piece, some[to != 0], to[to != 0], calls=second == 0x15)


def _take_direct(found: _Gathered, frame: _Frame, piece: Piece, at: I64, to: I64, *, calls: bool) -> None:
    """Calls and jumps to functions; jumps into others' midst, too, which tell what belongs together."""
    exact = is_in(to.astype(np.uint64), frame.starts)
    _take(found, frame, piece, at[exact], to[exact], calls=calls)
    if not calls:
        here = range_of(frame.starts, frame.ends, (at + piece.low).astype(np.uint64))
        there = range_of(frame.starts, frame.ends, to.astype(np.uint64))
        apart = ~exact & (there >= 0) & (there != here)
        _take(found, frame, piece, at[apart], to[apart], inner=True)


def _take(
    found: _Gathered, frame: _Frame, piece: Piece, at: I64, to: I64, *, calls: bool = False, inner: bool = False
) -> None:  # fmt: skip
    """Keep rows whose sites are in functions."""
    sites = (at + piece.low).astype(np.uint64)
    inside = range_of(frame.starts, frame.ends, sites) >= 0
    at, to, sites = at[inside], to[inside], sites[inside]
    found.count += len(at)
    if found.count > MAX_ROWS:
        raise InputError("more calls than any program has", file=frame.image.path, hint="not a compiler's work")
    count = len(at)
    counted = _counted(piece, at) if not inner else np.zeros(count, np.bool_)
    found.rows.append(Rows(sites, to.astype(np.uint64), np.full(count, calls), np.full(count, inner), counted))


def _counted(piece: Piece, at: I64) -> B1:
    """Whether a small number is put into al just before, as callers of variadic functions must."""
    found = np.zeros(len(at), np.bool_)
    if len(piece.words) < 2:
        return found
    for back in range(2, COUNTED):
        place = np.maximum(at - back, 0)
        after = np.minimum(place + 1, len(piece.words) - 1)
        found |= (piece.bytes[place] == 0x31) & (piece.bytes[after] == 0xC0)
        if back >= 5:
            found |= (piece.bytes[place] == 0xB8) & (piece.words[after] & ~7 == 0)
    return found


def _take_references(found: _Gathered, frame: _Frame, piece: Piece) -> None:
    """Places that code takes the address of, and loads of imported addresses into registers."""
    code = piece.bytes
    at = piece.places((code[1:] == 0x8D) | (code[1:] == 0x8B), 7) if len(code) > 7 else np.zeros(0, np.int64)
    at = at[(code[at] & 0xFB == 0x48) & (code[at + 2] & 0xC7 == 0x05)]
    to = piece.reach(at, 3)
    lea = code[at + 1] == 0x8D
    _refer(found, at[lea] + piece.low, to[lea])
    loaded = ~lea & is_in(to, frame.slots)
    found.loads += zip((at[loaded] + piece.low).tolist(), to[loaded].tolist(), strict=True)
    if not frame.image.fixed:
        return
    for mask, skip in (((code & 0xF8 == 0xB8) | (code == 0x68), 1), (code == 0xC7, 2)):
        at = piece.places(mask, skip + 4)
        to = piece.words[at + skip].astype(np.int64)
        mapped = np.zeros(len(to), np.bool_)
        for one in frame.image.segments:
            mapped |= (to >= one.address) & (to < one.address + one.size)
        _refer(found, at[mapped] + piece.low, to[mapped])


def _refer(found: _Gathered, places: I64, targets: I64) -> None:
    found.places.append(places.astype(np.uint64))
    found.targets.append(targets.astype(np.uint64))


def _words(image: Image) -> U64:
    """Words of the data of an image that is not relocatable: any may be an address."""
    found = [np.zeros(0, np.uint64)]
    for one in image.segments:
        skip = -one.address % 8
        if image.fixed and not one.executable and one.size >= skip:
            words = np.frombuffer(image.data, "<u8", (one.size - skip) // 8, one.offset + skip)
            found.append(np.unique(words[words < 1 << 48]).astype(np.uint64))
    return np.concatenate(found)


def _public(frame: _Frame, pointed: U64, called: I64) -> B1:
    """Ranges that something else than a jump refers to: functions for sure."""
    public = np.zeros(len(frame.starts), np.bool_)
    public[called] = True
    symbols = frame.image.symbols
    split = sorted(address for address, name in symbols.items() if name.endswith(".cold") or ".cold." in name)
    public |= is_in(frame.starts, pointed) | is_in(frame.starts, np.array(sorted(symbols), np.uint64))
    return public & ~is_in(frame.starts, np.array(split, np.uint64))


def _prologues(frame: _Frame, piece: Piece) -> U64:
    """Functions that begin as variadic ones do: `test al, al; je; movaps [..], xmm0`."""
    code = piece.bytes
    at = piece.places(code == 0x84, 16)
    at = at[(code[at + 1] == 0xC0) & ((code[at + 2] == 0x74) | (code[at + 2] == 0x0F))]
    near = np.where(code[at + 2] == 0x74, at + 4, at + 8)
    at = at[(code[near] == 0x0F) & (code[near + 1] == 0x29)]
    where = (at + piece.low).astype(np.uint64)
    ranges = range_of(frame.starts, frame.ends, where)
    where, ranges = where[ranges >= 0], ranges[ranges >= 0]
    starts: U64 = frame.starts[ranges[where - frame.starts[ranges] < PROLOGUE]]
    return starts
