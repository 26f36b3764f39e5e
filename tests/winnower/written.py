"""Policies written down for tests, with the graphs beside them."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

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
    """Run `winnower policy`; a traceback would be an exception here."""
    result = CliRunner().invoke(policy, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


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
