"""`winnower profile`: what an application may log, and in which order, read from its binaries.

Rules of this file
    - The file is written whole or not at all. Whether it can be written is found out before the work is done.
    - What a binary holds is outside text: nothing of it reaches the terminal unescaped.
    - An application that is interpreted gets a profile that says so; that is no error.

Source: design section 5 (`winnower profile BINARY -o FILE`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import click
from rich.table import Table

from agent.static.build import DEPTH, Engine, profile_of
from grammar.errors import escape
from grammar.follow import Follow
from grammar.profile import EventLoop, Profile, write_profile
from winnower.console import output
from winnower.grammar_files import located, progress
from winnower.memory import peak_rss
from winnower.staging import staging

MAX_DEPTH: Final = 100
FIRST: Final = 12
"""Loops that are named."""


@click.command(name="profile")
@click.argument("binaries", metavar="BINARY...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("-o", "--output", "file", metavar="FILE", type=click.Path(path_type=Path), required=True,
              help="Where the profile is written.")  # fmt: skip
@click.option(
    "--depth",
    type=click.IntRange(1, MAX_DEPTH),
    default=DEPTH,
    show_default=True,
    help="How many basic blocks an argument is followed backward to the string that it is.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "fast", "angr"]),
    default="auto",
    show_default=True,
    help="`fast` reads x86-64 with unwind tables or symbols; `angr` everything, slowly; `auto` as it must.",
)
@click.option("--show", is_flag=True, help="List the strings and the event-handling loops.")
def profile(binaries: Sequence[Path], file: Path, depth: int, engine: str, show: bool) -> None:
    """Recover the log strings of one application's BINARies, and which may follow which.

    Name the main program first, then its modules and libraries: they share what they learn. A script gets a profile
    that says what it runs in; templates of its lines are learned from them. A catalogue of messages by number
    (MariaDB's errmsg.sys) may be named among them; where the program is installed it is found beside it.
    """
    begin = time.process_time()
    with located(), staging() as stage:
        place = stage.file(file)
        with progress("reading") as tell:
            found = profile_of(binaries, depth, cast(Engine, engine), tell)
        place.write_bytes(write_profile(found))
    _table(found, file, time.process_time() - begin)
    if show:
        _strings(found)
        _loops(found, len(found.loops))


def _table(found: Profile, file: Path, seconds: float) -> None:
    console = output()
    table = Table(box=None, pad_edge=False)
    for name in ("binary", "engine", "strings", "emits", "formats", "unknown", "edges", "loops"):
        table.add_column(name, justify="left" if name in ("binary", "engine") else "right", no_wrap=True)
    for number, binary in enumerate(found.binaries):
        sinks = Counter(one.sink for one in found.strings if one.binary == number)
        edges = sum(len(one.edges) for one in found.functions if one.binary == number)
        loops = sum(found.functions[one.function].binary == number for one in found.loops)
        name = escape(binary.path.rsplit("/", 1)[-1], 40)
        how = binary.engine or f"runs in {escape(binary.interpreted)}"
        counts = (sinks.total(), sinks["emits"], sinks["formats"], sinks["unknown"], edges, loops)
        table.add_row(name, how, *(f"{count:,}" for count in counts))
    console.print(table)
    if found.loops:
        names = [_loop_name(found, one) for one in found.loops[:FIRST]]
        more = f" and {len(found.loops) - FIRST} more" if len(found.loops) > FIRST else ""
        console.print("event loops: " + ", ".join(names) + more, soft_wrap=True)
    for note in found.notes:
        console.print(f"note: {escape(note, 400)}", soft_wrap=True)
    console.print(
        f"{escape(str(file), 400)}: {len(found.strings):,} strings, {len(found.functions):,} functions, "
        f"{sum(len(one.edges) for one in found.functions):,} edges, {len(found.loops):,} loops, "
        f"depth {found.depth}, {seconds:.1f} CPU seconds, {peak_rss() / 1e6:.0f} MB",
        soft_wrap=True,
    )


def _loop_name(found: Profile, loop: EventLoop) -> str:
    return f"{escape(found.functions[loop.function].name, 60)} ({escape(loop.waits)})"


def _strings(found: Profile) -> None:
    follow = Follow(found)
    table = Table(box=None, pad_edge=False)
    for name in ("id", "function", "sink", "level", "next", "pattern"):
        table.add_column(name, justify="right" if name == "next" else "left", overflow="fold")
    for number, one in enumerate(found.strings):
        name = escape(found.functions[one.function].name, 40)
        mark = "first " * (number in follow.loop_firsts) + "last " * (number in follow.loop_lasts)
        following = follow.mask(number).bit_count()
        table.add_row(one.id, name, one.sink, one.level, f"{mark}{following}", escape(one.pattern, 400))
    output().print(table)


def _loops(found: Profile, count: int) -> None:
    for loop in found.loops[:count]:
        click.echo(f"loop in {_loop_name(found, loop)}: {len(loop.first)} first and {len(loop.last)} last strings")
