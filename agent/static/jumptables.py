"""Where a jump through a table may go.

Rules of this file
    - The table is the one whose address the function loads before the jump; its entries are read until one leads out
      of the function, another table begins, or `MAX_ENTRIES`.

Complexity: O(instructions looked back + entries).
Source: GCC and Clang: `lea r, [table]; movsxd i, [r + i*4]; add i, r; jmp i` (spelled out without optimisation), or
`jmp [table + i*8]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iced_x86 import Instruction, Mnemonic, OpKind, Register

if TYPE_CHECKING:
    from agent.static.body import Body
    from agent.static.code import Code

MAX_ENTRIES: Final = 1_024
LOOK_BACK: Final = 24
FAR_BACK: Final = 4_096  # a table's address may be loaded once, before a loop


def table_targets(code: Code, body: Body, position: int) -> list[int]:
    """Addresses in `body`'s function that the indirect jump at `position` may reach; none if no table is found."""
    jump = body.instructions[position]
    if jump.op0_kind == OpKind.MEMORY:
        return _absolute(code, body, jump)
    if jump.op0_kind != OpKind.REGISTER:
        return []
    for back in range(position - 1, max(-1, position - LOOK_BACK), -1):
        one = body.instructions[back]
        if one.mnemonic == Mnemonic.MOVSXD and one.op1_kind == OpKind.MEMORY and one.memory_index_scale == 4:
            return _relative(code, body, _loaded(body, back, one.memory_base))
        if (
            one.mnemonic == Mnemonic.MOV
            and one.op1_kind == OpKind.MEMORY
            and one.memory_index_scale == 8
            and one.op0_register == jump.op0_register
        ):
            return _absolute(code, body, one)
    return _relative(code, body, _loaded(body, position, Register.NONE, LOOK_BACK))


def _loaded(body: Body, position: int, register: int, far: int = FAR_BACK) -> int:
    """The address that a `lea` before `position` has put into `register` (NONE: any), 0 if none has."""
    for back in range(position - 1, max(-1, position - far), -1):
        one = body.instructions[back]
        if one.mnemonic == Mnemonic.LEA and one.is_ip_rel_memory_operand and register in (0, one.op0_register):
            return int(one.ip_rel_memory_address)
    return 0


def _inside(body: Body, address: int) -> bool:
    return any(low <= address < high for low, high in body.function.parts)


def _relative(code: Code, body: Body, table: int) -> list[int]:
    data = code.image.at(table, 4 * MAX_ENTRIES) if table else b""
    found: list[int] = []
    for at in range(0, len(data) // 4 * 4, 4):
        target = table + int.from_bytes(data[at : at + 4], "little", signed=True)
        if not _inside(body, target):
            break
        found.append(target)
    return found


def _absolute(code: Code, body: Body, one: Instruction) -> list[int]:
    table = one.memory_displacement if one.memory_base == Register.NONE else 0
    found: list[int] = []
    for number in range(MAX_ENTRIES if table else 0):
        target = code.image.pointer(table + 8 * number)
        if target is None or not _inside(body, target):
            break
        found.append(target)
    return found
