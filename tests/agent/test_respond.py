"""A worker does to a container what it is told and may do, once; else it says why not. Also to podman's containers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import respond
from agent.respond import Respond, Responder, own_containers
from grammar.control import Order
from grammar.settings import SettingsErrors, read_settings

ID = "a1" * 32
STARTED = "2026-01-31T12:00:00.5Z"
BEGAN = 1_769_860_800_500
ON = Respond("on", ("pause", "stop"))


class Fake:
    """An engine with one container; `calls` are what it was told to do."""

    def __init__(self, **state: object) -> None:
        self.state = {"Running": True, "Paused": False, "Pid": 4_000_000, "StartedAt": STARTED} | state
        self.calls: list[tuple[str, str]] = []
        self.down: list[Exception] = []

    def inspect_container(self, container: str) -> dict[str, object]:
        if self.down:
            raise self.down.pop(0)
        return {"Id": ID, "State": dict(self.state)}

    def pause(self, container: str) -> None:
        self.calls.append(("pause", container))
        self.state |= {"Paused": True, "Status": "paused"}

    def unpause(self, container: str) -> None:
        self.state |= {"Paused": False, "Status": "running"}

    def stop(self, container: str, timeout: int) -> None:
        assert not self.state["Paused"]
        self.calls.append(("stop", container))
        self.state |= {"Running": False}

    def close(self) -> None:
        pass


class AnsweredError(OSError):
    """The engine's own words, as requests has them."""

    def __init__(self, status: int) -> None:
        self.response = type("Response", (), {"status_code": status})()
        super().__init__(f"{status}")


def order(ident: bytes = b"1", verb: str = "pause", container: str = "web-1", **rest: int) -> Order:
    return Order(ident, verb, container, "policy", 7, **({"time": BEGAN + 60_000, "expires": 100} | rest))  # type: ignore[arg-type]


Making = Callable[..., Responder]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def making(tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Making:
    socket = tmp_path / "engine.sock"
    socket.touch()
    monkeypatch.setattr(respond, "TRIES", (0.01, 0.01))

    def make(settings: Respond = ON, **changes: object) -> Responder:
        known = {"hands": lambda url: fake, "now": lambda: 50, "own": frozenset} | changes
        names = {"web-1": ID, "host": ID}
        return Responder(
            settings, tmp_path / "responses", lambda name: names.get(name, ""), [f"unix://{socket}"], **known
        )  # type: ignore[arg-type]

    return make


def done(responder: Responder, *orders: Order) -> list[str]:
    return [responder.carry_out(one).result for one in orders]


def test_by_default_nothing_is_done_and_what_would_have_been_is_said(making: Making, fake: Fake) -> None:
    outcome = making(Respond()).carry_out(order())
    assert (outcome.result, outcome.text, outcome.time) == ("dry-run", f"would have done: pause web-1 ({ID[:12]})", 50)
    assert fake.calls == []


def test_what_is_on_and_allowed_is_done(making: Making, fake: Fake) -> None:
    assert done(making(), order(b"1"), order(b"2", "stop")) == ["done", "done"]
    assert fake.calls == [("pause", ID), ("stop", ID)]


@pytest.mark.parametrize(
    ("settings", "told", "state", "result"),
    [
        (Respond("off"), order(), {}, "off"),
        (Respond("on"), order(verb="stop"), {}, "not-allowed"),
        (Respond("dry-run", ()), order(), {}, "not-allowed"),
        (ON, order(expires=49), {}, "expired"),
        (ON, order(container="host"), {}, "refused"),
        (ON, order(container=""), {}, "refused"),
        (Respond("on", never=("db*", "web-*")), order(), {}, "refused"),
        (ON, order(container="web-2"), {}, "unknown-container"),
        (ON, order(time=BEGAN - 3_000), {}, "another-container"),
        (ON, order(time=0), {}, "done"),
        (ON, order(), {"Running": False}, "unknown-container"),
        (ON, order(verb="stop"), {"Running": False}, "done"),
        (ON, order(), {"Paused": True}, "done"),
        (ON, order(), {"Pid": os.getpid()}, "refused"),
        (ON, order(), {"Pid": os.getppid()}, "refused"),
    ],
)
def test_what_is_not_done_and_why(
    *, making: Making, fake: Fake, settings: Respond, told: Order, state: dict[str, object], result: str
) -> None:
    fake.state |= state
    assert done(making(settings), told) == [result]
    assert bool(fake.calls) is (result == "done" and not state)


def test_its_own_container_is_never_touched(making: Making, fake: Fake) -> None:
    assert done(making(own=lambda: frozenset([ID])), order()) == ["refused"]
    assert fake.calls == []
    assert own_containers() == frozenset() or all(len(one) == 64 for one in own_containers())


def test_one_id_is_done_once_also_after_a_restart(making: Making, fake: Fake) -> None:
    first = making()
    first.take((order(), order()))
    assert first._queue.qsize() == 1
    first.carry_out(first._queue.get())  # type: ignore[arg-type]
    again = making()
    fake.state["Paused"] = False
    again.take((order(),))
    assert again._queue.empty()
    assert [one.result for one in again.outcomes()] == ["done"]
    assert len(fake.calls) == 1


def test_what_was_begun_before_a_crash_is_done_after_it(making: Making, fake: Fake) -> None:
    first = making()
    first.take((order(),))
    first._save()
    again = making()
    assert again._queue.qsize() == 1
    again.start()
    until(lambda: again.outcomes() != ())
    again.stop()
    assert fake.calls == [("pause", ID)]


def test_what_became_of_it_is_told_until_it_is_heard(making: Making) -> None:
    responder = making()
    responder.carry_out(order())
    heard = responder.outcomes()
    assert responder.outcomes() == heard != ()
    responder.told(heard)
    assert responder.outcomes() == ()
    responder.take((order(),))  # the monitor says it again: it has not heard after all
    assert responder.outcomes() == heard


def test_somebody_may_wait_for_the_outcomes_but_not_for_ever(making: Making) -> None:
    responder = making()
    responder.wait(5.0)
    responder.take((order(),))
    responder.wait(0.05)
    assert responder.outcomes() == ()
    responder.start()
    responder.wait(5.0)
    assert len(responder.outcomes()) == 1
    responder.stop()


def test_an_engine_that_is_away_is_asked_again_and_then_given_up(making: Making, fake: Fake) -> None:
    fake.down = [ConnectionError("away"), ValueError("no version")]
    assert done(making(), order()) == ["done"]
    fake.down = [ConnectionError("away\x1b[31m")] * 3
    outcome = making().carry_out(order(b"2", "stop"))
    assert (outcome.result, outcome.text) == ("failed", "ConnectionError: away\\x1b[31m")


def test_what_the_engine_says_no_to_is_not_tried_again(making: Making, fake: Fake) -> None:
    fake.down = [AnsweredError(404)]
    assert done(making(), order()) == ["unknown-container"]
    fake.down = [AnsweredError(500)]
    assert done(making(), order()) == ["failed"]
    assert fake.calls == []


def test_without_an_engine_no_container_is_known(making: Making, tmp_path: Path) -> None:
    (tmp_path / "engine.sock").unlink()
    assert done(making(), order()) == ["unknown-container"]


def test_what_waits_and_what_is_remembered_is_bounded(making: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(respond, "MAX_KNOWN", 100)
    responder = making()
    responder.take(tuple(order(b"%d" % number) for number in range(80)))
    assert (responder._queue.qsize(), responder.counts["crowded"]) == (64, 16)
    for number in range(200):
        responder._queue.get_nowait() if not responder._queue.empty() else None
        responder.take((order(b"x%d" % number),))
    assert len(responder._entries) <= 100


def test_a_journal_that_is_damaged_or_cannot_be_written_is_no_end(making: Making, tmp_path: Path) -> None:
    (tmp_path / "responses").write_bytes(b"rubbish")
    assert done(making(), order()) == ["done"]
    (tmp_path / "responses").unlink()
    (tmp_path / "responses").mkdir()
    assert done(making(), order(b"2", "stop")) == ["done"]


@given(st.text(max_size=300))
def test_whatever_a_container_is_called_the_outcome_is_plain_text(text: str) -> None:
    responder = Responder(ON, Path("/nonexistent/x"), lambda name: "", [], now=lambda: 0)
    outcome = responder.carry_out(Order(b"1", "pause", text, text))
    assert outcome.result in ("unknown-container", "refused")
    assert outcome.text.isascii()
    assert outcome.text.isprintable()


def test_settings() -> None:
    text = 'mode = "on"\nallow = ["stop"]\nnever = ["db-*"]'
    assert read_settings(text, "a.toml", Respond) == Respond("on", ("stop",), ("db-*",))
    assert read_settings("", "a.toml", Respond) == Respond("dry-run", ("pause",))
    for wrong in ('mode = "yes"', 'allow = ["kill"]', 'mode = "on"\nallow = []', "modus = 1"):
        with pytest.raises(SettingsErrors):
            read_settings(wrong, "a.toml", Respond)


def until(what: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.02)


# podman itself

MINE = f"respond-{os.getpid()}"
IMAGE = f"localhost/{MINE}:1"
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--network", "none")


def podman(*words: str, check: bool = True) -> str:
    run = subprocess.run(["podman", "--runtime", "runc", *words], capture_output=True, text=True, check=False)
    assert not check or run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a podman service of our own, with an image in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not all(shutil.which(name) for name in ("podman", "runc", "busybox")):
        pytest.skip("needs podman, runc and a static busybox")
    pytest.importorskip("docker")
    folder = tmp_path_factory.mktemp("podman")
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.add(str(shutil.which("busybox")), "bin/busybox")
        link = tarfile.TarInfo("bin/sleep")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
    podman("import", str(folder / "image.tar"), IMAGE)
    socket = folder / "podman.sock"
    words = ["podman", "--runtime", "runc", "system", "service", "--time=0", f"unix://{socket}"]
    service = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        podman("run", "--rm", "--name", f"{MINE}-try", *LIMITS, IMAGE, "/bin/sleep", "0")
        until(socket.exists)
        yield f"unix://{socket}"
    except AssertionError as error:
        pytest.skip(f"podman cannot run a container here: {str(error)[:200]}")
    finally:
        service.send_signal(signal.SIGKILL)
        service.wait()
        with contextlib.suppress(AssertionError):
            names = podman("ps", "-a", "--format", "{{.Names}}", "--filter", f"name=^{MINE}-").split()
            if names:
                podman("rm", "-f", "-t0", *names)
            podman("rmi", "-f", IMAGE)


def status(name: str) -> str:
    return podman("inspect", "--format", "{{.State.Status}}", name)


def test_podmans_container_is_paused_and_stopped_only_if_it_may_be(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{MINE}-one"
    monkeypatch.setattr(respond, "GRACE", 1)
    ident = podman("run", "-d", "--init=false", "--name", name, *LIMITS, IMAGE, "/bin/sleep", "600")
    now = time.time_ns() // 1_000_000
    responder = Responder(Respond(), tmp_path / "responses", {name: ident}.get, [engine])  # type: ignore[arg-type]
    rest = {"container": name, "time": now + 1_000, "expires": now + 600_000}
    assert done(responder, order(b"1", **rest)) == ["dry-run"]  # type: ignore[arg-type]
    assert status(name) == "running"
    responder.change(Respond("on"))
    assert done(responder, order(b"2", verb="stop", **rest)) == ["not-allowed"]  # type: ignore[arg-type]
    assert done(responder, order(b"3", **rest | {"time": now - 60_000})) == ["another-container"]  # type: ignore[arg-type]
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists() and not Path("/sys/fs/cgroup/freezer").exists():
        pytest.skip("no freezer in this machine's cgroups")
    assert done(responder, order(b"4", **rest)) == ["done"]  # type: ignore[arg-type]
    assert status(name) == "paused"
    assert done(responder, order(b"5", **rest)) == ["done"]  # type: ignore[arg-type]
    responder.change(ON)
    assert done(responder, order(b"6", verb="stop", **rest)) == ["done"]  # type: ignore[arg-type]
    assert status(name) == "exited"
    podman("start", name)
    assert done(responder, order(b"8", verb="stop", **rest | {"time": time.time_ns() // 1_000_000})) == ["done"]  # type: ignore[arg-type]
    assert status(name) == "exited"
    assert done(responder, order(b"7", **rest | {"container": "none"})) == ["unknown-container"]  # type: ignore[arg-type]
