"""A rule in a training loop of your own: ``marimo edit docs/notebooks/own_loop.py``."""

import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.utils.data import TensorDataset

    from selbench import Selector

    return F, Selector, TensorDataset, load_digits, mo, nn, torch


@app.cell
def _(mo):
    mo.md("""
    # A rule in your own loop

    A plain PyTorch loop over scikit-learn's digits, in which `Selector` picks a quarter of each batch.
    """)


@app.cell
def _(mo):
    rule = mo.ui.dropdown(["loss", "uniform", "entropy", "gradnorm"], value="loss", label="rule")
    rule
    return (rule,)


@app.cell
def _(TensorDataset, load_digits, nn, torch):
    images, labels = load_digits(return_X_y=True)
    train = TensorDataset(torch.tensor(images).float().view(-1, 1, 8, 8) / 16, torch.tensor(labels))
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return net, optimizer, train


@app.cell
def _(F, Selector, net, optimizer, rule, train):
    selector = Selector(rule.value, ratio=0.25, model=net, data=train, epochs=2)
    history = []
    for _epoch in range(2):
        for _images, _labels, _ids in selector.loader(batch_size=128):
            _picks, _weights = selector.select(_images, _labels, _ids)
            _losses = F.cross_entropy(net(_images[_picks]), _labels[_picks], reduction="none")
            optimizer.zero_grad()
            (_weights * _losses).mean().backward()
            optimizer.step()
            selector.step()
            history.append(_losses.mean().item())
    costs = selector.costs()
    costs
    return costs, history


if __name__ == "__main__":
    app.run()
