"""What is written is read again; anything else is a `CodecError`, in bounded memory and time."""

import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import blake2b

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from strategies import TEXTS

from grammar.dictionary import DICTIONARY
from grammar.errors import CodecError
from grammar.wire import (
    LETTERS_PER_ITEM,
    MAX_ITEMS,
    MAX_TEXT,
    PACKED,
    PLAIN_PER_ITEM,
    SHARED,
    STORED,
    VERSION,
    Reader,
    Writer,
    compress,
    decompress,
)

LIMIT = 64 << 20
MAX_PLAIN = MAX_ITEMS * PLAIN_PER_ITEM
MAX_LETTERS = MAX_ITEMS * LETTERS_PER_ITEM
MARK = bytes([PACKED])


@pytest.fixture
def bounded() -> Iterator[None]:
    """The test's body takes less than 64 MB."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LIMIT


def written(write: Callable[[Writer], object]) -> bytes:
    writer = Writer()
    write(writer)
    return bytes(writer.data)


def bomb(size: int, **options: bool) -> bytes:
    unit = zstandard.ZstdCompressor(level=1, **options).compressobj(size=size if options else -1)
    chunk = bytes(1 << 20)
    return MARK + (b"".join(unit.compress(chunk) for _ in range(size >> 20)) + unit.flush())[4:]


@pytest.mark.parametrize(("value", "size"), [(0, 1), (127, 1), (128, 2), (1 << 35, 6), ((1 << 63) - 1, 9)])
def test_a_number_takes_seven_bits_a_byte(value: int, size: int) -> None:
    data = written(lambda writer: writer.number(value))
    assert (len(data), Reader(data).number()) == (size, value)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff\x00", b"\xff" * 9 + b"\x00", b"\xff" * 20])
def test_a_number_cut_short_too_large_or_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        Reader(data).number()


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\x05ab", Reader.text),
        (b"\x05ab", Reader.count),
        (b"\x02\x00\x02\x02a\0", Reader.texts),
        (b"\x02\x00\x00\x05ab\0ac", Reader.texts),
        (b"\x02\x00\x00\x01a", Reader.texts),
        (b"\x02\x00\x00\x03a\0\0", Reader.texts),
        (b"\x01\x00\x01\x01", Reader.texts),
        (b"\x01\x00\x02\x01\x04", Reader.texts),
        (b"\x02\x80\x80\x01\x00\x03a\0b", Reader.texts),
        (b"\x02\x03\x01\x00", lambda reader: reader.ascending(5)),
        (b"\x02\x04\x00", lambda reader: reader.ascending(5)),
        (b"\x80\x00", lambda reader: reader.column(1, 300)),
        (b"\x80\x80\x00", lambda reader: reader.column(1, 300)),
        (b"\x80\x80", lambda reader: reader.column(2, 300)),
        (b"\x80\x80\x80\x00", lambda reader: reader.column(1, 1 << 40)),
        (b"\x01\x05", lambda reader: reader.ascending(5)),
        (b"\x07", lambda reader: reader.index(7)),
        (b"a", Reader.end),
    ],
)
def test_what_does_not_hold_together_is_refused(data: bytes, read: Callable[[Reader], object]) -> None:
    with pytest.raises(CodecError):
        read(Reader(data))


def test_a_writer_refuses_what_a_reader_refuses() -> None:
    for value in ("x" * (MAX_TEXT + 1), "\ud800"):
        for write in (Writer.text, lambda writer, text: writer.texts([text])):
            with pytest.raises(CodecError):
                write(Writer(), value)
    assert Reader(written(lambda writer: writer.text("x" * MAX_TEXT))).text() == "x" * MAX_TEXT


def test_texts_that_share_everything_do_not_blow_up(bounded: None) -> None:
    long = "\U0001f600" + "x" * (MAX_TEXT - 400)
    data = written(lambda writer: writer.texts([long + "y" * n for n in range(380)]))
    assert len(data) < 2 * MAX_TEXT < MAX_LETTERS < 380 * (MAX_TEXT - 400)
    with pytest.raises(CodecError, match="text longer"):
        Reader(data).texts()
    assert len(Reader(data, items=8 * MAX_ITEMS).texts()) == 380


def test_counts_are_bounded_over_the_whole_message() -> None:
    reader = Reader(written(lambda writer: writer.ascending(range(MAX_ITEMS // 2))) * 3)
    reader.ascending(MAX_ITEMS)
    reader.ascending(MAX_ITEMS)
    with pytest.raises(CodecError, match="more items"):
        reader.ascending(MAX_ITEMS)


def test_a_gigabyte_of_zeros_is_refused(bounded: None) -> None:
    for data in (bomb(1 << 30), bomb(1 << 30, write_content_size=True)):
        assert len(data) < 1 << 18
        with pytest.raises(CodecError):
            decompress(data)


def test_a_frame_that_lies_about_its_size_is_refused(bounded: None) -> None:
    packed = bytearray(compress(bytes(200)))
    assert packed[:3] == bytes([packed[0], 0x20, 200])
    for size in (0, 100, 199, 201, 255):
        packed[2] = size
        with pytest.raises(CodecError):
            decompress(bytes(packed))


def test_nested_frames_are_undone_once(bounded: None) -> None:
    inner = bomb(1 << 28)
    outer = MARK + zstandard.ZstdCompressor().compress(inner)[4:]
    assert decompress(outer) == inner


def test_a_window_larger_than_the_message_takes_no_memory(bounded: None) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=True)
    unit = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=1000)
    data = MARK + (unit.compress(bytes(1000)) + unit.flush())[4:]
    assert decompress(data) == bytes(1000)


def test_a_checksum_is_not_canonical() -> None:
    data = MARK + zstandard.ZstdCompressor(write_checksum=True).compress(bytes(1000))[4:]
    with pytest.raises(CodecError, match="not a frame of ours"):
        decompress(data)


def test_a_larger_purse_holds_more() -> None:
    data = compress(bytes(MAX_PLAIN + 1))
    with pytest.raises(CodecError, match="more data"):
        decompress(data)
    assert decompress(data, most=MAX_ITEMS + 1) == bytes(MAX_PLAIN + 1)


def test_the_dictionary_belongs_to_the_version() -> None:
    """Whoever changes the dictionary changes what messages mean: raise `VERSION` and put the new hash here."""
    assert (VERSION, blake2b(DICTIONARY, digest_size=8).hexdigest()) == (2, "30afda1bbb93ce34")
    assert len(DICTIONARY) <= 1 << 14
    assert b"\0" in DICTIONARY
    assert b"\n" not in DICTIONARY


def test_the_shortest_form_is_taken() -> None:
    assert compress(b"")[0] == STORED
    assert compress(bytes(range(100)))[0] == STORED
    assert compress(bytes(1000))[0] == PACKED
    common = b"File /etc/nsswitch.conf\0File /lib/x86_64-linux-gnu/libcrypto.so.3"
    data = compress(common)
    assert (data[0], len(data) < 40) == (SHARED, True)
    assert decompress(data) == common
    with pytest.raises(CodecError):
        decompress(MARK + data[1:])


@pytest.mark.parametrize("first", range(256))
def test_every_first_byte_is_a_version_and_a_form(first: int) -> None:
    data = bytes([first]) + b"abc"
    if first == STORED:
        assert decompress(data) == b"abc"
        return
    with pytest.raises(CodecError) as caught:
        decompress(data, "model")
    assert ("newer" in str(caught.value)) == (first >> 2 > VERSION)
    assert ("older" in str(caught.value)) == (first >> 2 < VERSION)


def test_stored_data_has_the_same_limit(bounded: None) -> None:
    with pytest.raises(CodecError):
        decompress(bytes([STORED]) + bytes(MAX_PLAIN + 1))
    assert len(decompress(bytes([STORED]) + bytes(MAX_PLAIN))) == MAX_PLAIN


@pytest.mark.parametrize("tail", [b"x", b"\0", zstandard.ZstdCompressor().compress(b"more")])
def test_nothing_may_follow_a_frame(tail: bytes) -> None:
    packed = compress(b"abc" * 100)
    with pytest.raises(CodecError):
        decompress(packed + tail)


def test_no_compressed_data_can_be_cut() -> None:
    packed = compress(b"".join(b"%d," % n for n in range(300)))
    assert packed[0] in (PACKED, SHARED)
    for size in range(len(packed)):
        with pytest.raises(CodecError):
            decompress(packed[:size])


@given(st.binary(max_size=200), st.integers(1, 30))
def test_decompressing_undoes_compressing(plain: bytes, times: int) -> None:
    """`decompress(compress(x)) == x`, and what does not shrink is stored."""
    data = compress(plain * times)
    assert decompress(data) == plain * times
    assert len(data) <= len(plain) * times + 1


@given(st.binary(max_size=64))
def test_any_bytes_decompress_or_are_refused(data: bytes) -> None:
    """Random bytes behind either mark give bytes or a `CodecError`."""
    for one in (data, MARK + data, bytes([SHARED]) + data, bytes([SHARED, 0x20, 60]) + data):
        try:
            assert len(decompress(one)) <= MAX_PLAIN
        except CodecError:
            continue


@given(st.lists(TEXTS), st.sets(st.integers(0, 1000)), st.integers(0, (1 << 63) - 1), TEXTS)
def test_reading_undoes_writing(texts: list[str], numbers: set[int], number: int, text: str) -> None:
    """Texts (undecodable bytes too), ascending numbers and numbers come back as they were, and nothing is left."""
    writer = Writer()
    writer.texts(texts)
    writer.ascending(sorted(numbers))
    writer.number(number)
    writer.text(text)
    reader = Reader(bytes(writer.data))
    assert (reader.texts(), reader.ascending(1001), reader.number(), reader.text()) == (
        texts,
        sorted(numbers),
        number,
        text,
    )
    reader.end()


@given(st.binary(max_size=40), st.lists(st.integers(0, 5), max_size=8))
def test_any_bytes_read_or_are_refused(data: bytes, calls: list[int]) -> None:
    """However a reader is used on random bytes: values or a `CodecError`; what was read can be written again."""
    reader = Reader(data)
    writer = Writer()
    try:
        for call in calls:
            if call == 0:
                writer.number(reader.number())
            elif call == 1:
                writer.texts(reader.texts())
            elif call == 2:
                writer.ascending(reader.ascending(50))
            elif call == 3:
                writer.text(reader.text())
            elif call == 4:
                writer.column(reader.column(2, 300))
            else:
                writer.data += reader.raw(2)
            assert bytes(writer.data) == data[: reader.at]
    except CodecError:
        return
