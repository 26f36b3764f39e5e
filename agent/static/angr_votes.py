"""Functions that angr sees called as variadic ones with texts like formats: loggers that nobody has named.

Rules of this file
    - Asked of functions of other files (a module's `ap_log_error_`) and of those whose body forwards nothing (nginx
      formats itself), after all that is known by name has been followed.
    - The votes are counted as the fast engine does (`variadic.format_argument`). Where the machine marks a variadic
      call (x86-64: `al` counts vector registers), most calls must be marked.

Complexity: O(SAMPLE * MAX_NAMED) arguments for a function.
Source: System V psABI; `agent.static.variadic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.static.angr_values import Tracer
from agent.static.seeds import OTHER_FORMATS, Logger
from agent.static.variadic import format_argument

SAMPLE: Final = 48
MAX_NAMED: Final = 9
FEWEST: Final = 2
"""Calls without which there is nothing to vote on; on x86-64 one is enough."""
COUNTED: Final = 0.8

Place = tuple[int, int]
"""Function and block of a call."""


def elect(
    callers: Mapping[int, Sequence[Place]],
    names: Callable[[int], str],
    tracer: Callable[[int], Tracer],
    text: Callable[[int, int], bytes],
) -> dict[int, Logger]:
    """Those of the called functions that are loggers by the votes of their callers."""
    found: dict[int, Logger] = {}
    for target, places in callers.items():
        name = names(target)
        if name in OTHER_FORMATS or name.startswith("__libc_start"):
            continue
        few = places[:: max(1, len(places) // SAMPLE)][:SAMPLE]
        marks = [tracer(function).counted(block) for function, block in few]
        marked = [mark for mark in marks if mark is not None]
        if (marked and sum(marked) < COUNTED * len(marked)) or len(few) < (1 if marked else FEWEST):
            continue
        argument = format_argument(_texts(few, tracer, text), len(few))
        if argument >= 0:
            found[target] = Logger(argument, shown=name)
    return found


def _texts(
    places: Sequence[Place], tracer: Callable[[int], Tracer], text: Callable[[int, int], bytes]
) -> list[list[bytes]]:
    """What the calls pass, argument by argument."""
    found: list[list[bytes]] = [[] for _ in range(MAX_NAMED)]
    for function, block in places:
        for number in range(MAX_NAMED):
            values = tracer(function).argument(block, number)
            found[number] += [one for at in values.constants[:4] if (one := text(at, 0))][:1]
    return found
