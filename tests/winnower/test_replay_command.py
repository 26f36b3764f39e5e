"""Bad input is one located line and exit 2, and leaves nothing behind; damage within a log is counted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scribe import Scribe, ordinary
from stage import Answer, left_in

from grammar import InputError
from winnower.replay_command import duration

Winnower = Callable[..., Answer]


def outputs(tmp_path: Path) -> list[str | Path]:
    out = tmp_path / "out"
    return ["--state", out / "state", "--report", out / "new" / "report.json", "--dump", out / "dump"]


def assert_refused(answer: Answer, *told: str) -> None:
    assert answer.code == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert "\x1b" not in answer.err
    for text in told:
        assert text in answer.err


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def no_log(folder: Path) -> None:
    (folder / "worker1" / "audit.log.zst").unlink()


def truncated(folder: Path) -> None:
    log = folder / "worker1" / "audit.log.zst"
    log.write_bytes(log.read_bytes()[:-20])


def damaged(folder: Path) -> None:
    log = folder / "worker1" / "audit.log.zst"
    data = bytearray(log.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    log.write_bytes(data)


def not_packed(folder: Path) -> None:
    (folder / "worker1" / "audit.log.zst").write_bytes(b"type=SYSCALL msg=audit(1.000:1): plain text")


def rubbish(folder: Path) -> None:
    no_log(folder)
    (folder / "worker1" / "audit.log").write_bytes(bytes(range(256)) * 400)


def no_containers(folder: Path) -> None:
    (folder / "containers.json").unlink()


def not_json(folder: Path) -> None:
    (folder / "containers.json").write_text('[\n {"Id": oops}]')


def other_json(folder: Path) -> None:
    (folder / "containers.json").write_text('{"Id": 1}')


def no_recording(folder: Path) -> None:
    (folder / "recording.json").unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (no_folder, ("recording:", "no such recording")),
        (no_log, ("audit.log.zst:", "missing log")),
        (truncated, ("audit.log.zst:", "truncated")),
        (damaged, ("audit.log.zst:", "zstd data")),
        (not_packed, ("audit.log.zst:", "zstd data")),
        (rubbish, ("audit.log:1:", "not one audit event")),
        (no_containers, ("containers.json:", "missing file")),
        (not_json, ("containers.json:2:9:", "not JSON")),
        (other_json, ("containers.json:1:1:", "JSON array")),
        (no_recording, ("recording.json:", "missing file")),
    ],
)
def test_a_recording_that_cannot_be_read_is_refused_and_leaves_nothing(
    scribe: Scribe, tmp_path: Path, winnower: Winnower, damage: Callable[[Path], None], told: tuple[str, str]
) -> None:
    folder = ordinary(scribe).save()
    damage(folder)
    before = left_in(tmp_path)
    assert_refused(winnower("replay", folder, *outputs(tmp_path)), f"{folder.parent}", *told)
    assert left_in(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--epoch", "soon"], "not a length of time: 'soon'"),
        (["--epoch", "0s"], "not a length of time: '0s'"),
        (["--epoch", "\x1b[31m"], "not a length of time: '\\x1b[31m'"),
        (["--settle", "-1s"], "not a length of time"),
        (["--few", "nan"], "not a share: 'nan'"),
        (["--few", "2"], "not a share"),
        (["--few", "many"], "'many' is not a valid float"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_bad_option_is_refused_and_leaves_nothing(
    scribe: Scribe, tmp_path: Path, winnower: Winnower, arguments: list[str], what: str
) -> None:
    folder = ordinary(scribe).save()
    before = left_in(tmp_path)
    assert_refused(winnower("replay", folder, *outputs(tmp_path), *arguments), what)
    assert left_in(tmp_path) == before


def test_a_policy_that_does_not_parse_is_refused_with_line_and_column(
    scribe: Scribe, tmp_path: Path, winnower: Winnower
) -> None:
    folder = ordinary(scribe).save()
    bad = tmp_path / "bad.cypher"
    head = "id: bad\ntitle: t\nseverity: low\ntechnique: T1000\nfalse_positives: none known"
    bad.write_text(f"---\n{head}\n---\nMATCH (f:File RETURN f\n")
    before = left_in(tmp_path)
    assert_refused(winnower("replay", folder, *outputs(tmp_path), "--policy", bad), f"{bad}:8:")
    assert_refused(winnower("replay", folder, *outputs(tmp_path), "--policy", tmp_path / "none.cypher"), "none.cypher")
    assert left_in(tmp_path) == before


def test_a_state_folder_that_holds_something_else_is_refused_and_kept(
    scribe: Scribe, tmp_path: Path, winnower: Winnower
) -> None:
    folder = ordinary(scribe).save()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("mine")
    before = left_in(tmp_path)
    assert_refused(winnower("replay", folder, "--state", tmp_path / "home"), f"{tmp_path / 'home'}: ", "something else")
    assert_refused(winnower("replay", folder, "--state", tmp_path / "home" / "letter.txt"), "not a folder")
    assert left_in(tmp_path) == before


@pytest.mark.parametrize("option", ["--report", "--dump", "--state"])
def test_a_place_that_cannot_be_written_is_found_out_before_the_work(
    scribe: Scribe, tmp_path: Path, winnower: Winnower, option: str
) -> None:
    folder = ordinary(scribe).save()
    (tmp_path / "file").write_text("x")
    before = left_in(tmp_path)
    answer = winnower("replay", folder, *outputs(tmp_path), option, tmp_path / "file" / "below" / "it")
    assert_refused(answer, str(tmp_path / "file"))
    assert left_in(tmp_path) == before


def test_a_report_that_is_a_folder_and_a_dump_that_is_a_file_are_refused(
    scribe: Scribe, tmp_path: Path, winnower: Winnower
) -> None:
    folder = ordinary(scribe).save()
    (tmp_path / "file").write_text("x")
    before = left_in(tmp_path)
    assert_refused(winnower("replay", folder, "--state", tmp_path / "s", "--report", folder), "is a folder")
    assert_refused(
        winnower("replay", folder, "--state", tmp_path / "s", "--dump", tmp_path / "file"), "is not a folder"
    )
    assert left_in(tmp_path) == before


def test_damaged_records_are_counted_and_the_rest_is_processed(
    scribe: Scribe, tmp_path: Path, winnower: Winnower
) -> None:
    ordinary(scribe)
    scribe.lines[30] = b"\xff\x00 rubbish"
    scribe.writes(101, "/usr/bin/implant")
    folder = scribe.save(packed=False)
    log = folder / "worker1" / "audit.log"
    log.write_bytes(log.read_bytes()[:-30])
    answer = winnower("replay", folder, *outputs(tmp_path))
    assert answer.code == 0
    assert "truncated 1" in answer.out
    assert "unparsable 1" in answer.out
    assert "write-below-binary-directory" in answer.out


def test_what_is_left_is_what_was_asked_for(scribe: Scribe, tmp_path: Path, winnower: Winnower) -> None:
    folder = ordinary(scribe).save()
    assert winnower("replay", folder, *outputs(tmp_path)).code == 0
    dumped = ["dump", "dump/web.instance.json", "dump/web.model.json"]
    assert left_in(tmp_path / "out") == [*dumped, "new", "new/report.json", "state", "state/monitor.sqlite"]


def test_report_and_dump_may_lie_in_the_state_folder(scribe: Scribe, tmp_path: Path, winnower: Winnower) -> None:
    folder, state = ordinary(scribe).save(), tmp_path / "s"
    for _ in range(2):
        assert (
            winnower("replay", folder, "--state", state, "--report", state / "r.json", "--dump", state / "d").code == 0
        )
        assert left_in(state) == ["d", "d/web.instance.json", "d/web.model.json", "monitor.sqlite", "r.json"]


def test_the_summary_says_what_came_what_went_and_what_was_lost(
    scribe: Scribe, tmp_path: Path, winnower: Winnower
) -> None:
    folder = ordinary(scribe).save()
    out = winnower("replay", folder, "--state", tmp_path / "s").out
    assert "from 1 workers" in out
    assert "2 replicas" in out
    assert "nothing" in out
    assert "no alerts" in out


@pytest.mark.parametrize(("text", "millis"), [("10s", 10_000), ("500ms", 500), ("2m", 120_000), (" 7 ".strip(), 7_000)])
def test_lengths_of_time(text: str, millis: int) -> None:
    assert duration(text) == millis


@pytest.mark.parametrize("text", ["", "s", "1d", "99ms", "-5s", "1.5s", "999999999m", "\u0661s"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InputError, match="not a length of time"):
        duration(text)


@pytest.mark.parametrize("name", ["\udcff", "\ud800", "a\nb\tc", "", "x" * 9000])
def test_any_name_of_a_container_passes(scribe: Scribe, tmp_path: Path, winnower: Winnower, name: str) -> None:
    ordinary(scribe)
    scribe.containers[0]["Name"] = name
    scribe.containers[1]["Config"] = {"Labels": {"com.docker.compose.service": name}}
    scribe.writes(101, "/usr/bin/implant")
    answer = winnower("replay", scribe.save(), *outputs(tmp_path))
    assert (answer.code, answer.err) == (0, "")
    assert "ALERT web / worker1 / " in answer.out


def test_thresholds_are_options(scribe: Scribe, tmp_path: Path, winnower: Winnower) -> None:
    scribe.contain("web1", 100)
    scribe.execs(100, 1, "/bin/server")
    for name in ("aa", "bb", "cc", "dd"):
        scribe.reads(100, f"/srv/{name}")
    folder = scribe.save()
    counts = {}
    for tau in (2, 400):
        state = tmp_path / str(tau)
        assert winnower("replay", folder, "--state", state, "--tau-file", tau).code == 0
        counts[tau] = winnower("nodes", "--state", state, "--app", "web", "path=/srv/*").out.count("File /srv/")
    assert counts == {2: 1, 400: 4}
    assert_refused(winnower("replay", folder, "--state", tmp_path / "no", "--tau-sock", 0), "tau-sock")
