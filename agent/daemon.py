"""The live agent as a process: its parts put together, its threads, signals, reloading, the end.

Rules of this file
    - Threads: this one (the main loop), the sender, the listener, the health pages, two an engine, one that takes tags.
      They share the ledger, the words (under `Vocabulary.lock`), and nothing else.
    - SIGTERM and SIGINT: what has been read is cut, saved, and sent as far as it goes within `LAST`. SIGHUP: settings
      are read again; errors are logged, the last good settings stay.
    - A log that cannot be read now is tried again; any other error ends the process, loudly: a restart loses nothing.

Source: issue "live agent"; design section 1.
"""

from __future__ import annotations

import gc
import logging
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from types import FrameType
from typing import Final

from agent import figures
from agent.backoff import Backoff
from agent.budget import Budget
from agent.config import Config, Kafka
from agent.engines import Engines
from agent.epochs import Epoch
from agent.health import Figure, Figures, Health, Pages
from agent.http_connection import Connection, Place
from agent.http_link import HttpLink
from agent.identity import Identity, load
from agent.kernel_wire import KernelStatus
from agent.kubernetes import Pods
from agent.ledger import Ledger
from agent.link import Link
from agent.listener import Listener
from agent.logs import start_log
from agent.loop import Loop, Timing
from agent.publisher import Vocabulary
from agent.recovery import start
from agent.resident import resident
from agent.respond import Responder
from agent.rules_watch import RulesWatch
from agent.sender import Sender
from agent.tally import Tally
from agent.world import World
from grammar import InputError
from grammar.topics import Layout

LAST: Final = 3.0
"""Seconds that the sender gets at the end."""
WAIT: Final = 0.5
AGAIN: Final = 1.0
ENGINE: Final = 2.0

_log = logging.getLogger("agent.daemon")


@dataclass(slots=True)
class Hooks:
    """What the caller wants to be told: that the agent works, that it reads its settings again, that it ends."""

    ready: Callable[[], object] = lambda: None
    reloading: Callable[[], object] = lambda: None
    stopping: Callable[[], object] = lambda: None


class Daemon:
    """One agent; `source` reads its settings (again)."""

    def __init__(self, source: Callable[[], Config], hooks: Hooks | None = None) -> None:
        self.source, self.hooks = source, hooks or Hooks()
        self.config = config = source()
        start_log(config.log.level, config.log.form)
        folder = Path(config.state)
        self.identity = enrolled(folder, config)
        self.ledger = Ledger(folder, int(config.limits.spool), lambda: secrets.token_bytes(8), config.keep_sent)
        self.ledger.belongs_to(self.identity.signer.public)
        self.engines = Engines(config.engines.sockets)
        self.pods = Pods(config.engines.kubernetes, config.engines.node) if config.engines.kubernetes else None
        self.started = started = start(config, self.identity.name, self.ledger, folder)
        self.vocabulary = Vocabulary(started.memory.pipeline.epochs.lexicons)
        self.sender = self._sender()
        self.listener = self._listener()
        self.responder = self.listener.responder = Responder(
            config.respond, folder / "responses", started.containers.ident_of, config.engines.sockets
        )
        self.tally = Tally()
        self.rules = RulesWatch(config.capture.rules if config.capture.kernel else "any")
        self.world = World(
            folder,
            started.containers,
            started.instances,
            started.outside,
            self.listener.take,
            self.sender.wake,
            self._told,
            self._asked,
            config.capture.kernel,
        )
        self.loop = Loop(
            started.memory, started.source, self.ledger, self.world, lock=self.vocabulary.lock, logs=started.feeds
        )
        self._settle(config)
        self._stopping = self._reloading = False
        self._trouble = ""
        self._kernel = KernelStatus()

    def run(self) -> None:
        """Work until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signalled)
        if self.config.capture.source != "log":
            sys.setswitchinterval(0.0005)  # a dispatcher's queue overflows within some milliseconds
        health = self._health()
        self._begin()
        try:
            while not self._stopping and not self.loop.source.ended:
                self._turn()
        finally:
            self.hooks.stopping()
            self._end()
            if health is not None:
                health.stop()

    def _begin(self) -> None:
        self.engines.look()
        self.engines.ready(ENGINE)
        if self.pods is not None:
            self.pods.start()
        self.started.containers.attach(self.engines, self.pods)
        self.loop.begin()
        self.sender.start()
        self.responder.start()
        self.listener.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        _log.info("agent works", extra={"agent": self.identity.name, "epoch": self.loop.memory.number})
        self.hooks.ready()

    def _turn(self) -> None:
        if self._reloading:
            self._reloading = False
            self._reload()
        try:
            self.loop.step(WAIT)
            self._trouble = ""
        except InputError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _log.error("the audit log cannot be read", extra={"reason": self._trouble})
            time.sleep(AGAIN)

    def _end(self) -> None:
        self.loop.finish()
        until = time.monotonic() + LAST
        while self.ledger.depth.entries and not self.sender.state.failures and time.monotonic() < until:
            time.sleep(0.05)
        self.sender.stop()
        self.listener.stop()
        self.responder.stop()
        self.engines.stop()
        if self.pods is not None:
            self.pods.stop()
        self.started.instances.close()
        self.loop.source.close()
        self.started.feeds.close()
        _log.info("agent ends", extra={"epoch": self.loop.memory.number, "waiting": self.ledger.depth.entries})

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reloading = True
        else:
            self._stopping = True

    def _reload(self) -> None:
        self.hooks.reloading()
        try:
            config = self.source()
        except InputError as error:
            for line in str(error).splitlines():
                _log.error("settings not reloaded", extra={"error": line})
        else:
            self._settle(config)
            start_log(config.log.level, config.log.form)
            _log.info("settings reloaded")
        self.hooks.ready()

    def _settle(self, config: Config) -> None:
        """Go by these settings, as far as they can change; the epoch's length is the monitor's, if it has one."""
        self.config = config
        self.responder.change(config.respond)
        control = self.loop.memory.control.epoch_millis
        limits = config.limits
        self.loop.timing = Timing(
            epoch=(control or int(config.epochs.length)) / 1000,
            early=config.epochs.early / 1000,
            idle=config.epochs.idle / 1000,
            gather=config.epochs.gather / 1000,
            snapshot=limits.snapshot / 1000,
            snapshot_bytes=int(limits.snapshot_log),
            most_behind=int(limits.most_behind),
        )
        self.loop.budget = Budget(limits.cpu_percent, self.loop.budget.rested)

    def _told(self, epoch: Epoch) -> None:
        self.tally.add(epoch)
        self.engines.look()
        self.rules.look()

    def _asked(self, status: KernelStatus) -> None:
        self._kernel = status
        if self.started.tags is not None:
            self.started.tags.exclude(status.pid)

    def _sender(self) -> Sender:
        link = self._link()
        backoff = Backoff(SystemRandom().random)
        return Sender(self.ledger, link, self.identity.name, self.identity.signer, self.vocabulary, backoff)

    def _listener(self) -> Listener:
        link = self.sender.link if self.config.kafka is not None else self._link()
        return Listener(
            link,
            self.identity.signer,
            self.started.instances.answer,
            Backoff(SystemRandom().random),
            self.started.memory.control.revision,
            int(self.config.monitor.wait),
        )

    def _link(self) -> Link:
        config, identity = self.config, self.identity
        if config.kafka is not None:
            states = self.started.memory.pipeline.node.states
            return brokers(config.kafka, identity, lambda app: app in states)
        seconds = config.monitor.timeout / 1000
        return HttpLink(connection(config), identity.name, identity.signer, identity.monitor, seconds)

    def _health(self) -> Health | None:
        if not self.config.health.port:
            return None
        pages = Pages(lambda: {}, self._troubles, Figures(self._figures, self._sending))
        health = Health(self.config.health.host, self.config.health.port, pages)
        health.start()
        return health

    def _troubles(self) -> dict[str, str]:
        found = figures.troubles(self.ledger, self.sender)
        if self._trouble:
            found["log"] = self._trouble
        used, most = resident(), int(self.config.limits.memory)
        if used > most:
            found["memory"] = f"{used} bytes, more than {most}"
        if self.rules.trouble:
            found["rules"] = self.rules.trouble
        return found

    def _sending(self) -> Iterator[Figure]:
        return figures.sending(self.ledger, self.sender, self.listener)

    def _figures(self) -> Iterator[Figure]:
        yield from self.tally.figures(self.loop, self.world, self._kernel)
        lines = self.loop.memory.pipeline.node.logs
        if self.started.logs is not None and lines is not None:
            yield from figures.logs(self.started.logs, lines)
        if self.started.tags is not None:
            yield from self.started.tags.figures()
        for result, number in sorted(self.responder.counts.items()):
            told = {"result": result}
            yield Figure("winnower_agent_responses", "Orders about containers, by how they ended.", number, told)
        if self.world.police is not None:
            for what, number in self.world.police.counts.items():
                told = {"what": what}
                yield Figure(
                    "winnower_agent_policies", "Policies here: cut, looks into the store, found.", number, told
                )
        for status in self.engines.status():
            labels = {"engine": status.url}
            yield Figure("winnower_agent_engine_connected", "Whether the engine answers.", status.connected, labels)


def enrolled(folder: Path, config: Config) -> Identity:
    """The agent's identity; one that no monitor knows is an `InputError`."""
    identity = load(folder, config.name or hostname())
    if not identity.enrolled:
        hint = f"on the monitor: winnower monitor token {identity.name}; here: winnower agent enrol --config FILE"
        raise InputError("this agent is not enrolled", file=str(folder), hint=hint)
    return identity


def brokers(config: Kafka, identity: Identity, concerns: Callable[[str], bool] = lambda app: True) -> Link:
    """A link through Kafka; the library is an extra. Of all questions, those of applications that concern us come."""
    from agent.kafka_link import KafkaLink  # noqa: PLC0415
    from agent.kafka_link import Place as Brokers  # noqa: PLC0415

    layout = Layout(config.prefix, config.partitions, config.replication, config.min_insync)
    place = Brokers(config.servers, layout, config.client, int(config.timeout))
    return KafkaLink(place, identity.name, identity.monitor, concerns=concerns)


def hostname() -> str:
    """This machine's name, as an agent's name may be written."""
    from socket import gethostname  # noqa: PLC0415

    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in gethostname())[:63] or "agent"


def connection(config: Config) -> Connection:
    """A connection to the monitor over HTTP."""
    return Connection(Place.parse(config.monitor.url), config.tls.files, config.monitor.connect / 1000)
