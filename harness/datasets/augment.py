"""Training and plain views of uint8 images, batched on their device.

Each sample's draws depend on (key, sample id) alone, so a view is the same whatever batch it comes in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...strategies.errors import UsageError, did_you_mean
from ..streams import keyed_uniform
from .base import AUGMENTATIONS, Augmentation

_CHUNK = 4096  # images whose statistics are summed at once: bounds the memory of the wide integer copy


class Augment:
    """The views of one data set.

    ``shift``: padded by ``pad`` pixels a side (resolution / 8 unless said), then a random crop. ``crop-flip``: that and
    a horizontal flip with probability 1/2. ``resized-crop-flip``: a random rectangle resampled to the square, and the
    flip. ``mean`` and ``std`` ``[C]`` are of pixel values scaled to [0, 1]; ``device`` is the images', where these are
    not there already.

    Resampling is bilinear without an antialias filter. That is faithful as long as the rectangle is at most
    about the view's size, which the stored side of 8/7 resolution ensures; from much larger images it aliases.
    """

    def __init__(
        self,
        kind: Augmentation,
        resolution: int,
        mean: Tensor | Sequence[float],
        std: Tensor | Sequence[float],
        *,
        device: torch.device | None = None,
        pad: int | None = None,
        padding: Literal["reflect", "zero"] | None = None,
        scale: tuple[float, float] = (0.25, 1.0),  # share of the area; not ImageNet's 0.08: small sets, few passes
        ratio: tuple[float, float] = (3 / 4, 4 / 3),  # width : height, log-uniform; a side too long is cut
    ) -> None:
        if kind not in AUGMENTATIONS:
            raise UsageError(f"no augmentation named {kind!r}{did_you_mean(kind, AUGMENTATIONS)}")
        if not 0 < scale[0] <= scale[1] <= 1:
            raise UsageError(f"scale {scale} must be two shares of the image's area, 0 < low <= high <= 1")
        if not 0 < ratio[0] <= ratio[1]:
            raise UsageError(f"ratio {ratio} must be two widths over heights, 0 < low <= high")
        self.kind = kind
        self.resolution = resolution
        self.pad = max(1, round(resolution / 8)) if pad is None else pad
        # Mirrored strokes are no digits.
        self.padding = padding or ("zero" if kind == "shift" else "reflect")
        if not 0 <= self.pad < resolution:
            raise UsageError(f"pad {self.pad} must be at least 0 and below the resolution {resolution}")
        self.scale = scale
        self.ratio = ratio
        mean, std = (torch.as_tensor(given, dtype=torch.float32, device=device) for given in (mean, std))
        self._gain = (1 / (255 * std))[:, None, None]
        self._bias = (-mean / std)[:, None, None]

    def train_view(self, images: Tensor, ids: Tensor, key: int) -> Tensor:
        """The augmented views ``[B, C, r, r]`` float32, normalised, without host synchronisation.

        ``key`` is the stream of this seed and epoch: ``derive(seed, "augment", epoch)``.
        """
        return self.drawn_view(images, self.draws(ids, key))

    def draws(self, ids: Tensor, key: int) -> Tensor:
        """What :meth:`train_view` draws for each of ``ids``: ``[B, 5]`` float32 in [0, 1)."""
        return keyed_uniform(key, ids, 5)

    def drawn_view(self, images: Tensor, draws: Tensor) -> Tensor:
        """As :meth:`train_view`, from the images' own ``draws``, which an epoch takes at once."""
        if self.kind == "none":
            return self.plain_view(images)
        crop = self._resized_crop if self.kind == "resized-crop-flip" else self._padded_crop
        return self._normalise(crop(images, draws))

    def plain_view(self, images: Tensor) -> Tensor:
        """The centre crop ``[B, C, r, r]`` float32, normalised: for evaluation and for clean scoring."""
        r = self.resolution
        top, left = (images.shape[2] - r) // 2, (images.shape[3] - r) // 2
        if top < 0 or left < 0:
            raise UsageError(f"images of {images.shape[3]}x{images.shape[2]} px are smaller than the resolution {r}")
        return self._normalise(images[:, :, top : top + r, left : left + r])

    def _normalise(self, images: Tensor) -> Tensor:
        return images * self._gain + self._bias

    def _padded_crop(self, images: Tensor, draws: Tensor) -> Tensor:
        """A crop at a random offset of the padded image, by one gather of source positions."""
        batch, channels, height, width = images.shape
        r = self.resolution
        step = torch.arange(r, device=images.device)
        columns = step.expand(batch, r)
        if self.kind == "crop-flip":
            columns = torch.where(draws[:, 2:3] < 0.5, r - 1 - step, step)
        rows = step + self._offset(draws[:, 0:1], height)
        columns = columns + self._offset(draws[:, 1:2], width)
        source = _inside(rows, height)[:, :, None] * width + _inside(columns, width)[:, None, :]
        source = source.view(batch, 1, r * r).expand(batch, channels, r * r)
        crop = images.reshape(batch, channels, -1).gather(2, source).view(batch, channels, r, r)
        if self.padding == "zero":
            real = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
            crop = crop * real[:, None]
        return crop

    def _offset(self, draw: Tensor, side: int) -> Tensor:
        """First source position of the crop, uniform over all that fit into the padded side."""
        span = side + 2 * self.pad - self.resolution
        return (draw * (span + 1)).long().clamp(max=span) - self.pad

    def _resized_crop(self, images: Tensor, draws: Tensor) -> Tensor:
        """A random rectangle resampled to the square; coordinates run from -1 to 1 over the image."""
        batch, r = images.shape[0], self.resolution
        area = self.scale[0] + draws[:, 0:1] * (self.scale[1] - self.scale[0])
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        shape = torch.exp(0.5 * (low + draws[:, 1:2] * (high - low)))
        wide, tall = (area.sqrt() * shape).clamp(max=1), (area.sqrt() / shape).clamp(max=1)
        step = (2 * torch.arange(r, device=images.device) + 1) / r - 1
        mirror = 1 - 2 * (draws[:, 4:5] < 0.5).float()
        # Written out, since a batched matrix product may round differently in another batch size.
        x = step * mirror * wide + (2 * draws[:, 2:3] - 1) * (1 - wide)
        y = step * tall + (2 * draws[:, 3:4] - 1) * (1 - tall)
        grid = torch.stack((x[:, None, :].expand(batch, r, r), y[:, :, None].expand(batch, r, r)), dim=-1)
        return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def _inside(position: Tensor, side: int) -> Tensor:
    """Positions mirrored at the border without repeating it, as numpy's and torch's ``reflect``."""
    last = side - 1
    return last - (last - position.abs()).abs()


def channel_sums(images: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the pixels and of their squares ``[n, C]`` int64, by image, so exact in whatever order they are added."""
    total, square = [], []
    for chunk in images.split(_CHUNK):
        wide = chunk.to(torch.int32)
        total.append(wide.sum(dim=(2, 3)))
        square.append((wide * wide).sum(dim=(2, 3)))
    return torch.cat(total), torch.cat(square)


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation ``[C]`` of pixels scaled to [0, 1]; at least one grey level, so nothing divides by zero."""
    return statistics_of(*channel_sums(images), images.shape[2] * images.shape[3])


def statistics_of(total: Tensor, square: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """As :func:`channel_statistics`, from the sums of images of so many ``pixels`` each."""
    count = len(total) * pixels
    mean = total.sum(0).double() / count
    variance = square.sum(0).double() / count - mean * mean
    std = variance.clamp(min=0).sqrt().clamp(min=1)
    return (mean / 255).float(), (std / 255).float()
