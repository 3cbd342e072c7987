"""A results folder or pack as pandas frames, and the report's figures as matplotlib axes.

The rows are those of the report's own tables (:mod:`.render.flat_tables`): missing values are NaN or None.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .document.panels import Report
from .figures.all import Planned, planned
from .records.folder import Results, ResultsError
from .records.pack import opened
from .render.flat_tables import arm_fields, cell_rows, contrast_row
from .summary import summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def read(results: str | Path) -> Frames:
    """The results in a folder or pack, checked as the report checks them.

    Raises
    ------
    ResultsError
        Where there is no readable ``matrix.toml``.
    """
    return Frames(Results.read(opened(Path(results))))


class Frames:
    """The frames of one results folder; each is made when it is first asked for.

    Accuracies are shares in [0, 1], differences of accuracy in points of percent, FLOPs and seconds absolute.
    ``docs/library.md`` lists every column.
    """

    def __init__(self, results: Results) -> None:
        self.results = results

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All that the report says: ``summary.json``."""
        return summarise(self.results)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a finished run: arm, seed, accuracy, picks and cost in each account."""
        return pd.DataFrame(cell_rows(self.results))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row a point of a training curve."""
        names = ("progress", "train_loss", "val_accuracy", "ratio", "lr", "seconds", "total_flops")
        return pd.DataFrame(
            {**row, "passes": point.passes, **{name: getattr(point, name) for name in names}}
            for row, cell in self._runs()
            for point in cell.curve
        )

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """One row a question asked of a strategy: difference, interval and verdict."""
        return pd.DataFrame(map(contrast_row, self.summary["contrasts"]))

    @cached_property
    def costs(self) -> pd.DataFrame:
        """One row a phase of a run's own ledger: FLOPs, seconds and samples."""
        return pd.DataFrame(
            {**row, "phase": phase, "flops": spent.flops, "seconds": spent.seconds, "samples": spent.samples}
            for row, cell in self._runs()
            for phase, spent in cell.ledger.items()
        )

    @cached_property
    def plot(self) -> Plots:
        """The report's figures."""
        return Plots(self)

    def _runs(self) -> Iterator[tuple[dict[str, Any], Any]]:
        for arm in self.results.matrix.arms.values():
            for seed, cell in self.results.of(arm).items():
                yield {"id": cell.id, **arm_fields(arm), "seed": seed}, cell

    def __repr__(self) -> str:
        matrix = self.results.matrix
        return f"<selbench results of {matrix.title or matrix.name}: {len(self.results.cells)} runs>"


class Plots:
    """The report's figures by kind: ``plot.accuracy()``, ``plot.curves()``; ``plot.kinds`` names those there are."""

    def __init__(self, frames: Frames) -> None:
        self._planned = list(planned(Report.of(frames.summary, frames.results)))
        self._declared = frames.results.matrix.pays.account

    @property
    def kinds(self) -> list[str]:
        """The kinds of figures that these results have, as methods are named."""
        return list(dict.fromkeys(_method(plan.kind) for plan in self._planned))

    def draw(self, kind: str, *, dataset: str = "", reference: str = "", account: str = "") -> Axes | list[Axes]:
        """The axes of one figure, or a list where it has several; ``axes.figure.savefig(FILE)`` writes it.

        Parameters
        ----------
        kind : str
            One of :attr:`kinds`.
        dataset, reference, account : str
            Which, where there are several; by default the account that the matrix declares.

        Raises
        ------
        ResultsError
            Where no figure fits, or several do; the message says what there is.
        """
        found = [plan for plan in self._planned if _method(plan.kind) == _method(kind)]
        if not found:
            raise ResultsError(f"no figure {kind!r} of these results: there are {', '.join(self.kinds)}")
        asked = {"dataset": dataset, "reference": reference, "account": account}
        fits = [plan for plan in found if all(value in ("", _told(plan)[name]) for name, value in asked.items())]
        if not account and len(accounts := {plan.account for plan in fits}) > 1:
            declared = self._declared if self._declared in accounts else fits[0].account
            fits = [plan for plan in fits if plan.account == declared]
        if len(fits) != 1:
            there = "; ".join(", ".join(f"{k}={v!r}" for k, v in _told(plan).items() if v) for plan in fits or found)
            raise ResultsError(f"{len(fits)} figures {kind!r} fit: name one of {there}")
        figure = fits[0].draw().drawing.figure
        assert figure is not None
        axes: list[Axes] = figure.axes
        return axes[0] if len(axes) == 1 else axes

    def __getattr__(self, kind: str) -> Any:
        if kind.startswith("_") or kind not in self.kinds:
            raise AttributeError(f"no figure {kind!r} of these results: there are {', '.join(self.kinds)}")
        return lambda **which: self.draw(kind, **which)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.kinds]


def _method(kind: str) -> str:
    return kind.replace("-", "_")


def _told(plan: Planned) -> dict[str, str]:
    panel = plan.panel
    return {
        "dataset": "" if panel is None else panel.dataset["name"],
        "reference": "" if panel is None else panel.reference,
        "account": plan.account,
    }
