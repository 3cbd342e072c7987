"""What a rewrite must not change: plans of all shipped matrices, records of short runs, summaries of published sets.

``python tests/oracle/pins.py`` computes everything anew and compares it with the pins in ``data/``; it prints each path
that differs and exits with 1 if there is one. ``--write`` pins what the present code makes and prints the same lines.
``--only plans|records|summaries`` restricts either. ``--listing DIR`` writes every arm and task as text, to be compared
with the listing of another commit where the digest of a plan differs.

Numbers agree to a relative 1e-9. A key that the pins lack is allowed; one that is lost or changed is a difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import math
import os
import platform
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch

from selbench.benchmarks.pages import published_sets
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan import tuning
from selbench.harness.plan.matrix import parse, read, shipped
from selbench.harness.plan.tasks import Planner
from selbench.harness.tasks.worker import reference_of
from selbench.reports.records.folder import Results
from selbench.reports.records.pack import opened
from selbench.reports.summary import summarise

CHECKOUT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
FILES = {"plans": "plans.json", "records": "records.json.xz", "summaries": "summaries.json.xz"}

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Numbers that differ by no more are equal; the second is for differences that cancel to zero."""

PROSE = re.compile(
    r"""selbench                                    # the version that runs, not the one that made the records
    | headline | answers/.* | reproduce
    | matrix/title | matrix/learner/text | matrix/datasets/\d+/(title|note|learner/text)
    | contrasts/\d+/note | artefacts/\d+/external
    | (tuning|overlap|ranks|pooled|targets)/(.*/)?(note|notes|text|title|sentence)(/\d+)?
    | studies/\d+/(title|question|sentence|notes/\d+)
    | studies/\d+/(tables|charts)/(.*/)?(title|note|columns/\d+|ticks/\d+|x_label|y_label|label)
    | claims/\d+/(title|statement|said|needs|reason|to_decide|unknown/\d+|source/.*|indication/text)
    | claims/\d+/tests/\d+/(text|note|case)
    | claims/\d+/conditions/\d+/(name|wanted|found)
    | failures/\d+/error | unreadable/\d+/reason""",
    re.VERBOSE,
)
"""Paths of a summary whose text is free; a number there still counts, and so does the key being there."""

TABLE_TEXT = re.compile(r"studies/\d+/tables/\d+/rows/.*")
"""Texts of which the numbers count."""

EXACT = 1e11
"""Whole numbers below it are counts, and equal or not."""

NUMBER = re.compile(r"[−+-]?\d+(?:,\d{3})*(?:\.\d+)?")

VOLATILE = {"environment", "checksum", "memory_bytes", "checkpoints", "seconds", "version"}
"""Keys of a record that no two runs share, or that say nothing of the result."""

PLANNED = re.compile(
    r"[^/]+/(id|arm|arm_label|seed|dataset|reference|identity.*|artefacts.*|kind|name|unit.*|ledger/\w+/(flops|samples)"
    r"|selection/(k/.*|candidate_samples|mean_ratio)|result/test_n)"
)
"""Paths of a record that are the same on every machine; the rest is compared on a machine like that of the pins."""

ROW_NAMES = ("id", "name", "label", "dataset", "reference", "strategy", "question", "account", "cost", "ladder")

QUICK = DATA / "quick-before.toml"
"""``quick`` as it was when its records were pinned and published: its net and its rules stay under test."""

RUN: dict[str, Any] = {
    "seeds": 1,
    "ladder": [1.0],
    "budget": {"passes": 2},
    "proxy": {"passes": 2},
    "references": [{"name": "holdout", "options": {"passes": 2}}],
}
"""Settings that shorten ``quick``."""


# -- comparing ---------------------------------------------------------------------------------------------------------


def normal(value: Any, path: str = "") -> Any:
    """Floats to 12 significant digits; prose becomes "…"."""
    if isinstance(value, Mapping):
        return {key: normal(item, f"{path}/{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item, f"{path}/{place}") for place, item in enumerate(value)]
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, str):
        if PROSE.fullmatch(path):
            return "…"
        if TABLE_TEXT.fullmatch(path):
            return NUMBER.findall(value)
    return value


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """One line for each path at which ``new`` lacks what ``old`` holds, or holds something else."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key in new:
                yield from differences(value, new[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}: {short(value)} is lost"
    elif (rows := by_id(old)) and (others := by_id(new)):  # claims: new ones are no difference
        yield from differences(rows, others, path)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{path}: {len(old)} items -> {len(new)}"
        for place, (left, right) in enumerate(zip(old, new, strict=False)):
            yield from differences(left, right, f"{path}/{place}{row_name(left)}")
    elif not same(old, new):
        yield f"{path}: {short(old)} -> {short(new)}"


def by_id(rows: Any) -> dict[str, Any]:
    """Rows by their id, where each has one of its own."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows):
        return {}
    found = {row["id"]: row for row in rows}
    return found if len(found) == len(rows) else {}


def same(old: Any, new: Any) -> bool:
    """Equal, and of one type; floats within the tolerance."""
    if isinstance(old, float) or isinstance(new, float):
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new)):
            return False
        if abs(old) < EXACT and old == int(old) and new == int(new):
            return bool(old == new)
        return math.isclose(old, new, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(old) is type(new) and old == new


def row_name(row: Any) -> str:
    """What tells a row from others of its list, for the message."""
    if not isinstance(row, dict):
        return ""
    shown = [str(row[name]) for name in ROW_NAMES if isinstance(row.get(name), str) and row[name] not in ("", "…")]
    return f"({', '.join(shown)})" if shown else ""


def short(value: Any) -> str:
    """At most 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


# -- plans -------------------------------------------------------------------------------------------------------------


def listing(name: str) -> dict[str, list[str]]:
    """Arms, and tasks by kind, of a shipped matrix, one line each, in the order of the plan.

    Stand-ins of 8,000 images take the place of data sets, so that no file is read.
    """
    matrix = read(name)
    loaded: dict[str, Any] = {
        entry.name: SimpleNamespace(
            fingerprint=f"images of {entry.name}",
            holdout=entry.holdout or 0,
            augmentation=entry.augmentation or "none",
            resolution=32,
            size=lambda seed, part: 8_000,
        )
        for entry in matrix.datasets
    }
    references = {entry.name: (reference_of(entry), f"weights of {entry.name}") for entry in matrix.references}
    planner = Planner(matrix, loaded, references, "float32")
    plan = planner.plan()
    tasks = list(plan.tasks.values())
    if (grid := matrix.tuned()) is not None:
        arms = tuning.arms_to_tune(matrix, plan.arms)
        tasks += tuning.tuning_runs(planner, arms, grid["factors"], grid["tuning_seeds"]).tasks.values()
    contents = {f"dataset {name}": data.fingerprint for name, data in loaded.items()}
    contents |= {f"reference {name}": content for name, (_, content) in references.items()}
    found = {
        "identity": [matrix.identity(contents)],
        "arms": [
            f"{arm.key} {arm.label} | {arm.role} {arm.dataset} {arm.reference} {arm.rung:g} twin={arm.twin}"
            for arm in plan.arms
        ],
    }
    for task in tasks:
        line = f"{task.id} {task.dataset} {task.reference} seed={task.seed} after={','.join(task.after)}"
        found.setdefault(task.kind, []).append(line)
    return found


def plans(names: Collection[str] | None = None) -> dict[str, dict[str, str]]:
    """Of each shipped matrix: its identity; of arms and each kind of task, how many there are and their digest."""
    found = {}
    for name in sorted(shipped() if names is None else names):
        lists = listing(name)
        row = {"identity": lists.pop("identity")[0]}
        for kind, lines in sorted(lists.items()):
            content = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
            row[kind] = f"{len(lines)} {content}"
        found[name] = row
    return found


# -- records -----------------------------------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """What bits of a result may hang on."""
    capability = torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "machine": platform.machine(), "capability": capability}


def records(strategies: Sequence[str] = ()) -> dict[str, Any]:
    """The records of one seed of a short ``quick``, by file: trained here, on one thread; and the machine.

    With ``strategies``, of these and the baselines alone.
    """
    table = tomllib.loads(QUICK.read_text(encoding="utf-8")) | RUN
    del table["analysis"]  # one seed decides nothing
    table["strategies"] = [row for row in table["strategies"] if not strategies or row["name"] in strategies]
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, OMP_NUM_THREADS="1"):
        try:
            done = run(parse(table), RunRequest(out=Path(folder), device="cpu", workers=1, executor="inline"))
        finally:
            torch.set_num_threads(threads)
        if done.failed:
            raise RuntimeError(f"a short quick failed in {done.failed}")
        files = [*Path(folder).glob("cells/*.json"), *Path(folder).glob("artefacts/*/meta.json")]
        found = {
            (file.stem if file.stem != "meta" else file.parent.name): settled(json.loads(file.read_text()))
            for file in sorted(files)
        }
    return {"machine": machine(), "runs": found}


def settled(record: Any) -> Any:
    """A record without what is :data:`VOLATILE`."""
    if isinstance(record, dict):
        return {key: settled(value) for key, value in record.items() if key not in VOLATILE}
    if isinstance(record, list):
        return [settled(value) for value in record]
    return float(f"{record:.12g}") if isinstance(record, float) else record


def record_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """As :func:`differences`; on another kind of machine, of what no machine changes."""
    alike = old["machine"] == new["machine"]
    for line in differences(old["runs"], new["runs"], "quick"):
        path = re.sub(r"\([^)]*\)", "", line.partition(": ")[0]).removeprefix("quick/")
        if alike or PLANNED.fullmatch(path):
            yield line


# -- summaries ---------------------------------------------------------------------------------------------------------


def summaries(names: Collection[str] | None = None) -> dict[str, Any]:
    """The normalised summaries of published sets, judged anew from their records."""
    where = published_sets()
    return {
        name: normal(json.loads(json.dumps(summarise(Results.read(opened(where[name]))))))
        for name in sorted(where if names is None else names)
    }


# -- the pins ----------------------------------------------------------------------------------------------------------

COMPUTE = {"plans": plans, "records": records, "summaries": summaries}


def pinned(kind: str) -> Any:
    """The pins of a kind; empty before the first ``--write``."""
    file = DATA / FILES[kind]
    if not file.exists():
        return {"machine": {}, "runs": {}} if kind == "records" else {}
    content = file.read_bytes()
    return json.loads(lzma.decompress(content) if file.suffix == ".xz" else content)


def write(kind: str, value: Any) -> None:
    """Pin ``value``; the same value gives the same bytes."""
    file = DATA / FILES[kind]
    file.parent.mkdir(exist_ok=True)
    if file.suffix == ".xz":
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        file.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    else:
        file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def compared(kind: str, old: Any, new: Any) -> list[str]:
    """The lines of what differs."""
    if kind == "records":
        return list(record_differences(old, new))
    return list(differences(old, new, kind))


def added(old: Any, new: Any) -> list[str]:
    """Names of matrices, runs or sets that have no pin yet."""
    return sorted(set(new.get("runs", new)) - set(old.get("runs", old)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or write; the number of differences decides the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="pin what the present code makes")
    parser.add_argument("--only", choices=FILES, help="one kind of pin")
    parser.add_argument("--listing", type=Path, metavar="DIR", help="write all arms and tasks as text, and stop")
    asked = parser.parse_args(arguments)
    if asked.listing:
        asked.listing.mkdir(parents=True, exist_ok=True)
        for name in sorted(shipped()):
            lines = [f"{kind} {line}" for kind, rows in listing(name).items() for line in rows]
            (asked.listing / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return 0
    found = 0
    for kind in [asked.only] if asked.only else FILES:
        old, new = pinned(kind), COMPUTE[kind]()
        lines, names = compared(kind, old, new), added(old, new)
        print(*lines, *(f"{kind}/{name}: has no pin" for name in names), sep="\n")
        counts = Counter(line.split("/")[1].split(":")[0] for line in lines)
        print(f"{kind}: {len(lines)} differences; {dict(counts)}; {len(names)} without a pin")
        found += len(lines) + len(names)
        if asked.write:
            write(kind, new)
    return int(bool(found) and not asked.write)


if __name__ == "__main__":
    sys.exit(main())
