"""Identity: a key that is nobody else's, and a monitor that has proven to be the one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_monitor import FakeMonitor

from agent import identity
from agent.identity import enrol, forget, load
from grammar import InputError
from grammar.control import Enrol, Enrolled, read, write
from grammar.signing import Signer, Token


def asking(monitor: FakeMonitor) -> object:
    return lambda asked: read(monitor.enrol(write(asked)), Enrolled)


def test_a_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = load(tmp_path / "state", "w1")
    assert load(tmp_path / "state", "w1") == first
    assert load(tmp_path / "other", "w1") != first
    assert (tmp_path / "state" / identity.KEY).stat().st_mode & 0o777 == 0o600
    assert not first.enrolled


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_that_others_could_have_seen_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    load(tmp_path, "w1")
    (tmp_path / identity.KEY).chmod(mode)
    with pytest.raises(InputError, match="others may read this secret") as caught:
        load(tmp_path, "w1")
    assert caught.value.hint == f"chmod 600 {tmp_path / identity.KEY}"


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_file_that_is_no_key_is_an_error(tmp_path: Path, content: bytes) -> None:
    load(tmp_path, "w1")
    (tmp_path / identity.KEY).write_bytes(content)
    with pytest.raises(InputError):
        load(tmp_path, "w1")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"k" * 32)
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / identity.KEY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "state", "w1")


@pytest.mark.parametrize("name", ["", "-w", "a b", "w/1", "w\n", "é", "a" * 64, "\x1b[31m"])
def test_a_name_is_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not an agent's name"):
        load(tmp_path, name)


def test_enrolled_the_monitors_key_is_pinned(tmp_path: Path) -> None:
    monitor = FakeMonitor()
    found = enrol(tmp_path, "w1", monitor.token, asking(monitor))  # type: ignore[arg-type]
    assert found.monitor == monitor.signer.public
    assert load(tmp_path, "w1") == found
    with pytest.raises(InputError, match="enrolled already"):
        enrol(tmp_path, "w1", monitor.token, asking(monitor))  # type: ignore[arg-type]
    forget(tmp_path)
    again = enrol(tmp_path, "w1", monitor.token, asking(monitor))  # type: ignore[arg-type]
    assert again.signer != found.signer


def test_somebody_without_the_token_is_not_believed_and_the_attempt_can_be_repeated(tmp_path: Path) -> None:
    monitor, mine = FakeMonitor(), load(tmp_path, "w1")

    def between(asked: Enrol) -> Enrolled:
        other = Signer(b"e" * 32)
        return Enrolled(other.public, Token(b"i" * 16, b"?" * 16).proof("monitor", other.public + asked.public))

    with pytest.raises(InputError, match="does not hold the token"):
        enrol(tmp_path, "w1", monitor.token, between)
    assert not load(tmp_path, "w1").enrolled
    assert enrol(tmp_path, "w1", monitor.token, asking(monitor)).signer == mine.signer  # type: ignore[arg-type]


def test_the_token_itself_is_never_sent(tmp_path: Path) -> None:
    monitor, seen = FakeMonitor(), []

    def ask(asked: Enrol) -> Enrolled:
        seen.append(write(asked))
        return read(monitor.enrol(seen[0]), Enrolled)

    enrol(tmp_path, "w1", monitor.token, ask)
    assert monitor.token.secret not in seen[0]
