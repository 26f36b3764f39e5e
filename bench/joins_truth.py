"""What is true of a line: which process and thread wrote it, which connection and request it is of.

Rules of this file
    - Two witnesses, neither of them ours: the client, who knows from which of its ports it asked for an id, as the
      how-manieth on that connection; and the server's own account of the same request. They must agree in all that both
      know, or there is no truth and no table.
    - Nothing of the agent reads it, and it reads nothing of the agent's.

Source: nginx $pid $remote_port $connection_requests; Apache %P %{tid}P %{remote}p %k.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

OK: Final = 200
FIELDS: Final = 6


class Truth(NamedTuple):
    """One request. `connection` is the client's number of it, `number` its place on it from 1; `thread` is what the
    server calls it (no kernel's number); times are milliseconds by the client's clock."""

    id: str
    pid: int
    thread: str
    connection: int
    port: int
    number: int
    sent: int
    done: int


class DisagreementError(Exception):
    """The witnesses do not say the same."""


def agreed(asked: Iterable[str], account: Iterable[bytes], *, counts_from: int) -> dict[str, Truth]:
    """The truth, by id, from the client's lines and the server's; Apache counts a connection's requests from 0."""
    accounts = [_told(line) for line in account]
    told = dict(accounts)
    if len(told) != len(accounts):
        raise DisagreementError("the server has answered an id twice")
    found: dict[str, Truth] = {}
    for line in asked:
        one = json.loads(line)
        if one["id"] in found or one["id"] not in told:
            raise DisagreementError(f"{one['id']} was asked for twice, or the server says nothing of it")
        pid, thread, port, number, status = told.pop(one["id"])
        if (port, number - counts_from + 1, status) != (one["port"], one["number"], one["status"]) or status != OK:
            raise DisagreementError(f"{one['id']}: the client says {one}, the server {(port, number, status)}")
        sent, done = (round(one[name] * 1000) for name in ("sent", "done"))
        found[one["id"]] = Truth(one["id"], pid, thread, one["connection"], port, one["number"], sent, done)
    if told:
        raise DisagreementError(f"the server says that {next(iter(told))} was asked for, the client does not")
    return found


def _told(line: bytes) -> tuple[str, tuple[int, str, int, int, int]]:
    words = line.decode("ascii").split()
    if len(words) != FIELDS:
        raise DisagreementError(f"not a line of the account: {line!r}")
    pid, thread, port, number, path, status = words
    return path.lstrip("/"), (int(pid), thread, int(port), int(number), int(status))
