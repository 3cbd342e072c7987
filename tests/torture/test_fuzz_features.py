"""Feature and weight files of any content: what they hold, or one line that names the file."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzzing import VALUES, damaged, fuzz, mutated, told
from safetensors.torch import save

from selbench.harness.references.base import checked
from selbench.harness.references.file import File
from selbench.harness.store.weight_file import read_weights
from selbench.strategies import UsageError

COUNT = 7
IMAGES, LABELS = torch.zeros(COUNT, 3, 4, 4, dtype=torch.uint8), torch.zeros(COUNT, dtype=torch.int64)
LIES = (*VALUES, "F8_E4M3", "F32", "BF16", "I64", "BOOL", [COUNT, 5], [COUNT], [0, 0], [2**62, 4], [COUNT, 0], [-1, 5],
        [0, 140], [140, 0], [8, 148], [0, 2**63], [2**62, 2**63 - 1], "features", "losses", "__metadata__")  # fmt: skip


def tensors(numbers: random.Random) -> dict[str, torch.Tensor]:
    rows = numbers.choice((COUNT,) * 12 + (COUNT - 1, 0, 1000))
    dtype = numbers.choice((torch.float32, torch.float16, torch.bfloat16, torch.float64) * 3 + (torch.int32,))
    width = numbers.choice((1, 5, 5, 64))
    shape = numbers.choice(((rows, width),) * 8 + ((rows,), (rows, 1, width)))
    features = torch.linspace(-1, 1, math.prod(shape)).reshape(shape).to(dtype)
    if features.is_floating_point() and features.numel() and numbers.random() < 0.3:
        features.view(-1)[numbers.randrange(features.numel())] = numbers.choice((math.nan, math.inf, -math.inf))
    found = {numbers.choice(("features",) * 9 + ("feature",)): features}
    if numbers.random() < 0.6:
        found["losses"] = torch.rand(numbers.choice((COUNT, COUNT, COUNT, rows, 3)))
    return found


def with_header(content: bytes, header: Any, length: int | None = None) -> bytes:
    old = int.from_bytes(content[:8], "little")
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content[8 + old :]


def lied(numbers: random.Random, content: bytes) -> bytes:
    """The same bytes under a header that says something else of them."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    match numbers.randrange(4):
        case 0:
            return with_header(content, header, numbers.choice((0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1)))
        case 1:  # one name twice: readers differ in which of them they believe
            lie = json.dumps(mutated(numbers, header, LIES))
            return with_header(content, json.dumps(header)[:-1] + "," + lie[1:] if lie[:1] == "{" else lie)
        case _:
            for _ in range(numbers.choice((1, 1, 2, 3))):
                header = mutated(numbers, header, LIES)
            return with_header(content, header)


def test_feature_files(tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"

    def case(numbers: random.Random) -> str:
        content = save(tensors(numbers))
        if numbers.random() < 0.7:
            content = numbers.choice((damaged, lied, lied))(numbers, content)
        path.write_bytes(content)
        reference = File(str(path))
        try:
            reference.check(None)
            reference.fingerprint(None)
            extraction = reference.extract(IMAGES, LABELS, data_dir=None, device=torch.device("cpu"))
            rows = torch.cat(list(checked(extraction, COUNT, "file")))
        except UsageError as error:
            assert str(path) in told(error) or "file:" in told(error)
            return "refused"
        assert rows.shape[0] == COUNT and torch.isfinite(rows).all()
        return "read"

    assert len(fuzz("feature files", case)) == 2


class Trap:
    """Whoever unpickles it makes the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.filterwarnings("ignore")  # torch warns of strange protocols before it refuses them
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weight_files(tmp_path: Path, suffix: str) -> None:
    path, sprung = tmp_path / f"weights{suffix}", tmp_path / "sprung"
    sound: dict[str, Any] = {"conv.weight": torch.ones(2, 3, 3), "bias": torch.zeros(4)}
    if suffix == ".pth":
        kinds = []
        for value in (sound, {**sound, "trap": Trap(sprung)}, Trap(sprung), [1, 2], {"epoch": 3, "state": sound}):
            for zipped in (True, False):
                torch.save(value, path, _use_new_zipfile_serialization=zipped)
                kinds.append(path.read_bytes())
    else:
        kinds = [save(sound)]

    def case(numbers: random.Random) -> str:
        content = numbers.choice(kinds)
        path.write_bytes(damaged(numbers, content) if numbers.random() < 0.9 else content)
        try:
            found = read_weights(path)
        except UsageError as error:
            assert str(path) in told(error)
            return "refused"
        assert all(isinstance(value, torch.Tensor) for value in found.values())
        return "read"

    assert len(fuzz(f"weight files {suffix}", case)) == 2
    assert not sprung.exists(), "nothing in a file was run"
