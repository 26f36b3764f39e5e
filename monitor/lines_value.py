"""What a line stands for, as JSON: the fields that scripts depend on.

Rules of this file
    - Times are seconds or null. NODE is a node as everywhere (design section 5). Lists have at most `LISTED` members,
      nearest first, and say how many there are in all.
    - Text is data and is left as it is: `monitor.render.to_json` makes it safe.

The answer: `line` {message, format, time, grain, level, pid, client, component, program}, `window` {since, until},
`matched`, `later` (how many match but were first shown after what was asked for), `beyond` (how many match and were not
ranked), `candidates` and `others` (best first), `nearest` [{app, pattern, score}], `lost` {WORKER: {CAUSE: N}}.
A candidate: `rank`, `score`, `app`, `id`, `pattern`, `lms` {text, program, function, address, level}, `reasons` [{what,
score, text}], `replicas` [{worker, container, first, last, times}], `odd` {LABEL: N} (what it has led to and most of
its pattern have not, and how many have). Of those that are explained also: `node` NODE, `units` [NODE + operation,
certain], `roots` [NODE + beginning, score, reasons, distance, path [{effect, operation, cause}]], `effects` {count,
cut, nodes [NODE + distance]}, `onward` [NODE + operation, through (an id), lines [{id, label}]] (other units that have
taken in what this one has made), `causes` {count, cut, nodes [{id, label, distance}]}, `unit` {id, label, operation,
command, source, below [...]}.

Complexity: O(what is listed).
Source: issue "application logs", 6; design section 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from grammar import Model, Replica, Span, State, Transition
from monitor.lines import Candidate, Explained, RankedRoot, Told
from monitor.lines_causes import LOG, Reached, lines_of
from monitor.lines_rank import Reason
from monitor.lines_units import Branch, unit_tree
from monitor.query import node_value

LISTED: Final = 500
_LMS: Final = re.compile(
    r"(?P<program>\S{1,200}) (?P<function>\S{1,200}) (?P<address>0x[0-9a-f]{1,16})(?: \[(?P<level>\w{1,20})\])?",
    re.ASCII,
)


def told_value(told: Told) -> dict[str, object]:
    """An answer as JSON."""
    line = told.line
    return {
        "line": {
            "message": line.message,
            "format": line.format,
            "time": _seconds(line.millis),
            "grain": line.grain / 1000,
            "level": line.level,
            "pid": line.pid,
            "client": line.client,
            "component": line.component,
            "program": line.program,
        },
        "window": {"since": _seconds(told.window.since), "until": _seconds(told.window.until)},
        "matched": bool(told.explained),
        "later": told.later,
        "beyond": told.beyond,
        "candidates": [_whole(rank, one) for rank, one in enumerate(told.explained, 1)],
        "others": [_candidate(rank, one) for rank, one in enumerate(told.others[:LISTED], len(told.explained) + 1)],
        "nearest": [{"app": one.app, "pattern": one.pattern, "score": one.score} for one in told.nearest],
        "lost": {worker: dict(sorted(causes.items())) for worker, causes in sorted(told.lost.items())},
    }


def _seconds(millis: int | None) -> float | None:
    return None if millis is None else millis / 1000


def _candidate(rank: int, one: Candidate) -> dict[str, object]:
    return {
        "rank": rank,
        "score": one.score,
        "app": one.model.app,
        "id": one.model.ids[one.state],
        "pattern": one.word.text,
        "lms": lms_value(one.model.commands.get(one.state, "")),
        "reasons": _reasons_value(one.reasons),
        "replicas": [_replica(*held) for held in one.replicas[:LISTED]],
        "odd": dict(islice(one.odd.items(), LISTED)),
    }


def lms_value(text: str) -> dict[str, str]:
    """What is known of the log string: `apache2 ap_log_mpm_common 0x3a1b2 [notice]`.

    >>> lms_value("apache2 ap_log_mpm_common 0x3a1b2 [notice]")["function"], lms_value("odd")["text"]
    ('ap_log_mpm_common', 'odd')
    """
    found = _LMS.fullmatch(text)
    named = {name: value or "" for name, value in found.groupdict().items()} if found else {}
    return {"text": text, "program": "", "function": "", "address": "", "level": "", **named}


def _reasons_value(reasons: Iterable[Reason]) -> list[dict[str, object]]:
    return [{"what": one.what, "score": one.score, "text": one.text} for one in reasons]


def _replica(replica: Replica, span: Span) -> dict[str, object]:
    told: dict[str, object] = {"worker": replica.worker, "container": replica.container}
    return told | {"first": span.first / 1000, "last": span.last / 1000, "times": 1 << max(0, min(span.level, 62))}


def _whole(rank: int, one: Explained) -> dict[str, object]:
    model, state = one.candidate.model, one.candidate.state
    units = [node_value(model, t.cause) | {"operation": t.operation, "certain": t.operation == LOG} for t in one.units]
    return _candidate(rank, one.candidate) | {
        "node": node_value(model, state),
        "units": units,
        "roots": [_root_value(model, root) for root in one.roots],
        "causes": _reached(one.causes, lambda state: {"id": model.ids[state], "label": state.label}),
        "effects": _reached(one.effects, lambda state: node_value(model, state)),
        "onward": [_onward(model, edge) for edge in one.effects.onward[:LISTED]],
        "unit": _branch_value(model, unit_tree(model, state).root),
    }


def _root_value(model: Model, ranked: RankedRoot) -> dict[str, object]:
    root = ranked.root
    path = [
        {"effect": model.ids[one.effect], "operation": one.operation, "cause": model.ids[one.cause]}
        for one in root.path
    ]
    told: dict[str, object] = {"beginning": root.kind, "score": ranked.score, "distance": root.distance, "path": path}
    return node_value(model, root.state) | told | {"reasons": _reasons_value(ranked.reasons)}


def _reached(found: Reached, shown: Callable[[State], dict[str, object]]) -> dict[str, object]:
    nodes = [shown(state) | {"distance": steps} for state, steps in islice(found.distance.items(), LISTED)]
    return {"count": len(found.distance), "cut": found.cut, "nodes": nodes}


def _onward(model: Model, edge: Transition) -> dict[str, object]:
    lines = [{"id": model.ids[line], "label": line.label} for line in lines_of(model, edge.effect)[:LISTED]]
    told: dict[str, object] = {"operation": edge.operation, "through": model.ids[edge.cause], "lines": lines}
    return node_value(model, edge.effect) | told


def _branch_value(model: Model, one: Branch) -> dict[str, object]:
    told: dict[str, object] = {"id": model.ids[one.state], "label": one.state.label, "operation": one.operation}
    below = [_branch_value(model, under) for under in one.below]
    return told | {"command": one.command, "source": one.source, "below": below}
