"""Whoever writes to a log, however, and whatever gets lost of it: with tags no line is said to be another's.

Rules of this file
    - Workers, threads, files, rotations are made up (`tag_scene`); who has written each line is known.
    - With every tag there, every line is joined, and told once; of what is lost, the rest may be anybody's but a wrong
      one's.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tag_scene import Faults, File, Scene, play, world_of

from agent.logbook_bytes import MAX_PARTS

PIDS = [201, 202, 203]
Moves = list[tuple[str, int, int]]
MOVES = st.lists(st.tuples(st.sampled_from("awwwmptrjs"), st.integers(0, 2), st.integers(0, 3)), max_size=40)
PLACES = st.frozensets(st.integers(1, 60), max_size=12)


def scene_of(moves: Moves, **shape: bool) -> Scene:
    """Workers that accept (a), write a line (w), several at once (m), one in pieces (p), to a log that is emptied (t)
    and rotated (r); time jumps (j); a worker writes from another thread (s)."""
    scene, file = Scene(**shape), File("/var/log/app.log")
    files = 0
    for what, place, size in moves:
        files += what in "tr"
        if what in "tr" and files >= MAX_PARTS:
            continue  # more files at once are not remembered
        pid = PIDS[place]
        if what == "a":
            scene.accept(pid)
        elif what == "m":
            scene.write(file, pid, scene.line(pid) + b"".join(scene.line(pid, 0) for _ in range(size)))
        elif what == "p":
            whole = scene.line(pid)
            at = 3 + size
            scene.write(file, pid, whole[:at])
            scene.write(file, pid, whole[at:])
        elif what == "t":
            file.number, file.size = file.number + 1, 0
        elif what == "r":
            file.number, file.inode, file.size = file.number + 1, file.inode + 1, 0
        elif what == "j":
            scene.step(10 ** (size + 3))
        elif what == "s":
            scene.write(file, pid, scene.line(pid), thread=pid + 1000)
        else:
            scene.write(file, pid, scene.line(pid), micros=30 * 10**size)
        scene.step(10 * 7**size)
    return scene


SHAPES = st.fixed_dictionaries({"audited": st.booleans(), "timed": st.booleans(), "companion": st.booleans()})
GUESSES = st.fixed_dictionaries({"audited": st.booleans(), "timed": st.booleans(), "guessed": st.booleans()})
LATE = st.builds(
    Faults, late=PLACES, twice=PLACES, shuffled=st.integers(0, 5), lines_late=st.booleans(), delay=st.integers(1, 4)
)
LOST = st.builds(Faults, tags=PLACES, events=PLACES, late=PLACES)


@given(MOVES, st.integers(1, 12), SHAPES)
def test_with_every_tag_every_line_is_joined_and_none_wrongly(moves: Moves, batch: int, shape: dict[str, bool]) -> None:
    scene = scene_of(moves, **shape)
    told = play(scene, world_of(PIDS), batch=batch)
    assert told.wrong(scene) == []
    assert told.logs.how == {"tag": len(scene.truth), "offset": 0, "time": 0, "unknown": 0, "nothing": 0}


@given(MOVES, st.integers(1, 12), LATE, st.booleans())
def test_late_tags_and_lines_in_any_order_come_together(moves: Moves, batch: int, late: Faults, audited: bool) -> None:
    scene = scene_of([(what, place, min(size, 2)) for what, place, size in moves], audited=audited)
    told = play(scene, world_of(PIDS), late, batch=batch)
    assert told.wrong(scene) == []
    assert told.logs.how["tag"] == len(scene.truth)


@given(MOVES, st.integers(1, 12), LOST, GUESSES)
def test_whatever_is_lost_no_line_is_anothers(moves: Moves, batch: int, lost: Faults, shape: dict[str, bool]) -> None:
    scene = scene_of(moves, **shape)
    told = play(scene, world_of(PIDS), lost, batch=batch)
    assert told.wrong(scene) == []
    assert sum(told.logs.how.values()) <= len(scene.truth)
