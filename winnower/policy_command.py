"""`winnower policy list | lint | test`: policies as files, and the only place that reads them.

Rules of this file
    - Files are read here and nowhere in `policies`; every size is bounded before it is read.
    - Exit 0 yes, 1 no (a policy fails its test), 2 bad input: all errors of all files, one located line each, on
      stderr.
    - A policy NAME.cypher is tried on the graphs beside it: NAME.match.json must match, NAME.benign.json must not.

Source: design section 5 (commands, errors).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeVar

import click

from grammar.errors import InputError, escape
from policies import MemoryGraph, Policy, PolicyErrors, evaluate, parse_policy

SUFFIX: Final = ".cypher"
MAX_POLICY: Final = 1 << 20
MAX_GRAPH: Final = 1 << 26

T = TypeVar("T")


def load_policies(paths: Sequence[Path]) -> tuple[Policy, ...]:
    """The policies of the files, and of the `*.cypher` files of the directories, in order of path within each.

    Raises `PolicyErrors` with the errors of all files, or `InputError` if two policies have one id.
    """
    return _loaded([file for path in paths for file in _files(path)])


def shipped_policies() -> tuple[Policy, ...]:
    """The policies that come with Winnower, in order of name."""
    return _loaded(_shipped())


@click.group("policy")
def policy() -> None:
    """Policies: what must not happen."""


@policy.command("list")
def list_command() -> None:
    """List the policies that come with Winnower."""
    with _reported():
        found = shipped_policies()
        width = max(len(one.id) for one in found)
        for one in found:
            click.echo(f"{one.id:<{width}}  {one.severity:<8}  {escape(one.title, 200)}")


@policy.command("lint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def lint_command(files: tuple[Path, ...]) -> None:
    """Check policy files, or folders of them, and report all their errors."""
    with _reported():
        count = len(load_policies(files))
        click.echo(f"{count} {'policy' if count == 1 else 'policies'}, no errors")


@policy.command("test")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def test_command(files: tuple[Path, ...]) -> None:
    """Try policies on the graphs beside them: FILES, or all that come with Winnower."""
    with _reported():
        sources = [file for path in files for file in _files(path)] if files else _shipped()
        policies = _loaded(sources)
        graphs = _each(sources, _graphs)
        failed = 0
        for one, (must, must_not) in zip(policies, graphs, strict=True):
            problems = trial(one, must, must_not)
            failed += bool(problems)
            click.echo(f"{'FAIL' if problems else 'ok':<4}  {one.id}")
            for problem in problems:
                click.echo(f"      {problem}")
        click.echo(f"{len(policies) - failed} passed, {failed} failed")
    if failed:
        sys.exit(1)


def trial(one: Policy, must: MemoryGraph, must_not: MemoryGraph) -> tuple[str, ...]:
    """What is wrong with a policy's answers on its two graphs; nothing if all is well."""
    problems = () if evaluate(one.query, must) else ("does not match the graph that it must match",)
    wrong = evaluate(one.query, must_not)
    shown = ", ".join(f"{escape(key)}={escape(str(value))}" for key, value in wrong[0].row.items()) if wrong else ""
    return (*problems, f"matches the benign graph: {shown}") if wrong else problems


def _shipped() -> list[Traversable]:
    folder = resources.files("policies") / "shipped"
    return sorted((one for one in folder.iterdir() if one.name.endswith(SUFFIX)), key=lambda one: one.name)


def _files(path: Path) -> list[Traversable]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix == SUFFIX)
    if not found:
        raise InputError("a folder without policies", file=str(path), hint=f"policies are files named *{SUFFIX}")
    return list(found)


def _loaded(sources: Sequence[Traversable]) -> tuple[Policy, ...]:
    found = _each(sources, lambda source: parse_policy(_text(source, MAX_POLICY), str(source)))
    first: dict[str, Policy] = {}
    for one in found:
        if first.setdefault(one.id, one) is not one:
            raise PolicyErrors(
                [
                    InputError(
                        "two policies have one id", file=one.file, offending=one.id, hint=f"see {first[one.id].file}"
                    )
                ]
            )
    return tuple(found)


def _each(sources: Sequence[Traversable], read: Callable[[Traversable], T]) -> list[T]:
    """Read all, and only then complain: of several bad files, each is reported."""
    found: list[T] = []
    errors: list[InputError] = []
    for source in sources:
        try:
            found.append(read(source))
        except InputError as error:
            errors.append(error)
    if errors:
        raise PolicyErrors(errors)
    return found


def _graphs(source: Traversable) -> tuple[MemoryGraph, MemoryGraph]:
    stem = source.name.removesuffix(SUFFIX)
    folder = source.parent if isinstance(source, Path) else resources.files("policies") / "shipped"
    must, must_not = (_graph(folder / f"{stem}.{kind}.json") for kind in ("match", "benign"))
    return must, must_not


def _graph(source: Traversable) -> MemoryGraph:
    text, file = _text(source, MAX_GRAPH), str(source)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=file, line=error.lineno, column=error.colno) from None
    except (RecursionError, ValueError):
        raise InputError("not JSON that can be read: nested too deep, or a number too long", file=file) from None
    return MemoryGraph.from_node_link(data, file)


def _text(source: Traversable, limit: int) -> str:
    file = str(source)
    try:
        with source.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=file) from None
    if len(data) > limit:
        raise InputError(f"a file of more than {limit} bytes", file=file)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        offending = data[error.start : error.end]
        raise InputError("not UTF-8", file=file, line=line, column=column, offending=offending) from None


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
