"""No word has two numbers; a lexicon grows by steps in canonical order, and can follow another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import STATES, TRANSITIONS, lexicons

from grammar import CodecError, Lexicon, Revision, State, Transition
from grammar.wire import Reader, Writer

SHELL, PASSWD = State("Process sh /bin/sh"), State("File /etc/passwd", ("read Process sh /bin/sh",))
READS = Transition(SHELL, "USED", "read", PASSWD)


def written(lexicon: Lexicon, base: Revision = Revision()) -> bytes:  # noqa: B008 - a revision is a constant value
    writer = Writer()
    lexicon.write_since(base, writer)
    return bytes(writer.data)


def check(lexicon: Lexicon) -> None:
    for words, numbers in (
        (lexicon.texts, lexicon.text_number),
        (lexicon.states, lexicon.state_number),
        (lexicon.transitions, lexicon.transition_number),
    ):
        assert {word: position for position, word in enumerate(words)} == numbers
        assert len(words) == len(numbers)
    assert lexicon.revision[:3] == (len(lexicon.texts), len(lexicon.states), len(lexicon.transitions))
    assert len(set(lexicon.revisions)) == len(lexicon.revisions)


def test_nothing_new_is_no_revision() -> None:
    lexicon = Lexicon()
    lexicon.extend([SHELL], [READS])
    before = lexicon.revision
    lexicon.extend([PASSWD], [READS])
    assert lexicon.revision == before
    assert lexicon.find(before)
    assert lexicon.find(Revision())
    assert not lexicon.find(before._replace(digest=b"else"))


def test_numbers_do_not_depend_on_order() -> None:
    one, two = Lexicon(), Lexicon()
    one.extend([SHELL, PASSWD], [READS])
    two.extend([PASSWD, SHELL, SHELL], [READS, READS])
    assert one == two


def test_another_way_is_another_revision() -> None:
    together, apart = Lexicon(), Lexicon()
    together.extend([SHELL, PASSWD], [])
    apart.extend([SHELL], [])
    apart.extend([PASSWD], [])
    assert together.revision[:3] == apart.revision[:3]
    assert together.revision != apart.revision


def test_words_known_already_are_refused() -> None:
    lexicon = Lexicon()
    lexicon.extend([SHELL], [READS])
    with pytest.raises(CodecError, match="known already"):
        lexicon.read_extension(Reader(written(lexicon)))
    check(lexicon)


def test_a_step_without_words_is_refused() -> None:
    with pytest.raises(CodecError, match="without words"):
        Lexicon().read_extension(Reader(b"\0\0\0"))


def test_a_context_too_long_is_refused_by_the_writer() -> None:
    with pytest.raises(CodecError, match="context"):
        Lexicon().extend([State("File /a", ("read File /b",) * 16)], [])


@given(st.lists(st.tuples(st.lists(STATES, max_size=4), st.lists(TRANSITIONS, max_size=4)), max_size=4))
def test_no_word_has_two_numbers(steps: list[tuple[list[State], list[Transition]]]) -> None:
    """However it grows, tables and numbers are inverse, and everything that was added is known."""
    lexicon = Lexicon()
    for states, transitions in steps:
        lexicon.extend(states, transitions)
        check(lexicon)
        assert all(state in lexicon.state_number for state in states)
        assert all(one in lexicon.transition_number for one in transitions)


@given(lexicons())
def test_reading_undoes_writing(lexicon: Lexicon) -> None:
    """Step by step, another lexicon comes to the same words, numbers and revisions."""
    other = Lexicon()
    for before, after in zip(lexicon.revisions, lexicon.revisions[1:], strict=False):
        (step,) = lexicon.steps(before)[:1]
        source = Lexicon()
        for known in lexicon.steps(Revision())[: len(other.revisions) - 1]:
            source.grow(known)
        source.grow(step)
        assert source.revision == after
        other.read_extension(Reader(written(source, before)))
    assert other == lexicon


@given(lexicons(), st.data())
def test_cutting_and_growing_again_changes_nothing(lexicon: Lexicon, data: st.DataObject) -> None:
    """`cut` gives back the steps that lead to where it stood; in between it stands at the base."""
    base = data.draw(st.sampled_from(lexicon.revisions))
    end, whole = lexicon.revision, written(lexicon)
    gone = lexicon.cut(base)
    assert lexicon.revision == base
    check(lexicon)
    for step in gone:
        lexicon.grow(step)
    check(lexicon)
    assert (lexicon.revision, written(lexicon)) == (end, whole)
