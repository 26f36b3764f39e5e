"""Who a new process descends from and which descriptors it has: fork, clone, vfork, exec, in any order of the log."""

from __future__ import annotations

import pytest
from lines import CLOEXEC, CREAT, RDONLY, WRONLY, World

from agent import processes
from agent.containers import Container, Containers

P100, P101 = "Process p100 /bin/p100", "Process p101 /bin/p101"


def fds(world: World, pid: int) -> set[int]:
    return {int(fd, 16) for fd in world.process(pid).fds}


def test_a_child_has_its_parents_descriptors_of_the_moment_of_the_fork() -> None:
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x11).open("/etc/b", 4).read(3, pid=101, ppid=100)
    assert fds(world, 100) == {3, 4}
    assert fds(world, 101) == {3}
    assert (P101, "read", "File /etc/a") in world.edges()
    assert (P101, "fork", P100) in world.edges()


def test_what_the_parent_learns_after_the_fork_is_not_the_childs() -> None:
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x11).open("/etc/secret", 4)
    world.open("/tmp/out", 3, WRONLY | CREAT, pid=101, ppid=100)
    assert "File /etc/a" in world.causes("File /tmp/out")
    assert "File /etc/secret" not in world.causes("File /tmp/out")


def test_a_thread_is_no_process() -> None:
    world = World().read(0).call("clone", exit=101, a0=0x3D0F00)
    assert world.process(100).pending == {}
    assert set(world.node.processes) == {b"100"}


def test_clone_files_shares_the_table_both_ways() -> None:
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x411).read(3, pid=101, ppid=100)
    world.open("/etc/b", 4).close(3, pid=101, ppid=100)
    assert fds(world, 100) == fds(world, 101) == {4}


def test_exec_and_unshare_end_the_sharing() -> None:
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x411).read(3, pid=101, ppid=100)
    world.execve("/bin/x", pid=101, ppid=100).close(3)
    assert (fds(world, 100), fds(world, 101)) == (set(), {3})
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x411).read(3, pid=101, ppid=100)
    world.call("unshare", pid=101, ppid=100, a0=0x400).close(3)
    assert (fds(world, 100), fds(world, 101)) == (set(), {3})


def test_close_range_with_unshare_leaves_the_other_process_its_descriptors() -> None:
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x411).read(3, pid=101, ppid=100)
    world.call("close_range", pid=101, ppid=100, a0=3, a1=0xFFFFFFFF, a2=2)
    assert (fds(world, 100), fds(world, 101)) == ({3}, set())


@pytest.mark.parametrize("fork", [{"name": "vfork"}, {"name": "clone", "a0": 0x4111}, {"name": "clone3", "a1": 88}])
def test_a_vfork_child_appears_before_its_parents_record(fork: dict[str, object]) -> None:
    fields = {key: value for key, value in fork.items() if key != "name"}
    world = World().open("/etc/a", 3)
    begun = (world.millis + 1, 99)
    world.execve("/bin/child", pid=101, ppid=100)
    world.call(str(fork["name"]), exit=101, stamp=begun, **fields)
    child = "Process child /bin/child"
    assert (child, "execve", P100) in world.edges()
    assert "File /etc/a" in world.causes(child)
    assert world.process(100).pending == {}
    assert world.process(100).early == {}


def test_two_children_in_the_wrong_order_get_each_their_own() -> None:
    world = (
        World().open("/etc/a", 3).call("clone", exit=101, a0=0x11).open("/etc/b", 4).call("clone", exit=102, a0=0x11)
    )
    world.read(3, pid=102, ppid=100).read(3, pid=101, ppid=100)
    assert (fds(world, 101), fds(world, 102)) == ({3}, {3, 4})


def test_in_a_container_numbers_are_its_own_and_the_oldest_recent_fork_is_taken() -> None:
    world = World(Containers.of([Container("c" * 64, "web1", "web", 100)]))
    world.open("/etc/a", 3).call("clone", exit=7, a0=0x11).open("/etc/b", 4).call("clone", exit=8, a0=0x11)
    world.read(3, pid=601, ppid=100).read(3, pid=602, ppid=100)
    assert (fds(world, 601), fds(world, 602)) == ({3}, {3, 4})
    assert world.process(601).scope.container == "web1"


def test_an_early_child_in_a_container_does_not_take_the_next_fork_away() -> None:
    world = World(Containers.of([Container("c" * 64, "web1", "web", 100)]))
    world.open("/etc/a", 3)
    begun = (world.millis + 1, 99)
    world.execve("/bin/early", pid=601, ppid=100).call("vfork", exit=7, stamp=begun)
    world.call("clone", exit=8, a0=0x11).open("/etc/late", 5).read(3, pid=602, ppid=100)
    assert fds(world, 602) == {3}
    assert "File /etc/late" not in world.causes("Process p602 /bin/p602", "web1")


def test_a_containers_numbers_do_not_end_the_hosts_processes() -> None:
    world = World(Containers.of([Container("c" * 64, "web1", "web", 100)])).open("/etc/host", 3, pid=57)
    world.read(0).call("clone", exit=57, a0=0x11)
    assert fds(world, 57) == {3}


def test_a_number_in_use_again_is_another_process() -> None:
    world = World().open("/etc/old", 3, pid=101, ppid=1)  # ends without a record
    world.open("/etc/new", 4).call("clone", exit=101, a0=0x11).read(4, pid=101, ppid=100)
    assert fds(world, 101) == {4}
    assert "File /etc/old" not in world.causes(P101)
    assert (P101, "fork", P100) in world.edges()


def test_a_child_whose_parent_has_ended_still_descends_from_it() -> None:
    world = World().open("/etc/a", 3).call("clone", exit=101, a0=0x11).call("exit_group", exit=None)
    world.read(3, pid=101, ppid=1)
    assert (P101, "fork", P100) in world.edges()
    assert fds(world, 101) == {3}


def test_a_child_given_away_descends_from_who_forked_it() -> None:
    """runc makes its stages with CLONE_PARENT: their parent, as the log shows it, is the one before."""
    world = (
        World().close(0).open("/etc/stage", 5, pid=110, ppid=100).call("clone", pid=110, ppid=100, exit=111, a0=0x8011)
    )
    world.read(5, pid=111, ppid=100)
    assert ("Process p111 /bin/p111", "fork", "Process p110 /bin/p110") in world.edges()
    assert fds(world, 111) == {5}


def test_a_child_descends_from_what_its_parent_was_when_it_forked() -> None:
    world = World().read(0).call("clone", exit=101, a0=0x11).execve("/bin/next")
    world.read(0, pid=101, ppid=100)
    assert (P101, "fork", P100) in world.edges()
    assert "Process next /bin/next" not in world.causes(P101)
    assert world.process(101).lineage == (f"from {P100}",)


def test_a_first_event_that_is_an_exec_was_its_parents_program_before() -> None:
    world = World().read(0).call("clone", exit=101, a0=0x11).execve("/bin/ls", pid=101, ppid=100)
    assert ("Process ls /bin/ls", "execve", P100) in world.edges()
    assert (P100, "fork", P100) in world.edges()


def test_exec_closes_what_is_marked_and_keeps_the_rest() -> None:
    world = World().open("/etc/a", 3, CLOEXEC).open("/etc/b", 4).execve("/bin/x")
    assert fds(world, 100) == {4}
    world.open("/etc/c", 3).execve("/bin/y")
    assert fds(world, 100) == {3, 4}


def test_an_exec_that_was_not_seen_is_made_up_for() -> None:
    world = World().read(0).read(0, comm="other", exe="/usr/bin/other")
    assert ("Process other /usr/bin/other", "execve", P100) in world.edges()
    world.read(0, comm="thread-1", exe="/usr/bin/other").read(0, comm="other", exe="/usr/bin/other (deleted)")
    assert world.count("Process other /usr/bin/other") == 1


def test_a_recording_that_starts_in_the_middle_has_processes_without_parents() -> None:
    world = World().read(3, pid=900, ppid=899)
    assert world.process(900).lineage == ()
    assert ("Process p900 /bin/p900", "read", "File unknown") in world.edges()


def test_pending_forks_and_early_children_are_bounded() -> None:
    world = World().read(0)
    for number in range(500):
        world.call("clone", exit=1000 + number, a0=0x11)
    assert len(world.process(100).pending) == processes.MAX_PENDING
    for number in range(500):
        world.read(0, pid=9000 + number, ppid=100)
    assert len(world.process(100).early) <= processes.MAX_PENDING


def test_an_old_fork_is_not_given_to_a_child_that_comes_late() -> None:
    world = World(Containers.of([Container("c" * 64, "web1", "web", 100)])).close(9).call("clone", exit=7, a0=0x11)
    world.millis += processes.RECENT + 1_000
    world.open("/etc/a", 3, RDONLY).read(3, pid=601, ppid=100)
    assert fds(world, 601) == {3}
