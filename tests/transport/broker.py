"""The testbed's Kafka for tests: one node in a folder of theirs, killed and started again on the same data."""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from testbed.kafka_broker import KafkaNode

ROOT = Path(__file__).resolve().parents[2]
LIBS = Path(os.environ.get("WINNOWER_KAFKA_LIBS", ROOT / ".testbed" / "kafka" / "libs"))
SETTINGS: Final = {
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "2",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    "log.cleaner.backoff.ms": "500",
}


def missing() -> str:
    """Why there can be no broker here; nothing if there can."""
    if shutil.which("java") is None:
        return "no java here: a real Kafka is needed"
    if not any(LIBS.glob("kafka_2.*.jar")):
        return f"no jars of Kafka in {LIBS}: python bench/testbed/check.py --kafka fetches them"
    with suppress(ImportError):
        __import__("kafka")
        return ""
    return "no Kafka client here: pip install 'winnower[kafka]'"


class Broker(KafkaNode):
    """One node; `start` returns when it answers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LIBS, settings=SETTINGS)
        self.prepare()

    @property
    def server(self) -> str:
        return self.bootstrap


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
