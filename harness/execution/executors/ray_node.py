"""Runs a task on a machine of a cluster, with local folders, whether or not it sees the results folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .... import __version__
from ....strategies import UsageError
from ...plan.tasks import Task, has_result
from ...store.folder import Store
from ...tasks.worker import Context
from .local import Local
from .outcome import Outcome, outcome_of
from .ray_parcels import Files, pack, unpack


@dataclass(frozen=True)
class RemoteTask:
    """A task as it is sent to a machine.

    Parameters
    ----------
    context : Context
        As on the machine that sent it, its folders included.
    task : Task
    token : str
        Name of a file in the results folder, by which a machine recognises that folder.
    inputs : list of (kind, id, reference) or None
        What the task reads, to be fetched where the folder is not seen; None where every machine saw it.
    limits : dict
        As of :class:`selbench.harness.execution.executors.Local`.
    """

    context: Context
    task: Task
    token: str
    inputs: list[tuple[str, str, Any]] | None
    limits: dict[str, float | None]


@dataclass(frozen=True)
class MachineFacts:
    """A machine's versions, whether it sees the results folder, and what it lacks ("" if nothing)."""

    versions: str
    shared: bool
    lacks: str


def versions() -> str:
    """The versions that must be equal on all machines of a run."""
    return f"selbench {__version__}, torch {torch.__version__}"


def machine_facts(context: Context, token: str) -> MachineFacts:
    """The facts of the machine that runs this."""
    lacks = ""
    try:
        with_local_folders(context)
    except UsageError as error:
        lacks = str(error)
    return MachineFacts(versions(), _sees(context, token), lacks)


def run_remote_task(errand: RemoteTask, fetch: Callable[[Any], Files]) -> tuple[Outcome, Files]:
    """Run a task here; returns its outcome and, where the results folder is not seen, the files that it made."""
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
    with _scratch(context) as own:
        store = Store(own.out)
        for kind, id, reference in errand.inputs:
            unpack(store, kind, id, fetch(reference))
        outcome = _outcome(errand, own)
        return outcome, pack(store, "log" if outcome.error else task.kind, task.id)


def with_local_folders(context: Context) -> Context:
    """``context`` with this machine's folders.

    The sender's ``--data-dir`` counts where there is such a folder here, else ``$SELBENCH_DATA_DIR`` as this
    machine has it; of caches, which any machine can fill, this machine's ``$SELBENCH_CACHE_DIR`` comes first.

    Raises
    ------
    UsageError
        Where data are read from a folder and this machine has none.
    """
    data, cache = context.data_dir, Path(os.environ.get("SELBENCH_CACHE_DIR") or context.cache_dir)
    if data is not None and not data.is_dir():
        own = os.environ.get("SELBENCH_DATA_DIR")
        if own is None or not Path(own).is_dir():
            raise UsageError(
                f"--data-dir {data}: no such folder there, and its $SELBENCH_DATA_DIR is "
                + ("not set" if own is None else f"{own}, which is none either")
            )
        data = Path(own)
    return replace(context, data_dir=data, cache_dir=cache)


def _outcome(errand: RemoteTask, context: Context) -> Outcome:
    """Run the task in its own process, as on a single machine, so that it can be killed at any time."""
    task = errand.task
    if has_result(Store(context.out), task.kind, task.id):
        return Outcome()  # a retry of a task that had finished
    outcomes: list[Outcome] = []
    Local(1, **errand.limits).run(context, [task], lambda _, outcome: outcomes.append(outcome))
    return outcomes[0]


@contextmanager
def _scratch(context: Context) -> Iterator[Context]:
    """``context`` with a results folder that lasts as long as one task."""
    # Beside the cache: a system's folder for temporary files may be memory.
    context.cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=context.cache_dir, prefix="fetched-") as folder:
        yield replace(context, out=Path(folder))


def _sees(context: Context, token: str) -> bool:
    return (context.out / token).exists()
