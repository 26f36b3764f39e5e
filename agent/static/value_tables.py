"""What instructions do to registers, and what library functions give back: the tables of the backward walk.

Rules of this file
    - Data only. An instruction that is not here writes its first operand and makes of it what nobody knows.

Source: Intel SDM volume 2; System V psABI (registers that a call leaves alone); gettext(3).
"""

from __future__ import annotations

from typing import Final

from iced_x86 import Instruction, Mnemonic, Register, RegisterExt

from agent.static.seeds import words

_REGISTERS: Final = sorted(
    value for name, value in vars(Register).items() if isinstance(value, int) and name.isupper() and name[0] != "_"
)


def _mnemonics(names: str) -> frozenset[int]:
    return frozenset(getattr(Mnemonic, name) for name in words(names))


FULL: Final[tuple[int, ...]] = tuple(
    RegisterExt.full_register(one) if RegisterExt.is_gpr(one) else 0  # type: ignore[arg-type]  # its numbers are plain
    for one in _REGISTERS
)
"""The 64-bit register that a register is a part of, 0 if it is not a general one."""
NO_WRITE: Final = _mnemonics("CMP TEST PUSH JMP CALL BT NOP MUL DIV IDIV ENDBR64 COMISS COMISD UCOMISS UCOMISD")
"""Their first operand stays as it is."""
ARGUMENTS: Final = (Register.RDI, Register.RSI, Register.RDX, Register.RCX, Register.R8, Register.R9)
"""Registers of the first six arguments."""
MOVES: Final = _mnemonics("MOV MOVZX MOVSX MOVSXD")
CMOVS: Final = _mnemonics(
    "CMOVA CMOVAE CMOVB CMOVBE CMOVE CMOVG CMOVGE CMOVL CMOVLE CMOVNE CMOVNO CMOVNP CMOVNS CMOVO CMOVP CMOVS"
)
_RAX_RDX: Final = frozenset((Register.RAX, Register.RDX))
_STRINGS: Final = frozenset((Register.RDI, Register.RSI, Register.RCX))
CALLER_SAVED: Final = frozenset(getattr(Register, name) for name in words("RAX RCX RDX RSI RDI R8 R9 R10 R11"))
WIDE_WRITES: Final[dict[int, frozenset[int]]] = {
    Mnemonic.CALL: CALLER_SAVED,
    Mnemonic.XCHG: frozenset(),
    Mnemonic.MUL: _RAX_RDX,
    Mnemonic.IMUL: _RAX_RDX,
    Mnemonic.DIV: _RAX_RDX,
    Mnemonic.IDIV: _RAX_RDX,
    Mnemonic.CQO: frozenset((Register.RDX,)),
    Mnemonic.CDQ: frozenset((Register.RDX,)),
    Mnemonic.CDQE: frozenset((Register.RAX,)),
    Mnemonic.SYSCALL: frozenset((Register.RAX, Register.RCX, Register.R11)),
    Mnemonic.CPUID: frozenset((Register.RAX, Register.RBX, Register.RCX, Register.RDX)),
    Mnemonic.CMPXCHG: frozenset((Register.RAX,)),
    **dict.fromkeys(_mnemonics("MOVSB MOVSQ MOVSW STOSB STOSD STOSQ STOSW SCASB CMPSB"), _STRINGS),
    **dict.fromkeys(_mnemonics("LODSB LODSD LODSQ LODSW"), frozenset((Register.RAX, Register.RSI))),
}
"""Instructions that write registers which are not their first operand."""
IDENTITY: Final[dict[str, tuple[int, ...]]] = {
    "gettext": (0,),
    "dgettext": (1,),
    "dcgettext": (1,),
    "ngettext": (0, 1),
    "dngettext": (1, 2),
    "dcngettext": (1, 2),
    "libintl_gettext": (0,),
    "libintl_dgettext": (1,),
    "libintl_dcgettext": (1,),
    "libintl_ngettext": (0, 1),
    "g_dgettext": (1,),
}
"""Functions that give back one of their arguments, translated."""


def writes(one: Instruction, register: int) -> bool:
    """Whether `one`, which has more results than its first operand, writes `register`."""
    mnemonic = one.mnemonic
    if mnemonic == Mnemonic.IMUL and one.op_count > 1:
        return False
    if mnemonic == Mnemonic.XCHG:
        return FULL[one.op1_register] == register
    return register in WIDE_WRITES[mnemonic]
