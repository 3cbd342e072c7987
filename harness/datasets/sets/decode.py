"""Image files, which may be anything, to uint8 squares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ....strategies.errors import UsageError
from ...environment import usable_cores
from .formats import format_of

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
"""The only decoders tried, whatever a file is called: others run external programs."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
UNDECODED = frozenset(
    {".arw", ".avif", ".cr2", ".dcm", ".dds", ".dng", ".exr", ".hdr", ".heic", ".heif", ".ico", ".j2k", ".jp2", ".jpx"}
) | {".jxl", ".nef", ".pcx", ".psd", ".qoi", ".svg", ".tga"}
"""Endings of images that nothing here decodes; they are ignored by that name."""

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif"})

MAX_PIXELS = 64_000_000  # more is refused before it is decoded: a decompression bomb or no training image
GREYS = (255, 1023, 4095, 16383, 65535)  # largest values of 8, 10, 12, 14 and 16 bits
NAMED = 3  # files that cannot be decoded that one message names; the others are counted
_CHUNK = 64  # files a task: enough that handing out tasks costs nothing


class Decoded(NamedTuple):
    """Squares of files, and what there is to say of them."""

    pixels: Tensor  # [n, 3, side, side] uint8, without the broken
    enlarged: int  # how many were smaller
    broken: dict[int, str]  # why files cannot be decoded, by place in the paths
    narrow: tuple[int, int]  # greys of 16 bits that hold fewer, and the largest value they are scaled by; or (0, 0)


class _NotDecodedError(ValueError):
    """A sound file of a kind that is not decoded."""


def decode_files(paths: Sequence[Path], side: int, *, skip: bool = False) -> Decoded:
    """Squares ``[n, 3, side, side]`` uint8: shorter side resized (bicubic, antialiased) and centre-cropped.

    Files that cannot be decoded are left out with ``skip``; without it they are one ``UsageError``. Greys of 16 bits
    are scaled by 65535, unless all of them fit in 8, 10, 12 or 14 bits, as cameras and microscopes give them.
    """
    try:
        out = np.empty((len(paths), 3, side, side), dtype=np.uint8)
    except MemoryError:
        raise UsageError(
            f"{len(paths):,} images of {side}x{side} px take {len(paths) * 3 * side**2 / 1e9:.0f} GB of memory, and "
            "there is less: lower the option resolution, or take fewer with limit"
        ) from None
    broken: dict[int, str] = {}
    peaks: dict[int, int] = {}

    def work(places: Sequence[int], top: int = GREYS[-1]) -> int:
        enlarged = 0
        for i in places:
            try:
                image = open_rgb(paths[i], top)
            except UsageError as error:
                broken[i] = str(error)
                continue
            if "peak" in image.info:
                peaks[i] = image.info["peak"]
            enlarged += min(image.size) < side
            out[i] = np.asarray(square(image, side)).transpose(2, 0, 1)
        return enlarged

    # Threads are enough: the decoder and the resampler run outside the interpreter's lock.
    executor = ThreadPoolExecutor(usable_cores())
    try:
        everything = range(len(paths))
        total = sum(executor.map(work, [everything[at : at + _CHUNK] for at in everything[::_CHUNK]]))
    finally:
        executor.shutdown(cancel_futures=True)
    if broken and not skip:
        raise UsageError(_all_of(dict(sorted(broken.items())), len(paths)))
    top = next(top for top in GREYS if top >= max(peaks.values(), default=GREYS[-1]))
    narrow = (0, 0) if top == GREYS[-1] else (len(peaks), top)
    if narrow[0]:
        work(list(peaks), top)
    whole = np.delete(out, sorted(broken), axis=0) if broken else out
    return Decoded(torch.from_numpy(whole), total, dict(sorted(broken.items())), narrow)


def _all_of(broken: Mapping[int, str], total: int) -> str:
    """One message for all files that cannot be decoded, with the first few by name."""
    first, more = list(broken.values())[:NAMED], len(broken) - NAMED
    if len(broken) == 1:
        return f"{first[0]}; the option on_error = 'skip' leaves it out"
    others = f"; and {more:,} more" if more > 0 else ""
    return (
        f"{len(broken):,} of {total:,} images cannot be decoded: {'; '.join(first)}{others}; the option "
        "on_error = 'skip' leaves them out"
    )


def open_rgb(path: Path, top: int = 65535) -> Image.Image:
    """The image as 8-bit RGB, upright as its EXIF orientation says; transparent pixels show white.

    Of a grey of 16 bits ``top`` becomes 255, and ``info["peak"]`` is its largest value.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UsageError(f"{path}: {image.width}x{image.height} px is over the limit of {MAX_PIXELS:,} pixels")
            image.load()
            if "exif" in image.info:
                ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image, top)
    except UsageError:
        raise
    except Image.DecompressionBombError as error:
        raise UsageError(f"{path}: over the limit of {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Decoders of a broken file raise whatever they like.
        kind = str(error) if isinstance(error, _NotDecodedError) else ""
        if isinstance(error, Image.UnidentifiedImageError):
            kind = format_of(path)
        if kind:
            raise UsageError(
                f"{path}: {kind}, which is not decoded: convert it to PNG or JPEG, or replace it"
            ) from error
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


def _to_rgb(image: Image.Image, top: int) -> Image.Image:
    """8-bit RGB from any mode that :data:`FORMATS` can give."""
    if image.mode == "F":
        raise _NotDecodedError(f"{image.format} of floating-point numbers without a stated range")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise _NotDecodedError(f"{image.format} of grey values outside 16 bits")
        image = Image.fromarray(np.minimum((wide * 255 + top // 2) // top, 255).astype(np.uint8))
        image.info["peak"] = int(wide.max())
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
