"""Every pattern of a model is found, however it came in; what is none is left out; old books stay as they are."""

import gc
import threading

from attacked import ATTACKED, HARMLESS, LINK, attacked
from hypothesis import given
from hypothesis import strategies as st

from grammar import Evidence, InputError, Model, Pattern, Replica, Span, State
from monitor.lines_index import DEFAULT_EPOCH, PARTS, Book, Index, Indexes, Word

PLACE = Replica("w", "c")


def model_of(*patterns: str, step: int = 10_000) -> Model:
    evidence = Evidence()
    for number, pattern in enumerate(patterns):
        evidence.add(State(f"LogMessage {pattern}"), PLACE, Span(number * step, number * step))
    return Model.of("app", evidence)


def found(book: Book, message: str) -> list[str]:
    return [word.text for word in book.matching(message)]


def test_one_pattern_has_all_its_histories() -> None:
    ((word, states),) = Index.of(attacked()).candidates(LINK).items()
    assert word.text == LINK
    assert set(states) == {HARMLESS, ATTACKED}


def test_the_whole_message_must_match() -> None:
    index = Index.of(attacked())
    assert not index.candidates(LINK + " more")
    assert not index.candidates(LINK[:-1])
    assert not index.candidates("")


def test_what_is_no_pattern_stands_for_nothing_and_hides_nothing() -> None:
    book = Book().having(["{nonsense", "a {text:999}" * 200, "job {int} done"])
    assert found(book, "job 7 done") == ["job {int} done"]
    assert found(book, "{nonsense") == []
    assert [one.text for one in book.words] == ["job {int} done"]


def test_what_says_next_to_nothing_is_asked_only_where_no_other_matches() -> None:
    book = Book().having(["{any}", "{text}: {text}", "server started: {text}"])
    assert found(book, "server started: now") == ["server started: {text}"]
    assert found(book, "x: y") == ["{any}", "{text}: {text}"]


def test_the_nearest_share_words() -> None:
    book = Book().having(["user {text} logged in", "user {text} logged out", "disk full"])
    near = book.nearest("user bob was logged in", "web")
    assert near[0].pattern == "user {text} logged in"
    assert [one.score for one in near] == sorted((one.score for one in near), reverse=True)
    assert "disk full" not in [one.pattern for one in near]
    assert Book().nearest("anything") == []


def test_a_book_grows_by_parts_and_is_compiled_anew_now_and_then() -> None:
    book, texts = Book().having(["request number {int}"] + [f"pattern{n} {{int}}" for n in range(40)]), []
    first = book.parts[0]
    sizes = []
    for number in range(2 * PARTS):
        texts.append(f"message{number} of {{int}}")
        book = book.having([*book.known, texts[-1]])
        sizes.append(len(book.parts))
        assert found(book, f"message{number} of 7") == texts[-1:]
        assert found(book, "request number 7") == ["request number {int}"]
    assert sizes[0] == 2
    assert max(sizes) == PARTS
    assert first not in book.parts


def test_the_same_patterns_are_the_same_book_and_others_leave_it_alone() -> None:
    book = Book().having(["alpha {int}", "beta {int}"])
    assert book.having(["beta {int}", "alpha {int}"]) is book
    fewer, more = book.having(["alpha {int}"]), book.having([*book.known, "gamma {int}"])
    assert (found(fewer, "beta 1"), found(more, "gamma 1"), found(book, "gamma 1")) == ([], ["gamma {int}"], [])
    assert found(book, "beta 1") == ["beta {int}"]


def test_an_index_is_made_once_for_a_model_and_keeps_none_alive() -> None:
    indexes, model = Indexes(), model_of("alpha {int}")
    one = indexes.of(model)
    assert indexes.of(model) is one
    grown = model_of("alpha {int}", "beta {int}")
    other = indexes.of(grown)
    assert other is not one
    assert other.book.parts[0] is not one.book.parts[0] or len(other.book.parts) == 2
    del model, grown
    gc.collect()
    assert all(known() is None for known, _ in indexes._known.values())


def test_threads_that_ask_about_different_models_do_not_disturb_each_other() -> None:
    models = [model_of(*(f"alpha{n} {{int}}" for n in range(size))) for size in (5, 20, 60)]
    indexes, wrong = Indexes(), []

    def ask(model: Model) -> None:
        for _ in range(30):
            if len(indexes.of(model).candidates("alpha3 7")) != 1:
                wrong.append(model)

    threads = [threading.Thread(target=ask, args=(model,)) for model in models]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_the_length_of_epochs_is_seen_from_their_starts() -> None:
    assert Index.of(model_of("alpha {int}", "beta {int}", "gamma {int}", step=30_000)).epoch == 30_000
    assert Index.of(model_of("alpha {int}")).epoch == DEFAULT_EPOCH
    assert Index.of(model_of("alpha {int}", "beta {int}", step=1)).epoch == 1_000
    assert Index.of(Model.of("none", Evidence())).epoch == DEFAULT_EPOCH


TEXTS = st.lists(st.text("ab{}int :\\", max_size=12), max_size=8)


@given(TEXTS, TEXTS, st.text("ab7 :", max_size=8))
def test_a_book_finds_what_each_of_its_patterns_matches(before: list[str], after: list[str], message: str) -> None:
    """However a book came to its patterns, it gives those that match; vague ones only if nothing else does."""
    book = Book().having(before).having(after)
    matching = sorted({text for text in after if _matches(text, message)})
    assert set(found(book, message)) <= set(matching)
    assert bool(found(book, message)) == bool(matching)
    assert found(book, message) == found(Book().having(after), message)


def _matches(text: str, message: str) -> bool:
    try:
        return Word.of(text) is not None and Pattern.parse(text).matches(message)
    except InputError:
        return False
