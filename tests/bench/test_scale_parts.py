"""The scale bench's parts: what agents send is a chain in each lane, what is applied is found in journals, figures."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from scale import measure, table
from scale_kafka import Producer
from scale_load import Agent, Load, Place
from scale_site import Post, Watch, drained, shares

from agent.link import Lanes, lane_per_app, one_lane
from grammar import Lexicon, Revision, decode_envelope
from grammar.signing import Signer, unseal
from monitor.chain import Chain, Link, Verdict
from monitor.store import Store


class Bag:
    """A way that keeps what it is given."""

    name = "bag"

    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.counts = lanes, Counter[str]()
        self.held: list[tuple[str, bytes]] = []

    async def deliver(self, agent: str, sealed: bytes, lane: str) -> None:
        self.held.append((lane, sealed))

    async def words(self, asked: dict[str, Revision]) -> dict[str, bytes]:
        return {}

    async def listen(self, agent: str, signer: Signer) -> None: ...

    async def close(self) -> None: ...


def epochs(lanes: Lanes) -> tuple[Bag, Load, Agent]:
    """Three epochs, the first of which tells everything."""
    load, bag = Load(1, 2, 3, {f"app{number}": Lexicon() for number in range(2)}), Bag(lanes)
    agent = Agent("a", load, bag)

    async def run() -> None:
        await agent.first()
        await agent.epoch({})
        await agent.epoch({})

    asyncio.run(run())
    return bag, load, agent


def test_envelopes_are_signed_and_a_chain_in_every_lane() -> None:
    for lanes, expected in ((one_lane, {"": 3}), (lane_per_app, {"": 3, "app0": 1, "app1": 1})):
        bag, load, agent = epochs(lanes)
        chains: dict[str, Chain] = {}
        for lane, sealed in bag.held:
            one = decode_envelope(unseal("envelope", sealed, lambda key, agent=agent: agent.signer.public).body)
            chain = chains.setdefault(lane, Chain())
            link = Link(one.session, one.sequence, one.before, one.digest)
            assert one.lane == lane
            assert chain.judge(link, strict=True) is Verdict.NEW
            assert chain.take(link) == 0
        assert {lane: chain.head + 1 for lane, chain in chains.items()} == expected
        assert len(load.sent) == len(bag.held)
        assert (load.epochs, len(load.waits)) == (3, 3)


def test_counts_are_applied_when_all_monitors_have_them_and_news_when_one_has(tmp_path: Path) -> None:
    posts = [Post(tmp_path / name, b"k" * 32) for name in ("m1", "m2")]
    assert posts[0].public == posts[1].public
    sent: dict[Place, float] = {("a", "", 0): time.perf_counter(), ("a", "web", 0): time.perf_counter()}
    watch = Watch(posts, sent)
    watch.start()
    journal(posts[0], "", "web")
    assert not drained(sent, 0.5, lambda text: None)
    assert set(sent) == {("a", "", 0)}
    journal(posts[1], "")
    assert drained(sent, 5, print)
    watch.stop()
    counts, news = watch.take()
    assert (len(counts), len(news)) == (1, 1)
    assert 0 < news[0] < counts[0]


def journal(post: Post, *lanes: str) -> None:
    with closing(Store(post.state, create=True, live=True)) as store, store.transaction():
        for lane in lanes:
            store.add_journal("a", lane, b"s", 0)


def test_quantiles() -> None:
    assert shares([], 0.5) == [0.0]
    assert shares([number / 1000 for number in range(100)], 0.5, 0.99) == [50.0, 99.0]


def test_a_producer_numbers_each_partition() -> None:
    producer = Producer("127.0.0.1:1", "a")
    producer.numbers["t", 1] += 1
    assert (producer.numbers["t", 0], producer.numbers["t", 1]) == (0, 1)


def test_a_small_round_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = Namespace(agents=5, apps=2, items=5, seconds=0.5, monitors=1, quiet=False)
    monkeypatch.setattr("scale.PACE", 0.5)
    with ExitStack() as stack:
        rows = measure(options, "http", tmp_path, stack)
    assert [row.phase for row in rows] == ["first", "most", "paced"]
    assert all("not all" not in row.cells for row in rows)
    assert table(rows, options).row_count == 3
