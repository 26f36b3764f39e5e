"""The scale bench through Kafka: a connection for each agent's envelopes and one for its orders, as agents have them.

Rules of this file
    - The wire is the client library's (its encoder and decoder), the sockets are asyncio's: a thousand of its producers
      are a thousand threads. One record a request, idempotent, `acks` of all replicas: what `agent.kafka_link` does.
    - Listening is a fetch of control and words from their ends on, which the broker holds for five seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress

from kafka.errors import for_code
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest
from kafka.record.memory_records import MemoryRecordsBuilder

from agent.kafka_link import KafkaLink, Place
from agent.link import LinkError, lane_per_app
from grammar import Revision
from grammar.signing import Signer
from grammar.topics import Layout, key

WAIT = 5_000


class Connection:
    """One connection to the broker: a request, its answer."""

    def __init__(self, server: str, name: str) -> None:
        self.server, self.protocol = server, KafkaProtocol(client_id=name)
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.up = self.down = 0

    async def ask(self, request: object) -> object:
        """The answer to a request."""
        if self.reader is None or self.writer is None:
            host, _, port = self.server.partition(":")
            self.reader, self.writer = await asyncio.open_connection(host, int(port))
        self.protocol.send_request(request)
        data = self.protocol.send_bytes()
        self.writer.write(data)
        self.up += len(data)
        while True:
            data = await self.reader.read(1 << 16)
            assert data, "the broker has closed the connection"
            self.down += len(data)
            for _, response in self.protocol.receive_bytes(data):
                return response

    def close(self) -> None:
        """Enough."""
        if self.writer is not None:
            self.writer.close()


class Producer:
    """One agent's writer."""

    def __init__(self, server: str, name: str) -> None:
        self.link = Connection(server, name)
        self.ident = -1
        self.numbers: Counter[tuple[str, int]] = Counter()

    async def send(self, topic: str, partition: int, name: bytes, value: bytes) -> tuple[int, int]:
        """One record, until it is acknowledged; gives bytes up and down."""
        if self.ident < 0:
            found = await self.link.ask(InitProducerIdRequest[4](transactional_id=None, transaction_timeout_ms=10_000))
            self.ident = found.producer_id  # type: ignore[attr-defined]
        up, down = self.link.up, self.link.down
        number = self.numbers[topic, partition]
        built = MemoryRecordsBuilder(2, 0, 1 << 24, producer_id=self.ident, producer_epoch=0, base_sequence=number)
        built.append(0, name, value)
        built.close()
        kind = ProduceRequest.TopicProduceData
        part = kind.PartitionProduceData(index=partition, records=built.buffer())
        data = [kind(name=topic, partition_data=[part])]
        response = await self.link.ask(ProduceRequest[9](None, -1, 10_000, data))
        code = response.responses[0].partition_responses[0].error_code  # type: ignore[attr-defined]
        assert code == 0, for_code(code)
        self.numbers[topic, partition] += 1
        return self.link.up - up, self.link.down - down


class KafkaWay:
    """Through one broker."""

    name = "kafka"
    lanes = staticmethod(lane_per_app)

    def __init__(self, server: str, layout: Layout, public: bytes) -> None:
        self.server, self.layout = server, layout
        self.counts: Counter[str] = Counter()
        self._producers: dict[str, Producer] = {}
        self._listening: list[Connection] = []
        self._reader = KafkaLink(Place((server,), layout), "reader", public)
        self._going = True
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    async def deliver(self, agent: str, sealed: bytes, lane: str) -> None:
        """To the topic of its lane."""
        producer = self._producers.setdefault(agent, Producer(self.server, agent))
        if lane:
            place = self.layout.deltas, self.layout.partition(lane), key(lane)
        else:
            place = self.layout.name("heartbeats"), 0, key(agent)
        up, down = await producer.send(*place, sealed)
        self.counts.update(up=up, down=down)

    async def words(self, asked: dict[str, Revision]) -> dict[str, bytes]:
        """From the topic, when they have been published."""
        return await asyncio.to_thread(self._reader.words, asked)

    async def listen(self, agent: str, signer: Signer) -> None:
        """Fetch what is new, again and again."""
        link = Connection(self.server, agent)
        self._listening.append(link)
        places = [(self.layout.name("control"), 0)]
        places += [(self.layout.name("words"), number) for number in range(self.layout.partitions)]
        at = dict.fromkeys(places, 0)
        while True:
            request = _fetch(at)
            response = await link.ask(request)
            for topic in response.responses:  # type: ignore[attr-defined]
                for part in topic.partitions:
                    at[topic.topic, part.partition_index] = max(part.high_watermark, 0)

    async def close(self) -> None:
        """All connections."""
        self._going = False
        for one in (*(producer.link for producer in self._producers.values()), *self._listening):
            one.close()
        await asyncio.to_thread(self._thread.join, 10)
        self._reader.close()

    def _read(self) -> None:
        while self._going:
            with suppress(LinkError):
                self._reader.listen(1 << 40, 500)


def _fetch(at: dict[tuple[str, int], int]) -> FetchRequest:
    """A request for what is new in these (topic, partition), each from its offset."""
    kind = FetchRequest.FetchTopic
    topics = [
        kind(
            topic=topic,
            partitions=[
                kind.FetchPartition(
                    partition=number,
                    current_leader_epoch=-1,
                    fetch_offset=offset,
                    log_start_offset=-1,
                    partition_max_bytes=1_024,
                )
                for (where, number), offset in at.items()
                if where == topic
            ],
        )
        for topic in sorted({topic for topic, _ in at})
    ]
    return FetchRequest[11](
        replica_id=-1,
        max_wait_ms=WAIT,
        min_bytes=1,
        max_bytes=1 << 20,
        isolation_level=1,
        session_id=0,
        session_epoch=-1,
        topics=topics,
        forgotten_topics_data=[],
        rack_id="",
    )
