"""`winnower monitor run | check-config | token | agents | revoke | control`: the monitor and its register.

Rules of this file
    - `run` needs a settings file; the others work on the state, whether the monitor runs or not: a running one notices
      at its next look (under a second). They need to be who owns the state, or root.
    - A token is printed once, alone on its line, and kept nowhere else but in the state.
    - Exit 0 done, 1 no (no such agent), 2 bad usage or bad input.

Source: design section 5; issue "live monitor" (enrolment, control, operations).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from grammar import InputError
from grammar.settings import Millis, millis
from monitor.config import Placed, example, read_config
from monitor.controls import Controls
from monitor.logs import log
from monitor.register import Entry, Register
from monitor.render import safe, time_text, to_json
from monitor.server import Laws, Sources
from monitor.server import run as serve
from monitor.store import FILE, Store
from winnower.console import output
from winnower.policies_loader import Loaded, Loader

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group("monitor")
def monitor() -> None:
    """The live monitor: run it, enrol agents, control them."""


def _state(command: Command) -> Command:
    """The options that say where the state is."""
    path = click.Path(path_type=Path)
    command = click.option("--state", type=path, help="The monitor's state folder.")(command)
    return click.option("--config", type=path, help="The monitor's settings, which name it.")(command)


class _Time(click.ParamType[Millis]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Millis:
        """`10s` and the like."""
        try:
            return value if isinstance(value, Millis) else millis(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@contextmanager
def _opened(config: Path | None, state: Path | None) -> Iterator[Store]:
    """The state, for writing."""
    if (config is None) == (state is None):
        raise click.UsageError("say where the state is: --config FILE or --state DIR")
    if config is not None:
        placed = read_config(config)
        state = placed.path(placed.state)
    assert state is not None
    if config is None and not (state / FILE).is_file():
        raise InputError("no monitor state here", file=str(state), hint="winnower monitor run makes one")
    with closing(Store(state, create=True, live=True)) as store:
        yield store


@monitor.command("run")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The settings file.")
def run(config: Path) -> None:
    """Run the monitor until it is told to stop (SIGTERM); SIGHUP reads settings and policies again."""
    loader = Loader()
    serve(Sources(lambda: read_config(config), lambda placed: laws(placed, loader)))


def laws(config: Placed, loader: Loader) -> Laws:
    """The policies that the settings name, and their texts for the agents; a bad one is said loudly, and left out."""
    loaded = _loaded(config, loader)
    for problem in loaded.problems:
        event = "policy not reloaded, the earlier version stays" if problem.kept else "policy not loaded"
        for line in problem.lines:
            log(event, "error", file=problem.file, error=line)
    return Laws(loaded.policies, loaded.texts, len(loaded.problems), loaded.value())


def _loaded(config: Placed, loader: Loader) -> Loaded:
    return loader.load([config.path(one) for one in config.policies.files], shipped=config.policies.shipped)


@monitor.command("check-config")
@click.option("--config", type=click.Path(path_type=Path), help="The settings file.")
@click.option("--example", "shown", is_flag=True, help="Print a commented file with all settings and their defaults.")
def check_config(config: Path | None, shown: bool) -> None:
    """Check a settings file and the policies that it names, and report all their errors."""
    if shown:
        click.echo(example(), nl=False)
        return
    if config is None:
        raise click.UsageError("--config FILE, or --example")
    found = _loaded(read_config(config), Loader()).strict()
    click.echo(f"no errors; {len(found.policies)} policies")


@monitor.command("token")
@click.argument("name")
@click.option("--lasts", type=_Time(), default="24h", show_default=True, help="How long it is good for.")
@_state
def token(name: str, lasts: Millis, config: Path | None, state: Path | None) -> None:
    """Print a one-time token that enrols an agent of that NAME; an unused earlier one is void."""
    with _opened(config, state) as store:
        register = Register(store)
        with store.transaction():
            made = register.issue(name, time.time_ns() // 1_000_000, secrets.token_bytes, int(lasts))
        click.echo(made.text)


@monitor.command("agents")
@click.option("--format", "how", type=click.Choice(("table", "json")), default="table", show_default=True)
@_state
def agents(how: str, config: Path | None, state: Path | None) -> None:
    """List the agents on the register."""
    with _opened(config, state) as store:
        entries = list(Register(store).by_name.values())
        revision = Controls(store).current.revision
        incidents = store.incidents()
    if how == "json":
        click.echo(to_json([_value(one, incidents.get(one.name, {})) for one in entries]))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("agent", "state", "enrolled", "seen", "behind", "incidents"):
        table.add_column(column, overflow="fold")
    for one in entries:
        told = ", ".join(f"{cause} {number}" for cause, (number, _) in sorted(incidents.get(one.name, {}).items()))
        behind = str(max(0, revision - one.control)) if one.seen else "-"
        seen = time_text(one.seen) if one.seen else "never"
        standing = "revoked" if one.revoked else "enrolled"
        table.add_row(safe(one.name), standing, time_text(one.enrolled), seen, behind, safe(told))
    output().print(table if entries else "no agents")


def _value(one: Entry, incidents: dict[str, tuple[int, int]]) -> dict[str, object]:
    return {
        "name": one.name,
        "key": one.public.hex(),
        "revoked": one.revoked,
        "enrolled": one.enrolled / 1000,
        "seen": one.seen / 1000,
        "control": one.control,
        "lost_last": one.lost,
        "incidents": {cause: number for cause, (number, _) in sorted(incidents.items())},
    }


@monitor.command("revoke")
@click.argument("name")
@_state
def revoke(name: str, config: Path | None, state: Path | None) -> int:
    """Take an agent's right to write; it can be enrolled again with a new token and a new key."""
    with _opened(config, state) as store:
        register = Register(store)
        with store.transaction():
            done = register.revoke(name)
    click.echo("revoked" if done else "no such agent, or revoked already", err=not done)
    return 0 if done else 1


@monitor.command("control")
@click.option("--epoch", help='The length of epochs, like "5s", or "default" for the settings file\'s.')
@_state
def control(epoch: str | None, config: Path | None, state: Path | None) -> None:
    """Show what agents are told to do, or change it."""
    with _opened(config, state) as store:
        controls = Controls(store)
        if epoch is not None:
            chosen = _epoch(epoch)
            with store.transaction():
                controls.choose_epoch(chosen)
                if not chosen and config is not None:
                    controls.change(epoch_millis=int(read_config(config).epoch))
        now = controls.current
        patterns = sum(len(told) for _, told in now.patterns)
        click.echo(f"revision {now.revision}: epochs of {now.epoch_millis / 1000:g} s, {patterns} patterns, ", nl=False)
        click.echo(f"{len(now.policies)} policies")


def _epoch(written: str) -> int:
    if written == "default":
        return 0
    try:
        found = int(millis(written))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not 1_000 <= found <= 3_600_000 or found % 1_000:
        raise click.BadParameter("an epoch is whole seconds, at least one, at most an hour")
    return found
