"""The universal provenance graph of one container: vertices, edges, versions, units.

Rules of this file
    - Edges point from effect to cause. A vertex that has passed something on is *sealed*; what learns something new
      after that is a new version, joined to the old one by an edge of operation `version` (only then), so that
      reachability in the graph is causality in time (fidelity: without versions tracing precision is 0.5 whatever the
      learner does).
    - A vertex is a number and its state: (label, context). The context is what is known when the vertex begins: the
      programs that it descends from, the execution unit, the causes that its versions began with. It is final as soon
      as the vertex has passed something on, whatever the epochs. (One move before that: a unit's first file joins its
      context.)
    - Only what is live is held: processes, open descriptors, recently used files. A vertex is dropped with its last
      holder.
    - What has been seen of a container is a set of transitions (state, relation and operation, state); what is new
      since the last epoch is a list. The hot path is: known already, return.

Invariant: every edge's cause is sealed; every causal path in the graph runs back in time.
Complexity: O(1) per event; memory O(live objects + transitions seen).
Source: W3C PROV / OPM (relations); SPADE and ProTracer (units); fidelity notes of the design.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.syscalls import OPERATIONS

RELATIONS: Final = ("USED", "WAS_GENERATED_BY", "WAS_TRIGGERED_BY", "WAS_DERIVED_FROM")
KINDS_OF_EDGE: Final = tuple((relation, operation) for relation in RELATIONS for operation in OPERATIONS)
EDGE: Final = {pair: number for number, pair in enumerate(KINDS_OF_EDGE)}
"""Relation and operation as one small number: `EDGE["USED", "read"]`."""

NEXT_VERSION: Final = {
    "Process": EDGE["WAS_TRIGGERED_BY", "version"],
    "Artifact": EDGE["WAS_DERIVED_FROM", "version"],
}
MAX_TURNS: Final = 3
"""Turns that tell states apart: more move the model along its curve of precision against size (`bench/fidelity.py`)."""
MUCH: Final = ("much",)
MAX_KNOWN: Final = 512
"""Causes that an actor or artifact remembers; past it memory starts afresh: that costs repeated edges, never truth."""

State = tuple[str, tuple[str, ...]]
Transition = tuple[int, int, int]


class Vertex:
    """One version of one process, unit or artifact."""

    __slots__ = ("number", "sealed", "state")

    def __init__(self, state: int, number: int) -> None:
        self.state, self.number, self.sealed = state, number, False


class Recorder(Protocol):
    """Who wants every vertex and edge (a dump, an instance store); most runs have none."""

    def vertex(self, scope: Scope, number: int, state: int, ident: str) -> None:
        """One new vertex."""

    def moved(self, scope: Scope, number: int, state: int) -> None:
        """A vertex that has passed nothing on yet is in another state now."""

    def edge(self, scope: Scope, effect: int, kind: int, cause: int, millis: int) -> None:
        """One new edge, in event order."""


class States:
    """The states that one worker has seen of one application: a table of (label, context)."""

    __slots__ = ("commands", "number_of", "states")

    def __init__(self) -> None:
        self.number_of: dict[State, int] = {}
        self.states: list[State] = []
        self.commands: dict[int, str] = {}

    def number(self, label: str, context: tuple[str, ...]) -> int:
        """The number of a state, a new one if it is new."""
        key = (label, context)
        number = self.number_of.get(key)
        if number is None:
            number = self.number_of[key] = len(self.states)
            self.states.append(key)
        return number


@dataclass(slots=True)
class Clock:
    """Log time, shared by all scopes of a worker: monotone milliseconds (see `agent.logtime`)."""

    millis: int = 0


@dataclass(slots=True)
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

    `opening` is a unit's cause until its first file is known: requests for different things are different states.
    `turns` are the causes that its versions began with, sorted, at most `MAX_TURNS` of them; more are `MUCH`.
    """

    __slots__ = ("context", "ident", "known", "label", "opening", "turns", "vertex")

    def __init__(self, label: str, context: tuple[str, ...], ident: str, vertex: Vertex) -> None:
        self.label, self.context, self.ident, self.vertex = label, context, ident, vertex
        self.known: dict[Vertex, int] = {}
        self.opening: Vertex | None = None
        self.turns: tuple[str, ...] = ()


class Scope:
    """The graph of one container (or of the host's own processes) on one worker.

    `seen` are the transitions so far, `fresh` those since the last epoch (the first and
    the last of them at `fresh_first` and `fresh_last`); `vertices`, `edges` and `calls` count since then too.
    """

    def __init__(
        self, app: str, container: str, states: States, clock: Clock, recorder: Recorder | None = None
    ) -> None:
        self.app, self.container, self.states = app, container, states
        self.clock, self.recorder = clock, recorder
        self.seen: set[Transition] = set()
        self.fresh: list[Transition] = []
        self.lone: dict[int, None] = {}
        self.used: set[int] = set()
        self.vertices = self.edges = self._numbers = 0
        self.fresh_first = self.fresh_last = self.calls = 0

    def vertex(self, label: str, context: tuple[str, ...], ident: str) -> Vertex:
        """A new vertex."""
        state = self.states.number(label, context)
        number = self._numbers = self._numbers + 1
        self.vertices += 1
        self._use(state)
        if self.recorder is not None:
            self.recorder.vertex(self, number, state, ident)
        return Vertex(state, number)

    def _use(self, state: int) -> None:
        if state not in self.used:
            self.used.add(state)
            self.lone[state] = None

    def edge(self, effect: Vertex, kind: int, cause: Vertex) -> None:
        """A new edge; the cause has now passed something on."""
        cause.sealed = True
        self.edges += 1
        self._transition(effect.state, kind, cause.state)
        if self.recorder is not None:
            self.recorder.edge(self, effect.number, kind, cause.number, self.clock.millis)

    def _transition(self, effect: int, kind: int, cause: int) -> None:
        transition = (effect, kind, cause)
        if transition not in self.seen:
            self.seen.add(transition)
            self.fresh.append(transition)
            self.fresh_last = self.clock.millis
            self.fresh_first = self.fresh_first or self.clock.millis

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
        if not mask and actor.opening is not None and artifact.kind == "File":
            self._open(actor, f"first {artifact.label}")
        if not mask and actor.vertex.sealed:
            self.renew(actor, KINDS_OF_EDGE[kind][1], artifact.label)
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
        held = artifact.vertex
        if artifact.own is not actor:
            known_to = artifact.blank if held is None else held in actor.known
            artifact.own = actor if known_to else None
        if held is None or (not mask and held.sealed):
            turn = f"{KINDS_OF_EDGE[kind][1]} {actor.label}"
            new = self.vertex(artifact.label, (turn, *actor.context, *actor.turns), artifact.ident)
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
        new = self.vertex(target.label, (f"{KINDS_OF_EDGE[kind][1]} {actor.label}", *actor.context), target.ident)
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
        artifact.vertex = self.vertex(label, (f"{KINDS_OF_EDGE[kind][1]} {actor.label}", *actor.context), ident)
        self.edge(artifact.vertex, EDGE["WAS_DERIVED_FROM", KINDS_OF_EDGE[kind][1]], held)

    def _open(self, actor: Actor, entry: str) -> None:
        """A unit's first file: if it has passed nothing on yet, its vertex moves to the state of such units."""
        start, actor.opening = actor.opening, None
        vertex = actor.vertex
        if vertex.sealed or start is None:
            return
        actor.context = (*actor.context, entry)
        vertex.state = self.states.number(actor.label, actor.context)
        self._use(vertex.state)
        self._transition(vertex.state, EDGE["WAS_TRIGGERED_BY", "unit"], start.state)
        for held, mask in actor.known.items():
            for kind in range(mask.bit_length()):
                if mask >> kind & 1:
                    self._transition(vertex.state, kind, held.state)
        if self.recorder is not None:
            self.recorder.moved(self, vertex.number, vertex.state)

    def renew(self, actor: Actor, operation: str, cause_label: str) -> None:
        """A new version of `actor`, begun by a cause of that label."""
        old = actor.vertex
        actor.opening = None
        turn = f"{operation} {cause_label}"
        if actor.turns != MUCH and turn not in actor.turns:
            turns = tuple(sorted((*actor.turns, turn)))
            actor.turns = turns if len(turns) <= MAX_TURNS else MUCH
        context = (*actor.context, *actor.turns, *((turn,) if actor.turns == MUCH else ()))
        actor.vertex = self.vertex(actor.label, context, actor.ident)
        self.edge(actor.vertex, NEXT_VERSION["Process"], old)

    def trigger(self, actor: Actor, kind: int, cause: Vertex, cause_label: str) -> None:
        """`actor` learns from another process (WAS_TRIGGERED_BY)."""
        if cause is actor.vertex:
            return
        bit = 1 << kind
        mask = actor.known.get(cause, 0)
        if mask & bit:
            return
        if not mask and actor.vertex.sealed:
            self.renew(actor, KINDS_OF_EDGE[kind][1], cause_label)
        if len(actor.known) >= MAX_KNOWN:
            actor.known.clear()
        actor.known[cause] = mask | bit
        self.edge(actor.vertex, kind, cause)

    def _sink(self, artifact: Artifact) -> Artifact:
        if artifact.sink is None:
            artifact.sink = Artifact(artifact.kind, artifact.label, artifact.ident + "#sink")
        return artifact.sink
