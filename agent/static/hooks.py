"""Calls through hooks: variables that hold a function's address from the program's start, like an error reporter's.

Rules of this file
    - A hook is a word that may be written, and holds a function's address before anybody has. That is taken for what
      it calls; what it is set to later is not seen. (Tables that nobody writes to are C++'s: too many, too vague.)

Complexity: O(functions that load such a variable's address).
Source: notes/static-analysis ("Indirect calls (hooks, vtables) give this path no edges").
"""

from __future__ import annotations

import numpy as np

from agent.static.code import Code
from agent.static.values import Tracer


def learn_hooks(code: Code, depth: int) -> int:
    """Tell `code` what its calls through hooks reach; how many that are."""
    pointer = code.image.tables.pointer
    owners = {code.function_of(place) for place, slot in code.scan.loads if pointer(slot) is not None}
    owners |= _users(code)
    learned: dict[int, int] = {}
    rows: list[tuple[int, int, int]] = []
    for index in sorted(owners - {-1}):
        body = code.body(index)
        tracer = Tracer(code, body, depth)
        for call in body.calls:
            if call.target:
                continue
            known = [one for one in tracer.callee(call.position).addresses if code.index_at(one) >= 0]
            if known:
                learned[call.address] = known[0]
                rows.append((call.address, known[0], index))
    if learned:
        columns = np.array(rows, np.int64).T
        code.learn(learned, columns[0].astype(np.uint64), columns[1].astype(np.uint64), columns[2])
    return len(learned)


def _users(code: Code) -> set[int]:
    """Functions that take the address of a hook."""
    tables, (low, high) = code.image.tables, code.image.sealed
    holds = np.isin(tables.values, code.scan.starts) & ~((tables.slots >= low) & (tables.slots < high))
    return set(code.scan.data_owners[np.isin(code.scan.data, tables.slots[holds])].tolist())
