"""Real containers with Apache, in an engine store of their own: nothing of the machine's own podman is touched.

    with Containers(ledger, count=2, auid=5001) as web:
        web.running[0].address, web.engine      # the engine's API: a unix socket

Rules of this file
    - Images, containers, networks, locks and configuration live in one temporary folder; removing the containers and
      that folder removes everything but what `firewall` knows of.
    - runc, the two ulimits and a network per set, as the testbed notes say; crun fails on such machines.
    - podman, conmon and the containers run below one login uid, if one is given. The API's server does not.
    - DNS is off: a name server shared with other engines would be one more thing to leave behind.

Invariant: when the block begins every container answers on port 80; when it ends none of them is left.
Source: podman(1), containers.conf(5).
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from . import firewall
from .image import image_tar
from .ledger import Entry, Facts, Ledger, undoes
from .processes import end, marked, wait_until
from .tell import TestbedError, run, say, step
from .worker import in_worker

TAG: Final = "localhost/winnower-testbed:web"
LIMITS: Final = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
SERVE: Final = ("apache2", "-f", "/etc/apache2/apache2.conf", "-DFOREGROUND")
READY: Final = 20.0
# The store is in memory: 50 MB of image and what the containers write. On a disk making and removing it takes seconds.
MEMORY: Final = "2g"
CONFIG: Final = """\
[engine]
runtime = "runc"
lock_type = "file"
events_logger = "file"
[network]
network_backend = "netavark"
"""


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs: its name, full id, address on its network, and the pid of its first process."""

    name: str
    id: str
    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class Store:
    """One engine store below `folder`, and how to call podman on it."""

    folder: Path

    @property
    def network(self) -> str:
        """The name of its network: no other engine's is called so."""
        return self.folder.name

    @property
    def environment(self) -> dict[str, str]:
        """podman's own configuration, and not the machine's."""
        return {"CONTAINERS_CONF": str(self.folder / "containers.conf")}

    def podman(self, *words: str) -> list[str]:
        """A podman command line on this store."""
        folders = {"--root": "root", "--runroot": "run", "--tmpdir": "tmp", "--network-config-dir": "net"}
        options = [word for option, name in folders.items() for word in (option, str(self.folder / name))]
        return ["podman", "--storage-driver", "overlay", *options, *words]

    def call(self, *words: str, auid: int | None = None, fails: bool = False) -> str:
        """Run podman on this store and give what it prints."""
        return run(in_worker(auid, self.podman(*words)), env=self.environment, fails=fails)

    def network_settings(self) -> dict[str, str]:
        """Bridge, subnet and gateway of the network; empty if it was never made."""
        path = self.folder / "net" / f"{self.network}.json"
        if not path.exists():
            return {}
        settings = json.loads(path.read_text("utf-8"))
        subnet = settings["subnets"][0]
        return {"bridge": settings["network_interface"], "subnet": subnet["subnet"], "gateway": subnet["gateway"]}


class Containers:
    """`count` replicas `service`-1, `service`-2, …: `running`, `gateway` (this machine's address there), `engine`."""

    def __init__(
        self, ledger: Ledger, *, count: int = 2, service: str = "web", auid: int | None = None, tar: Path | None = None
    ) -> None:
        self.ledger, self.count, self.service, self.auid, self.tar = ledger, count, service, auid, tar
        self.running: list[Container] = []
        self.gateway = ""
        self.engine = Path()
        self.store = Store(Path())
        self._made = 0
        self._entries: list[Entry] = []
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Containers:
        """Import the image, make the network, start the containers and the engine's API; all answer."""
        tar = self.tar or image_tar()
        with step(f"starting {self.count} containers"):
            self._entries.append(firewall.record(self.ledger))
            self.store = Store(self.ledger.folder(memory=MEMORY))
            self._entries.append(self.ledger.note("podman", folder=str(self.store.folder)))
            (self.store.folder / "containers.conf").write_text(CONFIG, "utf-8")
            self.store.call("import", "--quiet", str(tar), TAG)
            self.store.call("network", "create", "--disable-dns", self.store.network)
            self.gateway = self.store.network_settings()["gateway"]
            for _ in range(self.count):
                self.add()
            self._serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the containers, their network and what it left in the kernel's tables."""
        self.running.clear()
        self.ledger.undo_all(self._entries)
        self._entries.clear()
        if self._server is not None:
            self._server.poll()

    def add(self) -> Container:
        """Start one more replica and wait until it answers. Names are not used twice."""
        self._made += 1
        name = f"{self.service}-{self._made}"
        label = f"io.podman.compose.service={self.service}"
        words = ("run", "-d", *LIMITS, "--network", self.store.network, "--name", name, "--hostname", name)
        self.store.call(*words, "--label", label, TAG, *SERVE, auid=self.auid)
        made = self._inspect(name)
        if not wait_until(lambda: _answers(made.address), READY):
            raise TestbedError(f"{name} does not answer: {self.store.call('logs', name, fails=True).strip()}")
        self.running.append(made)
        return made

    def remove(self, container: Container) -> None:
        """Kill one and remove it; its address may be given to the next."""
        self.store.call("rm", "--force", "--time", "0", container.name, auid=self.auid)
        self.running.remove(container)

    def inspect(self) -> str:
        """What the engine's `inspect` prints of the running containers: the `containers.json` of a recording."""
        return self.store.call("inspect", *(one.name for one in self.running))

    def _inspect(self, name: str) -> Container:
        shown = json.loads(self.store.call("inspect", name))[0]
        address = shown["NetworkSettings"]["Networks"][self.store.network]["IPAddress"]
        return Container(name, shown["Id"], address, shown["State"]["Pid"])

    def _serve(self) -> None:
        self.engine = self.store.folder / "podman.sock"
        self._server = subprocess.Popen(
            self.store.podman("system", "service", "--time", "0", f"unix://{self.engine}"),
            env={**os.environ, **self.store.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not wait_until(self.engine.exists, READY):
            raise TestbedError("podman's API does not listen")


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, 80, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@undoes("podman")
def _remove(facts: Facts) -> None:
    """Everything of one store: its processes, containers, network; the folder itself is another entry."""
    store = Store(Path(facts["folder"]))
    if not (store.folder / "containers.conf").exists():
        return
    network = store.network_settings()
    containers = _ids(store.folder)
    for process in marked(str(store.folder), "podman"):
        end(process, grace=2.0)
    _remove_containers(store, containers)
    store.call("network", "rm", "--force", store.network, fails=True)
    for process in marked(str(store.folder), "conmon"):
        end(process, grace=0.5)
    if network:
        firewall.forget_subnet(network["subnet"])
        run(["ip", "link", "delete", network["bridge"]], fails=True)
    for container in containers:
        for folder in firewall.CGROUPS.glob(f"**/{firewall.PARENT}/*{container}*"):
            firewall.remove_cgroups(folder)


def _remove_containers(store: Store, containers: Sequence[str]) -> None:
    """Remove all; what podman cannot remove (it is killed, or waits for a stalled auditd) the runtime ends by force."""
    for _ in range(2):
        store.call("rm", "--all", "--force", "--time", "0", fails=True)
        if not (left := set(_ids(store.folder))):
            break
        say(f"podman could not remove {len(left)} containers: runc ends them")
        for container in left:
            run(["runc", "delete", "--force", container], fails=True)
    for container in containers:
        if (firewall.RUNC / container).exists():
            run(["runc", "delete", "--force", container], fails=True)


def _ids(folder: Path) -> Sequence[str]:
    """Ids of the containers that the store knows of."""
    path = folder / "root" / "overlay-containers" / "containers.json"
    return [one["id"] for one in json.loads(path.read_text("utf-8"))] if path.exists() else []
