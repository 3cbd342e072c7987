"""How files of a results folder are written and checked: whole or not at all, under a checksum and a version."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

VERSION = 1  # version of the on-disk format
_SEAL = re.compile(rb'checksum = "([0-9a-f]{32})"\n')
_SEAL_LINE = re.compile(rb'\n "checksum": "([0-9a-f]{32})",')
# In valid JSON no line breaks inside a string. Without these, a quote before ": " ends a key, and no text holds one.
_UNSURE = (b'\\"', b' ": ', b'[": ', b'{": ', b',": ')


class ResultsError(ValueError):
    """A folder, or one of its files, cannot be used: one line with the reason."""


class OtherVersionError(ResultsError):
    """A file has another version of the format."""


CHANGED = "the checksum does not match: the file was changed or damaged after it was written"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to; flushed to disk and renamed to ``path``, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    with replacing(path) as draft:
        draft.write_bytes(content)


def write_record(path: Path, record: dict[str, Any]) -> None:
    write_bytes(path, written({**record, "checksum": checksum(record)}))


def digest_of(content: bytes) -> str:
    """BLAKE2b-128 of ``content`` as 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def digest_file(path: Path) -> str:
    """As :func:`digest_of`, of a file that may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def checksum(record: dict[str, Any]) -> str:
    """Digest of a record's canonical JSON without its ``checksum`` field."""
    body = {key: value for key, value in record.items() if key != "checksum"}
    return digest_of(json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode())


def written(record: dict[str, Any]) -> bytes:
    """The one way in which a record is written; NaN and infinity are refused, since JSON has neither."""
    return json.dumps(record, indent=1, sort_keys=True, allow_nan=False).encode()


def sound(content: bytes) -> bool:
    """Whether ``content`` is a record as :func:`written` lays it out, white space apart, whose checksum holds.

    Faster than :func:`open_record`, since nothing is parsed; False says that it takes that to tell.
    """
    seal = _SEAL_LINE.search(content)
    if seal is None or any(found in content for found in _UNSURE):
        return False
    body = content[: seal.start()] + content[seal.end() :]
    bare = b"".join(map(bytes.lstrip, body.split(b"\n"))).replace(b'": ', b'":')
    return digest_of(bare) == seal[1].decode()


def open_record(content: bytes, *, sealed: bool) -> dict[str, Any]:
    """The record in the bytes of a file; ResultsError where it is not what was written.

    ``sealed``: it must have a checksum; where not, one that is there must match.
    """
    try:
        record = json.loads(content)
        if not isinstance(record, dict):
            raise ResultsError("not a record: the file holds no JSON object")
        found = checksum(record)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ResultsError):
            raise
        raise ResultsError(f"not valid JSON ({error})") from error
    refuse_other_version(record)
    if (sealed or "checksum" in record) and record.get("checksum") != found:
        raise ResultsError(CHANGED)
    return record


def refuse_other_version(record: dict[str, Any]) -> None:
    """OtherVersionError where a record has one, unless its checksum shows that only the version was damaged."""
    version = record.get("version", VERSION)
    if not isinstance(version, int) or version == VERSION:
        return
    if "checksum" not in record or record["checksum"] != checksum({**record, "version": VERSION}):
        raise OtherVersionError(
            f"format version {version}; this selbench reads version {VERSION}: use the selbench that wrote it"
        )


def seal_toml(table: dict[str, Any]) -> bytes:
    """``table`` as TOML under a first line that holds the checksum of every byte after it."""
    body = tomli_w.dumps(table).encode()
    return f'checksum = "{digest_of(body)}"\n'.encode() + body


def open_toml(content: bytes) -> tuple[dict[str, Any], bool]:
    """The table that :func:`seal_toml` wrote, and whether it has a checksum (an older version wrote none)."""
    seal = _SEAL.match(content)
    body = content[seal.end() :] if seal else content
    if seal is not None and seal[1].decode() != digest_of(body):
        raise ResultsError(CHANGED)
    try:
        table = tomllib.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"not valid TOML ({error})") from None
    refuse_other_version(table)
    return table, seal is not None
