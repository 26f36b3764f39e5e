"""/proc/PID/cgroup as engines write it (real texts), and as nobody does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cgroups import MAX_TEXT, Mark, containers_in

A, B = "0123456789abcdef" * 4, "fedcba9876543210" * 4
POD = "pod0d2e5b1c-6f1e-4b8f-9c1a-3c2b5a7d9e10"
SLICE = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0d2e5b1c_6f1e_4b8f_9c1a_3c2b5a7d9e10.slice"
V1 = ["pids", "blkio", "freezer", "devices", "memory", "cpuset", "cpuacct", "cpu", "net_cls", "perf_event", "hugetlb"]


def v1(path: str) -> str:
    """The twelve lines of a v1 machine under systemd."""
    lines = [f"{12 - position}:{name}:{path}" for position, name in enumerate(V1)]
    return "\n".join([*lines, f"1:name=systemd:{path}"]) + "\n"


IN_ONE = {
    "docker cgroupfs v1": (v1(f"/docker/{A}"), "docker"),
    "docker systemd v2": (f"0::/system.slice/docker-{A}.scope\n", "docker"),
    "docker rootless": (
        f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{A}.scope\n",
        "docker",
    ),
    "docker with its own init": (f"0::/system.slice/docker-{A}.scope/init.scope\n", "docker"),
    "dockershim": (v1(f"/kubepods/besteffort/{POD}/{A}"), "kubernetes"),
    "containerd cri systemd": (f"0::/{SLICE}/cri-containerd-{A}.scope\n", "containerd"),
    "containerd cri cgroupfs": (v1(f"/kubepods/burstable/{POD}/{A}"), "kubernetes"),
    "containerd cri with the wrong driver": (
        v1(f"/system.slice/containerd.service/{SLICE.rpartition('/')[2]}:cri-containerd:{A}"),
        "containerd",
    ),
    "nerdctl": (f"0::/system.slice/nerdctl-{A}.scope\n", "containerd"),
    "containerd in a namespace": (f"0::/default/{A}\n", "oci"),
    "cri-o systemd": (f"0::/{SLICE}/crio-{A}.scope\n", "cri-o"),
    "cri-o with crun's group below": (f"0::/{SLICE}/crio-{A}.scope/container\n", "cri-o"),
    "podman root systemd": (f"0::/machine.slice/libpod-{A}.scope\n", "podman"),
    "podman with crun's group below": (f"0::/machine.slice/libpod-{A}.scope/container\n", "podman"),
    "podman cgroupfs": (f"0::/libpod_parent/libpod-{A}\n", "podman"),
    "podman cgroupfs in a pod": (f"0::/libpod_parent/{B}/libpod-{A}\n", "podman"),
    "podman in a pod": (f"0::/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope\n", "podman"),
    "podman in its unit (quadlet)": (f"0::/system.slice/web.service/libpod-payload-{A}\n", "podman"),
    "podman rootless": (
        f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container\n",
        "podman",
    ),
    "hybrid, moved in v1 only": (f"9:memory:/libpod_parent/libpod-{A}\n1:cpu:/\n0::/\n", "podman"),
    "ecs on ec2": (v1(f"/ecs/0123456789abcdef0123456789abcdef/{A}"), "ecs"),
    "seen from another cgroup namespace": (f"0::/../../{SLICE.rpartition('/')[2]}/crio-{A}.scope\n", "cri-o"),
}


@pytest.mark.parametrize("name", IN_ONE)
def test_the_container_of_each_engines_path(name: str) -> None:
    text, engine = IN_ONE[name]
    assert containers_in(text.encode()) == (Mark(engine, A),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0::/\n",
        v1("/"),
        v1("/user.slice/user-0.slice/session-1.scope"),
        "0::/system.slice/docker.service\n",
        f"0::/machine.slice/libpod-conmon-{A}.scope\n",
        "8:pids:/libpod_parent/conmon\n0::/\n",
        f"0::/libpod_parent/{B}/conmon\n",
        "0::/system.slice/web.service/runtime\n",
        f"0::/{SLICE}/crio-conmon-{A}.scope\n",
        f"0::/{SLICE}\n",
        f"0::/machine.slice/machine-libpod_pod_{B}.slice\n",
        f"0::/kubepods/burstable/{POD}\n",
        "0::/lxc.monitor.web\n",
        "0::/machine.slice/systemd-nspawn@web.service/supervisor\n",
        "0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope\n",
        f"0::/x/{A[:63]}\n0::/x/{A}0\n0::/x/{A.upper()}\n0::/x/y{A}\n",
        A,
    ],
)
def test_the_host_its_services_and_what_looks_after_containers_are_in_none(text: str) -> None:
    assert containers_in(text.encode()) == ()


def test_nested_containers_are_given_from_the_outside() -> None:
    kind = f"0::/docker/{A}/kubelet/kubepods/burstable/{POD}/{B}\n"
    assert containers_in(kind.encode()) == (Mark("docker", A), Mark("kubernetes", B))
    conmon = f"0::/docker/{A}/libpod_parent/conmon\n"
    assert containers_in(conmon.encode()) == (Mark("docker", A),)


def test_the_line_that_names_most_counts() -> None:
    text = f"3:cpu:/\n2:memory:/docker/{A}\n1:name=systemd:/docker/{A}/docker/{B}\n0::/docker/{A}\n"
    assert [mark.id for mark in containers_in(text.encode())] == [A, B]


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("/lxc.payload.web/system.slice/ssh.service", Mark("lxc", "lxc/web")),
        ("/lxc/web", Mark("lxc", "lxc/web")),
        ("/lxc.payload/web", Mark("lxc", "lxc/web")),
        ("/machine.slice/systemd-nspawn@web.service/payload/init.scope", Mark("nspawn", "nspawn/web")),
        ("/machine.slice/machine-my\\x2dweb.scope", Mark("nspawn", "nspawn/my-web")),
    ],
)
def test_machines_go_by_their_names(path: str, mark: Mark) -> None:
    assert containers_in(f"0::{path}\n".encode()) == (mark,)


def test_fargate_has_a_shorter_id() -> None:
    task = "0123456789abcdef0123456789abcdef"
    assert containers_in(f"0::/ecs/{task}/{task}-1234567890\n".encode()) == (Mark("ecs", f"{task}-1234567890"),)


PARTS = st.sampled_from(
    [b"/", b":", b"\n", b"0::", b"-", b".scope", A.encode(), b"docker", b"libpod_parent", b"lxc", b"conmon", b"\\xff"]
)


@given(st.one_of(st.binary(max_size=300), st.lists(st.one_of(PARTS, st.binary(max_size=3)), max_size=40).map(b"".join)))
def test_any_bytes_give_sendable_names_or_none(text: bytes) -> None:
    """Whatever is in the file: ids that occur in it, as text that is UTF-8, and no error."""
    for mark in containers_in(text):
        mark.id.encode("utf-8")
        assert mark.engine in ("lxc", "nspawn") or mark.id.encode() in text


def test_what_is_far_too_long_is_not_read_to_its_end() -> None:
    assert containers_in(b"\n" * MAX_TEXT + f"0::/docker/{A}\n".encode()) == ()
