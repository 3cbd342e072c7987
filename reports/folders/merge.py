"""Several results folders as one: parts of a matrix run on several machines, or matrices over different data sets.

Records are copied byte for byte. The same run may lie in several folders, such as the baselines of parts that were
split by strategy: its results must then be equal to the last bit, and the first folder's record is kept. Nothing is
made of seconds here: a report never compares those of unlike machines, and :meth:`Merged.lines` say where.
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..document.numbers import plural
from ..effects.pairing import Pairs
from ..records.differences import unlike
from ..records.folder import Results, ResultsError
from ..records.matrix import read_table
from ..records.sealing import seal_toml
from ..summary import count
from .joined_matrix import Named, united

_RECORDS = ("cells/*.json", "tuning/*.json", "timing/*.json", "failed/*.json", "artefacts/*/*")
_MEASURED = ("seconds", "environment", "memory_bytes", "checkpoints", "checksum", "tensors", "when")
"""What two runs of the same thing never share: how long they took, when, where, in how many pieces; tensors are files
of their own."""

_LATER = "weights_digest"
"""A part of a cell's result that older versions did not have."""

_FIRST_COUNTS = ("timing", "failed")
"""Kinds of records that are about one occasion: another one's is another, and no contradiction."""


@dataclass(frozen=True)
class Merged:
    """A merged folder.

    Parameters
    ----------
    results : Results
        What lies in it.
    folders : int
        How many it was made of.
    twice : int
        Runs that more than one of them held.
    """

    results: Results
    folders: int
    twice: int

    def lines(self) -> Iterator[str]:
        """What there is to say about it, sentence by sentence."""
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
    """Write the union of results folders.

    Parameters
    ----------
    out : str or Path
        A new folder, or an empty one; it appears whole or not at all.
    folders : sequence of str or Path
        Two at least, without unreadable records.
    title : str
        In place of their own.

    Returns
    -------
    Merged

    Raises
    ------
    ResultsError
        In one line: what cannot be merged, and why. Nothing is written then.
    """
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
            _copy(files, table, draft)
            Results.read(draft, strict=True)
            if target.exists():
                target.rmdir()
            draft.rename(target)
    except OSError as error:
        raise ResultsError(f"{target} cannot be written: {error.strerror}") from error
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


def _copy(files: dict[str, Path], table: dict[str, Any], draft: Path) -> None:
    for name, file in files.items():
        (draft / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, draft / name)
    draft.mkdir(exist_ok=True)
    (draft / "matrix.toml").write_bytes(seal_toml(table))
