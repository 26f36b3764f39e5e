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

FLAGS: Final = "ims"
MAX_LISTED: Final = 4
"""Conditions on one field that are written out; more become one with a list."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a category of Sigma looks in a graph: the pattern, what each field is, what a match tells.

    `optional` fields need one more part of the pattern, which is there only if the rule asks for them.
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
    "file_change": _file("'write', 'copy', 'truncate', 'chmod', 'chmod_setuid', 'chown', 'setxattr'", "WAS_GENERATED_BY"),
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


def problem(category: str) -> Mapping[str, str]:
    """The fields of a category that have a counterpart."""
    return SHAPES[category].fields


def why_not(category: str, one: Field) -> str:
    """Why a condition cannot be carried over; nothing if it can."""
    known = SHAPES[category].fields
    if one.name not in known:
        return NOT_HERE.get(one.name, f"no field of {category} here")
    if one.name == "Initiated":
        return "" if _truth(one.test) is not None else "Initiated is true or false"
    match one.test:
        case Other(what):
            return what
        case Regex():
            trouble = regex_problem(_regex(one.test))
            return f"RE2 cannot: {trouble}" if trouble else ""
        case Network(cidr):
            return "" if one.name == "DestinationIp" and _network(cidr) else "a network that no expression describes"
        case Number(sign):
            fits = sign == "=" or one.name == "DestinationPort"
            return "" if fits else "only ports are compared as numbers"
    return ""


def query_of(category: str, tree: Tree) -> str:
    """The whole query. The tree has only conditions that `why_not` has nothing against."""
    shape = SHAPES[category]
    tree = _constants(tree)
    conditions = [shape.where] if shape.where else []
    if isinstance(tree, All):
        conditions += [_written(one, shape, inside=True) for one in _grouped(tree).operands]
    elif tree is not True:
        conditions.append(_written(tree, shape, inside=bool(conditions)))
    where = f"\nWHERE {conditions[0]}" + "".join(f"\n  AND {one}" for one in conditions[1:]) if conditions else ""
    return f"MATCH {shape.match}{where}\nRETURN DISTINCT {shape.returns}\n"


def _constants(tree: Tree) -> Tree:
    """Without conditions on `Initiated`, which each connection fulfils or none."""
    from policies.sigma import carried  # noqa: PLC0415

    return carried(tree, lambda one: "").tree


def _written(tree: Tree, shape: Shape, *, inside: bool = False, denied: bool = False) -> str:
    """The condition; `inside` of an AND an OR has brackets; `denied`, below a NOT, null must be false."""
    match tree:
        case Field(name, test):
            text = condition(shape.fields[name], name, test)
            return f"coalesce({text}, false)" if denied and not isinstance(test, Present) else text
        case Not(operand):
            return f"NOT ({_written(operand, shape, denied=True)})"
        case All() | Any():
            grouped = _grouped(tree)
            word = " AND " if isinstance(tree, All) else " OR "
            operands = grouped.operands
            texts = [_written(one, shape, inside=isinstance(tree, All), denied=denied) for one in operands]
            texts = [f"({t})" if isinstance(o, All) and len(o.operands) > 1 else t for t, o in zip(texts, operands, strict=True)]
            joined = word.join(texts)
            return f"({joined})" if inside and isinstance(tree, Any) and len(texts) > 1 else joined
    return "true" if tree else "false"
