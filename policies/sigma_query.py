"""A Sigma rule's condition as a query over provenance graphs.

Rules of this file
    - An event is an edge: a process is created by the execve of what was its starter's copy until then; a file event
      is an act of a process on a file; a connection is a process's connect.
    - Sigma compares letters in either case, so the query does; what a NOT denies is false, not null, where the graph
      has no value.
    - Each field that has no counterpart has a reason in words (`problem`).

Invariant: what `expression` writes parses; `tests/policies/test_sigma_query.py` holds its meaning against an evaluator
    of Sigma on random events.
Complexity: linear in the tree, but for networks: at most 2 * 128 alternatives each.
Source: sigmahq.io, rule specification and taxonomy; RE2 (syntax); Sysmon (what its events mean).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, ip_network
from typing import Final

from policies.patterns import regex_problem
from policies.sigma import All, Any, Field, Like, Network, Not, Number, Other, Present, Regex, Test, Tree, Wild

INITIATED: Final = "Initiated"
MANY: Final = 4
"""So many conditions of one kind on one field become one with a list."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a category of Sigma looks in a graph: the pattern, what each field is, what a match tells.

    `technique` is for rules that name none.
    """

    match: str
    where: str
    fields: Mapping[str, str]
    returns: str
    technique: str
    note: str = ""


_PROCESS: Final = {"Image": "process.exe", "CommandLine": "process.command"}
_STARTED: Final = {"ParentImage": "parent.exe", "ParentCommandLine": "parent.command"}
_FILE: Final = {"TargetFilename": "file.path", **_PROCESS}
_WRITES: Final = "'create', 'write', 'copy', 'truncate', 'rename', 'link', 'symlink'"

_CHANGES: Final = "'write', 'copy', 'truncate', 'chmod', 'chmod_setuid', 'chown', 'setxattr'"


def _file(operations: str, relation: str, note: str = "") -> Shape:
    match = f"(file:File)-[act:{relation}]->(process:Process)"
    if relation == "USED":
        match = "(process:Process)-[act:USED]->(file:File)"
    return Shape(
        match,
        f"act.operation IN [{operations}]",
        _FILE,
        "file.path AS file, act.operation AS operation, process.name AS process, process.id AS id",
        "T1083" if relation == "USED" else "T1565.001",
        note,
    )


SHAPES: Final[Mapping[str, Shape]] = {
    "process_creation": Shape(
        "(process:Process)-[:WAS_TRIGGERED_BY {operation: 'execve'}]->(parent:Process)",
        "",
        _PROCESS | _STARTED,
        "process.name AS process, process.exe AS program, process.command AS command, parent.exe AS parent,"
        " process.id AS id",
        "T1059",
        "the parent is what the process was before its execve: a copy of its starter, or what called execve itself",
    ),
    "file_event": _file(_WRITES, "WAS_GENERATED_BY", "a file event is a file made, written, renamed or linked"),
    "file_change": _file(_CHANGES, "WAS_GENERATED_BY"),
    "file_delete": _file("'unlink', 'rmdir'", "WAS_GENERATED_BY"),
    "file_rename": _file("'rename'", "WAS_GENERATED_BY", "the name is the new one"),
    "file_access": _file("'read', 'mmap', 'execve', 'copy'", "USED"),
    "network_connection": Shape(
        "(socket:Socket)-[:WAS_GENERATED_BY {operation: 'connect'}]->(process:Process)",
        "socket.family IN ['inet', 'inet6']",
        {"DestinationIp": "socket.address", "DestinationPort": "socket.port", "Initiated": "", **_PROCESS},
        "socket.address AS address, socket.port AS port, process.name AS process, process.exe AS program,"
        " process.id AS id",
        "T1071",
        "a connection is one that the process has initiated",
    ),
}
NOT_HERE: Final = {
    "User": "users are not in the graph",
    "CurrentDirectory": "working directories are not in the graph",
    "OriginalFileName": "programs of Linux carry no original file name",
    "DestinationHostname": "host names are not in the graph",
    "ParentUser": "users are not in the graph",
    "Hashes": "hashes are not in the graph",
    "LogonId": "sessions are not in the graph",
    "": "a keyword names no field",
}


def why_not(category: str, one: Field) -> str:
    """Why a condition cannot be carried over; nothing if it can."""
    known = SHAPES[category].fields
    if one.name not in known:
        return NOT_HERE.get(one.name, f"{one.name} is no field of {category} here")
    match one.test:
        case Other(what):
            return what
        case _ if one.name == INITIATED:
            return "" if constant(one) is not None else "Initiated is true or false"
        case Regex():
            trouble = regex_problem(sought(one.test))
            return f"not a regular expression of RE2: {trouble}" if trouble else ""
        case Network(cidr):
            fits = one.name == "DestinationIp" and network(cidr)
            return "" if fits else "no expression describes this network in the text of an address"
        case Number(sign):
            return "" if sign == "=" or one.name == "DestinationPort" else "only ports are compared as numbers"
    return ""


def constant(one: Field) -> bool | None:
    """Whether all connections that are looked at fulfil `Initiated`, or none; None of any other condition."""
    if one.name == INITIATED and isinstance(one.test, Like) and len(one.test.parts) == 1:
        return {"true": True, "false": False}.get(str(one.test.parts[0]).lower())
    return None


def query_of(category: str, tree: Tree) -> str:
    """The whole query. The tree has only conditions that `why_not` has nothing against, and none that is constant."""
    shape = SHAPES[category]
    conditions = [shape.where] if shape.where else []
    if isinstance(tree, All):
        conditions += [_bracketed(one, shape, AND) for one in _gathered(tree)]
    elif tree is not True:
        conditions.append(_bracketed(tree, shape, AND if conditions else OR))
    where = f"\nWHERE {conditions[0]}" + "".join(f"\n  AND {one}" for one in conditions[1:]) if conditions else ""
    return f"MATCH {shape.match}{where}\nRETURN DISTINCT {shape.returns}\n"


OR, AND, ATOM = 0, 1, 2
"""How tightly an expression binds."""


@dataclass(frozen=True, slots=True)
class _Several:
    """Several texts of one kind for one field: one of them, or `every` one, fits."""

    field: str
    kind: str
    texts: tuple[str, ...]
    cased: bool
    every: bool


def _bracketed(tree: Tree | _Several, shape: Shape, around: int, *, denied: bool = False) -> str:
    text, tightness = _written(tree, shape, denied=denied)
    return text if tightness >= around else f"({text})"


def _written(tree: Tree | _Several, shape: Shape, *, denied: bool) -> tuple[str, int]:
    """The condition; below a NOT (`denied`) what the graph does not know is false, not null."""
    match tree:
        case Field(name, test):
            text = condition(shape.fields[name], test)
            return (text, ATOM) if not denied or isinstance(test, Present) else (f"coalesce({text}, false)", ATOM)
        case _Several():
            text = _listed(shape.fields[tree.field], tree)
            return (f"coalesce({text}, false)" if denied else text), ATOM
        case Not(operand):
            return f"NOT ({_written(operand, shape, denied=True)[0]})", ATOM
        case All():
            return " AND ".join(_bracketed(one, shape, AND, denied=denied) for one in _gathered(tree)), AND
        case Any():
            return " OR ".join(_bracketed(one, shape, AND, denied=denied) for one in _gathered(tree)), OR
    return str(tree).lower(), ATOM


def _gathered(tree: All | Any) -> list[Tree | _Several]:
    """The operands, where many of them ask the same of one field as one."""
    every = isinstance(tree, All)
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for one in tree.operands:
        if isinstance(one, Field) and (part := _plain(one.test)):
            groups.setdefault((one.name, part[0], _is_cased(one.test)), []).append(part[1])
    made: list[Tree | _Several] = []
    told: set[tuple[str, str, bool]] = set()
    for one in tree.operands:
        found = _plain(one.test) if isinstance(one, Field) else None
        if found is None or not isinstance(one, Field):
            made.append(one)
            continue
        key = (one.name, found[0], _is_cased(one.test))
        if len(groups[key]) < (2 if found[0] == "=" and not every else MANY):
            made.append(one)
        elif key not in told:
            told.add(key)
            made.append(_Several(one.name, found[0], tuple(groups[key]), key[2], every))
    return made


def _listed(subject: str, one: _Several) -> str:
    letters = not one.cased and any(map(_has_letters, one.texts))
    left = f"toLower({subject})" if letters else subject
    texts = "[" + ", ".join(quoted(text.lower() if letters else text) for text in one.texts) + "]"
    if one.kind == "=" and not one.every:
        return f"{left} IN {texts}"
    return f"{'all' if one.every else 'any'}(text IN {texts} WHERE {left} {one.kind} text)"


def condition(subject: str, test: Test) -> str:
    """One condition on what `subject` writes."""
    match test:
        case Like():
            return _like(subject, test)
        case Regex():
            return f"{subject} =~ {quoted(sought(test))}"
        case Network(cidr):
            return f"{subject} =~ {quoted(network(cidr))}"
        case Number(sign, number):
            return f"{subject} = {quoted(str(number))}" if sign == "=" else f"toFloat({subject}) {sign} {number}"
        case Present(there):
            return f"{subject} IS {'NOT ' if there else ''}NULL"
    raise ValueError(test)


def _like(subject: str, test: Like) -> str:
    if test.parts and all(part == Wild("*") for part in test.parts):
        return f"{subject} IS NOT NULL"
    letters = not test.cased and any(_has_letters(part) for part in test.parts if isinstance(part, str))
    left = f"toLower({subject})" if letters else subject
    plain = _plain(test)
    if plain:
        return f"{left} {plain[0]} {quoted(plain[1].lower() if letters else plain[1])}"
    signs = {Wild("*"): ".*", Wild("?"): "."}
    parts = [signs[p] if isinstance(p, Wild) else literal(p.lower() if letters else p) for p in test.parts]
    return f"{left} =~ {quoted('(?s)' + ''.join(parts))}"


def _plain(test: Test) -> tuple[str, str] | None:
    """The operator and the text, if that is all: no wildcards but at the ends."""
    star = Wild("*")
    if isinstance(test, Number):
        return ("=", str(test.number)) if test.sign == "=" else None
    match test.parts if isinstance(test, Like) else None:
        case ():
            return "=", ""
        case (str(text),):
            return "=", text
        case (str(text), last) if last == star:
            return "STARTS WITH", text
        case (first, str(text)) if first == star:
            return "ENDS WITH", text
        case (first, str(text), last) if first == last == star:
            return "CONTAINS", text
    return None


def _is_cased(test: Test) -> bool:
    return isinstance(test, Like) and test.cased


def _has_letters(text: str) -> bool:
    return not text.isascii() or text.lower() != text.upper()


def literal(text: str) -> str:
    r"""The text as a regular expression.

    >>> literal("a.b[1]")
    'a\\.b\\[1\\]'
    """
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def sought(test: Regex) -> str:
    """An expression of the whole text for one that is looked for in it.

    >>> sought(Regex("^/tmp/.*$")), sought(Regex("a|b", "i"))
    ('/tmp/.*', '(?i)(?s:.*)(?:a|b)(?s:.*)')
    """
    text, before, after = test.text, "(?s:.*)", "(?s:.*)"
    if "|" not in text and "m" not in test.flags:
        if text.startswith("^"):
            text, before = text[1:], ""
        if text.endswith("$") and (len(text) - len(text[:-1].rstrip("\\"))) % 2 == 1:
            text, after = text[:-1], ""
    flags = f"(?{''.join(sorted(test.flags))})" if test.flags else ""
    body = f"(?:{text})" if before or after else text
    return f"{flags}{before}{body}{after}"


def network(cidr: str) -> str:
    r"""An expression for the addresses of a network as text; nothing if there is none.

    >>> print(network("10.0.0.0/8"), network("192.168.64.0/30"), network("::1/128"), network("fe80::/10"))
    10\.[0-9.]+ 192\.168\.64\.(?:0|1|2|3) ::1 fe[89ab][0-9a-f]:.*
    """
    try:
        net = ip_network(cidr, strict=False)
    except ValueError:
        return ""
    if isinstance(net, IPv4Network):
        return _four(str(net.network_address).split("."), net.prefixlen)
    return _six(net.network_address, net.prefixlen)


def _four(octets: list[str], length: int) -> str:
    whole, rest = divmod(length, 8)
    parts = octets[:whole]
    if rest:
        first = int(octets[whole])
        parts.append("(?:" + "|".join(str(first + more) for more in range(1 << (8 - rest))) + ")")
    text = "\\.".join(parts)
    return text if len(parts) == 4 else f"{text}\\.[0-9.]+" if parts else "[0-9.]+"


def _six(address: IPv6Address, length: int) -> str:
    """Only where the way in which such addresses are shortened cannot matter: no group may be zero."""
    if length == 128:
        return str(address)
    groups = address.exploded.split(":")
    whole, rest = divmod(length, 16)
    parts = [group.lstrip("0") for group in groups[:whole]]
    if rest:
        parts.append(_group(groups[whole], *divmod(rest, 4)))
    more = ":.*" if len(parts) < len(groups) else ""
    return ":".join(parts) + more if parts and all(parts) else ""


def _group(digits: str, nibbles: int, bits: int) -> str:
    """Four digits of which the first ones are known, and some bits of the next; nothing if a first one may be zero."""
    known, first = digits[:nibbles].lstrip("0"), int(digits[nibbles], 16)
    if not known and (not first or nibbles):
        return ""
    choice = "[" + "".join(f"{first + more:x}" for more in range(1 << (4 - bits))) + "]" if bits else ""
    return known + choice + "[0-9a-f]" * (4 - nibbles - bool(bits))


def quoted(text: str) -> str:
    r"""The text as a string of the query language.

    >>> print(quoted("it's\n"))
    'it\'s\u000a'
    """
    return "'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
