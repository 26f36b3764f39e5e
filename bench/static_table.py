"""Log strings of Debian's servers: what analysing them costs and what it finds (DisProTrack's Table I and Figure 3).

    python bench/static_table.py [--app NAME …] [--depths 1,6,32] [--angr SECONDS]

Rules of this file
    - The files are those of `testbed/binaries.py`; an application with its modules and libraries is analysed as one.
    - Each run is a process of its own, and its figures are the kernel's for that process and what it waited for: CPU
      seconds (user and system), peak of resident memory (its own, not what it inherits from who starts it). Python's
      start and the imports are in them.
    - Edges are those of the profile, factored by function; loops are event-handling loops.
    - Depth is the back-trace depth (the paper's BT: 1 to 6); the first table is at the deepest, which is what `winnower
      profile` takes unless told otherwise, the second has the strings of all depths.
    - `--angr`: angr with our settings ("tuned") and with its own, both with our search for strings on top, so that the
      difference is that of the engines; one is given so many seconds by the clock, and "> N s" says that it has not
      ended. "shared" are the call sites and texts that the fast engine has found too.
    - How many of the strings that there are it finds is `recall.py`'s to say.

Limits: under 1 MB of .text 5 CPU s and 150 MB; php-fpm 25 s; mariadbd 40 s and 800 MB; exit 1 above.
Source: DisProTrack, Table I and Figure 3; issue "application logs".
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testbed.binaries import APPLICATIONS, application
from testbed.tell import TestbedError, escaped

from agent.static.depths import DEPTH
from winnower.memory import peak_rss

if TYPE_CHECKING:
    from grammar.profile import Profile

DEPTHS: Final = (1, 2, 3, 4, 5, 6, DEPTH)
"""The paper's, and our own."""
MEGABYTE: Final = 1_000_000
ENGINES: Final = ("fast", "tuned", "default")


@dataclass(frozen=True, slots=True)
class Limit:
    """CPU seconds and megabytes; None where nothing is promised."""

    seconds: float | None = None
    megabytes: float | None = None


SMALL: Final = Limit(5.0, 150.0)
"""Of an application with less than a megabyte of code."""
LIMITS: Final = {"php-fpm": Limit(25.0), "mariadbd": Limit(40.0, 800.0)}


@dataclass(frozen=True, slots=True)
class Run:
    """One analysis; `strings` are (binary, call site, text), `failed` says why there are none."""

    app: str
    engine: str
    depth: int
    seconds: float
    megabytes: float
    strings: frozenset[tuple[int, int, str]] = frozenset()
    emitting: int = 0
    edges: int = 0
    loops: int = 0
    failed: str = ""


def main() -> int:
    """Analyse, print the tables, say what is above its limit."""
    options = _options()
    if options.one:
        return _child(options.one, options.depth, options.angr, [Path(path) for path in options.files])
    try:
        files = {app: application(app) for app in options.app}
    except TestbedError as error:
        print(f"static_table: {error}", file=sys.stderr)
        return 2
    runs = list(_runs(files, options.depths, options.angr))
    deepest = {run.app: run for run in runs if run.engine == "fast" and run.depth == max(options.depths)}
    code = {app: sum(map(text_size, paths)) for app, paths in files.items()}
    _print(_first(files, code, deepest))
    if len(options.depths) > 1:
        _print(_second(runs, options.depths))
    if options.angr:
        _print(_third(runs, deepest, options.angr))
    above = [line for app, run in deepest.items() for line in exceeded(run, limit_of(app, code[app]))]
    print("\n".join(above) if above else "All within their limits.")
    return 1 if above else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--app", action="append", choices=APPLICATIONS, help="these only (default: all)")
    parser.add_argument("--depths", type=_numbers, default=DEPTHS, help="back-trace depths, as 1,2,6")
    parser.add_argument("--angr", type=int, default=0, metavar="SECONDS", help="angr beside it, so long at most")
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--depth", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.app = options.app or list(APPLICATIONS)
    return options


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(word) for word in text.split(",")}))


def _runs(files: dict[str, list[Path]], depths: Sequence[int], angr: int) -> Iterator[Run]:
    for app, paths in files.items():
        for depth in depths:
            yield measured(app, "fast", depth, paths)
        for engine in ENGINES[1:] if angr else ():
            yield measured(app, engine, max(depths), paths, angr)


def measured(app: str, engine: str, depth: int, paths: Sequence[Path], seconds: int = 0) -> Run:
    """One analysis in a process of its own, with what it has cost."""
    print(f"static_table: {app}, {engine}, depth {depth}", file=sys.stderr)
    words = ["--one", engine, "--depth", str(depth), "--angr", str(seconds), "--", *map(str, paths)]
    with subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    cost = used.ru_utime + used.ru_stime
    if child.returncode:
        peak = used.ru_maxrss * 1024 / MEGABYTE
        return Run(app, engine, depth, cost, peak, failed=f"ended with status {child.returncode}")
    found = json.loads(said)
    strings = frozenset((int(binary), int(address), str(text)) for binary, address, text in found.pop("strings"))
    return Run(app, engine, depth, cost, found.pop("peak") / MEGABYTE, strings, **found)


def _child(engine: str, depth: int, seconds: int, paths: Sequence[Path]) -> int:
    """Analyse, print what was found as JSON."""
    from agent.static.build import profile_of  # noqa: PLC0415  (only the child needs it)
    from grammar.errors import InputError  # noqa: PLC0415

    try:
        made = profile_of(paths, depth, "fast") if engine == "fast" else _angr(paths, depth, engine == "tuned", seconds)
    except InputError as error:
        print(json.dumps({"strings": [], "failed": error.offending or str(error), "peak": _peak()}))
        return 0
    found = {
        "strings": [(one.binary, one.address, one.text) for one in made.strings],
        "emitting": sum(one.sink == "emits" for one in made.strings),
        "edges": sum(len(one.edges) for one in made.functions),
        "loops": len(made.loops),
        "failed": "; ".join(note for note in made.notes if "angr" in note),
        "peak": _peak(),
    }
    print(json.dumps(found))
    return 0


def _peak() -> int:
    """Bytes that this process, or one that it has waited for, has held at most."""
    return max(peak_rss(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


def _angr(paths: Sequence[Path], depth: int, tuned: bool, seconds: int) -> Profile:
    from agent.static.angr_engine import Limits, angr_profile  # noqa: PLC0415
    from agent.static.assemble import Assembly  # noqa: PLC0415

    assembly = Assembly(depth, len(paths))
    found = angr_profile(paths, depth, tuned=tuned, limits=Limits(seconds=seconds))
    assembly.add(found, range(len(paths)))
    return assembly.profile()


def text_size(path: Path) -> int:
    """Bytes of code of an ELF file."""
    from agent.static.elf import read_image  # noqa: PLC0415  (slow to import)

    return sum(one.size for one in read_image(path).sections if one.name == ".text")


def limit_of(app: str, code: int) -> Limit:
    """What is promised of an application with so many bytes of code."""
    return LIMITS.get(app, SMALL if code < MEGABYTE else Limit())


def exceeded(run: Run, limit: Limit) -> Iterator[str]:
    """What a run has taken more of than it may."""
    if run.failed or not run.strings:
        yield f"{run.app}: nothing found: {escaped(run.failed)}"
    if limit.seconds is not None and run.seconds > limit.seconds:
        yield f"{run.app}: {run.seconds:.1f} CPU s, limit {limit.seconds:.0f}"
    if limit.megabytes is not None and run.megabytes > limit.megabytes:
        yield f"{run.app}: {run.megabytes:.0f} MB, limit {limit.megabytes:.0f}"


def _first(files: dict[str, list[Path]], code: dict[str, int], runs: dict[str, Run]) -> Iterator[Sequence[object]]:
    yield "application", "files", "size MB", ".text KB", "CPU s", "peak MB", "strings", "emitting", "edges", "loops"
    for app, run in runs.items():
        size = sum(path.stat().st_size for path in files[app]) / MEGABYTE
        cost = f"{run.seconds:.1f}", f"{run.megabytes:.0f}"
        found = len(run.strings), run.emitting, run.edges, run.loops
        yield app, len(files[app]), f"{size:.1f}", f"{code[app] / 1000:.0f}", *cost, *found


def _second(runs: Iterable[Run], depths: Sequence[int]) -> Iterator[Sequence[object]]:
    yield "strings by depth", *depths, *(f"CPU s at {depth}" for depth in (depths[0], depths[-1]))
    by_app: dict[str, dict[int, Run]] = {}
    for run in runs:
        if run.engine == "fast":
            by_app.setdefault(run.app, {})[run.depth] = run
    for app, found in by_app.items():
        seconds = (f"{found[depth].seconds:.1f}" for depth in (depths[0], depths[-1]))
        yield app, *(len(found[depth].strings) for depth in depths), *seconds


def _third(runs: Iterable[Run], fast: dict[str, Run], limit: int) -> Iterator[Sequence[object]]:
    yield "against angr", "engine", "CPU s", "times fast's", "peak MB", "strings", "shared", "edges", "loops"
    for run in sorted(runs, key=lambda run: (run.app, ENGINES.index(run.engine), run.depth)):
        best = fast[run.app]
        if run.engine == "fast" and run is not best:
            continue
        late = run.failed and not run.strings
        cost = f"{run.seconds:.1f}", f"{run.seconds / best.seconds:.0f}", f"{run.megabytes:.0f}"
        found = (
            (f"> {limit} s" if "did not finish" in run.failed else escaped(run.failed)[:60], "", "", "")
            if late
            else (len(run.strings), len(run.strings & best.strings), run.edges, run.loops)
        )
        yield run.app, run.engine, *cost, *found


def _print(rows: Iterator[Sequence[object]]) -> None:
    """A table in Markdown."""
    head = next(rows)
    print("| " + " | ".join(map(str, head)) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print()


if __name__ == "__main__":
    sys.exit(main())
