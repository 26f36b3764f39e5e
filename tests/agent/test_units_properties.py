"""Whatever server wrote the lines, and whatever of it was lost: no line is said to be another request's.

Rules of this file
    - Servers are made up (`unit_server`): prefork, event loop, threads; what each request did is known.
    - Where a line names its client with the port, or the number of its connection, a wrong unit is an error; elsewhere
      the share of wrong ones is bounded, and stands here.
"""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st
from lines import START
from unit_server import ACCESS, ERROR, Connection, Played, Script, error, play

from agent.logmessages_units import MAX_CONNECTIONS
from agent.lognames import LogNames, Profiles
from grammar.profile import Binary, EventLoop, Function, LogString, Point, Profile

FORK, LOOP, THREADS = "fork", "loop", "threads"
PIDS = [201, 202, 203]


def script(shape: str, picks: list[int], kinds: str, *, hosts: int = 1, pace: int = 10, keep: int = 3) -> Script:
    """Three connections at a time, kept for `keep` requests each; `picks` says which goes on."""
    made = Script(pace=pace)
    served = [_serving(made, shape, place, kinds, hosts=hosts, keep=keep) for place in range(3)]
    for pick in picks:
        next(served[pick % 3])
    for one in served:
        for _ in range(len(kinds) + 3):
            next(one)
    return made


def _serving(made: Script, shape: str, place: int, kinds: str, *, hosts: int, keep: int) -> Iterator[None]:
    while True:
        pid = PIDS[place] if shape == FORK else PIDS[0]
        port = 40_000 + made.requests * 3 + place
        number = made.numbers = made.numbers + 1
        one = Connection(pid, 4 + place, f"10.0.0.{2 + number % hosts}", port, number)
        made.accept(one)
        for _ in range(keep):
            for _ in made.request(one, kinds):
                yield
                if shape == LOOP:  # whoever goes on has heard of its connection
                    made.event(0, "write", pid=pid, a0=one.fd, exit=1)
            yield
        made.close(one)


def all_own(made: Script, played: Played) -> None:
    assert played.wrong() == []
    assert played.right() == sum(bool(step.line) for _, step in made.steps)


def covering(made: Script, played: Played) -> None:
    """Every access line covers its own request's file and child."""
    covered = played.covered()
    lines = {request: number for request, _, _, number, path in played.seen if path == ACCESS}
    assert {request: sorted(covered[number]) for request, number in lines.items()} == {r: [r, r] for r in lines}
    assert len(lines) == sum(step.log == ACCESS for _, step in made.steps)


PICKS = st.lists(st.integers(0, 2), max_size=60)
BATCHES = st.sampled_from([0, 1, 7, 50])


@given(PICKS, BATCHES, st.integers(1, 3))
def test_every_line_of_a_prefork_server_is_its_own_units(picks: list[int], batch: int, hosts: int) -> None:
    """With all writes audited, each line, with or without a client in it, is joined with the request that wrote it."""
    made = script(FORK, picks, "eea", hosts=hosts)
    all_own(made, play(made, PIDS, batch=batch))


@given(PICKS, BATCHES)
def test_every_line_of_an_event_loop_is_its_own_units(picks: list[int], batch: int) -> None:
    """Connections of one process that take turns keep their lines apart, by what was heard last and by the client."""
    made = script(LOOP, picks, "ea")
    all_own(made, play(made, PIDS, batch=batch))


@given(PICKS, BATCHES, st.sampled_from([FORK, LOOP]), st.sampled_from("cb"))
def test_children_are_covered_by_the_lines_of_their_own_request(
    picks: list[int], batch: int, shape: str, child: str
) -> None:
    """Whether the request waits for a program that it starts or not."""
    made = script(shape, picks, f"{child}ea")
    played = play(made, PIDS, batch=batch)
    all_own(made, played)
    covering(made, played)


@given(PICKS, BATCHES)
def test_lines_of_threads_that_name_their_client_are_its(picks: list[int], batch: int) -> None:
    """Threads of one process, interleaved anyhow: the client with its port says whose a line is."""
    made = script(THREADS, picks, "ee")
    played = play(made, PIDS, batch=batch)
    assert played.wrong(covers=False) == []
    assert played.right() == sum(bool(step.line) for _, step in made.steps)


@given(PICKS, BATCHES)
def test_numbered_connections_of_threads_are_never_mixed(picks: list[int], batch: int) -> None:
    """A database's threads: a line of a numbered connection is that connection's, or no connection's."""
    made = script(THREADS, picks, "nn")
    assert play(made, PIDS, batch=batch).wrong(covers=False) == []


@given(PICKS, BATCHES, st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.sampled_from([1, 3]))
def test_whatever_is_lost_a_line_with_its_client_is_never_anothers(
    picks: list[int], batch: int, lost: set[int], late: set[int], keep: int
) -> None:
    """Writes lost, and recorded late: error lines, which name client and port, are their own request's or nobody's."""
    made = script(FORK, picks, "ea", hosts=keep, keep=keep)
    played = play(made, PIDS, lost=frozenset(lost), late=frozenset(late) - frozenset(lost), batch=batch)
    assert played.wrong(ERROR) == []


@given(PICKS, BATCHES, st.sets(st.integers(0, 60)), st.sampled_from([1, 10]))
@example([0, 1, 2] * 8, 7, {1, 4, 9, 12}, 1)
def test_lines_of_writes_that_have_met_are_never_anothers(
    picks: list[int], batch: int, late: set[int], pace: int
) -> None:
    """Recorded late, behind the next write, with nothing in a line but its client's host: its own unit's, or none's."""
    made = script(FORK, picks, "aa", pace=pace)
    played = play(made, PIDS, late=frozenset(late), batch=batch)
    assert played.wrong() == []
    assert len([one for one in played.seen if one[0]]) == sum(bool(step.line) for _, step in made.steps)


@given(PICKS, BATCHES, st.integers(0, 40))
def test_a_rotation_mixes_nothing(picks: list[int], batch: int, at: int) -> None:
    """A new file in the place of the old one, at any line."""
    made = script(FORK, picks, "ea")
    all_own(made, play(made, PIDS, batch=batch or 1, rotated=at))


@given(PICKS, st.integers(1, 40))
def test_what_was_there_before_is_nobodys(picks: list[int], count: int) -> None:
    """Lines from before the first event are not claimed, though they have the length of those that come."""
    made = script(FORK, picks, "ea")
    old = "".join(error(START - 600_000 + 10 * n, "10.0.0.2", 40_000, f"q{0:05}") for n in range(count))
    played = play(made, PIDS, batch=0, before=old)
    assert played.wrong() == []


def edges(played: Played) -> list[tuple[object, ...]]:
    """Every edge, its ends by label, but those that only a line's name tells apart by number."""
    labels = played.world.graph.labels

    def end(key: tuple[str, int]) -> tuple[str, int]:
        return ("LogMessage" if labels[key].startswith("LogMessage ") else labels[key]), key[1]

    return [(end(effect), relation, op, end(cause), at) for effect, relation, op, cause, at in played.world.graph.edges]


PATTERNS = st.sampled_from(
    [
        "{text}",
        "GET {text} 200",
        "q{digits:5}",
        "job {int} begins",
        "AH{digits:5}: {text}",
        "{any}",
        "client {ip} is gone",
    ]
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Somebody else's log strings, with loops anywhere."""
    patterns = draw(st.lists(PATTERNS, max_size=5, unique=True))
    strings = tuple(LogString(str(n), text, text, 0, n, "emits") for n, text in enumerate(patterns))
    points = tuple(Point(n) for n in range(len(strings)))
    ways = tuple((one, other) for one in range(-1, len(strings)) for other in range(len(strings)))
    names = st.lists(st.sampled_from([one.id for one in strings] or ["0"]), max_size=2, unique=True).map(tuple)
    loops = (EventLoop(0, draw(names), draw(names)),) if strings else ()
    return Profile((Binary("/bin/p100", "", ""),), strings, (Function("loop", 0, 0, points, ways),), loops)


@given(PICKS, st.sampled_from([FORK, LOOP]), profiles())
def test_a_wrong_profile_changes_nothing_but_the_names_of_lines(picks: list[int], shape: str, wrong: Profile) -> None:
    """Units and all edges of a server's connections are those that there are without a profile."""
    made = script(shape, picks, "ea")
    without = play(made, PIDS)
    with_one = play(made, PIDS, names=LogNames(Profiles([wrong])))
    assert edges(with_one) == edges(without)


@given(PICKS, st.integers(1, 20), st.integers(0, 400), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_a_node_that_was_saved_goes_on_as_if_nothing_had_happened(
    picks: list[int], batch: int, at: int, lost: set[int], late: set[int]
) -> None:
    """At any step, with lines in books, writes and lines that wait, and open units: the same edges."""
    made = script(FORK, picks, "nea")
    gone, behind = frozenset(lost), frozenset(late) - frozenset(lost)
    kept = play(made, PIDS, lost=gone, late=behind, batch=batch)
    again = play(made, PIDS, lost=gone, late=behind, batch=batch, saved=at, watching=False)
    assert edges(again) == edges(kept)


def test_what_is_kept_of_logs_is_bounded() -> None:
    """Thousands of requests, one write in ten lost: nothing grows with their number."""
    sizes = []
    for requests in (600, 2_400):
        made = script(FORK, [n % 3 for n in range(requests)], "nea", hosts=3)
        writes = sum(bool(step.line) for _, step in made.steps)
        played = play(made, PIDS, lost=frozenset(range(0, writes, 10)), batch=20)
        logs = played.world.node.logs
        assert logs is not None
        books = logs.books["host"].values()
        sizes.append(sum(len(book.lines) + len(book.lost) for book in books))
        assert not logs._owed
        assert len(logs._connections) <= MAX_CONNECTIONS
    assert max(sizes) < 50
