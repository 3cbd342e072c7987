"""A results folder as one file: a zip archive of its records, the same bytes for the same folder.

A pack holds the matrix, every record, what was claimed beside them and the report's summary. The tensors of artefacts
stay out unless asked for: a run that needs them makes them anew.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from .sealing import ResultsError, reason, replacing

SUFFIX = ".zip"
LARGEST = 8 << 30
"""Bytes that a pack may hold unpacked: an archive of a few kB can claim any size."""

_ID = "[0-9a-f]{16}"
_RECORDS = re.compile(
    rf"matrix\.toml|(?:cells|tuning|timing|failed)/{_ID}\.json|artefacts/{_ID}/meta\.json"
    r"|claims/[\w-]+\.toml|report/(?:summary\.json|claims\.csv)"
)
_TENSORS = re.compile(rf"artefacts/{_ID}/tensors\.safetensors")
_MADE = (1980, 1, 1, 0, 0, 0)
"""The time that every file of a pack bears, the earliest that the format can hold."""

_BLOCK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, LookupError, OverflowError)
"""What a damaged archive sets off; RuntimeError covers one that says it is encrypted or of an unknown method."""

_unpacked: dict[tuple[Path, int, int], TemporaryDirectory[str]] = {}
"""Packs that this process reads, by path, time and size; their folders go when it ends."""


def pack(folder: Path, out: Path, *, tensors: bool = False) -> int:
    """Write the records of a results folder into one file, whole or not at all.

    Parameters
    ----------
    folder : Path
        The folder that holds ``matrix.toml``.
    out : Path
        The pack, replaced where there is one.
    tensors : bool
        Also take the tensors of artefacts (features, traces), which can be large.

    Returns
    -------
    int
        How many files it holds.

    Raises
    ------
    ResultsError
        If the folder is no results folder, or the pack cannot be written.
    """
    files = list(_members(folder, tensors))
    try:
        with replacing(out) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in files:
                entry = zipfile.ZipInfo(name, _MADE)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
                entry.create_system = 3  # as on Unix, wherever it is made
                with (folder / name).open("rb") as source, archive.open(entry, "w", force_zip64=tensors) as target:
                    while block := source.read(_BLOCK):
                        target.write(block)
    except OSError as error:
        raise ResultsError(f"{out}: cannot be written ({reason(error)})") from error
    return len(files)


def _members(folder: Path, tensors: bool) -> Iterator[str]:
    if not (folder / "matrix.toml").is_file():
        raise ResultsError(f"{folder} is no results folder: it holds no matrix.toml")
    for name in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()):
        if _RECORDS.fullmatch(name) or (tensors and _TENSORS.fullmatch(name)):
            yield name


def is_pack(path: Path) -> bool:
    """Whether ``path`` names a pack and not a folder."""
    return path.suffix == SUFFIX and not path.is_dir()


def opened(path: Path) -> Path:
    """The results folder behind ``path``: itself, or for a pack a temporary folder with what it holds.

    The folder bears the pack's name and is removed when the process ends.

    Raises
    ------
    ResultsError
        If the pack cannot be read, is damaged, or holds anything but records.
    """
    if not is_pack(path):
        return path
    try:
        state = path.stat()
        key = path.resolve(), state.st_mtime_ns, state.st_size
        if key not in _unpacked:
            _unpacked[key] = _unpack(path)
        return Path(_unpacked[key].name) / path.stem
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: no such pack") from error
    except OSError as error:
        raise ResultsError(f"{path}: cannot be unpacked ({reason(error)})") from error


def _unpack(path: Path) -> TemporaryDirectory[str]:
    where = TemporaryDirectory(prefix="selbench-pack-")
    root = Path(where.name) / path.stem
    root.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise ResultsError(f"{path}: holds more than {LARGEST >> 30} GiB: unpack it by hand if it is yours")
            names = [entry.filename for entry in entries]
            for name in names:
                if not (_RECORDS.fullmatch(name) or _TENSORS.fullmatch(name)):
                    raise ResultsError(f"{path}: is no pack of results: it holds {name!r}")
            if "matrix.toml" not in names or len(set(names)) != len(names):
                raise ResultsError(f"{path}: is no pack of results: it needs one matrix.toml, and each file once")
            for entry in entries:
                target = root.joinpath(*PurePosixPath(entry.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as sink:
                    written = 0
                    while block := source.read(_BLOCK):
                        written += len(block)
                        sink.write(block)
                if written != entry.file_size:
                    raise ResultsError(f"{path}: {entry.filename} is damaged: copy the pack anew")
    except _DAMAGE as error:
        where.cleanup()
        if isinstance(error, ResultsError):
            raise
        raise ResultsError(f"{path}: is damaged, or no pack ({error}): copy it anew") from error
    except BaseException:
        where.cleanup()
        raise
    return where
