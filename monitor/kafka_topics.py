"""Topics: made with the right settings, and checked at every start.

Rules of this file
    - A topic that is there is never changed by us: what differs is one `InputError` that names every difference and the
      command that mends it. A higher replication than asked for is no difference.
    - The number of partitions decides who owns which application: it cannot be mended, only agreed on.

Source: issue "live agent" (topics are created with the right settings and checked at start).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from grammar.errors import InputError, escape
from grammar.topics import Layout, Topic
from monitor.kafka_client import Cluster, kafka, located

SHOWN: Final = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it has to be, and what mends it."""

    topic: str
    what: str
    is_: str
    wanted: str
    command: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.is_}, must be {self.wanted}: {self.command}"


class TopicsError(InputError):
    """Topics that are not as they have to be; `differences` are all of them."""

    def __init__(self, differences: tuple[Difference, ...]) -> None:
        self.differences = differences
        super().__init__("the topics are not as they have to be:\n" + "\n".join(f"  {one}" for one in differences))


def differences(topic: Topic, found: Found | None, layout: Layout, server: str) -> tuple[Difference, ...]:
    """What is wrong with a topic, in the order of its settings."""
    name = topic.name
    if found is None:
        return (Difference(name, "the topic", "missing", "there", create_command(topic, layout, server)),)
    wrong = []
    if found.partitions != topic.partitions:
        mend = f"set partitions = {found.partitions} at every agent and monitor, or delete all topics and start anew"
        wrong.append(Difference(name, "partitions", str(found.partitions), str(topic.partitions), mend))
    if found.replication < layout.replication:
        mend = "kafka-reassign-partitions.sh (or lower replication in the configuration)"
        wrong.append(Difference(name, "replication", str(found.replication), str(layout.replication), mend))
    for setting, wanted in sorted(topic.settings.items()):
        value = found.settings.get(setting, "unknown")
        if value != wanted:
            mend = (
                f"kafka-configs.sh --bootstrap-server {server} --alter --topic {name} --add-config {setting}={wanted}"
            )
            wrong.append(Difference(name, setting, escape(value), wanted, mend))
    return tuple(wrong)


def create_command(topic: Topic, layout: Layout, server: str) -> str:
    """What a person would type to make it."""
    settings = " ".join(f"--config {name}={value}" for name, value in sorted(topic.settings.items()))
    size = f"--partitions {topic.partitions} --replication-factor {layout.replication}"
    return f"kafka-topics.sh --bootstrap-server {server} --create --topic {topic.name} {size} {settings}"


def prepare(cluster: Cluster, *, create: bool = True) -> tuple[str, ...]:
    """Make what is missing (if allowed) and check everything; gives the names of what was made."""
    admin = cluster.admin()
    try:
        with located("cannot look at the topics"):
            made = _create(admin, cluster.layout) if create else ()
            check(admin, cluster)
        return made
    finally:
        admin.close()


def _create(admin: Any, layout: Layout) -> tuple[str, ...]:
    there = set(admin.list_topics())
    missing = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": layout.replication,
            "configs": dict(topic.settings),
        }
        for topic in layout.topics()
        if topic.name not in there
    }
    if missing:
        try:
            admin.create_topics(missing, wait_for_metadata=True)
        except (
            kafka().errors.TopicAlreadyExistsError
        ):  # another monitor starts at the same time: what it made is checked
            admin.wait_for_topics(list(missing))
    return tuple(missing)


def check(admin: Any, cluster: Cluster) -> None:
    """Compare everything; a `TopicsError` says what differs."""
    found = _found(admin, cluster.layout)
    wrong: list[Difference] = []
    for topic in cluster.layout.topics():
        wrong += differences(topic, found.get(topic.name), cluster.layout, cluster.servers[0])
    if wrong:
        raise TopicsError(tuple(wrong))


def _found(admin: Any, layout: Layout) -> dict[str, Found]:
    there = set(admin.list_topics())
    names = [topic.name for topic in layout.topics() if topic.name in there]
    if not names:
        return {}
    sort = kafka().admin.ConfigResourceType.TOPIC
    resources = [kafka().admin.ConfigResource(sort, name) for name in names]
    settings = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        one["name"]: Found(
            len(one["partitions"]),
            min((len(part["replica_nodes"]) for part in one["partitions"]), default=0),
            {name: str(value["value"]) for name, value in settings.get(one["name"], {}).items()},
        )
        for one in admin.describe_topics(names)
    }
