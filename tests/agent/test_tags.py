"""The decoder: any bytes in, cut anywhere; what are records are tags, and all else is counted.

Source: agent/tags.py; lkm/winnower_tag.h.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from random import Random
from struct import pack_into

from hypothesis import given
from hypothesis import strategies as st
from tagged import packed, tag, tags

from agent.tags import MAGIC, MAX_RECORD, SIZE, Decoder, Tag, pack

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
ANY = st.builds(
    Tag,
    *([U64] * 5),
    *([U32] * 16),
    st.binary(max_size=16).map(lambda text: text.rstrip(b"\0")),
)


def newer(one: Tag, size: int, version: int = 2) -> bytes:
    """As a newer module would write it: longer, and its beginning is this version's."""
    data = bytearray(pack(one) + b"\xee" * (size - SIZE))
    pack_into("=HH", data, 4, version, size)
    return bytes(data)


def decoded(*pieces: bytes) -> tuple[list[Tag], int]:
    decoder = Decoder()
    return [one for piece in pieces for one in decoder.feed(piece)], decoder.damaged


def test_the_layout_is_the_header_s() -> None:
    """Each field of the C struct stands here, in its order and width."""
    header = Path(__file__).parents[2] / "lkm" / "winnower_tag.h"
    body = header.read_text().split("struct winnower_tag {")[1].split("};")[0]
    fields = re.findall(r"__u(\d+) (\w+);", body)
    names = {"inner_tgid": "inner_tgid", "namespace_id": "namespace"}
    assert [names.get(name, name) for _, name in fields][3:] == list(Tag._fields[:-1])
    assert sum(int(width) // 8 for width, _ in fields) + 16 == SIZE == 128


@given(st.lists(ANY, max_size=20), st.lists(st.integers(0, 2_560), max_size=6))
def test_what_is_packed_comes_out_wherever_it_is_cut(many: list[Tag], cuts: list[int]) -> None:
    data = packed(*many)
    places = [0, *sorted(cuts), len(data)]
    assert decoded(*(data[a:b] for a, b in pairwise(places))) == (many, 0)


@given(st.lists(st.tuples(ANY, st.sampled_from((SIZE, 136, 160, MAX_RECORD))), max_size=8), st.integers(1, 700))
def test_a_newer_record_is_taken_by_its_beginning(many: list[tuple[Tag, int]], step: int) -> None:
    data = b"".join(pack(one) if size == SIZE else newer(one, size) for one, size in many)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    assert decoded(*pieces) == ([one for one, _ in many], 0)


@given(st.lists(st.binary(max_size=300).filter(lambda text: b"W" not in text), min_size=1, max_size=6))
def test_between_records_any_bytes_are_counted_and_passed_over(rubbish: list[bytes]) -> None:
    """No record is lost to what stands between two of them, and each byte of that is counted."""
    many = tags(0, len(rubbish) + 1)
    data = packed(many[0]) + b"".join(text + packed(one) for text, one in zip(rubbish, many[1:], strict=True))
    assert decoded(data) == (many, sum(map(len, rubbish)))


def test_records_that_are_too_short_are_damage() -> None:
    """Shorter than version 1, or of version 1 and of another length, or of no version: not believed."""
    for version, size in ((2, SIZE - 1), (2, 8), (1, 136), (0, SIZE), (2, MAX_RECORD + 1)):
        data = bytearray(newer(tag(1), SIZE))
        pack_into("=HH", data, 4, version, size)
        assert decoded(bytes(data) + packed(tag(2))) == ([tag(2)], SIZE)


def test_a_record_whose_magic_is_damaged_costs_only_itself() -> None:
    data = bytearray(packed(*tags(0, 100)))
    data[50 * SIZE] ^= 1
    assert decoded(bytes(data)) == ([*tags(0, 50), *tags(51, 100)], SIZE)


@given(st.binary(max_size=2_000), st.integers(0, 2_000))
def test_no_bytes_break_it_and_a_cut_changes_nothing(noise: bytes, cut: int) -> None:
    data = noise.replace(b"\1", MAGIC) + packed(tag(1)) + noise
    whole = Decoder()
    found = whole.feed(data)
    assert (found, whole.damaged) == decoded(data[:cut], data[cut:])
    assert len(data) - len(whole.used) <= MAX_RECORD


@given(st.binary(max_size=600), st.lists(ANY, max_size=4))
def test_used_bytes_fed_again_give_the_same(noise: bytes, many: list[Tag]) -> None:
    """What is kept of a poll is all that is needed to repeat it: tags, and damage."""
    first, second = Decoder(), Decoder()
    data = packed(*many[:2]) + noise + packed(*many[2:])
    for piece in (data[:333], data[333:]):
        damaged = first.damaged
        found = first.feed(piece)
        again = Decoder()
        assert again.feed(first.used) == found
        assert again.damaged == first.damaged - damaged
        assert second.feed(piece) == found


def test_mutated_streams_are_never_an_error_and_never_grow() -> None:
    """Any bits turned, any bytes gone or doubled: no more tags than bytes allow, and what is kept back is bounded."""
    random = Random(7)
    for _ in range(300):
        data = bytearray(packed(*tags(0, 20)))
        for _ in range(random.randrange(12)):
            at = random.randrange(len(data))
            kind = random.randrange(3)
            if kind == 0:
                data[at] ^= 1 << random.randrange(8)
            elif kind == 1:
                del data[at : at + random.randrange(200)]
            else:
                data[at:at] = data[at : at + random.randrange(200)]
        decoder = Decoder()
        found = decoder.feed(bytes(data))
        assert len(found) * SIZE + decoder.damaged <= len(data)
        assert len(data) - len(decoder.used) <= MAX_RECORD
