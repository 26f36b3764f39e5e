"""The universal provenance graph of one container: vertices, edges, versions, units.

Rules of this file
    - Edges point from effect to cause. A vertex that has passed something on is *sealed*; what learns something new
      after that is a new version, joined to the old one by an edge of operation `version` (only then), so that
      reachability in the graph is causality in time (fidelity: without versions tracing precision is 0.5 whatever the
      learner does).
    - A sealed vertex has a state: its label and a context, which is its tags (the programs that it descends from, how
      it came in, its unit) and what its causal history makes of them (`grammar.history`). Until then its edges wait.
    - Every second of log time, and the end of an epoch, seal what is open: it is told then, and must not change any
      more. (So states do not depend on how long epochs of whole seconds are.)
    - Only what is live is held: processes, open descriptors, recently used files. A vertex is dropped with its last
      holder, at the latest with the second.
    - What has been seen of a container is a set of transitions (state, relation and operation, state); what is new
      since the last epoch is a list. The hot path is: known already, return.

Invariant: every edge's cause is sealed; every causal path in the graph runs back in time; a sealed vertex's history
is what it will always be.
Complexity: O(1) per event; memory O(live objects + vertices of a second + transitions seen).
Source: W3C PROV / OPM (relations); SPADE and ProTracer (units); fidelity notes of the design.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from agent.syscalls import OPERATIONS
from grammar import Histories

RELATIONS: Final = ("USED", "WAS_GENERATED_BY", "WAS_TRIGGERED_BY", "WAS_DERIVED_FROM")
KINDS_OF_EDGE: Final = tuple((relation, operation) for relation in RELATIONS for operation in OPERATIONS)
EDGE: Final = {pair: number for number, pair in enumerate(KINDS_OF_EDGE)}
"""Relation and operation as one small number: `EDGE["USED", "read"]`."""

NEXT_VERSION: Final = {
    "Process": EDGE["WAS_TRIGGERED_BY", "version"],
    "Artifact": EDGE["WAS_DERIVED_FROM", "version"],
}
MAX_KNOWN: Final = 512
"""Causes that an actor or artifact remembers; past it memory starts afresh: that costs repeated edges, never truth."""

State = tuple[str, tuple[str, ...]]
Transition = tuple[int, int, int]


UNKNOWN: Final = -1
MAX_SETTLED: Final = 16_384
"""Histories whose state is remembered; past it they are looked up anew."""
MAX_STATES: Final = 32_768
"""States of one application; what is new beyond them is told by its kind alone: a flood must not fill memory."""
ANY: Final = " {any}"
MAX_SEEN: Final = 131_072
"""Transitions that a scope remembers; what is new beyond them is counted, not told."""
MAX_DID: Final = 64
"""What one unit is remembered to have started and written; a line of its log covers no more than that."""
MAX_OPEN: Final = 8_192
"""Vertices that wait to be sealed, a container; past it those that are still open are sealed as they are."""


class Vertex:
    """One version of one process, unit or artifact.

    `history` are the bits of what it has come from; `passed`, once it is sealed, those and its own.
    """

    __slots__ = ("command", "history", "ident", "label", "number", "passed", "state", "tags", "waiting")

    def __init__(self, label: str, tags: tuple[str, ...], ident: str, number: int) -> None:
        self.label, self.tags, self.ident, self.number = label, tags, ident, number
        self.state, self.history, self.passed, self.command = UNKNOWN, 0, 0, ""
        self.waiting: list[tuple[int, int, int]] = []

    @property
    def sealed(self) -> bool:
        """Whether it has passed something on, or been told."""
        return self.state != UNKNOWN


class Recorder(Protocol):
    """Who wants every vertex and edge (a dump, an instance store); most runs have none."""

    def vertex(self, scope: Scope, number: int, label: str, ident: str) -> None:
        """A new vertex; numbers of a scope count from 1."""

    def sealed(self, scope: Scope, number: int, state: int) -> None:
        """A vertex has its state."""

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """One new edge, in event order."""


@runtime_checkable
class CommandRecorder(Recorder, Protocol):
    """A recorder that also wants command lines."""

    def command(self, ident: str, text: str) -> None:
        """The process of that identity runs this."""


class States:
    """The states that one worker has seen of one application: a table of (label, context), and their histories.

    `beyond` counts what came when the table was full.
    """

    __slots__ = ("_settled", "beyond", "bits", "commands", "histories", "number_of", "states")

    def __init__(self) -> None:
        self.beyond = 0
        self.number_of: dict[State, int] = {}
        self.states: list[State] = []
        self.bits: list[int] = []
        self.commands: dict[int, str] = {}
        self.histories = Histories()
        self._settled: dict[tuple[str, tuple[str, ...], int], int] = {}

    def number(self, label: str, context: tuple[str, ...]) -> int:
        """The number of a state, a new one if it is new; `bits` has the bit of its label."""
        key = (label, context)
        number = self.number_of.get(key)
        if number is None and len(self.states) >= MAX_STATES and not label.endswith(ANY):
            self.beyond += 1
            return self.number(label.partition(" ")[0] + ANY, ())
        if number is None:
            number = self.number_of[key] = len(self.states)
            self.states.append(key)
            self.bits.append(self.histories.bit(label))
        return number

    def settle(self, vertex: Vertex) -> int:
        """The state of a vertex that learns nothing more; its command line is an example: the smallest is kept."""
        key = (vertex.label, vertex.tags, vertex.history)
        number = self._settled.get(key)
        if number is None:
            if len(self._settled) >= MAX_SETTLED:
                self._settled.clear()
            number = self._settled[key] = self.number(vertex.label, self.histories.context(*key))
        command = vertex.command
        if command and (number not in self.commands or command < self.commands[number]):
            self.commands[number] = command
        return number


@dataclass(slots=True)
class Clock:
    """Log time, shared by all scopes of a worker: monotone milliseconds (see `agent.logtime`)."""

    millis: int = 0


@dataclass(slots=True, eq=False)
class Artifact:
    """A file, one direction of a socket, a pipe, a piece of memory: label, identity, its current version.

    `inert` ones carry nothing from a writer to a reader (/dev/null, a directory): reads and writes never meet in them.
    `blank` says that nothing was in it before it was seen. `own` is the actor, if there is one, to whom nothing in it
    is new: it has put all of it there, or has taken in the rest.
    """

    kind: str
    label: str
    ident: str
    inert: bool = False
    blank: bool = True
    vertex: Vertex | None = None
    sink: Artifact | None = None
    own: Actor | None = None
    known: dict[Vertex, int] = field(default_factory=dict)


class Actor:
    """A process outside any unit, or one of its units: what acts, and what it knows.

    Of a unit, `did` are the artifacts that it has written and the processes that it has started, `peer` is who asked,
    `done` says that a line of the log has ended it, `begun` is when it began.
    """

    __slots__ = ("begun", "context", "did", "done", "ident", "known", "label", "peer", "vertex")

    def __init__(self, label: str, context: tuple[str, ...], ident: str, vertex: Vertex) -> None:
        self.label, self.context, self.ident, self.vertex = label, context, ident, vertex
        self.known: dict[Vertex, int] = {}
        self.did: dict[object, None] | None = None
        self.done, self.peer, self.begun = False, "", 0


class Scope:
    """The graph of one container (or of the host's own processes) on one worker.

    `seen` are the transitions so far, `fresh` those since the last epoch (the first and the last of them at
    `fresh_first` and `fresh_last`); `vertices`, `edges` and `calls` count since then too. `counts` says how many
    vertices each state has stood for; `risen` are the states whose level has changed (`Span.level`); `beyond` counts
    what was not told because `seen` was full. `recent` are the last units with their beginnings and processes, if lines
    of a log are joined by time.
    """

    def __init__(
        self, app: str, container: str, states: States, clock: Clock, recorder: Recorder | None = None
    ) -> None:
        self.app, self.container, self.states = app, container, states
        self.clock, self.recorder = clock, recorder
        self._commands = recorder if isinstance(recorder, CommandRecorder) else None
        self.seen: set[Transition] = set()
        self.fresh: list[Transition] = []
        self.lone: dict[int, None] = {}
        self.counts: dict[int, int] = {}
        self.risen: dict[int, None] = {}
        self.vertices = self.edges = self.beyond = self._numbers = 0
        self.fresh_first = self.fresh_last = self.calls = 0
        self.open: list[Vertex] = []
        self.recent: deque[tuple[int, object, Actor]] | None = None

    @property
    def made(self) -> int:
        """How many vertices there have been: the number of the last one."""
        return self._numbers

    def vertex(self, label: str, tags: tuple[str, ...], ident: str) -> Vertex:
        """A new vertex."""
        number = self._numbers = self._numbers + 1
        self.vertices += 1
        vertex = Vertex(label, tags, ident, number)
        if len(self.open) >= MAX_OPEN:
            self.flush()
        self.open.append(vertex)
        if self.recorder is not None:
            self.recorder.vertex(self, number, label, ident)
        return vertex

    def seal(self, vertex: Vertex) -> None:
        """`vertex` learns nothing more: it gets its state, and what it has come from is told."""
        if vertex.state != UNKNOWN:
            return
        state = vertex.state = self.states.settle(vertex)
        vertex.passed = vertex.history | self.states.bits[state]
        count = self.counts.get(state, 0) + 1
        self.counts[state] = count
        if count == 1:
            self.lone[state] = None
        elif not count & (count - 1) and count.bit_length() & 1:
            self.risen[state] = None
        if self.recorder is not None:
            self.recorder.sealed(self, vertex.number, state)
            if vertex.command and self._commands is not None:
                self._commands.command(vertex.ident, vertex.command)
        for kind, cause, millis in vertex.waiting:
            self._transition(state, kind, cause, millis)
        vertex.waiting.clear()

    def flush(self) -> None:
        """Seal all that is open."""
        for vertex in self.open:
            if vertex.state == UNKNOWN:
                self.seal(vertex)
        self.open.clear()

    def forget(self) -> None:
        """From here on what has been told is told again when it happens again."""
        self.seen.clear()
        self.counts.clear()
        self.risen.clear()

    def edge(self, effect: Vertex, kind: int, cause: Vertex) -> None:
        """A new edge; the cause has now passed something on."""
        if cause.state == UNKNOWN:
            self.seal(cause)
        self.edges += 1
        if effect.state == UNKNOWN:
            effect.history |= cause.passed
            effect.waiting.append((kind, cause.state, self.clock.millis))
        else:
            self._transition(effect.state, kind, cause.state, self.clock.millis)
        if self.recorder is not None:
            self.recorder.edge(self, effect.number, kind, cause.number, self.clock.millis)

    def _transition(self, effect: int, kind: int, cause: int, millis: int) -> None:
        transition = (effect, kind, cause)
        if transition not in self.seen:
            if len(self.seen) >= MAX_SEEN:
                self.beyond += 1
                return
            self.seen.add(transition)
            self.fresh.append(transition)
            self.fresh_last = max(self.fresh_last, millis)
            self.fresh_first = min(self.fresh_first, millis) if self.fresh_first else millis

    def take(self, artifact: Artifact, actor: Actor, kind: int) -> None:
        """`actor` learns what `artifact` holds now (USED)."""
        held = artifact.vertex
        if held is None:
            held = artifact.vertex = self.vertex(artifact.label, (), artifact.ident)
        known = actor.known
        mask = known.get(held, 0)
        bit = 1 << kind
        if mask & bit:
            return
        if not mask and artifact.own is actor:
            return  # its own words read back: nothing new
        if not mask and actor.vertex.sealed:
            self.renew(actor)
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[held] = mask | bit
        self.edge(actor.vertex, kind, held)

    def give(self, artifact: Artifact, actor: Actor, kind: int) -> None:
        """`artifact` learns what `actor` knows now (WAS_GENERATED_BY)."""
        if artifact.inert:
            artifact = self._sink(artifact)
        giver = actor.vertex
        known = artifact.known
        mask = known.get(giver, 0)
        bit = 1 << kind
        if mask & bit:
            return
        if actor.did is not None and len(actor.did) < MAX_DID:
            actor.did[artifact] = None
        held = artifact.vertex
        if artifact.own is not actor:
            known_to = artifact.blank if held is None else held in actor.known
            artifact.own = actor if known_to else None
        if held is None or (not mask and held.sealed):
            new = self.vertex(artifact.label, (), artifact.ident)
            if held is not None:
                self.edge(new, NEXT_VERSION["Artifact"], held)
            artifact.vertex = held = new
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[giver] = mask | bit
        self.edge(held, kind, giver)

    def derive(self, target: Artifact, source: Artifact, actor: Actor, kind: int) -> None:
        """`target` takes over what `source` holds, by an act of `actor` (WAS_DERIVED_FROM beside its own edge)."""
        held = source.vertex
        if held is None:
            held = source.vertex = self.vertex(source.label, (), source.ident)
        new = self.vertex(target.label, (), target.ident)
        if target.vertex is not None and target.vertex is not held:
            self.edge(new, NEXT_VERSION["Artifact"], target.vertex)
        target.vertex, target.known, target.own = new, {}, None
        self.edge(new, EDGE["WAS_DERIVED_FROM", KINDS_OF_EDGE[kind][1]], held)

    def rename(self, artifact: Artifact, label: str, ident: str, actor: Actor, kind: int) -> None:
        """`artifact` has another name from here on, also for those who hold it open; its content goes with it."""
        held = artifact.vertex
        if held is None:
            held = self.vertex(artifact.label, (), artifact.ident)
        artifact.label, artifact.ident, artifact.sink = label, ident, None
        artifact.vertex = self.vertex(label, (), ident)
        self.edge(artifact.vertex, EDGE["WAS_DERIVED_FROM", KINDS_OF_EDGE[kind][1]], held)

    def renew(self, actor: Actor) -> None:
        """A new version of `actor`, which has passed something on and learns something new."""
        old = actor.vertex
        actor.vertex = self.vertex(actor.label, actor.context, actor.ident)
        self.edge(actor.vertex, NEXT_VERSION["Process"], old)

    def trigger(self, actor: Actor, kind: int, cause: Vertex) -> None:
        """`actor` learns from another process (WAS_TRIGGERED_BY)."""
        if cause is actor.vertex:
            return
        bit = 1 << kind
        mask = actor.known.get(cause, 0)
        if mask & bit:
            return
        if not mask and actor.vertex.sealed:
            self.renew(actor)
        if len(actor.known) >= MAX_KNOWN:
            actor.known.clear()
        actor.known[cause] = mask | bit
        self.edge(actor.vertex, kind, cause)

    def _sink(self, artifact: Artifact) -> Artifact:
        if artifact.sink is None:
            artifact.sink = Artifact(artifact.kind, artifact.label, artifact.ident + "#sink")
        return artifact.sink
