"""Image files, which may be anything, to uint8 squares."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ....strategies.errors import UsageError
from ...environment import usable_cores

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
"""The only decoders tried, whatever a file is called: others run external programs."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif"})

MAX_PIXELS = 64_000_000  # more is refused before it is decoded: a decompression bomb or no training image
_CHUNK = 64  # files a task: enough that handing out tasks costs nothing


def decode_files(paths: Sequence[Path], side: int, *, skip: bool = False) -> tuple[Tensor, int, dict[int, str]]:
    """Squares ``[n, 3, side, side]`` uint8: shorter side resized (bicubic, antialiased) and centre-cropped.

    Also how many were enlarged, and with ``skip`` why the files left out, by place in ``paths``, cannot be decoded;
    without it the first such file is a ``UsageError`` that names it.
    """
    try:
        out = np.empty((len(paths), 3, side, side), dtype=np.uint8)
    except MemoryError:
        raise UsageError(
            f"{len(paths):,} images of {side}x{side} px take {len(paths) * 3 * side**2 / 1e9:.0f} GB of memory, and "
            "there is less: lower the option resolution, or take fewer with limit"
        ) from None
    broken: dict[int, str] = {}

    def work(start: int) -> int:
        enlarged = 0
        for i, path in enumerate(paths[start : start + _CHUNK], start):
            try:
                image = open_rgb(path)
            except UsageError as error:
                if not skip:
                    raise
                broken[i] = str(error)
                continue
            enlarged += min(image.size) < side
            out[i] = np.asarray(square(image, side)).transpose(2, 0, 1)
        return enlarged

    # Threads are enough: the decoder and the resampler run outside the interpreter's lock.
    executor = ThreadPoolExecutor(usable_cores())
    try:
        total = sum(executor.map(work, range(0, len(paths), _CHUNK)))
    finally:
        executor.shutdown(cancel_futures=True)
    whole = np.delete(out, sorted(broken), axis=0) if broken else out
    return torch.from_numpy(whole), total, dict(sorted(broken.items()))


def open_rgb(path: Path) -> Image.Image:
    """The image as 8-bit RGB, upright as its EXIF orientation says; transparent pixels show white."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UsageError(f"{path}: {image.width}x{image.height} px is over the limit of {MAX_PIXELS:,} pixels")
            image.load()
            if "exif" in image.info:
                ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except UsageError:
        raise
    except Image.DecompressionBombError as error:
        raise UsageError(f"{path}: over the limit of {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Decoders of a broken file raise whatever they like.
        reason = "not an image that can be read" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise UsageError(f"{path}: {reason}: the file is damaged; replace or remove it") from error


def square(image: Image.Image, side: int) -> Image.Image:
    """The largest centred square of ``image``, resampled to ``side``."""
    if image.size == (side, side):
        return image
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    return image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + short, top + short))


def resize(images: Tensor, side: int) -> Tensor:
    """Decoded images ``[N, C, H, W]`` uint8, C 1 or 3, as squares ``[N, C, side, side]`` in the same manner."""
    if images.shape[2:] == (side, side):
        return images
    rows = images.permute(0, 2, 3, 1).numpy()
    small = [np.asarray(square(Image.fromarray(row.squeeze(-1) if row.shape[-1] == 1 else row), side)) for row in rows]
    return torch.from_numpy(np.stack(small)).reshape(len(small), side, side, -1).permute(0, 3, 1, 2).contiguous()


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB from any mode that :data:`FORMATS` can give."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers without a stated range")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise ValueError("its grey values are outside 16 bits")
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
