"""The eBPF twin on this very kernel: whose each write was, in every mode that the kernel lets us have.

Rules of this file
    - The truth is the file's own bytes: every line says who wrote it.
    - Skipped, with the reason, where BPF is not permitted or the helper cannot be built.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from zlib import crc32

import pytest
import tags_bpf_helper
from tags_bpf_helper import WRITERS, RefusedError, cgroups, gaps, helping, is_of, only, writer

from agent.tags import APPEND, Tag


@pytest.fixture(scope="module")
def modes() -> list[str]:
    """What this kernel takes, the best first; the test is skipped if there is none."""
    try:
        with cgroups():
            return tags_bpf_helper.modes()
    except RefusedError as why:
        pytest.skip(str(why))


def line_of(tag: Tag, data: bytes, by_crc: dict[tuple[int, int], bytes]) -> bytes:
    """The line that a tag is of: at its offset, or where the offset is a guess the only one that fits."""
    there = data[tag.offset : tag.offset + tag.length]
    if not tag.guessed or is_of(tag, there):
        assert is_of(tag, there)
        assert tag.offset == 0 or data[tag.offset - 1 : tag.offset] == b"\n"
        return there
    return by_crc[tag.length, tag.crc]


def by_crc_of(data: bytes) -> dict[tuple[int, int], bytes]:
    found = {(len(line), crc32(line[:256])): line for line in data.splitlines(keepends=True)}
    assert len(found) == data.count(b"\n")
    return found


def test_each_of_4000_lines_of_one_file_is_told_by_whom(modes: list[str], tmp_path: Path) -> None:
    """Four processes of two threads, two cgroups, one pid namespace of its own, one file open for appending."""
    for mode in modes:
        file = tmp_path / mode
        with cgroups("a", "b") as (outer, a, b), helping("--mode", mode, *only(outer)) as helper:
            crew = [writer(cgroup, "lines", str(file), "2", "500", unshared=cgroup is a) for cgroup in (a, b, a, b)]
            assert [process.wait(60) for process in crew] == [0] * 4
            assert helper.close() == 0
        data, tags = file.read_bytes(), helper.tags
        by_crc, whose = by_crc_of(data), Counter[bytes]()
        for tag in tags:
            line = line_of(tag, data, by_crc)
            whose[line] += 1
            said = [int(number) for number in line.split()[:6]]
            assert [tag.tgid, tag.pid, tag.inner_tgid, tag.inner_pid, tag.namespace, tag.cgroup] == said
            of_file = file.stat()
            assert (tag.inode, os.makedev(tag.major, tag.minor)) == (of_file.st_ino, of_file.st_dev)
            assert (tag.flags & APPEND, tag.load, tag.hashed) == (APPEND, helper.load, min(tag.length, 256))
            assert (tag.uid, tag.comm[:6]) == (os.geteuid(), b"python")
            assert tag.auid == int(Path("/proc/self/loginuid").read_text())
            assert mode == "sys_exit" or not tag.guessed
        assert len(tags) == len(whose) == data.count(b"\n") == 4000
        assert gaps(tags) == 0
        assert helper.totals["tagged"] == helper.totals["read"] == 4000


def test_every_form_of_write_has_its_place_and_its_time(modes: list[str], tmp_path: Path) -> None:
    for mode in modes:
        file = tmp_path / mode
        with helping("--mode", mode, "--no-append", "--path", str(tmp_path)) as helper:
            done = subprocess.run([sys.executable, WRITERS, "", "forms", file], capture_output=True, check=True)
            assert helper.close() == 0
        lines = [line.split() for line in done.stdout.decode().splitlines()]
        told = [(int(begun), int(ended), int(at), bytes.fromhex(data)) for begun, ended, at, data in lines]
        tags = [tag for tag in helper.tags if tag.inode == file.stat().st_ino]
        assert len(tags) == len(told)
        for tag, (begun, ended, at, content) in zip(tags, told, strict=True):
            assert (tag.offset, tag.length) == (at, len(content))
            assert is_of(tag, content)
            assert begun - 1_000 <= tag.nanos <= ended + 1_000  # TAI is read to the nanosecond, as real time is
            parts_too_many = content == b"z" * 100
            assert tag.hashed == (0 if parts_too_many else min(len(content), 256))
            placed = content in (b"placed", b"placed2")
            assert tag.guessed == (mode == "sys_exit" and not placed)


def test_below_a_folder_all_regular_files_and_nothing_else(modes: list[str], tmp_path: Path) -> None:
    """Neither its brother with a longer name, nor a pipe, nor what is too deep to tell. A chroot is its root."""
    logs, brother = tmp_path / "logs", tmp_path / "logs2"
    deep = logs.joinpath(*"d" * 40)
    jail = tmp_path / "jail"
    for folder in (brother, deep, jail / "var" / "log", logs / "sub"):
        folder.mkdir(parents=True)
    os.mkfifo(logs / "pipe")
    for mode in modes:
        options = ["--mode", mode, "--no-append", "--path", str(logs), "--path", "/var//log/"]
        with helping(*options) as helper:
            write = "import sys\nfor name in sys.argv[1:]: open(name, 'rb+' if 'pipe' in name else 'wb', 0).write(b'.')"
            names = [logs / "x", logs / "sub" / "y", brother / "x", deep / "z", logs / "pipe", tmp_path / "logs_"]
            subprocess.run([sys.executable, "-c", write, *names], check=True)
            writer(None, "chroot", str(jail), "/var/log/inner").wait(20)
            assert helper.close() == 0
        inodes = {path.stat().st_ino: path.name for path in (*names, jail / "var" / "log" / "inner")}
        found = Counter(inodes[tag.inode] for tag in helper.tags if tag.inode in inodes)
        assert found == {"x": 1, "y": 1, "inner": 2}
        assert sum(tag.inode == (logs / "x").stat().st_ino for tag in helper.tags) == 1
        assert helper.totals["unwalked"] >= 1


def test_mounts_on_the_way_are_walked(modes: list[str], tmp_path: Path) -> None:
    """A tmpfs below the folder, in a mount namespace that only the writer has."""
    script = "mount -t tmpfs none $1 && mkdir $1/in && echo inside > $1/in/file && stat -c %d $1/in/file"
    for mode in modes:
        with helping("--mode", mode, "--no-append", "--path", str(tmp_path)) as helper:
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path], capture_output=True, check=True
            )
            assert helper.close() == 0
        found = [(tag.length, os.makedev(tag.major, tag.minor)) for tag in helper.tags if tag.comm == b"sh"]
        assert found == [(len("inside\n"), int(done.stdout))]


def test_a_cgroup_is_meant_with_all_below_it_and_none_beside(modes: list[str], tmp_path: Path) -> None:
    for mode in modes:
        file = tmp_path / mode
        with cgroups("a", "a/c", "b") as (_, a, c, b), helping("--mode", mode, *only(a)) as helper:
            for cgroup in (a, b, c):
                assert writer(cgroup, "lines", str(file), "1", "10").wait(20) == 0
            assert helper.close() == 0
            assert Counter(tag.cgroup for tag in helper.tags) == {a.stat().st_ino: 10, c.stat().st_ino: 10}


def test_excluded_are_those_named_the_helper_and_its_parent(modes: list[str], tmp_path: Path) -> None:
    script = "import sys; sys.stdin.read(1); open(sys.argv[1], 'a').write('line')"
    for mode in modes:
        crew = [
            subprocess.Popen([sys.executable, "-c", script, tmp_path / "log"], stdin=subprocess.PIPE) for _ in range(2)
        ]
        options = ["--no-append", "--path", str(tmp_path), "--exclude", str(crew[0].pid), "--exclude", "4194303"]
        with helping("--mode", mode, *options) as helper:
            (tmp_path / "log").write_text("the parent's own")
            for process in crew:
                process.communicate(b".")
            assert helper.close() == 0
        assert [tag.tgid for tag in helper.tags] == [crew[1].pid]


def test_an_excluded_number_is_anybody_elses_afterwards(modes: list[str], tmp_path: Path) -> None:
    first = subprocess.Popen(["sleep", "60"])
    options = ["--no-append", "--path", str(tmp_path), "--exclude", str(first.pid)]
    with helping("--mode", modes[0], *options) as helper:
        first.kill()
        first.wait()
        for _ in range(200):
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
            second = subprocess.Popen(["sh", "-c", f"sleep 0.05; echo again > {tmp_path}/log"])
            if second.wait() == 0 and second.pid == first.pid:
                break
        else:
            pytest.skip("the number was never given again")
        assert helper.close() == 0
    assert first.pid in {tag.tgid for tag in helper.tags}


def test_the_table_of_32_bit_calls_is_read_too(modes: list[str], tmp_path: Path) -> None:
    """`int 0x80`: other numbers, other registers, an offset in two halves, parts of eight bytes."""
    program, file = tmp_path / "narrow", tmp_path / "log"
    source = WRITERS.with_name("tags_bpf_narrow.c")
    if subprocess.run(["cc", "-o", program, source], check=False).returncode:
        pytest.skip("no C compiler")
    for mode in modes:
        file.write_bytes(b"")
        with helping("--mode", mode, "--no-append", "--path", str(tmp_path)) as helper:
            if subprocess.run([program, file], check=False).returncode:
                pytest.skip("this kernel has no 32-bit calls")
            assert helper.close() == 0
        far = (1 << 32) + 5
        assert [(tag.offset, tag.length) for tag in helper.tags] == [(0, 4), (4, 8), (far, 4), (far + 9, 8)]
        assert all(is_of(tag, b"narrowly"[: tag.length]) and tag.hashed for tag in helper.tags)


def test_devices_are_no_log_files(modes: list[str]) -> None:
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    for mode in modes:
        with cgroups("a") as (_, a), helping("--mode", mode, *only(a)) as helper:
            assert writer(a, "lines", "/dev/null", "1", "10").wait(20) == 0
            assert helper.close() == 0
        assert helper.tags == []
