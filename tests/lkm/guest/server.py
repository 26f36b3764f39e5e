"""From end to end, in the guest: auditd, a real nginx, the module, the agent's own reader; each log line has its tag.

    chroot /root PYTHON tests/lkm/guest/server.py      # by lkm/boot, as root of a throw-away guest

Rules of this file
    - nginx says in each line which of its processes wrote it: what the tag must say is in the file itself.
    - The audit log is auditd's own file, read when it has come to rest; that it does is a check by itself: auditd's
      writes must not be told, or each would be audited and written and told again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from stage import LINES, PLACE, Result, auditd, nginx, requests, tell  # noqa: E402

from agent.tags import HASHED, Tag  # noqa: E402 - the checkout is not installed where this runs
from agent.tags_device import Device, Parameters  # noqa: E402
from agent.tags_source import TagReader  # noqa: E402

MODULE: Final = Path("/sys/module/winnower/parameters")
STATISTICS: Final = Path("/sys/class/misc/winnower")
RULE: Final = "-a always,exit -F arch=b64 -S write,writev,pwrite,pwritev -F exe=/usr/sbin/nginx"
STAMP: Final = re.compile(rb"^type=(\S+) msg=audit\(([0-9.]+:[0-9]+)\): (.*)$", re.M)
COMPANION: Final = re.compile(rb"winnower: load=(\d+) cpu=(\d+) seq=(\d+) .*? off=(\d+) len=(\d+) ")
CALL: Final = re.compile(rb" syscall=(\d+) success=(\w+) exit=(-?\d+) .*? pid=(\d+) ")


def _serve(result: Result) -> None:
    daemon = auditd()
    subprocess.run(["auditctl", *RULE.split()], check=True)
    reader = TagReader(Device(parameters=Parameters()))
    reader.channel.exclude([daemon.pid, os.getpid()])
    since = time.time_ns()
    (MODULE / "audit").write_text("Y")
    master = nginx()
    tags = list(_load(reader))
    (MODULE / "audit").write_text("N")
    log = _at_rest(PLACE / "audit.log", result)
    os.kill(master, signal.SIGQUIT)
    daemon.terminate()
    daemon.wait(10)
    tags += reader.poll()
    written = {(file.stat().st_dev, file.stat().st_ino): file.read_bytes() for file in PLACE.glob("access.log*")}
    lines = _lines(tags, written, result)
    _events(lines, log, result)
    own = [tag for tag in tags if tag.tgid in (daemon.pid, os.getpid()) and tag.nanos > since]
    result("feedback", not own, f"{len(own)} tags of auditd's and the reader's own writes")
    missed = int((STATISTICS / "missed").read_text())
    result("no_loss", not any(reader.loss.values()) and not missed, f"lost {dict(reader.loss)}, missed {missed}")
    reader.close()


def _load(reader: TagReader) -> Iterator[Tag]:
    """Requests; the log is rotated in their midst."""
    for _ in requests(rotate=LINES // 2):
        yield from reader.poll()
    time.sleep(0.3)
    yield from reader.poll()


def _at_rest(path: Path, result: Result) -> bytes:
    """The audit log when nothing is added to it any more."""
    sizes = [-1]
    for _ in range(40):
        time.sleep(0.25)
        sizes.append(path.stat().st_size)
        if sizes[-1] == sizes[-4:][0]:
            break
    result("audit_rests", sizes[-1] == sizes[-2], f"{sizes[-1]} bytes of audit log, then silence")
    return path.read_bytes()


def _lines(tags: list[Tag], written: dict[tuple[int, int], bytes], result: Result) -> list[Tag]:
    """The tag of each line, in as far as there is exactly one that says all that is so."""
    places: dict[tuple[int, int, int], list[Tag]] = {}
    for tag in tags:
        places.setdefault((os.makedev(tag.major, tag.minor), tag.inode, tag.offset), []).append(tag)
    found, wrong = list[Tag](), list[str]()
    for (device, inode), data in written.items():
        at = 0
        for line in data.splitlines(keepends=True):
            here = places.get((device, inode, at), [])
            at += len(line)
            if len(here) == 1 and _fits(here[0], line):
                found.append(here[0])
            else:
                wrong.append(f"{len(here)} tags of {line[:40]!r}")
    whole = len(found) == LINES and not wrong
    workers = len({tag.tgid for tag in found})
    detail = f"{len(found)} of {LINES} lines in {len(written)} files have their tag, {workers} processes"
    result("server_lines", whole and len(written) == 2, " ".join([detail, *wrong[:3]]))
    return found


def _fits(tag: Tag, line: bytes) -> bool:
    pid = int(line.split()[0])
    crc = zlib.crc32(line[:HASHED])
    return (tag.length, tag.crc, tag.tgid, tag.comm) == (len(line), crc, pid, b"nginx")


def _events(lines: list[Tag], log: bytes, result: Result) -> None:
    """Each line's tag stands in one event of the audit log, with the system call that wrote it."""
    companions: dict[tuple[int, int, int], bytes] = {}
    calls: dict[bytes, list[bytes]] = {}
    for kind, stamp, text in STAMP.findall(log):
        if kind == b"SYSCALL" and (call := CALL.search(b" " + text)):
            calls[stamp] = [call[1], call[2], call[3], call[4]]
        if found := COMPANION.search(text):
            companions[int(found[1]), int(found[2]), int(found[3])] = stamp
    joined = 0
    for tag in lines:
        stamp = companions.get((tag.load, tag.cpu, tag.sequence), b"")
        joined += calls.get(stamp) == [b"1", b"yes", b"%d" % tag.length, b"%d" % tag.tgid]
    detail = f"{joined} of {len(lines)} lines share timestamp:serial with the write(2) of their process"
    result("server_events", bool(lines) and joined == len(lines), detail)


if __name__ == "__main__":
    sys.exit(tell("server", _serve))
