"""Where the bytes lie that a tag is of: it is believed where the file's own bytes fit it, and nowhere else.

Rules of this file
    - All of them must be there, and the sum of the first ones must be the tag's. Of a file that was emptied, the newest
      bytes that fit are meant; another generation of the inode is another file.
    - One whose offset is guessed and does not fit is looked for near by, among whole lines that are no other tag's. Of
      several that are alike the first is taken; but none of which another process may have written the same.
    - What a recording has kept of rotated files stands behind one another: the first line that fits says how far.

Complexity: O(parts + lines near by) a tag.
Source: lkm/winnower_tag.h; issue "lkm" (join).
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from agent.logbook import NEAR, Book
from agent.logbook_bytes import Part
from agent.tagindex import Held, TagFile, TagIndex, key_of
from agent.tagjoin_places import MAX_TODO, TRIES, Found, Todo
from agent.tags import Tag

READ: Final = 20_000
"""Milliseconds after a write by which its file has been looked at: what does not fit then never will."""
ABOUT: Final = 1_000_000_000
"""Nanoseconds within which another process's write may be meant by a guessed place."""


def fit(book: Book, tag: Tag, *, sure: bool = False) -> tuple[Found | None, bool]:
    """Where a tag's bytes lie in a book, the newest that fit; and whether they may still come.

    Of bytes that were read before any were kept, only what is `sure` otherwise is believed.
    """
    found = book.places.of(tag)
    if found is not None:
        return found, False
    key, waits = key_of(tag), True
    for part in reversed(book.parts):
        if part.key not in (key, None) or (part.born is not None and part.born != tag.generation):
            continue
        at = tag.offset + book.shifts.get(key, 0)
        if part.key is None:
            book.reach(at + tag.length)
        if _is_there(part, at, tag) and not (tag.guessed and book.places.is_taken(part.serial, at)):
            part.born = tag.generation if part.key is not None else None
            if part.key is None:
                book.shifts[key] = book.shifts.get(key, 0)
            return _placed(book, tag, Found(part.serial, at)), False
        if part.key is not None and at < part.first and at + tag.length <= part.upto:
            return (Found(part.serial, at), False) if sure else (None, False)
        if part.upto >= at + tag.length or part.key is None:
            near = _near(book, part, tag)
            if near is not None:
                if part.key is None and not tag.guessed:
                    book.shifts[key] = near - tag.offset
                return _placed(book, tag, Found(part.serial, near)), False
            waits = waits and part.key is not None and book.read < tag.millis + READ  # it may just have been emptied
    return None, waits


def _is_there(part: Part, at: int, tag: Tag) -> bool:
    """Whether a write's bytes are at that place; those that could not be read when it was tagged are believed."""
    if part.upto < at + tag.length:
        return False
    if not tag.hashed:
        return not tag.guessed and part.key is not None
    return part.crc(at, tag.hashed) == tag.crc


def has_rival(tags: TagIndex, tag: Tag) -> bool:
    """Whether another process has written the same at about the same time, where neither's place is certain."""
    file = tags.files.get(key_of(tag)) if tag.guessed else None
    return file is not None and file.has_rival(tag, ABOUT)


def place(books: list[Book], file: TagFile) -> None:
    """New tags of a file, for the books that are read from it: each is looked for in order of time."""
    fresh, file.fresh = sorted(file.fresh, key=_nanos), []
    for book in books:
        book.places.todo += [Todo(one) for one in fresh]
        del book.places.todo[:-MAX_TODO]
        book.places.upto = 0, 0


def look(book: Book) -> None:
    """Tags or bytes have come: find the places of those that have none."""
    last = book.parts[-1] if book.parts else None
    upto = (last.serial, last.upto) if last is not None else (0, 0)
    if not book.places.todo or book.places.upto == upto:
        return
    book.places.upto = upto
    left: list[Todo] = []
    for held, tries in book.places.todo:
        found, waits = fit(book, held.tag)
        if found is not None:
            held.part, held.at = found
        elif waits and tries < TRIES:
            read = last is not None and last.upto >= held.end
            left.append(Todo(held, tries + read))
    book.places.todo = left


def _placed(book: Book, tag: Tag, found: Found) -> Found:
    book.places.put(tag, found)
    return found


def _nanos(one: Held) -> int:
    return one.tag.nanos


def _near(book: Book, part: Part, tag: Tag) -> int | None:
    """Where a write whose place is not certain has made a whole line: near by, of its length and sum."""
    if not tag.hashed or not (tag.guessed or part.key is None):
        return None
    place = book.place_of(part.serial, tag.offset) if part.key is not None else 0
    near = islice(book.lines, max(0, place - NEAR), place + NEAR)
    alike = [one.at for one in near if one.part == part.serial and one.size == tag.length]
    found = [at for at in alike if part.crc(at, tag.hashed) == tag.crc and not book.places.is_taken(part.serial, at)]
    return found[0] if len(found) == 1 or (found and tag.guessed) else None
