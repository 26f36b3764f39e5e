"""What is missing is counted, what only comes late or without end mark is not.

Rules of this file
    - A stream is written as events (serial, number of records, end mark or not), then sent in any order and pieces.

Source: agent/follow_serials.py.
"""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from agent.follow_serials import SPAN, Serials

WIDTH = 1 << 32


def record(kind: str, serial: int) -> bytes:
    return b"type=%s msg=audit(1700000000.123:%d): x=1\n" % (kind.encode(), serial % WIDTH)


def call(serial: int) -> list[bytes]:
    return [record(kind, serial) for kind in ("SYSCALL", "PATH", "EOE")]


def test_a_gap_within_a_connection_is_told_once_it_is_not_merely_late() -> None:
    serials = Serials()
    told = [serials.see(b"".join(call(n))) for n in [*range(1, 10), *range(13, 20 + SPAN)]]
    assert sum(told) == 3
    assert sum(told[: 9 + SPAN - 3]) == 0
    assert serials.finish() == 0


def test_a_gap_between_connections_is_told_at_once() -> None:
    serials = Serials(7)
    assert serials.begin(record("DAEMON_START", 99_999) + record("USER_LOGIN", 10)) == 2
    assert serials.begin(b"".join(call(1_000_011))) == 1_000_000


def test_a_large_gap_is_counted_without_holding_it() -> None:
    serials = Serials(0)
    serials.see(b"".join(call(1)))
    assert serials.see(b"".join(call(10_000_002))) == 10_000_000


def test_a_stream_without_numbers_says_nothing() -> None:
    serials = Serials()
    assert serials.begin(b"\n\nrubbish\n") + serials.see(b"type=EOE rubbish\n") + serials.finish() == 0


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, WIDTH - 1),
    st.integers(1, 300),
    st.integers(0, 20),
    st.sampled_from([0, 0.1, 0.9]),
)
def test_all_that_is_missing_is_counted_however_the_rest_comes(
    seed: int, first: int, number: int, missing: int, bare: float
) -> None:
    """Events interleaved over a few others, with and without end mark, in any pieces: what was left out is counted."""
    random = Random(seed)
    gone = set(random.sample(range(1, number + 1), min(missing, number)))
    keyed: list[tuple[float, bytes]] = []
    for serial in range(number + 1):
        if serial in gone:
            continue
        one = [record("USER_CMD", first + serial)] if random.random() < bare else call(first + serial)
        start = serial + (random.random() * 5 if serial else 0)
        keyed += [(start + at * random.random(), line) for at, line in enumerate(one)]
    lines = [line for _, line in sorted(keyed, key=lambda pair: pair[0])]
    serials = Serials(first - 1)
    lost, at = 0, 0
    while at < len(lines):
        step = random.choice([1, 3, 20, 200])
        lost += serials.see(b"".join(lines[at : at + step]))
        at += step
    for serial in range(number + 1, number + SPAN * 2):
        lost += serials.see(b"".join(call(first + serial)))
    assert lost == len(gone)
