"""All actions of a monitor: what the settings say, made and set to work, and how each of them does.

Rules of this file
    - `wake` never blocks and never fails. Settings are taken whole: if one action cannot be made (a secret that cannot
      be read), nothing changes, and an `InputError` says why.
    - An action that is changed or taken away keeps its position on the disk: when it comes back it goes on from there.

Complexity: one thread an action.
Source: issue "policies and questions" (actions: never a stalled monitor).
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Final, NamedTuple

from grammar import InputError
from monitor.action_exec import Program
from monitor.action_file import STDOUT, Lines, Output
from monitor.action_orders import Orders, Responses, Told
from monitor.action_position import position_folder
from monitor.action_sink import Sink
from monitor.action_syslog import Syslog
from monitor.action_thread import Runner, Table
from monitor.action_webhook import Webhook, secret_of, trusting
from monitor.config_actions import Acting, Action
from monitor.logs import log

PATIENCE: Final = 2.0
"""Seconds that an action gets to end what it does."""
SHOWN: Final = 100
"""Orders that the status shows."""


class Figure(NamedTuple):
    """Of an action: how many alerts came to which end."""

    action: str
    outcome: str
    number: int


class Actions:
    """The actions in force; `folder` holds what they remember, `table` opens the monitor's state for reading.

    `wake` (of the constructor) hears for which worker there is an order.
    """

    def __init__(
        self, folder: Path, table: Callable[[], Table], wake: Callable[[str], None] = lambda one: None
    ) -> None:
        self.folder, self.table = folder, table
        self.orders = Orders(position_folder(folder) / "orders", lambda: time.time_ns() // 1_000_000, wake)
        self._runners: dict[str, tuple[Action, Runner]] = {}
        self._started = False

    def change(self, acting: Acting, folder: Path) -> None:
        """Go by these settings (paths in them are relative to `folder`) from now on."""
        sinks = {name: self._sink(action, folder) for name, action in acting.actions.items()}
        old = self._stopped()
        self._runners = {
            name: (action, self._runner(name, action, sinks[name])) for name, action in acting.actions.items()
        }
        if self._started:
            self._begin()
        if old or self._runners:
            log("actions", names=sorted(self._runners), gone=sorted(old - self._runners.keys()))

    def start(self) -> None:
        """Begin."""
        self._started = True
        self._begin()

    def wake(self) -> None:
        """There are new alerts in the table."""
        for _, runner in self._runners.values():
            runner.wake()

    def stop(self) -> None:
        """End; what is not delivered stays in the table, and is delivered after the next start."""
        self._started = False
        self._stopped()
        self._runners = {}

    def status(self) -> dict[str, object]:
        """For JSON: every action, and the last orders."""
        return {
            "actions": [_status(name, action, runner) for name, (action, runner) in self._runners.items()],
            "orders": [_order(told) for told in self.orders.all()[-SHOWN:]],
        }

    def figures(self) -> Iterator[Figure]:
        """Counters; `delivered`, `failed` (tries), `refused`, `given_up`, `overflow`, `damaged`, `behind` (a gauge)."""
        for name, (_, runner) in list(self._runners.items()):
            for outcome, number in sorted(dict(runner.position.counts).items()):
                yield Figure(name, outcome, number)
            yield Figure(name, "behind", runner.health.behind)

    def _begin(self) -> None:
        for _, runner in self._runners.values():
            runner.start()

    def _stopped(self) -> set[str]:
        """Stop all that run; their names."""
        running = {name: runner for name, (_, runner) in self._runners.items()}
        for runner in running.values():
            runner.stop()
        until = time.monotonic() + PATIENCE
        for name, runner in running.items():
            if not runner.join(max(0.0, until - time.monotonic())):
                log("an action is still busy", "warning", action=name)
        return set(running)

    def _runner(self, name: str, action: Action, sink: Sink) -> Runner:
        path = self.folder / f"{name}.json"
        runner = Runner(name, action.filter(name), sink, path, self.table, action.queue, SystemRandom().random)
        with suppress(InputError):  # a state that cannot be read now: the action looks again
            runner.place()
        return runner

    def _sink(self, action: Action, folder: Path) -> Sink:
        """Where an action delivers; an `InputError` if what it needs is not there."""
        seconds = action.timeout / 1000
        if action.kind == "jsonl":
            if action.file == STDOUT:
                return Output(action.format)
            return Lines(folder / action.file, int(action.rotate), action.keep, action.format)
        if action.kind == "webhook":
            secret = secret_of(folder / action.secret_file) if action.secret_file else b""
            return Webhook(action.url, time.time, secret, seconds, action.format, self._tls(action, folder))
        if action.kind == "syslog":
            context = self._tls(action, folder)
            return Syslog(action.syslog, socket.gethostname(), os.getpid(), action.facility, seconds, context)
        if action.kind == "exec":
            return Program(action.command, seconds, action.tries)
        return Responses(self.orders, action.kind, int(action.within))

    def _tls(self, action: Action, folder: Path) -> ssl.SSLContext | None:
        if action.url.startswith("https:") or action.address.startswith("tls:"):
            return trusting(folder / action.authority if action.authority else None)
        return None


def _status(name: str, action: Action, runner: Runner) -> dict[str, object]:
    health = runner.health
    return {
        "name": name,
        "kind": action.kind,
        "state": "retrying" if health.failures else "working",
        "behind": health.behind,
        "failures": health.failures,
        "error": health.error,
        "position": runner.position.number,
        "counts": dict(runner.position.counts),
    }


def _order(told: Told) -> dict[str, object]:
    order, outcome = told.order, told.outcome
    return {
        "id": order.id.hex(),
        "worker": told.worker,
        "verb": order.verb,
        "container": order.container,
        "policy": order.policy,
        "alert": order.alert,
        "expires": order.expires / 1000,
        "result": outcome.result if outcome is not None else "waiting",
        "text": outcome.text if outcome is not None else "",
        "time": outcome.time / 1000 if outcome is not None else 0,
    }
