"""`winnower alerts`: what fired, and what somebody has to say about it: ack, rearm, snooze.

Rules of this file
    - Without a sub-command it lists. What is acknowledged or snoozed is left out of the list unless it is asked for.
    - Of a state folder the alerts are read and what is said is written; a running monitor is asked to do it.

Source: design section 5; issue "policies and questions" (acknowledged, re-armed).
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from grammar import InputError
from grammar.settings import millis
from monitor.actions_listing import STATUSES, Listing
from monitor.actions_state import load_lifecycle, numbered_alerts, save_lifecycle
from monitor.alerts import SEVERITIES
from monitor.lifecycle import ANY, Lifecycle
from monitor.lifecycle_values import Snooze, Standing
from monitor.render import safe, time_text, to_json
from monitor.render_units import alerts_and_units
from monitor.store import FILE, Store
from winnower.console import output
from winnower.query_command import Where, asking, models_of


class _Alerts(click.Group):
    """A group whose first command needs no name: what begins with an option, or is nothing, is a list."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name in."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("alerts", cls=_Alerts)
def alerts() -> None:
    """What fired, with its trace; `list` when nothing else is said."""


class _Moment(click.ParamType[int]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """`2h` ago, or a date and time."""
        if isinstance(value, int):
            return value
        written = str(value)
        try:
            return max(0, _now() - int(millis(written)))
        except ValueError:
            pass
        try:
            found = datetime.fromisoformat(written)
        except ValueError:
            self.fail('a time is written "2h" (ago) or "2026-01-31T12:00"', param, ctx)
        return max(0, int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000))


@alerts.command("list")
@click.option("--app", help="Only this application.")
@click.option("--policy", default=ANY, help="Only policies whose id fits; * fits any text.")
@click.option("--severity", type=click.Choice(SEVERITIES), default=SEVERITIES[0], help="This one and worse.")
@click.option("--since", type=_Moment(), default=0, help='Since then: "2h" ago, or "2026-01-31T12:00" (UTC).')
@click.option("--status", type=click.Choice(STATUSES), help="Only those with this status.")
@click.option("--all", "everything", is_flag=True, help="Also what is acknowledged or snoozed.")
@asking("table", "json")
def list_command(
    *,
    app: str | None,
    policy: str,
    severity: str,
    since: int,
    status: str | None,
    everything: bool,
    where: Where,
    how: str,
) -> None:
    """List what fired, with its trace."""
    listing = Listing(app or "", policy, severity, since, status or "", everything)
    if where.url:
        where.ask("/v1/alerts", how, listing.params())
        return
    with closing(Store(where.folder)) as store:
        _known(store, app)
        life = load_lifecycle(store)
        listed = listing.listed(numbered_alerts(store), life)
    if how == "json":
        click.echo(to_json(listed.values(life)))
        return
    output().print(alerts_and_units(models_of(where.folder)[0], listed.alerts))
    click.echo(listed.notes(life), nl=False)


@alerts.command("ack")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(min=1))
@click.option("--comment", default="", help="Why.")
@asking("table")
def acknowledge(numbers: tuple[int, ...], comment: str, where: Where, how: str) -> None:
    """Take note of alerts: their deeds are not told again until they are armed again."""
    _say(where, "ack", numbers, comment, Lifecycle.acknowledge)


@alerts.command("rearm")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(min=1))
@click.option("--comment", default="", help="Why.")
@asking("table")
def rearm(numbers: tuple[int, ...], comment: str, where: Where, how: str) -> None:
    """Arm alerts again: the next deed like theirs is told."""
    _say(where, "rearm", numbers, comment, Lifecycle.rearm)


@alerts.command("snooze")
@click.argument("policy")
@click.option("--app", default=ANY, help="Only for this application.")
@click.option("--for", "length", default="2h", show_default=True, help='How long; "0s" ends it.')
@click.option("--comment", default="", help="Why.")
@asking("table")
def snooze(*, policy: str, app: str, length: str, comment: str, where: Where, how: str) -> None:
    """Do not tell alerts of POLICY (* for all) for a while: they are kept, and listed with --all."""
    try:
        lasting = int(millis(length))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    if where.url:
        asked = {"policy": policy, "app": app, "for": str(lasting), "by": _who(), "comment": comment}
        where.ask("/v1/snoozes", "", asked, "")
        return
    now = _now()
    until = now + lasting if lasting else 0
    with _opened(where.folder) as (store, life), store.transaction():
        life.snooze(Snooze(policy, app, until, _who(), now, comment))
        save_lifecycle(store, life)
    click.echo(f"snoozed until {time_text(until)}" if until else "no longer snoozed")


Saying = Callable[[Lifecycle, tuple[int, ...], str, int, str, int], list[Standing]]


def _say(where: Where, verb: str, numbers: tuple[int, ...], comment: str, say: Saying) -> None:
    if where.url:
        told = ",".join(map(str, numbers))
        where.ask(f"/v1/alerts/{told}/{verb}", "", {"by": _who(), "comment": comment}, "")
        return
    with _opened(where.folder) as (store, life), store.transaction():
        latest = max((alert.time for alert in numbered_alerts(store)), default=0)
        said = say(life, numbers, _who(), _now(), comment, latest)
        save_lifecycle(store, life)
    for one in said:
        click.echo(f"{one.number}: {one.state} by {safe(one.by, 100)}")


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[Store, Lifecycle]]:
    """A state for writing; none is made."""
    if not (folder / FILE).is_file():
        raise InputError(
            "no monitor state here", file=str(folder), hint="winnower replay RECORDING --state DIR makes one"
        )
    with closing(Store(folder, create=True)) as store:
        yield store, load_lifecycle(store)


def _known(store: Store, app: str | None) -> None:
    """An application that is asked for is there."""
    known = store.apps()
    if app is not None and app not in known:
        raise InputError("no such application", offending=app, hint=f"known: {', '.join(map(safe, known)) or 'none'}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _now() -> int:
    return time.time_ns() // 1_000_000
