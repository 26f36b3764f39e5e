"""Runs the tables that lark makes of `policy.lark`, calling a builder bottom-up.

Rules of this file
    - lark reads the grammar and makes its tables, once and when first needed; running them is these few lines,
      because the types of a token are chosen by the state (`lexer`) and the tree's depth is counted on the way.
    - What lark's own tree builder would do with filtered tokens, `?rules` and `_rules` is done here, without a tree.
    - No recursion, whatever the text.

Invariant: what the builder made is nested at most `MAX_TREE` deep, so that whoever climbs it may recurse.
Complexity: linear in the tokens; making the tables some 0.15 s, once.
Source: lark's LALR(1) tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from policies.lexer import Token

if TYPE_CHECKING:
    from lark.grammar import Rule as LarkRule
    from lark.lexer import Token as LarkToken

MAX_TREE: Final = 128

# Rules whose results are parts of a clause or of one expression: they do not make the tree deeper.
FLAT: Final = frozenset(
    {"query", "union", "single", "where", "projection", "star", "item", "order", "ascending", "descending", "skip"}
    | {"limit", "labels", "detail", "pair", "when", "otherwise", "result", "outline", "first", "node", "comparator"}
    | {"parameter", "elements"}
)


class UnexpectedTokenError(Exception):
    """The grammar knows no continuation with the token at `index`; `expected` would have one."""

    def __init__(self, index: int, expected: frozenset[str]) -> None:
        super().__init__(index)
        self.index, self.expected = index, expected


class TooDeepError(Exception):
    """The tree would be nested too deep, at the token at `index`."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class Builder(Protocol):
    """Has one method for each rule; before each call, `begin` and `finish` are set to the rule's tokens."""

    begin: int
    finish: int
    begins: dict[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """`keep` are the children that count, each with whether its own are put in its place."""

    origin: str
    length: int
    keep: tuple[tuple[int, bool], ...]
    callback: str
    alone: bool
    grows: int


@dataclass(frozen=True, slots=True)
class Tables:
    """What to do, by state and symbol: an even number goes to the state of half of it, an odd one reduces by a rule."""

    states: tuple[Mapping[str, int], ...]
    rules: tuple[Rule, ...]
    start: int
    end: int
    words: Mapping[str, str]


def run(tables: Tables, tokens: Sequence[Token], builder: Builder) -> object:
    """What `builder` makes of the tokens. Raises `UnexpectedTokenError` and `TooDeepError`."""
    return _Run(tables, builder).all(tokens)


class _Run:
    def __init__(self, tables: Tables, builder: Builder) -> None:
        self._rows, self._rules, self._builder = tables.states, tables.rules, builder
        self._calls: list[Callable[..., object] | None] = [
            getattr(builder, rule.callback) if rule.callback else None for rule in tables.rules
        ]
        self._states, self._end = [tables.start], tables.end
        self._values: list[object] = []
        self._firsts: list[int] = []
        self._depths: list[int] = []

    def all(self, tokens: Sequence[Token]) -> object:
        rows, states = self._rows, self._states
        for index, token in enumerate(tokens):
            kind = ""
            while True:
                row = rows[states[-1]]
                if kind not in row:  # at first; again where merged look-aheads promised what the state below lacks
                    kind = self._kind(token, row, index)
                action = row[kind]
                if not action & 1:
                    break
                self._reduce(action >> 1, index)
                if states[-1] == self._end:
                    return self._values[0]
            states.append(action >> 1)
            self._values.append(token)
            self._firsts.append(index)
            self._depths.append(0)
        raise UnexpectedTokenError(len(tokens) - 1, frozenset())  # cannot be: the grammar shifts no end

    def _kind(self, token: Token, row: Mapping[str, int], index: int) -> str:
        for kind in token.types:
            if kind in row:
                return kind
        raise UnexpectedTokenError(index, frozenset(symbol for symbol in row if self._fits(symbol)))

    def _fits(self, symbol: str) -> bool:
        """Whether the text could go on with this terminal: the tables promise more than the states below hold."""
        states = list(self._states)
        while not symbol.islower():
            action = self._rows[states[-1]].get(symbol)
            if action is None:
                break
            if not action & 1:
                return True
            rule = self._rules[action >> 1]
            del states[len(states) - rule.length :]
            states.append(self._rows[states[-1]][rule.origin] >> 1)
        return symbol == "$END" and states[-1] == self._end

    def _reduce(self, number: int, index: int) -> None:
        rule, states = self._rules[number], self._states
        if rule.alone:
            states.pop()
        else:
            values, firsts, depths = self._values, self._firsts, self._depths
            at = len(values) - rule.length
            first = firsts[at] if rule.length else index
            depth = max(depths[at:], default=0) + rule.grows
            if depth > MAX_TREE:
                raise TooDeepError(index)
            value = self._made(number, rule, values[at:], first, index - 1)
            del values[at:], firsts[at:], depths[at:], states[at + 1 :]
            values.append(value)
            firsts.append(first)
            depths.append(depth)
        states.append(self._rows[states[-1]][rule.origin] >> 1)

    def _made(self, number: int, rule: Rule, children: list[object], first: int, last: int) -> object:
        kept: list[object] = []
        for position, spread in rule.keep:
            child = children[position]
            if not spread:
                kept.append(child)
            elif isinstance(child, list):
                # A list is used once: the first is taken as it is, so that a long one is not copied at every step.
                kept = child if not kept else kept + child
        call = self._calls[number]
        if call is None:
            return kept
        builder = self._builder
        builder.begin, builder.finish = first, last
        value = call(*kept)
        builder.begins[id(value)] = first
        return value


@cache
def tables() -> Tables:
    """The tables of `policy.lark`."""
    from lark import Lark  # noqa: PLC0415 - only who parses pays for it
    from lark.lexer import Lexer, PatternStr  # noqa: PLC0415

    class NoLexer(Lexer):
        """Ours gives several types to a token, which lark's interface has no place for."""

        __future_interface__ = 2

        def __init__(self, _conf: object) -> None:
            pass

        def lex(self, *_: object) -> Iterator[LarkToken]:
            return iter(())

    lark = Lark.open_from_package(
        "policies", "policy.lark", parser="lalr", start="query", lexer=NoLexer, maybe_placeholders=False
    )
    table = lark.parse_interactive("").parser_state.parse_conf.parse_table
    numbers = {rule: number for number, rule in enumerate(lark.rules)}
    states = tuple(
        {
            str(symbol): to * 2 if isinstance(to, int) else numbers[to] * 2 + 1
            for symbol, (_, to) in table.states[state].items()
        }
        for state in range(len(table.states))
    )
    words = {one.pattern.value: one.name for one in lark.terminals if isinstance(one.pattern, PatternStr)}
    return Tables(states, tuple(map(_rule, lark.rules)), table.start_states["query"], table.end_states["query"], words)


def _rule(rule: LarkRule) -> Rule:
    keep = tuple(
        (position, symbol.name.startswith("_") and not symbol.is_term)
        for position, symbol in enumerate(rule.expansion)
        if not (getattr(symbol, "filter_out", False) and not rule.options.keep_all_tokens)
    )
    origin = str(rule.origin.name)
    alone = len(rule.expansion) == 1 and len(keep) == 1 and not rule.alias and rule.options.expand1
    one = len(keep) == 1 and not keep[0][1] and not rule.alias and rule.options.expand1
    callback = "" if origin.startswith("_") else "same" if one else str(rule.alias or origin)
    grows = 0 if callback in FLAT or callback in ("", "same") else 1
    return Rule(origin, len(rule.expansion), keep, callback, alone, grows)
