"""How many agents a monitor carries, or two behind Kafka: real envelopes, signatures, sockets, broker; one machine.

Rules of this file
    - Monitors are processes of their own (`winnower monitor run`), the broker is a real Apache Kafka; the agents are
      simulated in this one: each has a key, chains, containers of all applications, and two connections (envelopes;
      orders). One round for each transport, then a table with both.
    - Phases: `first` (every agent tells all of its applications), `most` (an epoch as soon as the last one is
      acknowledged), `paced` (one in ten seconds). 2 % of the epochs carry news.
    - Acknowledged is what an agent waits for: over HTTP the commit, through Kafka the broker's word. A rate is that of
      what was *applied*, from the first epoch to the last one's being in the journals of all monitors.

    python bench/scale.py --agents 1000 --apps 20 --seconds 20 [--transport http|kafka] [--monitors 2]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from scale_http import HttpWay, enrol
from scale_kafka import KafkaWay
from scale_load import Agent, Load, Way
from scale_site import KAFKA, Post, Watch, drained, shares
from testbed.kafka_broker import KafkaBroker
from testbed.ledger import Ledger
from testbed.processes import wait_until

from grammar import Lexicon, apply_extension
from grammar.signing import Signer
from grammar.topics import Layout

PARTITIONS = 8
PACE = 10.0
DRAIN = 180.0
WORDS = 30.0
AT_ONCE = 100


@dataclass(slots=True)
class Row:
    """One phase over one transport."""

    transport: str
    phase: str
    cells: list[str]


@dataclass(slots=True)
class Round:
    """One transport: its monitors, its way, and the rows of the table."""

    options: argparse.Namespace
    load: Load
    posts: list[Post]
    way: Way
    broker: KafkaBroker | None
    rows: list[Row] = field(default_factory=list)
    watch: Watch = field(init=False)

    def tell(self, text: str) -> None:
        """A line of progress, with the machine's load."""
        print(f"[{self.way.name}] {text}   (load average {os.getloadavg()[0]:.1f})", flush=True)

    async def run(self) -> None:
        """All phases."""
        names = [f"agent{number:04}" for number in range(self.options.agents)]
        agents = [Agent(name, self.load, self.way) for name in names]
        waiting: list[asyncio.Task[None]] = []
        self.watch = Watch(self.posts, self.load.sent)
        self.watch.start()
        try:
            await self._enrol(agents)
            if not self.options.quiet:
                waiting = [asyncio.create_task(self.way.listen(one.name, one.signer)) for one in agents]
            await self._phases(agents)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await self.way.close()
            self.watch.stop()

    async def _phases(self, agents: list[Agent]) -> None:
        seconds = self.options.seconds
        self.load.lexicons = {f"app{number}": Lexicon() for number in range(self.options.apps)}
        await agents[0].first()
        await self._words()
        self.tell("the words of all applications are known")
        await self._phase("first", lambda: all_first(agents[1:]))
        await self._words()
        await self._phase("most", lambda: flat_out(agents, seconds))
        await self._phase("paced", lambda: paced(agents, max(seconds, PACE), PACE))

    async def _enrol(self, agents: list[Agent]) -> None:
        begun = time.perf_counter()
        tokens = self.posts[0].tokens([agent.name for agent in agents])
        if isinstance(self.way, HttpWay):
            self.way.asking = agents[0].signer
        await enrol(self.posts[0].where, agents, tokens)
        here = time.perf_counter() - begun
        for post in self.posts:
            known = await asyncio.to_thread(wait_until, lambda post=post: post.knows() == len(agents), DRAIN)
            assert known, f"{post.folder}: {post.knows()} agents"
        self.tell(
            f"enrolled {len(agents)} agents in {here:.1f} s, known everywhere {time.perf_counter() - begun:.1f} s"
        )

    async def _words(self) -> None:
        """The words that the monitors have published by now, for all."""
        until = time.perf_counter() + WORDS
        while time.perf_counter() < until:
            asked = {app: lexicon.revision for app, lexicon in self.load.lexicons.items()}
            for app, extension in (await self.way.words(asked)).items():
                apply_extension(self.load.lexicons[app], extension)
            if all(lexicon.revision.states for lexicon in self.load.lexicons.values()):
                return
            await asyncio.sleep(0.2)
        raise SystemExit("the words of the first agent have not come back")

    async def _phase(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        await asyncio.to_thread(drained, self.load.sent, DRAIN, self.tell)
        self.watch.take()
        self.load.waits.clear()
        self.way.counts.clear()
        epochs, begun, before = self.load.epochs, time.perf_counter(), self._spent()
        await work()
        acknowledged = time.perf_counter() - begun
        whole = await asyncio.to_thread(drained, self.load.sent, DRAIN, self.tell)
        applied, after = time.perf_counter() - begun, self._spent()
        number = self.load.epochs - epochs
        counts, news = self.watch.take()
        acks, until = shares(self.load.waits, 0.5, 0.99), shares(counts, 0.5, 0.99)
        spent = [f"{(now - then) / max(1, number) * 1e6:.0f}" for then, now in zip(before, after, strict=True)]
        up, down = (self.way.counts[one] / max(1, number) for one in ("up", "down"))
        cells = [
            f"{number:,}",
            f"{number / acknowledged:,.0f}",
            f"{number / applied:,.0f}" if whole else "not all",
            "/".join(f"{one:,.0f}" for one in acks),
            "/".join(f"{one:,.0f}" for one in until),
            "/".join(f"{one:,.0f}" for one in shares(news, 0.5, 0.99)) if news else "as counts",
            " + ".join(spent[: len(self.posts)]),
            " + ".join(str(post.memory) for post in self.posts),
            spent[-1] if self.broker else "-",
            str(self.broker.rss_bytes() >> 20) if self.broker else "-",
            f"{up:,.0f}/{down:,.0f}",
            f"{os.getloadavg()[0]:.1f}",
        ]
        busy = f", busy {self.way.counts['busy']}" if self.way.counts["busy"] else ""
        self.tell(f"{name}: {number} epochs, acknowledged in {acknowledged:.1f} s, applied in {applied:.1f} s{busy}")
        self.rows.append(Row(self.way.name, name, cells))

    def _spent(self) -> list[float]:
        broker = [self.broker.cpu_seconds()] if self.broker else []
        return [*(post.cpu for post in self.posts), *broker]


async def all_first(agents: list[Agent]) -> None:
    """Every agent tells all of its applications; some at once, so that this process keeps up with its sockets."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(agent: Agent) -> None:
        async with room:
            await agent.first()

    await asyncio.gather(*map(one, agents))


async def flat_out(agents: list[Agent], seconds: float) -> None:
    """Every agent sends its next epoch as soon as the last one is acknowledged."""
    until = time.perf_counter() + seconds

    async def one(agent: Agent) -> None:
        while time.perf_counter() < until:
            await agent.epoch(agent.news())

    await asyncio.gather(*map(one, agents))


async def paced(agents: list[Agent], seconds: float, epoch: float) -> None:
    """Every agent sends one epoch per `epoch` seconds, at a moment of its own."""
    begun = time.perf_counter()

    async def one(agent: Agent) -> None:
        at = begun + agent.random.random() * epoch
        while at < begun + seconds:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            await agent.epoch(agent.news())
            at += epoch

    await asyncio.gather(*map(one, agents))


def measure(options: argparse.Namespace, transport: str, folder: Path, stack: ExitStack) -> list[Row]:
    """One transport, from the start of its processes to their end."""
    load = Load(options.agents, options.apps, options.items)
    broker: KafkaBroker | None = None
    if transport == "http":
        posts = [Post(folder / "monitor")]
    else:
        broker = stack.enter_context(KafkaBroker(stack.enter_context(Ledger.begin())))
        more = [
            KAFKA.format(server=broker.bootstrap, name=f"m{n}", partitions=PARTITIONS) for n in range(options.monitors)
        ]
        key = secrets.token_bytes(32)
        posts = [Post(folder / f"monitor{number}", key, one) for number, one in enumerate(more)]
    for post in posts:
        post.start()
        stack.callback(lambda post=post: print(f"[{transport}] {post.folder.name} {post.stop()}", flush=True))
    public = Signer(key).public if broker else posts[0].public
    way: Way = (
        KafkaWay(broker.bootstrap, Layout(partitions=PARTITIONS), public) if broker else HttpWay(posts[0].where, public)
    )
    one = Round(options, load, posts, way, broker)
    asyncio.run(one.run())
    return one.rows


def table(rows: list[Row], options: argparse.Namespace) -> Table:
    """Transports beside each other, phase by phase."""
    behind = f"Kafka: a broker and {options.monitors} monitors"
    title = f"{options.agents} agents x {options.apps} applications; HTTP: one monitor, {behind}; us of CPU an epoch"
    found = Table(title=title)
    heads = ("phase", "transport", "epochs", "acked/s", "applied/s", "ack ms p50/p99", "applied ms", "news applied ms")
    heads += ("monitor us each", "RSS MB each", "broker us", "broker MB", "bytes up/down", "load")
    for head in heads:
        found.add_column(head, justify="left" if head in heads[:2] else "right")
    for phase in ("first", "most", "paced"):
        for row in rows:
            if row.phase == phase:
                found.add_row(phase, row.transport, *row.cells)
        found.add_section()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--apps", type=int, default=20)
    parser.add_argument("--items", type=int, default=40, help="transitions that every replica shows at first")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--transport", choices=("http", "kafka", "both"), default="both")
    parser.add_argument("--monitors", type=int, default=2, help="with Kafka")
    parser.add_argument("--quiet", action="store_true", help="without connections for orders")
    options = parser.parse_args()
    rows: list[Row] = []
    for transport in ("http", "kafka") if options.transport == "both" else (options.transport,):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            rows += measure(options, transport, Path(folder), stack)
    Console(width=220).print(table(rows, options))


if __name__ == "__main__":
    main()
