"""An application's state in parts: what its owner publishes, and what another monitor takes over.

    words/N             one step of its words                     (topic words)
    items/WORKER/N      what a worker's replicas have shown, of the items N * SEGMENT and after
    agent/WORKER        how far the worker's lane is taken, how long its replicas were active (counts: losses, runs)
    head                example command lines, learned patterns, the state of its judge, what is not judged yet

Rules of this file
    - Rows of the store, column by column, packed; a part says nothing of another, but for items, which are numbers of
      words. Decoding checks size before it unpacks, types before anything is used.
    - Taking over widens what is there, or (`whole`) replaces it; both inside a transaction of the caller.

Complexity: O(rows).
Source: design section 6 (models in compacted topics; recover by reading them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import zstandard

from grammar.errors import CodecError
from grammar.evidence import Replica, Span
from monitor.kafka_core import Part
from monitor.store import Store, Value, number

SEGMENT: Final = 16_384
MOST: Final = 64 << 20
"""Bytes of one part, unpacked."""
RUNS: Final = 1_000
"""Lives of containers that are handed on, of each worker."""
Body = TypeVar("Body", bound=msgspec.Struct)
Wide = tuple[int, ...]


class Items(msgspec.Struct, array_like=True, frozen=True):
    """Sightings of one worker: containers by name, the rest by columns (items and times as differences)."""

    containers: tuple[bytes, ...]
    container: Wide
    item: Wide
    first: Wide
    lasted: Wide
    level: Wide


class Agent(msgspec.Struct, array_like=True, frozen=True):
    """One worker in one lane; `public` is the key under which its chain was begun: another one begins another chain."""

    public: bytes
    chain: bytes
    active: tuple[tuple[bytes, int], ...] = ()
    lost: dict[str, int] = {}
    runs: tuple[tuple[str, int, str, str, str, int], ...] = ()


class Head(msgspec.Struct, array_like=True, frozen=True):
    """What belongs to no worker; `pending` are (item, worker, container)."""

    commands: tuple[tuple[int, bytes], ...]
    learned: tuple[bytes, ...]
    judge: tuple[bool, int, int]
    pending: tuple[tuple[int, str, bytes], ...]


def pack(body: msgspec.Struct) -> bytes:
    """As bytes; equal bodies give the same bytes."""
    return zstandard.ZstdCompressor(level=3).compress(msgspec.msgpack.encode(body, order="deterministic"))


def unpack(data: bytes, kind: type[Body]) -> Body:
    """What `pack` made; anything else is a `CodecError`."""
    try:
        size = zstandard.get_frame_parameters(data).content_size
        if not 0 < size <= MOST:
            raise CodecError("part of a state too large", offending=str(size), hint=f"limit {MOST} bytes")
        return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False), type=kind)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"not a part of a state: {error}", offending=data[:16].hex()) from None


def export(store: Store, lane: str, workers: Sequence[str] | None, words_from: int) -> dict[Part, bytes]:
    """Words from that number on, the head, and what belongs to some workers (None: to all)."""
    chains = {name: data for name, data in store.chains(lane).items() if workers is None or name in workers}
    if not lane:
        return {("agent", name): pack(_counts(store, name, data)) for name, data in chains.items()}
    found: dict[Part, bytes] = {("head",): pack(_head(store, lane))}
    words = store.words(lane)
    found |= {("words", f"{n:08d}"): words[n] for n in range(words_from, len(words))}
    active: dict[str, list[tuple[bytes, int]]] = {}
    for replica, millis in sorted(store.active(lane).items()):
        active.setdefault(replica.worker, []).append((_raw(replica.container), millis))
    for name, data in chains.items():
        found["agent", name] = pack(Agent(_public(store, name), data, tuple(active.get(name, ()))))
    for worker, rows in _by_worker(store, lane, workers).items():
        for segment, some in _segments(rows).items():
            found["items", worker, f"{segment:04d}"] = pack(_items(some))
    return found


def take_over(store: Store, lane: str, parts: Mapping[Part, bytes]) -> bool:
    """Widen a lane by parts; False, and nothing done, if their words are not those that are here.

    Raises `LookupError` if words are missing in between.
    """
    words = store.words(lane)
    for part in sorted(part for part in parts if part[0] == "words"):
        at = int(part[1])
        if at > len(words):
            raise LookupError(at)
        if at < len(words) and words[at] != parts[part]:
            return False
        if at == len(words):
            words.append(parts[part])
            store.add_words(lane, at + 1, parts[part])
    for part, data in parts.items():
        if part[0] == "items":
            store.add_sightings(lane, _rows(part[1], unpack(data, Items)))
        elif part[0] == "agent":
            _take_agent(store, lane, part[1], unpack(data, Agent))
        elif part[0] == "head":
            _take_head(store, lane, unpack(data, Head))
    return True


def _head(store: Store, lane: str) -> Head:
    return Head(
        tuple((state, _raw(command)) for state, command in store.commands(lane)),
        tuple(map(_raw, store.learned(lane))),
        store.judge(lane),
        tuple(sorted((item, replica.worker, _raw(replica.container)) for item, replica in store.pending(lane))),
    )


def _take_head(store: Store, lane: str, head: Head) -> None:
    for state, command in head.commands:
        store.set_command(lane, state, _text(command))
    for pattern in head.learned:
        store.add_learned(lane, _text(pattern))
    settled, alive, _quiet = store.judge(lane)
    if (head.judge[0], head.judge[1]) > (settled, alive):
        store.set_judge(lane, *head.judge)
    store.add_pending(lane, [(item, Replica(worker, _text(raw))) for item, worker, raw in head.pending])


def _counts(store: Store, worker: str, chain: bytes) -> Agent:
    query = "SELECT id, start, name, app, image, end FROM run WHERE worker = ? ORDER BY start DESC LIMIT ?"
    runs = [
        (str(ident), number(start), str(name), str(app), str(image), number(end))
        for ident, start, name, app, image, end in store.rows(query, worker, RUNS)
    ]
    lost = {str(cause): number(n) for cause, n in store.rows("SELECT cause, number FROM lost WHERE agent = ?", worker)}
    return Agent(_public(store, worker), chain, (), lost, tuple(sorted(runs)))


def _take_agent(store: Store, lane: str, worker: str, agent: Agent) -> None:
    if agent.public == (_public(store, worker) or agent.public):
        store.set_chain(worker, lane, agent.chain)
    known = store.active(lane) if agent.active else {}
    for raw, millis in agent.active:
        replica = Replica(worker, _text(raw))
        if millis > known.get(replica, 0):
            store.set_active(lane, replica, millis)
    rows = store.rows("SELECT cause, number FROM lost WHERE agent = ?", worker) if agent.lost else []
    here = {str(cause): number(n) for cause, n in rows}
    for cause, count in agent.lost.items():
        if count > here.get(cause, 0):
            store.add_lost(worker, cause, count - here.get(cause, 0))
    query = "INSERT INTO run (worker, id, start, name, app, image, end) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT"
    for run in agent.runs:
        store.write(f"{query} DO UPDATE SET end = max(end, excluded.end)", worker, *run)


def _public(store: Store, worker: str) -> bytes:
    rows = store.rows("SELECT public FROM agent WHERE name = ?", worker)
    return _bytes(rows[0][0]) if rows else b""


def _by_worker(store: Store, lane: str, workers: Sequence[str] | None) -> dict[str, list[tuple[int, bytes, Span]]]:
    """Rows by worker, in order."""
    query = "SELECT worker, item, container, first, last, level FROM sighting WHERE app = ?"
    if workers is not None:
        query += f" AND worker IN ({','.join('?' * len(workers))})"
    found: dict[str, list[tuple[int, bytes, Span]]] = {}
    for worker, item, container, first, last, level in store.rows(query, lane, *(workers or ())):
        row = (number(item), _bytes(container), Span(number(first), number(last), number(level)))
        found.setdefault(str(worker), []).append(row)
    for rows in found.values():
        rows.sort()
    return found


def _segments(rows: Iterable[tuple[int, bytes, Span]]) -> dict[int, list[tuple[int, bytes, Span]]]:
    found: dict[int, list[tuple[int, bytes, Span]]] = {}
    for row in rows:
        found.setdefault(row[0] // SEGMENT, []).append(row)
    return found


def _items(rows: Sequence[tuple[int, bytes, Span]]) -> Items:
    containers = tuple(sorted({container for _, container, _ in rows}))
    at = {container: n for n, container in enumerate(containers)}
    return Items(
        containers,
        tuple(at[container] for _, container, _ in rows),
        _differences([item for item, _, _ in rows]),
        _differences([span.first for _, _, span in rows]),
        tuple(span.last - span.first for _, _, span in rows),
        tuple(span.level for _, _, span in rows),
    )


def _rows(worker: str, items: Items) -> Iterable[tuple[int, Replica, Span]]:
    replicas = [Replica(worker, _text(container)) for container in items.containers]
    item = first = 0
    columns = zip(items.container, items.item, items.first, items.lasted, items.level, strict=True)
    try:
        for at, item_step, first_step, lasted, level in columns:
            item, first = item + item_step, first + first_step
            yield item, replicas[at], Span(first, first + lasted, level)
    except (ValueError, IndexError):
        raise CodecError("columns that do not fit each other", offending=worker) from None


def _differences(numbers: Sequence[int]) -> Wide:
    return tuple(one - before for one, before in zip(numbers, (0, *numbers[:-1]), strict=True))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()
