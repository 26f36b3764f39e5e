"""The reader that all channels share: by time, with gaps, the same again from the bytes that it kept.

Source: agent/tags_source.py.
"""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from tagged import LOAD, NOW, Silent, packed, tag, tags

from agent.tags import Decoder, Tag
from agent.tags_marks import WIDTH, Marks
from agent.tags_source import Batch, TagReader

LATER = NOW + 10**15


class Given(Silent):
    """A channel that gives what it was given."""

    def __init__(self, *polls: bytes) -> None:
        super().__init__("given")
        self.polls = list(polls)
        self.decoder = Decoder()

    def take(self) -> Batch:
        before = self.decoder.damaged
        found = self.decoder.feed(self.polls.pop(0) if self.polls else b"")
        self.loss.note("tags_damaged", self.decoder.damaged - before)
        return Batch(found, self.decoder.used)


def reader(*polls: list[Tag]) -> TagReader:
    return TagReader(Given(*(packed(*one) for one in polls)), Marks(), lambda: LATER)


def test_what_comes_is_in_order_of_time() -> None:
    found = reader([*tags(0, 5), *tags(0, 5, cpu=1)])
    assert [(one.cpu, one.sequence) for one in found.poll()] == [(cpu, n) for n in range(5) for cpu in (0, 1)]


def test_two_that_have_overtaken_each_other_are_no_gap_in_a_poll_or_between_two() -> None:
    found = reader([tag(1), tag(0), tag(3), tag(2), tag(5)], [tag(4), tag(6)])
    assert len(found.poll()) + len(found.poll()) == 7
    assert found.loss.take() == {"tags_dropped": 1}  # at the end of a poll it cannot be known: it was told too early


def test_a_sequence_that_wraps_in_one_poll_has_no_gap() -> None:
    found = reader([tag(n % WIDTH, nanos=NOW + n - WIDTH) for n in range(WIDTH - 300, WIDTH + 300)])
    assert len(found.poll()) == 600
    assert found.loss.take() == {}


def test_of_a_helper_that_we_have_started_all_is_ours_from_its_first_number_on() -> None:
    found = reader([tag(3)])
    found.channel.kind = "ebpf"  # type: ignore[misc]
    found.channel.counters = lambda: {"load": LOAD, "dropped": 0}  # type: ignore[method-assign]
    found.poll()
    assert found.loss.take() == {"tags_dropped": 3}


def test_a_clock_that_is_set_back_makes_no_gap() -> None:
    found = reader([tag(0, nanos=NOW + 10**12), tag(1, nanos=NOW), tag(2, nanos=NOW + 1)])
    assert [one.sequence for one in found.poll()] == [1, 2, 0]
    assert found.loss.take() == {}


@given(st.lists(st.integers(0, 60), max_size=60), st.binary(max_size=40), st.randoms())
def test_kept_bytes_read_again_give_the_same_tags_losses_and_marks(
    numbers: list[int], noise: bytes, random: Random
) -> None:
    """A restart is the same as not having stopped, wherever polls were cut."""
    data = b"".join(packed(tag(n, cpu=n % 3)) + (noise if n == 7 else b"") for n in numbers)
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(3))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    first = TagReader(Given(*pieces), Marks(), lambda: LATER)
    second = TagReader(Silent(), Marks(), lambda: LATER)
    for _ in pieces:
        found = first.poll()
        assert second.again(first.raw) == found
    assert second.loss.take() == first.loss.take()
    assert second.marks == first.marks
