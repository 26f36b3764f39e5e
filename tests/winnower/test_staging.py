"""Files appear together or not at all, and an error leaves the disk as it was."""

from pathlib import Path

import pytest
from stage import left_in

from grammar import InputError
from winnower.staging import staging


def test_everything_appears_at_the_end_and_not_before(tmp_path: Path) -> None:
    with staging() as stage:
        (stage.folder(tmp_path / "a" / "b") / "one").write_text("1")
        stage.file(tmp_path / "c" / "two").write_text("2")
        assert not (tmp_path / "a" / "b").exists()
        assert not (tmp_path / "c" / "two").exists()
    assert left_in(tmp_path) == ["a", "a/b", "a/b/one", "c", "c/two"]


def test_after_an_error_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(KeyboardInterrupt), staging() as stage:
        (stage.folder(tmp_path / "a" / "b" / "c") / "one").write_text("1")
        stage.file(tmp_path / "d" / "e" / "two").write_text("2")
        raise KeyboardInterrupt
    assert left_in(tmp_path) == ["a"]


def test_what_is_there_is_replaced_file_by_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_text("old")
    with staging() as stage:
        (stage.folder(tmp_path) / "one").write_text("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "new", "other": "old"}


def test_an_error_of_the_disk_is_located(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written") as error, staging() as stage:
        (stage.folder(tmp_path / "a") / "no" / "such").write_text("x")
    assert error.value.file.startswith(str(tmp_path))
    assert left_in(tmp_path) == []
