"""Runs a task on a machine of a cluster, with local folders, whether or not it sees the results folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .... import __version__
from ....strategies import UsageError
from ...environment import folder_in
from ...plan.tasks import OF_RUNS, Task, has_result
from ...store.folder import Store, write_bytes
from ...tasks.cost_meter import artefact_closure
from ...tasks.worker import Context
from .local import Local
from .queue import Outcome, outcome_of

Files = dict[str, bytes]
"""Contents of files by name; the file that marks a result as complete comes last."""


@dataclass(frozen=True)
class RemoteTask:
    context: Context  # as on the machine that sent it, its folders included
    task: Task
    token: str  # name of a file in the results folder, by which a machine recognises that folder
    inputs: list[tuple[str, str, Any]] | None  # (kind, id, reference) to fetch; None where every machine saw the folder
    limits: dict[str, float | None]  # as of Local


@dataclass(frozen=True)
class MachineFacts:
    versions: str
    shared: bool  # whether it sees the results folder
    lacks: str  # "" if nothing


def versions() -> str:
    """The versions that must be equal on all machines of a run."""
    return f"selbench {__version__}, torch {torch.__version__}"


def machine_facts(context: Context, token: str) -> MachineFacts:
    lacks = ""
    try:
        with_local_folders(context)
    except UsageError as error:
        lacks = str(error)
    return MachineFacts(versions(), _sees(context, token), lacks)


def run_remote_task(errand: RemoteTask, fetch: Callable[[Any], Files]) -> tuple[Outcome, Files]:
    done: list[tuple[Outcome, Files]] = []
    failed = outcome_of(lambda: done.append(_carried_out(errand, fetch)))
    return done[0] if done else (failed, {})


def _carried_out(errand: RemoteTask, fetch: Callable[[Any], Files]) -> tuple[Outcome, Files]:
    context, task = with_local_folders(errand.context), errand.task
    if _sees(context, errand.token):
        return _outcome(errand, context), {}
    if errand.inputs is None:
        raise UsageError(
            f"{context.out} is not seen on this machine, which joined when all others were found to see it: "
            "mount it there too, or run the same command again"
        )
    # Beside the cache: a system's folder for temporary files may be memory.
    context.cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=context.cache_dir, prefix="fetched-") as folder:
        own, store = replace(context, out=Path(folder)), Store(Path(folder))
        for kind, id, reference in errand.inputs:
            unpack(store, kind, id, fetch(reference))
        outcome = _outcome(errand, own)
        return outcome, pack(store, "log" if outcome.error else task.kind, task.id)


def with_local_folders(context: Context) -> Context:
    """``context`` with this machine's folders.

    The sender's ``--data-dir`` counts where there is such a folder here, else ``$SELBENCH_DATA_DIR`` as this
    machine has it; of caches, which any machine can fill, this machine's ``$SELBENCH_CACHE_DIR`` comes first.
    """
    data, cache = context.data_dir, folder_in("SELBENCH_CACHE_DIR") or context.cache_dir
    if data is not None and not data.is_dir():
        own = folder_in("SELBENCH_DATA_DIR")
        if own is None or not own.is_dir():
            raise UsageError(
                f"--data-dir {data}: no such folder there, and its $SELBENCH_DATA_DIR is "
                + ("not set" if own is None else f"{own}, which is none either")
            )
        data = own
    return replace(context, data_dir=data, cache_dir=cache)


def _outcome(errand: RemoteTask, context: Context) -> Outcome:
    """Run the task in its own process, as on a single machine, so that it can be killed at any time."""
    task = errand.task
    if has_result(Store(context.out), task.kind, task.id):
        return Outcome()  # a retry of a task that had finished
    outcomes: list[Outcome] = []
    Local(1, **errand.limits).run(context, [task], lambda _, outcome: outcomes.append(outcome))
    return outcomes[0]


def _sees(context: Context, token: str) -> bool:
    return (context.out / token).exists()


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
    runs = [(task.kind, id) for name, id in task.uses.items() if name in OF_RUNS]
    read = [*task.artefacts.values(), *task.measured.values()]
    return runs + [("artefact", id) for id in artefact_closure(store, read)]


def _paths(store: Store, kind: str, id: str) -> list[Path]:
    match kind:
        case "cell":
            return [store.cell_path(id)]
        case "tuning":
            return [store.tuning_path(id)]
        case "log":
            return [store.root / "logs" / f"{id}.log"]
    return [store.artefact_path(id) / name for name in ("tensors.safetensors", "meta.json")]
