"""Photographs in folders, one folder a class, and how they are made ready for a network.

Libraries that publish weights say by five settings how an image becomes an input, and mean the same by them: the
shorter side is brought to a length, the middle is cut out, and each channel is shifted and scaled.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.errors import CatalogError
from catalog.text import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image
    from torch import Tensor

__all__ = ["DATA_SETS", "INTERPOLATIONS", "Batch", "DataSet", "ImageFolder", "Preparation", "batches"]

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
"""By the names that Pillow, timm and torchvision share."""

Channels = tuple[float, float, float]
"""One number for red, green and blue each."""


# --- Preparation -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preparation:
    """How an image becomes the input of a network.

    Raises:
        CatalogError: a setting makes no sense.
    """

    resize: int
    """Pixels of the shorter side, before the crop."""
    crop: int
    """Pixels of either side of the square in the middle that is cut out."""
    interpolation: str
    mean: Channels
    """What is subtracted from each channel, whose values are 0 to 1."""
    std: Channels
    """What it is then divided by."""

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise CatalogError(f"no interpolation is called '{self.interpolation}'; there are {listed(INTERPOLATIONS)}")
        if not 0 < self.crop <= self.resize:
            raise CatalogError(
                f"a crop of {self.crop} pixels cannot be cut out of an image whose shorter side has {self.resize}"
            )
        if not all(map(math.isfinite, (*self.mean, *self.std))) or not all(scale > 0 for scale in self.std):
            raise CatalogError(f"no image can be scaled by mean {_numbers(self.mean)} and std {_numbers(self.std)}")

    def of_size(self, crop: int | None, resize: int | None = None) -> Preparation:
        """The same with other sizes; where none is given for the shorter side, it keeps its ratio to the crop."""
        crop = crop or self.crop
        return replace(self, crop=crop, resize=resize or math.floor(self.resize * crop / self.crop))

    def __call__(self, image: Image) -> Tensor:
        """The input, of (3, crop, crop), that an RGB image becomes; in every bit that of torchvision's transforms."""
        import torch
        from PIL.Image import Resampling

        width, height = image.size
        shorter = min(width, height)
        if shorter != self.resize:
            size = int(self.resize * width / shorter), int(self.resize * height / shorter)
            image = image.resize(size, Resampling[self.interpolation.upper()])
        left, top = (round((side - self.crop) / 2) for side in image.size)
        image = image.crop((left, top, left + self.crop, top + self.crop))
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(self.crop, self.crop, 3)
        mean, std = (torch.tensor(channels, dtype=torch.float32).view(3, 1, 1) for channels in (self.mean, self.std))
        return pixels.permute(2, 0, 1).contiguous().float().div(255).sub(mean).div(std)

    def __str__(self) -> str:
        return (
            f"shorter side to {self.resize} ({self.interpolation}), the middle {self.crop} × {self.crop}, "
            f"mean {_numbers(self.mean)}, std {_numbers(self.std)}"
        )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


# --- Images ----------------------------------------------------------------------------------------------------------


class DataSet(NamedTuple):
    """What one knows a whole data set by."""

    title: str
    classes: int
    images_per_class: int
    class_name: str
    """A pattern for the names of its class folders, whose order is that of the outputs."""


DATA_SETS = {"imagenet": DataSet("ILSVRC 2012 validation set", 1000, 50, r"n\d{8}")}
"""The data sets that a claim can be decided on."""

_SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp"}


class Item(NamedTuple):
    """An image of a folder."""

    path: str
    """Within the folder, with slashes."""
    label: int


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder with a folder of images for each class; the classes are numbered in the order of their names."""

    place: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    """By class and path."""
    fingerprint: str
    """Of the names and sizes of all images; of their content it says nothing."""

    @classmethod
    def read(cls, place: Path) -> ImageFolder:
        """List the images of a folder, without opening any.

        Raises:
            CatalogError: it is not there or has no classes; the message says what to do.
        """
        if not place.is_dir():
            raise CatalogError(f"there is no folder {place}")
        items: list[Item] = []
        fingerprint = blake2b(digest_size=16)
        try:
            classes = sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and entry.name[0] != ".")
            for label, name in enumerate(classes):
                for path in _images(place / name):
                    inside = path.relative_to(place).as_posix()
                    items.append(Item(inside, label))
                    fingerprint.update(f"{inside} {path.stat().st_size}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise CatalogError(f"{error.filename or place} cannot be read: {error.strerror or error}") from None
        if not classes:
            raise CatalogError(_flat(place))
        if "val" in classes and (place / "val").is_dir() and len(classes) <= 3:
            raise CatalogError(f"{place} has the folders {listed(classes)}; the classes are in {place / 'val'}")
        if not items:
            raise CatalogError(f"there is no image in the {counted(len(classes), 'class folder')} of {place}")
        return cls(place, tuple(classes), tuple(items), fingerprint.hexdigest())

    def expect_classes(self, number: int) -> None:
        """See to it that there are as many class folders as a network tells classes apart.

        Raises:
            CatalogError: there are more or fewer, so labels and outputs cannot belong together.
        """
        if len(self.classes) != number:
            raise CatalogError(
                f"{self.place} has {counted(len(self.classes), 'class folder')}, {self.classes[0]} to "
                f"{self.classes[-1]}; outputs and labels belong together only when there are {number:,}"
            )

    def why_not(self, name: str) -> str:
        """What shows that this is not the whole of a data set; empty when nothing does."""
        if name not in DATA_SETS:
            return f"nobody told repro what makes the whole of {name}; it knows {listed(DATA_SETS)}"
        known = DATA_SETS[name]
        number = known.classes * known.images_per_class
        if len(self.items) != number:
            return f"the {known.title} has {number:,} images, and here are {len(self.items):,}"
        images = [0] * len(self.classes)
        for item in self.items:
            images[item.label] += 1
        if len(self.classes) != known.classes or set(images) != {known.images_per_class}:
            return f"the {known.title} has {known.images_per_class} images in each of {known.classes:,} classes"
        if odd := next((name for name in self.classes if not re.fullmatch(known.class_name, name)), None):
            return (
                f"the class folders of the {known.title} are named by WordNet (n01440764), whose order is that of the "
                f"outputs, and one here is called {odd}"
            )
        return ""


def _images(folder: Path) -> Iterator[Path]:
    for place, inner, files in os.walk(folder, followlinks=True, onerror=_raise):
        inner.sort()
        for file in sorted(files):
            if file[0] != "." and Path(file).suffix.lower() in _SUFFIXES:
                yield Path(place, file)


def _raise(error: OSError) -> None:
    raise error


def _flat(place: Path) -> str:
    if next(_images(place), None) is None:
        return f"{place} is empty: it has to hold a folder of images for each class"
    return (
        f"the images lie in {place} itself, so nobody can tell their classes: each class needs a folder of its own. "
        "The validation images of ILSVRC 2012 come like that, with the labels in the development kit: "
        "torchvision.datasets.ImageNet(root, 'val') sorts them, from ILSVRC2012_img_val.tar and "
        "ILSVRC2012_devkit_t12.tar.gz in root"
    )


# --- Reading ---------------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Some images as a network takes them."""

    inputs: Tensor
    """(images, 3, crop, crop), of those that could be read."""
    labels: Tensor
    """(images,)"""
    unreadable: list[str]
    """The others, each with the reason."""


class _Prepared:
    """The inputs of a folder by number, for torch's DataLoader."""

    def __init__(self, folder: ImageFolder, items: Sequence[Item], preparation: Preparation) -> None:
        self.folder, self.items, self.preparation = folder, items, preparation

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[Tensor | str, int]:
        import PIL.Image

        path, label = self.items[number]
        try:
            # What Pillow has to say of metadata does not concern the pixels.
            with warnings.catch_warnings(action="ignore"), PIL.Image.open(self.folder.place / path) as image:
                pixels = image.convert("RGB")
        except Exception as error:  # a damaged file can make any decoder stumble anywhere
            return f"{path} ({_reason(error)})", label
        return self.preparation(pixels), label


def _reason(error: Exception) -> str:
    import PIL

    if isinstance(error, PIL.UnidentifiedImageError):
        return "no image"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _collate(examples: list[tuple[Any, int]]) -> Batch:
    import torch

    read = [(pixels, label) for pixels, label in examples if not isinstance(pixels, str)]
    inputs = torch.stack([pixels for pixels, _ in read]) if read else torch.empty(0)
    labels = torch.tensor([label for _, label in read], dtype=torch.int64)
    return Batch(inputs, labels, [reason for reason, _ in examples if isinstance(reason, str)])


def batches(
    folder: ImageFolder, preparation: Preparation, *, batch: int, workers: int = 0, limit: int | None = None
) -> Iterator[Batch]:
    """The images of a folder in its order, prepared.

    Args:
        folder: where they are.
        preparation: what is done to each.
        batch: images at a time.
        workers: processes that read them ahead; none if 0.
        limit: take only so many, evenly spaced over the classes.

    Raises:
        CatalogError: Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise CatalogError("needs Pillow: pip install 'repro[peers]'") from None
    from torch.utils.data import DataLoader

    items: Sequence[Item] = folder.items
    if limit is not None and limit < len(items):
        items = [items[number * len(items) // limit] for number in range(limit)]
    yield from DataLoader(
        _Prepared(folder, items, preparation),  # type: ignore[arg-type] # what it asks for is a protocol in all but name
        batch_size=batch,
        num_workers=workers,
        collate_fn=_collate,
    )
