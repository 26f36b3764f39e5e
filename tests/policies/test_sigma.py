"""What is left of a rule whose conditions cannot all be carried over is less than the rule, or more, as is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sigma import All, Any, Carried, Field, Like, Loss, Not, Tree, carried, fields

NAMES = "abcd"
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from([Field(name, Like((name,))) for name in NAMES]) | st.booleans(),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Any, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(dict.fromkeys(NAMES, st.booleans()))
A, B, C = (Field(name, Like((name,))) for name in "abc")


def holds(tree: Tree, event: dict[str, bool]) -> bool:
    match tree:
        case Field(name):
            return event[name]
        case Not(operand):
            return not holds(operand, event)
        case All(operands):
            return all(holds(one, event) for one in operands)
        case Any(operands):
            return any(holds(one, event) for one in operands)
    return tree is True


def without(tree: Tree, *names: str) -> Carried:
    return carried(tree, lambda one: "gone" if one.name in names else "")


@given(TREES, EVENTS, st.sets(st.sampled_from(NAMES)))
def test_the_meaning_is_kept_narrowed_or_widened_as_is_said(tree: Tree, event: dict[str, bool], gone: set[str]) -> None:
    found = without(tree, *gone)
    assert not {one.name for one in fields(found.tree)} & gone
    before, after = holds(tree, event), holds(found.tree, event)
    if found.loss is Loss.EXACT:
        assert before is after
        assert found.dropped == ()
    elif found.loss is Loss.NARROWER:
        assert before or not after
        assert found.tree is not False
    else:
        assert after or not before
    assert {one.field.name for one in found.dropped} <= gone


@given(TREES, EVENTS)
def test_a_constant_is_exact(tree: Tree, event: dict[str, bool]) -> None:
    found = carried(tree, lambda one: "", lambda one: event["a"] if one.name == "a" else None)
    assert found.loss is Loss.EXACT
    assert holds(found.tree, event) is holds(tree, event)


@pytest.mark.parametrize(
    ("tree", "left", "loss"),
    [
        (All((A, B)), A, Loss.WIDER),
        (Any((A, B)), A, Loss.NARROWER),
        (All((A, Not(B))), A, Loss.WIDER),
        (All((A, Not(All((B, C))))), All((A, Not(C))), Loss.NARROWER),
        (All((A, Not(Any((B, C))))), All((A, Not(C))), Loss.WIDER),
        (Not(Not(A)), A, Loss.EXACT),
        (B, True, Loss.WIDER),
    ],
)
def test_what_is_left(tree: Tree, left: Tree, loss: Loss) -> None:
    found = without(tree, "b")
    assert (found.tree, found.loss) == (left, loss)
