"""A bad policy never stops the others: it is reported, located, and left out, or its last good version stays."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.errors import PolicyErrors
from policies.policy import Policy, parse_policy
from winnower.policies_loader import Loaded, Loader


def text(ident: str, title: str = "t") -> str:
    head = f"---\nid: {ident}\ntitle: {title}\nseverity: high\ntechnique: T1059\nfalse_positives: none\n---\n"
    return head + "MATCH (p:Process) RETURN p.name AS name\n"


BAD = "---\nid: Not An Id\ntitle: t\nseverity: worst\n---\nMATCH (p:Process RETURN p\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    for name in ("a", "b", "c"):
        (made / f"{name}.cypher").write_text(text(name))
    return made


def load(loader: Loader, *paths: Path) -> Loaded:
    return loader.load(paths, shipped=False)


def ids(loaded: Loaded) -> list[str]:
    return [one.id for one in loaded.policies]


def test_a_bad_file_at_the_start_is_left_out_and_all_its_errors_are_said(folder: Path) -> None:
    (folder / "b.cypher").write_text(BAD)
    loaded = load(Loader(), folder)
    assert ids(loaded) == ["a", "c"]
    assert [name for name, _ in loaded.texts] == ["a.cypher", "c.cypher"]
    (problem,) = loaded.problems
    assert (problem.file, problem.kept) == (str(folder / "b.cypher"), False)
    assert len(problem.lines) >= 4
    assert all(line.startswith(f"{folder}/b.cypher:") for line in problem.lines)
    with pytest.raises(PolicyErrors):
        loaded.strict()
    json.dumps(loaded.value())


def test_a_file_that_goes_bad_stays_in_force_as_it_was(folder: Path) -> None:
    loader = Loader()
    load(loader, folder)
    (folder / "a.cypher").write_text(text("a", "newer"))
    (folder / "b.cypher").write_text(BAD)
    loaded = load(loader, folder)
    assert [(one.id, one.title) for one in loaded.policies] == [("a", "newer"), ("b", "t"), ("c", "t")]
    assert dict(loaded.texts)["b.cypher"] == text("b")
    assert [one.kept for one in loaded.problems] == [True]
    (folder / "b.cypher").write_text(text("b", "mended"))
    assert [one.title for one in load(loader, folder).policies] == ["newer", "mended", "t"]
    assert load(loader, folder).strict().problems == ()


def test_a_file_that_is_gone_is_gone_a_new_one_is_there(folder: Path) -> None:
    loader = Loader()
    load(loader, folder)
    (folder / "a.cypher").unlink()
    (folder / "d.cypher").write_text(text("d"))
    assert ids(load(loader, folder)) == ["b", "c", "d"]


def test_a_folder_that_is_gone_for_a_moment_takes_nothing_away(folder: Path) -> None:
    loader = Loader()
    load(loader, folder)
    folder.rename(folder.with_name("away"))
    loaded = load(loader, folder)
    assert ids(loaded) == ["a", "b", "c"]
    assert [(one.file, one.kept) for one in loaded.problems] == [(str(folder), True)]
    folder.with_name("away").rename(folder)
    assert load(loader, folder).problems == ()


def test_of_two_with_one_id_the_first_counts(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.cypher").write_text(text("b", "mine"))
    loaded = load(Loader(), tmp_path / "mine.cypher", folder)
    assert [(one.id, one.title) for one in loaded.policies] == [("b", "mine"), ("a", "t"), ("c", "t")]
    (problem,) = loaded.problems
    assert "two policies have one id: 'b' (see " in problem.lines[0]


def test_with_those_that_come_with_winnower_an_own_one_cannot_take_the_place_of_one(folder: Path) -> None:
    shipped = Loader().load([])
    assert len(shipped.policies) >= 25
    assert shipped.problems == ()
    (folder / "a.cypher").write_text(text(shipped.policies[0].id))
    loaded = Loader().load([folder])
    assert len(loaded.policies) == len(shipped.policies) + 2
    assert len(loaded.problems) == 1


@pytest.mark.parametrize("content", [b"\xff", b"x" * (1 << 20) + b"y", b"", b"---\n", b"\0" * 100])
def test_whatever_a_file_holds_the_others_are_loaded(folder: Path, content: bytes) -> None:
    (folder / "b.cypher").write_bytes(content)
    loaded = load(Loader(), folder)
    assert ids(loaded) == ["a", "c"]
    assert loaded.problems[0].lines[0].startswith(f"{folder}/b.cypher:")


def test_what_is_no_file_is_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "b.cypher").unlink()
    (folder / "b.cypher").mkdir()
    (tmp_path / "empty").mkdir()
    loaded = load(Loader(), folder, tmp_path / "none.cypher", tmp_path / "empty")
    assert ids(loaded) == ["a", "c"]
    assert len(loaded.problems) == 3


def test_a_bug_of_the_parser_stops_nothing_either(folder: Path) -> None:
    def parse(content: str, file: str) -> Policy:
        if file.endswith("b.cypher"):
            raise RecursionError("deep")
        return parse_policy(content, file)

    loaded = load(Loader(parse), folder)
    assert ids(loaded) == ["a", "c"]
    assert "cannot be checked: RecursionError" in loaded.problems[0].lines[0]


def test_what_has_not_changed_is_not_read_again(folder: Path) -> None:
    parsed: list[str] = []

    def parse(content: str, file: str) -> Policy:
        parsed.append(Path(file).name)
        return parse_policy(content, file)

    loader = Loader(parse)
    load(loader, folder)
    (folder / "c.cypher").write_text(text("c", "newer"))
    load(loader, folder)
    assert parsed == ["a.cypher", "b.cypher", "c.cypher", "c.cypher"]


changes = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["good", "bad", "gone"])), max_size=12)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(played=changes)
def test_what_is_in_force_is_the_last_good_version_of_each_file(
    tmp_path_factory: pytest.TempPathFactory, played: list[tuple[str, str]]
) -> None:
    """After any changes, of every file that is there the last version that was good and loaded is in force."""
    folder, loader, expected = tmp_path_factory.mktemp("p"), Loader(), dict[str, str]()
    (folder / "z.cypher").write_text(text("z"))
    for number, (name, what) in enumerate(played):
        path = folder / f"{name}.cypher"
        if what == "gone":
            path.unlink(missing_ok=True)
            expected.pop(name, None)
        else:
            path.write_text(text(name, f"v{number}") if what == "good" else BAD)
            expected |= {name: f"v{number}"} if what == "good" else {}
        loaded = load(loader, folder)
        assert {one.id: one.title for one in loaded.policies} == expected | {"z": "t"}
