"""System calls on sockets, applied to the graph.

Rules of this file
    - The two directions of a connection are two artifacts of one identity: what comes in was not made here, what goes
      out is not read here. Sockets of the file system and socket pairs are channels, one artifact per direction,
      shared.
    - A connection that was accepted begins an execution unit; closing it ends the unit; a call on another connection of
      the same process (an event loop) goes over to that connection's unit.
    - A datagram that names its sender, on an unconnected socket bound to a service's port, begins a unit that lasts
      until the next one or the end of the socket. (On other ports it is an answer, and belongs to whoever asked.)
    - A datagram socket bound in the file system is the channel of its path.
    - Ports of clients are `{port}`; ports of services are literal.

Source: socket(7), unix(7), ip(7); ProTracer (units); design section 2 (execution unit).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.addresses import UNKNOWN, Address, find
from agent.calls_files import (
    O_CLOEXEC,
    argument,
    change,
    decimal_fd,
    give_fd,
    install,
    number,
    pair_of,
    take_fd,
)
from agent.events import Call
from agent.processes import Handle, Process
from agent.syscalls import MEANING, SOCKETCALLS
from agent.units import begin
from agent.upg import EDGE, Artifact

if TYPE_CHECKING:
    from agent.node import Node

IN_PROGRESS: Final = b"-115"
EPHEMERAL: Final = 32_768
DATAGRAM: Final = 2
NETLINK: Final = 16
MAX_PEERS: Final = 256
_SOCKETCALL: Final = re.compile(rb"type=SOCKETCALL msg=audit\([\d.:]{1,36}\): nargs=\d{1,3} ((?:a\d=\w{1,16} ?){1,6})")


def socket(_node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """A socket without an address yet."""
    fd = decimal_fd(call[2])
    if fd is None:
        return
    kind = number(argument(call, parameter))
    label = "Socket netlink" if number(call[3]) == NETLINK else "Socket"
    handle = Handle(*_directions(label, f"socket:{process.ident}:{call[0].decode()}"), socket="open")
    if kind & 0xF == DATAGRAM:
        handle.peers = {}
    install(process, fd, handle, bool(kind & O_CLOEXEC))


def socketpair(_node: Node, process: Process, call: Call, _kind: int, parameter: str) -> None:
    """Two connected sockets: one channel each way."""
    pair = pair_of(call)
    if pair is not None:
        ident = f"pair:{process.ident}:{call[0].decode()}"
        there, back = (Artifact("Pipe", "Pipe socketpair", f"{ident}:{way}") for way in "><")
        cloexec = bool(number(argument(call, parameter)) & O_CLOEXEC)
        install(process, pair[0], Handle(there, back), cloexec)
        install(process, pair[1], Handle(back, there), cloexec)


def _directions(label: str, ident: str) -> tuple[Artifact, Artifact]:
    """What comes in and what goes out of one connection."""
    return Artifact("Socket", label, ident), Artifact("Socket", label, ident)


def bind(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The socket gets a local address."""
    handle, address = process.fds.get(call[3]), find(call[8])
    if handle is None or address is None or address.family in ("netlink", "unknown"):
        return
    handle.local = _local(node, address)
    if address.family == "unix" and address.host:
        handle.socket = f"unix:{address.host}"
        if handle.peers is not None:
            handle.source, handle.target = _channel(node, process, address.host)
        if b"type=PATH" in call[8]:
            change(node, process, call, kind, "-")
        return
    ident = f"bound:{process.ident}:{call[0].decode()}"
    handle.source, handle.target = _directions(f"Socket >{handle.local}", ident)
    process.scope.give(handle.target, process.current, kind)


def listen(_node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The socket waits for connections."""
    handle = process.fds.get(call[3])
    if handle is not None and handle.target is not None:
        process.scope.give(handle.target, process.current, kind)


def connect(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The socket gets a peer; a connection in progress counts."""
    if b"success=no" in call[1] and call[2] != IN_PROGRESS:
        return
    address = find(call[8])
    if address is None or address.family in ("netlink", "unknown"):
        return
    handle = process.fds.get(call[3])
    if handle is None:
        handle = process.fds[call[3]] = Handle(None, None, socket="open")
    handle.peers = None
    if address.family == "unix":
        handle.target, handle.source = _channel(node, process, address.host)
    else:
        label = f"Socket {_peer(node, process, address, 'connect')}"
        ident = _kept(f"socket:{process.ident}:{call[0].decode()}", label, address)
        handle.source, handle.target = _directions(label, ident)
    process.scope.give(handle.target, process.current, kind)


def accept(node: Node, process: Process, call: Call, kind: int, parameter: str) -> None:
    """A client's connection: a new execution unit of this process."""
    fd = decimal_fd(call[2])
    if fd is None:
        return
    listening = process.fds.get(call[3])
    local = listening.local if listening is not None else ""
    client = None
    if listening is not None and listening.socket.startswith("unix:"):
        source, target = _channel(node, process, listening.socket[5:])
    else:
        client = find(call[8])
        label = f"Socket {_client(node, process, client or UNKNOWN)}>{local}"
        ident = _kept(f"socket:{process.ident}:{call[0].decode()}", label, client or UNKNOWN)
        source, target = _directions(label, ident)
    handle = Handle(source, target, socket="connected")
    install(process, fd, handle, bool(number(argument(call, parameter)) & O_CLOEXEC))
    handle.unit = begin(process, source.label, client.name if client is not None else "")
    process.scope.take(source, handle.unit, kind)


def receive(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """recvfrom, recvmsg, recvmmsg: bytes of a connection, or a datagram from the peer that the call names."""
    handle = process.fds.get(call[3])
    ends = _peer_named(node, process, handle, call, "recv") if handle is not None and handle.peers is not None else None
    if handle is None or ends is None:
        take_fd(node, process, call, kind, "")
        return
    if handle.local and not handle.local.endswith("{port}"):
        handle.unit = begin(process, ends[0].label)
    process.scope.take(ends[0], process.current, kind)


def transmit(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """sendto, sendmsg, sendmmsg: bytes of a connection, or a datagram to the peer that the call names."""
    handle = process.fds.get(call[3])
    ends = _peer_named(node, process, handle, call, "send") if handle is not None and handle.peers is not None else None
    if handle is None or ends is None:
        give_fd(node, process, call, kind, "")
        return
    if handle.unit is not None and handle.unit.ident == process.ident:
        process.current = handle.unit
    process.scope.give(ends[1], process.current, kind)


def _peer_named(
    node: Node, process: Process, handle: Handle, call: Call, operation: str
) -> tuple[Artifact, Artifact] | None:
    """The two directions of an unconnected datagram socket towards the peer that the call names, if it names one."""
    address = find(call[8]) if call[8] else None
    if address is None or handle.peers is None:
        return None
    if address.family == "unix" and address.host and operation == "send":
        there = _channel(node, process, address.host)[0]
        return there, there
    if address.family not in ("inet", "inet6"):
        return None
    name = f"{address.host}:{address.port}"
    found = handle.peers.get(name)
    if found is None:
        if len(handle.peers) >= MAX_PEERS:
            handle.peers.clear()
        label = f"Socket {_peer(node, process, address, operation)}"
        ident = _kept(f"socket:{process.ident}:{name}:{call[0].decode()}", label, address)
        found = handle.peers[name] = _directions(label, ident)
    return found


def socketcall(node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """i386: the call's number in a0, its arguments in the SOCKETCALL record."""
    name = SOCKETCALLS.get(number(call[3]), "")
    found = _SOCKETCALL.search(call[8])
    if not name or found is None:
        return
    a0, a1, a2, a3 = ([*found[1].split(b" "), b"0", b"0", b"0", b"0"])[:4]
    handler, operation, parameter = MEANING[name]
    relation = "USED" if handler in ("receive", "accept") else "WAS_GENERATED_BY"
    whole = (call[0], call[1], call[2], *(one.partition(b"=")[2] for one in (a0, a1, a2, a3)), *call[7:])
    _HANDLERS[handler](node, process, whole, EDGE[relation, operation], parameter)


_HANDLERS: Final = {
    "socket": socket, "bind": bind, "connect": connect, "listen": listen, "accept": accept, "socketpair": socketpair,
    "receive": receive, "transmit": transmit,
}  # fmt: skip


def _kept(ident: str, label: str, address: Address) -> str:
    """An identity with the address behind it, where the label has only a pattern of its host: workers are asked."""
    if address.family not in ("inet", "inet6") or not label.startswith(("Socket {", "Socket [{")):
        return ident
    host = f"[{address.host}]" if address.family == "inet6" else address.host
    return f"{ident}={host}:{address.port}"


def _local(node: Node, address: Address) -> str:
    if address.family == "unix":
        return node.abstraction.text(address.host)
    port = str(address.port) if 0 < address.port < EPHEMERAL else "{port}"
    return f"{address.host if address.host not in ('0.0.0.0', '::') else '*'}:{port}"


def _peer(node: Node, process: Process, address: Address, operation: str) -> str:
    if address.family == "unix":
        return node.abstraction.text(address.host)
    host = node.abstraction.address(address.host, process.label, operation)
    port = str(address.port)
    if address.port >= EPHEMERAL:
        port = node.abstraction.port(port, process.label, host) if operation == "connect" else "{port}"
    return f"[{host}]:{port}" if address.family == "inet6" else f"{host}:{port}"


def _client(node: Node, process: Process, address: Address) -> str:
    if address.family not in ("inet", "inet6"):
        return "{any}"
    host = node.abstraction.address(address.host, process.label, "accept")
    return f"[{host}]:{{port}}" if address.family == "inet6" else f"{host}:{{port}}"


def _channel(node: Node, process: Process, path: str) -> tuple[Artifact, Artifact]:
    """Towards the server and back: all clients of one path share it, for nothing in the log tells them apart."""
    files = node.files[process.scope.container]
    label = f"Socket {node.abstraction.text(path) or '{any}'}"
    found = []
    for way in "><":
        name = f"unix:{path}{way}"
        found.append(files.get(name) or files.put(name, Artifact("Socket", label, name)))
    return found[0], found[1]
