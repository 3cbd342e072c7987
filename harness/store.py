"""Results on disk: immutable records, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import tomli_w
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..strategies import UsageError
from .rows import Rows, write

VERSION = 1
"""Version of the record format."""


def checksum(record: dict[str, Any]) -> str:
    """Digest of a record's canonical JSON, its ``checksum`` field left out."""
    body = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def sound(path: Path) -> dict[str, Any] | None:
    """The record at ``path``; None where it is missing, damaged, or of another version."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(record, dict) and record.get("checksum") == checksum(record)
    return record if whole and record.get("version") == VERSION else None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A temporary file to write to: flushed, then renamed to ``path``, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write all at once, or nothing."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON atomically; NaN and infinity are refused, since JSON has neither."""
    write_bytes(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode())


class Store:
    """One results folder.

    Parameters
    ----------
    root : Path
        The folder; made on first writing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def cell_path(self, id: str) -> Path:
        """Where the record of cell ``id`` lies."""
        return self.root / "cells" / f"{id}.json"

    def failed_path(self, id: str) -> Path:
        """Where the failure of cell ``id`` lies."""
        return self.root / "failed" / f"{id}.json"

    def timing_path(self, id: str) -> Path:
        """Where the timed run ``id`` lies."""
        return self.root / "timing" / f"{id}.json"

    def has_timing(self, id: str) -> bool:
        """Whether the timed run is there and sound."""
        return sound(self.timing_path(id)) is not None

    def write_timing(self, record: dict[str, Any]) -> None:
        """Write a timed run; an earlier failure of it goes."""
        write_json(self.timing_path(record["id"]), {**record, "checksum": checksum(record)})
        self.failed_path(record["id"]).unlink(missing_ok=True)

    def tuning_path(self, id: str) -> Path:
        """Where the record of tuning run ``id`` lies."""
        return self.root / "tuning" / f"{id}.json"

    def tuning(self, id: str) -> dict[str, Any] | None:
        """The record of a tuning run, or None where it is missing or damaged (it is then made again)."""
        return sound(self.tuning_path(id))

    def write_tuning(self, record: dict[str, Any]) -> None:
        """Write a finished tuning run; an earlier failure of it goes."""
        write_json(self.tuning_path(record["id"]), {**record, "checksum": checksum(record)})
        self.failed_path(record["id"]).unlink(missing_ok=True)

    def artefact_path(self, id: str) -> Path:
        """The folder of artefact ``id``."""
        return self.root / "artefacts" / id

    def has_cell(self, id: str) -> bool:
        """Whether the cell is done: its record is there and sound."""
        return self.cell_path(id).exists() and self.cell(id) is not None

    def cell(self, id: str) -> dict[str, Any] | None:
        """The record, or None where it is damaged (it is then made again)."""
        return sound(self.cell_path(id))

    def has_artefact(self, id: str) -> bool:
        """Whether the artefact is done: its description is written last."""
        return (self.artefact_path(id) / "meta.json").exists()

    def write_cell(self, record: dict[str, Any]) -> None:
        """Write a finished cell; an earlier failure of it goes."""
        record = {**record, "checksum": checksum(record)}
        write_json(self.cell_path(record["id"]), record)
        self.failed_path(record["id"]).unlink(missing_ok=True)

    def write_failed(self, failure: dict[str, Any]) -> None:
        """Write why a cell or an artefact failed."""
        write_json(self.failed_path(failure["id"]), failure)

    def write_artefact(self, id: str, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Write an artefact's tensors, where they are not there yet, then its description."""
        if tensors:
            content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
            write_bytes(self._tensors(id), content)
        write_json(self.artefact_path(id) / "meta.json", meta)

    def write_features(self, id: str, chunks: Iterable[Tensor], count: int, beside: Mapping[str, Tensor]) -> None:
        """Write an artefact's ``features`` ``[count, d]`` a chunk at a time, with the tensors ``beside`` them."""
        with replacing(self._tensors(id)) as file:
            write(file, "features", chunks, count, beside)

    def adopt_tensors(self, id: str, other: Store) -> None:
        """Take over another store's tensors: one file under two names where a link can be made, else a copy."""
        source, target = other._tensors(id), self._tensors(id)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            with source.open("rb") as whole, replacing(target) as file:
                shutil.copyfileobj(whole, file, 1 << 20)

    def artefact_meta(self, id: str) -> dict[str, Any]:
        """An artefact's description."""
        meta: dict[str, Any] = json.loads((self.artefact_path(id) / "meta.json").read_text(encoding="utf-8"))
        return meta

    def artefact_tensors(self, id: str, *names: str) -> dict[str, Tensor]:
        """An artefact's tensors on the CPU: all, or those of ``names`` that it has."""
        with safe_open(str(self._tensors(id)), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name in names or not names}  # noqa: SIM118

    def artefact_rows(self, id: str) -> Rows:
        """An artefact's ``features``, left in their file."""
        return Rows(self._tensors(id))

    def _tensors(self, id: str) -> Path:
        return self.artefact_path(id) / "tensors.safetensors"

    def resolved(self) -> dict[str, Any]:
        """The matrix as run so far; empty where the folder is new or its matrix cannot be read."""
        try:
            return tomllib.loads((self.root / "matrix.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def claim(self, resolved: dict[str, Any]) -> None:
        """Make the folder this matrix's, or refuse.

        What was asked for (strategies, seeds, arms) is joined with what the folder already holds, so that
        a matrix can be run in parts.

        Raises
        ------
        UsageError
            Where the folder holds another matrix's results, or files that are no results at all.
        """
        path = self.root / "matrix.toml"
        if path.exists():
            try:
                before = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise UsageError(f"{path}: damaged ({error}); choose another --out") from None
            if before.get("identity") != resolved["identity"]:
                raise UsageError(
                    f"{self.root} holds results of another matrix ({before.get('name')!r}, or other settings of it): "
                    "choose another --out, or remove that folder"
                )
            resolved = _joined(before, resolved)
        elif self.root.exists() and any(self.root.iterdir()):
            raise UsageError(f"{self.root} is not empty and holds no results of selbench: choose another --out")
        try:
            write_bytes(path, tomli_w.dumps(resolved).encode())
        except OSError as error:
            raise UsageError(f"{self.root} cannot be written: {error.strerror}; choose another --out") from None


def _joined(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The new request, with the arms, strategies and seeds of earlier ones kept.

    An arm at another learning rate than before, now that its tuning is done, takes the place of the earlier one.
    """
    bases = {arm.get("base", arm["key"]) for arm in now["arms"]}
    arms = now["arms"] + [arm for arm in before.get("arms", []) if arm.get("base", arm["key"]) not in bases]
    asked, earlier = now["requested"], before.get("requested", {})
    strategies = asked["strategies"] + [s for s in earlier.get("strategies", []) if s not in asked["strategies"]]
    seeds = sorted({*asked["seeds"], *earlier.get("seeds", [])})
    # A run without a timing pass does not undo an earlier one.
    timing = {"seeds": max(now["timing"]["seeds"], before.get("timing", {}).get("seeds", 0))}
    requested = {**asked, "strategies": strategies, "seeds": seeds}
    return {**now, "seeds": seeds, "arms": arms, "requested": requested, "timing": timing}
