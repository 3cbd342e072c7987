"""The frames hold what the records and the summary hold; the axes are the report's figures."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from synthetic import write_results

import selbench
from selbench.reports.frames import Frames
from selbench.reports.records.folder import ResultsError
from selbench.reports.records.pack import pack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("results")
    return write_results(there, seeds=3, test_n=200, effects={"gstds": 0.0}, datasets=("digits", "pets"))


@pytest.fixture(scope="module")
def frames(folder: Path) -> Frames:
    return selbench.read(folder)


def test_every_run_and_point_and_phase_has_a_row(frames: Frames) -> None:
    cells = frames.results.cells
    assert frames.cells.set_index("id")["test_accuracy"].to_dict() == {cell.id: cell.accuracy for cell in cells}
    assert len(frames.curves) == sum(len(cell.curve) for cell in cells)
    assert frames.curves.groupby("id")["passes"].max().to_dict() == {cell.id: cell.curve[-1].passes for cell in cells}
    flops = {cell.id: sum(spent.flops for spent in cell.ledger.values()) for cell in cells}
    assert frames.costs.groupby("id")["flops"].sum().to_dict() == pytest.approx(flops)
    named = ["dataset", "reference", "label", "role", "rung", "seed"]
    assert all(frame[named].notna().all(axis=None) for frame in (frames.cells, frames.curves, frames.costs))


def test_contrasts_are_those_of_the_summary(frames: Frames) -> None:
    rows = frames.summary["contrasts"]
    assert frames.contrasts["verdict"].tolist() == [row["verdict"] for row in rows]
    assert frames.contrasts["mean_difference"].tolist() == [row["mean_difference"] for row in rows]


def test_figures_are_axes_that_outlive_the_call(frames: Frames, tmp_path: Path) -> None:
    assert {"accuracy", "picking", "pays", "cost_flops", "curves"} <= set(dir(frames.plot))
    axes = frames.plot.accuracy(dataset="pets", reference="holdout")
    gc.collect()
    assert isinstance(axes, Axes) and axes.get_xlabel() == "difference in test accuracy, points"
    axes.figure.savefig(tmp_path / "accuracy.png")
    assert (tmp_path / "accuracy.png").stat().st_size > 1000


def test_a_figure_that_is_not_there_or_not_one_is_told(frames: Frames) -> None:
    with pytest.raises(ResultsError, match=r"2 figures 'accuracy' fit: name one of dataset='digits'.*dataset='pets'"):
        frames.plot.accuracy()
    with pytest.raises(ResultsError, match="0 figures 'accuracy' fit"):
        frames.plot.accuracy(dataset="pest")
    with pytest.raises(AttributeError, match=r"no figure 'acuracy' .* there are overview, accuracy, picking"):
        frames.plot.acuracy()


def test_a_pack_is_read_and_no_folder_is_told(folder: Path, frames: Frames, tmp_path: Path) -> None:
    pack(folder, tmp_path / "r.zip")
    assert selbench.read(tmp_path / "r.zip").cells.equals(frames.cells)
    with pytest.raises(ResultsError, match=r"matrix.toml"):
        selbench.read(tmp_path / "nothing")
