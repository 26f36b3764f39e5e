"""What is in the store after a crash or a reopening is what whole transactions left; the rest is an error."""

import sqlite3
from pathlib import Path

import pytest

from grammar import InputError, Replica, Span
from monitor.chain import Chain, Link
from monitor.store import FILE, NotAppliedError, Store

WEB1 = Replica("w1", "web1")


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "state", create=True)
    with store.transaction():
        store.add_words("web", 0, b"words")
        store.add_sightings("web", [(2, WEB1, Span(5, 9)), (2, WEB1, Span(3, 4))])
        store.set_command("web", 1, "sh -c \udcff")
        store.add_learned("web", "File /tmp/{int}\udcff")
        store.add_lost("w1", "late", 2)
        store.add_lost("w1", "late", 3)
        store.set_active("web", Replica("w1", "web\udcff"), 10)
        store.set_judge("web", True, 7, 8)
        store.add_alert(b"alert")
    store.close()
    again = Store(tmp_path / "new" / "state")
    assert again.apps() == ["web"]
    assert again.words("web") == [b"words"]
    assert list(again.sightings("web")) == [(2, WEB1, Span(3, 9))]
    assert again.commands("web") == [(1, "sh -c \udcff")]
    assert again.learned("web") == ["File /tmp/{int}\udcff"]
    assert again.lost() == {"w1": {"late": 5}}
    assert again.active("web") == {Replica("w1", "web\udcff"): 10}
    assert again.judge("web") == (True, 7, 8)
    assert again.alerts() == [b"alert"]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    with pytest.raises(KeyboardInterrupt), store.transaction():
        store.add_lost("w1", "late", 2)
        raise KeyboardInterrupt
    assert store.lost() == {}
    with store.transaction():
        store.add_lost("w1", "late", 1)
    assert store.lost() == {"w1": {"late": 1}}


def test_a_process_that_dies_inside_a_transaction_leaves_what_was_before(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    with store.transaction():
        store.add_lost("w1", "late", 1)
    store._db.execute("BEGIN IMMEDIATE")
    store.add_lost("w1", "late", 10)
    store._db.close()
    assert Store(tmp_path).lost() == {"w1": {"late": 1}}


def test_chains_journal_positions_and_news_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    chain = Chain()
    chain.take(Link(b"s", 0, b"", b"digest"))
    with store.transaction():
        store.set_chain("w1", "", chain.encode())
        store.set_chain("w1", "web", chain.encode())
        store.add_journal("w1", "", b"s", 0)
        store.set_position("topic/1", 7)
        store.add_pending("web", [(3, WEB1)])
        assert [store.add_incident("w1", "forged", n, 5) for n in (1, 2)] == [1, 3]
    again = Store(tmp_path)
    assert again.chain("w1", "web") == chain
    assert again.chain("w2", "web") == Chain()
    assert (again.lanes(), again.chains("web")) == ({"w1": 2}, {"w1": chain.encode()})
    assert again.journal() == [(1, "w1", "", b"s", 0)]
    assert (again.positions(), again.pending("web")) == ({"topic/1": 7}, {(3, WEB1)})
    assert again.incidents() == {"w1": {"forged": (3, 5)}}
    with store.transaction():
        store.drop_chains("w1")
        store.clear_pending("web")
    assert (again.lanes(), again.pending("web")) == ({}, set())


def test_the_journal_forgets_what_is_old(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    with store.transaction():
        for number in range(2_500):
            store.add_journal("w1", "", b"s", number, keep=100)
    kept = [sequence for *_, sequence in store.journal()]
    assert kept == list(range(1_900, 2_500))


def test_a_part_that_fails_is_undone_alone(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    with store.transaction():
        with store.savepoint():
            store.add_lost("w1", "late", 1)
        with pytest.raises(NotAppliedError), store.savepoint():
            store.add_lost("w1", "late", 10)
            store.add_lost("w1", "late", 1 << 70)
        with store.savepoint():
            store.add_lost("w1", "late", 100)
    assert store.lost() == {"w1": {"late": 101}}


def test_a_live_state_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    store = Store(folder, create=True, live=True)
    assert (folder.stat().st_mode & 0o777, (folder / FILE).stat().st_mode & 0o777) == (0o700, 0o600)
    assert all(not path.stat().st_mode & 0o077 for path in folder.iterdir())
    store.close()
    for path, mode in ((folder, 0o750), (folder / FILE, 0o604)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(InputError, match=r"must be private.*chmod"):
            Store(folder, create=True, live=True)
        path.chmod(before)
    Store(folder, create=True, live=True).close()


def test_no_state_is_a_located_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no monitor state here") as error:
        Store(tmp_path / "nowhere")
    assert error.value.file == str(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_a_located_error(tmp_path: Path, create: bool) -> None:
    (tmp_path / FILE).write_bytes(b"this is not a database, whatever its name" * 100)
    with pytest.raises(InputError, match="not a database") as error:
        Store(tmp_path, create=create)
    assert error.value.file == str(tmp_path / FILE)


@pytest.mark.parametrize("create", [False, True])
def test_a_state_of_a_newer_format_is_refused(tmp_path: Path, create: bool) -> None:
    Store(tmp_path, create=True).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("UPDATE meta SET value = '999'")
    db.commit()
    db.close()
    with pytest.raises(InputError, match=r"another format: '999' \(this program reads format"):
        Store(tmp_path, create=create)


@pytest.mark.parametrize("create", [False, True])
def test_a_database_of_something_else_is_refused_and_not_touched(tmp_path: Path, create: bool) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.commit()
    db.close()
    with pytest.raises(InputError, match="another format"):
        Store(tmp_path, create=create)
    db = sqlite3.connect(tmp_path / FILE)
    assert [name for (name,) in db.execute("SELECT name FROM sqlite_master")] == ["bookmarks"]


def test_a_damaged_database_is_a_located_error_when_it_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    with store.transaction():
        for number in range(2000):
            store.add_words("web", number, bytes(200))
    store.close()
    data = bytearray((tmp_path / FILE).read_bytes())
    data[120_000:160_000] = b"\xa5" * 40_000
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(InputError, match=r"cannot (read|use) this state"):
        Store(tmp_path).words("web")


def test_a_locked_state_is_a_located_error_with_a_hint(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    store._db.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InputError, match=r"locked \(another program writes to it\)"), store.transaction():
        store.add_lost("w1", "late", 1)
    other.execute("ROLLBACK")
    with store.transaction():
        store.add_lost("w1", "late", 1)
    assert store.lost() == {"w1": {"late": 1}}


def test_a_folder_that_cannot_be_made_is_a_located_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for create in (False, True):
        with pytest.raises(InputError, match=r"cannot use this state|no monitor state here"):
            Store(tmp_path / "file" / "state", create=create)


def test_a_question_changes_nothing_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "odd ?name#%41"
    store = Store(folder, create=True)
    with store.transaction():
        store.add_lost("w1", "late", 1)
    store.close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    question = Store(folder)
    assert question.lost() == {"w1": {"late": 1}}
    with pytest.raises(InputError, match="cannot write this state"), question.transaction():
        question.add_lost("w1", "late", 1)
    question.close()
    left = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}
    assert left == before
