"""The policies of a running monitor, from their files: a bad one never stops the others.

Rules of this file
    - All files are read and checked before anything is handed out: what is handed out is one set, swapped as one.
    - A file that is bad is reported with all its errors, located. If it was good before, its last good version stays in
      force; else it is left out. The same goes for a file or folder that cannot be read now.
    - A file that is gone from its folder is gone. Of two policies with one id the first counts: shipped ones come
      first, then the files in the order of the settings, in a folder by name.

Invariant: no two policies of a set have one id; loading never raises for what a file holds.
Complexity: O(bytes); a file that has not changed is not parsed again.
Source: issue "policies and questions" (hot-reloaded atomically; a bad one never stops the others).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

from grammar.errors import InputError, escape
from policies.errors import PolicyErrors
from policies.policy import Policy, parse_policy
from winnower.policy_files import MAX_POLICY, SUFFIX, read_text, shipped

MAX_FILES: Final = 10_000


class Problem(NamedTuple):
    """What is wrong with a file or folder; `kept`: an earlier version of it is in force."""

    file: str
    errors: tuple[InputError, ...]
    kept: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """One located line for each error."""
        return tuple(line for error in self.errors for line in str(error).splitlines())


class Loaded(NamedTuple):
    """A set of policies, their texts as agents get them (file name, text), and what was wrong."""

    policies: tuple[Policy, ...]
    texts: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[InputError, ...]:
        """All errors of all files."""
        return tuple(error for problem in self.problems for error in problem.errors)

    def strict(self) -> Loaded:
        """The same if nothing is wrong; else `PolicyErrors`."""
        if self.problems:
            raise PolicyErrors(list(self.errors))
        return self

    def value(self) -> dict[str, object]:
        """For JSON: what is in force, and what is wrong with which file."""
        return {
            "policies": [
                {"id": one.id, "severity": one.severity, "title": one.title, "file": escape(one.file, 400)}
                for one in self.policies
            ],
            "problems": [
                {
                    "file": escape(one.file, 400),
                    "in_force": "earlier version" if one.kept else "none",
                    "errors": one.lines,
                }
                for one in self.problems
            ],
        }


class _Good(NamedTuple):
    """A file as it was when it was good."""

    source: Traversable
    text: str
    policy: Policy


class Loader:
    """Reads policies again and again, and remembers the last good version of each file."""

    def __init__(self, parse: Callable[[str, str], Policy] = parse_policy) -> None:
        self._parse = parse
        self._good: dict[str, _Good] = {}
        self._listed: dict[Path, tuple[Traversable, ...]] = {}

    def load(self, paths: Sequence[Path], *, shipped: bool = True) -> Loaded:
        """The policies of these files and folders, after those that come with Winnower."""
        problems: list[Problem] = []
        sources = list(_shipped()) if shipped else []
        for path in paths:
            sources += self._sources(path, problems)
        wanted = {str(source): source for source in sources}
        good = {file: one for file, source in wanted.items() if (one := self._one(file, source, problems)) is not None}
        self._good = good
        found: dict[str, _Good] = {}
        for file, one in good.items():
            first = found.setdefault(one.policy.id, one)
            if first is not one:
                hint = f"see {escape(first.policy.file, 400)}"
                error = InputError("two policies have one id", file=file, offending=one.policy.id, hint=hint)
                problems.append(Problem(file, (error,)))
        texts = tuple((one.source.name, one.text) for one in found.values())
        return Loaded(tuple(one.policy for one in found.values()), texts, tuple(problems))

    def _sources(self, path: Path, problems: list[Problem]) -> Iterable[Traversable]:
        """The files that a path of the settings stands for: of a folder that cannot be read, those of before."""
        try:
            if not path.is_dir():
                return (path,) if path not in self._listed else self._gone(path, problems)
            found = sorted(one for one in path.iterdir() if one.suffix == SUFFIX)[:MAX_FILES]
        except OSError as error:
            before = self._listed.get(path, ())
            problems.append(Problem(str(path), (_unreadable(path, error),), kept=bool(before)))
            return before
        self._listed[path] = tuple(found)
        if not found:
            empty = InputError("a folder without policies", file=str(path), hint=f"policies are files named *{SUFFIX}")
            problems.append(Problem(str(path), (empty,)))
        return found

    def _gone(self, path: Path, problems: list[Problem]) -> Iterable[Traversable]:
        """What was a folder is none now: moved away for a moment, or not mounted."""
        error = InputError("no such folder", file=str(path))
        problems.append(Problem(str(path), (error,), kept=bool(self._listed[path])))
        return self._listed[path]

    def _one(self, file: str, source: Traversable, problems: list[Problem]) -> _Good | None:
        """A file as it is now, or as it was when it was good."""
        before = self._good.get(file)
        try:
            text = _text(source, file)
            if before is not None and before.text == text:
                return before
            return _Good(source, text, self._parse(text, file))
        except PolicyErrors as several:
            errors = tuple(several.errors)
        except InputError as error:
            errors = (error,)
        except Exception as error:  # a bug of the parser's must not stop the other policies
            errors = (InputError(f"cannot be checked: {escape(repr(error), 200)}", file=file),)
        if not _reported(file, problems):
            problems.append(Problem(file, errors, kept=before is not None))
        return before


def _reported(file: str, problems: Iterable[Problem]) -> bool:
    """Whether the folder of a file has been reported already: its files need not be, too."""
    return any(problem.file == str(Path(file).parent) for problem in problems)


def _shipped() -> list[Traversable]:
    return sorted((one for one in shipped().iterdir() if one.name.endswith(SUFFIX)), key=lambda one: one.name)


def _text(source: Traversable, file: str) -> str:
    """A file's text; it is a regular file, not too long, and UTF-8."""
    try:
        if not source.is_file():
            raise InputError("no such file", file=file)
    except OSError as error:
        raise _unreadable(source, error) from None
    return read_text(source, MAX_POLICY)


def _unreadable(source: Traversable, error: OSError) -> InputError:
    return InputError(f"cannot be read: {error.strerror or error}", file=str(source))
