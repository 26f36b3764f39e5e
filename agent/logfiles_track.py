"""One log of one container through its rotations: which file its name stands for, which ones are read to their end.

Rules of this file
    - Renamed: the old file stays open and is read on as long as it grows (`LINGER`): a server's old workers write to it
      long after the new one was begun. Files that came and were renamed between two looks are found by their names
      (`NAME.1`, `NAME-DATE`) and read from their beginning.
    - Emptied (copytruncate, `> log`): what was not read yet is read from the copy, if there is one that goes on where
      we were. If not, what was known to be there is counted, `log_truncated`; if nothing was known, `log_unknown`:
      something may have been written and emptied between two looks.
    - After a restart the file is known again by how it begins and by what stands before our place, wherever its name
      went to. If it is gone: `log_gap`, what was known to be there; `log_unknown` if nothing was.
    - Packed files are not read. Nobody can know what `logrotate` itself loses between copying and emptying, nor what is
      written to an empty file and emptied without a copy between two looks.

Invariant: each byte that was in a file at a look, or in one of its copies, is given once or counted.
Complexity: two system calls a poll where nothing has happened, four a read; O(files of the log) where something was.
Source: logrotate(8); agent.follow (the same for auditd's log, whose files are one stream).
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field, replace
from typing import Final

from agent.logfiles_path import Absent, Mounts, Refused, Root, open_regular, said
from agent.logfiles_tail import Look, Tail
from agent.logfiles_value import Generation, Given, Mark, lost
from agent.loss import Loss

CHUNK: Final = 1 << 18
LINGER: Final = 600_000
MAX_OLDER: Final = 3
"""Old files that are kept open although all of them was read."""
MAX_LOOKS: Final = 64
MAX_NAMES: Final = 100_000
KNOWN: Final = 4 * MAX_LOOKS
SHORT: Final = 64
_ROTATED: Final = re.compile(r"\.(\d{1,4})|[.-](\d{4}-?\d\d-?\d\d[\d._-]{0,20}|\d{8,14}(?:-\d{1,14})?)")

Bytes = tuple[Generation, int, bytes]


@dataclass(slots=True)
class Followed:
    """What is kept of a log: by it a restart goes on. `known` are files that are or were read, or were there before."""

    path: str
    current: Mark | None = None
    older: list[Mark] = field(default_factory=list)
    known: list[tuple[int, int, bytes]] = field(default_factory=list)
    number: int = 0
    begun: bool = False
    unsettled: list[Mark] = field(default_factory=list)


class Track:
    """The files of one log; `folder` is where its name stands (`place`), none as long as that is not found."""

    def __init__(self, state: Followed, loss: Loss, most_behind: int) -> None:
        self.state, self.loss, self.most_behind = state, loss, most_behind
        self.current: Tail | None = None
        self.older: list[Tail] = []
        self.mounts: Mounts | None = None
        self.folder, self.name, self.real = -1, "", ""
        self.trouble = ""
        self._size, self._short = 0, False
        self._owed = state.current is not None or bool(state.older)

    # Where it is

    def seat(self, root: Root, path: str) -> None:
        """Find its folder, or again, for it may be another one by now; raises what `agent.logfiles_path` does."""
        folder, name, real = root.find(path, missing=self.state.begun)
        if self.folder >= 0 and name == self.name and os.path.sameopenfile(folder, self.folder):
            os.close(folder)
            return
        self.unseat()
        self.mounts, self.folder, self.name, self.real = root.mounts, folder, name, real

    def unseat(self) -> None:
        """Let go of its folder: what is open is read on, nothing new is looked for."""
        if self.folder >= 0:
            os.close(self.folder)
        self.folder = -1

    def begin(self, at_end: bool, most: int, place: tuple[int, int] | None = None) -> None:
        """Start with a log never followed: at its end, or at its beginning if that is at most `most` bytes back.

        Or at a `place` (inode, offset), if there is such a file of it: that one and newer ones are read.
        """
        looks = self._looks()
        inode, offset = place or (0, 0)
        found = next((at for at, look in enumerate(looks) if look.inode == inode and look.size >= offset), None)
        newest = next((at for at, look in enumerate(looks) if look.newest), len(looks))
        for at, look in enumerate(looks):
            if found is not None and at >= found:
                tail = self._fresh(look, offset if at == found else 0)
            elif found is None and at == newest:
                tail = self._fresh(look, look.size if at_end else max(0, look.size - most))
            else:
                self._know(look)
                look.close()
                continue
            if at == newest:
                self.current = tail
            else:
                self.older.append(tail)
        self.state.begun = True

    # What it gives

    @property
    def behind(self) -> int:
        """Bytes seen and not given."""
        return sum(tail.behind for tail in (*self.older, *((self.current,) if self.current else ())))

    @property
    def idle_since(self) -> int:
        """Since when it has not grown; 0 if it has just now."""
        return min((tail.quiet for tail in (*self.older, *((self.current,) if self.current else ()))), default=1)

    def poll(self, limit: int, now: int) -> list[Bytes]:
        """The next bytes, about `limit` of them; what came later in time does not come before what came earlier."""
        if self.folder >= 0:
            self._look()
        given = self._read_all(limit, now)
        if self.current is not None and (self._size > self.current.mark.seen or self._short):
            self._reopen()
        if self.current is not None and self.current.stirred and self.folder >= 0:
            given = [*self._before(limit, now), *given]
        self._let_go(now)
        return given

    def again(self, one: Given, now: int) -> list[Bytes]:
        """Just these bytes, from the file that they were in, as far as it is there and has been read up to them."""
        if self.folder >= 0:
            self._look()
        tails = [*self.older, *((self.current,) if self.current else ())]
        same = [tail for tail in tails if tail.mark.generation.inode == one.inode] or tails
        tail = next((tail for tail in same if tail.mark.offset == one.offset), None)
        given, left = list[Bytes](), one.size
        while tail is not None and left > 0 and (more := self._read(tail, min(CHUNK, left), now)):
            given += more
            left -= sum(len(data) for _, _, data in more)
        return given

    def _read_all(self, limit: int, now: int) -> list[Bytes]:
        """The old files to their ends, then the new one; once more if that turns out to be another by now."""
        given: list[Bytes] = []
        for _ in range(2):
            current, left = self.current, limit
            for tail in list(self.older):
                given += self._read(tail, left, now)
                left = 0 if tail.behind else left  # of newer ones no more than how they begin
            if self.current is not None:
                given += self._read(self.current, left, now)
            if self.current is current:
                break
        return given

    def snapshot(self) -> Followed:
        """What to go on from."""
        if not self._owed:
            self.state.current = replace(self.current.mark) if self.current else None
            self.state.older = [replace(tail.mark) for tail in self.older]
        return self.state

    def close(self) -> None:
        """Let go of everything."""
        self.snapshot()
        self._owed = self.state.current is not None or bool(self.state.older)
        for tail in (*self.older, *((self.current,) if self.current else ())):
            tail.close()
        self.older, self.current = [], None
        self.unseat()

    def _read(self, tail: Tail, limit: int, now: int) -> list[Bytes]:
        """The next bytes of one file; more than `most_behind` of them are not caught up with."""
        try:
            if tail.behind > self.most_behind:
                self._catch_up(tail)
            found = tail.read(limit)
        except OSError:
            self._failed(tail)
            return []
        if found is None:
            self._emptied(tail)
            return []
        self._short = tail is self.current and limit > 0 and not found[1] and tail.behind > 0
        if found[1]:
            tail.quiet = 0
            return [(tail.mark.generation, *found)]
        tail.quiet = 0 if tail.behind else tail.quiet or now
        return []

    def _catch_up(self, tail: Tail) -> None:
        size = os.fstat(tail.fd).st_size
        try:
            data = os.lseek(tail.fd, tail.mark.offset, os.SEEK_DATA)
        except OSError:
            return
        if size - data > self.most_behind and tail.read(0) is not None:
            tail.skip(data)
            self.loss.note("log_backlog", tail.skip(size - self.most_behind // 2))

    # What has become of it

    def _look(self) -> None:
        """Does its name still stand for the file that is read?"""
        try:
            status = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except OSError:
            status = None
        self._size = status.st_size if status is not None else 0
        if self.current is not None and (
            status is None or (status.st_dev, status.st_ino) == self.current.place or not stat.S_ISREG(status.st_mode)
        ):
            return  # gone: whoever has it open still writes to it
        if status is not None or self._owed:
            self._arrange(self._looks(), emptied=False)

    def _before(self, limit: int, now: int) -> list[Bytes]:
        """An empty file was written to: copies that were made of it before it was emptied, if it was."""
        assert self.current is not None
        self.current.stirred = False
        looks = self._looks()
        copies = [self._fresh(look) for look in looks if not look.newest and not self._knows(look)]
        self._put_away(looks)
        self.older += copies
        return [one for tail in copies for one in self._read(tail, limit, now)]

    def _reopen(self) -> None:
        """Its name has more than its descriptor gives: an overlay has copied the file up since it was opened.

        Older kernels give the size of the copy and the bytes of the lower file.
        """
        looks = self._looks()
        if looks and self.current is not None and looks[-1].newest and looks[-1].continues(self.current.mark):
            mark, quiet = self.current.mark, self.current.quiet
            self.current.close()
            self.current = looks[-1].take(mark)
            self.current.quiet = quiet
        for look in looks:
            look.close()

    def _emptied(self, tail: Tail) -> None:
        """It does not go on where we were: what is left of that is in a copy, or gone; what is in it now is new."""
        if self.folder < 0:
            self._put_off(tail)
            return
        if tail is self.current:
            self._arrange(self._looks(), emptied=True)
            return
        looks = self._looks()
        at, place = _index(looks, tail.mark, None), tail.place
        if at is not None and looks[at].place != place and not looks[at].newest:
            self._know(looks[at])
            self.older.insert(self.older.index(tail), looks[at].take(tail.mark))
        else:
            self._gone(looks, tail.mark, emptied=True)
        for look in looks:
            look.close()
        self.state.number += 1
        tail.mark = Mark(Generation(*place, self.state.number), seen=os.fstat(tail.fd).st_size)

    def _put_off(self, tail: Tail) -> None:
        """Where a copy could be is not known now: perhaps the container begins again (`settle`)."""
        self.state.unsettled.append(tail.mark)
        if tail is self.current:
            self.current = None
            tail.close()
        else:
            self._drop(tail)

    def _failed(self, tail: Tail) -> None:
        """It cannot be read: a disk that fails, a file system that is gone. A new look may find it again."""
        lost(self.loss, "log_truncated", tail.behind)
        if tail is self.current:
            self.current = None
            tail.close()
        else:
            self._drop(tail)

    def _arrange(self, looks: list[Look], emptied: bool) -> None:
        """Sort out which file is which: ours, those that came since, the one that the name stands for now."""
        try:
            if self._owed or self.state.unsettled:
                self._restore_older(looks)
            held, self.current = self.current, None
            mark = held.mark if held is not None else self.state.current if self._owed else None
            self._owed = False
            at = _index(looks, mark, None if held is None or emptied else held.place) if mark is not None else None
            if mark is not None and at is None and (held is None or emptied):
                self._gone(looks, mark, emptied)
            if held is not None and at is None and not emptied:
                self.older.append(held)
            for number, look in enumerate(looks):
                if number == at and mark is not None:
                    self._go_on(look, mark, held if not emptied else None)
                elif look.newest:
                    self.current = self._fresh(look)
                elif not (self._knows(look) or (mark is not None and look.repeats(mark))):
                    self.older.append(self._fresh(look))
            if held is not None and not any(held is tail for tail in self.older):
                held.close()
        finally:
            self._put_away(looks)

    def _go_on(self, look: Look, mark: Mark, held: Tail | None) -> None:
        """In the file of `mark`, where it is now; one that is held open is kept so, unless its name moved to a copy."""
        if look.newest:
            self.current = look.take(mark)
        else:
            self._know(look)
            self.older.append(held or look.take(mark))

    def _put_away(self, looks: list[Look]) -> None:
        for look in looks:
            if look.fd >= 0 and not look.newest:
                self._know(look)
            look.close()

    def _gone(self, looks: list[Look], mark: Mark, emptied: bool) -> None:
        """Nothing goes on where we were."""
        copy = next((look for look in reversed(looks) if not look.newest and look.lacks(mark)), None)
        if copy is not None:
            self._know(copy)  # all that was copied has been given
        if copy is None or mark.seen > mark.offset:
            lost(self.loss, "log_truncated" if emptied else "log_gap", mark.seen - mark.offset)

    def _restore_older(self, looks: list[Look]) -> None:
        """Old files that were read before a restart; files that were emptied where nobody could look."""
        older, unsettled, self.state.older, self.state.unsettled = self.state.older, self.state.unsettled, [], []
        for mark in (*older, *unsettled):
            at = _index(looks, mark, None)
            if at is not None and not looks[at].newest:
                self._know(looks[at])
                self.older.append(looks[at].take(mark))
                del looks[at]
            elif mark.seen > mark.offset or mark in unsettled:
                lost(self.loss, "log_gap", mark.seen - mark.offset)

    def _let_go(self, now: int) -> None:
        """Of old files that do not grow any more."""
        for tail in list(self.older):
            spare = len(self.older) > MAX_OLDER and tail is self.older[0]
            if tail.quiet and (spare or now - tail.quiet > LINGER or (self.folder < 0 and tail.behind == 0)):
                self._drop(tail)

    def _drop(self, tail: Tail) -> None:
        self.older.remove(tail)
        self.state.known.append((*tail.place, tail.mark.head[:SHORT]))
        tail.close()

    # Files by their names

    def _looks(self) -> list[Look]:
        """The log's files, open, oldest first; the last is the one that the name stands for, if it is there."""
        if self.folder < 0:
            return []
        found: list[Look] = []
        for name in (*self._names(), self.name):
            try:
                fd = open_regular(self.folder, name, self.mounts)
            except (Absent, Refused) as error:
                self.trouble = str(error) if isinstance(error, Refused) and name == self.name else self.trouble
                continue
            try:
                look = Look.at(fd, newest=name == self.name)
            except OSError:
                os.close(fd)
                continue
            twice = next((one for one in found if one.place == look.place), None)
            if twice is not None:  # it was renamed while we looked
                found.remove(twice)
                twice.close()
            found.append(look)
        return found

    def _names(self) -> list[str]:
        ages: list[tuple[int, str]] = []
        dates: list[str] = []
        try:
            with os.scandir(f"/proc/self/fd/{self.folder}") as entries:
                for _, entry in zip(range(MAX_NAMES), entries, strict=False):
                    if entry.name.startswith(self.name) and (found := _ROTATED.fullmatch(entry.name, len(self.name))):
                        ages.append((int(found[1]), entry.name)) if found[1] else dates.append(entry.name)
        except OSError as error:
            self.trouble = str(said(error))
        return [*sorted(dates), *(name for _, name in sorted(ages, reverse=True))][-MAX_LOOKS:]

    def _fresh(self, look: Look, offset: int = 0) -> Tail:
        self._know(look)
        self.state.number += 1
        return look.begin(self.state.number, offset)

    def _know(self, look: Look) -> None:
        one = (*look.place, look.head[:SHORT])
        if one not in self.state.known:
            self.state.known.append(one)
            del self.state.known[:-KNOWN]

    def _knows(self, look: Look) -> bool:
        """Was it read, or there before anything was?"""
        heads = [head for device, inode, head in self.state.known if (device, inode) == look.place]
        alike = any(look.head.startswith(head) for head in heads if head) or (not look.head and b"" in heads)
        return alike or any(tail.place == look.place for tail in self.older)


def _index(looks: list[Look], mark: Mark, place: tuple[int, int] | None) -> int | None:
    """Which of the files is the one of `mark`: the one at `place` if that is held open, else as its bytes say."""
    order = range(len(looks) - 1, -1, -1)
    if place is not None and (held := [at for at in order if looks[at].place == place]):
        return held[0]
    same = (mark.generation.device, mark.generation.inode)
    for at in order:
        if looks[at].place == same and (looks[at].continues(mark) or not (mark.head or mark.offset)):
            return at
    return next((at for at in order if looks[at].continues(mark)), None)
