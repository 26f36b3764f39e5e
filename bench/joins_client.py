"""Asks a web server for pages whose names only the bench understands: many at once, on connections that are kept.

    python bench/joins_client.py PORT CONCURRENCY SEED OUT PACE < ids      # one id a line; OUT: a JSON line a request

Rules of this file
    - A program of its own: it shares no interpreter, and no audit rule, with what is measured.
    - Each id is answered once: what a server that closes did not answer is asked for again. A connection makes 1 to
      `MOST` requests, one after another, then another begins.
    - What it writes down is the client's half of the truth: which of its ports asked for an id, as the how-manieth.

Source: RFC 9112 (persistence).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

HOST: Final = "127.0.0.1"
MOST: Final = 12
PATIENCE: Final = 60.0


class Asked(NamedTuple):
    """One request: of which connection (its number here, its port), the how-manieth on it, when, what it got."""

    id: str
    connection: int
    port: int
    number: int
    sent: float
    done: float
    status: int


class Client:
    """`concurrency` connections at any time until all ids are asked for; each waits `pace` seconds before it asks."""

    def __init__(self, port: int, concurrency: int, seed: int, pace: float = 0.0) -> None:
        self.port, self.concurrency, self.pace, self.chance = port, concurrency, pace, Random(seed)
        self.asked: list[Asked] = []
        self._connections = 0

    def run(self, ids: Sequence[str]) -> list[Asked]:
        """Ask for all of them; in the order in which they were answered."""
        asyncio.run(self._all(list(reversed(ids))))
        return self.asked

    async def _all(self, left: list[str]) -> None:
        async with asyncio.timeout(PATIENCE + len(left) / 20):
            await asyncio.gather(*(self._user(left) for _ in range(self.concurrency)))

    async def _user(self, left: list[str]) -> None:
        while left:
            await self._connection(left, self.chance.randint(1, MOST))

    async def _connection(self, left: list[str], most: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        self._connections += 1
        number, port = self._connections, writer.get_extra_info("sockname")[1]
        for count in range(1, most + 1):
            if self.pace:
                await asyncio.sleep(self.pace)
            if not left:
                break
            ident, sent = left.pop(), time.time()
            writer.write(f"GET /{ident} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: joins\r\n\r\n".encode())
            await writer.drain()
            try:
                status = await _answer(reader)
            except (
                asyncio.IncompleteReadError,
                ConnectionResetError,
            ):  # a server may end a connection between requests
                left.append(ident)
                break
            self.asked.append(Asked(ident, number, port, count, sent, time.time(), status))
        writer.close()
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer to its end; its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def main(arguments: Sequence[str]) -> int:
    port, concurrency, seed = (int(one) for one in arguments[:3])
    asked = Client(port, concurrency, seed, float(arguments[4])).run(sys.stdin.read().split())
    with Path(arguments[3]).open("w", encoding="utf-8") as out:
        for one in asked:
            out.write(json.dumps(one._asdict()) + "\n")
    return 0 if all(one.status == 200 for one in asked) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
