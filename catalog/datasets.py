"""Data sets that training runs use: found on this machine or downloaded once, and held against their release.

What counts is the content: the sums are those of the uncompressed files, so a gzip wrapper of one's own makes no
difference. A copy that differs is an error unless it is knowingly accepted; a result measured on it then says so.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalog import paths
from catalog.errors import CatalogError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NAMES", "Dataset", "MissingData", "Source", "Split", "load", "obtain"]

Progress = Callable[[str, int, int | None], None]
"""Told the name of a file, how many bytes of it are there and how many there will be, if the server says so."""


class MissingData(CatalogError):
    """A data set is not on this machine; the message says what is needed."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images, uint8 of (number, channels, height, width), and their labels, int64 of (number,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set for classification, in the order in which its files have it."""

    name: str
    train: Split
    test: Split
    fingerprint: str
    """Of all images and labels, in their order."""
    is_release: bool
    """Whether every byte is that of the original release."""

    def divide(self, seed: int) -> Dataset:
        """Draw anew what is for training and what for testing, as many of each as there are now."""
        import torch

        images = torch.cat([self.train.images, self.test.images])
        labels = torch.cat([self.train.labels, self.test.labels])
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        train, test = order[: len(self.train.labels)], order[len(self.train.labels) :]
        return replace(self, train=Split(images[train], labels[train]), test=Split(images[test], labels[test]))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a verification takes its data from."""

    folder: Path | None = None
    """Where data sets lie, besides the user's cache; ``REPRO_DATA`` if none is given."""
    accept_mismatch: bool = False
    """Whether to use data that differ from their release."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Data sets that are known not to be had, and why."""

    def load(self, name: str) -> Dataset:
        """Read a data set from this machine; see :func:`load`."""
        if name in self.absent:
            raise MissingData(self.absent[name])
        return load(name, folder=self.folder, accept_mismatch=self.accept_mismatch, download=False)


@dataclass(frozen=True, slots=True)
class _Download:
    """A file of a release as it is offered for download."""

    file: str
    md5: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Release:
    """What a data set consists of, and how one recognises it."""

    title: str
    files: dict[str, str]
    """MD5 of each uncompressed file, in the order of reading."""
    downloads: tuple[_Download, ...] = ()
    wanted: str = ""
    """What a folder has to hold, for a person."""
    folder: str = ""
    """The folder that the release unpacks to."""
    archive: str | None = None
    """Name of the archive that holds the files, where they come in one."""


# Two mirrors of the original files; yann.lecun.com does not serve them any more.
_MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

_RELEASES = {
    "mnist": _Release(
        "MNIST",
        {
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
        tuple(
            _Download(f"{file}.gz", md5, tuple(f"{mirror}{file}.gz" for mirror in _MNIST))
            for file, md5 in (
                ("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                ("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432"),
                ("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3"),
                ("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c"),
            )
        ),
        wanted="its four IDX files, compressed or not",
    ),
    "cifar10": _Release(
        "CIFAR-10 (binary version)",
        {
            "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
            "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
            "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
            "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
            "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
            "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
        },
        (
            _Download(
                "cifar-10-binary.tar.gz",
                "c32a1d4ab5d03f1284b67883e8d87530",
                ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            ),
        ),
        wanted="cifar-10-batches-bin/, its files or cifar-10-binary.tar.gz",
        folder="cifar-10-batches-bin",
        archive="cifar-10-binary.tar.gz",
    ),
    # The optical digits of the UCI repository (its test set), as scikit-learn has them: pixels and labels as bytes.
    "digits": _Release(
        "scikit-learn's digits",
        {"images": "fa70cba135d4cdd4cde65da70dbffde2", "labels": "96ecbac7ce6c9c7e9f9f82160cffba40"},
    ),
}

NAMES = tuple(_RELEASES)
"""The data sets there are."""

_DIGITS_FOR_TRAINING = 1297
"""Of 1797; the other 500 are for testing. The division is ours, the release knows none."""


def load(
    name: str,
    *,
    folder: Path | None = None,
    accept_mismatch: bool = False,
    download: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """Read a data set: from a folder, else from the user's cache, else by download into that cache.

    Args:
        name: ``digits``, ``mnist`` or ``cifar10``.
        folder: what holds the files, itself or in a folder called ``name``; that of ``REPRO_DATA`` if omitted.
        accept_mismatch: take a copy that differs from the release.
        download: whether to download what is not there.
        progress: told how far a download is.

    Returns:
        The data, with ``is_release`` false for a copy that differs. ``digits`` has its first 1297 images for training
        and the other 500 for testing; :meth:`Dataset.divide` draws lots instead.

    Raises:
        MissingData: it is not there and cannot be downloaded, or a library that is needed is not installed.
        CatalogError: there is no such data set, or what is there is incomplete, damaged or not the release.
    """
    contents, is_release = _contents(name, folder, accept_mismatch, download, progress)
    fingerprint = hashlib.blake2b(digest_size=16)
    for file, content in contents.items():
        fingerprint.update(f"{file} {len(content)}\n".encode())
        fingerprint.update(content)
    train, test = _READERS[name](contents)
    return Dataset(name, train, test, fingerprint.hexdigest(), is_release)


def obtain(
    name: str, *, folder: Path | None = None, accept_mismatch: bool = False, progress: Progress | None = None
) -> None:
    """See to it that a data set is on this machine and whole, without importing torch; see :func:`load`."""
    _contents(name, folder, accept_mismatch, True, progress)


def _contents(
    name: str, folder: Path | None, accept_mismatch: bool, download: bool, progress: Progress | None
) -> tuple[dict[str, bytes], bool]:
    """The uncompressed files of a data set, and whether they are those of the release."""
    if name not in _RELEASES:
        raise CatalogError(f"no data set is called '{name}'; there are {', '.join(NAMES)}")
    release = _RELEASES[name]
    if name == "digits":
        place, contents = Path("scikit-learn"), _digits()
    else:
        place = _place(name, release, folder) or _downloaded(name, release, download, progress)
        contents = _read(place, release)
        for file, content in contents.items():
            _CHECKS[name](place / file, content)
    return contents, _is_release(place, release, contents, accept_mismatch)


# --- Finding ---------------------------------------------------------------------------------------------------------


def _place(name: str, release: _Release, folder: Path | None) -> Path | None:
    """The folder in which any of the files lies."""
    bases = []
    said_by = "--data"
    if folder is None and (variable := os.environ.get("REPRO_DATA")):
        folder, said_by = Path(variable), "REPRO_DATA"
    if folder is not None:
        if not folder.is_dir():
            raise CatalogError(f"{said_by}: there is no folder {folder}")
        bases += [folder, folder / name]
    if (cache := _cache(name)) is not None:
        bases.append(cache)
    for base in bases:
        for place in dict.fromkeys((base, base / release.folder)):
            if any(_find(place, file) for file in release.files) or _archive(place, release):
                return place
    return None


def _cache(name: str) -> Path | None:
    cache = paths.cache_folder()
    return cache / "data" / name if cache else None


def _find(place: Path, file: str) -> Path | None:
    return next((path for path in (place / file, place / f"{file}.gz") if path.is_file()), None)


def _archive(place: Path, release: _Release) -> Path | None:
    return place / release.archive if release.archive and (place / release.archive).is_file() else None


# --- Reading ---------------------------------------------------------------------------------------------------------


def _read(place: Path, release: _Release) -> dict[str, bytes]:
    found = {file: _find(place, file) for file in release.files}
    archive = _archive(place, release)
    try:
        if archive is not None and not any(found.values()):
            return _unpacked(archive, release)
        contents = {}
        for file, path in found.items():
            if path is None:
                raise CatalogError(f"{release.title} in {place} is incomplete: there is no {file}")
            archive = path  # for the message below
            contents[file] = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CatalogError(f"{archive} is damaged or cut off ({error}); delete it and fetch it again") from None
    except OSError as error:
        raise CatalogError(f"{error.filename or place} cannot be read: {error.strerror or error}") from None
    return contents


def _unpacked(archive: Path, release: _Release) -> dict[str, bytes]:
    """The files of an archive, read without writing any of them."""
    contents: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = Path(member.name).name
            if file in release.files and (stream := tar.extractfile(member)) is not None:
                contents[file] = stream.read()
    if missing := [file for file in release.files if file not in contents]:
        raise CatalogError(f"{archive} is incomplete: there is no {', '.join(missing)} in it")
    return {file: contents[file] for file in release.files}


def _digits() -> dict[str, bytes]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingData("needs scikit-learn: pip install 'repro[training]'") from None
    digits = load_digits()
    return {"images": digits.images.astype("uint8").tobytes(), "labels": digits.target.astype("uint8").tobytes()}


def _is_release(place: Path, release: _Release, contents: dict[str, bytes], accept_mismatch: bool) -> bool:
    for file, released in release.files.items():
        found = hashlib.md5(contents[file], usedforsecurity=False).hexdigest()
        if found != released:
            if accept_mismatch:
                return False
            raise CatalogError(
                f"{place / file} is not the file of the release of {release.title}: the MD5 of its uncompressed "
                f"content is {found}, that of the release {released}. Fetch a damaged copy again; a copy that is "
                "known to differ is accepted with --accept-data-mismatch"
            )
    return True


# --- Formats ---------------------------------------------------------------------------------------------------------

_CIFAR_RECORD = 1 + 3 * 32 * 32
"""A label, then the red, green and blue plane of an image."""


def _check_idx(path: Path, content: bytes) -> None:
    """An IDX file of bytes: 0, 0, type 8, number of dimensions; each dimension in four bytes; the data."""
    dimensions = 3 if "images" in path.name else 1
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, 8, dimensions]):
        raise CatalogError(f"{path} is no IDX file of {dimensions} dimensions; delete it and fetch it again")
    size = 1
    for length in _idx_shape(content):
        size *= length
    if len(content) != header + size:
        raise CatalogError(
            f"{path} is damaged or cut off: its header announces {size:,} bytes of data, it has "
            f"{len(content) - header:,}; delete it and fetch it again"
        )


def _idx_shape(content: bytes) -> list[int]:
    return [int.from_bytes(content[4 + 4 * i : 8 + 4 * i]) for i in range(content[3])]


def _check_cifar(path: Path, content: bytes) -> None:
    if not content or len(content) % _CIFAR_RECORD:
        raise CatalogError(
            f"{path} is damaged or cut off: {len(content):,} bytes are no whole number of images of "
            f"{_CIFAR_RECORD:,}; delete it and fetch it again"
        )


_CHECKS = {"mnist": _check_idx, "cifar10": _check_cifar}


def _read_mnist(contents: dict[str, bytes]) -> tuple[Split, Split]:
    tensors = [_bytes(content[4 + 4 * content[3] :]).view(_idx_shape(content)) for content in contents.values()]
    train_images, train_labels, test_images, test_labels = tensors
    return _split("mnist", train_images[:, None], train_labels), _split("mnist", test_images[:, None], test_labels)


def _read_cifar(contents: dict[str, bytes]) -> tuple[Split, Split]:
    *train, test = (_bytes(content).view(-1, _CIFAR_RECORD) for content in contents.values())
    import torch

    def split(records: Tensor) -> Split:
        return _split("cifar10", records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])

    return split(torch.cat(train)), split(test)


def _read_digits(contents: dict[str, bytes]) -> tuple[Split, Split]:
    images, labels = _bytes(contents["images"]).view(-1, 1, 8, 8), _bytes(contents["labels"])
    n = _DIGITS_FOR_TRAINING
    return _split("digits", images[:n], labels[:n]), _split("digits", images[n:], labels[n:])


_READERS = {"mnist": _read_mnist, "cifar10": _read_cifar, "digits": _read_digits}


def _bytes(content: bytes) -> Tensor:
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _split(name: str, images: Tensor, labels: Tensor) -> Split:
    """Only an accepted copy can get here and still be inconsistent."""
    if len(images) != len(labels):
        raise CatalogError(f"this copy of {name} has {len(images):,} images and {len(labels):,} labels")
    if labels.numel() == 0 or labels.max() > 9:
        raise CatalogError(f"this copy of {name} has labels other than 0 to 9, or none")
    return Split(images, labels.long())


# --- Downloading -----------------------------------------------------------------------------------------------------


def _downloaded(name: str, release: _Release, download: bool, progress: Progress | None) -> Path:
    """Download a release into the user's cache; returns the folder.

    Raises:
        MissingData: that is not wanted or not possible.
        CatalogError: what came is not the file of the release.
    """
    needs = f"needs {release.title}: --data DIR (or REPRO_DATA), a folder with {release.wanted}"
    folder = _cache(name)
    if not download:
        raise MissingData(needs)
    if folder is None:
        raise MissingData(f"{needs}; it cannot be downloaded, because there is no home folder to keep it in")
    for item in release.downloads:
        failures: list[CatalogError] = []
        for address in item.addresses:
            try:
                _retrieve(address, item, folder, progress)
            except CatalogError as failure:
                failures.append(failure)
            else:
                break
        else:
            reasons = "; ".join(dict.fromkeys(map(str, failures)))
            if not all(isinstance(failure, MissingData) for failure in failures):
                raise CatalogError(f"{item.file} of {release.title} cannot be trusted: {reasons}")
            raise MissingData(f"{needs}; {item.file} could not be downloaded: {reasons}")
    return folder


def _retrieve(address: str, item: _Download, folder: Path, progress: Progress | None) -> None:
    """Download one file, unless it is there already, and hold it against its sum.

    Raises:
        MissingData: why that failed, in short.
        CatalogError: its sum is wrong.
    """
    import requests

    try:
        import pooch
    except ImportError:
        raise MissingData("needs pooch: pip install 'repro[training]'") from None
    pooch.get_logger().setLevel(logging.WARNING)
    host = address.split("/")[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            address, f"md5:{item.md5}", item.file, folder, downloader=_Resuming(folder / f"{item.file}.part", progress)
        )
    except requests.HTTPError as error:
        raise MissingData(f"{host} says {error.response.status_code} {error.response.reason}") from None
    except requests.Timeout:
        raise MissingData(f"{host} does not answer") from None
    except requests.RequestException:
        raise MissingData(f"no connection to {host}, or it broke off") from None
    except ValueError as mismatch:  # of pooch; has both sums
        raise CatalogError(f"{host}: {mismatch}") from None
    except OSError as error:
        raise MissingData(f"{folder} cannot be written: {error.strerror or error}") from None


class _Resuming:
    """Downloads for pooch, which has no way to go on with a download that broke off: what has arrived is kept."""

    def __init__(self, part: Path, progress: Progress | None) -> None:
        self._part, self._progress = part, progress

    def __call__(self, url: str, output_file: object, pooch: object) -> None:  # noqa: ARG002 (pooch's signature)
        import requests

        there = self._part.stat().st_size if self._part.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # bytes are counted as they lie on the server
        if there:
            headers["Range"] = f"bytes={there}-"
        with requests.get(url, headers=headers, stream=True, timeout=(10, 60)) as response:
            # "Range not satisfiable": nothing is missing, and the sum will tell whether it is right.
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                response.raise_for_status()
                if response.status_code != requests.codes.partial_content:
                    there = 0  # all of it comes anew
                size = response.headers.get("Content-Length")
                total = there + int(size) if size else None
                with self._part.open("ab" if there else "wb") as stream:
                    for chunk in response.iter_content(1 << 16):
                        stream.write(chunk)
                        there += len(chunk)
                        if self._progress is not None:
                            self._progress(self._part.stem, there, total)
        self._part.replace(str(output_file))
