"""Results on disk: immutable records, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..strategies import UsageError

VERSION = 1
"""Version of the record format."""


def checksum(record: dict[str, Any]) -> str:
    """Digest of a record's canonical JSON, its ``checksum`` field left out."""
    body = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write through a temporary file: flushed, then renamed, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


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

    def artefact_path(self, id: str) -> Path:
        """The folder of artefact ``id``."""
        return self.root / "artefacts" / id

    def has_cell(self, id: str) -> bool:
        """Whether the cell is done: its record is there and sound."""
        return self.cell_path(id).exists() and self.cell(id) is not None

    def cell(self, id: str) -> dict[str, Any] | None:
        """The record, or None where it is damaged (it is then made again)."""
        try:
            record: dict[str, Any] = json.loads(self.cell_path(id).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        sound = isinstance(record, dict) and record.get("checksum") == checksum(record)
        return record if sound and record.get("version") == VERSION else None

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
        """Write an artefact's tensors, then its description."""
        folder = self.artefact_path(id)
        if tensors:
            write_bytes(
                folder / "tensors.safetensors", save({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
            )
        write_json(folder / "meta.json", meta)

    def artefact_meta(self, id: str) -> dict[str, Any]:
        """An artefact's description."""
        meta: dict[str, Any] = json.loads((self.artefact_path(id) / "meta.json").read_text(encoding="utf-8"))
        return meta

    def artefact_tensors(self, id: str) -> dict[str, Tensor]:
        """An artefact's tensors, on the CPU."""
        with safe_open(str(self.artefact_path(id) / "tensors.safetensors"), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict

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
    """The new request, with the arms, strategies and seeds of earlier ones kept."""
    keys = {arm["key"] for arm in now["arms"]}
    arms = now["arms"] + [arm for arm in before.get("arms", []) if arm["key"] not in keys]
    asked, earlier = now["requested"], before.get("requested", {})
    strategies = asked["strategies"] + [s for s in earlier.get("strategies", []) if s not in asked["strategies"]]
    seeds = sorted({*asked["seeds"], *earlier.get("seeds", [])})
    return {**now, "seeds": seeds, "arms": arms, "requested": {**asked, "strategies": strategies, "seeds": seeds}}
