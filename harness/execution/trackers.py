"""Trackers: cells with their curves, sent to TensorBoard, MLflow or a plugin's tool while a matrix runs.

The process that started the run sends everything: of a cell that trains the points that its worker writes down, of a
finished one its record. Nothing stands on a training step.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any, Protocol

from ...strategies import UsageError
from ...strategies.registry import registry
from ..plan.tasks import Task
from ..store.folder import Store

logger = logging.getLogger("selbench")

LOOK = 1.0
"""Seconds between two looks at the points of the cells that train."""


@dataclass(frozen=True)
class TrackedCell:
    """One cell: what it is called and was asked for, its curve, and what came out."""

    id: str
    name: str
    """``DATASET/ARM/seed-N``, with the reference behind the arm where there is one."""
    params: Mapping[str, str | float]
    curve: Sequence[Mapping[str, float]]
    """Points in the order taken; ``progress`` in [0, 1] is the share of the budget. Seconds, FLOPs and shares."""
    results: Mapping[str, float]
    """Empty while it trains."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> TrackedCell:
        results = {k: float(v) for k, v in record["result"].items() if isinstance(v, int | float)}
        return replace(cls._named(record, record["identity"]["rung"]).at(record["curve"]), results=results)

    @classmethod
    def begun(cls, task: Task) -> TrackedCell:
        assert task.arm is not None
        return cls._named({**vars(task), "arm_label": task.arm.label}, task.arm.rung)

    @classmethod
    def _named(cls, of: Mapping[str, Any], rung: float) -> TrackedCell:
        params = {"dataset": of["dataset"], "arm": of["arm_label"], "seed": of["seed"], "rung": rung}
        if of["reference"]:
            params["reference"] = of["reference"]
        reference = f" ({of['reference']})" if of["reference"] else ""
        return cls(of["id"], f"{of['dataset']}/{of['arm_label']}{reference}/seed-{of['seed']}", params, [], {})

    def at(self, curve: Sequence[Mapping[str, Any]]) -> TrackedCell:
        """The same cell with this curve; values that are None are left out."""
        return replace(self, curve=[{k: float(v) for k, v in point.items() if v is not None} for point in curve])

    def points(self, skipped: int = 0) -> Iterator[tuple[int, Mapping[str, float]]]:
        """The values of each point after the first ``skipped``, with its progress in thousandths as a whole step."""
        for point in self.curve[skipped:]:
            yield round(1000 * point["progress"]), {k: v for k, v in point.items() if k != "progress"}


class Tracker(Protocol):
    """What the group ``selbench.trackers`` registers; made once a run, as ``NAME(out=FOLDER, matrix=NAME)``.

    The constructor raises ``UsageError`` where it cannot work. An error in a method is logged once, and the run goes on
    without the tracker. Two more methods are called where it has them: ``points(cell)`` while a cell trains, each time
    with all points so far, and ``failed(cell)`` where it ended without a result.
    """

    def cell(self, cell: TrackedCell) -> None:
        """A cell has finished: write it down for good, since a run may be killed behind it."""


class Tracking:
    """The trackers of a run; one that fails is warned of and left out from there on."""

    def __init__(self, names: Sequence[str], out: Path, matrix: str) -> None:
        self.trackers = {name: registry("trackers").load(name, out=out, matrix=matrix) for name in names}
        self.store, self._lock = Store(out), RLock()
        self._training: dict[str, tuple[TrackedCell, int]] = {}  # cells of this run, and how many points were told

    @property
    def live(self) -> bool:
        """Whether any listens to cells that train."""
        return any(hasattr(tracker, "points") for tracker in self.trackers.values())

    def begin(self, task: Task) -> None:
        """This run is about to do ``task``."""
        if self.live and task.kind == "cell":
            self.store.drop_curve(task.id)  # of an earlier attempt
            with self._lock:
                self._training[task.id] = TrackedCell.begun(task), 0

    def cell(self, task: Task, read: Callable[[], Mapping[str, Any] | None]) -> None:
        """Tell of the finished cell whose record ``read`` gives; nothing is read where nobody listens."""
        with self._lock:
            self._ended(task)
            self._tell("cell", lambda: TrackedCell.of(read() or {}))

    def failed(self, task: Task) -> None:
        with self._lock:
            if (cell := self._ended(task)) is not None:
                self._tell("failed", lambda: cell)

    def _ended(self, task: Task) -> TrackedCell | None:
        if (begun := self._training.pop(task.id, None)) is None:
            return None
        self.store.drop_curve(task.id)
        return begun[0]

    @contextmanager
    def following(self) -> Iterator[None]:
        """Tell of the points of cells that train, as long as the context lasts."""
        over = Event()

        def follow() -> None:
            while not over.wait(LOOK):
                self.look()

        thread = Thread(target=follow, daemon=True)
        if self.live:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if thread.ident is not None:
                thread.join()

    def look(self) -> None:
        """Tell of the points that were taken since the last look."""
        with self._lock:
            for id, (cell, told) in self._training.items():
                if len(points := self.store.curve(id)) > told:
                    self._training[id] = cell, len(points)
                    self._tell("points", lambda cell=cell, points=points: cell.at(points))  # type: ignore[misc]

    def _tell(self, what: str, of: Callable[[], TrackedCell]) -> None:
        for name, tracker in [*self.trackers.items()]:
            try:
                if (tell := getattr(tracker, what, None)) is not None:
                    tell(of())
            except Exception as error:  # another system's fault is no cell's
                del self.trackers[name]
                logger.warning("tracker %s fails and is left out: %s: %s", name, type(error).__name__, error)


class TensorBoard:
    """Event files for TensorBoard in OUT/tensorboard, a run for each cell: tensorboard --logdir OUT/tensorboard.

    Steps are thousandths of the budget, so that arms of unlike steps lie over one another. A cell that was interrupted
    is written anew, from its first point.
    """

    def __init__(self, out: Path, matrix: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(f"tracker tensorboard: {error}: pip install selbench[tensorboard]") from error
        self.folder, self.writer = out / "tensorboard", SummaryWriter
        self.open: dict[str, tuple[Any, int]] = {}  # by cell: its file, and how many points it has

    def points(self, cell: TrackedCell) -> None:
        if cell.id not in self.open:
            folder = self.folder / cell.name
            for left in folder.glob("events.out.tfevents.*"):
                left.unlink()
            self.open[cell.id] = self.writer(str(folder)), 0
        writer, there = self.open[cell.id]
        for step, values in cell.points(there):
            for name, value in values.items():
                writer.add_scalar(f"curve/{name}", value, step)
        writer.flush()
        self.open[cell.id] = writer, len(cell.curve)

    def cell(self, cell: TrackedCell) -> None:
        self.points(cell)
        writer, _ = self.open[cell.id]
        for name, value in cell.results.items():
            writer.add_scalar(f"result/{name}", value, 1000)
        self.failed(cell)

    def failed(self, cell: TrackedCell) -> None:
        """Its file is closed, and begun anew where it is trained again."""
        if cell.id in self.open:
            self.open.pop(cell.id)[0].close()


class MLflow:
    """An MLflow experiment named after the matrix, a run for each cell: at $MLFLOW_TRACKING_URI, else in OUT/mlflow.

    ``MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri OUT/mlflow`` shows the folder. Steps are thousandths of
    the budget. The run of a cell that was interrupted goes on where it stopped.
    """

    def __init__(self, out: Path, matrix: str) -> None:
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric
        except ImportError as error:
            raise UsageError(f"tracker mlflow: {error}: pip install selbench[mlflow]") from error
        self.metric = Metric
        if not (uri := os.environ.get("MLFLOW_TRACKING_URI")):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 takes no folder without a word for it
            uri = (out / "mlflow").resolve().as_uri()
        self.connect, self.matrix = partial(MlflowClient, uri), matrix
        self.open: dict[str, tuple[str, int]] = {}  # by cell: its run, and the last step that it has

    @cached_property
    def store(self) -> tuple[Any, str]:
        """A client and the experiment's id; made behind the folder's own files, which a run begins by writing."""
        client = self.connect()
        found = client.get_experiment_by_name(self.matrix)
        return client, found.experiment_id if found else client.create_experiment(self.matrix)

    def points(self, cell: TrackedCell) -> None:
        if cell.id not in self.open:
            self.open[cell.id] = self._run(cell)
        run, last = self.open[cell.id]
        new = [(step, values) for step, values in cell.points() if step > last]
        self._log(run, new)
        self.open[cell.id] = run, max([last, *(step for step, _ in new)])

    def cell(self, cell: TrackedCell) -> None:
        self.points(cell)
        self._log(self.open[cell.id][0], [(1000, cell.results)])
        self._end(cell, "FINISHED")

    def failed(self, cell: TrackedCell) -> None:
        if cell.id in self.open:
            self._end(cell, "FAILED")

    def _end(self, cell: TrackedCell, status: str) -> None:
        self.store[0].set_terminated(self.open.pop(cell.id)[0], status)

    def _log(self, run: str, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        now = int(1000 * time.time())
        self.store[0].log_batch(run, [self.metric(k, v, now, step) for step, values in rows for k, v in values.items()])

    def _run(self, cell: TrackedCell) -> tuple[str, int]:
        """The cell's run, and the last step that it has: one that was interrupted, or a new one."""
        client, experiment = self.store
        unfinished = f"tags.`selbench.id` = '{cell.id}' and attributes.status = 'RUNNING'"
        if found := client.search_runs([experiment], unfinished, max_results=1):
            run = found[0].info.run_id
            return run, max((at.step for at in client.get_metric_history(run, "seconds")), default=-1)
        made = client.create_run(experiment, run_name=cell.name, tags={"selbench.id": cell.id}).info.run_id
        for name, value in cell.params.items():
            client.log_param(made, name, value)
        return made, -1
