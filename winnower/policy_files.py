"""Policies as files: the only place of the `policy` commands that reads them, and the graphs beside them.

Rules of this file
    - Every size is bounded before anything is read; of several bad files each is reported, with all its errors.
    - A policy NAME.cypher is tried on the graphs beside it: NAME.match.json and NAME.match.N.json must match,
      NAME.benign.json and NAME.benign.N.json must not.

Invariant: nothing but an `InputError` is raised, whatever the files hold.
Complexity: O(bytes).
Source: design section 5 (errors).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from grammar.errors import InputError
from policies import MemoryGraph, Policy, PolicyErrors, parse_policy

SUFFIX: Final = ".cypher"
MAX_POLICY: Final = 1 << 20
MAX_GRAPH: Final = 1 << 26
MAX_FILES: Final = 10_000
MAX_MORE: Final = 100
"""Graphs of one kind beside one policy."""

T = TypeVar("T")


class Graphs(NamedTuple):
    """What a policy must match, and what it must not: the graph's file name, the graph."""

    must: tuple[tuple[str, MemoryGraph], ...]
    must_not: tuple[tuple[str, MemoryGraph], ...]


def load_policies(paths: Iterable[Path]) -> tuple[Policy, ...]:
    """The policies of the files, and of the `*.cypher` files of the directories, in order of path within each.

    Raises `PolicyErrors` with the errors of all files, or `InputError` if two policies have one id.
    """
    return read_policies([file for path in paths for file in files_of(path)])


def shipped_policies() -> tuple[Policy, ...]:
    """The policies that come with Winnower, in order of name."""
    return read_policies(shipped_files())


def shipped_files() -> list[Traversable]:
    """The files that come with Winnower, in order of name."""
    return sorted((one for one in shipped().iterdir() if one.name.endswith(SUFFIX)), key=lambda one: one.name)


def files_of(path: Path) -> list[Traversable]:
    """A file, or the policies in a folder."""
    if not path.is_dir():
        return [path]
    try:
        found = sorted(one for one in path.iterdir() if one.suffix == SUFFIX)
    except OSError as error:
        raise _unreadable(str(path), error) from None
    if not found:
        raise InputError("a folder without policies", file=str(path), hint=f"policies are files named *{SUFFIX}")
    if len(found) > MAX_FILES:
        raise InputError(f"a folder of more than {MAX_FILES} policies", file=str(path))
    return list(found)


def read_policies(sources: Sequence[Traversable]) -> tuple[Policy, ...]:
    """All of them, or all that is wrong with them."""
    found, errors = tried(sources, read_policy)
    errors += same_ids(found)
    if errors:
        raise PolicyErrors(errors)
    return tuple(found)


def read_policy(source: Traversable) -> Policy:
    """One policy."""
    return parse_policy(read_text(source, MAX_POLICY), str(source))


def same_ids(found: Iterable[Policy]) -> list[InputError]:
    """An error for each policy whose id another one has."""
    first: dict[str, Policy] = {}
    twice = [one for one in found if first.setdefault(one.id, one) is not one]
    return [
        InputError("two policies have one id", file=one.file, offending=one.id, hint=f"see {first[one.id].file}")
        for one in twice
    ]


def tried(sources: Iterable[Traversable], read: Callable[[Traversable], T]) -> tuple[list[T], list[InputError]]:
    """Read all, and what is wrong with those that cannot be."""
    found: list[T] = []
    errors: list[InputError] = []
    for source in sources:
        try:
            found.append(read(source))
        except PolicyErrors as several:
            errors += several.errors
        except InputError as error:
            errors.append(error)
    return found, errors


def graphs_of(source: Traversable) -> Graphs:
    """The graphs beside a policy; the first of each kind must be there."""
    stem = source.name.removesuffix(SUFFIX)
    folder = source.parent if isinstance(source, Path) else shipped()
    found = [_numbered(folder, stem, kind) for kind in ("match", "benign")]
    graphs, errors = tried([file for files in found for file in files], read_graph)
    if errors:
        raise PolicyErrors(errors)
    named = [(file.name, graph) for file, graph in zip([f for files in found for f in files], graphs, strict=True)]
    return Graphs(tuple(named[: len(found[0])]), tuple(named[len(found[0]) :]))


def _numbered(folder: Traversable, stem: str, kind: str) -> list[Traversable]:
    """NAME.match.json, NAME.match.1.json, …; a number may be left out."""
    more = [folder / f"{stem}.{kind}.{number}.json" for number in range(1, MAX_MORE + 1)]
    return [folder / f"{stem}.{kind}.json", *(one for one in more if one.is_file())]


def read_graph(source: Traversable) -> MemoryGraph:
    """A graph in node-link form."""
    text, file = read_text(source, MAX_GRAPH), str(source)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=file, line=error.lineno, column=error.colno) from None
    except (RecursionError, ValueError):
        raise InputError("not JSON that can be read: nested too deep, or a number too long", file=file) from None
    return MemoryGraph.from_node_link(data, file)


def read_text(source: Traversable, limit: int) -> str:
    """A file's text, at most `limit` bytes of UTF-8; it is a regular file."""
    file = str(source)
    try:
        if not source.is_file() and isinstance(source, Path) and source.exists():
            raise InputError("not a file", file=file)
        with source.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise _unreadable(file, error) from None
    if len(data) > limit:
        raise InputError(f"a file of more than {limit} bytes", file=file)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        offending = data[error.start : error.end]
        raise InputError("not UTF-8", file=file, line=line, column=column, offending=offending) from None


def shipped() -> Traversable:
    """The folder of the policies that come with Winnower."""
    return resources.files("policies") / "shipped"


def _unreadable(file: str, error: OSError) -> InputError:
    return InputError(f"cannot be read: {error.strerror or error}", file=file)
