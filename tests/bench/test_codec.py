"""Every form holds the same model; the fuzzing tells values, refusals and failures apart, and says what was slow."""

from __future__ import annotations

import json
import time
from random import Random

import msgspec
import pytest
from codec import _json, _msgpack, indexed, nested, row
from crafted import FAMILIES
from decoding import LIMIT_MS, Tally, Target, damaged, largest, mutated

from grammar import CodecError, Evidence, Model, Replica, Span, State, Transition, decode_model, encode_model
from grammar.wire import MAX_ITEMS, SHARED, decompress

SHELL, PASSWD = State("Process sh /bin/sh"), State("File /etc/passwd", ("write Process cp /bin/cp", "#0123abcd"))
READS = Transition(SHELL, "USED", "read", PASSWD)
WEB1, WEB2 = Replica("w1", "web1"), Replica("w2", "web2")


def model() -> Model:
    seen = {READS: {WEB1: Span(1000, 3000), WEB2: Span(2000, 2000)}, SHELL: {WEB1: Span(1000, 9000, 3)}}
    return Model.of("web", Evidence(dict(seen), {SHELL: "sh -c id"}, {"File /tmp/{int}"}))


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for one in value for text in strings(one)] if isinstance(value, list | tuple) else []


def numbers(value: object) -> list[int]:
    if isinstance(value, int):
        return [value]
    return [number for one in value for number in numbers(one)] if isinstance(value, list | tuple) else []


def test_both_msgpack_forms_hold_every_text_and_the_better_one_each_once() -> None:
    whole = model()
    texts = {
        SHELL.label,
        PASSWD.label,
        *PASSWD.context,
        "USED",
        "read",
        "sh -c id",
        "File /tmp/{int}",
        "web",
        "w1",
        "web2",
    }
    assert texts <= set(strings(nested(whole)))
    assert texts <= set(strings(indexed(whole)))
    assert len(strings(indexed(whole))) == len(set(strings(indexed(whole))))


def test_both_forms_hold_every_time_and_level() -> None:
    whole = model()
    assert {1000, 2000, 3000, 9000, 3} <= set(numbers(nested(whole)))
    start = 1000
    assert {start, 8000, 3, 2000} <= set(numbers(indexed(whole)))


def test_forms_are_what_they_are_called() -> None:
    value = nested(model())
    assert msgspec.msgpack.decode(_msgpack(value)) == json.loads(_json(value))
    assert msgspec.msgpack.decode(_msgpack(["a\udcff"])) == [b"a\xff"]


def test_a_row_measures_ours_and_theirs() -> None:
    found = row(model())
    assert found["ours"] == len(encode_model(model())) < found["indexed"] < found["json"]
    assert found["items"] == 3


def test_a_tally_tells_values_refusals_and_failures_apart() -> None:
    tally = Tally()

    def decode(blob: bytes) -> None:
        if blob == b"slow":
            time.sleep(0)
            sum(range(200_000))
        if blob == b"refused":
            raise CodecError("no")
        if blob == b"failure":
            raise IndexError("oh")

    for blob in (b"value", b"slow", b"refused", b"failure"):
        tally.decode("what", decode, blob)
    assert tally.values == 2
    assert tally.refused - len(tally.failures) >= 1
    assert all("IndexError" in failure for failure in tally.failures)
    assert tally.failures
    assert 0 < tally.slowest_ms < 1000 * LIMIT_MS
    assert tally.slowest == "what, 4 bytes"


def test_blobs_depend_on_the_seed_only() -> None:
    target = Target("model", decode_model, [encode_model(model())])
    one, two, other = ([mutated(Random(seed), target) for _ in range(20)] for seed in (1, 1, 2))
    assert one == two != other


def test_damage_is_damage() -> None:
    data = encode_model(model())
    rng = Random(5)
    blobs = {damaged(rng, [data]) for _ in range(200)}
    assert len(blobs - {data}) > 150


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_crafted_family_is_what_a_decoder_reads(family: object) -> None:
    """Small members of a family decode; those about frames alone are none of ours inside."""
    assert isinstance(family, type(FAMILIES[0]))
    blob = family.blob(8)
    assert blob[0] <= SHARED
    plain = decompress(blob, most=2 * MAX_ITEMS)
    assert plain
    if family.decoder == "model" and family.name not in ("zeros", "short matches"):
        decode_model(blob)


def test_the_largest_that_is_let_through_is_found() -> None:
    def decode(blob: bytes) -> None:
        if len(decode_model(blob, 1 << 20).states) > 300:
            raise CodecError("more items")

    assert 280 <= largest(FAMILIES[0], decode) <= 300
