"""What runs in an interpreter: scripts, archives of classes, and the interpreters themselves.

Rules of this file
    - A script, and an interpreter that logs nothing of its own, gets a profile that says what it runs in; templates of
      its lines are learned from them.
    - PHP's servers log messages of their own too: they are analysed like any program, and marked.

Complexity: one read of the file, for its hash.
Source: execve(2) on interpreter scripts; names of Debian's packages.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from grammar.errors import InputError
from grammar.profile import Binary

MAX_READ: Final = 512 << 20
SUFFIXES: Final = {
    ".php": "php", ".phar": "php", ".py": "python", ".pyc": "python", ".pyz": "python", ".js": "node", ".mjs": "node",
    ".cjs": "node", ".ts": "node", ".jar": "java", ".war": "java", ".class": "java", ".rb": "ruby", ".pl": "perl",
    ".pm": "perl", ".sh": "shell", ".lua": "lua", ".exe": "dotnet", ".dll": "dotnet",
}  # fmt: skip
"""What a file's name says where its first line does not."""

NAMES: Final = (
    ("java", re.compile(r"javaw?|jsvc")),
    ("node", re.compile(r"node(js)?|deno|bun")),
    ("python", re.compile(r"python[0-9.]*|pypy[0-9.]*|gunicorn|uwsgi")),
    ("ruby", re.compile(r"j?ruby[0-9.]*")),
    ("perl", re.compile(r"perl[0-9.]*")),
    ("shell", re.compile(r"(ba|da|z|k|a)?sh|busybox")),
    ("dotnet", re.compile(r"dotnet|mono(-sgen)?")),
    ("lua", re.compile(r"lua(jit)?[0-9.-]*")),
)
PHP: Final = re.compile(r"php[0-9.]*|php-(cgi|fpm|cli)[0-9.]*|libphp[0-9.]*\.so")


def interpreter_of(name: str) -> str:
    """What programs of this file name run, if it is an interpreter.

    >>> interpreter_of("python3.11"), interpreter_of("php-fpm8.2"), interpreter_of("nginx")
    ('python', 'php', '')
    """
    if PHP.fullmatch(name):
        return "php"
    return next((language for language, pattern in NAMES if pattern.fullmatch(name)), "")


def script(path: Path) -> Binary | None:
    """The file as an entry of a profile, if nothing is to be analysed in it."""
    try:
        if path.exists() and not path.is_file():
            raise InputError("not a regular file", file=str(path), hint="name the program itself")
        with path.open("rb") as stream:
            head = stream.read(4096)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read: {getattr(error, 'strerror', None) or error}", file=str(path)) from None
    language = _language(path.name, head)
    if not language:
        return None
    with path.open("rb") as stream:
        digest = hashlib.sha256(stream.read(MAX_READ)).hexdigest()
    return Binary(str(path), digest, "", "", language)


def _language(name: str, head: bytes) -> str:
    if head.startswith(b"\x7fELF"):
        own = interpreter_of(name)
        return "" if own == "php" else own
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].decode("utf-8", "backslashreplace").split()
        names = [word.rsplit("/", 1)[-1] for word in words if not word.startswith("-") and "=" not in word]
        names = names[1:] if names[:1] == ["env"] else names
        return (interpreter_of(names[0]) or names[0][:40]) if names else "shell"
    if head.startswith(b"<?php"):
        return "php"
    suffix = "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""
    return SUFFIXES.get(suffix, "")
