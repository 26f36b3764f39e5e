"""An envelope is read as it was written, or refused; equal envelopes are equal bytes."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import CodecError, Envelope, answered, decode_envelope, framed
from grammar.envelope import MAX_ENVELOPE

NUMBERS = st.integers(0, (1 << 63) - 1)
ENVELOPES = st.builds(
    Envelope,
    agent=st.text(max_size=8),
    session=st.binary(max_size=8),
    sequence=NUMBERS,
    start=NUMBERS,
    length=NUMBERS,
    events=NUMBERS,
    lost=st.dictionaries(st.text(max_size=8), NUMBERS, max_size=3),
    deltas=st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=20)), max_size=3).map(tuple),
    active=st.lists(st.tuples(st.text(max_size=8), NUMBERS), max_size=3).map(tuple),
    before=st.binary(max_size=8),
)
ONE = Envelope(
    "worker1", b"s", 3, 10, 10_000, 7, {"lost": 1, "backlog": 2}, (("web", b"d"),), (("web1", 4),), b"before00"
)
MORE = bytes([ONE.encode()[0] + 1])  # an array of one more than there are fields
HEAD = ONE.encode()[: ONE.encode().index(b"\x82")]  # everything before `lost`


def refused(data: bytes) -> bool:
    """Anything but a value or a `CodecError` goes through to the test."""
    try:
        found = decode_envelope(data)
    except CodecError:
        return True
    assert decode_envelope(found.encode()) == found
    return False


def test_no_delta_is_a_heartbeat() -> None:
    assert not ONE.is_heartbeat
    assert msgspec.structs.replace(ONE, deltas=()).is_heartbeat


def test_the_order_of_losses_leaves_no_trace() -> None:
    assert msgspec.structs.replace(ONE, lost={"backlog": 2, "lost": 1}).encode() == ONE.encode()


def test_the_digest_covers_everything() -> None:
    changed = [{"agent": "w"}, {"sequence": 4}, {"lost": {}}, {"deltas": ()}, {"before": b""}]
    assert len({ONE.digest, *(msgspec.structs.replace(ONE, **one).digest for one in changed)}) == 6


def test_every_cut_is_refused() -> None:
    data = ONE.encode()
    assert all(refused(data[:size]) for size in range(len(data)))
    assert refused(data + b"\0")


def test_every_changed_byte_gives_a_value_or_is_refused() -> None:
    data = ONE.encode()
    for position in range(len(data)):
        for byte in range(256):
            refused(data[:position] + bytes([byte]) + data[position + 1 :])


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 1_000_000,
        MORE + ONE.encode()[1:] + b"\x01",
        MORE + ONE.encode()[1:] + b"\x91" * 1_000_000,
        HEAD + b"\xdf\xff\xff\xff\xff",
        HEAD + b"\x80\xdd\xff\xff\xff\xff",
        HEAD + b"\x80\x90\xdd\xff\xff\xff\xff",
        ONE.encode()[:1] + b"\xdb\xff\xff\xff\xff",
        ONE.encode()[:1] + b"\xa1\xff" + ONE.encode()[9:],
        ONE.encode().replace(b"worker1\xc4\x01s\x03", b"worker1\xc4\x01s\xff"),
        bytes(MAX_ENVELOPE + 1),
    ],
)
def test_hostile_sizes_nesting_and_types_are_refused_in_bounded_memory(data: bytes) -> None:
    tracemalloc.start()
    assert refused(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_frame_says_its_length_in_bytes() -> None:
    assert framed("POST", "/v1/epochs", b"abc").endswith(b"Content-Length: 3\r\n\r\nabc")
    assert framed("GET", "/v1/model", b"").startswith(b"GET /v1/model HTTP/1.1\r\nHost: monitor\r\n\r\n")
    assert answered(b"ok") == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@given(ENVELOPES)
def test_decoding_undoes_encoding(envelope: Envelope) -> None:
    """An envelope comes back equal, and as the same bytes."""
    data = envelope.encode()
    assert decode_envelope(data) == envelope
    assert decode_envelope(data).encode() == data


@given(st.binary(max_size=80))
def test_any_bytes_give_a_value_or_are_refused(data: bytes) -> None:
    """Random bytes, bare or behind a true beginning, are an envelope or a `CodecError`."""
    refused(data)
    refused(HEAD + data)
