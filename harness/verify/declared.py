"""``matrix.toml`` as the reference that records are checked against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...reports.records.matrix import Arm, Matrix
from ...reports.records.models import Cell
from ..identity import NOT_IN_ARTEFACT_IDS, digest
from .contents import pool_size

Table = dict[str, Any]

_BATCH = ("batch", "batching", "buckets")
_ARMS_OWN = ("arm", "schedule", "rung", "pool")
"""What a cell's identity holds beside what it shares with others of its matrix."""


class Declared:
    """A matrix as run.

    Parameters
    ----------
    table : dict
        ``matrix.toml``.
    matrix : Matrix
        The same, read.
    """

    def __init__(self, table: Table, matrix: Matrix) -> None:
        self.table = table
        self.arms, self.datasets, self.grid = matrix.arms, matrix.datasets, matrix.grid
        self.bases = {arm.base: arm for arm in self.arms.values()}
        self.settings: dict[str, Table] = {dataset["name"]: dataset for dataset in table["datasets"]}
        self.parts: list[Table] = table.get("parts", [])

    def faults(self) -> Iterator[str]:
        """Where the matrix does not hold together, beyond what its model checks."""
        for arm in self.arms.values():
            if arm.replay and arm.replay not in self.arms:
                yield f"the replay {arm.replay} of arm {arm.label!r} is not among its arms"
            rate = self.of(arm.dataset, "optimizer").get("lr")
            if rate is not None and arm.lr is not None and abs(arm.lr - rate * arm.lr_factor) > 1e-12:
                yield f"the learning rate of arm {arm.label!r} is not its factor of {rate:g}"
        if self.parts and self.table["identity"] != _merged([part["identity"] for part in self.parts]):
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
        """The seeds asked for on a data set."""
        found = {s for part in self.parts if dataset in part["datasets"] for s in part["requested"]["seeds"]}
        return sorted(found) if self.parts else list(self.table["seeds"])

    def planned(self) -> Iterator[tuple[Arm, int]]:
        """Every arm with every seed asked for."""
        for arm in self.arms.values():
            for seed in self.seeds(arm.dataset):
                yield arm, seed

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
        if "measures" in identity:
            held["measures"] = identity["measures"], self.of(name, "measures")
        if "proxy" in identity:
            held["proxy"] = identity["proxy"], self.of(name, "proxy")
        for what, (found, said) in held.items():
            if found != said:
                yield f"its {what} is {found!r}, in matrix.toml it is {said!r}"
        if "rates" in identity and identity["rates"] not in self.of(name, "rates"):
            yield "its reference seconds are not those of matrix.toml"
        if record.result.test_n != dataset.test:
            yield f"it was tested on {record.result.test_n} images, the data set has {dataset.test}"
        if len(record.picks.class_counts) != len(dataset.classes):
            yield f"it counts picks of {len(record.picks.class_counts)} classes, not {list(dataset.classes)}"
        size = round(pool_size(record))
        if arm.pool == "pool" and size != dataset.pool:
            yield f"its pool has {size} images, that of the data set {dataset.pool}"
        if any(arm.lr is not None and point.lr > arm.lr * (1 + 1e-9) for point in record.curve):
            yield f"its learning rate was above {arm.lr:g}"


def artefact_ids(record: Cell) -> set[str]:
    """Ids of the references and the proxy that a cell with this identity may use, from their content."""
    shared = {key: value for key, value in record.identity.items() if key not in _ARMS_OWN}
    made = {key: value for key, value in shared.items() if key not in NOT_IN_ARTEFACT_IDS}
    seed, data, reference = record.seed, shared["data"], shared.get("reference")
    return {
        digest(["proxy", _without(made, "reference"), seed]),
        digest(["reference", reference, _without(made, "proxy"), seed]),
        digest(["reference", reference, data, seed]),
    }


def _without(table: Mapping[str, Any], name: str) -> Table:
    return {key: value for key, value in table.items() if key != name}


def _merged(identities: list[str]) -> str:
    """As merging makes it."""
    return hashlib.blake2b(json.dumps(sorted(identities)).encode(), digest_size=8).hexdigest()
