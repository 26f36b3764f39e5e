"""Who is on the register got there by a token of his own, once, with a key that is new."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from signed import Fresh, SignedAgent, seed

from grammar import InputError
from grammar.control import Enrol, read
from grammar.signing import Signer, Token, key_id
from monitor.register import KEY_FILE, Entry, Register, Sign, TokenError, monitor_key
from monitor.store import Store

MONITOR = Signer(seed("monitor"))


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(Store(tmp_path / "state", create=True, live=True))


def issue(register: Register, name: str, now: int = 0) -> Token:
    with register.store.transaction():
        return register.issue(name, now, Fresh(f"{name} {now}"), 1_000)


def enrol(register: Register, agent: SignedAgent, token: Token, now: int = 500) -> bool:
    with register.store.transaction():
        answer, news = register.enrol(read(agent.request(token), Enrol), now, MONITOR.public)
    register.load()
    assert token.proves("monitor", MONITOR.public + agent.signer.public, answer.proof)
    return news


def test_a_token_enrols_its_agent_once(register: Register) -> None:
    agent = SignedAgent("w1")
    assert register.public_of(agent.signer.key_id) is None
    token = issue(register, "w1")
    assert enrol(register, agent, token)
    assert register.by_key[agent.signer.key_id] == Entry("w1", agent.signer.public, 1, False, 500)
    assert not enrol(register, agent, token, 10_000)  # its answer was lost: the same again, also after it expired
    with pytest.raises(TokenError, match="has been used"):
        enrol(register, SignedAgent("w1", "another key"), token)
    assert register.public_of(agent.signer.key_id) == agent.signer.public


@pytest.mark.parametrize(
    ("name", "token", "now", "message"),
    [
        ("w2", "w1", 500, "given for another agent"),
        ("w1", "none", 500, "no such token"),
        ("w1", "forged", 500, "given for another agent"),
        ("w1", "w1", 2_000, "expired"),
    ],
)
def test_other_tokens_enrol_nobody(register: Register, name: str, token: str, now: int, message: str) -> None:
    good = issue(register, "w1")
    tokens = {"w1": good, "none": Token(bytes(16), bytes(16)), "forged": Token(good.id, bytes(16))}
    with pytest.raises(TokenError, match=message) as error:
        enrol(register, SignedAgent(name), tokens[token], now)
    assert good.secret.hex() not in str(error.value)
    assert register.by_name == {}
    assert enrol(register, SignedAgent("w1"), good)


def test_a_new_token_voids_the_unused_one(register: Register) -> None:
    first, second = issue(register, "w1"), issue(register, "w1", 1)
    with pytest.raises(TokenError, match="no such token"):
        enrol(register, SignedAgent("w1"), first)
    assert enrol(register, SignedAgent("w1"), second)


def test_a_key_is_enrolled_once_whatever_happened_to_it_since(register: Register) -> None:
    agent = SignedAgent("w1")
    enrol(register, agent, issue(register, "w1"))
    with register.store.transaction():
        assert register.revoke("w1")
        assert not register.revoke("w1")
        assert not register.revoke("w9")
    register.load()
    assert (register.by_name["w1"].revoked, register.by_name["w1"].revision) == (True, 2)
    for again in (agent, SignedAgent("w2", "w1")):
        with pytest.raises(TokenError, match="has been enrolled before"):
            enrol(register, again, issue(register, again.name, 1))
    assert enrol(register, SignedAgent("w1", "a new key"), issue(register, "w1", 2))
    entry = register.by_name["w1"]
    assert (entry.revoked, entry.revision, key_id(entry.public)) == (False, 3, Signer(seed("a new key")).key_id)
    assert list(register.by_key) == [key_id(entry.public)]


@pytest.mark.parametrize("name", ["", "-w", "a b", "../w1", "w\n1", "x" * 129, "ä"])
def test_a_name_is_what_files_and_terminals_can_carry(register: Register, name: str) -> None:
    with pytest.raises(InputError, match="not a name"):
        issue(register, name)


def test_signs_of_life_are_kept(register: Register) -> None:
    enrol(register, SignedAgent("w1"), issue(register, "w1"))
    sign = Sign(7, 1 << 63, {"late": 1 << 63, "x" * 100: 1})
    register.refresh({"w1": sign, "w2": sign})
    with register.store.transaction():
        register.note([("w1", sign), ("w2", sign)])
    again = Register(register.store)
    assert again.by_name["w1"].seen == register.by_name["w1"].seen == 7
    assert again.by_name["w1"].lost == {"late": 1 << 60, "x" * 64: 1} == register.by_name["w1"].lost


def test_what_another_monitor_knows_is_adopted_if_it_is_newer(register: Register) -> None:
    enrol(register, SignedAgent("w1"), issue(register, "w1"))
    known = register.by_name["w1"]
    newer = msgspec.structs.replace(known, revision=5, revoked=True)
    with register.store.transaction():
        assert not register.adopt(known)
        assert register.adopt(newer)
        assert not register.adopt(known)
    register.load()
    assert (register.by_name["w1"].revision, register.by_name["w1"].revoked) == (5, True)


def test_the_monitors_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = monitor_key(tmp_path, Fresh("key"))
    assert monitor_key(tmp_path, Fresh("other")) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(InputError, match="must be private: '0640'"):
        monitor_key(tmp_path, Fresh("key"))
    (tmp_path / KEY_FILE).chmod(0o600)
    (tmp_path / KEY_FILE).write_text("rubbish\n")
    with pytest.raises(InputError, match="not a key") as error:
        monitor_key(tmp_path, Fresh("key"))
    assert "rubbish" not in str(error.value)
