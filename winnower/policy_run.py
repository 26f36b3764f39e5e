"""`winnower policy run`: what policies match in what has been seen, of a monitor's state or of a running monitor.

Rules of this file
    - Parses options and prints; what matches is in `monitor.policies_run`. A running monitor asks the workers about
      what is only possible; a state folder has none to ask.
    - Exit 0 whatever was found, with --fail 1 if something was; 2 bad usage or input.
    - The clock is read here only: `2h` becomes a moment before anybody is asked.

Source: issue "policies and questions", item 4.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from grammar import InputError, Model
from grammar.settings import millis
from monitor.policies_run import Sent, Window, run_policies
from monitor.render_policies import show_report
from policies import Policy
from policies.limits import Limits
from winnower.console import output
from winnower.policy_files import MAX_POLICY, read_text
from winnower.policy_lint import sources_of
from winnower.policy_list import in_force, named
from winnower.query_command import Where, asking, models_of
from winnower.trace_log_command import moment

LIMITS: Final = Limits(rows=100_000, steps=20_000_000, seconds=30.0)


@click.command("run")
@click.argument("policies", nargs=-1, metavar="[ID|FILE|DIR]...")
@click.option("--since", required=True, help="Log time: 2h (ago), ISO 8601, seconds since 1970.")
@click.option("--until", help="Leave out what was first seen later.")
@click.option("--app", help="Only this application.")
@click.option("--fail", is_flag=True, help="Exit 1 if anything matches.")
@click.option("--confirm/--no-confirm", default=True, help="Ask the workers about possible matches (with --url).")
@click.option(
    "--deadline", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds for the workers."
)
@asking("table", "json")
def command(
    policies: tuple[str, ...],
    *,
    since: str,
    until: str | None,
    app: str | None,
    fail: bool,
    confirm: bool,
    deadline: float,
    where: Where,
    how: str,
) -> None:
    """What policies match, evaluated now: those named, or all that are in force.

    A match counts if something of it was new since --since. Without a monitor to ask, what labels alone do not prove
    stays possible.
    """
    window = window_of(since, until)
    if where.url:
        asked = {"app": app or "", "since": _text(window.since), "until": _text(window.until)}
        asked |= {"confirm": "1", "deadline": str(deadline)} if confirm else {}
        number = _remote(where, how, asked, sent_of(policies), deadline if confirm else 0.0)
    else:
        models, _ = models_of(where.folder, app)
        number = _local(models, named(policies) if policies else _standing(where.folder), window, how)
    if fail and number:
        sys.exit(1)


def window_of(since: str, until: str | None) -> Window:
    """Both ends in milliseconds; `2h` is two hours ago."""
    now = time.time_ns() // 1_000_000
    begin, end = _moment(since, now), None if until is None else _moment(until, now)
    if end is not None and begin > end:
        raise InputError("--since is after --until", offending=f"{since} {until}")
    return Window(begin, end)


def _moment(text: str, now: int) -> int:
    try:
        return max(0, now - int(millis(text.strip())))
    except ValueError:
        return moment(text, now)


def _standing(state: Path) -> tuple[Policy, ...]:
    """What is in force there; of a state without agents, what comes with Winnower."""
    return in_force(state) or named(())


def _local(models: Sequence[Model], policies: Sequence[Policy], window: Window, how: str) -> int:
    report = run_policies(models, policies, window, LIMITS, time.monotonic)
    shown = show_report(report, how)
    if isinstance(shown, str):
        click.echo(shown)
    else:
        output().print(shown)
    return len(report.found)


def sent_of(words: Sequence[str]) -> Sent:
    """Ids for the monitor to look up, and the texts of files."""
    ids = [word for word in words if not Path(word).exists() and not word.endswith(".cypher")]
    sources, errors = sources_of([Path(word) for word in words if word not in ids])
    if errors:
        raise errors[0]
    return Sent(tuple(ids), tuple((str(one), read_text(one, MAX_POLICY)) for one in sources))


def _remote(where: Where, how: str, asked: dict[str, str], sent: Sent, seconds: float) -> int:
    from winnower.remote import SLACK, remote  # noqa: PLC0415 - a state folder needs no network

    asked = asked | {"format": how, "width": str(output().width)}
    told = remote(where.url, where.token_file, where.authority)
    text = told.ask("/v1/policies/run", asked, msgspec.json.encode(sent).decode(), SLACK + LIMITS.seconds + seconds)
    try:
        answer = json.loads(text)
        matched, shown = int(answer["matched"]), "".join(c for c in str(answer["text"]) if c >= " " or c == "\n")
    except (ValueError, TypeError, KeyError):
        hint = "does it know /v1/policies/run?"
        raise InputError("not an answer of a monitor", offending=text, hint=hint) from None
    click.echo(shown, nl=not shown.endswith("\n"))
    return matched


def _text(moment_: int | None) -> str:
    return "" if moment_ is None else str(moment_)
