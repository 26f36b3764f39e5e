"""Where processes of a running worker are, what their containers are called, when they ran: with a made-up /proc."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import Graph, World, path

from agent.container_files import SLACK, TICKS, EngineFiles, Known, ProcessFiles
from agent.live_containers import BUDGET, GRACE, MAX_RUNS, PATIENCE, LiveContainers
from agent.node import Node
from grammar.envelope import Run

A, B, C = "0123456789abcdef" * 4, "fedcba9876543210" * 4, "c" * 64
DOCKER = "0::/system.slice/docker-{}.scope\n"


class Machine:
    """A made-up /proc and the engines' files under one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.processes, self.files = root, ProcessFiles(str(root / "proc")), EngineFiles(root)

    def process(self, pid: int, cgroup: str = "0::/\n", born: int = 0, inside: int = 0) -> Machine:
        """A process that began at `born` (a minute ago); `inside` is its number in its container."""
        booted = (time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1_000_000
        born = born or now() - 60_000
        folder = self.root / "proc" / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = f"{pid}\t{inside}" if inside else str(pid)
        (folder / "stat").write_text(f"{pid} (a) b) S 1 " + "0 " * 17 + f"{(born - booted) * TICKS // 1000} 0 0\n")
        (folder / "cgroup").write_text(cgroup)
        (folder / "status").write_text(f"Name:\tx\nNSpid:\t{numbers}\n")
        return self

    def ends(self, pid: int) -> None:
        for file in (self.root / "proc" / str(pid)).iterdir():
            file.unlink()

    def write(self, place: str, value: object) -> Machine:
        file = self.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value if isinstance(value, str) else json.dumps(value))
        return self


class FakeEngine:
    """Tells `table` at once and `late` to who asks."""

    def __init__(self, *known: Known) -> None:
        self.table = {one.id: one for one in known}
        self.late: dict[str, Known] = {}
        self.changes: list[Known] = []
        self.asked: list[tuple[str, float]] = []

    def known(self, ident: str) -> Known | None:
        return self.table.get(ident)

    def ask(self, ident: str, seconds: float) -> Known | None:
        self.asked.append((ident, seconds))
        if ident in self.late:
            self.table[ident] = self.late[ident]
        return self.table.get(ident)

    def take_changes(self) -> list[Known]:
        taken, self.changes = self.changes, []
        return taken


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


WEB = Known(A, "web1", "nginx:1", labels={"com.docker.compose.service": "web"}, pid=0, start=5)


def live(machine: Machine, engine: FakeEngine | None = None) -> LiveContainers:
    return LiveContainers(engine, processes=machine.processes, files=machine.files)


def now() -> int:
    return time.time_ns() // 1_000_000


def world(containers: LiveContainers) -> World:
    """A node over live containers; its events are of now."""
    one = World()
    one.graph = Graph()
    one.node = Node(containers, recorder=one.graph, loss=containers.loss)
    one.millis = now()
    return one


# Where


def test_a_process_without_a_known_parent_is_where_its_cgroup_says(machine: Machine) -> None:
    machine.process(41, DOCKER.format(A), now() - 100, inside=1)
    found = live(machine, FakeEngine(WEB)).place(b"41", b"7", now(), False)
    assert found is not None
    assert (found.name, found.app, found.pid, found.image) == ("web1", "web", 41, "nginx:1")


def test_a_number_that_is_another_processs_by_now_is_not_believed(machine: Machine) -> None:
    event = now() - 10_000
    machine.process(41, DOCKER.format(A), event + SLACK + 100)
    containers = live(machine, FakeEngine(WEB))
    assert containers.place(b"41", b"0", event, False) is None
    assert containers.loss == {"process_unplaced": 1}
    assert containers.place(b"41", b"0", event + 1_000, False) is not None


def test_a_process_that_is_gone_is_where_its_parent_is(machine: Machine) -> None:
    machine.process(41, DOCKER.format(A), now() - 100, inside=1)
    containers = live(machine, FakeEngine(WEB))
    found = containers.place(b"42", b"41", now(), False)
    assert found is not None and found.name == "web1"
    assert not containers.loss


def test_an_heir_costs_no_look(machine: Machine) -> None:
    machine.process(41, DOCKER.format(A), now() - 100)
    containers = live(machine, FakeEngine(WEB))
    assert containers.place(b"41", b"7", now(), True) is None
    assert not containers.loss


def test_of_nested_containers_the_innermost_that_is_known_counts(machine: Machine) -> None:
    machine.process(41, f"0::/docker/{A}/kubelet/kubepods/burstable/pod1/{B}\n", now() - 100)
    inner = Known(B, "inner", "i:1")
    for engine, name in ((FakeEngine(WEB), "web1"), (FakeEngine(WEB, inner), "inner"), (FakeEngine(), B[:12])):
        found = live(machine, engine).place(b"41", b"7", now(), False)
        assert found is not None and found.name == name


def test_a_system_container_is_its_own_application(machine: Machine) -> None:
    machine.process(41, "0::/lxc.payload.build/init.scope\n", now() - 100, inside=1)
    engine = FakeEngine()
    found = live(machine, engine).place(b"41", b"7", now(), False)
    assert found is not None and (found.name, found.app) == ("lxc/build", "lxc/build")
    assert engine.asked == []


# What a container is called


def test_what_stands_on_disk_is_exact_without_asking(machine: Machine) -> None:
    """Docker's, containerd's, cri-o's and podman's files, each as its engine writes it."""
    docker = {
        "ID": A,
        "Name": "/web1",
        "Config": {"Image": "nginx:1", "Labels": {"com.docker.compose.service": "web"}},
        "State": {"Running": True, "Pid": 41, "StartedAt": "2026-11-22T08:26:47.832340056Z"},
    }
    machine.write(f"var/lib/docker/containers/{A}/config.v2.json", docker)
    cri = {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "app",
        "io.kubernetes.cri.sandbox-name": "web-6d4b75cb6d-hx7mk",
        "io.kubernetes.cri.sandbox-namespace": "shop",
        "io.kubernetes.cri.image-name": "docker.io/library/nginx:1",
    }
    task = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
    machine.write(f"{task}/{B}/config.json", {"ociVersion": "1.0", "annotations": cri})
    event = '{{"ID":"{}","Image":"localhost/x:1","Name":"{}","Status":"create","Type":"container","Attributes":{}}}\n'
    log = event.format(C, "old", "null") + event.format(C, "job", '{"com.docker.compose.service":"batch"}')
    machine.write("run/libpod/events/events.log", '{"Name":"x:1","Status":"pull"}\n' + log)
    engine = FakeEngine()
    containers = live(machine, engine)
    given = [containers.enter(ident, b"9", now()) for ident in (A, B, C)]
    assert [(one.name, one.app, one.image) for one in given if one is not None] == [
        ("web1", "web", "nginx:1"),
        ("shop/web-6d4b75cb6d-hx7mk/app", "shop/web/app", "docker.io/library/nginx:1"),
        ("job", "batch", "localhost/x:1"),
    ]
    assert engine.asked == [] and not containers.loss


def test_cri_o_says_the_same_in_its_bundle(machine: Machine) -> None:
    annotations = {
        "io.kubernetes.pod.name": "db-0",
        "io.kubernetes.pod.namespace": "shop",
        "io.kubernetes.container.name": "db",
        "io.kubernetes.cri-o.ImageName": "quay.io/db:2",
        "io.kubernetes.cri-o.Name": "k8s_db_db-0_shop_uid_0",
    }
    place = f"run/containers/storage/overlay-containers/{A}/userdata/config.json"
    found = live(machine.write(place, {"annotations": annotations})).enter(A, b"9", now())
    assert found is not None and (found.name, found.app) == ("shop/db-0/db", "shop/db/db")


def test_what_is_known_in_part_waits_for_the_engine_a_moment(machine: Machine) -> None:
    about = json.dumps({"image-name": "localhost/x:1", "name": "web1"})
    machine.write(
        "var/lib/containers/storage/overlay-containers/containers.json",
        [{"id": B}, {"id": A, "names": ["web1"], "metadata": about}],
    )
    engine = FakeEngine()
    engine.late[A] = WEB
    containers = live(machine, engine)
    found = containers.enter(A, b"9", now())
    assert found is not None and (found.name, found.app) == ("web1", "web")
    assert engine.asked == [(A, PATIENCE)] and not containers.loss
    found = live(machine).enter(A, b"9", now())
    assert found is not None and (found.name, found.app) == ("web1", "localhost/x:1")


def test_patience_ends(machine: Machine) -> None:
    class Slow(FakeEngine):
        def ask(self, ident: str, seconds: float) -> Known | None:
            self.asked.append((ident, seconds))
            containers._spent += seconds  # as if time had passed
            return None

    engine = Slow()
    containers = live(machine, engine)
    for number in range(20):
        containers.enter(f"{number:064x}", b"9", now())
    assert sum(seconds for _, seconds in engine.asked) <= BUDGET + PATIENCE
    assert containers.loss == {"container_unnamed": 20}


def test_a_name_is_kept_and_the_engines_later_one_is_told_as_a_run_of_the_same_id(machine: Machine) -> None:
    machine.process(41, DOCKER.format(A), now() - 100, inside=1)
    engine = FakeEngine()
    containers = live(machine, engine)
    first = containers.place(b"41", b"7", now(), False)
    assert first is not None and (first.name, first.app) == (A[:12], "unknown")
    assert containers.loss == {"container_unnamed": 1}
    engine.table[A] = WEB
    engine.changes = [WEB]
    assert containers.enter(A, b"43", now()) == first
    runs = containers.take_runs()
    assert {(run.name, run.id, run.app, run.start) for run in runs} == {
        (A[:12], A, "unknown", WEB.start),
        ("web1", A, "unknown", WEB.start),
    }


def test_a_name_of_two_containers_and_the_hosts_name_are_told_apart(machine: Machine) -> None:
    other = Known(B, "web1", "other:1", start=6)
    again = Known(C, "web1", "nginx:1", labels=WEB.labels, start=9)
    host = Known("e" * 64, "host", "", labels={"com.docker.compose.service": "host"})
    engine = FakeEngine(WEB, other, again, host)
    containers = live(machine, engine)
    given = [containers.enter(one.id, b"9", now()) for one in (WEB, other)]
    assert [one.name for one in given if one] == ["web1", f"web1.{B[:12]}"]
    running = containers.enter(C, b"9", now())
    assert running is not None and running.name == f"web1.{C[:12]}"
    found = containers.enter(host.id, b"9", now())
    assert found is not None and (found.name, found.app) == (f"host.{'e' * 12}", "container/host")


def test_a_container_made_anew_goes_on_under_its_name(machine: Machine) -> None:
    engine = FakeEngine(WEB)
    containers = live(machine, engine)
    containers.enter(A, b"9", now())
    engine.table[A] = Known(A, "web1", "nginx:1", labels=WEB.labels, start=5, end=8)
    engine.table[C] = Known(C, "web1", "nginx:1", labels=WEB.labels, start=9)
    again = containers.enter(C, b"9", now())
    assert again is not None and again.name == "web1"


def test_the_owner_that_kubernetes_names_goes_before_the_pods_name(machine: Machine) -> None:
    class Owners:
        def owner(self, namespace: str, pod: str, seconds: float = 0.0) -> str:
            assert (namespace, pod) == ("shop", "db-0-0")
            return "db-0"

    labels = dict(zip(("namespace", "name"), ("shop", "db-0-0"), strict=True))
    labels = {f"io.kubernetes.pod.{key}": text for key, text in labels.items()} | {"io.kubernetes.container.name": "c"}
    containers = live(machine, FakeEngine(Known(A, "x", "i:1", labels=labels)))
    containers.attach(containers._engine, Owners())
    found = containers.enter(A, b"9", now())
    assert found is not None and (found.name, found.app) == ("shop/db-0-0/c", "shop/db-0/c")


# The runtime's command line


CONMON = ["/usr/bin/conmon", "-c", A, "-u", B, "-n", "web1", "--exit-command-arg", A]


def test_an_unknown_id_is_taken_from_the_hosts_runtime_only(machine: Machine) -> None:
    containers = live(machine)
    assert containers.named_in(["runc", "--log", f"/run/x/{B}/log.json", "create", "--bundle", f"/b/{A}", A]) == A
    assert containers.named_in(["runc", "create", A], outside=False) == ""
    assert containers.named_in(["runc", "--version"]) == containers.named_in([]) == ""
    assert containers.named_in([f"/x/{A}"]) == A


def test_an_id_that_is_known_goes_before_one_that_is_not(machine: Machine) -> None:
    assert live(machine, FakeEngine(WEB)).named_in(["runc", "exec", A, B]) == A


def test_a_program_called_runc_inside_a_container_leads_nowhere_else(machine: Machine) -> None:
    other = Known(B, "other", "x:1")
    machine.process(12, DOCKER.format(A), now() - 100, inside=1)
    one = world(live(machine, FakeEngine(WEB, other))).close(3, pid=12, ppid=9)
    one.execve("/tmp/runc", ["runc", "exec", B, "sh"], pid=12, ppid=9)
    one.close(3, pid=12, ppid=9, comm="runc:[2:INIT]", exe="/tmp/runc").execve("/bin/sh", pid=12, ppid=9)
    assert one.process(12).scope.container == "web1"


def test_conmon_tells_the_name_of_a_container_that_nobody_else_knows(machine: Machine) -> None:
    containers = live(machine)
    assert containers.named_in(CONMON) == A
    found = containers.enter(A, b"9", now())
    assert found is not None and (found.name, found.app) == ("web1", "unknown")


def test_a_container_that_is_gone_with_all_its_processes_is_found_by_the_log_alone(machine: Machine) -> None:
    """It lived for milliseconds: no /proc, no engine, no files."""
    one = world(live(machine)).execve("/usr/bin/conmon", CONMON, pid=9, ppid=1)
    one.call("clone", exit=10, a0=0x11, pid=9, ppid=1, comm="conmon", exe="/usr/bin/conmon")
    one.execve("/usr/bin/runc", ["runc", "create", "--bundle", f"/b/{A}", A], pid=10, ppid=9)
    one.call("clone", exit=12, a0=0x8011, pid=10, ppid=9, comm="runc", exe="/usr/bin/runc")
    one.close(3, pid=12, ppid=9, comm="runc:[2:INIT]", exe="/").execve("/bin/app", pid=12, ppid=9)
    one.open("/etc/x", 3, pid=12, ppid=9, comm="app", exe="/bin/app")
    assert one.process(12).scope.container == "web1"
    assert one.process(12).lineage == ("entry start",)
    assert ("Process app /bin/app", "read", "File /etc/x") in one.edges("web1")


# In the graph


def test_a_first_event_that_is_the_exec_out_of_the_runtime_is_the_entry(machine: Machine) -> None:
    """Rules without clone: the container's program is first seen in its exec, its parent is conmon."""
    machine.process(12, DOCKER.format(A), now() - 100, inside=1).process(9)
    one = world(live(machine, FakeEngine(WEB))).execve("/usr/bin/conmon", CONMON, pid=9, ppid=1)
    one.execve("/bin/app", pid=12, ppid=9).open("/etc/x", 3, pid=12, ppid=9, comm="app", exe="/bin/app")
    assert one.process(12).scope.container == "web1"
    assert one.process(12).lineage == ("entry start",)
    assert {label for key, label in one.graph.labels.items() if key[0] == "web1"} >= {"Process app /bin/app"}
    assert not any("conmon" in label for key, label in one.graph.labels.items() if key[0] == "web1")


def test_a_number_used_again_is_looked_up_again(machine: Machine) -> None:
    machine.process(12, DOCKER.format(A), now() - 100, inside=1)
    one = world(live(machine, FakeEngine(WEB))).close(3, pid=12, ppid=9)
    assert one.process(12).scope.container == "web1"
    one.call("exit_group", exit=None, pid=12, ppid=9)
    machine.process(12, "0::/system.slice/x.service\n", now() - 100)
    assert one.close(3, pid=12, ppid=1).process(12).scope.container == "host"
    one.call("exit_group", exit=None, pid=12, ppid=1)
    machine.process(12, DOCKER.format(A), now() - 50)
    assert one.close(3, pid=12, ppid=9).process(12).scope.container == "web1"


def test_children_of_a_container_follow_their_parent_without_a_look(machine: Machine) -> None:
    machine.process(12, DOCKER.format(A), now() - 100, inside=1)
    one = world(live(machine, FakeEngine(WEB))).close(3, pid=12, ppid=9)
    one.call("clone", exit=5, a0=0x11, pid=12, ppid=9).open("/x", 3, pid=13, ppid=12)
    assert one.process(13).scope.container == "web1"
    assert not one.node.loss


def test_a_command_run_later_is_not_taken_for_the_first_process(machine: Machine) -> None:
    machine.process(12, DOCKER.format(A), now() - 100, inside=1).process(13, DOCKER.format(A), now() - 50, inside=7)
    containers = live(machine, FakeEngine(WEB))
    one = world(containers).close(3, pid=12, ppid=9)
    one.execve("/usr/bin/runc", ["runc", "exec", A, "sh"], pid=10, ppid=8)
    one.close(3, pid=13, ppid=10, comm="runc:[2:INIT]", exe="/").execve("/bin/sh", pid=13, ppid=10, paths=[path("/x")])
    assert one.process(13).lineage == ("entry exec",)
    assert containers.reaps(b"12") and not containers.reaps(b"13")


def test_what_the_runtime_was_told_says_who_is_first_when_all_are_gone(machine: Machine) -> None:
    containers = live(machine, FakeEngine(WEB))
    for verb, pid, first in (("create", b"12", 12), ("exec", b"13", 12), ("run", b"14", 14), ("exec", b"15", 14)):
        assert containers.named_in(["/usr/bin/runc", "--log-format", "json", verb, A]) == A
        assert containers.enter(A, pid, now()).pid == first  # type: ignore[union-attr]
    machine.process(14, born=now() - 100)  # the number of the first process is somebody else's by now
    assert containers.named_in(["/usr/bin/runc", "create", A]) == A
    assert containers.enter(A, b"16", now()).pid == 16  # type: ignore[union-attr]


def test_the_second_start_of_a_container_has_a_first_process_again(machine: Machine) -> None:
    machine.process(12, DOCKER.format(A), now() - 100)
    containers = live(machine, FakeEngine(WEB))
    assert containers.enter(A, b"12", now()).pid == 12  # type: ignore[union-attr]
    assert containers.enter(A, b"13", now()).pid == 12  # type: ignore[union-attr]
    machine.ends(12)
    assert containers.enter(A, b"14", now()).pid == 14  # type: ignore[union-attr]


# When


def test_runs_as_the_engine_tells_them_are_told_once(machine: Machine) -> None:
    engine = FakeEngine()
    containers = live(machine, engine)
    engine.changes = [Known(B, "b", "x:1", start=7, end=9), WEB]
    assert containers.take_runs() == (Run("web1", A, "web", "nginx:1", 5, 0), Run("b", B, "x:1", "x:1", 7, 9))
    assert containers.take_runs() == ()


def test_without_an_engine_a_run_lasts_as_long_as_its_first_process(machine: Machine) -> None:
    begun = now() - 100
    machine.process(12, DOCKER.format(A), begun, inside=1)
    containers = live(machine)
    containers.place(b"12", b"9", begun + 50, False)
    (run,) = containers.take_runs()
    assert (run.name, run.id, run.start, run.end) == (A[:12], A, begun + 50, 0)
    assert containers.take_runs() == ()
    machine.ends(12)
    (ended,) = containers.take_runs()
    assert (ended.start, ended.end > ended.start) == (run.start, True)
    assert containers.take_runs() == ()


def test_a_run_seen_before_the_engine_tells_it_is_one_run(machine: Machine) -> None:
    begun = now() - GRACE - 1_000
    machine.process(12, DOCKER.format(A), begun, inside=1)
    engine = FakeEngine()
    containers = live(machine, engine)
    containers.place(b"12", b"9", begun + 50, False)
    (run,) = containers.take_runs()
    engine.table[A] = Known(A, "web1", start=begun + 20)
    engine.changes = [engine.table[A]]
    assert {one.start for one in containers.take_runs()} == {run.start}
    engine.changes = [Known(A, "web1", start=begun + 20, end=begun + 2_000)]
    assert {(one.start, one.end) for one in containers.take_runs()} == {(run.start, begun + 2_000)}


def test_what_has_ended_long_ago_and_is_told_is_forgotten(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.process(12, DOCKER.format(A), now() - 100, inside=1)
    engine = FakeEngine(WEB)
    containers = live(machine, engine)
    one = world(containers).close(3, pid=12, ppid=9)
    one.call("clone", exit=5, a0=0x11, pid=12, ppid=9)
    assert not one.node.retire("web1")  # the epoch that tells it has not ended
    scope = one.node.scopes["web1"]
    scope.flush()
    scope.fresh.clear()
    scope.lone.clear()
    scope.calls = 0
    engine.changes = [Known(A, "web1", "nginx:1", start=5, end=9)]
    containers.take_runs()
    assert containers.take_ended() == ()
    monkeypatch.setattr("agent.live_containers.LINGER", 0)
    assert containers.take_ended() == ("web1",)
    assert containers.take_ended() == ()
    assert one.node.retire("web1") and one.node.retire("host")
    assert set(one.node.scopes) == set(one.node.files) == set() and not one.node.processes and not one.node.orphans
    assert one.close(3, pid=12, ppid=9).process(12).scope.container == "web1"


def test_what_has_come_back_is_not_forgotten(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.live_containers.LINGER", 0)
    engine = FakeEngine(WEB)
    containers = live(machine, engine)
    containers.enter(A, b"12", now())
    engine.changes = [Known(A, "web1", "nginx:1", start=5, end=9)]
    containers.take_runs()
    containers.enter(A, b"14", now())
    assert containers.take_ended() == ()


def test_a_flood_of_runs_is_bounded_and_counted(machine: Machine) -> None:
    engine = FakeEngine()
    containers = live(machine, engine)
    engine.changes = [Known(f"{number:064x}", "x", start=number) for number in range(1, MAX_RUNS + 4)]
    assert len(containers.take_runs()) == MAX_RUNS
    assert containers.loss == {"runs_dropped": 3}


@given(name=st.text(max_size=300), app=st.text(max_size=20), image=st.text(max_size=20))
def test_whatever_the_engine_says_can_be_sent(name: str, app: str, image: str) -> None:
    engine = FakeEngine(Known(A, name, image, labels={"com.docker.compose.service": app}, start=1))
    containers = LiveContainers(engine, processes=ProcessFiles("/nowhere"), files=EngineFiles(Path("/nowhere")))
    given_one = containers.enter(A, b"9", 5)
    assert given_one is not None and given_one.name and given_one.app
    assert given_one.name != "host" and given_one.app != "host"
    engine.changes = list(engine.table.values())
    msgspec.msgpack.encode(containers.take_runs())


def test_a_node_with_its_containers_survives_a_snapshot(machine: Machine) -> None:
    machine.process(12, DOCKER.format(A), now() - 100, inside=1)
    engine = FakeEngine(WEB)
    containers = live(machine, engine)
    first = containers.place(b"12", b"9", now(), False)
    again = pickle.loads(pickle.dumps(containers))
    assert again._engine is None
    again._processes, again._files = containers._processes, containers._files
    assert again.enter(A, b"13", now()) == first
    again.attach(engine)
    assert again.place(b"12", b"9", now(), False) == first
