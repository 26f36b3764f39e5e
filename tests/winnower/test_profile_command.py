"""`winnower profile`: a whole file or none; bad input is one located line and exit code 2; a script is no error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from grammar.profile import read_profile
from winnower import profile_command
from winnower.cli import COMMANDS

SOURCE = r"""
#include <stdio.h>
int main(int count, char **words) {
    printf("started \033[31m %d\n", count);
    if (count > 1) fprintf(stderr, "word %s\n", words[1]);
    puts("stopped");
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("program")
    (folder / "source.c").write_text(SOURCE)
    subprocess.run([gcc, "-O1", "-o", str(folder / "program"), str(folder / "source.c")], check=True)
    return folder / "program"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(profile_command.profile, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(folder: Path, *arguments: object) -> str:
    before = sorted(folder.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before, "nothing is left behind"
    return result.stderr


def test_it_is_a_command() -> None:
    assert COMMANDS["profile"][:2] == ("winnower.profile_command", "profile")


def test_a_profile_is_written_and_the_table_says_what_is_in_it(program: Path, tmp_path: Path) -> None:
    result = run(program, "-o", tmp_path / "new" / "profile.json", "--depth", 5)
    assert result.exit_code == 0
    made = read_profile((tmp_path / "new" / "profile.json").read_bytes(), "profile.json")
    assert {one.text.strip() for one in made.strings} == {"started \x1b[31m %d", "word %s", "stopped"}
    assert made.depth == 5
    last = result.stdout.splitlines()[-1]
    assert "3 strings" in last and "depth 5" in last and "CPU seconds" in last and "MB" in last
    assert result.stdout.splitlines()[1].split()[:3] == ["program", "fast", "3"]


def test_show_lists_the_strings_and_escapes_what_a_terminal_would_obey(program: Path, tmp_path: Path) -> None:
    result = run(program, "-o", tmp_path / "profile.json", "--show")
    assert "word {text}" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\\x1b" in result.stdout


def test_a_catalogue_may_be_named_and_one_that_is_not_whole_is_refused(program: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "errmsg.sys"
    header = b"\xfe\xfe\x02\x05\x01\x00\x06\x00\x00\x00\x00\x00\x01\x00\x01\x00".ljust(32, b"\0")
    catalogue.write_bytes(header + b"\x01\x00\x06\x00hello\0")
    result = run(program, catalogue, "-o", tmp_path / "profile.json")
    assert result.exit_code == 0
    assert "0 of its 1 texts" in result.stdout
    catalogue.write_bytes(header)
    assert "truncated catalogue" in refused(tmp_path, program, catalogue, "-o", tmp_path / "other.json")


def test_a_script_is_no_error(tmp_path: Path) -> None:
    script = tmp_path / "shop.php"
    script.write_text("<?php echo 1;")
    result = run(script, "-o", tmp_path / "profile.json")
    assert result.exit_code == 0
    assert "runs in php" in result.stdout
    made = read_profile((tmp_path / "profile.json").read_bytes(), "profile.json")
    assert made.binaries[0].interpreted == "php"


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"plain text", "not an ELF file"), (b"", "ELF"), (b"\x7fELF\2\1\1", "truncated"), (None, "No such file")],
)
def test_what_is_no_program_is_refused(data: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "no\x1bprogram"
    if data is not None:
        path.write_bytes(data)
    error = refused(tmp_path, path, "-o", tmp_path / "profile.json", "--engine", "fast")
    assert says in error
    assert "\x1b" not in error


def test_a_truncated_program_is_refused(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(program.read_bytes()[:3_000])
    assert str(path) in refused(tmp_path, path, "-o", tmp_path / "profile.json", "--engine", "fast")


def test_another_architecture_without_angr_says_what_to_install(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "angr", None)
    monkeypatch.setattr("agent.static.angr_engine.angr_missing", lambda: "angr is not installed")
    data = bytearray(program.read_bytes())
    data[18] = 183  # aarch64
    path = tmp_path / "arm"
    path.write_bytes(data)
    error = refused(tmp_path, path, "-o", tmp_path / "profile.json")
    assert "winnower[static]" in error


def test_what_was_there_stays_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("old")
    refused(tmp_path, tmp_path / "missing", "-o", tmp_path / "profile.json")
    assert (tmp_path / "profile.json").read_text() == "old"


def test_a_place_that_cannot_be_written_is_refused_before_the_work(program: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refused(tmp_path, program, "-o", tmp_path / "file" / "profile.json")


def test_usage(tmp_path: Path) -> None:
    assert run("-o", tmp_path / "profile.json").exit_code == 2
    assert run(tmp_path / "x", "-o", tmp_path / "y", "--depth", 0).exit_code == 2
    assert run(tmp_path / "x", "-o", tmp_path / "y", "--engine", "none").exit_code == 2
    assert sys.version_info >= (3, 11)


def test_every_line_of_the_file_is_one_entry(program: Path, tmp_path: Path) -> None:
    run(program, "-o", tmp_path / "profile.json")
    lines = (tmp_path / "profile.json").read_bytes().splitlines()
    entries = [line for line in lines if line.startswith(b'{"id"')]
    assert len(entries) == 3
    assert all(msgspec.json.decode(line.rstrip(b","))["id"] for line in entries)
