"""`winnower grammar` with presets, deltas, merges and pictures; bad files of every kind end in one located line."""

from __future__ import annotations

import io
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from stage import Stage

from grammar.nodelink import Edge, LabelledGraph, to_json
from winnower import grammar_command, grammar_files

FORK, READ, WRITE = "WAS_TRIGGERED_BY/fork", "USED/read", "WAS_GENERATED_BY/write"
SHIPPED = Path(__file__).resolve().parents[2] / "winnower" / "recording"
PRESETS = ["multiset", "set", "causes"]
presets = pytest.mark.parametrize("preset", PRESETS)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(grammar_command.grammar, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def written(path: Path, labels: Sequence[str], *edges: tuple[int, int] | tuple[int, int, str]) -> Path:
    path.write_bytes(to_json(LabelledGraph(tuple(range(len(labels))), tuple(labels), tuple(Edge(*e) for e in edges))))
    return path


def chain(folder: Path, labels: Sequence[str], name: str) -> Path:
    return written(folder / name, labels, *((n + 1, n) for n in range(len(labels) - 1)))


def request(folder: Path, files: str, *, shell: bool = False) -> Path:
    labels = ["Process server", "Process worker", *(f"File /srv/{name}" for name in files), "File /log"]
    edges = [(1, 0, FORK), *((1, 2 + n, READ) for n in range(len(files))), (len(labels) - 1, 1, WRITE)]
    if shell:
        labels.append("Process sh")
        edges.append((len(labels) - 1, 1, FORK))
    return written(folder / f"{files}{'-shell' * shell}.json", labels, *edges)


def server(folder: Path, name: str = "model") -> Path:
    model = folder / name
    graphs = [request(folder, files) for files in ("abc", "bcd", "ad")]
    done("learn", *graphs, "--preset", "causes", "-o", model)
    return model


def test_four_files_are_accepted_and_a_shell_is_not(tmp_path: Path) -> None:
    model = server(tmp_path)
    assert done("accepts", model, request(tmp_path, "abcd")) == "member\n"
    result = run("accepts", model, request(tmp_path, "abcd", shell=True))
    assert result.exit_code == 1
    assert result.stdout == (
        "non-member: 1 vertex does not fit\n  7 with label 'Process sh': unknown label, "
        "new edge 'WAS_TRIGGERED_BY/fork' to 1 ('Process worker')\n"
    )


def test_a_longer_job_and_a_cyclic_graph_are_accepted_by_causes(tmp_path: Path) -> None:
    model = tmp_path / "m"
    ring = written(tmp_path / "ring.json", ["Process p", "File /f"], (0, 1, READ), (1, 0, WRITE))
    short = chain(tmp_path, ["in", *["map", "reduce"] * 3], "short.json")
    done("learn", short, ring, "--preset", "causes", "-o", model)
    assert run("delta", model, chain(tmp_path, ["in", "map"], "part.json"), "-o", tmp_path / "d").exit_code == 0
    assert run("accepts", model, chain(tmp_path, ["in", *["map", "reduce"] * 40], "long.json")).exit_code == 0
    assert run("accepts", model, ring).exit_code == 0
    assert run("accepts", model, chain(tmp_path, ["in", "reduce"], "wrong.json")).exit_code == 1


def test_the_edges_of_a_dump_are_read_by_relation_and_operation(tmp_path: Path) -> None:
    nodes = [{"id": "w/1", "label": "Process a", "state": "x", "object": "o"}, {"id": "w/2", "label": "File /b"}]
    edge = {"source": "w/1", "target": "w/2", "relation": "USED", "operation": "read", "time": 1.5}
    dump, model = tmp_path / "web.instance.json", tmp_path / "m"
    dump.write_text(
        json.dumps({"directed": True, "multigraph": True, "graph": {}, "nodes": nodes, "edges": [edge] * 9})
    )
    assert "2 states, 1 transition (unmerged 2 and 1), 4.000 bits (unmerged 4.000), 1 graph\n" in done(
        "learn", dump, "--preset", "causes", "-o", model
    )
    assert "USED/read" in done("show", model)


@presets
def test_a_delta_is_merged_and_then_the_graph_is_a_member(preset: str, tmp_path: Path) -> None:
    model, after, again, delta = (tmp_path / name for name in ("m", "n", "o", "d"))
    done("learn", request(tmp_path, "abc"), "--preset", preset, "-o", model)
    attack = request(tmp_path, "abc", shell=True)
    told = done("delta", model, attack, "-o", delta)
    assert told.startswith(f"{delta}: ")
    assert "nothing" not in told
    done("merge", model, delta, "-o", after)
    assert run("accepts", after, attack).exit_code == 0
    assert run("accepts", after, request(tmp_path, "abc")).exit_code == 0
    done("merge", model, delta, delta, "-o", again)
    assert again.read_bytes() == after.read_bytes()
    done("merge", after, delta, "-o", again)
    assert again.read_bytes() == after.read_bytes()


def test_a_delta_of_causes_says_how_much_is_new(tmp_path: Path) -> None:
    told = done("delta", server(tmp_path), request(tmp_path, "abc", shell=True), "-o", tmp_path / "d")
    assert told == f"{tmp_path / 'd'}: 1 state and 1 transition are new\n"


def test_a_member_adds_nothing_new_and_stays_one_whatever_is_learned_later(tmp_path: Path) -> None:
    """What it shows for the first time is kept as a witness."""
    model, delta = server(tmp_path), tmp_path / "d"
    member = request(tmp_path, "abcd")
    assert done("delta", model, member, "-o", delta) == f"{delta}: member: nothing to add\n"
    before = model.read_bytes()
    done("merge", model, delta, "-o", model)
    assert model.read_bytes() != before
    done("delta", model, member, "-o", delta)
    before = model.read_bytes()
    done("merge", model, delta, "-o", model)
    assert model.read_bytes() == before
    done("delta", model, request(tmp_path, "bc", shell=True), "-o", delta)
    done("merge", model, delta, "-o", model)
    assert run("accepts", model, member).exit_code == 0


@presets
def test_a_member_has_an_empty_delta_that_changes_nothing(preset: str, tmp_path: Path) -> None:
    graph, model, delta, after = request(tmp_path, "abc"), tmp_path / "m", tmp_path / "d", tmp_path / "n"
    done("learn", graph, "--preset", preset, "-o", model)
    assert done("delta", model, graph, "-o", delta) == f"{delta}: member: nothing to add\n"
    done("merge", model, delta, "-o", after)
    assert after.read_bytes() == model.read_bytes()


@presets
def test_merging_has_no_order_and_a_model_with_itself_is_itself(preset: str, tmp_path: Path) -> None:
    graphs = [request(tmp_path, files) for files in ("a", "ab", "abc")]
    models = [tmp_path / f"m{n}" for n in range(3)]
    for graph, model in zip(graphs, models, strict=True):
        done("learn", graph, "--preset", preset, "-o", model)
    whole, other, itself = tmp_path / "whole", tmp_path / "other", tmp_path / "itself"
    done("learn", *graphs, "--preset", preset, "-o", whole)
    done("merge", *models, "-o", other)
    assert other.read_bytes() == whole.read_bytes()
    done("merge", *reversed(models), models[1], "-o", other)
    assert other.read_bytes() == whole.read_bytes()
    done("merge", models[0], models[0], "-o", itself)
    assert itself.read_bytes() == models[0].read_bytes()


def test_what_cannot_be_merged_is_refused_with_the_file(tmp_path: Path) -> None:
    model, other, third, delta = (tmp_path / name for name in ("m", "o", "t", "d"))
    graph = request(tmp_path, "ab")
    done("learn", graph, "-o", model)
    done("learn", graph, "--preset", "set", "-o", other)
    done("learn", request(tmp_path, "abc"), "-o", third)
    done("delta", model, request(tmp_path, "abcd"), "-o", delta)
    assert refused("merge", model, other, "-o", tmp_path / "x") == (
        f"{other}: models of different presets cannot be merged: 'multiset and set'\n"
    )
    line = refused("merge", third, delta, "-o", tmp_path / "x")
    assert line.startswith(f"{delta}: a delta against ")
    assert ", not against " in line
    assert refused("merge", delta, model, "-o", tmp_path / "x").startswith(f"{delta}: a delta cannot come first")
    assert refused("accepts", delta, graph).startswith(f"{delta}: a delta, not a model")
    assert refused("show", graph).startswith(f"{graph}: not a model of winnower grammar")
    one, two = tmp_path / "one", tmp_path / "two"
    done("learn", graph, "--preset", "causes", "-o", one)
    done("learn", graph, "--preset", "causes", "--tracing", 2, "-o", two)
    assert refused("merge", one, two, "-o", tmp_path / "x").startswith(
        f"{two}: models learned with different --tracing"
    )
    assert not (tmp_path / "x").exists()


def test_a_merge_that_the_limit_ended_says_so_and_takes_a_larger_one(tmp_path: Path) -> None:
    model, after = tmp_path / "m", tmp_path / "n"
    run("learn", chain(tmp_path, "aaaaaa", "g.json"), "--limit", 1, "-o", model)
    assert "stopped at --limit 1" in run("merge", model, "-o", after).stderr
    assert after.read_bytes() == model.read_bytes()
    assert run("merge", model, "--limit", 1000, "-o", after).stderr == ""


def test_a_newer_model_is_refused_as_one(tmp_path: Path) -> None:
    model = server(tmp_path)
    model.write_text(json.dumps(json.loads(model.read_bytes()) | {"version": 99}))
    line = f"{model}: a model of a newer version: '99' (this reads up to version 1: upgrade winnower)\n"
    for arguments in (("accepts", model, request(tmp_path, "a")), ("show", model), ("merge", model, "-o", "x")):
        assert refused(*arguments) == line


def test_options_that_a_preset_does_not_have_are_bad_usage(tmp_path: Path) -> None:
    graph = request(tmp_path, "a")
    assert run("learn", graph, "--limit", 2**64, "-o", tmp_path / "m").exit_code == 0
    for options in (
        ("--tracing", 1),
        ("--preset", "set", "--tracing", 1),
        ("--preset", "causes", "--limit", 1),
        ("--preset", "causes", "--tracing", "nan"),
        ("--preset", "causes", "--tracing", "inf"),
        ("--preset", "causes", "--tracing", -1),
        ("--preset", "causes", "--tracing", "1e10"),
        ("--limit", -1),
        ("--preset", "other"),
    ):
        assert run("learn", graph, *options, "-o", tmp_path / "m").exit_code == 2


def test_a_table_is_one_line_per_state_and_begins_with_the_rarest_if_asked(tmp_path: Path) -> None:
    model, path = tmp_path / "m", f"File /srv/{'long-name/' * 8}x"
    for number in range(3):
        written(tmp_path / f"{number}", ["Process p", path, *["File /once"] * (number == 2)], (0, 1, READ))
    done("learn", *(tmp_path / str(number) for number in range(3)), "--preset", "causes", "-o", model)
    lines = done("show", model, "--format", "table", "--rare").splitlines()
    assert lines[0] == "preset causes: 3 states, 1 arrow, 0 loops of several states"
    assert [line.split()[0] for line in lines[1:]] == ["graphs", "1", "2", "2"]  # two of the three are the same
    assert lines[2].rstrip().endswith("File /once")
    assert any(line.rstrip().endswith(path) for line in lines)
    cut = done("show", model, "--format", "table", "--rows", 1).splitlines()
    assert len(cut) == 4
    assert cut[3] == "... and 2 more (--rows 3 shows all, --rare the rarest first)"
    assert run("show", model, "--rare").exit_code == 2


@pytest.fixture(scope="module")
def containers(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The shipped recording's web servers, a graph file for each."""
    whole = json.loads((stage.play(SHIPPED, 10_000, dump=True).dump / "web.instance.json").read_bytes())
    parts: dict[str, dict[str, list[object]]] = {}
    for kind, end in (("nodes", "id"), ("edges", "source")):
        for value in whole[kind]:
            container = value[end].split("/")[1]
            parts.setdefault(container, {"nodes": [], "edges": []})[kind].append(value)
    folder = tmp_path_factory.mktemp("containers")
    for container, part in parts.items():
        (folder / container).write_text(json.dumps(part))
    return {container: folder / container for container in sorted(parts)}


def test_the_attacked_web_server_is_refused_and_its_replicas_hardly(
    containers: dict[str, Path], tmp_path: Path
) -> None:
    """Each against a model of the seven others: vertices that do not fit, by container (of four, to save time)."""
    assert len(containers) == 8
    blamed = {}
    for container in ("web12", "web22", "web31", "web42"):
        others = [path for name, path in containers.items() if name != container]
        done("learn", *others, "--preset", "causes", "-o", tmp_path / "m")
        said = run("accepts", tmp_path / "m", containers[container]).stdout.split()
        blamed[container] = int(said[1]) if said[0] == "non-member:" else 0
    assert blamed.pop("web31") > 20
    assert sum(blamed.values()) <= 5
    done("learn", *containers.values(), "--preset", "causes", "-o", tmp_path / "m")
    rarest = done("show", tmp_path / "m", "--format", "table", "--rare")
    assert "File /etc/shadow" in rarest


def test_labels_that_no_model_can_hold_are_refused_with_the_file(tmp_path: Path) -> None:
    graph = written(tmp_path / "g.json", ["\ud800"])
    assert refused("learn", graph, "--preset", "causes", "-o", tmp_path / "m").startswith(f"{graph}: a label that no ")


@presets
def test_a_picture_goes_to_the_terminal_or_to_a_file(preset: str, tmp_path: Path) -> None:
    model, picture = tmp_path / "m", tmp_path / "m.dot"
    hostile = 'File "];\n evil\\'
    graph = written(tmp_path / "g.json", [hostile, "Process map", "Process map"], (1, 0, READ), (2, 1, FORK))
    done("learn", graph, "--preset", preset, "-o", model)
    dot = done("show", model)
    assert dot.startswith("digraph model {\n")
    assert '\\"];\\\\n evil\\\\' in dot
    assert done("show", model, "-o", picture) == ""
    assert picture.read_text() == dot
    value = json.loads(done("show", model, "--format", "json"))
    assert hostile in {node["label"] for node in value["nodes"]}
    table = done("show", model, "--format", "table")
    assert table.startswith(f"preset {preset}: ")
    assert 'File "];\\n evil\\' in table
    if (program := shutil.which("dot")) is not None:
        subprocess.run([program, "-Tsvg", "-o", tmp_path / "m.svg", picture], check=True)


@pytest.mark.parametrize("preset", ["multiset", "causes"])
def test_a_million_parallel_edges_take_seconds_and_bounded_memory(preset: str, tmp_path: Path) -> None:
    graph, model = tmp_path / "g.json", tmp_path / "m"
    edge = '{"source": 0, "target": 1}'
    nodes = '{"id": 0, "label": "a"}, {"id": 1, "label": "b"}'
    graph.write_text(f'{{"nodes": [{nodes}], "edges": [{", ".join([edge] * 1_000_000)}]}}')
    code = (
        "import resource, sys; from winnower.grammar_command import grammar;"
        f"resource.setrlimit(resource.RLIMIT_AS, ({3 << 29}, {3 << 29}));"
        "grammar(sys.argv[1:])"
    )
    assert resource.RLIMIT_AS is not None
    started = time.monotonic()
    for arguments in (["learn", graph, "--preset", preset, "-o", model], ["accepts", model, graph]):
        result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
    assert time.monotonic() - started < 90


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_end_in_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    """Random and damaged files in the place of graph and model: 0, 1 or 2, and a line for 2."""
    good = {name: tmp_path / name for name in ("graph", "trees", "causes", "delta")}
    if not good["graph"].exists():
        shutil.copy(request(tmp_path, "ab"), good["graph"])
        done("learn", good["graph"], "-o", good["trees"])
        done("learn", good["graph"], "--preset", "causes", "-o", good["causes"])
        done("delta", good["causes"], request(tmp_path, "abc"), "-o", good["delta"])
    whole = good[data.draw(st.sampled_from(sorted(good)))].read_bytes()
    at, more = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 9))
    damaged = whole[:at] + data.draw(st.binary(max_size=5)) + whole[at + more :]
    bad = tmp_path / "bad"
    bad.write_bytes(data.draw(st.sampled_from([damaged, data.draw(st.binary(max_size=30))])))
    out, graph = tmp_path / "out", good["graph"]
    for arguments in (
        ("learn", bad, "--preset", data.draw(st.sampled_from(PRESETS)), "-o", out),
        ("accepts", bad, graph),
        ("accepts", good[data.draw(st.sampled_from(["trees", "causes"]))], bad),
        ("delta", bad, graph, "-o", out),
        ("merge", good["causes"], bad, "-o", out),
        ("show", bad),
    ):
        result = run(*arguments)
        assert result.exit_code in (0, 1, 2)
        assert result.exit_code != 2 or str(bad) in result.stderr


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal in (False, True):
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=is_terminal)
        monkeypatch.setattr(grammar_files, "errors", lambda console=console: console)
        monkeypatch.setattr(grammar_files, "PATIENCE", 0.0)
        with grammar_files.progress("learning") as tell:
            tell("17 bits")
            time.sleep(0.2)
        assert ("learning: 17 bits" in screen.getvalue()) == is_terminal
