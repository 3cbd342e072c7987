"""Every flipped bit is found, over all bytes of every kind of file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from selbench.harness.store.folder import Store
from selbench.harness.verify.reading import Listing, read_matrix, read_record


def flips(content: bytes) -> Iterator[bytes]:
    """``content`` with each of its bits flipped, one at a time."""
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            yield bytes(flipped)


def smallest(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern), key=lambda file: (file.stat().st_size, file.name))


@pytest.mark.parametrize("kind", ["cells", "tuning", "timing", "failed", "artefacts"])
def test_every_bit_of_a_record(finished: Path, published: Callable[[str], Path], kind: str) -> None:
    name = {"tuning": "quick-tuned", "timing": "quick"}.get(kind)
    folder = published(name) if name else finished
    file = smallest(folder, "artefacts/*/meta.json" if kind == "artefacts" else f"{kind}/*.json")
    id = file.parent.name if kind == "artefacts" else file.stem
    content = file.read_bytes()
    record, findings = read_record(kind, file.name, id, content)
    assert record is not None and not findings
    missed = 0
    for flipped in flips(content):
        record, findings = read_record(kind, file.name, id, flipped)
        missed += record is not None or all(finding.note for finding in findings)
    assert not missed
    print(f"counted: bits flipped in a record of {kind}, one at a time, all found: {8 * len(content):,}")


def test_every_bit_of_the_matrix(finished: Path) -> None:
    content = (finished / "matrix.toml").read_bytes()
    table, findings = read_matrix("matrix.toml", content)
    assert table is not None and not findings
    missed = 0
    for flipped in flips(content):
        table, findings = read_matrix("matrix.toml", flipped)
        missed += table is not None or all(finding.note for finding in findings)
    assert not missed
    print(f"counted: bits flipped in matrix.toml, one at a time, all found: {8 * len(content):,}")


def test_a_bit_of_every_byte_of_tensors(finished: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    meta = Store(finished).artefact_meta(smallest(finished, "artefacts/*/meta.json").parent.name)
    store.write_artefact(meta["id"], {"a": torch.arange(5.0)}, meta)
    path = store.artefact_path(meta["id"]) / "tensors.safetensors"
    content = path.read_bytes()
    assert not Listing(tmp_path).findings
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        (finding,) = Listing(tmp_path).findings
        assert finding.file.endswith("tensors.safetensors") and not finding.note, place
    print(f"counted: bits flipped in tensors, one of every byte, all found: {len(content):,}")


def test_a_cut_or_longer_file_is_found(finished: Path) -> None:
    file = smallest(finished, "cells/*.json")
    content = file.read_bytes()
    for other in (b"", content[:-1], content[: len(content) // 2], content + b"\n", content + content):
        assert read_record("cells", file.name, file.stem, other)[1]
