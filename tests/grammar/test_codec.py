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
from grammar.codec import SEEN
from grammar.wire import MAX_ITEMS, PACKED, STORED, VERSION, decompress

SHELL, PASSWD = State("Process sh /bin/sh"), State("File /etc/passwd", ("write Process cp /bin/cp",))
READS, WRITES = Transition(SHELL, "USED", "read", PASSWD), Transition(PASSWD, "WAS_GENERATED_BY", "write", SHELL)
SIGHTING = Sighting("web1", (READS, WRITES), (State("Pipe"),), 10, 300)
DELTA = Delta((SIGHTING,), {SHELL: "sh -c id"}, ("File /tmp/{int}",))
WEB1, WEB2 = Replica("w1", "web1"), Replica("w2", "web2")
LIMIT = 64 << 20
PLAIN = bytes([STORED])


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
    assert all(refused(decode, PLAIN + plain[:size]) for size in range(len(plain)))
    assert refused(decode, PLAIN + plain + b"\0")


def test_every_changed_byte_gives_a_value_or_is_refused(decoder: tuple[Callable[[bytes], object], bytes]) -> None:
    decode, data = decoder
    for whole in (data, PLAIN + decompress(data)):
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
            refused(decode, PLAIN + plain[:position] + huge + plain[position + 1 :])
            refused(decode, PLAIN + plain[:position] + huge + bytes(1 << 16))


@pytest.mark.parametrize("fill", [b"\0", b"\1", b"\2", b"\0\1"])
def test_a_bomb_is_refused_in_bounded_memory(decoder: tuple[Callable[[bytes], object], bytes], fill: bytes) -> None:
    decode, data = decoder
    plain = decompress(data)
    packer = zstandard.ZstdCompressor(level=1)
    for size in (2 << 20, 100 << 20):
        rest = fill * (size // len(fill))
        bombs = [bytes([PACKED]) + packer.compress(head + rest)[4:] for head in (b"", plain[:20], plain)]
        tracemalloc.start()
        assert all(refused(decode, bomb) for bomb in bombs)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < LIMIT


def crowd(states: int, replicas: int) -> Model:
    """Every state shown by every replica, each time at another time: the costliest thing per byte."""
    evidence = Evidence()
    for n in range(states):
        for k in range(replicas):
            evidence.add(State(f"File /{n:06}"), Replica("w", f"c{k:04}"), Span(n * 1000 + k, n * 1000 + 2 * k))
    return Model.of("app", evidence)


def test_the_most_that_a_model_may_hold_fits_into_memory(bounded: None) -> None:
    whole = crowd(60, 250)
    assert MAX_ITEMS < 75 * 250 * (SEEN + 2)
    assert decode_model(encode_model(whole)) == whole


def test_a_trusted_model_may_hold_more() -> None:
    whole = crowd(120, 400)
    data = encode_model(whole)
    with pytest.raises(CodecError, match="more items"):
        decode_model(data)
    assert decode_model(data, most=8 * MAX_ITEMS) == whole


def test_what_has_the_same_support_shares_it() -> None:
    """A hundred thousand sightings of a few kinds cost little more than the items."""
    evidence = Evidence()
    for n in range(1000):
        for k in range(100):
            evidence.add(State(f"File /{n:06}"), Replica("w", f"c{k:04}"), Span(0, 1000 * (n % 3)))
    whole = Model.of("app", evidence)
    data = encode_model(whole)
    assert len(data) < 5000
    assert decode_model(data) == whole


def test_a_delta_names_its_base() -> None:
    with pytest.raises(BaseMismatchError):
        decode_delta(encode_delta(DELTA, base()), Lexicon())


def test_a_wrong_base_is_named_with_our_own() -> None:
    wanted, ours = base().revision.digest.hex(), Lexicon().revision.digest.hex()
    calls: list[Callable[[], object]] = [
        lambda: decode_delta(encode_delta(DELTA, base()), Lexicon()),
        lambda: apply_extension(Lexicon(), extension()),
    ]
    for call in calls:
        with pytest.raises(BaseMismatchError) as caught:
            call()
        assert wanted in str(caught.value)
        assert ours in str(caught.value)


def test_a_newer_and_an_older_version_are_told_apart(decoder: tuple[Callable[[bytes], object], bytes]) -> None:
    decode, data = decoder
    for form in range(4):
        with pytest.raises(CodecError, match=r"1: .* of a newer version: '3' \(.*upgrade"):
            decode(bytes([VERSION + 1 << 2 | form]) + data[1:])
        with pytest.raises(CodecError, match="of an older version"):
            decode(bytes([form]) + data[1:])


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
    evidence.learned |= {"File /tmp/{broken", "File /tmp/" + "{token:999}x" * 20}
    whole = Model.of("app", evidence)
    assert decode_model(encode_model(whole)) == whole


def test_patterns_are_paid_for_before_they_are_compiled() -> None:
    """A pattern may stand for a matcher of a million places, or meet every name of its directory."""
    large, many = model().evidence, Evidence()
    large.learned.add("File /tmp/" + "{token:999}x" * 200)
    for n in range(800):
        many.add(State(f"File /tmp/a{n:03}"), WEB1, Span(1, 1))
    many.learned = {f"File /tmp/b{n:02}{{any}}" for n in range(20)}
    for evidence in (large, many):
        data = encode_model(Model.of("app", evidence))
        with pytest.raises(CodecError, match="more items"):
            decode_model(data)
        assert encode_model(decode_model(data, most=16 * MAX_ITEMS)) == data


def test_only_a_canonical_model_is_read() -> None:
    plain = decompress(encode_model(model()))
    literal = plain.replace(b"/etc/passwd", b"/tmp/101010").replace(b"etc/passwd", b"tmp/101010")
    assert plain != literal
    assert refused(decode_model, PLAIN + literal)


def test_a_model_larger_than_asked_for_is_refused() -> None:
    data = encode_model(model())
    assert decode_model(data, most=5000) == model()
    with pytest.raises(CodecError, match="more items"):
        decode_model(data, most=100)


def test_a_bad_extension_changes_nothing() -> None:
    """Half of two steps is not taken: the lexicon stays where it was."""
    plain = decompress(extension())
    for size in range(1, len(plain)):
        lexicon = base()
        lexicon.extend([State("File /mine")], [])
        before = (lexicon.revision, list(lexicon.texts), dict(lexicon.state_number))
        assert refused(lambda data, known=lexicon: apply_extension(known, data), PLAIN + plain[:size])
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


def test_more_words_than_a_decoder_holds_come_in_parts() -> None:
    """Each part leads to a point where the writer has stood; asking again from there leads on to the end."""
    monitor, agent = Lexicon(), Lexicon()
    for n in range(40):
        monitor.extend([State(f"File /{n}/{k}") for k in range(400)], [])
    parts = 0
    while sent := encode_extension(monitor, agent.revision):
        apply_extension(agent, sent)
        parts += 1
        assert monitor.find(agent.revision)
    assert agent == monitor
    assert 2 < parts < 6


def test_words_known_already_cost_nothing_to_follow() -> None:
    """An extension that ends before we do, or that we have taken in, leaves our own lexicon as it is."""
    monitor, agent = base(), base()
    old = encode_extension(monitor, Revision())
    agent.extend([State("File /mine")], [])
    states = agent.states
    apply_extension(agent, old)
    assert agent.states is states
    assert agent.states[-1] == State("File /mine")


def test_marks_come_back_in_deltas_and_models() -> None:
    marked = tuple(State("File /a", ("write Process sh /bin/sh", f"#{n * 7919:08x}")) for n in range(50))
    delta = Delta((Sighting("web1", tuple(Transition(one, "USED", "read", SHELL) for one in marked)),))
    data = encode_delta(delta, base())
    assert set(decode_delta(data, base()).sightings[0].transitions) == delta.transitions
    whole = Model.of("app", delta.evidence("w", Span(5, 9)))
    assert decode_model(encode_model(whole)) == whole


def test_levels_come_back() -> None:
    seen = {SHELL: {WEB1: Span(1, 2, 5), WEB2: Span(1, 2)}, PASSWD: {WEB1: Span(1, 2, 63), WEB2: Span(1, 2, 1)}}
    whole = Model.of("app", Evidence({**seen, READS: {WEB1: Span(1, 2)}}))
    assert decode_model(encode_model(whole)) == whole


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
    for one in (junk, PLAIN + junk, PLAIN + decompress(data)[:cut] + junk):
        refused(decode, one)


@given(st.binary(max_size=100), st.integers(0, 120))
def test_whatever_is_read_as_a_model_is_a_model(junk: bytes, cut: int) -> None:
    """Bytes that decode are what encoding the decoded model gives, uncompressed: there is one spelling only."""
    plain = decompress(encode_model(model()))
    damaged = plain[:cut] + junk[:3] + plain[cut + len(junk[:3]) :]
    try:
        found = decode_model(PLAIN + damaged)
    except CodecError:
        return
    assert found == Model.of(found.app, found.evidence)
    assert decode_model(encode_model(found)) == found


def _shown(delta: Delta, parts: list[Delta]) -> tuple[list[Sighting], list[Sighting]]:
    return list(delta.sightings), [one for part in parts for one in part.sightings]


@given(deltas(), st.integers(1, 5))
def test_the_parts_of_a_delta_say_together_what_it_says(delta: Delta, size: int) -> None:
    parts = list(delta.parts(size))
    whole = Evidence()
    for part in parts:
        assert sum(len(one.transitions) + len(one.states) + len(one.levels) for one in part.sightings) <= size
        whole.update(part.evidence("w1", Span(5, 5)))
    assert whole == delta.evidence("w1", Span(5, 5))
    empty = [
        [one for one in shown if not (one.transitions or one.states or one.levels)] for shown in _shown(delta, parts)
    ]
    assert len(empty[0]) == len(empty[1])


def test_an_epoch_of_any_size_is_taken_in_parts_by_a_decoder_that_trusts_nobody() -> None:
    states = [State(f"File /srv/{n:x}", (f"#{n:08x}",)) for n in range(20_000)]
    news = tuple(Transition(one, "USED", "read", states[n // 2]) for n, one in enumerate(states[1:]))
    agent, monitor, found = Lexicon(), Lexicon(), set[Transition]()
    for part in Delta((Sighting("web1", news),)).parts():
        found |= decode_delta(encode_delta(part, agent), monitor).transitions
    assert found == set(news)
