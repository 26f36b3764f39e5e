r"""What of a log line is a value, by rule: the line with typed fields in place of its values, without any memory.

Rules of this file
    - Pure functions of one line: two workers that see the same line say the same, whatever each has seen before.
    - Every digit is inside a field, but for message codes (`AH00163:`) and a few names (`ssh2`). What a field takes
      depends on where digits are, not on which, so equal *shapes* (`shape_of`: each digit a `0`) have equal results.
    - Fields are what is written with digits, numbers, addresses, hex, paths, URLs, mail addresses, host names, what is
      in quotes, what follows `key=` unless it is a plain word, and the names of users.
    - Literal text is quoted; what is found matches the line (`Pattern.matches`), or a test goes red.
    - Expressions only run over text that has been cut to `MAX_TEXT`, and never nest a repetition: linear time.

Invariant: `Pattern.parse(mask(line).text).matches(line)`.
Complexity: O(length); a token met lately costs one table look-up.
Source: Drain's and logparser's preprocessing by expressions, made the main part; design section 2 (pattern).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from agent.miner_requests import mask_request, mask_statement
from grammar import quote
from grammar.pattern import writable

MAX_TEXT: Final = 1_024
MAX_TOKENS: Final = 64
MAX_TOKEN: Final = 256
MAX_CACHED: Final = 16_384

_DIGITS: Final = str.maketrans("123456789", "000000000")
_LEAD: Final = "([{<\"'`*|#"
_TAIL: Final = ")]}>\"'`,;:.!?|%*"
_VALUE: Final = re.compile(
    r"(?P<int>-?0+)"
    r"|(?P<float>[-+]?0+\.0+|[-+]0+)"
    r"|(?P<date>0000-00-00)"
    r"|(?P<ip>0{1,3}\.0{1,3}\.0{1,3}\.0{1,3})"
    r"|(?P<peer>0{1,3}\.0{1,3}\.0{1,3}\.0{1,3}:0{1,5})"
    r"|(?P<uuid>[0a-fA-F]{8}-[0a-fA-F]{4}-[0a-fA-F]{4}-[0a-fA-F]{4}-[0a-fA-F]{12})"
    r"|(?P<pointer>0x[0a-f]+)"
    r"|(?P<id>[0a-f]{64})"
    r"|(?P<hex>[0a-fA-F]{16,})"
    r"|(?P<six>(?:[0a-fA-F]{1,4}:){7}[0a-fA-F]{1,4}|(?:[0a-fA-F]{1,4}:){1,6}:[0a-fA-F:]{0,32}|::[0a-fA-F:]{0,32})"
)
_WRITTEN: Final = {"peer": "{ip}:{port}", "six": "{ip}"}
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z_.-]*")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,19}|")
_HEAD: Final = re.compile(r"([A-Za-z_][A-Za-z_.]*[:(\[{/#@<*]+)(.+)", re.DOTALL)
_PATH: Final = re.compile(r"/[^/\s]|\.{1,2}/|~/|[A-Za-z]:[\\/]|\\\\")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.([a-z]{2,11})")
_DOMAINS: Final = frozenset(
    "com net org edu gov mil info biz arpa local localdomain internal lan ae am ar at au az be bg bo br by ca ch cl cn "
    "co cr cy cz de dk ec ee eg es eu fi fr ge gr gt hk hr hu id ie il in ir is it jo jp ke kr kw kz lb lk lt lu lv ma "
    "mk mx my ng nl no nz pa pe ph pk pt py qa ro ru sa se sg sh si sk sn su th tn tr tv tw ua uk us uy uz ve vn za"
    .split()
)  # fmt: skip
_FILES: Final = frozenset(("py", "sh", "id", "in", "so", "is", "it", "no", "by", "at", "be", "my", "us"))
"""Endings that are domains only behind two dots: `x.y.py` may be a host, `x.py` is a file."""
_CODE: Final = re.compile(r"[A-Z]{2,6}-?[0-9]{3,6}:?(?= )")
_KNOWN: Final = frozenset(
    "ssh2 ssh1 ipv4 ipv6 IPv4 IPv6 utf8 UTF-8 utf-8 md5 MD5 sha1 SHA1 sha256 SHA256 sha512 x86_64 amd64 i386 i686 "
    "arm64 base64 http2 HTTP/1.0 HTTP/1.1 HTTP/2.0 ext4 ext3 log4j oauth2 OAuth2 h2 s3 S3 k8s".split()
)
_MAYBE_KNOWN: Final = frozenset(word.translate(_DIGITS) for word in _KNOWN)
_QUOTED: Final = re.compile(r"""("[^"\n]{0,512}"|(?<![0-9A-Za-z])'[^'\n]{0,512}'(?![0-9A-Za-z]))""")
_SPACES: Final = re.compile(r"([\t\r]+)")
_USER: Final = re.compile(
    r"((?:\b[Uu]ser(?:name)?|\b[Ll]ogin|\b[Aa]ccount|\bby user)(?: ?[:=] ?| )"
    r"|\b(?:password|publickey|login|logon|session|from user) for )"
    r"(?!unknown\b|not\b|name\b|is\b|was\b|has\b|and\b|or\b|id\b)"
    r"([A-Za-z_][A-Za-z_.-]{0,31}\$?)(?=[,;:]?$|[,;:]? (?:from|by|at|on|via|with|logged|and|has|is|was|[\[(])\b|[,;:]? [\[(])"
)
_FOR: Final = re.compile(r"( for )([A-Za-z_][A-Za-z_-]{0,31})(?= from \{| from [a-z]+ ?\{)")
_RUN: Final = re.compile(r"(\{(?:int|float|term|hex|pointer)\})(?:(?:, ?| )\1){3,}")


class Masked(NamedTuple):
    """A line with fields, and whether the digits that are left are to be taken from this very line."""

    text: str
    exact: bool


def shape_of(message: str) -> str:
    """The line with every digit a `0`: lines of one shape have one result, unless it is `exact`.

    >>> shape_of("child 42 of 7")
    'child 00 of 0'
    """
    return message.translate(_DIGITS)


def mask(message: str) -> Masked:
    r"""Put fields for the values of one line.

    >>> mask("user user31 logged in from 10.0.0.7").text, mask("took 15 of {20} ms").text
    ('user {term} logged in from {ip}', 'took {int} of \\{{int}\\} ms')
    """
    message = message if message.isascii() else writable(message)
    line, more = _cut(message)
    shape = line.translate(_DIGITS)
    request = "" if more else mask_request(shape, line[-3:])
    if request:
        return Masked(request, True)
    statement = mask_statement(shape)
    if statement:
        return Masked(statement + more, False)
    code = _CODE.match(line)
    at = code.end() if code else 0
    text, exact = _segments(line[at:], shape[at:])
    text = _tidy(text)
    return Masked((code.group() if code else "") + text + more, exact or code is not None)


def _cut(message: str) -> tuple[str, str]:
    """The part that is looked at, and the field for the rest: the first line, a bounded number of characters, tokens."""
    end = message.find("\n", 0, MAX_TEXT)
    line = message[:end] if end >= 0 else message[:MAX_TEXT]
    if end < 0 and len(message) > MAX_TEXT:
        line = line[: line.rfind(" ") + 1] or line
    if line.count(" ") > MAX_TOKENS:
        line = " ".join(line.split(" ", MAX_TOKENS)[:MAX_TOKENS]) + " "
    return line, "{any}" if len(line) < len(message) else ""


def _segments(line: str, shape: str) -> tuple[str, bool]:
    """What stands between quotes is one field, the rest goes by tokens."""
    if '"' not in shape and "'" not in shape:
        return _tokens(line, shape)
    parts, exact, at = [], False, 0
    split = _QUOTED.split(shape)
    for i, part in enumerate(split):
        if i % 2 == 0:
            text, also = _tokens(line[at : at + len(part)], part)
            parts.append(text)
            exact = exact or also
        elif split[i + 1].startswith(":") and _KEY.fullmatch(part[1:-1]):  # the key of a JSON object
            parts.append(part)
        else:
            parts.append(part[0] + "{text}" + part[0])
        at += len(part)
    return "".join(parts), exact


def _tokens(line: str, shape: str) -> tuple[str, bool]:
    forms = [_form(token) for token in shape.split(" ")]
    if None not in forms:
        return " ".join(forms), False  # type: ignore[arg-type]  # just said
    exact = zip(forms, line.split(" "), strict=True)
    return " ".join(_exact(token) if form is None else form for form, token in exact), True


@lru_cache(maxsize=MAX_CACHED)
def _form(token: str) -> str | None:
    """A token of a shape with its fields; None if the digits themselves must be looked at."""
    if token.isalpha() and len(token) < MAX_TOKEN:
        return token
    if len(token) > MAX_TOKEN:
        return "{term}" if "\t" not in token and "\r" not in token else "{text}"
    if "\t" in token or "\r" in token:
        return "".join(part if i % 2 else _form(part) or "{term}" for i, part in enumerate(_SPACES.split(token)))
    lead, core, tail = _stripped(token)
    if core in _MAYBE_KNOWN:
        return None
    return quote(lead) + _value(core) + quote(tail)


def _exact(token: str) -> str:
    """A token that may be one of the names with digits that are no values."""
    lead, core, tail = _stripped(token)
    return quote(lead) + (core if core in _KNOWN else "{term}") + quote(tail)


def _stripped(token: str) -> tuple[str, str, str]:
    behind = token.lstrip(_LEAD)
    core = behind.rstrip(_TAIL)
    return token[: len(token) - len(behind)], core, behind[len(core) :]


def _value(core: str, depth: int = 0) -> str:
    """The field or the quoted literal that a token without its punctuation is."""
    kind = _VALUE.fullmatch(core)
    if kind:
        return _WRITTEN.get(kind.lastgroup or "", f"{{{kind.lastgroup}}}")
    digits = "0" in core
    if not digits and (core.isalpha() or not core):
        return core
    if "=" in core and depth < 2:
        return _pairs(core)
    if core.startswith("/") and _VALUE.fullmatch(core[1:]):
        return "/" + _value(core[1:])
    if _PATH.match(core) or "://" in core or _is_name_of_place(core):
        return "{term}"
    head = _HEAD.fullmatch(core) if depth < 3 else None
    if head and (digits or "=" in core) and not _is_host(head[1].rstrip(":/")):
        return quote(head[1]) + _inner(head[2], depth)
    return "{term}" if digits or len(core) > 64 else quote(core)


def _inner(text: str, depth: int) -> str:
    lead, core, tail = _stripped(text)
    return quote(lead) + _value(core, depth + 1) + quote(tail)


def _pairs(core: str) -> str:
    """`key=value`, one or several with commas between: plain words are kept for now, other values are fields."""
    done = []
    for part in re.split(r"([,;&])", core):
        key, equals, value = part.partition("=")
        lead, key, _ = _stripped(key) if not key.endswith(tuple(_TAIL)) else ("", key, "")
        if not equals:
            done.append(quote(part) if "0" not in part and not _is_name_of_place(part) else "{term}")
        elif not _KEY.fullmatch(key):
            done.append("{term}")
        else:
            before, inner, behind = _stripped(value)
            plain = _WORD.fullmatch(inner)
            number = "{int}" if inner.lstrip("-").strip("0") == "" and inner.endswith("0") else "{term}"
            number = "{term}" if inner.startswith("--") else number
            done.append(quote(lead) + key + "=" + quote(before) + (inner if plain else number) + quote(behind))
    return "".join(done)


def _is_name_of_place(core: str) -> bool:
    """A path of several parts, a mail address, or a host name."""
    name, at, host = core.partition("@")
    return core.count("/") > 1 or (at != "" and name != "" and host != "" and "0" not in core) or _is_host(core)


def _is_host(core: str) -> bool:
    found = _HOST.fullmatch(core)
    return found is not None and found[1] in _DOMAINS and (found[1] not in _FILES or core.count(".") > 1)


def _tidy(text: str) -> str:
    """What takes more than one token to see: the names of users, and rows of values."""
    if "ser" in text or "ogin" in text or "ccount" in text or "password" in text or "publickey" in text:
        text = _USER.sub(r"\1{term}", text)
    if " for " in text:
        text = _FOR.sub(r"\1{term}", text)
    if text.count("}") > 3:
        text = _RUN.sub("{text}", text)
    return text
