"""One function decoded: its instructions, basic blocks, jumps and calls.

Rules of this file
    - All parts of the function are decoded, its own range first; a place that is no instruction ends a part.
    - A jump to another function is a call that does not return here. A call of what never returns ends its block.
    - A jump through a table is resolved where the table is found; else the block is an exit and `unresolved` says so.

Complexity: O(instructions); 7 million a second are decoded, 1 million a second pass through here.
Source: Intel SDM; GCC's and Clang's switch tables (offsets from the table, or addresses).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from iced_x86 import Decoder, FlowControl, Instruction, Mnemonic, OpKind, Register

from agent.static.seeds import words

if TYPE_CHECKING:
    from agent.static.code import Code

MAX_INSTRUCTIONS: Final = 400_000
"""Of one function; what is beyond is left out (generated parsers are far below)."""
NORETURN: Final = words(
    "exit _exit _Exit quick_exit abort __assert_fail __assert_perror_fail __stack_chk_fail __fortify_fail __chk_fail "
    "err errx verr verrx pthread_exit thrd_exit longjmp _longjmp siglongjmp __longjmp_chk _Unwind_Resume __cxa_throw "
    "__cxa_rethrow __cxa_bad_cast __cxa_bad_typeid __cxa_throw_bad_array_new_length _ZSt9terminatev "
    "_ZSt17__throw_bad_allocv _ZSt20__throw_length_errorPKc _ZSt19__throw_logic_errorPKc _ZSt16__throw_bad_castv "
    "_ZSt20__throw_out_of_rangePKc _ZSt24__throw_out_of_range_fmtPKcz _ZSt28__throw_bad_array_new_lengthv "
    "_ZSt21__glibcxx_assert_failPKciS0_S0_ _ZSt20__throw_system_errori __libc_start_main"
)
BRANCHES: Final = frozenset((FlowControl.CONDITIONAL_BRANCH, FlowControl.UNCONDITIONAL_BRANCH))
PADDING: Final = frozenset((Mnemonic.NOP, Mnemonic.INT3))
GOES_ON: Final = frozenset((FlowControl.NEXT, FlowControl.INTERRUPT, FlowControl.XBEGIN_XABORT_XEND))


@dataclass(frozen=True, slots=True)
class Function:
    """A function: its index in the code, where it is, and all its parts (start, end), its own range first."""

    index: int
    address: int
    end: int
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call at instruction `position`; `target` is 0 where it is not known, `name` that of an imported symbol."""

    position: int
    address: int
    target: int
    name: str
    tail: bool


@dataclass(slots=True)
class Body:
    """A function's instructions and control flow; block `i` is `instructions[leaders[i]:leaders[i + 1]]`."""

    function: Function
    instructions: list[Instruction]
    leaders: list[int] = field(default_factory=list)
    successors: list[tuple[int, ...]] = field(default_factory=list)
    predecessors: list[tuple[int, ...]] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    unresolved: bool = False

    def block_of(self, position: int) -> int:
        """The block of the instruction at `position`."""
        return bisect_right(self.leaders, position) - 1


@dataclass(slots=True)
class _Flow:
    """Jumps while they are collected: where each instruction that ends a block goes, and where parts begin."""

    places: dict[int, int] = field(default_factory=dict)
    ends: dict[int, tuple[int, ...]] = field(default_factory=dict)
    breaks: set[int] = field(default_factory=set)


def decode(code: Code, function: Function) -> Body:
    """Decode `function` of `code`."""
    body, flow = Body(function, []), _Flow()
    for low, high in function.parts:
        flow.breaks.add(len(body.instructions))
        room = MAX_INSTRUCTIONS - len(body.instructions)
        for one in islice(Decoder(64, code.image.at(low, high - low), ip=low), room):
            if one.is_invalid:
                break
            body.instructions.append(one)
    flow.places = {one.ip: position for position, one in enumerate(body.instructions)}
    for position, one in enumerate(body.instructions):
        control = one.flow_control
        if control not in GOES_ON:
            _collect(code, body, flow, position, control)
    _blocks(body, flow)
    return body


def _collect(code: Code, body: Body, flow: _Flow, position: int, control: int) -> None:
    """Take note of a call, or of the end of a block."""
    one = body.instructions[position]
    if control == FlowControl.CALL:
        _call(code, body, flow, position, code.normal(one.near_branch_target))
    elif control == FlowControl.INDIRECT_CALL:
        _call(code, body, flow, position, _through(code, one))
    elif control in BRANCHES:
        to = flow.places.get(one.near_branch_target)
        if to is None:
            _leave(code, body, position, code.normal(one.near_branch_target))
        following = (position + 1,) if control == FlowControl.CONDITIONAL_BRANCH else ()
        flow.ends[position] = following if to is None else (*following, to)
    elif control == FlowControl.INDIRECT_BRANCH:
        _indirect(code, body, flow, position)
    else:
        flow.ends[position] = ()


def _call(code: Code, body: Body, flow: _Flow, position: int, target: int) -> None:
    one = body.instructions[position]
    name = code.image.imports.get(target, "")
    body.calls.append(Call(position, one.ip, target, name, False))
    if name in NORETURN or (not name and code.image.symbols.get(target) in NORETURN):
        flow.ends[position] = ()


def _leave(code: Code, body: Body, position: int, target: int) -> None:
    """A jump out of the function: a call at its end, if it leads to a function."""
    name = code.image.imports.get(target, "")
    if name or code.index_at(target) >= 0:
        body.calls.append(Call(position, body.instructions[position].ip, target, name, True))


def _through(code: Code, one: Instruction) -> int:
    """What a call or jump through memory or a register reaches, 0 if that is not known."""
    if one.ip in code.learned:
        return code.learned[one.ip]
    if one.op0_kind != OpKind.MEMORY or not one.is_ip_rel_memory_operand:
        if one.op0_kind == OpKind.MEMORY and one.memory_base == Register.NONE == one.memory_index:
            return code.normal(code.image.pointer(one.memory_displacement) or 0) if code.image.fixed else 0
        return 0
    slot = one.ip_rel_memory_address
    if slot in code.image.imports:
        return code.normal(slot)
    return code.image.pointer(slot) or 0


def _indirect(code: Code, body: Body, flow: _Flow, position: int) -> None:
    """A jump through memory or a register: to another function, or through a table."""
    from agent.static.jumptables import table_targets  # noqa: PLC0415  (it needs Body)

    target = _through(code, body.instructions[position])
    if target:
        flow.ends[position] = ()
        _leave(code, body, position, target)
        return
    to = (flow.places.get(one) for one in table_targets(code, body, position))
    flow.ends[position] = tuple(dict.fromkeys(one for one in to if one is not None))
    if not flow.ends[position]:
        body.unresolved = True
        body.calls.append(Call(position, body.instructions[position].ip, 0, "", True))


def _blocks(body: Body, flow: _Flow) -> None:
    """Cut the instructions into blocks and join them."""
    count = len(body.instructions)
    heads = {0} | flow.breaks | {position + 1 for position in flow.ends}
    heads.update(one for ways in flow.ends.values() for one in ways)
    body.leaders = sorted(one for one in heads if one < count)
    number = {leader: block for block, leader in enumerate(body.leaders)}
    before: list[list[int]] = [[] for _ in body.leaders]
    for block in range(len(body.leaders)):
        end = body.leaders[block + 1] if block + 1 < len(body.leaders) else count
        following = (end,) if end < count and end not in flow.breaks else ()
        ways = flow.ends.get(end - 1, following)
        blocks = tuple(dict.fromkeys(number[one] for one in ways if one in number))
        body.successors.append(blocks)
        for one in blocks:
            before[one].append(block)
        if not blocks:
            body.exits.append(block)
    _drop_padding(body, before)
    body.predecessors = [tuple(few) for few in before]


def _drop_padding(body: Body, before: list[list[int]]) -> None:
    """What fills the room before an aligned block is no way into it."""
    for block in range(1, len(body.leaders)):
        one = body.instructions[body.leaders[block]]
        if before[block] or one.mnemonic not in PADDING:
            continue
        end = body.leaders[block + 1] if block + 1 < len(body.leaders) else len(body.instructions)
        if all(body.instructions[at].mnemonic in PADDING for at in range(body.leaders[block], end)):
            for to in body.successors[block]:
                before[to].remove(block)
            body.successors[block] = ()
            body.exits.append(block)
    body.exits.sort()
