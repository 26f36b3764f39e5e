"""Places of the backward walk: registers and stack slots, and what an instruction does to a slot's place.

Rules of this file
    - A slot is counted from rsp, corrected at every push, pop and adjustment, or from rbp where that is the frame's.

Complexity: O(1) an instruction.
Source: Intel SDM volume 1 (stack); System V psABI.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from iced_x86 import Instruction, Mnemonic, OpKind, Register

from agent.static.value_tables import FULL

SP: Final = 1_000  # the slot at rsp + offset
BP: Final = 1_001  # the slot at rbp + offset
NUMBER, MEMORY = -1, -2  # what a push or store may put into a slot, beside a register
MASK: Final = (1 << 64) - 1
NUMBERS: Final = frozenset(kind for name, kind in vars(OpKind).items() if name.startswith("IMMEDIATE"))
"""Kinds of operands that are numbers; registers, memory of any kind and targets of jumps are others."""


class Place(NamedTuple):
    """A register (its number), or a stack slot (`SP`, `BP`) at `offset`; `plus` is added to what it holds."""

    kind: int
    offset: int = 0
    plus: int = 0


def signed(value: int) -> int:
    """A 64-bit number as a signed one."""
    return value - (1 << 64) if value >= 1 << 63 else value


def immediate(one: Instruction, operand: int) -> int | None:
    """The number that an operand is, None if it is none."""
    kind = one.op0_kind if operand == 0 else one.op1_kind
    if kind not in NUMBERS:
        return None
    return int(one.immediate(operand)) & MASK


def before(one: Instruction, place: Place) -> Place:
    """Where the content of the slot `place` was before `one`; kind `NUMBER` or `MEMORY` if `one` put that there."""
    mnemonic = one.mnemonic
    kind, offset, plus = place
    if mnemonic == Mnemonic.MOV and one.op0_kind == OpKind.MEMORY:
        return _stored(one, place)
    if kind == BP:
        return _frame(one, place)
    if mnemonic == Mnemonic.PUSH:
        if offset:
            return Place(kind, offset - 8, plus)
        if one.op0_kind == OpKind.REGISTER:
            return Place(FULL[one.op0_register], 0, plus)
        number = immediate(one, 0)
        return Place(MEMORY, 0, plus) if number is None else Place(NUMBER, number, plus)
    if mnemonic == Mnemonic.POP:
        return Place(kind, offset + 8, plus)
    if mnemonic == Mnemonic.LEAVE:
        return Place(BP, offset + 8, plus)
    return _stack(one, place) if one.op0_register == Register.RSP else place


def _stored(one: Instruction, place: Place) -> Place:
    """After a store to memory: what was stored, if it was to this slot."""
    base = SP if one.memory_base == Register.RSP else BP if one.memory_base == Register.RBP else 0
    if base != place.kind or one.memory_index != Register.NONE or signed(one.memory_displacement) != place.offset:
        return place
    if one.op1_kind == OpKind.REGISTER:
        return Place(FULL[one.op1_register], 0, place.plus)
    return Place(NUMBER, immediate(one, 1) or 0, place.plus)


def _frame(one: Instruction, place: Place) -> Place:
    """A slot counted from rbp, before `one`."""
    if one.op0_register == Register.RBP:
        if one.mnemonic == Mnemonic.MOV and one.op1_register == Register.RSP:
            return Place(SP, place.offset, place.plus)
        if one.mnemonic == Mnemonic.LEA and one.memory_base == Register.RSP:
            return Place(SP, place.offset + signed(one.memory_displacement), place.plus)
    return place


def _stack(one: Instruction, place: Place) -> Place:
    """A slot counted from rsp, before `one`, which sets rsp."""
    mnemonic = one.mnemonic
    number = immediate(one, 1) if mnemonic in (Mnemonic.SUB, Mnemonic.ADD) else None
    if number is not None:
        step = signed(number)
        return place._replace(offset=place.offset + (step if mnemonic == Mnemonic.ADD else -step))
    if mnemonic == Mnemonic.LEA and one.memory_index == Register.NONE:
        shift = place.offset + signed(one.memory_displacement)
        if one.memory_base in (Register.RSP, Register.RBP):
            return Place(SP if one.memory_base == Register.RSP else BP, shift, place.plus)
    if mnemonic == Mnemonic.MOV and one.op1_register == Register.RBP:
        return Place(BP, place.offset, place.plus)
    return place
