"""Detection latency, live: from an attack's system call on a worker to the alert at the monitor.

    python bench/latency.py [--runs 30] [--set lean|full] [--limit 2]

Rules of this file
    - Every run is a first: the program that the attack drops has a name that was never seen, so policy and novelty both
      have to see it anew. Runs come at random moments of an epoch.
    - It begins with the kernel's stamp of the dropped program's execve (its clock is up to 4 ms coarse, and early), and
      ends when somebody who waits at the monitor's API has the alert. In between is when the record was in auditd's
      log, looked for every 20 ms: what is before that is the kernel's queue and auditd, what is after it is ours.
    - Quiet: nothing else happens on the worker. Busy: 100 requests/s. Saturated: `ab` keeps both containers as busy as
      they can be, and the kernel's queue as full as the recommended backlog limit lets it be.
    - Exit 1 if an alert did not come; if the 99th percentile is beyond the limit from the system call on (from the log
      on where the worker is saturated).
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from live_demo import NOVELTY, SETTLING, SHORT
from live_monitor import Told, Watch
from live_scene import AUID, Plan, Scene, Tail
from rich.console import Console
from rich.table import Table
from testbed import packages
from testbed.ledger import Ledger
from testbed.tell import TestbedError, say
from testbed.traffic import begin_load

POLICY: Final = "run-from-temp"
# No digits and nothing that could be hexadecimal: abstraction would take it for a number.
SYLLABLES: Final = ("ko", "lu", "mi", "no", "py", "ru", "si", "to", "vu", "wy", "zo")
PATIENCE: Final = 15.0
ENDLESS: Final = 3_600.0
LEAST: Final = 12.0
SATURATED: Final = "saturated"
RATE: Final = 100.0


@dataclass(slots=True)
class Seconds:
    """What was measured under one load, by kind of alert: from the system call, and from the log on.

    `queued` is what lies between the two; `missed` says what did not come.
    """

    whole: dict[str, list[float]] = field(default_factory=lambda: {POLICY: [], NOVELTY: []})
    ours: dict[str, list[float]] = field(default_factory=lambda: {POLICY: [], NOVELTY: []})
    queued: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def good(self, limit: float, load: str) -> bool:
        """Whether every alert came, and in time."""
        judged = self.ours if load == SATURATED else self.whole
        return not self.missed and all(percentile(values, 99) <= limit for values in judged.values())


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not less than `share` percent of them; nothing is interpolated.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50), percentile(list(range(1, 31)), 99)
    (2.0, 30)
    """
    ranked = sorted(values)
    return ranked[max(0, -int(-len(ranked) * share // 100) - 1)]


def names(seed: int) -> Iterator[str]:
    """Names of programs, no two alike."""
    chance, used = random.Random(seed), set[str]()
    while True:
        name = "".join(chance.choice(SYLLABLES) for _ in range(5))
        if name not in used:
            used.add(name)
            yield name


def measured(scene: Scene, runs: int, marks: Iterator[str], chance: random.Random) -> Seconds:
    """Attack so often, each at a random moment, and wait for both alerts."""
    result = Seconds()
    with Watch(scene.monitor) as watch:
        for number in range(runs):
            time.sleep(chance.uniform(0.3, 2.3))
            mark = next(marks)
            with Sighting(scene, mark) as sighting:
                scene.strike(mark)
                told = watch.until(lambda found, mark=mark: set(_of(found, mark)) >= {POLICY, NOVELTY}, PATIENCE)  # type: ignore[misc]
            came = _of(told, mark)
            result.queued.append(sighting.seen - sighting.executed)
            for kind in result.whole:
                if kind in came:
                    result.whole[kind].append(came[kind].arrived - sighting.executed)
                    result.ours[kind].append(came[kind].arrived - sighting.seen)
                else:
                    result.missed.append(f"{kind} of run {number + 1} (/tmp/{mark})")
    return result


class Sighting:
    """Looks for the attack's record in the log: `executed` is its stamp, `seen` when it was there."""

    def __init__(self, scene: Scene, mark: str) -> None:
        self.scene, self.mark = scene, mark
        self.executed = self.seen = 0.0
        self._tail = Tail(scene.auditd.log)
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Sighting:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for it; `TestbedError` if it is not in the log."""
        self._thread.join(2 * PATIENCE)
        if error is None and not self.seen:
            raise TestbedError(f"no record of /tmp/{self.mark} in the audit log")

    def _look(self) -> None:
        with suppress(TestbedError):
            self.executed = self.scene.executed(self._tail, self.mark, 2 * PATIENCE)
            self.seen = time.time()
        self._tail.close()


def _of(found: Sequence[Told], mark: str) -> dict[str, Told]:
    """The alerts of one attack, by policy."""
    return {str(one.alert["policy"]): one for one in reversed(found) if one.says(mark)}


@contextmanager
def busy(scene: Scene, rate: float) -> Iterator[None]:
    """So many requests a second, on the containers in turn, until the block ends."""
    over = threading.Event()

    def ask() -> None:
        for one in itertools.cycle(scene.web.running):
            if over.wait(1 / rate):
                return
            with suppress(OSError):
                urllib.request.urlopen(f"http://{one.address}/page3.html", timeout=5).read()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


@contextmanager
def saturated(scene: Scene, concurrency: int) -> Iterator[None]:
    """ab on every container until the block ends."""
    running: list[subprocess.Popen[str]] = []
    try:
        for one in scene.web.running:
            running.append(begin_load(one, seconds=ENDLESS, concurrency=concurrency))
        time.sleep(2)
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


def show(results: dict[str, Seconds], runs: int, rules: str, limit: float) -> Table:
    """The table."""
    table = Table(
        "worker", "alert", title=f"{runs} attacks each, rules: {rules}; seconds, limit {limit:g}", title_justify="left"
    )
    for column in ("median", "99 %", "max", "in the log", "from there: median", "99 %"):
        table.add_column(column, justify="right")
    for load, result in results.items():
        for kind, whole in result.whole.items():
            ours = result.ours[kind]
            if whole:
                figures = (*_three(whole), statistics.median(result.queued), *_three(ours)[:2])
                table.add_row(load, f"policy ({kind})" if kind == POLICY else kind, *(f"{one:.2f}" for one in figures))
    return table


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), percentile(values, 99), max(values)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="seconds from the attack's system call to the alert")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--set", dest="rules", choices=("lean", "full"), default="lean", help="of audit rules")
    parser.add_argument("--limit", type=float, default=2.0)
    parser.add_argument("--kafka", action="store_true", help="through a broker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", choices=("quiet", "busy", SATURATED, "all"), default="all")
    parser.add_argument("--concurrency", type=int, default=4, help="of saturating load, on each container")
    options = parser.parse_args(arguments)
    plan = Plan(rules=options.rules, auid=AUID, kafka=options.kafka, monitor=SHORT)
    chance, marks = random.Random(options.seed), names(options.seed)
    results: dict[str, Seconds] = {}
    try:
        packages.require("audit", "containers", "image", "load", *(["kafka"] if options.kafka else []))
        with Ledger.begin() as ledger, Scene.begin(ledger, plan) as scene:
            scene.settle(SETTLING, LEAST)
            loads: dict[str, AbstractContextManager[None]] = {
                "quiet": nullcontext(),
                "busy": busy(scene, RATE),
                SATURATED: saturated(scene, options.concurrency),
            }
            for load, running in loads.items():
                if options.load in (load, "all"):
                    say(f"{options.runs} attacks on a worker that is {load}")
                    with running:
                        results[load] = measured(scene, options.runs, marks, chance)
            lost = scene.auditd.lost()
    except TestbedError as error:
        print(f"latency: {error}", file=sys.stderr)
        return 2
    Console(width=None if sys.stdout.isatty() else 100).print(show(results, options.runs, options.rules, options.limit))
    print(f"records lost by the kernel: {lost}")
    for load, result in results.items():
        print("\n".join(f"missed, {load}: {one}" for one in result.missed), end="\n" if result.missed else "")
    return 0 if all(one.good(options.limit, load) for load, one in results.items()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
