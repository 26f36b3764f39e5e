"""Lines of a process as log strings of its profile: each thread of execution is followed along the profile's edges.

Rules of this file
    - A line that no string matches is None, and moves nothing: a profile that is wrong or of another version gives no
      answer, never a wrong one. One that hardly ever answers is said to be useless (`trust`).
    - What a line seems to be is said at once; what it was is among the settled, once for every line that had an answer,
      in order within its track.
    - State is plain data with bounds. A track that is pushed out is settled first, so nothing is lost.

Complexity: that of the matcher and the beam; memory at most `MAX_TRACKS` beams.
Source: DisProTrack Algorithm 2; design section 2 (execution unit).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.resolver_beam import BREAK, UNSURE, Beam, Choice, How
from agent.resolver_strings import Strings
from grammar.profile import Profile

MAX_TRACKS: Final = 4_096
ENOUGH: Final = 200
"""Lines before a profile is judged; the last so many to twice as many count."""
USELESS: Final = 0.01
"""Share of lines with an answer below which a profile is of no use."""


class Neighbours(Protocol):
    """What is asked of `grammar.follow.Follow`."""

    @property
    def loop_firsts(self) -> frozenset[int]:
        """Strings that may be the first of an iteration."""

    @property
    def loop_lasts(self) -> frozenset[int]:
        """Strings that may be the last."""

    @property
    def entries(self) -> frozenset[int]:
        """Strings that may come first where the caller is not known."""

    def follows(self, a: int, b: int) -> bool:
        """True if `b` may come next after `a`."""

    def leaves(self, string: int) -> bool:
        """True if after it a caller that is not known may go on."""


@dataclass(frozen=True, slots=True)
class Track:
    """A thread of execution: what interleaves with others only as a whole."""

    process: int
    thread: str = ""
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The log string (position in the profile) that a line is; `number` counts the lines of the resolver.

    `begins` and `ends` say that it may be the first or last of an iteration of an event-handling loop.
    """

    track: Track
    number: int
    string: int
    how: How
    begins: bool
    ends: bool

    @property
    def settled(self) -> bool:
        """True if no later line changes it."""
        return self.how != "open"

    @property
    def ambiguous(self) -> bool:
        """True if other strings match the line as well."""
        return self.how != "only"


@dataclass(frozen=True, slots=True)
class Trust:
    """How many of the last lines the profile had an answer for."""

    lines: int
    matched: int

    @property
    def useless(self) -> bool:
        """True if there were many lines and hardly any was the profile's."""
        return self.lines >= ENOUGH and self.matched < USELESS * self.lines


@dataclass(slots=True)
class State:
    """What is remembered; it can be pickled."""

    beams: OrderedDict[Track, Beam] = field(default_factory=OrderedDict)
    number: int = 0
    lines: int = 0
    matched: int = 0


class Resolver:
    """One application's lines against its profile.

    >>> from grammar.follow import Follow
    >>> from grammar.profile import LogString
    >>> one = LogString("1", "started %d", "started {int}", 0, 0, "emits")
    >>> profile = Profile((), (one,))
    >>> resolver = Resolver(profile, Follow(profile))
    >>> resolver.resolve(Track(7), "started 5").string, resolver.resolve(Track(7), "what?")
    (0, None)
    """

    def __init__(
        self,
        profile: Profile,
        neighbours: Neighbours,
        state: State | None = None,
        strings: Strings | None = None,
    ) -> None:
        self.strings: Final = strings or Strings(profile)
        self.state: Final = State() if state is None else state
        self._neighbours = neighbours
        self._settled: list[Resolved] = []

    def resolve(
        self, track: Track, message: str, component: str = "", level: str = "", cut: bool = False
    ) -> Resolved | None:
        """What the line seems to be; None if it is none of the profile's. What it was comes from `take`."""
        every = self.strings.match(message, component, level, cut)
        found = self.strings.narrow(every)
        self._count(bool(found))
        if not found:
            return None
        state = self.state
        state.number += 1
        beam = state.beams.get(track)
        if beam is None:
            beam = self._new(track)
        else:
            state.beams.move_to_end(track)
        self._add(track, beam.take(state.number, found, self._step, len(found) < len(every)))
        if self._settled and self._settled[-1].number == state.number:
            return self._settled[-1]
        return self._resolved(track, Choice(state.number, beam.best, "open"))

    def end(self, track: Track) -> None:
        """A unit of the track has ended: what waits is settled. Its place in the profile is kept."""
        beam = self.state.beams.get(track)
        if beam is not None:
            self._add(track, beam.settle(self._step))

    def drop(self, track: Track) -> None:
        """The track has ended."""
        self.end(track)
        self.state.beams.pop(track, None)

    def flush(self) -> None:
        """Settle all."""
        for track in self.state.beams:
            self.end(track)

    def take(self) -> list[Resolved]:
        """What was settled since the last time."""
        found, self._settled = self._settled, []
        return found

    @property
    def trust(self) -> Trust:
        """Whether the profile fits what the application logs."""
        return Trust(self.state.lines, self.state.matched)

    def _new(self, track: Track) -> Beam:
        beams = self.state.beams
        if len(beams) >= MAX_TRACKS:
            self.drop(next(iter(beams)))
        beam = beams[track] = Beam()
        return beam

    def _count(self, matched: bool) -> None:
        state = self.state
        if state.lines >= 2 * ENOUGH:
            state.lines //= 2
            state.matched //= 2
        state.lines += 1
        state.matched += matched

    def _step(self, a: int, b: int) -> int:
        if self._neighbours.follows(a, b):
            return 0
        return UNSURE if b in self._neighbours.entries and self._neighbours.leaves(a) else BREAK

    def _add(self, track: Track, choices: Iterable[Choice]) -> None:
        self._settled += [self._resolved(track, choice) for choice in choices]

    def _resolved(self, track: Track, choice: Choice) -> Resolved:
        begins, ends = choice.string in self._neighbours.loop_firsts, choice.string in self._neighbours.loop_lasts
        return Resolved(track, choice.number, choice.string, choice.how, begins, ends)
