"""A policy: what must not happen, how bad it would be, where it applies, and when the alert is wrong.

Rules of this file
    - A policy is one text: YAML front matter between `---` lines, then the query. Texts come in as arguments; nothing
      is read here.
    - All errors of a text are reported together (`PolicyErrors`), located in the whole file; unknown keys are errors.
    - Every policy says when it is wrong (`false_positives`): whoever is woken by an alert has a right to know.
    - Lengths of time are log time. What names an application is a glob; one that begins with `!` leaves out.

Invariant: the query of a `Policy` passed the checks of the language and of Winnower's vocabulary.
Source: design section 2; the shape of Sigma's rules (id, title, level, status, falsepositives, references).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from grammar.errors import InputError
from policies.check import vocabulary_problems
from policies.errors import PolicyErrors
from policies.frontmatter import Entry, entries, split
from policies.parse import MAX_TEXT, parse_query
from policies.patterns import glob_matches
from policies.syntax import Place, Query

SEVERITIES: Final = ("low", "medium", "high", "critical")
MATURITIES: Final = ("experimental", "testing", "stable")
MILLIS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
NEVER: Final = "never"
REQUIRED: Final = ("id", "title", "severity", "technique", "false_positives")
LISTS: Final = ("technique", "applications", "actions", "false_positives", "references")
KEYS: Final = (*REQUIRED, "applications", "maturity", "actions", "rate_limit", "rearm", "description", "references")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` alerts in `millis` of log time."""

    count: int
    millis: int


DEFAULT_RATE: Final = Rate(60, MILLIS["h"])


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy; `source` is the text of its query, `text` the whole of `file`, where it came from.

    `techniques` are MITRE ATT&CK's. `actions` names configured ones (none: the default). `rate_limit` holds for one
    container; after `rearm_millis` the same deed of one may be told again (None: never).
    """

    id: str
    title: str
    severity: str
    techniques: tuple[str, ...]
    query: Query
    source: str
    false_positives: tuple[str, ...]
    applications: tuple[str, ...] = ("*",)
    maturity: str = "stable"
    actions: tuple[str, ...] = ()
    rate_limit: Rate = DEFAULT_RATE
    rearm_millis: int | None = None
    description: str = ""
    references: tuple[str, ...] = ()
    file: str = ""
    text: str = ""

    @property
    def technique(self) -> str:
        """The first of the techniques."""
        return self.techniques[0]

    def applies_to(self, application: str) -> bool:
        """Whether a glob in `applications` fits the application's name and none behind a `!` does.

        Globs with a `!` alone leave out of everything.
        """
        out = [one[1:] for one in self.applications if one.startswith("!")]
        into = [one for one in self.applications if not one.startswith("!")] or ["*"]
        return any(fits(one, application) for one in into) and not any(fits(one, application) for one in out)


def fits(glob: str, text: str) -> bool:
    """Whether `text` is what `glob` says, in which `*` stands for any text.

    >>> fits("web-*", "web-1")
    True
    """
    return glob_matches(glob, text)


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
    return _policy(found, query, source.strip(), file, text)


def _tried(action: Callable[[], T], errors: list[InputError]) -> T | None:
    try:
        return action()
    except PolicyErrors as several:
        errors += several.errors
        return None
    except InputError as error:
        errors.append(error)
        return None


def _policy(found: Mapping[str, Entry], query: Query, source: str, file: str, text: str) -> Policy:
    def texts(key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return found[key].texts if key in found else default

    rearm = texts("rearm", (NEVER,))[0]
    return Policy(
        id=texts("id")[0],
        title=texts("title")[0],
        severity=texts("severity")[0],
        techniques=texts("technique"),
        query=query,
        source=source,
        false_positives=texts("false_positives"),
        applications=texts("applications", ("*",)),
        maturity=texts("maturity", ("stable",))[0],
        actions=texts("actions"),
        rate_limit=_rate(texts("rate_limit")[0]) if "rate_limit" in found else DEFAULT_RATE,
        rearm_millis=None if rearm == NEVER else _millis(rearm),
        description=texts("description", ("",))[0].strip(),
        references=texts("references"),
        file=file,
        text=text,
    )


def _rate(text: str) -> Rate:
    count, _, unit = text.partition("/")
    return Rate(int(count), MILLIS[unit])


def _millis(text: str) -> int:
    return int(text[:-1]) * MILLIS[text[-1]]


def _head_problems(found: Mapping[str, Entry], file: str) -> list[InputError]:
    errors = [
        InputError(f"the front matter lacks '{key}'", file=file, line=1, column=1)
        for key in REQUIRED
        if key not in found
    ]
    for entry in found.values():
        for message, offending, at, hint in _problems(entry):
            errors.append(
                InputError(message, file=file, line=at.line, column=at.column, offending=offending, hint=hint)
            )
    return errors


def _problems(entry: Entry) -> Iterator[tuple[str, str, Place, str]]:
    """What is wrong with one entry: message, offending text, place, hint."""
    key, texts = entry.key, entry.texts
    if key not in KEYS:
        near = get_close_matches(key[:80], KEYS, 1)
        yield "unknown key", key, entry.key_at, f"did you mean {near[0]}?" if near else "one of " + ", ".join(KEYS)
    elif entry.many and key not in LISTS:
        yield f"'{key}' is one text, not a list", ", ".join(texts), entry.at, ""
    elif not texts or not all(text.strip() for text in texts):
        yield f"'{key}' is empty", ", ".join(texts), entry.at, ""
    else:
        form = FORMS.get(key)
        for text, at in zip(texts, entry.places, strict=True):
            if form is not None and not form.fullmatch(text):
                yield f"not a valid {key}", text, at, HINTS[key]
        if key in LISTS and len(set(texts)) < len(texts):
            yield f"'{key}' says one thing twice", ", ".join(texts), entry.at, ""


_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "id": _NAME,
    "severity": re.compile("|".join(SEVERITIES)),
    "technique": re.compile(r"T[0-9]{4}(\.[0-9]{3})?"),
    "applications": re.compile(r"(?s)!?[^!].*"),
    "maturity": re.compile("|".join(MATURITIES)),
    "actions": _NAME,
    "rate_limit": re.compile(r"[1-9][0-9]{0,5}/[smhd]"),
    "rearm": re.compile(r"never|[1-9][0-9]{0,5}[smhd]"),
    "references": re.compile(r"https?://[^\s/]+(/\S*)?"),
}
"""The form of each text behind a key; keys that are not here take any text."""
HINTS: Final = {
    "id": "small letters, digits and dashes",
    "severity": "one of " + ", ".join(SEVERITIES),
    "technique": "an ATT&CK technique such as T1059.004",
    "applications": "a glob such as web-*, or !host to leave the host out",
    "maturity": "one of " + ", ".join(MATURITIES),
    "actions": "the name of a configured action: small letters, digits and dashes",
    "rate_limit": "at most so many in a second, minute, hour or day, such as 10/h",
    "rearm": "a length of time such as 30m, 24h or 7d, or never",
    "references": "a web address",
}
