"""10^5 mutated envelopes: as a stranger mutates them, and as an agent that holds a key does.

Rules of this file
    - Whatever comes, the gate and the monitor say one of the few things that they can say, in bounded time and memory.
    - What an honest agent has told before, between and after stays exactly what it is.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from nodes import RealMonitor, connected
from signed import Fresh, SignedAgent
from simulated import HandMade, reads, shows

from agent.http_connection import Connection
from grammar import Delta, Envelope, Lexicon, Model, State, Transition, decode_envelope, encode_delta, encode_model
from grammar.control import Enrol, read
from grammar.errors import CodecError
from grammar.signing import OVERHEAD, Signer
from monitor import gate
from monitor.monitor import Monitor, Result
from monitor.register import Register
from monitor.store import Store

MONITOR = Signer(b"m" * 32)
STATUSES = {"new", "repeat", "base", "conflict", "refused"}
GROUP = 50
SLOW = 1.0
"""Seconds for one envelope, on a busy machine."""


class Room:
    """A gate and a monitor without sockets; `say` is what the API does with a body."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder, create=True)
        self.monitor, self.register = Monitor(self.store), Register(self.store)
        self.slowest = 0.0
        self.found: Counter[str] = Counter()

    def say(self, sealed: bytes) -> Result | None:
        """What becomes of it; None if the gate has not let it in."""
        begun = time.process_time()
        try:
            envelope = gate.envelope(self.register, sealed).envelope
            (result,) = self.monitor.receive_many([envelope], 0.0)
        except gate.Rejected as error:
            assert error.status in (400, 403)
            assert str(error).isprintable() or "\n" in str(error)
            self.found[f"{error.status} {error.cause}".strip()] += 1
            return None
        finally:
            self.slowest = max(self.slowest, time.process_time() - begun)
        assert isinstance(result, CodecError) or result in STATUSES
        self.found["malformed" if isinstance(result, CodecError) else result] += 1
        return result


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    one = Room(tmp_path / "state")
    with closing(one.store):
        yield one


def told(names: range, container: str) -> Delta:
    """A delta of some size."""
    files = (reads(f"/srv/{number % 5}/{number}") for number in names)
    runs = Transition(
        State("Process a /a", ("from Process b /b",)), "WAS_TRIGGERED_BY", "execve", State("Process b /b")
    )
    made = shows(container, runs, *files)
    return Delta(made.sightings, made.commands, ("File /srv/{int}", "File /tmp/x{hex}"))


def mutated(data: bytes, chance: Random) -> bytes:
    """A few bytes changed, cut out, doubled, moved, or a number made large."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(out) + 1)
        much = chance.choice((1, 1, 2, 4, 16, 200))
        match chance.randrange(6):
            case 0 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 1:
                del out[at : at + much]
            case 2:
                out[at:at] = out[at : at + much]
            case 3:
                out[at : at + much] = chance.randbytes(much)
            case 4:
                out[at:at] = b"\xff" * much
            case _ if out:
                other = chance.randrange(len(out))
                out[at : at + much] = out[other : other + much]
    return bytes(out)


def test_mutated_by_strangers(room: Room, extent: Callable[[int, int], int]) -> None:
    """Not one of them gets through the gate."""
    chance = Random(1)
    agent = SignedAgent("w1").enrolled(room.register, MONITOR)
    sealed = [agent.sealed({"web": told(range(n), "web1")}) for n in (0, 3, 40)]
    for _ in range(extent(2_000, 50_000)):
        body = mutated(chance.choice(sealed), chance)
        if body not in sealed:
            assert room.say(body) is None
    assert room.store.journal() == []


def test_mutated_by_one_who_holds_a_key(room: Room, extent: Callable[[int, int], int]) -> None:
    """The honest agent's part of the model stays what it tells, and every byte of memory is as on the disk."""
    chance = Random(2)
    honest, hostile = (SignedAgent(name).enrolled(room.register, MONITOR) for name in ("honest", "hostile"))
    rounds = extent(400, 50_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(rounds):
        if number % GROUP == 0:
            assert room.say(honest.sealed({"web": told(range(number, number + 3), "web1")})) == "new"
        place = (hostile.sequence, hostile.before, hostile.start)
        one = hostile.envelope({"web": told(range(chance.randrange(8)), "web2"), "db": told(range(2), "db1")})
        body = mutated_envelope(one, chance)
        if room.say(hostile.signer.seal("envelope", body)) == "new":
            taken = decode_envelope(body)
            hostile.sequence, hostile.before = taken.sequence + 1, taken.digest
            if taken.session != hostile.session or taken.sequence > place[0]:
                anew(room, hostile)
        else:
            hostile.sequence, hostile.before, hostile.start = place
    assert min(room.found["malformed"], room.found["new"]) > rounds / 60, room.found
    assert room.slowest < SLOW
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    check_honest(room, rounds)


def check_honest(room: Room, rounds: int) -> None:
    """What the honest agent has told is there, and nothing else in its name."""
    expected = {item for n in range(0, rounds, GROUP) for s in told(range(n, n + 3), "web1").sightings
                for item in (*s.transitions, *s.states)}  # fmt: skip
    shown = {
        item
        for item, replicas in room.monitor.apps["web"].evidence.seen.items()
        if isinstance(item, Transition) and any(replica.worker == "honest" for replica in replicas)
    }
    assert shown == expected
    again = Monitor(room.store)
    assert {n: bytes_of(a.model) for n, a in again.apps.items()} == {
        n: bytes_of(a.model) for n, a in room.monitor.apps.items()
    }


def bytes_of(model: Model) -> bytes:
    """A model; one that nobody could write down is a bug of ours."""
    return encode_model(model)


def mutated_envelope(one: Envelope, chance: Random) -> bytes:
    """The whole of it, or only a delta inside."""
    if chance.random() < 0.3:
        return mutated(one.encode(), chance)
    at = chance.randrange(len(one.deltas))
    deltas = [(app, mutated(data, chance) if n == at else data) for n, (app, data) in enumerate(one.deltas)]
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return Envelope(**{**fields, "deltas": tuple(deltas)}).encode()


def anew(room: Room, agent: SignedAgent) -> None:
    """It has spoilt its own chain: enrolled again, with another key and another token."""
    fresh = Fresh(f"again {sum(room.found.values())}")
    agent.signer = Signer(fresh(32))
    with room.store.transaction():
        token = room.register.issue(agent.name, 0, fresh)
        room.register.enrol(read(agent.request(token), Enrol), 0, MONITOR.public)
        room.monitor.start_anew(agent.name)
    room.register.load()
    agent.session, agent.sequence, agent.before = b"session", 0, b""


def test_mutated_over_sockets(monitor: RealMonitor, tmp_path: Path, extent: Callable[[int, int], int]) -> None:
    """A real process takes them, goes on, and stays small."""
    chance = Random(3)
    agents = [HandMade(name, monitor.enrol(name, tmp_path / name)) for name in ("honest", "hostile")]
    honest, hostile = agents
    found: Counter[int] = Counter()
    first = monitor.memory()
    with connected(monitor.url) as connection:
        for number in range(extent(200, 5_000)):
            body = mutated_envelope(hostile.told(*range(number % 7)), chance)
            sealed = hostile.seal(hostile.told()) if number % 100 == 0 else hostile.signer.seal("envelope", body)
            status = posted(connection, sealed if chance.random() < 0.5 else mutated(sealed, chance))
            found[status] += 1
            if number % 50 == 0:
                good = honest.seal(honest.told(number))
                assert posted(connection, good) == 200
                honest.sent(good)
    assert set(found) <= {200, 400, 403} and len(found) == 3
    assert monitor.memory() < first + (100 << 20)
    assert monitor.stop() == 0
    with closing(monitor.store) as store:
        journal = [sequence for _, agent, _, _, sequence in store.journal() if agent == honest.name]
    assert journal == list(range(honest.sequence))


def posted(connection: Connection, body: bytes) -> int:
    """The status; what is not even a body is not posted."""
    return connection.post("/v1/epochs", body or b"x" * OVERHEAD, 10.0, 1 << 20).status


def test_no_delta_of_ours_is_mistaken(room: Room) -> None:
    """The check itself: an envelope that nobody has touched is new."""
    agent = SignedAgent("w1").enrolled(room.register, MONITOR)
    assert room.say(agent.sealed({"web": told(range(3), "web1")})) == "new"
    assert encode_delta(told(range(3), "web1"), Lexicon())
