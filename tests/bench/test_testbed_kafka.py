"""A real broker: what it has acknowledged is there after kill -9, and nothing of it after the block."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.kafka_broker import KafkaBroker
from testbed.ledger import Ledger
from testbed.leftovers import left, look
from testbed.ready import why_not


@pytest.fixture(autouse=True)
def machine() -> None:
    if reason := why_not("kafka"):
        pytest.skip(reason)


def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    kafka = pytest.importorskip("kafka")
    before = look()
    with Ledger.begin(tmp_path) as ledger, KafkaBroker(ledger) as up:
        producer = kafka.KafkaProducer(bootstrap_servers=up.bootstrap, compression_type="zstd")
        producer.send("t", b"kept").get(20)
        producer.close()
        up.kill()
        up.start()
        consumer = kafka.KafkaConsumer(
            "t", bootstrap_servers=up.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000
        )
        assert next(iter(consumer)).value == b"kept"
        consumer.close()
    assert left(before) == []
