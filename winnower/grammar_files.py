"""Files, errors and progress of `winnower grammar`.

Rules of this file
    - Files are read and written here and nowhere in `grammar/`; every failure is one located line and exit code 2.
    - Progress goes to standard error, only to a terminal, and only when something takes longer than a second.

Invariant: an output file is either complete or untouched: it is written beside its place and then moved there.
Complexity: a file is read once, up to its limit.
Source: design section 5 (errors).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, Final

import click

from grammar.errors import InputError
from grammar.learned import Delta
from grammar.modelfile import Learned, read, read_model
from grammar.nodelink import DEFAULT_LIMITS, LabelledGraph, from_json
from winnower.console import errors

PATIENCE: Final = 1.0
"""Seconds before progress is shown."""


class Refused(click.ClickException):
    """Bad input: its line on standard error, and exit code 2."""

    exit_code = 2

    def show(self, file: IO[str] | None = None) -> None:
        """Print the line as it is, so that `file:line:column` starts it."""
        click.echo(self.message, file=file, err=file is None)


def read_graph(path: Path) -> LabelledGraph:
    """The graph in a file."""
    return from_json(_read(path), str(path))


def open_model(path: Path) -> Learned:
    """The model in a file."""
    return read_model(_read(path), str(path))


def open_any(path: Path) -> Learned | Delta:
    """The model or the delta in a file."""
    return read(_read(path), str(path))


def _read(path: Path) -> bytes:
    """The file's bytes, one more than the limit at most: what is too large is refused where it is parsed."""
    with path.open("rb") as stream:
        return stream.read(DEFAULT_LIMITS.size + 1)


def write(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; a link is followed, a device or a folder is refused."""
    try:
        target = path.resolve()
        if target.is_symlink():  # only from Python 3.13 on: earlier ones raise
            raise InputError("links that point at each other", file=str(path))
        if target.exists() and not target.is_file():
            raise InputError("not a regular file: nothing can be written there", file=str(path))
        _replace(target, target.with_name(f".{target.name}.{os.getpid()}.tmp"), data)
    except OSError as error:
        raise InputError(error.strerror or type(error).__name__, file=str(path)) from None
    except RuntimeError as error:  # Path.resolve on links that point at each other
        raise InputError(str(error), file=str(path)) from None


def _replace(target: Path, beside: Path, data: bytes) -> None:
    try:
        with beside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def located() -> Iterator[None]:
    """Turn bad input and files that cannot be used into one line and exit code 2."""
    try:
        yield
    except InputError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        name = error.filename if error.filename is not None else ""
        raise Refused(str(InputError(error.strerror or type(error).__name__, file=os.fsdecode(name)))) from None


@contextmanager
def progress(text: str) -> Iterator[Callable[[str], None]]:
    """Show `text`, and what the function that is given adds to it, while the body runs."""
    console = errors()
    if not console.is_terminal:
        yield lambda _: None
        return
    status = console.status(text)
    timer = Timer(PATIENCE, status.start)
    timer.start()
    try:
        yield lambda more: status.update(f"{text}: {more}")
    finally:
        timer.cancel()
        timer.join()
        status.stop()
