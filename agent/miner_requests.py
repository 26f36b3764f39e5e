r"""Requests and SQL statements with typed fields in place of their values, without any memory.

Rules of this file
    - What comes in is a *shape*: each digit a `0`. Which digits they were makes no difference.
    - Of a request the method, the words of its path, the keys of its query and its status are kept. Values of the query
      are fields, unless a short plain lower-case word; values of keys that name users or secrets are fields always.
    - Of a statement the words are kept; strings, numbers, lists of values are fields.

Invariant: as `miner_rules.mask`, whose parts these are.
Complexity: O(length).
Source: issue "log processor" (the canonical request).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from grammar import quote

MAX_SEGMENTS: Final = 6
MAX_PAIRS: Final = 12
MAX_SEGMENT: Final = 40

REQUEST: Final = re.compile(
    r"(GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|TRACE|CONNECT|PROPFIND) ([^ \t\r\n]+) (000|-)", re.ASCII
)
_USERS: Final = "user username usr u uid login name nick account acct email mail"
_SECRETS: Final = (
    "e pass passwd password pwd pw passphrase pin secret token auth apikey api_key key session sessionid sid sess csrf "
    "nonce code otp signature sig hash q query search"
)
SECRET: Final = frozenset((*_USERS.split(), *_SECRETS.split()))
"""Keys whose values name a user or are secret, in requests and in log lines."""
_PERSON: Final = frozenset(_USERS.split())
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,31}(?:\[\])?")
_VALUE: Final = re.compile(r"[a-z]{2,12}|")
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z_-]*(?:\.[A-Za-z_-]+)*|\.[a-z_-]+|")
_NUMBERED: Final = re.compile(r"([A-Za-z_]{0,16}[_-]?)0+((?:[._-][a-z.-]{1,16})?)")
_STATEMENT: Final = re.compile(
    r"(?:(?:Query|Execute|Prepare|statement:|execute [^ ]{1,64}:|LOG:  statement:)[ \t]+)?"
    r"(?:SELECT [^.]|SELECT\*|WITH [^ ]+ AS|(?:INSERT|REPLACE) (?:IGNORE )?INTO |UPDATE [^ ]+ SET |DELETE FROM "
    r"|TRUNCATE TABLE |(?:GRANT|REVOKE) [^ ]+ (?:PRIVILEGES )?ON |SET (?:@|GLOBAL |SESSION |NAMES )|LOAD DATA "
    r"|(?:CREATE|DROP|ALTER) (?:TEMPORARY |OR REPLACE |UNIQUE )?"
    r"(?:TABLE|DATABASE|SCHEMA|USER|INDEX|VIEW|ROLE|PROCEDURE|FUNCTION) )",
    re.IGNORECASE,
)
_VALUES: Final = re.compile(r"(\bVALUES?[ \t]*\()(?![?, ]+\)|:[a-z])([^\n]*)(\))", re.IGNORECASE)
_ATOM: Final = re.compile(
    r"(?P<text>'(?:[^'\\]|\\(?:.|$))*(?:'|$)|\"(?:[^\"\\]|\\(?:.|$))*(?:\"|$))"
    r"|(?P<pointer>\b0[xX][0-9a-fA-F]+\b)"
    r"|(?P<word>[^\W0][\w$]*)"
    r"|(?P<float>\b0+\.0+\b)"
    r"|(?P<int>\b0+\b)"
    r"|(?P<mixed>0[\w$]*)",
    re.DOTALL,
)
_ITEM: Final = r"(?:'\{text\}'|\{int\}|\{float\}|\{term\})"
_LIST: Final = re.compile(rf"\b(IN[ \t]*\()(?:{_ITEM},[ \t]*)+{_ITEM}\)", re.IGNORECASE)


def mask_request(shape: str, status: str) -> str:
    """The pattern of a canonical request `METHOD target STATUS`; empty if it is none. `status` is as it is written.

    >>> mask_request("GET /app.php?a=login&u=user00&p=x 000", "401")
    'GET /app.php?a=login&u={term}&p={term} 401'
    """
    found = REQUEST.fullmatch(shape)
    return f"{found[1]} {_target(found[2])} {status.rpartition(' ')[2]}" if found else ""


@lru_cache(maxsize=4096)
def _target(target: str) -> str:
    path, mark, query = target.partition("?")
    if not path.startswith("/"):
        return "{term}"
    names = path[1:].split("/")
    done = "/" + "/".join(_segment(name) for name in names[:MAX_SEGMENTS])
    if len(names) > MAX_SEGMENTS:
        return done + "/{term}"
    return done + mark + _query(query)


def _segment(name: str) -> str:
    """One part of a path: plain words stay, a number in a name is a number, anything else is a word."""
    if "0" not in name and len(name) <= MAX_SEGMENT and _PLAIN.fullmatch(name):
        return name
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        return f"{numbered[1]}{{int}}{numbered[2]}"
    return "{word}"


def _query(query: str) -> str:
    if not query:
        return ""
    pairs = [pair.partition("=") for pair in query.split("&", MAX_PAIRS)]
    person = any(key.lower() in _PERSON for key, _, _ in pairs)
    done = [_pair(key, equals, value, person) for key, equals, value in pairs[:MAX_PAIRS]]
    return "&".join(done) + ("&{term}" if len(pairs) > MAX_PAIRS else "")


def _pair(key: str, equals: str, value: str, person: bool) -> str:
    if not _KEY.fullmatch(key):
        return "{term}" if key or equals else ""
    hidden = key.lower() in SECRET or (person and key == "p")
    if not equals or (not hidden and _VALUE.fullmatch(value)) or not value:
        return key + equals + value
    return f"{key}={{term}}"


def is_statement(text: str) -> bool:
    """Whether a line is an SQL statement, masked or not."""
    return _STATEMENT.match(text) is not None


def mask_statement(shape: str) -> str:
    """The pattern of an SQL statement, as a database's log has it; empty if it is none.

    >>> mask_statement("Execute INSERT INTO users(name,pw) VALUES('user00','x')")
    'Execute INSERT INTO users(name,pw) VALUES({text})'
    """
    if not is_statement(shape):
        return ""
    values = _VALUES.search(shape)
    if values:
        return _atoms(shape[: values.start()]) + values[1] + "{text}" + _atoms(shape[values.end(3) - 1 :])
    return _LIST.sub(r"\1{text})", _atoms(shape))


def _atoms(text: str) -> str:
    done, at = [], 0
    for found in _ATOM.finditer(text):
        done.append(quote(text[at : found.start()]))
        done.append(_atom(found))
        at = found.end()
    return "".join(done) + quote(text[at:])


def _atom(found: re.Match[str]) -> str:
    kind, text = found.lastgroup, found.group()
    if kind == "text":
        closed = len(text) > 1 and text[-1] == text[0]
        return f"{text[0]}{{text}}{text[0] if closed else ''}"
    if kind == "word":
        return "{term}" if "0" in text else quote(text)
    return "{term}" if kind in ("mixed", "pointer") else f"{{{kind}}}"
