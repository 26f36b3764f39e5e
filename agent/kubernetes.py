"""Pods: which workload they belong to, by their names and labels, or by what the API server says of their owners.

Rules of this file
    - An application is one container of a workload: `namespace/workload/container`. What the kubelet writes on every
      container (pod, namespace, container) is enough: the workload is the pod's name without what controllers add.
    - The owner that the API server names is exact; the name alone is wrong only for a workload whose own name ends like
      a hash or a number. So the API is an option, never waited for longer than asked.
    - Plain HTTPS with the service account's token, not the `kubernetes` package: one GET of one list is all there is;
      the package costs 30 MB of memory and most of a second to import.
    - The answer is untrusted: bounded, checked against its type, kept as far as it fits.

Complexity: a poll is O(pods of the node); at most `MAX_PODS` are kept.
Source: Kubernetes API reference (PodList, OwnerReference); k8s.io/apimachinery/pkg/util/rand (the letters of suffixes);
kubelet, labels.go (io.kubernetes.*).
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

POD: Final = "io.kubernetes.pod.name"
NAMESPACE: Final = "io.kubernetes.pod.namespace"
CONTAINER: Final = "io.kubernetes.container.name"
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SUFFIX: Final = frozenset("bcdfghjklmnpqrstvwxz2456789")
"""The letters of generated suffixes: no vowels, so that no words come about."""
MAX_ANSWER: Final = 33_554_432
MAX_PODS: Final = 4_096
TIMEOUT: Final = 5.0
INTERVAL: Final = 15.0


class _Owner(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    controller: bool = False


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    owners: list[_Owner] | None = msgspec.field(default=None, name="ownerReferences")


class _Spec(msgspec.Struct, frozen=True):
    node: str = msgspec.field(default="", name="nodeName")


class _Pod(msgspec.Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec = _Spec()


class _PodList(msgspec.Struct, frozen=True):
    items: list[_Pod]


def names_of(labels: dict[str, str]) -> tuple[str, str, str]:
    """Namespace, pod and container, as the kubelet labels them; empty where it has not."""
    return labels.get(NAMESPACE, ""), labels.get(POD, ""), labels.get(CONTAINER, "")


def application_of(labels: dict[str, str], owner: str = "") -> str:
    """namespace/workload/container, or nothing if this is no container of a pod."""
    namespace, pod, container = names_of(labels)
    if not (namespace and pod and container):
        return ""
    return f"{namespace}/{owner or workload(pod)}/{container}"


def workload(pod: str) -> str:
    """A pod's name without what its controllers have added to the workload's.

    >>> [workload(pod) for pod in ("web-6d4b75cb6d-hx7mk", "kube-proxy-x7k2p", "db-0", "backup-28475860-q8zwl")]
    ['web', 'kube-proxy', 'db', 'backup']
    """
    base, _, last = pod.rpartition("-")
    if not base:
        return pod
    if len(last) == 5 and SUFFIX.issuperset(last):
        head, _, middle = base.rpartition("-")
        hashed = 6 <= len(middle) <= 10 and SUFFIX.issuperset(middle)
        return head if head and (hashed or _scheduled(middle)) else base
    return base if last.isascii() and last.isdigit() and len(last) < 6 else pod


def _scheduled(part: str) -> bool:
    """What a CronJob adds: minutes since 1970."""
    return 8 <= len(part) <= 10 and part.isascii() and part.isdigit()


def owner_of(pod: _Pod) -> str:
    """The workload that the owner references name: a Deployment through its ReplicaSet, a CronJob through its Job."""
    about = pod.metadata
    owner = next((one for one in about.owners or () if one.controller), None)
    if owner is None or not owner.name:
        return ""
    if owner.kind == "ReplicaSet":
        return owner.name.removesuffix(f"-{(about.labels or {}).get('pod-template-hash', '')}")
    if owner.kind == "Job":
        head, _, last = owner.name.rpartition("-")
        return head if head and _scheduled(last) else owner.name
    if owner.kind == "Node":
        return about.name.removesuffix(f"-{owner.name}")
    return owner.name


def owners_in(answer: bytes) -> dict[tuple[str, str], str]:
    """(namespace, pod) → workload, from a PodList; `msgspec.DecodeError` if it is none."""
    pods = msgspec.json.decode(answer, type=_PodList).items[:MAX_PODS]
    named = (((pod.metadata.namespace, pod.metadata.name), owner_of(pod)) for pod in pods)
    return {key: owner for key, owner in named if owner}


class Pods:
    """The pods of one node and their owners, asked for in a thread of their own.

    `url` is the API server's (or, with the same answer at `/pods`, the kubelet's, as the whole address of the list).
    """

    def __init__(self, url: str, node: str, account: Path = ACCOUNT, interval: float = INTERVAL) -> None:
        listed = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(node, safe='')}"
        self.url = url if urlsplit(url).path.strip("/") else url.rstrip("/") + listed
        self.account, self.interval = account, interval
        self.error = "not asked yet"
        self._owners: dict[tuple[str, str], str] = {}
        self._answered = threading.Condition()
        self._wish = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="pods", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; does not wait for an answer that is under way."""
        self._stopped = True
        self._wish.set()

    def owner(self, namespace: str, pod: str, seconds: float = 0.0) -> str:
        """The pod's workload; if it is not known yet, wait `seconds` at most for the next answer."""
        with self._answered:
            if (namespace, pod) not in self._owners and seconds > 0 and not self.error:
                self._wish.set()
                self._answered.wait_for(lambda: (namespace, pod) in self._owners, seconds)
            return self._owners.get((namespace, pod), "")

    def _run(self) -> None:
        while not self._stopped:
            owners, error = self._fetch()
            with self._answered:
                self._owners, self.error = (owners if not error else self._owners), error
                self._answered.notify_all()
            # An unknown pod may ask at once, but a server in trouble is left alone for the interval.
            if error:
                self._wish.clear()
            self._wish.wait(self.interval)
            self._wish.clear()

    def _fetch(self) -> tuple[dict[tuple[str, str], str], str]:
        """One GET: the owners, or what went wrong."""
        import http.client  # noqa: PLC0415 - an option; most agents never need it

        try:
            return owners_in(self._get()), ""
        except (OSError, ValueError, http.client.HTTPException, msgspec.MsgspecError) as error:
            return {}, f"{type(error).__name__}: {error}"[:200]

    def _get(self) -> bytes:
        import http.client  # noqa: PLC0415
        import ssl  # noqa: PLC0415

        parts = urlsplit(self.url)
        place = parts.hostname or "", parts.port
        if parts.scheme == "https":
            authority = self.account / "ca.crt"
            context = ssl.create_default_context(cafile=str(authority) if authority.exists() else None)
            secure = http.client.HTTPSConnection(*place, timeout=TIMEOUT, context=context)
            connection: http.client.HTTPConnection = secure
        else:
            connection = http.client.HTTPConnection(*place, timeout=TIMEOUT)
        headers = {"Accept": "application/json"}
        if parts.scheme == "https":
            with contextlib.suppress(FileNotFoundError):  # a service account's token is renewed: read each time
                headers["Authorization"] = "Bearer " + (self.account / "token").read_text("ascii").strip()
        with contextlib.closing(connection):
            connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise OSError(f"the API server says {response.status}")
            answer = response.read(MAX_ANSWER + 1)
        if len(answer) > MAX_ANSWER:
            raise ValueError("an answer that is too large")
        return answer
