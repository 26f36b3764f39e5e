"""Processes that write lines which tell who wrote them: the truth that tags are held against.

    python bench/tags_bpf_writers.py CGROUP lines FILE THREADS LINES     every line by write, writev or pwrite, in turn
    python bench/tags_bpf_writers.py CGROUP paced FILE LINES RATE        lines of 40 bytes, RATE each second
    python bench/tags_bpf_writers.py CGROUP forms FILE                   one write of each form, each told on stdout
    python bench/tags_bpf_writers.py CGROUP chroot ROOT FILE             two writes to FILE below ROOT, without append

Rules of this file
    - CGROUP is a folder that the process enters first, or empty. Numbers as the host sees them come from the host's
      procfs, which a new pid namespace keeps until it is mounted anew.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path


def main(cgroup: str, what: str, *arguments: str) -> None:
    if cgroup:
        (Path(cgroup) / "cgroup.procs").write_text("0")
    ways: dict[str, Callable[..., None]] = {"lines": lines, "paced": paced, "forms": forms, "chroot": chrooted}
    ways[what](cgroup, *arguments)


def lines(cgroup: str, file: str, threads: str, count: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    crew = [threading.Thread(target=write_lines, args=(cgroup, descriptor, n, int(count))) for n in range(int(threads))]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()


def write_lines(cgroup: str, descriptor: int, thread: int, count: int) -> None:
    outside = str(Path("/proc/thread-self").readlink()).split("/")
    group = Path(cgroup).stat().st_ino if cgroup else 0
    space = Path("/proc/self/ns/pid").stat().st_ino
    who = f"{outside[0]} {outside[2]} {os.getpid()} {threading.get_native_id()} {space} {group} "
    for n in range(count):
        line = f"{who} {thread}.{n} ".encode() + b"x" * (n * 7 % 400) + b"\n"
        if n % 3 == 0:
            os.write(descriptor, line)
        elif n % 3 == 1:
            os.writev(descriptor, [line[:5], b"", line[5:]])
        else:
            os.pwrite(descriptor, line, 0)  # open for appending: Linux appends


def paced(cgroup: str, file: str, count: str, rate: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    begun = time.monotonic()
    for n in range(int(count)):
        if n % 100 == 0 and (ahead := n / int(rate) - (time.monotonic() - begun)) > 0:
            time.sleep(ahead)
        os.write(descriptor, b"%039d\n" % n)


def forms(cgroup: str, file: str) -> None:
    append = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    plain, again = os.open(file, os.O_WRONLY), os.dup(append)
    end = -1
    told(file, end, b"one", lambda data: os.write(append, data))
    told(file, end, b"two" * 200, lambda data: os.write(again, data))
    told(file, end, b"a" + b"b" * 300 + b"c", lambda data: os.writev(append, [data[:1], b"", data[1:301], data[301:]]))
    told(file, end, b"0123456789" * 4, lambda data: os.writev(append, [data[n : n + 2] for n in range(0, 40, 2)]))
    told(file, end, b"z" * 100, lambda data: os.writev(append, [b"z"] * 100))
    os.write(append, b"")
    told(file, 0, b"plain", lambda data: os.write(plain, data))
    told(file, 11, b"placed", lambda data: os.pwrite(plain, data, 11))
    told(file, 1 << 33, b"placed2", lambda data: os.pwritev(plain, [data[:3], data[3:]], 1 << 33))
    told(file, end, b"appended", lambda data: os.pwritev(plain, [data], 0, os.RWF_APPEND))
    told(file, end, b"not there", lambda data: os.pwrite(append, data, 5))


def told(file: str, place: int, data: bytes, write: Callable[[bytes], int]) -> None:
    """Times before and after, the place (the file's end if below 0), the bytes."""
    size = Path(file).stat().st_size
    begun = time.time_ns()
    write(data)
    print(begun, time.time_ns(), size if place < 0 else place, data.hex(), flush=True)


def chrooted(cgroup: str, root: str, file: str) -> None:
    os.chroot(root)
    os.chdir("/")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, b"inside one\n")
    os.write(descriptor, b"inside two\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
