"""From a Sigma rule to a policy file: its head, what is to be known about the translation, the query.

Rules of this file
    - Everything in a rule is a stranger's text: it is written quoted, and what a policy does not allow is left out and
      said.
    - What could not be carried over stands in the file as comments, and so does who has written the rule.

Invariant: `parse_policy` reads what `policy_text` writes.
Complexity: linear in the rule.
Source: sigmahq.io, rule specification; `policies.policy` (front matter).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from policies.policy import FORMS
from policies.sigma import Carried, Dropped, Loss, Tree, carried
from policies.sigma_query import SHAPES, constant, query_of, why_not

LEVELS: Final = {"informational": "low", "low": "low", "medium": "medium", "high": "high", "critical": "critical"}
STATUSES: Final = {"stable": "stable", "test": "testing", "experimental": "experimental"}
MAX_TEXT: Final = 2_000
MAX_ITEMS: Final = 50
_HALF: Final = re.compile("[\ud800-\udfff]")
_TECHNIQUE: Final = re.compile(r"attack\.(t[0-9]{4}(?:\.[0-9]{3})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it was read: its texts, its category, its condition."""

    title: str
    category: str
    tree: Tree
    ident: str = ""
    author: str = ""
    description: str = ""
    level: str = ""
    status: str = ""
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    license: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Translation:
    """The policy's id and text, what became of the meaning, and what there is to say about it."""

    id: str
    text: str
    loss: Loss
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()


def translated(rule: Rule) -> Translation:
    """The rule as a policy; without a text if nothing of it is left, or nothing is asked any more."""
    found = carried(rule.tree, lambda one: why_not(rule.category, one), constant)
    ident = ident_of(rule.title)
    if isinstance(found.tree, bool):
        note = "every event would match" if found.tree else "it speaks only of what is not looked at here"
        return Translation(ident, "", found.loss, (note,), found.dropped)
    notes = tuple(_notes(rule, found))
    head = _head(rule, ident)
    query = query_of(rule.category, found.tree)
    comments = "".join(f"// {_line(note)}\n" for note in (*_origin(rule), *notes))
    return Translation(ident, f"---\n{head}---\n{comments}{query}", found.loss, notes, found.dropped)


def ident_of(title: str) -> str:
    """An id from a title.

    >>> ident_of("Linux Reverse-Shell (nc)")
    'linux-reverse-shell-nc'
    """
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return words[:80].strip("-") or "sigma-rule"


def _notes(rule: Rule, found: Carried) -> Iterator[str]:
    shape = SHAPES[rule.category]
    if shape.note:
        yield shape.note
    if found.loss is not Loss.EXACT:
        word = "matches less than the rule" if found.loss is Loss.NARROWER else "matches MORE than the rule"
        yield f"this policy {word}; not carried over:"
    yield from (f"  {_shown(one)}: {one.why}" for one in found.dropped)
    if not any(map(_TECHNIQUE.fullmatch, map(str.lower, rule.tags))):
        yield f"the rule names no technique; {shape.technique} is a guess by its category"
    if rule.status and rule.status not in STATUSES:
        yield f"the rule's status is {rule.status}"
    bad = [one for one in rule.references if not FORMS["references"].fullmatch(one)]
    yield from (f"reference: {one}" for one in bad)


def _shown(one: Dropped) -> str:
    place = f" (line {one.field.at.line})" if one.field.at.line else ""
    return f"{one.field.name or 'keyword'}{place}"


def _origin(rule: Rule) -> Iterator[str]:
    yield f"From the Sigma rule {rule.ident or 'without an id'}" + (f" by {rule.author}" if rule.author else "")
    if rule.license:
        yield f"Licence: {rule.license}"


def _head(rule: Rule, ident: str) -> str:
    shape = SHAPES[rule.category]
    found = [one[1].upper() for tag in rule.tags if (one := _TECHNIQUE.fullmatch(tag.lower()))]
    description, addresses = _texts([rule.description]), filter(FORMS["references"].fullmatch, rule.references)
    lines = [
        f"id: {ident}",
        f"title: {_quoted(*(_texts([rule.title]) or [ident]))}",
        f"severity: {LEVELS.get(rule.level, 'medium')}",
        *_list("technique", found or [shape.technique]),
        f"maturity: {STATUSES.get(rule.status, 'experimental')}",
        *(f"description: {_quoted(one)}" for one in description),
        *_list("false_positives", _texts(rule.false_positives) or ["none that the rule names"]),
        *_list("references", addresses),
    ]
    return "".join(f"{line}\n" for line in lines)


def _texts(texts: Iterable[str]) -> list[str]:
    """Each on one line, none empty, none twice, half characters replaced."""
    whole = (_HALF.sub("\ufffd", " ".join(text.split())[:MAX_TEXT]).strip() for text in texts)
    return [text for text in dict.fromkeys(whole) if text][:MAX_ITEMS]


def _list(key: str, texts: Iterable[str]) -> Iterator[str]:
    kept = _texts(texts)
    if kept:
        yield f"{key}:"
        yield from (f"  - {_quoted(one)}" for one in kept)


def _quoted(text: str) -> str:
    """In double quotes, for YAML."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    number = ord(character)
    if character.isprintable() and character != "\ufeff":
        return character
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _line(text: str) -> str:
    """One line of a comment."""
    return "".join(c if c.isprintable() else "?" for c in text)[:MAX_TEXT]
