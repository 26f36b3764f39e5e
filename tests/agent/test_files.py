"""Files are remembered by path, a bounded number of them; a name that comes back is another object."""

from __future__ import annotations

import pytest

from agent import files
from agent.files import Files, path_of
from agent.loss import Loss
from agent.upg import Actor, Artifact, Vertex


def artifact(path: str, written: bool = False) -> Artifact:
    one = Artifact("File", f"File {path}", f"{path}#1")
    if written:
        one.known[Vertex("P", (), "1", 0)] = 1
    return one


def test_what_is_put_is_found_until_it_is_dropped() -> None:
    known = Files(Loss())
    a = known.put("/a", artifact("/a"))
    assert known.get("/a") is a
    known.drop("/a")
    known.drop("/a")
    assert known.get("/a") is None


def test_what_is_used_survives_and_what_is_not_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GENERATION", 4)
    known = Files(Loss())
    kept = known.put("/kept", artifact("/kept"))
    known.put("/idle", artifact("/idle"))
    for number in range(100):
        known.put(f"/{number}", artifact(f"/{number}"))
        assert known.get("/kept") is kept
        assert len(known) <= 2 * 4 + 1
    assert known.get("/idle") is None


def test_forgetting_a_written_file_is_a_loss_and_a_read_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GENERATION", 4)
    loss = Loss()
    known = Files(loss)
    known.put("/read", artifact("/read"))
    known.put("/written", artifact("/written", written=True))
    for number in range(20):
        known.put(f"/{number}", artifact(f"/{number}"))
    assert loss == {"files_evicted": 1}


def test_a_path_is_in_one_generation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GENERATION", 2)
    known = Files(Loss())
    for path in ("/a", "/b", "/c", "/a", "/b"):
        known.put(path, artifact(path))
    assert len(known) == len({path for path, _ in known.below("/")})


def test_below_is_by_path_component() -> None:
    known = Files(Loss())
    for path in ("/a/x", "/a/b/y", "/ab", "/a"):
        known.put(path, artifact(path))
    assert {path for path, _ in known.below("/a")} == {"/a/x", "/a/b/y"}


def test_identities_are_never_given_twice() -> None:
    known = Files(Loss())
    assert [known.ident("/a"), known.ident("/a#1"), known.ident("/a")] == ["/a#1", "/a#1#2", "/a#3"]
    assert path_of(Artifact("File", "", "/a#1#2")) == "/a#1"
    assert path_of(Artifact("Socket", "", "socket:1@1:2")) is None
    assert path_of(None) is None


def test_an_actor_is_not_compared_by_value() -> None:
    """Two actors of one label are two: `own` and `known` rest on identity."""
    one, other = (Actor("P", (), "1", Vertex("P", (), "1", 0)) for _ in "ab")
    assert one != other
