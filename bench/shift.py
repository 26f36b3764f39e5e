"""A log made N times as long: copies one after the other, each later in time and with serials of its own.

    python bench/shift.py LOG N OUT

Rules of this file
    - Only the header `audit(TIME:SERIAL)` of a record changes; text inside a record that looks like one does not.
    - Copy k is later by k times (the log's span + 1 s), its serials higher by k times their range: ids stay unique.
    - Streaming: one pass for the bounds, one per copy; memory does not depend on the length of the log.

Serials are 32 bits in the kernel and wrap, and so they do here.
Lines that carry no header are copied as they are.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from logs import plain_log

HEADER: Final = re.compile(rb"^((?:node=\S+ )?type=\S+ msg=audit\()(\d+)\.(\d{3}):(\d+)(?=\))")
GAP_MS: Final = 1000
SERIALS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Bounds:
    """First and last time (milliseconds) and serial of a log."""

    first_ms: int
    last_ms: int
    first_serial: int
    last_serial: int

    @property
    def step_ms(self) -> int:
        """How much later the next copy is, in milliseconds."""
        return self.last_ms - self.first_ms + GAP_MS

    @property
    def step_serial(self) -> int:
        """How much higher the serials of the next copy are."""
        return self.last_serial - self.first_serial + 1


def _ids(log: BinaryIO) -> Iterator[tuple[int, int]]:
    for line in log:
        if header := HEADER.match(line):
            yield int(header[2]) * 1000 + int(header[3]), int(header[4])


def bounds(path: Path) -> Bounds:
    """The bounds of an uncompressed log; all zero if no line has a header."""
    first_ms = last_ms = first_serial = last_serial = -1
    with path.open("rb") as log:
        for ms, serial in _ids(log):
            if first_ms < 0:
                first_ms, last_ms, first_serial, last_serial = ms, ms, serial, serial
            first_ms, last_ms = min(first_ms, ms), max(last_ms, ms)
            first_serial, last_serial = min(first_serial, serial), max(last_serial, serial)
    return Bounds(max(first_ms, 0), max(last_ms, 0), max(first_serial, 0), max(last_serial, 0))


def shifted(line: bytes, later_ms: int, more: int) -> bytes:
    """One record, `later_ms` later and with its serial `more` higher.

    >>> shifted(b"type=CWD msg=audit(7.900:41): cwd=1", 1200, 9)
    b'type=CWD msg=audit(9.100:50): cwd=1'
    """
    header = HEADER.match(line)
    if header is None:
        return line
    ms = int(header[2]) * 1000 + int(header[3]) + later_ms
    serial = (int(header[4]) + more) % SERIALS
    return b"%b%d.%03d:%d%b" % (header[1], ms // 1000, ms % 1000, serial, line[header.end() :])


def shift(path: Path, copies: int, out: Path) -> None:
    """Write `copies` of an uncompressed log one after the other; the first is the log itself."""
    step = bounds(path)
    with out.open("wb") as target:
        for copy in range(copies):
            later, more = copy * step.step_ms, copy * step.step_serial
            with path.open("rb") as log:
                for line in log:
                    whole = line if line.endswith(b"\n") else line + b"\n"
                    target.write(shifted(whole, later, more) if copy else whole)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="N copies of a log, times and serials shifted")
    parser.add_argument("log", type=Path, help="audit.log[.zst] or a worker's folder")
    parser.add_argument("copies", type=int, metavar="N")
    parser.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="shift-") as folder:
        shift(plain_log(options.log, Path(folder)), options.copies, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
