"""Recorded behaviour at any size: containers of a recording repeated with seeded variation, attacks mixed in.

    workload = Workload(record(RECORDING, "web"), Variation(), seed=1)
    for instance in workload.instances(1_000_000): ...

Rules of this file
    - A template is one container's graph as the agent made it: labels, tags, edges in event order. Vertices that one
      request (an execution unit, with what it starts and what only it touches) has to itself are its *block*; all
      others are the container's own.
    - A copy varies: requests are left out or repeated, run in another order where neither knows of the other, and read
      other pages: another one of the same directory, or one of a growing stock of names that no recording has. Some
      names are written before they are read, some differ from others in their number only.
    - The stock grows as Heaps' law says: `heaps * vertices ** exponent` names, so that new behaviour never ends.
      Exponent 1 and a large factor make nearly every request new.
    - Order is kept where it carries knowledge: steps change places only within a *gap*, a stretch of one second in
      which no common vertex is learned from and taught, so that every copy is as time-respecting as the recording:
      what has passed something on learns nothing new. Times move by whole seconds, since the agent seals by them.
    - `cyclic` is the same graph without versions: one vertex per object, cycles and all.

Invariant: templates, variation and seed determine every instance; one instance is in memory at a time.
Complexity: O(vertices + edges); about as much as Python needs to copy them.
Source: issue "growth"; Heaps 1978; `agent.upg` (what sealing means).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.containers import Containers
from agent.pipeline import Pipeline
from agent.recording import open_recording, read_log
from agent.upg import EDGE, KINDS_OF_EDGE, NEXT_VERSION, Scope
from grammar.history import MARK, MUCH
from grammar.nodelink import Edge, LabelledGraph

MAIN: Final = -1
"""The owner of a vertex that belongs to no request."""
COPY: Final = -2
"""In a request's part: which copy of the request it is."""
SECOND: Final = 1_000
UNIT: Final = EDGE["WAS_TRIGGERED_BY", "unit"]
WRITE: Final = EDGE["WAS_GENERATED_BY", "write"]
VERSIONS: Final = frozenset(NEXT_VERSION.values())
LIBRARIES: Final = ("File /lib", "File /usr", "File /etc", "File /bin", "File /sbin", "File /proc", "File unknown")
"""What a request reads because of its program, not because of what it is asked for."""
NAMES_IN_A_FOLDER: Final = 100
SYLLABLES: Final = tuple(a + b for a in "bdfgklmnprstvz" for b in "aeiou")
REPEATS: Final = (0, 1, 1, 1, 1, 1, 2, 2, 3)
"""How often a request comes, each as likely as the others."""

Step = tuple[int, int, int]
"""Effect, kind of edge, cause."""
Group = tuple[int, tuple[Step, ...]]
"""A block (or MAIN), and its steps in a gap."""


@dataclass(frozen=True, slots=True)
class Template:
    """One recorded container. `gaps` are (milliseconds since the container began, groups that may change places)."""

    worker: str
    container: str
    app: str
    labels: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    objects: tuple[str, ...]
    owner: tuple[int, ...]
    gaps: tuple[tuple[int, tuple[Group, ...]], ...]
    pages: dict[int, dict[int, tuple[int, ...]]]
    """For each block the files that it was asked for, each with others that it might have been asked for."""


@dataclass(slots=True)
class Instance:
    """A copy: vertices in order of appearance, edges (effect, kind, cause, milliseconds) in event order."""

    worker: str
    container: str
    attack: bool
    labels: list[str] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    edges: list[tuple[int, int, int, int]] = field(default_factory=list)

    def cyclic(self) -> LabelledGraph:
        """The same without versions: one vertex for each object, cycles and all; edges are labelled as in dumps."""
        number: dict[tuple[str, str], int] = {}
        place = [number.setdefault(pair, len(number)) for pair in zip(self.labels, self.objects, strict=True)]
        names = ["/".join(pair) for pair in KINDS_OF_EDGE]
        kept = dict.fromkeys((place[e], k, place[c]) for e, k, c, _ in self.edges if k not in VERSIONS)
        edges = tuple(Edge(effect, cause, names[kind]) for effect, kind, cause in kept)
        return LabelledGraph(tuple(range(len(number))), tuple(label for label, _ in number), edges)


@dataclass(frozen=True, slots=True)
class Variation:
    """How much copies differ: names of the stock by Heaps' law, shares of pages that are known or stock ones.

    `attacks` is the share of containers that are the attacked one, `containers` how many stand on one worker.
    """

    heaps: float = 1.0
    exponent: float = 0.6
    other_page: float = 0.4
    stock_page: float = 0.1
    attacks: float = 0.02
    containers: int = 8


USUAL: Final = Variation()
ALL_NEW: Final = Variation(heaps=0.2, exponent=1.0)
"""Nearly every request asks for what nobody has asked for before."""


@dataclass(slots=True)
class _Graph:
    scope: Scope
    vertices: list[tuple[str, str]] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    edges: list[tuple[int, int, int, int]] = field(default_factory=list)


class _Recorder:
    """Keeps every vertex and edge of every container (`agent.upg.Recorder`)."""

    def __init__(self) -> None:
        self.graphs: dict[str, _Graph] = {}

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        graph = self.graphs.setdefault(scope.container, _Graph(scope))
        graph.vertices.append((label, ident))
        graph.states.append(-1)

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        self.graphs[scope.container].states[number - 1] = state

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        self.graphs[scope.container].edges.append((effect - 1, kind, cause - 1, millis))


def record(folder: Path, app: str | None = None, workers: int | None = None) -> list[Template]:
    """The containers of one application of a recording: `chosen` of all that its first `workers` workers show."""
    recording = open_recording(folder)
    found = []
    for worker, log in list(recording.logs.items())[:workers]:
        recorder = _Recorder()
        pipeline = Pipeline(Containers.of(recording.containers.get(worker, [])), 10 * SECOND, recorder=recorder)
        for chunk in read_log(log):
            for _ in pipeline.feed(chunk):
                pass
        for _ in pipeline.finish():
            pass
        found += [_template(worker, graph) for graph in recorder.graphs.values()]
    return chosen(found, app)


def chosen(templates: Sequence[Template], app: str | None = None) -> list[Template]:
    """Those of one application: by default of the one with most vertices, but not the host's."""
    sizes: dict[str, int] = defaultdict(int)
    for one in templates:
        sizes[one.app] += len(one.labels) if one.app != "host" else 0
    wanted = app or max(sorted(sizes), key=lambda name: sizes[name], default="")
    found = [one for one in templates if one.app == wanted and one.gaps]
    if not found:
        raise SystemExit(f"no application {wanted} here; there are {', '.join(sorted(sizes))}")
    return found


def attacked_container(folder: Path) -> str:
    """WORKER/CONTAINER of the first attack that a recording's labels name; "" if they name none."""
    place = folder / "labels.json"
    attacks = json.loads(place.read_bytes()).get("attacks", []) if place.is_file() else []
    return f"{attacks[0]['worker']}/{attacks[0]['container']}" if attacks else ""


def _template(worker: str, graph: _Graph) -> Template:
    labels = tuple(label for label, _ in graph.vertices)
    states = [graph.scope.states.states[state] if state >= 0 else ("", ()) for state in graph.states]
    tags = tuple(context[:-1] if context and _is_history(context[-1]) else context for _, context in states)
    owner = owners(labels, graph.edges)
    pages = _pages(labels, owner, graph.edges)
    objects = tuple(ident for _, ident in graph.vertices)
    scope = graph.scope
    gaps = _gaps(owner, graph.edges)
    return Template(worker, scope.container, scope.app, labels, tags, objects, tuple(owner), gaps, pages)


def _is_history(entry: str) -> bool:
    return entry == MUCH or (entry.startswith(MARK) and len(entry) == 9)


def owners(labels: Sequence[str], edges: Sequence[tuple[int, int, int, int]]) -> list[int]:
    """For each vertex the block that has it to itself: processes by what they were first told, then what they touch."""
    is_process = [label.startswith("Process ") for label in labels]
    owner = _owners_of_processes(is_process, edges)
    touched: list[set[int]] = [set() for _ in labels]
    for effect, _, cause, _ in edges:
        for one, other in ((effect, cause), (cause, effect)):
            if is_process[one] and not is_process[other]:
                touched[other].add(owner[one])
    for vertex, blocks in enumerate(touched):
        if len(blocks) == 1:
            owner[vertex] = blocks.pop()
    for effect, _, cause, _ in edges:
        if MAIN not in (owner[effect], owner[cause]) and owner[effect] != owner[cause]:
            owner[effect if not is_process[effect] else cause] = MAIN
    return owner


def _owners_of_processes(is_process: Sequence[bool], edges: Sequence[tuple[int, int, int, int]]) -> list[int]:
    """A unit begins a block; who is first told by one of a block is of it; blocks that tell each other are one."""
    into: list[int] = []

    def root(block: int) -> int:
        while block != MAIN and into[block] != block:
            block = into[block]
        return block

    owner, told = [MAIN] * len(is_process), [False] * len(is_process)
    for effect, kind, cause, _ in edges:
        if is_process[effect] and is_process[cause] and not told[effect]:
            owner[effect] = len(into) if kind == UNIT else owner[cause]
            into += [len(into)] if kind == UNIT else []
        elif owner[effect] != MAIN and owner[cause] != MAIN:
            into[root(owner[cause])] = root(owner[effect])
        told[effect] = True
    return [root(block) for block in owner]


def _gaps(
    owner: Sequence[int], edges: Sequence[tuple[int, int, int, int]]
) -> tuple[tuple[int, tuple[Group, ...]], ...]:
    begun = edges[0][3] // SECOND * SECOND if edges else 0
    gaps: list[tuple[int, dict[int, list[Step]]]] = []
    learned: set[int] = set()
    told: set[int] = set()
    second, barrier = -1, True
    for effect, kind, cause, millis in edges:
        blocks = owner[effect], owner[cause]
        fixed = blocks == (MAIN, MAIN)
        if fixed or barrier or millis // SECOND != second or effect in told or cause in learned:
            gaps.append((millis - begun, {}))
            learned, told, second = set(), set(), millis // SECOND
        if blocks[0] == MAIN:
            learned.add(effect)
        if blocks[1] == MAIN:
            told.add(cause)
        gaps[-1][1].setdefault(max(blocks), []).append((effect, kind, cause))
        barrier = fixed
    return tuple((at, tuple((block, tuple(steps)) for block, steps in groups.items())) for at, groups in gaps)


def _pages(
    labels: Sequence[str], owner: Sequence[int], edges: Sequence[tuple[int, int, int, int]]
) -> dict[int, dict[int, tuple[int, ...]]]:
    """What blocks were asked for: common files that they read and that learn nothing any more."""
    learns = {effect: position for position, (effect, _, _, _) in enumerate(edges)}
    begins: dict[int, int] = {}
    read: dict[int, dict[int, None]] = {}
    for position, (effect, kind, cause, _) in enumerate(edges):
        block = owner[effect]
        begins.setdefault(block, position)
        asked = labels[cause].startswith("File ") and not labels[cause].startswith(LIBRARIES)
        if block != MAIN and owner[cause] == MAIN and KINDS_OF_EDGE[kind][0] == "USED" and asked:
            read.setdefault(block, {})[cause] = None
    folders: dict[str, dict[int, None]] = {}
    for page in dict.fromkeys(page for pages in read.values() for page in pages):
        folders.setdefault(labels[page].rpartition("/")[0], {})[page] = None
    found: dict[int, dict[int, tuple[int, ...]]] = {}
    for block, pages in read.items():
        for page in pages:
            others = folders[labels[page].rpartition("/")[0]]
            ready = tuple(one for one in others if learns.get(one, -1) < begins[block])
            found.setdefault(block, {})[page] = ready
    return found


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the stock: its label once its numbers are learned, and the one under which it is met first."""

    label: str
    first: str
    written: bool


def stock_name(number: int) -> Name:
    """The name of that number; in each folder every eighth has a number in it, every fourth is written first.

    >>> stock_name(0).label, stock_name(8).first
    ('File /srv/ba/baba{int}.html', 'File /srv/ba/bado8.html')
    """
    folder, name = _word(number // NAMES_IN_A_FOLDER), _word(number % NAMES_IN_A_FOLDER + len(SYLLABLES))
    label = f"File /srv/{folder}/{name}.html"
    if number % 8:
        return Name(label, label, number % 4 == 1)
    return Name(f"File /srv/{folder}/{name}{{int}}.html", f"File /srv/{folder}/{name}{number}.html", False)


def _word(number: int) -> str:
    text = SYLLABLES[number % len(SYLLABLES)]
    while number := number // len(SYLLABLES):
        text = SYLLABLES[(number - 1) % len(SYLLABLES)] + text
    return text


class Workload:
    """Copies of templates, one after another; `learned` are the patterns that the copies so far have used."""

    def __init__(
        self, templates: Sequence[Template], variation: Variation = USUAL, seed: int = 1, attacked: str = ""
    ) -> None:
        self.variation = variation
        self.random = random.Random(seed)
        self.stock: list[Name] = []
        self.vertices = 0
        self.learned: set[str] = {
            label
            for one in templates
            for label in one.labels
            if label.startswith("File /") and "{int}" in label.rpartition("/")[2]
        }
        self._copies = 0
        self._plain = [one for one in templates if f"{one.worker}/{one.container}" != attacked] or list(templates)
        self._attacked = [one for one in templates if f"{one.worker}/{one.container}" == attacked]

    def instances(self, vertices: int) -> Iterator[Instance]:
        """Copies until there are at least that many vertices; the last one ends early."""
        while self.vertices < vertices:
            before = self.vertices
            instance = self.instance(vertices - before)
            if self.vertices == before:
                raise SystemExit("the recording has no vertices to repeat")
            yield instance

    def instance(self, most: int) -> Instance:
        """The next copy, of at most about `most` vertices."""
        attack = bool(self._attacked) and self.random.random() < self.variation.attacks
        template = self.random.choice(self._attacked if attack else self._plain)
        number, self._copies = self._copies, self._copies + 1
        worker, container = (f"w{number // self.variation.containers + 1:05}", f"c{number + 1:06}")
        begin = SECOND * (1_700_000_000 + self.random.randrange(3_600))
        copy = _Copy(self, template, Instance(worker, container, attack), begin)
        copy.run(most)
        return copy.made

    def name(self, known: int) -> tuple[Name, bool] | None:
        """A stock name for a request, and whether it is new; None if it is to ask for what was recorded."""
        variation = self.variation
        if len(self.stock) < variation.heaps * (self.vertices + known) ** variation.exponent:
            name = stock_name(len(self.stock))
            self.stock.append(name)
            if name.label != name.first:
                self.learned.add(name.label)
            return name, True
        if self.stock and self.random.random() < variation.stock_page:
            return self.stock[int(len(self.stock) * self.random.random() ** 2)], False
        return None


class _Copy:
    """One copy in the making: where vertices of the template, and names of the stock, stand in it."""

    def __init__(self, workload: Workload, template: Template, made: Instance, begin: int) -> None:
        self.workload, self.template, self.made, self.begin = workload, template, made, begin
        self.random = workload.random
        self._common: dict[int, int] = {}
        self._named: dict[str, int] = {}
        self._copies: dict[int, list[dict[int, int]]] = {}
        self._writers: dict[int, dict[int, int] | None] = {}
        self._written: set[int] = set()

    def run(self, most: int) -> None:
        """Go through the template until there are enough vertices."""
        labels, shuffle = self.made.labels, self.random.shuffle
        for at, groups in self.template.gaps:
            millis = self.begin + at
            mixed = list(groups)
            if len(mixed) > 1:
                shuffle(mixed)
            for block, steps in mixed:
                for place in self._places(block):
                    self._steps(steps, place, millis)
                if len(labels) >= most:
                    self.workload.vertices += len(labels)
                    return
        self.workload.vertices += len(labels)

    def _places(self, block: int) -> Sequence[dict[int, int]]:
        if block == MAIN:
            return (self._common,)
        places = self._copies.get(block)
        if places is None:
            pages = self.template.pages.get(block, {})
            number = self.random.choice(REPEATS)
            places = self._copies[block] = []
            for copy in range(number):
                place = {COPY: copy}
                places.append(place)
                place |= {page: self._asked(page, others, place) for page, others in pages.items()}
        return places

    def _asked(self, page: int, others: Sequence[int], by: dict[int, int]) -> int:
        """What a request reads in place of a page."""
        found = self.workload.name(len(self.made.labels))
        if found is None:
            if others and self.random.random() < self.workload.variation.other_page:
                page = self.random.choice(others)
            return self._at(page, self._common)
        name, new = found
        place = self._named.get(name.label)
        if place is None:
            place = self._named[name.label] = self._new(name.first if new else name.label, (), name.label)
            self._writers[place] = by if name.written else None
        return place

    def _steps(self, steps: Sequence[Step], place: dict[int, int], millis: int) -> None:
        edges, writers = self.made.edges, self._writers
        for effect, kind, cause in steps:
            one = place.get(effect, -1)
            if one < 0:
                one = self._at(effect, place)
            other = place.get(cause, -1)
            if other < 0:
                other = self._at(cause, place)
            if other not in writers or self._is_read(other, place):
                edges.append((one, kind, other, millis))
            elif other not in self._written:
                self._written.add(other)
                edges.append((other, WRITE, one, millis))

    def _is_read(self, named: int, place: dict[int, int]) -> bool:
        """Whether a name of the stock is read; not by who writes it, unless another one has been there before."""
        writer = self._writers[named]
        if writer is place:
            return False
        if writer is not None and named not in self._written:
            self._writers[named] = None
        return True

    def _at(self, vertex: int, place: dict[int, int]) -> int:
        """Where a vertex of the template stands, in a request's own part or in the common one."""
        template = self.template
        label, name = template.labels[vertex], template.objects[vertex]
        if template.owner[vertex] == MAIN:
            place = self._common
        elif place[COPY] and not label.startswith("Process "):
            name = f"{name}~{place[COPY]}"
        found = place.get(vertex, -1)
        if found < 0:
            found = place[vertex] = self._new(label, template.tags[vertex], name)
        return found

    def _new(self, label: str, tags: tuple[str, ...], name: str) -> int:
        made = self.made
        made.labels.append(label)
        made.tags.append(tags)
        made.objects.append(name)
        return len(made.labels) - 1
