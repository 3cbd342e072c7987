"""A rule from idea to a first answer: ``marimo edit docs/notebooks/rule.py``."""

import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import torch

    from selbench import BatchLosses

    return BatchLosses, mo, torch


@app.cell
def _(mo):
    mo.md("""
    # A rule from idea to a first answer

    The idea: keep the candidates whose two likeliest classes lie closest together.
    A rule is a class with `select`; it names the signals that it reads, and returns the positions it keeps.
    """)


@app.cell
def _():
    class MarginRule:
        """Keep the candidates whose two likeliest classes lie closest together."""

        cadence = "batch"
        needs = frozenset({"learner_probs"})

        def select(self, batch_feats, losses, ratio):
            two = losses.learner_probs.topk(2, dim=1).values
            return (two[:, 0] - two[:, 1]).topk(losses.k, largest=False).indices

    return (MarginRule,)


@app.cell
def _(BatchLosses, MarginRule, torch):
    probs = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [0.34, 0.33, 0.33], [0.7, 0.2, 0.1]])
    picks = MarginRule().select(None, BatchLosses(learner_probs=probs, k=2), 0.5).tolist()
    picks
    return (picks,)


@app.cell
def _(mo):
    mo.md("""
    The laws that every rule must obey: count, range, uniqueness, device, reproducibility, cost.
    `selbench check` prints the same.
    """)


@app.cell
def _(MarginRule):
    from selbench.strategies.testing import check

    laws = check(MarginRule)
    broken = [law for law in laws if law.verdict == "fail"]
    broken
    return broken, laws


if __name__ == "__main__":
    app.run()
