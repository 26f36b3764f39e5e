"""Formats: what the C library prints is matched by the pattern; dialects; nothing is too odd; what is telling."""

import ctypes
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar import Pattern, Slot
from grammar.formats import MAX_FORMAT, Dialect, dialect_of, framed, literal_of, pattern_of, specificity, telling

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=30)
LITERALS = st.text("ab Z09:[]{}\\.*", max_size=5) | st.just("%%")
FLAGS = {
    **dict.fromkeys("di", "-+ 0'"),
    "u": "-0'",
    **dict.fromkeys("oxX", "-#0"),
    **dict.fromkeys("feEgGaA", "-+ #0"),
    **dict.fromkeys("csp", "-"),
}
"""What C defines for each conversion; the rest is up to the library."""

SIZES = {"hh": 8, "h": 16, "": 32, "l": 64, "ll": 64, "j": 64, "z": 64, "t": 64, "q": 64}
Printed = tuple[str, tuple[object, ...]]


@st.composite
def conversions(draw: st.DrawFn) -> Printed:
    """A conversion, and the arguments that it takes as ctypes values."""
    letter = draw(st.sampled_from("diuoxXfeEgGaAcsp"))
    flags = "".join(sorted(draw(st.sets(st.sampled_from(FLAGS[letter]), max_size=3))))
    width, arguments = draw(counts())
    has_precision = letter not in "cp" and draw(st.booleans())
    precision, more = draw(counts()) if has_precision else ("", ())
    length, value = draw(values(letter))
    written = f"%{flags}{width}{'.' if has_precision else ''}{precision}{length}{letter}"
    return written, (*arguments, *more, value)


@st.composite
def counts(draw: st.DrawFn) -> Printed:
    """A width or a precision: none, a number, or `*` with a number of either sign."""
    if draw(st.booleans()):
        return "*", (ctypes.c_int(draw(st.integers(-20, 20))),)
    return draw(st.sampled_from(["", "0"]) | st.integers(1, 20).map(str)), ()


@st.composite
def values(draw: st.DrawFn, letter: str) -> tuple[str, object]:
    if letter in "diuoxX":
        length = draw(st.sampled_from(sorted(SIZES)))
        number = draw(st.sampled_from([0, 1, -1]) | st.integers(-(2**63), 2**64))
        return length, (ctypes.c_longlong if SIZES[length] == 64 else ctypes.c_int)(number)
    if letter in "feEgGaA":
        return "", ctypes.c_double(draw(st.floats()))
    if letter == "c":
        return "", ctypes.c_int(draw(st.integers(1, 126).filter(lambda code: chr(code) not in "\r\n")))
    if letter == "p":
        return "", ctypes.c_void_p(draw(st.integers(0, 2**64 - 1)))
    text = draw(st.text(st.characters(codec="ascii", exclude_characters="\0\r\n"), max_size=25))
    return "", ctypes.c_char_p(draw(st.sampled_from([text.encode(), None])))


@given(st.lists(st.tuples(LITERALS, conversions()), max_size=4), LITERALS)
def test_what_the_c_library_prints_is_matched(parts: list[tuple[str, Printed]], end: str) -> None:
    """For any format of C and any arguments: `pattern_of(format)` matches what snprintf prints, byte for byte."""
    text = "".join(literal + written for literal, (written, _) in parts) + end + "\n"
    arguments = [argument for _, (_, found) in parts for argument in found]
    buffer = ctypes.create_string_buffer(4096)
    libc = ctypes.CDLL(None)
    length = libc.snprintf(buffer, ctypes.c_size_t(len(buffer)), text.encode(), *arguments)
    assert 0 <= length < len(buffer)
    assert pattern_of(text).matches(buffer.raw[:length].decode().strip("\r\n"))


@pytest.mark.parametrize(
    ("text", "dialect", "written"),
    [
        ("Server started\n", "c", "Server started"),
        ("\nusage: %s {x}\r\n", "c", "usage: {text} \\{x\\}"),
        ("%d of %5d%% %-5d| %05d", "c", "{int} of {space}{int}% {int}{space}| {int}"),
        ("%lu %llu %zu %ju %hhu %qu %Zu", "c", "{digits} {digits} {digits} {digits} {digits} {digits} {digits}"),
        ("%+d % d %'d", "c", "{float} {space}{int} {term}"),
        ("%x %#x %02hhx %08x %016lx %.4hX", "c", "{hex} {token} {hex:2} {hex:8} {hex:16} {hex:4}"),
        ("%s|%.8s|%.*s|%10.3s|%ls", "c", "{text}|{text:8}|{text}|{space}{text:3}|{text}"),
        ("%s%s: %m%n", "c", "{text}: {text}"),
        ("%2$s by %1$d, %1$*2$d", "c", "{text} by {int}, {space}{int}{space}"),
        ("%c %p %f %8.2f %a %G", "c", "{char} {pointer} {float} {space}{float} {float} {term}"),
        ("%.0d, %.*u, %.x", "c", "{text}, {text}, {text}"),
        ("100%", "c", "100%"),
        ("%y and 5%;", "c", "%y and 5%;"),
        ("AH%05d: [client %pI] %pm, thread %pT", "c", "AH{int}: [client {term}] {text}, thread {token}"),
        ("at %pp", "apr", "at {hex}"),
        ("at %present", "c", "at {pointer}resent"),
        ("Table %`s.%`-.64s: error %M", "c", "Table `{text}`.`{text}`: error {int}{text}"),
        ("%-.100T denied, %.*b", "mysql", "{text:100} denied, {text}"),
        ("%sT and %iE: %sTable %sB", "mysql", "{text} and {int}{text}: {text}Table {text}"),
        ("Uncaught %Z in %v:%pd %.*H", "php", "Uncaught {text} in {text}:{int} {float}"),
        ('"%V" %v %ui %uz %T %O %P', "nginx", '"{text}" {text} {digits} {digits} {int} {int} {int}'),
        ("*%uA %03ui %5d %xd %Xp %*s%N", "nginx", "*{digits} {digits} {space}{int} {hex} {hex:16} {text}"),
        ("%d%Z %.2f %c %%", "nginx", "{int} {float} {char} %"),
    ],
)
def test_conversions(text: str, dialect: Dialect, written: str) -> None:
    assert str(pattern_of(text, dialect)) == written


@given(ANYTHING | st.text("%*.$-0123456789`lhs", max_size=40), st.sampled_from(["c", "apr", "mysql", "php", "nginx"]))
def test_any_text_is_a_pattern_that_can_be_written_and_read(text: str, dialect: Dialect) -> None:
    pattern = pattern_of(text, dialect)
    assert Pattern.parse(str(pattern)) == pattern
    assert specificity(pattern) >= 0
    pattern.matches(text)


@given(ANYTHING.filter(lambda text: "%" not in text))
def test_a_text_without_conversions_matches_itself(text: str) -> None:
    assert pattern_of(text).matches(text.strip("\r\n"))
    assert pattern_of(text) == literal_of(text)


@pytest.mark.parametrize(
    "text", ["%s" * 5000, "%d " * 5000, "{" * 5000, "%.999s " * 500, "%" + "0" * 9000, "\udc80%s" * 900]
)
def test_the_size_of_a_pattern_is_bounded(text: str) -> None:
    pattern = pattern_of(text)
    assert Pattern.parse(str(pattern)) == pattern
    assert pattern.matches("x") in (True, False), "it compiles"


def test_what_is_cut_still_matches() -> None:
    long = "a" * (MAX_FORMAT + 5)
    assert pattern_of(long).matches(long)
    assert pattern_of("%d " * 100).matches("7 " * 100)


def test_a_message_that_is_printed_as_it_stands_has_no_conversions() -> None:
    assert literal_of("100%d\n").parts == ("100%d",)
    assert not literal_of("\n").parts


@pytest.mark.parametrize(
    ("callee", "arguments"),
    [
        ("perror", 'b"opening"'),
        ("warn", 'b"opening %s", b"x"'),
        ("warnx", 'b"opening %s", b"x"'),
        ("err", '3, b"opening %s", b"x"'),
        ("errx", '3, b"opening %s", b"x"'),
        ("error", '0, 2, b"opening %s", b"x"'),
        ("error", '0, 0, b"opening %s", b"x"'),
        ("error_at_line", '0, 2, b"file", 7, b"opening %s", b"x"'),
    ],
)
def test_what_libc_puts_around_a_message_is_matched(callee: str, arguments: str) -> None:
    code = f"import ctypes; ctypes.CDLL(None).{callee}({arguments})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pattern = pattern_of("opening %s" if "%s" in arguments else "opening")
    assert framed(pattern, callee).matches(done.stderr.rstrip("\n")), done.stderr
    assert not pattern.matches(done.stderr.rstrip("\n"))
    assert framed(pattern, "printf") == pattern


@pytest.mark.parametrize(
    ("texts", "dialect"),
    [
        ([], "c"),
        (["bind %s failed", "%lu bytes", "open %V"], "c"),
        (['no "%V" found', "limit %ui reached", "read %uz of %V", "open %lu"], "nginx"),
        (["Table %`s is gone", "Unknown %-.64s here", "Got error %M from it"], "mysql"),
        (["[client %pI] said", "error %pm in it", "peer %pI is gone"], "apr"),
        (["Uncaught %Z", "Cannot use %Z here", "%s: %Z in %s line"], "php"),
    ],
)
def test_dialects(texts: list[str], dialect: Dialect) -> None:
    assert dialect_of(texts) == dialect


@pytest.mark.parametrize("text", ["%s", "%s: %s", "%d", "%s, %s\n", "", "%s in %s", "-->", "%d of %d", "[%s] %s"])
def test_what_is_too_general(text: str) -> None:
    assert not telling(pattern_of(text))


@pytest.mark.parametrize("text", ["Waiting...", "Reading %s", "pid %d", "%s failed", "%s: cannot open %s", "Bye"])
def test_what_is_telling(text: str) -> None:
    assert telling(pattern_of(text))


def test_specificity_counts_letters_and_digits_only() -> None:
    assert specificity(Pattern(("a1 [", Slot("any"), "] é"))) == 3
