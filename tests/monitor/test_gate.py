"""What is not signed by the one it names, or cannot be read, is rejected with its cause, whatever it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signed import SignedAgent, seed

from grammar import Envelope
from grammar.control import Listen, Reply, write
from grammar.signing import MAX_SEALED, OVERHEAD, Signer
from monitor import gate
from monitor.gate import Rejected
from monitor.register import Register
from monitor.store import Store

MONITOR = Signer(seed("monitor"))


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Register:
    register = Register(Store(tmp_path_factory.mktemp("gate") / "state", create=True, live=True))
    for name in ("w1", "w2", "gone"):
        SignedAgent(name).enrolled(register, MONITOR)
    with register.store.transaction():
        register.revoke("gone")
    register.load()
    return register


def rejected(register: Register, sealed: bytes) -> tuple[int, str, str]:
    with pytest.raises(Rejected) as error:
        gate.envelope(register, sealed)
    return error.value.status, error.value.cause, error.value.agent


def test_what_an_agent_has_signed_comes_through(register: Register) -> None:
    agent = SignedAgent("w1")
    made = agent.envelope({})
    entry, envelope = gate.envelope(register, agent.seal(made))
    assert (entry.name, envelope) == ("w1", made)


def test_every_other_message_is_rejected_with_its_cause(register: Register) -> None:
    agent, made = SignedAgent("w1"), SignedAgent("w1").envelope({})
    good = agent.seal(made)
    assert rejected(register, SignedAgent("nobody").seal(made)) == (403, "unknown", "")
    assert rejected(register, good[:-1] + b"\0") == (403, "forged", "w1")
    assert rejected(register, good[:20] + bytes([good[20] ^ 1]) + good[21:]) == (403, "forged", "w1")
    assert rejected(register, SignedAgent("w2").seal(made)) == (403, "foreign", "w2")
    assert rejected(register, SignedAgent("gone").seal(SignedAgent("gone").envelope({}))) == (403, "revoked", "gone")
    assert rejected(register, agent.signer.seal("reply", made.encode())) == (403, "forged", "w1")
    assert rejected(register, agent.signer.seal("envelope", made.encode(), b"about")) == (403, "forged", "w1")
    assert rejected(register, agent.signer.seal("envelope", b"rubbish")) == (400, "malformed", "w1")
    for noise in (b"", b"rubbish", good[: OVERHEAD - 1], bytes(MAX_SEALED + 1)):
        assert rejected(register, noise) == (400, "", "")


def test_orders_replies_and_words_go_through_the_same_gate(register: Register) -> None:
    agent, other = SignedAgent("w1"), SignedAgent("w2")
    assert gate.listen(register, agent.listen())[1] == Listen("w1")
    assert gate.reply(register, agent.reply(Reply(b"id", "w1")))[0].name == "w1"
    assert gate.words(register, agent.signer.seal("words", b"\x80"))[1] == b"\x80"
    for sort, message in (("listen", Listen("w1")), ("reply", Reply(b"id", "w1"))):
        with pytest.raises(Rejected, match="only write as itself"):
            getattr(gate, sort)(register, other.signer.seal(sort, write(message)))  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="too large") as error:
        gate.listen(register, bytes(gate.MAX_LISTEN + 1))
    assert error.value.status == 413


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_of_a_sealed_envelope_comes_through(register: Register, data: st.DataObject) -> None:
    good = SignedAgent("w1").sealed({})
    at = data.draw(st.integers(0, len(good) - 1))
    kind = data.draw(st.sampled_from(("flip", "cut", "insert", "append")))
    bad = {
        "flip": good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :],
        "cut": good[:at],
        "insert": good[:at] + b"\0" + good[at:],
        "append": good + good[: at + 1],
    }[kind]
    with pytest.raises(Rejected):
        gate.envelope(register, bad)


@given(st.binary(max_size=300))
def test_signed_rubbish_is_malformed_or_an_envelope(register: Register, body: bytes) -> None:
    try:
        found = gate.envelope(register, Signer(seed("w1")).seal("envelope", body)).envelope
    except Rejected as error:
        assert error.cause in ("malformed", "foreign")
    else:
        assert isinstance(found, Envelope)


def test_a_state_that_others_write_to_is_seen_after_a_load(tmp_path: Path) -> None:
    first = Register(Store(tmp_path / "state", create=True, live=True))
    second = Register(Store(tmp_path / "state", create=True, live=True))
    SignedAgent("w1").enrolled(second, MONITOR)
    first.load()
    assert gate.envelope(first, SignedAgent("w1").sealed({})).entry.name == "w1"
