"""What a run has left on the machine: a look before, a look after, the difference.

    before = look(); ...; print(leftovers(before, look()))

Rules of this file
    - Looked at is what the testbed can touch at all, not only what it knows that it touched.
    - Processes count if an argument or their root file system names a folder of ours, files if they are in one;
      everything else counts whoever made it.
    - Where another engine's containers run, at either look, the kinds that it changes as well (`SHARED`) are not
      compared, and that is said: the difference would be theirs as likely as ours.
    - What went away that was there before is as wrong as what stayed.

Invariant: `leftovers(x, x)` is empty.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from . import firewall, kernel
from .ledger import PREFIX, STATE, TEMPORARY
from .processes import arguments, everyone, mounts, of_process, root_mount
from .tell import TestbedError, run, say

FOREIGN: Final = "foreign container"
MINDERS: Final = frozenset({"conmon", "containerd-shim", "containerd-shim-runc-v2"})
SHARED: Final = frozenset({"firewall", "netns mount", "network link", "network namespace", "cgroup", "trace"})
PATIENCE: Final = 60.0
Look = Mapping[str, frozenset[str]]


def look() -> Look:
    """The machine now, by kind. Under a second; what cannot be asked (no iptables) is an empty set."""
    return {kind: frozenset(ask()) for kind, ask in KINDS.items()}


def leftovers(before: Look, after: Look) -> list[str]:
    """One line for each thing that is there and was not (`+`), or was and is not (`-`)."""
    kinds = [kind for kind in KINDS if kind != FOREIGN]
    if before[FOREIGN] or after[FOREIGN]:
        say(f"another engine's containers are running: not compared are {', '.join(sorted(SHARED))}")
        kinds = [kind for kind in kinds if kind not in SHARED]
    return [
        f"{sign} {kind}: {name}"
        for kind in kinds
        for sign, more, less in (("+", after, before), ("-", before, after))
        for name in sorted(more[kind] - less[kind])
    ]


def left(before: Look, ours: Callable[[str], bool] = lambda line: True, seconds: float = PATIENCE) -> list[str]:
    """What is there now and was not before, after at most so many seconds, where others come and go beside it.

    What goes away by itself was another's, and so is what has gone meanwhile. What is left behind stays.
    """
    until = time.monotonic() + seconds
    while True:
        found = [one for one in leftovers(before, look()) if ours(one) and not _gone_bed(one)]
        if not found or time.monotonic() > until:
            return found
        time.sleep(1)


def _gone_bed(line: str) -> bool:
    """Whether it was part of another testbed that ended meanwhile: ours began after the first look."""
    return line.startswith("- ") and (line.startswith("- process") or PREFIX in line)


def _processes() -> Iterator[str]:
    for pid in everyone():
        words = arguments(pid)
        if words and (any(PREFIX in word for word in words) or PREFIX in root_mount(pid)):
            yield f"{of_process(pid)} {' '.join(words)[:200]}"


def _rules() -> Iterator[str]:
    try:
        yield from (line for line in run(["auditctl", "-l"]).splitlines() if line != "No rules")
    except TestbedError:
        return


def _settings() -> Iterator[str]:
    yield f"ip_forward {firewall.FORWARDING.read_text('utf-8').strip()}"
    try:
        now = kernel.status()
    except TestbedError:
        return
    yield from (f"audit {name} {getattr(now, name)}" for name in kernel.OPTIONS)
    yield f"audit pid {now.pid}"


def _tables() -> Iterator[str]:
    for table in firewall.TABLES:
        yield from (f"{table} {line}" for line in firewall.lines(table) if not line.startswith("-P "))


def _mounts() -> Iterator[str]:
    return (one for one in mounts() if PREFIX in one)


def _foreign() -> Iterator[str]:
    """Containers of others, by the process that minds each one (podman, containerd)."""
    for pid in everyone():
        words = arguments(pid)
        if words and Path(words[0]).name in MINDERS and not any(PREFIX in word for word in words):
            yield str(of_process(pid))


def _netns_mount() -> Iterator[str]:
    return (one for one in mounts() if one == str(firewall.NETNS))


def _names(*folders: Path) -> Callable[[], Iterator[str]]:
    """The names in these folders, those that begin with our prefix in the temporary ones."""

    def ask() -> Iterator[str]:
        for folder in folders:
            ours = f"{PREFIX}*" if folder in (TEMPORARY, Path(tempfile.gettempdir())) else "*"
            yield from (str(path) for path in folder.glob(ours))

    return ask


def _cgroups() -> Iterator[str]:
    depths = (f"*/{firewall.PARENT}", f"*/{firewall.PARENT}/libpod-*", firewall.PARENT, f"{firewall.PARENT}/libpod-*")
    return (str(path) for depth in depths for path in firewall.CGROUPS.glob(depth) if path.is_dir())


KINDS: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    FOREIGN: _foreign,
    "process": _processes,
    "audit rule": _rules,
    "setting": _settings,
    "firewall": _tables,
    "mount": _mounts,
    "netns mount": _netns_mount,
    "network link": _names(Path("/sys/class/net")),
    "network namespace": _names(Path("/run/netns")),
    "cgroup": _cgroups,
    "file": _names(TEMPORARY, Path(tempfile.gettempdir()), Path("/dev/shm"), Path("/etc/containers"), STATE / "run"),
    "trace": lambda: (str(path) for path in (*firewall.TRACES, *firewall.RUNC.glob("*")) if path.exists()),
}
