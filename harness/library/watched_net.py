"""What a user's own net says of a batch: logits and penultimate features, with every module left in its mode."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from ...strategies import UsageError
from ..training.flops import image_flops


class WatchedNet:
    """A classifier ``model``, wrapped by DistributedDataParallel or not, whose ``head`` gives its logits.

    Features are what goes into ``head``, by default the last linear layer; it is looked for where ``features`` are
    asked for. With ``records`` the outputs of training passes are kept until :meth:`taken`.
    """

    def __init__(
        self, model: nn.Module, head: nn.Module | None, *, features: bool, records: bool = False, what: str = "model"
    ) -> None:
        self.model: nn.Module = getattr(model, "module", model)  # scoring needs no reducer
        first = next(self.model.parameters(), None)
        if first is None:
            raise UsageError(f"{what}: it has no parameters, so nothing can be trained: give an nn.Module classifier")
        self.device, self.what, self.head = first.device, what, head
        self._features: Tensor | None = None
        self._kept: list[tuple[Tensor | None, Tensor]] = []
        self._scoring, self._records, self._judged = False, records, not features
        if features:
            if self.head is None:
                linear = [module for module in self.model.modules() if isinstance(module, nn.Linear)]
                if not linear:
                    raise UsageError(f"{what}: it has no linear layer to take features from: name one, head=net.NAME")
                self.head = linear[-1]
            self.head.register_forward_pre_hook(self._enter)
        if records:
            self.model.register_forward_hook(self._leave)

    def _wanted(self) -> bool:
        return self._scoring or (self._records and self.model.training and torch.is_grad_enabled())

    def _enter(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        if self._wanted():
            self._features = inputs[0].detach().flatten(1)

    def _leave(self, _: nn.Module, __: Any, output: Any) -> None:
        if not self._scoring and self._wanted():
            self._kept.append((self._features, self._logits(output).detach()))
            self._features = None

    def _logits(self, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim != 2:
            found = f"shape {list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise UsageError(f"{self.what}: it gives {found}, not logits [B, C]: wrap it in a module that gives these")
        return output.float()

    @torch.no_grad()
    def outputs(self, images: Any, *, train: bool = False) -> tuple[Tensor | None, Tensor]:
        """Features ``[B, h]`` (None unless asked for) and float32 logits ``[B, C]``, in evaluation mode by default."""
        modes = [(module, module.training) for module in self.model.modules()]
        if any(training is not train for _, training in modes):
            self.model.train(train)
        self._scoring = True
        try:
            logits = self._logits(self.model(images))
            features, self._features = self._features, None
        finally:
            self._scoring = False
            for module, training in modes:
                if module.training is not training:
                    module.training = training
        if not self._judged:
            self._judge(features, logits)
        return features, logits

    def _judge(self, features: Tensor | None, logits: Tensor) -> None:
        """Once: the layer that features are taken from is the one that gives the logits."""
        head, fits = self.head, False
        if isinstance(head, nn.Linear) and features is not None and features.shape[1] == head.in_features:
            given = nn.functional.linear(
                features.float(), head.weight.float(), None if head.bias is None else head.bias.float()
            )
            fits = given.shape == logits.shape and torch.allclose(given, logits, rtol=1e-2, atol=1e-2)
        elif not isinstance(head, nn.Linear):
            fits = features is not None  # the user's own choice of layer
        if not fits:
            raise UsageError(
                f"{self.what}: its logits are not what its last linear layer gives: name the layer that gives them, "
                "head=net.NAME"
            )
        self._judged = True

    def taken(self, count: int) -> tuple[Tensor | None, Tensor]:
        """Features and logits of the training passes since the last call, which were of ``count`` images."""
        kept, self._kept = self._kept, []
        rows = sum(len(logits) for _, logits in kept)
        if rows != count:
            raise UsageError(
                f"{self.what}: it was trained on {rows} images where {count} were picked: run the picked images "
                "through it once, in training mode, between select and step"
            )
        features = [found for found, _ in kept if found is not None]
        return torch.cat(features) if features else None, torch.cat([logits for _, logits in kept])

    def over(self, data: Dataset[Any], ids: Tensor | None, **loading: Any) -> tuple[Tensor | None, Tensor]:
        """As :meth:`outputs`, of the samples ``ids`` of a data set whose items begin with the image; all by default."""
        part = data if ids is None else Subset(data, ids.tolist())
        seen = [self.outputs(item[0].to(self.device)) for item in DataLoader(part, **loading)]
        features = [found for found, _ in seen if found is not None]
        return torch.cat(features) if features else None, torch.cat([logits for _, logits in seen])

    def flops(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """FLOPs of one image of ``shape`` forward, and forward and backward; counted on the meta device."""
        net = copy.deepcopy(self.model).to("meta").train()
        if not any(parameter.requires_grad for parameter in net.parameters()):  # frozen: its training is counted, too
            net.requires_grad_(True)
        for module in net.modules():
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
        try:
            with torch.enable_grad():
                return image_flops(net, shape)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            raise UsageError(
                f"{self.what}: its FLOPs cannot be counted ({str(error).splitlines()[0]}): "
                + (
                    "pass its values, signals={...}"
                    if self.what == "reference"
                    else "state them, flops=(forward, train)"
                )
            ) from error
