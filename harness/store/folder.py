"""Results on disk: immutable records, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ...reports.records.sealing import (
    MEND,
    VERSION,
    OtherVersionError,
    ResultsError,
    checksum,
    digest_file,
    digest_of,
    explained,
    open_record,
    open_toml,
    replacing,
    seal_toml,
    write_bytes,
    write_record,
)
from ...strategies import UsageError
from .feature_file import Rows, write
from .locks import locked

__all__ = ["MEND", "VERSION", "Store", "checksum", "explained", "sound", "write_bytes"]


def sound(path: Path, *, sealed: bool = True) -> dict[str, Any] | None:
    """The record at ``path``; None where it is missing or damaged (where ``sealed``: or has no checksum).

    One of another version of the format, or that may not be read, is a UsageError: it must be neither misread nor made
    again.
    """
    try:
        return open_record(path.read_bytes(), sealed=sealed)
    except OtherVersionError as error:
        raise UsageError(f"{path}: {error}, or choose another --out") from None
    except PermissionError as error:
        raise UsageError(explained(error)) from None
    except (OSError, ResultsError):
        return None


class Store:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[str, str] = {}  # of tensors written, until their description is

    def cell_path(self, id: str) -> Path:
        return self.root / "cells" / f"{id}.json"

    def tuning_path(self, id: str) -> Path:
        return self.root / "tuning" / f"{id}.json"

    def timing_path(self, id: str) -> Path:
        return self.root / "timing" / f"{id}.json"

    def failed_path(self, id: str) -> Path:
        return self.root / "failed" / f"{id}.json"

    def artefact_path(self, id: str) -> Path:
        return self.root / "artefacts" / id

    def cell(self, id: str) -> dict[str, Any] | None:
        return sound(self.cell_path(id))

    def tuning(self, id: str) -> dict[str, Any] | None:
        return sound(self.tuning_path(id))

    def has_cell(self, id: str) -> bool:
        return self.cell(id) is not None

    def has_timing(self, id: str) -> bool:
        return sound(self.timing_path(id)) is not None

    def has_artefact(self, id: str) -> bool:
        """Whether the artefact is done: its description, which is written last, is sound, and its tensors are there."""
        return self._described(id) is not None and self._tensors(id).exists()

    def write_cell(self, record: dict[str, Any]) -> None:
        self._write(self.cell_path(record["id"]), record)

    def write_tuning(self, record: dict[str, Any]) -> None:
        self._write(self.tuning_path(record["id"]), record)

    def write_timing(self, record: dict[str, Any]) -> None:
        self._write(self.timing_path(record["id"]), record)

    def write_curve(self, id: str, points: list[dict[str, Any]]) -> None:
        """The points so far of a cell that is training, for trackers; no result depends on the file."""
        with suppress(OSError):
            write_bytes(self._curve(id), json.dumps(points).encode())

    def curve(self, id: str) -> list[dict[str, Any]]:
        """What :meth:`write_curve` wrote last; empty where there is none."""
        with suppress(OSError, ValueError):
            found: list[dict[str, Any]] = json.loads(self._curve(id).read_bytes())
            return found
        return []

    def drop_curve(self, id: str) -> None:
        with suppress(OSError):
            self._curve(id).unlink(missing_ok=True)
            self._curve(id).parent.rmdir()  # others may be left, and logs

    def _curve(self, id: str) -> Path:
        return self.root / "logs" / f"{id}.curve.json"

    def _write(self, path: Path, record: dict[str, Any]) -> None:
        """Write the record of a finished task; an earlier failure of it goes."""
        write_record(path, record)
        self.failed_path(record["id"]).unlink(missing_ok=True)

    def write_failed(self, failure: dict[str, Any]) -> None:
        write_record(self.failed_path(failure["id"]), failure)

    def write_artefact(self, id: str, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Write an artefact's tensors, where they are not there yet, then its description with their digest."""
        if tensors:
            content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
            write_bytes(self._tensors(id), content)
            self._digests[id] = digest_of(content)
        digest = self._digests.pop(id, None) or digest_file(self._tensors(id))
        write_record(self._description(id), {**meta, "tensors": digest})

    def write_features(self, id: str, chunks: Iterable[Tensor], count: int, beside: Mapping[str, Tensor]) -> None:
        """Write an artefact's ``features`` ``[count, d]`` a chunk at a time, with the tensors ``beside`` them."""
        with replacing(self._tensors(id)) as draft, draft.open("wb") as file:
            self._digests[id] = write(file, "features", chunks, count, beside)

    def adopt_tensors(self, id: str, other: Store) -> None:
        """Take over another store's tensors: one file under two names where a link can be made, else a copy."""
        source, target = other._tensors(id), self._tensors(id)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            with replacing(target) as draft:
                shutil.copyfile(source, draft)
        described = other._described(id) or {}
        self._digests[id] = described.get("tensors") or digest_file(target)

    def artefact_meta(self, id: str) -> dict[str, Any]:
        meta = self._described(id)
        if meta is None:
            raise UsageError(f"{self._description(id)}: missing or damaged; remove its folder and run again")
        return meta

    def _described(self, id: str) -> dict[str, Any] | None:
        return sound(self._description(id), sealed=False)  # older versions wrote them without a checksum

    def artefact_tensors(self, id: str, *names: str) -> dict[str, Tensor]:
        """An artefact's tensors on the CPU: all, or those of ``names`` that it has."""
        with safe_open(str(self._tensors(id)), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name in names or not names}  # noqa: SIM118

    def artefact_rows(self, id: str) -> Rows:
        return Rows(self._tensors(id))

    def _tensors(self, id: str) -> Path:
        return self.artefact_path(id) / "tensors.safetensors"

    def _description(self, id: str) -> Path:
        return self.artefact_path(id) / "meta.json"

    def resolved(self) -> dict[str, Any]:
        """The matrix as run so far; empty where the folder is new or its matrix cannot be read."""
        try:
            return open_toml((self.root / "matrix.toml").read_bytes())[0]
        except PermissionError as error:
            raise UsageError(explained(error)) from None
        except (OSError, ResultsError):
            return {}

    def claim(self, resolved: dict[str, Any]) -> None:
        """Make the folder this matrix's, or refuse.

        What was asked for (strategies, seeds, arms) is joined with what the folder already holds, so that
        a matrix can be run in parts.
        """
        path = self.root / "matrix.toml"
        if path.exists():
            try:
                before, _ = open_toml(path.read_bytes())
            except OtherVersionError as error:
                raise UsageError(f"{path}: {error}, or choose another --out") from None
            except OSError as error:
                raise UsageError(f"{explained(error)}; or choose another --out") from None
            except ResultsError as error:
                raise UsageError(f"{path}: damaged ({error}); put a sound copy back, or choose another --out") from None
            if before.get("identity") != resolved["identity"]:
                raise UsageError(
                    f"{self.root} holds results of another matrix ({before.get('name')!r}, or other settings of it): "
                    "choose another --out, or remove that folder"
                )
            resolved = _joined(before, resolved)
        elif self.root.exists() and any(self.root.iterdir()):
            raise UsageError(f"{self.root} is not empty and holds no results of selbench: choose another --out")
        try:
            write_bytes(path, seal_toml(resolved))
        except OSError as error:
            raise UsageError(f"{explained(error)}; or choose another --out") from None

    def write_look(self, look: dict[str, Any]) -> None:
        """Keep what a look found, in ``matrix.toml``; the same look again takes its own place."""
        with locked(self.root):
            write_bytes(self.root / "matrix.toml", seal_toml(_with_look(self.resolved(), look)))


def _with_look(table: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    others = [row for row in table.get("looks", []) if row["seeds"] != look["seeds"]]
    return {**table, "looks": sorted([*others, look], key=lambda row: row["seeds"])}


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
    joined = {"seeds": seeds, "arms": arms, "requested": {**asked, "strategies": strategies, "seeds": seeds}}
    # The seeds declared first stay declared: a later file or --set with more of them does not make those declared too.
    if "declared" in before:
        joined["declared"] = {**now["declared"], "seeds": before["declared"]["seeds"]}
    kept = {name: before[name] for name in ("looks",) if name in before}
    if extended := before.get("grid", {}).get("extended"):
        both = {name: {*extended.get(name, ()), *now["grid"].get("extended", {}).get(name, ())} for name in extended}
        rest = now["grid"].get("extended", {})
        kept["grid"] = {**now["grid"], "extended": rest | {name: sorted(factors) for name, factors in both.items()}}
    return {**now, **kept, **joined, "timing": timing}
