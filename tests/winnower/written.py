"""Policies written down for tests, with the graphs beside them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from click.testing import CliRunner, Result

from grammar.errors import InputError
from winnower.policy_command import policy

GOOD = """---
id: {id}
title: t
severity: low
technique: T1000
false_positives: none known
---
MATCH (f:File {{path: '/x'}}) RETURN f.path AS file
"""
QUERY = "MATCH (f:File {path: '/x'}) RETURN f.path AS file\n"


def run(*arguments: str | Path) -> Result:
    """Run `winnower policy` as `winnower.cli` does; a traceback would be an exception here."""
    result = CliRunner().invoke(_as_main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _as_main(arguments: tuple[str, ...]) -> None:
    try:
        policy.main(list(arguments), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except InputError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def write(folder: Path, name: str, must: str = "/x", must_not: str = "/y", query: str = QUERY) -> Path:
    """NAME.cypher, which looks for a file /x, and its two graphs."""
    file = folder / f"{name}.cypher"
    file.write_text(GOOD.format(id=name).replace(QUERY, query), encoding="utf-8")
    graph(folder / f"{name}.match.json", must)
    graph(folder / f"{name}.benign.json", must_not)
    return file


def graph(place: Path, path: str) -> None:
    """A graph of one file."""
    nodes = [{"id": "f", "kind": "File", "properties": {"path": path}}]
    place.write_text(json.dumps({"nodes": nodes, "edges": []}), encoding="utf-8")
