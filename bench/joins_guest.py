"""The kernel module's part of the join table: a real server in an emulated machine, captured there and read here.

    python bench/joins_guest.py [--requests 200] [--clients 1,8] [--keep DIR]

Rules of this file
    - The guest sees this machine's files read-only (`lkm/boot`), runs the same scene as everybody else (`joins_scene`)
      with the module loaded, and sends each capture back over its second serial line, packed, in base64.
    - auditd, nginx and Python are this machine's; what is written there is in memory and ends with it.
    - Emulation is slow and without mercy to clocks: shares count here, no times.

Source: lkm/boot; issue "lkm" (join quality with the module).
"""

from __future__ import annotations

import argparse
import base64
import io
import shlex
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from joins_capture import Capture, load, save
from joins_scene import RULES, Plan, Tags, record, rules_of
from testbed.ledger import Ledger
from testbed.servers import KINDS, Kind
from testbed.tell import TestbedError, say

LKM: Final = Path(__file__).resolve().parents[1] / "lkm"
SERIAL: Final = Path("/dev/ttyS1")
MARK: Final = "CAPTURE "
LONGEST: Final = 420.0
MOST: Final = 64 << 20
WIDTH: Final = 4_000
PACE: Final = 0.5
"""Seconds between a client's requests: an emulated daemon writes some hundred records a second."""
# In the guest: /root is this machine's root with a layer of memory; logs lie on a file system of their own. A kernel
# that finds the daemon's socket full for half a second takes it for dead and loses records: so there is room in it.
JOB: Final = """
echo 33554432 > /proc/sys/net/core/rmem_max; echo 33554432 > /proc/sys/net/core/rmem_default
mount -t tmpfs -o size=300m none /root/var/tmp
insmod /files/winnower.ko || echo "RESULT insmod FAIL" > $R
mkdir -p /root/tmp/joins; cp /files/rules-* /root/tmp/joins/
chroot /root /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin {python} {script} --inside {words} && \\
  echo "RESULT captured ok" > $R || echo "RESULT captured FAIL" > $R
"""


def plans(options: argparse.Namespace) -> Iterator[Plan]:
    """What a guest captures."""
    tags: Tags = "companion" if options.companion else "module"
    for number in options.clients:
        for rules in RULES:
            yield Plan(options.server, rules, number, options.requests, tags, pace=PACE)


def captured(clients: Sequence[int], requests: int, *, companion: bool, server: Kind = "nginx") -> list[Capture]:
    """Boot a guest, let it capture, read what it sent."""
    sys.path.insert(0, str(LKM))
    from boot import suites  # type: ignore[import-not-found]  # noqa: PLC0415  (a program of its own, of lkm/)
    from boot.guest import Job, do  # type: ignore[import-not-found]  # noqa: PLC0415
    from boot.kernels import kernel  # type: ignore[import-not-found]  # noqa: PLC0415

    chosen = kernel("bookworm")
    words = ["--clients", ",".join(map(str, clients)), "--requests", str(requests), "--server", server]
    words += ["--companion"] if companion else []
    script = JOB.format(
        python=shlex.quote(sys.executable),
        script=shlex.quote(str(Path(__file__).resolve())),
        words=shlex.join(words),
    )
    with tempfile.TemporaryDirectory() as folder:
        files = {name: path for name, path in suites.programs(chosen).items() if name == "winnower.ko"}
        for which in RULES:
            path = files[f"rules-{which}"] = Path(folder) / f"rules-{which}"
            path.write_text("\n".join(rules_of(Plan(server, which, 1, 1))), "utf-8")
        said = do(Job(chosen, script, files, LONGEST, words="audit=1 no_timer_check", host=True))
    found = received(said.results)
    if not said.report.good or not found:
        raise TestbedError(f"the guest failed: {said.report.faults} {said.log[-2_000:]}")
    return found


def received(text: str) -> list[Capture]:
    """The captures in what a guest wrote to its serial line."""
    found: list[Capture] = []
    parts: list[str] = []
    for line in text.replace("\r", "").splitlines():
        if line.startswith(MARK):
            parts.append(line[len(MARK) :])
        elif parts:
            found.append(unpacked(base64.b64decode("".join(parts))))
            parts = []
    return found


def packed(capture: Capture) -> bytes:
    """A capture as one archive."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(save(capture, Path(folder), packed=True), arcname=".")
    return out.getvalue()


def unpacked(data: bytes) -> Capture:
    """What `packed` made."""
    if len(data) > MOST:
        raise TestbedError("a guest sent more than any capture is")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
        return load(Path(folder))


def inside(options: argparse.Namespace) -> int:
    """In the guest: capture and send."""
    with Ledger.begin(Path("/tmp/joins/state")) as ledger:
        for plan in plans(options):
            rules = Path(f"/tmp/joins/rules-{plan.rules}").read_text("utf-8").splitlines()
            text = base64.b64encode(packed(record(ledger, plan, rules))).decode("ascii")
            with SERIAL.open("w", encoding="ascii") as line:
                for at in range(0, len(text), WIDTH):
                    line.write(f"{MARK}{text[at : at + WIDTH]}\n")
                line.write("RESULT sent ok\n")
    return 0


def numbers(text: str) -> list[int]:
    """`1,8` as numbers."""
    return [int(one) for one in text.split(",")]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="captures of a server with the kernel module, in a guest")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=numbers, default=[1, 8])
    parser.add_argument("--server", choices=KINDS, default="nginx")
    parser.add_argument("--companion", action="store_true", help="with the record in the write's own audit event")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        return inside(options)
    try:
        found = captured(options.clients, options.requests, companion=options.companion, server=options.server)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 2
    for one in found:
        say(f"{one.name}: {len(one.truth)} lines, {len(one.tags) // 128} tags, {len(one.audit):,} bytes")
        if options.keep:
            with suppress(FileExistsError):
                save(one, options.keep / f"guest-{one.name}-{one.about.tags}".replace(" ", "-"), packed=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
