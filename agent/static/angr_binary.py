"""One binary under angr: its functions, their log strings, how its points are joined.

Rules of this file
    - Imported by the child process only (`angr_child`); angr's objects stay inside.
    - Loggers are followed to a fixpoint from the same seeds as the fast engine's: a function that forwards its own
      parameter as the format is a logger itself. Nothing is forwarded through an argument that is no format: so
      wrappers drift from "format" to "any string".
    - Tuned settings cost a third of angr's own: nothing spilled to disk, no scan of what no function reaches, functions
      from the unwind tables.

Complexity: angr's (0.05 to 0.3 CPU s per KB of code), then O(calls of loggers) arguments.
Source: DisProTrack section IV; measured: the same strings as with angr's defaults.
"""

from __future__ import annotations

import importlib
import struct
import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agent.static.angr_values import Tracer
from agent.static.angr_votes import elect
from agent.static.angr_wire import Answer, Call, Function, Job, String
from agent.static.levels import APACHE, ARGUMENTS, SYSLOG, level_of_text
from agent.static.loops import EVENTS, MAX_DEPTH, READS
from agent.static.seeds import EMITTERS, SEEDS, Logger, Sink
from grammar.components import strong_components

MAX_TEXT: Final = 4096
MAX_ROUNDS: Final = 12
"""Wrappers of wrappers that are followed."""

ERRNO: Final = "__errno_location"
ENOUGH: Final = 1 << 30


@dataclass(slots=True)
class Known:
    """What binaries have told the ones after them: exported loggers, and exported functions that may log."""

    loggers: dict[str, Logger] = field(default_factory=lambda: dict(SEEDS))
    speaking: set[str] = field(default_factory=set)


class AngrBinary:
    """One binary; `answer` is all that is asked of it."""

    def __init__(self, path: str, job: Job, known: Known) -> None:
        """Load it and let angr find functions and blocks."""
        self.job, self.path, self.known = job, path, known
        self.project, options = _project(path, job.tuned)
        start = time.process_time()
        self.cfg = self.project.analyses.CFGFast(normalize=True, **options)
        self.cfg_seconds = time.process_time() - start
        image = self.project.loader.main_object
        self.shift: int = image.mapped_base - image.linked_base
        self.names = self._names(image)
        self.functions: dict[int, Any] = {
            one.addr: one
            for one in self.cfg.kb.functions.values()
            if not (one.is_plt or one.is_simprocedure or one.is_syscall or one.is_alignment)
            and image.min_addr <= one.addr <= image.max_addr
        }
        self.pointed = {word for word in _words(image) if word in self.functions}
        self.calls = {address: dict(self._calls(one)) for address, one in self.functions.items()}
        self.callers = Counter(target for calls in self.calls.values() for target, _ in calls.values())
        self.loggers: dict[int, Logger] = {}
        self.found: dict[tuple[int, int], set[String]] = {}
        self.tracers: dict[int, Tracer] = {}
        self.emitting = self._above(set(), EMITTERS, MAX_DEPTH)

    def answer(self) -> Answer:
        """The functions that may log or wait, callees first, and what others need to know of them."""
        if self.job.functions:
            return Answer(self.path, indirect=self._indirect(), cfg_seconds=self.cfg_seconds)
        self._seek()
        speaking = self._above({function for function, _ in self.found}, self.known.speaking, ENOUGH)
        waiting = self._above(set(), EVENTS, MAX_DEPTH) | self._above(set(), READS, 1)
        wanted = speaking | waiting
        functions = tuple(self._function(address, wanted) for address in self._order(wanted))
        names = self._exports()
        self.known.loggers.update({names[at]: one for at, one in self.loggers.items() if at in names})
        self.known.speaking.update(names[at] for at in speaking if at in names)
        exports = {names[at]: at - self.shift for at in wanted if at in names}
        return Answer(self.path, functions, exports, cfg_seconds=self.cfg_seconds)

    def _names(self, image: Any) -> dict[int, str]:
        """A name for each address that has one; of several the one that is known to log or to wait."""
        found: dict[int, str] = {}
        for symbol in image.symbols:
            if symbol.name and symbol.is_function and not symbol.is_import:
                name = symbol.name.partition("@")[0]
                known = name in self.known.loggers or name in EVENTS or name in READS
                if known or symbol.rebased_addr not in found:
                    found[symbol.rebased_addr] = name
        return found

    def _name(self, target: int) -> str:
        """The name of a callee: an import's, or a symbol's; empty for angr's own `sub_…` and `Unresolvable…`."""
        if target in self.names:
            return self.names[target]
        try:
            function = self.cfg.kb.functions.get_by_addr(target)
        except KeyError:
            return ""
        name = str(function.name)
        return "" if function.is_default_name or name.startswith("Unresolvable") else name.partition("@")[0]

    def _exports(self) -> dict[int, str]:
        """Functions that other binaries may call by name."""
        symbols = self.project.loader.main_object.symbols
        return {one.rebased_addr: one.name for one in symbols if one.is_export and one.is_function and one.name}

    def _calls(self, function: Any) -> Iterator[tuple[int, tuple[int, int]]]:
        """Block → the callee's address and the address of the call; jumps to other functions too."""
        for block, target, data in function.transition_graph.edges(data=True):
            outside = data.get("type") == "call" or data.get("outside")
            if outside and type(target).__name__ in ("FuncNode", "Function", "BlockNode", "HookNode"):
                yield block.addr, (target.addr, data.get("ins_addr") or block.addr)

    def _logger(self, target: int) -> Logger | None:
        return self.loggers.get(target) or self.known.loggers.get(self._name(target))

    def _seek(self) -> None:
        """Log strings and wrappers, to a fixpoint; then those that only their callers tell of, and again."""
        callers: dict[int, list[tuple[int, int]]] = {}
        for function, calls in sorted(self.calls.items()):
            for block, (target, _) in sorted(calls.items()):
                callers.setdefault(target, []).append((function, block))
        self._follow({target for target in callers if self._logger(target) is not None}, callers)
        unknown = {target: places for target, places in callers.items() if self._may_be_logger(target)}
        elected = elect(unknown, self._name, self._tracer, self._text)
        self.loggers.update(elected)
        others = {self._name(target): one for target, one in elected.items() if target not in self.functions}
        self.known.loggers.update({name: one for name, one in others.items() if name})
        self._follow(set(elected), callers)

    def _may_be_logger(self, target: int) -> bool:
        """True for a function that is no logger yet, and whose body shows no more or is elsewhere."""
        here = target in self.functions
        return self._logger(target) is None and (here or bool(self._name(target)))

    def _follow(self, fresh: set[int], callers: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        """Take all calls of these loggers, then those of the wrappers that they showed, and so on."""
        for _ in range(MAX_ROUNDS):
            wrappers: dict[int, Logger] = {}
            for target in sorted(fresh):
                logger = self._logger(target)
                for function, block in callers.get(target, ()):
                    if logger is not None:
                        self._take(function, block, logger, wrappers)
            fresh = set(wrappers) - set(self.loggers)
            self.loggers.update({one: wrappers[one] for one in fresh})
            if not fresh:
                return

    def _take(self, function: int, block: int, logger: Logger, wrappers: dict[int, Logger]) -> None:
        """One call of a logger: its strings, or that its function forwards a format."""
        tracer = self._tracer(function)
        values = tracer.argument(block, logger.argument)
        size = self._size(tracer, block, logger)
        target, _ = self.calls[function][block]
        name = self._name(target)
        sink = "emits" if target in self.loggers and target in self.emitting else logger.sink
        for constant in values.constants:
            raw = self._text(constant, size)
            if raw:
                level = _level(tracer, block, logger, name, raw)
                one = String(raw, logger.argument, logger.format, logger.newline, sink, level)
                self.found.setdefault((function, block), set()).add(one)
        if logger.format and values.parameters and self._logger(function) is None:
            passed = tracer.argument(block, logger.level).parameters if logger.level >= 0 else ()
            becomes: Sink = "formats" if logger.sink == "formats" else "unknown"
            wrapper = Logger(values.parameters[0], sink=becomes, level=passed[0] if passed else -1)
            wrappers.setdefault(function, wrapper)

    def _size(self, tracer: Tracer, block: int, logger: Logger) -> int:
        """How long a text is that need not end in NUL; 0 where it ends in one."""
        size = int(bool(logger.size))
        for number in logger.size:
            known = tracer.argument(block, number).constants
            size *= known[0] if len(known) == 1 else 0
        return min(size, MAX_TEXT)

    def _tracer(self, function: int) -> Tracer:
        if function not in self.tracers:
            names = {block: self._name(target) for block, (target, _) in self.calls[function].items()}
            self.tracers[function] = Tracer(self.project, self.functions[function], self.job.depth, names)
        return self.tracers[function]

    def _text(self, address: int, size: int) -> bytes:
        """The text at an address of the file's data; empty if there is none."""
        loader = self.project.loader
        segment = loader.find_segment_containing(address)
        if segment is None or (loader.find_section_containing(address) or segment).is_executable:
            return b""
        try:
            raw = bytes(loader.memory.load(address, min(size or MAX_TEXT, segment.max_addr - address + 1)))
        except KeyError:
            return b""
        text, end, _ = raw.partition(b"\0")
        odd = any(byte < 32 and byte not in b"\t\n\r\x1b" for byte in text)
        return text if (end or size) and not odd else b""

    def _above(self, seeds: set[int], names: Container[str], levels: int) -> set[int]:
        """The seeds, those that call one of these names, and all that call them, so many levels up."""
        callers: dict[int, set[int]] = {}
        found = set(seeds)
        for function, calls in self.calls.items():
            for target, _ in calls.values():
                callers.setdefault(target, set()).add(function)
                if self._name(target) in names:
                    found.add(function)
        edge = set(found)
        while edge and levels > 1:
            edge = {caller for one in edge for caller in callers.get(one, ())} - found
            found |= edge
            levels -= 1
        return found

    def _order(self, wanted: set[int]) -> list[int]:
        """The wanted functions, callees first."""
        numbers = sorted(wanted)
        at = {address: number for number, address in enumerate(numbers)}
        following = [
            sorted({at[target] for target, _ in self.calls[address].values() if target in at}) for address in numbers
        ]
        return [numbers[one] for part in strong_components(following) for one in sorted(part)]

    def _function(self, address: int, wanted: set[int]) -> Function:
        """One function as blocks and the calls that are points; a conditional jump out of it is a block of its own."""
        function = self.functions[address]
        nodes = sorted(function.graph.nodes, key=lambda node: (node.addr != address, node.addr))
        at = {node.addr: number for number, node in enumerate(nodes)}
        calls: list[Call] = []
        marks: list[tuple[int, ...]] = [()] * len(nodes)
        following = [tuple(sorted(at[one.addr] for one in function.graph.successors(node))) for node in nodes]
        leaving = {one.addr for one in function.jumpout_sites}
        returns = {at[one.addr] for one in (*function.ret_sites, *function.jumpout_sites) if one.addr in at}
        for node in nodes:
            call = self._call(address, node.addr, wanted)
            if call is None:
                continue
            place = at[node.addr]
            if node.addr in leaving and following[place]:
                following[place] = (*following[place], len(following))
                returns = (returns - {place}) | {len(following)}
                place = len(following)
                following.append(())
                marks.append(())
            marks[place] = (len(calls),)
            calls.append(call)
        errors = (at[block] for block, (target, _) in self.calls[address].items() if self._name(target) == ERRNO)
        return Function(
            address - self.shift,
            self._name(address),
            tuple(calls),
            tuple(marks),
            tuple(following),
            tuple(sorted(returns)),
            tuple(sorted(errors)),
            self.callers[address],
            address in self.pointed or bool(self.cfg.kb.xrefs.get_xrefs_by_dst(address)),
        )

    def _call(self, function: int, block: int, wanted: set[int]) -> Call | None:
        if block not in self.calls[function]:
            return None
        target, site = self.calls[function][block]
        name = self._name(target)
        strings = tuple(sorted(self.found.get((function, block), ())))
        waits = name if name in EVENTS or name in READS else ""
        inside = target - self.shift if target in wanted else 0
        if not (strings or waits or inside or name in self.known.speaking):
            return None
        return Call(site - self.shift, name, inside, strings, waits)

    def _indirect(self) -> dict[int, tuple[int, ...]]:
        """Where the indirect calls of the wanted functions go, by angr's resolvers and by tables of pointers."""
        wanted = {int(one, 16) + self.shift if one.startswith("0x") else one for one in self.job.functions}
        resolved = {one.addr: one.resolved_targets for one in self.cfg.indirect_jumps.values()}
        found: dict[int, tuple[int, ...]] = {}
        for address, function in self.functions.items():
            if not wanted & {address, self._name(address)}:
                continue
            tracer = self._tracer(address)
            for node in function.graph:
                if tracer.calls_indirectly(node.addr) and self._is_unnamed(address, node.addr):
                    targets = {*tracer.target(node.addr), *resolved.get(node.addr, ())} & self.functions.keys()
                    site = self.project.factory.block(node.addr, size=node.size).instruction_addrs[-1]
                    found[site - self.shift] = tuple(sorted(one - self.shift for one in targets))
        return found

    def _is_unnamed(self, function: int, block: int) -> bool:
        """False for a call of an import through its slot."""
        target, _ = self.calls[function].get(block, (0, 0))
        return target in self.functions or not self._name(target)


def _level(tracer: Tracer, block: int, logger: Logger, name: str, raw: bytes) -> str:
    """The level of one call: its priority where that is one constant, else what the text begins with."""
    argument, levels = (ARGUMENTS[name], APACHE) if name in ARGUMENTS else (logger.level, SYSLOG)
    known = tracer.argument(block, argument) if argument >= 0 else None
    if known is not None and known.complete and len(known.constants) == 1 and not known.parameters:
        return levels[known.constants[0] & (len(levels) - 1)]
    return level_of_text(raw)


def _project(path: str, tuned: bool) -> tuple[Any, dict[str, object]]:
    """The loaded file, and the options of CFGFast."""
    angr: Any = importlib.import_module("angr")
    if not tuned:
        return angr.Project(path, auto_load_libs=False), {}
    limits = {"functions": None, "cfg_nodes": None, "cfg_edges": None}
    project = angr.Project(path, auto_load_libs=False, cache_limits=limits)
    starts = _starts(project.loader.main_object)
    return project, {"force_smart_scan": False, "force_complete_scan": not starts, "function_starts": starts}


def _words(image: Any) -> Iterator[int]:
    """What the file's data holds at every place of a pointer, relocated."""
    for segment in image.segments:
        if not segment.is_executable and segment.filesize >= 8:
            data = bytes(image.memory.load(segment.vaddr - image.mapped_base, segment.filesize & ~7))
            yield from (word for (word,) in struct.iter_unpack("<Q", data) if word)


def _starts(image: Any) -> list[int]:
    """Where the unwind table's index says that functions begin, as angr has mapped the file; empty without one."""
    section = image.sections_map.get(".eh_frame_hdr")
    if section is None or section.memsize < 12:
        return []
    data = bytes(image.memory.load(section.vaddr - image.mapped_base, section.memsize))
    if data[:4] != b"\x01\x1b\x03\x3b":
        return []
    (count,) = struct.unpack_from("<I", data, 8)
    rows = struct.iter_unpack("<ii", data[12 : 12 + 8 * min(count, (len(data) - 12) // 8)])
    return sorted({section.vaddr + start for start, _ in rows})
