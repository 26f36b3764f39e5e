"""What a line of a log is called: the pattern of its log string, or a mined template.

Rules of this file
    - An application's profile is found by the program that wrote the line. A line that no log string of its level
      matches is named by its text alone, like the lines of a program without a profile.
    - Only a line that can be no other string's, or that follows from the line before, begins or ends an iteration; a
      profile that hardly ever fits does neither.
    - Profiles and what is made of them are `outside` of memory (`agent.snapshot`): they are files of the user's.

Complexity: O(length of the line).
Source: design section 2 (pattern); DisProTrack section IV and Algorithm 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from posixpath import basename
from typing import Final

from agent.miner import Miner
from agent.records import untrusted
from agent.resolver import Resolved, Resolver, State, Track
from agent.resolver_strings import Strings
from grammar.follow import Follow
from grammar.line import Line
from grammar.profile import Profile

LABEL: Final = "LogMessage "
MAX_PROGRAMS: Final = 1_024
TELLING: Final = 3
"""A pattern names a line if a third of the line is the pattern's own text."""
_FIELD: Final = re.compile(r"\{[a-z]+(?::[0-9]+)?\}")
SURE: Final = frozenset({"only", "path"})
"""How a string must have been chosen to say where an iteration begins or ends."""


@dataclass(frozen=True, slots=True)
class Named:
    """A pattern in written form; `node` says which log string it is; `begins` and `ends` are those of a loop."""

    pattern: str
    node: str = ""
    begins: bool = False
    ends: bool = False


class Profiles:
    """The profiles of programs, by the names of their binaries; what matches lines is made when it is first needed."""

    def __init__(self, profiles: Iterable[Profile] = ()) -> None:
        self._by_program: dict[str, Profile] = {}
        for profile in profiles:
            for binary in profile.binaries:
                self._by_program.setdefault(basename(binary.path), profile)
        self._made: dict[int, tuple[Follow, Strings]] = {}
        self._resolvers: dict[tuple[int, int], tuple[State, Resolver]] = {}

    def of(self, program: str) -> Profile | None:
        """The profile of a program, by its name."""
        return self._by_program.get(program)

    def resolver(self, profile: Profile, state: State) -> Resolver:
        """What matches lines with a profile, going on from `state`."""
        known = self._resolvers.get((id(profile), id(state)))
        if known is None:
            made = self._made.get(id(profile))
            if made is None:
                made = self._made[id(profile)] = Follow(profile), Strings(profile)
            known = self._resolvers[id(profile), id(state)] = state, Resolver(profile, made[0], state, made[1])
        return known[1]


class LogNames:
    """Patterns for the lines of one worker."""

    __slots__ = ("_programs", "miners", "profiles", "states")

    def __init__(self, profiles: Profiles | None = None) -> None:
        self.profiles = profiles or Profiles()
        self.miners: dict[str, Miner] = {}
        self.states: dict[tuple[str, str], State] = {}
        self._programs: dict[bytes, str] = {}

    def name(self, app: str, exe: bytes, ident: str, line: Line) -> Named:
        """The name of a line that a process (`ident`) of an application wrote, running `exe`."""
        program = self._program(exe)
        profile = self.profiles.of(program)
        if profile is not None:
            state = self.states.setdefault((app, program), State())
            resolver = self.profiles.resolver(profile, state)
            found = resolver.resolve(_track(ident, line), line.message, line.component, line.level, line.cut)
            resolver.take()
            if found is not None:
                named = _named(profile, found, program, line, trusted=not resolver.trust.useless)
                return named if _tells(named.pattern, line) else replace(named, pattern=self._template(app, line))
        return Named(self._template(app, line))

    def learned(self, app: str) -> list[str]:
        """The labels of an application's lines that a threshold has made."""
        miner = self.miners.get(app)
        return [LABEL + one for one in miner.learned()] if miner is not None else []

    def adopt(self, app: str, labels: Iterable[str]) -> None:
        """Use the templates that other workers have learned; labels of other things are left out."""
        found = [label.removeprefix(LABEL) for label in labels if label.startswith(LABEL)]
        if found:
            self._miner(app).adopt(found)

    def _template(self, app: str, line: Line) -> str:
        return self._miner(app).template(line.message)

    def _miner(self, app: str) -> Miner:
        miner = self.miners.get(app)
        if miner is None:
            miner = self.miners[app] = Miner()
        return miner

    def _program(self, exe: bytes) -> str:
        found = self._programs.get(exe)
        if found is None:
            if len(self._programs) >= MAX_PROGRAMS:
                self._programs.clear()
            found = self._programs[exe] = basename(untrusted(exe).removesuffix(" (deleted)")) if exe else ""
        return found


def _track(ident: str, line: Line) -> Track:
    number = ident.partition("@")[0]
    return Track(int(number) if number.isdecimal() else 0, line.thread, line.client)


def _tells(pattern: str, line: Line) -> bool:
    """Whether a pattern says enough of a line to name it: `InnoDB: {text}` says where it is from, not what it says."""
    return TELLING * len(_FIELD.sub("", pattern)) >= len(line.message)


def _named(profile: Profile, found: Resolved, program: str, line: Line, *, trusted: bool) -> Named:
    string = profile.strings[found.string]
    where = profile.functions[string.function].name
    level = f" [{string.level or line.level}]" if string.level or line.level else ""
    sure = trusted and found.how in SURE
    node = f"{program} {where} {string.address:#x}{level}"
    return Named(string.pattern, node, found.begins and sure, found.ends and sure)
