"""Messages that a program gives by number: the calls, joined with the texts of its catalogue.

Rules of this file
    - A function is given numbers if nearly all its callers hand it a number that the catalogue has a text for, in the
      same argument, and it is variadic: the text is a format. Its name is not asked for.
    - A logger's format may come from the catalogue in memory: `where->texts[range][index]`, three loads one from the
      other. Where the format is nothing else that is known, and the catalogue has such a text, that is what it is.
    - What is called is one function in all images; a text stands at the call that gives its number.

Complexity: O(call sites of variadic functions that are no loggers); mariadbd's 2,400 sites take 1 CPU s.
Source: MariaDB mysys/my_error.c, sql/unireg.h (ER_DEFAULT), sql/sql_class.h (ER_THD).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from iced_x86 import Instruction, OpKind, Register

from agent.static.catalogue import Catalogue
from agent.static.loggers import Key, Search, calls_of, imported, owners_of, shown_as
from agent.static.seeds import Logger
from agent.static.streams import Message
from agent.static.value_slots import Place, signed
from agent.static.value_tables import FULL
from agent.static.values import Tracer

SITES: Final = 8
"""A function with fewer callers is not asked."""
DIFFERENT: Final = 5
SHARE: Final = 0.9
ASKED: Final = 4
"""The number is one of the first parameters."""
WORD: Final = 8
MAX_PLACES: Final = 8
Row = tuple[int, int, int, list[tuple[int, ...]]]
"""A call: binary, function, address, and the numbers that may be each of its first arguments."""


def numbered(found: Search, catalogue: Catalogue) -> list[tuple[Key, Message]]:
    """The messages that the application gives by number, each with the function that is given it."""
    return [*_by_call(found, catalogue), *_by_format(found, catalogue)]


def _by_call(found: Search, catalogue: Catalogue) -> Iterator[tuple[Key, Message]]:
    """Calls of functions that are given numbers."""
    for key in (*sorted(found.variadic, key=str), *imported(found)):
        if key in found.loggers:
            continue
        rows = list(_rows(found, key))
        argument = _argument(rows, catalogue)
        if argument < 0:
            continue
        logger = found.loggers[key] = Logger(argument, shown=shown_as(found, key))
        for binary, index, address, numbers in rows:
            for number in numbers[argument]:
                if raw := catalogue.text(number):
                    yield key, Message(binary, index, address, raw, logger)


def _rows(found: Search, key: Key) -> Iterator[Row]:
    """Calls of a function."""
    for binary, code in enumerate(found.codes):
        for index in owners_of(found, binary, {key}):
            body = code.body(index)
            tracer = Tracer(code, body, found.depth)
            for call in [call for call, other in calls_of(found, binary, body, tracer) if other == key]:
                numbers = [tracer.argument(call.position, at).constants for at in range(ASKED)]
                yield binary, index, call.address, numbers
            found.work += len(body.instructions) + tracer.steps


def _argument(rows: Sequence[Row], catalogue: Catalogue) -> int:
    """Which argument is a number of the catalogue's at nearly all calls; -1 if none is."""
    for at in range(ASKED if len(rows) >= SITES else 0):
        known = [numbers[at] for _, _, _, numbers in rows if numbers[at]]
        sound = [few for few in known if all(catalogue.text(number) for number in few)]
        different = {number for few in sound for number in few}
        if len(sound) >= SHARE * len(rows) and len(different) >= DIFFERENT:
            return at
    return -1


def _by_format(found: Search, catalogue: Catalogue) -> Iterator[tuple[Key, Message]]:
    """Calls of loggers whose format is loaded from the catalogue."""
    for one in found.traced:
        logger = found.loggers[one.key]
        if not logger.format or not one.values.reads or one.values.addresses:
            continue
        code = found.codes[one.binary]
        tracer = Tracer(code, code.body(one.index), found.depth)
        texts = {raw for at in one.values.reads[:MAX_PLACES] for raw in _loaded(tracer, at, catalogue)}
        for raw in sorted(texts):
            yield one.key, Message(one.binary, one.index, one.call.address, raw, logger, one.level)


def _loaded(tracer: Tracer, position: int, catalogue: Catalogue) -> Iterator[bytes]:
    """The texts that the load at `position` may give, if it is one from a range of the catalogue."""
    one = tracer.body.instructions[position]
    offsets = _offsets(tracer, position, one)
    for at in tracer.place(position, Place(FULL[one.memory_base])).reads[:MAX_PLACES] if offsets else ():
        outer = tracer.body.instructions[at]
        plain = outer.memory_base != Register.NONE == outer.memory_index
        if not plain or not tracer.place(at, Place(FULL[outer.memory_base])).reads:
            continue
        part, rest = divmod(signed(outer.memory_displacement), WORD)
        yield from (raw for offset in offsets if not rest and (raw := catalogue.at(part, offset // WORD)))


def _offsets(tracer: Tracer, position: int, one: Instruction) -> list[int]:
    """What may be added to the register that a load goes through."""
    if OpKind.MEMORY not in (one.op0_kind, one.op1_kind) or one.memory_base == Register.NONE:
        return []
    begin = signed(one.memory_displacement)
    if one.memory_index == Register.NONE:
        return [begin] if not begin % WORD else []
    known = tracer.place(position, Place(FULL[one.memory_index])).constants
    return [at for number in known if not (at := begin + signed(number) * one.memory_index_scale) % WORD]
