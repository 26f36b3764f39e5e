"""Debian's archive, asked through apt with lists and sources of its own.

    archive = Archive(folder, ["bookworm-backports"]); archive.download(["linux-kbuild-6.12"], into)

Rules of this file
    - The host's sources, lists and cache are neither read nor written; its list of installed packages is read where a
      program and what it still needs is asked for.
    - apt checks signatures and hashes; nothing is installed and no maintainer's script runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .tell import BootError, run, step

KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR: Final = "http://deb.debian.org/debian"
SECURITY: Final = "http://deb.debian.org/debian-security"
INSTALLED: Final = "/var/lib/dpkg/status"
CONF: Final = """\
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{status}";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Debug::NoLocking "true";
"""


class Archive:
    """The packages of some suites, their lists fetched when made."""

    def __init__(self, folder: Path, suites: Sequence[str], *, status: str = "/dev/null") -> None:
        self.folder = folder
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        (folder / "sources.list").write_text("".join(_source(suite) for suite in suites), "utf-8")
        conf = folder / "apt.conf"
        conf.write_text(CONF.format(folder=folder, status=status), "utf-8")
        self._env = {**os.environ, "APT_CONFIG": str(conf), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        with step(f"package lists of {', '.join(suites)}"):
            run(["apt-get", "-qq", "update"], seconds=300, env=self._env)

    def depends(self, package: str, pattern: str) -> str:
        """The one package that a meta-package stands for now."""
        said = run(["apt-cache", "depends", package], seconds=60, env=self._env)
        found = re.search(rf"Depends: ({pattern})$", said, re.M)
        if not found:
            raise BootError(f"{package} of the archive depends on nothing like {pattern}")
        return found[1]

    def download(self, packages: Sequence[str], into: Path) -> list[Path]:
        """Their .deb files."""
        into.mkdir(parents=True, exist_ok=True)
        with step(f"downloading {' '.join(packages)}"):
            run(["apt-get", "-qq", "download", *packages], seconds=900, cwd=into, env=self._env)
        return sorted(into.glob("*.deb"))

    def lacking(self, packages: Sequence[str]) -> list[Path]:
        """The .deb files of these and of all that they need and that is not installed here."""
        with step(f"downloading {' '.join(packages)} and what they need (not installed: for the guest only)"):
            run(["apt-get", "-qq", "-y", "install", "--download-only", *packages], seconds=900, env=self._env)
        return sorted((self.folder / "cache" / "archives").glob("*.deb"))


def _source(suite: str) -> str:
    base = SECURITY if suite.endswith("-security") else MIRROR
    return f"deb [signed-by={KEYRING}] {base} {suite} main\n"
