"""What podman and netavark leave when their last container is gone: chains, a mount, an empty cgroup, a few files.

Rules of this file
    - Recorded before the first network is made: what was there then stays. What other engines added since stays too:
      the general chains go only if no network of anybody is in them any more.
    - By name: only chains that begin with NETAVARK, and only rules that name one of them or our own subnet.

Source: netavark's firewall driver (chains NETAVARK_FORWARD, NETAVARK-HOSTPORT-*, one NETAVARK-<hash> per network).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .ledger import Entry, Facts, Ledger, undoes
from .processes import mounts
from .tell import TestbedError, run

TABLES: Final = ("filter", "nat")
FORWARD: Final = "NETAVARK_FORWARD"
NETNS: Final = Path("/run/netns")
FORWARDING: Final = Path("/proc/sys/net/ipv4/ip_forward")
CGROUPS: Final = Path("/sys/fs/cgroup")
PARENT: Final = "libpod_parent"
RUNC: Final = Path("/run/runc")
# Outside its store whatever podman is told: leases of addresses, what it knows of blobs, runc's folder. Deepest first.
TRACES: Final = (
    Path("/run/containers/networks/ipam.db"),
    Path("/run/containers/networks"),
    Path("/run/containers"),
    RUNC,
    Path("/var/lib/containers/cache/blob-info-cache-v1.boltdb"),
    Path("/var/lib/containers/cache"),
    Path("/var/lib/containers"),
)


def record(ledger: Ledger) -> Entry:
    """Note how the machine is before our first network."""
    return ledger.note(
        "firewall",
        chains=" ".join(f"{table}/{chain}" for table in TABLES for chain in chains(table)),
        forwarding=FORWARDING.read_text("utf-8").strip(),
        netns_mounted="yes" if str(NETNS) in mounts() else "",
        netns_there="yes" if NETNS.exists() else "",
        cgroup_there="yes" if list(_parents()) else "",
        files_there=" ".join(str(path) for path in TRACES if path.exists()),
    )


def lines(table: str) -> list[str]:
    """The rules of a table as iptables-save prints them, without counters; none if it cannot be asked."""
    try:
        saved = run(["iptables", "-t", table, "-S"])
    except TestbedError:
        return []
    return saved.splitlines()


def chains(table: str) -> list[str]:
    """netavark's chains of a table."""
    return [line.split()[1] for line in lines(table) if line.startswith("-N NETAVARK")]


def forget_subnet(subnet: str) -> None:
    """Remove the rules of one network that its engine no longer can: it was killed."""
    for table in TABLES:
        own = [line for line in lines(table) if subnet in shlex.split(line)]
        for line in own:
            _delete(table, line)
        for chain in {line.split()[-1] for line in own if line.split()[-1].startswith("NETAVARK-")}:
            run(["iptables", "-t", table, "-F", chain], fails=True)
            run(["iptables", "-t", table, "-X", chain], fails=True)


@undoes("firewall")
def _restore(facts: Facts) -> None:
    """Remove the general chains that were not there, if they serve nobody now, and the other traces."""
    if any(line.startswith(f"-A {FORWARD} ") for line in lines("filter")):
        return  # another engine's network is up: they are its chains now
    before = set(facts["chains"].split())
    for table in TABLES:
        ours = [chain for chain in chains(table) if f"{table}/{chain}" not in before]
        for line in [one for one in lines(table) if one.startswith("-A ") and set(ours) & set(one.split())]:
            _delete(table, line)
        for chain in ours:
            run(["iptables", "-t", table, "-X", chain], fails=True)
    if facts["forwarding"] == "0":
        FORWARDING.write_text("0", "utf-8")
    _restore_folders(facts)


def _restore_folders(facts: Facts) -> None:
    if not facts["netns_mounted"] and str(NETNS) in mounts() and not list(NETNS.iterdir()):
        run(["umount", str(NETNS)], fails=True)
    if not facts["netns_there"] and NETNS.exists() and not list(NETNS.iterdir()):
        NETNS.rmdir()
    for path in TRACES:
        if str(path) not in facts["files_there"].split() and path.exists():
            _remove_if_empty(path)
    if not facts["cgroup_there"]:
        for parent in _parents():
            remove_cgroups(parent)


def _remove_if_empty(path: Path) -> None:
    """A file that was not there before us; a folder only if nobody has put anything into it."""
    if path.is_file():
        path.unlink()
    elif not list(path.iterdir()):
        path.rmdir()


def remove_cgroups(folder: Path) -> None:
    """Remove a cgroup and those below it; one that still has processes stays."""
    for child in [path for path in folder.iterdir() if path.is_dir()]:
        remove_cgroups(child)
    try:
        folder.rmdir()
    except OSError:
        return


def _parents() -> Iterator[Path]:
    """podman's own cgroup, in every hierarchy of version 1, or in the one of version 2."""
    return (path for path in (*CGROUPS.glob(f"*/{PARENT}"), CGROUPS / PARENT) if path.is_dir())


def _delete(table: str, line: str) -> None:
    run(["iptables", "-t", table, "-D", *shlex.split(line)[1:]], fails=True)
