"""`winnower nodes | ancestors | descendants | query | alerts`: questions to a monitor's state.

Rules of this file
    - Parses options and prints; what an answer is, is in `monitor.query`; how it looks, in `monitor.render`.

Source: design section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from grammar import InputError, Model
from monitor.alerts import Alert
from monitor.application import Application
from monitor.query import Answer, conditions_of, find_nodes, trace
from monitor.render import alerts_table, safe, show_answer, to_json
from monitor.store import Store
from monitor.view import View
from policies import evaluate, parse_query
from winnower.console import output

Command = TypeVar("Command", bound=Callable[..., Any])


def _common(*formats: str) -> Callable[[Command], Command]:
    """The options that every question takes."""

    def add(command: Command) -> Command:
        choice = click.Choice(formats)
        command = click.option("--format", "how", type=choice, default=formats[0], show_default=True)(command)
        folder = click.Path(path_type=Path)
        return click.option("--state", type=folder, required=True, help="The monitor's state folder.")(command)

    return add


Lost = dict[str, dict[str, int]]


def _models(state: Path, app: str | None = None) -> tuple[list[Model], Lost]:
    """The models of all applications or of one, and what was lost on which worker."""
    with closing(Store(state)) as store:
        known = _known(store, app)
        return [Application.load(store, name).model for name in known if app in (None, name)], store.lost()


def _known(store: Store, app: str | None) -> list[str]:
    """The applications of a state, `app` (if it is asked for) among them."""
    known = store.apps()
    if app is not None and app not in known:
        raise InputError("no such application", offending=app, hint=f"known: {', '.join(map(safe, known)) or 'none'}")
    return known


def _print(answer: Answer, lost: Lost, how: str) -> None:
    workers = {replica.worker for replica in answer.model.replicas}
    answer = replace(answer, lost={worker: causes for worker, causes in lost.items() if worker in workers})
    shown = show_answer(answer, how)
    if isinstance(shown, str):
        click.echo(shown)
    else:
        output().print(shown)


@click.command("nodes")
@click.option("--app", required=True, help="The application.")
@click.argument("conditions", nargs=-1, metavar="KEY=PATTERN...")
@_common("table", "json", "dot")
def nodes(app: str, conditions: Sequence[str], state: Path, how: str) -> None:
    """Nodes whose properties match: path, name, exe, command, peer, address, port, kind, label, id; `*` fits any."""
    asked = conditions_of(conditions)
    models, lost = _models(state, app)
    _print(find_nodes(models[0], asked), lost, how)


@click.command("ancestors")
@click.argument("node", metavar="ID")
@click.option("--depth", type=click.IntRange(min=0), help="At most so many steps.")
@_common("table", "json", "dot")
def ancestors(node: str, depth: int | None, state: Path, how: str) -> None:
    """What the node ID (or the only one that starts so) may have come from, nearest first."""
    models, lost = _models(state)
    _print(trace(models, node, "ancestors", depth), lost, how)


@click.command("descendants")
@click.argument("node", metavar="ID")
@click.option("--depth", type=click.IntRange(min=0), help="At most so many steps.")
@_common("table", "json", "dot")
def descendants(node: str, depth: int | None, state: Path, how: str) -> None:
    """What may have come from the node ID (or the only one that starts so), nearest first."""
    models, lost = _models(state)
    _print(trace(models, node, "descendants", depth), lost, how)


@click.command("query")
@click.argument("text", metavar="'MATCH ...'")
@click.option("--app", help="Only this application.")
@_common("table", "json")
def query(text: str, app: str | None, state: Path, how: str) -> None:
    """Ask in the policy language; one row per match."""
    parsed = parse_query(text, "query")
    models, _ = _models(state, app)
    rows = [{"app": model.app, **match.row} for model in models for match in evaluate(parsed, View(model))]
    if how == "json":
        click.echo(to_json(rows))
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(safe(name), overflow="fold")
    for row in rows:
        table.add_row(*(safe(value) if value is not None else "null" for value in row.values()))
    output().print(table if rows else "no match")


@click.command("alerts")
@click.option("--app", help="Only this application.")
@_common("table", "json")
def alerts(app: str | None, state: Path, how: str) -> None:
    """What fired, with its trace."""
    with closing(Store(state)) as store:
        _known(store, app)
        found = [alert for alert in map(Alert.decode, store.alerts()) if app in (None, alert.app)]
    if how == "json":
        click.echo(to_json([alert.value() for alert in found]))
    else:
        output().print(alerts_table(found))
