"""Connections, channels, datagrams, and the units that they begin."""

from __future__ import annotations

import pytest
from lines import CREAT, RDWR, WRONLY, World, inet, path, unix

P, Q = "Process p100 /bin/p100", "Process p200 /bin/p200"
CLIENT = inet("10.0.0.2", 40_000)


def server(address: str = inet("::", 80), kind: int = 1) -> World:
    return World().call("socket", a0=10, a1=kind, exit=3).call("bind", a0=3, saddr=address).call("listen", a0=3)


def accept(world: World, fd: int, saddr: str = CLIENT, **fields: object) -> World:
    return world.call("accept4", a0=3, exit=fd, saddr=saddr, **fields)


def units(world: World) -> int:
    return sum(op == "unit" for _, _, op, _, _ in world.graph.edges)


# Addresses


def test_ports_of_services_are_literal_and_ports_of_clients_are_not() -> None:
    world = accept(server(), 4)
    assert {("Socket >*:80", "bind", P), (P, "accept", "Socket 10.0.0.2:{port}>*:80")} <= world.edges()
    world = World().call("socket", a0=2, a1=1, exit=3).call("connect", a0=3, saddr=inet("10.0.0.9", 5432))
    assert ("Socket 10.0.0.9:5432", "connect", P) in world.edges()


def test_what_goes_out_of_a_connection_does_not_come_in() -> None:
    world = World().call("connect", a0=3, saddr=inet("10.0.0.9", 80)).call("clone", exit=200, a0=0x11)
    world.call("sendto", a0=3, exit=5).call("recvfrom", a0=3, exit=5, pid=200, ppid=100)
    assert not any(world.graph.labels[key] == P for key in world.ancestors(*_reads(world)))


def _reads(world: World) -> list[tuple[str, int]]:
    return [cause for _, _, op, cause, _ in world.graph.edges if op == "recv"]


def test_a_bound_socket_does_not_give_back_what_was_sent() -> None:
    world = World().call("socket", a0=2, a1=2, exit=3).call("bind", a0=3, saddr=inet("0.0.0.0", 53))
    world.call("clone", exit=200, a0=0x11).call("sendto", a0=3, exit=5)
    world.call("recvfrom", a0=3, exit=5, pid=200, ppid=100)
    assert not any(world.graph.labels[key] == P for key in world.ancestors(*_reads(world)))


def test_a_connection_in_progress_counts_and_a_refused_one_does_not() -> None:
    for code, seen in ((-115, True), (-111, False)):
        world = World().call("connect", a0=3, saddr=inet("10.0.0.9", 80), exit=code)
        assert (("Socket 10.0.0.9:80", "connect", P) in world.edges()) is seen


def test_a_socket_of_the_file_system_connects_clients_and_server() -> None:
    world = World().call("socket", a0=1, a1=1, exit=3).call("bind", a0=3, saddr=unix("/run/x"), paths=[path("/run/x")])
    world.call("listen", a0=3)
    world.call("connect", a0=5, saddr=unix("/run/x"), pid=200).write(5, pid=200)
    accept(world, 4, saddr="0100").read(4)
    assert Q in world.causes(P)
    world.write(4).read(5, pid=200)
    assert P in world.causes(Q)


def test_a_datagram_socket_of_the_file_system_is_a_channel() -> None:
    """syslog: connect and send, or send to a name; either way the server reads it."""
    for name in ("connect", "sendto"):
        world = World().call("socket", a0=1, a1=2, exit=3).call("bind", a0=3, saddr=unix("/dev/log"))
        world.call("socket", a0=1, a1=2, exit=5, pid=200)
        world.call(name, a0=5, saddr=unix("/dev/log"), pid=200, exit=0 if name == "connect" else 9)
        world.call("sendto", a0=5, exit=9, pid=200) if name == "connect" else None
        world.call("recvfrom", a0=3, exit=9)
        assert Q in world.causes(P)


def test_netlink_and_unknown_addresses_are_no_error() -> None:
    world = World().call("socket", a0=16, a1=3, exit=3).call("bind", a0=3, saddr="100000000000000000000000")
    world.call("sendto", a0=3, exit=9, saddr="100000000000000000000000").call("connect", a0=3, saddr="0000")
    for saddr in ("0", "02", "0A00", "FFFF00", "0100", "020000500A"):
        world.call("bind", a0=3, saddr=saddr).call("connect", a0=9, saddr=saddr).call(
            "accept", a0=3, exit=8, saddr=saddr
        )
    assert ("Socket netlink", "send", P) in world.edges()


# Units


def test_a_connection_is_a_unit_from_accept_to_close() -> None:
    world = accept(server().open("/etc/conf", 9), 4).read(4).open("/www/a", 5).write(4)
    inside = world.process(100).current
    world.close(4)
    assert inside is not world.process(100).current is world.process(100).base
    assert inside.context == ("unit Socket 10.0.0.2:{port}>*:80",)


def test_one_request_does_not_inherit_the_causes_of_another() -> None:
    world = server().open("/etc/conf", 9)
    for name in ("a", "b"):
        accept(world, 4).read(4).open(f"/www/{name}", 5).open(f"/tmp/{name}", 6, WRONLY | CREAT).close(4)
    assert {"File /www/b", "File /etc/conf", "Socket 10.0.0.2:{port}>*:80"} <= world.causes("File /tmp/b")
    assert "File /www/a" not in world.causes("File /tmp/b")


def test_an_event_loop_goes_over_to_the_unit_of_the_connection_that_it_touches() -> None:
    """nginx: one process, two connections, their events interleaved."""
    world = accept(accept(server(), 4), 5).read(4).open("/www/a", 6).close(6).read(5).open("/www/b", 6).close(6)
    world.write(4).open("/tmp/a", 7, WRONLY | CREAT).write(5).open("/tmp/b", 8, WRONLY | CREAT)
    assert "File /www/a" in world.causes("File /tmp/a")
    assert "File /www/b" not in world.causes("File /tmp/a")
    assert "File /www/a" not in world.causes("File /tmp/b")
    assert units(world) == 2


def test_closing_another_connection_does_not_end_the_unit() -> None:
    world = accept(accept(server(), 4), 5).read(4)
    unit = world.process(100).current
    assert world.close(5).process(100).current is unit
    assert world.close(4).process(100).current is world.process(100).base


def test_a_doubled_connection_ends_with_its_last_descriptor() -> None:
    world = accept(server(), 4).call("dup2", a0=4, a1=0, exit=0)
    unit = world.process(100).current
    assert world.close(4).process(100).current is unit
    assert world.read(0).process(100).current is unit
    assert world.close(0).process(100).current is world.process(100).base


def test_prefork_workers_have_units_of_their_own() -> None:
    """Apache: the children inherit the listening socket and accept on it."""
    world = server()
    for pid in (101, 102):
        world.call("clone", exit=pid, a0=0x11)
        accept(world, 4, pid=pid, ppid=100).read(4, pid=pid, ppid=100).close(4, pid=pid, ppid=100)
    assert units(world) == 2
    assert world.process(101).current is world.process(101).base
    assert ("Process p102 /bin/p102", "accept", "Socket 10.0.0.2:{port}>*:80") in world.edges()


def test_a_fork_per_connection_gives_the_child_the_units_past() -> None:
    """sshd: the parent accepts, forks and closes; the child serves, from inside the unit."""
    world = server()
    for pid in (101, 102):
        accept(world, 4).call("clone", exit=pid, a0=0x11).close(4).read(4, pid=pid, ppid=100)
        world.open(f"/home/{pid}", 6, RDWR | CREAT, pid=pid, ppid=100, comm="s", exe="/bin/s").write(
            6, pid=pid, comm="s", exe="/bin/s"
        )
    child = world.process(102)
    assert child.current is child.base
    assert world.process(100).current is world.process(100).base
    assert any(op == "fork" for _, _, op, _, _ in world.graph.edges)
    assert len(set(world.process(101).fds) & {b"4"}) == 1


def test_an_exec_ends_the_unit() -> None:
    world = accept(server(), 4).execve("/bin/cgi").write(4)
    assert world.process(100).current is world.process(100).base
    assert world.process(100).fds[b"4"].unit is None
    assert P in world.causes("Process cgi /bin/cgi")


def test_a_shared_table_does_not_take_a_process_into_anothers_unit() -> None:
    world = accept(server().call("clone", exit=101, a0=0x411).read(9, pid=101, ppid=100), 4)
    world.read(4, pid=101, ppid=100)
    assert world.process(101).current is world.process(101).base


def datagrams(port: int = 53) -> World:
    return World().call("socket", a0=2, a1=2, exit=3).call("bind", a0=3, saddr=inet("0.0.0.0", port))


@pytest.mark.parametrize("name", ["recvfrom", "recvmsg", "recvmmsg"])
def test_a_datagram_to_a_service_is_a_unit_until_the_next(name: str) -> None:
    world = datagrams()
    for client in ("a", "b"):
        world.call(name, a0=3, exit=40, saddr=inet("10.0.0.2", 40_000)).open(f"/zone/{client}", 5).close(5)
        world.open(f"/tmp/{client}", 6, WRONLY | CREAT).close(6).call("sendto", a0=3, exit=90, saddr=CLIENT)
    assert units(world) == 2
    assert "File /zone/b" in world.causes("File /tmp/b")
    assert "File /zone/a" not in world.causes("File /tmp/b")
    assert ("Socket 10.0.0.2:{port}", "send", P) in world.edges()
    assert world.close(3).process(100).current is world.process(100).base


def test_an_answer_to_a_datagram_client_belongs_to_who_asked() -> None:
    """A resolver asks further from a port of its own: the answer is a cause of the answer that it gives."""
    world = datagrams().call("recvfrom", a0=3, exit=40, saddr=CLIENT)
    unit = world.process(100).current
    world.call("socket", a0=2, a1=2, exit=4).call("bind", a0=4, saddr=inet("0.0.0.0", 0))
    world.call("sendto", a0=4, exit=40, saddr=inet("9.9.9.9", 53)).call(
        "recvfrom", a0=4, exit=80, saddr=inet("9.9.9.9", 53)
    )
    assert world.process(100).current is unit
    world.open("/tmp/out", 6, WRONLY | CREAT)
    assert {"Socket 9.9.9.9:53", "Socket 10.0.0.2:{port}"} <= world.causes("File /tmp/out")


def test_a_connected_datagram_socket_is_a_connection() -> None:
    world = World().call("socket", a0=2, a1=2, exit=3).call("connect", a0=3, saddr=inet("9.9.9.9", 53))
    world.call("sendto", a0=3, exit=9).call("recvfrom", a0=3, exit=9, saddr=inet("9.9.9.9", 53))
    assert units(world) == 0
    assert {("Socket 9.9.9.9:53", "connect", P), (P, "recv", "Socket 9.9.9.9:53")} <= world.edges()


def test_peers_of_a_socket_are_bounded() -> None:
    world = datagrams(5353)
    for number in range(1_000):
        world.call("sendto", a0=3, exit=9, saddr=inet(f"10.1.{number // 250}.{number % 250}", 53))
    peers = world.process(100).fds[b"3"].peers
    assert peers is not None
    assert len(peers) <= 256
