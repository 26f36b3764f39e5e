"""journald's export format, from the bytes that its documentation shows; the child that writes it.

Source: agent/logfiles_journal.py; systemd, docs/JOURNAL_EXPORT_FORMATS.md.
"""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logfiles_journal import MAX_PARTS, Export, Journal, Logged
from agent.logfiles_streams import MAX_ENTRY
from agent.loss import Loss

# The second entry of the documentation, its message `foo` NEWLINE `bar`, and fields of a container added.
DOCUMENTED = (
    b"__CURSOR=s=bcce4fb8ffcb40e9a6e05eee8b7831bf;i=5ef603;b=ec25d6795f0645619ddac9afdef453ee;m=545242e7049;"
    b"t=50f1202\n"
    b"__REALTIME_TIMESTAMP=1423944916375353\n"
    b"__MONOTONIC_TIMESTAMP=5794517905481\n"
    b"_BOOT_ID=ec25d6795f0645619ddac9afdef453ee\n"
    b"_TRANSPORT=journal\n_UID=1001\n_GID=1001\n_CAP_EFFECTIVE=0\n"
    b"_SOURCE_REALTIME_TIMESTAMP=1423944916372858\n"
    b"MESSAGE\n\x07\x00\x00\x00\x00\x00\x00\x00foo\nbar\n"
    b"CODE_FUNC=<module>\n_PID=16853\n"
)
IDENT = "c" * 64
OURS = f"CONTAINER_ID_FULL={IDENT}\n".encode()


def field(name: str, value: bytes) -> bytes:
    return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def entry(message: bytes, *more: bytes, cursor: bytes = b"x") -> bytes:
    return b"__CURSOR=" + cursor + b"\n" + OURS + b"".join(more) + field("MESSAGE", message) + b"\n"


def read(data: bytes, loss: Loss | None = None) -> list[Logged]:
    return list(Export().feed(data, Loss() if loss is None else loss))


def test_the_documented_entry() -> None:
    (one,) = read(DOCUMENTED + OURS + b"PRIORITY=6\n\n")
    assert (one.container, one.millis, one.pid, one.error, one.data) == (
        IDENT,
        1423944916372,
        16853,
        False,
        b"foo\nbar\n",
    )
    assert one.cursor.startswith("s=bcce4fb8ffcb40e9a6e05eee8b7831bf;i=5ef603")
    assert read(DOCUMENTED + b"\n") == []  # of no container


@pytest.mark.parametrize("size", [1, 3, 7, 64])
def test_at_any_cut_it_is_the_same(size: int) -> None:
    data = (DOCUMENTED + OURS + b"PRIORITY=3\n\n") * 3 + entry(b"\0\n\n=\n", field("JUNK", b"MESSAGE=\n\n" * 9))
    export, got = Export(), list[Logged]()
    for at in range(0, len(data), size):
        got += export.feed(data[at : at + size], Loss())
    assert got == read(data)
    assert [one.data for one in got] == [b"foo\nbar\n"] * 3 + [b"\0\n\n=\n\n"]
    assert got[0].error


def test_what_a_container_says_is_no_field() -> None:
    evil = b"x\n\n__CURSOR=evil\nCONTAINER_ID_FULL=" + b"d" * 64 + b"\nMESSAGE=forged\n\n"
    (one,) = read(entry(evil))
    assert (one.container, one.cursor, one.data) == (IDENT, "x", evil + b"\n")


def test_long_fields_are_bounded_and_nothing_unknown_is_held() -> None:
    loss, export = Loss(), Export()
    head = OURS + b"JUNK\n" + struct.pack("<Q", 50 << 20)
    got = list(export.feed(head, loss))
    for _ in range(50):
        got += export.feed(b"j" * (1 << 20), loss)
    assert sum(len(value) for value in export.fields.values()) < 100
    got += export.feed(
        b"\n" + field("MESSAGE", b"m" * (MAX_ENTRY + 5)) + b"_PID=" + b"9" * 5_000 + b"\n\n" + entry(b"next"), loss
    )
    assert [(len(one.data), one.cut, one.pid) for one in got] == [(MAX_ENTRY + 1, True, 0), (5, False, 0)]
    assert loss == {"log_oversized": 5}


def test_parts_of_a_long_line_are_put_together() -> None:
    part = b"CONTAINER_PARTIAL_MESSAGE=true\n"
    (one,) = read(entry(b"one ", part) + entry(b"two ", part) + entry(b"three"))
    assert one.data == b"one two three\n"
    loss = Loss()
    rows = read(entry(b"p" * 16_384, part) * 40 + entry(b"end"), loss)
    assert rows[0].cut
    assert max(len(one.data) for one in rows) <= MAX_ENTRY + 1
    assert sum(len(one.data) - 1 for one in rows) + loss["log_oversized"] == 40 * 16_384 + 3
    assert MAX_PARTS < 1_000


def test_a_length_that_cannot_be_is_counted() -> None:
    loss = Loss()
    read(OURS + b"MESSAGE\n" + b"\xff" * 8 + b"rest\n\n", loss)
    assert loss == {"log_malformed": 1}


@given(st.lists(st.binary(max_size=12), max_size=6), st.integers(1, 9))
def test_any_bytes_end(parts: list[bytes], size: int) -> None:
    """Whatever comes, in whatever pieces: no exception, nothing held beyond the bounds."""
    export, data = Export(), b"".join(parts) + entry(b"x")
    for at in range(0, len(data), size):
        list(export.feed(data[at : at + size], Loss()))
    assert len(export.held) <= 65


def child(tmp_path: Path, code: str) -> Journal:
    """A child that plays journalctl."""
    script = tmp_path / "journalctl.py"
    script.write_text("import sys, os, time\nout = sys.stdout.buffer\n" + code)
    return Journal("", (sys.executable, str(script)), (str(tmp_path),))


def poll(journal: Journal, count: int, now: int = 10_000) -> list[Logged]:
    got: list[Logged] = []
    end = time.monotonic() + 10
    while len(got) < count and time.monotonic() < end:
        got += journal.poll(1 << 20, now, Loss())
        time.sleep(0.01)
    return got


def test_the_child_is_read_without_waiting_and_begun_again_after_the_cursor(tmp_path: Path) -> None:
    say = entry(b"hello", cursor=b"c1")
    journal = child(tmp_path, f"out.write({say!r})\nout.flush()\nout.write(repr(sys.argv[1:]).encode())\n")
    assert [one.data for one in poll(journal, 1)] == [b"hello\n"]
    assert journal.cursor == "c1"
    for _ in range(200):
        assert journal.poll(1 << 20, 10_000, Loss()) == []
        if journal._child is None:
            break
        time.sleep(0.01)
    assert journal._child is None  # it has ended; it is not begun again at once
    assert journal.poll(1 << 20, 10_500, Loss()) == []
    assert journal._child is None
    journal.poll(1 << 20, 12_000, Loss())
    assert journal._child is not None
    assert list(journal._child.args)[-2:] == ["--after-cursor", "c1"]
    journal.close()


def test_a_child_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    journal = child(tmp_path, "time.sleep(60)\n")
    began = time.monotonic()
    for _ in range(20):
        assert journal.poll(1 << 20, 10_000, Loss()) == []
    journal.close()
    assert time.monotonic() - began < 2


def test_without_a_journal_or_a_program_there_is_no_child(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nowhere = Journal(folders=(str(tmp_path / "empty"), str(tmp_path / "none")))
    assert not nowhere.there
    assert nowhere.poll(1 << 20, 10_000, Loss()) == []
    (tmp_path / "empty/machine").mkdir()
    no_program = Journal("", ("winnower-no-such-program",), (str(tmp_path / "empty"),))
    assert no_program.there
    assert no_program.poll(1 << 20, 10_000, Loss()) == []
    assert no_program._child is None
