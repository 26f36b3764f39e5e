"""Topics on a real broker: made right, checked whole, bombs refused by the broker."""

from __future__ import annotations

import pytest
from broker import Broker
from transport_stage import until

from grammar.topics import Layout
from monitor.kafka_client import AwayError, Cluster, kafka
from monitor.kafka_topics import Difference, TopicsError, prepare


def test_topics_are_made_once_and_are_right_then(broker: Broker, layout: Layout) -> None:
    cluster = Cluster((broker.server,), layout, "m1")
    assert set(prepare(cluster)) == {topic.name for topic in layout.topics()}
    assert prepare(cluster) == ()


def test_every_difference_is_named_with_what_mends_it(broker: Broker, layout: Layout) -> None:
    cluster = Cluster((broker.server,), layout, "m1")
    prepare(cluster)
    admin = cluster.admin()
    sort = kafka().admin.ConfigResourceType.TOPIC
    wrong = {"cleanup.policy": "delete", "max.message.bytes": "1000"}
    admin.alter_configs([kafka().admin.ConfigResource(sort, layout.name("models"), configs=wrong)])
    admin.close()
    other = Cluster((broker.server,), Layout(layout.prefix, partitions=5), "m1")
    until(lambda: len(_wrong(other)) > 3, why="the broker has taken the settings")
    assert {(one.topic.split(".")[1], one.what) for one in _wrong(other)} == {
        ("deltas", "partitions"),
        ("words", "partitions"),
        ("models", "partitions"),
        ("models", "cleanup.policy"),
        ("models", "max.message.bytes"),
    }
    assert f"--alter --topic {layout.prefix}.models --add-config cleanup.policy=compact" in "".join(
        map(str, _wrong(other))
    )


def _wrong(cluster: Cluster) -> tuple[Difference, ...]:
    with pytest.raises(TopicsError) as caught:
        prepare(cluster)
    return caught.value.differences


def test_missing_topics_are_named_with_what_makes_them(broker: Broker, layout: Layout) -> None:
    with pytest.raises(TopicsError, match=r"kafka-topics.sh .*--create --topic .*deltas --partitions 4"):
        prepare(Cluster((broker.server,), layout, "m1"), create=False)


def test_a_bomb_is_refused_by_the_broker(broker: Broker, layout: Layout) -> None:
    cluster = Cluster((broker.server,), layout, "m1")
    prepare(cluster)
    evil = kafka().KafkaProducer(
        bootstrap_servers=[broker.server],
        compression_type="zstd",
        max_request_size=1 << 30,
        retries=0,
        acks=1,
        enable_idempotence=False,
    )
    with pytest.raises(kafka().errors.KafkaError):
        evil.send(layout.deltas, bytes(100 << 20), partition=0).get(30)
    evil.send(layout.deltas, bytes(1 << 10), partition=0).get(30)
    evil.close()
    consumer = cluster.consumer()
    consumer.assign([kafka().TopicPartition(layout.deltas, 0)])
    records = [record for some in consumer.poll(5_000).values() for record in some]
    assert [len(record.value) for record in records] == [1 << 10]
    consumer.close()


def test_nobody_there_is_away(layout: Layout) -> None:
    with pytest.raises(AwayError):
        prepare(Cluster(("127.0.0.1:1",), layout, "m1", timeout_millis=500))
