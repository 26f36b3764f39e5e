"""`make live`: a monitor, an agent on live auditd, two real containers, one attack; alert, trace, unit; no traces.

    python bench/live_demo.py [--transport http|kafka] [--set lean|full]

Rules of this file
    - Real all the way: Apache in containers, requests over HTTP, the kernel's audit records, the commands that users
      have. What is shortened for a demo is said.
    - Exit 0 only if the alert came with the request that it began with, with instances of the attacked container, if
      the request's line in the access log leads to the attacker's socket, and nothing is left on the machine.
      1 otherwise; 2 if it cannot be done here; 130 for ^C, which cleans up as well.
    - The lean rules audit no writes: whose line it is is known by the client's port, which the access logs name here.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final, cast

from live_monitor import WINNOWER, Told, Watch
from live_scene import APP, AUID, WORKER, Plan, Scene, Tail, by_policy
from testbed import packages
from testbed.ledger import Ledger, sweep
from testbed.leftovers import leftovers, look
from testbed.processes import wait_until
from testbed.tell import TestbedError, escaped
from testbed.traffic import Attack

MARK: Final = "dbus-helper"
NOVELTY: Final = "novelty"
# For a demo of a minute: the shipped settings want 40 s of activity, 20 s of it without news, epochs of 10 s.
SHORT: Final[Mapping[str, object]] = {"epoch": "2s", "novelty": {"settle_active": "6s", "settle_quiet": "4s"}}
SETTLING: Final = 90.0
LEAST: Final = 12.0
PATIENCE: Final = 10.0
WRITTEN: Final = 5.0
# Of a container's connections the last 512 are remembered for lines that time joins: under full load, of 0.3 s.
QUIET: Final = 3.0
# Lines that time joins wait for some seconds.
JOINED: Final = 8.0
# Whose trace is shown, if it came: the one that tells most first.
BEST: Final = ("read-then-send", "data-mover-connects", NOVELTY)


def demo(scene: Scene) -> bool:
    """Settle, attack, alert, trace; whether all of it came."""
    names = ", ".join(f"{one.name} ({one.address})" for one in scene.web.running)
    tell(f"containers of the application {APP}: {names}; worker: {WORKER}, rules: {scene.plan.rules}")
    through = f"Apache Kafka at {scene.brokers}" if scene.brokers else "HTTP, no broker"
    tell(f"auditd's log: {scene.auditd.log}; monitor: {scene.monitor.url}; transport: {through}")
    tell("harmless requests, until the application's behaviour has settled")
    print("      (shortened by settings: epochs of 2 s, settled after 6 s of activity with 4 s of nothing new)")
    took = scene.settle(SETTLING, LEAST)
    records = scene.agent.figure("winnower_agent_records_total")
    tell(f"settled after {took:.0f} s and {records:,.0f} audit records; now the attack on {scene.web.running[-1].name}")
    print("      one request: the look-up page runs a shell, which copies itself to /tmp and sends /etc/shadow away")
    print(f"      (after {QUIET:g} s of rest, so that the load's connections are not all that the worker remembers)")
    time.sleep(QUIET)
    tail = Tail(scene.auditd.log)
    with Watch(scene.monitor) as watch:
        struck = scene.strike(MARK)
        tell(f"{len(struck.stolen)} bytes stolen; waiting for alerts")
        alerts = watch.until(lambda found: NOVELTY in by_policy(found) and len(found) > 1, PATIENCE)
    if not alerts:
        tell("no alert came")
        return False
    return _show(scene, struck, alerts, scene.executed(tail, MARK))


def _show(scene: Scene, struck: Attack, alerts: list[Told], executed: float) -> bool:
    """Alerts with their latency, as the commands show them, the trace with instances, and the line of the log."""
    first = by_policy(alerts)
    for policy, told in first.items():
        ms = 1000 * (told.arrived - executed)
        print(f"      {policy}: {ms:.0f} ms after the system call (execve of /tmp/{MARK})")
    user = ["--url", scene.monitor.url, "--token-file", str(scene.monitor.token_file)]
    line = scene.logged(struck.container, MARK, WRITTEN)
    began = time.monotonic()
    wait_until(lambda: _leads_there(scene, line), JOINED)
    tell(f"the request's line in the access log leads to the socket {time.monotonic() - began:.1f} s after the alerts")
    said = _command("alerts", "--app", APP, *user)
    best = next((first[one] for one in BEST if one in first), alerts[0])
    node = str(cast("list[Mapping[str, object]]", best.alert["trace"])[-1]["node"])
    tell("where did it come from? The worker is asked for what really happened there")
    trace = _command("ancestors", node, "--instances", *user)
    tell("and from the other end: the line of the access log, what it came from and what came of it")
    told = [_command("trace-log", line, "--app", APP, *more, *user) for more in ((), ("--instances",))]
    lacking = unsaid(said, told, struck, scene.listener.port) + missing(
        scene.monitor.ask(f"/v1/ancestors/{node}", instances=1, format="json", deadline=5), struck
    )
    for one in lacking:
        tell(f"what was shown lacks {one}")
    if NOVELTY not in first:
        tell(f"policies have fired; {NOVELTY} has not within {PATIENCE:.0f} s")
    return bool(said and trace and all(told)) and not lacking


def _leads_there(scene: Scene, line: str) -> bool:
    """Whether the monitor knows by now what came of a line."""
    params = {"app": APP, "since": "", "until": "", "format": "json", "width": "100"}
    return f":{scene.listener.port}" in scene.monitor.remote.ask("/v1/trace-log", params, line, 10.0)


def unsaid(alerts: str, told: Sequence[str], struck: Attack, port: int) -> list[str]:
    """What alerts and traces of the line must say, and do not; what the width of a terminal has done is undone."""
    lacking = []
    unit = alerts.partition("the unit that it happened in")[2].split("\n")
    if not (len(unit) > 1 and f"/ {struck.container}" in unit[0] and "request: GET /cgi-bin/lookup?host=" in unit[1]):
        lacking.append("the request that the alert began with")
    for text, how in zip(told, ("trace-log", "trace-log --instances"), strict=True):
        lacking += [] if f":{port}" in "".join(text.split()) else [f"the attacker's socket in {how}"]
    return lacking


def missing(answer: Mapping[str, object], struck: Attack) -> list[str]:
    """What a trace with instances must have, and does not."""
    instances = cast("list[Mapping[str, object]]", answer["instances"])
    workers = cast("Mapping[str, Mapping[str, object]]", answer["workers"])
    processes = [one for one in instances if one["kind"] == "Process" and one["pid"]]
    programs = {str(one["label"]).rpartition(" ")[2] for one in processes}
    lacking = [f"an instance of {path}" for path in (f"/tmp/{MARK}", "/usr/sbin/apache2") if path not in programs]
    if not any(MARK in str(one["command"]) for one in processes):
        lacking.append("the attack's command line")
    if {(one["worker"], one["container"]) for one in processes} != {(WORKER, struck.container)}:
        lacking.append("instances of the attacked container alone")
    # The clock of records is coarse: a tick of the kernel's may lie between what is before and after.
    if not any(struck.sent - 0.02 <= float(cast("float", one["time"])) <= struck.arrived for one in processes):
        lacking.append("a process of the attack's time")
    if not workers.get(WORKER, {}).get("answered"):
        lacking.append(f"the answer of {WORKER}")
    return lacking


def _command(*words: str) -> str:
    """Run one of our commands as a user would; what it says, nothing if it failed."""
    print(f"\n$ winnower {escaped(shlex.join(words))}", flush=True)
    done = subprocess.run(
        [*WINNOWER, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    print(done.stdout, flush=True)
    return done.stdout if done.returncode == 0 else ""


def tell(line: str) -> None:
    """One step."""
    print(f"live: {escaped(line)}", flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="the live system on this machine, one attack, its alert and trace")
    parser.add_argument("--transport", choices=("http", "kafka", ""), default="http")
    parser.add_argument("--set", dest="rules", choices=("lean", "full"), default="lean", help="of audit rules")
    parser.add_argument("--auid", type=int, default=AUID, help="login uid of the containers: nothing else is audited")
    options = parser.parse_args(arguments)
    kafka = options.transport == "kafka"
    if os.geteuid() != 0:
        print("live: needs root (auditd, containers, login uids); try: sudo make live", file=sys.stderr)
        return 2
    plan = Plan(rules=options.rules, auid=options.auid, kafka=kafka, ports=True, monitor=SHORT)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        return _run(plan)
    except TestbedError as error:
        print(f"live: {error}", file=sys.stderr)
        return 2


def _run(plan: Plan) -> int:
    began = time.monotonic()
    packages.require("audit", "containers", "image", "load", *(["kafka"] if plan.kafka else []))
    sweep()
    before = look()
    found, interrupted = False, False
    try:
        with Ledger.begin() as ledger, Scene.begin(ledger, plan) as scene:
            found = demo(scene)
            tell("cleaning up")
    except KeyboardInterrupt:
        interrupted = True
        tell("interrupted; cleaned up")
    left = leftovers(before, look())
    print("\n".join(f"live: left behind: {escaped(line)}" for line in left) or "live: nothing is left behind")
    tell(f"{'done' if found else 'not done'} in {time.monotonic() - began:.0f} s")
    return 130 if interrupted else 0 if found and not left else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
