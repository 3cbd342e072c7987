"""From the bytes of one file to its record, with everything that can be known of it alone."""

from __future__ import annotations

import json
from typing import Any

from ...reports.records.models import KINDS, Matrix, Part, misfits
from ...reports.records.sealing import VERSION, Damaged, checksum, foreign, open_toml, written
from .findings import AGAIN, Finding, note

OLDER = "no checksum: made by an older version"
_OTHER = "use the selbench that wrote it"
_RESTORE = "put a sound copy back"
_UNSEALED = b"version = "
"""How ``matrix.toml`` begins where an older version wrote it."""

Record = dict[str, Any]


def read_record(kind: str, file: str, id: str, content: bytes) -> tuple[Record | None, list[Finding]]:
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
    mend = "remove its folder and run again" if kind == "artefacts" else AGAIN
    try:
        record = json.loads(content)
        if isinstance(record, dict):
            checksum(record)  # what is nested too deep for this is no record
    except (ValueError, RecursionError) as error:
        return None, [Finding(file, f"not valid JSON ({error})", mend)]
    if not isinstance(record, dict):
        return None, [Finding(file, "not a record: the file holds no JSON object", mend)]
    if (version := foreign(record)) is not None:
        return None, [_foreign(file, version)]
    shape = KINDS[kind]
    must_be_sealed = shape.model_fields["checksum"].is_required()
    sealed = must_be_sealed or "checksum" in record
    if sealed and record.get("checksum") != checksum(record):
        what = "the checksum does not match: the file was changed or damaged after it was written"
        return None, [Finding(file, what, mend)]
    if not _as_written(record, content):
        what = "holds what was written, and not byte for byte: white space or the writing of a number was changed"
        return None, [Finding(file, what, mend)]
    wrong, notes = _shape(shape, file, record, sealed, mend)
    if not wrong and record["id"] != id:
        wrong.append(Finding(file, f"is the record of {record['id']}, not of {id} as its name says", mend))
    if not sealed:
        notes.append(note(file, OLDER))
    return (None if wrong else record), wrong + notes


def read_matrix(file: str, content: bytes) -> tuple[Record | None, list[Finding]]:
    """The table of ``matrix.toml``; None where it cannot be used."""
    try:
        table, sealed = open_toml(content)
    except Damaged as error:
        return None, [Finding(file, str(error), _RESTORE)]
    if not sealed and not content.startswith(_UNSEALED):
        return None, [Finding(file, "begins with neither a checksum nor a version: it was changed", _RESTORE)]
    if (version := foreign(table)) is not None:
        return None, [_foreign(file, version)]
    wrong, notes = _shape(Matrix, file, table, sealed, _RESTORE)
    if not sealed:
        notes.append(note(file, OLDER))
    return (None if wrong else table), wrong + notes


def _foreign(file: str, version: int) -> Finding:
    return Finding(file, f"format version {version}; this selbench reads version {VERSION}", _OTHER)


def _as_written(record: Record, content: bytes) -> bool:
    try:
        return written(record) == content
    except (ValueError, RecursionError):  # NaN or infinity; or nested too deep
        return False


def _shape(
    shape: type[Part], file: str, record: Record, sealed: bool, mend: str
) -> tuple[list[Finding], list[Finding]]:
    """What does not fit; a field more in a sealed record is a later version's, anywhere else it is damage."""
    wrong, notes = [], []
    for what, unknown in misfits(shape, record):
        if unknown and sealed:
            notes.append(note(file, what, "a newer selbench may check it"))
        else:
            wrong.append(Finding(file, what, mend))
    return wrong, notes
