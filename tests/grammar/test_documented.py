"""Every part of the engine says what it is for, what it costs, and where it comes from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

GRAMMAR = Path(__file__).resolve().parents[2] / "grammar"
PARTS = sorted(path for path in GRAMMAR.glob("*.py") if path.name != "__init__.py")
Named = ast.ClassDef | ast.FunctionDef


def public(body: list[ast.stmt]) -> Iterator[Named]:
    """Public classes and functions, and the public methods of public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_header_states_complexity_and_source(part: Path) -> None:
    header = ast.get_docstring(ast.parse(part.read_text(encoding="utf-8"))) or ""
    assert {"Complexity:", "Source:"} <= set(header.split())


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_public_name_is_documented(part: Path) -> None:
    tree = ast.parse(part.read_text(encoding="utf-8"))
    assert [f"{node.lineno}: {node.name}" for node in public(tree.body) if not ast.get_docstring(node)] == []
