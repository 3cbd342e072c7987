"""Scores from a file: three formats, one order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from selbench.harness.references.score_file import ScoreFile
from selbench.harness.references.spec import reference
from selbench.strategies import BatchLosses, UsageError, load

SCORES = [3.0, 1.0, 2.0]
IMAGES, LABELS = torch.zeros(3, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name == "s.npy":
        np.save(path, np.array(SCORES))
    elif name == "s.safetensors":
        save_file({"score": torch.tensor(SCORES, dtype=torch.float64)}, path)
    elif name == "excel.csv":
        path.write_bytes(b"\xef\xbb\xbfscore\r3\r1.0\r2e0\r")
    elif name == "s.csv":
        path.write_text("score\n3\n1.0\n2e0\n")
    else:
        path.write_text("index,name,score\n2,c,2\n0,a,3\n1,b,1\n")
    return path


@pytest.mark.parametrize("name", ["s.npy", "s.safetensors", "s.csv", "mixed.csv", "excel.csv"])
def test_every_format_gives_the_scores_in_the_order_of_the_images(tmp_path: Path, name: str) -> None:
    made = reference(f"scores:{written(tmp_path, name)}")
    made.check(None)
    found = made.extract(IMAGES, LABELS, data_dir=None, device=torch.device("cpu"))
    assert found.losses is not None and found.losses.tolist() == SCORES
    assert torch.equal(torch.cat(list(found.features))[:, 0], found.losses) and made.external == f"whatever made {name}"
    losses = BatchLosses(reference=found.losses, labels=LABELS)
    assert sorted(load("scores").select(None, losses, 2 / 3).tolist()) == [0, 2]
    assert load("scores", keep="easy").select(None, losses, 1 / 3).tolist() == [1]


def test_the_fingerprint_is_of_the_content_and_the_column(tmp_path: Path) -> None:
    path = written(tmp_path, "mixed.csv")
    first = ScoreFile(str(path)).fingerprint(None)
    assert (
        ScoreFile("mixed.csv").fingerprint(tmp_path) == first != ScoreFile(str(path), column="index").fingerprint(None)
    )


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "el2n\n1\n", "no column 'score'; its header names el2n"),
        ("b.csv", "score\none\n", "holds no number"),
        ("c.csv", "index,score\n0,1\n0,2\n", "must hold 0 to 1, each once"),
        ("d.csv", "score\n1\nnan\n", "1 images have no finite score, the first is image 1"),
        ("e.csv", "score\n", "one for each image"),
        ("f.txt", "1", "is no score file"),
        ("g.npy", "1", "no array of numbers"),
        ("h.csv", "score\n1\n", "has 1 scores, but the data set has 3"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=says):
        ScoreFile(name).extract(IMAGES, LABELS, data_dir=tmp_path, device=torch.device("cpu"))
