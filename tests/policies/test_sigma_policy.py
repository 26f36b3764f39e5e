"""A translated rule is a policy, whatever stands in the rule."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import parse_policy
from policies.sigma import All, Any, Field, Like, Loss, Not, Tree
from policies.sigma_policy import Rule, ident_of, translated

IMAGE, USER = Field("Image", Like(("/a",))), Field("User", Like(("root",)))
RULE = Rule("A Rule", "process_creation", IMAGE, "1-2", "somebody", "what", "high", "test", ("attack.t1059.004",))
TEXT = st.text(max_size=20) | st.sampled_from(["\ud800", "\ufffd", "\x00", "\x85", "- a: b #", "\ufeff"])


@given(
    st.builds(Rule, TEXT, st.just("file_event"), st.just(IMAGE), *[TEXT] * 5, *[st.lists(TEXT).map(tuple)] * 3, TEXT)
)
def test_any_text_makes_a_policy(rule: Rule) -> None:
    one = parse_policy(translated(rule).text)
    assert one.false_positives
    assert one.techniques == ("T1565.001",)


def test_the_head_is_carried_over() -> None:
    rule = replace(RULE, references=("https://x.example/a", "a book"), false_positives=("nobody", "nobody", ""))
    one = parse_policy(translated(rule).text)
    assert (one.id, one.title, one.severity, one.techniques) == ("a-rule", "A Rule", "high", ("T1059.004",))
    assert (one.maturity, one.description, one.references) == ("testing", "what", ("https://x.example/a",))
    assert one.false_positives == ("nobody",)
    assert "// From the Sigma rule 1-2 by somebody\n" in one.text
    assert "// reference: a book\n" in one.text


@pytest.mark.parametrize(
    ("tree", "loss", "words"),
    [
        (IMAGE, Loss.EXACT, "the parent is"),
        (Any((IMAGE, USER)), Loss.NARROWER, "matches less than the rule"),
        (All((IMAGE, USER)), Loss.WIDER, "matches MORE than the rule"),
        (All((IMAGE, Not(USER))), Loss.WIDER, "User: users are not in the graph"),
    ],
)
def test_what_was_lost_stands_in_the_file(tree: Tree, loss: Loss, words: str) -> None:
    made = translated(replace(RULE, tree=tree))
    assert made.loss is loss
    assert words in made.text
    assert parse_policy(made.text)


def test_a_rule_of_which_nothing_is_left_is_none() -> None:
    assert translated(replace(RULE, tree=USER)).text == ""
    inbound = All((IMAGE, Field("Initiated", Like(("false",)))))
    made = translated(replace(RULE, category="network_connection", tree=inbound))
    assert (made.text, made.notes) == ("", ("it speaks only of what is not looked at here",))


def test_a_technique_that_is_not_named_is_guessed_and_said() -> None:
    made = translated(replace(RULE, tags=("attack.execution",), status="unsupported"))
    assert "technique; T1059 is a guess" in made.text
    assert "status is unsupported" in made.text
    assert parse_policy(made.text).maturity == "experimental"


@given(TEXT)
def test_an_id_is_one(title: str) -> None:
    assert parse_policy(translated(replace(RULE, title=title)).text).id == ident_of(title)
