"""`winnower policy lint`: all that is wrong with policy files, and what is hardly meant.

Rules of this file
    - Errors fail (exit 2), warnings only with --strict. Both are shown with the line that they speak of; results for
      programs (json, github) go to stdout, words for people about bad files to stderr.

Source: issue "policies and questions", item 4 (file:line:column and caret, all of a file's errors at once).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from grammar.errors import InputError
from policies import Policy
from winnower.policy_files import MAX_POLICY, files_of, read_policy, read_text, same_ids, tried
from winnower.policy_marks import Mark, for_github, in_order, shown
from winnower.policy_warnings import marked


@click.command("lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "how", type=click.Choice(("text", "json", "github")), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
def command(files: tuple[Path, ...], how: str, *, strict: bool) -> None:
    """Check policy files, or folders of them, and report all their errors."""
    sources, errors = sources_of(files)
    policies, wrong = tried(sources, read_policy)
    errors += [*wrong, *same_ids(policies)]
    marks = in_order([*map(Mark.of, errors), *marked(policies)])
    click.echo(report(marks, policies, sources, how), nl=False, err=how == "text" and bool(errors))
    if errors or (strict and marks):
        sys.exit(2)


def sources_of(paths: Iterable[Path]) -> tuple[list[Traversable], list[InputError]]:
    """The files that are meant, each once, and which paths mean none."""
    found: dict[str, Traversable] = {}
    errors: list[InputError] = []
    for path in paths:
        try:
            found |= {str(one): one for one in files_of(path)}
        except InputError as error:
            errors.append(error)
    return list(found.values()), errors


def report(marks: Sequence[Mark], policies: Sequence[Policy], sources: Iterable[Traversable], how: str) -> str:
    """All marks in a format."""
    if how == "json":
        return json.dumps({"policies": len(policies), "marks": [mark.value() for mark in marks]}, indent=1) + "\n"
    if how == "github":
        return "".join(f"{for_github(mark)}\n" for mark in marks)
    files = {mark.file for mark in marks}
    texts = {str(one): _text(one) for one in sources if str(one) in files}
    told = "".join(shown(mark, texts) for mark in marks)
    return told + summary(marks, len(policies)) + "\n"


def summary(marks: Sequence[Mark], good: int) -> str:
    """`2 policies, no errors, 1 warning`."""
    errors = sum(mark.level == "error" for mark in marks)
    warnings = len(marks) - errors
    told = [_count(good, "policy", "policies"), _count(errors, "error", "errors") if errors else "no errors"]
    return ", ".join(told + ([_count(warnings, "warning", "warnings")] if warnings else []))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _text(source: Traversable) -> str:
    try:
        return read_text(source, MAX_POLICY)
    except InputError:
        return ""
