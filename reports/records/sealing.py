"""How records are written down and told from damaged ones: checksums, one way of writing, and the format's version."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

import tomli_w

VERSION = 1
"""Version of the record format."""

_SEAL = re.compile(rb'checksum = "([0-9a-f]{32})"\n')

_BLOCK = 1 << 20


class Damaged(ValueError):
    """A file is not what was written; says how that is known."""


def digest_of(content: bytes) -> str:
    """BLAKE2b-128 of ``content`` as 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def checksum(record: dict[str, Any]) -> str:
    """Digest of a record's canonical JSON, its ``checksum`` field left out."""
    body = {key: value for key, value in record.items() if key != "checksum"}
    return digest_of(json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode())


def written(record: dict[str, Any]) -> bytes:
    """The one way in which a record is written; NaN and infinity are refused, since JSON has neither."""
    return json.dumps(record, indent=1, sort_keys=True, allow_nan=False).encode()


def foreign(record: dict[str, Any]) -> int | None:
    """The format's version, where it is another than :data:`VERSION`; None too where its digit is what was damaged."""
    version = record.get("version", VERSION)
    if not isinstance(version, int) or version == VERSION:
        return None
    return None if record.get("checksum") == checksum({**record, "version": VERSION}) else version


def seal_toml(table: dict[str, Any]) -> bytes:
    """``table`` as TOML under a first line that holds the checksum of every byte after it."""
    body = tomli_w.dumps(table).encode()
    return f'checksum = "{digest_of(body)}"\n'.encode() + body


def open_toml(content: bytes) -> tuple[dict[str, Any], bool]:
    """The table that :func:`seal_toml` wrote, and whether it has a checksum (an older version wrote none).

    Raises
    ------
    Damaged
        Where the content is not what was written.
    """
    seal = _SEAL.match(content)
    body = content[seal.end() :] if seal else content
    if seal is not None and seal[1].decode() != digest_of(body):
        raise Damaged("the checksum does not match: the file was changed or damaged after it was written")
    try:
        return tomllib.loads(body.decode()), seal is not None
    except (ValueError, RecursionError) as error:
        raise Damaged(f"not valid TOML ({error})") from None


def digest_file(path: Path) -> str:
    """As :func:`digest_of`, of a file that may be larger than memory."""
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


class Digesting:
    """A file being written whose digest is taken on the way.

    Parameters
    ----------
    file : binary file
        What is written to.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.blake2b(digest_size=16)

    def write(self, content: Any) -> int:
        """Write a piece."""
        self._digest.update(content)
        return self._file.write(content)

    def hexdigest(self) -> str:
        """The digest of all that was written."""
        return self._digest.hexdigest()
