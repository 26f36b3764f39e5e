r"""Templates of log lines without a profile: one line in, its pattern out, at once.

Rules of this file
    - First the rules that need no memory (`agent.miner_rules`): they do most of the work, and every worker agrees.
    - Then a threshold: where more than `tau` words stand behind the same words and before the same word, in lines of
      one outline, the word is a field from then on, for good. What is seen only grows, and a decision rests on what was
      seen and on decisions nearer to the line's beginning, so the order of lines leaves no trace in what is settled.
    - Lines are told apart by their *outline* (number of tokens, punctuation, `key=`) and by the words in its gaps; the
      words of one outline are a tree, kept as rows of numbers, never as a chain of objects.
    - Everything is bounded. Past `MAX_TEMPLATES` a line that fits no template gets a catch-all, `First {any}`.

Invariants: a template matches its line; what `settled` says of a line depends on the set of lines seen, not on their
order, while no bound is reached.
Complexity: O(length of the line); a decision costs O(nodes of its outline), and there are at most as many as nodes.
Source: Drain (He et al., ICWS 2017) for the tree of bounded depth, with evidence in place of similarity; Winnower
section IV-B for thresholds that generalise for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Final

from agent.miner_outline import Outline, outline_of
from agent.miner_rules import mask, shape_of
from grammar import InputError, Pattern

TAU: Final = 8
MAX_TEMPLATES: Final = 1_024
MAX_NODES: Final = 32_768
MAX_CLASSES: Final = 1_024
MAX_CATCH_ALL: Final = 64
MAX_CACHED: Final = 8_192
MAX_ADOPTED: Final = 4_096
MAX_LEARNED: Final = 4_096
WIDE: Final = (512, 64, 24)
"""Words at one place, whatever follows, that are too many: at the first gap of an outline, the second, any later."""
WIDE_REQUEST: Final = 48
TAU_FOUND: Final = 32
"""Pages that a server has are fewer than those that it is asked for: `tau` of requests that succeeded."""
TAU_NAMED: Final = 3
"""`tau` where a value is likely: behind `=`, a colon or a preposition."""
_NAMING: Final = frozenset(
    "for from by to of at on in via with host user client server file path name command device module plugin node job "
    "service unit interface domain address peer process task table database key".split()
)
_NUMBERS: Final = frozenset(("{int}", "{float}"))


@dataclass(slots=True)
class _Node:
    """A place in the tree: what may follow (`children`, by word), what it stands for once it is settled (`field`)."""

    depth: int
    field: str = ""
    children: dict[str, int] = field(default_factory=dict)
    classes: dict[str, dict[str, None]] = field(default_factory=dict)


@dataclass(slots=True)
class Miner:
    """The templates of one application's lines.

    >>> miner = Miner()
    >>> miner.template("portal: user user31 logged in from 10.0.0.7")
    'portal: user {term} logged in from {ip}'
    """

    tau: int = TAU
    learned: dict[str, None] = field(default_factory=dict)
    caught: int = 0
    _roots: dict[tuple[str, ...], int] = field(default_factory=dict)
    _nodes: dict[int, _Node] = field(default_factory=dict)
    _next: int = 0
    _leaves: int = 0
    _catch_all: dict[str, None] = field(default_factory=dict)
    _shapes: dict[str, str] = field(default_factory=dict)

    def template(self, message: str) -> str:
        """The template of a line, in written form; what the line teaches is learned."""
        shape = shape_of(message)
        found = self._shapes.get(shape)
        if found:
            return found
        if found is not None:  # digits that are no value: the line itself is the key
            shape = message
            found = self._shapes.get(message)
            if found:
                return found
        masked, exact = mask(message)
        found = self._place(masked, learn=True)
        if len(self._shapes) >= MAX_CACHED:
            self._shapes.clear()
        if exact:
            self._shapes[shape_of(message)] = ""
            shape = message
        self._shapes[shape] = found
        return found

    def settled(self, message: str) -> str:
        """The template that a line has by what is known now; nothing is learned."""
        return self._place(mask(message).text, learn=False)

    def adopt(self, patterns: Iterable[str]) -> None:
        """Take over templates that were settled elsewhere: where they have a field, it is one here too."""
        for text in islice(patterns, MAX_ADOPTED):
            try:
                Pattern.parse(text)
            except InputError:
                continue
            self._place(text, learn=True, adopted=True)

    @property
    def templates(self) -> int:
        """How many templates there are now, catch-alls among them."""
        return self._leaves + len(self._catch_all)

    def _place(self, masked: str, *, learn: bool, adopted: bool = False) -> str:
        """Walk down the tree; the template at the end."""
        outline = outline_of(masked)
        root = self._roots.get(outline.statics)
        if root is None:
            if not learn or self._full(len(outline.words)):
                return masked if not learn and not self._full(0) else self._caught(masked)
            root = self._roots[outline.statics] = self._node(0)
        chosen = self._walk(root, outline, learn, adopted)
        if chosen is None:
            return self._caught(masked) if learn or self._full(0) else masked
        found = outline.fill(chosen)
        if learn and found != masked and len(self.learned) < MAX_LEARNED:
            self.learned[found] = None
        return found

    def _walk(self, at: int, outline: Outline, learn: bool, adopted: bool) -> list[str] | None:
        """The word or field of every gap; None if the tree has no room for a new branch."""
        words = outline.words
        chosen = []
        for i, word in enumerate(words):
            node = self._nodes[at]
            if learn:
                self._consider(node, i, outline)
                if adopted and word in ("{term}", "{word}"):
                    self._settle(node, word)
            name = node.field or word
            if node.field == "{float}" and word not in _NUMBERS:
                name = word
            chosen.append(name)
            below = node.children.get(name)
            if below is None:
                if not learn:
                    return chosen + list(words[i + 1 :])
                if self._full(len(words) - i):
                    return None
                below = node.children[name] = self._node(i + 1)
                if i + 1 == len(words):
                    self._leaves += 1
            at = below
        return chosen

    def _consider(self, node: _Node, i: int, outline: Outline) -> None:
        """Take the word at gap `i` as evidence; settle the place if there is enough."""
        word = outline.words[i]
        if node.field in ("{term}", "{word}") or (node.field and word in _NUMBERS):
            return
        key = _after(outline, i)
        seen = node.classes.get(key)
        if seen is None:
            if len(node.classes) >= MAX_CLASSES >> min(4 * node.depth, 4):
                key = ""
            seen = node.classes.setdefault(key, {})
        if word in seen:
            return
        seen[word] = None
        self._judge(node, key, outline.request)

    def _judge(self, node: _Node, key: str, request: str) -> None:
        """Settle a place that has too many words."""
        seen = node.classes[key]
        if request:
            tau, wide = (TAU_FOUND if request < "4" else self.tau), WIDE_REQUEST
        else:
            tau, wide = (TAU_NAMED if key[:1] == "=" else self.tau), WIDE[min(node.depth, 2)]
        fields = [word for word in seen if word[0] == "{"]
        if not request and len(fields) > 1 and set(seen) == _NUMBERS:
            self._settle(node, "{float}")
        elif len(seen) - (len(fields) if not request else 0) > tau or len(node.children) >= wide:
            self._settle(node, "{word}" if request else "{term}")
        elif not request and (len(fields) > 1 or ("{term}" in seen and len(seen) > 1)):
            self._settle(node, "{term}")

    def _settle(self, node: _Node, name: str) -> None:
        """All words of a place become one field; what followed them is put together."""
        if node.field == name:
            return
        self._shapes.clear()
        node.field = name
        taken = [word for word in node.children if name != "{float}" or word in _NUMBERS]
        below = [node.children.pop(word) for word in taken]
        if name != "{float}":
            node.classes.clear()
        if below:
            node.children[name] = below[0]
            for other in below[1:]:
                self._merge(below[0], other)

    def _merge(self, into: int, other: int) -> None:
        """Put the tree below `other` into that below `into`."""
        work = [(into, other)]
        while work:
            target, source = self._nodes[work[-1][0]], self._nodes.pop(work.pop()[1])
            if not target.children and not source.children:
                self._leaves -= 1
            for word, below in source.children.items():
                name = word
                if name in target.children:
                    work.append((target.children[name], below))
                else:
                    target.children[name] = below
