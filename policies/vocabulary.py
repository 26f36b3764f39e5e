"""The words that Winnower's graphs have: what each kind of node holds, and what a relation means.

Rules of this file
    - A table for people (`reference`) and for the check of policies (`check_words`); who makes the properties is
      `grammar.labels.properties_of`, to which a test compares it.

Source: design section 2 (kinds, relations, properties); W3C PROV and OPM (relations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Process": {
        "name": "what the process calls itself, at most 15 bytes",
        "exe": "the path of its program",
        "command": "its command line, where one was recorded",
        "pid": "its number; only of a real process, not in a model",
    },
    "File": {
        "path": "the whole path; on a model it may be a pattern",
        "name": "what follows the last slash",
    },
    "Socket": {
        "peer": "the other end: address:port, a path, @abstract, or netlink",
        "local": "this end, of a listening socket",
        "address": "the host of the other end",
        "port": "the port of the other end, as text",
        "family": "inet, inet6, unix or netlink",
    },
    "Pipe": {"name": "what is known of it"},
    "Memory": {"name": "what is known of it"},
    "LogMessage": {"message": "the line, its changing parts as fields"},
}
"""For each kind the properties of its nodes; a property that a node does not have is null."""

EVERY_NODE: Final[Mapping[str, str]] = {"id": "the node's id, as id() gives it"}
EDGE_FIELDS: Final[Mapping[str, str]] = {"operation": "the system call family: open, read, write, execve, connect, …"}

MEANINGS: Final[Mapping[str, str]] = {
    "USED": "a process used something: (process)-[:USED]->(file)",
    "WAS_GENERATED_BY": "something was made or changed by a process: (file)-[:WAS_GENERATED_BY]->(process)",
    "WAS_TRIGGERED_BY": "a process was started or signalled by another: (child)-[:WAS_TRIGGERED_BY]->(parent)",
    "WAS_DERIVED_FROM": "something was made from another: (copy)-[:WAS_DERIVED_FROM]->(original)",
}
"""What each relation says; arrows point from effect to cause."""


def keys_of(kinds: frozenset[str]) -> tuple[str, ...]:
    """The properties that a node of one of the kinds may have.

    >>> keys_of(frozenset({"File", "Pipe"}))
    ('path', 'name', 'id')
    """
    keys = [key for kind, fields in FIELDS.items() if kind in kinds for key in fields]
    return tuple(dict.fromkeys([*keys, *EVERY_NODE]))
