"""Running a matrix: read, check everything, claim the folder, do what is missing."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...reports.records.fields import read_as
from ...reports.records.matrix import Matrix as Resolved
from ...strategies import UsageError
from ...strategies.registry import registry
from .. import environment
from ..datasets.loaded import Bank, Loaded
from ..plan.arms import Arm
from ..plan.matrix import Matrix, margin_of
from ..plan.reference_seconds import Rates
from ..plan.tasks import Plan, Planner
from ..steps.schedules import load_schedule
from ..store.folder import VERSION, Store
from ..store.locks import Claims, locked
from ..streams import generator
from ..tasks.worker import Context, reference_of, trains_reference
from .calibration import calibrated
from .executors import Executor
from .preflight import screened
from .stages import Done, Stages

WAITING = "waiting for another run on this folder, which measures reference seconds"


@dataclass
class Request:
    """What the command line asked for, beyond the matrix itself."""

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
    """Minutes after which a cell is ended."""
    memory_limit: float | None = None
    """GB after which a worker is ended."""
    checkpoint: float = 5.0
    """Minutes between two checkpoints of a run; 0 for none."""
    keep_going: bool = False
    """Whether the rest is done where a strategy cannot be used at all."""


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
    return int(asked) if asked.isdigit() and int(asked) else max(1, cores // workers)


def run(matrix: Matrix, request: Request) -> Done:
    """Do every task of the matrix that is not done yet.

    Raises
    ------
    UsageError
        Before any training, where the request cannot work.
    """
    if not request.checkpoint >= 0:
        raise UsageError(f"--checkpoint {request.checkpoint:g}: minutes between checkpoints, or 0 for none")
    device = environment.pick_device(request.device)
    precision = "bf16" if device.type == "cuda" else "float32"
    data_dir, cache_dir = data_folder(request.data_dir), cache_folder(request.cache_dir)
    matrix, unusable = screened(matrix, request.keep_going)
    references = _references(matrix, data_dir)
    bank = Bank(data_dir, cache_dir, request.download)
    loaded = {e.name: bank.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
    starts = {name: _start(matrix, name, data, data_dir) for name, data in loaded.items()}
    planner = Planner(matrix, loaded, references, precision, starts)
    plan = planner.plan()  # whatever cannot work is said now
    cores = os.cpu_count() or 1
    workers = (cores if device.type == "cpu" else 1) if request.workers is None else request.workers
    executor = _executor(request, workers)
    store = Store(request.out or Path("results") / matrix.name)
    contents = {f"reference {name}": content for name, (_, content) in references.items()}
    contents |= {f"dataset {name}": data.fingerprint for name, data in loaded.items()} | _learners(matrix, starts)
    declared = request.declared or matrix
    table = resolved(declared, matrix, loaded, contents)
    table["requested"] |= {"matrix": request.source or matrix.name, "set": request.overrides}
    threads = thread_count(cores, workers)
    folders = (store.root.resolve(), data_dir, cache_dir)
    context = Context(matrix, *folders, str(device), precision, threads, request.checkpoint)

    def claim(known: Plan) -> None:
        _claim(store, table | _arms(known, matrix))

    with Claims(store.root) as claims:
        if matrix.budget.seconds is not None:
            _claim(store, {**table, "arms": []})  # arms have no ids before every rate is known
            with claims.alone("calibration", partial(print, WAITING, file=sys.stderr)):
                rates = calibrated(context, plan, Rates.read(store.resolved().get("rates", [])))
                _claim(store, {**table, "arms": [], "rates": rates.to_table()})
            context = replace(context, rates=rates)
            planner = Planner(matrix, loaded, references, precision, starts, rates)
            plan = planner.plan()
        stages = Stages(context, executor, store, claims)
        lost: dict[str, str] = {}
        grid = declared.tuned()
        if grid is not None:
            plan, lost = stages.tune(planner, plan.arms, grid, claim)
        claim(plan)
        stages.refuse(unusable)
        stages.train(plan, lost)
        if matrix.timing.seeds:
            stages.time(plan, thread_count(cores, 1))
    return stages.done


def _claim(store: Store, table: dict[str, Any]) -> None:
    """Make the folder this matrix's, with what other runs have put into it meanwhile.

    Raises
    ------
    UsageError
        As :meth:`selbench.harness.store.folder.Store.claim`; where the folder cannot be made.
    """
    read_as(Resolved, table)  # what is written can be read
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with locked(store.root):
            rates = {row["name"]: row for row in [*store.resolved().get("rates", []), *table.get("rates", [])]}
            store.claim(table | ({"rates": list(rates.values())} if rates else {}))
    except OSError as error:
        raise UsageError(f"{store.root} cannot be written: {error.strerror}; choose another --out") from None


def _executor(request: Request, workers: int) -> Executor:
    """The executor asked for; a cluster has an address, and its own number of workers."""
    limits = {"cell_limit": request.cell_limit, "memory_limit": request.memory_limit}
    options: dict[str, Any] = {"workers": workers}
    if request.executor == "ray":
        options = {"workers": request.workers, "address": request.ray_address}
    elif request.ray_address is not None:
        raise UsageError(f"--ray-address {request.ray_address}: it is for --executor ray")
    options |= {name: value for name, value in limits.items() if value is not None}
    executor: Executor = registry("executors").load(request.executor, **options)
    return executor


def _references(matrix: Matrix, data_dir: Path | None) -> dict[str, tuple[Any, str]]:
    """Instances with their content hashes; what is missing is said before any training."""
    found = {}
    for entry in matrix.references:
        instance = reference_of(entry)
        instance.check(data_dir)
        found[entry.name] = (instance, instance.fingerprint(data_dir))
    return found


def _start(matrix: Matrix, dataset: str, data: Loaded, data_dir: Path | None) -> str:
    """Content hash of the weights that a data set's learner starts from; what does not fit is said now."""
    learner = learner_of(matrix, dataset)
    size = data.images.train.shape[1], data.resolution, len(data.images.classes)
    learner.build(*size, generator(0), "cpu", data_dir)
    return str(learner.fingerprint(data_dir))


def learner_of(matrix: Matrix, dataset: str = "") -> Any:
    """The learner of a data set, or of the matrix."""
    spec = matrix.at(dataset).learner
    return registry("learners").load(spec.name, **spec.parameters())


def _learners(matrix: Matrix, starts: dict[str, str]) -> dict[str, str]:
    """The content hashes of first weights: of the matrix's learner, and of those that data sets have of their own."""
    own = {entry.name for entry in matrix.datasets if entry.settings is not None and entry.settings.learner is not None}
    shared = next((start for name, start in starts.items() if name not in own), "")
    return {"learner": shared} | {f"learner {name}": starts[name] for name in own}


def resolved(declared: Matrix, asked: Matrix, loaded: dict[str, Loaded], contents: dict[str, str]) -> dict[str, Any]:
    """The matrix as run: every default filled in, the data sets as they were found; the arms are still to come."""
    analysis = declared.analysis
    grid = declared.tuned()
    return {
        "version": VERSION,
        "name": declared.name,
        "title": declared.title or declared.name,
        "identity": declared.identity(contents),
        "seeds": asked.seed_list(),
        "tuning": declared.tuning,
        **({} if grid is None else {"grid": grid}),
        **_terms(declared),
        "ladder": declared.ladder,
        "proxy": declared.proxy.model_dump(),
        "references": [{**entry.model_dump(), "spec": entry.spec.split(":")[0]} for entry in declared.references],
        "analysis": analysis.model_dump(),
        **{name: table for name in ("studies", "measures") if (table := declared.model_dump()[name])},
        "timing": asked.timing.model_dump(),
        "declared": {
            "strategies": [entry.label or entry.name for entry in declared.strategies],
            "seeds": declared.seed_list(),
        },
        "requested": {
            "strategies": [entry.label or entry.name for entry in asked.strategies],
            "seeds": asked.seed_list(),
        },
        "datasets": [
            _dataset(loaded[entry.name], asked.seed_list()[0])
            | (_terms(declared.at(entry.name)) if entry.settings else {})
            for entry in asked.datasets
        ],
    }


def _terms(matrix: Matrix) -> dict[str, Any]:
    """Learner (in words as well), budget and optimizer, in full."""
    text = getattr(learner_of(matrix), "title", matrix.learner.name)
    budget = {name: value for name, value in matrix.budget.model_dump().items() if value is not None}
    return {
        "learner": {**matrix.learner.model_dump(), "text": text},
        "budget": {**budget, "batching": matrix.batching, "batch": matrix.batch, "buckets": matrix.buckets},
        "optimizer": matrix.optimizer.model_dump(),
    }


def _dataset(loaded: Loaded, seed: int) -> dict[str, Any]:
    entry, splits = loaded.entry, loaded.splits(seed)
    images = loaded.images
    return {
        "name": entry.name,
        "spec": (entry.spec or entry.name).split(":")[0],  # a path is this machine's, not the result's
        "title": loaded.title,
        "note": loaded.note,
        "resolution": loaded.resolution,
        "augmentation": loaded.augmentation,
        "classes": list(images.classes),
        "pool": loaded.size(seed, "pool"),
        "holdout": len(splits.holdout),
        "val": len(splits.val),
        "test": len(images.test_labels),
        "margin": margin_of(entry),
        "collapse": 2.0 / len(images.classes) if entry.collapse is None else entry.collapse,
        "fingerprint": loaded.fingerprint,
    }


def _arms(plan: Plan, matrix: Matrix) -> dict[str, Any]:
    return {"arms": [_arm(arm, matrix.at(arm.dataset).optimizer.lr) for arm in plan.arms]}


def _arm(arm: Arm, lr: float) -> dict[str, Any]:
    schedule = "replayed steps" if arm.replay else str(load_schedule(**arm.schedule))
    row = {name: value for name, value in asdict(arm).items() if isinstance(value, str | float)}
    settings = f"pool {arm.pool}, scored in {arm.score_mode} mode"
    rate = {"lr": lr * arm.lr_factor, "lr_factor": arm.lr_factor, "base": arm.base or arm.key}
    return {**row, **rate, "key": arm.key, "strategy": arm.text, "schedule": schedule, "settings": settings}
