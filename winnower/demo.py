"""`winnower demo`: the shipped recording, from raw logs to one alert and its trace, in seconds.

Rules of this file
    - No root, no network, nothing left behind (unless `--state` asks for it). What is printed is what the replay found;
      nothing here knows what the recording holds.

Source: design section 5 (`winnower demo`).
"""

from __future__ import annotations

import json
import shlex
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import click

from monitor.alerts import Alert
from monitor.monitor import Monitor
from monitor.novelty import Settings
from monitor.query import trace
from monitor.render import safe
from monitor.render_units import alerts_and_units
from winnower.console import output
from winnower.policy_command import shipped_policies
from winnower.replay import replay
from winnower.replay_command import Runner, summary

EPOCH_MILLIS = 10_000
SHOWN = 12


@click.command("demo")
@click.option("--state", type=click.Path(path_type=Path), help="Keep the monitor's state there, to ask it yourself.")
@click.option("--serve", is_flag=True, help="Then run a monitor on that state, to ask it over HTTP, until ^C.")
@click.option("--port", type=click.IntRange(1, 65_535), default=7717, show_default=True, help="Where it listens.")
def demo(state: Path | None, serve: bool, port: int) -> None:
    """Replay the shipped recording: eight Apache containers on four workers, one of them attacked."""
    console = output()
    console.print("Replaying real audit logs of eight Apache containers on four workers (labels.json says more).\n")
    with tempfile.TemporaryDirectory(prefix="winnower-") as scratch, as_file(files("winnower") / "recording") as folder:
        kept = state or Path(scratch) / "state"
        runner = Runner(EPOCH_MILLIS, shipped_policies(), Settings())
        monitor, report = replay(folder, kept, runner)
        console.print(summary(monitor, report))
        console.print()
        console.print(alerts_and_units((app.model for app in monitor.apps.values()), monitor.alerts))
        if monitor.alerts:
            console.print("\nWhere did it come from? Programs among the ancestors of the last step of the trace:")
            console.print(_programs(monitor, monitor.alerts[-1]))
        if serve:
            _serve(kept.absolute(), Path(scratch), port)
    if state is not None:
        where = safe(shlex.quote(str(state)))
        console.print(f"\nThe state is kept. Ask it:\n  winnower nodes --state {where} --app web kind=Process")


def _serve(state: Path, scratch: Path, port: int) -> None:
    """A monitor on what the demo has left, on this machine only."""
    from monitor.config import read_config  # noqa: PLC0415 - a web server is not needed otherwise
    from monitor.server import Sources  # noqa: PLC0415
    from monitor.server import run as run_monitor  # noqa: PLC0415
    from winnower.monitor_command import laws  # noqa: PLC0415
    from winnower.policies_loader import Loader  # noqa: PLC0415

    state.chmod(0o700)  # a monitor keeps its key and its token there
    for file in state.iterdir():
        file.chmod(0o600)
    settings = scratch / "monitor.toml"
    settings.write_text(f"state = {json.dumps(str(state))}\n[listen]\nport = {port}\n", encoding="utf-8")
    asked = f"--url http://127.0.0.1:{port} --token-file {shlex.quote(str(state / 'users.token'))}"
    output().print(f"\nA monitor runs until ^C. Ask it, in another terminal:\n  winnower alerts {safe(asked)}")
    loader = Loader()
    run_monitor(Sources(lambda: read_config(settings), lambda placed: laws(placed, loader)))


def _programs(monitor: Monitor, alert: Alert) -> str:
    """Programs in the ancestry of what an alert's trace ends with, nearest first."""
    told = [step.node for step in alert.trace] or list(alert.nodes)
    if not told:
        return "  nothing is known of it"
    answer = trace((app.model for app in monitor.apps.values()), told[-1], "ancestors")
    found: dict[str, None] = {}
    for state in answer.states:
        if state.label.startswith("Process "):
            command = answer.model.commands.get(state)
            if command:
                found[f"  {safe(state.label)}   $ {safe(command, 60)}"] = None
    lines = list(found)
    return "\n".join(lines[:SHOWN] + ([f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []))
