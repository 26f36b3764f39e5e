"""Lines of application logs: how many are read in a CPU second, of how many the time is found, beside simple peers.

    python bench/lines.py FOLDER|FILE... [--runs 5] [--markdown]

Rules of this file
    - Every file below the folders that lies in a folder `logs`, or is named itself; nothing is left out but empty ones.
    - A format's speed is that of all its files, each read in order by its own `Reader` (as the agent does), in memory,
      repeated to at least `LEAST` lines; CPU time of this process, the fastest of the runs.
    - The peers do less: one expression and `strptime`, told the format beforehand, which give three fields of a line.
      They are for Apache's two logs only.
    - Shares are of entries: lines that continue another are counted apart.

Source: issue "log processor": at least 300,000 lines of Apache's logs per CPU second.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from grammar.lineformat import Reader, read_line

LEAST: Final = 50_000
COMBINED: Final = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "([^"]*)" (\d{3}) ')
ERROR: Final = re.compile(r"^\[([^\]]+)\] \[[^:]*:?(\w+)\] \[pid (\d+)[^\]]*\] (?:\[client ([^\]]+)\] )?(.*)$")


@dataclass(slots=True)
class Form:
    """What was met of one format: the lines of its files, and counts over all lines."""

    files: list[list[bytes]] = field(default_factory=list)
    entries: int = 0
    timed: int = 0
    fine: int = 0


def logs(paths: Sequence[Path]) -> list[Path]:
    """The files to read: those named, and those in folders `logs`."""
    found = [path for path in paths if path.is_file()]
    for folder in paths:
        found += sorted(
            path for path in folder.rglob("*") if path.is_file() and "logs" in path.parts and path.stat().st_size
        )
    return found


def survey(files: Sequence[Path]) -> tuple[dict[str, Form], int]:
    """Formats by their share of the lines; a file belongs to its most frequent format. And the continuing lines."""
    forms: defaultdict[str, Form] = defaultdict(Form)
    continuing = 0
    for path in files:
        lines = path.read_bytes().splitlines(keepends=True)
        reader, seen = Reader(year=2026), Counter[str]()
        for raw in lines:
            line = reader.feed(raw)
            if line is None:
                continuing += 1
                continue
            form = forms[line.format]
            form.entries += 1
            form.timed += line.millis is not None
            form.fine += line.grain == 1
            seen[line.format] += 1
        if seen:
            forms[seen.most_common(1)[0][0]].files.append(lines)
    return dict(forms), continuing


def rate(files: Sequence[list[bytes]], start: Callable[[], Callable[[bytes], object]], runs: int) -> float:
    """Lines per CPU second; `start` gives a new reader for every file."""
    total = sum(len(lines) for lines in files)
    times = max(1, LEAST // max(1, total))
    best = float("inf")
    for _ in range(runs):
        begin = time.process_time()
        for _ in range(times):
            for lines in files:
                read = start()
                for raw in lines:
                    read(raw)
        best = min(best, time.process_time() - begin)
    return total * times / best


def peer_access(raw: bytes) -> object:
    """What a script does: an expression and strptime."""
    found = COMBINED.match(raw.decode("utf-8", "replace"))
    return found and (found[1], datetime.strptime(found[2], "%d/%b/%Y:%H:%M:%S %z").timestamp(), found[3], found[4])


def peer_error(raw: bytes) -> object:
    """The same for the error log of Apache 2.4."""
    found = ERROR.match(raw.decode("utf-8", "replace"))
    return found and (datetime.strptime(found[1], "%a %b %d %H:%M:%S.%f %Y"), *found.groups()[1:])


def _same(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """A reader that remembers nothing needs no new one for the next file."""
    return read


PEERS: Final = {"access": peer_access, "apache_error": peer_error}


def tables(forms: dict[str, Form], continuing: int, runs: int) -> tuple[Table, Table]:
    """Speed by format, and the shares over all lines."""
    speed = Table("format", *("lines", "Reader.feed, lines/CPU s", "read_line, lines/CPU s", "expression + strptime"))
    share = Table("format", "entries", "with a time", "of it to the millisecond")
    for name, form in sorted(forms.items(), key=lambda item: -item[1].entries):
        share.add_row(name or "(text)", *(f"{number:,}" for number in (form.entries, form.timed, form.fine)))
        if not form.files or not name:
            continue
        ours = rate(form.files, lambda: Reader(year=2026).feed, runs)
        alone = rate(form.files, partial(_same, read_line), runs)
        peer = PEERS.get(name)
        theirs = f"{rate(form.files, partial(_same, peer), runs):,.0f}" if peer else ""
        count = sum(len(lines) for lines in form.files)
        speed.add_row(name, f"{count:,}", f"{ours:,.0f}", f"{alone:,.0f}", theirs)
    entries, timed = (sum(getattr(form, key) for form in forms.values()) for key in ("entries", "timed"))
    share.add_row("all", f"{entries:,}", f"{timed:,} ({timed / max(1, entries):.2%})", "")
    share.add_row("continuing lines", f"{continuing:,}", "", "")
    return speed, share


def markdown(table: Table) -> str:
    """A table as markdown."""
    cells = [[str(column.header) for column in table.columns], ["---"] * len(table.columns)]
    cells += [list(row) for row in zip(*(list(column.cells) for column in table.columns), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="lines of application logs per CPU second, and what is read of them")
    parser.add_argument("paths", nargs="+", type=Path, help="recordings, folders with `logs` in them, or logs")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    files = logs(options.paths)
    if not files:
        parser.error("no application logs there; name a recording, or a log")
    console = Console()
    for table in tables(*survey(files), options.runs):
        if options.markdown:
            sys.stdout.write(markdown(table) + "\n\n")
        else:
            console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
