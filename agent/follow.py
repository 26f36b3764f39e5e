"""Follow a log file as it is written and rotated: every byte once, in order, or counted as lost.

Rules of this file
    - A file is read to its end before the next newer one is begun, and left only when a newer one has something in it:
      whoever still writes to the old one has opened the new one by then.
    - A name and an inode do not say which file it is (inodes are used again, copies have new ones): how it begins
      does. That is looked at after each read, so that what was read is known to be of this file.
    - Renamed (auditd): the file itself is followed. Copied and emptied (logrotate's copytruncate): what was not read
      yet is read from the copy. Gone: counted, and what comes next starts on a line of its own.
    - No thread, no wait but in `wait`, one open file, nothing held but the rest of one record after `skip`.

Invariant: the bytes given from one position to another are the same each time, as long as the files are there.
Complexity: two system calls a read; O(files) where one file ends and the next begins.
Source: audit userspace auditd-event.c (rotate_logs); logrotate(8); design section 3 (promise 5).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Literal

from agent.follow_files import LOOKS, Listed, LogFile, list_files, place_of
from agent.loss import Loss
from agent.source import Mark, Position

CHUNK: Final = 1 << 18
MAX_REST: Final = 65_536  # of a record, held after `skip`; the parser takes no longer line
FIRST, LONGEST = 0.01, 0.2  # seconds between two looks while waiting


class LogFollower:
    """The bytes of `path` and of the files it is rotated into; a `Source`.

    Begins at `position` if there is one, else at the present end or at the oldest file's beginning. A file that is not
    there yet is waited for; one that may not be read is an `InputError`.
    """

    def __init__(
        self, path: Path | str, position: Position | None = None, start: Literal["end", "beginning"] = "end"
    ) -> None:
        self.path = Path(path)
        self.loss = Loss()
        self._file: LogFile | None = None
        self._offset = self._seen = 0
        self._prior: Mark | None = None
        self._owed = b""
        self._cut = False
        if position is not None:
            self.seek(position)
        elif start == "end":
            self._to_end()

    @property
    def position(self) -> Position:
        """The end of the bytes given so far."""
        mark = self._file.mark if self._file else Mark()
        return Position(mark, self._offset, self._prior, self._owed, self._cut, self._seen)

    @property
    def behind(self) -> int:
        """Bytes written and not given, in this file and all newer ones."""
        owed = len(self._owed)
        self._settle()
        if self._file is not None:
            self._seen = max(self._seen, size := self._file.size)
            owed += max(0, size - self._offset)
            if self._is_newest():
                return owed
        return owed + sum(one.size for one in self._newer(list_files(self.path))[0])

    @property
    def ended(self) -> bool:
        """A log goes on for ever."""
        return False

    def read(self, limit: int) -> bytes:
        """The next bytes, at most `limit`; none if nothing is there now."""
        return self._read(limit, None)

    def read_to(self, position: Position, limit: int) -> bytes:
        """As `read`, but never beyond `position`; none once it is reached, or if what leads to it is gone."""
        return self._read(limit, position)

    def seek(self, position: Position) -> None:
        """Go on from `position`; if its file is gone, from the oldest that came after it."""
        self.close()
        self._prior, self._owed, self._cut = position.prior, position.owed, position.cut
        self._offset, self._seen = position.offset, position.seen
        if position.mark.head:
            self._find(position.mark)

    def skip(self) -> int:
        """Leave out the whole records that are there; the rest of one that was begun is still given."""
        rest = self._rest_of_record()
        if rest is None:
            return 0
        count, left = 0, self.behind
        begun = self._file.mark.place if self._file else None, self._offset
        while left > 0 and (data := self._read(CHUNK, None)):
            count, left = count + data.count(b"\n"), left - len(data)
        if self._cut and self._file is not None:
            self._back_to_record(begun[1] if begun[0] == self._file.mark.place else 0)
        self._owed, self._cut = rest, bool(rest)
        if count:
            self.loss.note("throttled", count)
        return count

    def wait(self, seconds: float) -> bool:
        """Look again and again, ever less often, until something may have been written or the time is over."""
        end, step = time.monotonic() + seconds, FIRST
        while not self._stirs():
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(step, left))
            step = min(2 * step, LONGEST)
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, limit: int, goal: Position | None) -> bytes:
        while True:
            most = limit if goal is None else min(limit, self._until(goal))
            if most <= 0:
                return b""
            if self._owed:
                data, self._owed = self._owed[:most], self._owed[most:]
                self._cut = data[-1] != 10
                return data
            if self._file is not None:
                data = self._file.read(most, self._offset)
                if self._settle():
                    continue
                if data:
                    self._offset += len(data)
                    self._seen = max(self._seen, self._offset)
                    self._cut = data[-1] != 10
                    return data
            if not self._advance():
                return b""

    def _until(self, goal: Position) -> int:
        """How many bytes may be given before `goal` is reached; 0 if it is, or is not to come any more."""
        mark, end = (goal.mark, goal.offset) if goal.mark.head else (goal.prior or goal.mark, 1 << 62)
        self._settle()
        file = self._file
        if file is not None and mark.begins(file.mark.head):
            if self._offset < end:
                return len(self._owed) or min(end, file.size) - self._offset
            return len(self._owed) - len(goal.owed) if self._offset == end else 0
        newer, _ = self._newer(list_files(self.path))
        return CHUNK if any(mark.begins(one.mark.head) for one in newer) else 0

    def _advance(self) -> bool:
        """Go to the next file that has something in it; true if there may be more to read, here or there."""
        if self._file is not None and self._is_newest():
            return False
        listed = list_files(self.path)
        newer, sure = self._newer(listed)
        for one in newer:
            if one.size == 0 or (one is not listed[-1] and one.copies(listed[-1])):  # a copy that is being made
                continue
            file = LogFile.open(one)
            if file is None:
                return False
            if self._file is not None and (self._file.read(1, self._offset) or not self._file.lasts()):
                file.close()
                return True
            self._enter(file, sure, _before(one, listed))
            return True
        return False

    def _enter(self, file: LogFile, sure: bool, prior: Mark | None) -> None:
        if not sure:
            self._gap(0)
        elif self._file is not None and self._seen > self._offset:  # a copy that lacks what was seen in the original
            self._gap(self._seen - self._offset)
        self.close()
        self._file, self._prior, self._offset, self._seen = file, prior, 0, file.size

    def _newer(self, listed: list[Listed]) -> tuple[list[Listed], bool]:
        """The files after the present one; and whether none before them can be missing."""
        places = [one.mark.place for one in listed]
        if self._file is not None and self._file.mark.place in places:
            return listed[places.index(self._file.mark.place) + 1 :], True
        for at, one in enumerate(listed):
            if self._prior is not None and self._prior.begins(one.mark.head):
                return listed[at + 1 :], True
        return listed, self._prior is None if self._file is None else sum(one.size > 0 for one in listed) < 2

    def _find(self, mark: Mark) -> None:
        """Open the file that began so, or its copy, and stay at the offset; or count what is lost."""
        for _ in range(LOOKS):
            listed = list_files(self.path)
            newer, sure = self._newer(listed)
            same = [one for one in listed if one.mark.place == mark.place] + newer
            found = next((one for one in same if mark.begins(one.mark.head)), None)
            self._file = LogFile.open(found) if found else None
            if self._file is not None:
                break
            if found is None:
                self._prior = self._prior if sure else None  # the loss of this one is counted once, here
                break
        if self._file is None:
            self._gap(self._seen - self._offset)
            self._offset = self._seen = 0
            return
        size = self._file.size
        if self._offset > size:  # more was read of the file than its copy holds
            self._seen = size + max(0, self._seen - self._offset)
            self._offset = size
            self._fresh_line()

    def _settle(self) -> bool:
        """Was the file emptied or cut short since it was last looked at? Then go on in its copy, if there is one."""
        file = self._file
        if file is None or (file.lasts() and file.size >= self._offset):
            return False
        self.close()
        self._find(file.mark)
        return True

    def _gap(self, known: int) -> None:
        if known > 0:
            self.loss.note("capture_gap", known)
        else:
            self.loss.note("capture_unknown")
        self._fresh_line()

    def _fresh_line(self) -> None:
        if self._cut and not self._owed:
            self._owed = b"\n"

    def _to_end(self) -> None:
        for one in reversed(listed := list_files(self.path)):
            if file := LogFile.open(one):
                self._file = file
                self._offset = self._seen = file.size
                self._prior = _before(one, listed)
                self._cut = self._offset > 0 and file.read(1, self._offset - 1) != b"\n"
                return

    def _rest_of_record(self) -> bytes | None:
        """What is missing of a record that was begun; none if it has not been written yet."""
        rest = b""
        while self._cut and len(rest) <= MAX_REST:
            data = self._read(4096, None)
            if not data:
                self._owed = rest
                return None
            end = data.find(b"\n") + 1
            if end:
                self._offset -= len(data) - end
                self._cut = False
                data = data[:end]
            rest += data
            if end:
                return rest
        return rest + b"\n" if rest else b""

    def _back_to_record(self, lowest: int) -> None:
        """Go back to the beginning of the record in whose middle the offset is, not beyond `lowest`."""
        while self._file is not None and self._offset > lowest:
            first = max(lowest, self._offset - CHUNK)
            found = self._file.read(self._offset - first, first).rfind(b"\n") + 1
            self._offset = first + found
            if found:
                return

    def _is_newest(self) -> bool:
        return self._file is not None and self._file.mark.place == place_of(self.path)

    def _stirs(self) -> bool:
        if self._file is not None and not self._owed and self._is_newest():
            return self._file.size != self._offset
        return self.behind > 0


def _before(one: Listed, listed: list[Listed]) -> Mark | None:
    """The file before this one that is still there: if this one goes away, what follows that one has not been read."""
    older = [old.mark for old in listed[: listed.index(one)] if old.size and not old.copies(one)]
    return older[-1] if older else None
