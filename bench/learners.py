"""Learners side by side on the same words: ours, the label quotient, automata-lib's minimisation, AALpy's learners.

    python bench/learners.py [RECORDING | --dump DUMPDIR] [--app APP] [--length 12] [--words 8000] [--seconds 60]
                             [--learner NAME]… [--vectors FILE] [--json]

Rules of this file
    - Every learner gets the same words (`learners_words.py`), is counted by the same code (`learners_automaton.py` has
      the formula of the bits) and runs in a process of its own (`learners_run.py`) with a limit of CPU seconds. One
      that does not end, or is not installed, is a row that says so.
    - "held out": share of the held-out positive words that are accepted (high is right). "changed", "crossed",
      "rejected": share of negative words of that kind that are rejected (high is right, but see `learners_words.py`:
      nobody knows that they are negative). Neither was given to the learner.
    - Words apply to all; trees do not: neither library learns tree automata. The published learner does, and appears
      on its own vectors as the automaton of its types' paths.
    - "ours" learns from the words' own vertices and sees their contexts. "of the whole dump" has seen the held-out
      words too, so its 100 % there is no achievement; it accepts paths that begin anywhere, as `to_dfa` does. Both are
      nondeterministic (states share labels); all others are deterministic. Every minimisation is automata-lib's.

Source: issue "fidelity": learning peers on the same words or trees where they apply: bits, states, seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import msgspec
from fidelity import INSTANCE, DumpError
from learners_automaton import Automaton, Word
from learners_run import LEARNERS, MISSING, Result
from learners_words import Task, task_of_dump, tasks_of_vectors
from rich.console import Console
from rich.table import Table

HERE: Final = Path(__file__).resolve().parent
VECTORS: Final = HERE.parent.parent / "shared" / "vectors" / "induction.json"
WALL: Final = 4
"""A learner may take this many times its CPU seconds on the clock, on a machine that others use too."""
DID_NOT_END: Final = "did not end"


@dataclass(frozen=True, slots=True)
class Row:
    """A learner's result on a task, or the reason why there is none."""

    name: str
    reason: str = ""
    states: int = 0
    transitions: int = 0
    model_bits: float = math.nan
    data_bits: float = math.nan
    accepted: float = math.nan
    rejected: dict[str, float] | None = None
    seconds: float = math.nan


def share(automaton: Automaton, words: Sequence[Word]) -> float:
    """How many of the words are accepted; not a number if there are none."""
    return sum(map(automaton.accepts, words)) / len(words) if words else math.nan


def judged(name: str, task: Task, result: Result) -> Row:
    """Everything that is counted about what a learner made."""
    automaton = result.automaton
    symbols = task.symbols | {symbol for moves in automaton.moves for symbol in moves}
    return Row(
        name=name,
        states=len(automaton.moves),
        transitions=automaton.transitions,
        model_bits=automaton.model_bits(len(symbols)),
        data_bits=automaton.data_bits(task.train),
        accepted=share(automaton, task.held_out),
        rejected={kind: 1 - share(automaton, words) for kind, words in task.judged.items()},
        seconds=result.seconds,
    )


def run(name: str, task: Task, task_file: Path, seconds: float) -> Row:
    """A learner in its own process; whatever becomes of it is a row."""
    result_file = task_file.with_name(f"{name}.json")
    command = [sys.executable, str(HERE / "learners_run.py"), name, str(task_file), str(result_file), str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WALL * seconds + 60, check=False)
    except subprocess.TimeoutExpired:
        return Row(name, DID_NOT_END)
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return Row(name, DID_NOT_END)
    last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    if done.returncode == MISSING:
        return Row(name, f"no {last}: pip install aalpy automata-lib")
    if done.returncode or not result_file.exists():
        return Row(name, f"failed: {last[:60]}")
    return judged(name, task, msgspec.json.decode(result_file.read_bytes(), type=Result))


def compared(task: Task, names: Sequence[str], seconds: float) -> list[Row]:
    """The row of each learner that applies to the task."""
    with tempfile.TemporaryDirectory(prefix="learners-") as folder:
        task_file = Path(folder) / "task"
        task_file.write_bytes(msgspec.json.encode(task))
        return [run(name, task, task_file, seconds) for name in names if LEARNERS[name].applies(task)]


def show(task: Task, rows: Sequence[Row], console: Console) -> None:
    negatives = ", ".join(f"{len(words):,} {kind}" for kind, words in task.judged.items())
    of = f" of {task.traces:,} traces" if task.traces else ""
    title = (
        f"{task.name}: {len(task.train):,} words to learn{of}, {len(task.symbols):,} symbols, "
        f"{len(task.forbidden):,} negative; judged by {len(task.held_out):,} held out, {negatives}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("learner", no_wrap=True)
    for column in ("states", "trans.", "bits", "of words", "held out", *task.judged, "CPU s"):
        table.add_column(column, justify="right")
    for row in rows:
        title = LEARNERS[row.name].title
        if row.reason:
            table.add_row(title, "", "", row.reason)
            continue
        shares = [percent(row.accepted), *(percent(one) for one in (row.rejected or {}).values())]
        bits = [f"{one:,.0f}" for one in (row.model_bits + row.data_bits, row.data_bits)]
        sizes = [f"{row.states:,}", f"{row.transitions:,}"]
        style = "bold" if row.name == "ours" else ""
        table.add_row(title, *sizes, *bits, *shares, f"{row.seconds:.2f}", style=style)
    console.print(table)


def percent(part: float) -> str:
    """A share for people; none is a dash."""
    return "-" if math.isnan(part) else f"{100 * part:.1f}"


def as_json(task: Task, rows: Sequence[Row]) -> dict[str, Any]:
    """Plain values, for scripts; numbers that do not exist are null."""
    sizes = {"train": len(task.train), "held_out": len(task.held_out), "forbidden": len(task.forbidden)}
    return json.loads(msgspec.json.encode({"task": task.name, **sizes, "rows": rows}))  # type: ignore[no-any-return]


def dumped(recording: Path | None, folder: Path) -> Path:
    """The dump of a recording's replay; the one shipped with the program if none is named."""
    code, target = "from winnower.cli import main; main()", folder / "dump"
    with as_file(files("winnower") / "recording") as shipped:
        words = ["replay", str(recording or shipped), "--state", str(folder / "state"), "--dump", str(target)]
        subprocess.run([sys.executable, "-c", code, *words], check=True, stdout=subprocess.DEVNULL)
    return target


def tasks(options: argparse.Namespace, folder: Path) -> list[Task]:
    """What there is to learn from."""
    dump = options.dump or dumped(options.recording, folder)
    apps = options.app or sorted(path.name.removesuffix(INSTANCE) for path in dump.glob(f"*{INSTANCE}"))
    found = [task_of_dump(dump, app, options.length, options.words) for app in apps]
    if options.vectors.is_file():
        return found + tasks_of_vectors(options.vectors)
    print(f"learners: skipped the published vectors: no {options.vectors}", file=sys.stderr)
    return found


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="learners of automata on the same words")
    made.add_argument("recording", type=Path, nargs="?", help="default: the one shipped with the program")
    made.add_argument("--dump", type=Path, help="use this dump instead of replaying a recording")
    made.add_argument("--app", action="append", help="only this application")
    made.add_argument("--length", type=int, default=12, help="steps of a word at most")
    made.add_argument("--words", type=int, default=8000, help="words of an application at most, evenly spread")
    made.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of a learner at most")
    made.add_argument("--learner", action="append", choices=list(LEARNERS), help="only this learner")
    made.add_argument("--vectors", type=Path, default=VECTORS, help="the published vectors")
    made.add_argument("--json", action="store_true")
    return made


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 110)
    found = []
    try:
        with tempfile.TemporaryDirectory(prefix="learners-") as folder:
            for task in tasks(options, Path(folder)):
                rows = compared(task, options.learner or list(LEARNERS), options.seconds)
                if options.json:
                    found.append(as_json(task, rows))
                else:
                    show(task, rows, console)
    except DumpError as error:
        print(f"learners: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
