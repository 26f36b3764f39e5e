"""Lines joined by what the kernel has tagged their writes with: by the bytes that a write has put where it says.

Rules of this file
    - A tag is believed where the file's own bytes fit it: all are there, and the sum of the first ones is its own. One
      whose offset is guessed and does not fit is looked for near by; of several places none is taken.
    - A write that audit saw takes its tag from its own event (`agent.tag_record`), else the first one of its process
      and length that has come back since the call began, if no byte before that is without a tag: then no other write
      can be meant. It waits for its tag, `WAIT` at most; where nothing is tagged it does not wait again.
    - A write of several threads' process does not say whose unit it is; nor does one beside which another's event may
      be lost (`is_doubtful`). The line is the process's, outside units: of the process a tag leaves no doubt.
    - A tag without an event, `PATIENCE` later: its line is the process's that has the number, and was there then. If
      its writes are not audited, it is the unit's that was open at the tag's own time, if only one was.
    - Nobody by that number here: the line is told without an edge, with the numbers that the kernel gave.
    - A file that several containers read: what a tag is of leaves all their books, and is told in its writer's.
    - A write whose tag is lost takes the only stretch that no tag is of, if it fills it. What is left goes by time.

Complexity: O(log n + tags near by) a write; O(tags waiting x files of that name) a second.
Source: lkm/winnower_tag.h; issue "lkm" (join).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.events import Call
from agent.logbook import Book
from agent.logbook_bytes import Key
from agent.logmessages_units import is_only
from agent.logtimes import Joined
from agent.processes import Handle, Process
from agent.tag_record import tag_of
from agent.tagindex import ALWAYS, EXPIRE, SPENT, WAITS, Held, TagFile, key_of
from agent.tagjoin_alone import CLOCK, WAIT, readers_of, remember, speak, tell_off
from agent.tagjoin_fit import fit, has_rival, look, place
from agent.tagjoin_places import Found
from agent.tags import Tag
from agent.upg import Actor

if TYPE_CHECKING:
    from agent.logmessages import LogMessages, Write
    from agent.node import Node

SLACK: Final = 1_000
"""Milliseconds that a write may take."""
NEIGHBOURS: Final = 20
"""Milliseconds within which another write of the same process and length may be meant."""
MAX_ASKED: Final = 256


class Asked(NamedTuple):
    """A write that waits: for its tag, or, with its tag, for its line to be read.

    A later write of its process has the tag that came back at `before`: its own came earlier.
    """

    write: Write
    held: Held | None
    before: int = 1 << 64


def wrote(logs: LogMessages, process: Process, handle: Handle, call: Call, write: Write) -> bool:
    """A write that audit saw: whether its tag says, or will say, which line it has made."""
    told = tag_of(call[8])
    if told is not None and b"%d" % told.tgid == process.pid and told.length == write.size:
        return _told(logs, process, handle, write, told)
    book = handle.log
    if not logs.tags.on:
        return False
    if book is None:
        return any(_expects(logs, one) for one in logs.books.get(process.scope.container, {}).values())
    if not _expects(logs, book):
        return False
    book.keep()
    find(logs, book)
    asked = logs.asked.get((process.scope.container, book.path), [])
    if asked and logs.tags.version != book.asked_at:
        _ask_again(logs, book, asked, lines=False)
    one = Asked(write, None)
    if not _ask(logs, book, one, asked, late=False):
        _wait(logs, process.scope.container, book, one)
    return True


def find(logs: LogMessages, book: Book) -> None:
    """Find the places of tags that have come, in the bytes that are here."""
    tags = logs.tags
    if tags.fresh and not tags.fresh.isdisjoint(_keys(book)):
        readers = readers_of(logs)
        for key in tags.fresh & readers.keys():
            if key in tags.files:
                place([one for _, one in readers[key]], tags.files[key])
        tags.fresh -= readers.keys()
    look(book)


def _keys(book: Book) -> Iterator[Key]:
    """The files that a log's path has stood for."""
    return (key for key in dict.fromkeys((*(part.key for part in book.parts), *book.shifts)) if key is not None)


def _waits_before(one: Asked, write: Write, nanos: int) -> bool:
    """Whether a write that waits may have the tag of that time, as another of its process and length may."""
    same = one.write.size == write.size and one.write.writer.process is write.writer.process
    return same and one.held is None and one.before > nanos


def again(logs: LogMessages) -> None:
    """Lines have come: writes that wait for them."""
    for (container, path), asked in logs.asked.items():
        book = logs.books.get(container, {}).get(path)
        if asked and book is not None:
            _ask_again(logs, book, asked)


def settle(logs: LogMessages, node: Node, *, ended: bool = False) -> None:
    """A second has passed, or the log has `ended`: what has waited for its other half, or waited long enough."""
    tags = logs.tags
    now = node.time.clock.millis - node.time.offset + (EXPIRE if ended else 0)
    readers = readers_of(logs)
    for (container, path), asked in list(logs.asked.items()):
        book = logs.books.get(container, {}).get(path)
        if book is not None:
            _ask_again(logs, book, asked)
            _give_up(logs, container, book, asked, now)
        if not asked or book is None:
            del logs.asked[container, path]
    for key, file in list(tags.files.items()):
        if key in readers:
            if file.fresh:
                place([book for _, book in readers[key]], file)
            for _, book in readers[key]:
                look(book)
            speak(logs, node, file, readers[key], now)
    tags.expire(now - EXPIRE)
    tags.alive, tags.second = dict(node.processes), now


def is_doubtful(logs: LogMessages, book: Book, joined: Joined) -> bool:
    """Whether a line that was paired with an event may be another event's of the same process: one is missing."""
    tag = joined.tag
    if tag is None:
        return False
    upto = joined.millis + NEIGHBOURS
    near = (one.candidates(tag.tgid, tag.length, joined.millis, upto) for _, one in _files(logs, book))
    if any(True for each in near for _ in each) or (book.parts and book.parts[-1].serial != joined.part):
        return True
    find(logs, book)
    found = Found(joined.part, joined.place)
    return not book.places.is_whole_behind(found, book.parts[-1].upto if book.parts else 0, upto * 1_000_000)


def _told(logs: LogMessages, process: Process, handle: Handle, write: Write, tag: Tag) -> bool:
    """A write whose own event has its tag."""
    tags, container, key = logs.tags, process.scope.container, key_of(tag)
    tags.on = True
    file = tags.files.get(key)
    held = (file.find(tag) if file is not None else None) or tags.add(tag)
    books = logs.books.get(container, {}).values()
    book = handle.log or next((one for one in books if any(part.key == key for part in one.parts)), None)
    if held is None or book is None or held.state != WAITS:
        return held is not None and held.state != WAITS
    handle.log = book
    book.keep()
    if not _take(logs, book, write, held, late=False):
        _wait(logs, container, book, Asked(write, held))
    return True


def _expects(logs: LogMessages, book: Book) -> bool:
    """Whether writes to a log are tagged, as far as is known."""
    return not book.tagless or any(file.last > book.tagless for _, file in _files(logs, book))


def _files(logs: LogMessages, book: Book) -> Iterator[tuple[Key, TagFile]]:
    """The tags of what a log's path has stood for."""
    for key in _keys(book):
        file = logs.tags.files.get(key)
        if file is not None:
            yield key, file


def _ask(logs: LogMessages, book: Book, one: Asked, earlier: list[Asked], *, late: bool) -> bool:
    """Join a write by its tag, if it is there and no other can be meant; `earlier` writes still wait for theirs."""
    write = one.write
    tgid = int(write.writer.process.pid)
    for _, file in _files(logs, book):
        held = next(file.candidates(tgid, write.size, write.millis), None)
        if held is None or held.state != WAITS or held.tag.nanos >= one.before:
            continue
        nanos = held.tag.nanos
        ahead = [at for at, two in enumerate(earlier) if _waits_before(two, write, nanos)] if earlier else ()
        if ahead and nanos < (write.millis + CLOCK) * 1_000_000:  # it may have been one of those
            write = write._replace(writer=write.writer._replace(unit=write.writer.process.base))
        if not _take(logs, book, write, held, file, late=late):
            return False
        for at in ahead:
            earlier[at] = earlier[at]._replace(before=nanos)
        return True
    return False


def _take(logs: LogMessages, book: Book, write: Write, held: Held, file: TagFile | None = None, *, late: bool) -> bool:
    """Give a write the lines that its tag names; False: not yet. Bytes that do not fit are none.

    With a `file` the tag is only the first that may be the write's: no byte before it may be without one.
    """
    found, waits = fit(book, held.tag, sure=file is None)
    if found is None and waits:
        return False
    if found is not None and file is not None:
        came = any(part.serial == found.part and part.since > write.millis for part in book.parts)
        if came or not book.places.is_whole_before(found, write.millis * 1_000_000):
            return False
    held.state = SPENT
    if found is None:
        logs.tags.counts["unfit"] += 1
        write.writer.unit.done = True
        return True
    held.part, held.at = found
    tell_off(logs, held)
    if has_rival(logs.tags, held.tag):
        logs.tags.counts["unfit"] += 1
        write.writer.unit.done = True
        logs.nearly(book, write.writer.process, book.claim_at(found.part, found.at, held.tag.length))
        return True
    unit, process = write.writer.unit, write.writer.process
    known = file is not None or _has_acted(process, unit)  # else an accept may have been lost, and it is another's
    if not known or (logs.tags.is_threaded(held.tag.tgid) and not is_only(process, unit)):
        write = write._replace(writer=write.writer._replace(unit=process.base))
    remember(logs, held.tag, write.writer.process.scope)
    entries = book.claim_at(found.part, found.at, held.tag.length)
    logs.share(book, write, entries, late=late, tag=held.tag, sure=file is None)
    return True


def _wait(logs: LogMessages, container: str, book: Book, one: Asked) -> None:
    asked = logs.asked.setdefault((container, book.path), [])
    asked.append(one)
    if len(asked) > MAX_ASKED:
        asked.pop(0).write.writer.unit.done = True
    book.asked_at = logs.tags.version


def _ask_again(logs: LogMessages, book: Book, asked: list[Asked], *, lines: bool = True) -> None:
    """Tags, or `lines` too, have come since: the writes that wait for them, in their order."""
    find(logs, book)
    left: list[Asked] = []
    for one in asked:
        if one.held is not None:
            done = lines and _take(logs, book, one.write, one.held, late=True)
        else:
            done = _ask(logs, book, one, left, late=True)
        if not done:
            left.append(one)
    asked[:] = left
    book.asked_at = logs.tags.version


def _give_up(logs: LogMessages, container: str, book: Book, asked: list[Asked], now: int) -> None:
    """Writes whose tag does not come: nothing is tagged here, or it is lost."""
    for one in list(asked):
        wait = WAIT if one.held is None else EXPIRE
        if one.write.millis + wait >= now:
            continue
        asked.remove(one)
        if not any(file.last + WAIT >= one.write.millis for _, file in _files(logs, book)):
            book.tagless = max(book.tagless, one.write.millis)
            logs.by_length(container, book, one.write, late=True)
            continue
        found = _only_hole(logs, book, one.write) if one.held is None else None
        if found is not None and not any(
            two.held is None and found == _only_hole(logs, book, two.write) for two in asked
        ):
            entries = book.claim_at(*found, one.write.size)
            logs.share(book, one.write, entries, late=True, tag=None, sure=True)
        else:
            one.write.writer.unit.done = True


def _only_hole(logs: LogMessages, book: Book, write: Write) -> tuple[int, int] | None:
    """The only stretch without a tag that a write may have made, if it is just as long: its part, and its place."""
    tgid = int(write.writer.process.pid)
    found: list[tuple[int, int] | None] = []
    files = dict(_files(logs, book))
    parts = {part.key: part for part in book.parts}
    if len(book.parts) != 1 or book.places.todo or any(part.held and part.key not in files for part in book.parts):
        return None  # of files that were emptied or rotated, and of places that are not known, no stretch is certain
    for key, file in files.items():
        if next(file.candidates(tgid, write.size, write.millis), None) is not None:
            return None  # that one may be its own
        part = parts.get(key)
        upto = part.upto if part is not None else 0
        for begins, ends, after, before in file.holes(upto):
            if ends - begins >= write.size and after <= write.millis + SLACK and write.millis <= before:
                whole = part is not None and ends - begins == write.size and before < ALWAYS
                found.append((part.serial, begins) if part is not None and whole else None)
    return found[0] if len(found) == 1 else None


def _has_acted(process: Process, unit: Actor) -> bool:
    """Whether what a unit does with its connection is seen: where it is not, the unit that runs is not known."""
    handles = (one for one in process.fds.values() if one.unit is unit)
    return any(one.seen is not None or one.gave is not None for one in handles)
