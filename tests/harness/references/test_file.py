"""Features from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from selbench.harness.references.base import Extraction, checked
from selbench.harness.references.file import File
from selbench.harness.store import feature_file as rows
from selbench.strategies import UsageError

CPU = torch.device("cpu")
IMAGES, LABELS = torch.zeros(7, 3, 4, 4, dtype=torch.uint8), torch.zeros(7, dtype=torch.int64)


def extract(path: Path | str, data_dir: Path | None = None) -> Extraction:
    return File(str(path)).extract(IMAGES, LABELS, data_dir=data_dir, device=CPU)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_type_in_pieces(tmp_path: Path, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", 3 * 5 * 4)
    features, losses = torch.randn(7, 5).to(dtype), torch.rand(7).to(dtype)
    save_file({"features": features, "losses": losses, "other": torch.arange(3)}, tmp_path / "f.safetensors")
    got = extract("f.safetensors", tmp_path)
    chunks = list(got.features)
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert torch.cat(chunks).dtype == (torch.float32 if dtype == torch.float64 else dtype)
    assert torch.equal(torch.cat(chunks).float(), features.float())
    assert torch.equal(got.losses, losses.float()) and got.flops == 0


def test_losses_are_optional_and_the_name_is_said(tmp_path: Path) -> None:
    save_file({"features": torch.randn(7, 5)}, tmp_path / "f.safetensors")
    assert extract(tmp_path / "f.safetensors").losses is None
    assert File("a/f.safetensors").external == "whatever made f.safetensors"


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        save_file({"features": torch.full((7, 2), value)}, tmp_path / name)
    prints = {name: File(name).fingerprint(tmp_path) for name in "abc"}
    assert prints["a"] == prints["b"] != prints["c"]


def spoiled(row: int) -> Tensor:
    x = torch.randn(7, 5)
    x[row, 2] = float("nan")
    return x


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"feats": torch.randn(7, 5)}, "must hold a tensor 'features'"),
        ({"features": torch.randn(7)}, "must hold a tensor 'features'"),
        ({"features": torch.randn(7, 5, 1)}, "must hold a tensor 'features'"),
        ({"features": torch.ones(7, 5, dtype=torch.int64)}, "must be F16, BF16, F32, F64, not I64"),
        ({"features": torch.randn(7, 5), "losses": torch.rand(6)}, r"'losses' is \[6\], but must be \[7\]"),
        ({"features": torch.randn(6, 5)}, "has 6 rows, but the data set has 7 training images"),
        ({"features": spoiled(4)}, "row 4 of its features holds a value that is not finite"),
        ({"features": torch.randn(7, 5), "losses": torch.full((7,), torch.inf)}, "row 0 of its losses"),
        ({"features": torch.full((7, 2), 1e300, dtype=torch.float64)}, "row 0 of its features"),
    ],
)
def test_wrong_content(tmp_path: Path, content: dict, message: str) -> None:
    save_file(content, tmp_path / "f.safetensors")
    with pytest.raises(UsageError, match=message):
        list(checked(extract(tmp_path / "f.safetensors"), 7, "file"))


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"no file {tmp_path}/gone nor gone"):
        File("gone").check(tmp_path)
    save_file({"features": torch.randn(7, 5)}, tmp_path / "whole")
    for name, data in (("text", b"hello"), ("cut", (tmp_path / "whole").read_bytes()[:-9]), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=rf"{name} is no safetensors file"):
            File(name).check(tmp_path)
