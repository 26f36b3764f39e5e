"""What engines keep of stdout and stderr: whole entries, at any cut, whatever is in them.

Source: agent/logfiles_streams.py; the CRI log format; moby's json-file.
"""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logfiles_streams import MAX_ENTRY, MAX_LINE, Entries, Entry, Form
from agent.logfiles_value import Generation
from agent.loss import Loss

ONE, TWO = Generation(1, 2, 1), Generation(1, 3, 2)
AT = b"2026-11-22T11:30:00.123456789"


def read(form: Form, data: bytes, loss: Loss | None = None) -> list[Entry]:
    return list(Entries(form).feed(ONE, 0, data, Loss() if loss is None else loss))


def test_podman_and_kubernetes() -> None:
    first = AT + b"+01:00 stdout F hello world\n"
    second = AT + b"Z stderr F \n"
    assert read("k8s-file", first + second) == [
        Entry("stdout", 0, 1795343400123, b"hello world\n"),
        Entry("stderr", len(first), 1795347000123, b"\n"),
    ]


def test_long_lines_come_in_parts_of_two_streams() -> None:
    data = b"".join(
        AT + b"Z " + rest + b"\n"
        for rest in (b"stdout P one ", b"stderr P uno ", b"stdout P two ", b"stderr F due", b"stdout F three")
    )
    assert [(one.stream, one.data) for one in read("k8s-file", data)] == [
        ("stderr", b"uno due\n"),
        ("stdout", b"one two three\n"),
    ]
    assert read("k8s-file", data)[1].offset == 0


def test_docker() -> None:
    rows = [("one ", "stdout"), ("Zeile \x00\u2028\n", "stderr"), ("two\n", "stdout"), ("\n", "stdout")]
    data = b"".join(
        json.dumps({"log": text, "stream": name, "time": "2026-11-22T11:30:00.5Z"}).encode() + b"\n"
        for text, name in rows
    )
    assert [(one.stream, one.data, one.millis % 1000) for one in read("json-file", data)] == [
        ("stderr", "Zeile \x00\u2028\n".encode(), 500),
        ("stdout", b"one two\n", 500),
        ("stdout", b"\n", 500),
    ]


@pytest.mark.parametrize("form", ["k8s-file", "json-file"])
@pytest.mark.parametrize(
    "line", [b"no entry", b"{", b"{}", b"\xff\xfe", b"2026 stdnone F x", b"x stdout Q y", b"[" * 9_000]
)
def test_what_is_no_entry_is_counted_and_harms_nothing(form: Form, line: bytes) -> None:
    whole = AT + b"Z stdout F x\n" if form == "k8s-file" else b'{"log":"x\\n","stream":"stdout","time":"t"}\n'
    loss = Loss()
    assert [one.data for one in read(form, whole + line + b"\n" + whole, loss)] == [b"x\n", b"x\n"]
    assert loss == {"log_malformed": 1}


def test_an_entry_is_bounded_and_says_so() -> None:
    loss = Loss()
    part = AT + b"Z stdout P " + b"x" * 16_384 + b"\n"
    (one,) = read("k8s-file", part * 100 + AT + b"Z stdout F end\n", loss)
    assert (len(one.data), one.cut) == (MAX_ENTRY + 1, True)
    assert loss == {"log_oversized": 100 * 16_384 + 3 - MAX_ENTRY}


def test_a_line_that_never_ends_is_not_held() -> None:
    loss, entries = Loss(), Entries("k8s-file")
    offset = 0
    for _ in range(40):
        assert list(entries.feed(ONE, offset, b"x" * 65_536, loss)) == []
        offset += 65_536
        assert len(entries.line) <= MAX_LINE + 65_536
    rest = b" end\n" + AT + b"Z stdout F good\n"
    (one,) = entries.feed(ONE, offset, rest, loss)
    assert (one.data, one.offset) == (b"good\n", offset + 5)
    assert loss == {"log_malformed": 1}


def test_after_a_gap_nothing_is_put_together_that_does_not_belong() -> None:
    loss, entries = Loss(), Entries("k8s-file")
    head = AT + b"Z stdout P begun \n" + AT + b"Z std"
    assert list(entries.feed(ONE, 0, head, loss)) == []
    (one,) = entries.feed(ONE, 5_000, AT + b"Z stdout F other\n", loss)
    assert (one.data, one.offset) == (b"other\n", 5_000)
    assert loss == {"log_malformed": 2}


def test_an_entry_goes_on_in_the_next_file() -> None:
    entries = Entries("k8s-file")
    list(entries.feed(ONE, 0, AT + b"Z stdout P begun \n", Loss()))
    (one,) = entries.feed(TWO, 0, AT + b"Z stdout F ended\n", Loss())
    assert one.data == b"begun ended\n"


TEXT = st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b""))
ROWS = st.lists(st.tuples(st.sampled_from([b"stdout", b"stderr"]), st.sampled_from([b"P", b"F"]), TEXT), max_size=12)


@given(ROWS, st.lists(st.integers(0, 600), max_size=8))
def test_at_any_cut_and_after_any_restart_the_entries_are_the_same(
    rows: list[tuple[bytes, bytes, bytes]], cuts: list[int]
) -> None:
    """Fed whole, or cut anywhere with the state saved and restored at each cut."""
    data = b"".join(AT + b"Z " + stream + b" " + tag + b" " + text + b"\n" for stream, tag, text in rows)
    entries, got, at = Entries("k8s-file"), list[Entry](), 0
    for cut in sorted({*cuts, len(data)}):
        piece = data[at:cut]
        got += entries.feed(ONE, at, piece, Loss())
        at += len(piece)
        entries = pickle.loads(pickle.dumps(entries))
    assert got == read("k8s-file", data)
