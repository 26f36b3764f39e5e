"""Lines of real logs against log strings: how many are one string's, how many nobody's, how many another program's.

    python bench/precision.py [RECORDING|LOG|FOLDER]... [--daemons] [--profile NAME=FILE]... [--walk 4000] [--kinds 12]

Rules of this file
    - Lines are read as the agent reads them (`Reader`), and belong to the application that their file's formats name.
      Where none is named: `../shared/recordings/portal` and `web` beside the checkout.
    - `--daemons` runs Debian's daemons for a session each (`testbed/daemons.py`) and takes their logs; a FOLDER is one
      that it has filled: what is in `FOLDER/sshd` is sshd's, whatever it looks like.
    - "one string" is exactly one call site, "one text" several call sites with the same pattern, "several" are
      different patterns; then what the resolver makes of them. Strings that are only formatted count
      where nothing else is: "formatted". "little" are lines of strings that say too little to be matched.
    - A PHP script's messages are no strings of any binary: `[php:…]` lines that nothing matches stand apart.
    - Foreign: each profile against the lines of all other applications, access logs too. Every match is false, but for
      sentences that two programs have in common; they are all listed.
    - Walks: random paths through the profile itself, with values in the fields, so that the truth is known: how often
      the first hit is the right call site, how often the resolver's answer is, and how often its text is.

Source: issue "application logs" (precision, not yet measured by anybody).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from matching import line_of
from matching_profiles import add_option, profiles
from testbed.daemons import collect
from testbed.tell import TestbedError

from agent.resolver import Resolver, Track
from grammar.errors import escape
from grammar.follow import Follow
from grammar.formats import specificity, telling
from grammar.line import Line
from grammar.lineformat import Reader
from grammar.matcher import Matcher
from grammar.pattern import Pattern
from grammar.profile import Profile

SHARED: Final = Path(__file__).resolve().parents[2] / "shared" / "recordings"
APPLICATIONS: Final = {
    "apache_error": "apache2",
    "mysql_error": "mariadbd",
    "mysql_general": "mariadbd",
    "proftpd": "proftpd",
    "nginx_error": "nginx",
    "redis": "redis",
}
NAMES: Final = ("apache2", "mariadbd", "proftpd", "nginx", "redis", "openvpn", "sshd", "php-fpm", "wget")
QUERIES: Final = frozenset({"mysql_general", "access", "xferlog"})
"""Lines of statements and requests: not made from log strings, and not foreign to their own application either."""
SHOWN: Final = 100
PATH: Final = 20
"""Steps of a walk; then another one begins, so that no loop has them all."""
SCRIPT: Final = "script's own"
COUNTED: Final = ("one string", "one text", "several", "formatted", "little", "none")
LITTLE: Final = "too little is said: "


@dataclass(slots=True)
class Found:
    """One application's lines by what matched them; kinds of those that nothing matched, and how the others ended."""

    counts: Counter[str] = field(default_factory=Counter)
    how: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[str] = field(default_factory=Counter)
    foreign: int = 0
    false: Counter[tuple[str, str]] = field(default_factory=Counter)


def logs(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, those in the folders `logs` of the recordings, and those of daemons."""
    for path in paths:
        if path.is_file():
            yield path
        else:
            inside = [*path.glob("*/logs/*/*"), *(file for name in NAMES for file in path.glob(f"{name}/*"))]
            yield from sorted(one for one in inside if one.is_file() and one.stat().st_size)


def read(path: Path) -> tuple[str, list[Line]]:
    """The application that a file is of, and its entries."""
    reader = Reader()
    found = [line for raw in path.read_bytes().splitlines() if (line := reader.feed(raw)) is not None]
    if path.parent.name in NAMES:
        return path.parent.name, found
    named = Counter(APPLICATIONS.get(line.format, line.format) for line in found if line.format)
    return (named.most_common(1)[0][0] if named else ""), found


def kind(message: str) -> str:
    """A line without its numbers: what unmatched lines are counted by."""
    return " ".join("#" if any(char.isdigit() for char in word) else word for word in message.split())[:SHOWN]


def own(resolver: Resolver, profile: Profile, line: Line, found: Found, little: Matcher) -> None:
    """A line of the application itself."""
    matched = resolver.strings.match(line.message, line.component, line.level, line.cut)
    meant = [position for position, _ in resolver.strings.narrow(matched) if emitted(profile, position)]
    patterns = {profile.strings[position].pattern for position in meant}
    if matched:
        resolver.resolve(Track(line.pid, line.thread), line.message, line.component, line.level, line.cut)
    if meant:
        found.counts["one string" if len(meant) == 1 else "one text" if len(patterns) == 1 else "several"] += 1
    elif matched:
        found.counts["formatted"] += 1
    elif line.component == "php":
        found.counts[SCRIPT] += 1
    elif little.match(LITTLE + line.message):
        found.counts["little"] += 1
    else:
        found.counts["none"] += 1
        found.unmatched[kind(line.message)] += 1


def littles(profile: Profile) -> Matcher:
    """The strings that say too little to be matched, with a text before them that says enough."""
    parsed = [Pattern.parse(one.pattern) for one in profile.strings]
    poor = (one for one in parsed if specificity(one) and not telling(one))
    return Matcher([Pattern((LITTLE, *one.parts)) for one in poor])


def emitted(profile: Profile, position: int) -> bool:
    """True if the string may be printed as a message of its own."""
    return profile.strings[position].sink != "formats"


def survey(files: Sequence[Path], known: dict[str, Profile], resolvers: dict[str, Resolver]) -> dict[str, Found]:
    """All lines against all profiles."""
    found = {name: Found() for name in known}
    little = {name: littles(profile) for name, profile in known.items()}
    for path in files:
        app, entries = read(path)
        for line in entries:
            for name, profile in known.items():
                if name != app:
                    foreign(resolvers[name], profile, line, found[name])
                elif line.format not in QUERIES:
                    own(resolvers[name], profile, line, found[name], little[name])
        if app in resolvers:
            resolvers[app].flush()
            found[app].how.update(one.how for one in resolvers[app].take())
    return found


def foreign(resolver: Resolver, profile: Profile, line: Line, found: Found) -> None:
    """A line of another application."""
    found.foreign += 1
    answer = resolver.strings.match(line.message, "", line.level, line.cut)
    matched = [position for position, _ in answer if emitted(profile, position)]
    if matched:
        found.false[kind(line.message), profile.strings[matched[0]].pattern] += 1


def walk(profile: Profile, follow: Follow, chance: random.Random, steps: int) -> Iterator[tuple[int, int, str]]:
    """Random paths: number of the path, the true string, and a line that it may have printed."""
    usable = [
        at for at, one in enumerate(profile.strings) if emitted(profile, at) and telling(Pattern.parse(one.pattern))
    ]
    able = set(usable)
    here, path = chance.choice(usable), 0
    for step in range(steps):
        yield path, here, line_of(Pattern.parse(profile.strings[here].pattern), chance)
        after = sorted(follow.successors(here) & able)
        on = after and (step + 1) % PATH
        path, here = (path, chance.choice(after)) if on else (path + 1, chance.choice(usable))


@dataclass(slots=True)
class Walked:
    """Lines of walks: matched by several call sites; right by the first hit, by the resolver, by the path."""

    lines: int = 0
    several: int = 0
    first: int = 0
    resolved: int = 0
    text: int = 0
    tied: int = 0
    path: int = 0
    path_right: int = 0


def walked(profile: Profile, follow: Follow, steps: int) -> Walked:
    """How often the resolver finds back."""
    found, resolver, truth = Walked(), Resolver(profile, follow), dict[int, tuple[int, int]]()
    for path, string, line in walk(profile, follow, random.Random(1), steps):
        said = resolver.resolve(Track(path), line)
        found.lines += 1
        if said is not None:
            truth[said.number] = string, resolver.strings.match(line)[0][0]
    resolver.flush()
    for one in resolver.take():
        string, first = truth[one.number]
        if one.ambiguous:
            found.several += 1
            found.first += first == string
            found.resolved += one.string == string
            found.text += profile.strings[one.string].pattern == profile.strings[string].pattern
            found.tied += one.how == "tie"
            found.path += one.how == "path"
            found.path_right += one.how == "path" and one.string == string
    return found


def share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "-"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Markdown, so that it can stand in a report."""
    print(f"\n{title}\n\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")


def report(found: dict[str, Found], kinds: int) -> None:
    """The tables of the recordings' lines."""
    rows = []
    for name, one in found.items():
        counts, lines = one.counts, sum(one.counts.values())
        binary = lines - counts[SCRIPT]
        cells = [share(counts[key], binary) for key in COUNTED]
        ends = [share(one.how[key], one.how.total()) for key in ("only", "specific", "path", "tie")]
        rows.append([name, f"{lines:,}", f"{counts[SCRIPT]:,}", *cells, *ends])
    head = ["application", "lines", SCRIPT, *COUNTED]
    table("own lines; then, of those with an answer", [*head, "only", "specific", "path", "tie"], rows)
    rows = [[name, f"{one.foreign:,}", share(one.false.total(), one.foreign)] for name, one in found.items()]
    table("other applications' lines", ["profile", "lines", "matched"], rows)
    rows = [
        [name, f"{times:,}", f"`{escape(text)}`"]
        for name, one in found.items()
        for text, times in one.unmatched.most_common(kinds)
    ]
    table("kinds of own lines that no string matches", ["application", "lines", "kind"], rows)
    rows = [
        [name, f"{times:,}", f"`{escape(text)}`", f"`{escape(pattern)}`"]
        for name, one in found.items()
        for (text, pattern), times in one.false.most_common(kinds)
    ]
    table("other applications' lines that match", ["profile", "lines", "kind", "pattern"], rows)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="precision of log strings on real lines")
    parser.add_argument("logs", type=Path, nargs="*")
    parser.add_argument("--daemons", action="store_true", help="run Debian's daemons and take their logs")
    parser.add_argument("--walk", type=int, default=4_000, help="steps of the random walks")
    parser.add_argument("--kinds", type=int, default=12, help="kinds of lines shown of each application")
    add_option(parser)
    options = parser.parse_args(arguments)
    if options.daemons:
        return daemons(options)
    return measured(options.logs or [SHARED / "portal", SHARED / "web"], options)


def daemons(options: argparse.Namespace) -> int:
    """The daemons' logs of now, with those that are named."""
    try:
        with tempfile.TemporaryDirectory(prefix="winnower-precision-") as folder:
            collect(Path(folder))
            return measured([*options.logs, Path(folder)], options)
    except (TestbedError, OSError) as error:
        print(f"no daemons: {error}", file=sys.stderr)
        return 2


def measured(paths: Sequence[Path], options: argparse.Namespace) -> int:
    """All tables."""
    files = list(logs(paths))
    if not files:
        print("no logs there: name recordings or log files", file=sys.stderr)
        return 2
    known = profiles(NAMES, options.profile)
    follows = {name: Follow(profile) for name, profile in known.items()}
    report(survey(files, known, {name: Resolver(known[name], follows[name]) for name in known}), options.kinds)
    rows = []
    for name, profile in known.items():
        one = walked(profile, follows[name], options.walk)
        right = [share(part, one.several) for part in (one.first, one.resolved, one.tied, one.text)]
        right.insert(2, share(one.path_right, one.path))
        rows.append([name, f"{one.lines:,}", share(one.several, one.lines), *right])
    head = [
        "profile",
        "lines",
        "several call sites",
        "first hit is right",
        "resolver is right",
        "of those by path",
        "a tie, and said so",
        "text is right",
    ]
    table("random walks through the profile", head, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
