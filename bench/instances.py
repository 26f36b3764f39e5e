"""What the local store of instances costs, and how fast it answers, beside keeping and reading again the raw log.

    python bench/instances.py RECORDING [--worker NAME] [--copies 30] [--runs 7] [--label LABEL]

Rules of this file
    - CPU: the whole agent (records to epochs of ten seconds) with and without the store, taking turns, the least of
      the runs each; the store's cuts included.
    - Bytes: the store's files against the raw log, and against the raw log under `zstd -3`.
    - Answers: everything that led to the vertices of one label, in the last and in the first of N copies one after the
      other (`bench/shift.py`); the median of the runs. A copy of `web` is three minutes.
    - Peers, on one copy, wall time: unpack the log and let `ausearch -i -p PID` find the process's records (which
      gives its records, not its causes); unpack and parse it again into the whole graph.

Source: issue "live agent", items 4 and 5.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zstandard
from logs import count_records, plain_log
from rich.console import Console
from rich.table import Table
from shift import shift

from agent.containers import Containers
from agent.instances import Instances
from agent.pipeline import Pipeline
from agent.recording import open_recording, read_log
from grammar.control import Question, Reply

EPOCH_MILLIS = 10_000
LABEL = "File /usr/bin/.sshd-helper"


def play(log: Path, known: Sequence[object], store: Instances | None) -> tuple[Pipeline, float]:
    """The agent over a log; CPU seconds."""
    pipeline = Pipeline(Containers.of(known), EPOCH_MILLIS, recorder=store)  # type: ignore[arg-type]
    begun, number = time.process_time(), 0
    for chunk in read_log(log):
        for _ in pipeline.feed(chunk):
            if store is not None:
                store.cut(number)
            number += 1
    for _ in pipeline.finish():
        if store is not None:
            store.cut(number)
        number += 1
    return pipeline, time.process_time() - begun


def timed(run: Callable[[], object], runs: int) -> float:
    """Median wall milliseconds."""
    found = []
    for _ in range(runs):
        begun = time.perf_counter()
        run()
        found.append(1_000 * (time.perf_counter() - begun))
    return statistics.median(found)


def question(pipeline: Pipeline, label: str, direction: str, since: int = 0, until: int = 0) -> Question:
    app, states = next(
        (app, tuple(one for one in table.states if one[0] == label))
        for app, table in pipeline.node.states.items()
        if any(one[0] == label for one in table.states)
    )
    return Question(b"bench", app, states, direction, since=since, until=until)  # type: ignore[arg-type]


def cost(table: Table, log: Path, known: Sequence[object], runs: int, folder: Path) -> Instances:
    """CPU and bytes; gives the last store."""
    without, within = [], []
    for run in range(runs):
        without.append(play(log, known, None)[1])
        store = Instances(folder / f"run{run}", "bench")
        within.append(play(log, known, store)[1])
    records, raw = count_records(log), log.stat().st_size
    table.add_row("agent, CPU µs/record", f"{1e6 * min(without) / records:.2f}")
    share = min(within) / min(without) - 1
    table.add_row("agent with the store, CPU µs/record", f"{1e6 * min(within) / records:.2f} (+{100 * share:.1f} %)")
    table.add_row("store, bytes per MB of raw log", f"{1e6 * store.files.size / raw:,.0f}")
    packed = len(zstandard.ZstdCompressor(level=3).compress(log.read_bytes()))
    table.add_row("raw log under zstd -3, bytes per MB", f"{1e6 * packed / raw:,.0f}")
    return store


def answers(table: Table, many: Path, known: Sequence[object], label: str, *, copies: int, runs: int) -> None:
    """How long a question takes in a history of so many copies."""
    at = many.parent
    store = Instances(at / "copies", "bench")
    pipeline, _ = play(many, known, store)
    segments = len(store.files.entries)
    table.add_row(f"{copies} copies", f"{segments} segments, {store.files.size / 1e6:.2f} MB")
    start, end = store.files.entries[0].start, store.files.entries[-1].end
    one = (end - start) // copies
    for direction in ("ancestors", "descendants"):
        for name, since, until in (("last", end - one, 0), ("first", start, start + one)):
            asked = question(pipeline, label, direction, since, until)
            reply: Reply = store.answer(asked, 60)
            took = timed(lambda asked=asked: store.answer(asked, 60), runs)  # type: ignore[misc]
            told = f"{took:,.1f} ms ({len(reply.instances)} instances{', cut' if reply.cut else ''})"
            table.add_row(f"{direction} in the {name} copy", told)
    begun = time.perf_counter()
    Instances(at / "copies", "bench").close()
    table.add_row("opening the store again", f"{1_000 * (time.perf_counter() - begun):,.1f} ms")


def peers(table: Table, log: Path, known: Sequence[object], pid: int, at: Path) -> None:
    """The raw log, kept and read again."""
    packed = at / "audit.log.zst"
    packed.write_bytes(zstandard.ZstdCompressor(level=3).compress(log.read_bytes()))

    def unpacked() -> Path:
        with packed.open("rb") as source, (at / "again.log").open("wb") as target:
            zstandard.ZstdDecompressor().copy_stream(source, target)
        return at / "again.log"

    table.add_row("peer: unpack, parse, graph again", f"{timed(lambda: play(unpacked(), known, None), 3):,.0f} ms")
    if shutil.which("ausearch") is None:
        table.add_row("peer: unpack, ausearch -i -p PID", "ausearch is not installed")
        return
    argv = ["ausearch", "-i", "-p", str(pid), "-if"]
    took = timed(lambda: subprocess.run([*argv, str(unpacked())], capture_output=True, check=False), 3)
    table.add_row("peer: unpack, ausearch -i -p PID", f"{took:,.0f} ms")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="the local store of instances: CPU, bytes, answers")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--worker", default="worker3")
    parser.add_argument("--copies", type=int, default=30)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--label", default=LABEL)
    options = parser.parse_args(arguments)
    recording = open_recording(options.recording)
    known = recording.containers[options.worker]
    table = Table("what", title=f"{recording.name}/{options.worker}: the local store", title_justify="left")
    table.add_column("", justify="right")
    with tempfile.TemporaryDirectory(prefix="instances-") as name:
        folder = Path(name)
        log = plain_log(recording.logs[options.worker], folder)
        store = cost(table, log, known, options.runs, folder)
        pipeline, _ = play(log, known, None)
        reply = store.answer(question(pipeline, options.label, "ancestors"), 60)
        took = timed(lambda: store.answer(question(pipeline, options.label, "ancestors"), 60), options.runs)
        table.add_row("ancestors, one copy", f"{took:,.1f} ms ({len(reply.instances)} instances)")
        peers(table, log, known, next((one.pid for one in reply.instances if one.pid), 1), folder)
        shift(log, options.copies, folder / "copies.log")
        answers(table, folder / "copies.log", known, options.label, copies=options.copies, runs=options.runs)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
