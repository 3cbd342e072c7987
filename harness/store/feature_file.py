"""Matrices of features read from their file on demand, row by row."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...strategies.errors import UsageError

# Types of rows that can be read, by their names in safetensors files.
TYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}

CHUNK = 32 << 20  # bytes of float32 rows in one chunk
GAP = 8 << 10  # unwanted bytes that are read rather than skipped


class Rows:
    """A matrix ``[n, d]`` in a safetensors file.

    Rows are read into a buffer, never mapped, so no page of the file counts as this process's memory. Reads
    carry their own position: forked processes and threads may share an instance. The tensor ``name`` has a type in
    :data:`TYPES`; a file that is damaged or holds no such matrix is a UsageError.
    """

    def __init__(self, path: Path, name: str = "features") -> None:
        self._matrix = _Matrix(path, name)
        self._places: Tensor | None = None

    def __len__(self) -> int:
        return self._matrix.count if self._places is None else len(self._places)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self._matrix.width

    @property
    def dtype(self) -> torch.dtype:
        return self._matrix.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that all rows take as float32."""
        return len(self) * self._matrix.width * 4

    def subset(self, ids: Tensor) -> Rows:
        """Rows ``ids`` ``[m]`` as a matrix of its own: nothing is read or copied but the ids."""
        view = copy.copy(self)
        view._places = self._checked(ids)
        return view

    def take(self, ids: Tensor, *, pin: bool = False) -> Tensor:
        """Rows ``ids`` (int64 ``[m]`` on the CPU, in any order, also repeated) as float32 ``[m, d]`` on the CPU.

        ``pin`` gives page-locked memory, from which a copy to a GPU need not wait.
        """
        found = self._matrix.gather(self._checked(ids))
        return torch.empty(found.shape, pin_memory=pin).copy_(found) if pin else found.to(torch.float32)

    def chunks(self, dtype: torch.dtype = torch.float32) -> Iterator[Tensor]:
        """All rows in order, ``[m, d]`` at a time, :data:`CHUNK` bytes of float32 or less."""
        step = max(1, CHUNK // (4 * self._matrix.width))
        for start in range(0, len(self), step):
            stop = min(start + step, len(self))
            if self._places is None:
                yield self._matrix.span(start, stop).to(dtype)
            else:
                yield self._matrix.gather(self._places[start:stop]).to(dtype)

    def load(self, device: torch.device | str = "cpu") -> Tensor:
        out, start = torch.empty(self.shape, device=device), 0
        for chunk in self.chunks(self.dtype):
            out[start : start + len(chunk)] = chunk.to(device)
            start += len(chunk)
        return out

    def _checked(self, ids: Tensor) -> Tensor:
        if ids.dtype != torch.int64 or ids.device.type != "cpu" or ids.ndim != 1:
            raise TypeError(f"ids must be int64 [m] on the CPU, not {ids.dtype} {list(ids.shape)} on {ids.device}")
        wrong = ids[(ids < 0) | (ids >= len(self))]
        if len(wrong):
            raise IndexError(f"row {int(wrong[0])} is outside [0, {len(self)})")
        return ids if self._places is None else self._places[ids]


class _Matrix:
    """The file of a :class:`Rows`, open for as long as anyone uses it."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        try:
            with safe_open(path, framework="pt"):  # the format's own library checks the header against the file
                self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except (OSError, SafetensorError) as error:
            raise UsageError(f"{path} is no safetensors file that can be read: {error}") from error
        weakref.finalize(self, os.close, self._handle)
        length = int.from_bytes(os.pread(self._handle, 8, 0), "little")
        entry = json.loads(os.pread(self._handle, length, 8)).get(name)
        if entry is None or len(entry["shape"]) != 2 or entry["shape"][1] < 1 or entry["dtype"] not in TYPES:
            raise UsageError(f"{path} must hold {name!r} as a matrix of type {', '.join(TYPES)}; it has {entry}")
        self.count, self.width = entry["shape"]
        self.dtype = TYPES[entry["dtype"]]
        self._start = 8 + length + entry["data_offsets"][0]
        self._row = self.width * self.dtype.itemsize

    def span(self, start: int, stop: int) -> Tensor:
        out = torch.empty(stop - start, self.width, dtype=self.dtype)
        self._read(start, _bytes(out))
        return out

    def gather(self, places: Tensor) -> Tensor:
        """Rows ``places`` ``[m]`` in any order, each read once, neighbours together."""
        wanted, back = torch.unique(places, return_inverse=True)
        out = torch.empty(len(wanted), self.width, dtype=self.dtype)
        into = _bytes(out)
        runs = list(self._runs(wanted))
        if len(runs) > 1 and hasattr(os, "posix_fadvise"):  # prefetched in parallel: five times as fast as one by one
            for first, last, _, _ in runs:
                start, length = self._start + first * self._row, (last - first) * self._row
                os.posix_fadvise(self._handle, start, length, os.POSIX_FADV_WILLNEED)
        for first, last, at, end in runs:
            if last - first == end - at:
                self._read(first, into[at * self._row : end * self._row])
            else:
                torch.index_select(self.span(first, last), 0, wanted[at:end] - first, out=out[at:end])
        return out if torch.equal(wanted, places) else out[back]

    def _runs(self, wanted: Tensor) -> Iterator[tuple[int, int, int, int]]:
        """Spans of the file, first to last, that hold ``wanted[at:end]`` (ascending) without a wide gap."""
        if not len(wanted):
            return
        cuts = torch.nonzero(wanted.diff() > 1 + GAP // self._row).flatten() + 1
        ats, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(wanted)]
        firsts, lasts = wanted[torch.tensor(ats)].tolist(), (wanted[torch.tensor(ends) - 1] + 1).tolist()
        yield from zip(firsts, lasts, ats, ends, strict=True)

    def _read(self, first: int, into: memoryview) -> None:
        position = self._start + first * self._row
        while into:
            got = os.preadv(self._handle, [into], position)
            if not got:
                raise UsageError(f"{self.path} ends early: something cut it short; remove it and run again")
            into, position = into[got:], position + got


def write(file: BinaryIO, name: str, chunks: Iterable[Tensor], count: int, beside: Mapping[str, Tensor]) -> str:
    """Write a safetensors file, never holding more than a chunk; returns its BLAKE2b-128.

    It holds the small tensors ``beside``, then the matrix ``name``: ``chunks`` ``[m, d]`` of ``count`` rows in all.
    """
    names = {dtype: key for key, dtype in TYPES.items()}
    rows = iter(chunks)
    first = next(rows)
    sizes = {key: (tensor.dtype, list(tensor.shape)) for key, tensor in beside.items()}
    header, offset = {}, 0
    for key, (dtype, shape) in {**sizes, name: (first.dtype, [count, first.shape[1]])}.items():
        end = offset + torch.Size(shape).numel() * dtype.itemsize
        header[key] = {"dtype": names[dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pieces = (_bytes(tensor.detach().cpu().contiguous()) for tensor in itertools.chain(beside.values(), [first], rows))
    digest = hashlib.blake2b(digest_size=16)
    head: bytes | memoryview = len(text).to_bytes(8, "little") + text
    for piece in itertools.chain([head], pieces):
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data
