"""`winnower replay`: options in, a replay, what happened out.

Rules of this file
    - Parses options and prints; the work is in `winnower.replay`.

Source: design section 5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agent.abstraction import TAU_FILE, TAU_SOCK
from agent.profile_files import read_profiles
from agent.recording import Recording
from grammar import InputError
from grammar.profile import Profile
from monitor.monitor import Monitor
from monitor.novelty import Settings
from monitor.render import safe
from monitor.render_units import alerts_and_units
from monitor.store import Store
from policies import Policy
from winnower.console import errors, output
from winnower.dump import Dump
from winnower.policy_command import load_policies, shipped_policies
from winnower.replay import Agent, Replay, Thresholds, replay
from winnower.report import Report

THRESHOLD: Final = click.IntRange(1, 100_000)
_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "": 1000}


def duration(text: str) -> int:
    """`10s`, `500ms`, `2m`, `1h` in milliseconds.

    >>> duration("10s"), duration("500ms")
    (10000, 500)
    """
    found = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|)", text.strip())
    if found is None or not 100 <= (millis := int(found[1]) * _UNITS[found[2]]) <= 86_400_000:
        hint = "for example 10s, 500ms, 2m or 1h; from 100ms to 24h"
        raise InputError("not a length of time", offending=text, hint=hint)
    return millis


@click.command("replay")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("--state", type=click.Path(path_type=Path), required=True, help="Where the monitor keeps its state.")
@click.option("--epoch", default="10s", show_default=True, help="Length of an epoch in log time.")
@click.option("--report", type=click.Path(path_type=Path), help="Write what it did and cost as JSON.")
@click.option("--dump", type=click.Path(path_type=Path), help="Write every instance graph and model.")
@click.option("--policy", "policy_files", type=click.Path(path_type=Path), multiple=True, help="Policy file or folder.")
@click.option("--settle", default="40s", show_default=True, help="Activity needed before novelty is judged.")
@click.option("--quiet-for", default="20s", show_default=True, help="Activity without news needed for the same.")
@click.option("--few", default=0.25, show_default=True, help="Share of replicas that is few.")
@click.option(
    "--tau-file", default=TAU_FILE, show_default=True, type=click.IntRange(1, 100_000), help="Names told apart."
)
@click.option(
    "--tau-sock", default=TAU_SOCK, show_default=True, type=click.IntRange(1, 100_000), help="Peers told apart."
)
@click.option("--forget-after", help="Leave out of models what nobody has shown for so long (log time; never).")
@click.option(
    "--profile", "profile_files", type=click.Path(path_type=Path), multiple=True, help="Log strings of an application."
)
@click.option("--no-logs", is_flag=True, help="Leave the applications' own logs out.")
def replay_command(
    *,
    recording: Path,
    state: Path,
    epoch: str,
    report: Path | None,
    dump: Path | None,
    policy_files: Sequence[Path],
    settle: str,
    quiet_for: str,
    few: float,
    tau_file: int,
    tau_sock: int,
    forget_after: str | None,
    profile_files: Sequence[Path],
    no_logs: bool,
) -> None:
    """Replay RECORDING through one agent per worker and a monitor."""
    if not 0 <= few <= 1:  # not a number is refused too
        raise InputError("not a share", offending=str(few), hint="--few takes a number from 0 to 1")
    policies = (*shipped_policies(), *load_policies(policy_files))
    settings = Settings(settle_active=duration(settle), settle_quiet=duration(quiet_for), few=few)
    thresholds = Thresholds(tau_file, tau_sock, duration(forget_after) if forget_after else 0)
    run = Runner(duration(epoch), policies, settings, thresholds, read_profiles(profile_files), lines=not no_logs)
    monitor, told = replay(recording, state, run, report, dump)
    console = output()
    console.print(summary(monitor, told))
    console.print(alerts_and_units((app.model for app in monitor.apps.values()), monitor.alerts))


class Runner:
    """Runs a replay with a progress bar on the terminal."""

    def __init__(
        self,
        epoch_millis: int,
        policies: Sequence[Policy],
        settings: Settings,
        thresholds: Thresholds | None = None,
        profiles: Sequence[Profile] = (),
        *,
        lines: bool = True,
    ) -> None:
        self.epoch_millis, self.policies, self.settings = epoch_millis, policies, settings
        self.thresholds = thresholds or Thresholds()
        self.profiles, self.lines = profiles, lines

    def __call__(self, recording: Recording, dump: Dump | None, store: Store) -> tuple[Monitor, Report]:
        """Replay into `store`."""
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"))
        console = errors()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("replaying", total=None, what="")

            def shown(start: int, agents: Sequence[Agent]) -> None:
                records = sum(agent.report.records for agent in agents)
                progress.update(task, advance=1, what=f"{records:,} records, log time {start // 1000}")

            work = Replay(
                recording, self.epoch_millis, self.policies, self.settings, self.thresholds, dump, on_epoch=shown,
                lines=self.lines, profiles=self.profiles,
            )  # fmt: skip
            return work.run(store)


def summary(monitor: Monitor, report: Report) -> Table:
    """What came in, what was sent, what models there are."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    workers = list(report.workers.values())
    records, raw = sum(w.records for w in workers), sum(w.raw_bytes for w in workers)
    cpu, up = sum(w.cpu_seconds for w in workers), sum(w.uplink for w in workers)
    deltas, down = sum(w.deltas for w in workers), sum(w.downlink for w in workers)
    rate = f"{records / cpu:,.0f} per CPU second" if cpu else ""
    table.add_row("in", f"{records:,} records, {raw / 1e6:.1f} MB from {len(workers)} workers; {rate}")
    joined = {how: sum(w.lines.get(how, 0) for w in workers) for how in ("log", "log_near", "unjoined")}
    if lines := sum(joined.values()):
        tagged = sum(w.tagged for w in workers)
        tags = f"{tagged:,} joined by the kernel's tags, " if tagged else ""
        how = f"{tags}{joined['log'] - tagged:,} joined by offset, {joined['log_near']:,} by time"
        how += f", {joined['unjoined']:,} by nothing"
        table.add_row("lines", f"{lines:,} of application logs: {how}")
    share = f", 1/{raw // up:,} of the raw log" if up else ""
    table.add_row("up", f"{up:,} bytes ({deltas:,} of them deltas){share}; {down:,} bytes down")
    value = report.value(monitor)["apps"]
    for name, app in value.items() if isinstance(value, dict) else ():
        told = "settled" if app["settled"] else "not settled"
        text = f"{app['replicas']} replicas, {app['states']} states, {app['transitions']} transitions"
        table.add_row(safe(name), Text(f"{text}, model {app['model_bytes']:,} bytes, {told}"))
    lost: dict[str, int] = {}
    for causes in monitor.lost.values():
        for cause, number in causes.items():
            lost[cause] = lost.get(cause, 0) + number
    table.add_row("lost", ", ".join(f"{cause} {number}" for cause, number in sorted(lost.items())) or "nothing")
    return table
