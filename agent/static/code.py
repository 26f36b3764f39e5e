"""The code of one image: its functions, who calls what, and where text is referred to; found by scanning bytes.

Rules of this file
    - Nothing is decoded here. A byte that looks like a call counts only if it leads exactly to a function's start or to
      an imported symbol, so a few wrong ones are left; `body` decodes and is the truth.
    - What is called is one number whichever way it is called: a function's address, or the GOT slot of an imported
      symbol (the first of its name). A symbol that this image itself exports is its function.
    - A part that a compiler has split off (`.cold`) belongs to its function: nobody calls it or takes its address,
      and it and its function jump into each other's midst.

Complexity: O(code) in a few array operations; mariadbd's 9.4 MB take 0.5 s. `body` is O(function).
Source: Intel SDM volume 2 (encodings); notes/static-analysis ("a path that looks only where log strings can be").
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.static.body import Body, Function, decode
from agent.static.code_bytes import I64, U64
from agent.static.code_parts import Parts
from agent.static.code_scan import Scan, scan_code
from agent.static.elf import FULLER, Image, NeedsAngrError

KEPT: Final = 200_000
"""Instructions of decoded functions that are kept for whoever asks next."""


@dataclass(frozen=True, slots=True)
class Functions(Sequence[Function]):
    """The functions of an image in order of address, made when asked for."""

    starts: U64
    ends: U64
    parts: Parts

    def __len__(self) -> int:
        return len(self.parts.heads)

    def __getitem__(self, index: int) -> Function:  # type: ignore[override]
        if not 0 <= index < len(self.parts.heads):
            raise IndexError(index)
        own = int(self.parts.heads[index])
        pieces = (own, *self.parts.parts.get(own, ()))
        spans = tuple((int(self.starts[piece]), int(self.ends[piece])) for piece in pieces)
        return Function(index, spans[0][0], spans[0][1], spans)

    def __iter__(self) -> Iterator[Function]:
        return (self[index] for index in range(len(self)))


class Code:
    """Functions and call sites of `image`; see `Scan` for the arrays `sites`, `targets` and `owners`."""

    __slots__ = ("_bodies", "_by_target", "_head_of", "_held", "_ordered", "_pointed", "_slot", "counted", "functions",
                 "image", "learned", "names",
                 "owners", "scan", "sites", "stubs", "targets")  # fmt: skip

    def __init__(self, image: Image) -> None:
        if not image.marked or not len(image.starts):
            what = "most of" if len(image.starts) else "all of"
            raise NeedsAngrError(f"nothing marks {what} the functions of this file", file=image.path, hint=FULLER)
        self.image = image
        self.names, self._slot = _normal(image)
        self.scan: Scan = scan_code(image, self._slot)
        if not len(self.scan.starts):
            raise NeedsAngrError("nothing but stubs in this file", file=image.path, hint=FULLER)
        self.stubs = self.scan.stubs
        self.functions = Functions(self.scan.starts, self.scan.ends, self.scan.parts)
        self._head_of = self.scan.parts.head_of
        self.sites, self.targets, self.owners = self.scan.sites, self.scan.targets, self.scan.owners
        self.counted = self.scan.counted
        self._by_target = np.argsort(self.targets, kind="stable")
        self._ordered = self.targets[self._by_target]
        self._pointed = self.scan.pointed
        self._bodies: OrderedDict[int, Body] = OrderedDict()
        self._held = 0
        self.learned: dict[int, int] = {}

    def learn(self, learned: dict[int, int], sites: U64, targets: U64, owners: I64) -> None:
        """Take in what calls through variables reach: as a table, and as rows."""
        self.learned.update(learned)
        self.sites = np.concatenate([self.sites, sites])
        self.targets = np.concatenate([self.targets, targets])
        self.owners = np.concatenate([self.owners, owners])
        self.counted = np.concatenate([self.counted, np.zeros(len(sites), np.bool_)])
        self._by_target = np.argsort(self.targets, kind="stable")
        self._ordered = self.targets[self._by_target]
        self._bodies.clear()
        self._held = 0

    def function_of(self, address: int) -> int:
        """Index of the function that the instruction at `address` belongs to, -1 if none."""
        if not 0 <= address < 1 << 63:
            return -1
        at = int(np.searchsorted(self.scan.starts, np.uint64(address), side="right")) - 1
        return int(self._head_of[at]) if at >= 0 and address < int(self.scan.ends[at]) else -1

    def index_at(self, address: int) -> int:
        """Index of the function that begins at `address`, -1 if none."""
        index = self.function_of(address)
        return index if index >= 0 and self.functions[index].address == address else -1

    def normal(self, target: int) -> int:
        """One number for what is reached at `target`: a stub is its slot, a slot the first of its name."""
        slot = self.stubs.get(target, target)
        return self._slot.get(slot, slot)

    def imported(self, target: int) -> str:
        """Name of the imported symbol that is called at `target` (a stub or a GOT slot), or nothing."""
        normal = self.normal(target)
        return self.image.imports.get(normal, "")

    def name_of(self, target: int) -> str:
        """Name of what is called at `target`, if it has one."""
        return self.imported(target) or self.image.symbols.get(self.normal(target), "")

    def callers(self, target: int) -> I64:
        """Indices of the functions that may call `target`, ascending."""
        return np.unique(self.owners[self.calling(target)])

    def calling(self, target: int) -> I64:
        """Positions in `sites` of the calls of `target`."""
        wanted = np.uint64(self.normal(target))
        low, high = np.searchsorted(self._ordered, wanted), np.searchsorted(self._ordered, wanted, side="right")
        return self._by_target[low:high]

    def address_taken(self, address: int) -> bool:
        """Whether something else than a direct call refers to the function at `address`."""
        at = int(np.searchsorted(self._pointed, np.uint64(address)))
        return at < len(self._pointed) and int(self._pointed[at]) == address

    def body(self, index: int) -> Body:
        """The function decoded, its blocks and calls; a few are kept."""
        known = self._bodies.get(index)
        if known is not None:
            self._bodies.move_to_end(index)
            return known
        made = decode(self, self.functions[index])
        self._bodies[index] = made
        self._held += len(made.instructions)
        while self._held > KEPT and len(self._bodies) > 1:
            _, old = self._bodies.popitem(last=False)
            self._held -= len(old.instructions)
        return made


def _normal(image: Image) -> tuple[dict[str, tuple[int, ...]], dict[int, int]]:
    """Imported names with their one slot, and for each other slot the number that stands for it."""
    first: dict[str, int] = {}
    slots: dict[int, int] = {}
    for slot in sorted(image.imports):
        name = image.imports[slot]
        own = image.exports.get(name)
        slots[slot] = own if own else first.setdefault(name, slot)
    return {name: (slot,) for name, slot in first.items() if slot in slots and slots[slot] == slot}, slots
