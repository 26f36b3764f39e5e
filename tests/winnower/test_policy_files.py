"""Policy files are read whole or refused with every error located."""

from pathlib import Path

import pytest
from written import graph, write

from grammar.errors import InputError
from policies import PolicyErrors
from winnower.policy_files import MAX_POLICY, graphs_of, load_policies, read_text


def test_folders_are_loaded_in_order_and_ids_are_unique(tmp_path: Path) -> None:
    one, two = write(tmp_path, "a"), write(tmp_path, "b")
    assert [p.id for p in load_policies([tmp_path])] == ["a", "b"]
    assert load_policies([]) == ()
    two.write_text(one.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(PolicyErrors, match="two policies have one id"):
        load_policies([tmp_path])


def test_errors_of_several_files_are_one_exception(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name).write_text("", encoding="utf-8")
    with pytest.raises(PolicyErrors) as caught:
        load_policies([tmp_path])
    assert [error.file for error in caught.value.errors] == [str(tmp_path / "a.cypher"), str(tmp_path / "b.cypher")]


def test_a_folder_without_policies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without policies"):
        load_policies([tmp_path])


def test_numbered_graphs_are_read_with_the_first(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    for name in ("a.match.1.json", "a.match.3.json", "a.benign.2.json", "a.match.x.json"):
        graph(tmp_path / name, "/x")
    found = graphs_of(file)
    assert [name for name, _ in found.must] == ["a.match.json", "a.match.1.json", "a.match.3.json"]
    assert [name for name, _ in found.must_not] == ["a.benign.json", "a.benign.2.json"]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"nodes": [' + "9" * 5000 + "]}", "[]"])
def test_a_bad_graph_is_bad_input(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, "a")
    (tmp_path / "a.match.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        graphs_of(file)
    assert str(caught.value).startswith(str(tmp_path / "a.match.json"))


def test_a_missing_graph_is_bad_input(tmp_path: Path) -> None:
    file = write(tmp_path, "a")
    (tmp_path / "a.benign.json").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        graphs_of(file)


def test_text_is_bounded_utf8_of_a_file(tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.write_bytes(b"ab\n\xff")
    with pytest.raises(InputError, match=r"x:2:1: not UTF-8: '\\xff'"):
        read_text(place, MAX_POLICY)
    with pytest.raises(InputError, match="more than 3 bytes"):
        read_text(place, 3)
    with pytest.raises(InputError, match="not a file"):
        read_text(tmp_path, MAX_POLICY)
