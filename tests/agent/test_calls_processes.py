"""Exec, signals, rights, modules, and the way into a container."""

from __future__ import annotations

import pytest
from lines import CREAT, WRONLY, World, path

from agent.containers import Container, Containers

P, Q = "Process p100 /bin/p100", "Process p200 /bin/p200"
ID, SANDBOX = "c" * 64, "d" * 64
WEB = Container(ID, "web1", "web", 0)


def node(*containers: Container) -> World:
    return World(Containers.of(containers or [WEB]))


def test_exec_is_a_new_process_that_has_used_program_and_interpreter() -> None:
    world = World().close(0).execve("/usr/bin/tool", paths=[path("/usr/bin/tool"), path("/usr/bin/python3")])
    tool = "Process tool /usr/bin/tool"
    programs = {(tool, "execve", f"File /usr/bin/{name}") for name in ("tool", "python3")}
    assert world.edges() == programs | {(tool, "execve", P)}


def test_execveat_starts_from_its_directory() -> None:
    world = World().open("/opt", 3, paths=[path("/opt", 0o040755)])
    world.call("execveat", a0=3, paths=[path("x")], cwd="/home", comm="x", exe="/opt/x")
    assert ("Process x /opt/x", "execve", "File /opt/x") in world.edges()


def test_the_command_line_kept_for_a_state_is_the_smallest() -> None:
    world = World()
    for word in ("b", "a", "c"):
        world.execve("/bin/x", ["x", word], pid=300).call("exit_group", exit=None, pid=300, comm="x", exe="/bin/x")
    world.node.tick()
    assert set(world.node.states["host"].commands.values()) == {"x a"}


def test_a_written_program_connects_its_writer_with_who_runs_it() -> None:
    world = World().open("/tmp/x", 3, WRONLY | CREAT).write(3).close(3).execve("/tmp/x", pid=200)
    assert P in world.causes("Process x /tmp/x")


def test_a_signal_passes_on_what_the_sender_knows_but_signal_0_only_asks() -> None:
    world = World().open("/secret", 3).close(0, pid=200).call("kill", a1=0, opids=[200])
    assert world.causes(Q) == set()
    world.call("kill", a1=15, opids=[200, 100, 999])
    assert {P, "File /secret"} <= world.causes(Q)


def test_a_signal_to_a_group_reaches_all_of_it() -> None:
    world = World().close(0, pid=200).close(0, pid=300).call("kill", a0=-5, a1=15, opids=[200, 300])
    assert {(Q, "kill", P), ("Process p300 /bin/p300", "kill", P)} <= world.edges()


def test_without_a_target_record_the_number_is_the_hosts_or_nothing() -> None:
    assert (Q, "kill", P) in World().close(0, pid=200).call("kill", a0=200, a1=15).edges()
    world = node(Container(ID, "web1", "web", 100)).close(0, pid=200, ppid=100).call("kill", a0=200, a1=15)
    assert (Q, "kill", P) not in world.edges("web1")


def test_process_vm_readv_teaches_the_caller_and_writev_the_other() -> None:
    world = World().open("/secret", 3, pid=200).close(0).call("process_vm_readv", a0=200, exit=8)
    assert "File /secret" in world.causes(P)
    world = World().open("/secret", 3).close(0, pid=200).call("process_vm_writev", a0=200, exit=8)
    assert "File /secret" in world.causes(Q)


def test_other_rights_are_a_version_once_per_kind_and_program() -> None:
    world = World().close(0)
    for _ in range(3):
        world.call("setuid").call("setgid").call("setns").call("chroot")
    assert world.count(P) == 4
    assert world.process(100).base.context == ("setuid", "setns", "chroot")


def test_a_module_carries_its_file_into_the_kernel() -> None:
    world = World().open("/tmp/evil.ko", 3).close(9).call("finit_module", a0=3)
    assert "File /tmp/evil.ko" in world.causes("Memory kernel")


# Into the container


def test_runc_enters_with_the_exec_of_its_last_stage() -> None:
    world = node().execve("/usr/bin/runc", ["runc", "create", "--bundle", f"/b/{ID}", ID], pid=10, ppid=9)
    world.call("clone", exit=11, a0=0x8011, pid=10, ppid=9, comm="runc:[0:PARENT]", exe="/")
    world.open("/etc/host", 3, pid=11, ppid=9, comm="runc:[1:CHILD]", exe="/")
    world.call("clone", exit=12, a0=0x8011, pid=11, ppid=9, comm="runc:[1:CHILD]", exe="/")
    world.open("/host/fifo", 5, pid=12, ppid=9, comm="runc:[2:INIT]", exe="/")
    world.execve("/usr/sbin/apache2", pid=12, ppid=9).open(
        "/var/www/a", 6, pid=12, comm="apache2", exe="/usr/sbin/apache2"
    )
    apache = "Process apache2 /usr/sbin/apache2"
    assert (apache, "read", "File /var/www/a") in world.edges("web1")
    assert not any(end.startswith("Process") and end != apache for edge in world.edges("web1") for end in edge)
    assert ("Process runc:[2:INIT] /", "read", "File /host/fifo") in world.edges()
    assert world.process(12).lineage == ("entry exec",)


def test_a_command_run_later_in_a_container_lands_in_it() -> None:
    world = node().execve("/usr/bin/runc", ["runc", "exec", "--pid-file", "/p", ID, "sh"], pid=10, ppid=9)
    world.call("clone", exit=12, a0=0x11, pid=10, comm="runc", exe="/usr/bin/runc")
    world.close(3, pid=12, ppid=10, comm="runc:[2:INIT]", exe="/memfd:runc_cloned:/proc/self/exe (deleted)")
    world.execve("/bin/sh", pid=12, ppid=10).call("clone", exit=5, a0=0x11, pid=12, comm="sh", exe="/bin/sh")
    world.execve("/bin/id", pid=13, ppid=12)
    assert world.process(12).scope.container == world.process(13).scope.container == "web1"


def test_crun_enters_with_any_exec_of_another_program() -> None:
    world = node().execve("/usr/bin/conmon", ["conmon", "-c", ID], pid=9, ppid=1)
    world.call("clone", exit=10, a0=0x11, pid=9, comm="conmon", exe="/usr/bin/conmon")
    world.execve("/usr/bin/crun", ["crun", "create", ID], pid=10, ppid=9)
    world.call("clone", exit=12, a0=0x11, pid=10, comm="crun", exe="/usr/bin/crun")
    world.close(3, pid=12, ppid=10, comm="crun", exe="/usr/bin/crun").execve("/bin/sh", pid=12, ppid=10)
    assert world.process(12).scope.container == "web1"
    assert world.process(10).scope.container == "host"


def test_the_nearest_container_named_is_the_one_that_is_entered() -> None:
    """containerd-shim serves a whole pod: its own command line names the sandbox, runc's the container."""
    world = node(WEB, Container(SANDBOX, "pause", "pause", 0))
    world.execve("/usr/bin/containerd-shim-runc-v2", ["shim", "-namespace", "k8s.io", "-id", SANDBOX], pid=8, ppid=1)
    world.call("clone", exit=10, a0=0x11, pid=8, comm="containerd-shim", exe="/usr/bin/containerd-shim-runc-v2")
    world.execve("/usr/bin/runc", ["runc", "--root", "/r", "create", "--bundle", "/b", ID], pid=10, ppid=8)
    world.close(3, pid=12, ppid=10, comm="runc:[2:INIT]", exe="/").execve("/bin/app", pid=12, ppid=10)
    assert world.process(12).scope.container == "web1"


def test_the_runtimes_other_children_stay_outside() -> None:
    """runc's hooks and what conmon runs when the container has ended."""
    world = node().execve("/usr/bin/conmon", ["conmon", "-c", ID], pid=9, ppid=1)
    world.execve("/usr/bin/podman", ["podman", "container", "cleanup", ID], pid=10, ppid=9)
    world.execve("/usr/bin/runc", ["runc", "create", ID], pid=11, ppid=9).execve("/usr/bin/hook", pid=12, ppid=11)
    assert {world.process(pid).scope.container for pid in (9, 10, 11, 12)} == {"host"}


def test_a_container_that_was_there_before_the_log_is_known_by_its_first_process() -> None:
    world = node(Container(ID, "web1", "web", 100)).open("/www", 3).open("/x", 3, pid=101, ppid=100)
    assert world.process(100).scope.container == world.process(101).scope.container == "web1"
    assert world.edges() == set()


def test_the_first_process_while_it_is_still_the_runtimes_is_the_hosts() -> None:
    world = node(Container(ID, "web1", "web", 12)).close(3, pid=12, ppid=10, comm="runc:[2:INIT]", exe="/")
    assert world.process(12).scope.container == "host"
    assert world.execve("/bin/app", pid=12, ppid=10).process(12).scope.container == "web1"


def test_the_first_process_and_a_later_command_are_told_apart() -> None:
    for pid, entry in ((12, "entry start"), (13, "entry exec")):
        world = node(Container(ID, "web1", "web", 12)).execve("/usr/bin/runc", ["runc", "create", ID], pid=10, ppid=9)
        world.close(3, pid=pid, ppid=10, comm="runc:[2:INIT]", exe="/").execve("/bin/app", pid=pid, ppid=10)
        assert world.process(pid).lineage == (entry,)
    assert node(Container(ID, "web1", "web", 12)).close(3, pid=12).process(12).lineage == ("entry start",)


def test_a_containers_past_number_is_not_its_own_for_ever() -> None:
    world = node(Container(ID, "web1", "web", 100)).open("/www", 3).call("exit_group", exit=None)
    assert world.open("/www", 3).process(100).scope.container == "host"


def test_descriptors_from_outside_are_other_objects_inside() -> None:
    world = node().execve("/usr/bin/runc", ["runc", "create", ID], pid=10, ppid=9)
    world.open("/host/log", 3, WRONLY, pid=10, comm="runc", exe="/usr/bin/runc")
    world.call("clone", exit=12, a0=0x11, pid=10, comm="runc", exe="/usr/bin/runc")
    world.close(9, pid=12, ppid=10, comm="runc:[2:INIT]", exe="/").execve("/bin/app", pid=12, ppid=10)
    world.write(3, pid=12, comm="app", exe="/bin/app")
    assert ("File /host/log", "write", "Process app /bin/app") in world.edges("web1")
    assert all(effect[0] == cause[0] for effect, _, _, cause, _ in world.graph.edges)


@pytest.mark.parametrize("exe", ["(null)", "/", "/proc/self/exe"])
def test_a_program_without_a_name_is_no_error(exe: str) -> None:
    assert node().close(3, exe=exe).execve("/bin/x").edges()
