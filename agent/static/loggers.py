"""Which functions of an application are given its messages: from libraries' functions through wrappers to a fixpoint.

Rules of this file
    - A function that passes one of its parameters on as a *format* is a logger with that parameter. A parameter that
      is passed on as plain text makes no logger: that way lies every function that takes a file's name.
    - A variadic function is one if its callers' votes say so (`variadic`).
    - What one image exports is a logger for the images that import it.

Invariant: each call of a logger is traced once; the order of images changes nothing but positions.
Complexity: O(call sites of loggers x trace), functions decoded once a round; rounds = depth of wrappers.
Source: DisProTrack section IV-A (LMG functions); notes/static-analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from agent.static.body import Body, Call
from agent.static.code import Code
from agent.static.hooks import learn_hooks
from agent.static.levels import ARGUMENTS as LEVELS
from agent.static.seeds import OTHER_FORMATS, SEEDS, Logger
from agent.static.values import Tracer, Values
from agent.static.variadic import format_argument, named_parameters

Key = tuple[int, int | str]
"""(binary, address of the function), or (-1, name) of a library's function."""
MAX_ROUNDS: Final = 32
SAMPLE: Final = 48
MAX_NAMED: Final = 9
MAX_WORK: Final = 200_000_000
"""Instructions decoded or walked over; mariadbd takes 4 million."""
COUNTED: Final = 0.8
"""Of the sites of a library's variadic function, at least so many look like calls of one."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A call of a logger and what may be passed as its message."""

    binary: int
    index: int
    call: Call
    key: Key
    values: Values
    level: Values | None = None
    size: tuple[Values, ...] = ()


@dataclass(slots=True)
class Search:
    """The loggers and the calls of them found so far."""

    codes: Sequence[Code]
    depth: int
    loggers: dict[Key, Logger] = field(default_factory=dict)
    traced: list[Traced] = field(default_factory=list)
    foreign: dict[str, Key] = field(default_factory=dict)
    exported: dict[Key, list[str]] = field(default_factory=dict)
    variadic: dict[Key, int] = field(default_factory=dict)
    refused: set[Key] = field(default_factory=set)
    loaders: list[dict[int, set[int]]] = field(default_factory=list)
    loading: list[set[int]] = field(default_factory=list)
    work: int = 0
    notes: list[str] = field(default_factory=list)

    def key(self, binary: int, target: int) -> Key | None:
        """What is called at `target` in an image: one key for it in all images."""
        code = self.codes[binary]
        name = code.image.imports.get(target)
        if name is not None:
            return self.foreign.get(name, (-1, name)) if name not in SEEDS else (-1, name)
        return (binary, target) if target else None


def search(codes: Sequence[Code], depth: int, progress: Callable[[str], None]) -> Search:
    """Find the loggers of an application and trace every call of them."""
    for code in codes:
        learn_hooks(code, depth)
    found = Search(codes, depth)
    _prepare(found)
    new = set(found.loggers)
    for number in range(MAX_ROUNDS):
        if not new:
            break
        progress(f"round {number + 1}: {len(new)} functions that take messages")
        new = _round(found, new)
        if not new:
            new = _vote_all(found)
    if found.work > MAX_WORK:
        found.notes.append("too much code: some functions were not looked into, their log strings are missing")
    return found


def _prepare(found: Search) -> None:
    """Seeds, names of what the images give one another, and variadic functions."""
    for binary, code in enumerate(found.codes):
        for name, address in code.image.exports.items():
            if name not in SEEDS:
                key = found.foreign.setdefault(name, (binary, address))
                found.exported.setdefault(key, []).append(name)
        for address, name in code.image.symbols.items():
            if name in SEEDS:
                found.loggers[binary, address] = SEEDS[name]
        for start in {*code.scan.variadic.tolist(), *_counted(code)}:
            if code.index_at(start) >= 0:
                found.variadic[binary, start] = -1
        found.loaders.append(_loaders(code))
        found.loading.append({index for few in found.loaders[-1].values() for index in few})
    for name, seed in SEEDS.items():
        found.loggers[-1, name] = seed


def _counted(code: Code) -> list[int]:
    """Functions whose callers treat them as variadic, and that save the unnamed arguments as such do."""
    targets, inverse = np.unique(code.targets, return_inverse=True)
    total = np.bincount(inverse, minlength=len(targets))
    counted = np.bincount(inverse, weights=code.counted, minlength=len(targets))
    few = targets[(counted > 0) & (counted >= COUNTED * total)].tolist()
    own = [(start, code.index_at(start)) for start in few]
    return [start for start, index in own if index >= 0 and named_parameters(code.body(index)) < 6]


def _loaders(code: Code) -> dict[int, set[int]]:
    """For each imported slot the functions that load its content into a register."""
    found: dict[int, set[int]] = {}
    for place, slot in code.scan.loads:
        owner = code.function_of(place)
        if owner >= 0:
            found.setdefault(code.normal(slot), set()).add(owner)
    return found


def _targets(found: Search, binary: int, keys: set[Key]) -> list[int]:
    """Numbers that stand for any of `keys` in an image."""
    code = found.codes[binary]
    own = [int(address) for where, address in keys if where == binary]
    names = {str(name) for where, name in keys if where == -1}
    names |= {name for key in keys if key[0] != binary for name in found.exported.get(key, ())}
    return own + [slot for name in names for slot in code.names.get(name, ())]


def owners_of(found: Search, binary: int, keys: set[Key]) -> list[int]:
    """Functions of an image that may call any of `keys`, ascending."""
    code = found.codes[binary]
    targets = _targets(found, binary, keys)
    wanted = np.isin(code.targets, np.array(targets, np.uint64))
    owners = set(np.unique(code.owners[wanted]).tolist())
    for target in targets:
        owners |= found.loaders[binary].get(target, set())
    return sorted(owners)


def calls_of(found: Search, binary: int, body: Body, tracer: Tracer) -> Iterator[tuple[Call, Key]]:
    """Calls of a body with the key of what they call; those through a register that has been loaded, too."""
    loads = body.function.index in found.loading[binary]
    for call in body.calls:
        key = found.key(binary, call.target)
        if key is not None:
            yield call, key
        elif loads and not call.target:
            for slot in tracer.callee(call.position).slots[:4]:
                key = found.key(binary, found.codes[binary].normal(slot))
                if key is not None:
                    yield replace(call, name=found.codes[binary].imported(slot)), key


def _round(found: Search, new: set[Key]) -> set[Key]:
    """Trace all calls of the loggers `new`; the loggers that this finds."""
    fresh: dict[Key, Logger] = {}
    for binary, code in enumerate(found.codes):
        for index in owners_of(found, binary, new):
            if found.work > MAX_WORK:
                continue
            body = code.body(index)
            tracer = Tracer(code, body, found.depth)
            for call, key in calls_of(found, binary, body, tracer):
                if key in new:
                    one = _trace(found, binary, call, key, tracer)
                    found.traced.append(one)
                    _forward(found, one, tracer, fresh)
            found.work += len(body.instructions) + tracer.steps
    found.loggers.update(fresh)
    return set(fresh)


def _trace(found: Search, binary: int, call: Call, key: Key, tracer: Tracer) -> Traced:
    logger = found.loggers[key]
    values = tracer.argument(call.position, logger.argument)
    priority = LEVELS.get(logger.shown, logger.level)
    level = tracer.argument(call.position, priority) if priority >= 0 else None
    size = tuple(tracer.argument(call.position, number) for number in logger.size) if values.addresses else ()
    return Traced(binary, tracer.body.function.index, call, key, values, level, size)


def _forward(found: Search, one: Traced, tracer: Tracer, fresh: dict[Key, Logger]) -> None:
    """A function that passes a parameter on as format is a logger itself; or as a piece of a stream's message."""
    logger = found.loggers[one.key]
    body = tracer.body
    key: Key = (one.binary, body.function.address)
    if not one.values.parameters or key in found.loggers or key in fresh:
        return
    argument = one.values.parameters[0]
    if logger.stream and argument == 1 == len(one.values.parameters):
        fresh[key] = Logger(1, False, shown="operator<<", stream=True)
    if not logger.format:
        return
    if key in found.variadic and argument >= _named(found, key, body) < 6:
        return
    level = one.level.parameters[0] if one.level is not None and one.level.parameters else -1
    fresh[key] = Logger(argument, True, "unknown", level, shown=shown_as(found, key))


def _named(found: Search, key: Key, body: Body) -> int:
    if found.variadic[key] < 0:
        found.variadic[key] = named_parameters(body)
    return found.variadic[key]


def shown_as(found: Search, key: Key) -> str:
    """The name of a function, or its address as one."""
    if key[0] < 0:
        return str(key[1])
    address = int(key[1])
    return found.codes[key[0]].image.symbols.get(address) or f"sub_{address:x}"


def _vote_all(found: Search) -> set[Key]:
    """Ask the callers of every variadic function that is not a logger yet."""
    fresh: set[Key] = set()
    for key in (*sorted(found.variadic, key=str), *imported(found)):
        if key in found.loggers or key in found.refused:
            continue
        found.refused.add(key)
        named = MAX_NAMED
        if key[0] >= 0:
            code = found.codes[key[0]]
            named = _named(found, key, code.body(code.index_at(int(key[1]))))
        argument = _vote(found, key, named if named < 6 else MAX_NAMED)
        if argument >= 0:
            found.loggers[key] = Logger(argument, shown=shown_as(found, key))
            fresh.add(key)
    return fresh


def imported(found: Search) -> list[Key]:
    """Library functions that are no seeds, but whose callers treat them as variadic."""
    counts: dict[str, list[int]] = {}
    for code in found.codes:
        for name, slots in code.names.items():
            if name in SEEDS or name in found.foreign or name in OTHER_FORMATS:
                continue
            few = code.calling(slots[0])
            known = counts.setdefault(name, [0, 0])
            known[0] += len(few)
            known[1] += int(code.counted[few].sum())
    return [(-1, name) for name, (sites, counted) in sorted(counts.items()) if counted and counted >= COUNTED * sites]


def _vote(found: Search, key: Key, named: int) -> int:
    """Which of the `named` parameters is the format, from what a sample of the callers passes."""
    texts: list[list[bytes]] = [[] for _ in range(named)]
    sites = 0
    for binary, code in enumerate(found.codes):
        owners = owners_of(found, binary, {key})
        for index in owners[:: max(1, len(owners) // SAMPLE)][:SAMPLE]:
            body = code.body(index)
            tracer = Tracer(code, body, found.depth, doubting=True)
            for call in [call for call, other in calls_of(found, binary, body, tracer) if other == key][:4]:
                sites += 1
                for number in range(named):
                    values = tracer.argument(call.position, number)
                    text = next((t for one in values.addresses[:4] if (t := code.image.text(one))), None)
                    if text is not None:
                        texts[number].append(text)
            found.work += len(body.instructions) + tracer.steps
    return format_argument(texts, sites, named - 1 if named < MAX_NAMED else -1)
