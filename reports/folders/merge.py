"""Several results folders as one: parts of a matrix run on several machines, or matrices over different data sets.

Records are copied byte for byte. The same run may lie in several folders, such as the baselines of parts that were
split by strategy: its results must then be equal to the last bit, and the first folder's record is kept. Nothing is
made of seconds here: a report never compares those of unlike machines, and :meth:`Merged.lines` say where.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..document.numbers import plural
from ..effects.pairing import Pairs
from ..records.folder import Results, ResultsError
from ..records.matrix import read_table, unlike
from ..records.sealing import reason, seal_toml
from ..summary import count

_RECORDS = ("cells/*.json", "tuning/*.json", "timing/*.json", "failed/*.json", "artefacts/*/*")
_MEASURED = ("seconds", "environment", "memory_bytes", "checkpoints", "same_as", "checksum", "tensors", "when")
"""What two runs of the same thing never share: how long they took, when, where, in how many pieces; tensors are files
of their own."""

_LATER = "weights_digest"
"""A part of a cell's result that older versions did not have."""

_LABELS = "test_labels"
"""A part of a data set's table that older versions did not have."""

_FIRST_COUNTS = ("timing", "failed")
"""Kinds of records that are about one occasion: another one's is another, and no contradiction."""


@dataclass(frozen=True)
class Merged:
    results: Results
    folders: int
    twice: int

    def lines(self) -> Iterator[str]:
        counted = count(self.results)
        yield f"{counted['done']} of {counted['planned']} runs, from {plural(self.folders, 'folder')}."
        if self.twice:
            yield (
                f"{plural(self.twice, 'run')} lay in more than one of them, with the same result: "
                "the record, and so the seconds, of the first folder named is kept."
            )
        yield from unclocked(self.results)


def unclocked(results: Results) -> Iterator[str]:
    """One line for each data set on which seconds are not compared, since they are of unlike machines."""
    clock = Pairs(results).clock
    for name, dataset in results.matrix.datasets.items():
        full = next((arm for arm in results.ladder(name, "full") if arm.rung == 1.0), None)
        labels = [
            arm.label + (f" ({arm.reference})" if arm.reference else "")
            for arm in results.arms(dataset=name)
            if full and arm.rung == 1.0 and clock.unlike([arm, full]) and clock.seconds([arm, full], "marginal") is None
        ]
        if labels:
            yield (
                f"{dataset.title}: seconds are not compared with full training for {', '.join(labels)}: "
                "their runs are of unlike machines, and no timing pass on one machine has both."
            )


def merge(out: str | Path, folders: Sequence[str | Path], title: str = "") -> Merged:
    """Write the union of results folders."""
    target, sources = Path(out), [Path(folder) for folder in folders]
    if len(sources) < 2:
        raise ResultsError("two results folders are needed to merge; one was named")
    if len({source.resolve() for source in sources}) < len(sources):
        raise ResultsError("a folder is named twice: name each once")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ResultsError(f"{target} is not empty: name a new folder to merge into")
    for source in sources:
        Results.read(source, strict=True)
    table = united([Named(str(source), read_table(source / "matrix.toml")) for source in sources], title)
    files, twice = _gathered(sources)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as drafts:
            draft = Path(drafts) / "results"
            draft.mkdir()
            for name, file in files.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, draft / name)
            (draft / "matrix.toml").write_bytes(seal_toml(table))
            Results.read(draft, strict=True)
            if target.exists():
                target.rmdir()
            draft.rename(target)
    except OSError as error:
        raise ResultsError(f"{target} cannot be written: {reason(error)}") from error
    return Merged(Results.read(target, strict=True), len(sources), twice)


def _gathered(sources: Sequence[Path]) -> tuple[dict[str, Path], int]:
    """Every record by its path inside the folder, from the first that has it; and how many runs several have."""
    kept: dict[str, Path] = {}
    twice = set()
    for source in sources:
        found = (file for pattern in _RECORDS for file in source.glob(pattern))
        for file in sorted(file for file in found if file.is_file() and not file.name.startswith(".")):
            name = file.relative_to(source).as_posix()
            first = kept.setdefault(name, file)
            if first is not file:
                _agree(name, first, file)
                if name.startswith("cells/"):
                    twice.add(name)
    return {name: file for name, file in kept.items() if not _made_good(name, kept)}, len(twice)


def _made_good(name: str, kept: dict[str, Path]) -> bool:
    """Whether ``name`` is a failure of what one of the folders has done."""
    kind, _, file = name.partition("/")
    done = (f"{other}/{file}" for other in ("cells", "tuning", "timing"))
    return kind == "failed" and any(path in kept for path in (*done, f"artefacts/{Path(file).stem}/meta.json"))


def _agree(name: str, a: Path, b: Path) -> None:
    if name.split("/")[0] in _FIRST_COUNTS or filecmp.cmp(a, b, shallow=False):
        return
    differs = "its content"
    if name.endswith(".json"):
        ours, theirs = (_essence(json.loads(file.read_bytes())) for file in (a, b))
        results = [record.get("result", {}) for record in (ours, theirs)]
        if not all(_LATER in result for result in results):
            for result in results:
                result.pop(_LATER, None)
        if ours == theirs:
            return
        differs = next((key for key, _, _ in unlike(ours, theirs)), differs)
    raise ResultsError(
        f"{b} is not what {a} is, though both are of one run ({differs} differs): "
        "remove one of the two, or merge other folders"
    )


def _essence(value: Any) -> Any:
    """A record without what was measured."""
    if isinstance(value, dict):
        return {key: _essence(item) for key, item in value.items() if key not in _MEASURED}
    return [_essence(item) for item in value] if isinstance(value, list) else value


Table = dict[str, Any]

_COMMON = ("learner", "tuning", "grid", "analysis")
"""What must be the same everywhere: one learner, judged in one way."""

_OWN = ("budget", "ladder", "optimizer", "proxy", "references", "rates", "measures", "looks")
"""What each matrix may have of its own, as long as it is about other data sets."""

_PART = ("name", "title", "identity", "requested", "declared", "timing", *_OWN)
_ARM = ("dataset", "reference", "label", "role", "rung")


@dataclass(frozen=True)
class Named:
    folder: str
    table: Table


def united(matrices: Sequence[Named], title: str = "") -> Table:
    """What several folders were asked for, as one ``matrix.toml``.

    Folders of one matrix (the same identity) give that matrix again, with all their seeds and strategies. Folders of
    several matrices give a matrix of its own, which can be reported but not run: it holds each of them under ``parts``.
    The studies of all are asked again there, each once, of everything that the merged folder holds. What they may say
    differently (titles of one matrix) is said as the first says it.
    """
    first = matrices[0]
    for other in matrices[1:]:
        _refuse_unlike("", first, _common(first.table), other, _common(other.table))
    asked = {"datasets": _datasets(matrices), "arms": _arms(matrices), **_asked([named.table for named in matrices])}
    asked |= _extended(matrices)
    parts = _parts(matrices)
    if len(parts) == 1:
        rates = _distinct(
            (rate for named in matrices for rate in named.table.get("rates", ())), lambda rate: rate["name"]
        )
        return {**first.table, **asked, "title": title or first.table["title"], **({"rates": rates} if rates else {})}
    names = list(dict.fromkeys(part["name"] for part in parts))
    shared = {key: value for key, value in parts[0].items() if key in _OWN and _agreed(parts, key, value)}
    studies = _distinct((study for named in matrices for study in named.table.get("studies", ())), repr)
    budgets = [part["budget"] for part in parts]
    budget = {key: value for key, value in budgets[0].items() if _agreed(budgets, key, value)}
    identities = json.dumps(sorted(part["identity"] for part in parts)).encode()
    return {
        **{key: value for key, value in first.table.items() if key not in _OWN},
        **shared,
        **asked,
        "name": "+".join(names),
        "title": title or " and ".join(dict.fromkeys(part["title"] for part in parts)),
        "identity": hashlib.blake2b(identities, digest_size=8).hexdigest(),
        "sources": names,
        "budget": budget,
        **({"studies": studies} if studies else {}),
        "requested": {**asked["requested"], "matrix": "+".join(names), "set": []},
        "declared": {"strategies": asked["requested"]["strategies"], "seeds": asked["seeds"]},
        "parts": parts,
    }


def _common(table: Table) -> Table:
    common = {key: table[key] for key in _COMMON if key in table}
    grid = {key: value for key, value in table.get("grid", {}).items() if key != "extended"}
    added = {"interval": "t", "scope": "population", "primary_datasets": [], "primary_references": []}
    return common | {"analysis": {**added, **table["analysis"]}} | ({"grid": grid} if grid else {})


def _extended(matrices: Sequence[Named]) -> Table:
    """The grid with the factors that were added in any of the folders; nothing where none were."""
    added: dict[str, set[float]] = {}
    for named in matrices:
        for dataset, factors in named.table.get("grid", {}).get("extended", {}).items():
            added.setdefault(dataset, set()).update(factors)
    extended = {dataset: sorted(factors) for dataset, factors in added.items()}
    return {"grid": {**matrices[0].table["grid"], "extended": extended}} if extended else {}


def _refuse_unlike(what: str, a: Named, ours: Any, b: Named, theirs: Any) -> None:
    for key, one, other in unlike(ours, theirs):
        raise ResultsError(
            f"{b.folder} cannot be merged with {a.folder}: {what}{key} is {other or 'not set'} in the one "
            f"and {one or 'not set'} in the other"
        )


def _parts(matrices: Sequence[Named]) -> list[Table]:
    """The matrices that the folders are made of, each with all that was asked for of it."""
    found: dict[str, list[Table]] = {}
    for named in matrices:
        table = named.table
        whole = {key: table[key] for key in _PART if key in table}
        whole["datasets"] = [dataset["name"] for dataset in table["datasets"]]
        for part in table.get("parts") or [whole]:
            found.setdefault(part["identity"], []).append(part)
    return [{**same[0], **{k: v for k, v in _asked(same).items() if k != "seeds"}} for same in found.values()]


def _datasets(matrices: Sequence[Named]) -> list[Table]:
    """The data sets of all; each with its own budget, where there is not one for all."""
    found: dict[str, tuple[Named, Table]] = {}
    every = [item for named in matrices for item in named.table["datasets"]]
    labels = {item["name"]: {_LABELS: item[_LABELS]} for item in every if _LABELS in item}
    for named in matrices:
        for item in named.table["datasets"]:
            own = item if _LABELS in item else {**item, **labels.get(item["name"], {})}
            dataset = {"budget": named.table["budget"], **own}
            first, known = found.setdefault(item["name"], (named, dataset))
            _refuse_unlike(f"{item['name']}: ", first, known, named, dataset)
    datasets = [dataset for _, dataset in found.values()]
    if _agreed(datasets, "budget", datasets[0]["budget"]):
        return [{key: value for key, value in dataset.items() if key != "budget"} for dataset in datasets]
    return datasets


def _arms(matrices: Sequence[Named]) -> list[Table]:
    """The arms of all, in order; two of one name that are not one arm would be mixed up in every table."""
    by_key: dict[str, tuple[Named, Table]] = {}
    by_name: dict[tuple[Any, ...], tuple[Named, Table]] = {}
    for named in matrices:
        rate = named.table.get("optimizer", {}).get("lr")
        for item in named.table["arms"]:
            arm = item if rate is None else {"lr": rate, **item}
            what = f"arm {item['label']} on {item['dataset']}: "
            name = tuple(item[name] for name in _ARM)
            for first, known in (by_name.setdefault(name, (named, arm)), by_key.setdefault(item["key"], (named, arm))):
                # Of another version: where that makes another arm, as with a plugin's rule, the keys differ.
                _refuse_unlike(what, first, known, named, {**arm, "origin": known["origin"]})
    return [arm for _, arm in by_key.values()]


def _asked(tables: Sequence[Table]) -> Table:
    """What was asked for, all together: seeds ascending, strategies in the order of the folders."""
    requested = [table["requested"] for table in tables]
    seeds = sorted({seed for asked in requested for seed in asked["seeds"]})
    strategies = list(dict.fromkeys(label for asked in requested for label in asked["strategies"]))
    blocks = {seed for table, asked in zip(tables, requested, strict=True) for seed in asked["seeds"][: _timed(table)]}
    # The format asks for the first so many seeds: of all blocks where they are these, else of the longest pass.
    whole = blocks == set(seeds[: len(blocks)])
    declared = [table["declared"] for table in tables if "declared" in table]
    together = {
        key: list(dict.fromkeys(item for of in declared for item in of[key])) for key in ("strategies", "seeds")
    }
    return {
        "seeds": seeds,
        "requested": {**requested[0], "seeds": seeds, "strategies": strategies},
        **({"declared": together} if len(declared) == len(tables) else {}),
        "timing": {"seeds": len(blocks) if whole else max(map(_timed, tables))},
    }


def _timed(table: Table) -> int:
    return int(table.get("timing", {}).get("seeds", 0))


def _agreed(tables: Iterable[Table], key: str, value: Any) -> bool:
    return all(table.get(key) == value for table in tables)


def _distinct(items: Iterable[Table], name: Callable[[Table], str]) -> list[Table]:
    found: dict[str, Table] = {}
    for item in items:
        found.setdefault(name(item), item)
    return list(found.values())
