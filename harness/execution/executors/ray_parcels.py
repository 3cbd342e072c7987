"""Results as bytes, sent to and from machines that do not see the results folder."""

from __future__ import annotations

from pathlib import Path

from ...plan.tasks import Task, has_result
from ...store.folder import Store, write_bytes
from ...tasks.cost_meter import artefact_closure

Files = dict[str, bytes]
"""Contents of files by name; the file that marks a result as complete comes last."""


def pack(store: Store, kind: str, id: str) -> Files:
    """The files of a result: of a record or a log one, of an artefact its tensors and its description."""
    return {path.name: path.read_bytes() for path in _paths(store, kind, id) if path.exists()}


def unpack(store: Store, kind: str, id: str, parcel: Files) -> None:
    """Write a result, unless the folder has one: the first one counts. An earlier failure goes."""
    if kind == "log" or not has_result(store, kind, id):
        for path in _paths(store, kind, id):
            if path.name in parcel:
                write_bytes(path, parcel[path.name])
    if kind != "log":
        store.failed_path(id).unlink(missing_ok=True)


def inputs(store: Store, task: Task) -> list[tuple[str, str]]:
    """Kind and id of every result that ``task`` may read, those behind its artefacts included; they are all there."""
    runs = [(task.kind, id) for name, id in task.uses.items() if name == "replay"]
    read = [*(id for name, id in task.uses.items() if name != "replay"), *task.measured.values()]
    return runs + [("artefact", id) for id in artefact_closure(store, read)]


def _paths(store: Store, kind: str, id: str) -> list[Path]:
    if kind == "cell":
        return [store.cell_path(id)]
    if kind == "tuning":
        return [store.tuning_path(id)]
    if kind == "log":
        return [store.root / "logs" / f"{id}.log"]
    return [store.artefact_path(id) / name for name in ("tensors.safetensors", "meta.json")]
