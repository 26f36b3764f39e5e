"""What a line stands for, as people see it: a table, dot, JSON; and the tree of a unit.

Rules of this file
    - As in `monitor.render`: log text is data and shown escaped, tables fit 80 columns, what was lost is said.
    - The tree of a unit shows what an alert's trace does, from the request on: `unit_text` and `request_text` are for
      whoever shows alerts, too.

Complexity: O(what is shown).
Source: design section 5 (`--format`), section 3 promises 5 and 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grammar import InputError, Model, State
from grammar.drawing import Arrow, Node, Picture, to_dot
from monitor.lines import Candidate, Explained, RankedRoot, Told
from monitor.lines_causes import COVERS, LOG, Reached, lines_of
from monitor.lines_index import KIND, Near
from monitor.lines_rank import Reason, stamp
from monitor.lines_units import Branch, Tree, unit_tree
from monitor.lines_value import told_value
from monitor.render import safe, to_json

DRAWN: Final = 300
OTHERS: Final = 20
WHOLE: Final = 3
CLOSE: Final = 0.1
"""Of the explained states those are shown whole whose score is so close to the best."""
REPLICAS: Final = 5
ONWARD: Final = 5
INDENTED: Final = 12
LINE: Final = 1_000
"""Characters of a line that are shown."""
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))


def request_text(state: State) -> str:
    """The line of a unit in one line of text: `request: GET /app.php?a=link 302`.

    >>> request_text(State("LogMessage GET /x 200")), request_text(State("LogMessage user {text} logged in"))
    ('request: GET /x 200', 'line: user {text} logged in')
    """
    message = state.label.removeprefix(KIND)
    kind = "request" if message.partition(" ")[0] in _METHODS else "line"
    return f"{kind}: {safe(message, LINE)}"


def unit_text(model: Model, line: State, indent: int = 2) -> Group:
    """The unit of a line: its request, and below it what the unit has done."""
    return tree_text(unit_tree(model, line), indent)


def tree_text(tree: Tree, indent: int = 2) -> Group:
    """A unit's tree."""
    parts = [Text(" " * indent + request_text(tree.root.state), style="bold")]
    for depth, one in _walk(tree.root):
        told = Text(" " * indent + "  " * min(depth, INDENTED) + _branch(one))
        if one.command and not one.operation.startswith(LOG):
            told.append(f"   $ {safe(one.command, 120)}", style="dim")
        parts.append(told)
    if tree.cut:
        parts.append(Text(" " * indent + "and more: winnower descendants ID", style="dim"))
    return Group(*parts)


def _walk(branch: Branch, depth: int = 0) -> Iterator[tuple[int, Branch]]:
    for one in branch.below:
        yield depth, one
        yield from _walk(one, depth + 1)


def _branch(one: Branch) -> str:
    label = safe(one.state.label, 300)
    if one.operation == LOG:
        return f"└ written by {label}"
    if one.operation.startswith(LOG):
        return f"└ written (by its time) by {label}"
    if one.operation == COVERS:
        return f"└ its unit has used {label}"
    return f"└ {safe(one.operation, 40)} {'from' if one.source else '→'} {label}"


def show_told(told: Told, how: str) -> Group | str:
    """An answer in one of the formats `table`, `json`, `dot`."""
    if how == "json":
        return to_json(told_value(told))
    if how == "dot":
        return told_dot(told)
    if how == "table":
        return told_table(told)
    raise InputError("no such format", offending=how, hint="table, json or dot")


def told_table(told: Told) -> Group:
    """An answer for a terminal."""
    line = told.line
    when = f", {stamp(line.millis)}" if line.millis is not None else ""
    parts: list[Group | Text | Table | Padding] = [
        Text(safe(line.message, LINE) or "(no message)", style="bold"),
        Text(f"read as: {safe(line.format, 40) or 'plain text'}{when}", style="dim"),
    ]
    if told.later:
        parts.append(Text(f"{told.later} more match, but were first shown after --until"))
    if not told.explained:
        return Group(*parts, *([] if told.later else _nearest(told.nearest)))
    number = len(told.candidates)
    if number > 1:
        parts.append(Text(f"{number} states may be meant; the likeliest first"))
    likely = [one for one in told.explained if one.candidate.score >= told.explained[0].candidate.score - CLOSE]
    for rank, one in enumerate(likely[:WHOLE], 1):
        parts += [Text(), *_explained(rank, one)]
    rest = told.candidates[len(likely[:WHOLE]) :]
    if rest:
        parts += [Text(), _others(rest, len(likely[:WHOLE]) + 1)]
    if told.beyond:
        parts.append(Text(f"{told.beyond} more states have these patterns; they go with the time less well"))
    for worker, causes in sorted(told.lost.items()):
        lost = ", ".join(f"{safe(cause)} {count}" for cause, count in sorted(causes.items()))
        parts.append(Text(f"  lost on {safe(worker)} so far: {lost}", style="dim"))
    return Group(*parts)


def _nearest(nearest: Iterable[Near]) -> Iterator[Text]:
    found = list(nearest)
    yield Text("no pattern matches this line" + ("; the nearest:" if found else ", and none is near"))
    for one in found:
        yield Text(f"  {one.score:.2f}  {safe(one.app, 100)}: {safe(one.pattern, LINE)}")


def _explained(rank: int, one: Explained) -> Iterator[Text | Padding | Group]:
    candidate = one.candidate
    model, state = candidate.model, candidate.state
    head = f"{rank}. {candidate.score:.2f}  {safe(model.app, 100)}  {model.ids[state]}"
    yield Text(head, style="bold")
    yield _indented(Text(f"pattern: {safe(candidate.word.text, LINE)}"))
    if state in model.commands:
        yield _indented(Text(f"logged by: {safe(model.commands[state], 300)}"))
    yield from _reasons("why:", candidate.reasons)
    yield from _replicas(candidate)
    yield _indented(Text("root causes:" if one.roots else "root causes: none on record"))
    for root in one.roots:
        yield from _root(root)
    cut = ", at least" if one.effects.cut else ""
    yield _indented(Text(f"its unit, and what came of it{cut} ({_states(len(one.effects.distance))}):"))
    yield unit_text(model, state, 5)
    yield from _onward(model, one.effects)


def _onward(model: Model, effects: Reached) -> Iterator[Padding]:
    """Which other units have taken in what this one has made."""
    units = dict.fromkeys(edge.effect for edge in effects.onward)
    if units:
        lines = sorted({request_text(line) for unit in units for line in lines_of(model, unit)})
        through = sorted({safe(edge.cause.label, 100) for edge in effects.onward})
        yield _indented(Text(f"passed on to other units, through {_some(through)}; their lines:"))
        yield _indented(Text(_some(lines) if lines else "none"), 5)


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:ONWARD]) + (f" and {len(texts) - ONWARD} more" if len(texts) > ONWARD else "")


def _states(number: int) -> str:
    return f"{number} state{'s' * (number != 1)}"


def _indented(text: Text, indent: int = 3) -> Padding:
    return Padding(text, (0, 0, 0, indent), expand=False)


def _reasons(head: str, reasons: Iterable[Reason], indent: int = 3) -> Iterator[Padding]:
    yield _indented(Text(head), indent)
    for one in reasons:
        yield _indented(Text(f"{one.score:.2f} {one.what}: {one.text}"), indent + 2)


def _replicas(candidate: Candidate) -> Iterator[Padding]:
    yield _indented(Text("shown by:"))
    for replica, span in candidate.replicas[:REPLICAS]:
        where = f"{safe(replica.worker, 100)}/{safe(replica.container, 100)}"
        yield _indented(Text(f"{where}, first {stamp(span.first)}, last told {stamp(span.last)}"), 5)
    if len(candidate.replicas) > REPLICAS:
        yield _indented(Text(f"and {len(candidate.replicas) - REPLICAS} more"), 5)


def _root(root: RankedRoot) -> Iterator[Padding]:
    told = "; ".join(one.text for one in root.reasons if one.what != "time")
    yield _indented(Text(f"{root.score:.2f} {safe(root.root.state.label, 300)}"), 5)
    yield _indented(Text(told, style="dim"), 10)


def _others(rest: Sequence[Candidate], first: int) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for justify in ("right", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for rank, one in enumerate(rest[:OTHERS], first):
        why = "; ".join(reason.text for reason in one.reasons[:1])
        table.add_row(
            f"{rank}.", f"{one.score:.2f}", one.model.ids[one.state], Text(f"{safe(one.word.text, 200)}: {why}")
        )
    if len(rest) > OTHERS:
        table.add_row("", "", "", f"and {len(rest) - OTHERS} more")
    return table


def told_dot(told: Told) -> str:
    """An answer as a graph: lines, their units, the ways to their root causes, what came of them."""
    nodes: dict[str, Node] = {}
    arrows: dict[tuple[str, str], list[str]] = {}
    for one in told.explained:
        model = one.candidate.model
        wanted = _drawn(one)
        for state in wanted:
            nodes.setdefault(model.ids[state], _node(model, state))
        for state in wanted:
            for edge in model.causes.get(state, ()):
                if edge.cause in wanted:
                    arrows.setdefault((model.ids[edge.effect], model.ids[edge.cause]), []).append(edge.operation)
    drawn = tuple(Arrow(*ends, tuple(dict.fromkeys(found))) for ends, found in arrows.items())
    return to_dot(Picture(tuple(nodes.values()), drawn, True))


def _drawn(one: Explained) -> dict[State, None]:
    found = dict.fromkeys((one.candidate.state, *(unit.cause for unit in one.units)))
    for root in one.roots:
        found |= dict.fromkeys(end for edge in root.root.path for end in (edge.effect, edge.cause))
    for state in one.effects.distance:
        if len(found) >= DRAWN:
            break
        found.setdefault(state)
    return found


def _node(model: Model, state: State) -> Node:
    held = model.support[state]
    seen = sum(1 << max(0, min(span.level, 62)) for span in held.values())
    return Node(model.ids[state], state.label, len(held), seen, model.commands.get(state, ""))
