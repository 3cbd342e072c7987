"""Trackers: finished cells, with their curves, sent to TensorBoard, MLflow or a plugin's tool while a matrix runs.

The process that started the run reads each record once it is written: nothing stands on a training step.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from ...strategies import UsageError
from ...strategies.registry import registry

logger = logging.getLogger("selbench")


@dataclass(frozen=True)
class TrackedCell:
    """One finished cell: what it is called and was asked for, its curve, and what came out."""

    id: str
    name: str
    """``DATASET/ARM/seed-N``, with the reference behind the arm where there is one."""
    params: Mapping[str, str | float]
    curve: Sequence[Mapping[str, float]]
    """Points in the order taken; ``progress`` in [0, 1] is the share of the budget. Seconds, FLOPs and shares."""
    results: Mapping[str, float]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> TrackedCell:
        arm, identity, result = record["arm_label"], record["identity"], record["result"]
        reference = f" ({record['reference']})" if record["reference"] else ""
        params = {"dataset": record["dataset"], "arm": arm, "seed": record["seed"], "rung": identity["rung"]}
        if record["reference"]:
            params["reference"] = record["reference"]
        numbers = ({k: float(v) for k, v in point.items() if v is not None} for point in record["curve"])
        results = {k: float(v) for k, v in result.items() if isinstance(v, int | float)}
        name = f"{record['dataset']}/{arm}{reference}/seed-{record['seed']}"
        return cls(record["id"], name, params, [*numbers], results)

    def points(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Each point's values, with its progress in thousandths as a whole step."""
        for point in self.curve:
            yield round(1000 * point["progress"]), {k: v for k, v in point.items() if k != "progress"}


class Tracker(Protocol):
    """What the group ``selbench.trackers`` registers; made once a run, as ``NAME(out=FOLDER, matrix=NAME)``.

    The constructor raises ``UsageError`` where it cannot work. An error in :meth:`cell` is logged once, and the run
    goes on without the tracker.
    """

    def cell(self, cell: TrackedCell) -> None:
        """A cell has finished: write it down for good, since a run may be killed behind it."""


class Tracking:
    """The trackers of a run; one that fails is warned of and left out from there on."""

    def __init__(self, names: Sequence[str], out: Path, matrix: str) -> None:
        self.trackers = {name: registry("trackers").load(name, out=out, matrix=matrix) for name in names}

    def cell(self, read: Callable[[], Mapping[str, Any] | None]) -> None:
        """Tell of the cell whose record ``read`` gives; nothing is read where nobody listens."""
        for name, tracker in [*self.trackers.items()]:
            try:
                tracker.cell(TrackedCell.of(read() or {}))
            except Exception as error:  # another system's fault is no cell's
                del self.trackers[name]
                logger.warning("tracker %s fails and is left out: %s: %s", name, type(error).__name__, error)


class TensorBoard:
    """Event files for TensorBoard in OUT/tensorboard, a run for each cell: tensorboard --logdir OUT/tensorboard.

    Steps are thousandths of the budget, so that arms of unlike steps lie over one another.
    """

    def __init__(self, out: Path, matrix: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(f"tracker tensorboard: {error}: pip install selbench[tensorboard]") from error
        self.folder, self.writer = out / "tensorboard", SummaryWriter

    def cell(self, cell: TrackedCell) -> None:
        with self.writer(str(self.folder / cell.name)) as writer:
            for step, values in cell.points():
                for name, value in values.items():
                    writer.add_scalar(f"curve/{name}", value, step)
            for name, value in cell.results.items():
                writer.add_scalar(f"result/{name}", value, 1000)


class MLflow:
    """An MLflow experiment named after the matrix, a run for each cell: at $MLFLOW_TRACKING_URI, else in OUT/mlflow.

    ``MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri OUT/mlflow`` shows the folder. Steps are thousandths of
    the budget.
    """

    def __init__(self, out: Path, matrix: str) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric, Param, RunTag
        except ImportError as error:
            raise UsageError(f"tracker mlflow: {error}: pip install selbench[mlflow]") from error
        self.metric, self.param, self.tag = Metric, Param, RunTag
        if not (uri := os.environ.get("MLFLOW_TRACKING_URI")):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 takes no folder without a word for it
            uri = (out / "mlflow").resolve().as_uri()
        self.connect, self.matrix = partial(MlflowClient, uri), matrix

    @cached_property
    def store(self) -> tuple[Any, str]:
        """A client and the experiment's id; made behind the folder's own files, which a run begins by writing."""
        client = self.connect()
        found = client.get_experiment_by_name(self.matrix)
        return client, found.experiment_id if found else client.create_experiment(self.matrix)

    def cell(self, cell: TrackedCell) -> None:
        client, experiment = self.store
        run = client.create_run(experiment, run_name=cell.name).info
        metrics = [
            self.metric(name, value, run.start_time, step)
            for step, values in (*cell.points(), (1000, cell.results))
            for name, value in values.items()
        ]
        params = [self.param(name, str(value)) for name, value in cell.params.items()]
        client.log_batch(run.run_id, metrics, params, [self.tag("selbench.id", cell.id)])
        client.set_terminated(run.run_id)
