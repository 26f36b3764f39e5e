"""A policy: what must not happen, how bad it would be, where it applies, and when the alert is wrong.

Rules of this file
    - A policy is one text: YAML front matter between `---` lines, then the query. Texts come in as arguments; nothing
      is read here.
    - All errors of a text are reported together (`PolicyErrors`), located in the whole file; unknown keys are errors.
    - Every policy says when it is wrong (`false_positives`): whoever is woken by an alert has a right to know.

Invariant: the query of a `Policy` passed the checks of the language and of Winnower's vocabulary.
Source: design section 2; the shape of Sigma's rules (id, title, level, falsepositives).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from grammar.errors import InputError
from policies.check import vocabulary_problems
from policies.errors import PolicyErrors
from policies.frontmatter import Entry, entries, split
from policies.parse import MAX_TEXT, parse_query
from policies.patterns import glob_matches
from policies.syntax import Query

SEVERITIES: Final = ("low", "medium", "high", "critical")
REQUIRED: Final = ("id", "title", "severity", "technique", "false_positives")
LISTS: Final = ("applications", "false_positives")
KEYS: Final = (*REQUIRED, "applications", "description")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy; `source` is the text of its query, `file` where it came from, `technique` of MITRE ATT&CK."""

    id: str
    title: str
    severity: str
    technique: str
    query: Query
    source: str
    false_positives: tuple[str, ...]
    applications: tuple[str, ...] = ("*",)
    description: str = ""
    file: str = ""

    def applies_to(self, application: str) -> bool:
        """Whether one of the globs in `applications` fits the application's name."""
        return any(glob_matches(pattern, application) for pattern in self.applications)


def parse_policy(text: str, file: str = "") -> Policy:
    """Read one policy. Raises `PolicyErrors` with all that is wrong with it."""
    if len(text) > MAX_TEXT:
        raise PolicyErrors([InputError(f"a policy of more than {MAX_TEXT} characters", file=file, line=1, column=1)])
    errors: list[InputError] = []
    parts = _tried(lambda: split(text, file), errors)
    if parts is None:
        raise PolicyErrors(errors)
    head, source, lines = parts
    found = _tried(lambda: entries(head, file), errors)
    if found is not None:
        errors += _head_problems(found, file)
    query = _tried(lambda: parse_query(source, file, lines), errors)
    if query is not None:
        errors += vocabulary_problems(query, file)
    if errors or found is None or query is None:
        raise PolicyErrors(errors)
    return _policy(found, query, source.strip(), file)


def _tried(action: Callable[[], T], errors: list[InputError]) -> T | None:
    try:
        return action()
    except InputError as error:
        errors.append(error)
        return None


def _policy(found: Mapping[str, Entry], query: Query, source: str, file: str) -> Policy:
    return Policy(
        id=found["id"].texts[0],
        title=found["title"].texts[0],
        severity=found["severity"].texts[0],
        technique=found["technique"].texts[0],
        query=query,
        source=source,
        false_positives=found["false_positives"].texts,
        applications=found["applications"].texts if "applications" in found else ("*",),
        description=found["description"].texts[0].strip() if "description" in found else "",
        file=file,
    )


def _head_problems(found: Mapping[str, Entry], file: str) -> list[InputError]:
    errors = [
        InputError(f"the front matter lacks '{key}'", file=file, line=1, column=1)
        for key in REQUIRED
        if key not in found
    ]
    for entry in found.values():
        problem = _problem(entry)
        if problem is None:
            continue
        message, hint = problem
        at, offending = (entry.at, ", ".join(entry.texts)) if entry.key in KEYS else (entry.key_at, entry.key)
        errors.append(InputError(message, file=file, line=at.line, column=at.column, offending=offending, hint=hint))
    return errors


def _problem(entry: Entry) -> tuple[str, str] | None:
    key, texts = entry.key, entry.texts
    if key not in KEYS:
        near = get_close_matches(key[:80], KEYS, 1)
        return "unknown key", f"did you mean {near[0]}?" if near else "one of " + ", ".join(KEYS)
    if entry.many and key not in LISTS:
        return f"'{key}' is one text, not a list", ""
    if not texts or not all(text.strip() for text in texts):
        return f"'{key}' is empty", ""
    if key in FORMS and not FORMS[key].fullmatch(texts[0]):
        return f"not a valid {key}", HINTS[key]
    return None


FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "id": re.compile(r"[a-z0-9][a-z0-9-]{0,79}"),
    "severity": re.compile("|".join(SEVERITIES)),
    "technique": re.compile(r"T[0-9]{4}(\.[0-9]{3})?"),
}
HINTS: Final = {
    "id": "small letters, digits and dashes",
    "severity": "one of " + ", ".join(SEVERITIES),
    "technique": "an ATT&CK technique such as T1059.004",
}
