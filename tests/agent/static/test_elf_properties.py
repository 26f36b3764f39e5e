"""Hostile ELF files: whatever the bytes, the answer is an image or an `InputError`, soon and in little memory."""

from __future__ import annotations

import struct
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st
from pitfalls import program

from agent.static.elf import parse_image
from agent.static.strings import find
from grammar.errors import InputError

SOURCE = """
static const char *const words[] = {"alpha %d\\n", "beta %d\\n", "gamma %d\\n"};
FAR void report(int n, const char *format, ...) {
    va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
FAR int work(int n) {
    switch (n) {
        case 0: report(1, "zero %d\\n", n); break;
        case 1: puts("one"); break;
        case 2: report(2, words[n % 3], n); break;
        case 3: perror("three"); break;
        case 4: printf("four %s\\n", "x"); break;
        default: report(3, "more"); }
    return n; }
int main(int c, char **v) { return work(c) + work(c * 3); }
"""
WORDS = (0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
PIECES = st.binary(min_size=1, max_size=12) | st.sampled_from([b"\xff" * 8, bytes(7) + b"\x80", b"\xff" * 7 + b"\x7f"])
SECONDS = 5.0


@cache
def built() -> bytes:
    with TemporaryDirectory() as folder:
        return program(Path(folder), SOURCE, "-O2").read_bytes()


def outcome(data: bytes) -> int:
    """How many log strings are found, -1 for an `InputError`; fails if it takes long."""
    begin = time.monotonic()
    try:
        return len(find([parse_image(data, "mutant")]).sites)
    except InputError:
        return -1
    finally:
        assert time.monotonic() - begin < SECONDS


def tables(data: bytes) -> list[tuple[int, int]]:
    """Where headers and the tables that they lead to are: what a mutation hurts most."""
    (programs,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    found = [(0, 64), (programs, 56 * count)]
    for number in range(count):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, programs + 56 * number)
        if kind in (2, 4, 0x6474E550):
            found.append((offset, size))
    (sections,) = struct.unpack_from("<Q", data, 40)
    return [*found, (sections, len(data) - sections)]


def test_unharmed_it_has_its_strings() -> None:
    assert outcome(built()) == 6


@given(st.data())
def test_words_of_headers_and_tables_may_say_anything(data: st.DataObject) -> None:
    """Any few words of any header or table replaced by extreme or random numbers: an outcome, in time."""
    mutant = bytearray(built())
    for _ in range(data.draw(st.integers(1, 4))):
        begin, size = data.draw(st.sampled_from(tables(built())))
        width = data.draw(st.sampled_from((1, 2, 4, 8)))
        at = begin + data.draw(st.integers(0, max(size - width, 0) // 2)) * 2
        value = data.draw(st.sampled_from(WORDS) | st.integers(0, (1 << 64) - 1))
        mutant[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    outcome(bytes(mutant))


@example([(1047, b"\1" + bytes(7) + b"\x80")])  # a symbol's address beyond 2^63
@given(st.lists(st.tuples(st.integers(0, 1 << 14), PIECES), min_size=1, max_size=20))
def test_bytes_anywhere_may_be_anything(changes: list[tuple[int, bytes]]) -> None:
    """Code, data and tables overwritten at random: an outcome, in time."""
    mutant = bytearray(built())
    for at, value in changes:
        mutant[at % len(mutant) : at % len(mutant) + len(value)] = value
    outcome(bytes(mutant))


@given(st.integers(0, 1 << 15))
def test_it_may_end_anywhere(end: int) -> None:
    """Cut anywhere it is refused."""
    assert outcome(built()[: end % len(built())]) == -1


@given(st.binary(max_size=400))
def test_anything_after_the_magic_is_survived(rest: bytes) -> None:
    outcome(b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\x3e\0" + rest)
