"""Below the picks stands which reading of a spectral rule ran, and what it amounted to."""

from __future__ import annotations

import pytest
from editing import rewrite
from synthetic import write_results

from selbench.reports.document.panels import Report
from selbench.reports.document.sections.arms import picks
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise


@pytest.mark.parametrize(("on", "says"), [(1.02, "most of it lies on one candidate"), (46.0, "it is spread")])
def test_the_reading_that_ran_and_what_it_amounts_to(tmp_path, on, says):
    made = write_results(tmp_path / "r", seeds=2, effects={"gstds": 0.0, "rho": 0.0}, test_n=50)
    for file in (made / "cells").glob("*.json"):
        rewrite(
            file,
            lambda r: r["selection"].update(diagnostics={"participation": on}) if r["arm_label"] == "gstds" else None,
        )
    results = Results.read(made)
    text = str(picks(Report.of(summarise(results), results), []))
    strategy = next(arm.strategy for arm in results.matrix.arms.values() if arm.label == "gstds")
    assert f"ran as {strategy}. Participation ratio of its Fiedler vector: {on:g}" in text.replace("46.0", "46")
    assert says in text and text.count("Fiedler vector:") == 1
