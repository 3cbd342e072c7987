"""``matrix.toml`` of a merged folder: what several folders were asked for, as one request.

Folders of one matrix (the same identity) give that matrix again, with all their seeds and strategies. Folders of
several matrices give a matrix of its own, which can be reported but not run: it holds each of them under ``parts``.
The studies of all are asked again there, each once, of everything that the merged folder holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..records.differences import unlike
from ..records.folder import ResultsError

Table = dict[str, Any]

_COMMON = ("learner", "tuning", "grid", "analysis")
"""What must be the same everywhere: one learner, judged in one way."""

_OWN = ("budget", "ladder", "optimizer", "proxy", "references", "rates", "measures")
"""What each matrix may have of its own, as long as it is about other data sets."""

_ARM = ("dataset", "reference", "label", "role", "rung")


@dataclass(frozen=True)
class Named:
    """A ``matrix.toml`` and the folder it lies in."""

    folder: str
    table: Table


def united(matrices: Sequence[Named], title: str = "") -> Table:
    """One ``matrix.toml`` for all.

    Parameters
    ----------
    matrices : sequence of Named
        At least one. What they may say differently (titles of one matrix) is said as the first says it.
    title : str
        In place of their own.

    Raises
    ------
    ResultsError
        In one line: what differs that must not.
    """
    first = matrices[0]
    for other in matrices[1:]:
        _refuse_unlike("", first, _common(first), other, _common(other))
    asked = {"datasets": _datasets(matrices), "arms": _arms(matrices), **_asked([named.table for named in matrices])}
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
    return {
        **{key: value for key, value in first.table.items() if key not in _OWN},
        **shared,
        **asked,
        "name": "+".join(names),
        "title": title or " and ".join(dict.fromkeys(part["title"] for part in parts)),
        "identity": _digest(sorted(part["identity"] for part in parts)),
        "sources": names,
        "budget": budget,
        **({"studies": studies} if studies else {}),
        "requested": {**asked["requested"], "matrix": "+".join(names), "set": []},
        "declared": {"strategies": asked["requested"]["strategies"], "seeds": asked["seeds"]},
        "parts": parts,
    }


def _common(named: Named) -> Table:
    common = {key: named.table[key] for key in _COMMON if key in named.table}
    return {**common, "analysis": {"interval": "t", **named.table["analysis"]}}


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
        for part in named.table.get("parts") or [_part(named.table)]:
            found.setdefault(part["identity"], []).append(part)
    return [{**same[0], **{k: v for k, v in _asked(same).items() if k != "seeds"}} for same in found.values()]


def _part(table: Table) -> Table:
    kept = ("name", "title", "identity", "requested", "declared", "timing", *_OWN)
    datasets = [dataset["name"] for dataset in table["datasets"]]
    return {**{key: table[key] for key in kept if key in table}, "datasets": datasets}


def _datasets(matrices: Sequence[Named]) -> list[Table]:
    """The data sets of all; each with its own budget, where there is not one for all."""
    found: dict[str, tuple[Named, Table]] = {}
    for named in matrices:
        for item in named.table["datasets"]:
            dataset = {"budget": named.table["budget"], **item}
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
            first, known = by_name.setdefault(tuple(item[name] for name in _ARM), (named, arm))
            what = f"arm {item['label']} on {item['dataset']}: "
            _refuse_unlike(what, first, known, named, arm)
            first, known = by_key.setdefault(item["key"], (named, arm))
            _refuse_unlike(what, first, known, named, arm)
    return [arm for _, arm in by_key.values()]


def _asked(tables: Sequence[Table]) -> Table:
    """What was asked for, all together: seeds ascending, strategies in the order of the folders."""
    requested = [table["requested"] for table in tables]
    seeds = sorted({seed for asked in requested for seed in asked["seeds"]})
    strategies = list(dict.fromkeys(label for asked in requested for label in asked["strategies"]))
    blocks = {seed for table, asked in zip(tables, requested, strict=True) for seed in asked["seeds"][: _timed(table)]}
    # The format asks for the first so many seeds: of all blocks where they are these, else of the longest pass.
    whole = blocks == set(seeds[: len(blocks)])
    return {
        "seeds": seeds,
        "requested": {**requested[0], "seeds": seeds, "strategies": strategies},
        "timing": {"seeds": len(blocks) if whole else max(map(_timed, tables))},
    }


def _timed(table: Table) -> int:
    return int(table.get("timing", {}).get("seeds", 0))


def _agreed(tables: Iterable[Table], key: str, value: Any) -> bool:
    return all(table.get(key) == value for table in tables)


def _distinct(items: Iterable[Table], name: Callable[[Table], str]) -> list[Table]:
    """The first of each name."""
    found: dict[str, Table] = {}
    for item in items:
        found.setdefault(name(item), item)
    return list(found.values())


def _digest(identities: list[str]) -> str:
    return hashlib.blake2b(json.dumps(identities).encode(), digest_size=8).hexdigest()
