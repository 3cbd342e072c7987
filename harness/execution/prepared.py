"""A matrix made ready: everything that it names is loaded and checked before any training."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ...reports.records.matrix import pack_labels
from ...strategies import UsageError
from ...strategies.interface import Traits
from ...strategies.registry import Entry, registry
from ...strategies.time_limit import time_limit
from .. import environment
from ..datasets.loaded import DataSetLoader, LoadedData
from ..plan.arms import ReferenceSeconds
from ..plan.matrix import Matrix, margin_of
from ..plan.sweeps import studies
from ..plan.tables import DatasetEntry, StrategyEntry
from ..plan.tasks import Plan, Planner
from ..steps.schedules import load_schedule
from ..store.folder import VERSION, Store
from ..streams import generator
from ..tasks.worker import reference_of, trains_reference
from ..toml import expanded
from ..training.learner import Learner
from ..training.learners import learner
from ..training.numerics import Numerics, candidates
from .executors.queue import Outcome

NEWER = re.compile(r"selbench\s*\(?\s*>=\s*([\d.]+)")  # how a distribution asks for a version of this one


@dataclass
class RunRequest:
    out: Path | None = None
    data_dir: Path | None = None
    cache_dir: Path | None = None
    device: str | None = None
    workers: int | None = None
    executor: str = "local"
    download: bool = False
    declared: Matrix | None = None  # before it was narrowed: its identity names the folder's contents
    source: str = ""  # what was named to ``selbench run``: a shipped matrix, or a file's name without its folder
    overrides: list[str] = field(default_factory=list)  # by ``--set``
    ray_address: str | None = None
    cell_limit: float | None = None  # minutes after which a cell is killed
    memory_limit: float | None = None  # GB of memory above which a worker is killed
    checkpoint: float = 5.0  # minutes between two checkpoints of a run; 0 for none
    keep_going: bool = False  # run the other strategies where one is unusable
    retrain: list[str] = field(default_factory=list)  # names whose code has changed: their results are made again
    keep: bool = False  # keep the results of code that has changed
    deterministic: bool = False  # refuse operators without a deterministic kernel
    trackers: list[str] = field(default_factory=list)  # names of those that finished cells are sent to

    def folder(self, matrix: Matrix) -> Path:
        return self.out or Path("results") / matrix.name


def cache_folder(asked: Path | None) -> Path:
    """Where decoded data sets are kept: as asked, ``$SELBENCH_CACHE_DIR``, or the user's cache folder."""
    if asked := asked or environment.folder_in("SELBENCH_CACHE_DIR"):
        return asked
    try:
        return (environment.folder_in("XDG_CACHE_HOME") or expanded("~/.cache")) / "selbench"
    except UsageError:
        raise UsageError("no home folder is known here to keep decoded images in: give --cache-dir DIR") from None


def data_folder(asked: Path | None) -> Path | None:
    """Where image sets lie: as asked, or ``$SELBENCH_DATA_DIR``."""
    asked = asked or environment.folder_in("SELBENCH_DATA_DIR")
    if asked is not None and not asked.is_dir():
        raise UsageError(f"--data-dir {asked}: no such folder")
    return asked


def thread_count(cores: int, workers: int) -> int:
    """Threads of each worker: ``$OMP_NUM_THREADS`` where it is a number, else its share of the cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else max(1, cores // max(1, workers))


@dataclass(frozen=True)
class Prepared:
    matrix: Matrix
    device: torch.device
    data_dir: Path | None
    cache_dir: Path
    loaded: dict[str, LoadedData]
    references: dict[str, tuple[Any, str]]  # instances and their content hashes
    starts: dict[str, str]  # content hashes of the weights that learners start from, by data set
    proxy_starts: dict[str, str]  # and of the nets that proxies have of their own, by text
    workers: int  # as asked for; by default one a core on a CPU, and one a GPU
    candidates: list[Numerics]  # several where the matrix says auto
    chosen: dict[str, Any] = field(default_factory=dict)  # one of them, by measurement

    @property
    def precision(self) -> str:
        return str(self.chosen["name"]) if self.chosen else self.candidates[0].name

    def planner(self, rates: ReferenceSeconds) -> Planner:
        return Planner(self.matrix, self.loaded, self.references, self.precision, self.starts, rates, self.proxy_starts)

    def prints(self) -> dict[str, str]:
        """Fingerprints of the data, by data set."""
        return {name: data.fingerprint for name, data in self.loaded.items()}

    def contents(self) -> dict[str, str]:
        own = {e.name for e in self.matrix.datasets if e.settings is not None and e.settings.learner is not None}
        shared = next((start for name, start in self.starts.items() if name not in own), "")
        return {
            **{f"reference {name}": content for name, (_, content) in self.references.items()},
            **{f"dataset {name}": content for name, content in self.prints().items()},
            "learner": shared,
            **{f"learner {name}": self.starts[name] for name in own},
            **({"proxy": start} if (start := self.proxy_starts.get(self.matrix.proxy.net)) else {}),
        }


def prepare(matrix: Matrix, request: RunRequest) -> Prepared:
    """Load and check everything that a matrix names; raises where something is missing, damaged, or does not fit."""
    device = environment.pick_device(request.device)
    data_dir, cache_dir = data_folder(request.data_dir), cache_folder(request.cache_dir)
    references = load_references(matrix, data_dir)
    loader = DataSetLoader(data_dir, cache_dir, request.download)
    loaded = {e.name: loader.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
    starts, numerics = {}, candidates(matrix.precision, matrix.memory_format, device)
    proxies = {str(net): learner(net) for net in matrix.proxy_nets()}
    for name, data in loaded.items():
        own, size = learner_of(matrix, name), (data.images.train.shape[1], data.resolution)
        for asked in (own, *proxies.values()):
            # Raises where weights, or the memory format, do not fit.
            net = asked.build(*size, len(data.images.classes), generator(0), "cpu", data_dir)
            numerics = [one for one in numerics if one.fits(net, device)] or numerics[:1]
            numerics[0].net(net, device)
        starts[name] = str(own.fingerprint(data_dir))
    proxy_starts = {name: str(net.fingerprint(data_dir)) for name, net in proxies.items()}
    workers = request.workers
    if workers is None:
        gpus = 1 if device.index is not None else torch.cuda.device_count()
        workers = gpus if device.type == "cuda" else environment.usable_cores()
    more = (loaded, references, starts, proxy_starts, workers, numerics)
    prepared = Prepared(matrix, device, data_dir, cache_dir, *more)
    return replace(prepared, chosen=already_chosen(Store(request.folder(matrix)), numerics))


def already_chosen(store: Store, allowed: list[Numerics]) -> dict[str, Any]:
    """What an earlier run on the folder has measured, where that is still a choice; else empty."""
    before: dict[str, Any] = store.resolved().get("numerics", {})
    return before if len(allowed) > 1 and before.get("name") in [one.name for one in allowed] else {}


def load_references(matrix: Matrix, data_dir: Path | None) -> dict[str, tuple[Any, str]]:
    found = {}
    for entry in matrix.references:
        instance = reference_of(entry)
        instance.check(data_dir)
        found[entry.name] = (instance, instance.fingerprint(data_dir))
    return found


def learner_of(matrix: Matrix, dataset: str = "") -> Learner:
    return learner(matrix.at(dataset).learner)


def resolved(declared: Matrix, prepared: Prepared) -> dict[str, Any]:
    asked, seed = prepared.matrix, prepared.matrix.seed_list()[0]
    grid, questions = declared.tuned(), [*declared.studies, *studies(declared.strategies)]
    return {
        "version": VERSION,
        "name": declared.name,
        "title": _title(declared, prepared),
        "identity": declared.identity(prepared.contents()),
        "seeds": asked.seed_list(),
        "tuning": declared.tuning,
        **({} if grid is None else {"grid": grid}),
        **_terms(declared),
        "ladder": declared.ladder,
        "proxy": declared.proxy.identity(),
        "references": [{**entry.model_dump(), "spec": entry.spec.split(":")[0]} for entry in declared.references],
        "analysis": declared.analysis.declared(),
        **({"studies": [study.model_dump() for study in questions]} if questions else {}),
        **({"measures": declared.measures} if declared.measures else {}),
        **({"numerics": prepared.chosen} if prepared.chosen else {}),
        "timing": asked.timing.model_dump(),
        **{
            name: {"strategies": [entry.label or entry.name for entry in of.strategies], "seeds": of.seed_list()}
            for name, of in (("declared", declared), ("requested", asked))
        },
        "datasets": [
            _dataset(entry, prepared.loaded[entry.name], seed)
            | (_terms(declared.at(entry.name)) if entry.settings else {})
            for entry in asked.datasets
        ],
    }


def _title(declared: Matrix, prepared: Prepared) -> str:
    """The matrix's own, unless it speaks of data that ``--dataset`` has replaced."""
    found = [(name, data.title) for name, data in prepared.loaded.items() if data.entry._replaced]
    if not found:
        return declared.title or declared.name
    return f"{declared.name} with " + ", ".join(f"{title} in place of {name}" for name, title in found)


def _terms(matrix: Matrix) -> dict[str, Any]:
    text = getattr(learner_of(matrix), "title", matrix.learner.name)
    budget = matrix.budget.model_dump(exclude_none=True)
    return {
        "learner": {**matrix.learner.model_dump(), "text": text},
        "budget": {**budget, "batching": matrix.batching, "batch": matrix.batch, "buckets": matrix.buckets},
        "optimizer": matrix.optimizer.model_dump(),
    }


def _dataset(entry: DatasetEntry, loaded: LoadedData, seed: int) -> dict[str, Any]:
    splits, images = loaded.splits(seed), loaded.images
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
        "test_labels": pack_labels(images.test_labels.numpy(), len(images.classes)),
    }


def arm_rows(plan: Plan, matrix: Matrix) -> dict[str, Any]:
    shared = matrix.proxy.identity()
    return {
        "arms": [
            {
                **{name: value for name, value in asdict(arm).items() if isinstance(value, str | float)},
                "lr": matrix.at(arm.dataset).optimizer.lr * arm.lr_factor,
                "lr_factor": arm.lr_factor,
                "base": arm.base or arm.key,
                "key": arm.key,
                "strategy": arm.text,
                "schedule": "replayed steps" if arm.replay else str(load_schedule(**arm.schedule)),
                "settings": f"pool {arm.pool}, scored in {arm.score_mode} mode",
                **({"proxy": proxy} if (proxy := arm.shared.get("proxy")) not in (None, shared) else {}),
            }
            for arm in plan.arms
        ]
    }


def without_unusable(matrix: Matrix, keep_going: bool) -> tuple[Matrix, dict[str, Outcome]]:
    """The matrix without its unusable strategies, and their faults by label; raises unless ``keep_going``."""
    usable, rest = [], dict[str, Outcome]()
    for entry in matrix.strategies:
        outcome = _fault(entry)
        if outcome is None:
            usable.append(entry)
        elif keep_going:
            rest[entry.label or entry.name] = outcome
        else:
            raise UsageError(f"{outcome.error}; fix it, leave it out, or pass --keep-going to run the others")
    return matrix.model_copy(update={"strategies": usable}), rest


def _fault(asked: StrategyEntry) -> Outcome | None:
    """The law that a plugin breaks before it is called, or None; a wrong request raises."""
    known, name = registry("strategies"), asked.name
    entries = known.found().get(name, [])
    if all(entry.builtin for entry in entries):
        Traits.of(known.load(name, **asked.options))
        return None
    checks: list[tuple[str, Callable[[], Any]]] = [
        ("name", lambda: known.entry(name)),
        ("version", lambda: _asks_for(known.entry(name))),
        ("imports", lambda: known.target(name)),
        ("constructs", lambda: known.load(name, **asked.options)),
        ("declares", lambda: Traits.of(known.load(name, **asked.options))),
    ]
    for law, check in checks:
        try:
            with time_limit():
                check()
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            said = str(error) if isinstance(error, UsageError) else f"it raised {type(error).__name__}: {error}"
            if not any(f"{entry.distribution} " in said for entry in entries):
                said = f"strategy {name!r} of {entries[0].distribution} {entries[0].version}: {said}"
            return Outcome(" ".join(f"law broken: {law}: {said}".split()), law)
    return None


def _asks_for(entry: Entry) -> None:
    for line in (entry.point.dist.requires if entry.point.dist else None) or []:
        if (asked := NEWER.match(line)) and _numbers(asked[1]) > _numbers(__version__):
            raise UsageError(
                f"strategy {entry.name!r} of {entry.distribution} {entry.version} asks for selbench {asked[1]} or "
                f"later, and this is {__version__}: update selbench, or use an earlier version of it"
            )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
