"""From files to dataclasses, with every check that a record must pass before it counts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .records import (
    ACCOUNTS,
    COSTS,
    LADDERS,
    ROLES,
    TIMED_KINDS,
    Arm,
    Artefact,
    Cell,
    Dataset,
    Failure,
    Matrix,
    Pays,
    Phase,
    Picks,
    Point,
    ResultsError,
    Timing,
)

_T = TypeVar("_T")

FORMAT = 1
"""The version of the on-disk format that this module reads."""


def checksum(record: Mapping[str, Any]) -> str:
    """BLAKE2b-128 (hex) of a record's canonical JSON without its ``checksum`` field."""
    body = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _load(file: Path, *, sealed: bool) -> dict[str, Any]:
    """The record in ``file``, its version and checksum verified (where ``sealed``, it must carry one)."""
    try:
        record = json.loads(file.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ResultsError(f"not valid JSON ({error})") from error
    if not isinstance(record, dict):
        raise ResultsError("not a record: the file holds no JSON object")
    if (sealed or "checksum" in record) and record.get("checksum") != checksum(record):
        raise ResultsError("the checksum does not match: the file was changed or damaged after it was written")
    if record.get("version") != FORMAT:
        raise ResultsError(f"format version {record.get('version')!r}; this selbench reads version {FORMAT}")
    return record


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _ledger(record: Mapping[str, Any]) -> dict[str, Phase]:
    lines = {}
    for name, line in record.items():
        values = [_number(line[key]) for key in ("flops", "seconds", "samples")]
        if not all(np.isfinite(values)) or min(values) < 0:
            raise ResultsError(f"the ledger of phase {name!r} holds a negative or infinite number")
        lines[name] = Phase(*values)
    return lines


def read_cell(file: Path, matrix: Matrix) -> Cell:
    record = _load(file, sealed=True)
    if record["id"] != file.stem:
        raise ResultsError(f"the record is of cell {record['id']!r}, not of the cell its file is named after")
    arm = matrix.arms.get(record["arm"])
    if arm is None:
        raise ResultsError(f"arm {record['arm']!r} is not in matrix.toml: the cell belongs to another matrix")
    if record["faults"]:
        raise ResultsError(f"the cell counted {record['faults']} faulty selections and should have been discarded")
    result = record["result"]
    bits = _bits(result)
    return Cell(
        id=_text(record["id"]),
        arm=arm.key,
        seed=_seed(record["seed"], matrix),
        arm_label=_text(record["arm_label"]),
        dataset=_text(record["dataset"]),
        reference=_text(record["reference"]),
        identity=dict(record["identity"]),
        environment=dict(record["environment"]),
        curve=tuple(_point(point) for point in record["curve"]),
        ledger=_ledger(record["ledger"]),
        forward_flops=_number(record["unit"]["forward"]),
        train_flops=_number(record["unit"]["train"]),
        scores_learner=bool(record["scores_learner"]),
        memory_bytes=None if record["memory_bytes"] is None else _whole(record["memory_bytes"]),
        artefacts=tuple(map(_text, record["artefacts"])),
        accuracy=float(bits.mean()),
        accuracy_recalibrated=_optional(result["test_accuracy_recalibrated"]),
        correct=bits,
        train_loss=_optional(result["train_loss"]),
        val_accuracy=_optional(result["val_accuracy"]),
        picks=_picks(record["selection"]),
    )


def _seed(value: Any, matrix: Matrix) -> int:
    if _whole(value) not in matrix.seeds:
        raise ResultsError(f"seed {value} is not in matrix.toml: the cell belongs to another matrix")
    return int(value)


def _bits(result: Mapping[str, Any]) -> NDArray[np.bool_]:
    n = _whole(result["test_n"])
    try:
        packed = np.frombuffer(base64.b64decode(result["correct"], validate=True), dtype=np.uint8)
    except binascii.Error as error:
        raise ResultsError(f"the correctness bits are not base64 ({error})") from error
    if n < 1 or packed.size != (n + 7) // 8:
        raise ResultsError(f"{packed.size} bytes of correctness bits do not hold {n} test images")
    bits = np.unpackbits(packed, count=n, bitorder="big").astype(np.bool_)
    if round(_number(result["test_accuracy"]) * n) != int(bits.sum()):
        raise ResultsError("the test accuracy does not agree with the correctness bits")
    bits.flags.writeable = False
    return bits


def _point(point: Mapping[str, Any]) -> Point:
    return Point(
        passes=_number(point["pass"]),
        progress=_number(point["progress"]),
        train_loss=_optional(point["train_loss"]),
        val_accuracy=_optional(point["val_accuracy"]),
        ratio=_number(point["ratio"]),
        lr=_number(point["lr"]),
        seconds=_number(point["seconds"]),
        total_flops=_number(point["total_flops"]),
    )


def _picks(record: Mapping[str, Any]) -> Picks:
    repeats = record["max_repeats"]
    return Picks(
        steps=_whole(record["steps"]),
        trained_samples=_whole(record["trained_samples"]),
        candidate_samples=_whole(record["candidate_samples"]),
        mean_ratio=_number(record["mean_ratio"]),
        k=tuple((_whole(k), _whole(steps)) for k, steps in record["k"]),
        class_counts=tuple(map(_whole, record["class_counts"])),
        unique=_optional(record["unique"]),
        max_repeats=None if repeats is None else _whole(repeats),
        mean_picked_loss=_optional(record["mean_picked_loss"]),
        diagnostics={_text(name): _optional(value) for name, value in record["diagnostics"].items()},
        uncounted=tuple(map(_text, record.get("uncounted", ()))),
    )


def read_artefact(file: Path) -> Artefact:
    record = _load(file, sealed=False)
    if record["id"] != file.parent.name:
        raise ResultsError(f"the record is of artefact {record['id']!r}, not of the one its folder is named after")
    return Artefact(
        id=_text(record["id"]),
        kind=_text(record["kind"]),
        name=_text(record["name"]),
        dataset=_text(record["dataset"]),
        seed=None if record["seed"] is None else _whole(record["seed"]),
        ledger=_ledger(record["ledger"]),
        external=_text(record["external"]),
        quality={_text(name): _number(value) for name, value in record["quality"].items() if value is not None},
        needs=tuple(map(_text, record["needs"])),
    )


def read_timing(file: Path, matrix: Matrix) -> Timing:
    record = _load(file, sealed=True)
    if record["id"] != file.stem:
        raise ResultsError(f"the record is of timed run {record['id']!r}, not of the one its file is named after")
    kind, seed, seconds = record["kind"], record["seed"], _number(record["seconds"])
    if kind not in TIMED_KINDS:
        raise ResultsError(f"a timed run of the unknown kind {kind!r}")
    if kind == "cell" and record["of"] not in matrix.arms:
        raise ResultsError(f"arm {record['of']!r} is not in matrix.toml: the timed run belongs to another matrix")
    if not (np.isfinite(seconds) and seconds >= 0):
        raise ResultsError(f"{seconds} are no seconds that a run can take")
    return Timing(
        id=_text(record["id"]),
        kind=kind,
        of=_text(record["of"]),
        arm_label=_text(record["arm_label"]),
        seed=None if seed is None else _whole(seed),
        block=_seed(record["block"], matrix),
        position=_whole(record["position"]),
        dataset=_text(record["dataset"]),
        reference=_text(record["reference"]),
        seconds=seconds,
        ledger=_ledger(record["ledger"]),
        environment=dict(record["environment"]),
    )


def read_failure(file: Path) -> Failure:
    record = _load(file, sealed=False)
    return Failure(
        id=_text(record["id"]),
        arm=_text(record["arm"]),
        label=_text(record["arm_label"]),
        seed=None if record["seed"] is None else _whole(record["seed"]),
        dataset=_text(record["dataset"]),
        reference=_text(record["reference"]),
        error=_text(record["error"]),
        law=record.get("law"),
        traceback=str(record.get("traceback", "")),
        origin=str(record.get("origin", "")),
    )


def read_matrix(file: Path) -> Matrix:
    try:
        record = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultsError(f"{file.parent} is no results folder: it holds no matrix.toml") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ResultsError(f"{file}: cannot be read ({error})") from error
    if record.get("version") != FORMAT:
        raise ResultsError(f"{file}: format version {record.get('version')!r}; this selbench reads version {FORMAT}")
    try:
        return _matrix(record)
    except KeyError as error:
        raise ResultsError(f"{file}: field {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{file}: {error}") from error


def _matrix(record: Mapping[str, Any]) -> Matrix:
    analysis, requested = record["analysis"], record["requested"]
    datasets = {
        item["name"]: _known(Dataset, {**item, "classes": tuple(item["classes"])}) for item in record["datasets"]
    }
    arms = {item["key"]: _known(Arm, item) for item in record["arms"]}
    pays = Pays(**analysis.get("pays", {}))
    _check(datasets, arms, len(record["arms"]), pays)
    alpha, share = _number(analysis["alpha"]), _number(analysis["amortise_over"])
    if not (0 < alpha < 0.5 and share > 0):
        raise ValueError(f"analysis.alpha = {alpha:g} is not in (0, 0.5), or amortise_over = {share:g} is not positive")
    return Matrix(
        name=record["name"],
        title=record["title"],
        identity=record["identity"],
        seeds=tuple(record["seeds"]),
        tuning=record["tuning"],
        learner=record["learner"],
        budget=record["budget"],
        alpha=alpha,
        amortise_over=share,
        primary=tuple(analysis["primary"]),
        pays=pays,
        requested_strategies=tuple(requested["strategies"]),
        requested_seeds=tuple(requested["seeds"]),
        timing_seeds=_whole(record.get("timing", {}).get("seeds", 0)),
        source=requested.get("matrix", record["name"]),
        overrides=tuple(requested.get("set", ())),
        datasets=datasets,
        arms=arms,
    )


def _known(kind: type[_T], item: Mapping[str, Any]) -> _T:
    """An instance from the fields that ``kind`` has; what else the writer added is not for this reader."""
    return kind(**{field.name: item[field.name] for field in fields(kind)})  # type: ignore[arg-type]


def _check(datasets: Mapping[str, Dataset], arms: Mapping[str, Arm], written: int, pays: Pays) -> None:
    if len(arms) != written:
        raise ValueError("two arms have the same key")
    for arm in arms.values():
        if arm.role not in ROLES:
            raise ValueError(f"arm {arm.label!r} has the unknown role {arm.role!r}")
        if arm.dataset not in datasets:
            raise ValueError(f"arm {arm.label!r} is on the unknown dataset {arm.dataset!r}")
        if arm.twin and arm.twin not in arms:
            raise ValueError(f"the twin {arm.twin!r} of arm {arm.label!r} is not among the arms")
    for dataset in datasets.values():
        if not dataset.margin >= 0:
            raise ValueError(f"the margin of {dataset.name!r} is negative")
    if pays.account not in ACCOUNTS or pays.cost not in COSTS or pays.ladder not in LADDERS:
        raise ValueError(f"analysis.pays names no account, cost or ladder that there is: {pays}")
