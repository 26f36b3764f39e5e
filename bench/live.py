"""What a live worker pays: servers' throughput, CPU of auditd and agent, memory, losses, bytes of heartbeats.

    python bench/live.py [--set lean|full|both] [--pairs 12] [--seconds 5] [--apart] [--lift]

Rules of this file
    - Real Apache containers under `ab`, real auditd, the agent and the monitor as processes with shipped settings.
    - Stretches with and without the agent alternate (AB BA AB …), and the ratio is the median of the pairs' ratios:
      what a noisy machine does to one it mostly does to its neighbour.
    - The scheduler places everybody. `--apart` gives containers and `ab` one core, auditd, agent and monitor the other:
      where auditd alone fills its core (the full rules do that), what the agent computes there is taken from auditd,
      and thereby from the servers that wait for it. `--lift` is for a machine that others use as well.
    - Peers read the same log afterwards, on one core. What auditd needs per record is the unit of them all.
    - A heartbeat is counted at the socket, both ways, by a proxy between agent and monitor. The agent's question for
      orders is held by the monitor for 55 s; a heartbeat's share of it is counted for epochs of 10 s.
    - What applications' logs cost: at the end the same agent runs without reading any (`logs.enabled`), half as many
      stretches; its CPU time per byte of audit log is compared.
    - Exit 1 if a limit of the issue is missed, which is said.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from live_costs import CONDITIONS, Meter, Placement, Stretch, lifted, placed
from live_scene import AUID, Plan, Scene
from live_wire import Exchange
from logs import count_records
from peers import PEERS, run_peer
from rich.console import Console
from rich.table import Table
from testbed import packages
from testbed.ledger import Ledger
from testbed.tell import TestbedError, say
from testbed.traffic import load, look_up

from agent.rules import RuleSet

RATIO: Final = 0.5
THROUGHPUT: Final = 0.97
MEMORY: Final = 120.0
HEARTBEAT: Final = 450.0
LOGS: Final = 0.25
"""Share of the agent's CPU time that reading and joining applications' logs may take."""
PEER_LOG: Final = 48 << 20
PEERS_SHOWN: Final = ("laurel", "ausearch --raw")
EPOCH: Final = 10.0
WAIT: Final = 55.0
NONE, AUDITD, BOTH = CONDITIONS
# Causes of loss that are records of the log which nobody looked at; the others are told below the table.
LOST_RECORDS: Final = frozenset(
    ("kernel_lost", "capture_gap", "capture_unknown", "throttled", "unparsable", "truncated", "oversized", "malformed")
)
# Where the kernel's queue is full, a process sleeps between two records of one event, while 10,000 others go by: such
# an event is used as far as it goes. Counted and told.
CUT_SHORT: Final = "unfinished"


@dataclass(slots=True)
class Worker:
    """All that was measured under one rule set."""

    rules: RuleSet
    placement: Placement
    stretches: list[Stretch]
    peak: float = 0.0
    monitor_peak: float = 0.0
    lost: int = 0
    causes: dict[str, int] | None = None
    heartbeats: list[int] | None = None
    listens: list[int] | None = None
    others: int = 0
    peers: dict[str, float] | None = None
    record: float = 250.0
    silent: list[Stretch] = field(default_factory=list)
    silent_peak: float = 0.0
    lines: dict[str, int] = field(default_factory=dict)

    def of(self, condition: str, what: Callable[[Stretch], float]) -> list[float]:
        """One figure of all stretches in one state."""
        return [what(one) for one in self.stretches if one.condition == condition]

    def rate(self, condition: str) -> float:
        """Requests per second, median."""
        return statistics.median(self.of(condition, lambda one: one.rate))

    @property
    def ratios(self) -> list[float]:
        """Throughput with the agent over that without it, pair by pair."""
        with_agent, without = self.of(BOTH, lambda one: one.rate), self.of(AUDITD, lambda one: one.rate)
        return [one / other for one, other in zip(with_agent, without, strict=True)]

    @property
    def cpu_ratio(self) -> float:
        """The agent's CPU seconds over auditd's, in the same stretches."""
        return sum(self.of(BOTH, lambda one: one.agent)) / max(0.01, sum(self.of(BOTH, lambda one: one.auditd)))

    @property
    def for_logs(self) -> float:
        """Share of the agent's CPU time per byte of audit log that it does not need if it reads no logs."""
        spent = [sum(one.agent for one in some) / max(1, sum(one.read for one in some))
                 for some in (self.silent, [one for one in self.stretches if one.condition == BOTH])]  # fmt: skip
        return 1 - spent[0] / spent[1] if self.silent and spent[1] else 0.0

    @property
    def records(self) -> float:
        """Records that the agent has read in its stretches: bytes, over what a record of this log has on average."""
        return sum(self.of(BOTH, lambda one: one.read)) / self.record

    @property
    def heartbeat(self) -> float:
        """Bytes of a heartbeat, both ways, median."""
        return float(statistics.median(self.heartbeats or [0]))

    @property
    def with_poll(self) -> float:
        """The same with its share of the question for orders."""
        return self.heartbeat + (statistics.median(self.listens) if self.listens else 0.0) * EPOCH / WAIT


def worker(rules: RuleSet, pairs: int, seconds: float, placement: Placement, lift: bool = False) -> Worker:
    """Measure one rule set on a new worker."""
    # A question for orders is held 3 s instead of 55 s, so that some of them end while we count; epochs of 2 s alike.
    plan = Plan(rules=rules, auid=AUID, counted=True, agent={"monitor": {"wait": "3s"}})
    with Ledger.begin() as ledger, Scene.begin(ledger, plan) as scene:
        result = Worker(rules, placement, [])
        load(scene.web.running, seconds=2)
        for one in scene.web.running:
            look_up(one)
        meter = Meter(scene)
        say(f"rules {rules}, {placement}: {pairs} pairs of {seconds:g} s")
        with placed(scene, placement), lifted(scene) if lift else nullcontext():
            for number in range(pairs):
                states = (AUDITD, BOTH) if number % 2 == 0 else (BOTH, AUDITD)
                # Without audit every fourth time only: it is no part of a ratio.
                for state in (*states, NONE) if number % 4 == 0 else states:
                    result.stretches.append(meter.stretch(state, seconds, placement))
        _wire(scene, result)
        result.peak = scene.agent.program.peak_bytes() / 1e6
        result.monitor_peak = scene.monitor.program.peak_bytes() / 1e6
        result.lost = scene.auditd.lost()
        result.causes = _causes(scene.agent.figures())
        result.record, result.peers = _peers(scene.auditd.log)
        result.lines = _labelled(scene.agent.figures(), "winnower_agent_log_lines_total", "operation")
        _without_logs(scene, result, pairs, seconds, lift)
    return result


def _without_logs(scene: Scene, result: Worker, pairs: int, seconds: float, lift: bool) -> None:
    """The same agent, reading no logs."""
    scene.agent.restart({"logs": {"enabled": False}})
    meter = Meter(scene)
    with placed(scene, result.placement), lifted(scene) if lift else nullcontext():
        for _ in range(max(1, pairs // 2)):
            result.silent.append(meter.stretch(BOTH, seconds, result.placement))
    result.silent_peak = scene.agent.program.peak_bytes() / 1e6


def _wire(scene: Scene, result: Worker) -> None:
    """Epochs of 2 s under light load: what their messages weigh."""
    assert scene.wire is not None
    scene.monitor.choose_epoch("2s")
    load(scene.web.running, seconds=6, concurrency=1)
    began = time.monotonic()
    epochs = scene.agent.figures()
    load(scene.web.running, seconds=24, concurrency=1)
    after = scene.agent.figures()
    fresh = sorted_by_target([one for one in scene.wire.exchanges if one.at >= began])
    news = after["winnower_agent_epochs_with_news_total"] - epochs["winnower_agent_epochs_with_news_total"]
    sizes = sorted(one.bytes for one in fresh.get("/v1/epochs", []))
    # Epochs with news are no heartbeats, and the largest.
    result.heartbeats = sizes[: len(sizes) - int(news)] if news else sizes
    result.listens = [one.bytes for one in fresh.get("/v1/listen", [])]
    result.others = sum(one.bytes for name, some in fresh.items() if name not in KNOWN for one in some)


KNOWN: Final = ("/v1/epochs", "/v1/listen")


def sorted_by_target(exchanges: Sequence[Exchange]) -> dict[str, list[Exchange]]:
    """Exchanges by what was asked."""
    found: dict[str, list[Exchange]] = {}
    for one in exchanges:
        found.setdefault(one.target, []).append(one)
    return found


def _causes(figures: dict[str, float]) -> dict[str, int]:
    """The agent's losses by cause."""
    return _labelled(figures, "winnower_agent_lost_total", "cause")


def _labelled(figures: dict[str, float], name: str, label: str) -> dict[str, int]:
    """The values of one figure by one label."""
    start = f'{name}{{{label}="'
    return {name[len(start) :].rstrip('"}'): int(value) for name, value in figures.items() if name.startswith(start)}


def _peers(log: Path) -> tuple[float, dict[str, float]]:
    """Bytes of a record, and records per CPU second of peers, on the end of this very log."""
    with tempfile.TemporaryDirectory(prefix="live-peers-", dir="/var/tmp") as folder:
        part = Path(folder) / "audit.log"
        with log.open("rb") as whole:
            whole.seek(max(0, log.stat().st_size - PEER_LOG))
            data = whole.read(PEER_LOG)
        part.write_bytes(data.partition(b"\n")[2].rpartition(b"\n")[0] + b"\n")
        count = count_records(part)
        chosen = [one for one in PEERS if one.name in PEERS_SHOWN]
        rates = {one.name: run_peer(one, part, runs=3, records=count).rate for one in chosen}
        return part.stat().st_size / count, rates


def cost_table(result: Worker) -> Table:
    """Who needs how much for a record."""
    table = Table(
        "who", "what it does", title=f"rules {result.rules}, {result.placement}: cost per record", title_justify="left"
    )
    for column in ("records/CPU s", "CPU of auditd's"):
        table.add_column(column, justify="right")
    records, auditd = result.records, sum(result.of(BOTH, lambda one: one.auditd))
    agent, kernel = (sum(result.of(BOTH, what)) for what in (lambda one: one.agent, lambda one: one.kernel))
    unit = records / max(auditd, 0.01)
    rows = [
        ("auditd", "takes records from the kernel, writes the log", unit),
        ("kernel thread kauditd", "hands them over", records / max(kernel, 0.01)),
        ("winnower agent", "follows, parses, graphs, learns, signs, sends", records / max(agent, 0.01)),
    ]
    does = {one.name: one.does for one in PEERS}
    rows += [(name, does[name], rate) for name, rate in (result.peers or {}).items()]
    for name, what, rate in rows:
        table.add_row(name, what, f"{rate:,.0f}" if rate else "did not run", f"{unit / rate:.2f}" if rate else "")
    return table


def rate_table(result: Worker, seconds: float) -> Table:
    """Requests per second in each state."""
    table = Table(
        "state",
        title=f"rules {result.rules}, {result.placement}: two Apache containers under ab, stretches of {seconds:g} s",
        title_justify="left",
    )
    for column in ("stretches", "requests/s (median)", "of no audit", "of auditd alone (quartiles)"):
        table.add_column(column, justify="right")
    none = result.rate(NONE)
    for state in CONDITIONS:
        rate = result.rate(state)
        low, middle, high = quartiles(result.ratios)
        alone = f"{middle:.3f} ({low:.2f} to {high:.2f})" if state == BOTH else ""
        count = len(result.of(state, lambda one: one.rate))
        table.add_row(state, str(count), f"{rate:,.0f}", f"{rate / none:.2f}", alone)
    return table


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """A quarter, half, three quarters of the values are at most so large."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def limits(result: Worker) -> list[tuple[str, str, str, bool]]:
    """What the issue demands: name, measured, limit, whether it holds."""
    ratio = statistics.median(result.ratios)
    causes = result.causes or {}
    lost = {cause: number for cause, number in causes.items() if cause in LOST_RECORDS}
    told = ", ".join(f"{cause} {number}" for cause, number in lost.items())
    return [
        ("agent CPU s / auditd CPU s", f"{result.cpu_ratio:.2f}", f"≤ {RATIO}", result.cpu_ratio <= RATIO),
        ("  of it for applications' logs", f"{result.for_logs:.0%}", f"≤ {LOGS:.0%}", result.for_logs <= LOGS),
        (
            "requests/s with agent / auditd alone",
            f"{ratio:.3f}",
            f"≥ {THROUGHPUT}",
            ratio >= THROUGHPUT,
        ),
        ("agent's peak RSS", f"{result.peak:.0f} MB", f"< {MEMORY:.0f} MB", result.peak < MEMORY),
        ("records lost by the kernel", str(result.lost), "0", result.lost == 0),
        ("records lost by the agent", told or "0", "0", not lost),
        ("  events cut short by a full queue", str(causes.get(CUT_SHORT, 0)), "counted", True),
        ("bytes per heartbeat", f"{result.heartbeat:.0f}", f"≤ {HEARTBEAT:.0f}", 0 < result.heartbeat <= HEARTBEAT),
        (
            "  with its share of the long poll",
            f"{result.with_poll:.0f}",
            f"≤ {HEARTBEAT:.0f}",
            result.with_poll <= HEARTBEAT,
        ),
    ]


def show(console: Console, result: Worker, seconds: float) -> bool:
    """All tables; whether every limit holds."""
    console.print(rate_table(result, seconds))
    console.print(cost_table(result))
    table = Table("what", title=f"rules {result.rules}, {result.placement}: limits", title_justify="left")
    for column in ("measured", "limit", ""):
        table.add_column(column, justify="right" if column else "left")
    rows = limits(result)
    for name, measured, limit, good in rows:
        table.add_row(name, measured, limit, "" if good else "MISSED")
    console.print(table)
    seconds_of = sum(result.of(BOTH, lambda one: one.agent))
    each = len(result.of(BOTH, lambda one: one.agent)) * seconds
    sizes = result.heartbeats or [0]
    failed = sum(one.failed for one in result.stretches)
    polls = result.listens or [0]
    quiet = statistics.median([one.rate for one in result.silent] or [0.0])
    for line in (
        f"lines of logs by how they were joined: {result.lines}; without logs {quiet:,.0f} requests/s, "
        f"agent {sum(one.agent for one in result.silent) / max(1, len(result.silent)) / seconds:.0%} core, "
        f"peak RSS {result.silent_peak:.0f} MB (restarted)",
        f"{result.records:,.0f} records, {result.records / each:,.0f}/s of load; agent: {seconds_of / each:.0%} core",
        f"{failed} requests failed; monitor's peak RSS {result.monitor_peak:.0f} MB; "
        f"all that the agent counts as lost: {result.causes or 'nothing'}",
        f"{len(sizes)} heartbeats, {min(sizes)} to {max(sizes)} bytes; {len(polls)} questions for orders, "
        f"{statistics.median(polls):.0f} bytes; {result.others} bytes for anything else",
    ):
        console.print(line, soft_wrap=True)
    return all(good for *_, good in rows)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="the live worker's costs beside the issue's limits")
    parser.add_argument("--set", dest="rules", choices=("lean", "full", "both"), default="both", help="of audit rules")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one stretch")
    parser.add_argument("--apart", action="store_true", help="servers and ab on one core, all others on the other")
    parser.add_argument("--lift", action="store_true", help="run all of it above what else the machine does")
    options = parser.parse_args(arguments)
    placement: Placement = "apart" if options.apart else "together"
    chosen: tuple[RuleSet, ...] = ("lean", "full") if options.rules == "both" else (options.rules,)
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    good = True
    try:
        packages.require("audit", "containers", "image", "load")
        for rules in chosen:
            result = worker(rules, options.pairs, options.seconds, placement, options.lift)
            good = show(console, result, options.seconds) and good
    except TestbedError as error:
        print(f"live: {error}", file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
