"""The tap: read as fast as tags come, never waiting, never holding more than its room.

Source: agent/tags_tap.py.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tagged import packed, tags

from agent.tags import SIZE, Tag
from agent.tags_tap import EACH, MOST, PIECE, Tap


def until(what: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    yield out, into
    try:
        os.close(into)
    except OSError:
        assert True


def drained(tap: Tap) -> list[Tag]:
    found: list[Tag] = []
    while batch := tap.take().tags:
        found += batch
    return found


def test_what_was_written_before_a_take_is_in_it(pipe: tuple[int, int]) -> None:
    tap = Tap(pipe[0])
    for number in range(50):
        os.write(pipe[1], packed(*tags(number, number + 1)))
        assert [one.sequence for one in tap.take().tags] == [number]
    assert tap.take() == ([], b"")
    tap.close()


def test_the_thread_takes_what_nobody_asks_for_so_that_the_kernel_has_room(pipe: tuple[int, int]) -> None:
    """Five times what a pipe holds is written while nobody takes: the writer never waits for long."""
    tap = Tap(pipe[0])
    many = packed(*tags(0, 2_560))
    writer = threading.Thread(target=lambda: os.write(pipe[1], many))
    writer.start()
    writer.join(5)
    assert not writer.is_alive()
    until(lambda: tap.behind >= len(many))
    assert drained(tap) == tags(0, 2_560)
    tap.close()


def test_over_its_room_it_stops_reading_and_loses_nothing(pipe: tuple[int, int]) -> None:
    """A flood with nobody who takes: the room is kept to, and the rest stays where it was, in order."""
    room = 64 * SIZE
    tap = Tap(pipe[0], room)
    os.set_blocking(pipe[1], False)
    sent, stuck = 0, 0
    while sent < 8_000 and stuck < 40:
        try:
            os.write(pipe[1], packed(*tags(sent, sent + 8)))
            sent, stuck = sent + 8, 0
        except BlockingIOError:
            stuck += 1
            time.sleep(0.005)
    assert sent < 8_000
    assert room <= tap.behind <= room + PIECE + EACH
    assert drained(tap) == tags(0, sent)
    tap.close()


def test_one_take_is_bounded(pipe: tuple[int, int]) -> None:
    tap = Tap(pipe[0])
    count = 2 * MOST // SIZE
    writer = threading.Thread(target=lambda: os.write(pipe[1], packed(*tags(0, count))), daemon=True)
    writer.start()
    until(lambda: tap.behind > count * SIZE)
    first = tap.take()
    assert MOST <= len(first.raw) < MOST + PIECE
    assert [*first.tags, *drained(tap)] == tags(0, count)
    tap.close()


def test_the_end_is_told_after_all_was_given(pipe: tuple[int, int]) -> None:
    tap = Tap(pipe[0])
    os.write(pipe[1], packed(*tags(0, 3)))
    os.close(pipe[1])
    assert drained(tap) == tags(0, 3)
    assert tap.ended == "it has ended"
    tap.close()


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO, errno.EPERM])
def test_an_error_ends_it_and_what_was_read_is_given(pipe: tuple[int, int], number: int) -> None:
    """The device vanishes under the reader."""
    answers = iter([packed(*tags(0, 2))])

    def read(descriptor: int, size: int) -> bytes:
        piece = next(answers, None)
        if piece is None:
            raise OSError(number, os.strerror(number))
        return piece

    tap = Tap(pipe[0], read=read)
    assert drained(tap) == tags(0, 2)
    assert tap.ended == os.strerror(number)
    tap.close()


def test_damage_is_counted_in_bytes(pipe: tuple[int, int]) -> None:
    tap = Tap(pipe[0])
    os.write(pipe[1], b"no tag" + packed(*tags(0, 1)))
    batch = tap.take()
    assert batch.tags == tags(0, 1)
    assert batch.raw == b"no tag" + packed(*tags(0, 1))
    assert tap.loss.take() == {"tags_damaged": 6}
    tap.close()


def test_closed_it_leaves_no_thread_and_no_descriptor(pipe: tuple[int, int]) -> None:
    before = descriptors()
    tap = Tap(os.dup(pipe[0]))
    tap.close()
    tap.close()
    assert descriptors() == before
    assert not any(one.name == "tags" and one.is_alive() for one in threading.enumerate())
    os.close(pipe[0])
