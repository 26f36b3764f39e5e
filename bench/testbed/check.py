"""Brings the whole testbed up, uses each part once, takes it down and says what is left: nothing.

    python bench/testbed/check.py [--kafka] [--seconds 3] [--auid 5001]

Rules of this file
    - Exit 0: everything worked and nothing is left. Exit 1: something is left, named. Exit 2: something did not work.
    - What is shown was measured in this run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

# As a script this folder comes first in the path, where no package is called `testbed`.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from testbed import packages
from testbed.auditd import Auditd
from testbed.containers import Containers
from testbed.kafka_broker import KafkaBroker
from testbed.ledger import Ledger, sweep
from testbed.leftovers import leftovers, look
from testbed.rules import rules
from testbed.tell import TestbedError, escaped
from testbed.traffic import Listener, attack, load, look_up
from testbed.worker import login_uid


def use(ledger: Ledger, stack: ExitStack, options: argparse.Namespace) -> None:
    """auditd and two containers: a request as it is meant, the attack, load; what the log has of them."""
    auditd = stack.enter_context(Auditd(ledger))
    web = stack.enter_context(Containers(ledger, auid=options.auid))
    one = web.running[0]
    print(f"containers: {', '.join(f'{c.name} {c.address}' for c in web.running)}; login uid {login_uid(one.pid)}")
    quiet = load(web.running, seconds=options.seconds)
    auditd.add_rules(rules(options.auid, transfers=True))
    print(f"look-up: {escaped(look_up(one).decode('utf-8', 'replace').strip())}")
    with Listener(web.gateway) as listener:
        struck = attack(one, listener)
    print(f"attack: {len(struck.stolen)} bytes stolen {1000 * (struck.arrived - struck.sent):.0f} ms after the request")
    _under_load(auditd, web, quiet[0].rate + quiet[1].rate, options.seconds)


def _under_load(auditd: Auditd, web: Containers, quiet: float, seconds: float) -> None:
    """Requests and records per second while everything is audited."""
    before, cpu, began = _records(auditd), auditd.cpu_seconds(), time.monotonic()
    rows = load(web.running, seconds=seconds)
    settled = auditd.settle()
    took = time.monotonic() - began
    records, cost = _records(auditd) - before, auditd.cpu_seconds() - cpu
    rate = sum(row.rate for row in rows)
    print(f"load: {quiet:,.0f} requests/s without rules, {rate:,.0f} with; {sum(row.failed for row in rows)} failed")
    print(f"audit: {records / took:,.0f} records/s, auditd {cost / took:.0%} of a core, {auditd.lost()} records lost")
    if not records or not settled:
        raise TestbedError("the load is not in the audit log")


def _records(auditd: Auditd) -> int:
    return sum(path.read_bytes().count(b"\n") for path in auditd.log_files())


def use_kafka(ledger: Ledger, stack: ExitStack) -> None:
    """One broker, killed and started again on its data."""
    kafka = stack.enter_context(KafkaBroker(ledger))
    first = kafka.start_seconds
    kafka.kill()
    kafka.start()
    memory = kafka.rss_bytes() / 1e6
    print(
        f"kafka: {kafka.bootstrap}, up in {first:.1f} s, after kill -9 in {kafka.start_seconds:.1f} s, {memory:.0f} MB"
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="bring the testbed up, use it, take it down, show what is left")
    parser.add_argument("--kafka", action="store_true", help="a broker as well")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load")
    parser.add_argument("--auid", type=int, default=5001, help="login uid of the containers")
    options = parser.parse_args(arguments)
    try:
        packages.require("audit", "containers", "image", "load", *(["kafka"] if options.kafka else []))
        sweep()
        before = look()
        with Ledger.begin() as ledger, ExitStack() as stack:
            use(ledger, stack, options)
            if options.kafka:
                use_kafka(ledger, stack)
            began = time.monotonic()
        print(f"taken down in {time.monotonic() - began:.1f} s")
        left = leftovers(before, look())
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 2
    print("\n".join(left) or "nothing is left")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
