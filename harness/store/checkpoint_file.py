"""The checkpoint of a run on disk, replaced atomically."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from ...reports.records.sealing import VERSION, digest_of, write_bytes, write_record
from ...strategies import UsageError
from .folder import Store, sound


class Unusable(Exception):
    """A checkpoint cannot be resumed from; says why."""


class Checkpoint:
    """The last checkpoint of one run, in a folder of its own.

    Tensors lie in a file named by their digest, everything else in ``checkpoint.json``, which names that file and is
    replaced last: at any moment one of the two checkpoints is complete.

    Parameters
    ----------
    root : Path
        The results folder.
    id : str
        Of the run.
    """

    def __init__(self, root: Path, id: str) -> None:
        self.folder = root / "checkpoints" / id
        self._description = self.folder / "checkpoint.json"

    def write(self, state: Mapping[str, Any], made: Mapping[str, str]) -> int:
        """Replace the checkpoint; returns its size in bytes.

        Parameters
        ----------
        state : mapping
            Tensors, numbers, strings, None, and lists and dicts of these, dicts by strings. Tuples become lists.
        made : mapping of str
            What must be the same when it is resumed.

        Raises
        ------
        TypeError
            For a value of another type.
        """
        tensors: dict[str, Tensor] = {}
        tree = _encoded(state, tensors)
        content = save(tensors)
        file = self.folder / f"{digest_of(content)}.safetensors"
        write_bytes(file, content)
        write_record(self._description, {"version": VERSION, "made": dict(made), "state": tree, "tensors": file.name})
        for path in self.folder.iterdir():  # the previous one, and unfinished files
            if path.name not in (file.name, self._description.name):
                path.unlink()
        return len(content) + self._description.stat().st_size

    def read(self, made: Mapping[str, str], device: torch.device) -> dict[str, Any] | None:
        """The state last written, each tensor on the device that it came from; None where there is none.

        Raises
        ------
        Unusable
            Where it is damaged, or something in ``made`` was different.
        """
        if not self._description.exists():
            return None
        try:
            record = sound(self._description)
        except UsageError as error:
            raise Unusable(str(error)) from None
        if record is None:
            raise Unusable("it is damaged")
        for name in sorted({*made, *record["made"]}):
            before, now = record["made"].get(name, "nothing"), made.get(name, "nothing")
            if before != now:
                raise Unusable(f"it was made with {name} {before}, and here it is {now}")
        try:
            content = (self.folder / record["tensors"]).read_bytes()
        except OSError as error:
            raise Unusable(f"its tensors cannot be read: {error.strerror}") from None
        if f"{digest_of(content)}.safetensors" != record["tensors"]:
            raise Unusable("its tensors are damaged")
        state: dict[str, Any] = _decoded(record["state"], load(content), device)
        return state

    def drop(self) -> None:
        """Remove it."""
        if self.folder.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # others are left
                self.folder.parent.rmdir()


def tidy(store: Store) -> None:
    """Remove checkpoints of finished tasks: a run was killed after writing a record, before dropping its checkpoint."""
    folder = store.root / "checkpoints"
    for path in folder.iterdir() if folder.is_dir() else ():
        id = path.name
        if store.cell_path(id).exists() or store.tuning_path(id).exists() or store.has_artefact(id):
            Checkpoint(store.root, id).drop()


def _encoded(value: Any, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON, its tensors moved to ``tensors``; values that JSON lacks become tables."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # Cloned: two names of one memory are no safetensors file.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name, "host": value.device.type == "cpu"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_encoded(item, tensors) for item in value]
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"key {odd[0]!r} is no string")
        return {"dict": {key: _encoded(item, tensors) for key, item in value.items()}}
    raise TypeError(f"a {type(value).__name__} is neither tensor, number, string, list nor dict")


def _decoded(value: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    if isinstance(value, list):
        return [_decoded(item, tensors, device) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        tensor = tensors[value["tensor"]]
        return tensor if value["host"] else tensor.to(device)
    if "float" in value:
        return float(value["float"])
    return {key: _decoded(item, tensors, device) for key, item in value["dict"].items()}
