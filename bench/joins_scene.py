"""One stretch of load on one audited server, captured: audit log, access log, tags, and what is true of each line.

    capture = record(ledger, Plan("nginx", "full", concurrency=8, requests=2_000))

Rules of this file
    - auditd first, then rules, then the server: all that it opens is seen. The client is nobody's worker: not audited.
    - It ends when the client has its last answer, and all that was audited until then stands in the log.
    - The kernel must have lost nothing: a line whose records were lost says nothing of joining.

Invariant: what was started is in the ledger, and gone after it.
Source: testbed notes (one login uid for each worker).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, Literal

from joins_capture import About, Capture, Watcher, only
from joins_truth import agreed
from testbed.auditd import Auditd
from testbed.ledger import Ledger
from testbed.processes import wait_until
from testbed.servers import Kind, WebServer
from testbed.tagger import Reader, Tagger
from testbed.tell import TestbedError, run, say
from testbed.worker import in_worker

from agent.rules import RuleSet

Tags = Literal["none", "ebpf", "module", "companion"]
RULES: Final[tuple[RuleSet, ...]] = ("lean", "full")
AUID: Final = 5977
CLIENT: Final = Path(__file__).with_name("joins_client.py")
LONGEST: Final = 600.0
AFTER: Final = 0.5
"""Seconds after the last answer: a server logs after it has answered."""
SEED: Final = 7
TRIES: Final = 4
TAIL: Final = 1 << 20
OPENED: Final = re.compile(rb'name="/\S{1,200}/pages/([0-9a-f]{8})"')


class LossError(TestbedError):
    """Audit has lost records: what was captured says nothing of joining."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A server, the rule set, how many clients at once, how many requests; `tags`: who gives them;
    `agent`: `winnower agent` runs beside it;
    `pace`: seconds that each client waits before it asks."""

    server: Kind
    rules: RuleSet
    concurrency: int
    requests: int
    tags: Tags = "none"
    agent: bool = False
    pace: float = 0.0
    auid: int = AUID

    @property
    def ids(self) -> list[str]:
        """Eight hex digits each: no order, one length."""
        chance = Random(f"{SEED} {self.server} {self.concurrency}")
        return [f"{one:08x}" for one in chance.sample(range(1 << 32), self.requests)]


def rules_of(plan: Plan) -> list[str]:
    """The agent's rules for this worker, as auditctl takes them."""
    from live_agent import rules_for  # noqa: PLC0415  (it imports what needs half a minute in an emulated machine)

    return rules_for(plan.rules, plan.auid)


def recorded(ledger: Ledger, plan: Plan, rules: Sequence[str]) -> Capture:
    """As `record`, some times over where the machine was too busy for its audit daemon."""
    for left in reversed(range(TRIES)):
        try:
            return record(ledger, plan, rules)
        except LossError as error:
            if not left:
                raise
            say(f"{error}: once more")
    raise AssertionError


def record(ledger: Ledger, plan: Plan, rules: Sequence[str]) -> Capture:
    """Run it under these rules. `TestbedError` if the kernel lost records."""
    with ExitStack() as stack:
        auditd = stack.enter_context(Auditd(ledger))
        auditd.add_rules(rules)
        tagger = tags_of(ledger, plan, auditd.pid)
        if tagger is not None:
            stack.enter_context(tagger)
        agent = stack.enter_context(_agent(ledger, plan, auditd)) if plan.agent else None
        begin = auditd.log.stat().st_size
        server = stack.enter_context(
            WebServer(ledger, plan.server, ids=plan.ids, auid=plan.auid, clients=plan.concurrency)
        )
        watcher = Watcher(auditd.log, server.log, tagger.out if tagger is not None else None, began=begin)
        cpu, began = auditd.cpu_seconds(), time.monotonic()
        with watcher:
            asked = ask(server, plan)
            seconds = time.monotonic() - began
            time.sleep(AFTER)
            caught_up(auditd, plan.auid, begin)
        cpu = auditd.cpu_seconds() - cpu
        if auditd.lost():
            raise LossError(f"the kernel lost {auditd.lost()} records", "fewer clients, or a quieter machine")
        live = agent(plan.requests) if agent is not None else {}
        account = server.told.read_bytes().splitlines()
        place = server.told.stat()
    audit, logs, files = watcher.taken()
    truth = agreed(asked, account, counts_from=1 if plan.server == "nginx" else 0)
    about = About(plan.server, plan.rules, plan.concurrency, str(server.log), plan.server.partition("-")[0], files)
    about.widths = sorted({len(line) + 1 for line in account})
    about.seconds, about.cpu, about.tags = seconds, cpu, tagger.kind if tagger is not None else "none"
    about.agent = live
    if lost := unseen(audit, truth, whole=plan.rules == "full", size=len(logs[0].partition(b"\n")[0]) + 1):
        raise LossError(f"audit has lost what {lost} requests did", "fewer clients, or a quieter machine")
    tags, steps = b"", watcher.steps
    if tagger is not None:
        tags, steps = only(tagger.out.read_bytes(), steps, [*files, (place.st_dev, place.st_ino)])
    say(f"{plan.server}, rules {plan.rules}, {plan.concurrency} clients: {len(truth)} requests in {seconds:.1f} s")
    return Capture(about, audit, logs, tags, steps, truth)


def tags_of(ledger: Ledger, plan: Plan, auditd: int) -> Tagger | Reader | None:
    """Whoever gives tags; auditd's own log would be tagged too, and each record of it make another."""
    if plan.tags == "none":
        return None
    if plan.tags == "ebpf":
        return Tagger(ledger, ["--exclude", str(auditd)])
    return Reader(ledger, exclude=[auditd], companion=plan.tags == "companion")


@contextmanager
def _agent(ledger: Ledger, plan: Plan, auditd: Auditd) -> Iterator[Callable[[int], dict[str, int]]]:
    """`winnower agent`, as a function that waits for so many lines and says how they were joined."""
    from joins_agent import beside, lines  # noqa: PLC0415

    with beside(ledger, auditd.log, tags=plan.tags == "ebpf") as agent:
        yield partial(lines, agent)


def unseen(audit: bytes, truth: Collection[str], *, whole: bool, size: int) -> int:
    """Of how many requests the page's opening, or (`whole`) the line's write, is not in the log: uncounted losses.

    A daemon that is too slow is taken for dead by the kernel, which then prints records, and counts none as lost.
    """
    opened = set(OPENED.findall(audit))
    missing = sum(one.encode() not in opened for one in truth)
    written = len(re.findall(rb" syscall=1 success=yes exit=%d " % size, audit))
    return max(missing, len(truth) - written if whole else 0)


def ask(server: WebServer, plan: Plan) -> list[str]:
    """Let the client ask for all pages; its half of the truth."""
    out = server.folder / "asked.jsonl"
    argv = [sys.executable, str(CLIENT), str(server.port), str(plan.concurrency), str(SEED), str(out), str(plan.pace)]
    done = subprocess.run(
        argv, input="\n".join(plan.ids), text=True, capture_output=True, timeout=LONGEST, check=False
    )  # fmt: skip
    if done.returncode:
        raise TestbedError(f"the client failed: {done.stderr[-300:]}")
    return out.read_text("utf-8").splitlines()


def caught_up(auditd: Auditd, auid: int, begin: int) -> None:
    """Wait until the log has what happens now: the kernel's own queue may be empty long before the daemon's is.

    The daemon writes out every fifty records: what happens is said again and again.
    """
    word = f"joins-{os.getpid()}-{time.monotonic_ns()}"

    def there() -> bool:
        run(in_worker(auid, ["/bin/echo", word]))
        with auditd.log.open("rb") as log:
            log.seek(max(begin, auditd.log.stat().st_size - TAIL))
            return word.encode() in log.read()

    if not wait_until(there, LONGEST, every=0.1):
        raise TestbedError("auditd does not catch up")
