"""Messages of C++ streams come out whole, as formats, one for each way through them."""

from __future__ import annotations

import pytest
from pitfalls import program, texts

from agent.static.elf import read_image
from agent.static.strings import Found, find

SOURCE = """
#include <sstream>
#include <string>
FAR void print_warning(const char *format, ...) {
    va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
struct logger {
    std::ostringstream stream;
    template <typename T> FAR logger &operator<<(const T &what) { stream << what; return *this; }
    FAR logger() {}
};
struct warn : logger { FAR ~warn() { print_warning("Unit: %s", stream.str().c_str()); } };
FAR void simple() { warn() << "nothing but text"; }
FAR void fields(int n, const char *name) { warn() << "took " << n << " s for " << name; }
FAR void ways(int n) {
    { warn w; w << n; if (n > 2) w << " many at 100% of " << n << " things"; else w << " few things"; }
    warn() << "next one"; }
FAR std::string other(int n) { std::ostringstream s; s << "not a message " << n; return s.str(); }
int main(int c, char **v) { simple(); fields(c, v[0]); ways(c); return other(c).size(); }
"""


@pytest.fixture(scope="module", params=["-O1", "-O2", "-Os"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("streams")
    return find([read_image(program(folder, SOURCE, request.param, compiler="g++"))])


def test_whole_messages_with_fields_between_the_texts(found: Found) -> None:
    whole = {site.text for site in found.sites if site.text.startswith("Unit: ")}
    assert whole == {
        "Unit: %s",
        "Unit: nothing but text",
        "Unit: took %s s for %s",
        "Unit: %s many at 100%% of %s things",
        "Unit: %s few things",
        "Unit: next one",
    }


def test_they_are_formats_of_the_logger_that_gets_them(found: Found) -> None:
    (one,) = {(site.format, site.sink) for site in found.sites if site.text.startswith("Unit: took")}
    assert one == (True, "emits")


def test_texts_of_other_streams_stay_what_they_are(found: Found) -> None:
    assert "not a message " in texts(found)
    assert not {"nothing but text", "took ", " few things"} & texts(found)
