"""The real helper on this kernel, read by the agent's own reader: every write once, each drop counted, nothing left.

Skipped, with the reason, where BPF is not permitted or the helper cannot be built.

Source: agent/tags_choice.py, agent/tags_helper.py; lkm/bpf.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from tags_bpf_helper import RefusedError, built, cgroups, modes

from agent.config_tags import Tags
from agent.tags import Tag
from agent.tags_choice import Choice, Outside, choose
from agent.tags_helper import Helper
from agent.tags_marks import Marks
from agent.tags_source import EACH, TagReader

ROOT = Path(__file__).resolve().parents[2]
APPENDS = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for number in range(int(sys.argv[2])): os.write(file, b"%d line %d\\n" % (os.getpid(), number))
"""

Opened = Callable[..., TagReader]


@pytest.fixture(scope="module")
def group() -> Iterator[Path]:
    """A control group of our own: the machine is not ours alone."""
    try:
        with cgroups("agent") as (outer, _):
            modes()
            yield outer
    except RefusedError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def opened(group: Path, tmp_path: Path) -> Iterator[Opened]:
    readers: list[TagReader] = []

    def make(**words: object) -> TagReader:
        told: dict[str, object] = {"device": str(tmp_path / "none"), "helper": str(built()), "cgroups": (str(group),)}
        settings = Tags(**(told | words))  # type: ignore[arg-type]
        readers.append(choose(settings, Marks(), Outside(auditd=lambda: 0, chance=lambda: 0.0)))
        until(lambda: readers[-1].poll() == [] and readers[-1].kind == "ebpf", readers[-1])
        return readers[-1]

    yield make
    for one in readers:
        one.close()


def until(what: Callable[[], object], reader: TagReader, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, reader.why
        time.sleep(0.01)


def helper_of(reader: TagReader) -> Helper:
    assert isinstance(reader.channel, Choice)
    channel = next(one.channel for one in reader.channel.candidates if one.channel is not None)
    assert isinstance(channel, Helper)
    return channel


def append(group: Path, file: Path, count: int) -> subprocess.Popen[bytes]:
    """A program in the group that appends so many lines."""
    join = f'echo $$ > {group}/cgroup.procs; exec {sys.executable} -SE -c "$0" "$@"'
    return subprocess.Popen(["/bin/sh", "-c", join, APPENDS, str(file), str(count)])


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_every_write_of_several_programs_comes_once_and_fits(opened: Opened, group: Path, tmp_path: Path) -> None:
    reader, file = opened(), tmp_path / "log"
    with append(group / "agent", file, 1_000) as one, append(group, file, 1_000) as other:
        found: list[Tag] = []
        until(lambda: found.extend(reader.poll()) or len(found) >= 2_000, reader)
    time.sleep(0.1)
    found += reader.poll()
    data = file.read_bytes()
    by_crc = {(len(line), crc32(line)): line for line in data.splitlines(keepends=True)}
    lines = [by_crc[tag.length, tag.crc] for tag in found]
    assert sorted(lines) == sorted(data.splitlines(keepends=True))
    assert all(line.startswith(b"%d " % tag.tgid) for line, tag in zip(lines, found, strict=True))
    assert {tag.tgid for tag in found} == {one.pid, other.pid}
    assert [tag.nanos for tag in found] == sorted(tag.nanos for tag in found)
    assert reader.loss.take() == {}
    assert reader.why.startswith("module: ")


def test_what_a_small_buffer_drops_is_counted_as_the_kernel_does(opened: Opened, group: Path, tmp_path: Path) -> None:
    """A reader that stops: the helper, its pipe and the ring fill up, and each drop is a gap."""
    reader = opened(buffer=1 << 16)
    helper = helper_of(reader)
    os.kill(helper.pid, signal.SIGSTOP)
    with append(group, tmp_path / "log", 3_000):
        pass
    os.kill(helper.pid, signal.SIGCONT)
    found: list[Tag] = []
    until(lambda: found.extend(reader.poll()) or helper.counters().get("dropped"), reader)
    with append(group, tmp_path / "log", 200):
        pass

    def told() -> int:
        return sum(helper.counters().get(name, 0) for name in ("tagged", "dropped"))

    until(lambda: found.extend(reader.poll()) or told() == 3_200, reader)  # it tells what it has counted each second
    dropped = helper.counters()["dropped"]
    until(lambda: found.extend(reader.poll()) or len(found) + dropped >= 3_200, reader)
    assert 2_000 < dropped <= 3_000
    assert len(found) + dropped == 3_200
    time.sleep(EACH)
    reader.poll()
    assert reader.loss.take() == {"tags_dropped": dropped}


def test_a_helper_that_is_killed_is_started_again_and_that_is_counted(
    opened: Opened, group: Path, tmp_path: Path
) -> None:
    reader, file = opened(), tmp_path / "log"
    first = helper_of(reader)
    with append(group, file, 10):
        pass
    found: list[Tag] = []
    until(lambda: found.extend(reader.poll()) or len(found) == 10, reader)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: reader.poll() == [] and reader.kind == "none", reader)
    until(lambda: reader.poll() == [] and reader.kind == "ebpf", reader)
    with append(group, file, 10):
        pass
    until(lambda: found.extend(reader.poll()) or len(found) == 20, reader)
    assert len({tag.load for tag in found}) == 2
    assert reader.loss.take() == {"tags_unknown": 2}
    assert not lives(first.pid)


def test_an_agent_that_is_killed_leaves_no_helper_behind(group: Path) -> None:
    script = f"""
import sys, time
from agent.tags_helper import Helper
helper = Helper([{str(built())!r}, "--cgroup", "{group.stat().st_ino}"])
while helper.state == "starting": helper.take(); time.sleep(0.01)
print(helper.pid, helper.state, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        pid, state = agent.stdout.readline().split()
        assert state == "works"
        agent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while lives(int(pid)):
        assert time.monotonic() < end
        time.sleep(0.01)
