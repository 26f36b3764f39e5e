"""The paper's proof of concept: 8 of 8 strings, 10 of 10 edges and its loop, whatever the compiler has made of it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from builds import ANGR_ONLY, ARM, BUILDS, build
from poc_expected import EDGES, FIRST, LAST, STARTED, STOPPED, STRINGS
from poc_read import Found, found_in

from agent.static.angr_engine import angr_missing
from agent.static.build import profile_of
from agent.static.elf import NeedsAngrError
from grammar.errors import InputError
from grammar.formats import pattern_of, telling

Builds = Callable[..., Path]
STATIC = [name for name in BUILDS if "static" in name]
SHARED = [name for name in BUILDS if name not in STATIC]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """A build by name; what cannot be built skips, with the reason."""
    folder = tmp_path_factory.mktemp("poc")

    def one(name: str, compiler: str = "gcc") -> Path:
        try:
            return build(name, folder, compiler)
        except FileNotFoundError as error:
            pytest.skip(str(error))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"does not build here: {error.stderr.decode(errors='replace')[-200:]}")

    return one


def check(found: Found, static: bool = False) -> None:
    """All of it and nothing else; in a static build libc's own strings may come first in an iteration."""
    assert found.strings == set(STRINGS)
    assert found.edges == EDGES
    assert found.last == LAST
    assert found.first == FIRST or (static and found.first < FIRST and found.first)


@pytest.mark.parametrize("name", BUILDS)
def test_the_fast_engine_finds_all_of_it(name: str, made: Builds) -> None:
    profile = profile_of([made(name)], engine="fast")
    assert [one.engine for one in profile.binaries] == ["fast"]
    check(found_in(profile), static=name in STATIC)


def test_angr_finds_the_same(made: Builds) -> None:
    """All in one run of angr: an import of it costs more than one of these."""
    needs_angr()
    check_together([made(name) for name in SHARED])


def test_without_unwind_tables_angr_steps_in(made: Builds) -> None:
    needs_angr()
    profile = profile_of([made(name) for name in ANGR_ONLY])
    assert {one.engine for one in profile.binaries} == {"angr"}
    check(found_in(profile))


@pytest.mark.parametrize("name", ANGR_ONLY)
def test_a_program_without_its_own_frames_is_never_an_empty_profile(
    name: str, made: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NeedsAngrError, match="nothing marks"):
        profile_of([made(name)], engine="fast")
    monkeypatch.setattr("agent.static.angr_engine.angr_missing", lambda: "angr is not installed")
    with pytest.raises(InputError, match="angr is not installed") as caught:
        profile_of([made(name)])
    assert "pip install 'winnower[static]'" in caught.value.hint


def test_another_machine_goes_through_angr(made: Builds) -> None:
    needs_angr()
    check_together([made("O0", ARM), made("O2", ARM)])


def test_another_machine_without_angr_is_an_error_that_says_what_to_install(
    made: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "angr", None)
    monkeypatch.setattr("agent.static.angr_engine.angr_missing", lambda: "angr is not installed")
    with pytest.raises(InputError, match="angr is not installed") as caught:
        profile_of([made("O2", ARM)])
    assert "winnower[static]" in caught.value.hint


def needs_angr() -> None:
    if missing := angr_missing():
        pytest.skip(missing)


def check_together(paths: Sequence[Path]) -> None:
    profile = profile_of(paths, engine="angr")
    for number, _ in enumerate(paths):
        check(found_in(profile, number))


def test_what_the_program_really_prints_is_matched_and_follows_the_edges(made: Builds) -> None:
    """The truth that the expectation is held against: the program itself."""
    lines = served(made("O0"), [b"hello\n", b"", b"quit\n"])
    patterns = {text: pattern_of(text) for text in STRINGS}
    assert all(telling(pattern) for pattern in patterns.values())
    path = [next(text for text in STRINGS if patterns[text].matches(line)) for line in lines]
    assert (path[0], path[-1]) == (STARTED, STOPPED)
    assert set(pairwise(path)) <= EDGES
    assert len(set(pairwise(path))) == len(EDGES) - 2, "all but the two of an accept that fails"


def served(program: Path, requests: Sequence[bytes]) -> list[str]:
    """What the server prints while it answers these."""
    with subprocess.Popen([str(program)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            lines = [server.stdout.readline()]
            started = re.search(r"[0-9]+$", lines[0])
            assert started is not None, lines
            for request in requests:
                with socket.create_connection(("127.0.0.1", int(started[0])), timeout=10) as client:
                    client.sendall(request)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(16)
            lines += server.stdout.readlines()
        finally:
            server.kill()
    return [line.rstrip("\n") for line in lines]
