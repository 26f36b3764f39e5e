"""Deltas, extensions and models come back as they were, as the same bytes; anything else is a `CodecError`."""

import tracemalloc
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from strategies import deltas, evidences, lexicons

from grammar import (
    BaseMismatchError,
    CodecError,
    Delta,
    Evidence,
    Lexicon,
    Model,
    Replica,
    Revision,
    Sighting,
    Span,
    State,
    Transition,
    apply_extension,
    decode_delta,
    decode_model,
    encode_delta,
    encode_extension,
    encode_model,
)
from grammar.wire import MAX_ITEMS, Writer, decompress

SHELL, PASSWD = State("Process sh /bin/sh"), State("File /etc/passwd", ("write Process cp /bin/cp",))
READS, WRITES = Transition(SHELL, "USED", "read", PASSWD), Transition(PASSWD, "WAS_GENERATED_BY", "write", SHELL)
SIGHTING = Sighting("web1", (READS, WRITES), (State("Pipe"),), 10, 300)
DELTA = Delta((SIGHTING,), {SHELL: "sh -c id"}, ("File /tmp/{int}",))
WEB1, WEB2 = Replica("w1", "web1"), Replica("w2", "web2")
LIMIT = 64 << 20


@pytest.fixture
def bounded() -> Iterator[None]:
    """The test's body takes less than 64 MB."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LIMIT


def base() -> Lexicon:
    lexicon = Lexicon()
    lexicon.extend([State("File /etc/hosts")], [READS])
    return lexicon


def model() -> Model:
    return Model.of("app", DELTA.evidence("w1", Span(5, 9)) | Evidence({READS: {WEB2: Span(1, 2)}}))


def extension() -> bytes:
    lexicon = base()
    before = lexicon.revision
    lexicon.extend(DELTA.states, DELTA.transitions)
    lexicon.extend([State("Pipe two")], [])
    return encode_extension(lexicon, before)


DECODERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "delta": (lambda data: decode_delta(data, base()), encode_delta(DELTA, base())),
    "model": (decode_model, encode_model(model())),
    "extension": (lambda data: apply_extension(base(), data), extension()),
}


@pytest.fixture(params=sorted(DECODERS))
def decoder(request: pytest.FixtureRequest) -> tuple[Callable[[bytes], object], bytes]:
    return DECODERS[request.param]


def refused(decode: Callable[[bytes], object], data: bytes) -> bool:
    """Anything but a value or a `CodecError` goes through to the test."""
    try:
        decode(data)
    except CodecError:
        return True
    return False


def test_every_cut_is_refused(decoder: tuple[Callable[[bytes], object], bytes]) -> None:
    decode, data = decoder
    plain = decompress(data)
    assert not refused(decode, data)
    assert all(refused(decode, data[:size]) for size in range(1, len(data)))
    assert all(refused(decode, b"\0" + plain[:size]) for size in range(len(plain)))
    assert refused(decode, b"\0" + plain + b"\0")


def test_every_changed_byte_gives_a_value_or_is_refused(decoder: tuple[Callable[[bytes], object], bytes]) -> None:
    decode, data = decoder
    for whole in (data, b"\0" + decompress(data)):
        for position in range(len(whole)):
            for byte in {0, 1, 0x7F, 0x80, 0xFF, *(whole[position] ^ 1 << bit for bit in range(8))}:
                refused(decode, whole[:position] + bytes([byte]) + whole[position + 1 :])


def test_a_huge_count_anywhere_is_refused_in_bounded_memory(
    decoder: tuple[Callable[[bytes], object], bytes], bounded: None
) -> None:
    decode, data = decoder
    plain = decompress(data)
    for huge in (b"\xff" * 8 + b"\x7f", b"\xff\xff\xff\x3f", b"\xff\xff\x07"):
        for position in range(len(plain)):
            refused(decode, b"\0" + plain[:position] + huge + plain[position + 1 :])
            refused(decode, b"\0" + plain[:position] + huge + bytes(1 << 16))


@pytest.mark.parametrize("fill", [b"\0", b"\1", b"\2", b"\0\1"])
def test_a_bomb_is_refused_in_bounded_memory(decoder: tuple[Callable[[bytes], object], bytes], fill: bytes) -> None:
    decode, data = decoder
    plain = decompress(data)
    packer = zstandard.ZstdCompressor(level=1)
    for size in (7 << 20, 100 << 20):
        rest = fill * (size // len(fill))
        bombs = [b"\1" + packer.compress(head + rest) for head in (b"", plain[:20], plain)]
        tracemalloc.start()
        assert all(refused(decode, bomb) for bomb in bombs)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LIMIT


def test_the_most_that_a_model_may_hold_fits_into_memory(bounded: None) -> None:
    """As many sightings as a message may hold, all at different times: the costliest thing per byte."""
    writer = Writer()
    writer.number(1)
    writer.text("app")
    replicas = 250
    writer.texts(["w"] * replicas)
    writer.texts([f"c{n:05}" for n in range(replicas)])
    states = (MAX_ITEMS - 2 * replicas) // (replicas + 2) - 1
    writer.texts([f"File /{n:06}" for n in range(states)])
    writer.number(states)
    writer.column(range(states))
    writer.column([0] * states)
    writer.number(0)
    writer.number(1_700_000_000_000)
    for n in range(states):
        writer.ascending(range(replicas))
        writer.column([n * 1000 + k for k in range(2 * replicas)])
    writer.data += b"\0\0\0"
    found = decode_model(b"\1" + zstandard.ZstdCompressor(level=1).compress(bytes(writer.data)))
    assert len(found.states) == states


def test_a_delta_names_its_base() -> None:
    with pytest.raises(BaseMismatchError):
        decode_delta(encode_delta(DELTA, base()), Lexicon())
    with pytest.raises(CodecError, match="version"):
        decode_delta(b"\0\2", base())


def test_known_words_cost_a_number() -> None:
    lexicon = base()
    lexicon.extend(DELTA.states, DELTA.transitions)
    assert len(encode_delta(Delta((SIGHTING,)), lexicon)) < 50 < len(encode_delta(Delta((SIGHTING,)), base()))


def test_undecodable_bytes_survive() -> None:
    odd = State(b"File /tmp/\xff\xc3(\xf0\x9f\x98\x80".decode("utf-8", "surrogateescape"), ("read File \udc80",))
    delta = Delta((Sighting("web\udcfe", (), (odd,)),), {odd: "cat \udc80"})
    assert decode_delta(encode_delta(delta, Lexicon()), Lexicon()) == delta
    whole = Model.of("app\udcff", delta.evidence("w", Span(1, 1)))
    assert decode_model(encode_model(whole)) == whole


def test_repetition_inside_a_sighting_leaves_no_trace() -> None:
    twice = Delta((Sighting("web1", (READS, READS), (SHELL, SHELL)),))
    assert encode_delta(twice, base()) == encode_delta(Delta((Sighting("web1", (READS,), (SHELL,)),)), base())


def test_an_unusable_learned_pattern_is_data() -> None:
    evidence = model().evidence
    evidence.learned |= {"File /tmp/{broken", "File /tmp/" + "{token:999}x" * 500}
    whole = Model.of("app", evidence)
    assert decode_model(encode_model(whole)) == whole


def test_only_a_canonical_model_is_read() -> None:
    plain = decompress(encode_model(model()))
    literal = plain.replace(b"/etc/passwd", b"/tmp/101010")
    assert plain != literal
    assert refused(decode_model, b"\0" + literal)


def test_a_model_larger_than_asked_for_is_refused() -> None:
    data = encode_model(model())
    assert decode_model(data, most=100) == model()
    with pytest.raises(CodecError, match="more items"):
        decode_model(data, most=10)


def test_a_bad_extension_changes_nothing() -> None:
    """Half of two steps is not taken: the lexicon stays where it was."""
    plain = decompress(extension())
    for size in range(1, len(plain)):
        lexicon = base()
        lexicon.extend([State("File /mine")], [])
        before = (lexicon.revision, list(lexicon.texts), dict(lexicon.state_number))
        assert refused(lambda data, known=lexicon: apply_extension(known, data), b"\0" + plain[:size])
        assert (lexicon.revision, lexicon.texts, lexicon.state_number) == before


def test_an_extension_of_another_lexicon_is_refused() -> None:
    with pytest.raises(BaseMismatchError):
        apply_extension(Lexicon(), extension())
    with pytest.raises(BaseMismatchError):
        encode_extension(Lexicon(), base().revision)


def test_repeated_and_overtaken_extensions_change_nothing() -> None:
    monitor, agent = Lexicon(), Lexicon()
    monitor.extend([SHELL], [])
    old = encode_extension(monitor, Revision())
    monitor.extend([PASSWD], [READS])
    new = encode_extension(monitor, Revision())
    for answer in (new, old, new, old, b""):
        apply_extension(agent, answer)
        assert agent == monitor


def test_an_agent_follows_a_monitor_that_has_lost_its_words() -> None:
    agent, monitor = base(), Lexicon()
    monitor.extend([PASSWD], [WRITES])
    apply_extension(agent, encode_extension(monitor, Revision()))
    assert agent == monitor


@given(deltas(), lexicons())
def test_decoding_a_delta_undoes_encoding(delta: Delta, lexicon: Lexicon) -> None:
    """What a delta shows, when, its commands and patterns come back; encoding that again gives the same bytes."""
    data = encode_delta(delta, lexicon)
    found = decode_delta(data, lexicon)
    span = Span(0, 1)
    assert found.evidence("w", span) == delta.evidence("w", span)
    assert [(s.container, s.first, s.last, set(s.transitions), set(s.states)) for s in found.sightings] == [
        (s.container, s.first, s.last, set(s.transitions), set(s.states)) for s in delta.sightings
    ]
    assert encode_delta(found, lexicon) == data


@given(lexicons(), st.data())
def test_an_extension_brings_any_earlier_lexicon_forward(lexicon: Lexicon, data: st.DataObject) -> None:
    """From every revision it has stood at, the extension leads to the same lexicon; nothing where nothing is new."""
    behind, steps = Lexicon(), lexicon.steps(Revision())
    for step in steps[: data.draw(st.integers(0, len(steps)))]:
        behind.grow(step)
    sent = encode_extension(lexicon, behind.revision)
    assert (sent == b"") == (behind.revision == lexicon.revision)
    apply_extension(behind, sent)
    assert behind == lexicon


@given(evidences())
def test_decoding_a_model_undoes_encoding(evidence: Evidence) -> None:
    """A model comes back equal, as the same bytes, and generalises names as before."""
    whole = Model.of("app", evidence)
    data = encode_model(whole)
    found = decode_model(data)
    assert found == whole
    assert found.ids == whole.ids
    assert encode_model(found) == data
    assert all(found.state_of(state) == whole.state_of(state) for state in evidence.states)
    assert Model.of("app", found.evidence) == found


@given(st.binary(max_size=60), st.sampled_from(sorted(DECODERS)), st.integers(0, 200))
def test_any_bytes_give_a_value_or_are_refused(junk: bytes, which: str, cut: int) -> None:
    """Random bytes, bare or behind a true beginning, give a value or a `CodecError`."""
    decode, data = DECODERS[which]
    for one in (junk, b"\0" + junk, b"\0" + decompress(data)[:cut] + junk):
        refused(decode, one)


@given(st.binary(max_size=100), st.integers(0, 120))
def test_whatever_is_read_as_a_model_is_a_model(junk: bytes, cut: int) -> None:
    """Bytes that decode are what encoding the decoded model gives, uncompressed: there is one spelling only."""
    plain = decompress(encode_model(model()))
    damaged = plain[:cut] + junk[:3] + plain[cut + len(junk[:3]) :]
    try:
        found = decode_model(b"\0" + damaged)
    except CodecError:
        return
    assert found == Model.of(found.app, found.evidence)
    assert decode_model(encode_model(found)) == found
