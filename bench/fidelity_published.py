"""How far the published method gets on an instance graph, within a limit of wall time: the class of every vertex.

    python bench/fidelity_published.py APP.instance.json [--seconds 10]

Rules of this file
    - It runs as a process of its own (`classes_of`), with a bound on memory, and is killed where it does not end.
    - It says what it has as it goes, one JSON line each: first the base model's types, then those of the last merge.
    - The limit is of the method's own time; reading the graph is not counted.

Invariant: classes are numbered by first vertex, vertices as in the file; what is said is what the search reached.
Complexity: the base model O((V + E) log E); each round of the climb tries all pairs of types of one label.
Source: "DAG automata", TaPP 2017, as in `grammar.published` and `grammar.published_search`.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from grammar import InputError
from grammar.nodelink import LabelledGraph, from_json
from grammar.published import PublishedModel, base_model
from grammar.published_search import Step, climb

SECONDS: Final = 10.0
KILLED: Final = 3.0
"""Times the limit, after which the process is killed."""
MEMORY: Final = 6 << 30


@dataclass(frozen=True, slots=True)
class Reached:
    """What the method came to: a class for each vertex (none where it has no model at all), and how far it got."""

    classes: tuple[int, ...] | None
    said: str


class _TimeUpError(Exception):
    """The limit has struck."""


def classes_of(instance: Path, seconds: float = SECONDS) -> Reached:
    """Run the method on an instance graph for that long, in another process."""
    command = [sys.executable, str(Path(__file__).resolve()), str(instance.resolve()), "--seconds", str(seconds)]
    root = Path(__file__).resolve().parent.parent
    try:
        run = subprocess.run(command, capture_output=True, timeout=KILLED * seconds + 20, check=False, cwd=root)
        out, end = run.stdout, run.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    except subprocess.TimeoutExpired as error:
        out, end = error.stdout or b"", "killed"
    found = [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith(b"\n")]
    if not found:
        return Reached(None, end or "no model")
    return Reached(tuple(found[-1]["classes"]), found[-1]["said"] + (f"; then {end}" if end else ""))


def search(graph: LabelledGraph, seconds: float) -> None:
    """Base model and climb; prints the types of both."""
    began = time.monotonic()
    base = base_model([graph])
    took = time.monotonic() - began
    pairs = sum(math.comb(many, 2) for many in Counter(base.forward.labels[f] for f, _ in base.types).values())
    tell(base, graph, f"base model of {len(base.types):,} types in {took:.1f} s, {pairs:,} pairs of one label")
    steps: list[Step] = []
    merges = 0

    def taken(step: Step) -> None:
        nonlocal merges
        merges += 1
        steps[:] = [step]

    signal.signal(signal.SIGALRM, _time_up)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds - took))
    try:
        complete, model = (found := climb(base, [graph], observer=taken)).complete, found.model
        signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeUpError:
        complete, model = False, steps[0].model if steps else base
    end = "complete" if complete else f"stopped after {seconds:g} s"
    said = f"{end}, {merges:,} merges; base model of {len(base.types):,} types, {pairs:,} pairs of one label"
    tell(model, graph, said)


def _time_up(number: int, frame: FrameType | None) -> None:
    raise _TimeUpError


def tell(model: PublishedModel, graph: LabelledGraph, said: str) -> None:
    """One line of what has been reached."""
    numbers: dict[tuple[int, int], int] = {}
    types = model.vertex_types([graph]) or []
    print(json.dumps({"said": said, "classes": [numbers.setdefault(one, len(numbers)) for one in types]}), flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="the published method on an instance graph")
    parser.add_argument("instance", type=Path)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        search(from_json(options.instance.read_bytes(), str(options.instance)), options.seconds)
    except MemoryError:
        print(f"more than {MEMORY >> 30} GB of memory", file=sys.stderr)
        return 1
    except (InputError, OSError) as error:
        print(str(error).partition("\n")[0], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
