"""The engine's table: from a client that is made up, and from podman itself (as root, where it can run containers)."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.container_files import EngineFiles, Known, ProcessFiles
from agent.engine import MAX_KNOWN, MAX_QUEUE, Client, Engine
from agent.live_containers import LiveContainers

A, B = "a" * 64, "b" * 64
BEGUN = "2026-11-22T08:26:47.832340056Z"


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in time"
        time.sleep(0.01)


def inspected(ident: str, name: str, pid: int = 7, **labels: str) -> dict[str, object]:
    state = {"Running": bool(pid), "Pid": pid, "StartedAt": BEGUN, "FinishedAt": "0001-01-01T00:00:00Z"}
    return {
        "Id": ident,
        "Name": f"/{name}",
        "Image": "sha256:1",
        "State": state,
        "Config": {"Image": "x:1", "Labels": labels},
    }


def event(action: str, ident: str, name: str = "gone", millis: int = 5_000) -> dict[str, object]:
    attributes = {"name": name, "image": "x:1", "com.docker.compose.service": "web"}
    actor = {"ID": ident, "Attributes": attributes}
    return {"Type": "container", "Action": action, "Actor": actor, "timeNano": millis * 1_000_000}


class NotFoundError(OSError):
    class response:  # noqa: N801 - as requests calls it
        status_code = 404


class FakeClient:
    """An engine with `table`; `happen` sends an event, None ends the stream."""

    def __init__(self) -> None:
        self.table: dict[str, dict[str, object]] = {}
        self.stream: queue.Queue[object] = queue.Queue()
        self.down = False
        self.slow = 0.0
        self.calls: list[str] = []

    def client(self, _url: str) -> Client:
        if self.down:
            raise ConnectionError("no such \x1bfile")
        return self

    def events(self, *, decode: bool, filters: dict[str, object]) -> Iterator[object]:
        assert decode and filters["type"] == "container"
        while (one := self.stream.get()) is not None:
            yield one

    def containers(self, *, all: bool) -> list[dict[str, object]]:  # noqa: A002
        self.calls.append("list")
        return [{"Id": i, "Names": [one["Name"]], "State": "running"} for i, one in self.table.items()]

    def inspect_container(self, container: str) -> dict[str, object]:
        self.calls.append(container)
        time.sleep(self.slow)
        if self.down:
            raise ConnectionError("gone")
        if container not in self.table:
            raise NotFoundError
        return self.table[container]

    def close(self) -> None:
        pass


@pytest.fixture
def fake() -> FakeClient:
    return FakeClient()


@pytest.fixture
def engine(fake: FakeClient) -> Iterator[Engine]:
    one = Engine("unix:///nowhere", fake.client)
    yield one
    one.stop()
    fake.stream.put(None)


def test_what_runs_already_is_listed_and_told(fake: FakeClient, engine: Engine) -> None:
    fake.table[A] = inspected(A, "web1", 7, app="web")
    engine.start()
    assert engine.ready(5.0)
    known = engine.known(A)
    assert known == Known(A, "web1", "x:1", "sha256:1", {"app": "web"}, 7, 1_795_336_007_832, 0)
    assert engine.take_changes() == [known] and engine.take_changes() == []
    assert engine.status().connected and engine.status().containers == 1


def test_a_container_that_is_gone_before_it_is_inspected_is_known_from_its_events(
    fake: FakeClient, engine: Engine
) -> None:
    engine.start()
    for action, at in (("create", 5_000), ("start", 5_010), ("die", 5_060), ("destroy", 5_070)):
        fake.stream.put(event(action, B, millis=at))
    until(lambda: (known := engine.known(B)) is not None and known.end)
    known = engine.known(B)
    assert known is not None
    assert (known.name, known.image, known.start, known.end) == ("gone", "x:1", 5_010, 5_060)
    assert known.labels["com.docker.compose.service"] == "web"


def test_starting_dying_and_renaming_are_told_as_changes(fake: FakeClient, engine: Engine) -> None:
    fake.table[A] = inspected(A, "web1")
    engine.start()
    assert engine.ready(5.0)
    fake.table[A] = inspected(A, "shop1")
    fake.stream.put(event("rename", A))
    until(lambda: engine.known(A).name == "shop1")  # type: ignore[union-attr]
    late = 1_795_336_007_000
    fake.stream.put(event("die", A, "shop1", late))  # of the run before: it runs again already
    fake.stream.put(event("die", A, "shop1", late + 60_000))
    until(lambda: engine.known(A).end)  # type: ignore[union-attr]
    changes = engine.take_changes()
    assert [(one.name, one.pid, one.end) for one in changes] == [("shop1", 0, late + 60_000)]


def test_who_asks_is_answered_before_anything_else_and_waits_no_longer_than_told(
    fake: FakeClient, engine: Engine
) -> None:
    engine.start()
    assert engine.ready(5.0)
    fake.table[A] = inspected(A, "web1")
    assert engine.ask(A, 5.0).name == "web1"  # type: ignore[union-attr]
    begun = time.monotonic()
    assert engine.ask(B, 5.0) is None  # "not found" is an answer
    assert time.monotonic() - begun < 2.0
    fake.slow = 1.0
    begun = time.monotonic()
    assert engine.ask("c" * 64, 0.1) is None
    assert time.monotonic() - begun < 0.8


def test_an_engine_that_is_away_holds_nobody_up_and_is_found_when_it_comes(fake: FakeClient, engine: Engine) -> None:
    fake.down = True
    engine.start()
    assert not engine.ready(5.0)
    begun = time.monotonic()
    assert engine.ask(A, 5.0) is None
    assert time.monotonic() - begun < 1.0
    assert "no such" in engine.status().error and not engine.status().connected
    fake.table[A] = inspected(A, "web1")
    fake.down = False
    until(lambda: engine.known(A))


def test_what_happened_while_the_engine_was_away_is_found_by_listing(fake: FakeClient, engine: Engine) -> None:
    fake.table[A] = inspected(A, "web1")
    engine.start()
    assert engine.ready(5.0)
    del fake.table[A]
    fake.table[B] = inspected(B, "web2")
    fake.stream.put(None)
    until(lambda: engine.known(B) and engine.known(A).end)  # type: ignore[union-attr]
    assert engine.status().connections == 2


def test_a_flood_of_events_is_bounded_counted_and_followed_by_a_list(fake: FakeClient, engine: Engine) -> None:
    for _ in range(MAX_QUEUE + 5):
        engine._offer(event("start", B))
    assert engine.status().overflows == 5
    fake.table[A] = inspected(A, "web1")
    engine.start()
    until(lambda: engine.known(A))


def test_the_table_is_bounded_and_what_has_ended_goes_first(engine: Engine) -> None:
    engine._write(Known(A, "stays", start=1))
    for number in range(MAX_KNOWN + 10):
        engine._write(Known(f"{number:064x}", "x", start=1, end=2))
    assert engine.status().containers == MAX_KNOWN and engine.known(A)


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"Action": 3},
        {"id": A},
        {"Action": "start", "Actor": {"ID": B, "Attributes": 3}},
        [],
        "x",
        {"timeNano": "x"},
    ],
)
def test_an_event_that_is_none_is_no_error(one: object, fake: FakeClient, engine: Engine) -> None:
    fake.table[A] = {"Id": 3, "State": []}
    engine.start()
    fake.stream.put(one)
    fake.stream.put(event("create", B, "after"))
    until(lambda: engine.known(B) and engine.known(B).name == "after")  # type: ignore[union-attr]
    assert engine.status().failures == 0


# podman itself


MINE = f"w4c-{os.getpid()}"  # several runs of the tests may share one podman
IMAGE, PREFIX = f"localhost/{MINE}:1", f"{MINE}-"
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--network", "none")


def podman(*words: str, check: bool = True) -> str:
    done = subprocess.run(["podman", "--runtime", "runc", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def _missing() -> str:
    if os.geteuid() != 0:
        return "needs root"
    if not all(shutil.which(name) for name in ("podman", "runc")):
        return "needs podman and runc"
    return "" if shutil.which("busybox") else "needs a static busybox"


class Service:
    """`podman system service` on a socket of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "podman.sock"
        self.url = f"unix://{self.socket}"
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        words = ["podman", "--runtime", "runc", "system", "service", "--time=0", self.url]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.socket.exists)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    if reason := _missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("podman")
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(str(shutil.which("busybox")), "bin/busybox")
        for name in ("sh", "sleep", "true"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    podman("import", str(archive), IMAGE)
    try:
        podman("run", "--rm", "--name", f"{PREFIX}try", *LIMITS, IMAGE, "/bin/true")
    except AssertionError as error:
        podman("rmi", "-f", IMAGE, check=False)
        pytest.skip(f"podman cannot run a container here: {str(error)[:200]}")
    one = Service(folder)
    yield one
    one.kill()
    with contextlib.suppress(AssertionError):
        names = podman("ps", "-a", "--format", "{{.Names}}", "--filter", f"name=^{PREFIX}").split()
        if names:
            podman("rm", "-f", "-t0", *names)
        podman("rmi", "-f", IMAGE)


@pytest.fixture
def real(service: Service) -> Iterator[Engine]:
    pytest.importorskip("docker")
    engine = Engine(service.url)
    engine.start()
    assert engine.ready(10.0), engine.status()
    engine.take_changes()
    yield engine
    engine.stop()


def run(name: str, *command: str, flags: tuple[str, ...] = ("-d",)) -> str:
    label = "com.docker.compose.service=w4capp"
    return podman("run", *flags, "--name", PREFIX + name, "--label", label, *LIMITS, IMAGE, *command)


def test_podmans_container_is_found_by_its_process_named_renamed_and_ended(real: Engine) -> None:
    containers = LiveContainers(real)
    before = time.time_ns() // 1_000_000
    ident = run("one", "/bin/sleep", "60")
    pid = int(podman("inspect", "--format", "{{.State.Pid}}", ident))
    event_at = time.time_ns() // 1_000_000
    found = containers.place(b"%d" % pid, b"1", event_at, False)
    assert found is not None
    assert (found.id, found.name, found.app, found.pid, found.image) == (ident, f"{PREFIX}one", "w4capp", pid, IMAGE)
    assert containers.place(b"%d" % pid, b"0", before - 1_000, False) is None  # it had not begun then
    until(lambda: (known := real.known(ident)) is not None and known.pid == pid)
    podman("rename", f"{PREFIX}one", f"{PREFIX}two")
    until(lambda: real.known(ident).name == f"{PREFIX}two")  # type: ignore[union-attr]
    assert {run.name for run in containers.take_runs() if run.id == ident} == {f"{PREFIX}one", f"{PREFIX}two"}
    podman("rm", "-f", "-t0", f"{PREFIX}two")
    until(lambda: real.known(ident).end)  # type: ignore[union-attr]
    runs = [run for run in containers.take_runs() if run.id == ident]  # others may use podman at the same time
    assert {(run.start <= run.end, run.app) for run in runs} == {(True, "w4capp")}
    assert containers.loss == {"process_unplaced": 1}


def test_a_container_of_a_few_milliseconds_gets_its_id_name_and_application(real: Engine) -> None:
    run("short", "/bin/true", flags=("--rm",))
    until(lambda: any(one.name == f"{PREFIX}short" and one.end for one in [*real._changed.values()]), 5.0)
    (known,) = [one for one in real.take_changes() if one.name == f"{PREFIX}short"]
    assert len(known.id) == 64 and 0 < known.start <= known.end
    for containers in (LiveContainers(real), LiveContainers()):  # with the engine, and from what is left on disk
        found = containers.enter(known.id, b"4194000", known.start)
        assert found is not None
        if containers.loss:  # podman keeps its events in the journal here: the name is not on disk any more
            assert found.name == known.id[:12] and not Path("/run/libpod/events/events.log").exists()
        else:
            assert (found.name, found.app) == (f"{PREFIX}short", "w4capp")


def test_an_engine_killed_and_back_misses_nothing_that_still_is(real: Engine, service: Service) -> None:
    first = run("before", "/bin/sleep", "60")
    until(lambda: real.known(first))
    service.kill()
    until(lambda: not real.status().connected)
    begun = time.monotonic()
    assert real.ask(B, 5.0) is None and time.monotonic() - begun < 1.0
    podman("rm", "-f", "-t0", f"{PREFIX}before")
    second = run("after", "/bin/sleep", "60")
    containers = LiveContainers(real)
    found = containers.enter(second, b"4194000", time.time_ns() // 1_000_000)
    assert found is not None and found.name == f"{PREFIX}after"
    service.start()
    until(lambda: (known := real.known(second)) is not None and known.pid, 10.0)
    until(lambda: real.known(first).end)  # type: ignore[union-attr]
    assert real.status().connections >= 2
    podman("rm", "-f", "-t0", f"{PREFIX}after")


def test_the_files_tell_a_process_of_this_machine() -> None:
    files, me = ProcessFiles(), b"%d" % os.getpid()
    assert files.cgroup(me, time.time_ns() // 1_000_000) is not None
    assert files.cgroup(me, 1_000) is None
    assert files.cgroup(b"4194303", time.time_ns() // 1_000_000) is None
    child = subprocess.Popen(["sleep", "5"])
    born = time.time_ns() // 1_000_000
    try:
        assert files.alive(b"%d" % child.pid, born)
        assert not files.alive(b"%d" % child.pid, born - 200)
    finally:
        child.kill()
        child.wait()
    assert EngineFiles().known("../../etc/passwd") is None
