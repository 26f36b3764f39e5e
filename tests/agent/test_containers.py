"""Which application a container is, and when a process leaves the runtime for it."""

from __future__ import annotations

import pytest

from agent.containers import Container, Containers, Roster, application, is_runtime, leaves_runtime

ID = "0123456789abcdef" * 4
WEB = Container(ID, "web1", "web", 41)


@pytest.mark.parametrize(
    ("labels", "image", "image_id", "app"),
    [
        (
            {"com.docker.swarm.service.name": "shop_web", "com.docker.compose.service": "web"},
            "nginx:1",
            "f00",
            "shop_web",
        ),
        ({"com.docker.compose.service": "web"}, "nginx:1", "f00", "web"),
        ({"io.kubernetes.container.name": "api", "app.kubernetes.io/name": "shop"}, "nginx:1", "f00", "shop"),
        ({"io.kubernetes.container.name": "api"}, "nginx:1", "f00", "api"),
        (
            {
                "io.kubernetes.container.name": "api",
                "io.kubernetes.pod.name": "shop-6d4b75cb6d-hx7mk",
                "io.kubernetes.pod.namespace": "prod",
                "app.kubernetes.io/name": "the-image-says-so",
            },
            "nginx:1",
            "f00",
            "prod/shop/api",
        ),
        ({"com.docker.compose.service": "", "other": "x"}, "nginx:1", "f00", "nginx:1"),
        ({}, "", "sha256:0123456789", "sha256:01234"),
        ({}, "", "", "unknown"),
    ],
)
def test_the_application_is_the_service_else_the_image(
    labels: dict[str, str], image: str, image_id: str, app: str
) -> None:
    assert application(labels, image, image_id) == app


def test_a_command_line_names_a_known_container_anywhere_in_an_argument() -> None:
    known = Containers.of([WEB])
    assert known.named_in(["runc", "--bundle", f"/b/{ID}/x", "create"]) == ID
    assert known.named_in(["runc", "f" * 64, ID]) == ID
    assert known.named_in(["runc", f"{ID}0", ID[:63], ID.upper()]) == ""
    assert known.by_pid == {b"41": WEB}
    assert Containers.of([Container(ID, "web1", "web")]).by_pid == {}


def test_a_table_answers_from_what_it_was_given_alone() -> None:
    known: Roster = Containers.of([WEB])
    assert known.once
    assert known.place(b"41", b"1", 0, heir=True) == known.place(b"41", b"0", 9, heir=False) == WEB
    assert known.enter(ID, b"5", 0) == WEB
    assert known.place(b"5", b"41", 0, heir=False) is known.enter("f" * 64, b"41", 0) is None
    assert known.reaps(b"41") and not known.reaps(b"5")
    assert known.named_in(["runc", ID], outside=False) == ID


@pytest.mark.parametrize(
    ("comm", "exe", "runtime"),
    [
        (b"runc", b"/usr/bin/runc", True),
        (b"runc:[2:INIT]", b"/anything", True),
        (b"6", b"/memfd:runc_cloned:/proc/self/exe (deleted)", True),
        (b"containerd-shim", b"/usr/bin/containerd-shim-runc-v2", True),
        (b"conmon", b"/usr/bin/conmon (deleted)", True),
        (b"youki:[1:INTER]", b"/", True),
        (b"podman", b"/usr/bin/podman", False),
        (b"sh", b"/bin/sh", False),
        (b"runcible", b"/bin/runcible", False),
    ],
)
def test_the_runtime_is_known_by_its_programs_and_its_stages(comm: bytes, exe: bytes, runtime: bool) -> None:
    assert is_runtime(comm, exe) is runtime


@pytest.mark.parametrize(
    ("comm", "exe", "new", "leaves"),
    [
        (b"runc:[2:INIT]", b"/", b"/bin/sh", True),
        (b"runc:[2:INIT]", b"/", b"/usr/bin/runc", True),
        (b"runc:[1:CHILD]", b"/", b"/bin/sh", False),
        (b"runc", b"/usr/bin/runc", b"/usr/bin/hook", False),
        (b"youki:[2:INIT]", b"/usr/bin/youki", b"/bin/sh", True),
        (b"youki:[1:INTER]", b"/usr/bin/youki", b"/bin/sh", False),
        (b"crun", b"/usr/bin/crun", b"/bin/sh", True),
        (b"crun", b"/usr/bin/crun", b"/usr/bin/crun", False),
        (b"conmon", b"/usr/bin/conmon", b"/usr/bin/podman", False),
    ],
)
def test_the_step_out_of_the_runtime(comm: bytes, exe: bytes, new: bytes, leaves: bool) -> None:
    assert leaves_runtime(comm, exe, new) is leaves


def test_undecodable_names_are_no_error() -> None:
    assert not is_runtime(b"\xff", b"/bin/\xff\xfe")
