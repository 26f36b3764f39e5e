"""What a publisher sends, a monitor's lexicon can read: words known to both cost a number, the chain never breaks."""

import msgspec
import pytest

from agent.epochs import Epoch
from agent.publisher import Publisher
from grammar import (
    BaseMismatchError,
    CodecError,
    Delta,
    Envelope,
    Lexicon,
    Revision,
    Sighting,
    State,
    Transition,
    decode_delta,
    decode_envelope,
    encode_extension,
)

SH, FILE = State("Process sh /bin/sh"), State("File /tmp/x")
SHOWN = Delta((Sighting("web1", (Transition(FILE, "WAS_GENERATED_BY", "write", SH),)),), {SH: "sh -c x"}, ())


def epoch(deltas: dict[str, Delta] | None = None, start: int = 0) -> Epoch:
    return Epoch(start, 1000, 3, 9, 2, 1, 2, 1, {"late": 1}, (("web1", 4),), deltas or {}, 0.0)


def publisher() -> Publisher:
    return Publisher("worker1", b"session", {})


def sent(one: Publisher, *epochs: Epoch) -> list[Envelope]:
    return [decode_envelope(one.envelope(each)) for each in epochs]


def test_a_heartbeat_asks_nothing_and_says_what_was_lost() -> None:
    one = publisher()
    assert one.question(epoch()) == b""
    (envelope,) = sent(one, epoch())
    assert envelope.is_heartbeat
    assert (envelope.agent, envelope.session, envelope.lost, envelope.active) == (
        "worker1",
        b"session",
        {"late": 1},
        (("web1", 4),),
    )
    assert one.delta_bytes == 0


def test_envelopes_are_numbered_and_chained() -> None:
    envelopes = sent(publisher(), *(epoch(start=1000 * n) for n in range(4)))
    assert [envelope.sequence for envelope in envelopes] == [0, 1, 2, 3]
    assert [envelope.before for envelope in envelopes] == [b"", *(envelope.digest for envelope in envelopes[:-1])]


def test_news_is_asked_for_by_revision_and_sent_against_it() -> None:
    one, monitor = publisher(), Lexicon()
    assert msgspec.msgpack.decode(one.question(epoch({"web": SHOWN})), type=dict[str, Revision]) == {"web": Revision()}
    (envelope,) = sent(one, epoch({"web": SHOWN}))
    ((app, data),) = envelope.deltas
    assert (app, decode_delta(data, monitor)) == ("web", SHOWN)
    assert one.delta_bytes == len(data)


def test_words_that_the_cluster_knows_cost_less_and_their_commands_are_not_sent() -> None:
    one, monitor = publisher(), Lexicon()
    sent(one, epoch({"web": SHOWN}))
    in_full = one.delta_bytes
    monitor.extend(SHOWN.states, SHOWN.transitions)
    one.learn(msgspec.msgpack.encode({"web": encode_extension(monitor, Revision())}))
    (envelope,) = sent(one, epoch({"web": SHOWN}))
    assert one.delta_bytes < in_full
    assert decode_delta(envelope.deltas[0][1], monitor) == Delta(SHOWN.sightings)


def test_what_the_monitor_cannot_read_goes_out_again_in_full_under_the_same_number() -> None:
    one, elsewhere, monitor = publisher(), Lexicon(), Lexicon()
    sent(one, epoch())
    elsewhere.extend(SHOWN.states, SHOWN.transitions)
    one.learn(msgspec.msgpack.encode({}))
    one.question(epoch({"web": SHOWN}))
    one.learn(msgspec.msgpack.encode({"web": encode_extension(elsewhere, Revision())}))
    (refused,) = sent(one, epoch({"web": SHOWN}))
    with pytest.raises(BaseMismatchError):
        decode_delta(refused.deltas[0][1], monitor)
    again = decode_envelope(one.again(epoch({"web": SHOWN})))
    assert decode_delta(again.deltas[0][1], monitor) == SHOWN
    assert (again.sequence, again.before) == (refused.sequence, refused.before) == (1, again.before)
    (following,) = sent(one, epoch())
    assert (following.sequence, following.before) == (2, again.digest)


@pytest.mark.parametrize("answer", [b"", b"\xc1", b"rubbish", msgspec.msgpack.encode({"web": 5})])
def test_an_answer_that_is_none_is_an_error(answer: bytes) -> None:
    with pytest.raises(CodecError):
        publisher().learn(answer)


def test_words_of_an_application_that_was_not_asked_for_are_not_kept() -> None:
    one, monitor = publisher(), Lexicon()
    monitor.extend(SHOWN.states, ())
    one.learn(msgspec.msgpack.encode({"other": encode_extension(monitor, Revision())}))
    assert one.lexicons == {}
