"""What a profile says of the proof of concept: its strings, the edges between them, its loop.

Rules of this file
    - Other strings (a static build brings libc's) are passed through, with calls and returns matched as they are.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import msgspec
from poc_expected import STRINGS, WAITS

from grammar.follow import Follow
from grammar.profile import Point, Profile


@dataclass(frozen=True, slots=True)
class Found:
    """The expected strings that were found, the edges between them, first and last of the loop that waits."""

    strings: frozenset[str]
    edges: frozenset[tuple[str, str]]
    first: frozenset[str]
    last: frozenset[str]


def found_in(profile: Profile, binary: int = 0) -> Found:
    """What the profile says of one of its binaries."""
    names = {
        at: one.text.strip()
        for at, one in enumerate(profile.strings)
        if one.binary == binary and one.text.strip() in STRINGS
    }
    follow = Follow(_without(profile, names.keys()))
    edges = {(name, names[after]) for at, name in names.items() for after in follow.successors(at)}
    ids = {profile.strings[at].id: name for at, name in names.items()}
    loops = [loop for loop in profile.loops if profile.functions[loop.function].binary == binary]
    loops = [loop for loop in loops if loop.waits == WAITS]
    return Found(
        frozenset(names.values()),
        frozenset(edges),
        frozenset(ids[one] for loop in loops for one in loop.first if one in ids),
        frozenset(ids[one] for loop in loops for one in loop.last if one in ids),
    )


def _without(profile: Profile, kept: Container[int]) -> Profile:
    """The same graph with all other strings' points empty."""
    functions = tuple(
        msgspec.structs.replace(
            function,
            points=tuple(Point() if one.string >= 0 and one.string not in kept else one for one in function.points),
        )
        for function in profile.functions
    )
    return msgspec.structs.replace(profile, functions=functions)
