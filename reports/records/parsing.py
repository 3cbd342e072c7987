"""From files to dataclasses, with every check that a record must pass before it counts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .measured import measures
from .records import TIMED_KINDS, Artefact, Cell, Failure, Matrix, Phase, Picks, Point, ResultsError, Timing, Tuning

FORMAT = 1
"""The version of the on-disk format that this module reads."""

PROBED = 1024
"""The most images whose pick counts a record holds."""


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
    if record.get("version") != FORMAT:
        found = f"format version {record.get('version')!r}"
        raise ResultsError(f"{found}; this selbench reads version {FORMAT}: use the selbench that wrote it")
    if (sealed or "checksum" in record) and record.get("checksum") != checksum(record):
        raise ResultsError("the checksum does not match: the file was changed or damaged after it was written")
    return record


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else number(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _ledger(record: Mapping[str, Any]) -> dict[str, Phase]:
    lines = {}
    for name, line in record.items():
        values = [number(line[key]) for key in ("flops", "seconds", "samples")]
        if not all(np.isfinite(values)) or min(values) < 0:
            raise ResultsError(f"the ledger of phase {name!r} holds a negative or infinite number")
        lines[name] = Phase(*values)
    return lines


def _ledger_of_a_run(record: Mapping[str, Any]) -> dict[str, Phase]:
    """As :func:`_ledger`; a run trains, whatever else it does."""
    lines = _ledger(record)
    if "train" not in lines:
        raise ResultsError("the ledger lacks the phase 'train'")
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
        id=text(record["id"]),
        arm=arm.key,
        seed=_seed(record["seed"], matrix),
        arm_label=text(record["arm_label"]),
        dataset=text(record["dataset"]),
        reference=text(record["reference"]),
        identity=dict(record["identity"]),
        environment=dict(record["environment"]),
        curve=tuple(_point(point) for point in record["curve"]),
        ledger=_ledger_of_a_run(record["ledger"]),
        forward_flops=number(record["unit"]["forward"]),
        train_flops=number(record["unit"]["train"]),
        scores_learner=bool(record["scores_learner"]),
        memory_bytes=None if record["memory_bytes"] is None else whole(record["memory_bytes"]),
        artefacts=tuple(map(text, record["artefacts"])),
        accuracy=float(bits.mean()),
        accuracy_recalibrated=_optional(result["test_accuracy_recalibrated"]),
        correct=bits,
        train_loss=_optional(result["train_loss"]),
        val_accuracy=_optional(result["val_accuracy"]),
        picks=_picks(record["selection"]),
        measures=measures(record.get("measures")),
    )


def _seed(value: Any, matrix: Matrix) -> int:
    if whole(value) not in matrix.seeds:
        raise ResultsError(f"seed {value} is not in matrix.toml: the cell belongs to another matrix")
    return int(value)


def _bits(result: Mapping[str, Any]) -> NDArray[np.bool_]:
    n = whole(result["test_n"])
    try:
        packed = np.frombuffer(base64.b64decode(result["correct"], validate=True), dtype=np.uint8)
    except binascii.Error as error:
        raise ResultsError(f"the correctness bits are not base64 ({error})") from error
    if n < 1 or packed.size != (n + 7) // 8:
        raise ResultsError(f"{packed.size} bytes of correctness bits do not hold {n} test images")
    bits = np.unpackbits(packed, count=n, bitorder="big").astype(np.bool_)
    if round(number(result["test_accuracy"]) * n) != int(bits.sum()):
        raise ResultsError("the test accuracy does not agree with the correctness bits")
    bits.flags.writeable = False
    return bits


def _point(point: Mapping[str, Any]) -> Point:
    return Point(
        passes=number(point["pass"]),
        progress=number(point["progress"]),
        train_loss=_optional(point["train_loss"]),
        val_accuracy=_optional(point["val_accuracy"]),
        ratio=number(point["ratio"]),
        lr=number(point["lr"]),
        seconds=number(point["seconds"]),
        total_flops=number(point["total_flops"]),
    )


def _picks(record: Mapping[str, Any]) -> Picks:
    repeats = record["max_repeats"]
    return Picks(
        steps=whole(record["steps"]),
        trained_samples=whole(record["trained_samples"]),
        candidate_samples=whole(record["candidate_samples"]),
        mean_ratio=number(record["mean_ratio"]),
        k=tuple((whole(k), whole(steps)) for k, steps in record["k"]),
        class_counts=tuple(map(whole, record["class_counts"])),
        unique=_optional(record["unique"]),
        max_repeats=None if repeats is None else whole(repeats),
        mean_picked_loss=_optional(record["mean_picked_loss"]),
        diagnostics={text(name): _optional(value) for name, value in record["diagnostics"].items()},
        uncounted=tuple(map(text, record.get("uncounted", ()))),
        **_probe(record.get("probe")),
        spoiled={
            text(name): (number(shares["pool"]), number(shares["trained"]))
            for name, shares in record.get("spoiled", {}).items()
        },
    )


def _probe(record: Mapping[str, Any] | None) -> dict[str, Any]:
    if record is None:
        return {}
    stride = whole(record["stride"])
    try:
        packed = base64.b64decode(record["counts"], validate=True)
    except binascii.Error as error:
        raise ResultsError(f"the pick counts are not base64 ({error})") from error
    if stride < 1 or len(packed) % 2 or not 0 < len(packed) <= 2 * PROBED:
        raise ResultsError(f"{len(packed)} bytes at stride {stride} are no pick counts of 1 to {PROBED} images")
    return {"probe": np.frombuffer(packed, dtype="<u2").astype(np.uint16), "probe_stride": stride}


def read_artefact(file: Path) -> Artefact:
    record = _load(file, sealed=False)
    if record["id"] != file.parent.name:
        raise ResultsError(f"the record is of artefact {record['id']!r}, not of the one its folder is named after")
    return Artefact(
        id=text(record["id"]),
        kind=text(record["kind"]),
        name=text(record["name"]),
        dataset=text(record["dataset"]),
        seed=None if record["seed"] is None else whole(record["seed"]),
        ledger=_ledger(record["ledger"]),
        external=text(record["external"]),
        quality={text(name): number(value) for name, value in record["quality"].items() if value is not None},
        needs=tuple(map(text, record["needs"])),
    )


def read_timing(file: Path, matrix: Matrix) -> Timing:
    record = _load(file, sealed=True)
    if record["id"] != file.stem:
        raise ResultsError(f"the record is of timed run {record['id']!r}, not of the one its file is named after")
    kind, seed, seconds = record["kind"], record["seed"], number(record["seconds"])
    if kind not in TIMED_KINDS:
        raise ResultsError(f"a timed run of the unknown kind {kind!r}")
    if kind == "cell" and record["of"] not in matrix.arms:
        raise ResultsError(f"arm {record['of']!r} is not in matrix.toml: the timed run belongs to another matrix")
    if not (np.isfinite(seconds) and seconds >= 0):
        raise ResultsError(f"{seconds} are no seconds that a run can take")
    return Timing(
        id=text(record["id"]),
        kind=kind,
        of=text(record["of"]),
        arm_label=text(record["arm_label"]),
        seed=None if seed is None else whole(seed),
        block=_seed(record["block"], matrix),
        position=whole(record["position"]),
        dataset=text(record["dataset"]),
        reference=text(record["reference"]),
        seconds=seconds,
        ledger=_ledger(record["ledger"]),
        environment=dict(record["environment"]),
    )


def read_tuning(file: Path, matrix: Matrix) -> Tuning:
    record = _load(file, sealed=True)
    if record["id"] != file.stem:
        raise ResultsError(f"the record is of tuning run {record['id']!r}, not of the one its file is named after")
    if matrix.grid is None:
        raise ResultsError("matrix.toml declares no tuning: the tuning run belongs to another matrix")
    if record["arm"] not in {arm.base for arm in matrix.arms.values()}:
        raise ResultsError(f"arm {record['arm']!r} is not in matrix.toml: the tuning run belongs to another matrix")
    seed, factor, val = whole(record["seed"]), number(record["factor"]), _optional(record["val_accuracy"])
    if seed not in matrix.grid.seeds:
        raise ResultsError(f"seed {seed} is no tuning seed of matrix.toml")
    if factor not in matrix.grid.factors:
        raise ResultsError(f"factor {factor:g} is not in the grid of matrix.toml")
    if val is not None and not 0 <= val <= 1:
        raise ResultsError(f"{val} is no accuracy")
    lr, ratio = number(record["lr"]), _optional(record["mean_ratio"])
    if not (np.isfinite(lr) and lr > 0) or (ratio is not None and not 0 <= ratio < np.inf):
        raise ResultsError(f"learning rate {lr} or keep ratio {ratio} is negative or infinite")
    return Tuning(
        id=text(record["id"]),
        base=text(record["arm"]),
        seed=seed,
        factor=factor,
        lr=lr,
        val_accuracy=val,
        mean_ratio=ratio,
        ledger=_ledger_of_a_run(record["ledger"]),
        artefacts=tuple(map(text, record["artefacts"])),
        environment=dict(record["environment"]),
    )


def read_failure(file: Path) -> Failure:
    record = _load(file, sealed=False)
    return Failure(
        id=text(record["id"]),
        arm=text(record["arm"]),
        label=text(record["arm_label"]),
        seed=None if record["seed"] is None else whole(record["seed"]),
        dataset=text(record["dataset"]),
        reference=text(record["reference"]),
        error=text(record["error"]),
        law=record.get("law"),
        traceback=str(record.get("traceback", "")),
        origin=str(record.get("origin", "")),
    )
