"""A real Apache Kafka for tests: one node, started from a folder of jars, killed and started again on the same data.

Rules of this file
    - It listens on two free ports of 127.0.0.1, keeps everything below the folder it is given, and is ended by its pid.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBS = Path(os.environ.get("WINNOWER_KAFKA_LIBS", ROOT / ".testbed" / "kafka" / "libs"))
MAIN, FORMAT = "kafka.Kafka", "kafka.tools.StorageTool"
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{control}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.cleaner.backoff.ms=500
"""


def missing() -> str:
    """Why there can be no broker here; nothing if there can."""
    if shutil.which("java") is None:
        return "no java here: a real Kafka is needed"
    if not any(LIBS.glob("kafka_2.*.jar")):
        return f"no jars of Kafka in {LIBS}: the testbed fetches them"
    with suppress(ImportError):
        __import__("kafka")
        return ""
    return "no Kafka client here: pip install 'winnower[kafka]'"


class Broker:
    """One node; `start` returns when it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.control = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._properties = folder / "server.properties"
        text = PROPERTIES.format(port=self.port, control=self.control, data=folder / "data")
        self._properties.write_text(text)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        self._java(FORMAT, "format", "--standalone", "-t", cluster, "-c", str(self._properties)).wait(60)

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> Broker:
        self._process = self._java(MAIN, str(self._properties))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self._process.poll() is None, f"Kafka does not start: {(self.folder / 'log').read_text()[-2000:]}"
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.2)
        pytest.fail("Kafka does not answer")

    def kill(self) -> None:
        """As the power of kill -9 does it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """It is there and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(20)
            self._process = None

    def _java(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            command = ["java", "-Xmx384M", "-Xms128M", "-XX:+UseSerialGC", "-cp", f"{LIBS}/*", name, *arguments]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
