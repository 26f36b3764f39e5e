"""The suite of transports shares a broker, by plain name: one real Kafka for a run, or a skip that says why."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from broker import Broker, free_port, missing
from town import HttpTown, KafkaTown, Town
from transport_stage import Stage

from grammar.topics import Layout
from monitor.kafka_client import Cluster
from monitor.kafka_topics import prepare

_numbers = count()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that nobody kills."""
    if why := missing():
        pytest.skip(why)
    one = Broker(tmp_path_factory.mktemp("kafka")).start()
    yield one
    one.stop()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Broker]:
    """A broker of one test, which may kill it."""
    if why := missing():
        pytest.skip(why)
    one = Broker(tmp_path / "kafka").start()
    yield one
    one.kill()


@pytest.fixture
def layout() -> Layout:
    """Topics of one test."""
    return Layout(prefix=f"test{next(_numbers)}", partitions=4)


@pytest.fixture
def cluster_of(broker: Broker, layout: Layout) -> Callable[[str], Cluster]:
    """`cluster_of("m1")`: how monitor m1 reaches the broker; the topics are there."""
    prepare(Cluster((broker.server,), layout, "setup"))
    return lambda name: Cluster((broker.server,), layout, name, timeout_millis=5_000)


@pytest.fixture
def stage(cluster_of: Callable[[str], Cluster], tmp_path: Path) -> Iterator[Stage]:
    """Monitors and agents of one test; everything is stopped at its end."""
    with ExitStack() as stack:
        yield Stage(cluster_of, tmp_path, stack)


@pytest.fixture(params=["http", "kafka"])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """One town over each transport."""
    with ExitStack() as stack:
        if request.param == "http":
            yield HttpTown(tmp_path, stack, free_port())
        else:
            yield KafkaTown(tmp_path, stack, request.getfixturevalue("cluster_of"))


@pytest.fixture
def town_of(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], KafkaTown]]:
    """`town_of()` is a town that goes through Kafka."""
    with ExitStack() as stack:
        yield lambda: KafkaTown(tmp_path, stack, request.getfixturevalue("cluster_of"))
