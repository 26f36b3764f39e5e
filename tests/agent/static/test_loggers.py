"""What compilers make of a log call: every pitfall as a program, and the text that must come out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pitfalls import at, found_in, image, program, texts

from agent.static.elf import read_image
from agent.static.strings import find

LEVELS = ("-O0", "-O1", "-O2", "-Os", "-O3")


@pytest.mark.parametrize("level", LEVELS)
def test_printf_that_the_compiler_turns_into_puts_and_fwrite(tmp_path: Path, level: str) -> None:
    source = """int main(int c, char **v) {
        printf("started up\\n"); fprintf(stderr, "no such thing\\n"); printf("%d things\\n", c); return 0; }"""
    found = found_in(tmp_path, source, level)
    assert texts(found) == {"started up", "no such thing\n", "%d things\n"}
    assert [at(found, "started up").newline, at(found, "started up").format] == [True, False]
    assert [at(found, "%d things\n").format, at(found, "no such thing\n").newline] == [True, False]


def test_a_written_text_is_as_long_as_the_call_says(tmp_path: Path) -> None:
    found = found_in(tmp_path, 'int main(void) { write(2, "first line\\nsecond", 11); return 0; }')
    assert texts(found) == {"first line\n"}


def test_checking_variants_have_their_format_elsewhere(tmp_path: Path) -> None:
    source = """int main(int c, char **v) { char b[30];
        printf("to %s\\n", v[0]); fprintf(stderr, "err %d\\n", c); snprintf(b, c, "n %d", c); syslog(c, "sys %d", c);
        sprintf(b, "s %d", c); puts(b); return 0; }"""
    found = found_in(tmp_path, source, "-O2", "-D_FORTIFY_SOURCE=2")
    assert texts(found) == {"to %s\n", "err %d\n", "n %d", "sys %d", "s %d"}
    assert {site.callee for site in found.sites} >= {"__printf_chk", "__fprintf_chk", "__snprintf_chk", "__syslog_chk"}
    assert [at(found, one).sink for one in ("to %s\n", "n %d")] == ["emits", "formats"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_translated_text_is_the_text(tmp_path: Path, level: str) -> None:
    source = """int main(int c, char **v) {
        fprintf(stderr, gettext("cannot open %s\\n"), v[0]);
        printf(dcgettext("d", "plain %d\\n", 5), c);
        printf(ngettext("%d file\\n", "%d files\\n", c), c); return 0; }"""
    assert texts(found_in(tmp_path, source, level)) == {"cannot open %s\n", "plain %d\n", "%d file\n", "%d files\n"}


@pytest.mark.parametrize("level", LEVELS)
def test_a_choice_is_both(tmp_path: Path, level: str) -> None:
    source = """int main(int c, char **v) {
        syslog(LOG_ERR, c > 3 ? "many: %d" : "few: %d", c);
        printf(c & 1 ? "odd %s\\n" : c & 2 ? "even %s\\n" : "none %s\\n", v[0]); return 0; }"""
    found = found_in(tmp_path, source, level)
    assert texts(found) == {"many: %d", "few: %d", "odd %s\n", "even %s\n", "none %s\n"}


@pytest.mark.parametrize("level", LEVELS)
def test_a_format_may_be_the_seventh_argument(tmp_path: Path, level: str) -> None:
    source = """FAR void report(int a, int b, int c, int d, int e, void *f, const char *format, ...) {
            va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap);
            if (a + b + c + d + e) puts("x"); }
        int main(int c, char **v) { report(1, c, 3, 4, 5, v, "seventh %d %s\\n", c, v[0]);
            report(c, 2, 3, 4, 5, v, c > 2 ? "high %d\\n" : "low %d\\n", c); return 0; }"""
    found = found_in(tmp_path, source, level)
    assert texts(found) >= {"seventh %d %s\n", "high %d\n", "low %d\n"}
    assert at(found, "seventh %d %s\n").argument == 6


def test_a_tail_call_shifts_the_stack(tmp_path: Path) -> None:
    source = """FAR int last(int a, int b, int c, int d, int e, int f, const char *format, int n) {
            return fprintf(stderr, format, a + b + c + d + e + f, n); }
        FAR int tail(int a, int b, int c, int d, int e, int f, const char *format, int n) {
            return last(f, e, d, c, b, a, format, n + 1); }
        FAR int other(int a, int b, int c, int d, int e, int f, const char *unused, int n) {
            return last(f, e, d, c, b, a, n > 3 ? "many %d %d\\n" : "few %d %d\\n", n + 1); }
        FAR int simple(int n) { return printf("tail %d\\n", n); }
        int main(int c, char **v) { tail(c, 1, 2, 3, 4, 5, "far %d %d\\n", c); other(c, 1, 2, 3, 4, 5, "", c);
            return simple(c); }"""
    found = found_in(tmp_path, source, "-O2")
    assert texts(found) == {"far %d %d\n", "tail %d\n", "many %d %d\n", "few %d %d\n"}


@pytest.mark.parametrize("level", ["-O2", "-O3"])
def test_a_cold_part_belongs_to_its_function(tmp_path: Path, level: str) -> None:
    source = """FAR COLD void fail(const char *format, ...) {
            va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
        FAR int work(int n, char **v) {
            int sum = n; for (int i = 0; i < n; i++) sum += v[i][0];
            if (__builtin_expect(sum < 0, 0)) { fail("sum is %d\\n", sum); sum = getpid(); }
            printf("work %d\\n", sum); return sum; }
        int main(int c, char **v) { return work(c, v) + work(c + 1, v + 1); }"""
    found = found_in(tmp_path, source, level)
    cold, warm = at(found, "sum is %d\n"), at(found, "work %d\n")
    assert cold.function == warm.function
    code = found.codes[0]
    assert len(code.functions[cold.index].parts) == 2
    own = code.functions[cold.index]
    assert not own.address <= cold.address < own.end


@pytest.mark.parametrize("level", LEVELS)
def test_wrappers_of_wrappers(tmp_path: Path, level: str) -> None:
    source = """FAR void third(FILE *f, int n, const char *format, va_list ap) {
            if (n) vfprintf(f, format, ap); fflush(f); }
        FAR void second(int n, const char *format, va_list ap) { third(stderr, n, format, ap); puts("."); }
        FAR void first(const char *format, ...) { va_list ap; va_start(ap, format); second(1, format, ap); va_end(ap); }
        int main(int c, char **v) { first("one %d\\n", c); first("two %s\\n", v[0]); return 0; }"""
    found = found_in(tmp_path, source, level)
    assert texts(found) >= {"one %d\n", "two %s\n"}
    assert at(found, "one %d\n").sink == "emits"


def test_a_table_of_formats_gives_all_of_them(tmp_path: Path) -> None:
    source = """static const char *const formats[] = {"zero %d\\n", "one %d\\n", "two %d\\n", "three %d\\n"};
        static const char *help[] = {"usage: x\\n", "  -a  all\\n", "  -b  both\\n", "  -c  some\\n", "  -d  done\\n"};
        int main(int c, char **v) { printf(formats[c & 3], c);
            for (unsigned i = 0; i < sizeof help / sizeof *help; i++) fputs(gettext(help[i]), stdout); return 0; }"""
    for flags in (("-O2",), ("-O2", "-no-pie", "-fno-pie"), ("-O2", "-fno-unroll-loops", "-fno-plt")):
        found = texts(found_in(tmp_path, source, *flags))
        assert found >= {"zero %d\n", "one %d\n", "two %d\n", "three %d\n"}, flags
        assert found >= {"usage: x\n", "  -a  all\n", "  -b  both\n", "  -c  some\n", "  -d  done\n"}, flags


def test_a_formatter_of_its_own_is_found_by_its_callers_votes(tmp_path: Path) -> None:
    source = """static char buffer[900]; static int at;
        FAR void say(int level, const char *format, ...) { va_list ap; va_start(ap, format);
            for (; *format; format++) if (*format == '%') buffer[at++] = va_arg(ap, int); else buffer[at++] = *format;
            va_end(ap); }
        FAR int sum(int n, ...) { va_list ap; va_start(ap, n); int s = 0; while (n--) s += va_arg(ap, int); return s; }
        FAR int join(char *to, ...) { va_list ap; va_start(ap, to);
            char *s; while ((s = va_arg(ap, char *))) strcat(to, s); return 0; }
        int main(int c, char **v) { say(1, "begin %d", c); say(2, "end of it"); join(buffer, "a b", "c d", (char *)0);
            return sum(3, 1, c, 2); }"""
    found = found_in(tmp_path, source, "-O2")
    assert texts(found) == {"begin %d", "end of it"}
    assert at(found, "end of it").sink == "unknown"


def test_a_plain_text_is_not_followed_into_its_callers(tmp_path: Path) -> None:
    """A function that writes the name of a file is no logger: its callers' names are no messages."""
    source = """FAR void list(const char *name) { fputs(name, stdout); putchar(10); }
        int main(int c, char **v) { list("/etc/passwd"); list(v[0]); printf("listed %d\\n", c); return 0; }"""
    assert texts(found_in(tmp_path, source, "-O2")) == {"listed %d\n"}


def test_calls_through_the_got_and_through_registers(tmp_path: Path) -> None:
    source = """int main(int c, char **v) { int (*p)(const char *, ...) = printf;
        for (int i = 0; i < c; i++) { printf("a %d\\n", i); p("b %d\\n", i); printf("c %d\\n", i); } return 0; }"""
    for flags in (("-O2", "-fno-plt"), ("-O1", "-fno-plt"), ("-O0", "-fno-plt"), ("-O2", "-Wl,-z,lazy")):
        assert texts(found_in(tmp_path, source, *flags)) == {"a %d\n", "b %d\n", "c %d\n"}, flags


@pytest.mark.parametrize("flags", [("-O2",), ("-O2", "-fPIC", "-shared"), ("-O1", "-rdynamic")])
def test_a_hook_is_what_it_is_at_the_start(tmp_path: Path, flags: tuple[str, ...]) -> None:
    source = """FAR static void to_stderr(int n, const char *format, ...) {
            va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
        struct { int n; void (*report)(int, const char *, ...); } hooks = {1, to_stderr};
        FAR void work(int c) { hooks.report(1, "hooked %d\\n", c); while (c--) hooks.report(2, "again %d\\n", c); }
        int main(int c, char **v) { if (c > 9) hooks.report = (void *)v; work(c); return 0; }"""
    assert texts(found_in(tmp_path, source, *flags)) == {"hooked %d\n", "again %d\n"}


def test_what_one_file_exports_is_known_to_the_others(tmp_path: Path) -> None:
    core = """__attribute__((visibility("default"))) FAR void core_log(int l, const char *format, ...) {
            va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
        int main(int c, char **v) { core_log(1, "core %d\\n", c); return 0; }"""
    module = """void core_log(int, const char *, ...);
        int hook(int c) { core_log(2, "module text"); core_log(3, "other text"); return c; }"""
    one = read_image(program(tmp_path, core, "-O2", "-rdynamic", name="core"))
    two = read_image(program(tmp_path, module, "-O2", "-fPIC", "-shared", name="module.so"))
    found = find([one, two])
    assert texts(found) == {"core %d\n", "module text", "other text"}
    assert {site.text: site.binary for site in found.sites}["module text"] == 1
    assert found.resolve("core_log") == (0, one.exports["core_log"])
    assert texts(find([two, one])) == texts(found)


def test_a_module_alone_votes_on_what_it_imports(tmp_path: Path) -> None:
    module = """void host_log(int, const char *, ...); void host_set(int, const char *);
        int hook(int c) { host_log(2, "value %d", c); host_log(3, "%s failed", "x"); host_set(1, "%n");
            return c; }"""
    file = program(tmp_path, module, "-O2", "-fPIC", "-shared", name="module.so")
    found = find([read_image(file)])
    assert texts(found) == {"value %d", "%s failed"}
    assert {site.sink for site in found.sites} == {"unknown"}


def test_a_static_program_with_symbols(tmp_path: Path) -> None:
    source = """FAR void note(const char *format, ...) { va_list ap; va_start(ap, format); vprintf(format, ap);
            va_end(ap); }
        int main(int c, char **v) { printf("static %d\\n", c); note("noted %s\\n", v[0]); puts("end"); return 0; }"""
    found = found_in(tmp_path, source, "-O2", "-static", "-g")
    code = found.codes[0]
    main = code.index_at(next(a for a, name in code.image.symbols.items() if name == "main"))
    assert texts(found.by_function(0)[main]) == {"static %d\n", "noted %s\n", "end"}


def test_the_depth_limits_how_far_a_text_is_followed(tmp_path: Path) -> None:
    blocks = "".join(f"if (v[{n}]) c += getpid() * {n};" for n in range(1, 9))
    source = f"""int main(int c, char **v) {{ const char *f = getenv("A") ? "yes %d\\n" : "no %d\\n"; {blocks}
        printf(f, c); return 0; }}"""
    assert texts(found_in(tmp_path, source, "-O1", depth=2)) == set()
    assert texts(found_in(tmp_path, source, "-O1", depth=32)) == {"yes %d\n", "no %d\n"}


def test_what_a_log_would_not_carry_is_no_log_string(tmp_path: Path) -> None:
    source = r"""int main(int c, char **v) { printf("\x01\x02%d", c); printf("", c); printf("caf\303\251 %d \377\n", c);
        return 0; }"""
    assert texts(found_in(tmp_path, source, "-O0")) == {"café %d \\xff\n"}


def test_a_program_without_functions_to_find_is_empty(tmp_path: Path) -> None:
    assert find([image(tmp_path, "int main(void) { return 0; }")]).sites == ()
