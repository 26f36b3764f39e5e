"""Lines of OpenVPN's log, and what it puts before its messages: microseconds, and the peer that they are about.

Rules of this file
    - `2026-11-22 12:00:01 us=425542 localhost/127.0.0.1:54397 message`: `us=` from verbosity 4 on, the peer's name once
      it is known, the peer where there is one. A line with neither is any ISO line, which reads the same.
    - The peer is the client, without its name. Every field is a claim.

Complexity: O(length of the front).
Source: OpenVPN `src/openvpn/error.c` (`x_msg_va`), `mtcp.c`, `multi.c` (`multi_instance_string`).
"""

from __future__ import annotations

import re
from typing import Final

from grammar.line import MAX_MESSAGE, Line
from grammar.lineformats_clock import Clock, fraction_of, iso_millis

_FRONT: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?: us=(\d{1,6}))? ", re.ASCII)
_PEER: Final = re.compile(
    r"(?:[^ /]{1,64}/)?((?:\d{1,3}\.){3}\d{1,3}:\d{1,5}|\[[0-9a-fA-F:.]{2,45}\]:\d{1,5}) (?=\S)", re.ASCII
)


def read_openvpn(text: str, clock: Clock) -> Line | None:
    """Read a line that says its microseconds or its peer as OpenVPN does; None if it is none."""
    found = _FRONT.match(text)
    if found is None:
        return None
    day, second, micros = found.groups()
    client, at = peer_of(text, found.end())
    if micros is None and not client:
        return None
    millis = iso_millis(day, second, None, clock.zone_minutes)
    part, grain = fraction_of(None if micros is None else micros.zfill(6))
    millis, grain = (None, 0) if millis is None else (millis + part, grain)
    message = text[at:]
    is_cut = len(message) > MAX_MESSAGE
    return Line(message[:MAX_MESSAGE], "openvpn", millis, grain, client=client, program="openvpn", cut=is_cut)


def peer_of(text: str, at: int = 0) -> tuple[str, int]:
    """The peer that a message begins with, and where the message itself begins.

    >>> peer_of("bob/10.0.0.7:1194 SENT PING"), peer_of("SENT PING")
    (('10.0.0.7:1194', 18), ('', 0))
    """
    found = _PEER.match(text, at)
    return (found[1], found.end()) if found else ("", at)
