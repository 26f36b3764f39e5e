"""How many of a binary's log strings the fast engine finds: against truths that do not come from it.

    python bench/recall.py [--binaries DIR] [--depth N] [--missing N]

Rules of this file
    - Apache marks each message with a tag of its own (`AH01234:`): the distinct tags in its files are the truth. The
      core and all its modules are analysed together. No name of an application's own function is known to the engine.
    - Of every file the strings with a conversion (`%s`) that code refers to are looked at. That is no truth (some are
      for scanf or strftime, or never printed), but what is missing from it is worth a look: `--missing` shows it.

Limits: 98.6 % of the tags; exit 1 below. Source: notes/static-analysis; issue "application logs".
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed.binaries import APPLICATIONS, FOLDER, missing
from testbed.ledger import STATE

from agent.static.depths import DEPTH
from agent.static.elf import read_image
from agent.static.strings import Found, find
from agent.static.variadic import CONVERSION
from grammar.errors import InputError, escape

TAG: Final = re.compile(rb"AH[0-9]{5}:")
LEAST: Final = 0.986
TAGGED: Final = "apache2"


@dataclass(frozen=True, slots=True)
class Row:
    """One binary: distinct texts found, tags, and strings with a conversion that code refers to, covered and all."""

    name: str
    texts: int
    tags: frozenset[bytes] = frozenset()
    truth: frozenset[bytes] = frozenset()
    covered: int = 0
    referred: int = 0
    missing: tuple[bytes, ...] = ()


def main() -> int:
    """Analyse each application, print the table, say whether the tags are enough."""
    options = _options()
    if lacks := missing(options.binaries):
        print(f"recall: no {', '.join(lacks)} in {options.binaries}: python bench/testbed/binaries.py", file=sys.stderr)
        return 2
    print(f"{'binary':34} {'texts':>6} {'tags':>11} {'with a %, covered':>20}")
    share = 0.0
    for name, patterns in APPLICATIONS.items():
        begin = time.process_time()
        paths = [path for pattern in patterns for path in sorted(options.binaries.glob(pattern))]
        try:
            found = find([read_image(path) for path in paths], options.depth)
        except InputError as error:
            print(f"recall: {error}", file=sys.stderr)
            return 2
        rows = list(rows_of(found))
        together = total(f"{name}: all", rows)
        for row in (*rows, together) if len(rows) > 1 else rows:
            if row.texts:
                print(line(row))
            for text in row.missing[: options.missing]:
                print(f"    {escape(text)}")
        print(f"{name}: {time.process_time() - begin:.1f} CPU s")
        if name == TAGGED:
            share = len(together.tags) / max(1, len(together.truth))
    print(f"tags of {TAGGED}: {share:.2%} (limit {LEAST:.1%})")
    return 0 if share >= LEAST else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--binaries", type=Path, default=STATE / FOLDER, help="where Debian's packages are unpacked")
    parser.add_argument("--depth", type=int, default=DEPTH, help=f"back-trace depth (default {DEPTH})")
    parser.add_argument("--missing", type=int, default=0, metavar="N", help="show so many strings that were not found")
    return parser.parse_args()


def rows_of(found: Found) -> Iterator[Row]:
    """A row for each binary. A tag that another binary's site has is found: the text counts, not where."""
    everywhere = tags_of(site.raw for site in found.sites)
    for number, (image, code) in enumerate(zip(found.images, found.codes, strict=True)):
        texts = {site.raw for site in found.sites if site.binary == number}
        truth = tags_of([image.data])
        referred = {text for at in set(code.scan.data.tolist()) if (text := image.text(at)) and _prints(text)}
        lost = tuple(sorted(truth - everywhere)) + tuple(sorted(referred - texts))
        name = Path(image.path).name
        yield Row(name, len(texts), truth & everywhere, truth, len(referred & texts), len(referred), lost)


def tags_of(texts: Iterable[bytes]) -> frozenset[bytes]:
    """The distinct tags in texts."""
    return frozenset(tag for text in texts for tag in TAG.findall(text))


def _prints(text: bytes) -> bool:
    return len(text) > 3 and bool(CONVERSION.search(text)) and all(one >= 32 or one in b"\t\n\r\x1b" for one in text)


def total(name: str, rows: list[Row]) -> Row:
    """All of them; a tag that several binaries have counts once."""
    tags: frozenset[bytes] = frozenset().union(*(row.tags for row in rows))
    truth: frozenset[bytes] = frozenset().union(*(row.truth for row in rows))
    texts, covered, referred = (sum(getattr(row, name) for row in rows) for name in ("texts", "covered", "referred"))
    return Row(name, texts, tags, truth, covered, referred)


def line(row: Row) -> str:
    """One line of the table."""
    tags = f"{len(row.tags)}/{len(row.truth)}" if row.truth else "-"
    share = f"{row.covered}/{row.referred} {row.covered / row.referred:6.1%}" if row.referred else "-"
    return f"{row.name:34} {row.texts:6} {tags:>11} {share:>20}"


if __name__ == "__main__":
    sys.exit(main())
