"""Messages by number: the texts of the catalogue at the calls that give their numbers, and nothing at others."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogues import MESSAGES, PROGRAM, catalogue_bytes
from pitfalls import program

from agent.static.build import profile_of
from grammar.errors import InputError
from grammar.profile import Profile

SECOND = [b"second range", b"two", b"three of %s"]
CATALOGUE = catalogue_bytes([MESSAGES, SECOND])


def text(number: int) -> str:
    return MESSAGES[number].decode()


@pytest.fixture(scope="module", params=["-O1", "-O2", "-Os"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program where programs are, without its catalogue."""
    made = tmp_path_factory.mktemp("numbered")
    (made / "sbin").mkdir()
    program(made, PROGRAM, request.param).rename(made / "sbin" / "served")
    return made


@pytest.fixture(scope="module")
def profile(folder: Path) -> Profile:
    """Its profile, with a catalogue that is named."""
    (folder / "errors").write_bytes(CATALOGUE)
    return profile_of([folder / "sbin" / "served", folder / "errors"])


def test_calls_by_number_have_the_texts(profile: Profile) -> None:
    given = {one.text for one in profile.strings} - {text(23), "three of %s", "a plain %s"}
    assert given == {text(n) for n in (*range(4, 16), 18, 29)}


def test_a_format_from_the_catalogue_in_memory_is_its_text(profile: Profile) -> None:
    sites = {one.text: one for one in profile.strings}
    assert sites[text(23)].callee == sites["three of %s"].callee == sites["a plain %s"].callee
    assert sites[text(23)].pattern == "Cannot do {text:23} number 23"


def test_a_choice_of_numbers_is_a_choice_of_texts(profile: Profile) -> None:
    assert len({one.address for one in profile.strings if one.text in (text(18), text(29))}) == 1


def test_the_catalogue_is_no_binary_and_a_note_says_what_it_gave(profile: Profile) -> None:
    assert len(profile.binaries) == 1
    (note,) = [note for note in profile.notes if "by number" in note]
    assert f"errors: 16 of its {len(MESSAGES) - 4 + len(SECOND)} texts, at 16 calls" in note


def test_without_a_catalogue_its_absence_is_said(folder: Path) -> None:
    found = profile_of([folder / "sbin" / "served"])
    assert {one.text for one in found.strings} == {"a plain %s"}
    assert any("errmsg.sys" in note for note in found.notes)


def test_a_catalogue_beside_the_program_is_found(folder: Path, profile: Profile) -> None:
    place = folder / "share" / "mysql" / "errmsg.sys"
    place.parent.mkdir(parents=True)
    place.write_bytes(CATALOGUE)
    try:
        assert profile_of([folder / "sbin" / "served"]).strings == profile.strings
        place.write_bytes(CATALOGUE[:50])
        with pytest.raises(InputError, match="truncated"):
            profile_of([folder / "sbin" / "served"])
    finally:
        place.unlink()
        place.parent.rmdir()
        place.parent.parent.rmdir()


def test_a_catalogue_alone_is_no_application(folder: Path, profile: Profile) -> None:
    assert profile.strings
    with pytest.raises(InputError, match="wrong number of files"):
        profile_of([folder / "errors"])


def test_numbers_that_the_catalogue_does_not_have_make_no_messages(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(catalogue_bytes([[b"x"] * 4]))
    found = profile_of([folder / "sbin" / "served", tmp_path / "other"])
    assert {one.text for one in found.strings} == {"a plain %s"}
