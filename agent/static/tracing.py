"""The fast engine's functions, one after the other: decoded, reduced to their points, and forgotten.

Rules of this file
    - Callees come first, so that a call of a function that never returns ends its path, whoever wrote that function.
    - Of a decoded function only its points and how they are joined are kept: memory does not grow with the code.
    - Blocks that nothing leads to hang below the jump that could not be read, or below all calls (handlers of C++
      exceptions).

Complexity: O(instructions of the functions that matter), each decoded once.
Source: DisProTrack section IV; `agent.static.body` makes the blocks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from iced_x86 import FlowControl, Instruction, Mnemonic, OpKind, Register

from agent.static.fields import field_calls
from agent.static.flow import Mark, Shape, Traced, adopt, below, orphans
from agent.static.loops import EVENTS, QUEUES, READS
from agent.static.slots import slot_calls
from agent.static.summary import calls_of, ending, function_at, logging, waiting

if TYPE_CHECKING:
    from agent.static.body import Body, Call
    from agent.static.strings import Found, Site

Progress = Callable[[str], None]
LEAVING: Final = frozenset({FlowControl.RETURN, FlowControl.UNCONDITIONAL_BRANCH, FlowControl.INDIRECT_BRANCH})
WAITS: Final = EVENTS | QUEUES | READS
ERRNO: Final = "__errno_location"
AGAIN: Final = frozenset({4, 11})
"""EINTR and EAGAIN: what a loop compares `errno` with before it tries again."""
IMMEDIATES: Final = frozenset({OpKind.IMMEDIATE8TO32, OpKind.IMMEDIATE32, OpKind.IMMEDIATE8})
FILLING: Final = frozenset({Mnemonic.NOP, Mnemonic.INT3})
EVERY: Final = 256
"""Functions between two reports of progress."""


class Trace:
    """All functions of the binaries that may log or wait, callees first; at the end `notes` says what was left out."""

    def __init__(self, found: Found, notes: list[str], progress: Progress | None = None) -> None:
        self._found, self._notes, self._progress = found, notes, progress
        self._slots = [field_calls(code) | slot_calls(code) for code in found.codes]
        self._calls = calls_of(found, self._slots)
        self._callers = self._calls.fan_in()
        self._may = logging(found, self._calls) | waiting(found, self._calls)
        self._never: set[int] = set()
        self._numbers: dict[tuple[int, int], int] = {}
        self._sites = [found.by_function(binary) for binary in range(len(found.codes))]
        self._unread = self._lost = 0

    def __iter__(self) -> Iterator[Traced]:
        order = self._calls.order(self._may | ending(self._found, self._calls))
        for done, number in enumerate(order):
            if self._progress is not None and done % EVERY == 0:
                self._progress(f"order of log strings: {done} of {len(order)} functions")
            traced = self._one(number)
            if traced is not None:
                yield traced
        if self._unread:
            self._notes.append(
                f"{self._unread} functions jump to where it cannot be read: their unreached blocks follow"
            )
        if self._lost:
            self._notes.append(f"{self._lost} log strings are at no call that was decoded: left out")

    def _one(self, number: int) -> Traced | None:
        binary = bisect_right(self._calls.base, number) - 1
        index = number - self._calls.base[binary]
        code = self._found.codes[binary]
        body = code.body(index)
        sites: dict[int, list[Site]] = {}
        for site in self._sites[binary].get(index, ()):
            sites.setdefault(site.address, []).append(site)
        marks: list[Mark] = []
        inside: list[list[int]] = [[] for _ in body.leaders]
        cut: set[int] = set()
        tails: list[tuple[int, int]] = []
        for call in body.calls:
            block = body.block_of(call.position)
            if block in cut:
                continue
            mark = self._mark(binary, call, sites.pop(call.address, ()))
            if mark is not None:
                if call.tail and body.successors[block]:
                    tails.append((block, len(marks)))
                else:
                    inside[block].append(len(marks))
                marks.append(mark)
            if self._number(binary, call.target) in self._never:
                cut.add(block)
        shape = self._shape(body, inside, cut, tails)
        if shape.returns.isdisjoint(below(shape, (0,))):
            self._never.add(number)
        self._lost += sum(len(rest) for rest in sites.values())
        if not self._may[number]:
            return None
        address = code.functions[index].address
        name, pointed = code.name_of(address), code.address_taken(address)
        return Traced(binary, address, name, tuple(marks), shape, int(self._callers[number]), pointed)

    def _mark(self, binary: int, call: Call, sites: Sequence[Site]) -> Mark | None:
        if sites:
            return Mark(call.address, tuple(sites))
        name = call.name or self._found.codes[binary].name_of(call.target)
        waits = name if name in WAITS else ""
        targets = (call.target,) if call.target else self._slots[binary].get(call.address, ())
        numbers = {self._number(binary, target) for target in targets}
        calls = tuple(self._place(number) for number in sorted(numbers) if number >= 0 and self._may[number])
        return Mark(call.address, (), calls, waits) if calls or waits else None

    def _place(self, number: int) -> tuple[int, int]:
        binary = bisect_right(self._calls.base, number) - 1
        return binary, self._found.codes[binary].functions[number - self._calls.base[binary]].address

    def _number(self, binary: int, target: int) -> int:
        if not target:
            return -1
        key = binary, target
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = function_at(self._found, binary, target, self._calls.base)
        return number

    def _shape(self, body: Body, inside: list[list[int]], cut: set[int], tails: Sequence[tuple[int, int]]) -> Shape:
        """The blocks as they are joined; a conditional jump to another function is a block of its own."""
        if not body.leaders:
            return Shape(((),), ((),), {0})  # nothing that can be decoded: it may do nothing and return
        successors: list[tuple[int, ...]] = [() if block in cut else one for block, one in enumerate(body.successors)]
        padding = {block for block, before in enumerate(body.predecessors) if not before and _is_padding(body, block)}
        for block in padding:
            successors[block] = ()
        leaving = {block for block in body.exits if block not in cut and _leaves(body, block)}
        for block, mark in tails:
            successors[block] = (*successors[block], len(successors))
            leaving.add(len(successors))
            successors.append(())
            inside.append([mark])
        shape = Shape(inside, successors, leaving, _errors(body))
        lost = [block for block in orphans(shape) if block not in padding]
        if body.unresolved:
            self._unread += bool(lost)
            return adopt(
                shape, {body.block_of(call.position) for call in body.calls if call.tail and not call.target}, lost
            )
        if lost and any(inside[block] for block in below(shape, lost)):
            return adopt(shape, {body.block_of(call.position) for call in body.calls} - cut, lost)
        return shape


def _is_padding(body: Body, block: int) -> bool:
    """True for a block that only fills the space before an aligned one."""
    end = body.leaders[block + 1] if block + 1 < len(body.leaders) else len(body.instructions)
    return all(one.mnemonic in FILLING for one in body.instructions[body.leaders[block] : end])


def _errors(body: Body) -> set[int]:
    """Blocks that look at `errno`: they ask where it is, or they have that in a register and compare what is there."""
    asked = {body.block_of(call.position) for call in body.calls if call.name == ERRNO}
    if not asked:
        return asked
    for position, one in enumerate(body.instructions):
        if one.mnemonic == Mnemonic.CMP and one.op1_kind in IMMEDIATES and one.immediate(1) in AGAIN:
            block = body.block_of(position)
            if any(_is_plain_load(body.instructions[at]) for at in range(body.leaders[block], position + 1)):
                asked.add(block)
    return asked


def _is_plain_load(one: Instruction) -> bool:
    """True for an operand `[register]`: nothing is added to the address."""
    return (
        one.op_count > 1
        and OpKind.MEMORY in (one.op0_kind, one.op1_kind)
        and one.memory_base not in (Register.NONE, Register.RIP)
        and one.memory_index == Register.NONE
        and not one.memory_displacement
    )


def _leaves(body: Body, block: int) -> bool:
    """True if a block without successors returns or jumps to a function; not if it ends in what never returns."""
    end = body.leaders[block + 1] if block + 1 < len(body.leaders) else len(body.instructions)
    return body.instructions[end - 1].flow_control in LEAVING
