"""What the eBPF twin costs: a call that it refuses, a write that it tags, what it drops, and its own time.

    python bench/tags_bpf.py [--rounds 7] [--calls 100000] [--folder /dev/shm] [--mode auto]

Two tables. Nanoseconds of one call, beside the same call with no program loaded; then 10^5 and more tags a second
against rings of 1 and 8 MiB, and the CPU seconds that the helper takes for a million tags.

Rules of this file
    - Rounds alternate: each begins with the calls alone, and every other way follows once; the table has medians.
    - The caller is C and pinned to one CPU, helper and reader to another if there is one. What another helper or the
      rest of the machine does meanwhile is in the figures: `alone` is the yardstick, not zero.
    - Exit code 1 if a ring of 8 MiB dropped a tag at 10^5 a second.

Source: issue "lkm" (measured); figures stand in README.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table
from tags_bpf_helper import BUILD, RefusedError, cgroups, helping, modes

HERE: Final = Path(__file__).resolve().parent
MIB: Final = 1 << 20
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Way:
    """A call, and the helper's options while it is made; `{mine}` and `{other}` are cgroups, `{folder}` the file's."""

    name: str
    form: str
    options: tuple[str, ...]
    is_read: bool = True


WAYS: Final = (
    Way("any other call", "other", ("--cgroup", "{mine}")),
    Way("write refused: not append", "plain", ("--cgroup", "{mine}")),
    Way("write refused: another cgroup", "append", ("--cgroup", "{other}")),
    Way("write refused: another folder", "plain", ("--no-append", "--path", "{folder}/other", "--cgroup", "{mine}")),
    Way("write tagged, read", "append", ("--cgroup", "{mine}")),
    Way("write tagged by its folder, read", "plain", ("--no-append", "--path", "{folder}", "--cgroup", "{mine}")),
    Way("write dropped: ring full", "append", ("--cgroup", "{mine}", "--buffer", "4096"), is_read=False),
)


@dataclass(frozen=True, slots=True)
class Flood:
    """So many tags a second against a ring."""

    rate: int
    ring: int
    tags: int
    dropped: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it all happens."""

    load: Path
    folder: Path
    mine: Path
    other: Path
    mode: str

    def options(self, way: Sequence[str]) -> list[str]:
        """The helper's."""
        names = {"mine": self.mine.stat().st_ino, "other": self.other.stat().st_ino, "folder": self.folder}
        return ["--mode", self.mode, *(text.format(**names) for text in way)]

    def call(self, form: str, calls: int, rate: int = 0, cpu: int = 0) -> subprocess.Popen[str]:
        """The caller, in our cgroup."""
        enter = f'echo 0 > {self.mine}/cgroup.procs; exec "$@"'
        file = self.folder / f"log{cpu}"
        caller = [str(self.load), str(file), form, str(calls), str(rate)]
        command = ["sh", "-c", enter, "sh", "taskset", "-c", str(cpu), *caller]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def nanoseconds(self, form: str, calls: int) -> float:
        """Of one call."""
        process = self.call(form, calls)
        answer, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        return float(answer.split()[0])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="what the eBPF twin costs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--mode", default="")
    given = parser.parse_args(arguments)
    try:
        mode = given.mode or modes()[0]
        with cgroups("mine", "other") as (_, mine, other), tempfile.TemporaryDirectory(dir=given.folder) as folder:
            scene = Scene(built_load(), Path(folder), mine, other, mode)
            print_costs(mode, costs(scene, given.rounds, given.calls))
            pairs = [(rate, ring * MIB) for rate in (100_000, 200_000, 0) for ring in (1, 8)]
            floods = [flood(scene, rate, ring, given.seconds) for rate, ring in pairs]
    except RefusedError as why:
        print(f"tags_bpf: {why}", file=sys.stderr)
        return 2
    print_floods(floods)
    return any(one.dropped for one in floods if (one.rate, one.ring) == (100_000, 8 * MIB))


def built_load() -> Path:
    """The caller, compiled."""
    program = BUILD / "tags_bpf_load"
    subprocess.run(["cc", "-O2", "-o", program, HERE / "tags_bpf_load.c"], check=True)
    return program


def costs(scene: Scene, rounds: int, calls: int) -> dict[str, list[float]]:
    """Nanoseconds by way, in every round; those of a form alone are by its name."""
    taken = defaultdict[str, list[float]](list)
    for _ in range(rounds):
        for form in ("other", "plain", "append"):
            taken[form].append(scene.nanoseconds(form, calls))
        for way in WAYS:
            with helping(*scene.options(way.options), read=way.is_read) as helper:
                aside(helper.process.pid)
                taken[way.name].append(scene.nanoseconds(way.form, calls))
                helper.process.kill()
    return taken


def flood(scene: Scene, rate: int, ring: int, seconds: int) -> Flood:
    """Two callers, `rate` a second together (0: as fast as they go), for some seconds."""
    calls = (rate or 200_000) * seconds // 2
    with helping(*scene.options(("--cgroup", "{mine}", "--buffer", str(ring)))) as helper:
        before = cpu_of(helper.process.pid)
        crew = [scene.call("append", calls, rate // 2, cpu) for cpu in sorted(os.sched_getaffinity(0))[:2]]
        for process in crew:
            process.communicate(timeout=300)
        while helper.process.stdin and len(helper.bytes) // 128 < helper.totals.get("tagged", 1):
            helper.process.stdin.write(b".")  # not looked at: only whether it is still there
            os.sched_yield()
        cpu = cpu_of(helper.process.pid) - before
        helper.close()
    totals = helper.totals
    return Flood(rate, ring, totals["tagged"], totals["dropped"], cpu)


def cpu_of(process: int) -> float:
    """Seconds that a process has run."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def aside(process: int) -> None:
    """The helper and ourselves, away from the caller's CPU."""
    cpus = os.sched_getaffinity(0) - {0}
    if cpus:
        os.sched_setaffinity(process, cpus)


def print_costs(mode: str, taken: dict[str, list[float]]) -> None:
    table = Table(title=f"One call ({mode}): ns, medians of {len(taken['append'])} alternating rounds")
    for column in ("", "alone", "with the program", "more", "more, lowest to highest of the rounds"):
        table.add_column(column, justify="right" if column else "left")
    for way in WAYS:
        more = [its - alone for its, alone in zip(taken[way.name], taken[way.form], strict=True)]
        figures = (median(taken[way.form]), median(taken[way.name]), median(more))
        table.add_row(way.name, *(f"{figure:,.0f}" for figure in figures), f"{min(more):,.0f} to {max(more):,.0f}")
    Console(width=110).print(table)


def print_floods(floods: Sequence[Flood]) -> None:
    table = Table(title="Tags a second against the ring")
    for column in ("asked for, tags/s", "ring, MiB", "tags", "dropped", "dropped, %", "helper, CPU s per million tags"):
        table.add_column(column, justify="right")
    for one in floods:
        share = 100 * one.dropped / (one.tags + one.dropped)
        cpu = one.cpu * 1e6 / max(one.tags, 1)
        rate = f"{one.rate:,}" if one.rate else "as fast as they go"
        table.add_row(rate, str(one.ring // MIB), f"{one.tags:,}", f"{one.dropped:,}", f"{share:.2f}", f"{cpu:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
