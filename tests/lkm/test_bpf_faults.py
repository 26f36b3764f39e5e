"""The eBPF helper when things go wrong: what it drops it counts, what ends it ends it, what it refuses it says why.

Rules of this file
    - Writers are never held up, whatever the reader does.
    - Only what is ours is tagged: a cgroup of the test's own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tags_bpf_helper import RefusedError, built, cgroups, gaps, helping, modes, only, wait_for, writer


@pytest.fixture(scope="module")
def helper_path() -> Path:
    """The helper, where it may run."""
    try:
        modes()
        return built()
    except RefusedError as why:
        pytest.skip(str(why))


@pytest.fixture
def cgroup(helper_path: Path) -> Iterator[Path]:
    """A cgroup of the test's own."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(cgroups())[0]
        except RefusedError as why:
            pytest.skip(str(why))


def write_lines(cgroup: Path, file: Path, count: int, rate: int = 10_000_000) -> float:
    """Seconds that it took."""
    begun = time.monotonic()
    assert writer(cgroup, "paced", str(file), str(count), str(rate)).wait(60) == 0
    return time.monotonic() - begun


def test_what_a_full_ring_drops_is_a_gap(cgroup: Path, tmp_path: Path) -> None:
    """30 of 128 bytes fit into 4,096; the helper is stopped while 1,000 are written."""
    with helping(*only(cgroup), "--buffer", "4096") as helper:
        os.kill(helper.process.pid, signal.SIGSTOP)
        write_lines(cgroup, tmp_path / "log", 1_000)
        os.kill(helper.process.pid, signal.SIGCONT)
        wait_for(lambda: len(helper.tags) >= 30)
        for cpu in sorted(os.sched_getaffinity(0)):  # one more on each CPU, for the gap to have another end
            command = ["taskset", "-c", str(cpu), sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write('.')"]
            program = f'echo 0 > {cgroup}/cgroup.procs; exec "$@"'
            subprocess.run(["sh", "-c", program, "sh", *command, tmp_path / "log"], check=True)
        assert helper.close() == 0
    tags, totals = helper.tags, helper.totals
    assert totals["tagged"] + totals["dropped"] == 1_000 + len(os.sched_getaffinity(0))
    assert totals["tagged"] == totals["read"] == len(tags)
    assert gaps(tags) == totals["dropped"] >= 900


def test_nobody_reads_and_writers_go_on(cgroup: Path, tmp_path: Path) -> None:
    """Pipe and ring fill, writers take as long as ever, and what was kept comes whole when somebody reads at last."""
    with helping(*only(cgroup), read=True) as helper:
        alone = write_lines(cgroup, tmp_path / "log", 30_000)
    with helping(*only(cgroup), "--buffer", "65536", read=False) as helper:
        unread = write_lines(cgroup, tmp_path / "log", 30_000)
        wait_for(lambda: helper.totals.get("dropped", 0) > 0)
        helper.read_rest()
        wait_for(lambda: helper.totals["read"] == helper.totals["tagged"])
        assert helper.close() == 0
    assert unread < 3 * alone + 1
    assert helper.totals["tagged"] + helper.totals["dropped"] == 30_000
    assert len(helper.tags) == helper.totals["read"] == helper.totals["tagged"] > 65536 // 136
    assert gaps(helper.tags) <= helper.totals["dropped"]


def test_100000_tags_a_second_lose_none(cgroup: Path, tmp_path: Path) -> None:
    """Fewer than the ring of 8 MiB holds: a machine that is busy elsewhere is no failure."""
    with helping(*only(cgroup)) as helper:
        crew = [writer(cgroup, "paced", str(tmp_path / str(n)), "30000", "50000") for n in range(2)]
        assert [process.wait(60) for process in crew] == [0, 0]
        assert helper.close() == 0
    assert helper.totals["dropped"] == 0
    assert len(helper.tags) == helper.totals["read"] == 60_000
    assert gaps(helper.tags) == 0


def test_it_ends_by_sigterm_by_stdin_and_by_stdout_with_all_that_it_has(cgroup: Path, tmp_path: Path) -> None:
    for way in ("sigterm", "sigint", "stdin", "stdout"):
        with helping(*only(cgroup), read=way != "stdout") as helper:
            process = helper.process
            assert process.stdin and process.stdout
            write_lines(cgroup, tmp_path / way, 100)
            if way.startswith("sig"):
                process.send_signal(getattr(signal, way.upper()))
            else:
                getattr(process, way).close()
            assert helper.ended() == 0
            assert way == "stdout" or len(helper.tags) == helper.totals["read"] == 100


def test_a_killed_reader_leaves_no_helper_behind(cgroup: Path) -> None:
    script = """if True:
        import subprocess, sys, time
        pipe = subprocess.PIPE
        helper = subprocess.Popen(sys.argv[1:], stdin=pipe, stdout=pipe, stderr=pipe)
        helper.stderr.readline()
        print(helper.pid, flush=True)
        time.sleep(60)"""
    command = [sys.executable, "-c", script, str(built()), *only(cgroup)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        helper = int(reader.stdout.readline())
        reader.kill()
    wait_for(lambda: not Path(f"/proc/{helper}/cmdline").exists() or not Path(f"/proc/{helper}/cmdline").read_bytes())


def test_a_killed_helper_leaves_no_program_behind_and_the_next_begins_anew(cgroup: Path, tmp_path: Path) -> None:
    with helping(*only(cgroup)) as first:
        write_lines(cgroup, tmp_path / "log", 100)
        wait_for(lambda: len(first.tags) == 100)
        first.process.kill()
        assert first.ended() == -signal.SIGKILL
    with helping(*only(cgroup)) as second:
        write_lines(cgroup, tmp_path / "log", 10)
        assert second.close() == 0
    assert second.load != first.load
    assert len(second.tags) == 10
    assert gaps(second.tags) == 0


def test_two_helpers_each_tell_everything(cgroup: Path, tmp_path: Path) -> None:
    with helping(*only(cgroup)) as one, helping(*only(cgroup)) as two:
        write_lines(cgroup, tmp_path / "log", 500)
        assert [one.close(), two.close()] == [0, 0]
    assert [tag.offset for tag in one.tags] == [tag.offset for tag in two.tags] == [40 * n for n in range(500)]


def test_it_counts_each_second_what_changed(cgroup: Path, tmp_path: Path) -> None:
    with helping(*only(cgroup)) as helper:
        write_lines(cgroup, tmp_path / "log", 10)
        wait_for(lambda: helper.totals.get("read") == 10, 5)
        said = len(helper.said)
        time.sleep(1.5)
        assert len(helper.said) == said
        assert helper.close() == 0
    assert helper.said[0] == {"ready": True, "mode": helper.mode, "load": helper.load, "version": 1}


def test_without_the_right_to_it_says_why(helper_path: Path) -> None:
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups"]
    if helper_path.parent.stat().st_mode & 0o005 != 0o005 or not reachable(helper_path):
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run([*command, helper_path], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    (line,) = done.stderr.splitlines()
    said = json.loads(line)
    assert (done.returncode, done.stdout, said["ready"]) == (1, b"", False)
    assert "ermi" in said["why"]
    assert "CAP_BPF" in said["hint"]


def reachable(path: Path) -> bool:
    """Whether anybody may run it."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mode", "fast"],
        ["--cgroup", "0"],
        ["--cgroup", "-1"],
        ["--cgroup", "18446744073709551616"],
        ["--cgroup", ""],
        ["--exclude", "0"],
        ["--exclude", "1x"],
        ["--exclude", "2147483648"],
        ["--path", "var/log"],
        ["--path", "/var/../etc"],
        ["--path", "/./x"],
        ["--path", "/" + "x" * 255],
        ["--path", ""],
        ["--buffer", "4095"],
        ["--buffer", "12288"],
        ["--buffer", "2147483648"],
        ["--buffer", "99999999999999999999999999"],
        ["--buffer"],
        ["--no-append"],
        ['--\x1b[31m\n"\\'],
        [""],
        ["--cgroup", "1"] * 65,
        ["--exclude", "1"] * 126,
        ["--path", "/x"] * 17,
        ["--path", "/" + "y" * 100_000],
    ],
)
def test_a_bad_command_line_is_refused_with_what_is_bad(helper_path: Path, arguments: list[str]) -> None:
    done = subprocess.run([helper_path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    (line,) = done.stderr.splitlines()
    said = json.loads(line)
    assert (done.returncode, done.stdout, said["ready"]) == (2, b"", False)
    assert set(said) == {"ready", "why", "hint"}
    assert line.isascii()
    assert all(32 <= byte < 127 for byte in line)
    assert len(line) < 4_000


def test_what_is_long_but_right_is_taken(helper_path: Path) -> None:
    arguments = ["--path", "/" + "x" * 254, "--path", "/", "--path", "//a///b"]
    arguments += ["--cgroup", "18446744073709551615"] * 64 + ["--exclude", "2147483647"] * 125
    with helping(*arguments, "--buffer", "4096") as helper:
        assert helper.close() == 0


def test_help_is_help(helper_path: Path) -> None:
    done = subprocess.run([helper_path, "--help"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert b"--no-append" in done.stdout


def test_stdin_that_is_closed_from_the_start_is_no_trap(helper_path: Path) -> None:
    """Without descriptors 0 to 2 it ends, and writes into nothing that it opened itself."""
    done = subprocess.run(["sh", "-c", 'exec "$1" <&- >&- 2>&-', "sh", helper_path], timeout=20, check=False)
    assert done.returncode in (0, 1)
