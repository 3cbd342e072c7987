"""Checks of one record: whether it is consistent (curve, ledger, picks, result), and what ``matrix.toml`` declares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...reports.records.fields import Phase
from ...reports.records.matrix import Arm, Matrix
from ...reports.records.models import Cell, Picks, Timing, Tuning, close
from ..identity import NOT_IN_ARTEFACT_IDS, TRAINED, digest, proxy_ids

_RISING = ("passes", "progress", "seconds", "total_flops")


def _pool_size(cell: Cell) -> float:
    """Images that a cell's record says it had to pick from: what its passes went over."""
    passes = cell.curve[-1].passes
    return cell.picks.candidate_samples / passes if passes else 0.0


def total(ledger: Mapping[str, Phase], what: str) -> float:
    """Sum over every phase but ``eval``."""
    return float(sum(getattr(line, what) for phase, line in ledger.items() if phase != "eval"))


def cell_faults(cell: Cell) -> Iterator[str]:
    if cell.faults:
        yield f"counts {cell.faults} faulty selections, and should have failed"
    yield from _curve(cell)
    yield from _picks(cell.picks, _pool_size(cell))
    yield from _costs(cell)
    yield from _dates(cell)


def tuning_faults(run: Tuning) -> Iterator[str]:
    trained, candidates = _sum(run.steps.pace, 1), _sum(run.steps.pace, 0)
    diverged = run.train_loss is None  # it may have ended in the middle of a step
    if run.ledger["train"].samples != trained and not diverged:
        yield f"its ledger has trained on {run.ledger['train'].samples} samples, its steps on {trained:g}"
    if not close(run.mean_ratio, trained / max(1, candidates)):
        yield f"its mean ratio {run.mean_ratio:g} is not that of its steps"
    yield from _dates(run)


def timing_faults(run: Timing) -> Iterator[str]:
    if run.seconds < total(run.ledger, "seconds") * (1 - 1e-9) - 1e-3:
        yield "it took less time than the phases of its ledger"
    yield from _dates(run)


def _dates(record: Cell | Tuning | Timing) -> Iterator[str]:
    if record.environment["finished"] < record.environment["started"]:
        yield "it was finished before it was started"


def _curve(cell: Cell) -> Iterator[str]:
    curve, picks, last = cell.curve, cell.picks, cell.curve[-1]
    for name in _RISING:
        if any(getattr(after, name) < getattr(before, name) for before, after in pairwise(curve)):
            yield f"{name!r} of its curve falls"
    if last.progress != 1.0:
        yield f"its curve ends at progress {last.progress:g}, not at 1"
    for end, what in ((last.seconds, "seconds"), (last.total_flops, "flops")):
        if not close(end, total(cell.ledger, what)):
            yield f"its curve ends at {end:g} {what}, its ledger holds {total(cell.ledger, what):g}"
    for name in ("train_loss", "val_accuracy"):
        if getattr(last, name) != getattr(cell.result, name):
            end, result = getattr(last, name), getattr(cell.result, name)
            yield f"{name!r} at the end of its curve is {end}, and {result} in its result"
    size = _pool_size(cell)
    if not close(size, round(size)) or not size:
        yield f"{last.passes:g} passes and {picks.candidate_samples} candidates are of no whole pool"
    passes = [0.0, *(point.passes for point in curve)]
    trained = sum(point.ratio * (b - a) * size for point, (a, b) in zip(curve, pairwise(passes), strict=True))
    if abs(trained - picks.trained_samples) > 0.5:
        yield f"its curve has trained on {trained:.0f} samples, its picks are {picks.trained_samples}"


def _sum(pace: Sequence[tuple[float, ...]], column: int) -> float:
    return sum(row[column] * row[2] for row in pace)


def _picks(picks: Picks, size: float) -> Iterator[str]:
    trained, candidates, steps = picks.trained_samples, picks.candidate_samples, picks.steps
    counted: dict[str, tuple[float, int]] = {
        "steps of its sequence of k": (sum(n for _, n in picks.k), steps),
        "picks of its sequence of k": (sum(k * n for k, n in picks.k), trained),
        "picks by class": (sum(picks.class_counts), trained),
    }
    if picks.pace is not None:
        counted |= {
            "steps of its pace": (sum(row[2] for row in picks.pace), steps),
            "picks of its pace": (_sum(picks.pace, 1), trained),
            "candidates of its pace": (_sum(picks.pace, 0), candidates),
        }
    for what, (found, said) in counted.items():
        if found != said:
            yield f"the {what} are {found:g} in all, where it says {said}"
    if not close(picks.mean_ratio, trained / max(1, candidates)):
        yield f"its mean ratio is {picks.mean_ratio:g}, and it trained on {trained} of {candidates} candidates"
    if not picks.unique > 0 or not 1 <= picks.max_repeats <= trained:
        yield "the share of images ever picked, or their most repeats, cannot be"
    if picks.probe is not None:
        if len(picks.probe) != (images := -(-round(size) // picks.probe_stride)):
            yield f"its pick counts by image are not those of {images} images"
        elif int(picks.probe.max()) > picks.max_repeats:
            yield f"an image was picked more often than its most repeats, {picks.max_repeats}"


def _costs(cell: Cell) -> Iterator[str]:
    ledger, unit, picks = cell.ledger, cell.unit, cell.picks
    scored = picks.candidate_samples if cell.scores_learner else 0
    trained = picks.trained_samples
    for phase, samples in (("train", trained), ("score", scored + cell.pool_scored), ("data", scored or trained)):
        if ledger[phase].samples != samples:
            yield f"phase {phase!r} of its ledger counts {ledger[phase].samples} samples, its picks tell {samples}"
    for phase, price in (("train", unit.train), ("score", unit.forward), ("probe", unit.forward)):
        if phase in ledger and not close(ledger[phase].flops, ledger[phase].samples * price):
            yield f"phase {phase!r} of its ledger holds {ledger[phase].flops:g} FLOPs, not samples x {price:g}"


_BATCH = ("batch", "batching", "buckets")
_ARMS_OWN = ("arm", "schedule", "rung", "pool")  # in a cell's identity, and not shared with others of its matrix


class Declared:
    def __init__(self, table: dict[str, Any], matrix: Matrix) -> None:
        self.table = table
        self.arms, self.datasets, self.grid = matrix.arms, matrix.datasets, matrix.grid
        self.bases = {arm.base: arm for arm in self.arms.values()}
        self.settings: dict[str, dict[str, Any]] = {dataset["name"]: dataset for dataset in table["datasets"]}
        self.parts: list[dict[str, Any]] = table.get("parts", [])

    def faults(self) -> Iterator[str]:
        """Where the matrix does not hold together, beyond what its model checks."""
        for arm in self.arms.values():
            if arm.replay and arm.replay not in self.arms:
                yield f"the replay {arm.replay} of arm {arm.label!r} is not among its arms"
            rate = self.of(arm.dataset, "optimizer").get("lr")
            if rate is not None and arm.lr is not None and abs(arm.lr - rate * arm.lr_factor) > 1e-12:
                yield f"the learning rate of arm {arm.label!r} is not its factor of {rate:g}"
        merged = json.dumps(sorted(part["identity"] for part in self.parts))  # as merging makes it
        if self.parts and self.table["identity"] != hashlib.blake2b(merged.encode(), digest_size=8).hexdigest():
            yield "its identity is not that of the matrices it was merged of"

    def of(self, dataset: str, setting: str) -> Any:
        """A setting of ``dataset``, or of the matrix that it is from; an empty table where none is known."""
        own = self.settings.get(dataset, {})
        if setting in ("learner", "budget", "optimizer") and setting in own:
            return own[setting]
        part = next((part for part in self.parts if dataset in part["datasets"]), {})
        return part.get(setting, self.table.get(setting, {}))

    def alike(self, one: str, other: str) -> bool:
        """Whether two names are of the same images: one data set, perhaps under two settings, with its artefacts."""
        prints = [self.settings.get(name, {}).get("fingerprint") for name in (one, other)]
        return one == other or (prints[0] is not None and prints[0] == prints[1])

    def seeds(self, dataset: str) -> list[int]:
        found = {s for part in self.parts if dataset in part["datasets"] for s in part["requested"]["seeds"]}
        return sorted(found) if self.parts else list(self.table["seeds"])

    def planned(self) -> Iterator[tuple[Arm, int]]:
        return ((arm, seed) for arm in self.arms.values() for seed in self.seeds(arm.dataset))

    def unlike(self, record: Cell) -> Iterator[str]:
        """Settings of a cell's identity that are not the matrix's."""
        arm, identity, name = self.arms[record.arm], record.identity, record.dataset
        dataset, budget = self.datasets[name], self.of(name, "budget")
        data = identity["data"]
        limits = {key: value for key, value in budget.items() if key not in _BATCH}
        learner = {key: value for key, value in self.of(name, "learner").items() if key != "text"}
        held = {
            "arm": (identity["arm"], arm.text),
            "rung": (identity["rung"], arm.rung),
            "pool": (identity["pool"], arm.pool),
            "label": (record.arm_label, arm.label),
            "data set": (name, arm.dataset),
            "reference": (record.reference, arm.reference),
            "factor of the learning rate": (identity.get("lr_factor", 1.0), arm.lr_factor),
            "data": ([data[0], *data[3:5]], [dataset.fingerprint, dataset.augmentation, dataset.resolution]),
            "learner": (identity["learner"][0], learner),
            "optimizer": (identity["optimizer"], self.of(name, "optimizer")),
            "budget": ({key: value for key, value in identity["budget"].items() if value is not None}, limits),
            "batch": (identity["batch"], [budget[key] for key in _BATCH]),
            "precision": (identity["precision"], record.environment["precision"]),
        }
        shared = {"measures": self.of(name, "measures"), "proxy": arm.proxy or self.of(name, "proxy")}
        held |= {key: (identity[key], said) for key, said in shared.items() if key in identity}
        for what, (found, said) in held.items():
            if found != said:
                yield f"its {what} is {found!r}, in matrix.toml it is {said!r}"
        if "rates" in identity and identity["rates"] not in self.of(name, "rates"):
            yield "its reference seconds are not those of matrix.toml"
        if record.result.test_n != dataset.test:
            yield f"it was tested on {record.result.test_n} images, the data set has {dataset.test}"
        if len(record.picks.class_counts) != len(dataset.classes):
            yield f"it counts picks of {len(record.picks.class_counts)} classes, not {list(dataset.classes)}"
        size = round(_pool_size(record))
        if arm.pool == "pool" and size != dataset.pool:
            yield f"its pool has {size} images, that of the data set {dataset.pool}"
        if any(arm.lr is not None and point.lr > arm.lr * (1 + 1e-9) for point in record.curve):
            yield f"its learning rate was above {arm.lr:g}"


def artefact_ids(record: Cell) -> set[str]:
    """Ids of the references and the proxy that a cell with this identity may use, from their content."""
    shared = {key: value for key, value in record.identity.items() if key not in _ARMS_OWN}
    made = {key: value for key, value in shared.items() if key not in NOT_IN_ARTEFACT_IDS}
    seed, data, reference = record.seed, shared["data"], shared.get("reference")
    terms, nets = _without(made, "reference"), int(shared.get("nets", 1))
    return {
        *proxy_ids(terms, seed, (), nets),
        *proxy_ids(terms, seed, (TRAINED,), nets),
        digest(["reference", reference, _without(made, "proxy"), seed]),
        digest(["reference", reference, data, seed]),
    }


def _without(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != name}
