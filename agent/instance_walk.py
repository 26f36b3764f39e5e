"""One question to the local store: which vertices it is about, what they came from or led to, as they really were.

Rules of this file
    - Segments are swept once, in the order of time: backwards for causes, forwards for effects. Every causal path runs
      back in time (`agent.upg`), so one sweep finds all, and each with the length of its shortest path.
    - A segment's body is read only if its head says that it made, or has edges of, what is reached. A sweep towards
      causes ends where nothing reached is older.
    - A limit keeps what is nearest; of the vertices asked about the latest, at most half the limit. Past the deadline,
      or past what one answer may hold in memory (`MAX_REACHED`, `MAX_FOLLOWED`), the answer is what was found until
      then. Either way it says so (`cut`).
    - The same segments and question give the same answer (unless the deadline cut it).

Complexity: O(heads swept + edges of the bodies read); memory O(vertices reached), at most `MAX_REACHED`.
Source: issue "live agent", item 5; fidelity notes of the design (reachability is causality).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agent.instance_files import Entry, Lookup
from agent.segments import (
    Body,
    Columns,
    Head,
    Section,
    Segment,
    Text,
    filter_hash,
    key_of,
    sendable,
    sums,
)
from grammar import CodecError, Relabel, kind_of
from grammar.control import Link, Question
from grammar.finding import Instance

MAX_LIMIT: Final = 20_000
MAX_REACHED: Final = 50_000
MAX_LINKS: Final = 80_000
MAX_FOLLOWED: Final = 4 * MAX_LINKS
MAX_BYTES: Final = 8 << 20
"""Of text in one answer: what the wire carries is bounded too."""
CACHED: Final = 4
ANCESTORS: Final = "ancestors"


class Seen(NamedTuple):
    """A vertex as a segment has it."""

    container: str
    label: str
    ident: str
    command: str
    time: int


class Reader:
    """Segments of the files, oldest first, and the open one behind them; what cannot be read is counted."""

    def __init__(self, lookup: Lookup, entries: Sequence[Entry], opened: Segment | None) -> None:
        self._lookup, self._entries, self._opened = lookup, entries, opened
        self._bodies: OrderedDict[int, Body] = OrderedDict()
        self.spans = [(entry.start, entry.end) for entry in entries]
        if opened is not None:
            self.spans.append((opened[0].start, opened[0].end))
        self.unread = 0

    def head(self, at: int) -> Head | None:
        """The index of one segment."""
        if at == len(self._entries) and self._opened is not None:
            return self._opened[0]
        try:
            return self._lookup.head(self._entries[at])
        except CodecError:
            self.unread += self._entries[at].path.exists()  # what a budget has taken is not damaged
            return None

    def body(self, at: int, head: Head) -> Body | None:
        """The columns of one segment."""
        if at == len(self._entries) and self._opened is not None:
            return self._opened[1]
        found = self._bodies.get(at)
        if found is None:
            try:
                found = self._bodies[at] = self._lookup.body(self._entries[at])
            except CodecError:
                if self._entries[at].path.exists():
                    self.unread += sum(section.count for section in head.sections)
                return None
            if len(self._bodies) > CACHED:
                self._bodies.popitem(last=False)
        return found


class Asked:
    """Whether a state is one of those in question: the same, or one that its label's learned pattern stands for."""

    def __init__(self, states: Iterable[Text]) -> None:
        self._states = set(states)
        self._contexts = {context for _, context in self._states}
        self._relabel = Relabel(label for label, _ in self._states if "{" in label.rpartition("/")[2])

    def matches(self, state: Text) -> bool:
        """Whether it is one of them."""
        label, context = sendable(state[0]), tuple(map(sendable, state[1]))
        if context not in self._contexts:
            return False
        return (label, context) in self._states or (self._relabel(label), context) in self._states


@dataclass(slots=True)
class Walk:
    """One question under way; `late` says whether its time is up."""

    reader: Reader
    question: Question
    late: Callable[[], bool]
    cut: bool = False
    reached: dict[int, dict[int, int]] = field(default_factory=dict)
    seen: dict[int, Seen] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    links: list[tuple[int, int, tuple[str, str], int]] = field(default_factory=list)
    _lowest: dict[int, int] = field(default_factory=dict)
    count: int = 0
    most: int = MAX_REACHED
    _oldest: int = 0

    @property
    def limit(self) -> int:
        """How many instances the answer may have."""
        return max(1, min(self.question.limit, MAX_LIMIT))

    @property
    def _backwards(self) -> bool:
        return self.question.direction == ANCESTORS

    def run(self) -> tuple[tuple[Instance, ...], tuple[Link, ...]]:
        """The whole answer, nearest first; links by time."""
        self.find()
        if self.asked:
            self.sweep()
        return self.told()

    def find(self) -> None:
        """The vertices that are asked about, latest first."""
        question, most = self.question, max(1, self.limit // 2)
        asked = Asked(question.states)
        hashes = {filter_hash(question.app, state) for state in question.states}
        for at in reversed(range(len(self.reader.spans))):
            start, end = self.reader.spans[at]
            if (question.until and start > question.until) or end < question.since:
                continue
            if self._is_late():
                return
            head = self.reader.head(at)
            if head is None or not head.may_hold(hashes):
                continue
            for _, scope, number in sorted(self._hits(at, head, asked), reverse=True):
                if len(self.asked) >= most:
                    self.cut = True
                    return
                self._reach(scope, number, 0)
                self.asked.add(key_of(scope, number))
                self._oldest = at

    def _hits(self, at: int, head: Head, asked: Asked) -> Iterator[tuple[int, int, int]]:
        """Time, scope and number of the vertices of one segment that are asked about."""
        question = self.question
        if not any(section.app == question.app for section in head.sections):
            return
        body = self.reader.body(at, head)
        if body is None:
            return
        wanted = {n for n, state in enumerate(body.tables[question.app]) if asked.matches(state)}
        for section, columns in zip(head.sections, body.columns, strict=True):
            here = question.container in ("", section.container)
            if wanted and here and section.app == question.app:
                times = sums(columns.times, head.start)
                for n, state in enumerate(columns.states):
                    inside = times[n] >= question.since and (not question.until or times[n] <= question.until)
                    if state in wanted and inside:
                        yield times[n], section.scope, section.first + n

    def sweep(self, *, whole: bool = False) -> None:
        """Follow edges from what has been reached; towards effects from the oldest of it on, or through the `whole`."""
        count = len(self.reader.spans)
        passed: dict[int, int] = {}
        for at in reversed(range(count)) if self._backwards else range(0 if whole else self._oldest, count):
            if self._is_late():
                return
            head = self.reader.head(at)
            if head is None:
                continue
            body: Body | None = None
            for n, section in enumerate(head.sections):
                reached = self.reached.get(section.scope)
                if reached is None or not _touches(section, reached, self.question.direction):
                    continue
                body = body or self.reader.body(at, head)
                if body is not None:
                    self._follow(section, body.columns[n], body, head)
                    self._note(section, body.columns[n], body, head)
            for section in head.sections:
                passed[section.scope] = section.first
            if self._backwards and self._all_found(passed):
                return

    def _all_found(self, passed: dict[int, int]) -> bool:
        """Whether every reached vertex has been passed on the way back."""
        return all(number >= passed.get(scope, 1 << 62) for scope, number in self._lowest.items())

    def _follow(self, section: Section, columns: Columns, body: Body, head: Head) -> None:
        """Go along the edges of one scope in one segment."""
        effects, causes = columns.ends
        kinds, times = columns.kinds, sums(columns.edge_times, head.start)
        near, far = (effects, causes) if self._backwards else (causes, effects)
        reached, scope = self.reached[section.scope], section.scope
        depth = self.question.depth or MAX_REACHED
        for n in reversed(range(len(near))) if self._backwards else range(len(near)):
            steps = reached.get(near[n])
            if steps is None or steps >= depth:
                continue
            self._reach(scope, far[n], steps + 1)
            if len(self.links) >= MAX_FOLLOWED:
                self.cut = True
                return
            self.links.append((key_of(scope, effects[n]), key_of(scope, causes[n]), body.kinds[kinds[n]], times[n]))

    def _reach(self, scope: int, number: int, steps: int) -> None:
        reached = self.reached.setdefault(scope, {})
        known = reached.get(number)
        if known is None and self.count >= self.most:
            self.cut = True
        elif known is None or steps < known:
            self.count += known is None
            reached[number] = steps
            self._lowest[scope] = min(number, self._lowest.get(scope, number))

    def _note(self, section: Section, columns: Columns, body: Body, head: Head) -> None:
        """Keep what this segment says of the reached vertices that it made."""
        inside = _inside(section, self.reached[section.scope])
        if not inside:
            return
        names, times = sums(columns.names), sums(columns.times, head.start)
        states, table = columns.states, body.tables[section.app]
        for number in inside:
            n = number - section.first
            ident = body.names[names[n]]
            seen = Seen(section.container, table[states[n]][0], ident, head.commands.get(ident, ""), times[n])
            self.seen[key_of(section.scope, number)] = seen

    def told(self) -> tuple[tuple[Instance, ...], tuple[Link, ...]]:
        """What has been found."""
        keys = [
            (steps, -self.seen[key].time if self._backwards else self.seen[key].time, key)
            for scope, reached in self.reached.items()
            for number, steps in reached.items()
            if (key := key_of(scope, number)) in self.seen
        ]
        instances: list[Instance] = []
        size = 0
        for _, _, key in sorted(keys):
            one = _instance(key, self.seen[key], key in self.asked)
            size += len(one.name) + len(one.label) + len(one.command) + len(one.container)
            if len(instances) >= self.limit or size > MAX_BYTES:
                self.cut = True
                break
            instances.append(one)
        inside = {one.number for one in instances}
        links = sorted(
            (time, effect, cause, kind)
            for effect, cause, kind, time in self.links
            if effect in inside and cause in inside
        )
        self.cut = self.cut or len(links) > MAX_LINKS
        told = tuple(Link(effect, *kind, cause, time) for time, effect, cause, kind in links[:MAX_LINKS])
        return tuple(instances), told

    @property
    def gone(self) -> int:
        """How many of the reached vertices no segment has made."""
        return sum(
            key_of(scope, number) not in self.seen for scope, reached in self.reached.items() for number in reached
        )

    def _is_late(self) -> bool:
        late = self.late()
        self.cut = self.cut or late
        return late


def _touches(section: Section, reached: dict[int, int], direction: str) -> bool:
    """Whether a segment made, or has edges that lead on from, anything reached in this scope."""
    return bool(_inside(section, reached)) or not reached.keys().isdisjoint(section.outside(direction))


def _inside(section: Section, reached: dict[int, int]) -> list[int]:
    """The reached vertices that a segment made."""
    first, stop = section.first, section.first + section.count
    if section.count < len(reached):
        return [number for number in range(first, stop) if number in reached]
    return [number for number in reached if first <= number < stop]


def _instance(key: int, seen: Seen, asked: bool) -> Instance:
    pid = seen.ident.partition("@")[0] if kind_of(seen.label) == "Process" else ""
    return Instance(
        number=key,
        container=sendable(seen.container),
        label=sendable(seen.label),
        name=sendable(name_of(seen.ident, seen.label)),
        command=sendable(seen.command),
        pid=int(pid) if pid.isascii() and pid.isdigit() else 0,
        time=seen.time,
        asked=asked,
    )


def name_of(ident: str, label: str) -> str:
    """What people call a vertex: a file's path, a socket's peer; else its identity (`PID@BIRTH/EXECS` of a process).

    >>> name_of("/etc/passwd#3", "File /etc/passwd"), name_of("socket:7@1/2:9.1:5", "Socket 10.0.0.9:4444")
    ('/etc/passwd', '10.0.0.9:4444')
    """
    kind, _, rest = label.partition(" ")
    if ident.startswith("inherited:"):
        ident = ident.split(":", 2)[-1]
    if kind == "File":
        path = ident.removesuffix("#sink").rpartition("#")[0]
        return path if path.startswith(("/", "{any}")) else rest
    if kind == "Socket" and ident.startswith(("socket:", "bound:")):
        return ident.partition("=")[2] or rest or ident
    return ident
