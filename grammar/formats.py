r"""A printf format as it stands in a binary, as the Pattern of what it prints.

Rules of this file
    - What the format prints is matched, whatever the arguments are (one line of it each; a `%s` prints no newline): a
      missed field costs a log line, so where C leaves a choice (`%+d`, `%#x` of 0, padding) the field is the wider one.
    - What is no conversion stays literal: `100%` is text.
    - Newlines at both ends are not part of the message: a line of a log has none.
    - Dialects add conversions to C's. Those of Apache's APR, MariaDB's mysys and PHP are no valid C, so that `c`
      reads them too; nginx has a language of its own, which must be named (`dialect_of` guesses it).
    - Bounded: a text of any size gives a pattern that can be written, read and compiled (`MAX_FORMAT`, `MAX_FIELDS`,
      `MAX_BOUNDED`); what is cut is `{any}`.

Complexity: O(length of the text).
Source: DisProTrack section IV (LMS regex form); printf(3); apr_snprintf.c, my_vsnprintf.c, spprintf.c, ngx_string.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from grammar.pattern import MAX_WIDTH, Pattern, Slot, writable

Dialect = Literal["c", "apr", "mysql", "php", "nginx"]

MAX_FORMAT: Final = 2048
MAX_FIELDS: Final = 64
MAX_BOUNDED: Final = MAX_WIDTH
"""Characters that the precisions of one format may count together; RE2 spells each of them out."""

Part = str | Slot

TEXT: Final = Slot("text")
SPACE: Final = Slot("space")
DIGITS: Final = Slot("digits")

_C: Final = re.compile(
    r"%(?:[0-9]{1,2}\$)?"  # position
    r"(?P<flags>[-+ #0'`]{0,8})"
    r"(?P<width>\*(?:[0-9]{1,2}\$)?|[0-9]{0,5})"
    r"(?:\.(?P<precision>\*(?:[0-9]{1,2}\$)?|-?[0-9]{0,5}))?"
    r"(?P<length>hh|h|ll|l|q|j|z|t|L|Z(?=[diouxX]))?"
    r"(?P<letter>p[AITtFSBmpduxo](?![A-Za-z0-9])|[a-zA-Z%])"
)
_NGINX: Final = re.compile(
    r"%(?P<zero>0?)(?P<width>[0-9]{0,5})(?P<star>\*?)(?P<kind>[uxXm]{0,3})(?:\.[0-9]{0,5})?"
    r"(?P<letter>[OTzdliDLAfPMrpVvsZNc%])"
)

FLOATS: Final = {**dict.fromkeys("fegaH", "float"), **dict.fromkeys("FEGA", "term")}
"""Upper-case letters print `INF`, `NAN` and `0X1P+3`, which `{float}` does not take."""

PLAIN: Final = {
    **dict.fromkeys("di", "int"),
    **dict.fromkeys("uo", "digits"),
    **dict.fromkeys("xX", "hex"),
    **dict.fromkeys("bB", "digits"),
    **dict.fromkeys("cC", "char"),
    **dict.fromkeys("sSm", "text"),
    "p": "pointer",
    **FLOATS,
    "T": "text",  # MariaDB: cut with "..."
    **dict.fromkeys("Zv", "text"),  # PHP: a zval, a string of either kind
    **dict.fromkeys(("pA", "pI"), "term"),  # APR: address, address:port, [address]:port, (null)
    **dict.fromkeys(("pT", "pt"), "token"),  # APR: a thread
    **dict.fromkeys(("pF", "pS", "pB", "pm"), "text"),  # APR: sizes, the text of a status
    "pp": "hex",  # APR: a pointer without 0x
    "pd": "int",  # PHP: zend_long
    **dict.fromkeys(("pu", "po"), "digits"),
    "px": "hex",
}

HEX_DIGITS: Final = {"hh": 2, "h": 4, "": 8}
"""Most hexadecimal digits by length modifier; 16 for the others (64 bits)."""

NGINX: Final = {
    **dict.fromkeys("OTzdliDLAPMr", "int"),
    **dict.fromkeys("Vvs", "text"),
    "f": "float",
    "c": "char",
}

FRAMES: Final = {
    "perror": ("", ": {text}"),
    **dict.fromkeys(("err", "verr", "warn", "vwarn"), ("{text}: ", ": {text}")),
    **dict.fromkeys(("errx", "verrx", "warnx", "vwarnx"), ("{text}: ", "")),
    **dict.fromkeys(("error", "error_at_line"), ("{text}: ", "{text}")),
}
"""What these print before a message (the program's name) and behind it (the text of `errno`)."""

_DIALECTS: Final[tuple[tuple[Dialect, re.Pattern[str]], ...]] = (
    ("nginx", re.compile(r"%(?:[0-9]{0,3}u[izADLO](?![a-z])|V(?![a-z])|[0-9]{0,3}[xX][dDLi](?![a-z]))")),
    ("mysql", re.compile(r"%(?:`[-.0-9*]{0,8}s|-\.[0-9*]{1,4}[sT]|M(?![A-Za-z:%]))")),
    ("apr", re.compile(r"%p[AITm](?![A-Za-z0-9])")),
    ("php", re.compile(r"%(?:Z(?![A-Za-z:%])|\.\*H)")),
)
_C_ONLY: Final = re.compile(r"%[-+0-9.]{0,6}(?:l{1,2}|z|h{1,2}|j)[dux]|%-[0-9]{1,4}s|%0[0-9]x")
_WORDS: Final = re.compile(r"[A-Za-z]{3}")
_RUN: Final = re.compile(r"[^\W_]+")
ENOUGH: Final = 2
"""Strings in a dialect before a binary is taken to speak it; random bytes look like one now and then."""


def pattern_of(text: str, dialect: Dialect = "c") -> Pattern:
    r"""What the format prints, newlines at both ends left out.

    >>> str(pattern_of("AH%05d: %.8s: %s (%d%%)\n"))
    'AH{int}: {text:8}: {text} ({int}%)'
    >>> str(pattern_of("upstream \"%V\" sent %uz bytes", "nginx"))
    'upstream "{text}" sent {digits} bytes'
    """
    text, rest = _cut(text)
    parts = _nginx_parts(text) if dialect == "nginx" else _c_parts(text, dialect)
    return _joined(parts, rest)


def literal_of(text: str) -> Pattern:
    r"""What is printed as it stands (`puts`, an argument of `%s`), newlines at both ends left out.

    >>> str(literal_of("100%s {a}\n"))
    '100%s \\{a\\}'
    """
    text, rest = _cut(text)
    return _joined([text], rest)


def framed(pattern: Pattern, callee: str) -> Pattern:
    """The message as that function of libc prints it, with what it puts before and behind.

    >>> str(framed(pattern_of("cannot open %s"), "warn"))
    '{text}: cannot open {text}: {text}'
    """
    before, behind = FRAMES.get(callee, ("", ""))
    if not (before or behind):
        return pattern
    parts = (*Pattern.parse(before).parts, *pattern.parts, *Pattern.parse(behind).parts)
    return _joined(parts, ())


def dialect_of(texts: Iterable[str]) -> Dialect:
    """The dialect that most of a binary's strings speak; `c` where too few say anything else.

    >>> dialect_of(["no %V found", "limit %ui reached", "%s", "read %uz of %V"])
    'nginx'
    """
    votes: dict[Dialect, int] = {}
    plain = 0
    for text in texts:
        if "%" not in text or not _WORDS.search(text):
            continue
        plain += _C_ONLY.search(text) is not None
        for dialect, telling_one in _DIALECTS:
            if telling_one.search(text):
                votes[dialect] = votes.get(dialect, 0) + 1
                break
    if votes.get("nginx", 0) <= plain:  # what nginx means by `%l` is no C, and the other way round: the majority
        votes.pop("nginx", None)
    votes["c"] = ENOUGH
    return max(votes, key=lambda one: (votes[one], one == "c", one))


def specificity(pattern: Pattern) -> int:
    """Letters and digits of its literal text: what it takes for two patterns to be told apart."""
    return sum(char.isalnum() for part in pattern.parts if isinstance(part, str) for char in part)


def telling(pattern: Pattern) -> bool:
    """True if there is enough literal text for a match to mean something; `%s: %s` matches everything.

    A pattern that begins with text needs less than one that may be found anywhere in a line.
    """
    free = [isinstance(part, Slot) and part.type in ("text", "any") for part in pattern.parts]
    if not free:
        return False
    runs = (len(run) for part in pattern.parts if isinstance(part, str) for run in _RUN.findall(part))
    needed = 3 + any(free) + 2 * (free[0] and free[-1])
    return specificity(pattern) >= needed and max(runs, default=0) >= 2


def _cut(text: str) -> tuple[str, tuple[Part, ...]]:
    """The text to be read, and what stands for the rest of it."""
    text = writable(text[: MAX_FORMAT + 1]).strip("\r\n")
    return (text, ()) if len(text) <= MAX_FORMAT else (text[:MAX_FORMAT], (Slot("any"),))


def _c_parts(text: str, dialect: Dialect) -> Iterator[Part]:
    at = 0
    for found in _C.finditer(text):
        if found.start() < at:  # inside of what has been read: MariaDB's suffix
            continue
        fields = _c_fields(found, dialect)
        if fields is None:
            continue
        yield text[at : found.start()]
        yield from fields
        at = found.end() + _suffix(text, found, dialect)
    yield text[at:]


def _suffix(text: str, found: re.Match[str], dialect: Dialect) -> int:
    """Length of the letter by which newer mysys marks an extension: `%sT`, `%sB`, `%sQ`, `%iE`."""
    after = text[found.end() : found.end() + 2]
    marks = {"s": "TBQS", "i": "E", "d": "E", "u": "E", "c": "C", "x": "E"}.get(found["letter"], "")
    return int(dialect == "mysql" and after[:1] != "" and after[0] in marks and not after[1:].isalpha())


def _c_fields(found: re.Match[str], dialect: Dialect) -> list[Part] | None:
    letter, flags, precision = found["letter"], found["flags"], found["precision"]
    if letter == "%":
        return ["%"]
    if letter == "n":
        return []
    if letter == "M" or (dialect == "mysql" and _suffix(found.string, found, dialect) and letter in "diux"):
        return [Slot("int"), TEXT]  # MariaDB: an error's number and its text in quotes
    if letter not in PLAIN or ("`" in flags and letter not in "sTb"):
        return None
    if "`" in flags:
        return ["`", TEXT, "`"]
    if letter in "bB" and (precision is not None or dialect == "mysql"):
        return [TEXT]  # mysys: bytes as they are
    return _padded(_field(found, dialect), found)


def _field(found: re.Match[str], dialect: Dialect) -> Slot:
    letter, flags, precision = found["letter"], found["flags"], found["precision"]
    kind = PLAIN[letter]
    if kind == "text":
        return _text(precision) if letter in "sST" else TEXT
    if kind in ("int", "digits", "hex") and precision is not None and not precision.strip("-0*"):
        return TEXT  # the value 0 with precision 0 prints nothing at all
    if "'" in flags and letter in "diufFgG":
        return Slot("term")
    if kind == "int" and "+" in flags:
        return Slot("float")
    if kind == "hex":
        return _hex(found)
    if kind == "digits" and letter in "bB" and "#" in flags:
        return Slot("token")
    if kind == "pointer" and dialect in ("apr", "php"):
        return Slot("token")  # hexadecimal digits without 0x
    return Slot(kind)


def _text(precision: str | None) -> Slot:
    """A string of at most `precision` bytes: as many characters at most."""
    width = int(precision or 0) if precision is not None and (precision or "0").isdigit() else 0
    return Slot("text", width) if 0 < width <= MAX_WIDTH else TEXT


def _hex(found: re.Match[str]) -> Slot:
    """`%02hhx` prints two digits exactly; `%#x` prints 0x, but not before 0."""
    if "#" in found["flags"]:
        return Slot("token")
    most = HEX_DIGITS.get(found["length"] or "", 16)
    zeros = found["precision"] if found["precision"] is not None else found["width"] if "0" in found["flags"] else ""
    full = "-" not in found["flags"] and zeros == str(most) and (found["width"] or "0") in ("0", zeros)
    return Slot("hex", most) if full and found["letter"] in "xX" else Slot("hex")


def _padded(field: Slot, found: re.Match[str]) -> list[Part]:
    """The field with the spaces that a width, or the flag for them, puts beside it."""
    flags, width, letter = found["flags"], found["width"], found["letter"]
    before = " " in flags and (letter in "di" or letter in FLOATS)
    after = False
    if width:
        zeros = "0" in flags and "-" not in flags and found["precision"] is None and letter in "diuoxXbB"
        after = "-" in flags or "*" in width  # a negative `*` is the flag `-`
        before = before or (not zeros and "-" not in flags)
    return [*([SPACE] if before else []), field, *([SPACE] if after else [])]


def _nginx_parts(text: str) -> Iterator[Part]:
    at = 0
    for found in _NGINX.finditer(text):
        yield text[at : found.start()]
        yield from _nginx_fields(found)
        at = found.end()
    yield text[at:]


def _nginx_fields(found: re.Match[str]) -> list[Part]:
    letter, kind = found["letter"], found["kind"]
    if letter in "%N":
        return ["%" if letter == "%" else "\n"]
    if letter == "Z":
        return []
    if letter == "p":
        return [Slot("hex", 16)]
    hexadecimal = "x" in kind or "X" in kind
    name = NGINX[letter]
    if name == "int":
        name = "hex" if hexadecimal else "digits" if "u" in kind else "int"
    pad = name in ("int", "digits", "hex", "float") and found["width"] and not found["zero"]
    return [*([SPACE] if pad else []), Slot(name)]


def _joined(parts: Iterable[Part], rest: tuple[Part, ...]) -> Pattern:
    """Parts as a pattern: neighbours that say the same made one, within the bounds."""
    found: list[Part] = []
    fields = bounded = 0
    for part in parts:
        if part == "":
            continue
        one = part
        if isinstance(one, Slot):
            fields += 1
            if fields > MAX_FIELDS:
                return Pattern((*found, Slot("any")))
            if one.type == "text" and one.width:
                bounded += one.width
                one = one if bounded <= MAX_BOUNDED else TEXT
        found[-1:] = _pair(found[-1], one) if found else [one]
    if found and isinstance(found[-1], str):
        found[-1] = found[-1].rstrip("\r\n")  # nginx's %N
    return Pattern((*(part for part in found if part != ""), *rest))


def _pair(left: Part, right: Part) -> list[Part]:
    """Two neighbours as one where they can be."""
    if isinstance(left, str) and isinstance(right, str):
        return [left + right]
    if isinstance(left, Slot) and isinstance(right, Slot):
        kinds = {left.type, right.type}
        if kinds <= {"text", "space"} and TEXT in (left, right):
            return [TEXT]
        if kinds == {"text"}:
            return [Slot("text", left.width + right.width)]
        if kinds == {"space"}:
            return [SPACE]
    return [left, right]
