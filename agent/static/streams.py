"""Messages of C++ streams: `info() << "took " << seconds << " s"` put together from its pieces, as a printf format.

Rules of this file
    - A message ends where a function is called that takes a stream's text or ends the stream, and hands a text to a
      logger as `%s`: the destructor of an object like `ib::info`. Going backward from there, along every way, texts are
      pieces and other insertions are `%s`, until the stream is made, or the end of another message. A call of which
      nothing is known may insert, too: `%s` (which may be empty), but not before the first piece, where the object is
      made.
    - What is put together stands at the call that ends it, and its pieces stand no more. Pieces of other streams stay:
      whatever they are put into is not known.

Complexity: O(ways), at most `MAX_WAYS` for each end.
Source: MariaDB storage/innobase/include/ut0ut.h (class logger); Itanium C++ ABI (names of libstdc++'s insertions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.static.body import Body, Call
from agent.static.code import Code
from agent.static.loggers import Key, Search, Traced
from agent.static.seeds import Logger
from agent.static.values import Values

MAX_WAYS: Final = 64
MAX_PIECES: Final = 64
MAX_BLOCKS: Final = 400
MAX_END: Final = 250  # instructions of such a destructor
MAX_BYTES: Final = 400  # of such a constructor
MAKES: Final = re.compile("basic_ostringstream.*C[12]Ev|_ZNSt8ios_baseC2Ev")
ENDS: Final = re.compile("basic_(?:stringbuf|ostringstream).*3strEv|basic_ostringstream.*D[12]Ev|_ZNSt8ios_baseD2Ev")
INSERTS: Final = ("_ZNSo9_M_insert", "_ZNSolsE", "_ZStls", "_ZSt16__ostream_insert", "_ZNSo3putEc", "_ZNSo5writeE")
"""How the names of insertions into a stream begin."""
FIELD: Final = b"%s"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as a format: the call that ends it, the logger that it goes to, what may be its priority."""

    binary: int
    index: int
    address: int
    raw: bytes
    logger: Logger
    level: Values | None = None


def messages(found: Search, loggers: Mapping[Key, Logger]) -> tuple[list[Message], set[tuple[int, int]]]:
    """The messages, and (binary, call site) of the pieces that are in them."""
    made: list[Message] = []
    used: set[tuple[int, int]] = set()
    for binary, code in enumerate(found.codes):
        pieces = {one.call.address: one for one in found.traced if one.binary == binary and _is_piece(found, one)}
        if not pieces:
            continue
        ends = _ends(found, binary, loggers)
        inserting, begins = _inserting(code), _begins(code)
        for index in sorted({one.index for one in pieces.values()}):
            body = code.body(index)
            walk = _Walk(code, body, pieces, inserting, set(ends) | begins)
            for call in body.calls:
                for frame, logger in ends.get(call.target, ()):
                    for raw in walk.ways(call.position):
                        whole = frame.replace(FIELD, raw)
                        made.append(Message(binary, index, call.address, whole, logger))
            used.update((binary, address) for address in walk.used)
    return made, used


def _is_piece(found: Search, one: Traced) -> bool:
    return found.loggers[one.key].stream and bool(one.values.addresses)


def _ends(found: Search, binary: int, loggers: Mapping[Key, Logger]) -> dict[int, list[tuple[bytes, Logger]]]:
    """Functions that give a stream's text to a logger: by address, the format around it and the logger."""
    code = found.codes[binary]
    takers = _calling(code, ENDS) - _calling(code, MAKES)
    ends: dict[int, list[tuple[bytes, Logger]]] = {}
    for one in found.traced:
        logger = loggers[one.key]
        if one.binary != binary or one.index not in takers or not logger.format or logger.sink == "formats":
            continue
        texts = (code.image.text(address) for address in one.values.addresses)
        frames = [(text, logger) for text in texts if text and text.endswith(FIELD) and text.count(b"%") == 1]
        if frames and len(code.body(one.index).instructions) <= MAX_END:
            ends.setdefault(code.functions[one.index].address, []).extend(frames)
    return ends


def _inserting(code: Code) -> set[int]:
    """What puts something into a stream: the library's insertions, and functions that call them."""
    direct = {slot for name, slots in code.names.items() if name.startswith(INSERTS) for slot in slots}
    owners = {int(index) for slot in direct for index in code.callers(slot)}
    return direct | {code.functions[index].address for index in owners}


def _calling(code: Code, names: re.Pattern[str]) -> set[int]:
    """Indices of the functions that call any imported function with such a name."""
    return {int(one) for name, slots in code.names.items() if names.search(name) for one in code.callers(slots[0])}


def _begins(code: Code) -> set[int]:
    """What makes a stream: the library's constructors, and small functions that call them."""
    direct = {slot for name, slots in code.names.items() if MAKES.search(name) for slot in slots}
    small = (code.functions[index] for index in _calling(code, MAKES))
    return direct | {one.address for one in small if one.end - one.address <= MAX_BYTES and len(one.parts) == 1}


class _Walk:
    """The ways backward from the end of a message, in one function."""

    __slots__ = ("_body", "_code", "_ends", "_events", "_inserting", "_pieces", "used")

    def __init__(
        self, code: Code, body: Body, pieces: Mapping[int, Traced], inserting: set[int], ends: set[int]
    ) -> None:
        self._code, self._body, self._pieces, self._ends = code, body, pieces, ends
        self.used: set[int] = set()
        self._inserting = inserting
        self._events: dict[int, list[Call]] = {}
        for call in body.calls:
            if call.address in pieces or call.target in inserting or call.target in ends or not call.name:
                self._events.setdefault(body.block_of(call.position), []).append(call)

    def ways(self, position: int) -> Iterator[bytes]:
        """The messages that may end at the call at `position`."""
        todo: list[tuple[int, int, tuple[Call, ...], frozenset[int]]] = []
        todo.append((self._body.block_of(position), position, (), frozenset()))
        given: dict[tuple[Call, ...], None] = {}
        known: set[tuple[int, tuple[Call, ...]]] = set()
        steps = 0
        while todo and len(given) < MAX_WAYS and steps < MAX_BLOCKS:
            steps += 1
            block, before, calls, seen = todo.pop()
            ended = False
            for call in reversed(self._events.get(block, ())):
                if call.position < before and (call.target in self._ends or len(calls) >= MAX_PIECES):
                    ended = True
                    break
                if call.position < before:
                    calls = (call, *calls)
            more = [one for one in self._body.predecessors[block] if one not in seen]
            if ended or not more:
                given[calls] = None
                continue
            for one in more:
                if (one, calls) not in known:
                    known.add((one, calls))
                    todo.append((one, 1 << 62, calls, seen | {block}))
        texts = {self._text(calls) for calls in given if any(call.address in self._pieces for call in calls)}
        yield from sorted(texts)

    def _text(self, calls: Sequence[Call]) -> bytes:
        """The format of a sequence of insertions."""
        raw = b""
        for call in calls:
            one = self._pieces.get(call.address)
            text = self._code.image.text(one.values.addresses[0]) if one else None
            if text is not None:
                raw += text.replace(b"%", b"%%")
                self.used.add(call.address)
            elif (raw or call.target in self._inserting) and not raw.endswith(FIELD):
                raw += FIELD
        return raw
