"""What a line of a log is called: the pattern of its log string, or a mined template.

Rules of this file
    - An application's profile is found by the program that wrote the line. A line that no log string of it matches is
      named by its text alone, like the lines of a program without a profile.

Source: design section 2 (pattern); DisProTrack section IV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.miner import Miner
from grammar.line import Line
from grammar.profile import Profile


@dataclass(frozen=True, slots=True)
class Named:
    """A pattern in written form; `node` says which log string it is; `begins` and `ends` are those of a loop."""

    pattern: str
    node: str = ""
    begins: bool = False
    ends: bool = False


class LogNames:
    """Patterns for lines."""

    def __init__(self, profiles: Sequence[Profile] = ()) -> None:
        self.profiles = tuple(profiles)
        self.miners: dict[str, Miner] = {}

    def name(self, app: str, exe: bytes, track: tuple[str, str], line: Line) -> Named:
        """The name of a line that a program of an application wrote, in a thread of its own."""
        return Named(self.miners.setdefault(app, Miner()).template(line.message))
