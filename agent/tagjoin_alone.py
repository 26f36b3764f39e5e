"""Tags that no event has, and lines that only a tag tells of: whose they are, as far as the node has seen them.

Rules of this file
    - A tag waits `PATIENCE` for its event, and `WAIT` if writes are there that it may be of: those are given up then.
    - Its line is the process's that has the number, and was there then, with the program that it runs now. If its
      writes are not audited, it is the unit's that was open at the tag's own time, if only one was; otherwise it is the
      process's, outside units. It covers something only if the line names the unit's client with the port.
    - Nobody by that number here: the line is told without an edge, with the numbers that the kernel gave.
    - A file that several containers read: what a tag is of leaves all their books, and is told in its writer's.

Complexity: O(tags waiting x books of the file) a second.
Source: lkm/winnower_tag.h; issue "lkm" (join).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final, cast

from agent.calls_processes import plain
from agent.logbook import Book
from agent.logbook_bytes import Key
from agent.logtimes import Recent, Writer
from agent.processes import Process
from agent.tagindex import ALONE, SPENT, WAITS, Held, TagFile, key_of
from agent.tagjoin_fit import fit, has_rival
from agent.tags import Tag
from agent.upg import Actor, CommandRecorder, Scope, Vertex
from grammar.line import Line

if TYPE_CHECKING:
    from agent.logmessages import LogMessages
    from agent.node import Node
    from agent.tagjoin import Asked

PATIENCE: Final = 200
"""Milliseconds of log time that a tag waits for its event."""
WAIT: Final = 2_000
"""Milliseconds of log time that an audited write waits for its tag."""
CLOCK: Final = 10
"""Milliseconds by which the kernel's clock for audit, which goes in steps, may be behind."""
LINGER: Final = 5_000
"""Milliseconds of log time in which other containers may still come to read what is told already."""
MAX_CGROUPS: Final = 4_096
Reader = tuple[str, Book]


def readers_of(logs: LogMessages) -> dict[Key, list[Reader]]:
    """The books by the files that they are read from."""
    found: dict[Key, list[Reader]] = {}
    for container, books in logs.books.items():
        for book in books.values():
            for key in dict.fromkeys((*(part.key for part in book.parts), *book.shifts)):
                if key is not None:
                    found.setdefault(key, []).append((container, book))
    return found


def tell_off(logs: LogMessages, held: Held) -> None:
    """A tag's line is told: it may still have to leave other books."""
    file = logs.tags.files.get(key_of(held.tag))
    held.told = True
    if file is not None:
        file.told.append(held)


def speak(logs: LogMessages, node: Node, file: TagFile, readers: list[Reader], now: int) -> None:
    """The lines of tags that have waited long enough."""
    told, file.told = file.told, []
    if len(readers) > 1:
        for held in told:
            _leave(readers, held)
            if held.tag.millis + LINGER > now:
                file.told.append(held)
    asking = _asking(logs, readers)
    waiting, file.waiting = file.waiting, []
    for place, held in enumerate(waiting):
        if held.state != WAITS:
            continue
        if held.tag.millis + PATIENCE > now:
            file.waiting += (one for one in waiting[place:] if one.state == WAITS)
            break
        mine = asking.get((b"%d" % held.tag.tgid, held.tag.length), ())
        asked = [(one, book) for one, book in mine if one.write.millis <= held.tag.millis]
        if (not asked or held.tag.millis + WAIT <= now) and _speaks(logs, node, held, readers):
            for one, book in asked:  # one of them has made it, and no more is known
                one.write.writer.unit.done = True
                next(them for them in logs.asked.values() if one in them).remove(one)
                asking[b"%d" % held.tag.tgid, held.tag.length].remove((one, book))
                book.exact = True
        if held.state == WAITS:
            file.waiting.append(held)


def _asking(logs: LogMessages, readers: list[Reader]) -> dict[tuple[bytes, int], list[tuple[Asked, Book]]]:
    """The writes that wait for a tag, by process and length."""
    found: dict[tuple[bytes, int], list[tuple[Asked, Book]]] = {}
    for container, book in readers:
        for one in logs.asked.get((container, book.path), ()):
            if one.held is None:
                found.setdefault((one.write.writer.process.pid, one.write.size), []).append((one, book))
    return found


def _speaks(logs: LogMessages, node: Node, held: Held, readers: list[Reader]) -> bool:
    """Tell the lines of a tag by itself, if they are there."""
    tag = held.tag
    fits = [(container, book, *fit(book, tag)) for container, book in readers]
    there = [(container, book, found) for container, book, found, _ in fits if found is not None]
    if not there:
        if not any(waits for *_, waits in fits):
            held.state = SPENT
            logs.tags.counts["unfit"] += 1
        return False
    process = writer_of(logs, node, tag)
    if has_rival(logs.tags, tag):
        held.state = SPENT
        logs.tags.counts["unfit"] += 1
        if process is not None:
            for container, book, found in there:
                entries = book.claim_at(found.part, found.at, tag.length)
                if container == process.scope.container:
                    logs.nearly(book, process, entries)
        return True
    home = process.scope.container if process is not None else logs.tags.cgroups.get(tag.cgroup, "")
    container, book, found = next((one for one in there if one[0] == home), there[0])
    if process is None and (home or container) not in node.scopes:
        return False
    held.state, held.part, held.at = ALONE, *found
    tell_off(logs, held)
    entries = book.claim_at(found.part, found.at, tag.length)
    for _, other, where in there:
        if other is not book:
            other.claim_at(where.part, where.at, tag.length)
    lines = [entry.line for entry in entries if entry.line is not None]
    for place, line in enumerate(lines):
        if process is None:
            logs.alone(node, home or container, book, line, tag)
        else:
            remember(logs, tag, process.scope)
            unit, sure = _unit_then(logs, process, book, tag, line) if not place else (process.base, False)
            logs.tell_alone(book, Writer(process, unit), line, tag, covers=sure)
    return True


def _leave(readers: list[Reader], held: Held) -> None:
    """What has been told of one container goes from the books of the others that read the same file."""
    for _, book in readers:
        found, _ = fit(book, held.tag)
        if found is not None:
            book.claim_at(found.part, found.at, held.tag.length)


def writer_of(logs: LogMessages, node: Node, tag: Tag) -> Process | None:
    """The process that had a tag's number at its time, as far as the node has seen it."""
    pid = b"%d" % tag.tgid
    known = [node.processes.get(pid), logs.tags.alive.get(pid)]
    if known[0] is None:
        seen = {id(one): one for tails in (node._tails, node._earlier) for one in tails.values() if one.pid == pid}
        known += [one for one in seen.values() if one.born >= logs.tags.second]
    there = [one for one in known if one is not None and one.born <= tag.millis]
    found = max(there, key=lambda one: one.born, default=None)
    if found is None or not found.execs or tag.pid != tag.tgid or not tag.comm:
        return found
    return found if plain(found.comm)[:15] == tag.comm else None  # it may have been another program then


def _unit_then(logs: LogMessages, process: Process, book: Book, tag: Tag, line: Line) -> tuple[Actor, bool]:
    """The unit of a process that was open at a tag's time, if just one was; whether the line names it with its port."""
    recent = process.scope.recent
    if book.exact or not isinstance(recent, Recent):
        return process.base, False
    recent.keeps = True
    found: dict[Actor, None] = {}
    whole = False
    for begun, owner, unit in reversed(recent):
        since = begun - logs.offset
        if owner is process and since <= tag.millis:
            found[unit] = None
            if since + CLOCK <= tag.millis:
                beside = recent.beside.get(unit)
                found |= dict.fromkeys(beside or ())
                whole = beside is not None
                break
    ours = [unit for unit in found if unit.ident == process.ident]
    named = [unit for unit in ours if line.client and unit.peer == line.client]
    if len(named) == 1:
        return named[0], True
    if line.client:
        ours = [unit for unit in ours if unit.peer.rpartition(":")[0] == line.client]
    only = whole and len(ours) == 1 and not logs.tags.is_threaded(tag.tgid)
    return (ours[0] if only else process.base), False


def remember(logs: LogMessages, tag: Tag, scope: Scope) -> None:
    """Which container a cgroup is, for tags of processes that are not known."""
    known = logs.tags.cgroups
    if tag.cgroup not in known and len(known) >= MAX_CGROUPS:
        del known[next(iter(known))]
    known[tag.cgroup] = scope.container


def say(scope: Scope, vertex: Vertex, tag: Tag) -> None:
    """Beside a line's instance, what the kernel says of its write: not in its state, for no two are alike."""
    recorder = scope.recorder
    if recorder is not None and _takes_commands(type(recorder)):
        scope.seal(vertex)  # it learns nothing more
        cast("CommandRecorder", recorder).command(vertex.ident, describe(tag, scope.container, vertex.command))


@cache
def _takes_commands(kind: type) -> bool:
    return issubclass(kind, CommandRecorder)


def describe(tag: Tag, container: str, node: str) -> str:
    """What the kernel says of a line's write, for whoever looks at that one line.

    >>> describe(Tag(0, 10**18 + 5, 0, 0, 0, 0, 0, 9, 0, 12, 13, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, b""), "web", "")
    'by tag: container web, pid 12 (inside 2), thread 13 (inside 3), at 2001-09-09T01:46:40.000000005Z'
    """
    seconds, nanos = divmod(tag.nanos, 1_000_000_000)
    when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09}Z"
    said = f"by tag: container {container}, pid {tag.tgid} (inside {tag.inner_tgid}), thread {tag.pid}"
    said = f"{said} (inside {tag.inner_pid}), at {when}"
    return f"{said}; {node}" if node else said
