"""Published results as frames and figures: ``marimo edit docs/notebooks/results.py``."""

import marimo

app = marimo.App()


@app.cell
def _():
    from pathlib import Path

    import marimo as mo

    import selbench

    return Path, mo, selbench


@app.cell
def _(mo):
    mo.md("""
    # Results as frames and figures

    `selbench.read` takes a results folder or a pack. This one ships with the repository.
    """)


@app.cell
def _(Path, selbench):
    pack = Path(selbench.__file__).parent / "reports" / "published" / "quick" / "quick.zip"
    results = selbench.read(pack)
    accuracy = results.cells[results.cells.rung == 1].groupby("label").test_accuracy.agg(["mean", "std", "count"])
    accuracy
    return accuracy, results


@app.cell
def _(results):
    pays = results.contrasts[results.contrasts.question == "pays"]
    pays[["strategy", "mean_difference", "ci_low", "ci_high", "verdict"]]
    return (pays,)


@app.cell
def _(results):
    axes = results.plot.accuracy()
    axes
    return (axes,)


if __name__ == "__main__":
    app.run()
