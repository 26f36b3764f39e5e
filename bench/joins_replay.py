"""A capture read by the agent's own pipeline, with one method of joining: whose it says that each line is.

Rules of this file
    - What a live agent would have had before it, step by step: the logs (and tags) as far as they were, then the audit
      log. A method is what of it is left out: records of calls that the lean rules do not audit, tags, companions.
    - The server's own account was audited too, where writes are: its records are taken out everywhere.
    - Nothing of the truth comes in here. What comes out: for each line its process, and its unit with the client's port
      and the pages that the unit has opened.

Complexity: O(bytes).
Source: agent/loop.py (the order of things); issue "lkm" (join quality).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import process_time
from typing import Final

from joins_capture import About, Capture

from agent.containers import HOST, Containers
from agent.logfiles_value import Generation, Piece
from agent.logmessages import LogMessages
from agent.logtimes import Joined
from agent.memory import Memory
from agent.pipeline import Pipeline
from agent.rules import calls_of
from agent.tags import Decoder
from agent.upg import KINDS_OF_EDGE, Scope

EPOCH: Final = 10_000
IDLE: Final = 300
LATER: Final = (0, 4_000, 12_000)
"""What a loop does while the log stands still (`agent.loop.LINES`)."""
KERNEL_OTHER: Final = b"KERNEL_OTHER"
_HEAD: Final = re.compile(rb"(?:node=\S+ )?type=(\w+) msg=audit\([\d.]+:(\d+)\)")
_CALL: Final = re.compile(rb" arch=c000003e syscall=(\d+) success=yes exit=(-?\d+) ")
_LINE: Final = re.compile(r"GET /([0-9a-f]{8}) ")
_BY_TAG: Final = re.compile(r"by tag: container \S+, pid (\d+) \(inside \d+\), thread (\d+) ")
_PAGE: Final = re.compile(r"/pages/([0-9a-f]{8})(?:#\d+)?$")
WRITE: Final = 1
WRITEV: Final = 20


@dataclass(frozen=True, slots=True)
class Method:
    """What an agent has to join lines with: the audit records of writes, tags, companion records."""

    name: str
    writes: bool
    tags: bool = False
    companion: bool = False


TIME: Final = Method("time only", writes=False)
AUDIT: Final = Method("audit only", writes=True)
TAGS: Final = Method("tags, no audited writes", writes=False, tags=True)
BOTH: Final = Method("tags and audited writes", writes=True, tags=True)
COMPANION: Final = Method("companion records, no other writes", writes=False, companion=True)
ALL: Final = Method("tags, companions, audited writes", writes=True, tags=True, companion=True)
METHODS: Final = (TIME, AUDIT, TAGS, BOTH, COMPANION, ALL)


@dataclass(slots=True)
class Said:
    """What was said of one line: by which operation it was joined (empty: not), its process, its unit if it has one.

    `ident` is its vertex; `tag` the numbers of process and thread that its instance shows, if it was joined by a tag.
    """

    operation: str
    pid: int = 0
    peer: str = ""
    unit: int = 0
    pages: set[str] = field(default_factory=set)
    ident: str = ""
    tag: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Outcome:
    """All lines by their ids, what it took, and what reached the agent."""

    said: dict[str, Said]
    seconds: float
    records: int
    bytes: int
    twice: int
    lost: dict[str, int]
    told: dict[str, int]
    how: dict[str, int]
    tags: dict[str, int]


class Pages:
    """A recorder that knows which pages each unit has opened: vertices of units, and what they used."""

    def __init__(self) -> None:
        self.unit_of: dict[int, int] = {}
        self.pages: dict[int, set[str]] = {}
        self.by_tag: dict[str, tuple[int, int]] = {}
        self._page: dict[int, str] = {}

    def command(self, ident: str, text: str) -> None:
        """What an instance shows besides: a line's numbers, if a tag has told them."""
        if found := _BY_TAG.match(text):
            self.by_tag[ident] = int(found[1]), int(found[2])

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex."""
        del scope, label
        if found := _PAGE.search(ident):
            self._page[number] = found[1]

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """Of no interest here."""

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """A unit begins, goes on in another version, or reads a page."""
        del scope, millis
        relation, operation = KINDS_OF_EDGE[kind]
        if operation == "unit":
            self.unit_of[effect] = effect
        elif operation == "version" and relation == "WAS_TRIGGERED_BY" and cause in self.unit_of:
            self.unit_of[effect] = self.unit_of[cause]
        elif relation == "USED" and effect in self.unit_of and cause in self._page:
            self.pages.setdefault(self.unit_of[effect], set()).add(self._page[cause])


class Watching(LogMessages):
    """The agent's own, that keeps whose each line was said to be."""

    def __init__(self, pages: Pages) -> None:
        super().__init__()
        self.pages = pages
        self.said: dict[str, Said] = {}
        self.twice = 0

    def tell(self, joined: Joined) -> None:
        """A line is told."""
        if found := _LINE.search(joined.line.message):
            process, unit = joined.writer
            self.twice += found[1] in self.said
            number = self.pages.unit_of.get(unit.vertex.number, 0) if unit.did is not None else 0
            pid = int(process.pid) if joined.operation else 0
            self.said[found[1]] = Said(joined.operation, pid, unit.peer if number else "", number, ident=joined.ident)
        super().tell(joined)


def replay(capture: Capture, method: Method) -> Outcome:
    """Read a capture once."""
    pages = Pages()
    logs = Watching(pages)
    memory = Memory(Pipeline(Containers.of([]), EPOCH, recorder=pages, logs=logs))
    chunks = list(bites(capture, method))
    begun = process_time()
    feed = Feed(capture, memory, method)
    quiet = capture.steps[0].millis if capture.steps else 0
    for number, chunk in enumerate(chunks):
        now = capture.steps[number].millis
        feed.up_to(number)
        if chunk:
            memory.pipeline.absorb(chunk)
            quiet = now
        elif now - quiet >= IDLE and memory.pipeline.open:
            memory.seal()
    for later in LATER:
        memory.seal(later)
    memory.pipeline.cut(0, EPOCH)
    seconds = process_time() - begun
    for one in logs.said.values():
        one.pages = pages.pages.get(one.unit, set())
        one.tag = pages.by_tag.get(one.ident, (0, 0))
    audit = b"".join(chunks)
    lost = {cause: number for cause, number in memory.pipeline.node.loss.items() if number}
    counts = dict(logs.joined), dict(logs.how), logs.tags.take()
    return Outcome(logs.said, seconds, audit.count(b"\n"), len(audit), logs.twice, lost, *counts)


class Feed:
    """Gives a node the logs, and the tags if the method has them, as far as they were at a step."""

    def __init__(self, capture: Capture, memory: Memory, method: Method) -> None:
        self.capture, self.method = capture, method
        self._given = [0] * len(capture.about.files)
        self._decoder = Decoder()
        self._tags = 0
        assert memory.pipeline.node.logs is not None
        self.logs = memory.pipeline.node.logs
        if method.tags:
            self.logs.tags.put(())  # a source works

    def up_to(self, number: int) -> None:
        """All of it up to a step."""
        step = self.capture.steps[number]
        if self.method.tags:
            fresh = self._decoder.feed(self.capture.tags[self._tags : step.tags])
            self._tags = step.tags
            self.logs.tags.put(sorted(fresh, key=lambda one: one.nanos))
        self.logs.take(pieces(self.capture.about, self.capture.logs, step.logs, self._given, step.millis))


def pieces(about: About, logs: Sequence[bytes], upto: Sequence[int], given: list[int], millis: int) -> Iterator[Piece]:
    """What the log's generations have had more than was `given`, which is brought up to date."""
    for at, end in enumerate(upto):
        begin, given[at] = given[at], end
        if end > begin:
            yield Piece(HOST, about.log, Generation(*about.files[at], at), begin, logs[at][begin:end], millis)


def bites(capture: Capture, method: Method) -> Iterator[bytes]:
    """The audit log in the pieces of the steps, whole records, without what the method has not."""
    left_out = dropped(capture, method)
    lines = iter(capture.audit.splitlines(keepends=True))
    at, waiting = 0, next(lines, b"")
    for step in capture.steps:
        found = bytearray()
        while waiting and at + len(waiting) <= step.audit:
            at += len(waiting)
            head = _HEAD.match(waiting)
            if head is None or (head[2] not in left_out and (method.companion or head[1] != KERNEL_OTHER)):
                found += waiting
            waiting = next(lines, b"")
        yield bytes(found)


def dropped(capture: Capture, method: Method) -> set[bytes]:
    """The serials of events that the method's agent would not have seen."""
    widths, own = set(capture.about.widths), f'exe="/usr/sbin/{_program(capture.about.exe)}"'.encode()
    if widths & {len(line) + 1 for line in capture.lines}:
        raise ValueError("the server's account cannot be told from its log by the lengths of lines")
    lean = set(calls_of("lean", "x86_64").values())
    heads = [(_HEAD.match(line), line) for line in capture.audit.splitlines()]
    kept = {head[2] for head, _ in heads if head is not None and head[1] == KERNEL_OTHER}
    found = set()
    for head, line in heads:
        call = _CALL.search(line)
        if head is None or head[1] != b"SYSCALL" or call is None:
            continue
        number, size = int(call[1]), int(call[2])
        account = number in (WRITE, WRITEV) and size in widths and own in line
        heavy = not method.writes and number not in lean and not (method.companion and head[2] in kept)
        if account or heavy:
            found.add(head[2])
    return found


def _program(exe: str) -> str:
    return "apache2" if exe.startswith("apache") else exe


def methods(capture: Capture) -> list[Method]:
    """The methods whose agent would have had just this: the rules of the capture, and who gave tags in it."""
    full, companion = capture.about.rules == "full", "companion" in capture.about.tags
    found = [one for one in METHODS if one.writes == full and (capture.tags or not one.tags)]
    return [one for one in found if companion or not one.companion]
