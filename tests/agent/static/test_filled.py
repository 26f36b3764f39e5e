"""Messages whose words are arguments are put together, where it is known that they belong together."""

from __future__ import annotations

import pytest
from pitfalls import at, program, texts

from agent.static.elf import read_image
from agent.static.strings import Found, find

SOURCE = """
volatile int choice;
FAR void report(const char *format, ...) { va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
FAR void listed(const char *format, va_list ap) { vfprintf(stderr, format, ap); }
FAR void failed(int code, const char *tag, const char *why) {
    choice = code; report("%sstderr from %s: %s\\n", tag ? tag : "", getenv("SCRIPT"), why); choice = 0; }
FAR void named(const char *name) { report("%s: %s\\n", name, getenv("VALUE")); }
int main(int c, char **v) {
    const char *why;
    report("%s", c > 1 ? "first of two texts" : "second of two texts");
    report("%s (%d%%) %s\\n", "it is 100% known", c, v[0]);
    report("%s|%s", c > 2 ? "no such file" : "no such folder", choice ? "could be read" : "could be written");
    why = strerror(c);
    if (choice) why = "no more data";
    report("Reading of %s: %s\\n", v[0], why);
    report("%s: cannot open the file %s\\n", "not needed here", v[0]);
    report("%s", "word");
    report("%*s", c, "not a plain conversion");
    report("%s", "this is a format %d");
    if (c == 3) failed(1, "AH00001: ", "script not found");
    if (c == 4) failed(2, "AH00002: ", v[1]);
    if (c == 5) failed(3, 0, v[2]);
    named("one name"); named(v[1]); named(v[2]);
    return 0;
}
"""


@pytest.fixture(scope="module", params=["-O0", "-O1", "-O2"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("filled")
    return find([read_image(program(folder, SOURCE, request.param))])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return find([read_image(program(tmp_path_factory.mktemp("plain"), SOURCE, "-O0"))])


def test_a_choice_of_texts_is_a_choice_of_messages(found: Found) -> None:
    assert {"first of two texts", "second of two texts"} <= texts(found)


def test_what_is_no_text_stays_a_field_and_a_percent_is_escaped(found: Found) -> None:
    assert "it is 100%% known (%d%%) %s\n" in texts(found)


def test_of_two_choices_only_one_is_filled(plain: Found) -> None:
    """What compilers make four calls of is known at each; without, it is one call."""
    assert {"no such file|%s", "no such folder|%s"} <= texts(plain)
    assert not any("could be" in text for text in texts(plain))


def test_the_callers_of_a_small_function_say_what_it_prints(found: Found) -> None:
    assert "AH00001: stderr from %s: script not found\n" in texts(found)
    tagged = at(found, "AH00002: stderr from %s: %s\n")
    assert tagged.function != at(found, "%sstderr from %s: %s\n").function
    assert tagged.callee == "report" or tagged.callee.startswith("sub_")


def test_most_callers_that_say_nothing_make_no_messages(found: Found) -> None:
    assert not any("one name" in text for text in texts(found))


def test_a_text_that_may_be_another_leaves_a_format_with_words_as_it_is(plain: Found) -> None:
    assert "Reading of %s: %s\n" in texts(plain)
    assert not any("no more data" in one for one in texts(plain))


@pytest.mark.parametrize("text", ["not needed here", "word", "not a plain", "a format %d", "a format %%d"])
def test_what_may_be_wrong_or_tells_nothing_is_not_filled(found: Found, text: str) -> None:
    assert not any(text in one for one in texts(found))
