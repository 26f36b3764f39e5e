"""Only an operand that is a number is read as one, whatever else the bytes of a damaged file may decode to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iced_x86 import Decoder, Instruction

from agent.static.value_slots import MASK, SP, Place, before, immediate


def decoded(code: bytes) -> Instruction:
    return Decoder(64, code, ip=0x1000).decode()


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (b"\x48\xc7\xc0\xff\xff\xff\xff", MASK),  # mov rax, -1
        (b"\x83\xc0\x07", 7),  # add eax, 7
        (b"\x89\xc8", None),  # mov eax, ecx
        (b"\xa4", None),  # movsb
        (b"\xac", None),  # lodsb
    ],
)
def test_numbers_are_those_that_the_instruction_holds(code: bytes, number: int | None) -> None:
    assert immediate(decoded(code), 1) == number


@given(st.binary(min_size=1, max_size=15))
def test_no_instruction_is_too_strange(code: bytes) -> None:
    one = decoded(code)
    before(one, Place(SP, 8))
    for operand in range(min(one.op_count, 2)):
        assert (immediate(one, operand) or 0) <= MASK
