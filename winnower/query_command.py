"""`winnower nodes | ancestors | descendants | query`: questions to a monitor's state, or to a running monitor.

Rules of this file
    - Parses options and prints; what an answer is, is in `monitor.query`; how it looks, in `monitor.render`. A running
      monitor answers in the same words (`winnower.remote`).
    - Instances are on the workers: only a running monitor can ask them.

Source: design section 5.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Group

from grammar import InputError, Model
from monitor.application import Application
from monitor.exports import FORMATS, SHOWN, show_answer, show_rows
from monitor.query import Answer, conditions_of, find_nodes, trace
from monitor.query_asked import MAX_BODY, MAX_ROWS, parameter_of
from monitor.query_rows import LIMITS, Views, ask
from monitor.render import safe
from monitor.store import Store
from policies import Limits, parse_query
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

    def ask_noted(self, path: str, how: str, params: dict[str, str], body: str | None = None, wait: float = 0) -> None:
        """Ask the running monitor, print what it says, and what it says beside it on the other stream."""
        told = _told(self._asked(path, how, {**params, "notes": "1"}, body, wait))
        click.echo(told.text, nl=not told.text.endswith("\n"))
        say(how, told.notes)

    def ask(self, path: str, how: str, params: dict[str, str], body: str | None = None, seconds: float = 0.0) -> None:
        """Ask the running monitor and print what it says."""
        text = self._asked(path, how, params, body, seconds)
        click.echo(text, nl=not text.endswith("\n"))

    def _asked(self, path: str, how: str, params: dict[str, str], body: str | None, seconds: float) -> str:
        from winnower.remote import SLACK, remote  # noqa: PLC0415 - questions to a folder need no network

        told = remote(self.url, self.token_file, self.authority)
        width = str(output().width)
        return told.ask(path, {**params, "format": how, "width": width}, body, SLACK + seconds)


class _Told(msgspec.Struct):
    text: str
    notes: list[str]


def _told(text: str) -> _Told:
    try:
        return msgspec.json.decode(text, type=_Told)
    except msgspec.DecodeError:
        raise InputError("this monitor answers in another way: is it of this version?", offending=text[:40]) from None


def say(how: str, notes: Iterable[str]) -> None:
    """What must be said beside an answer: a table has said it itself."""
    for note in notes if how != "table" else ():
        click.echo(f"note: {safe(note)}", err=True)


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


def _print(answer: Answer, lost: Lost, how: str, page: Page) -> None:
    limit = SHOWN if page.limit is None and how == "table" else page.limit
    answer = answer.with_lost(lost).page(page.skip, limit)
    _show(show_answer(answer, how))
    say(how, answer.notes)


def _show(shown: Group | str) -> None:
    if isinstance(shown, str):
        click.echo(shown, nl=not shown.endswith("\n"))
    else:
        output().print(shown)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a long answer is asked for."""

    limit: int | None
    skip: int

    @property
    def params(self) -> dict[str, str]:
        """For a running monitor."""
        return {"limit": "" if self.limit is None else str(self.limit), "skip": str(self.skip or "")}


def paged(command: Command) -> Callable[..., Any]:
    """The options of answers that may be long."""

    @wraps(command)
    def asked(*given: Any, limit: int | None, skip: int, **options: Any) -> Any:
        return command(*given, page=Page(limit, skip), **options)

    number = click.IntRange(min=0)
    wrapped: Callable[..., Any] = asked
    for option in (
        click.option("--skip", type=number, default=0, help="After so many."),
        click.option("--limit", type=number, help=f"At most so many (a table: {SHOWN:,} if nothing is said)."),
    ):
        wrapped = option(wrapped)
    return wrapped


@click.command("nodes")
@click.option("--app", required=True, help="The application.")
@click.argument("conditions", nargs=-1, metavar="KEY=PATTERN...")
@paged
@asking(*FORMATS)
def nodes(app: str, conditions: Sequence[str], page: Page, where: Where, how: str) -> None:
    """Nodes whose properties match: path, name, exe, command, peer, address, port, kind, label, id; `*` fits any."""
    asked = conditions_of(conditions)
    if where.url:
        where.ask_noted("/v1/nodes", how, {**asked, "app": app, **page.params})
        return
    models, lost = models_of(where.folder, app)
    _print(find_nodes(models[0], asked), lost, how, page)


def _traces(name: str, text: str) -> click.Command:
    """`ancestors` and `descendants` differ in their direction only."""

    @click.command(name, help=text)
    @click.argument("node", metavar="ID")
    @click.option("--depth", type=click.IntRange(min=0), help="At most so many steps.")
    @click.option("--instances", is_flag=True, help="Ask the workers for what really happened (needs --url).")
    @click.option(
        "--deadline", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Seconds for them."
    )
    @paged
    @asking(*FORMATS)
    def command(
        *, node: str, depth: int | None, instances: bool, deadline: float, page: Page, where: Where, how: str
    ) -> None:
        if where.url:
            asked = {"depth": "" if depth is None else str(depth), **page.params}
            if instances:
                asked |= {"instances": "1", "deadline": str(deadline)}
            where.ask_noted(f"/v1/{name}/{node}", how, asked, wait=deadline)
            return
        if instances:
            hint = "ask the running monitor: --url URL --token-file FILE"
            raise InputError("instances are on the workers, not in a state folder", offending="--instances", hint=hint)
        models, lost = models_of(where.folder)
        _print(trace(models, node, name, depth), lost, how, page)

    return command


ancestors = _traces("ancestors", "What the node ID (or the only one that starts so) may have come from, nearest first.")
descendants = _traces(
    "descendants", "What may have come from the node ID (or the only one that starts so), nearest first."
)


@click.command("query")
@click.argument("text", metavar="'MATCH ...'|-")
@click.option("--app", help="Only this application.")
@click.option("--param", "given", multiple=True, metavar="NAME=JSON", help="The value of $NAME, in JSON.")
@click.option("--seconds", type=click.FloatRange(0, 60), default=5.0, show_default=True, help="Stop after so long.")
@click.option(
    "--rows", type=click.IntRange(1, MAX_ROWS), default=MAX_ROWS, show_default=True, help="Stop after so many rows."
)
@paged
@asking(*FORMATS)
def query(
    *,
    text: str,
    app: str | None,
    given: Sequence[str],
    seconds: float,
    rows: int,
    page: Page,
    where: Where,
    how: str,
) -> None:
    """Ask in the policy language (- reads the query from standard input); one row per match, of each application.

    Formats of graphs draw the nodes, relationships and paths that rows hold.
    """
    written = _stdin() if text == "-" else text
    parameters = dict(_parameter(one) for one in given)
    if where.url:
        limits = {"seconds": seconds, "rows": rows, "limit": page.limit, "skip": page.skip}
        told = {"query": written, "app": app, "parameters": {name: json.loads(one) for name, one in parameters.items()}}
        where.ask_noted("/v1/query", how, {}, json.dumps({**told, **limits}), wait=seconds)
        return
    parsed = parse_query(written, "query")
    models, _ = models_of(where.folder, app)
    values = {name: parameter_of(name, one) for name, one in parameters.items()}
    found = ask(models, parsed, Views(), time.monotonic, parameters=values, limits=Limits(rows, LIMITS.steps, seconds))
    limit = SHOWN if page.limit is None and how == "table" else page.limit
    shown, notes = show_rows(found.page(page.skip, limit), how)
    _show(shown)
    say(how, notes)


def _parameter(written: str) -> tuple[str, str]:
    """`NAME=JSON`, checked."""
    name, equals, value = written.partition("=")
    if not equals or not name:
        raise InputError("not NAME=JSON", offending=written, hint="""for example --param path='"/etc/shadow"'""")
    parameter_of(name, value)
    return name.removeprefix("$"), value


def _stdin() -> str:
    data: bytes = sys.stdin.buffer.read(MAX_BODY + 1)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError("a query is UTF-8 text", file="-") from None
