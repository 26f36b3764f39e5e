"""A real Apache Kafka: one broker that is its own controller (KRaft), on free ports of the loopback.

    with KafkaBroker(ledger) as kafka:
        kafka.bootstrap; kafka.kill(); kafka.start()

Rules of this file
    - `KafkaNode` is the broker in a folder of the caller's (tests); `KafkaBroker` one that the ledger cleans up after.
    - The jars come from Maven Central by Maven, once, into `.testbed/`; Maven's own store of this fetch goes again.
    - Data, settings and output live in a temporary folder, so that `kill` and `start` find what was written before.
    - It is up when a client has been told of the cluster, not when a port is open.

Invariant: the ports stay the same for as long as the block lasts.
Source: Kafka's own start scripts (kafka.Kafka, kafka.tools.StorageTool), release 4.1.
"""

from __future__ import annotations

import base64
import importlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .kept import making
from .ledger import STATE, Entry, Facts, Ledger, undoes
from .processes import cpu_seconds, end, marked, rss_bytes, wait_until
from .tell import TestbedError, run, step

PORTS: Final = range(20_000, 32_000)

VERSION: Final = "4.1.0"
READY: Final = 60.0
STOPPED: Final = 20.0
HEAP: Final = "-Xmx512M"
# Half the CPU and half the seconds of a start; a broker that runs for hours would be better off without.
QUICK: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# The logger that fits the interface among Kafka's dependencies; its release scripts bring another one.
LOGGER: Final = "1.7.36"
POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>testbed</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{LOGGER}</version></dependency>
  </dependencies>
</project>
"""
# One broker cannot replicate; the first rebalance of a group need not wait for more members.
SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After kill -9 the controller refuses the broker until its old session has run out: 9 s if left alone.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
}


def jars(state: Path = STATE) -> Path:
    """The folder of Kafka's jars, fetched if this release is not there yet (46 files, 43 MB)."""
    folder = state / "kafka" / "libs"
    if fetched(state):
        return folder
    with step(f"fetching Apache Kafka {VERSION} with Maven"), making(state) as work:
        (work / "pom.xml").write_text(POM, "utf-8")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={work / 'libs'}"]
        run(["mvn", "-B", "-q", "-f", str(work / "pom.xml"), f"-Dmaven.repo.local={work / 'm2'}", *goal], timeout=600)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        (work / "libs").rename(folder)
    return folder


def fetched(state: Path = STATE) -> bool:
    """Whether the jars of this release are kept."""
    return (state / "kafka" / "libs" / f"kafka_2.13-{VERSION}.jar").exists()


class KafkaNode:
    """A broker that lives in `folder`: `bootstrap` for clients, `pid`, `start_seconds` of the last start.

    `libs` holds the jars; `settings` are added to the broker's own; `java` are options of its virtual machine.
    """

    def __init__(
        self, folder: Path, libs: Path, *, settings: Mapping[str, str] | None = None, java: Sequence[str] = QUICK
    ) -> None:
        self.folder, self.settings, self.java = folder, dict(settings or {}), tuple(java)
        self._libs = libs
        self.bootstrap = ""
        self.pid = 0
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Choose its ports and format a new storage."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "libs").symlink_to(self._libs)
        port, controller = _free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self._config.write_text(_properties(self.settings, self.folder / "data", port, controller), "utf-8")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}", "-c", str(self._config)]
        run([*self._java, *tool])

    def start(self) -> Self:
        """Start the broker on what is on its disk, and wait until it answers."""
        began = time.monotonic()
        with (self.folder / "broker.log").open("ab") as out:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.pid = process_id = self._process.pid
        process = self._process
        up = wait_until(lambda: process.poll() is not None or _answers(self.bootstrap), READY, every=0.2)
        if not up or process.poll() is not None:
            raise TestbedError(f"Kafka ({process_id}) does not answer: {self.last_words()}")
        self.start_seconds = time.monotonic() - began
        return self

    def kill(self) -> None:
        """kill -9: nothing is flushed, nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end and wait: a controlled shutdown; one that takes too long is ended."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOPPED)
            except subprocess.TimeoutExpired:
                self.kill()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers; `thaw` goes on."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        os.kill(self.pid, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """CPU seconds since its last start."""
        return cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Its resident memory."""
        return rss_bytes(self.pid)

    def last_words(self) -> str:
        """The end of what it printed: warnings and errors only."""
        return (self.folder / "broker.log").read_text("utf-8", "replace").strip()[-500:]

    @property
    def _config(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _java(self) -> list[str]:
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", HEAP, *self.java, quiet, "-cp", f"{self.folder}/libs/*"]


class KafkaBroker(KafkaNode):
    """The broker while the block runs, in a folder of the ledger's; its jars are fetched if need be."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        settings: Mapping[str, str] | None = None,
        java: Sequence[str] = QUICK,
        state: Path = STATE,
    ) -> None:
        super().__init__(Path(), Path(), settings=settings, java=java)
        self.ledger, self.state = ledger, state
        self._entries: list[Entry] = []

    def __enter__(self) -> Self:
        """Format a new storage and start; the broker answers."""
        self._libs = jars(self.state)
        self.folder = self.ledger.folder()
        self._entries.append(self.ledger.note("kafka", folder=str(self.folder)))
        with step("starting Kafka"):
            self.prepare()
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the broker; its data goes with the ledger's folder."""
        self.ledger.undo_all(self._entries)
        self._entries.clear()
        if self._process is not None:
            self._process.wait()


def _properties(settings: Mapping[str, str], data: Path, port: int, controller: int) -> str:
    place = {
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": str(data),
    }
    return "".join(f"{name}={value}\n" for name, value in {**SETTINGS, **settings, **place}.items())


def _free_ports(count: int) -> list[int]:
    """Ports that are free, below those that the kernel gives to clients.

    While a broker is down, a client that connects to its port may be given that very port (and meet itself), or another
    server may: then the broker cannot come back.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise TestbedError("no free ports", f"{PORTS.start} to {PORTS.stop - 1} are all in use")


def _answers(bootstrap: str) -> bool:
    """Whether a client is told of the cluster. The client library is imported only here: most runs have no Kafka."""
    try:
        kafka = importlib.import_module("kafka")
        failure: type[Exception] = importlib.import_module("kafka.errors").KafkaError
    except ImportError:
        raise TestbedError("kafka-python is not installed", "try: pip install 'winnower[kafka]'") from None
    host, _, port = bootstrap.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        client = kafka.KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    except (OSError, failure):
        return False
    try:
        return bool(client.describe_cluster()["brokers"])
    except failure:
        return False
    finally:
        client.close()


@undoes("kafka")
def _stop(facts: Facts) -> None:
    """End it at once: its data is going to be removed."""
    for process in marked(facts["folder"], "java"):
        end(process, grace=0.0)
