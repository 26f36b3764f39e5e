"""A secret that others can read is refused, with what to do; what is made is private from the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grammar import InputError
from monitor.secret import check_secret, private_file, private_folder, read_secret


def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_folder(tmp_path / "a" / "state")
        private_file(tmp_path / "a" / "state" / "key", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "state" / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "a" / "state").iterdir()] == ["key"]
    private_file(tmp_path / "a" / "state" / "key", b"another")
    assert read_secret(tmp_path / "a" / "state" / "key") == b"content"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_what_others_can_read_is_refused_not_mended(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    private_file(path, b"content")
    path.chmod(mode)
    for look in (read_secret, check_secret, private_file):
        with pytest.raises(InputError, match=f"must be private: '{mode:04o}'.*chmod 0600") as error:
            look(path)
        assert "content" not in str(error.value)
    assert path.stat().st_mode & 0o777 == mode


def test_no_secret_a_folder_and_a_novel_are_located_errors(tmp_path: Path) -> None:
    for look in (read_secret, check_secret):
        with pytest.raises(InputError, match="cannot read this secret"):
            look(tmp_path / "none")
    (tmp_path / "novel").write_bytes(b"x" * 5_000)
    (tmp_path / "novel").chmod(0o600)
    with pytest.raises(InputError, match="more than 4096"):
        read_secret(tmp_path / "novel")
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(InputError, match="chmod 0700"):
        private_folder(tmp_path / "open")
