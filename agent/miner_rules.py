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

from agent.miner_requests import SECRET, mask_request, mask_statement
from grammar import quote
from grammar.pattern import writable

MAX_TEXT: Final = 1_024
MAX_TOKENS: Final = 64
MAX_TOKEN: Final = 256
MAX_CACHED: Final = 16_384

_DIGITS: Final = str.maketrans("123456789", "000000000")
_LEAD: Final = "([{<\"'`*|#:=,;"
_TAIL: Final = ")]}>\"'`,;:.!?|%*"
_VALUE: Final = re.compile(
    r"(?P<int>-?0+)"
    r"|(?P<float>[-+]?0+\.0+|[-+]0+)"
    r"|(?P<date>0000-00-00)"
    r"|(?P<ip>0{1,3}\.0{1,3}\.0{1,3}\.0{1,3})"
    r"|(?P<peer>0{1,3}\.0{1,3}\.0{1,3}\.0{1,3}:0{1,5})"
    r"|(?P<term>[0a-fA-F]{2}(?:[:-][0a-fA-F]{2}){5})"  # a network card's
    r"|(?P<uuid>[0a-fA-F]{8}-[0a-fA-F]{4}-[0a-fA-F]{4}-[0a-fA-F]{4}-[0a-fA-F]{12})"
    r"|(?P<pointer>0x[0a-f]+)"
    r"|(?P<id>[0a-f]{64})"
    r"|(?P<hex>[0a-fA-F]{16,})"
    r"|(?P<six>(?:[0a-fA-F]{1,4}:){7}[0a-fA-F]{1,4}|(?:[0a-fA-F]{1,4}:){1,6}:[0a-fA-F:]{0,32}|::[0a-fA-F:]{0,32})"
)
_WRITTEN: Final = {"peer": "{ip}:{port}", "six": "{ip}"}
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z_.-]*")
_NO_WORDS: Final = frozenset(("true", "false", "null", "nil", "none", "None", "True", "False"))
_SOME: Final = re.compile(r"[^\W_]")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,19}")
_WHOLE: Final = re.compile(r"-?0+")
_COMMAS: Final = re.compile(r"([,;&])")
_HEAD: Final = re.compile(r"([A-Za-z_][A-Za-z_.]*(?:[:(\[{#<*]+|/|\.{3,}))(.+)", re.DOTALL)
_PATH: Final = re.compile(r"/[^/\s]|\.{1,2}/|~/|[A-Za-z]:[\\/]|\\\\")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.([a-z]{2,11})")
_ENDINGS: Final = (
    "com net org edu gov mil info biz arpa local localdomain internal lan ae am ar at au az be bg bo br by ca ch cl cn "
    "co cr cy cz de dk ec ee eg es eu fi fr ge gr gt hk hr hu id ie il in ir is it jo jp ke kr kw kz lb lk lt lu lv ma "
    "mk mx my ng nl no nz pa pe ph pk pt py qa ro ru sa se sg sh si sk sn su th tn tr tv tw ua uk us uy uz ve vn za"
)
_DOMAINS: Final = frozenset(_ENDINGS.split())
_FILES: Final = frozenset(("py", "sh", "id", "in", "so", "is", "it", "no", "by", "at", "be", "my", "us"))
"""Endings that are domains only behind two dots: `x.y.py` may be a host, `x.py` is a file."""
_CODE: Final = re.compile(r"[A-Z]{2,6}-?[0-9]{3,6}:?(?= )")
_NAMES: Final = (
    "ssh2 ssh1 ipv4 ipv6 IPv4 IPv6 utf8 UTF-8 utf-8 md5 MD5 sha1 SHA1 sha256 SHA256 sha512 x86_64 amd64 i386 i686 "
    "arm64 base64 http2 HTTP/1.0 HTTP/1.1 HTTP/2.0 ext4 ext3 log4j oauth2 OAuth2 h2 s3 S3 k8s"
)
_KNOWN: Final = frozenset(_NAMES.split())
_CALL: Final = re.compile(r"[A-Za-z_]+[0-9]?[A-Za-z_]+\(\)[,:;.]?")
"""A function's name, `jk2_init()`."""
_MAYBE_KNOWN: Final = frozenset(word.translate(_DIGITS) for word in _KNOWN)
_QUOTED: Final = re.compile(r"""("[^"\n]{0,512}"|(?<![0-9A-Za-z])'[^'\n]{0,512}'(?![0-9A-Za-z]))""")
_EQUALS: Final = re.compile(r"([A-Za-z_.-]+)=$")
_PLAIN: Final = re.compile(r"[A-Za-z*][A-Za-z*_-]{0,15}(?: [A-Za-z_-]{1,15})?")
_METHOD: Final = re.compile(r"(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|CONNECT) (?=[^\n]* HTTP/)")
_SPACES: Final = re.compile(r"([\t\r]+)")
_USER: Final = re.compile(
    r"(\b(?:[Uu]ser(?:name)?|[Aa]ccount)(?: ?[:=] ?| )|\b[Ll]ogin ?[:=] ?"
    r"|\b(?:(?:password|publickey|login|logon|session)|[Ll]ogin [a-z]{1,12}) for )"
    r"(?!(?:unknown|not|name|is|was|has|and|or|id|from|by|at|on|via|with|in|to|for|process|space|mode|session|data|request"
    r"|authentication|login|agent|input|error|list|[a-z]+ed)\b)"
    r"([A-Za-z_](?:[A-Za-z_.-]{0,30}[A-Za-z_-])?\$?)"
    r"(?=[.,;:]?$|[:,] |;? (?:from|by|at|on|via|with|logged|and|has|is|was)\b|;? [\[(])"
)
"""Where a user's name stands, unless the word is one that follows `user` in plain English."""
_STRANGER: Final = re.compile(r"(\b(?:[Ii]nvalid|[Ii]llegal|[Uu]nknown) user )([^\n]{0,128}?)(?= from \{| \[|$)")
"""A name that the system does not know is whatever a client has sent, spaces included."""
_FOR: Final = re.compile(r"( for )([A-Za-z_][A-Za-z_-]{0,31})(?= from \{| from [a-z]+ ?\{)")
_ROW: Final = r"\{(?:int|float|term|hex|pointer)\}"
_RUN: Final = re.compile(rf"{_ROW}(?:(?:, ?| {{1,2}})(?:{_ROW}|\*{{3,}})){{3,}}")
_UNIT: Final = re.compile(r"\{(?:int|float)\} (?:[KMGTPkmgtp]i?)?[Bb]\b")
_LASTED: Final = re.compile(
    r"(\b(?:[Ll]ifetime|[Dd]uration|[Ee]lapsed|[Uu]ptime)(?: ?[:=] ?| ))"
    r"<?(?:\{term\}|\{int\}|\{float\})(?: (?:ms|s|secs?|seconds?|mins?|minutes?|hours?|days?)\b)?"
)
"""How long something took is written in changing ways: `<1 sec`, `00:17`."""
_MONTH: Final = re.compile(
    r"(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(,? ))?\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)( {1,2}\{)"
)
_NOTHING: Final = re.compile(r"(= {1,2})(?:true|false|null|nil|none)\b")


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
    """The part that is looked at (the first line, so many characters and tokens), and the field for the rest."""
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
            parts.append(_between_quotes(part, split[i - 1]))
        at += len(part)
    return "".join(parts), exact


def _between_quotes(part: str, before: str) -> str:
    """What stands between quotes: a field; but the method of a request, and plain words behind `key=`, are kept."""
    key = _EQUALS.search(before[-32:])
    if key and key[1].lower() not in SECRET and _PLAIN.fullmatch(part, 1, len(part) - 1):
        return part
    request = _METHOD.match(part, 1)
    return part[0] + (request.group() if request else "") + "{text}" + part[0]


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
    if token.strip("\t\r") == "":
        return token
    if "\t" in token or "\r" in token:
        return "".join("{term}" if (form := _form(part)) is None else form for part in _SPACES.split(token) if part)
    lead, core, tail = _stripped(token)
    if core in _MAYBE_KNOWN or ("0" in core and _CALL.fullmatch(core + tail)):
        return None
    return quote(lead) + _closed(_value(core), core, tail)


def _exact(token: str) -> str:
    """A token that may be one of the names with digits that are no values."""
    lead, core, tail = _stripped(token)
    return quote(lead) + (core if core in _KNOWN or _CALL.fullmatch(core + tail) else "{term}") + quote(tail)


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
    if not _SOME.search(core):
        return quote(core)
    if "=" in core and depth < 2:
        return _pairs(core)
    if core.startswith("/") and _VALUE.fullmatch(core[1:]):
        return "/" + _value(core[1:])
    if _PATH.match(core) or "://" in core:
        return "{term}"
    head = _HEAD.fullmatch(core) if depth < 3 else None
    if head and (digits or "=" in core or _PATH.match(head[2])) and not _is_host(head[1].rstrip(":/")):
        return quote(head[1]) + _inner(head[2], depth)
    if _is_name_of_place(core):
        return "{term}"
    return "{term}" if digits or len(core) > 64 else quote(core)


def _inner(text: str, depth: int) -> str:
    lead, core, tail = _stripped(text)
    return quote(lead) + _closed(_value(core, depth + 1), core, tail)


def _closed(value: str, core: str, tail: str) -> str:
    """A value and what follows; brackets that were opened inside the value are closed in it."""
    taken = 0
    if tail and value.endswith("{term}"):
        kept = value[: -len("{term}")]
        for opening, closing in ("()", "[]", "{}", "<>"):
            left = core.count(opening) - core.count(closing) - kept.count(quote(opening))
            while left > 0 and tail[taken : taken + 1] == closing:
                left, taken = left - 1, taken + 1
    return value + quote(tail[taken:])


def _pairs(core: str) -> str:
    """`key=value`, one or several with commas between: plain words are kept for now, other values are fields."""
    return "".join(map(_pair, _COMMAS.split(core)))


def _pair(part: str) -> str:
    key, equals, value = part.partition("=")
    name = key.lstrip(_LEAD)
    if not equals:
        return quote(part) if "0" not in part and not _is_name_of_place(part) else "{term}"
    if not _KEY.fullmatch(name):
        return "{term}"
    before, inner, behind = _stripped(value)
    start = quote(key) + "=" + quote(before)
    if not inner or (_WORD.fullmatch(inner) and inner not in _NO_WORDS and name.lower() not in SECRET):
        return start + inner + quote(behind)
    return start + _closed("{int}" if _WHOLE.fullmatch(inner) else "{term}", inner, behind)


def _is_name_of_place(core: str) -> bool:
    """A path of several parts, a mail address, or a host name."""
    name, at, host = core.partition("@")
    if core.count("/") > 1 or ("/" in core and "." in core):
        return True
    return (at != "" and name != "" and host != "" and "0" not in core) or _is_host(core)


def _is_host(core: str) -> bool:
    found = _HOST.fullmatch(core)
    return found is not None and found[1] in _DOMAINS and (found[1] not in _FILES or core.count(".") > 1)


def _tidy(text: str) -> str:
    """What takes more than one token to see: the names of users, and rows of values."""
    if "ser" in text or "ogin" in text or "ccount" in text or "password" in text or "publickey" in text:
        text = _USER.sub(r"\1{term}", _STRANGER.sub(r"\1{text}", text) if " user " in text else text)
    if " for " in text:
        text = _FOR.sub(r"\1{term}", text)
    if "= " in text:
        text = _NOTHING.sub(r"\1{term}", text)
    if "} " in text:
        text = _UNIT.sub("{float} {term}", text)
    if " {" in text:
        text = _MONTH.sub(_dated, text)
    if "ifetime" in text or "uration" in text or "lapsed" in text or "ptime" in text:
        text = _LASTED.sub(r"\1{text}", text)
    return _RUN.sub("{text}", text) if text.count("}") > 3 else text


def _dated(found: re.Match[str]) -> str:
    return (f"{{term}}{found[1]}" if found[1] else "") + "{term}" + found[2]
