"""Model files: what is written is read; whatever else the bytes are, the answer is a located error or a sound model."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import pytest
from graph_files import chain, made, request
from hypothesis import given
from hypothesis import strategies as st

from grammar.causal import CausalGraph
from grammar.errors import InputError
from grammar.evidence import Evidence
from grammar.learned import PRESETS, Delta
from grammar.learned_causes import Causes
from grammar.learned_trees import Trees, by_digest
from grammar.modelfile import Learned, delta_bytes, model_bytes, read, read_model
from grammar.nodelink import from_json
from grammar.published_search import learn

GRAPHS = [chain("abab"), request("ab")]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def learned(preset: str) -> Learned:
    if preset != "causes":
        return Trees.of(preset, by_digest(GRAPHS, preset))
    evidence = Evidence()
    for graph in GRAPHS:
        evidence.update(CausalGraph.of(graph).evidence())
    return Causes.of(evidence)


MODELS = {preset: learned(preset) for preset in PRESETS}
FILES = [model_bytes(model) for model in MODELS.values()]
FILES += [delta_bytes(model.delta(request("abc", shell=True))) for model in MODELS.values()]


def refused(data: bytes | dict[str, object]) -> str:
    with pytest.raises(InputError) as caught:
        read(data if isinstance(data, bytes) else json.dumps(data).encode(), "m.json")
    assert str(caught.value).startswith("m.json: ")
    return str(caught.value)


def use(data: bytes) -> None:
    """Read, and ask what is found: no other error than one that names the file."""
    try:
        found = read(data, "m.json")
        if not isinstance(found, Delta):
            found.blamed(GRAPHS[0])
            found.picture()
            assert read_model(model_bytes(found), "again").digest == found.digest
    except InputError as error:
        assert str(error).startswith("m.json:")
        assert str(error).isprintable()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_model_survives_writing_and_reading(preset: str) -> None:
    again = read_model(model_bytes(MODELS[preset]), "m.json")
    assert again.digest == MODELS[preset].digest
    assert again.model == MODELS[preset].model
    assert model_bytes(again) == model_bytes(MODELS[preset])


@pytest.mark.parametrize("data", FILES)
def test_a_newer_version_is_refused_as_one(data: bytes) -> None:
    value = json.loads(data)
    newer = refused(value | {"version": value["version"] + 1, "something": "new"})
    assert newer.startswith(f"m.json: a model of a newer version: '{value['version'] + 1}' (this reads up to version ")
    for version in (0, -1, "2", None, True, 1.5, []):
        assert "not the version of a model" in refused(value | {"version": version})


def test_a_model_of_the_first_version_can_be_asked_and_not_merged() -> None:
    old = learn([chain("abab")]).model
    model = read_model(json.dumps(old.to_value()).encode(), "old.json")
    assert not model.blamed(chain("abab"))
    assert model.delta(chain("xx"))
    assert model.picture().nodes[0].graphs == 0
    assert isinstance(model, Trees)
    with pytest.raises(InputError, match=r"^old\.json: a model without its graphs"):
        model.merged([], [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "other"}, "not a model of winnower grammar: 'other'"),
        ({"preset": "causes"}, "unknown preset: 'causes' (known here: multiset, set)"),
        ({"preset": 1}, "not a model: "),
        ({"limit": -1}, "not a model: "),
        ({"extra": 1}, "not a model: "),
        ({"types": []}, "a model that refuses what it was learned from"),
        ({"graphs": [{"nodes": [{"id": 1}], "edges": []}]}, "nodes[0] has no label"),
    ],
)
def test_a_damaged_published_model_is_refused_with_a_reason(change: dict[str, object], says: str) -> None:
    assert says in refused(json.loads(model_bytes(MODELS["multiset"])) | change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"preset": "set"}, "unknown preset"),
        ({"tracing": -1}, "not a model: "),
        ({"tracing": 1e400}, "not a model: "),
        ({"evidence": "no base64"}, "evidence that is not base64"),
        ({"evidence": "\u00e4"}, "evidence that is not base64"),
        ({"evidence": ""}, "evidence"),
        ({"evidence": b64encode(b"\x80" * 9).decode()}, "evidence"),
    ],
)
def test_a_damaged_model_of_causes_is_refused_with_a_reason(change: dict[str, object], says: str) -> None:
    assert says in refused(json.loads(model_bytes(MODELS["causes"])) | change)


def test_a_delta_is_no_model_and_says_its_own_preset() -> None:
    with pytest.raises(InputError, match=r"^m\.json: a delta, not a model"):
        read_model(FILES[-1], "m.json")
    assert "another preset" in refused(json.loads(FILES[-1]) | {"preset": "set"})
    assert "another preset" in refused(json.loads(FILES[-2]) | {"preset": "causes"})


@pytest.mark.parametrize("depth", [*range(900, 1000, 3), 100_000])
def test_deep_nesting_anywhere_is_refused(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    published = '{"format": "winnower-published-model", "version": 2, "forward": [], "backward": [], "types": []'
    for text in (
        deep,
        f'{{"format": {deep}}}',
        f'{published}, "graphs": [{deep}]}}',
        f'{published}, "limit": {deep}}}',
    ):
        refused(text.encode())
    with pytest.raises(InputError):
        from_json(f'{{"nodes": [{deep}], "edges": []}}', "g.json")
    with pytest.raises(InputError):
        from_json(f'{{"nodes": [{{"id": {deep}}}], "edges": []}}', "g.json")


def test_a_file_that_was_cut_anywhere_is_refused_and_so_is_its_evidence() -> None:
    """Every file of every kind at every byte; the packed evidence at every byte, inside of whole JSON."""
    for data in FILES:
        for size in range(len(data) - 1):
            with pytest.raises(InputError, match=r"^m\.json:1:[0-9]+: not JSON: "):
                read(data[:size], "m.json")
        value = json.loads(data)
        for field in ("evidence", "witness"):
            packed = b64decode(value.get(field, ""))
            for size in range(1, len(packed)):
                cut = b64encode(packed[:size]).decode()
                assert refused(value | {field: cut}).startswith("m.json: evidence")


def long_model(rules: int) -> dict[str, object]:
    """A chain that was never folded: every rule needs the one before."""
    chained = [[["a", []], 0], *([["a", [["", state, 1]]], state + 1] for state in range(rules - 1))]
    types = [[state, state] for state in range(rules)]
    return {"format": "winnower-published-model", "forward": chained, "backward": chained, "types": types}


def test_a_model_of_a_hundred_thousand_rules_is_read_and_its_last_rule_is_checked() -> None:
    rules = 100_000
    value = long_model(rules)
    model = read_model(json.dumps(value).encode(), "m.json")
    assert len(model.blamed(chain("a" * 50))) == 50
    assert len(model.picture().nodes) == rules
    whole = long_model(rules)["forward"]
    assert isinstance(whole, list)
    line = refused(value | {"backward": [*whole[:-1], [["a", [["", rules + 5, 1]]], rules - 1]]})
    assert line.startswith(f"m.json: backward[{rules - 1}] is not a transition of a model: 'a'")


def test_rules_and_types_that_make_no_model_are_named_by_their_place() -> None:
    value = long_model(9)
    whole = value["forward"]
    assert isinstance(whole, list)
    for last in (whole[0], [["a", [["", 14, 1]]], 8], [["a", [["", 5, 1]]], 16], [["b", [["", 7, 1]]], 0]):
        line = refused(value | {"forward": [*whole[:-1], last]})
        assert line.startswith("m.json: forward[8] is not a transition of a model: ")
    assert refused(value | {"types": [[0, 0], [9, 0]]}).startswith("m.json: types[1] is not two states of one label: ")


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(data: bytes) -> None:
    use(data)


@given(st.sampled_from(FILES), st.integers(0, 10_000), st.integers(0, 10_000), st.binary(max_size=4))
def test_a_file_with_a_part_replaced_is_refused_or_sound(data: bytes, at: int, length: int, new: bytes) -> None:
    """Cut, overwrite, insert anywhere in a valid file."""
    at %= len(data) + 1
    use(data[:at] + new + data[at + length % 20 :])


@given(st.sampled_from(FILES), st.data())
def test_a_file_with_a_value_replaced_is_refused_or_sound(data: bytes, draw: st.DataObject) -> None:
    """Any JSON value in the place of any other."""
    value = json.loads(data)
    holder, key = None, None
    inner: object = value
    while isinstance(inner, dict | list) and inner and (holder is None or draw.draw(st.booleans())):
        holder = inner
        key = draw.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        inner = holder[key]
    assert holder is not None
    holder[key] = draw.draw(JSON)
    use(json.dumps(value).encode())


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([FILES[2], FILES[-1]]))
def test_damaged_evidence_is_refused_or_sound(at: int, byte: int, data: bytes) -> None:
    """One byte of the packed evidence is another one."""
    value = json.loads(data)
    packed = bytearray(b64decode(value["evidence"]))
    packed[at % len(packed)] = byte
    use(json.dumps(value | {"evidence": b64encode(packed).decode()}).encode())


def test_a_level_that_no_graph_has_does_not_fill_the_memory() -> None:
    evidence = CausalGraph.of(made(["a"])).evidence()
    for held in evidence.seen.values():
        for replica, span in held.items():
            held[replica] = span._replace(level=63)
    try:
        data = model_bytes(Causes.of(evidence))
    except InputError:
        return
    use(data)
