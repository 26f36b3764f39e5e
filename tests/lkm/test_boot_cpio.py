"""The harness of the boot tests: an initramfs as cpio itself reads it."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from boot.cpio import Archive
from hypothesis import given
from hypothesis import strategies as st

NAME = st.text("abcxyz0189-_", min_size=1, max_size=12)
FILES = st.dictionaries(
    NAME.map(lambda name: f"f/{name}"), st.tuples(st.binary(max_size=300), st.booleans()), max_size=6
)


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and data of each name, read as the kernel reads them; the end must be the end."""
    at, found = 0, dict[str, tuple[int, bytes]]()
    while True:
        assert archive[at : at + 6] == b"070701"
        numbers = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, named = numbers[6], numbers[11]
        name = archive[at + 110 : at + 110 + named - 1].decode()
        start = (at + 110 + named + 3) // 4 * 4
        at = (start + size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(archive)
            return found
        assert name not in found
        found[name] = (numbers[1], archive[start : start + size])


@given(FILES)
def test_what_was_packed_is_what_is_read(files: dict[str, tuple[bytes, bool]]) -> None:
    """Each file comes out with its bytes and its mode, below folders that came before it."""
    archive = Archive()
    for name, (data, executable) in files.items():
        archive.file(name, data, executable=executable)
    found = entries(bytes(archive))
    for name, (data, executable) in files.items():
        mode, read = found[name]
        assert (read, bool(mode & 0o111), stat.S_ISREG(mode)) == (data, executable, True)
    assert not files or next(iter(found)) == "f"


def test_folders_come_once_and_first() -> None:
    archive = Archive()
    archive.file("a/b/c", b"1")
    archive.file("/a/b/d", b"2")
    archive.folder("a/b")
    assert list(entries(bytes(archive))) == ["a", "a/b", "a/b/c", "a/b/d"]


def test_links_and_devices_are_what_they_are() -> None:
    archive = Archive()
    archive.link("bin/sh", "busybox")
    archive.device("dev/console", 5, 1)
    found = entries(bytes(archive))
    assert stat.S_ISLNK(found["bin/sh"][0]) and found["bin/sh"][1] == b"busybox"
    assert stat.S_ISCHR(found["dev/console"][0])


@pytest.mark.parametrize("name", ["../etc/passwd", "a/./b", "a/.."])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="plain path"):
        Archive().file(name, b"")


def test_a_name_given_twice_is_refused() -> None:
    archive = Archive()
    archive.file("a", b"1")
    with pytest.raises(ValueError, match="twice"):
        archive.file("a", b"2")


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_reads_it_too(tmp_path: Path) -> None:
    archive = Archive()
    archive.file("one/two", b"three\n", executable=True)
    archive.link("four", "one/two")
    subprocess.run(["cpio", "-i", "--quiet"], input=bytes(archive), cwd=tmp_path, check=True)
    assert (tmp_path / "four").read_bytes() == b"three\n"
    assert (tmp_path / "one" / "two").stat().st_mode & 0o777 == 0o755
