"""Which share of log lines is joined exactly, by time, audited writes, the kernel's tags: live nginx and Apache.

    python bench/joins.py [--clients 1,8,32] [--requests 3000] [--server KIND]... [--keep DIR] [--guest KIND] [--agent]
    python bench/joins.py --from DIR            # what was kept, read again: the same table, no root

Rules of this file
    - Each server runs twice for each number of clients: under the lean rules (no writes audited) and the full ones.
      What was captured is read by the agent's own pipeline, once for each method; all peers of a table are of one run.
    - The truth is the client's and the server's (`joins_truth`); the log that the agent reads names no client's port,
      and all of its lines have one length: nothing but who wrote which bytes tells them apart.
    - `--guest` adds the kernel module, in an emulated machine (`joins_guest`); `--agent` runs `winnower agent` itself
      beside each capture and compares its figures with the pipeline's.
    - Exit 1 if one line is joined with a process or unit that did not write it.

Source: issue "lkm" (join quality on a live nginx and Apache).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Final

from joins_capture import Capture, load, save
from joins_table import joins, kernel, live, rows
from testbed import packages
from testbed.ledger import Ledger
from testbed.servers import KINDS
from testbed.tagger import why_no_tags
from testbed.tell import TestbedError, say

GUEST_CLIENTS: Final = (8,)
GUEST_REQUESTS: Final = 160
NEEDS: Final = {"nginx": ("nginx", "nginx-light"), "apache2": ("apache2", "apache2-bin")}


def captures(options: argparse.Namespace) -> list[Capture]:
    """Live ones, or those that were kept."""
    if options.source:
        return [load(path.parent) for path in sorted(options.source.glob("*/recording.json"))]
    packages.FEATURES.setdefault("servers", dict(NEEDS.values()))
    packages.require("audit", "servers")
    found = []
    for one in chain(native(options), guests(options)):
        found.append(one)
        if options.keep:
            save(one, options.keep / f"{one.name} {one.about.tags}".replace(",", "").replace(" ", "-"), packed=True)
    return found


def native(options: argparse.Namespace) -> Iterator[Capture]:
    """On this machine, with the eBPF helper if there is one."""
    from joins_scene import RULES, Plan, recorded, rules_of  # noqa: PLC0415  (needs a testbed; reading again does not)

    if why := why_no_tags():
        say(f"no tags: {why}")
    with Ledger.begin() as ledger:
        for server, clients, rules in product(options.server or KINDS, options.clients, RULES):
            plan = Plan(server, rules, clients, options.requests, "none" if why else "ebpf", agent=options.agent)
            yield recorded(ledger, plan, rules_of(plan))


def guests(options: argparse.Namespace) -> Iterator[Capture]:
    """In emulated machines, with the module; without and with companion records."""
    from joins_guest import captured  # noqa: PLC0415

    for server, companion in product(options.guest or (), (False, True)):
        yield from captured(GUEST_CLIENTS, GUEST_REQUESTS, companion=companion, server=server)


def numbers(text: str) -> list[int]:
    """`1,8,32` as numbers."""
    return [int(one) for one in text.split(",")]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="share of log lines joined exactly, by method")
    parser.add_argument("--clients", type=numbers, default=[1, 8, 32], help="how many at once, one run each")
    parser.add_argument("--requests", type=int, default=3_000)
    parser.add_argument("--server", action="append", choices=KINDS)
    parser.add_argument("--agent", action="store_true", help="run `winnower agent` beside, and compare")
    parser.add_argument("--guest", action="append", choices=KINDS, help="this server in a guest with the module, too")
    parser.add_argument("--keep", type=Path, help="keep the captures in this folder")
    parser.add_argument("--from", dest="source", type=Path, help="read kept captures instead of running servers")
    options = parser.parse_args(arguments)
    try:
        found = captures(options)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 2
    read = list(rows(found))
    for title, lines in (
        ("How lines were joined", joins(read)),
        ("Tags against the truth, before the agent", kernel(found)),
        ("A live agent beside the pipeline, on the same bytes", live(read)),
    ):
        if lines:
            print(f"\n{title}\n\n" + "\n".join(lines))
    wrong = [f"{row.capture.name}, {row.method.name}: {one}" for row in read for one in row.verdict.examples]
    for one in wrong[:20]:
        print(f"wrong: {one}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
