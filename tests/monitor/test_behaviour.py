"""A behaviour is what a program does to whom; mechanics, libraries and what the log could not explain give none."""

import pytest
from playbook import APACHE, CURL, SH, connects, reads, runs, writes

from grammar import State, Transition
from monitor.behaviour import Behaviour, Weight, behaviour_of, by_engine


@pytest.mark.parametrize(
    ("transition", "behaviour"),
    [
        (runs(SH, CURL), Behaviour(Weight.RUNS, SH, CURL)),
        (connects(CURL, "10.0.0.1:80"), Behaviour(Weight.CONNECTS, CURL, "Socket 10.0.0.1:80")),
        (writes(APACHE, "/tmp/x"), Behaviour(Weight.WRITES, APACHE, "File /tmp/x")),
        (reads(APACHE, "/etc/passwd"), Behaviour(Weight.READS, APACHE, "File /etc/passwd")),
    ],
)
def test_running_connecting_writing_reading_are_behaviour(transition: Transition, behaviour: Behaviour) -> None:
    assert behaviour_of(transition) == behaviour


@pytest.mark.parametrize(
    "transition",
    [
        Transition(State(SH), "WAS_TRIGGERED_BY", "fork", State(SH)),
        Transition(State(SH, ("v",)), "WAS_TRIGGERED_BY", "version", State(SH)),
        Transition(State(SH), "USED", "execve", State("File /usr/bin/dash")),
        Transition(State(APACHE), "USED", "accept", State("Socket 10.0.0.9:{port}>*:80")),
        connects(APACHE, "10.0.0.9:{port}>*:80"),
        reads(SH, "/usr/lib/x86_64-linux-gnu/libc.so.6"),
        Transition(State("File unknown"), "WAS_GENERATED_BY", "write", State(SH)),
        Transition(State("Socket"), "WAS_GENERATED_BY", "connect", State(SH)),
        writes(SH, "{any}/name"),
    ],
)
def test_mechanics_libraries_and_the_unexplained_are_none(transition: Transition) -> None:
    assert behaviour_of(transition) is None


def test_a_program_serving_is_another_actor_than_the_program_starting_up() -> None:
    serving = Transition(State(APACHE, ("unit accept",)), "USED", "read", State("File /srv/page"))
    assert behaviour_of(serving) == Behaviour(Weight.READS, f"{APACHE} serving", "File /srv/page")


def test_running_outweighs_connecting_outweighs_writing_outweighs_reading() -> None:
    assert Weight.RUNS > Weight.CONNECTS > Weight.WRITES > Weight.READS


@pytest.mark.parametrize(
    ("label", "context", "engine"),
    [
        ("Process podman /usr/bin/podman", (), True),
        ("Process runc:[2:INIT] /", (), True),
        ("Process iptables /usr/sbin/xtables", ("from Process netavark /usr/lib/podman/netavark",), True),
        ("Process podman /tmp/podman", (), False),
        ("Process sh /usr/bin/dash", ("from Process sshd /usr/sbin/sshd",), False),
    ],
)
def test_the_engine_s_own_work_is_known_by_its_programs_where_the_system_keeps_them(
    label: str, context: tuple[str, ...], engine: bool
) -> None:
    assert by_engine(Transition(State("File /x"), "WAS_GENERATED_BY", "write", State(label, context))) is engine
