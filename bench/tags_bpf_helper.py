"""winnower-tags for its tests and its bench: built, started, its records and its JSON lines read; cgroups to filter by.

Rules of this file
    - Built into .testbed of the checkout, once for all tests; whatever lacks is `RefusedError`, in words.
    - The machine is not ours alone: a test tags only its own cgroups or folders.
    - What was made is gone afterwards: processes by their id, cgroups by their folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from agent.tags import Decoder, Tag

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("WINNOWER_BPF_BUILD", ROOT / ".testbed" / "bpf"))
HELPER = BUILD / "winnower-tags"
WRITERS = Path(__file__).with_name("tags_bpf_writers.py")
MODES = ("fexit", "kretprobe", "sys_exit")


class RefusedError(Exception):
    """Why there is no eBPF to be had here."""


def built() -> Path:
    """The helper as its sources are; RefusedError where it cannot be built or may not run."""
    if os.environ.get("WINNOWER_BPF_BUILD"):
        return HELPER
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64" or os.geteuid() != 0:
        raise RefusedError("eBPF wants Linux on x86-64, and root")
    for program in ("clang", "cc", "make"):
        if not shutil.which(program):
            raise RefusedError(f"no {program}: apt-get install clang gcc make libbpf-dev")
    if not Path("/usr/include/bpf/libbpf.h").exists():
        raise RefusedError("no libbpf: apt-get install libbpf-dev")
    BUILD.mkdir(parents=True, exist_ok=True)
    command = ["make", "-C", str(ROOT / "lkm" / "bpf"), f"BUILD={BUILD}"]
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return HELPER


def modes() -> list[str]:
    """What this kernel takes, the best first; RefusedError if there is none."""
    first = ready()
    if not first["ready"]:
        raise RefusedError(f"BPF is not permitted here: {first['why']}")
    return [mode for mode in MODES if ready("--mode", mode)["ready"]]


def ready(*options: str) -> dict[str, object]:
    """What the helper says first, with nothing to do."""
    done = subprocess.run([built(), *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    said: dict[str, object] = json.loads(done.stderr.splitlines()[0])
    return said | {"code": done.returncode}


class Helper:
    """winnower-tags running; its records are gathered by a thread unless `read` is false."""

    def __init__(self, *options: str, read: bool = True) -> None:
        self.process = subprocess.Popen(
            [built(), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self.said: list[dict[str, object]] = []
        self.bytes = bytearray()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        if read:
            self._threads.append(threading.Thread(target=self._read, daemon=True))
        for thread in self._threads:
            thread.start()
        wait_for(lambda: bool(self.said))
        if not self.said[0]["ready"]:
            self.close()
            raise RefusedError(f"BPF is not permitted here: {self.said[0]['why']}")
        self.load, self.mode = self.said[0]["load"], self.said[0]["mode"]

    def close(self) -> int:
        """Ended by the end of its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.ended()

    def ended(self) -> int:
        """Its exit status, and all that it has written read."""
        code = self.process.wait(10)
        for thread in self._threads:
            thread.join(10)
        return code

    def read_rest(self) -> None:
        """From now on its records are gathered."""
        self._threads.append(threading.Thread(target=self._read, daemon=True))
        self._threads[-1].start()

    @property
    def tags(self) -> list[Tag]:
        """Those read so far, each whole."""
        decoder = Decoder()
        found = decoder.feed(bytes(self.bytes))
        assert decoder.damaged == 0
        assert len(self.bytes) % 128 == 0
        return found

    @property
    def totals(self) -> dict[str, int]:
        """What it counted last."""
        return {name: value for name, value in self.said[-1].items() if isinstance(value, int)}

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(json.loads(line))

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 1 << 20):
            self.bytes += data


@contextmanager
def helping(*options: str, read: bool = True) -> Iterator[Helper]:
    """A helper that has ended, whatever happens."""
    helper = Helper(*options, read=read)
    try:
        yield helper
    finally:
        if helper.process.poll() is None:
            helper.process.kill()
            helper.ended()


def wait_for(happened: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def gaps(tags: Sequence[Tag]) -> int:
    """Numbers missing between those of the tags and before them, over all CPUs."""
    of_cpu: dict[int, set[int]] = defaultdict(set)
    for tag in tags:
        assert tag.sequence not in of_cpu[tag.cpu]
        of_cpu[tag.cpu].add(tag.sequence)
    return sum(max(numbers) + 1 - len(numbers) for numbers in of_cpu.values())


def is_of(tag: Tag, data: bytes) -> bool:
    """Whether a tag may be of these bytes."""
    return tag.length == len(data) and (not tag.hashed or tag.crc == crc32(data[: tag.hashed]))


def cgroup_mount() -> Path:
    """Where the default hierarchy is mounted; RefusedError where it is not."""
    for line in Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return Path(line.split()[1])
    raise RefusedError("no cgroup2 is mounted")


@contextmanager
def cgroups(*names: str) -> Iterator[list[Path]]:
    """A cgroup of ours with others in it: the outer one first."""
    outer = cgroup_mount() / f"winnower-bpf-{os.getpid()}"
    made = [outer, *(outer / name for name in names)]
    try:
        for path in made:
            path.mkdir()
    except OSError as error:
        raise RefusedError(f"no cgroup can be made: {error}") from None
    try:
        yield made
    finally:
        for path in reversed(made):
            wait_for(lambda path=path: not (path / "cgroup.procs").read_text())  # type: ignore[misc]
            path.rmdir()


def only(cgroup: Path) -> tuple[str, str]:
    """The option that leaves everybody else's writes alone."""
    return "--cgroup", str(cgroup.stat().st_ino)


def writer(cgroup: Path | None, *arguments: str, unshared: bool = False) -> subprocess.Popen[bytes]:
    """One process of tags_bpf_writers.py, in a cgroup, and in a pid namespace of its own if asked."""
    command = [sys.executable, str(WRITERS), str(cgroup or ""), *arguments]
    if unshared:
        command = ["unshare", "--pid", "--fork", "--kill-child", *command]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)
