"""openCypher's compatibility kit on Winnower's language: every scenario of the feature files in a folder.

    python bench/tck.py DIR [--only PATTERN] [-v] [--peers]        # or: python -m bench.tck DIR …

Rules of this file
    - A failure is printed with its file, line and name, what was expected and what came. The last line is
      `N passed, N failed, N skipped`, before it how many were skipped for which reason; exit code 1 if any failed.
    - Only what the language does not claim is skipped (`tck_ours.why_out`).
    - `--peers`: the scenarios that are not skipped, ours beside the engines of `.venv-peers` (`make peers`). There, a
      scenario that expects an error is met by any error; ours has to name it (and is what the last line counts).

Source: https://github.com/opencypher/openCypher, tck; issue "a real query language", conformance.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)] if str(HERE) not in sys.path else []

from rich.console import Console  # noqa: E402 - under `-m` this folder is not on the path before
from rich.table import Table  # noqa: E402
from tck_case import Case, CaseError, understood  # noqa: E402
from tck_features import FeatureError, Scenario, read_features  # noqa: E402
from tck_graph import TckGraph  # noqa: E402
from tck_ours import graphs_beside, mismatches, prepared, why_out  # noqa: E402
from tck_peers import Peer, Score, score  # noqa: E402
from testbed import peers  # noqa: E402


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one scenario: skipped for a reason, failed with the mismatch, or neither: passed."""

    scenario: Scenario
    skipped: str = ""
    failed: str = ""
    case: Case | None = None
    graph: TckGraph | None = None

    @property
    def word(self) -> str:
        """What `-v` prints."""
        return "skipped" if self.skipped else "failed" if self.failed else "passed"


def judged(scenario: Scenario, graphs: Path | None) -> Verdict:
    """The scenario on our language."""
    case = graph = None
    try:
        case = understood(scenario)
        if reason := why_out(case):
            return Verdict(scenario, skipped=reason)
        graph = prepared(case, graphs)
        failed = "\n".join(mismatches(case, graph))
    except CaseError as error:
        failed = str(error)
    except Exception as error:  # a fault of the language must be a failure here, not the end of the run
        failed = f"{type(error).__name__}: {error}"
    return Verdict(scenario, "", failed, case, graph)


def report(verdicts: Iterable[Verdict], verbose: bool) -> Iterator[str]:
    """The lines of the answer, the counts last."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for verdict in verdicts:
        counts[verdict.word] += 1
        reasons.update([verdict.skipped] if verdict.skipped else [])
        if verbose or verdict.failed:
            why = f" ({verdict.skipped})" if verdict.skipped else ""
            yield f"{verdict.word}: {verdict.scenario.title}{why}"
        if verdict.failed:
            yield _indented(verdict, verbose)
    for reason, number in reasons.most_common():
        yield f"skipped for {reason}: {number}"
    yield f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def _indented(verdict: Verdict, verbose: bool) -> str:
    query = verdict.case.asked[-1].query if verdict.case and verbose else ""
    text = "\n".join(part for part in (query, verdict.failed) if part)
    safe = "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
    return "    " + safe.replace("\n", "\n    ")


def beside_peers(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, Score]]:
    """Our score and each peer's, on the scenarios that the language claims."""
    ours, cases = Score(), []
    for verdict in verdicts:
        if verdict.case is not None and not verdict.skipped:
            ours.count(verdict.case, verdict.failed)
            cases.append((verdict.case, verdict.graph or TckGraph()))
    yield "winnower", ours
    interpreter = peers.python()
    for name in peers.installed() if interpreter else ():
        assert interpreter is not None, "else there are no names"
        with Peer(name, interpreter) as peer:
            print(f"tck: {name}: {len(cases)} scenarios", file=sys.stderr, flush=True)
            total = score(peer, cases)
        yield f"{name} {peer.version}", total


def table(scores: Iterable[tuple[str, Score]]) -> Table:
    """One row for each engine."""
    shown = Table(title="scenarios passed, of those whose clauses the language has", title_justify="left")
    for column in ("engine", "rows right", "errors raised", "passed", "share"):
        shown.add_column(column, justify="left" if column == "engine" else "right")
    for name, one in scores:
        passed, of = one.rows + one.errors, one.of_rows + one.of_errors
        rows, errors = f"{one.rows}/{one.of_rows}", f"{one.errors}/{one.of_errors}"
        shown.add_row(name, rows, errors, f"{passed}/{of}", f"{passed / max(of, 1):.1%}")
    return shown


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="openCypher's compatibility kit on Winnower's language")
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the .feature files are, at any depth")
    parser.add_argument("--only", metavar="PATTERN", default="", help="scenarios whose file, line or name match")
    parser.add_argument("-v", "--verbose", action="store_true", help="every scenario, and the queries of those failed")
    parser.add_argument("--peers", action="store_true", help="a table, ours beside the engines of .venv-peers")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run what was asked for; 1 if a scenario failed, 2 if there was none to run."""
    options = arguments(argv)
    try:
        only = re.compile(options.only)
        scenarios = [one for one in read_features(options.folder) if only.search(one.title)]
    except (FeatureError, OSError, re.error) as error:
        print(f"tck: {error}", file=sys.stderr)
        return 2
    graphs = graphs_beside(options.folder)
    verdicts = [judged(scenario, graphs) for scenario in scenarios]
    lines = list(report(verdicts, options.verbose))
    if options.peers:
        Console(width=120).print(table(beside_peers(verdicts)))
    print("\n".join(lines))
    return 1 if any(verdict.failed for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
