"""Where a container's files are on the host, as /proc, engines' files and `inspect` say it.

Source: agent/logfiles_places.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.logfiles_places import Places, inspected, merged
from agent.logfiles_value import Where

IDENT = "ab" * 32


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(str(tmp_path), str(tmp_path / "proc"))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_living_container_by_its_mounts_and_its_monitor(places: Places, tmp_path: Path) -> None:
    store = tmp_path / "store"
    write(
        tmp_path / "proc/7/mountinfo",
        "1 0 0:3 / / rw,relatime - overlay overlay rw,lowerdir=/l/A,upperdir=/st\\054ore/overlay/x/diff,workdir=/w\n"
        "2 1 0:4 / /tmp rw - tmpfs tmpfs rw\n",
    )
    write(tmp_path / "proc/7/stat", "7 (a (b) c) S 6 7 7")
    words = ["/usr/bin/conmon", "--api-version", "1", "-c", IDENT, "-b", str(store), "-l", "k8s-file:/st/ctr.log", ""]
    write(tmp_path / "proc/6/cmdline", "\0".join(words))
    bundle = {
        "root": {"path": "/other/merged"},
        "mounts": [
            {"destination": "/data", "type": "bind", "source": "/volumes/data"},
            {"destination": "/proc", "type": "proc", "source": "proc"},
        ],
    }
    write(store / "config.json", json.dumps(bundle))
    assert places.of(IDENT, 7) == Where("/st,ore/overlay/x/diff", {"/data": "/volumes/data"}, "k8s-file", "/st/ctr.log")


@pytest.mark.parametrize(
    ("word", "driver", "log"),
    [("journald", "journald", ""), ("none", "", ""), ("/var/log/pods/x/0.log", "k8s-file", "/var/log/pods/x/0.log"),
     ("k8s-file:/a:b", "k8s-file", "/a:b")],
)  # fmt: skip
def test_how_conmon_is_told_to_log(places: Places, tmp_path: Path, word: str, driver: str, log: str) -> None:
    write(tmp_path / "proc/7/stat", "7 (x) S 6")
    write(tmp_path / "proc/6/cmdline", f"conmon\0-l\0{word}\0")
    assert places.of("", 7) == Where("", {}, driver, log)


def test_docker_and_podman_and_kubernetes_on_disk(places: Places, tmp_path: Path) -> None:
    layer = "cd" * 32
    config = {"LogPath": "/d/x-json.log", "MountPoints": {"/data": {"Source": "/v", "Destination": "/data"}}}
    write(tmp_path / "var/lib/docker/containers" / IDENT / "config.v2.json", json.dumps(config))
    write(tmp_path / "var/lib/docker/image/overlay2/layerdb/mounts" / IDENT / "mount-id", layer)
    upper = str(tmp_path / "var/lib/docker/overlay2" / layer / "diff")
    assert places.of(IDENT, 0) == Where(upper, {"/data": "/v"}, "json-file", "/d/x-json.log")
    other = "ef" * 32
    link = tmp_path / f"var/log/containers/pod_ns_name-{other}.log"
    write(tmp_path / "var/log/pods/0.log", "")
    link.parent.mkdir(parents=True)
    link.symlink_to("../pods/0.log")
    assert places.of(other, 0) == Where(driver="k8s-file", log=str(tmp_path / "var/log/pods/0.log"))


def test_what_inspect_says() -> None:
    podman = {
        "Id": IDENT,
        "HostConfig": {"LogConfig": {"Type": "k8s-file", "Path": "/s/ctr.log", "Config": None}},
        "GraphDriver": {"Name": "overlay", "Data": {"UpperDir": "/s/diff", "MergedDir": "/s/merged"}},
        "Mounts": [{"Type": "volume", "Source": "/v/_data", "Destination": "/var/log"}],
    }
    assert inspected(podman) == Where("/s/diff", {"/var/log": "/v/_data"}, "k8s-file", "/s/ctr.log")
    docker = {"LogPath": "/d/x-json.log", "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}}}
    assert inspected(docker) == Where("", {}, "json-file", "/d/x-json.log")
    assert inspected({"HostConfig": {"LogConfig": {"Type": "journald"}}}) == Where(driver="journald")


@pytest.mark.parametrize(
    "odd", [None, [], 7, {"LogPath": 7}, {"Mounts": [7]}, {"GraphDriver": {"Data": None}}, {"LogPath": "x"}]
)
def test_odd_answers_say_nothing(odd: object) -> None:
    found = inspected(odd)
    assert (found.upper, found.mounts, found.log) == ("", {}, "")


def test_damaged_files_say_nothing(places: Places, tmp_path: Path) -> None:
    write(tmp_path / "var/lib/docker/containers" / IDENT / "config.v2.json", "[" * 100_000)
    write(tmp_path / "proc/7/stat", "?")
    write(tmp_path / "proc/7/mountinfo", "x - overlay\n\n1 2 3 / / - overlay o upperdir=relative\n")
    assert places.of(IDENT, 7) == Where()
    assert places.of("../../etc", 0) == Where()


def test_paths_after_death_are_of_the_longest_mount() -> None:
    where = Where("/up", {"/var": "/v1", "/var/log/": "/v2", "/file.log": "/host/file.log"})
    assert where.outside("/var/log/a/b.log") == ("/v2", "/a/b.log")
    assert where.outside("/var/logs/a.log") == ("/v1", "/logs/a.log")
    assert where.outside("/srv/a.log") == ("/up", "/srv/a.log")
    assert where.outside("/file.log") == ("/host", "/file.log")
    assert Where().outside("/a") is None
    assert merged(Where("/a"), Where("/b", {"/x": "/y"}, "k8s-file", "/l")) == Where(
        "/a", {"/x": "/y"}, "k8s-file", "/l"
    )
