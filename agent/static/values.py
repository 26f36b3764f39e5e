"""What a register or stack slot may hold at a call: found by walking backward over the instructions that define it.

Rules of this file
    - The walk follows one place (a register, a stack slot, and a number added to it) back through moves; a choice
      (cmov, blocks that meet) is followed both ways. It crosses at most `depth` block borders on a way.
    - A store through another pointer than the stack's is not seen.
    - What cannot be followed makes the answer incomplete, never wrong on purpose. gettext gives its argument back.

Invariant: every constant is one that some path puts there; `complete` says that there are no others.
Complexity: O(blocks within `depth` x instructions), cut at `MAX_STEPS` for one question.
Source: DisProTrack section IV-A (back-trace depth BT); System V psABI (argument places).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from iced_x86 import Instruction, Mnemonic, OpKind, Register

from agent.static.value_slots import BP, MASK, NUMBER, SP, Place, before, immediate, signed
from agent.static.value_tables import ARGUMENTS, CMOVS, FULL, IDENTITY, MOVES, NO_WRITE, WIDE_WRITES, writes

if TYPE_CHECKING:
    from agent.static.body import Body
    from agent.static.code import Code

MAX_STEPS: Final = 20_000
MAX_VALUES: Final = 256
MAX_TABLE: Final = 256
MAX_NESTED: Final = 3  # tables of tables
TURNS: Final = 4  # of a loop that counts up an address: enough to see its step


@dataclass(frozen=True, slots=True)
class Values:
    """Constants (addresses, numbers), parameters of the function itself, GOT slots whose content it is.

    `addresses` are those constants that may be addresses: in an image that is relocated, a plain number is none.
    `reads` are positions of instructions that load it from where a register points to.
    """

    constants: tuple[int, ...] = ()
    addresses: tuple[int, ...] = ()
    parameters: tuple[int, ...] = ()
    slots: tuple[int, ...] = ()
    complete: bool = True
    reads: tuple[int, ...] = ()


@dataclass(slots=True)
class _Walk:
    """One question on its way: what was found, and the ways still to go; `block` and `left` are of the present one."""

    nested: int = 0
    constants: dict[int, bool] = field(default_factory=dict)
    parameters: dict[int, None] = field(default_factory=dict)
    slots: dict[int, None] = field(default_factory=dict)
    reads: dict[int, None] = field(default_factory=dict)
    complete: bool = True
    steps: int = 0
    block: int = 0
    left: int = 0
    todo: list[tuple[int, int, Place, int]] = field(default_factory=list)
    seen: dict[tuple[int, Place], int] = field(default_factory=dict)
    turns: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def later(self, position: int, place: Place) -> None:
        """Another way, from `position` in the present block."""
        self.todo.append((self.block, position, place, self.left))

    def answer(self) -> Values:
        """What was found."""
        places = tuple(one for one, is_place in self.constants.items() if is_place)
        return Values(
            tuple(self.constants), places, tuple(self.parameters), tuple(self.slots), self.complete, tuple(self.reads)
        )

    def enters(self, block: int, place: Place) -> bool:
        """Whether the walk is to go on in `block`: not twice with the same place, nor round and round a count."""
        if (block, place) not in self.seen:
            same = (block, place.kind, place.offset)
            self.turns[same] = self.turns.get(same, 0) + 1
            if self.turns[same] > (TURNS if self.nested else 1):
                self.complete = False
                return False
        if self.seen.get((block, place), -1) >= self.left - 1:
            return False
        self.seen[block, place] = self.left - 1
        return True


class Tracer:
    """Answers for one function body; `depth` is how many block borders a walk may cross.

    With `doubting`, no call leaves a register alone that it may change: what is asked for may be no argument at all.
    """

    __slots__ = ("_code", "_depth", "_doubting", "_framed", "_instructions", "_leaders", "body", "steps")

    def __init__(self, code: Code, body: Body, depth: int, doubting: bool = False) -> None:
        self._doubting = doubting
        self.steps = 0
        self.body, self._code, self._depth = body, code, depth
        self._instructions, self._leaders = body.instructions, body.leaders
        self._framed = any(
            one.mnemonic == Mnemonic.MOV and one.op0_register == Register.RBP and one.op1_register == Register.RSP
            for one in body.instructions[:24]
        )

    def argument(self, position: int, number: int) -> Values:
        """The `number`-th argument (from 0, pointers and integers) of the call or tail jump at `position`."""
        return self.place(position, self._argument_place(position, number))

    def place(self, position: int, place: Place) -> Values:
        """What `place` may hold just before the instruction at `position`."""
        walk = _Walk()
        self._walk(walk, position, place, self._depth)
        return walk.answer()

    def callee(self, position: int) -> Values:
        """What the indirect call or jump at `position` may reach, if it goes through a register."""
        one = self._instructions[position]
        if one.op0_kind == OpKind.REGISTER:
            return self.place(position, Place(FULL[one.op0_register]))
        walk = _Walk(complete=False, left=self._depth)
        if one.op0_kind == OpKind.MEMORY and one.memory_base not in (Register.NONE, Register.RSP, Register.RIP):
            self._indexed(walk, one, Place(0), position)
        return walk.answer()

    def _argument_place(self, position: int, number: int) -> Place:
        if number < 6:
            return Place(ARGUMENTS[number])
        # A tail jump finds the return address where a call is about to put its own.
        jumps = self._instructions[position].mnemonic == Mnemonic.JMP
        return Place(SP, 8 * (number - 6) + 8 * jumps)

    def _walk(self, walk: _Walk, position: int, place: Place, depth: int) -> None:
        walk.todo.append((self.body.block_of(position), position, place, depth))
        while walk.todo:
            if walk.steps > MAX_STEPS or len(walk.constants) > MAX_VALUES:
                walk.complete = False
                return
            walk.block, position, place, walk.left = walk.todo.pop()
            at_begin = self._through(walk, position, place)
            if at_begin is not None:
                self._leave(walk, at_begin)

    def _leave(self, walk: _Walk, place: Place) -> None:
        """Go on from a block's beginning: to the blocks before, or to the caller."""
        ways = self.body.predecessors[walk.block]
        if walk.block == 0:
            _entry(walk, place)
        elif not ways:
            walk.complete = False
        if ways and not walk.left:
            walk.complete = False
            return
        for one in ways:
            if walk.enters(one, place):
                end = self._leaders[one + 1] if one + 1 < len(self._leaders) else len(self._instructions)
                walk.todo.append((one, end, place, walk.left - 1))

    def _through(self, walk: _Walk, position: int, place: Place) -> Place | None:
        """Walk back to the block's beginning; the place there, or None if it was defined on the way."""
        instructions = self._instructions
        begin = self._leaders[walk.block]
        walk.steps += position - begin + 1
        self.steps += position - begin + 1
        for at in range(position - 1, begin - 1, -1):
            one = instructions[at]
            step: Place | None
            if place.kind >= SP:
                step = before(one, place)
                if step.kind < 0:
                    self._filled(walk, one, step, at)
                    return None
            else:
                mnemonic = one.mnemonic
                if FULL[one.op0_register] == place.kind and mnemonic not in NO_WRITE:
                    step = self._defined(walk, one, place, at)
                elif mnemonic in WIDE_WRITES and writes(one, place.kind):
                    step = self._changed(walk, one, place, at)
                else:
                    continue
            if step is None:
                return None
            place = step
        return place

    def _filled(self, walk: _Walk, one: Instruction, place: Place, at: int) -> None:
        """A slot was filled with a number, or pushed from memory."""
        if place.kind == NUMBER:
            self._constant(walk, place.offset, place)
            return
        slot = self._load(walk, one, place, at)
        if slot is not None:
            walk.later(at, slot)

    def _defined(self, walk: _Walk, one: Instruction, place: Place, at: int) -> Place | None:
        """What the place's content was before `one`, whose first operand it is."""
        mnemonic = one.mnemonic
        if mnemonic in MOVES or mnemonic in CMOVS:
            source = self._moved(walk, one, place, at)
            if mnemonic in MOVES or source is None:
                return source if mnemonic in MOVES else place
            walk.later(at, source)
            return place
        if mnemonic == Mnemonic.LEA:
            return self._address(walk, one, place)
        if mnemonic == Mnemonic.POP:
            return Place(SP, 0, place.plus)
        if mnemonic in (Mnemonic.XOR, Mnemonic.SUB) and one.op0_register == one.op1_register:
            self._constant(walk, 0, place)
            return None
        number = immediate(one, 1) if one.op_count == 2 else None
        if number is not None and mnemonic in (Mnemonic.ADD, Mnemonic.SUB):
            return place._replace(plus=(place.plus + (number if mnemonic == Mnemonic.ADD else -number)) & MASK)
        if number == MASK and mnemonic == Mnemonic.OR:
            self._constant(walk, MASK, place)
            return None
        walk.complete = False
        return None

    def _moved(self, walk: _Walk, one: Instruction, place: Place, at: int) -> Place | None:
        """Where a move or conditional move has taken the content from; None if it is known now."""
        if one.op1_kind == OpKind.REGISTER:
            return Place(FULL[one.op1_register], 0, place.plus)
        if one.op1_kind == OpKind.MEMORY:
            return self._load(walk, one, place, at)
        wide = one.op0_register >= Register.RAX
        self._constant(walk, int(one.immediate(1)) & (MASK if wide else 0xFFFFFFFF), place)
        return None

    def _constant(self, walk: _Walk, value: int, place: Place, is_place: bool = False) -> None:
        known = (value + place.plus) & MASK
        walk.constants[known] = is_place or self._code.image.fixed or walk.constants.get(known, False)

    def _address(self, walk: _Walk, one: Instruction, place: Place) -> Place | None:
        """`lea`: an address in the image, or one register and a number."""
        base, index = one.memory_base, one.memory_index
        if one.is_ip_rel_memory_operand or base == Register.NONE == index:
            self._constant(walk, one.memory_displacement, place, one.is_ip_rel_memory_operand)
            return None
        stack = base == Register.RSP or (base == Register.RBP and self._framed)
        if index == Register.NONE and not stack:
            return Place(FULL[base], 0, (place.plus + one.memory_displacement) & MASK)
        walk.complete = False
        return None

    def _load(self, walk: _Walk, one: Instruction, place: Place, at: int) -> Place | None:
        """The content comes from memory: a stack slot, a word of the image, or an entry of a table."""
        base, index = one.memory_base, one.memory_index
        if one.is_ip_rel_memory_operand or base == Register.NONE == index:
            self._word(walk, one.memory_displacement, place)
            return None
        if index == Register.NONE and (base == Register.RSP or (base == Register.RBP and self._framed)):
            kind = SP if base == Register.RSP else BP
            return Place(kind, signed(one.memory_displacement), place.plus)
        self._indexed(walk, one, place, at)
        return None

    def _indexed(self, walk: _Walk, one: Instruction, place: Place, at: int) -> None:
        """A word at a register: the register's constants are tables or structures."""
        walk.complete = False
        if not place.plus:
            walk.reads[at] = None
        if walk.nested >= MAX_NESTED:
            return
        inner = _Walk(walk.nested + 1, steps=walk.steps)
        if one.memory_base == Register.NONE:
            inner.constants[0] = True
        else:
            self._walk(inner, at, Place(FULL[one.memory_base]), walk.left)
        walk.steps = inner.steps
        places = [known for known, is_place in inner.constants.items() if is_place]
        plain = one.memory_index == Register.NONE
        step = _step(places) if plain else 8 * (one.memory_index_scale == 8)
        for table in [min(places)] if step and plain else places:
            begin = (table + signed(one.memory_displacement)) & MASK
            if plain:
                self._word(walk, begin, place)
            if step:
                self._table(walk, begin + step * plain, place, step)

    def _table(self, walk: _Walk, begin: int, place: Place, step: int) -> None:
        """All texts from `begin` on, as many as follow one another at this distance."""
        image = self._code.image
        for number in range(MAX_TABLE):
            value = image.pointer(begin + step * number)
            if value is None or image.text(value) is None:
                return
            self._constant(walk, value, place, True)

    def _word(self, walk: _Walk, slot: int, place: Place) -> None:
        image = self._code.image
        value = image.pointer(slot)
        if value is not None:
            self._constant(walk, value, place, True)
        elif slot in image.imports and not place.plus:
            walk.slots[slot] = None
        else:
            walk.complete = False

    def _changed(self, walk: _Walk, one: Instruction, place: Place, at: int) -> Place | None:
        """An instruction with several results lies between; a call may be known to leave the register alone."""
        if one.mnemonic != Mnemonic.CALL:
            walk.complete = False
            return None
        name, local = self._called(one)
        if place.kind == Register.RAX and name in IDENTITY:
            for number in IDENTITY[name]:
                walk.later(at, self._argument_place(at, number)._replace(plus=place.plus))
            return None
        if (
            local and not self._doubting and place.kind != Register.RAX
        ):  # the compiler knows what its own functions leave alone
            return place
        walk.complete = False
        return None

    def _called(self, one: Instruction) -> tuple[str, bool]:
        """Name of what is called, if it has one, and whether it is a function of this image."""
        if one.op0_kind == OpKind.NEAR_BRANCH64:
            target = one.near_branch_target
            return self._code.name_of(target), not self._code.imported(target)
        if one.is_ip_rel_memory_operand:
            return self._code.image.imports.get(one.ip_rel_memory_address, ""), False
        return "", False


def _entry(walk: _Walk, place: Place) -> None:
    """The place as the caller has left it: a parameter, or nothing that is known."""
    if not place.plus and place.kind in ARGUMENTS:
        walk.parameters[ARGUMENTS.index(place.kind)] = None
    elif not place.plus and place.kind == SP and 8 <= place.offset <= 256 and place.offset % 8 == 0:
        walk.parameters[6 + (place.offset - 8) // 8] = None
    else:
        walk.complete = False


def _step(places: list[int]) -> int:
    """The distance at which a loop walks a table, if `places` are its first steps; else 0."""
    ordered = sorted(places)
    step = ordered[1] - ordered[0] if len(ordered) >= 3 else 0
    even = all(two - one == step for one, two in pairwise(ordered))
    return step if even and 8 <= step <= 512 and step % 8 == 0 else 0
