"""Which of the strings that a line may be it was: the cheapest path through a profile, decided when it must be.

Rules of this file
    - A line has candidates. A path takes one of each line; it costs what its strings leave unsaid (characters that a
      more specific candidate has literally) and `BREAK` for each step that the profile does not have. The profile does
      not know indirect calls, so a step that it does not have is dear, not forbidden.
    - Of the paths that end in one string only the cheapest is kept, and at most `MAX_BEAM` in all. A line is settled
      when all that are left agree on it; when `MAX_PENDING` lines wait, the cheapest decides about the oldest.
    - Plain values: a beam is pickled with the agent's memory. Ties go to the more specific, then to the first.

Complexity: O(candidates x MAX_BEAM) for a line, one step where it has one candidate.
Source: Viterbi 1967, with decisions at bounded delay; DisProTrack Algorithm 2 (which takes the first hit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

MAX_BEAM: Final = 16
MAX_PENDING: Final = 32
MAX_CANDIDATES: Final = 64
BREAK: Final = 6
"""Characters that a step which the profile does not have weighs."""
UNSURE: Final = 2
"""The same for a step out of a function whose callers are not known."""

Step = Callable[[int, int], int]
"""What it costs that a string (the second) comes after another (the first)."""
How = Literal["only", "specific", "path", "tie", "open"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A line that is not settled: its number, and its candidates with what each leaves unsaid."""

    number: int
    candidates: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Path:
    """One string for each waiting line; `last` is where it stands, also when none waits."""

    cost: int
    last: int
    taken: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A line's string, and how it was found.

    `only`: no other matched; `specific`: it says most; `path`: its neighbours are the right ones; `tie`: others would
    do as well (often the same text at several call sites); `open`: not settled yet.
    """

    number: int
    string: int
    how: How


@dataclass(slots=True)
class Beam:
    """The paths of one thread of execution, the cheapest first; `before` is the string of the last settled line."""

    paths: list[Path] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    before: int = -1

    def take(self, number: int, found: Sequence[tuple[int, int]], step: Step) -> list[Choice]:
        """A line's candidates with their literal characters, at least one; the lines that are settled by it."""
        most = found[0][1]
        candidates = tuple((string, max(0, most - literal)) for string, literal in found[:MAX_CANDIDATES])
        if len(candidates) == 1 and not self.waiting:
            self.before = candidates[0][0]
            self.paths = [Path(0, self.before)]
            return [Choice(number, self.before, "only")]
        self.waiting.append(Waiting(number, candidates))
        paths = [self._cheapest(string, unsaid, step) for string, unsaid in candidates]
        paths.sort(key=lambda path: path.cost)  # stable: the more specific first
        least = paths[0].cost
        self.paths = [Path(path.cost - least, path.last, path.taken) for path in paths[:MAX_BEAM]]
        return self._agreed(step)

    def settle(self, step: Step) -> list[Choice]:
        """All waiting lines, as the cheapest path has them."""
        del self.paths[1:]
        return self._agreed(step)

    @property
    def best(self) -> int:
        """The string of the last line, as it seems now; -1 before the first."""
        return self.paths[0].last if self.paths else -1

    def _cheapest(self, string: int, unsaid: int, step: Step) -> Path:
        if not self.paths:
            return Path(unsaid, string, (string,))
        costs = [path.cost + step(path.last, string) for path in self.paths]
        least = min(costs)
        return Path(least + unsaid, string, (*self.paths[costs.index(least)].taken, string))

    def _agreed(self, step: Step) -> list[Choice]:
        """Settle what all paths agree on, and the oldest line if too many wait."""
        if len(self.waiting) > MAX_PENDING:
            oldest = self.paths[0].taken[0]
            self.paths = [path for path in self.paths if path.taken[0] == oldest]
        first = self.paths[0].taken if self.paths else ()
        agreed = 0
        while agreed < len(self.waiting) and all(path.taken[agreed] == first[agreed] for path in self.paths):
            agreed += 1
        choices = []
        for at in range(agreed):
            after = first[at + 1] if at + 1 < agreed else -1
            choices.append(
                Choice(self.waiting[at].number, first[at], self._how(self.waiting[at], first[at], after, step))
            )
            self.before = first[at]
        if agreed:
            del self.waiting[:agreed]
            self.paths = [Path(path.cost, path.last, path.taken[agreed:]) for path in self.paths]
        return choices

    def _how(self, line: Waiting, chosen: int, after: int, step: Step) -> How:
        """By what the string was chosen among the line's candidates, its neighbours given."""
        if len(line.candidates) == 1:
            return "only"
        unsaid = dict(line.candidates)

        def cost(string: int) -> int:
            come = step(self.before, string) if self.before >= 0 else 0
            return come + (step(string, after) if after >= 0 else 0)

        others = [string for string in unsaid if string != chosen]
        if all(unsaid[string] > unsaid[chosen] for string in others):
            return "specific"
        spent = cost(chosen) + unsaid[chosen]
        return "path" if all(cost(string) + unsaid[string] > spent for string in others) else "tie"
