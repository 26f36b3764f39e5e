"""What becomes of a message: put out, formatted only, or not known."""

from __future__ import annotations

from pathlib import Path

from pitfalls import at, found_in

SOURCE = """
static char kept[900]; void (*sink)(const char *);
FAR static int put(const char *text, unsigned n) { return write(2, text, n); }
FAR void emit(const char *format, ...) { char b[90];
    va_list ap; va_start(ap, format); int n = vsnprintf(b, 90, format, ap); va_end(ap); put(b, n); }
FAR void keep(const char *format, ...) {
    va_list ap; va_start(ap, format); vsnprintf(kept, 900, format, ap); va_end(ap); }
FAR void hand(const char *format, ...) { char b[900]; char *to = b;
    va_list ap; va_start(ap, format); while (*format) *to++ = *format++ + va_arg(ap, int); va_end(ap); sink(b); }
int main(int c, char **v) { emit("emitted %d", c); keep("kept %d", c); hand("handed %d", c); return puts(kept); }
"""


def test_three_functions_three_sinks(tmp_path: Path) -> None:
    found = found_in(tmp_path, SOURCE, "-O2")
    assert [at(found, f"{word} %d").sink for word in ("emitted", "kept", "handed")] == ["emits", "formats", "unknown"]
