from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from selbench.harness.store import feature_memory as room
from selbench.strategies import UsageError

CPU = torch.device("cpu")


def test_a_quarter_of_free_memory_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv(room.VARIABLE, raising=False)
    monkeypatch.setattr(room, "free", lambda _: 4000)
    assert room.fits(1000, CPU) and not room.fits(1001, CPU)
    monkeypatch.setenv(room.VARIABLE, "2e-6")
    assert room.fits(2000, CPU) and not room.fits(2001, CPU)
    monkeypatch.setenv(room.VARIABLE, "0")
    assert not room.fits(1, CPU)
    for wrong in ("much", "nan", "inf"):
        monkeypatch.setenv(room.VARIABLE, wrong)
        with pytest.raises(UsageError, match=f"'{wrong}' is no number of gigabytes; try SELBENCH_FEATURES_GB=4"):
            room.fits(1, CPU)


def test_free_memory_is_what_the_system_calls_available():
    assert 0 < room.free(CPU) <= 1.1 * psutil.virtual_memory().available


def test_the_limit_of_a_container_counts(tmp_path: Path):
    assert room._container(500, tmp_path) == 500
    for name, text in (("max", "1000"), ("current", "700"), ("stat", "anon 400\ninactive_file 250\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert room._container(5000, tmp_path) == 1000 - 700 + 250
    (tmp_path / "memory.max").write_text("max\n")
    assert room._container(500, tmp_path) == 500
