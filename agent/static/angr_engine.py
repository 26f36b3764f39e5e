"""The second engine: angr, as oracle in tests and where the fast engine has nothing to go by.

Rules of this file
    - For files without unwind tables, static ones without names for functions, and machines that are not x86-64.
    - angr runs in a child process with a limit of memory, a limit of CPU and a deadline; whatever it does, this process
      goes on. Its temporary files go with it, and it goes with this process.
    - What it did not finish is in the notes; if it finished nothing, that is an error.
    - A binary comes after those whose functions it calls by name: what they export is known then.

Complexity: angr's: 0.05 to 0.3 CPU s per KB of code, 200 to 1,000 MB.
Source: DisProTrack section IV; Shoshitaishvili et al. 2016 (angr).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

import msgspec

from agent.static import angr_wire as wire
from agent.static.flow import Findings, Mark, Shape, Traced
from grammar.errors import InputError
from grammar.profile import Binary, Sink

if TYPE_CHECKING:
    from agent.static.strings import Site

Progress = Callable[[str], None]
MAX_FILE: Final = 1 << 30
MAX_ANSWERS: Final = 1 << 30
SILENT: Final = "no call of a function that is known to log (is it static and stripped, or does it write by itself?)"
HINT: Final = "pip install 'winnower[static]' (angr: 440 MB)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take: seconds by the clock, bytes of address space."""

    seconds: int = 3600
    memory: int = 8 << 30


DEFAULT: Final = Limits()


def angr_missing() -> str:
    """Why angr cannot be used here; empty if it can."""
    return "" if importlib.util.find_spec("angr") else "angr is not installed"


def angr_profile(
    paths: Sequence[Path],
    depth: int,
    progress: Progress | None = None,
    *,
    tuned: bool = True,
    limits: Limits = DEFAULT,
) -> Findings:
    """What angr finds in the binaries of one application; `InputError` if it finishes with none of them."""
    binaries = tuple(_binary(path) for path in paths)
    order = _exporters_first(paths)
    job = wire.Job(tuple(str(paths[at]) for at in order), depth, tuned, limits.memory, limits.seconds)
    answers, ended = _run(job, limits, progress)
    notes = [f"{Path(path).name}: angr {ended}" for path in job.paths[len(answers) :]]
    notes += [f"{Path(one.path).name}: angr failed: {one.failed}" for one in answers if one.failed]
    done = {at: answer for at, answer in zip(order, answers, strict=False) if not answer.failed}
    if not done:
        raise InputError("angr could not read it", file=str(paths[0]), offending="; ".join(notes))
    notes += [f"{paths[at].name}: {SILENT}" for at, one in done.items() if not any(_strings(one))]
    return Findings(binaries, tuple(_traced(done)), tuple(notes))


def resolve_calls(path: Path, functions: Iterable[str], limits: Limits = DEFAULT) -> dict[int, tuple[int, ...]]:
    """Where the indirect calls of the named functions may go: the call's address → addresses of functions.

    A function is named by its symbol or by its address (`0x…`); an empty tuple is a call that angr cannot resolve.
    """
    _binary(path)
    job = wire.Job((str(path),), 0, True, limits.memory, limits.seconds, tuple(functions))
    answers, ended = _run(job, limits, None)
    if not answers or answers[0].failed:
        raise InputError("angr could not read it", file=str(path), offending=answers[0].failed if answers else ended)
    return dict(answers[0].indirect)


def _run(job: wire.Job, limits: Limits, progress: Progress | None) -> tuple[list[wire.Answer], str]:
    """The answers of the child, and how it ended if some are missing."""
    if missing := angr_missing():
        raise InputError(missing, file=job.paths[0], hint=HINT)
    if progress is not None:
        progress(f"angr reads {len(job.paths)} files, up to {limits.seconds} s")
    with tempfile.TemporaryDirectory(prefix="winnower-angr-") as folder, tempfile.TemporaryFile() as out:
        environment = {**os.environ, "TMPDIR": folder, "PYTHONWARNINGS": "ignore"}
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "agent.static.angr_child", str(os.getpid()), folder],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as child:
            ended = _wait(child, msgspec.json.encode(job), limits)
        out.seek(0)
        return _answers(out), ended


def _wait(child: subprocess.Popen[bytes], job: bytes, limits: Limits) -> str:
    """Let it run until its deadline; say how it ended."""
    try:
        child.communicate(job, timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return f"did not finish in {limits.seconds} s"
    except BaseException:
        child.kill()
        raise
    return f"ended with status {child.returncode}" if child.returncode else "gave no answer"


def _answers(out: IO[bytes]) -> list[wire.Answer]:
    """Whole lines only: the last one of a child that was killed is half."""
    found: list[wire.Answer] = []
    left = MAX_ANSWERS
    while (line := out.readline(left)).endswith(b"\n"):
        left -= len(line)
        found.append(msgspec.json.decode(line, type=wire.Answer))
    return found


def _binary(path: Path) -> Binary:
    try:
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                raise InputError("not an ELF file", file=str(path), hint="a program or a shared library")
            if os.fstat(file.fileno()).st_size > MAX_FILE:
                raise InputError("file too large", file=str(path), hint=f"at most {MAX_FILE >> 20} MB")
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", file=str(path)) from None
    return Binary(str(path), digest, _names(path)[0], "angr")


def _names(path: Path) -> tuple[str, frozenset[str], frozenset[str]]:
    """A file's build id, what it exports and what it imports; nothing of a file that cannot be read."""
    try:
        from elftools.elf.elffile import ELFFile  # noqa: PLC0415  (it comes with angr)
    except ModuleNotFoundError:
        return "", frozenset(), frozenset()  # `_run` says what is missing
    build, exported, imported = "", set[str](), set[str]()
    with path.open("rb") as file, contextlib.suppress(Exception):  # pyelftools fails in every way that there is
        elf = ELFFile(file)
        for note in getattr(elf.get_section_by_name(".note.gnu.build-id"), "iter_notes", lambda: ())():
            build = str(note["n_desc"])
        for symbol in getattr(elf.get_section_by_name(".dynsym"), "iter_symbols", lambda: ())():
            (imported if symbol["st_shndx"] == "SHN_UNDEF" else exported).add(symbol.name)
    return build, frozenset(exported), frozenset(imported)


def _exporters_first(paths: Sequence[Path]) -> list[int]:
    """Positions, each after those that export what it imports; as given where they need one another."""
    names = [_names(path)[1:] for path in paths]
    left = list(range(len(paths)))
    order: list[int] = []
    while left:
        needs = {
            at: len(names[at][1] & frozenset().union(*(names[other][0] for other in left if other != at)))
            for at in left
        }
        order.append(min(left, key=lambda at: (needs[at], at)))
        left.remove(order[-1])
    return order


def _traced(done: dict[int, wire.Answer]) -> Iterable[Traced]:
    """The functions of all answers, binaries in the order of the profile's."""
    exports = {name: (at, address) for at, one in done.items() for name, address in one.exports.items()}
    for at, answer in done.items():
        for function in answer.functions:
            marks = tuple(_mark(at, function.address, call, exports) for call in function.calls)
            returns, errors = frozenset(function.returns), frozenset(function.errors)
            shape = Shape(function.marks, function.successors, returns, errors)
            yield Traced(at, function.address, function.name, marks, shape, function.callers, function.pointed)


def _strings(answer: wire.Answer) -> Iterable[wire.String]:
    return (one for function in answer.functions for call in function.calls for one in call.strings)


def _mark(binary: int, function: int, call: wire.Call, exports: dict[str, tuple[int, int]]) -> Mark:
    sites = tuple(_site(binary, function, call, one) for one in call.strings)
    calls: tuple[tuple[int, int], ...] = ()
    if not sites and call.target:
        calls = ((binary, call.target),)
    elif not sites and call.name in exports:
        calls = (exports[call.name],)
    return Mark(call.address, sites, calls, call.waits)


def _site(binary: int, function: int, call: wire.Call, one: wire.String) -> Site:
    from agent.static.strings import Site  # noqa: PLC0415  (numpy and iced-x86 are slow to import)

    return Site(
        text=one.raw.decode("utf-8", "backslashreplace"),
        raw=one.raw,
        binary=binary,
        function=function,
        index=-1,
        address=call.address,
        argument=one.argument,
        format=one.format,
        newline=one.newline,
        callee=call.name or f"sub_{call.target:x}",
        sink=cast(Sink, one.sink),
        level=one.level,
    )
