"""The table of static analysis: Debian's packages are there whole or not at all; what is above a limit is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from static_table import Limit, Run, exceeded, limit_of, measured, text_size
from testbed import binaries
from testbed.binaries import APPLICATIONS, application, binaries_folder, missing, why_no_binaries
from testbed.tell import TestbedError

SMALLEST = "wget"


def unpacked(state: Path, without: str = "") -> Path:
    """A folder like the real one, of empty files."""
    folder = state / binaries.FOLDER
    for name, patterns in APPLICATIONS.items():
        for pattern in () if name == without else patterns:
            path = folder / pattern.replace("*", "mod_a")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


def test_a_whole_folder_is_used_and_a_half_one_is_not(tmp_path: Path) -> None:
    assert binaries_folder(tmp_path) is None
    unpacked(tmp_path, without="nginx")
    assert binaries_folder(tmp_path) is None
    assert "nginx" in why_no_binaries(tmp_path)
    assert "python bench/testbed/binaries.py" in why_no_binaries(tmp_path)
    with pytest.raises(TestbedError, match="nginx"):
        application("apache2", tmp_path)
    folder = unpacked(tmp_path)
    assert binaries_folder(tmp_path) == folder
    assert not why_no_binaries(tmp_path)
    assert application("apache2", tmp_path)[0] == folder / "usr/sbin/apache2"


def test_what_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "run", lambda *_, **__: pytest.fail("it runs a program"))
    folder = unpacked(tmp_path)
    assert binaries.fetch(tmp_path) == folder
    assert not missing(folder)


def test_a_download_that_fails_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise TestbedError("no network")

    monkeypatch.setattr(binaries, "run", fails)
    monkeypatch.setattr(binaries, "update", fails)
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    with pytest.raises(TestbedError, match="no network"):
        binaries.fetch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("app", "code", "seconds", "megabytes", "words"),
    [
        ("wget", 266_000, 5.1, 100.0, ["5.1 CPU s, limit 5"]),
        ("wget", 266_000, 1.0, 151.0, ["151 MB, limit 150"]),
        ("php-fpm", 3_100_000, 26.0, 500.0, ["26.0 CPU s, limit 25"]),
        ("mariadbd", 9_400_000, 41.0, 801.0, ["41.0 CPU s", "801 MB, limit 800"]),
        ("mariadbd", 9_400_000, 39.0, 799.0, []),
        ("apache2", 5_300_000, 99.0, 999.0, []),
    ],
)
def test_what_is_above_its_limit_is_said(
    app: str, code: int, seconds: float, megabytes: float, words: list[str]
) -> None:
    run = Run(app, "fast", 6, seconds, megabytes, frozenset({(0, 1, "x")}))
    said = list(exceeded(run, limit_of(app, code)))
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))


def test_a_run_that_found_nothing_is_a_failure() -> None:
    assert list(exceeded(Run("wget", "fast", 6, 1.0, 1.0, failed="ended with status 1"), Limit()))


def test_a_real_program_is_measured_and_more_depth_finds_no_less() -> None:
    if why := why_no_binaries():
        pytest.skip(why)
    paths = application(SMALLEST)
    ballast = bytearray(b"x" * (200 << 20))  # what the parent holds is none of the child's
    shallow, deep = (measured(SMALLEST, "fast", depth, paths) for depth in (1, 6))
    del ballast
    assert shallow.strings <= deep.strings
    assert len(deep.strings) > 700
    assert not list(exceeded(deep, limit_of(SMALLEST, sum(map(text_size, paths)))))
