"""No path of a container leads out of it, and none of its files makes us wait.

Source: agent/logfiles_path.py; symlink(7), fifo(7).
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.logfiles_path import MAX_LINKS, Absent, Mounts, Refused, Root, Stdio, open_regular


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A container's root `base/in` with a log, and a secret beside it."""
    (tmp_path / "in/var/log").mkdir(parents=True)
    (tmp_path / "in/var/log/a.log").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "in/secret").write_text("the container's own")
    return tmp_path


@pytest.fixture
def root(base: Path) -> Iterator[Root]:
    one = Root.open(str(base / "in"))
    yield one
    one.close()


def text(root: Root, path: str) -> str:
    folder, name, _ = root.find(path)
    fd = -1
    try:
        fd = open_regular(folder, name, root.mounts)
        return os.read(fd, 100).decode()
    finally:
        os.close(folder)
        if fd >= 0:
            os.close(fd)


def test_a_file_is_found_by_its_own_name_and_by_links_inside(base: Path, root: Root) -> None:
    log = base / "in/var/log"
    (log / "relative.log").symlink_to("../log/./a.log")
    (log / "absolute.log").symlink_to("/var/log/relative.log")
    (base / "in/logs").symlink_to("/var/log")
    for path in (
        "/var/log/a.log",
        "/var/log/relative.log",
        "/var/log/absolute.log",
        "/logs/a.log",
        "//logs/../log/a.log",
    ):
        assert text(root, path) == "inside"
    folder, name, real = root.find("/logs/absolute.log")
    os.close(folder)
    assert (name, real) == ("a.log", "/var/log/a.log")


@pytest.mark.parametrize(
    "target",
    ["{base}/secret", "../../../secret", "../../../../../../../../secret", "/../secret", "/secret/../../secret"],
)
def test_no_link_leads_out(base: Path, root: Root, target: str) -> None:
    """What would be outside for the kernel is inside, or nowhere, for us."""
    (base / "in/var/log/evil.log").symlink_to(target.format(base=base))
    try:
        found = text(root, "/var/log/evil.log")
    except Absent:
        return
    assert found == "the container's own"


def test_a_folder_moved_out_while_we_walk_changes_nothing(
    base: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`..` goes back to where we came from, wherever that is by now."""
    (base / "in/a/b").mkdir(parents=True)
    opened = os.open

    def move(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = opened(path, flags, mode, dir_fd=dir_fd)
        if path == "b":
            (base / "in/a/b").rename(base / "b")  # the kernel's `..` of it is outside from now on
        return fd

    monkeypatch.setattr(os, "open", move)
    assert text(root, "/a/b/../../secret") == "the container's own"


@pytest.mark.parametrize("kind", ["fifo", "folder", "socket", "device"])
def test_only_regular_files_are_opened(base: Path, root: Root, kind: str) -> None:
    path = base / "in/var/log/odd.log"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        there = Path.cwd()
        os.chdir(path.parent)  # a socket's name must be short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
        os.chdir(there)
    else:
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("no right to make a device")
    with pytest.raises(Refused, match="not a regular file"):
        text(root, "/var/log/odd.log")


def test_links_and_steps_are_bounded(base: Path, root: Root) -> None:
    log = base / "in/var/log"
    for number in range(MAX_LINKS + 1):
        (log / f"{number}.log").symlink_to(f"{number + 1}.log")
    (log / f"{MAX_LINKS + 1}.log").write_text("far")
    with pytest.raises(Refused, match="too many links"):
        text(root, "/var/log/0.log")
    assert text(root, "/var/log/1.log") == "far"
    with pytest.raises(Refused, match="too many steps"):
        text(root, "/var/log" + "/." * 10 + "/../log" * 200 + "/a.log")
    (log / "double.log").symlink_to("../log/double.log")
    with pytest.raises(Refused):
        text(root, "/var/log/double.log")


@pytest.mark.parametrize(
    ("target", "stream"),
    [("/dev/stdout", "stdout"), ("/dev/stderr", "stderr"), ("/proc/self/fd/1", "stdout"), ("/dev/fd/2", "stderr"),
     ("../../dev/stdout", "stdout"), ("/proc/1/fd/2", "stderr")],
)  # fmt: skip
def test_names_of_stdout_are_the_engines_copy(base: Path, root: Root, target: str, stream: str) -> None:
    (base / "in/var/log/out.log").symlink_to(target)
    with pytest.raises(Stdio) as found:
        root.find("/var/log/out.log")
    assert found.value.stream == stream


@pytest.mark.parametrize("path", ["/proc/1/environ", "/sys/x.log", "/dev/console", "/var/../proc/kmsg"])
def test_what_the_kernel_makes_up_is_no_log(root: Root, path: str) -> None:
    with pytest.raises(Refused, match="below /"):
        root.find(path)


@pytest.mark.parametrize(
    "path", ["", "/", "/var/..", "/var/log/none.log", "/secret/x.log", "/var/log/\0.log", "/" + "n" * 300]
)
def test_what_is_not_there_or_no_path_is_said(root: Root, path: str) -> None:
    with pytest.raises((Absent, Refused)):
        root.find(path)


def test_a_name_may_be_missing_where_that_is_allowed(base: Path, root: Root) -> None:
    (base / "in/var/log/later.log").symlink_to("/secret-logs/x.log")
    folder, name, real = root.find("/var/log/new.log", missing=True)
    os.close(folder)
    assert (name, real) == ("new.log", "/var/log/new.log")
    for path in ("/var/log/later.log", "/var/none/new.log", "/secret/new.log"):
        with pytest.raises(Absent):
            root.find(path, missing=True)


@pytest.mark.parametrize("kind", ["fuse.sshfs", "nfs4", "fuse"])
def test_file_systems_that_others_answer_for_are_not_entered(base: Path, kind: str) -> None:
    fd = os.open(base, os.O_PATH)
    number = next(
        line.split()[1] for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines() if "mnt_id" in line
    )
    os.close(fd)
    mounts = base / "mountinfo"
    mounts.write_text(f"{number} 1 0:1 / / rw,relatime shared:1 - {kind} source rw\n")
    one = Root.open(str(base / "in"), Mounts(str(mounts)))
    with pytest.raises(Refused, match="may make us wait"):
        one.find("/var/log/a.log")
    mounts.write_text(f"{number} 1 0:1 / / rw,relatime - ext4 source rw\n")
    folder, _, _ = Root(one.fd, Mounts(str(mounts))).find("/var/log/a.log")
    os.close(folder)
    one.close()


def test_no_descriptor_is_left(base: Path, root: Root) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (base / "in/var/log/loop.log").symlink_to("loop.log")
    for path in ("/var/log/a.log", "/var/log/loop.log", "/proc/1", "/none/x.log", "/dev/stdout"):
        for missing in (False, True):
            with suppress(Absent, Refused, Stdio):
                os.close(root.find(path, missing)[0])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
