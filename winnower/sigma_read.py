"""Sigma rules from YAML: pySigma reads them, and what it makes of them becomes our tree.

Rules of this file
    - pySigma is an extra and is imported when a rule is read; without it the error says how to install it.
    - YAML is a stranger's: its size, its nesting, aliases, tags, duplicate keys are refused before anything is built;
      so are conditions whose selectors would make a backtracking engine work.
    - What has no counterpart is kept as `Other`: whoever translates decides what becomes of it.

Invariant: nothing but an `InputError` is raised, whatever the text.
Complexity: linear in the text, but for what pySigma's parser of conditions costs (bounded by `MAX_CONDITION`).
Source: sigmahq.io, rule specification; pySigma (sigma.rule, sigma.types).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import yaml

from grammar.errors import InputError, escape
from policies.errors import PolicyErrors
from policies.sigma import All, Any, Field, Like, Network, Not, Number, Other, Present, Regex, Test, Tree, Wild, joined
from policies.sigma_policy import Rule
from policies.sigma_query import SHAPES
from policies.syntax import Place

if TYPE_CHECKING:
    from sigma.conditions import SigmaCondition
    from sigma.rule import SigmaRule
    from sigma.types import SigmaString, SigmaType

MAX_TEXT: Final = 1 << 20
MAX_EVENTS: Final = 50_000
MAX_NESTING: Final = 16
MAX_CONDITION: Final = 2_000
MAX_BRACKETS: Final = 8
MAX_STARS: Final = 3
MAX_RULES: Final = 1_000
MAX_DEPTH: Final = 40
MAX_WORK: Final = 200_000
"""Words of conditions times texts of detections."""
HINT: Final = "pip install 'winnower[sigma]'"
SIGNS: Final = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "NEQ": "<>"}


def read_rules(text: str, file: str = "") -> tuple[Rule, ...]:
    """The rules of a file. Raises `InputError`, or `PolicyErrors` with one for each rule that is bad."""
    found: list[Rule] = []
    errors: list[InputError] = []
    for document in _documents(text, file):
        try:
            found.append(_Reader(document, file).rule())
        except InputError as error:
            errors.append(error)
    if errors:
        raise PolicyErrors(errors)
    if not found:
        raise InputError("no rule", file=file)
    return tuple(found)


def _documents(text: str, file: str) -> Iterator[yaml.Node]:
    if len(text) > MAX_TEXT:
        raise InputError(f"a rule of more than {MAX_TEXT} characters", file=file)
    try:
        _refuse_the_exotic(text, file)
        for number, node in enumerate(yaml.compose_all(text, Loader=yaml.SafeLoader)):
            if number >= MAX_RULES:
                raise InputError(f"more than {MAX_RULES} rules in one file", file=file)
            if node is not None:
                yield node
    except yaml.YAMLError as error:
        at = _place(getattr(error, "problem_mark", None))
        problem = getattr(error, "problem", None) or "characters that YAML does not allow"
        raise InputError(f"not YAML: {problem}", file=file, line=at.line, column=at.column) from None


def _refuse_the_exotic(text: str, file: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        tagged = isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None
        if isinstance(event, yaml.AliasEvent) or tagged or depth > MAX_NESTING or number > MAX_EVENTS:
            at = _place(event.start_mark)
            problem = "aliases, tags, deep nesting and very long rules have no place here"
            raise InputError(problem, file=file, line=at.line, column=at.column)


def _place(mark: object) -> Place:
    line, column = getattr(mark, "line", -1), getattr(mark, "column", -1)
    return Place(int(line) + 1, int(column) + 1)


@dataclass(slots=True)
class _Reader:
    """Reads one document; `places` are those of the keys of its detections, by field."""

    node: yaml.Node
    file: str
    places: dict[str, Place] = field(default_factory=dict)

    def rule(self) -> Rule:
        """The rule."""
        value = self._value(self.node)
        if not isinstance(value, dict) or "detection" not in value:
            raise self._error("not a Sigma rule: a mapping with title, logsource and detection")
        category = self._category(value.get("logsource"))
        self._check_conditions(value["detection"])
        return self._made(_parsed(value, self._error), category)

    def _made(self, one: SigmaRule, category: str) -> Rule:
        trees = [self._tree(condition.parsed, 0) for condition in self._conditions(one)]
        return Rule(
            title=str(one.title),
            category=category,
            tree=joined(Any, trees),
            ident=str(one.id or ""),
            author=str(one.author or ""),
            description=str(one.description or ""),
            level=one.level.name.lower() if one.level else "",
            status=one.status.name.lower() if one.status else "",
            tags=tuple(str(tag) for tag in one.tags),
            references=tuple(map(str, one.references)),
            false_positives=tuple(map(str, one.falsepositives)),
            license=str(one.license or ""),
            file=self.file,
        )

    def _conditions(self, one: SigmaRule) -> list[SigmaCondition]:
        return list(one.detection.parsed_condition)

    def _tree(self, item: object, depth: int) -> Tree:
        """pySigma's tree as ours."""
        from sigma.conditions import (  # noqa: PLC0415 - an extra
            ConditionAND,
            ConditionFieldEqualsValueExpression,
            ConditionNOT,
            ConditionOR,
            ConditionValueExpression,
        )

        if depth > MAX_DEPTH:
            raise self._error("a condition that is nested too deep")
        match item:
            case ConditionAND():
                return joined(All, [self._tree(one, depth + 1) for one in item.args])
            case ConditionOR():
                return joined(Any, [self._tree(one, depth + 1) for one in item.args])
            case ConditionNOT():
                return Not(self._tree(item.args[0], depth + 1))
            case ConditionFieldEqualsValueExpression():
                return self._field(item.field, item.value)
            case ConditionValueExpression():
                return self._field("", item.value)
        raise self._error("a condition that nobody knows")

    def _field(self, name: str, value: SigmaType) -> Tree:
        from sigma.types import SigmaExpansion  # noqa: PLC0415 - an extra

        if isinstance(value, SigmaExpansion):
            return joined(Any, [self._field(name, one) for one in value.values])
        return Field(name, test_of(value), self.places.get(name, Place()))

    def _category(self, source: object) -> str:
        known = source if isinstance(source, dict) else {}
        product, category = known.get("product"), known.get("category")
        if product not in (None, "linux"):
            raise self._error("a rule for another system", str(product), "rules for product: linux are taken")
        if category not in SHAPES:
            at = self.places.get("category") or self.places.get("service") or self.places.get("logsource") or Place()
            named = str(category or known.get("service") or "none")
            raise self._error("a log source that has no counterpart", named, "one of " + ", ".join(SHAPES), at)
        return str(category)

    def _check_conditions(self, detection: object) -> None:
        """Selectors are made into backtracking expressions, brackets into recursion: both within reason."""
        found = detection.get("condition", "") if isinstance(detection, dict) else ""
        texts = found if isinstance(found, list) else [found]
        if sum(len(str(text).split()) for text in texts) * _size(detection) > MAX_WORK:
            raise self._error("a rule whose conditions name too much", at=self.places.get("condition"))
        for text in texts:
            written, at = str(text), self.places.get("condition", Place())
            if len(written) > MAX_CONDITION or written.count("(") > MAX_BRACKETS * 8 or _depth(written) > MAX_BRACKETS:
                raise self._error("a condition that is too long or nested too deep", written, at=at)
            if any(word.count("*") > MAX_STARS for word in written.split()):
                raise self._error("a selector with too many *", written, at=at)

    def _value(self, node: yaml.Node, depth: int = 0) -> object:
        """A node as plain data; a key that stands twice would drop a condition silently."""
        if isinstance(node, yaml.SequenceNode):
            return [self._value(one, depth + 1) for one in node.value]
        if not isinstance(node, yaml.MappingNode):
            return _scalar(node)
        found: dict[str, object] = {}
        for key, value in node.value:
            name, at = str(key.value), _place(key.start_mark)
            if name in found or not isinstance(key, yaml.ScalarNode):
                raise self._error("a key stands twice, or is no text", name[:80], at=at)
            self.places.setdefault(name.partition("|")[0], at)
            found[name] = self._value(value, depth + 1)
        return found

    def _error(self, message: str, offending: str = "", hint: str = "", at: Place | None = None) -> InputError:
        place = at or _place(self.node.start_mark)
        return InputError(message, file=self.file, line=place.line, column=place.column, offending=offending, hint=hint)


def _scalar(node: yaml.Node) -> object:
    """Typed as YAML has it; what its types make no sense of stays text."""
    try:
        value: object = yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError, OverflowError):
        return str(node.value)
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(node.value)


def _size(value: object) -> int:
    """Texts in a detection: each condition that names it copies them."""
    if isinstance(value, dict | list):
        return sum(map(_size, value.values() if isinstance(value, dict) else value))
    return 1


def _depth(text: str) -> int:
    depth = most = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        most = max(most, depth)
    return most


def _parsed(value: Mapping[str, object], error_of: Callable[[str, str], InputError]) -> SigmaRule:
    try:
        from sigma.rule import SigmaRule  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError("Sigma rules need pySigma, which is not installed", hint=HINT) from None
    try:
        found: SigmaRule = SigmaRule.from_dict(dict(value))
        for condition in found.detection.parsed_condition:
            condition.parse()
    except RecursionError:
        raise error_of("a condition that is nested too deep", "") from None
    except Exception as error:  # pySigma raises what its parts raise
        raise error_of("not a Sigma rule", escape(str(error), 300)) from None
    return found


def test_of(value: SigmaType) -> Test:
    """What a value asks of its field."""
    from sigma import types as t  # noqa: PLC0415 - an extra

    match value:
        case t.SigmaRegularExpression():
            flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
            return _checked(Regex(str(value.regexp), flags), str(value.regexp))
        case t.SigmaString():
            return _like(value)
        case t.SigmaBool():
            return Like((str(value.boolean).lower(),))
        case t.SigmaTimestampPart():
            return Other("times are not compared in parts")
        case t.SigmaNumber():
            return Number("=", value.number)
        case t.SigmaCompareExpression():
            return Number(SIGNS[value.op.name], value.number.number)
        case t.SigmaCIDRExpression():
            return Network(str(value.cidr))
        case t.SigmaNull():
            return Present(there=False)
        case t.SigmaExists():
            return Present(there=value.exists)
        case t.SigmaFieldReference():
            return Other("fields are not compared with each other")
    return Other(f"no counterpart for {type(value).__name__}")


def _like(value: SigmaString) -> Test:
    from sigma.types import SigmaCasedString, SpecialChars  # noqa: PLC0415 - an extra

    parts: list[str | Wild] = []
    for part in value.s:
        if isinstance(part, SpecialChars):
            sign = Wild("*" if part is SpecialChars.WILDCARD_MULTI else "?")
            parts += [] if sign.sign == "*" and parts[-1:] == [sign] else [sign]
        elif isinstance(part, str):
            parts.append(part)
        else:
            return Other("a placeholder, which only its author can fill")
    text = "".join(part for part in parts if isinstance(part, str))
    return _checked(Like(tuple(parts), isinstance(value, SigmaCasedString)), text)


def _checked(test: Test, text: str) -> Test:
    """The test, if its text can be written down."""
    return Other("half of a character") if any("\ud800" <= c <= "\udfff" for c in text) else test
