"""Who wrote it: what a signature covers, and what a token proves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.errors import CodecError
from grammar.signing import MAX_SEALED, OVERHEAD, ForgeryError, Signer, Token, digest, key_id, unseal

AGENT, OTHER = Signer(b"a" * 32), Signer(b"o" * 32)
ENROLLED = {AGENT.key_id: AGENT.public}


def test_a_message_comes_back_with_the_key_that_signed_it() -> None:
    opened = unseal("envelope", AGENT.seal("envelope", b"body"), ENROLLED.get)
    assert opened == (AGENT.key_id, b"body")
    assert len(AGENT.seal("envelope", b"")) == OVERHEAD == 74
    assert AGENT.key_id == key_id(AGENT.public)


@given(st.binary(max_size=64), st.data())
def test_no_bit_can_be_changed(body: bytes, data: st.DataObject) -> None:
    sealed = bytearray(AGENT.seal("envelope", body))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CodecError):
        unseal("envelope", bytes(sealed), ENROLLED.get)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_typed_error(data: bytes) -> None:
    with pytest.raises(CodecError):
        unseal("envelope", data, ENROLLED.get)


def test_a_key_that_is_not_enrolled_has_no_say() -> None:
    with pytest.raises(ForgeryError, match="not enrolled"):
        unseal("envelope", OTHER.seal("envelope", b"body"), ENROLLED.get)


def test_a_key_under_the_name_of_another_has_no_say() -> None:
    sealed = bytearray(OTHER.seal("envelope", b"body"))
    sealed[2:10] = AGENT.key_id
    with pytest.raises(ForgeryError, match="does not fit"):
        unseal("envelope", bytes(sealed), ENROLLED.get)


def test_the_right_words_in_another_place_are_a_forgery() -> None:
    question = AGENT.seal("envelope", b"body")
    with pytest.raises(ForgeryError):
        unseal("listen", question, ENROLLED.get)
    answer = OTHER.seal("answer", b"new", about=digest(question))
    keys = {OTHER.key_id: OTHER.public}
    assert unseal("answer", answer, keys.get, about=digest(question)).body == b"new"
    with pytest.raises(ForgeryError):
        unseal("answer", answer, keys.get, about=digest(question + b"!"))


def test_what_is_too_large_is_refused_before_its_signature_is_checked() -> None:
    with pytest.raises(CodecError, match="too large"):
        unseal("envelope", bytes(MAX_SEALED + 1), ENROLLED.get)


def test_a_token_proves_who_holds_it_and_shows_nothing() -> None:
    token = Token(b"i" * 16, b"s" * 16)
    other = Token(b"i" * 16, b"t" * 16)
    proof = token.proof("agent", b"name and key")
    assert token.proves("agent", b"name and key", proof)
    assert not other.proves("agent", b"name and key", proof)
    assert not token.proves("monitor", b"name and key", proof)
    assert not token.proves("agent", b"another key", proof)


@pytest.mark.parametrize("text", ["", "wt1", "wt1.00.00", "wt2." + "0" * 32 + "." + "0" * 32, "wt1.zz.zz", "\0" * 99])
def test_what_is_no_token_is_not_shown(text: str) -> None:
    with pytest.raises(CodecError) as error:
        Token.parse(text)
    assert "hint" not in error.value.message and not error.value.offending
