"""Templates of log lines without a profile: ours beside drain3 and a naive baseline, against true templates.

    python bench/mining.py [FOLDER…] [--drain3 PYTHON] [--against best|default] [--no-written]

Rules of this file
    - A FOLDER is one of loghub's: `NAME_2k.log_structured.csv` with the columns Content, EventId, EventTemplate; by
      default all in `../shared/fixtures/loghub`. Then the lines of `mining_lines.py`, written from memory, unless
      `--no-written`.
    - GA: share of lines whose group is exactly a true group. For ours a group is a text: "at once", the template that
      `template` has returned for the line when it came; "in the end", what `settled` says after the last line. For
      drain3 it is the cluster, which keeps its number when its template changes.
    - PA: share of lines whose template reads as the true one: fields as `<*>`, fields side by side as one, a run of
      spaces as one. FTA: F1 of templates that are right in text and in group.
    - "same": share of final templates (of all found) that runs agree on: five shuffled orders; four workers with every
      fourth line each, and for ours after each has adopted what the others have learned.
    - drain3 has its example's masks; "best" is the best GA of 24 settings, picked by looking at the truth. It runs in
      a process of its own: `pip install drain3==0.9.11` adds cachetools and jsonpickle and changes nothing else;
      where that does not fit, put it into another environment and name its interpreter with `--drain3`.
    - Ends with 1 if ours, in the end, is below drain3 on any folder.

Source: Zhu et al., "Tools and benchmarks for automated log parsing" (GA, loghub); Khan et al., ICSE 2022 (PA, FTA).
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Final

from mining_lines import SYSTEMS, lines_of
from rich.console import Console
from rich.table import Table

from agent.miner import Miner
from grammar import Pattern

HERE: Final = Path(__file__).resolve().parent
LOGHUB: Final = HERE.parent.parent / "shared" / "fixtures" / "loghub"
ORDERS: Final = 5
PARTS: Final = 4
GRID: Final = list(product((0.4, 0.5, 0.6, 0.7), (4, 5, 6), (True, False)))
_NUMBER: Final = re.compile(r"[0-9]+")
_FIELD: Final = re.compile(r"<[^<> ]+>")
_SIDE_BY_SIDE: Final = re.compile(r"<\*>(?:[:./,#@_-]{0,2}<\*>)+")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Lines of one system, the true group of each, and its true template (empty if nobody has written it down)."""

    name: str
    lines: list[str]
    groups: list[str]
    templates: list[str]


@dataclass(slots=True)
class Result:
    """What a tool made of a corpus."""

    tool: str
    at_once: float
    in_the_end: float
    parsing: float = float("nan")
    f1: float = float("nan")
    templates: int = 0
    new: float = float("nan")
    again: float = float("nan")
    shuffled: float = float("nan")
    workers: float = float("nan")
    adopted: float = float("nan")


def read_corpus(folder: Path) -> Corpus:
    """A folder of loghub."""
    found = next(folder.glob("*_structured.csv"))
    with found.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines, groups, templates = ([row[key] for row in rows] for key in ("Content", "EventId", "EventTemplate"))
    return Corpus(folder.name, lines, groups, templates)


def written(system: str) -> Corpus:
    rows = lines_of(system)
    return Corpus(f"{system} (written)", [line for _, line in rows], [kind for kind, _ in rows], [""] * len(rows))


def grouping(found: Sequence[Hashable], true: Sequence[str]) -> float:
    """GA: share of the lines whose group is a true group, no line more and none less."""
    members: dict[Hashable, set[int]] = {}
    expected: dict[str, set[int]] = {}
    for i, (one, other) in enumerate(zip(found, true, strict=True)):
        members.setdefault(one, set()).add(i)
        expected.setdefault(other, set()).add(i)
    right = (group for group in members.values() if group == expected[true[next(iter(group))]])
    return sum(map(len, right)) / len(true)


def normal(template: str) -> str:
    """A template with `<*>` for fields, as both sides are compared."""
    text = _SIDE_BY_SIDE.sub("<*>", " ".join(template.split()))
    return text.replace("/<*>", "<*>").replace("'<*>'", "<*>").replace('"<*>"', "<*>")


def written_out(template: str) -> str:
    return "".join(part if isinstance(part, str) else "<*>" for part in Pattern.parse(template).parts)


def parsing(found: Sequence[str], corpus: Corpus) -> tuple[float, float]:
    """PA and FTA."""
    if not corpus.templates[0]:
        return float("nan"), float("nan")
    texts = {text: normal(text) for text in {*found, *corpus.templates}}
    same = [texts[one] == texts[other] for one, other in zip(found, corpus.templates, strict=True)]
    made, true = set(found), set(corpus.groups)
    pairs: dict[str, set[str]] = {}
    backward: dict[str, set[str]] = {}
    wrong = {one for one, right in zip(found, same, strict=True) if not right}
    for one, group in zip(found, corpus.groups, strict=True):
        pairs.setdefault(one, set()).add(group)
        backward.setdefault(group, set()).add(one)
    right = sum(len(pairs[one]) == 1 == len(backward[next(iter(pairs[one]))]) and one not in wrong for one in made)
    return sum(same) / len(same), 2 * right / (len(made) + len(true))


def agreement(sets: Iterable[Iterable[str]]) -> float:
    """Share of all templates that every run has."""
    made = [set(one) for one in sets]
    return len(set.intersection(*made)) / len(set.union(*made))


def orders_of(corpus: Corpus) -> list[list[int]]:
    orders = []
    for seed in range(ORDERS):
        order = list(range(len(corpus.lines)))
        Random(seed).shuffle(order)
        orders.append(order)
    return orders


def mined(lines: Iterable[str]) -> Miner:
    miner = Miner()
    for line in lines:
        miner.template(line)
    return miner


def ours(corpus: Corpus) -> list[Result]:
    """Ours: alone, and the four workers after they have exchanged what they learned."""
    lines, miner = corpus.lines, Miner()
    start = time.process_time()
    at_once = [miner.template(line) for line in lines]
    new = time.process_time()
    for line in lines:
        miner.template(line)
    again = time.process_time()
    end = [miner.settled(line) for line in lines]
    shuffled = [mined(lines[i] for i in order) for order in orders_of(corpus)]
    workers = [mined(lines[k::PARTS]) for k in range(PARTS)]
    alone = agreement({worker.settled(line) for line in lines} for worker in workers)
    learned = sorted({one for worker in workers for one in worker.learned()})
    for worker in workers:
        worker.adopt(learned)
    pa, f1 = parsing([written_out(one) for one in end], corpus)
    result = Result("ours", grouping(at_once, corpus.groups), grouping(end, corpus.groups), pa, f1, len(set(end)))
    result.new, result.again = len(lines) / (new - start), len(lines) / (again - new)
    result.shuffled = agreement([set(end), *({one.settled(line) for line in lines} for one in shuffled)])
    result.workers = alone
    result.adopted = agreement({worker.settled(line) for line in lines} for worker in workers)
    return [result]


def naive(corpus: Corpus) -> list[Result]:
    start = time.process_time()
    found = [_NUMBER.sub("<*>", line) for line in corpus.lines]
    took = time.process_time() - start
    pa, f1 = parsing(found, corpus)
    score = grouping(found, corpus.groups)
    return [Result("digits masked", score, score, pa, f1, len(set(found)), len(found) / took, len(found) / took, 1, 1)]


def drain3(corpus: Corpus, python: str) -> list[Result]:
    """drain3 with its defaults, and with the settings that suit this corpus best."""
    job = {"lines": corpus.lines, "orders": orders_of(corpus), "parts": PARTS, "grid": GRID}
    argv = [python, str(HERE / "mining_drain3.py")]
    done = subprocess.run(argv, input=json.dumps(job), capture_output=True, text=True, check=False)
    if done.returncode:
        return []
    said = json.loads(done.stdout)
    texts = [_FIELD.sub("<*>", one) for one in said["templates"]]
    pa, f1 = parsing(texts, corpus)
    score, number = grouping(said["groups"], corpus.groups), len(corpus.lines)
    default = Result("drain3", score, score, pa, f1, len(set(texts)), number / said["new"], number / said["again"])
    default.shuffled = agreement([set(said["templates"]), *said["orders"]])
    default.workers = agreement(said["parts"])
    best = max(said["grid"], key=lambda one: grouping(one[3], corpus.groups))
    score = grouping(best[3], corpus.groups)
    name = f"drain3 at best ({best[0]}, {best[1]}{', masks' if best[2] else ''})"
    return [default, Result(name, score, score, templates=len(set(best[3])))]


def table_of(rows: Iterable[tuple[Corpus, list[Result]]]) -> Table:
    """One row for each tool on each corpus."""
    table = Table("lines of", "tool", title="templates of log lines against the truth", title_justify="left")
    for name in ("GA at once", "in the end", "PA", "FTA", "templates", "(true)", "new/CPU s", "seen/CPU s"):
        table.add_column(name, justify="right")
    for name in ("same: shuffled", "workers", "adopted"):
        table.add_column(name, justify="right")
    for corpus, results in rows:
        for i, one in enumerate(results):
            scores = [_figure(value, ".3f") for value in (one.at_once, one.in_the_end, one.parsing, one.f1)]
            speed = [_figure(value, ",.0f") for value in (one.new, one.again)]
            same = [_figure(value, ".2f") for value in (one.shuffled, one.workers, one.adopted)]
            number = f"{one.templates}", "" if i else f"{len(set(corpus.groups))}"
            table.add_row("" if i else corpus.name, one.tool, *scores, *number, *speed, *same)
        table.add_section()
    return table


def _figure(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="templates of log lines: ours, drain3, digits masked")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--drain3", default=sys.executable, metavar="PYTHON", help="an interpreter that has drain3")
    parser.add_argument("--against", choices=("best", "default"), default="best")
    parser.add_argument("--no-written", action="store_true")
    options = parser.parse_args(arguments)
    folders = options.folders or sorted(path for path in LOGHUB.glob("*") if path.is_dir())
    corpora = [read_corpus(folder) for folder in folders]
    measured = len(corpora)
    corpora += [] if options.no_written else [written(system) for system in SYSTEMS]
    rows = [(one, [*ours(one), *drain3(one, options.drain3), *naive(one)]) for one in corpora]
    Console(width=None if sys.stdout.isatty() else 180).print(table_of(rows))
    if any(len(results) < 3 for _, results in rows):
        print("drain3 did not run: pip install drain3==0.9.11, or name an interpreter that has it with --drain3")
        return 2
    peer = 2 if options.against == "best" else 1
    below = [one.name for one, results in rows[:measured] if results[0].in_the_end < results[peer].in_the_end]
    print(f"below drain3 ({options.against}): {', '.join(below) or 'nowhere'}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
