"""A matrix made ready: everything that it names is loaded and checked before any training."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...strategies import UsageError
from ...strategies.registry import registry
from .. import environment
from ..datasets.loaded import DataSetLoader, LoadedData
from ..plan.matrix import Matrix
from ..plan.reference_seconds import ReferenceSeconds
from ..plan.tasks import Planner
from ..streams import generator
from ..tasks.worker import reference_of, trains_reference


@dataclass
class RunRequest:
    out: Path | None = None
    data_dir: Path | None = None
    cache_dir: Path | None = None
    device: str | None = None
    workers: int | None = None
    executor: str = "local"
    download: bool = False
    declared: Matrix | None = None
    """The matrix before it was narrowed; its identity names the folder's contents."""
    source: str = ""
    """What was named to ``selbench run``: a shipped matrix, or a file's name without its folder."""
    overrides: list[str] = field(default_factory=list)
    """The settings changed by ``--set``."""
    ray_address: str | None = None
    """Of the cluster, for the executor ``ray``."""
    cell_limit: float | None = None
    """Minutes after which a cell is killed."""
    memory_limit: float | None = None
    """GB of memory above which a worker is killed."""
    checkpoint: float = 5.0
    """Minutes between two checkpoints of a run; 0 for none."""
    keep_going: bool = False
    """Whether to run the other strategies where one is unusable."""


def cache_folder(asked: Path | None) -> Path:
    """Where decoded data sets are kept: as asked, ``$SELBENCH_CACHE_DIR``, or the user's cache folder."""
    if asked is not None:
        return asked
    if "SELBENCH_CACHE_DIR" in os.environ:
        return Path(os.environ["SELBENCH_CACHE_DIR"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "selbench"


def data_folder(asked: Path | None) -> Path | None:
    """Where image sets lie: as asked, or ``$SELBENCH_DATA_DIR``."""
    if asked is None and "SELBENCH_DATA_DIR" in os.environ:
        asked = Path(os.environ["SELBENCH_DATA_DIR"])
    if asked is not None and not asked.is_dir():
        raise UsageError(f"--data-dir {asked}: no such folder")
    return asked


def thread_count(cores: int, workers: int) -> int:
    """Threads of each worker: ``$OMP_NUM_THREADS`` where it is a number, else its share of the cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else max(1, cores // max(1, workers))


@dataclass(frozen=True)
class Prepared:
    """A matrix with what it names.

    Attributes
    ----------
    references : dict
        Instances and their content hashes, by name.
    starts : dict of str
        Content hashes of the weights that learners start from, by data set.
    workers : int
        As asked for; by default one a core on a CPU, and one on a GPU.
    """

    matrix: Matrix
    device: torch.device
    data_dir: Path | None
    cache_dir: Path
    loaded: dict[str, LoadedData]
    references: dict[str, tuple[Any, str]]
    starts: dict[str, str]
    workers: int

    @property
    def precision(self) -> str:
        """``bf16`` on a GPU, else ``float32``."""
        return "bf16" if self.device.type == "cuda" else "float32"

    def planner(self, rates: ReferenceSeconds) -> Planner:
        return Planner(self.matrix, self.loaded, self.references, self.precision, self.starts, rates)

    def contents(self) -> dict[str, str]:
        """The content hashes that the matrix's identity is made from."""
        own = {e.name for e in self.matrix.datasets if e.settings is not None and e.settings.learner is not None}
        shared = next((start for name, start in self.starts.items() if name not in own), "")
        return {
            **{f"reference {name}": content for name, (_, content) in self.references.items()},
            **{f"dataset {name}": data.fingerprint for name, data in self.loaded.items()},
            "learner": shared,
            **{f"learner {name}": self.starts[name] for name in own},
        }


def prepare(matrix: Matrix, request: RunRequest) -> Prepared:
    """Load and check everything that a matrix names.

    Raises
    ------
    UsageError
        Where something is missing, damaged, or does not fit.
    """
    device = environment.pick_device(request.device)
    data_dir, cache_dir = data_folder(request.data_dir), cache_folder(request.cache_dir)
    references = load_references(matrix, data_dir)
    loader = DataSetLoader(data_dir, cache_dir, request.download)
    loaded = {e.name: loader.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
    starts = {name: _start(matrix, name, data, data_dir) for name, data in loaded.items()}
    workers = request.workers
    if workers is None:
        workers = (os.cpu_count() or 1) if device.type == "cpu" else 1
    return Prepared(matrix, device, data_dir, cache_dir, loaded, references, starts, workers)


def load_references(matrix: Matrix, data_dir: Path | None) -> dict[str, tuple[Any, str]]:
    """The reference instances with their content hashes, by name.

    Raises
    ------
    UsageError
        Where files that one reads are missing or damaged.
    """
    found = {}
    for entry in matrix.references:
        instance = reference_of(entry)
        instance.check(data_dir)
        found[entry.name] = (instance, instance.fingerprint(data_dir))
    return found


def _start(matrix: Matrix, dataset: str, data: LoadedData, data_dir: Path | None) -> str:
    """Content hash of a data set's initial weights; raises where they do not fit the net."""
    learner = learner_of(matrix, dataset)
    size = data.images.train.shape[1], data.resolution, len(data.images.classes)
    learner.build(*size, generator(0), "cpu", data_dir)
    return str(learner.fingerprint(data_dir))


def learner_of(matrix: Matrix, dataset: str = "") -> Any:
    spec = matrix.at(dataset).learner
    return registry("learners").load(spec.name, **spec.parameters())
