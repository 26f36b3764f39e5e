"""Calls through variables: which functions the program itself puts where it later calls through.

Rules of this file
    - A slot is a word of memory that code calls through and that holds nothing when the program begins: `call [slot]`,
      or `lea r, [variable]; call [r + n]`. What is stored there is looked for in the functions that store there: a
      function's address, or a copy of a table of them (`actions = module.actions`, two words at a time).
    - What the program gets from elsewhere before it stores it is not seen. Several functions are alternatives.

Complexity: one pass over the code's bytes, then O(instructions of the functions that refer to variables), each decoded
    once and at most `MAX_WALKED` of them.
Source: notes/static-analysis ("Indirect calls give this path no edges"); Intel SDM volume 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
from iced_x86 import FlowControl, Instruction, Mnemonic, OpKind, Register

from agent.static.value_tables import FULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.static.body import Body
    from agent.static.code import Code

Pair = tuple[int, int]

MAX_WALKED: Final = 5_000
MAX_TARGETS: Final = 8
NEAR: Final = 40
"""Bytes between a variable's address being loaded and the call through it."""
STORES: Final = (0x89, 0x11, 0x29, 0x7F)
"""Opcodes of stores: mov, movups, movaps, movdqa and movdqu."""
WHOLE: Final = frozenset({Mnemonic.MOVUPS, Mnemonic.MOVAPS, Mnemonic.MOVDQA, Mnemonic.MOVDQU})
MOVES: Final = frozenset({Mnemonic.MOV, Mnemonic.MOVQ})
READING: Final = frozenset({Mnemonic.CMP, Mnemonic.TEST, Mnemonic.PUSH, Mnemonic.NOP, Mnemonic.JMP})
CALLS: Final = frozenset({FlowControl.INDIRECT_CALL, FlowControl.INDIRECT_BRANCH})
UNKNOWN: Final = (0, 0)


def slot_calls(code: Code) -> dict[int, tuple[int, ...]]:
    """For calls (by address) through slots the functions that they may reach."""
    calls: dict[int, int] = {}
    bases: set[int] = set()
    for index in sorted(_calling(code))[:MAX_WALKED]:
        walk = Walk(code, code.body(index))
        walk.run()
        calls |= walk.calls
        bases |= walk.bases
    stored: dict[int, set[int]] = {}
    places = {*calls.values(), *bases}
    wanted = np.array(sorted(one for one in places if 0 <= one < 1 << 63), np.int64)
    for index in sorted(_storing(code, wanted))[:MAX_WALKED] if calls else ():
        walk = Walk(code, code.body(index))
        walk.run()
        for slot, targets in walk.stored.items():
            stored.setdefault(slot, set()).update(targets)
    return {
        site: tuple(sorted(stored[slot]))
        for site, slot in calls.items()
        if slot in stored and len(stored[slot]) <= MAX_TARGETS
    }


def _calling(code: Code) -> set[int]:
    """The functions that call through an empty slot, or through a register a variable's address has been put into."""
    found: set[int] = set()
    for low, data, words in areas(code):
        at = np.flatnonzero(data[:-5] == 0xFF)
        kind = data[at + 1]
        direct = at[(kind == 0x15) | (kind == 0x25)]
        to = words[direct + 2].astype(np.int64) + direct + (low + 6)
        found |= {
            code.function_of(low + place)
            for place, slot in zip(direct.tolist(), to.tolist(), strict=True)
            if _is_empty(code, slot)
        }
        based = at[
            ((kind & 0x38 == 0x10) | (kind & 0x38 == 0x20)) & (kind < 0xC0) & (kind & 7 != 4) & (kind & 0xC7 != 5)
        ]
        leas = np.flatnonzero((data[:-5] == 0x8D) & (data[1:-4] & 0xC7 == 0x05))
        to = words[leas + 2].astype(np.int64) + leas + (low + 6)
        leas = leas[[_is_empty(code, slot) for slot in to.tolist()]] if len(leas) else leas
        last = np.searchsorted(leas, based) - 1
        near = based[(last >= 0) & (based - leas[np.maximum(last, 0)] < NEAR)] if len(leas) else leas
        found |= {code.function_of(low + place) for place in near.tolist()}
    return found - {-1}


def areas(code: Code) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int32]]]:
    """Each range of code: where it begins, its bytes, and every place in it read as a number of 32 bits."""
    for low, high in code.image.code_ranges:
        data = code.image.at(low, high - low)
        if len(data) > 8:
            words = np.ndarray((len(data) - 3,), "<i4", data, 0, (1,))
            yield low, np.frombuffer(data, np.uint8), words


def _is_empty(code: Code, slot: int) -> bool:
    """True for a word that may be written and of which the file does not say what it holds."""
    image = code.image
    if slot < 0 or slot in image.imports or image.pointer(slot):
        return False
    return not any(one.address <= slot < one.address + one.size for one in image.segments if not one.writable)


def _storing(code: Code, slots: NDArray[np.int64]) -> set[int]:
    """The functions that store to a slot, or to the word before it, or have the address of one."""
    found = set(code.scan.data_owners[np.isin(code.scan.data.astype(np.int64), slots)].tolist())
    for low, data, words in areas(code):
        at = np.flatnonzero(np.isin(data[:-5], STORES) & (data[1:-4] & 0xC7 == 0x05))
        to = words[at + 2].astype(np.int64) + at + (low + 6)
        hit = np.isin(to, slots) | np.isin(to + 8, slots)
        found |= {code.function_of(low + place) for place in at[hit].tolist()}
    return found - {-1}


class Walk:
    """One function from block to block: what its registers hold as far as is plain, as two words (0 is unknown).

    `calls` go through slots, `bases` are the variables of those slots, `stored` what is put into slots, `fields` what
    is put at an offset from what is not known.
    """

    def __init__(self, code: Code, body: Body) -> None:
        self._code, self._body = code, body
        self._known: dict[int, Pair] = {}
        self.calls: dict[int, int] = {}
        self.bases: set[int] = set()
        self.stored: dict[int, set[int]] = {}
        self.fields: dict[int, set[int]] = {}

    def run(self) -> None:
        """Note its calls and stores."""
        leaders = set(self._body.leaders)
        for position, one in enumerate(self._body.instructions):
            if position in leaders:
                self._known.clear()
            if one.op0_kind == OpKind.MEMORY:
                self._memory(one)
            elif one.op0_kind == OpKind.REGISTER and one.mnemonic not in READING:
                self._known[_full(one.op0_register)] = self._value(one)

    def _memory(self, one: Instruction) -> None:
        base = 0 if one.is_ip_rel_memory_operand else self._known.get(one.memory_base, UNKNOWN)[0]
        if one.memory_index != Register.NONE or one.memory_base in (Register.RSP, Register.RBP):
            return
        known = bool(base) or one.is_ip_rel_memory_operand
        slot = one.ip_rel_memory_address if one.is_ip_rel_memory_operand else base + one.memory_displacement
        if one.flow_control in CALLS:
            if known and _is_empty(self._code, slot):
                self.calls[one.ip] = slot
                self.bases |= {base} if base else set()
        elif one.op1_kind == OpKind.REGISTER:
            places = self.stored if known else self.fields
            low, high = self._known.get(_full(one.op1_register), UNKNOWN)
            self._store(places, slot, low)
            if one.mnemonic in WHOLE:
                self._store(places, slot + 8, high)

    def _store(self, places: dict[int, set[int]], slot: int, target: int) -> None:
        if target and self._code.index_at(target) >= 0:
            places.setdefault(slot, set()).add(target)

    def _value(self, one: Instruction) -> Pair:
        """What an instruction leaves in its first register."""
        mnemonic, own = one.mnemonic, self._known.get(_full(one.op0_register), UNKNOWN)
        if one.op_count < 2:
            return UNKNOWN
        if one.is_ip_rel_memory_operand:
            address, pointer = one.ip_rel_memory_address, self._code.image.pointer
            if mnemonic == Mnemonic.LEA:
                return address, 0
            low = pointer(address) or 0
            if mnemonic in WHOLE:
                return low, pointer(address + 8) or 0
            return (own[0], low) if mnemonic == Mnemonic.MOVHPS else (low, 0) if mnemonic in MOVES else UNKNOWN
        if one.op1_kind == OpKind.MEMORY:
            return self._loaded(one, own)
        if one.op1_kind != OpKind.REGISTER:
            return UNKNOWN
        other = self._known.get(_full(one.op1_register), UNKNOWN)
        if mnemonic == Mnemonic.PUNPCKLQDQ:
            return own[0], other[0]
        return other if mnemonic in MOVES or mnemonic in WHOLE else UNKNOWN

    def _loaded(self, one: Instruction, own: Pair) -> Pair:
        """What is read from a table whose address is in a register."""
        base = self._known.get(one.memory_base, UNKNOWN)[0]
        if not base or one.memory_index != Register.NONE or one.mnemonic == Mnemonic.LEA:
            return UNKNOWN
        address, pointer = base + one.memory_displacement, self._code.image.pointer
        low = pointer(address) or 0
        if one.mnemonic in WHOLE:
            return low, pointer(address + 8) or 0
        return (own[0], low) if one.mnemonic == Mnemonic.MOVHPS else (low, 0) if one.mnemonic in MOVES else UNKNOWN


def _full(register: int) -> int:
    return FULL[register] or register
