"""What a guest said: results that its checks reported, and whether its kernel complained.

Rules of this file
    - Text in, values out. Results and the kernel's log come by two serial lines, so that neither cuts the other.
    - Silence is failure: a guest that planned n checks and reported fewer, or did not say its last line, failed.
    - Any sign of a fault counts, wherever it stands in the log: a check may be right while the kernel is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

RESULT: Final = re.compile(r"^RESULT (\S{1,80}) (ok|FAIL|skip)(?: (.{0,2000}))?$")
PLAN: Final = re.compile(r"^PLAN((?: \S{1,80})*)$")
END: Final = re.compile(r"^END taint=(\d+)$")
TIMES: Final = re.compile(r"^\[ *\d+\.\d+\] ")
# Died (7), warned (9), locked up (14), live out of order: a module without signature (12, 13) is meant to be there.
FAULTY: Final = (1 << 7) | (1 << 9) | (1 << 14)
FAULTS: Final = re.compile(
    "|".join(
        (
            r"\bBUG\b",
            r"\bOops\b",
            r"WARNING:",
            r"Call Trace",
            r"general protection",
            r"unable to handle",
            r"Kernel panic",
            r"possible (circular|recursive|irq|deadlock)",
            r"inconsistent lock state",
            r"suspicious RCU",
            r"sleeping function called",
            r"scheduling while atomic",
            r"blocked for more than",
            r"self-detected stall|detected stalls|rcu_\w+ kthread starved",
            r"(soft|hard) ?LOCKUP|soft lockup",
            r"\bKASAN\b.*\bin\b|\bUBSAN\b|\bKCSAN\b|\bKFENCE\b.*\bin\b",
            r"refcount_t:",
            r"list_(add|del) corruption",
            r"DEBUG_LOCKS_WARN_ON",
            r"unreferenced object",
            r"Unknown symbol|disagrees about version|loading out-of-tree.*failed",
            r"page allocation failure|Out of memory:",
            r"\bsegfault at\b",
        )
    )
)


@dataclass(frozen=True, slots=True)
class Result:
    """One check: its name, `ok`, `FAIL` or `skip`, and what it had to say."""

    name: str
    verdict: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """All of one guest."""

    results: tuple[Result, ...]
    faults: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether every check that ran passed, at least one did, and the kernel had nothing to say."""
        verdicts = {result.verdict for result in self.results}
        return not self.faults and "FAIL" not in verdicts and "ok" in verdicts


def report(said: str, log: str, ended: str = "") -> Report:
    """From the line of results and the kernel's log; `ended` is why the guest did not end by itself, if so."""
    lines = said.replace("\r", "").splitlines()
    results = [Result(m[1], m[2], m[3] or "") for line in lines if (m := RESULT.match(line))]
    planned = [name for line in lines if (m := PLAN.match(line)) for name in m[1].split()]
    named = {result.name for result in results}
    silent = [Result(name, "FAIL", "said nothing") for name in dict.fromkeys(planned) if name not in named]
    return Report((*results, *silent), (*faults(log), *_end(lines), *([ended] if ended else [])))


def faults(log: str) -> tuple[str, ...]:
    """The lines of a kernel's log that no healthy run has, each once."""
    lines = (TIMES.sub("", line) for line in log.replace("\r", "").splitlines())
    return tuple(dict.fromkeys(line.strip()[:300] for line in lines if FAULTS.search(line)))


def _end(lines: Iterable[str]) -> list[str]:
    ends = [m for line in lines if (m := END.match(line))]
    if not ends:
        return ["the guest did not reach its end"]
    taint = int(ends[-1][1])
    return [f"the kernel is tainted: {taint}"] if taint & FAULTY else []
