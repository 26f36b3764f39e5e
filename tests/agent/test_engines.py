"""Several engines as one."""

from __future__ import annotations

from pathlib import Path

from agent.container_files import Known
from agent.engine import Engine, Status
from agent.engines import Engines


class Fake(Engine):
    """An engine that knows what its socket's name says."""

    def __init__(self, url: str) -> None:
        self.url, self.started, self.asked = url, False, 0.0
        self.one = Known(url[-1] * 64)

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def status(self) -> Status:
        return Status(self.url)

    def known(self, ident: str) -> Known | None:
        return self.one if ident == self.one.id else None

    def ask(self, ident: str, seconds: float) -> Known | None:
        self.asked += seconds
        return None

    def take_changes(self) -> list[Known]:
        return [self.one]


def engines(tmp_path: Path, *names: str) -> Engines:
    for name in names:
        (tmp_path / name).touch()
    return Engines(tuple(f"unix://{tmp_path}/{name}" for name in ("a", "b")), Fake)


def test_an_engine_is_listened_to_once_its_socket_is_there(tmp_path: Path) -> None:
    both = engines(tmp_path, "a")
    both.look()
    assert len(both.running) == 1
    (tmp_path / "b").touch()
    both.look()
    both.look()
    assert [status.url[-1] for status in both.status()] == ["a", "b"]
    running = list(both.running.values())
    both.stop()
    assert not any(isinstance(one, Fake) and one.started for one in running)


def test_whoever_knows_is_believed_and_nobody_is_waited_for_longer_than_asked(tmp_path: Path) -> None:
    both = engines(tmp_path, "a", "b")
    both.look()
    assert both.known("b" * 64) == Known("b" * 64)
    assert both.ask("b" * 64, 1.0) == Known("b" * 64)
    assert both.ask("c" * 64, 1.0) is None
    assert sum(one.asked for one in both.running.values() if isinstance(one, Fake)) == 1.0
    assert len(both.take_changes()) == 2


def test_without_engines_nothing_is_known() -> None:
    none = Engines(())
    none.look()
    none.ready(1)
    assert none.known("x") is None and none.ask("x", 1.0) is None and none.take_changes() == []
