"""Invariant: whatever the bytes, the audit parser gives the same events whole as split, and neither raises nor grows.

In full: for any input, no exception; the events (lines, time, call, node) and the counts are the same whole, and cut
anywhere with the state saved and restored anywhere; every line that is not blank is in one event, is an end mark, or is
counted under one cause; the saved state stays below a bound that does not depend on the input; every accessor answers.

Rules of this file
    - `python tests/fuzz/fuzz_events.py --seconds 60 [--corpus DIR] [--seed N] [LOG…]`: exit 0 if clean; else the seed
      and the input are printed.
    - Uses atheris where it is installed (coverage-guided); else the mutator below, over a corpus made here, plus files.
    - Half of the runs shrink the parser's limits, so that small inputs reach them.

Source: design section 4 (parse), section 7 (each fuzz target states its invariant first).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from agent import events
from agent.events import AuditParser, Event
from agent.records import HEADER

TAIL: Final = b'ppid=%d pid=%d auid=0 uid=0 tty=(none) ses=1 comm="sh" exe="/bin/sh" key=(null)'
SMALL: Final = {"MAX_LINE": 700, "MAX_HELD": 1_200, "SPAN": 5, "FEW": 2}
RUBBISH: Final = (
    b"", b"   ", b"\x00\xff\x1d", b"type=SYSCALL msg=audit(1.000:1)", b"type= msg=audit(1.0:1): x", b"msg=audit(1:1):",
    b"type=X msg=audit(999999999999.999999999:4294967295): a=", b"\r", b"type=PATH msg=audit(:): ",
)  # fmt: skip
PIECES: Final = (
    b"\n", b"\r\n", b"\r", b" ", b'"', b"'", b"\x1d", b"type=", b"type=EOE ", b"type=PROCTITLE ", b"type=SYSCALL ",
    b"node=n ", b"msg=audit(", b"): ", b"a0=", b"=", b"\x00", b"\xff", b"x" * 800,
)  # fmt: skip

Seen = tuple[list[tuple[bytes, int, events.Call | None, str]], dict[str, int], int]


def event_lines(rng: Random, stamp: bytes, node: bytes, titled: float) -> list[bytes]:
    """The records of one event, titled or not, with end mark or not, perhaps without system call."""
    head = (b"node=" + node + b" " if node else b"") + b"type=%s msg=audit(" + stamp + b"): %s"
    shape = rng.randrange(10)
    if shape == 0:
        return [
            head % (rng.choice([b"USER_LOGIN", b"LOGIN", b"AVC", b"UNKNOWN[1335]"]), b"pid=1 msg='op=x res=success'")
        ]
    if shape == 1:
        lines = [head % (b"URINGOP", b"uring_op=18 success=yes exit=5 items=1 ppid=1 pid=2 uid=0 key=(null)")]
    else:
        code = b"" if shape == 2 else b" success=yes exit=%d" % rng.randrange(-40, 40)
        arch = rng.choice([b"c000003e", b"40000003", b"c00000b7"])
        tail = TAIL % (rng.randrange(1, 4), rng.randrange(4, 9))
        tail += b'\x1dARCH=x86_64 AUID="root"' if rng.random() < 0.3 else b""
        body = b"arch=%s syscall=%d%s a0=%x a1=2 a2=3 a3=4 items=1 %s"
        lines = [head % (b"SYSCALL", body % (arch, rng.randrange(300), code, rng.randrange(2**32), tail))]
    others = [
        head % (b"EXECVE", b'argc=2 a0="sh" a1_len=4 a1[0]=6162'),
        head % (b"EXECVE", b"a1[1]=6364"),
        head % (b"CWD", b" cwd=2F746D70"),
        head % (b"PATH", b'item=0 name="/x" inode=1 dev=08:01 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=CREATE'),
        head % (b"SOCKADDR", b"saddr=02000050A9FEA9FE0000000000000000"),
        head % (b"PATH", b"item=1 name=" + b"4142" * rng.choice([1, 5, 100])),
    ]
    lines += [line for line in others if rng.random() < 0.4]
    if rng.random() < 0.1:
        rng.shuffle(lines)
    if rng.random() < titled and shape != 1:
        lines.append(head % (b"PROCTITLE", rng.choice([b'proctitle="sh"', b"proctitle=7368002D63"])))
    if rng.random() < 0.15 * titled:
        lines.append(head % (b"EOE", b""))
    return lines


def make_log(rng: Random, size: int = 20) -> bytes:
    """A log of about `size` events: contiguous, interleaved, titled, untitled, from nodes, damaged, CRLF, rubbish."""
    lines: list[bytes] = []
    millis, ending, titled = 1_000_000, rng.choice([b"\n", b"\n", b"\r\n"]), rng.choice([0.85, 0.85, 0.3, 0.0])
    for serial in range(1, rng.randrange(1, size + 1) + 1):
        millis += rng.choice([0, 0, 1, 40, 3_000, -500])
        stamp = b"%d.%03d:%d" % (millis // 1000, millis % 1000, (serial + 2**32 - 5) % 2**32)
        new = event_lines(rng, stamp, rng.choice([b"", b"", b"", b"n1", b"n\xff"]), titled)
        if rng.random() < 0.3:  # put into what is there, keeping the order of its own lines
            at = max(0, len(lines) - rng.randrange(12))
            for line in new:
                lines.insert(at, line)
                at = min(len(lines), at + 1 + rng.randrange(4))
        else:
            lines += new
        if rng.random() < 0.08:
            head = b"type=USER_TTY msg=audit(" + stamp + b"): data="
            longest = head + b"4" * (events.MAX_LINE - len(head) + rng.randrange(-2, 3))
            lines.append(rng.choice(RUBBISH) if rng.random() < 0.8 else longest)
        if lines and rng.random() < 0.08:
            damaged = rng.randrange(len(lines))
            lines[damaged] = lines[damaged][: rng.randrange(len(lines[damaged]) + 1)]
    data = ending.join(lines) + ending
    return data if rng.random() < 0.7 else data[: rng.randrange(len(data) + 1)]


def mutate(rng: Random, data: bytes, other: bytes = b"") -> bytes:
    """A few edits: bits, cuts, repeats, swapped lines, spliced tokens, a piece of another input."""
    work = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at, length = rng.randrange(len(work) + 1), rng.choice([1, 2, 8, 60, 400])
        choice = rng.randrange(6)
        if choice == 0 and at < len(work):
            work[at] ^= 1 << rng.randrange(8)
        elif choice == 1:
            del work[at : at + length]
        elif choice == 2:
            to = rng.randrange(len(work) + 1)
            work[to:to] = work[at : at + length]
        elif choice == 3:
            work[at:at] = rng.choice(PIECES)
        elif choice == 4:
            lines = bytes(work).split(b"\n")
            one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[one]
            work = bytearray(b"\n".join(lines))
        elif other:
            start = rng.randrange(len(other))
            work[at:at] = other[start : start + length]
    return bytes(work)


def cut(rng: Random, data: bytes) -> list[bytes]:
    """`data` in pieces: by byte, by line, or anywhere."""
    way = rng.randrange(4)
    if way == 0 and len(data) < 4_000:
        return [data[at : at + 1] for at in range(len(data))]
    if way == 1:
        return data.splitlines(keepends=True)
    at = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 12)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def run(chunks: list[bytes], rng: Random | None = None) -> tuple[Seen, list[Event]]:
    """Events and counts of one way of feeding; with `rng`, the state is saved and restored at some of the cuts."""
    parser, found = AuditParser(), []
    bound = 1.5 * (events.MAX_HELD + events.MAX_LINE) + 300 * (events.SPAN + 2) + 3_000
    for chunk in chunks:
        found += parser.feed(chunk)
        if rng is not None and rng.random() < 0.2:
            saved = parser.save()
            assert len(saved) <= bound, f"a state of {len(saved)} bytes"
            parser = AuditParser.restore(saved)
    found += parser.finish()
    assert parser.finish() == []
    seen = [(event.raw, event.millis, event.call, event.node) for event in found]
    return (seen, dict(parser.loss), parser.lines), found


def conserved(data: bytes, seen: Seen) -> None:
    """Every line that is not blank is in exactly one event, is an end mark, or is counted under exactly one cause."""
    found, lost, lines = seen
    complete, _, last = data.replace(b"\r\n", b"\n").rpartition(b"\n")
    given = [line for line in complete.split(b"\n") if line.strip() or len(line) > events.MAX_LINE]
    last = last.removesuffix(b"\r")
    given += [last] if last.strip() or len(last) > events.MAX_LINE else []
    readable = [(line, head) for line in given if len(line) <= events.MAX_LINE and (head := HEADER.match(line))]
    used = [line for raw, _, _, node in found for line in _with(node, raw)]
    expected = Counter(line for line, head in readable if head["type"] != b"EOE")
    if lost.get("truncated") and HEADER.match(last):
        expected[last] -= 1
    assert Counter(used) == +expected, "lines were lost or doubled"
    marks = sum(head["type"] == b"EOE" for _, head in readable)
    dropped = sum(lost.get(cause, 0) for cause in ("unparsable", "oversized", "truncated"))
    assert lines == len(given) == len(used) + marks + dropped, "counts do not add up"


def _with(node: str, raw: bytes) -> list[bytes]:
    head = b"node=" + node.encode("utf-8", "surrogateescape") + b" " if node else b""
    return [head + line for line in raw.split(b"\n")[:-1]]


def check(data: bytes, rng: Random) -> None:
    """The invariant for one input; AssertionError (or whatever was raised) if it does not hold."""
    whole, found = run([data])
    for event in found:
        assert isinstance(event.serial, int)
        for record in event.records:
            assert isinstance(record.fields, dict)
            assert isinstance(record.interpreted, dict)
    conserved(data, whole)
    split, _ = run(cut(rng, data), rng)
    assert whole[0] == split[0], "other events when split"
    assert whole[1:] == split[1:], f"other counts when split: {whole[1:]} {split[1:]}"


def limited(data: bytes, rng: Random) -> None:
    """`check`, under limits that small inputs reach."""
    kept = {name: getattr(events, name) for name in SMALL}
    try:
        for name, value in SMALL.items():
            setattr(events, name, value)
        check(data, rng)
    finally:
        for name, value in kept.items():
            setattr(events, name, value)


def fuzz(seconds: float, seed: int, corpus: list[bytes]) -> int:
    """Run for `seconds`; the number of inputs tried. What fails is raised with the input and the seed attached."""
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        rng = Random(f"{seed}:{tried}")
        data = rng.choice(corpus) if corpus and rng.random() < 0.5 else make_log(rng)
        if len(data) > 20_000:
            start = rng.randrange(len(data) - 10_000)
            data = data[start : start + 10_000]
        if rng.random() < 0.7:
            data = mutate(rng, data, rng.choice(corpus) if corpus else b"")
        try:
            (limited if tried % 2 else check)(data, rng)
        except Exception as error:
            error.add_note(f"seed {seed}, input {tried}: {data!r}"[:4_000])
            raise
        tried += 1
    return tried


def with_atheris(atheris, seconds: float, corpus: Path | None) -> None:  # type: ignore[no-untyped-def]
    """Coverage-guided; atheris ends the process itself."""
    atheris.instrument_all()
    arguments = [sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=20000", *([str(corpus)] if corpus else [])]
    atheris.Setup(arguments, lambda data: (limited if len(data) % 2 else check)(data, Random(len(data))))
    atheris.Fuzz()


def main() -> int:
    """Parse the command line, fuzz, print executions per second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: from the clock")
    parser.add_argument("--corpus", type=Path, help="folder of further inputs")
    parser.add_argument("log", nargs="*", type=Path, help="further inputs")
    options = parser.parse_args()
    try:
        import atheris  # noqa: PLC0415 - optional: taken where it is installed
    except ImportError:
        pass
    else:
        with_atheris(atheris, options.seconds, options.corpus)
        return 0
    files = [*options.log, *(sorted(p for p in options.corpus.rglob("*") if p.is_file()) if options.corpus else [])]
    seed = options.seed or time.time_ns() % 1_000_000
    start = time.monotonic()
    try:
        tried = fuzz(options.seconds, seed, [data for file in files if (data := file.read_bytes())])
    except Exception as error:  # whatever it is, it is the finding
        print(f"fuzz_events: {type(error).__name__}: {error}\n" + "\n".join(error.__notes__), file=sys.stderr)
        return 1
    print(f"fuzz_events: clean, {tried} inputs, {tried / (time.monotonic() - start):.0f}/s, seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
