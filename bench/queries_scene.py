"""Models of any size that look like an application's: a few programs, their files, libraries that all of them use.

Rules of this file
    - States, not instances: labels as the monitor has them, typed fields where instances differ.
    - The same seed makes the same model; a model of one size says nothing about another.
    - Degrees as in the recordings: a process reads a handful of files and writes one or two; a library is used by a
      third of all processes, so some nodes grow with the model.

Invariant: the change is part of the graph, and `touched` are the ends of its edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from policies import Edge, MemoryGraph, Value
from policies.text import Text

PROGRAMS: Final = (
    "apache2", "nginx", "php-fpm8.2", "mariadbd", "postgres", "redis-server", "sh", "bash", "cron", "logrotate", "curl",
    "python3", "java", "node", "sshd", "run-parts", "find", "sed", "grep", "cat",
)  # fmt: skip
FOLDERS: Final = (
    "/var/www/html/", "/var/lib/mysql/", "/var/log/", "/etc/", "/etc/apache2/", "/usr/share/zoneinfo/", "/tmp/",
    "/run/", "/home/{lower}/", "/srv/data/", "/usr/bin/", "/proc/{int}/",
)  # fmt: skip
LIBRARIES: Final = 20
USES: Final = ("open", "read", "mmap", "execve", "stat")
MAKES: Final = ("open", "create", "write", "rename", "unlink", "chmod")


@dataclass(frozen=True, slots=True)
class Scene:
    """A model after a change, and the nodes that the change touched."""

    graph: MemoryGraph
    touched: frozenset[str]
    edges: int


Nodes = dict[str, tuple[str, dict[str, Value]]]


def scene(states: int, seed: int = 0) -> Scene:
    """A model of so many states in which one process, one file and their edges are new."""
    random = Random(seed)
    processes = [f"p{n}" for n in range(max(states * 3 // 10, 5))]
    files = [f"f{n}" for n in range(max(states * 6 // 10, LIBRARIES + 5))]
    sockets = [f"s{n}" for n in range(max(states // 10, 5))]
    nodes: Nodes = {name: ("Process", _process(random)) for name in processes}
    nodes |= {name: ("File", _file(number, random)) for number, name in enumerate(files)}
    nodes |= {name: ("Socket", _socket(random)) for name in sockets}
    edges: dict[Edge, None] = {}
    for number in range(len(processes)):
        for edge in _deeds(number, (processes, files, sockets), random):
            edges[edge] = None
    nodes["new"] = ("Process", _text({"name": "php-fpm8.2", "exe": "/usr/sbin/php-fpm8.2"}))
    nodes["made"] = ("File", _text({"path": "/var/www/html/uploads/{hex:32}.jpg", "name": "{hex:32}.jpg"}))
    change = [
        Edge("new", "WAS_TRIGGERED_BY", "fork", processes[1]),
        Edge("new", "USED", "mmap", files[3]),  # a library: it has a third of all processes around it
        Edge("new", "USED", "read", files[LIBRARIES + 2]),
        Edge("made", "WAS_GENERATED_BY", "create", "new"),
        Edge(sockets[0], "WAS_GENERATED_BY", "send", "new"),
    ]
    edges |= dict.fromkeys(change)
    touched = frozenset(end for edge in change for end in (edge.effect, edge.cause))
    return Scene(MemoryGraph(nodes, edges), touched, len(edges))


def _deeds(number: int, kinds: tuple[list[str], list[str], list[str]], random: Random) -> list[Edge]:
    processes, files, sockets = kinds
    name = processes[number]
    found = [Edge(name, "USED", "mmap", file) for file in files[:LIBRARIES] if random.random() < 1 / 3]
    found += [Edge(name, "USED", random.choice(USES), random.choice(files)) for _ in range(3)]
    found += [Edge(random.choice(files[LIBRARIES:]), "WAS_GENERATED_BY", random.choice(MAKES), name) for _ in range(2)]
    if number:
        parent = processes[random.randrange(max(number - 40, 0), number)]
        found.append(Edge(name, "WAS_TRIGGERED_BY", random.choice(("fork", "execve", "version")), parent))
    if random.random() < 1 / 4:
        found.append(Edge(random.choice(sockets), "WAS_GENERATED_BY", random.choice(("connect", "send", "bind")), name))
        found.append(Edge(name, "USED", random.choice(("read", "recv")), random.choice(sockets)))
    return found


def _text(written: dict[str, str]) -> dict[str, Value]:
    return {key: Text.of(value) for key, value in written.items()}


def _process(random: Random) -> dict[str, Value]:
    name = random.choice(PROGRAMS)
    return _text({"name": name, "exe": f"/usr/bin/{name}", "command": f"{name} --pid {{int}}"})


def _file(number: int, random: Random) -> dict[str, Value]:
    if number < LIBRARIES:
        return _text({"path": f"/usr/lib/x86_64-linux-gnu/lib{number}.so.1", "name": f"lib{number}.so.1"})
    field = random.choice(("", "{int}", "{hex:8}", "{lower}"))
    name = f"n{number}{field}"
    return _text({"path": random.choice(FOLDERS) + name, "name": name})


def _socket(random: Random) -> dict[str, Value]:
    own = {"family": "inet", "address": f"10.0.{random.randrange(256)}.{{int}}", "port": str(random.choice((80, 443)))}
    return _text(own)
