"""Catalogues of messages for tests: the bytes of an `errmsg.sys`, and a program that gives its messages by number."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def catalogue_bytes(ranges: Sequence[Sequence[bytes]], version: int = 5) -> bytes:
    """The file's bytes; the last length is wrong, as in real ones."""
    texts = [text + b"\0" for few in ranges for text in few]
    lengths = [*(len(text) for text in texts[:-1]), 52822][: len(texts)]
    body = b"".join(texts)
    header = struct.pack("<4B2xIHHH16x", 254, 254, 2, version, len(body), 4000, len(texts), len(ranges))
    counts = struct.pack(f"<{len(ranges)}H", *map(len, ranges))
    return header + counts + struct.pack(f"<{len(lengths)}H", *lengths) + body


MESSAGES = [*(b"" for _ in range(4)), *(b"Cannot do %%-.%ds number %d" % (n, n) for n in range(4, 30))]
PROGRAM = """
volatile int choice;
const char *file = "errmsg.sys";
struct where { long other[7]; const char ***texts; } *where;
FAR void give(int number, long flags, ...) {
    va_list ap; va_start(ap, flags); vprintf(where->texts[number / 1000 - 1][number % 1000], ap); va_end(ap); }
FAR void warns(const char *format, ...) { va_list ap; va_start(ap, format); vfprintf(stderr, format, ap); va_end(ap); }
FAR void counts(int number, ...) { choice = number; }
int main(int c, char **v) {
    counts(7, c); counts(8, c, c); counts(9); counts(10, c); counts(11); counts(12); counts(13); counts(14); counts(15);
    GIVES
    if (c > 2) give(c > 3 ? 1018 : 1029, 0, v[0]);
    warns(where->texts[0][23], v[0]);
    warns(where->texts[1][2], v[0]);
    if (c > 4) warns("a plain %s", v[0]);
    return !file;
}
""".replace("GIVES", "".join(f"if (choice == {n}) give({1000 + n}, 0, v[0]);" for n in range(4, 16)))
