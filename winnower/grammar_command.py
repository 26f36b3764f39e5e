"""`winnower grammar`: the grammar engine on graph files.

Rules of this file
    - Files are read and written here and nowhere in `grammar/`; every failure is one located line and exit code 2.
    - Exit 0 is yes, 1 is no (a non-member, with the first vertices that do not fit), 2 is bad usage or bad input.
    - Text from files is escaped before it is shown.

Invariant: an output file is either complete or untouched: it is written beside its place and then moved there.
Complexity: that of the search (grammar/published_search.py); a file is read once, up to its limit.
Source: design section 5 (command line, errors).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Final

import click

from grammar.errors import InputError, escape
from grammar.nodelink import DEFAULT_LIMITS, LabelledGraph, NodeId, from_json, parse_json
from grammar.published import Misfit, PublishedModel, base_model, from_value
from grammar.published_search import climb

FIRST: Final = 10
"""How many vertices that do not fit are named."""

EVALUATIONS: Final = 100_000

FILE: Final = click.Path(path_type=Path)


class Refused(click.ClickException):
    """Bad input: its line on standard error, and exit code 2."""

    exit_code = 2

    def show(self, file: IO[str] | None = None) -> None:
        """Print the line as it is, so that `file:line:column` starts it."""
        click.echo(self.message, file=file, err=file is None)


@click.group(name="grammar")
def grammar() -> None:
    """Learn and check graph grammars on networkx node-link JSON files (node attribute `label`)."""


@grammar.command()
@click.argument("graphs", metavar="GRAPH...", type=FILE, nargs=-1, required=True)
@click.option("-o", "--output", metavar="MODEL", type=FILE, required=True, help="Where the model is written.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=EVALUATIONS,
    show_default=True,
    help="Try at most this many merges.",
)
def learn(graphs: Sequence[Path], output: Path, limit: int) -> None:
    """Learn one model from all the GRAPHs together."""
    with _located():
        values = [_read_graph(path) for path in graphs]
        base = base_model(values)
        found = climb(base, values, limit=limit)
        _write(output, json.dumps(found.model.to_value()).encode("ascii") + b"\n")
    states = len(found.model.forward.labels), len(found.model.backward.labels)
    click.echo(
        f"{escape(str(output), 400)}: {states[0]} + {states[1]} states, {len(found.model.types)} types, "
        f"{found.bits:.3f} bits (unmerged {base.total_bits(values):.3f}), {found.evaluations} merges tried"
    )
    if not found.complete:
        click.echo(f"stopped at --limit {limit}: a larger limit may find fewer bits", err=True)


@grammar.command()
@click.argument("model", metavar="MODEL", type=FILE)
@click.argument("graph", metavar="GRAPH", type=FILE)
@click.pass_context
def accepts(context: click.Context, model: Path, graph: Path) -> None:
    """Say whether GRAPH is a member of MODEL: exit 0 if so, else 1 and the first vertices that do not fit."""
    with _located():
        misfits = _read_model(model).misfits(_read_graph(graph))
    if not misfits:
        click.echo("member")
        return
    for line in _misfit_lines(misfits):
        click.echo(line)
    context.exit(1)


def _misfit_lines(misfits: Sequence[Misfit]) -> Iterator[str]:
    parts: dict[NodeId, list[Misfit]] = {}
    for misfit in misfits:
        parts.setdefault(misfit.vertex, []).append(misfit)
    yield f"non-member: {len(parts)} {'vertex does' if len(parts) == 1 else 'vertices do'} not fit"
    for vertex, found in islice(parts.items(), FIRST):
        shown, reasons = escape(json.dumps(vertex, ensure_ascii=False)), ", ".join(misfit.reason for misfit in found)
        yield f"  {shown} with label '{escape(found[0].label)}': unknown {reasons}"
    if len(parts) > FIRST:
        yield f"  ... and {len(parts) - FIRST} more"


def _read_graph(path: Path) -> LabelledGraph:
    return from_json(_read(path), str(path))


def _read_model(path: Path) -> PublishedModel:
    return from_value(parse_json(_read(path), str(path)), str(path))


def _read(path: Path) -> bytes:
    """The file's bytes, one more than the limit at most: what is too large is refused where it is parsed."""
    with path.open("rb") as stream:
        return stream.read(DEFAULT_LIMITS.size + 1)


def _write(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; a link is followed, a device or a folder is refused."""
    try:
        target = path.resolve()
        if target.is_symlink():  # only from Python 3.13 on: earlier ones raise
            raise InputError("links that point at each other", file=str(path))
        if target.exists() and not target.is_file():
            raise InputError("not a regular file: a model cannot be written there", file=str(path))
        _replace(target, target.with_name(f".{target.name}.{os.getpid()}.tmp"), data)
    except OSError as error:
        raise InputError(error.strerror or type(error).__name__, file=str(path)) from None
    except RuntimeError as error:  # Path.resolve on links that point at each other
        raise InputError(str(error), file=str(path)) from None


def _replace(target: Path, beside: Path, data: bytes) -> None:
    try:
        with beside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _located() -> Iterator[None]:
    """Turn bad input and files that cannot be used into one line and exit code 2."""
    try:
        yield
    except InputError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        name = error.filename if error.filename is not None else ""
        raise Refused(str(InputError(error.strerror or type(error).__name__, file=os.fsdecode(name)))) from None
