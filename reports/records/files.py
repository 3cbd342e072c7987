"""Writing files so that nobody reads half of one, and reading ``matrix.toml`` so that a changed one is noticed."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from .records import ResultsError

_SEAL = re.compile(rb'checksum = "([0-9a-f]{32})"\n')


def write_whole(file: Path, content: bytes) -> None:
    """Write ``content`` beside ``file`` and rename: a reader sees the old file or the new one, never half of one."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def seal_toml(table: dict[str, Any]) -> bytes:
    """``table`` as TOML under a first line that holds the checksum of every byte after it."""
    body = tomli_w.dumps(table).encode()
    return b'checksum = "%s"\n' % _digest(body) + body


def open_toml(file: Path) -> dict[str, Any]:
    """The table that :func:`seal_toml` wrote; one without a checksum, of an older version, is taken as it is.

    Raises
    ------
    ResultsError
        Where the file is missing, or not what was written.
    """
    try:
        content = file.read_bytes()
        seal = _SEAL.match(content)
        body = content[seal.end() :] if seal else content
        if seal and seal[1] != _digest(body):
            raise ResultsError(
                f"{file}: the checksum does not match: the file was changed or damaged after it was written; "
                "put a sound copy back"
            )
        return tomllib.loads(body.decode())
    except FileNotFoundError as error:
        raise ResultsError(f"{file.parent} is no results folder: it holds no matrix.toml") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{file}: cannot be read ({error})") from error


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
