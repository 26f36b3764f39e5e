r"""Templates of log lines without a profile: one line in, its pattern out, at once.

Rules of this file
    - First the rules that need no memory (`agent.miner_rules`): they do most of the work, and every worker agrees.
    - Then a threshold: where more than `tau` words stand behind the same words and before the same word, in lines of
      one outline, the place is a field from then on, for good. Where values of several kinds stand, it is a field at
      once, and so is a word that stands where a value stood.
    - Lines are told apart by their *outline* (`agent.miner_outline`), then by the words in its gaps, left to right; the
      words of one outline are a tree, kept as numbered nodes, never as a chain of objects.
    - A decision rests on what was seen and on decisions nearer to the line's beginning, and what was seen only grows:
      the order of lines leaves no trace in what is settled.
    - Everything is bounded, each kind of line by itself (`ROOM`), so that a scan of made-up addresses takes no room
      from the program's own words. A line for which there is none left gets a catch-all, `Word {any}`, and is counted.

Invariants: a template matches its line; what `settled` says of a line depends on the set of lines seen, not on their
order, while no bound is reached.
Complexity: O(length of the line); a decision costs O(nodes of its outline), and a node has at most three.
Source: Drain (He et al., ICWS 2017) for a tree of words, with counted evidence in place of similarity; Winnower
section IV-B for thresholds that generalise for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Final

from agent.miner_outline import Kind, Outline, outline_of
from agent.miner_rules import mask, shape_of
from grammar import InputError, Pattern

TAU: Final = 8
TAU_FOUND: Final = 32
"""Pages that a server has are fewer than those that it is asked for: `tau` of requests that succeeded."""
TAU_NAMED: Final = 3
"""`tau` where a value is likely: behind a word that names what follows."""
_NAMING: Final = (
    "for from by to of at on in via with host user client server file path name command device module plugin node job "
    "service unit interface domain address peer process task table database key class"
)
NAMING: Final = frozenset(_NAMING.split())
WIDE: Final = (512, 64, 24)
"""Words at one place, whatever follows, that are too many: at the first gap of an outline, the second, any later."""
WIDE_REQUEST: Final = 48
ROOM: Final[dict[Kind, int]] = {"text": 1_024, "found": 256, "refused": 64, "statement": 128}
"""Templates of each kind of line."""
MAX_NODES: Final = 32_768
MAX_CLASSES: Final = (1_024, 64)
"""Classes of evidence at a first gap, and at any other."""
MAX_EVIDENCE: Final = 65_536
MAX_CATCH_ALL: Final = 64
MAX_FIRST: Final = 32
MAX_CACHED: Final = 4_096
MAX_LINE: Final = 512
"""Longer lines are not remembered whole."""
MAX_ADOPTED: Final = 4_096
MAX_LEARNED: Final = 4_096

NUMBERS: Final = frozenset(("{int}", "{float}"))
ANYTHING: Final = frozenset(("{term}", "{word}"))
WORDS, NUMERIC, VALUES, ALL = range(4)
"""What a place has been settled to: each word by itself; numbers are one field; all values are; all words are."""


@dataclass(slots=True)
class _Node:
    """A place in the tree: its branches by word or field, and the words seen there, by class, until all are one."""

    depth: int
    level: int = WORDS
    children: dict[str, int] = field(default_factory=dict)
    classes: dict[str, dict[str, None]] = field(default_factory=dict)


@dataclass(slots=True)
class Miner:
    """The templates of one application's lines.

    `caught` counts the lines for which there was no room.

    >>> miner = Miner()
    >>> miner.template("portal: user user31 logged in from 10.0.0.7")
    'portal: user {term} logged in from {ip}'
    """

    tau: int = TAU
    caught: int = 0
    _learned: dict[str, None] = field(default_factory=dict)
    _roots: dict[tuple[str, ...], int] = field(default_factory=dict)
    _nodes: dict[int, _Node] = field(default_factory=dict)
    _next: int = 0
    _leaves: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(ROOM, 0))
    _evidence: int = 0
    _catch_all: dict[str, None] = field(default_factory=dict)
    _shapes: dict[str, str] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)

    def template(self, message: str) -> str:
        """The template of a line, in written form; what the line teaches is learned."""
        shape = shape_of(message)
        found = self._shapes.get(shape)
        if found:
            return found
        if found is not None and (found := self._shapes.get(message)):  # digits that are no value: by the line itself
            return found
        masked, exact = mask(message)
        found = self._known.get(masked)
        if found is None:
            found = self._place(masked)
            self._remember(self._known, masked, found)
        if exact:
            self._remember(self._shapes, shape, "")
        self._remember(self._shapes, message if exact else shape, found)
        return found

    def settled(self, message: str) -> str:
        """The template that a line has by what is known now; nothing is learned."""
        return self.current(mask(message).text)

    def current(self, masked: str) -> str:
        """What a template that was given before has become, or a masked line is; nothing is learned."""
        outline = outline_of(masked)
        root = self._roots.get(outline.statics)
        chosen = self._walk(root, outline) if root else outline.words
        if chosen is None or (root is None and self._full(outline)):
            return self._caught(masked, outline, learn=False)
        return outline.fill(chosen)

    def learned(self) -> list[str]:
        """The templates that a threshold has made, not the rules alone: what other workers should adopt."""
        self._learned = dict.fromkeys(map(self.current, self._learned))
        return sorted(self._learned)

    def adopt(self, patterns: Iterable[str]) -> None:
        """Take over templates that were settled elsewhere: where they have `{term}` or `{word}`, it is one here too.

        Workers that adopt the same list, their own part included, agree on it. What is no pattern is left out.
        """
        for text in islice(patterns, MAX_ADOPTED):
            try:
                Pattern.parse(text)
            except InputError:
                continue
            outline = outline_of(text)
            at = self._root(outline)
            for i, word in enumerate(outline.words):
                if not at:
                    break
                if word in ANYTHING:
                    self._settle(self._nodes[at], ALL, outline.kind)
                at = self._branch(self._nodes[at], word, outline, i)

    @property
    def templates(self) -> int:
        """How many templates there are now, catch-alls among them."""
        return sum(self._leaves.values()) + len(self._catch_all)

    def _remember(self, cache: dict[str, str], key: str, found: str) -> None:
        if len(cache) >= MAX_CACHED:
            cache.clear()
        if len(key) <= MAX_LINE:
            cache[key] = found

    def _place(self, masked: str) -> str:
        """Let a masked line teach what it can, and find its template."""
        outline = outline_of(masked)
        at = self._root(outline)
        for i in range(len(outline.words)):
            if not at:
                break
            self._consider(self._nodes[at], i, outline)
            at = self._branch(self._nodes[at], outline.words[i], outline, i)
        chosen = self._walk(self._roots[outline.statics], outline) if at else None
        if chosen is None:
            self.caught += 1
            return self._caught(masked, outline, learn=True)
        found = outline.fill(chosen)
        if found != masked and len(self._learned) < MAX_LEARNED:
            self._learned[found] = None
        return found

    def _walk(self, at: int, outline: Outline) -> list[str] | None:
        """The word or field of every gap; None if a branch is missing and there is no room for it."""
        chosen = []
        for i, word in enumerate(outline.words):
            node = self._nodes[at]
            name = _name(node, word, outline.kind)
            chosen.append(name)
            below = node.children.get(name)
            if below is None:
                return None if self._full(outline) else chosen + list(outline.words[i + 1 :])
            at = below
        return chosen

    def _root(self, outline: Outline) -> int:
        """The tree of an outline, made if there is room; else 0."""
        root = self._roots.get(outline.statics, 0)
        if not root and not self._full(outline):
            root = self._roots[outline.statics] = self._node(0)
            self._leaves[outline.kind] += not outline.words
        return root

    def _branch(self, node: _Node, word: str, outline: Outline, i: int) -> int:
        """The node behind a word at gap `i`, made if there is room; else 0."""
        name = _name(node, word, outline.kind)
        below = node.children.get(name, 0)
        if not below and not self._full(outline):
            below = node.children[name] = self._node(i + 1)
            self._leaves[outline.kind] += i + 1 == len(outline.words)
        return below

    def _node(self, depth: int) -> int:
        self._next += 1
        self._nodes[self._next] = _Node(depth)
        return self._next

    def _full(self, outline: Outline) -> bool:
        return self._leaves[outline.kind] >= ROOM[outline.kind] or len(self._nodes) >= MAX_NODES

    def _consider(self, node: _Node, i: int, outline: Outline) -> None:
        """Take the word at gap `i` as evidence; settle the place if there is enough."""
        if node.level == ALL:
            return
        word, key = outline.words[i], _class_of(outline, i)
        seen = node.classes.get(key)
        if seen is None and len(node.classes) < MAX_CLASSES[min(node.depth, 1)]:
            seen = node.classes[key] = {}
        if seen is not None and word not in seen and self._evidence < MAX_EVIDENCE:
            seen[word] = None
            self._evidence += 1
        more = _name(node, word, outline.kind) not in node.children
        self._judge(node, key, outline.kind, len(node.children) + more)

    def _judge(self, node: _Node, key: str, kind: Kind, words: int) -> None:
        """Settle a place that has too many words: `words` in all, or those of one class."""
        seen = node.classes.get(key, {})
        if kind in ("found", "refused"):
            if len(seen) > (TAU_FOUND if kind == "found" else self.tau) or words > WIDE_REQUEST:
                self._settle(node, ALL, kind)
            return
        values = [word for word in seen if word[0] == "{"]
        literals = len(seen) - len(values)
        wide = WIDE[min(node.depth, 2)]
        many = literals > (TAU_NAMED if key[:1] == "=" else self.tau)
        scattered = words > wide and sum(word[0] != "{" for word in node.children) >= wide
        joins = node.depth > 0 and literals > 0 and not NUMBERS.issuperset(values)
        if many or scattered or joins:
            self._settle(node, ALL, kind)
        elif len(values) > 1:
            self._settle(node, NUMERIC if NUMBERS.issuperset(values) else VALUES, kind)

    def _settle(self, node: _Node, level: int, kind: Kind) -> None:
        """Make one field of the words of a place that `level` takes."""
        if level > node.level:
            node.level = level
            self._gather(node, kind)

    def _gather(self, node: _Node, kind: Kind) -> None:
        """Put together what followed the words that are one field now."""
        self._shapes.clear()
        self._known.clear()
        if node.level == ALL:
            self._evidence -= sum(map(len, node.classes.values()))
            node.classes.clear()
        for word in list(node.children):
            name = _name(node, word, kind)
            if name != word:
                below = node.children.pop(word)
                into = node.children.setdefault(name, below)
                if into != below:
                    self._merge(into, below, kind)

    def _merge(self, into: int, other: int, kind: Kind) -> None:
        """Put the tree below `other` into that below `into`; as deep as a line has gaps, and no deeper."""
        target, source = self._nodes[into], self._nodes.pop(other)
        if not target.children and not source.children:
            self._leaves[kind] -= 1
        for word, below in source.children.items():
            there = target.children.setdefault(word, below)
            if there != below:
                self._merge(there, below, kind)
        for key, seen in source.classes.items():
            known = target.classes.setdefault(key, {})
            self._evidence -= len(known) + len(seen)
            known.update(seen)
            self._evidence += len(known)
        target.level = max(target.level, source.level)
        if target.level:
            self._gather(target, kind)
        for key in list(target.classes):
            self._judge(target, key, kind, len(target.children))

    def _caught(self, masked: str, outline: Outline, *, learn: bool) -> str:
        """The catch-all of a line that there is no room for: its first word or its method and status."""
        first, space, _ = masked.partition(" ")
        if outline.kind in ("found", "refused"):
            found = f"{first} {{any}} {masked.rpartition(' ')[2]}"
        elif not space or "{" in first or "\\" in first or len(first) > MAX_FIRST:
            return "{any}"
        else:
            found = f"{first} {{any}}"
        if found in self._catch_all:
            return found
        if not learn or len(self._catch_all) >= MAX_CATCH_ALL:
            return "{any}"
        self._catch_all[found] = None
        return found


def _name(node: _Node, word: str, kind: Kind) -> str:
    """What a word is called at a place."""
    if node.level == ALL:
        return "{word}" if kind in ("found", "refused") else "{term}"
    if node.level == VALUES and word[0] == "{":
        return "{term}"
    return "{float}" if node.level == NUMERIC and word in NUMBERS else word


def _class_of(outline: Outline, i: int) -> str:
    """Which words are compared with the one at gap `i`: those before the same word; at first, before the same words."""
    words = outline.words
    if i == 0:
        return " " + blake2b("\0".join(words[1:]).encode(), digest_size=8).hexdigest()
    if outline.statics[i].endswith("="):
        return " ="
    return ("=" if words[i - 1] in NAMING else " ") + (words[i + 1] if i + 1 < len(words) else "")
