"""Which of the strings that a line may be it was: the cheapest path through a profile, decided when it must be.

Rules of this file
    - A line has candidates. A path takes one of each line; it costs what its strings leave unsaid (characters that a
      more specific candidate has literally) and `BREAK` for each step that the profile does not have. The profile does
      not know indirect calls, so a step that it does not have is dear, not forbidden.
    - Of the paths that end in one string only the cheapest is kept, and at most `MAX_BEAM` in all. A line is settled
      when all that are left agree on it; when `MAX_PENDING` lines wait, the cheapest decides about the oldest.
    - What is given up although it was as cheap is remembered: a line for which there was such another string is a
      `tie`, and so are those that only follow from it (more turns of a loop that was guessed). Else `path` is said.
    - Plain values: a beam is pickled with the agent's memory. Ties go to the more specific, then to the first.

Complexity: O(candidates x MAX_BEAM) for a line, one step where it has one candidate.
Source: Viterbi 1967, with decisions at bounded delay; DisProTrack Algorithm 2 (which takes the first hit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
    """A line that is not settled: its number, and its candidates with what each leaves unsaid.

    `narrowed` says that others, which would match anything that these do, were left out.
    """

    number: int
    candidates: tuple[tuple[int, int], ...]
    narrowed: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """One string for each waiting line; `last` is where it stands, also when none waits.

    Bit i of `tied` says that a path as cheap as this one, which was given up for it, has another string for line i;
    `loose`, that it stands elsewhere: what only follows from there is no surer.
    """

    cost: int
    last: int
    taken: tuple[int, ...] = ()
    tied: int = 0
    loose: bool = False

    def instead_of(self, other: Path) -> Path:
        """This path, where another was given up that was as cheap."""
        tied = self.tied | other.tied
        for at, (mine, its) in enumerate(zip(self.taken, other.taken, strict=True)):
            tied |= (mine != its) << at
        return replace(self, tied=tied, loose=self.loose or self.last != other.last)


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

    def take(self, number: int, found: Sequence[tuple[int, int]], step: Step, narrowed: bool = False) -> list[Choice]:
        """A line's candidates with their literal characters, at least one; the lines that are settled by it."""
        most = found[0][1]
        candidates = tuple((string, max(0, most - literal)) for string, literal in found[:MAX_CANDIDATES])
        if len(candidates) == 1 and not self.waiting:
            self.before = candidates[0][0]
            self.paths = [Path(0, self.before)]
            return [Choice(number, self.before, "specific" if narrowed else "only")]
        self.waiting.append(Waiting(number, candidates, narrowed))
        many = len(candidates) > 1
        paths = [self._cheapest(string, unsaid, step, many) for string, unsaid in candidates]
        paths.sort(key=lambda path: path.cost)  # stable: the more specific first
        least = paths[0].cost
        self.paths = [replace(path, cost=path.cost - least) for path in paths[:MAX_BEAM]]
        return self._agreed(step)

    def settle(self, step: Step) -> list[Choice]:
        """All waiting lines, as the cheapest path has them."""
        self._give_up(1)
        return self._agreed(step)

    @property
    def best(self) -> int:
        """The string of the last line, as it seems now; -1 before the first."""
        return self.paths[0].last if self.paths else -1

    def _cheapest(self, string: int, unsaid: int, step: Step, many: bool) -> Path:
        """The cheapest path to a string; `many` says that the line has others too."""
        if not self.paths:
            return Path(unsaid, string, (string,))
        costs = [path.cost + step(path.last, string) for path in self.paths]
        least = min(costs)
        found, *others = [path for path, cost in zip(self.paths, costs, strict=True) if cost == least]
        loose = found.loose and many
        for other in others:
            found = found.instead_of(other)
        tied = found.tied | loose << len(found.taken)
        return Path(least + unsaid, string, (*found.taken, string), tied, loose)

    def _give_up(self, kept: int) -> None:
        """Keep only so many of the paths; the cheapest remembers those that were as cheap."""
        for other in self.paths[kept:]:
            if other.cost == self.paths[0].cost:
                self.paths[0] = self.paths[0].instead_of(other)
        del self.paths[kept:]

    def _agreed(self, step: Step) -> list[Choice]:
        """Settle what all paths agree on, and the oldest line if too many wait."""
        if len(self.waiting) > MAX_PENDING:
            oldest = self.paths[0].taken[0]
            self.paths.sort(key=lambda path: path.taken[0] != oldest)  # stable
            self._give_up(sum(path.taken[0] == oldest for path in self.paths))
        first = self.paths[0].taken if self.paths else ()
        tied = 0
        for path in self.paths:  # any of them may be the right one
            tied |= path.tied
        agreed = 0
        while agreed < len(self.waiting) and all(path.taken[agreed] == first[agreed] for path in self.paths):
            agreed += 1
        choices = []
        for at in range(agreed):
            after = first[at + 1] if at + 1 < agreed else -1
            how = self._how(self.waiting[at], first[at], after, step)
            choices.append(
                Choice(self.waiting[at].number, first[at], "tie" if how == "path" and tied >> at & 1 else how)
            )
            self.before = first[at]
        if agreed:
            del self.waiting[:agreed]
            self.paths = [replace(one, taken=one.taken[agreed:], tied=one.tied >> agreed) for one in self.paths]
        return choices

    def _how(self, line: Waiting, chosen: int, after: int, step: Step) -> How:
        """By what the string was chosen among the line's candidates, its neighbours given."""
        if len(line.candidates) == 1:
            return "specific" if line.narrowed else "only"
        unsaid = dict(line.candidates)

        def cost(string: int) -> int:
            come = step(self.before, string) if self.before >= 0 else 0
            return come + (step(string, after) if after >= 0 else 0)

        others = [string for string in unsaid if string != chosen]
        if all(unsaid[string] > unsaid[chosen] for string in others):
            return "specific"
        spent = cost(chosen) + unsaid[chosen]
        return "path" if all(cost(string) + unsaid[string] > spent for string in others) else "tie"
