"""Waits behind a pointer in a structure: `set->wait(…)`, where the program stores functions that wait at that offset.

Rules of this file
    - Only functions that wait for input themselves are looked for; where their address is stored, `mov [r + n], f`,
      the offset `n` is noted. A call `call [r + n]` may reach them if few calls of the program use that offset
      (`MAX_CALLS`): an offset that many structures share says nothing.
    - The structure's type is not known, so this is a guess, made for event loops: without it a server that chooses
      between poll and epoll has none.

Complexity: one pass over the code's bytes, and the functions that take a waiting function's address.
Source: field-based pointer analysis (Pearce, Kelly, Hankin 2004), by offset alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.static.loops import EVENTS
from agent.static.slots import Walk, areas

if TYPE_CHECKING:
    from agent.static.code import Code

MAX_CALLS: Final = 12
MAX_TAKERS: Final = 200
"""Functions that are decoded to see where they store what waits."""


def field_calls(code: Code) -> dict[int, tuple[int, ...]]:
    """For calls (by address) through fields of structures the waiting functions that they may reach."""
    waiters = _waiters(code)
    if not waiters:
        return {}
    wanted = np.array(sorted(waiters), np.uint64)
    takers = set(code.scan.data_owners[np.isin(code.scan.data, wanted)].tolist()) - {-1}
    stored: dict[int, set[int]] = {}
    for index in sorted(takers)[:MAX_TAKERS]:
        walk = Walk(code, code.body(index))
        walk.run()
        for offset, targets in walk.fields.items():
            stored.setdefault(offset, set()).update(targets & waiters)
    sites: dict[int, list[int]] = {offset: [] for offset, targets in stored.items() if targets}
    for place, offset in _based_calls(code):
        if offset in sites:
            sites[offset].append(place)
    return {
        place: tuple(sorted(stored[offset]))
        for offset, places in sites.items()
        if len(places) <= MAX_CALLS
        for place in places
    }


def _waiters(code: Code) -> set[int]:
    """Functions that wait for somebody, and whose address is taken."""
    indices = {
        int(owner)
        for name in EVENTS
        for target in code.names.get(name, ())
        for owner in code.callers(target)
        if owner >= 0
    }
    addresses = {code.functions[index].address for index in indices}
    return {address for address in addresses if code.address_taken(address)}


def _based_calls(code: Code) -> Iterator[tuple[int, int]]:
    """Places that call through a register and an offset of one or four bytes."""
    for low, data, words in areas(code):
        at = np.flatnonzero((data[:-5] == 0xFF) & (data[1:-4] & 0x38 == 0x10) & (data[1:-4] & 7 != 4))
        mode = data[at + 1] >> 6
        for place in at[mode == 1].tolist():
            yield _begin(low, place, data), int(data[place + 2].astype(np.int8))
        for place in at[mode == 2].tolist():
            yield _begin(low, place, data), int(words[place + 2])


def _begin(low: int, place: int, data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    """Where the instruction begins: before its prefix, if its register needs one."""
    return low + place - (place > 0 and int(data[place - 1]) in (0x41, 0x3E))
