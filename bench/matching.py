"""Lines of a log matched to an application's log strings: lines per CPU second, ours beside drain3 and a loop of `re`.

    python bench/matching.py [--lines 40000] [--runs 5] [--profile NAME=FILE]... [--markdown]

Rules of this file
    - Half of the lines are made from the profile's own patterns with values in their fields, half from those of the
      other applications; no line comes twice. "evenly" takes each pattern as often as any other, which no log does;
      "as logs" takes few of them often (Zipf).
    - Other lines of the same kinds are matched first, then all are matched once: nothing remembers a whole line.
    - CPU time of this process, the fastest of the runs, each with lines of its own.
    - drain3 (`pip install drain3`) mines templates, which is less, with its defaults, on the first `DRAIN` lines. The
      loop asks Python's `re`, compiled, pattern by pattern; the first `LOOP` lines.
    - Hostile: messages of 4,096 characters made from the profile against it; the slowest, asked first and again.

Limits: mariadbd's profile, lines evenly: 200,000 lines per CPU second; exit 1 below.
Source: issue "application logs" (matching).
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matching_profiles import add_option, profiles
from rich.console import Console
from rich.table import Table

from agent.resolver_strings import variants
from grammar.formats import telling
from grammar.line import MAX_MESSAGE
from grammar.matcher import Matcher
from grammar.pattern import Pattern, Slot
from grammar.profile import Profile

NAMES: Final = ("mariadbd", "apache2", "proftpd")
LIMIT: Final = 200_000
LIMITED: Final = "mariadbd"
DRAIN: Final = 5_000
LOOP: Final = 200
PAGE: Final = 4_096
VALUES: Final = (
    "table user alice /var/lib/mysql/ibdata1 db.t1 10.89.0.31 root@localhost utf8mb4 SELECT timeout error request "
    "connection /srv/www/index.html Permission denied No such file or directory GET HTTP/1.1 config line"
)
WORDS: Final = VALUES.split()


@dataclass(slots=True)
class Row:
    """One profile: lines per CPU second by kind of lines, and by peer; milliseconds of the slowest hostile line."""

    name: str
    patterns: int
    distinct: int
    seconds: float
    megabytes: float
    evenly: float
    as_logs: float
    matched: float
    drain: float | None
    loop: float
    hostile: tuple[float, float]


def line_of(pattern: Pattern, chance: random.Random) -> str:
    """A message that the pattern may have been printed as."""
    return "".join(part if isinstance(part, str) else value(part, chance) for part in pattern.parts)


def value(slot: Slot, chance: random.Random) -> str:
    """Something that the field may hold."""
    match slot.type:
        case "int" | "digits" | "port" | "float":
            text = str(chance.randrange(10 ** (slot.width or 6)))
            return text.zfill(slot.width)
        case "hex" | "token" | "lower" | "word" | "id":
            return "".join(chance.choice("abcdef") for _ in range(slot.width or 8))
        case "pointer":
            return f"0x7f{chance.randrange(1 << 40):010x}"
        case "char":
            return chance.choice("abc")
        case "space":
            return " " * chance.randrange(3)
        case "term":
            return f"{chance.choice(WORDS)}{chance.randrange(1000)}"
    words = (
        f"{chance.choice(WORDS)}{chance.choice(('', chance.randrange(1000)))}" for _ in range(chance.randint(1, 3))
    )
    text = " ".join(words)
    return text[: slot.width] if slot.width else text


def lines(own: Sequence[Pattern], others: Sequence[Pattern], size: int, zipf: bool, chance: random.Random) -> list[str]:
    """Distinct lines, half of them made from `own`."""
    found: dict[str, None] = {}
    for patterns in (own, others):
        shuffled = chance.sample(patterns, len(patterns))
        until = len(found) + size // 2
        for _ in range(10 * size):
            rank = int(chance.paretovariate(0.8)) - 1 if zipf else chance.randrange(len(shuffled))
            found[line_of(shuffled[rank % len(shuffled)], chance)] = None
            if len(found) >= until:
                break
    made = list(found)
    chance.shuffle(made)
    return made


def rate(ask: Callable[[str], object], asked: Sequence[str]) -> float:
    """Lines per CPU second."""
    begun = time.process_time()
    for line in asked:
        ask(line)
    return len(asked) / max(time.process_time() - begun, 1e-9)


def best(matcher: Matcher, made: Callable[[], list[str]], runs: int) -> float:
    """The fastest of the runs, after other lines of the same kinds."""
    rate(matcher.match, made())
    return max(rate(matcher.match, made()) for _ in range(runs))


def drain3(asked: Sequence[str]) -> float | None:
    """drain3's lines per CPU second; None if it is not installed."""
    try:
        from drain3 import TemplateMiner  # noqa: PLC0415
        from drain3.template_miner_config import TemplateMinerConfig  # noqa: PLC0415
    except ImportError:
        return None
    return rate(TemplateMiner(config=TemplateMinerConfig()).add_log_message, asked[:DRAIN])


def loop(patterns: Sequence[Pattern], asked: Sequence[str]) -> float:
    """What a loop of compiled expressions does."""
    compiled = [re.compile(pattern.regex.replace("(?s:.)", "[\\s\\S]")) for pattern in patterns]
    return rate(lambda line: [one for one in compiled if one.fullmatch(line)], asked[:LOOP])


def hostile(patterns: Sequence[Pattern], chance: random.Random) -> Iterator[str]:
    """Messages that are as long as can be, and made to be let through as far as can be."""
    literals = [part for pattern in patterns for part in pattern.parts if isinstance(part, str)]
    for _ in range(30):
        yield "".join(chance.choices(literals, k=1_000))[:MAX_MESSAGE]
        pattern = chance.choice(patterns)
        long = (part if isinstance(part, str) else value(part, chance) * 400 for part in pattern.parts)
        yield "".join(long)[:MAX_MESSAGE]
        yield (pattern.prefix + chance.choice(literals) * 400)[:MAX_MESSAGE]
        yield (pattern.prefix + "".join(chance.choices(literals, k=1_000)))[:MAX_MESSAGE]
    for one in "a 0-:\0\udc80'":
        yield one * MAX_MESSAGE


def slowest(matcher: Matcher, asked: Sequence[str]) -> float:
    """Milliseconds of CPU of the slowest line."""
    found = 0.0
    for line in asked:
        begun = time.process_time()
        matcher.match(line)
        found = max(found, time.process_time() - begun)
    return 1e3 * found


def resident() -> float:
    """This process's memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def patterns_of(profile: Profile) -> list[Pattern]:
    """What is matched for it."""
    return [pattern for string in profile.strings for pattern in variants(string)]


def measure(name: str, all_patterns: dict[str, list[Pattern]], size: int, runs: int) -> Row:
    """One profile's row."""
    chance = random.Random(1)
    patterns = all_patterns[name]
    own = list(dict.fromkeys(filter(telling, patterns)))
    others = [one for other, some in all_patterns.items() if other != name for one in some if telling(one)]
    before, begun = resident(), time.process_time()
    matcher = Matcher(patterns)
    seconds = time.process_time() - begun
    evenly = best(matcher, lambda: lines(own, others, size, False, chance), runs)
    as_logs = best(matcher, lambda: lines(own, others, size, True, chance), runs)
    some = lines(own, others, size, False, chance)
    bad = list(hostile(own, chance))
    return Row(
        name,
        len(patterns),
        len(own),
        seconds,
        resident() - before,
        evenly,
        as_logs,
        sum(map(bool, map(matcher.match, some))) / len(some),
        drain3(some),
        loop(own, some),
        (slowest(matcher, bad), slowest(matcher, bad)),
    )


def report(rows: Sequence[Row], markdown: bool) -> None:
    """The table."""
    head = (
        "profile", "patterns", "distinct", "made in s", "MB", "lines/s evenly", "as logs", "matched",
        "drain3", "loop of re", "hostile ms, first", "again",
    )  # fmt: skip
    cells = [
        (one.name, f"{one.patterns:,}", f"{one.distinct:,}", f"{one.seconds:.2f}", f"{one.megabytes:.0f}",
         f"{one.evenly:,.0f}", f"{one.as_logs:,.0f}", f"{one.matched:.0%}",
         "not installed" if one.drain is None else f"{one.drain:,.0f}", f"{one.loop:,.0f}",
         f"{one.hostile[0]:.1f}", f"{one.hostile[1]:.1f}")
        for one in rows
    ]  # fmt: skip
    if markdown:
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for row in cells:
            print("| " + " | ".join(row) + " |")
        return
    table = Table(*head, title="lines per CPU second", title_justify="left")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="lines matched to log strings")
    parser.add_argument("--lines", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    add_option(parser)
    options = parser.parse_args(arguments)
    patterns = {name: patterns_of(one) for name, one in profiles(NAMES, options.profile).items()}
    rows = [measure(name, patterns, options.lines, options.runs) for name in NAMES]
    report(rows, options.markdown)
    slow = [row for row in rows if row.name == LIMITED and row.evenly < LIMIT]
    for row in slow:
        print(f"broken: {row.name}: {row.evenly:,.0f} lines per CPU second, below {LIMIT:,}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
