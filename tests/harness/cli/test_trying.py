"""``selbench try``: a folder of photos in, one line out; and the folders that it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from selbench.harness.cli import trying
from selbench.harness.execution.trial import look
from selbench.harness.plan import trial
from selbench.harness.plan.trial import Rules, Seen
from selbench.strategies import UsageError


@pytest.fixture
def photos(tmp_path):
    """Two classes that one pixel tells apart: 55 images each, at 8 px."""
    root, numbers = tmp_path / "My photos", np.random.default_rng(0)
    for label, name in enumerate(("ant", "bee")):
        (root / name).mkdir(parents=True)
        for i in range(55):
            pixels = numbers.integers(0, 60, (10, 8, 3), dtype=np.uint8) + np.uint8(150 * label)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def test_a_folder_is_tried_and_the_same_command_goes_on(photos, cache_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trial, "FAMILIES", (Rules(("loss",), (3, 4)),))
    monkeypatch.setattr(trial, "PASSES", (2, 2))
    monkeypatch.setattr("selbench.reports.figures.all.draw", lambda report: [])
    monkeypatch.setattr("selbench.harness.execution.trial.image_seconds", lambda *_: 1e-6)
    monkeypatch.setattr("selbench.harness.plan.trial.SIZES", trial.SIZES[:1])
    monkeypatch.setattr("selbench.harness.execution.run.check_families", lambda *_: None)  # 4 seeds are too few
    out = tmp_path / "out"
    how = {"out": out, "workers": 1, "executor": "inline", "device": "cpu", "cache_dir": cache_dir}
    trying.try_(photos, minutes=10.0, **how)
    said = " ".join(capsys.readouterr().out.split())
    assert "My photos: 88 training and 22 test images (20 % of each class, drawn by name) of 2 classes" in said
    assert "Net: resnet8 of width 8 at 8 px" in said and f"Page: {out / 'report' / 'index.html'}" in said
    assert any(
        line in said for line in ("No verdict: ", "Open: ", "Selection shows no gain", "Do not use", "Select with")
    )
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "<title>My photos" in page and "Should I select my training images?" in page
    cells = sorted(path.stat().st_mtime_ns for path in (out / "cells").iterdir())
    trying.try_(photos, minutes=1e-6, **how)
    assert "Goes on with the plan in " in capsys.readouterr().out
    assert cells == sorted(path.stat().st_mtime_ns for path in (out / "cells").iterdir())


def test_train_and_test_are_taken_as_given_and_sizes_are_read(photos, tmp_path):
    assert look(photos) == Seen(train=88, test=22, classes=2, smallest=44, side=8, split=0.2)
    given = tmp_path / "given"
    given.mkdir()
    for part in ("train", "test"):
        (given / part).symlink_to(photos)
    assert look(given) == Seen(train=110, test=110, classes=2, smallest=55, side=8, split=None)


def test_folders_without_classes_are_refused(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "ant").mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (9, 9)).save(tmp_path / "one" / "ant" / f"{i}.png")
    for folder, message in (
        (tmp_path / "nosuch", "there is no folder"),
        (photos / "ant" / "0.png", "is a file: name the folder"),
        (tmp_path / "empty", "holds no folders: put the images of each class"),
        (tmp_path / "one", "at least two class folders are needed"),
    ):
        with pytest.raises(UsageError, match=message):
            look(folder)
