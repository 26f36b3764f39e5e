"""openCypher's feature files, read into scenarios: one for each row of an outline's examples.

Rules of this file
    - Gherkin is read by Cucumber's own parser and compiler: backgrounds, outlines, doc strings, tables and tags are
      its business.
    - A file that is not Gherkin is an error that names the file and the line, never one that is left out.
    - Tags and comments are read over: nothing is skipped by name.

Invariant: the order of scenarios is that of the files' paths, and inside a file that of its lines.
Source: https://cucumber.io/docs/gherkin/reference; openCypher's technology compatibility kit (TCK).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gherkin.errors import ParserError
from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler

SUFFIX: Final = ".feature"


class FeatureError(Exception):
    """A folder or file that holds no feature; says which, and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """`text` without Given, When, Then; what stands below it; the line in its file."""

    text: str
    doc: str | None = None
    table: tuple[tuple[str, ...], ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, or one row of the examples of an outline; `line` is that of the scenario, or of the row."""

    file: str
    name: str
    steps: tuple[Step, ...]
    line: int = 0

    @property
    def title(self) -> str:
        """What a failure is listed by, and `--only` is compared with."""
        return f"{self.file}:{self.line} {self.name}"


def read_features(folder: Path) -> list[Scenario]:
    """Every scenario of every feature file at or below `folder`."""
    files = [folder] if folder.is_file() else sorted(folder.rglob(f"*{SUFFIX}"))
    if not files:
        raise FeatureError(f"{folder}: no {SUFFIX} file")
    base = folder.parent if folder.is_file() else folder
    return [one for file in files for one in read_feature(file.read_text("utf-8"), file.relative_to(base).as_posix())]


def read_feature(text: str, file: str = "") -> list[Scenario]:
    """The scenarios of one file's text."""
    try:
        document: Any = Parser().parse(text)
    except ParserError as error:
        raise FeatureError(f"{file}: {error}") from None
    lines = dict(_lines(document))
    compiler: Any = Compiler()
    pickles: list[Any] = compiler.compile({**document, "uri": file})
    return [_scenario(file, pickle, lines) for pickle in pickles]


def _scenario(file: str, pickle: Mapping[str, Any], lines: Mapping[str, int]) -> Scenario:
    steps = tuple(_step(step, lines) for step in pickle["steps"])
    return Scenario(file, pickle["name"], steps, lines[pickle["astNodeIds"][-1]])


def _step(step: Mapping[str, Any], lines: Mapping[str, int]) -> Step:
    below: Mapping[str, Any] = step.get("argument") or {}
    table = below.get("dataTable", {}).get("rows", [])
    doc = below["docString"]["content"] if "docString" in below else None
    rows = tuple(tuple(cell["value"] for cell in row["cells"]) for row in table)
    return Step(step["text"].strip(), doc, rows, lines[step["astNodeIds"][0]])


def _lines(node: object) -> Iterator[tuple[str, int]]:
    """Every id of the document, and its line."""
    if isinstance(node, dict) and "id" in node:
        yield node["id"], node["location"]["line"]
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _lines(part)
