"""A plugin as a stranger would write it: nothing is imported from selbench."""

import torch


class EveryOther:
    """Keep every other candidate in the order given, then fill up with the rest."""

    def select(self, batch_feats, losses, ratio):
        order = torch.arange(len(losses.index), device=losses.index.device)
        return torch.cat([order[::2], order[1::2]])[: max(1, round(ratio * len(order)))]


class RaisesInSelect:
    """Fails on its first call."""

    def select(self, batch_feats, losses, ratio):
        raise RuntimeError("this strategy always fails")


class OwnCount:
    """Keeps a third of the pool in one epoch and a half in the next, whatever the ratio."""

    cadence = "epoch"
    exact_count = False

    def select(self, batch_feats, losses, ratio):
        size = len(losses.index)
        return torch.arange(size // (3 - losses.epoch % 2), device=losses.index.device)
