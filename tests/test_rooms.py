"""How large a room may be: the sizes and headers that the design promises its readers, checked on every Python file.

Rules of this file
    - No file above 500 lines, those in C included; no function of a package above 40, its docstring included.
    - Every package file starts with a docstring; no file keeps a note to do something later (issues are for that).

Source: design section 7.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("grammar", "policies", "agent", "monitor", "winnower")
FILE_LINES: Final = 500
FUNCTION_LINES: Final = 40
# Spelled in two halves, so that this file passes its own check.
LATER: Final = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")

POSSESSIVE_GROUP: Final = re.compile(r"\)(?:[*+?]|\{\d+(?:,\d*)?\})\+(?=[\\()\[\]\"'a-zA-Z ])")


def _files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for end in "ch" for path in (ROOT / folder).rglob(f"*.{end}"))
    return sorted(path for path in found if "build" not in path.parts)


everywhere = pytest.mark.parametrize(
    "path", [*_files(*PACKAGES, "tests", "bench", "lkm"), *_sources("lkm", "tests", "bench")], ids=_name
)
in_packages = pytest.mark.parametrize("path", _files(*PACKAGES), ids=_name)


def test_the_packages_are_where_they_are_looked_for() -> None:
    assert all(_files(package) for package in PACKAGES)


@everywhere
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES


@everywhere
def test_no_file_puts_work_off(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if LATER.search(line)] == []


@everywhere
def test_no_group_is_repeated_possessively(path: Path) -> None:
    """Debian 12 has Python 3.11.2, which compiles `(…)*+` wrongly where the group holds another possessive."""
    lines = path.read_text("utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if POSSESSIVE_GROUP.search(line)] == []


@in_packages
def test_no_function_is_longer_than_40_lines(path: Path) -> None:
    long = {
        f"{node.name}, line {node.lineno}": length
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


@in_packages
def test_every_file_starts_with_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
