"""No word has two numbers; a lexicon grows by steps in canonical order, and can follow another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import STATES, TRANSITIONS, lexicons

from grammar import CodecError, Lexicon, Revision, State, Transition
from grammar.lexicon import Step, Words, is_mark, write_step
from grammar.wire import Reader, Writer

SHELL, PASSWD = State("Process sh /bin/sh"), State("File /etc/passwd", ("read Process sh /bin/sh",))
MARKS = st.one_of(
    st.integers(0, 3).map("#{:08x}".format),
    st.integers(0, (1 << 32) - 1).map("#{:08x}".format),
    st.sampled_from(["#0123ABCD", "#0123abc", "#0123abcde", "plain", ""]),
)
MARKED = st.builds(
    State,
    st.one_of(st.sampled_from(["File /a", "File /b", "#0123abcd"]), MARKS),
    st.lists(st.one_of(MARKS, st.just("from Process sh /bin/sh")), max_size=4).map(tuple),
)
READS = Transition(SHELL, "USED", "read", PASSWD)


def written(step: Step, lexicon: Lexicon) -> bytes:
    writer = Writer()
    write_step(step, lexicon.text_number, lexicon.state_number, writer)
    return bytes(writer.data)


def read(data: bytes, lexicon: Lexicon) -> Step:
    reader = Reader(data)
    step = Words(lexicon, lexicon.revision).read_step(reader)
    reader.end()
    return step


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
        read(written(lexicon.steps(Revision())[0], lexicon), lexicon)
    check(lexicon)


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
    for step in lexicon.steps(Revision()):
        known = Lexicon()
        for before in [*other.steps(Revision()), step]:
            known.grow(before)
        assert read(written(step, known), other) == step
        other.grow(step)
        assert other.revision == known.revision
    assert other == lexicon


@given(st.lists(MARKED, max_size=6), st.lists(MARKED, max_size=6))
def test_marks_come_back(known: list[State], states: list[State]) -> None:
    """Contexts with marks, texts that look nearly like one, labels that look like one: all come back as they were."""
    lexicon = Lexicon()
    lexicon.extend(known, [])
    base = Lexicon()
    base.extend(known, [])
    lexicon.extend(states, [Transition(state, "USED", "read", states[0]) for state in states])
    for step in lexicon.steps(base.revision):
        assert read(written(step, lexicon), base) == step
        base.grow(step)
    assert base == lexicon
    assert not any(is_mark(text) for text in lexicon.texts if text not in {one.label for one in lexicon.states})


def test_a_mark_costs_four_bytes_and_its_place() -> None:
    def size(*entry: str) -> int:
        lexicon = Lexicon()
        lexicon.extend([State("File /a", (f"{n:03}", *(one.format(n) for one in entry))) for n in range(100)], [])
        return len(written(lexicon.steps(Revision())[0], lexicon))

    assert size("#{:08x}") - size() == 5 * 100


def test_a_mark_is_exact() -> None:
    assert is_mark("#0123abcd")
    assert not any(
        map(is_mark, ["#0123abc", "#0123abcde", "#0123ABCD", "0123abcd#", "#0123abc\n", "#0123abcd\n", "##123abcd"])
    )
    assert not is_mark("#\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668")


def test_a_mark_spelled_as_text_is_refused() -> None:
    """One spelling only: nine bytes in the table of texts are not the same as four in the row."""
    writer = Writer()
    writer.texts(["#0123abcd", "File /a"])
    for columns in ((1,), (1,), (0,), (1,), (1,), (0, 0)):
        writer.column(columns)
    with pytest.raises(CodecError, match="mark"):
        read(bytes(writer.data), Lexicon())


@pytest.mark.parametrize(
    "columns",
    [
        ((2, 0), (0, 0), (0, 0)),
        ((1, 0), (0, 0), (0, 0)),
        ((0, 1), (1, 0), (0, 0)),
        ((0, 1), (0, 0), (1, 1), (1, 1)),
        ((0, 0), (0, 0), (0, 1), (1,)),
        ((0, 1), (0, 0), (16, 0), (1,) * 16),
        ((0, 2), (0, 0), (0, 0)),
    ],
    ids=["label", "order", "shares more", "shares less", "unused text", "long", "range"],
)
def test_states_that_no_writer_writes_are_refused(columns: tuple[tuple[int, ...], ...]) -> None:
    writer = Writer()
    writer.texts(["a", "b"])
    writer.number(2)
    for column in columns:
        writer.column(column)
    writer.data += b"\0\0"
    with pytest.raises(CodecError):
        read(bytes(writer.data), Lexicon())


@given(lexicons(), st.data())
def test_cutting_and_growing_again_changes_nothing(lexicon: Lexicon, data: st.DataObject) -> None:
    """`cut` gives back the steps that lead to where it stood; in between it stands at the base."""
    base = data.draw(st.sampled_from(lexicon.revisions))
    end, whole = lexicon.revision, lexicon.steps(Revision())
    gone = lexicon.cut(base)
    assert lexicon.revision == base
    check(lexicon)
    for step in gone:
        lexicon.grow(step)
    check(lexicon)
    assert (lexicon.revision, lexicon.steps(Revision())) == (end, whole)
