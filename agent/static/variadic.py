"""Variadic functions: how many parameters have names, and which of them is the format.

Rules of this file
    - The prologue of a variadic function saves the registers of its unnamed arguments, side by side up to r9: the
      first that it saves tells how many are named.
    - The format is voted for over the call sites. A function whose callers seldom pass a text with a conversion is no
      formatter (it takes error numbers, lists of strings, or letters).

Complexity: O(instructions of the prologue); O(sampled sites) for a vote.
Source: System V psABI (register save area); notes/static-analysis ("what cured the drift").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from iced_x86 import Mnemonic, OpKind, Register

from agent.static.value_slots import signed
from agent.static.value_tables import ARGUMENTS

if TYPE_CHECKING:
    from agent.static.body import Body

PROLOGUE: Final = 48
SHARE: Final = 0.2
"""Of the sites whose text is known, at least so many pass one with a conversion."""
KNOWN: Final = 0.3
"""Of all sites, at least so many pass a text that is known."""
PROSE: Final = 0.75
"""At the place of a format by custom (the last named parameter) it is enough that so many texts have a space."""
CONVERSION: Final = re.compile(rb"%[-+ #0']{0,5}(?:\*|[0-9]{1,4})?(?:\.(?:\*|[0-9]{0,4}))?[A-Za-z]{0,3}[A-Za-z]")


def named_parameters(body: Body) -> int:
    """How many parameters of a variadic function have names; 6 stands for 5 or more."""
    stores: dict[int, set[tuple[int, int]]] = {}
    for one in body.instructions[:PROLOGUE]:
        stores_register = one.mnemonic == Mnemonic.MOV and one.op0_kind == OpKind.MEMORY
        if stores_register and one.op1_register in ARGUMENTS and one.memory_base in (Register.RSP, Register.RBP):
            number = ARGUMENTS.index(one.op1_register)
            stores.setdefault(number, set()).add((one.memory_base, signed(one.memory_displacement)))
    best = 6
    for base, last in stores.get(5, ()):
        number = 5
        while number > 0 and (base, last - 8 * (6 - number)) in stores.get(number - 1, ()):
            number -= 1
        best = min(best, number)
    return best if best < 5 else 6  # r9 alone may as well be the sixth named one, kept on the stack


def format_argument(texts: Sequence[Sequence[bytes]], sites: int, last: int = -1) -> int:
    """Which argument is the format, -1 if none; `texts[n]` are the texts that sites pass as argument `n`.

    The `last` named one, where a format stands by custom, needs no conversions if its texts are prose.
    """
    best, most = -1, 0.0
    for number, few in enumerate(texts):
        if len(few) < KNOWN * sites or not few:
            continue
        share = sum(1 for text in few if CONVERSION.search(text)) / len(few)
        prose = sum(1 for text in few if b" " in text) / len(few)
        if (share >= SHARE or (number == last and prose >= PROSE)) and (share + prose / 8) * len(few) >= most:
            best, most = number, (share + prose / 8) * len(few)
    return best
