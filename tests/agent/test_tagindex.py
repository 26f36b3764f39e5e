"""Tags are held by file and time, once, as long as there is room."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tag_scene import DEVICE, MS, START, tag

from agent import tagindex
from agent.logbook_bytes import WINDOW, Part
from agent.snapshot import pack, unpack
from agent.tagindex import SPENT, WIDE, TagIndex
from agent.tagjoin_places import Found, Places
from agent.tags import Tag

KEY = (DEVICE, 1)
NOW = START * MS


def line(offset: int, at: int = 0, **other: int) -> Tag:
    return tag(offset, b"0123456789", 201, NOW + at, **other)


def put(*tags: Tag) -> TagIndex:
    made = TagIndex()
    made.put(tags)
    return made


def test_nothing_is_on_until_somebody_puts() -> None:
    made = TagIndex()
    assert not made.on
    made.put(())
    assert made.on


def test_the_same_tag_is_taken_once_however_often_it_comes() -> None:
    made = put(line(0), line(0), line(10, 5))
    made.put([line(0)])
    assert (made.held, made.take(), made.take()) == (2, {"duplicate": 2}, {})


def test_numbers_begin_anew_with_another_load_and_on_another_cpu() -> None:
    assert put(line(0, sequence=3), line(10, sequence=3, load=8), line(20, sequence=3, cpu=1)).held == 3


def test_tags_stand_in_the_order_of_time() -> None:
    made = put(line(20, 2), line(0, 0), line(10, 1))
    assert [one.tag.offset for one in made.files[KEY].held] == [0, 10, 20]


def test_a_byte_without_a_tag_is_seen() -> None:
    file = put(line(0, 0), line(10, 5 * MS), line(30, 20 * MS)).files[KEY]
    places = Places()
    for one in file.held:
        places.put(one.tag, Found(1, one.at))
    assert places.is_whole_before(Found(1, 10), NOW + MS)
    assert places.is_whole_before(Found(1, 20), NOW + 6 * MS)
    assert not places.is_whole_before(Found(1, 30), NOW + MS)
    assert not places.is_whole_before(Found(2, 10), NOW + MS)
    assert places.is_whole_behind(Found(1, 0), 20, NOW + 30 * MS)
    assert not places.is_whole_behind(Found(1, 0), 40, NOW + 30 * MS)
    assert places.is_whole_behind(Found(1, 30), 40, NOW)
    assert [hole[:2] for hole in file.holes(40)] == [(20, 30)]
    assert [hole[:2] for hole in file.holes(45)] == [(20, 30), (40, 45)]


def test_what_a_file_held_before_it_was_emptied_is_not_known() -> None:
    file = put(line(0, 0), line(50, 100 * MS), line(0, 200 * MS), line(10, 300 * MS)).files[KEY]
    assert file.holes(20) == [(0, WIDE, 0, START + 200)]


def test_what_is_too_much_goes_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagindex, "MAX_HELD", 100)
    made = put(*(line(10 * at, at, sequence=at) for at in range(1_000)))
    assert made.held <= 100
    assert made.counts["evicted"] == 1_000 - made.held


def test_what_waits_too_long_goes_but_for_the_last_place() -> None:
    made = put(*(line(10 * at, at * MS, sequence=at) for at in range(10)))
    made.expire(START + 60_000)
    assert [one.tag.offset for one in made.files[KEY].held] == [90]
    assert (made.held, made.counts["expired"], made.files[KEY].held[0].state) == (1, 10, SPENT)


def test_files_are_bounded() -> None:
    made = put(*(line(0, at, sequence=at, inode=at + 1) for at in range(tagindex.MAX_FILES + 50)))
    assert (len(made.files), made.held) == (tagindex.MAX_FILES, tagindex.MAX_FILES)


def test_an_index_goes_with_a_snapshot() -> None:
    made = put(line(0), line(10, 5, pid=999))
    again = unpack(pack(made, {}), "f", TagIndex, {})
    again.put([line(0)])
    assert (again.held, again.on, again.is_threaded(201), again.counts["duplicate"]) == (2, True, True, 1)


WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1])


@given(st.lists(st.builds(lambda numbers: Tag(*numbers, b"\xff"), st.lists(WORDS, min_size=21, max_size=21))))
def test_any_numbers_at_all_are_taken_or_counted(tags: list[Tag]) -> None:
    made = put(*tags)
    assert made.held + sum(made.counts.values()) == len(tags)
    made.expire(2**63)


@given(st.binary(max_size=600), st.lists(st.integers(1, 50), max_size=20), st.integers(0, 600), st.integers(0, 300))
def test_sums_are_of_the_bytes_at_their_place(data: bytes, cuts: list[int], at: int, count: int) -> None:
    part, place = Part(0, None), 0
    for cut in [*cuts, len(data)]:
        part.add(place, data[place : place + cut])
        place = min(len(data), place + cut)
    there = at + count <= len(data)
    assert part.crc(at, count) == (crc32(data[at : at + count]) if there else None) or (count == 0 and not there)


def test_old_bytes_go() -> None:
    part = Part(0, None)
    for at in range(0, 4 * WINDOW, 1_000):
        part.add(at, b"x" * 1_000)
    assert part.held <= WINDOW
    assert part.crc(0, 10) is None
    assert part.crc(4 * WINDOW - 2_000, 1_500) is not None
