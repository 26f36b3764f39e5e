"""How many agents one monitor carries: real envelopes, real signatures, real sockets, one machine.

Rules of this file
    - The monitor is a process of its own (`winnower monitor run`); the agents are simulated in this one: each has a
      key, two connections (epochs; orders), a chain, and containers of all applications. They share the words.
    - Phases: enrolment, the first epoch of all (every agent tells all of its applications), then epochs as fast as they
      are acknowledged (`most`), then at the pace of real epochs (`paced`). 2 % of the epochs carry news.
    - Answers are read and their status is checked; that their signature fits is checked of one in 50, for the agents'
      CPU is not what is measured.

    python bench/scale.py --agents 1000 --apps 20 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from grammar import (
    Delta,
    Envelope,
    Lexicon,
    Revision,
    Sighting,
    State,
    Transition,
    apply_extension,
    encode_delta,
    framed,
)
from grammar.control import Answer, Enrol, Enrolled, Listen, read, write
from grammar.signing import OVERHEAD, Signer, digest, unseal
from monitor.register import Register
from monitor.store import Store

NEWS = 0.02
CHECKED = 0.02
CONFIG = """
state = "state"
[listen]
port = 0
connections = 16384
[policies]
shipped = true
[log]
level = "warning"
"""


@dataclass(slots=True)
class Load:
    """What is simulated, and what was measured."""

    agents: int
    apps: int
    items: int
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    def usual(self, app: str) -> tuple[Transition, ...]:
        """What every replica of an application does."""
        server = State(f"Process {app} /usr/sbin/{app}", ("from Process sh /usr/bin/dash",))
        found = [Transition(server, "WAS_TRIGGERED_BY", "execve", State("Process sh /usr/bin/dash"))]
        for number in range(self.items - 1):
            found.append(Transition(server, "USED", "read", State(f"File /srv/{app}/part{number % 7}/{number}.conf")))
        return tuple(found)


class Connection:
    """One connection: requests and answers in turn, heads as small as an agent's."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, target: str, body: bytes) -> tuple[int, bytes]:
        """One request; once more on a new connection if the monitor has closed an idle one."""
        fresh = self.writer is None
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        try:
            self.writer.write(framed("POST", target, body))
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            if fresh:
                raise
            self.close()
            return await self.post(target, body)
        length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]), await self.reader.readexactly(length)

    def close(self) -> None:
        """Enough."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Agent:
    """One simulated agent."""

    def __init__(self, name: str, load: Load, host: str, port: int) -> None:
        self.name, self.load = name, load
        self.signer = Signer(secrets.token_bytes(32))
        self.link, self.orders = Connection(host, port), Connection(host, port)
        self.session, self.sequence, self.before = secrets.token_bytes(8), 0, b""
        self.monitor = b""
        self.random = random.Random(name)
        self.containers = {f"app{number}": f"app{number}-{name}" for number in range(load.apps)}
        self.start = 1_700_000_000_000

    async def enrol(self, token: bytes, secret: bytes) -> None:
        """With a one-time token."""
        from grammar.signing import Token  # noqa: PLC0415 - only here

        asked = Enrol(self.name, self.signer.public, token, bytes(32))
        asked = msgspec.structs.replace(asked, proof=Token(token, secret).proof("agent", asked.proven))
        status, body = await self.link.post("/v1/enrol", write(asked))
        assert status == 200, body
        self.monitor = read(body, Enrolled).public

    async def epoch(self, deltas: dict[str, Delta]) -> None:
        """One epoch, until it is acknowledged."""
        encoded = tuple((app, encode_delta(delta, self.load.lexicons[app])) for app, delta in deltas.items())
        active = tuple((container, 100) for container in self.containers.values())
        envelope = Envelope(
            self.name, self.session, self.sequence, self.start, 10_000, 2_000, {}, encoded, active, self.before
        )
        sealed = self.signer.seal("envelope", envelope.encode())
        begun = time.perf_counter()
        while True:
            status, body = await self.link.post("/v1/epochs", sealed)
            if status != 503:
                break
            self.load.statuses["busy"] += 1
            await asyncio.sleep(1)
        self.load.waits.append(time.perf_counter() - begun)
        assert status == 200, body
        if self.random.random() < CHECKED:
            unseal("answer", body, lambda key: self.monitor, digest(sealed))
        answer = read(body[OVERHEAD:], Answer)
        self.load.statuses[answer.status] += 1
        assert answer.status == "new", answer
        self.sequence, self.before, self.start = self.sequence + 1, envelope.digest, self.start + 10_000
        self.load.sent += 1

    async def first(self) -> None:
        """All that its containers usually do."""
        shown = {
            app: Delta((Sighting(container, self.load.usual(app), (), 0, 9_000),))
            for app, container in self.containers.items()
        }
        await self.epoch(shown)

    def news(self) -> dict[str, Delta]:
        """Now and then something new in one application: a file that all have, or only this one."""
        if self.random.random() >= NEWS:
            return {}
        app = self.random.choice(list(self.containers))
        server = State(f"Process {app} /usr/sbin/{app}", ("from Process sh /usr/bin/dash",))
        names = [str(self.random.randrange(200)), f"{self.name}.{self.random.randrange(1_000)}"]
        seen = tuple(Transition(server, "USED", "read", State(f"File /srv/{app}/news/{name}")) for name in names)
        return {app: Delta((Sighting(self.containers[app], seen, (), 0, 5_000),))}

    async def listen(self) -> None:
        """Wait for orders, again and again."""
        control = 0
        while True:
            sealed = self.signer.seal("listen", write(Listen(self.name, control, 30_000)))
            status, _body = await self.orders.post("/v1/listen", sealed)
            assert status == 200
            control = 1 << 40


def started(folder: Path) -> tuple[subprocess.Popen[bytes], str, int]:
    """A monitor on an ephemeral port."""
    (folder / "monitor.toml").write_text(CONFIG.replace('"warning"', '"info"'))
    code = "from winnower.monitor_command import monitor; monitor()"
    command = [sys.executable, "-c", code, "run", "--config", str(folder / "monitor.toml")]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stderr=log, env=env)
    for _ in range(300):
        time.sleep(0.1)
        for line in (folder / "log").read_text().splitlines():
            told = json.loads(line)
            if told.get("event") == "ready":
                host, _, port = told["addresses"][0].removeprefix("http://").rpartition(":")
                return process, host, int(port)
        if process.poll() is not None:
            break
    raise SystemExit((folder / "log").read_text())


def memory(pid: int) -> int:
    """Resident megabytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def cpu(pid: int) -> float:
    """CPU seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(phase: str, load: Load, seconds: float, spent: float, pid: int) -> None:
    """One line of figures."""
    waits = sorted(load.waits)
    p50, p99 = (waits[min(len(waits) - 1, int(len(waits) * share))] * 1000 for share in (0.5, 0.99))
    print(
        f"{phase:<8} {len(waits):>7} epochs in {seconds:6.1f} s = {len(waits) / seconds:8.1f}/s   ack p50 {p50:8.1f} ms"
        f"  p99 {p99:8.1f} ms   monitor: {spent / max(1, len(waits)) * 1e6:6.0f} us CPU/epoch, RSS {memory(pid)} MB"
        f"   {dict(load.statuses)}",
        flush=True,
    )
    load.waits.clear()
    load.statuses.clear()


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


async def run(load: Load, folder: Path, seconds: float, listening: bool) -> None:
    """All phases."""
    process, host, port = started(folder)
    agents = [Agent(f"agent{number:04}", load, host, port) for number in range(load.agents)]
    pid = process.pid
    waiting: list[asyncio.Task[None]] = []
    try:
        tokens = {}
        with closing(Store(folder / "state", create=True, live=True)) as store:
            register = Register(store)
            with store.transaction():
                for agent in agents:
                    tokens[agent.name] = register.issue(agent.name, time.time_ns() // 10**6, secrets.token_bytes)
        begun = time.perf_counter()
        for at in range(0, len(agents), 50):
            some = agents[at : at + 50]
            await asyncio.gather(*(a.enrol(tokens[a.name].id, tokens[a.name].secret) for a in some))
        print(f"enrolled {len(agents)} agents in {time.perf_counter() - begun:.1f} s", flush=True)
        if listening:
            waiting = [asyncio.create_task(agent.listen()) for agent in agents]
        load.lexicons = {f"app{number}": Lexicon() for number in range(load.apps)}
        await phase("first 1", load, pid, agents[0].first())
        await words(agents[0], load)
        await phase("first", load, pid, asyncio.gather(*(agent.first() for agent in agents[1:])))
        await words(agents[0], load)
        await phase("most", load, pid, flat_out(agents, seconds))
        await phase("paced", load, pid, paced(agents, seconds, 10.0))
    finally:
        for task in waiting:
            task.cancel()
        for agent in agents:
            agent.link.close()
            agent.orders.close()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        size = sum(file.stat().st_size for file in (folder / "state").iterdir()) >> 20
        print(f"monitor stopped with {process.returncode}; state {size} MB")
        for line in (folder / "log").read_text().splitlines():
            if '"enrolled"' not in line:
                print(line[:300])


async def phase(name: str, load: Load, pid: int, work: object) -> None:
    """Do it and tell."""
    begun, before = time.perf_counter(), cpu(pid)
    await work  # type: ignore[misc]
    tell(name, load, time.perf_counter() - begun, cpu(pid) - before, pid)


async def words(agent: Agent, load: Load) -> None:
    """The words that the monitor has by now, for all."""
    asked: dict[str, Revision] = {app: lexicon.revision for app, lexicon in load.lexicons.items()}
    sealed = agent.signer.seal("words", msgspec.msgpack.encode(asked))
    status, body = await agent.link.post("/v1/words", sealed)
    assert status == 200, body
    for app, extension in msgspec.msgpack.decode(body[OVERHEAD:], type=dict[str, bytes]).items():
        apply_extension(load.lexicons[app], extension)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--apps", type=int, default=20)
    parser.add_argument("--items", type=int, default=40, help="transitions that every replica shows at first")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--quiet", action="store_true", help="without connections for orders")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        load = Load(options.agents, options.apps, options.items)
        asyncio.run(run(load, Path(folder), options.seconds, not options.quiet))


if __name__ == "__main__":
    main()
