"""What lies in a results folder: records by kind, and whatever else is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from ...reports.records.models import KINDS, Artefact, Unsealed
from ...reports.records.sealing import digest_file
from .findings import Finding, note
from .reading import read_record

BESIDE = {"report", "claims", "checkpoints", "logs"}
"""Folders beside the records: what is made of them, and what runs that are not done need."""

R = TypeVar("R", bound=Unsealed)

_LEFT = "a run that was killed left it", "it may be removed"


class Listing:
    """The records of a folder.

    Parameters
    ----------
    root : Path
        The folder.

    Attributes
    ----------
    records : dict of dict of record
        Those that can be used, by folder and file.
    findings : list of Finding
        What is wrong with any of them alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records: dict[str, dict[str, Unsealed]] = {kind: {} for kind in KINDS}
        self.findings: list[Finding] = []
        for kind in KINDS:
            for path in sorted((root / kind).glob("*")):
                self.findings += self._artefact(path) if kind == "artefacts" else self._record(kind, path, path.stem)
        self.findings += self._beside()

    def of(self, kind: type[R]) -> dict[str, R]:
        """The records of a kind by file."""
        each = (item for records in self.records.values() for item in records.items())
        return {file: record for file, record in each if isinstance(record, kind)}

    def ids(self, kind: str) -> set[str]:
        """Ids of the records of a kind."""
        return {record.id for record in self.records[kind].values()}

    def _record(self, kind: str, path: Path, id: str) -> list[Finding]:
        name = path.relative_to(self.root).as_posix()
        if path.name.startswith("."):
            return [note(name, *_LEFT)]
        if path.suffix != ".json" or not path.is_file():
            return [Finding(name, f"is no record, and lies among {kind}", "remove it")]
        try:
            content = path.read_bytes()
        except OSError as error:
            return [Finding(name, f"cannot be read: {error.strerror}")]
        record, findings = read_record(kind, name, id, content)
        if record is not None:
            self.records[kind][name] = record
        return findings

    def _artefact(self, folder: Path) -> list[Finding]:
        name = folder.relative_to(self.root).as_posix()
        if not folder.is_dir():
            return [Finding(name, "is no artefact, and lies among them", "remove it")]
        meta, tensors = folder / "meta.json", folder / "tensors.safetensors"
        findings = list(self._inside(folder, {meta.name, tensors.name}))
        if not meta.exists():
            return [*findings, note(name, "was begun and not finished", "the next run that needs it makes it anew")]
        findings += self._record("artefacts", meta, folder.name)
        record = self.records["artefacts"].get(f"{name}/{meta.name}")
        if isinstance(record, Artefact):
            findings += self._tensors(tensors, record)
        return findings

    def _inside(self, folder: Path, known: set[str]) -> Iterator[Finding]:
        for path in sorted(folder.iterdir()):
            name = path.relative_to(self.root).as_posix()
            if path.name.startswith("."):
                yield note(name, *_LEFT)
            elif path.name not in known:
                yield Finding(name, "is no part of an artefact", "remove it")

    def _tensors(self, path: Path, record: Artefact) -> Iterator[Finding]:
        name = path.relative_to(self.root).as_posix()
        if not path.exists():
            yield note(name, "is not here: published folders leave tensors out", "a run that needs it makes it anew")
            return
        try:
            found = digest_file(path)
        except OSError as error:
            yield Finding(name, f"cannot be read: {error.strerror}", "remove its folder and run again")
            return
        if record.tensors not in (None, found):
            what = "is not what its description says: it was changed or damaged after it was written"
            yield Finding(name, what, "remove its folder and run again")

    def _beside(self) -> Iterator[Finding]:
        for path in sorted(self.root.iterdir()):
            if path.name not in {"matrix.toml", *KINDS, *BESIDE}:
                left = path.name.startswith(".matrix.toml")
                yield note(path.name, *_LEFT) if left else note(path.name, "is no part of the results")
