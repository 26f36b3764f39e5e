"""The patterns of a query, drawn: as text for a terminal, or as dot.

Rules of this file
    - Pure. Whatever a policy writes is escaped; no dot syntax can come out of a name.
    - What is optional, and what must not be there, is said beside its pattern.

Complexity: linear in the query.
Source: `policies.syntax`; graphviz (dot).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from grammar.errors import escape
from policies import syntax as s
from policies.check_walk import of_clause, walk

SHAPES: Final = {"Process": "box", "File": "ellipse", "Socket": "diamond", "Pipe": "cds", "Memory": "hexagon"}
STYLES: Final = {"there": "solid", "optional": "dashed", "asked for": "dashed", "absent": "dotted"}


class Drawn(NamedTuple):
    """A path of the query, and whether it is `there`, `optional`, `asked for` (by EXISTS), or must be `absent`."""

    path: s.PathPattern
    role: str


def drawn(part: s.SingleQuery, role: str = "there") -> Iterator[Drawn]:
    """Every path of one part of a query, in reading order."""
    for clause in part.clauses:
        if isinstance(clause, s.Match):
            for path in clause.paths:
                yield Drawn(path, "optional" if clause.optional and role == "there" else role)
        for expression in of_clause(clause):
            yield from _inside(expression, "asked for" if role == "there" else role)


def _inside(expression: s.Expression, role: str) -> Iterator[Drawn]:
    """The paths in an expression; below a NOT they are absent."""
    denied = {id(part.operand) for part in walk(expression, subqueries=False) if isinstance(part, s.Not)}
    for part in walk(expression, subqueries=False):
        said = "absent" if id(part) in denied else role
        if isinstance(part, (s.PatternPredicate, s.PatternComprehension)):
            yield Drawn(part.path, said)
        elif isinstance(part, s.Exists):
            for one in part.query.parts:
                yield from drawn(one, said)


def as_text(query: s.Query) -> str:
    r"""All patterns, from top to bottom.

    >>> from policies import parse_query
    >>> print(as_text(parse_query("MATCH (f:File)-[r:WAS_GENERATED_BY]->(p) RETURN f")), end="")
    (f:File)
      |  r: WAS_GENERATED_BY
      v
    (p)
    """
    lines: list[str] = []
    for number, part in enumerate(query.parts):
        if number:
            lines += ["", "or (UNION)", ""]
        for at, one in enumerate(drawn(part)):
            head = [] if one.role == "there" else [f"{one.role}:"]
            lines += [*([""] if at else []), *head, *_path(one.path)]
    return "".join(f"{line}\n" for line in lines)


def _path(path: s.PathPattern) -> Iterator[str]:
    if path.variable or path.shortest:
        yield f"{escape(path.variable or 'path')} = {path.shortest.value if path.shortest else ''}".rstrip(" =")
    yield _node(path.nodes[0])
    for step, node in zip(path.steps, path.nodes[1:], strict=True):
        if step.direction is s.Direction.IN:
            yield "  ^"
        yield f"  |  {_step(step)}".rstrip()
        if step.direction is not s.Direction.IN:
            yield "  v" if step.direction is s.Direction.OUT else "  |"
        yield _node(node)


def _node(node: s.NodePattern) -> str:
    kinds = "".join(f":{'|'.join(map(escape, words))}" for words in node.labels)
    return f"({escape(node.variable or '')}{kinds}{_keys(node)})"


def _step(step: s.RelationshipPattern) -> str:
    hops = "" if step.hops is None else f" *{step.hops.least}..{'' if step.hops.most is None else step.hops.most}"
    name = f"{escape(step.variable)}: " if step.variable else ""
    return f"{name}{'|'.join(map(escape, step.types)) or 'any'}{hops}{_keys(step)}"


def _keys(part: s.NodePattern | s.RelationshipPattern) -> str:
    """`{operation: 'read'}`; what is no literal is `…`."""
    if part.properties is None:
        return ""
    if isinstance(part.properties, s.Parameter):
        return f" ${escape(part.properties.name)}"
    return " {" + ", ".join(f"{escape(key)}: {_value(value)}" for key, value in part.properties.pairs) + "}"


def _value(value: s.Expression) -> str:
    if isinstance(value, s.Literal):
        return f"'{escape(value.value)}'" if isinstance(value.value, str) else str(value.value)
    return f"'{escape(value.text)}'" if isinstance(value, s.Glob) else "…"


def as_dot(query: s.Query, name: str = "policy") -> str:
    """The same for graphviz; one variable is one node within a part of the query."""
    lines = [f"digraph {_quoted(name)} {{", "  rankdir=TB; node [fontname=Helvetica, fontsize=10]; edge [fontsize=8];"]
    for number, part in enumerate(query.parts):
        known: set[str] = set()
        for at, one in enumerate(drawn(part)):
            keys = [f"n{number}_{node.variable or f'{at}.{index}'}" for index, node in enumerate(one.path.nodes)]
            for key, node in zip(keys, one.path.nodes, strict=True):
                if key not in known:
                    known.add(key)
                    lines.append(f"  {_quoted(key)} [shape={_shape(node)}, label={_quoted(_node(node)[1:-1])}];")
            for left, step, right in zip(keys, one.path.steps, keys[1:], strict=False):
                ends = (right, left) if step.direction is s.Direction.IN else (left, right)
                more = ", dir=none" if step.direction is s.Direction.BOTH else ""
                style = f"style={STYLES[one.role]}{more}"
                lines.append(f"  {_quoted(ends[0])} -> {_quoted(ends[1])} [label={_quoted(_step(step))}, {style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _shape(node: s.NodePattern) -> str:
    words = {word for group in node.labels for word in group}
    return SHAPES.get(next(iter(words)), "note") if len(words) == 1 else "box"


def _quoted(text: str) -> str:
    return '"' + escape(text, 400).replace("\\", "\\\\").replace('"', '\\"') + '"'
