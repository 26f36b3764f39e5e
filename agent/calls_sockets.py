"""System calls on sockets, applied to the graph.

Rules of this file
    - The two directions of a connection are two artifacts of one identity: what comes in was not made here, what goes out
      is not read here. Sockets of the file system and socket pairs are channels, one artifact per direction, shared.
    - A connection that was accepted begins an execution unit; closing it ends the unit; a call on another connection of
      the same process (an event loop) goes over to that connection's unit. The first datagram of a peer on an
      unconnected socket only names its peer: datagram servers are not cut into units.
    - Ports of clients are `{port}`; ports of services are literal.

Source: socket(7), unix(7), ip(7); ProTracer (units); design section 2 (execution unit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.addresses import UNKNOWN, Address, find
from agent.calls_files import O_CLOEXEC, change, decimal_fd, give_fd, pipe, take_fd
from agent.events import Call
from agent.processes import Handle, Process
from agent.syscalls import MEANING, SOCKETCALLS
from agent.upg import EDGE, Actor, Artifact

if TYPE_CHECKING:
    from agent.node import Node

UNIT: Final = EDGE["WAS_TRIGGERED_BY", "unit"]
IN_PROGRESS: Final = b"-115"
EPHEMERAL: Final = 32_768
DATAGRAM: Final = 2
MAX_PEERS: Final = 256


def socket(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """A socket without an address yet."""
    fd = decimal_fd(call[2])
    if fd is None:
        return
    ident = f"socket:{process.ident}:{call[0].decode()}"
    handle = Handle(Artifact("Socket", "Socket", ident), Artifact("Socket", "Socket", ident), socket="open")
    if int(call[4], 16) & 0xF == DATAGRAM:
        handle.peers = {}
    if int(call[3], 16) == 16:
        handle.source, handle.target = (Artifact("Socket", "Socket netlink", ident) for _ in "io")
    process.fds[fd] = handle
    (process.cloexec.add if int(call[4], 16) & O_CLOEXEC else process.cloexec.discard)(fd)


def socketpair(_node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """Two connected sockets: one channel each way."""
    before = set(process.fds)
    pipe(_node, process, call, _kind, _)
    ends = [fd for fd in process.fds if fd not in before]
    if len(ends) == 2:
        ident = f"pair:{process.ident}:{call[0].decode()}"
        there, back = (Artifact("Pipe", "Pipe socketpair", f"{ident}:{way}") for way in "><")
        process.fds[ends[0]], process.fds[ends[1]] = Handle(there, back), Handle(back, there)


def bind(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """The socket gets a local address."""
    handle, address = process.fds.get(call[3]), find(call[8])
    if handle is None or address is None or address.family in ("netlink", "unknown"):
        return
    handle.local = _local(node, address)
    if address.family == "unix" and address.host:
        handle.socket = f"unix:{address.host}"
        change(node, process, call, kind, "") if b"type=PATH" in call[8] else None
        return
    label = f"Socket >{handle.local}"
    handle.source = handle.target = Artifact("Socket", label, f"bound:{process.ident}:{call[0].decode()}")
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
    ident = f"socket:{process.ident}:{call[0].decode()}"
    if address.family == "unix":
        handle.target, handle.source = _channel(node, process, address.host)
    else:
        label = f"Socket {_peer(node, process, address, 'connect')}"
        handle.source, handle.target = Artifact("Socket", label, ident), Artifact("Socket", label, ident)
    process.scope.give(handle.target, process.current, kind)


def accept(node: Node, process: Process, call: Call, kind: int, _: str) -> None:
    """A client's connection: a new execution unit of this process."""
    fd = decimal_fd(call[2])
    if fd is None:
        return
    listening = process.fds.get(call[3])
    address = find(call[8]) or UNKNOWN
    local = listening.local if listening is not None else ""
    ident = f"socket:{process.ident}:{call[0].decode()}"
    if listening is not None and listening.socket.startswith("unix:"):
        source, target = _channel(node, process, listening.socket[5:])
    else:
        label = f"Socket {_client(node, process, address)}>{local}"
        source, target = Artifact("Socket", label, ident), Artifact("Socket", label, ident)
    handle = process.fds[fd] = Handle(source, target, socket="connected")
    (process.cloexec.add if int(call[6], 16) & O_CLOEXEC else process.cloexec.discard)(fd)
    handle.unit = process.current = _unit(process, source, ident)
    process.scope.take(source, handle.unit, kind)


def _unit(process: Process, source: Artifact, ident: str) -> Actor:
    base = process.base
    context = (*base.context, f"unit {source.label}")
    unit = Actor(base.label, context, process.ident, process.scope.vertex(base.label, context, process.ident))
    process.scope.edge(unit.vertex, UNIT, base.vertex)
    unit.opening = base.vertex
    return unit


def peer_of(
    node: Node, process: Process, handle: Handle, call: Call, operation: str
) -> tuple[Artifact, Artifact]:
    """The two directions of an unconnected datagram socket towards the peer that the call names."""
    address = find(call[8])
    nothing = Artifact("Socket", "Socket", f"socket:{process.ident}")
    if address is None or address.family not in ("inet", "inet6") or handle.peers is None:
        return handle.source or nothing, handle.target or nothing
    name = f"{address.host}:{address.port}"
    found = handle.peers.get(name)
    if found is None:
        if len(handle.peers) >= MAX_PEERS:
            handle.peers.clear()
        label = f"Socket {_peer(node, process, address, operation)}"
        ident = f"{nothing.ident}:{name}"
        found = handle.peers[name] = Artifact("Socket", label, ident), Artifact("Socket", label, ident)
    return found


def socketcall(node: Node, process: Process, call: Call, _kind: int, _: str) -> None:
    """i386: the call's number in a0, its arguments in the SOCKETCALL record."""
    name = SOCKETCALLS.get(int(call[3], 16), "")
    arguments = _socketcall_arguments(call[8])
    if not name or not arguments:
        return
    whole = (call[0], call[1], call[2], *arguments, call[7], call[8], call[9])
    handlers = {"take_fd": take_fd, "give_fd": give_fd, "socketpair": socketpair, "socket": socket, "bind": bind}
    handlers |= {"listen": listen, "connect": connect, "accept": accept}
    handler, operation, _parameter = MEANING[name]
    relation = "USED" if handler in ("take_fd", "accept") else "WAS_GENERATED_BY"
    handlers[handler](node, process, whole, EDGE[relation, operation], "")


def _socketcall_arguments(records: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    at = records.find(b"type=SOCKETCALL ")
    if at < 0:
        return None
    line = records[at:].partition(b"\n")[0]
    found = dict(part.split(b"=", 1) for part in line.split() if part[:1] == b"a" and b"=" in part)
    return (found.get(b"a0", b"0"), found.get(b"a1", b"0"), found.get(b"a2", b"0"), found.get(b"a3", b"0"))


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
