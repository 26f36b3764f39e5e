"""`winnower nodes | ancestors | descendants | query | alerts`: questions to a monitor's state.

Rules of this file
    - Parses options and prints; what an answer is, is in `monitor.query`; how it looks, in `monitor.render`.

Source: design section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def _models(state: Path, app: str | None = None) -> list[Model]:
    store = Store(state)
    known = store.apps()
    if app is not None and app not in known:
        raise InputError("no such application", offending=app, hint=f"known: {', '.join(map(safe, known))}")
    models = [Application.load(store, name).model for name in known if app in (None, name)]
    store.close()
    return models


def _print(answer: Answer, how: str) -> None:
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
    """Nodes whose properties match: path, name, exe, command, peer, address, port, kind, label, id; `*` is a wildcard."""
    _print(find_nodes(_models(state, app)[0], conditions_of(conditions)), how)


@click.command("ancestors")
@click.argument("node", metavar="ID")
@click.option("--depth", type=click.IntRange(min=0), help="At most so many steps.")
@_common("table", "json", "dot")
def ancestors(node: str, depth: int | None, state: Path, how: str) -> None:
    """What the node ID may have come from, nearest first."""
    _print(trace(_models(state), node, "ancestors", depth), how)


@click.command("descendants")
@click.argument("node", metavar="ID")
@click.option("--depth", type=click.IntRange(min=0), help="At most so many steps.")
@_common("table", "json", "dot")
def descendants(node: str, depth: int | None, state: Path, how: str) -> None:
    """What may have come from the node ID, nearest first."""
    _print(trace(_models(state), node, "descendants", depth), how)


@click.command("query")
@click.argument("text", metavar="'MATCH ...'")
@click.option("--app", help="Only this application.")
@_common("table", "json")
def query(text: str, app: str | None, state: Path, how: str) -> None:
    """Ask in the policy language; one row per match."""
    parsed = parse_query(text, "query")
    rows = [dict(match.row) | {"app": model.app} for model in _models(state, app) for match in evaluate(parsed, View(model))]
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
@_common("table", "json")
def alerts(state: Path, how: str) -> None:
    """What fired, with its trace."""
    store = Store(state)
    found = [Alert.decode(data) for data in store.alerts()]
    store.close()
    if how == "json":
        click.echo(to_json([alert.value() for alert in found]))
    else:
        output().print(alerts_table(found))
