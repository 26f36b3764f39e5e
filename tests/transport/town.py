"""One town, two transports: real monitors, real agents' ledgers and senders, over HTTP or through a real Kafka.

Rules of this file
    - A playbook says what agents show and what fails; it does not know the transport. What it compares is the model's
      bytes with those of a monitor that was told everything at once.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import uvicorn

from agent.backoff import Backoff
from agent.entry import Entry, entries_of
from agent.epochs import Epoch
from agent.http_connection import Connection
from agent.http_connection import Place as HttpPlace
from agent.http_link import HttpLink
from agent.kafka_link import KafkaLink, Place
from agent.ledger import Ledger
from agent.link import Link, LinkError
from agent.publisher import Vocabulary
from agent.sender import IDLE, Sender
from grammar import Delta, Envelope, Lexicon, Sighting, State, Transition, encode_delta, encode_model
from grammar.control import Enrol
from grammar.signing import Signer
from monitor.actions import Actions
from monitor.agents_api import AgentsApi
from monitor.api import Api
from monitor.kafka_client import Cluster
from monitor.kafka_feed import KafkaFeed
from monitor.kafka_publish import Pace
from monitor.kafka_service import ServiceCore, connect
from monitor.metrics import Metrics
from monitor.monitor import Monitor
from monitor.service import Service
from monitor.store import Store
from monitor.users_api import UsersApi
from monitor.web import Budget

MONITOR = Signer(b"m" * 32)
SH = State("Process sh /bin/sh")


def until(what: Callable[[], bool], seconds: float = 30.0, why: str = "") -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"never happened: {why}"
        time.sleep(0.02)


def wrote(path: str) -> Transition:
    return Transition(State(f"File {path}"), "WAS_GENERATED_BY", "write", SH)


class Post:
    """A monitor: its service, and what connects it."""

    def __init__(self, folder: Path) -> None:
        self.service = Service(Monitor(Store(folder, create=True, live=True)))
        self.folder = folder

    def begin(self) -> None:
        self.service.start()

    def end(self) -> None:
        self.service.stop()

    def enrol(self, name: str, public: bytes) -> None:
        service = self.service

        def enrol() -> None:
            with service.store.transaction():
                token = service.register.issue(name, service.wall(), secrets.token_bytes)
                asked = Enrol(name, public, token.id, bytes(32))
                proven = Enrol(name, public, token.id, token.proof("agent", asked.proven))
                service.register.enrol(proven, service.wall(), MONITOR.public)
                service.monitor.start_anew(name)
            service.register.load()
            service.on_roster(name)

        service.call(enrol).result(60)

    def model(self, app: str) -> bytes:
        def model() -> bytes:
            apps = self.service.monitor.apps
            return encode_model(apps[app].model) if app in apps else b""

        return self.service.call(model).result(60)

    def applied(self) -> list[tuple[int, str, str, bytes, int]]:
        return self.service.call(self.service.store.journal).result(60)


class HttpPost(Post):
    """Over HTTP, on a port of its own that stays the same when it comes back."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        metrics = Metrics(self.service)
        agents = AgentsApi(self.service, MONITOR, metrics, Budget(64 << 20, 8 << 20), slow=10.0, wait=5.0)
        self.api = agents
        app = Api(agents, UsersApi(agents, b"token", Actions(folder / "actions", lambda: Store(folder))))
        self.server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def begin(self) -> None:
        super().begin()
        self.thread.start()
        until(lambda: self.server.started, why="a server")

    def end(self) -> None:
        self.api.stop()
        self.server.should_exit = True
        self.thread.join(10)
        super().end()


class KafkaPost(Post):
    """Through Kafka."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        core = ServiceCore(self.service, lambda worker, reply: None)
        self.feed = KafkaFeed(cluster, MONITOR, core, folder, Pace(0.3, 0.5))
        connect(self.service, self.feed)

    def begin(self) -> None:
        super().begin()
        self.feed.start()

    def end(self) -> None:
        self.feed.stop(8.0)
        super().end()


class Worker:
    """An agent from its ledger on; time goes on by what the sender waits, but really only a little."""

    def __init__(self, name: str, folder: Path, link: Callable[[Worker], Link]) -> None:
        self.name, self.folder, self.signer = name, folder, Signer(name.encode().ljust(32, b"."))
        self.link, self.number = link(self), 0
        self.shown: list[tuple[str, int, Delta]] = []
        self.begin()

    def begin(self) -> None:
        self.ledger = Ledger(self.folder, 1 << 24, lambda: b"session1")
        chance = random.Random(7)
        vocabulary = Vocabulary({})
        self.sender = Sender(self.ledger, self.link, self.name, self.signer, vocabulary, Backoff(chance.random))

    def restart(self) -> None:
        self.ledger.close()
        self.begin()

    def show(self, app: str, *paths: str) -> None:
        start = 1_000 * self.number
        self.number += 1
        made = tuple(wrote(path) for path in paths)
        delta = Delta((Sighting(f"{app}-{self.name}", made),), {SH: "sh -c x"})
        self.shown.append((app, start, delta))
        self.ledger.cut(entries_of(Epoch(start, 1_000, 1, 1, 1, 1, 1, 1, {}, (), {app: delta}, 0.0)), b"")

    def beat(self) -> None:
        self.ledger.cut([Entry(1_000 * self.number, 1_000, 1, {"late": 1}, active=((f"web-{self.name}", 2),))], b"")
        self.number += 1

    def go(self, seconds: float = 30.0) -> None:
        """Send until there is nothing left."""
        end = time.monotonic() + seconds
        while True:
            wait = self.sender.step()
            if wait == IDLE and self.ledger.upcoming() is None:
                return
            assert time.monotonic() < end, f"not delivered: {self.sender.state}"
            time.sleep(min(wait, 0.1))

    def tries(self) -> bool:
        """One step; whether the monitor took something, or there was nothing."""
        return self.sender.step() in (0.0, IDLE)


class Town:
    """Monitors and workers of one test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.posts: dict[str, Post] = {}
        self.workers: list[Worker] = []
        self.told = 0

    def make(self, name: str) -> Post:
        raise NotImplementedError

    def link(self, worker: Worker) -> Link:
        raise NotImplementedError

    def listen(self, worker: Worker) -> None:
        """What the agent's listener does."""

    def monitor(self, name: str = "m1") -> Post:
        post = self.posts[name] = self.make(name)
        post.begin()
        self.stack.callback(self.end, name)
        return post

    def end(self, name: str) -> None:
        post = self.posts.pop(name, None)
        if post is not None:
            post.end()

    def worker(self, name: str) -> Worker:
        worker = Worker(name, self.folder / name, self.link)
        self.stack.callback(worker.link.close)
        self.listen(worker)
        next(iter(self.posts.values())).enrol(name, worker.signer.public)
        for post in self.posts.values():
            until(lambda post=post: name in post.service.register.by_name, why=f"{name} on the roster")
        self.workers.append(worker)
        return worker

    def whole(self, app: str) -> bytes:
        """The model of everything that was shown, told at once to a monitor without a network."""
        self.told += 1
        monitor = Monitor(Store(self.folder / f"whole{self.told}", create=True))
        shown = [
            Envelope(worker.name, b"s", number, start, 1_000, 1, {}, ((name, encode_delta(delta, Lexicon())),), (), b"")
            for worker in self.workers
            for number, (name, start, delta) in enumerate(worker.shown)
        ]
        monitor.receive_many(shown, strict=False)
        model = encode_model(monitor.apps[app].model)
        monitor.store.close()
        return model


class HttpTown(Town):
    """Every agent speaks to the one monitor."""

    def __init__(self, folder: Path, stack: ExitStack, port: int) -> None:
        super().__init__(folder, stack)
        self.port = port

    def make(self, name: str) -> Post:
        return HttpPost(self.folder / name, self.port)

    def link(self, worker: Worker) -> Link:
        place = HttpPlace.parse(f"http://127.0.0.1:{self.port}")
        return HttpLink(Connection(place), worker.name, worker.signer, MONITOR.public, seconds=5.0)


class KafkaTown(Town):
    """Through one broker."""

    def __init__(self, folder: Path, stack: ExitStack, cluster_of: Callable[[str], Cluster]) -> None:
        super().__init__(folder, stack)
        self.cluster_of = cluster_of

    def make(self, name: str) -> Post:
        return KafkaPost(self.folder / name, self.cluster_of(name))

    def link(self, worker: Worker) -> Link:
        cluster = self.cluster_of("any")
        place = Place(cluster.servers, cluster.layout, timeout_millis=5_000)
        return KafkaLink(place, worker.name, MONITOR.public)

    def listen(self, worker: Worker) -> None:
        stopping = threading.Event()

        def listen() -> None:
            while not stopping.is_set():
                with suppress(LinkError):
                    worker.link.listen(1 << 40, 500)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        self.stack.callback(thread.join, 5)
        self.stack.callback(stopping.set)
