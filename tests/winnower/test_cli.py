"""The command answers at once, imports what it needs when it needs it, and every way out has its exit code."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from stage import Answer

from grammar import InputError
from winnower import cli as room
from winnower.cli import COMMANDS, cli

HEAVY = {"rich", "networkx", "lark", "angr", "re2", "yaml", "sqlite3", "scipy", "automata", "kafka"}
WINNOWER = (sys.executable, "-c", "from winnower.cli import main; main()")


def test_help_comes_in_under_a_third_of_a_second() -> None:
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        done = subprocess.run([*WINNOWER, "--help"], capture_output=True, check=True)
        taken.append(time.perf_counter() - begun)
    assert statistics.median(taken) < 0.3
    assert b"replay" in done.stdout


def test_the_entry_point_imports_nothing_heavy() -> None:
    code = "import sys, winnower.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert HEAVY & set(loaded) == set()


def test_every_command_of_the_table_is_there_and_has_help() -> None:
    context = click.Context(cli)
    for name, (_, _, text) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None, name
        assert command.help, name
        assert text.endswith("."), name
    assert cli.get_command(context, "nonsense") is None


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0), (["--version"], 0), (["nonsense"], 2)])
def test_usage(winnower: Callable[..., Answer], arguments: list[str], code: int) -> None:
    assert winnower(*arguments).code == code


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            InputError("bad", file="f\x1b", line=3, column=4, offending=b"\xff", hint="do"),
            2,
            "f\\x1b:3:4: bad: '\\xff' (do)",
        ),
        (FileNotFoundError(2, "No such file", "x\x1b[31m"), 2, "x\\x1b[31m: No such file"),
        (KeyboardInterrupt(), 130, "aborted"),
        (click.UsageError("how"), 2, "how"),
        (click.exceptions.Exit(1), 1, ""),
        (SystemExit(1), 1, ""),
    ],
)
def test_every_way_out_has_its_exit_code(
    winnower: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
) -> None:
    @click.command("broken")
    def broken() -> None:
        raise error

    monkeypatch.setattr(room.cli, "get_command", lambda context, name: broken)
    answer = winnower("broken")
    assert answer.code == code
    assert told in answer.err
    assert "Traceback" not in answer.err
    assert "\x1b" not in answer.err


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    code = "from winnower.cli import main; main()"
    shell = f"{sys.executable} -c '{code}' grammar --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_unicode_gets_escapes_not_a_traceback() -> None:
    code = "import sys, winnower.cli as c; sys.argv = ['winnower', '--help']\n"
    code += "try: c.main()\nexcept SystemExit: print('\\u2514')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"},
    )
    assert done.stdout.endswith(b"\\u2514\n")
