"""A catalogue's texts come out by number; bytes that are none, or not whole, are an error that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogues import catalogue_bytes
from hypothesis import given
from hypothesis import strategies as st

from agent.static.catalogue import HEADER, MAX_FILE, catalogue_beside, is_catalogue, parse_catalogue, read_catalogue
from grammar.errors import InputError

TEXTS = st.binary(max_size=30).map(lambda raw: raw.replace(b"\0", b"x"))
SMALL = catalogue_bytes([[b"one", b"", b"three %d"], [], [b"of the third"]])
NAMES = b"\0errmsg.sys\0"


def test_texts_stand_under_their_numbers() -> None:
    read = parse_catalogue(SMALL, "a")
    read_texts = [read.text(number) for number in (1000, 1001, 1002, 3000)]
    assert read_texts == [b"one", b"", b"three %d", b"of the third"]
    assert len(read) == 3
    assert not any(read.text(number) for number in (0, -1, 999, 1003, 2000, 3001, 4000, 1 << 40))


@given(st.lists(st.lists(TEXTS, max_size=6), max_size=5))
def test_what_is_written_is_read(ranges: list[list[bytes]]) -> None:
    read = parse_catalogue(catalogue_bytes(ranges), "a")
    assert [list(few) for few in read.ranges] == ranges


@given(st.binary(max_size=200), st.integers(0, len(SMALL)))
def test_hostile_bytes_are_an_error_or_a_catalogue_of_their_own_bytes(noise: bytes, at: int) -> None:
    data = SMALL[:at] + noise + SMALL[at + len(noise) :]
    try:
        read = parse_catalogue(data, "a")
    except InputError:
        return
    assert all(text in data for few in read.ranges for text in few)
    assert sum(len(text) for few in read.ranges for text in few) <= len(data)


def test_a_truncated_one_is_refused_wherever_it_ends() -> None:
    for end in range(len(SMALL)):
        with pytest.raises(InputError):
            parse_catalogue(SMALL[:end], "a")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a catalogue"),
        (b"\x1b[31m", "not a catalogue"),
        (b"\xfe\xfe\x02", "no header"),
        (catalogue_bytes([[b"x"]], version=9), "version 9"),
        (SMALL[:HEADER] + b"\xff\xff" + SMALL[HEADER + 2 :], "disagree"),
        (SMALL[:6] + b"\xff\xff\xff\xff" + SMALL[10:], "truncated"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_catalogue(data, "some file")
    assert "some file" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_it_is_found_where_the_program_looks_for_it(tmp_path: Path) -> None:
    program = tmp_path / "usr" / "sbin" / "served"
    program.parent.mkdir(parents=True)
    assert catalogue_beside(program, NAMES) is None
    place = tmp_path / "usr" / "share" / "mysql" / "english" / "errmsg.sys"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"something else")
    assert catalogue_beside(program, NAMES) is None
    place.write_bytes(SMALL)
    assert catalogue_beside(program, NAMES) == place
    assert catalogue_beside(program, b"a program that has never heard of it") is None


def test_a_file_that_cannot_be_read_or_is_too_large(tmp_path: Path) -> None:
    assert not is_catalogue(tmp_path)
    assert not is_catalogue(tmp_path / "absent")
    with pytest.raises(InputError, match="cannot read"):
        read_catalogue(tmp_path / "absent")
    with (tmp_path / "large").open("wb") as file:
        file.write(SMALL)
        file.truncate(MAX_FILE + 1)
    with pytest.raises(InputError, match="too large"):
        read_catalogue(tmp_path / "large")
