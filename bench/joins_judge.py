"""What an agent said of lines, against what is true of them.

Rules of this file
    - *exact*: `log`, the process that wrote it, and a unit of that very connection which has opened the line's page.
    - *process*: `log`, the process that wrote it, and no unit named.
    - *program*: `log_near`. The edge says that a process of this program may have written it: right if the program is;
      `another` counts those whose edge leads to another of its processes than the one that wrote it.
    - *wrong*: `log` and another process, or a unit of another connection, or one that has opened pages and not this
      one; `log_near` and another program. *none*: nobody named.
    - Of threads the server knows other names than the kernel: one name must always be one number.
    - `shared` are exact lines whose unit has lines of other requests too: the unit is the connection, not the request.

Invariant: every line of the truth is in exactly one class.
Complexity: O(lines).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

from joins_capture import Capture
from joins_replay import Outcome, Said
from joins_truth import Truth

from agent.tags import HASHED, Decoder

Class = Literal["exact", "process", "program", "wrong process", "wrong unit", "none"]
CLASSES: Final[tuple[Class, ...]] = ("exact", "process", "program", "wrong process", "wrong unit", "none")


_LINE: Final = re.compile(rb"GET /([0-9a-f]{8}) ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many lines are of each class; the first ids of those that are wrong."""

    lines: int
    counts: Counter[Class]
    shared: int
    another: int
    examples: tuple[str, ...]

    @property
    def wrong(self) -> int:
        """Lines joined with what did not write them: must be 0."""
        return self.counts["wrong process"] + self.counts["wrong unit"]

    def share(self, which: Class) -> float:
        """Part of all lines."""
        return self.counts[which] / self.lines if self.lines else 0.0


def judge(truth: dict[str, Truth], outcome: Outcome) -> Verdict:
    """Put each line into its class."""
    counts: Counter[Class] = Counter()
    owners: Counter[int] = Counter(one.unit for one in outcome.said.values() if one.unit)
    shared, another, examples = 0, 0, list[str]()
    threads: dict[tuple[int, str], int] = {}
    writers = {one.pid for one in truth.values()}
    for ident, true in truth.items():
        said = outcome.said.get(ident)
        found = class_of(true, said, writers)
        if said is not None and said.tag[1] and threads.setdefault((true.pid, true.thread), said.tag[1]) != said.tag[1]:
            found = "wrong process"
        counts[found] += 1
        shared += found == "exact" and said is not None and owners[said.unit] > 1
        another += found == "program" and said is not None and said.pid != true.pid
        if found.startswith("wrong"):
            examples.append(f"{ident}: {found}, {said}, true {true}")
    return Verdict(len(truth), counts, shared, another, tuple(examples[:5]))


def class_of(true: Truth, said: Said | None, program: Collection[int]) -> Class:
    """One line's class; `program` are the processes that have written lines like it."""
    if said is None or not said.operation:
        return "none"
    if said.tag[0] and said.tag[0] != true.pid:
        return "wrong process"
    if said.operation == "log_near" and not said.unit:
        return "program" if said.pid in program else "wrong process"
    if said.pid != true.pid:
        return "wrong process"
    if not said.unit:
        return "process"
    if said.peer.rpartition(":")[2] != str(true.port) or true.id not in said.pages:
        return "wrong unit"
    return "exact"


def tags_right(capture: Capture) -> tuple[int, int, int]:
    """Of how many lines a tag stands at the very place, with the right process, length and sum; of how many it stands
    elsewhere (its place is a guess); of how many there is none. The last counts lines of a right tag's sum nowhere."""
    places = {(os.major(device), os.minor(device), inode): at for at, (device, inode) in enumerate(capture.about.files)}
    mine = [one for one in Decoder().feed(capture.tags) if (one.major, one.minor, one.inode) in places]
    exact = {(places[one.major, one.minor, one.inode], one.offset, one.tgid, one.length, one.crc) for one in mine}
    loose = {(one.tgid, one.length, one.crc) for one in mine}
    counts: Counter[int] = Counter()
    for generation, data in enumerate(capture.logs):
        at = 0
        for line in data.splitlines(keepends=True):
            found = _LINE.search(line)
            if found and (true := capture.truth.get(found[1].decode())):
                said = true.pid, len(line), crc32(line[:HASHED])
                counts[0 if (generation, at, *said) in exact else 1 if said in loose else 2] += 1
            at += len(line)
    return counts[0], counts[1], counts[2]
