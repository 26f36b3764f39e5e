"""`winnower policy explain`: a policy in words, or the reference of the query language.

Rules of this file
    - Whatever a policy file holds is escaped before it is shown; colours only on a terminal.
    - `--language` prints what the documentation holds (`policies/LANGUAGE.md`), from the language's own tables.

Source: issue "policies and questions", item 4, and "docs list every clause, function and field, generated from the
code".
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from grammar.errors import InputError, escape
from policies import Meaning, MemoryGraph, Policy, evaluate, rendered
from policies.lalr import tables
from policies.lexer import TOKEN
from policies.limits import LimitError
from policies.reference import reference
from winnower.console import output
from winnower.policy_drawing import as_dot, as_text
from winnower.policy_files import read_graph
from winnower.policy_list import named
from winnower.policy_words import certainty, plan, terms

WIDTH: Final = 78
SHOWN: Final = 8
STYLES: Final = {"STRING": "green", "INTEGER": "cyan", "FLOAT": "cyan", "PARAMETER": "magenta"}
HEAD: Final = """# The query language

What can be written in a policy or asked with `winnower query`: openCypher 9 without clauses that write, CALL and
temporal types. How policies are written, and what *certain* and *possible* mean, is in [README.md](README.md).
This file is generated: `winnower policy explain --language > policies/LANGUAGE.md`.

"""


@click.command("explain")
@click.argument("policy", required=False, metavar="ID|FILE")
@click.option("--language", is_flag=True, help="All clauses, functions and fields of the query language, as Markdown.")
@click.option("--format", "how", type=click.Choice(("text", "dot")), default="text", show_default=True)
def command(policy: str | None, how: str, *, language: bool) -> None:
    """What a policy says, in words: its query, how sure a match is and why, how it is searched."""
    if language == bool(policy):
        raise click.UsageError("say which policy (an id or a file), or --language")
    if language:
        click.echo(HEAD + reference(), nl=False)
        return
    (one,) = _single(str(policy))
    if how == "dot":
        click.echo(as_dot(one.query, one.id), nl=False)
        return
    console = output()
    for line in explained(one, _match_graph(one)):
        console.print(line, soft_wrap=True)


def _single(word: str) -> tuple[Policy, ...]:
    found = named([word])
    if len(found) != 1:
        raise InputError(
            "several policies", offending=word, hint="one of " + ", ".join(one.id for one in found[:SHOWN])
        )
    return found


def _match_graph(one: Policy) -> tuple[str, MemoryGraph | InputError]:
    """The graph beside the policy, if there is one that can be read."""
    shipped = resources.files("policies") / "shipped"
    stem = Path(one.file).name.removesuffix(".cypher")
    beside = Path(one.file).parent / f"{stem}.match.json"
    place = beside if beside.is_file() else shipped / f"{one.id}.match.json"
    try:
        return place.name, read_graph(place)
    except InputError as error:
        return place.name, error


def explained(one: Policy, beside: tuple[str, MemoryGraph | InputError]) -> Iterator[Text | str]:
    """The lines of an explanation."""
    name, graph = beside
    known = graph if isinstance(graph, MemoryGraph) else MemoryGraph({})
    yield Text.assemble((one.id, "bold"), f"  {one.severity}  {one.maturity}  {', '.join(one.techniques)}")
    yield escape(one.title, 400)
    yield from ("", *_wrapped(one.description)) if one.description else ()
    yield from ("", *terms(one))
    yield from _section("It may be wrong about", (f"- {text}" for text in one.false_positives))
    yield from _section("See also", one.references)
    yield from ("", Text("The query", "bold"))
    yield from highlighted(one.source)
    yield from _section("The pattern", as_text(one.query).splitlines(), wrap=False)
    yield from _section("Certain or possible", (f"- {text}" for text in certainty(one.query)))
    yield from _section("The search", (f"- {text}" for text in plan(one.query, known)))
    told = (str(graph),) if isinstance(graph, InputError) else tuple(_result(one, graph))
    yield from _section(f"On {escape(name)}", told)


def _section(
    title: str, lines: Iterator[str] | tuple[str, ...] | list[str], *, wrap: bool = True
) -> Iterator[Text | str]:
    texts = list(lines)
    if texts:
        yield ""
        yield Text(title, "bold")
        for text in texts:
            yield from (f"  {line}" for line in (_wrapped(text) if wrap else [text]))


def _wrapped(text: str) -> list[str]:
    more = "  " if text.startswith("- ") else ""
    paragraphs = text.split("\n\n") if "\n" in text else [text]
    return [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(escape(" ".join(paragraph.split()), 4_000), WIDTH, subsequent_indent=more) or [""]
    ]


def highlighted(source: str) -> Iterator[Text]:
    """The query's lines, with colours for a terminal."""
    words, line = tables().words, Text("  ")
    for match in TOKEN.finditer(source):
        kind, text = match.lastgroup or "", match[0]
        style = STYLES.get(kind, "")
        if kind == "WORD" and text.upper() in words:
            style = "bold blue"
        elif kind == "SPACE" and text.startswith("/"):
            style = "dim"
        first, *rest = text.split("\n")
        line.append(escape(first, 1_000), style)
        for more in rest:
            yield line
            line = Text("  ")
            line.append(escape(more, 1_000), style)
    yield line


def _result(one: Policy, graph: MemoryGraph) -> Iterator[str]:
    """What the policy says of its own graph."""
    try:
        found = evaluate(one.query, graph)
        model = evaluate(one.query, graph, meaning=Meaning.INSTANCES)
    except LimitError as error:
        yield f"no answer within the limits: {error}"
        return
    sure = sum(match.certain for match in model)
    word = "match" if len(found) == 1 else "matches"
    yield f"{len(found)} {word}; as a model {sure} certain, {len(model) - sure} possible"
    for match in found[:SHOWN]:
        yield "- " + ", ".join(f"{key}={rendered(value)}" for key, value in match.row.items())
