"""What logs gave before a restart they give again, just that; what came since is given after: each byte once.

Source: agent/logfiles.py (again), agent/heard.py.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_node import ACCESS, Log, Node
from log_node import given as bytes_of

from agent import logfiles
from agent.logfiles import LogFiles
from agent.logfiles_finder import FRESH
from agent.logfiles_journal import Journal
from agent.logfiles_value import JOURNALD, Given, Look, Piece
from agent.loss import Loss

ACTS = st.lists(st.tuples(st.sampled_from(["append", "late", "poll", "rotate"]), st.integers(1, 9)), max_size=16)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def found(node: Node, files: LogFiles) -> list[Piece]:
    """Somebody has opened the log; what a look gives."""
    files.offer("web", ACCESS, fresh=True)
    return node.tick(files)


def entries_given(count: int) -> Given:
    """So many entries of journald."""
    return Given("", JOURNALD, 0, 0, count)


def told(pieces: list[Piece]) -> list[tuple[str, str, int, int, bytes, int]]:
    return [(one.container, one.path, one.generation.inode, one.offset, one.data, one.millis_read) for one in pieces]


@settings(max_examples=60)
@given(ACTS, st.lists(st.sampled_from(["append", "rotate"]), max_size=4), st.sampled_from([1 << 22, 500, 31]))
def test_whatever_was_given_is_given_again_and_the_rest_after_it(
    acts: list[tuple[str, int]], later: list[str], most: int
) -> None:
    """A log that is found after the snapshot, and goes on while the agent is dead."""
    before, logfiles.POLL = logfiles.POLL, most  # type: ignore[misc]
    try:
        with tempfile.TemporaryDirectory() as folder:
            node = Node(Path(folder))
            node.add("web")
            log, files = node.log("web"), node.files()
            node.tick(files)
            saved = pickle.dumps(files.progress)
            log.append()
            pieces = found(node, files)
            first = [(files.heard, pieces)]
            for what, number in acts:
                change(log, what, number)
                if what == "poll":
                    pieces = node.tick(files, 1_000)
                    first.append((files.heard, pieces))
            files.close()
            for what in later:
                change(log, what, 1)
            files = node.files(pickle.loads(saved))
            for look, pieces in first:
                assert told(files.again(look)) == told(pieces)
            rest = node.tick(files)
            while more := node.tick(files):
                rest += more
            files.close()
            files_of: dict[int, bytes] = {}
            for piece in [piece for _, pieces in first for piece in pieces] + rest:
                assert piece.offset == len(files_of.setdefault(piece.generation.inode, b""))
                files_of[piece.generation.inode] += piece.data
            assert sorted(b"".join(files_of.values()).splitlines()) == sorted(log.written.splitlines())
            assert not files.loss
    finally:
        logfiles.POLL = before  # type: ignore[misc]


def change(log: Log, what: str, number: int) -> None:
    if what == "append":
        log.append(number)
    elif what == "rotate":
        log.rotate()
    elif what == "late" and log.renamed:
        log.append(1, to=log.old(1))


def test_what_has_come_since_waits_and_what_is_gone_is_counted_after(node: Node) -> None:
    node.add("web")
    log, files = node.log("web"), node.files()
    node.tick(files)
    saved = pickle.dumps(files.progress)
    log.append(2)
    found(node, files)
    look = files.heard
    files.close()
    later = log.append()
    files = node.files(pickle.loads(saved))
    assert len(bytes_of(files.again(look)).splitlines()) == 2
    assert files.again(Look(5)) == []
    assert bytes_of(node.tick(files)) == later
    files.close()
    log.path.unlink()
    files = node.files(pickle.loads(saved))
    assert files.again(look) == []
    files.close()


def test_a_log_of_which_the_end_only_was_read_is_begun_where_it_was(node: Node) -> None:
    node.add("web")
    log, files = node.log("web"), node.files()
    node.tick(files)
    saved = pickle.dumps(files.progress)
    log.raw(b"old\n" * FRESH)
    files.offer("web", ACCESS)
    pieces = node.tick(files)
    assert len(bytes_of(pieces)) == FRESH
    look = files.heard
    files.close()
    log.raw(b"new\n" * FRESH)
    files = node.files(pickle.loads(saved))
    again = files.again(look)
    assert (again[0].offset, bytes_of(again)) == (pieces[0].offset, bytes_of(pieces))
    assert node.tick(files)[0].data[:4] == b"new\n"
    files.close()


def test_a_container_that_has_died_since_gives_again_what_it_gave(node: Node, tmp_path: Path) -> None:
    """Its engine's copy of stdout; what was malformed in it is counted once, by who read it first."""
    node.add("web")
    ident = node.known["web"].id
    kept = tmp_path / "host/var/lib/docker/containers" / ident
    kept.mkdir(parents=True)
    log = kept / f"{ident}-json.log"
    (kept / "config.v2.json").write_text(f'{{"LogPath":"{log}","MountPoints":{{}}}}')
    log.write_bytes(b"")
    files = node.files()
    node.tick(files)
    saved = pickle.dumps(files.progress)
    log.write_bytes(b'what?\n{"log":"one\\n","stream":"stdout","time":"2026-11-22T11:00:00Z"}\n')
    pieces = node.tick(files)
    look = files.heard
    assert (bytes_of(pieces), files.loss.take()) == (b"one\n", {"log_malformed": 1})
    files.close()
    node.kill("web")
    with log.open("ab") as file:
        file.write(b'{"log":"two\\n","stream":"stdout","time":"2026-11-22T11:00:01Z"}\n')
    files = node.files(pickle.loads(saved))
    assert told(files.again(look)) == told(pieces)
    assert bytes_of(node.tick(files)) == b"two\n"
    assert not files.loss
    files.close()


def test_entries_of_journald_come_again_too(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """journalctl says all at once what it said bit by bit; what came later is kept, its cursor not passed."""
    node.add("web")
    ident = node.known["web"].id
    script = tmp_path / "journalctl.py"
    entries = "".join(f"__CURSOR={at}\\nCONTAINER_ID_FULL={ident}\\nMESSAGE=said {at}\\n\\n" for at in range(3))
    script.write_text(f'import time\nprint("{entries}", end="", flush=True)\ntime.sleep(60)\n')
    monkeypatch.setattr(logfiles, "_in_journal", lambda home: True)
    node.journal = Journal("", (sys.executable, str(script)), (str(tmp_path),))
    files = node.files()
    given: list[Piece] = []
    while len(given) < 3:
        given += files.poll()
    assert files.heard.given[-1].size <= 3
    files.close()
    node.journal = Journal("", (sys.executable, str(script)), (str(tmp_path),))
    files = node.files()
    again = files.again(Look(7, (entries_given(2),)))
    assert [(one.data, one.millis_read) for one in again] == [(b"said 0\n", 7), (b"said 1\n", 7)]
    assert files.progress.cursor == "1"
    assert bytes_of(files.poll()) == b"said 2\n"
    assert files.progress.cursor == "2"
    files.close()


def test_without_a_journal_any_more_nothing_is_waited_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "PATIENCE", 0.05)
    node.add("web")
    files = node.files()
    assert files.again(Look(7, (entries_given(2),))) == []
    assert files._patience == 0
    assert files.loss == Loss()
    files.close()
