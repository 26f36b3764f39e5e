"""The recall table counts what is found against what is there, and a tag that nobody logs is missing from it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from recall import line, rows_of, total

from agent.static.elf import read_image
from agent.static.strings import find

SOURCE = """
#include <stdio.h>
const char *unused(int n) { return n ? "AH00002: never %d logged" : "AH00003: neither"; }
int main(int c, char **v) { printf("AH00001: logged %d\\n", c); return unused(c)[c]; }
"""


def test_tags_and_strings_with_a_conversion_are_counted(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (tmp_path / "a.c").write_text(SOURCE)
    subprocess.run(["gcc", "-w", "-O2", "-s", "-o", str(tmp_path / "a"), str(tmp_path / "a.c")], check=True)
    (row,) = rows_of(find([read_image(tmp_path / "a")]))
    assert row.tags == {b"AH00001:"}
    assert row.truth == {b"AH00001:", b"AH00002:", b"AH00003:"}
    assert (row.covered, row.referred) == (1, 2)
    assert b"AH00002: never %d logged" in row.missing
    assert line(row).split()[2:] == ["1/3", "1/2", "50.0%"]
    assert total("both", [row, row]).tags == row.tags
