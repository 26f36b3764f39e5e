"""What is written is read again; anything else is a `CodecError`, in bounded memory and time."""

import tracemalloc
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from strategies import TEXTS

from grammar.errors import CodecError
from grammar.wire import MAX_ITEMS, MAX_LETTERS, MAX_PLAIN, MAX_TEXT, Reader, Writer, compress, decompress

LIMIT = 64 << 20


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
    return b"\x01" + b"".join(unit.compress(chunk) for _ in range(size >> 20)) + unit.flush()


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
        (b"\x02\x00\x01a\x02\x00", Reader.texts),
        (b"\x02\x00\x02ab\x00\x02ac", Reader.texts),
        (b"\x02\x03\x00\x00", lambda reader: reader.ascending(5)),
        (b"\x02\x04\x01\x00", lambda reader: reader.ascending(5)),
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
    long = written(lambda writer: writer.text("\U0001f600" + "x" * (MAX_TEXT - 4)))[3:]
    data = written(lambda writer: writer.number(60_000)) + b"\x00\x80\x80\x01" + long + b"\x80\x80\x01\x00" * 59_999
    with pytest.raises(CodecError, match="text longer"):
        Reader(data).texts()
    assert MAX_LETTERS < 60_000 * MAX_TEXT


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


def test_nested_frames_are_undone_once(bounded: None) -> None:
    inner = bomb(1 << 28)
    outer = b"\x01" + zstandard.ZstdCompressor().compress(inner)
    assert decompress(outer) == inner


def test_a_huge_window_is_refused(bounded: None) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    unit = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = b"\x01" + unit.compress(bytes(1000)) + unit.flush()
    with pytest.raises(CodecError):
        decompress(data)


def test_stored_data_has_the_same_limit(bounded: None) -> None:
    with pytest.raises(CodecError):
        decompress(bytes(MAX_PLAIN + 2))


@pytest.mark.parametrize("tail", [b"x", b"\0", zstandard.ZstdCompressor().compress(b"more")])
def test_nothing_may_follow_a_frame(tail: bytes) -> None:
    packed = compress(b"abc" * 100)
    with pytest.raises(CodecError):
        decompress(packed + tail)


def test_no_compressed_data_can_be_cut() -> None:
    packed = compress(b"".join(b"%d," % n for n in range(300)))
    assert packed[0] == 1
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
    for one in (data, b"\x01" + data, b"\x01\x28\xb5\x2f\xfd" + data):
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
