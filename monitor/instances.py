"""What the workers have answered to a question for instances, as one answer: who was asked, who said what, who did not.

Rules of this file
    - Replies are put beside each other, not joined: an instance is a worker's, and an edge leads from one worker to
      another only if somebody has seen it. Nobody has: what an address stands for is left to the reader.
    - Whoever did not answer in time is named, and so is whose answer was cut, since when it remembers, what it lost.
    - Replies are data of others: a second one of the same worker, one to another question, a link to nothing change
      nothing. All text is escaped where it is shown (`monitor.render.safe`).
    - A table is a tree from what was asked about, what is nearest first. Versions of one object are one line; JSON and
      dot have every version.

Complexity: O(instances + links), but for sorting.
Source: issue "live agent", item 5; design section 5 (`--instances`, `--format`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from grammar import InputError, kind_of
from grammar.control import Link, Question, Reply
from grammar.finding import Instance
from monitor.render import safe, time_text, to_json

ANCESTORS: Final = "ancestors"
INDENTED: Final = 12
"""Levels that are shown by indenting; deeper ones by their number."""
SHOWN_NAME: Final = 300
SHOWN_COMMAND: Final = 200
_SHAPES: Final = {"Process": "box", "File": "ellipse", "Socket": "diamond", "Pipe": "cds", "Memory": "hexagon"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """The answer to one question: `asked` workers, the replies that came within `deadline` seconds, by worker."""

    question: Question
    asked: tuple[str, ...]
    replies: Mapping[str, Reply]
    deadline: float

    @staticmethod
    def of(question: Question, asked: Iterable[str], replies: Iterable[Reply], deadline: float) -> Gathered:
        """Put replies together: the first of each worker that was asked, to this question."""
        workers = tuple(dict.fromkeys(asked))
        found: dict[str, Reply] = {}
        for reply in replies:
            if reply.id == question.id and reply.worker in workers:
                found.setdefault(reply.worker, reply)
        return Gathered(question, workers, {name: found[name] for name in workers if name in found}, deadline)

    @property
    def silent(self) -> tuple[str, ...]:
        """Who has not answered."""
        return tuple(name for name in self.asked if name not in self.replies)

    @property
    def empty(self) -> bool:
        """Whether nobody has found anything."""
        return not any(reply.instances for reply in self.replies.values())

    def value(self) -> dict[str, object]:
        """As JSON: the question, each worker, instances with their distance, links."""
        question = self.question
        trees = [_Tree.of(name, reply, question.direction) for name, reply in self.replies.items()]
        return {
            "question": {
                "app": question.app,
                "direction": question.direction,
                "depth": question.depth,
                "limit": question.limit,
                "states": [{"label": label, "context": list(context)} for label, context in question.states],
            },
            "deadline_seconds": self.deadline,
            "workers": {name: self._worker_value(name) for name in self.asked},
            "instances": [one for tree in trees for one in tree.instance_values()],
            "links": [one for tree in trees for one in tree.link_values()],
        }

    def _worker_value(self, name: str) -> dict[str, object]:
        reply = self.replies.get(name)
        if reply is None:
            return {"answered": False}
        lost = dict(sorted(reply.lost.items()))
        count = len(reply.instances)
        return {"answered": True, "instances": count, "cut": reply.cut, "since": reply.since / 1000, "lost": lost}


@dataclass(slots=True)
class _Line:
    """One object as the table shows it: how it was reached, and what was reached from it."""

    instance: Instance
    operation: str
    time: int
    below: list[_Line] = field(default_factory=list)
    known: dict[tuple[str, str, str], _Line] = field(default_factory=dict)


@dataclass(slots=True)
class _Tree:
    """One worker's reply, followed from what was asked about."""

    worker: str
    reply: Reply
    by_number: dict[int, Instance]
    links: list[Link]
    distance: dict[int, int] = field(default_factory=dict)
    roots: list[_Line] = field(default_factory=list)

    @staticmethod
    def of(worker: str, reply: Reply, direction: str) -> _Tree:
        """Follow the links of a reply, breadth first."""
        known = {one.number: one for one in reply.instances}
        links = [one for one in reply.links if one.effect in known and one.cause in known]
        tree = _Tree(worker, reply, known, links)
        tree._follow(backwards=direction == ANCESTORS)
        return tree

    def _follow(self, *, backwards: bool) -> None:
        onward: dict[int, list[tuple[int, Link]]] = {}
        for link in sorted(self.links, key=lambda one: -one.time if backwards else one.time):
            near, far = (link.effect, link.cause) if backwards else (link.cause, link.effect)
            onward.setdefault(near, []).append((far, link))
        shown: dict[int, _Line] = {}
        for one in self.by_number.values():
            if one.asked:
                shown[one.number] = _Line(one, "", one.time)
                self.roots.append(shown[one.number])
                self.distance[one.number] = 0
        queue = deque(shown)
        while queue:
            near = queue.popleft()
            for far, link in onward.get(near, ()):
                if far not in self.distance:
                    self.distance[far] = self.distance[near] + 1
                    shown[far] = _line(shown[near], self.by_number[far], link)
                    queue.append(far)

    def lines(self) -> Iterator[tuple[int, _Line]]:
        """The lines of the table with their level, each below what it was reached from."""
        waiting = [(0, line) for line in reversed(self.roots)]
        while waiting:
            level, line = waiting.pop()
            yield level, line
            waiting += [(level + 1, one) for one in reversed(line.below)]

    def instance_values(self) -> Iterator[dict[str, object]]:
        """Every instance as JSON."""
        for one in self.by_number.values():
            yield {
                "id": self._id(one.number),
                "worker": self.worker,
                "container": one.container,
                "kind": kind_of(one.label),
                "label": one.label,
                "name": one.name,
                "command": one.command,
                "pid": one.pid,
                "time": one.time / 1000,
                "asked": one.asked,
                "distance": self.distance.get(one.number),
            }

    def link_values(self) -> Iterator[dict[str, object]]:
        """Every link as JSON."""
        for one in self.links:
            ends = {"effect": self._id(one.effect), "cause": self._id(one.cause)}
            yield ends | {"relation": one.relation, "operation": one.operation, "time": one.time / 1000}

    def dot(self, at: int) -> Iterator[str]:
        """The lines of a dot graph; worker number `at`."""
        for one in self.by_number.values():
            told = f"{_title(one)} {_at(one.time)} {self.worker}/{one.container}"
            shape, style = _SHAPES.get(kind_of(one.label), "note"), ", style=bold" if one.asked else ""
            yield f"  w{at}_{one.number} [shape={shape}, label={_quoted(told)}{style}];"
        for link in self.links:
            yield f"  w{at}_{link.cause} -> w{at}_{link.effect} [label={_quoted(link.operation)}];"

    def _id(self, number: int) -> str:
        return f"{self.worker}/{number}"


def _line(near: _Line, one: Instance, link: Link) -> _Line:
    """The line of what was reached from `near`: that same line if it is another version of the same object."""
    same = near.instance
    if link.operation == "version" and (one.label, one.name, one.container) == (same.label, same.name, same.container):
        return near
    key = one.label, one.name, link.operation
    found = near.known.get(key)
    if found is None:
        found = near.known[key] = _Line(one, link.operation, link.time)
        near.below.append(found)
    return found


def instances_table(gathered: Gathered) -> Group:
    """The answer as a tree, nearest first, and below it who did not answer, or not fully."""
    table = Table(box=None, pad_edge=False, expand=False)
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("worker/container", overflow="fold", max_width=24)
    table.add_column("instance", overflow="fold", ratio=1)
    for name, reply in gathered.replies.items():
        for level, line in _Tree.of(name, reply, gathered.question.direction).lines():
            where = safe(f"{name}/{line.instance.container}", 100)
            table.add_row(_at(line.time), Text(where), _told(level, line))
    shown = Text("no such instances") if gathered.empty else table
    return Group(shown, *_notes(gathered))


def _told(level: int, line: _Line) -> Text:
    indent = "  " * level if level <= INDENTED else "  " * INDENTED + f"({level}) "
    text = Text(indent)
    text.append(f"{safe(line.operation, 40)} " if line.operation else "* ", style="dim")
    text.append(_title(line.instance), style="bold" if line.instance.asked else "")
    if line.instance.command:
        text.append(f"\n{'  ' * min(level, INDENTED)}  $ {safe(line.instance.command, SHOWN_COMMAND)}", style="dim")
    return text


def _title(one: Instance) -> str:
    """`sh /usr/bin/dash pid 2457`, `File /etc/passwd`."""
    kind, _, rest = one.label.partition(" ")
    if kind == "Process":
        return f"{safe(rest, SHOWN_NAME)} pid {one.pid}" if one.pid else safe(rest, SHOWN_NAME)
    return safe(f"{kind} {one.name or rest}", SHOWN_NAME)


def _notes(gathered: Gathered) -> Iterator[Text]:
    if gathered.silent:
        names = ", ".join(safe(name, 100) for name in gathered.silent)
        yield Text(f"no answer from: {names} (deadline {gathered.deadline:g} s)", style="yellow")
    for name, reply in gathered.replies.items():
        worker = safe(name, 100)
        if reply.cut:
            yield Text(f"not all of {worker}: its limit ({gathered.question.limit}) or its time was reached")
        if reply.since:
            yield Text(f"{worker} remembers since {_at(reply.since)}", style="dim")
        if reply.lost:
            told = ", ".join(f"{safe(cause, 100)} {number}" for cause, number in sorted(reply.lost.items()))
            yield Text(f"lost on {worker} so far: {told}", style="dim")


def _at(millis: int) -> str:
    return time_text(millis).replace("+00:00", "Z")


def instances_dot(gathered: Gathered) -> str:
    """The answer as a graph, causes above effects; what is missing is its title."""
    lines = ["digraph instances {", "  rankdir=TB; node [fontname=Helvetica, fontsize=10]; edge [fontsize=8];"]
    notes = "; ".join(note.plain for note in _notes(gathered))
    if notes:
        lines.append(f"  label={_quoted(notes)};")
    for at, (name, reply) in enumerate(gathered.replies.items()):
        lines += _Tree.of(name, reply, gathered.question.direction).dot(at)
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + safe(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def show_instances(gathered: Gathered, how: str) -> Group | str:
    """An answer in one of the formats `table`, `json`, `dot`."""
    if how == "json":
        return to_json(gathered.value())
    if how == "dot":
        return instances_dot(gathered)
    if how == "table":
        return instances_table(gathered)
    raise InputError("no such format", offending=how, hint="table, json or dot")
