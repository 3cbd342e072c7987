"""Doing one task, whatever its kind."""

from __future__ import annotations

from ...reports.records.fields import record_of
from ...reports.records.models import Cell, Tuning
from ...strategies.errors import StrategyFault
from .. import environment as here
from ..plan.tasks import Task
from ..plan.used_code import used_code
from ..store.checkpoint_file import Checkpoint
from . import artefacts
from .cell import train_cell
from .tuning_run import train_tuning_run
from .worker import Worker


def do(worker: Worker, task: Task) -> None:
    started = here.now()
    checkpoint = Checkpoint(worker.store.root, task.id)
    try:
        code = used_code(worker.matrix, task)  # before training: the file may be edited meanwhile
        if task.kind == "cell":
            record = {"environment": worker.environment(started), **train_cell(worker, task)}
            worker.store.write_cell(record_of(Cell, {**record, "code": code}))
        elif task.kind == "tuning":
            record = train_tuning_run(worker, task)
            record |= {"environment": worker.environment(started), "code": code}
            worker.store.write_tuning(record_of(Tuning, record))
        else:
            artefacts.make(worker, task, started, code)
    except StrategyFault:
        checkpoint.drop()  # the strategy will be another one when it is tried again
        raise
    checkpoint.drop()
