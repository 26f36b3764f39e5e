"""The eBPF twin among the guests of the boot tests: how it is built, which commands boot it, when it is left out.

Rules of this file
    - Nothing is booted or installed: what would be is written down. The twin itself is built where clang is.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from boot import build, guest, kept, packages, suites
from boot.console import Report
from boot.kernels import SUITES, Kernel
from boot.tell import BootError, compiled

Jobs = dict[tuple[str, str], guest.Job]
HERE = Path("/nowhere")


def warns(words: str) -> list[str]:
    return ["sh", "-c", f"echo '{words}' >&2"]


class Booted:
    """What a command would have booted, and what it said was left out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.jobs: Jobs = {}
        self.left_out: list[str] = []
        self.required: list[Mapping[str, str]] = []
        self.helper = tmp_path / "winnower-tags"
        monkeypatch.setattr(suites, "_boot", self._boot)
        monkeypatch.setattr(suites, "prepared", lambda labels: {label: self._ready(label) for label in labels})
        monkeypatch.setattr(suites, "servers", lambda: HERE)
        monkeypatch.setattr(build, "module", lambda *_: HERE)
        monkeypatch.setattr(build, "twin", lambda: self.helper)
        monkeypatch.setattr(packages, "require", self.required.append)

    def _boot(self, jobs: Jobs, left_out: Sequence[str] = ()) -> int:
        self.jobs, self.left_out = dict(jobs), list(left_out)
        return 0

    def _ready(self, label: str) -> suites.Ready:
        return suites.Ready(Kernel(label, label, HERE, HERE, HERE), {"winnower.ko": HERE})

    def twins(self) -> Jobs:
        return {key: job for key, job in self.jobs.items() if key[1] == "twin"}


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Booted:
    return Booted(monkeypatch, tmp_path)


def asked(*kernels: str) -> argparse.Namespace:
    return argparse.Namespace(kernel=list(kernels))


def test_the_complete_test_boots_the_twin_on_each_kernel_without_the_module(booted: Booted) -> None:
    assert suites.test(asked()) == 0
    assert [label for label, _ in booted.twins()] == list(SUITES)
    assert booted.required == [packages.TWIN]
    for job in booted.twins().values():
        assert job.files == {"winnower-tags": booted.helper}
        assert not job.host
    assert not [words for words in booted.left_out if "twin" in words]


def test_only_the_kernel_asked_for_gets_a_twin(booted: Booted) -> None:
    suites.test(asked("bookworm"))
    assert list(booted.twins()) == [("bookworm", "twin")]


def test_a_mode_that_says_nothing_is_planned_for(booted: Booted) -> None:
    suites.test(asked("bookworm"))
    script = booted.twins()["bookworm", "twin"].script
    plan, _, rest = script.partition("\n")
    assert plan == 'echo "PLAN bpf-fexit bpf-kretprobe bpf-sys_exit" > $R'
    modes = " ".join(name.removeprefix("bpf-") for name in suites.TWIN_RESULTS.split())
    assert f"for mode in {modes}; do" in rest
    assert "/files/winnower-tags" in rest


def test_without_a_compiler_the_rest_is_booted_and_the_reason_said(
    booted: Booted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(tools: Mapping[str, str]) -> None:
        raise BootError("needs clang", "sudo apt-get install clang")

    monkeypatch.setattr(packages, "require", refused)
    assert suites.test(asked()) == 0
    assert booted.jobs
    assert not booted.twins()
    assert any("eBPF twin was left out: needs clang" in words for words in booted.left_out)


def test_a_twin_that_does_not_build_is_no_reason_to_leave_it_out(
    booted: Booted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Path:
        raise BootError("exit code 2 of make")

    monkeypatch.setattr(build, "twin", broken)
    with pytest.raises(BootError, match="exit code 2"):
        suites.test(asked())


@pytest.mark.parametrize("command", [suites.short, suites.fetch])
def test_the_short_form_wants_neither_the_twin_nor_its_compiler(
    booted: Booted, command: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "twin", lambda: pytest.fail("it was built"))
    assert callable(command)
    assert command(asked()) == 0
    assert not booted.twins()
    assert booted.required == []


def test_what_was_left_out_is_in_the_last_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = Kernel("x", "6", HERE, HERE, HERE)
    monkeypatch.setattr(suites, "do", lambda job: guest.Said(Report((), ("gone",)), "", ""))
    assert suites._boot({("x", "checks"): guest.Job(kernel, "")}, ["the eBPF twin was left out: no clang"]) == 1
    assert "the eBPF twin was left out: no clang" in capsys.readouterr().err


def test_a_warning_of_a_compiler_is_an_error_and_others_are_not() -> None:
    compiled(["true"], seconds=5)
    compiled(warns("warning: the compiler differs from the one used to build the kernel"), seconds=5)
    with pytest.raises(BootError, match=r"(?s)warns.*unused"):
        compiled(warns("a.c:1:2: warning: unused"), seconds=5)
    with pytest.raises(BootError, match="warns"):
        compiled(warns("tags.bpf.c:7: warning: unused"), seconds=5)
    with pytest.raises(BootError, match="exit code 1"):
        compiled(["false"], seconds=5)


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the twin's sources to build from, and a cache of its own."""
    if why := packages.missing({**packages.TWIN, "gcc": "gcc", "make": "make"}):
        pytest.skip(f"needs {' '.join(why)}")
    bpf = tmp_path / "lkm" / "bpf"
    shutil.copytree(build.LKM / "bpf", bpf, ignore=shutil.ignore_patterns("build"))
    shutil.copy(build.LKM / "winnower_tag.h", bpf.parent)
    monkeypatch.setattr(build, "LKM", bpf.parent)
    monkeypatch.setattr(build, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(kept, "KEPT", tmp_path / "kept")
    return bpf


def test_the_twin_is_built_once_and_needs_no_library(sources: Path) -> None:
    helper = build.twin()
    assert helper.name == "winnower-tags"
    assert b"/ld-linux" not in helper.read_bytes()
    began = helper.stat().st_mtime_ns
    assert build.twin() == helper
    assert helper.stat().st_mtime_ns == began
    with (sources.parent / "winnower_tag.h").open("a") as header:
        header.write("/* another */\n")
    assert build.twin() != helper


def test_a_warning_in_the_twin_is_an_error_and_leaves_nothing_behind(sources: Path) -> None:
    with (sources / "say.c").open("a") as file:
        file.write("static int nobody(void) { return 1; }\n")
    with pytest.raises(BootError, match="nobody"):
        build.twin()
    assert list((sources.parent.parent / "kept" / "builds").iterdir()) == []
