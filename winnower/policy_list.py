"""`winnower policy list`: policies that come with Winnower, those of files, or those in force at a monitor.

Rules of this file
    - A line for each, which fits 80 columns: the title is cut, never the id.

Complexity: O(policies).
Source: issue "policies and questions", item 4.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Final

import click

from grammar.errors import InputError, escape
from policies import Policy, PolicyErrors, parse_policy
from winnower.policy_files import read_policies, read_policy, same_ids, shipped_files, shipped_policies, tried
from winnower.policy_lint import sources_of

WIDTH: Final = 80
COLUMNS: Final = ("id", "severity", "maturity", "technique", "title")


@click.command("list")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--state", type=click.Path(path_type=Path), help="What is in force, by a monitor's state folder.")
@click.option("--url", default="", help="What is in force at a running monitor.")
@click.option("--token-file", type=click.Path(path_type=Path), help="The users' token, for --url.")
@click.option("--ca", "authority", type=click.Path(path_type=Path), help="Certificates to trust for https.")
@click.option("--format", "how", type=click.Choice(("table", "json")), default="table", show_default=True)
def command(
    files: tuple[Path, ...],
    *,
    state: Path | None,
    url: str,
    token_file: Path | None,
    authority: Path | None,
    how: str,
) -> None:
    """List policies: those of FILES and folders, those in force, or all that come with Winnower."""
    if sum(map(bool, (files, state, url))) > 1:
        raise click.UsageError("FILES, --state or --url: one of them")
    if url:
        found = remote_values(url, token_file, authority)
    elif state is not None:
        found = [value_of(one) for one in in_force(state)]
    else:
        found = [value_of(one) for one in given(files)]
    width = max(WIDTH, get_terminal_size((WIDTH, 24)).columns) if sys.stdout.isatty() else WIDTH
    click.echo(json.dumps(found, indent=1) if how == "json" else table(found, width))


def given(paths: Sequence[Path]) -> tuple[Policy, ...]:
    """The policies of files and folders, or all that come with Winnower."""
    if not paths:
        return shipped_policies()
    sources, errors = sources_of(paths)
    found, wrong = tried(sources, read_policy)
    errors += [*wrong, *same_ids(found)]
    if errors:
        raise PolicyErrors(errors)
    return tuple(found)


def named(words: Sequence[str]) -> tuple[Policy, ...]:
    """Policies by id (of those that come with Winnower), by file, by folder; without a word all that come with it."""
    known = {one.name.removesuffix(".cypher"): one for one in shipped_files()}
    if not words:
        return shipped_policies()
    ids = [known[word] for word in words if word in known]
    paths = [Path(word) for word in words if word not in known]
    for path in paths:
        if not path.exists() and path.suffix != ".cypher" and len(path.parts) == 1:
            hint = "an id that winnower policy list names, a file or a folder"
            raise InputError("no such policy", offending=str(path), hint=hint)
    sources, errors = sources_of(paths)
    if errors:
        raise PolicyErrors(errors)
    return read_policies([*ids, *sources])


def in_force(state: Path) -> tuple[Policy, ...]:
    """The policies that a monitor has given its agents, by its state."""
    from contextlib import closing  # noqa: PLC0415 - files need no monitor

    from monitor.controls import Controls  # noqa: PLC0415
    from monitor.store import Store  # noqa: PLC0415

    with closing(Store(state)) as store:
        texts = Controls(store).current.policies
    return tuple(parse_policy(text, name) for name, text in texts)


def remote_values(url: str, token_file: Path | None, authority: Path | None) -> list[dict[str, object]]:
    """What a running monitor says."""
    from winnower.remote import remote  # noqa: PLC0415 - files need no network

    text = remote(url, token_file, authority).ask("/v1/policies/in-force", {})
    try:
        found = json.loads(text)["policies"]
        return [{key: one[key] for key in (*COLUMNS, "applications")} for one in found]
    except (ValueError, TypeError, KeyError):
        hint = "is the monitor as new as this command?"
        raise InputError("not an answer of a monitor", offending=text, hint=hint) from None


def value_of(one: Policy) -> dict[str, object]:
    """For JSON."""
    return {
        "id": one.id,
        "severity": one.severity,
        "maturity": one.maturity,
        "technique": list(one.techniques),
        "title": one.title,
        "applications": list(one.applications),
        "file": escape(one.file, 400),
    }


def table(found: Iterable[dict[str, object]], width: int = WIDTH) -> str:
    """A line for each, at most `width` columns (longer only if the id is)."""
    rows = [[_first(one[key]) for key in COLUMNS] for one in found]
    if not rows:
        return "no policies"
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS) - 1)]
    lines = []
    for row in rows:
        head = "  ".join(f"{text:<{cell}}" for text, cell in zip(row[:-1], widths, strict=True))
        room = max(8, width - len(head) - 2)
        title = row[-1] if len(row[-1]) <= room else row[-1][: room - 1] + "…"
        lines.append(f"{head}  {title}")
    return "\n".join(lines)


def _first(value: object) -> str:
    if isinstance(value, list):
        return escape(str(value[0]), 20) + ("+" if len(value) > 1 else "") if value else "-"
    return escape(str(value), 200)
