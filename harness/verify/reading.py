"""Reads one file, with every check that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...reports.records.fields import P, misfits, read_as
from ...reports.records.matrix import Matrix
from ...reports.records.models import KINDS, Unsealed
from ...reports.records.sealing import OtherVersionError, ResultsError, open_record, open_toml, written
from .declared import Declared
from .findings import AGAIN, Finding, note

OLDER = "no checksum: made by an older version"
_RESTORE = "put a sound copy back"
_UNSEALED = b"version = "
"""How ``matrix.toml`` begins where an older version wrote it."""


def read_record(kind: str, file: str, id: str, content: bytes) -> tuple[Unsealed | None, list[Finding]]:
    """The record in ``content``; None where it cannot be used.

    Parameters
    ----------
    kind : str
        Of :data:`selbench.reports.records.models.KINDS`.
    file : str
        Its name in findings.
    id : str
        What it must be the record of.
    content : bytes
    """
    shape = KINDS[kind]
    mend = "remove its folder and run again" if kind == "artefacts" else AGAIN
    try:
        record = open_record(content, sealed=shape.model_fields["checksum"].is_required())
    except ResultsError as error:
        return None, [Finding(file, str(error), "" if isinstance(error, OtherVersionError) else mend)]
    if not _as_written(record, content):
        what = "holds what was written, and not byte for byte: white space or the writing of a number was changed"
        return None, [Finding(file, what, mend)]
    item, findings = _shape(shape, file, record, "checksum" in record, mend)
    if item is not None and item.id != id:
        return None, [*findings, Finding(file, f"is the record of {item.id}, not of {id} as its name says", mend)]
    return item, findings


def read_matrix(file: str, content: bytes) -> tuple[Declared | None, list[Finding]]:
    """The content of ``matrix.toml``; None where it cannot be used."""
    try:
        table, sealed = open_toml(content)
    except ResultsError as error:
        return None, [Finding(file, str(error), "" if isinstance(error, OtherVersionError) else _RESTORE)]
    if not sealed and not content.startswith(_UNSEALED):
        return None, [Finding(file, "begins with neither a checksum nor a version: it was changed", _RESTORE)]
    matrix, findings = _shape(Matrix, file, table, sealed, _RESTORE)
    return (None if matrix is None else Declared(table, matrix)), findings


def _as_written(record: dict[str, Any], content: bytes) -> bool:
    try:
        return written(record) == content
    except (ValueError, RecursionError):  # NaN or infinity; or nested too deep
        return False


def _shape(
    shape: type[P], file: str, record: Mapping[str, Any], sealed: bool, mend: str
) -> tuple[P | None, list[Finding]]:
    """The record, and what does not fit; a field more in a sealed one is a later version's, anywhere else damage."""
    wrong, notes, item = [], [], None
    for what, unknown in misfits(shape, record):
        if unknown and sealed:
            notes.append(note(file, what, "a newer selbench may check it"))
        else:
            wrong.append(Finding(file, what, mend))
    if not wrong:
        try:
            item = read_as(shape, record)
        except ResultsError as error:  # with the later fields apart
            wrong.append(Finding(file, str(error), mend))
    if not sealed:
        notes.append(note(file, OLDER))
    return item, wrong + notes
