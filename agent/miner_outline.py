r"""The outline of a masked line: what its kind of line has always, and the words in the gaps, which may change.

Rules of this file
    - A masked line is a pattern in written form (`agent.miner_rules`). Cut at spaces; of each token the punctuation at
      its ends and a `key=` belong to the outline, what is between is a word. So do tokens without a letter or a field,
      and tokens with a field that may hold spaces (`{text}`, `{any}`): no single word can take their place.
    - Of a request, the parts of the path, keys and values of the query are words; method and status are the outline.
    - A word is literal text, quoted, or nothing but fields; it never has whitespace, so `{term}` can take its place.

Invariant: `outline.fill(outline.words)` is the masked line.
Complexity: O(length); a token met lately costs one table look-up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from agent.miner_requests import is_statement

MAX_CACHED: Final = 16_384

_LEAD: Final = "([<\"'`*|#:=,;"
_TAIL: Final = ")]>\"'`,;:.!?|%*"
_REQUEST: Final = re.compile(r"([A-Z]{3,8} /)([^ ]*) ([0-9]{3}|-)")
_PARTS: Final = re.compile(r"([/?&=])")
_FIELDS: Final = re.compile(r"(?:\{[a-z]+(?::[0-9]+)?\}[:./-]?)+")
_LETTER: Final = re.compile(r"[^\W_]")


Kind = Literal["text", "found", "refused", "statement"]
"""Free text; a request that was served; one that was not; an SQL statement."""


class Outline(NamedTuple):
    """`statics` around the gaps (one more than gaps), `words` in them, and what kind of line it is."""

    statics: tuple[str, ...]
    words: tuple[str, ...]
    kind: Kind

    def fill(self, words: Sequence[str]) -> str:
        """The line with these words in its gaps."""
        parts = [self.statics[0]]
        for word, static in zip(words, self.statics[1:], strict=True):
            parts += (word, static)
        return "".join(parts)


def outline_of(masked: str) -> Outline:
    """Take a masked line apart.

    >>> outline_of("user={term} logged in").statics
    ('user=', ' ', ' ', '')
    """
    request = _REQUEST.fullmatch(masked)
    if request:
        return _request(request)
    statics, words, static = [], [], ""
    for i, token in enumerate(masked.split(" ")):
        lead, word, tail = _split(token)
        static += " " + lead if i else lead
        if word:
            statics.append(static)
            words.append(word)
            static = tail
    statics.append(static)
    return Outline(tuple(statics), tuple(words), "statement" if is_statement(masked) else "text")


def _request(found: re.Match[str]) -> Outline:
    statics, words, static = [], [], found[1]
    for i, part in enumerate(_PARTS.split(found[2])):
        if i % 2 or not part:
            static += part
        else:
            statics.append(static)
            words.append(part)
            static = ""
    statics.append(f"{static} {found[3]}")
    return Outline(tuple(statics), tuple(words), "found" if found[3] < "4" else "refused")


@lru_cache(maxsize=MAX_CACHED)
def _split(token: str) -> tuple[str, str, str]:
    """A token as what leads to its word, the word, and what follows; all of it leads if it has none."""
    if token.isalpha():
        return "", token, ""
    if "{text}" in token or "{any}" in token or not _LETTER.search(token):
        return token, "", ""
    at = max(token.rfind("\t"), token.rfind("\r"), token.rfind("=")) + 1
    core = token[at:].lstrip(_LEAD)
    lead, word = token[: len(token) - len(core)], core.rstrip(_TAIL)
    tail = core[len(word) :]
    field = _first_field(word)
    if field >= 0:
        lead, word = lead + word[:field], word[field:]
        if not _FIELDS.fullmatch(word):
            return token, "", ""
    return (lead, word, tail) if _LETTER.search(word) else (token, "", "")


def _first_field(word: str) -> int:
    """Where the first field begins; a brace behind a backslash is literal."""
    at = 0
    while at < len(word):
        if word[at] == "\\":
            at += 1
        elif word[at] == "{":
            return at
        at += 1
    return -1
