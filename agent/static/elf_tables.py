"""Tables of an ELF file: symbols, relocations, and what they say of words in memory.

Rules of this file
    - A table is where the dynamic segment or a section says, cut at the end of the file; rows that point nowhere are
      left out one by one.
    - Big tables stay arrays; a Python object is made only for what has a name that somebody asks for.

Complexity: O(rows); mariadbd's 190,000 relocations take 20 ms.
Source: ELF gABI; x86-64 psABI, table 4.9 (relocation types); the RELR proposal (gABI, 2017).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np

U64 = np.ndarray[tuple[int], np.dtype[np.uint64]]
ROWS = np.ndarray[tuple[int], np.dtype[np.void]]
SYMBOL: Final = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
RELA: Final = np.dtype([("offset", "<u8"), ("info", "<u8"), ("addend", "<i8")])
MAX_NAME: Final = 4_096
HIGH: Final = 1 << 62
"""Above all addresses that a program may have: rows that say so are left out, and no sum overflows."""
MAX_RELR: Final = 1 << 20  # words; each stands for up to 63 slots
R_64, R_GLOB_DAT, R_JUMP_SLOT, R_RELATIVE, R_IRELATIVE = 1, 6, 7, 8, 37
STT_FUNC, STT_IFUNC = 2, 10
T_PLTRELSZ, T_STRTAB, T_SYMTAB, T_RELA, T_RELASZ, T_STRSZ, T_JMPREL, T_RELRSZ, T_RELR = 2, 5, 6, 7, 8, 10, 23, 35, 36


@dataclass(slots=True)
class Tables:
    """What the dynamic table says: names of imported slots, exported functions, initial values of relocated words."""

    imports: dict[int, str] = field(default_factory=dict)
    exports: dict[str, int] = field(default_factory=dict)
    named: dict[int, str] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    slots: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    values: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    indirect: dict[int, int] = field(default_factory=dict)

    def pointer(self, slot: int) -> int | None:
        """The address in the relocated word at `slot`."""
        if not 0 <= slot < 1 << 63:
            return None
        at = int(np.searchsorted(self.slots, np.uint64(slot)))
        return int(self.values[at]) if at < len(self.slots) and int(self.slots[at]) == slot else None

    def name_resolvers(self, resolvers: dict[int, str]) -> None:
        """Name the slots that a resolver of the program itself fills in (static programs)."""
        for slot, resolver in self.indirect.items():
            if resolver in resolvers:
                self.imports.setdefault(slot, resolvers[resolver])


@dataclass(slots=True)
class Static:
    """Functions of the static symbol table: names and ranges, and names of indirect functions by resolver."""

    names: dict[int, str] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    resolvers: dict[int, str] = field(default_factory=dict)


def read_tables(
    data: bytes, loads: Sequence[tuple[int, int, int]], dynamic: Sequence[int], symbols: tuple[int, int]
) -> Tables:
    """Read what the dynamic segment at `dynamic` (offset, size) leads to; `symbols` is its symbol section if known."""
    found = Tables()
    tags = _tags(data, dynamic)
    if not tags:
        return found
    strings = _place(loads, tags.get(T_STRTAB, 0)), tags.get(T_STRSZ, 0)
    rows = _symbols(data, loads, tags, symbols)
    _take_exports(found, data, rows, strings)
    rela = np.concatenate(
        [
            _rows(data, _place(loads, tags.get(T_RELA, 0)), tags.get(T_RELASZ, 0), RELA),
            _rows(data, _place(loads, tags.get(T_JMPREL, 0)), tags.get(T_PLTRELSZ, 0), RELA),
        ]
    )
    packed = _relr(data, loads, tags)
    _take_relocations(found, rela, rows, packed, cache(lambda number: _name(data, strings, int(rows["name"][number]))))
    return found


def symbol_table(data: bytes, place: tuple[int, int], strings: tuple[int, int]) -> Static:
    """Functions of the static symbol table, which a stripped file has none of."""
    found = Static()
    rows = _rows(data, place[0], place[1], SYMBOL)
    kinds = rows["info"] & 15
    for row in rows[
        ((kinds == STT_FUNC) | (kinds == STT_IFUNC)) & (rows["section"] != 0) & (rows["value"] < HIGH)
    ].tolist():
        name = _name(data, strings, row[0])
        if row[1] & 15 == STT_IFUNC:
            found.resolvers.setdefault(row[4], name)
        else:
            _keep(found.names, row[4], name)
        found.ranges.append((row[4], row[4] + row[5]))
    return found


def _keep(names: dict[int, str], address: int, name: str) -> None:
    """Of several names of one function the one with fewest leading underscores, so that libc's aliases are known."""
    old = names.get(address)
    if name and (old is None or _rank(name) < _rank(old)):
        names[address] = name


def _rank(name: str) -> tuple[int, int, str]:
    return len(name) - len(name.lstrip("_")), len(name), name


def _tags(data: bytes, dynamic: Sequence[int]) -> dict[int, int]:
    offset, size = dynamic[0], dynamic[1]
    tags: dict[int, int] = {}
    for tag, value in struct.iter_unpack("<QQ", data[offset : offset + min(size, 65_536) // 16 * 16]):
        if tag == 0:
            break
        tags.setdefault(tag, value)
    return tags


def _place(loads: Sequence[tuple[int, int, int]], address: int) -> int:
    """Where in the file the byte at `address` is; -1 if nowhere."""
    return next((off + address - low for low, off, size in loads if address and low <= address < low + size), -1)


def _rows(data: bytes, offset: int, size: int, kind: np.dtype[np.void]) -> ROWS:
    if offset < 0 or offset >= len(data):
        return np.zeros(0, kind)
    rows = np.frombuffer(data, kind, min(size, len(data) - offset) // kind.itemsize, offset)
    return rows[rows["offset"] < HIGH] if kind == RELA else rows


def _symbols(
    data: bytes, loads: Sequence[tuple[int, int, int]], tags: dict[int, int], section: tuple[int, int]
) -> ROWS:
    """Dynamic symbols; without a section, linkers put the strings behind them, which tells their number."""
    begin = _place(loads, tags.get(T_SYMTAB, 0))
    if section[0] == begin and section[1]:
        return _rows(data, begin, section[1], SYMBOL)
    return _rows(data, begin, max(0, tags.get(T_STRTAB, 0) - tags.get(T_SYMTAB, 0)), SYMBOL)


def _name(data: bytes, strings: tuple[int, int], at: int) -> str:
    if strings[0] < 0 or at >= strings[1] or strings[0] + at >= len(data):
        return ""
    begin = strings[0] + at
    end = data.find(0, begin, min(begin + MAX_NAME, strings[0] + strings[1]))
    return data[begin:end].decode("utf-8", "backslashreplace") if end >= 0 else ""


def _take_exports(found: Tables, data: bytes, rows: ROWS, strings: tuple[int, int]) -> None:
    kinds = rows["info"] & 15
    for row in rows[
        ((kinds == STT_FUNC) | (kinds == STT_IFUNC)) & (rows["section"] != 0) & (rows["value"] < HIGH)
    ].tolist():
        name = _name(data, strings, row[0])
        if name:
            found.exports.setdefault(name, row[4])
            _keep(found.named, row[4], name)
            found.ranges.append((row[4], row[4] + row[5]))


def _take_relocations(found: Tables, rela: ROWS, symbols: ROWS, packed: U64, name: Callable[[int], str]) -> None:
    """Fill in imports, words that hold addresses and slots with resolvers; `name` names a symbol by its number."""
    kinds = rela["info"] & 0xFFFFFFFF
    plain = rela[kinds == R_RELATIVE]
    slots, values = [plain["offset"], packed[0::2]], [plain["addend"].astype(np.uint64), packed[1::2]]
    more: list[tuple[int, int]] = []
    for offset, info, addend in rela[np.isin(kinds, (R_64, R_GLOB_DAT, R_JUMP_SLOT))].tolist():
        number = info >> 32
        if number >= len(symbols):
            continue
        if symbols["section"][number] and symbols["value"][number]:
            more.append((offset, (int(symbols["value"][number]) + addend) & (1 << 64) - 1))
        if not addend and (known := name(number)):
            found.imports[offset] = known
    found.indirect = {offset: addend for offset, _, addend in rela[kinds == R_IRELATIVE].tolist()}
    slots.append(np.array([slot for slot, _ in more], np.uint64))
    values.append(np.array([value for _, value in more], np.uint64))
    joined, held = np.concatenate(slots).astype(np.uint64), np.concatenate(values).astype(np.uint64)
    sound = (joined < HIGH) & (held < HIGH)
    joined, held = joined[sound], held[sound]
    order = np.argsort(joined, kind="stable")
    found.slots, found.values = joined[order], held[order]


def _relr(data: bytes, loads: Sequence[tuple[int, int, int]], tags: dict[int, int]) -> U64:
    """Packed relative relocations: slot, value, slot, value, ..."""
    begin = _place(loads, tags.get(T_RELR, 0))
    words = _rows(data, begin, min(tags.get(T_RELRSZ, 0), 8 * MAX_RELR), np.dtype([("word", "<u8")]))["word"].tolist()
    slots: list[int] = []
    base = 0
    for word in words:
        if not word & 1:
            slots.append(word)
            base = word + 8
            continue
        bits = word >> 1
        while bits:
            low = bits & -bits
            slots.append(base + 8 * (low.bit_length() - 1))
            bits ^= low
        base += 63 * 8
    pairs: list[int] = []
    for slot in slots:
        at = _place(loads, slot)
        if 0 <= at <= len(data) - 8:
            pairs += (slot, int.from_bytes(data[at : at + 8], "little"))
    return np.array(pairs, np.uint64)
