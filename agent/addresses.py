"""Socket addresses as audit writes them: the hex of a `struct sockaddr`.

Rules of this file
    - Bytes in, a value out: a short or unknown address is an `Address` of family `unknown`, never an error.
    - IPv4 inside IPv6 (`::ffff:10.0.0.1`) is IPv4: replicas must agree whatever socket the server opened.

Source: sys/socket.h, netinet/in.h, sys/un.h; kernel/auditsc.c (SOCKADDR saddr=).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

_SADDR: Final = re.compile(rb"type=SOCKADDR msg=audit\([^)\n]{1,40}\): ?saddr=([0-9A-Fa-f]+)")
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True)
class Address:
    """family is `inet`, `inet6`, `unix`, `netlink` or `unknown`; `host` an address or a path."""

    family: str
    host: str = ""
    port: int = 0

    @property
    def name(self) -> str:
        """`host:port`, as logs write a client."""
        return f"{self.host}:{self.port}" if self.host else ""


UNKNOWN: Final = Address("unknown")


def find(records: bytes) -> Address | None:
    """The address in the SOCKADDR record among an event's records, if there is one."""
    found = _SADDR.search(records)
    return parse(found[1]) if found else None


def parse(hexed: bytes) -> Address:
    """Decode `saddr`.

    >>> parse(b"0A00E67A0000000000000000000000000000FFFF0A59000100000000")
    Address(family='inet', host='10.89.0.1', port=59002)
    """
    if _HEX.fullmatch(hexed) is None:
        return UNKNOWN
    raw = bytes.fromhex(hexed.decode("ascii"))
    family = int.from_bytes(raw[:2], "little")
    if family == 2 and len(raw) >= 8:
        return Address("inet", ".".join(str(byte) for byte in raw[4:8]), int.from_bytes(raw[2:4], "big"))
    if family == 10 and len(raw) >= 24:
        return Address(*_host(raw[8:24]), int.from_bytes(raw[2:4], "big"))
    if family == 1:
        return Address("unix", _unix(raw[2:]))
    return Address("netlink") if family == 16 else UNKNOWN


@lru_cache(maxsize=1024)
def _host(raw: bytes) -> tuple[str, str]:
    """Family and text of an IPv6 address; a server's clients come from few."""
    host = IPv6Address(raw)
    return ("inet", str(host.ipv4_mapped)) if host.ipv4_mapped else ("inet6", str(host))


def _unix(path: bytes) -> str:
    abstract = path[:1] == b"\0"
    name = path[1:].rstrip(b"\0") if abstract else path.partition(b"\0")[0]
    return ("@" if abstract else "") + name.decode("utf-8", "surrogateescape")
