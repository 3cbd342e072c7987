"""Reads what lies in a results folder, with every check that needs no other record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ...reports.records.fields import P, misfits, read_as
from ...reports.records.matrix import Matrix
from ...reports.records.models import KINDS, Artefact, Unsealed
from ...reports.records.sealing import (
    OtherVersionError,
    ResultsError,
    digest_file,
    open_record,
    open_toml,
    reason,
    written,
)
from .contents import Declared
from .findings import AGAIN, Finding, note

# Made of records, of runs not done, set aside, or said by us to be put there.
BESIDE = {"report", "claims", "checkpoints", "logs", "superseded", "tensorboard", "mlflow", ".gitattributes"}
R = TypeVar("R", bound=Unsealed)

_LEFT = "a run that was killed left it", "it may be removed"
_AGAIN = "remove its folder and run again"
_RESTORE = "put a sound copy back"
_UNSEALED = b"version = "  # how ``matrix.toml`` begins where an older version wrote it


class Listing:
    """The records of a folder that can be used, by kind and file, and the findings about any of them alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.crlf: list[str] = []  # files whose line ends are no longer as they were written
        self.records: dict[str, dict[str, Unsealed]] = {kind: {} for kind in KINDS}
        self.findings: list[Finding] = []
        for kind in KINDS:
            for path in sorted((root / kind).glob("*")):
                self.findings += self._artefact(path) if kind == "artefacts" else self._record(kind, path, path.stem)
        self.findings += self._beside()

    def read(self, path: Path) -> bytes:
        """A file that was written with LF; where git made every one CRLF (``autocrlf``), that is noted and undone."""
        content = path.read_bytes()
        if 0 < content.count(b"\n") == content.count(b"\r\n"):
            self.crlf.append(self._name(path))
            return content.replace(b"\r\n", b"\n")
        return content

    def line_ends(self) -> Iterator[Finding]:
        if self.crlf:
            more = f" of this and {len(self.crlf) - 1:,} more files" if self.crlf[1:] else ""
            what = f"git changed the line ends{more} (autocrlf); nothing need be trained again"
            yield Finding(self.crlf[0], what, "set `* -text` in .gitattributes and check out again")

    def of(self, kind: type[R]) -> dict[str, R]:
        each = (item for records in self.records.values() for item in records.items())
        return {file: record for file, record in each if isinstance(record, kind)}

    def ids(self, kind: str) -> set[str]:
        return {record.id for record in self.records[kind].values()}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _record(self, kind: str, path: Path, id: str) -> list[Finding]:
        name = self._name(path)
        if path.name.startswith("."):
            return [note(name, *_LEFT)]
        if path.suffix != ".json" or not path.is_file():
            return [Finding(name, f"is no record, and lies among {kind}", "remove it")]
        try:
            content = self.read(path)
        except OSError as error:
            return [Finding(name, f"cannot be read: {reason(error)}")]
        record, findings = read_record(kind, name, id, content)
        if record is not None:
            self.records[kind][name] = record
        return findings

    def _artefact(self, folder: Path) -> Iterator[Finding]:
        name, known = self._name(folder), ("meta.json", "tensors.safetensors")
        if not folder.is_dir():
            yield Finding(name, "is no artefact, and lies among them", "remove it")
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                yield note(self._name(path), *_LEFT)
            elif path.name not in known:
                yield Finding(self._name(path), "is no part of an artefact", "remove it")
        meta, tensors = (folder / part for part in known)
        if not meta.exists():
            yield note(name, "was begun and not finished", "the next run that needs it makes it anew")
            return
        yield from self._record("artefacts", meta, folder.name)
        record = self.records["artefacts"].get(self._name(meta))
        if isinstance(record, Artefact):
            yield from self._tensors(tensors, record)

    def _tensors(self, path: Path, record: Artefact) -> Iterator[Finding]:
        name = self._name(path)
        if not path.exists():
            yield note(name, "is not here: published folders leave tensors out", "a run that needs it makes it anew")
            return
        try:
            found = digest_file(path)
        except OSError as error:
            yield Finding(name, f"cannot be read: {reason(error)}")
            return
        if record.tensors not in (None, found):
            what = "is not what its description says: it was changed or damaged after it was written"
            yield Finding(name, what, _AGAIN)

    def _beside(self) -> Iterator[Finding]:
        for path in sorted(self.root.iterdir()):
            if path.name not in {"matrix.toml", *KINDS, *BESIDE}:
                left = path.name.startswith(".matrix.toml")
                yield note(path.name, *_LEFT) if left else note(path.name, "is no part of the results")


def read_record(kind: str, file: str, id: str, content: bytes) -> tuple[Unsealed | None, list[Finding]]:
    """The record ``id`` of a kind in ``content``, None where it cannot be used; ``file`` is its name in findings."""
    shape = KINDS[kind]
    mend = _AGAIN if kind == "artefacts" else AGAIN
    try:
        record = open_record(content, sealed=shape.model_fields["checksum"].is_required())
    except ResultsError as error:
        return None, [Finding(file, str(error), "" if isinstance(error, OtherVersionError) else mend)]
    try:
        as_written = written(record) == content
    except (ValueError, RecursionError):  # NaN or infinity; or nested too deep
        as_written = False
    if not as_written:
        what = "holds what was written, and not byte for byte: white space or the writing of a number was changed"
        return None, [Finding(file, what, mend)]
    item, findings = _shape(shape, file, record, "checksum" in record, mend)
    if item is not None and item.id != id:
        return None, [*findings, Finding(file, f"is the record of {item.id}, not of {id} as its name says", mend)]
    return item, findings


def read_matrix(file: str, content: bytes) -> tuple[Declared | None, list[Finding]]:
    try:
        table, sealed = open_toml(content)
    except ResultsError as error:
        return None, [Finding(file, str(error), "" if isinstance(error, OtherVersionError) else _RESTORE)]
    if not sealed and not content.startswith(_UNSEALED):
        return None, [Finding(file, "begins with neither a checksum nor a version: it was changed", _RESTORE)]
    matrix, findings = _shape(Matrix, file, table, sealed, _RESTORE)
    return (None if matrix is None else Declared(table, matrix)), findings


def _shape(
    shape: type[P], file: str, record: Mapping[str, Any], sealed: bool, mend: str
) -> tuple[P | None, list[Finding]]:
    """The record, and what does not fit; a field more in a sealed one is a later version's, anywhere else damage."""
    wrong, notes, item = [], [], None
    with suppress(ValidationError):
        item = shape.model_validate(record)
    for what, unknown in misfits(shape, record) if item is None else ():
        if unknown and sealed:
            notes.append(note(file, what, "a newer selbench may check it"))
        else:
            wrong.append(Finding(file, what, mend))
    if item is None and not wrong:
        try:
            item = read_as(shape, record)
        except ResultsError as error:  # with the later fields apart
            wrong.append(Finding(file, str(error), mend))
    if not sealed:
        notes.append(note(file, "no checksum: made by an older version"))
    return item, wrong + notes
