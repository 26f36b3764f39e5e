"""What an argument of a call can be, by angr's VEX: blocks before the call are executed, as many as it takes.

Rules of this file
    - Only constants, the function's own parameters and places on its stack are followed; all else is unknown.
    - Paths to the call are tried the shortest first, at most `depth` blocks (the paper's back-trace depth) and
      `MAX_PATHS` of them; a path is not continued backward where it has answered. A last try is the shortest path from
      the function's entry: a forwarded parameter may be far.
    - What a call returns is unknown, except for the translators of texts (`gettext`), which return what they get.
    - angr's objects stay inside; what comes out are plain numbers.

Complexity: O(MAX_PATHS * depth) blocks for an argument; a block is lifted once.
Source: DisProTrack section IV (back-tracing the arguments of log-message-generating functions).
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

MAX_PATHS: Final = 48
MAX_ATOMS: Final = 8
"""Values that one place may have at a time (`cmov` gives two)."""

MAX_BLOCKS: Final = 4096
"""Lifted blocks that are kept; a function of more is lifted as it goes."""

TRANSLATORS: Final = {
    **dict.fromkeys(("gettext", "libintl_gettext"), (0,)),
    **dict.fromkeys(("dgettext", "dcgettext", "libintl_dgettext", "libintl_dcgettext"), (1,)),
    **dict.fromkeys(("ngettext", "libintl_ngettext"), (0, 1)),
    **dict.fromkeys(("dngettext", "dcngettext"), (1, 2)),
}
"""Functions that return one of their arguments, or its translation."""

MAX_STRIDE: Final = 64
MAX_ROWS: Final = 256
"""Pointers that are read from one table."""

Atom = tuple[str, int]
"""("c", constant), ("p", number of a parameter), ("s", offset from the stack pointer at entry).

("i8", 0) is an unknown index times 8, ("t8", address) a place in a table of such rows.
"""

Atoms = frozenset[Atom]
UNKNOWN: Final[Atoms] = frozenset()
WORD: Final = (1 << 64) - 1

_OPERATIONS: Final[dict[str, Callable[[int, int], int]]] = {
    "Iop_Add64": operator.add,
    "Iop_Sub64": operator.sub,
    "Iop_And64": operator.and_,
    "Iop_Or64": operator.or_,
    "Iop_Shl64": lambda left, right: left << (right & 63),
    "Iop_Add32": operator.add,
    "Iop_Mul64": operator.mul,
}
_SAME: Final = frozenset({"Iop_32Uto64", "Iop_64to32", "Iop_32Sto64"})


@dataclass(frozen=True, slots=True)
class Values:
    """What was found; `complete` if every path that was tried has answered."""

    constants: tuple[int, ...]
    parameters: tuple[int, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Convention:
    """How this machine passes arguments: offsets of registers in VEX's register file."""

    arguments: tuple[int, ...]
    result: int
    stack: int
    scratch: tuple[int, ...]
    pushed: int
    """Bytes that a call puts on the stack: the return address."""
    counts: int
    """The register in which a variadic call counts its vector registers; -1 without one."""


def convention_of(arch: Any) -> Convention:
    """The System V conventions; `KeyError` for a machine that is not known here."""
    names = {
        "AMD64": ("rdi rsi rdx rcx r8 r9", "rax", "rsp", "rax rcx rdx rsi rdi r8 r9 r10 r11", 8, "rax"),
        "AARCH64": (" ".join(f"x{n}" for n in range(8)), "x0", "xsp", " ".join(f"x{n}" for n in range(19)), 0, ""),
    }
    arguments, result, stack, scratch, pushed, counts = names[arch.name]

    def offset(name: str) -> int:
        return int(arch.registers[name][0])

    return Convention(
        tuple(map(offset, arguments.split())),
        offset(result),
        offset(stack),
        tuple(map(offset, scratch.split())),
        pushed,
        offset(counts) if counts else -1,
    )


@dataclass(slots=True)
class _State:
    registers: dict[int, Atoms]
    stack: dict[int, Atoms] = field(default_factory=dict)


class Tracer:
    """Arguments of the calls of one function."""

    def __init__(self, project: Any, function: Any, depth: int, callees: dict[int, str]) -> None:
        """`callees` names what the call that ends a block goes to, where that is known."""
        self.project = project
        self.convention = convention_of(project.arch)
        self.depth = depth
        self.callees = callees
        self.entry: int = function.addr
        self.sizes: dict[int, int] = {node.addr: node.size for node in function.graph}
        self.before: dict[int, list[int]] = {
            node.addr: sorted(one.addr for one in function.graph.predecessors(node)) for node in function.graph
        }
        self.lifted: dict[int, Any] = {}

    def argument(self, block: int, number: int) -> Values:
        """What argument `number` (from 0) of the call that ends this block can be."""
        return self._search(block, lambda state, _: self._argument(state, number))

    def _search(self, block: int, wanted: Callable[[_State, dict[int, Atoms]], Atoms]) -> Values:
        """What is wanted at the block's end, over the paths to it."""
        found: set[Atom] = set()
        complete, tried = True, 0
        waiting: deque[tuple[int, ...]] = deque([(block,)])
        while waiting and tried < MAX_PATHS:
            path = waiting.popleft()
            tried += 1
            atoms = _known(self._at_end(path, wanted))
            if atoms:
                found |= atoms
            elif len(path) <= self.depth and path[0] != self.entry:
                waiting.extend((one, *path) for one in self.before.get(path[0], ()) if one not in path)
            else:
                complete = False
        if not found and (far := self._from_entry(block)):
            found |= _known(self._at_end(far, wanted))
        constants = tuple(sorted(value for kind, value in found if kind == "c"))
        parameters = tuple(sorted(value for kind, value in found if kind == "p"))
        return Values(constants, parameters, complete and not waiting)

    def counted(self, block: int) -> bool | None:
        """Whether the block marks its call as variadic; None where this machine marks none."""
        if self.convention.counts < 0:
            return None
        state = self._begin(block == self.entry)
        self._run(block, state)
        return any(kind == "c" and value <= 8 for kind, value in state.registers.get(self.convention.counts, UNKNOWN))

    def target(self, block: int) -> tuple[int, ...]:
        """Where the call or jump that ends this block goes, as far as constants and tables of pointers say."""
        return self._search(block, lambda state, seen: self._value(self._block(block).next, seen, state)).constants

    def calls_indirectly(self, block: int) -> bool:
        """True if the block ends in a call of what it has computed."""
        irsb = self._block(block)
        return bool(irsb.jumpkind == "Ijk_Call" and irsb.next.tag != "Iex_Const")

    def _from_entry(self, block: int) -> tuple[int, ...]:
        """The shortest path from the entry; empty if there is none."""
        after: dict[int, int] = {block: -1}
        waiting = deque([block])
        while waiting and self.entry not in after:
            here = waiting.popleft()
            for one in self.before.get(here, ()):
                if one not in after:
                    after[one] = here
                    waiting.append(one)
        if self.entry not in after:
            return ()
        path, here = [], self.entry
        while here >= 0:
            path.append(here)
            here = after[here]
        return tuple(path)

    def _at_end(self, path: Sequence[int], wanted: Callable[[_State, dict[int, Atoms]], Atoms]) -> Atoms:
        """What is wanted after the path has been executed."""
        state = self._begin(path[0] == self.entry)
        for block in path[:-1]:
            self._run(block, state)
            if self._block(block).jumpkind == "Ijk_Call":
                self._return(block, state)
        return wanted(state, self._run(path[-1], state))

    def _begin(self, entered: bool) -> _State:
        convention = self.convention
        state = _State({convention.stack: frozenset({("s", 0)})})
        if entered:
            for number, offset in enumerate(convention.arguments):
                state.registers[offset] = frozenset({("p", number)})
            for number in range(len(convention.arguments), len(convention.arguments) + 6):
                place = convention.pushed + 8 * (number - len(convention.arguments))
                state.stack[place] = frozenset({("p", number)})
        return state

    def _argument(self, state: _State, number: int) -> Atoms:
        """An argument where a call has happened, or a tail jump: then the caller's own return address is on top."""
        registers = self.convention.arguments
        if number < len(registers):
            return state.registers.get(registers[number], UNKNOWN)
        place = self.convention.pushed + 8 * (number - len(registers))
        return self._loaded(state, _shifted(state.registers.get(self.convention.stack, UNKNOWN), place))

    def _return(self, block: int, state: _State) -> None:
        """What a call leaves behind: scratch registers unknown, the return address gone."""
        convention = self.convention
        numbers = TRANSLATORS.get(self.callees.get(block, ""), ())
        result = frozenset(atom for number in numbers for atom in self._argument(state, number))
        for offset in convention.scratch:
            state.registers.pop(offset, None)
        if result:
            state.registers[convention.result] = result
        if convention.pushed:
            stack = state.registers.get(convention.stack, UNKNOWN)
            state.registers[convention.stack] = _shifted(stack, convention.pushed)

    def _block(self, address: int) -> Any:
        found = self.lifted.get(address)
        if found is None:
            if len(self.lifted) >= MAX_BLOCKS:
                self.lifted.clear()
            found = self.project.factory.block(address, size=self.sizes[address]).vex
            self.lifted[address] = found
        return found

    def _run(self, address: int, state: _State) -> dict[int, Atoms]:
        """Execute a block; what its temporaries hold at the end."""
        irsb = self._block(address)
        temporaries: dict[int, Atoms] = {}
        for statement in irsb.statements:
            tag = statement.tag
            if tag == "Ist_WrTmp":
                temporaries[statement.tmp] = self._value(statement.data, temporaries, state)
            elif tag == "Ist_Put":
                state.registers[statement.offset] = self._value(statement.data, temporaries, state)
            elif tag == "Ist_Store":
                places = self._value(statement.addr, temporaries, state)
                value = self._value(statement.data, temporaries, state)
                for kind, offset in places:
                    if kind == "s":
                        state.stack[offset] = value
        return temporaries

    def _value(self, expression: Any, temporaries: dict[int, Atoms], state: _State) -> Atoms:
        tag = expression.tag
        if tag == "Iex_RdTmp":
            return temporaries.get(expression.tmp, UNKNOWN)
        if tag == "Iex_Get":
            return state.registers.get(expression.offset, UNKNOWN)
        if tag == "Iex_Const":
            value = expression.con.value
            return frozenset({("c", value & WORD)}) if isinstance(value, int) else UNKNOWN
        if tag == "Iex_Load":
            return self._loaded(state, self._value(expression.addr, temporaries, state))
        parts = [self._value(one, temporaries, state) for one in _operands(expression)]
        if tag == "Iex_ITE":
            return parts[0] | parts[1]
        if tag == "Iex_Unop" and expression.op in _SAME:
            return parts[0]
        if tag == "Iex_Binop" and expression.op in _OPERATIONS:
            return _combined(expression.op, parts[0], parts[1])
        return UNKNOWN

    def _loaded(self, state: _State, places: Atoms) -> Atoms:
        found: set[Atom] = set()
        for kind, place in places:
            if kind == "s":
                found |= state.stack.get(place, UNKNOWN)
            elif kind == "c" and (value := self._pointer(place)):
                found.add(("c", value))
            elif kind[0] == "t":
                found.update(("c", row) for row in self._table(place, int(kind[1:])))
        return frozenset(found)

    def _table(self, address: int, stride: int) -> Iterator[int]:
        """The pointers of a table, up to what is none."""
        for number in range(MAX_ROWS):
            value = self._pointer(address + number * stride)
            if not value or self.project.loader.find_segment_containing(value) is None:
                return
            yield value

    def _pointer(self, address: int) -> int:
        """A pointer that the file's data holds; 0 if there is none."""
        try:
            return int(self.project.loader.memory.unpack_word(address))
        except (KeyError, ValueError):
            return 0


def _operands(expression: Any) -> Iterator[Any]:
    if expression.tag == "Iex_ITE":
        return iter((expression.iftrue, expression.iffalse))
    return iter(expression.args) if expression.tag in ("Iex_Unop", "Iex_Binop") else iter(())


def _combined(name: str, left: Atoms, right: Atoms) -> Atoms:
    """Constants with constants; a place on the stack, or in a table, with a constant; an index times a constant."""
    if not left and name in ("Iop_Shl64", "Iop_Mul64"):
        factors = [value for kind, value in right if kind == "c" and 0 < value < MAX_STRIDE]
        return frozenset((f"i{1 << one if name == 'Iop_Shl64' else one}", 0) for one in factors[:1])
    found: set[Atom] = set()
    for kind, one in left:
        for other, two in right:
            if other == "c" and kind in "cs":
                found.add((kind, _wrapped(kind, _OPERATIONS[name](one, _signed(two) if kind == "s" else two))))
            elif name == "Iop_Add64" and kind == "c" and other == "s":
                found.add(("s", two + _signed(one)))
            elif name == "Iop_Add64" and {kind[0], other[0]} <= {"c", "i", "t"} and {kind[0], other[0]} != {"i"}:
                found.add((f"t{(kind if kind != 'c' else other)[1:]}", (one + two) & WORD))
    return frozenset(found) if len(found) <= MAX_ATOMS else UNKNOWN


def _known(atoms: Atoms) -> Atoms:
    return frozenset(atom for atom in atoms if atom[0] in "cp")


def _wrapped(kind: str, value: int) -> int:
    return value & WORD if kind == "c" else value


def _signed(value: int) -> int:
    return value - (WORD + 1) if value >> 63 else value


def _shifted(places: Atoms, by: int) -> Atoms:
    return frozenset((kind, place + by) for kind, place in places if kind == "s")
