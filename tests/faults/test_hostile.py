"""What somebody may post to a monitor: forged, truncated, oversized, replayed, bombs. Counted, told, without effect."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import zstandard
from msgspec.structs import replace
from nodes import RealMonitor, connected, until
from reference import applied
from simulated import HandMade, reads, shows

from agent import identity
from agent.http_connection import Answered
from grammar import Lexicon, encode_delta, framed
from grammar.control import Answer, read
from grammar.signing import KEY_ID, MAGIC, OVERHEAD, Signer, digest, unseal
from grammar.wire import PACKED, SHARED, STORED
from monitor.monitor import Monitor

MOST = 16 << 20


class Stage:
    """A monitor, an honest agent, and the means to post anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.monitor = RealMonitor(folder / "monitor", more="[limits]\nminute_items = 100000\n")
        self.monitor.start()
        self._names = 0
        self.honest = self.agent()

    def agent(self) -> HandMade:
        """One more that is enrolled."""
        self._names += 1
        name = f"agent{self._names}"
        return HandMade(name, self.monitor.enrol(name, self.folder / name))

    def post(self, body: bytes, target: str = "/v1/epochs") -> Answered:
        """Anything, on a connection of its own."""
        with connected(self.monitor.url) as connection:
            return connection.post(target, body, 20.0, MOST)

    def say(self, agent: HandMade, sealed: bytes) -> str:
        """A sealed envelope, answered by the monitor: what it says."""
        found = self.post(sealed)
        assert found.status == 200, found.body
        body = unseal("answer", found.body, lambda _: agent.identity.monitor, digest(sealed)).body
        return read(body, Answer).status

    def honestly(self) -> None:
        """The honest agent goes on as if nothing had happened."""
        begun = time.monotonic()
        sealed = self.honest.seal(self.honest.told(f"honest/{self.honest.sequence}"))
        assert self.say(self.honest, sealed) == "new"
        assert time.monotonic() - begun < 2.0
        self.honest.sent(sealed)

    def counted(self, agent: str, cause: str) -> int:
        """How often the monitor has counted it."""
        return self.monitor.incidents().get(agent, {}).get(cause, 0)

    def reported(self, policy: str, worker: str) -> bool:
        """Whether an alert tells of it."""
        with closing(self.monitor.store) as store:
            return any(a.policy == policy and a.worker == worker for a in Monitor(store).alerts)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all of these tests: whatever is thrown at it, the next test finds it well."""
    stage = Stage(tmp_path_factory.mktemp("hostile"))
    with ExitStack() as stack:
        stack.enter_context(stage.monitor)
        yield stage


@pytest.fixture
def stage(running: Stage) -> Iterator[Stage]:
    """Before and after, the honest agent is served; only what is honest is in the journal; memory stays small."""
    running.honestly()
    yield running
    running.honestly()
    journal = [sequence for agent, _, _, sequence in applied(running.monitor.state) if agent == running.honest.name]
    assert journal == list(range(running.honest.sequence))
    assert running.monitor.memory() < 400 << 20


def test_what_is_signed_with_another_key_is_a_forgery(stage: Stage) -> None:
    victim = stage.honest
    body = victim.told("forged").encode()
    forger = Signer(secrets.token_bytes(32))
    other = forger.seal("envelope", body)
    posing = MAGIC + victim.signer.key_id + other[len(MAGIC) + KEY_ID :]
    before = stage.counted(victim.name, "forged")
    assert stage.post(posing).status == 403
    assert stage.post(other).status == 403
    assert stage.post(victim.signer.seal("words", body)).status == 403
    assert stage.post(victim.signer.seal("envelope", body, b"about something")).status == 403
    until(lambda: stage.counted(victim.name, "forged") == before + 3, 5, "forgeries are counted")
    until(lambda: stage.counted("", "unknown") >= 1, 5, "and unknown keys")
    assert stage.reported("agent-identity", victim.name)


def test_every_bit_of_a_signed_envelope_counts(stage: Stage) -> None:
    sealed = stage.honest.seal(stage.honest.told("bits"))
    for at in range(0, len(sealed), 7):
        changed = bytearray(sealed)
        changed[at] ^= 1 << at % 8
        assert stage.post(bytes(changed)).status in (400, 403)


def test_truncated_envelopes(stage: Stage) -> None:
    sealed = stage.honest.seal(stage.honest.told("truncated"))
    for size in (0, 1, 2, KEY_ID, OVERHEAD - 1, OVERHEAD, OVERHEAD + 1, len(sealed) // 2, len(sealed) - 1):
        assert stage.post(sealed[:size]).status in (400, 403, 411)
        with plain(stage) as wire:
            wire.sendall(framed("POST", "/v1/epochs", sealed)[: -len(sealed) + size or None])


def test_oversized_bodies_are_refused_before_they_are_read(stage: Stage) -> None:
    before = stage.monitor.memory()
    for size in (8_000_001, 1 << 31, 1 << 62, 10**30):
        with plain(stage) as wire:
            wire.sendall(b"POST /v1/epochs HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % size)
            assert wire.recv(100).split()[1] in (b"400", b"411", b"413")
    with plain(stage) as wire, suppress(OSError):
        wire.sendall(b"POST /v1/epochs HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            wire.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
    assert stage.monitor.memory() < before + (64 << 20)


def test_nobody_is_kept_waiting_by_those_who_say_nothing(stage: Stage) -> None:
    with ExitStack() as stack:
        for number in range(200):
            wire = stack.enter_context(plain(stage))
            wire.sendall(b"POST /v1/epochs HTTP/1.1\r\nContent-Length: 8000000\r\n"[: 10 + number])
        for _ in range(10):
            stage.honestly()


def test_rubbish_on_the_wire(stage: Stage) -> None:
    for rubbish in (b"\0" * 5_000, b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01" + bytes(300), b"POST /v1/epochs\n" * 999):
        with plain(stage) as wire, suppress(OSError):
            wire.sendall(rubbish)
            wire.settimeout(0.2)
            wire.recv(1_000)


def test_an_envelope_that_is_played_again(stage: Stage) -> None:
    agent = stage.agent()
    old = []
    for number in range(70):
        sealed = agent.seal(agent.told(f"again/{number}"))
        assert stage.say(agent, sealed) == "new"
        agent.sent(sealed)
        old.append(sealed)
    applied_before = len(applied(stage.monitor.state))
    assert [stage.say(agent, sealed) for sealed in old[-64:]] == ["repeat"] * 64
    assert [stage.say(agent, sealed) for sealed in old[:6]] == ["conflict"] * 6
    assert len(applied(stage.monitor.state)) == applied_before
    assert stage.counted(agent.name, "conflict") == 6
    assert stage.reported("agent-identity", agent.name)


def test_what_was_signed_before_a_new_enrolment_is_worth_nothing_after_it(stage: Stage) -> None:
    agent = stage.agent()
    sealed = agent.seal(agent.told("before"))
    assert stage.say(agent, sealed) == "new"
    identity.forget(stage.folder / agent.name)
    again = HandMade(agent.name, stage.monitor.enrol(agent.name, stage.folder / agent.name))
    assert stage.post(sealed).status == 403
    assert stage.say(again, again.seal(again.told("after"))) == "new"


def test_reordered_and_missing_envelopes_are_seen(stage: Stage) -> None:
    agent = stage.agent()
    sealed = []
    for number in range(5):
        sealed.append(agent.seal(agent.told(f"order/{number}")))
        agent.sent(sealed[-1])
    said = [stage.say(agent, sealed[n]) for n in (0, 3)]
    assert stage.monitor.lost()[agent.name]["envelopes_missing"] == 2
    said += [stage.say(agent, sealed[n]) for n in (2, 1, 4, 2)]
    assert said == ["new", "new", "new", "new", "new", "repeat"]
    assert "envelopes_missing" not in stage.monitor.lost().get(agent.name, {})


def test_an_agent_can_only_write_as_itself(stage: Stage) -> None:
    agent = stage.agent()
    assert stage.post(agent.seal(agent.envelope(name=stage.honest.name))).status == 403
    until(lambda: stage.counted(agent.name, "foreign") == 1, 5, "it is counted")


def bombs() -> dict[str, bytes]:
    """Deltas that are small on the wire."""
    zeros = zstandard.ZstdCompressor(level=3).compress(bytes(100 << 20))
    unsaid = zstandard.ZstdCompressor(level=3, write_content_size=False).compress(bytes(100 << 20))
    liar = bytearray(zeros)
    liar[5:9] = (4096).to_bytes(4, "little")
    twice = zstandard.ZstdCompressor().compress(zeros)
    whole = encode_delta(shows("web1", *(reads(f"/srv/{n}") for n in range(5))), Lexicon())
    return {
        "100 MB of zeros": bytes([PACKED]) + zeros[4:],
        "with a dictionary": bytes([SHARED]) + zeros[4:],
        "with its magic": bytes([PACKED]) + zeros,
        "of unsaid size": bytes([PACKED]) + unsaid[4:],
        "of a wrong size": bytes([PACKED]) + bytes(liar)[4:],
        "twice": bytes([PACKED]) + twice[4:],
        "counts without an end": bytes([STORED]) + b"\xff" * 9 + b"\x7f" + b"\xff" * 5_000,
        "a delta and more": whole + b"\0" * 100,
        "half a delta": whole[: len(whole) // 2],
        "nothing": b"",
    }


def test_bombs_in_signed_deltas(stage: Stage) -> None:
    before = stage.monitor.memory()
    for name, bomb in bombs().items():
        agent = stage.agent()
        begun = time.monotonic()
        said = {stage.say(agent, agent.seal(agent.envelope([("web", bomb)] * parts))) for parts in (1, 500)}
        assert time.monotonic() - begun < 3.0, name
        # What may be a delta against other words is asked for in full; it has no effect either.
        assert said == {"refused"} or (name == "twice" and said == {"base"}), (name, said)
        assert stage.counted(agent.name, "malformed") == (2 if said == {"refused"} else 0)
        assert stage.say(agent, agent.seal(agent.told("after all"))) == "new"
    assert stage.monitor.memory() < before + (64 << 20)


def test_numbers_that_cannot_be(stage: Stage) -> None:
    agent = stage.agent()
    most = (1 << 63) - 1
    for changed in (
        {"start": most}, {"length": most}, {"sequence": most}, {"before": b"x" * 65}, {"session": b"x" * 5_000},
        {"lost": {"x": most}, "sequence": most}, {"deltas": tuple((str(n), b"") for n in range(3_000))},
    ):  # fmt: skip
        assert stage.say(agent, agent.seal(replace(agent.envelope(), **changed))) in ("refused", "conflict")
    assert stage.post(agent.seal(replace(agent.envelope(), lane="web"))).status == 400
    assert stage.say(agent, agent.seal(agent.told("fine"))) == "new"


def plain(stage: Stage) -> socket.socket:
    """A connection."""
    return socket.create_connection((stage.monitor.host, stage.monitor.port), timeout=5)
