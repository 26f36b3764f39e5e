"""`winnower nodes | ancestors | descendants | query | alerts`: questions to a monitor's state, or to a running monitor.

Rules of this file
    - Parses options and prints; what an answer is, is in `monitor.query`; how it looks, in `monitor.render`. A running
      monitor answers in the same words (`winnower.remote`).
    - Instances are on the workers: only a running monitor can ask them.

Source: design section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from grammar import InputError, Model
from monitor.application import Application
from monitor.query import Answer, conditions_of, find_nodes, trace
from monitor.render import rows_table, safe, show_answer, to_json
from monitor.store import Store
from monitor.view import View
from policies import evaluate, parse_query
from winnower.console import output

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """Whom to ask: a folder, or a running monitor."""

    state: Path | None
    url: str
    token_file: Path | None
    authority: Path | None

    @property
    def folder(self) -> Path:
        """The folder to read."""
        assert self.state is not None
        return self.state

    def ask(self, path: str, how: str, params: dict[str, str], body: str | None = None, seconds: float = 0.0) -> None:
        """Ask the running monitor and print what it says."""
        from winnower.remote import SLACK, remote  # noqa: PLC0415 - questions to a folder need no network

        told = remote(self.url, self.token_file, self.authority)
        width = str(output().width)
        text = told.ask(path, {**params, "format": how, "width": width}, body, SLACK + seconds)
        click.echo(text, nl=not text.endswith("\n"))


def asking(*formats: str) -> Callable[[Command], Callable[..., Any]]:
    """The options that every question takes."""

    def add(command: Command) -> Callable[..., Any]:
        @wraps(command)
        def asked(
            *given: Any,
            state: Path | None,
            url: str,
            token_file: Path | None,
            authority: Path | None,
            **options: Any,
        ) -> Any:
            if bool(state) == bool(url):
                raise click.UsageError("say whom to ask: --state DIR or --url URL")
            return command(*given, where=Where(state, url, token_file, authority), **options)

        path = click.Path(path_type=Path)
        wrapped: Callable[..., Any] = asked
        choice = click.Choice(formats)
        for option in (
            click.option("--format", "how", type=choice, default=formats[0], show_default=True),
            click.option("--ca", "authority", type=path, help="Certificates to trust for https."),
            click.option("--token-file", type=path, help="The users' token (users.token of the monitor's state)."),
            click.option("--url", default="", help="A running monitor."),
            click.option("--state", type=path, help="The monitor's state folder."),
        ):
            wrapped = option(wrapped)
        return wrapped

    return add


Lost = dict[str, dict[str, int]]


def models_of(state: Path, app: str | None = None) -> tuple[list[Model], Lost]:
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
@asking("table", "json", "dot")
def nodes(app: str, conditions: Sequence[str], where: Where, how: str) -> None:
    """Nodes whose properties match: path, name, exe, command, peer, address, port, kind, label, id; `*` fits any."""
    asked = conditions_of(conditions)
    if where.url:
        where.ask("/v1/nodes", how, {**asked, "app": app})
        return
    models, lost = models_of(where.folder, app)
    _print(find_nodes(models[0], asked), lost, how)


def _traces(name: str, text: str) -> click.Command:
    """`ancestors` and `descendants` differ in their direction only."""

    @click.command(name, help=text)
    @click.argument("node", metavar="ID")
    @click.option("--depth", type=click.IntRange(min=0), help="At most so many steps.")
    @click.option("--instances", is_flag=True, help="Ask the workers for what really happened (needs --url).")
    @click.option(
        "--deadline", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds for them."
    )
    @asking("table", "json", "dot")
    def command(*, node: str, depth: int | None, instances: bool, deadline: float, where: Where, how: str) -> None:
        if where.url:
            asked = {"depth": "" if depth is None else str(depth)}
            if instances:
                asked |= {"instances": "1", "deadline": str(deadline)}
            where.ask(f"/v1/{name}/{node}", how, asked, seconds=deadline)
            return
        if instances:
            hint = "ask the running monitor: --url URL --token-file FILE"
            raise InputError("instances are on the workers, not in a state folder", offending="--instances", hint=hint)
        models, lost = models_of(where.folder)
        _print(trace(models, node, name, depth), lost, how)

    return command


ancestors = _traces("ancestors", "What the node ID (or the only one that starts so) may have come from, nearest first.")
descendants = _traces(
    "descendants", "What may have come from the node ID (or the only one that starts so), nearest first."
)


@click.command("query")
@click.argument("text", metavar="'MATCH ...'")
@click.option("--app", help="Only this application.")
@asking("table", "json")
def query(text: str, app: str | None, where: Where, how: str) -> None:
    """Ask in the policy language; one row per match."""
    parsed = parse_query(text, "query")
    if where.url:
        where.ask("/v1/query", how, {"app": app or ""}, text)
        return
    models, _ = models_of(where.folder, app)
    rows = [{"app": model.app, **match.row} for model in models for match in evaluate(parsed, View(model))]
    if how == "json":
        click.echo(to_json(rows))
    else:
        output().print(rows_table(rows))
