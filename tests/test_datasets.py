"""Data sets: found, read, held against their release, downloaded."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import torch

from catalog import datasets
from catalog.datasets import Dataset, MissingData, Source, load, obtain
from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MNIST = list(datasets._RELEASES["mnist"].files)
CIFAR = list(datasets._RELEASES["cifar10"].files)


def idx(*shape: int, seed: int = 0, below: int = 256) -> bytes:
    """An IDX file of random bytes."""
    data = torch.randint(below, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    head = bytes([0, 0, 8, len(shape)]) + b"".join(length.to_bytes(4) for length in shape)
    return head + bytes(data.flatten().tolist())


def mnist() -> dict[str, bytes]:
    contents = [idx(12, 28, 28), idx(12, below=10, seed=1), idx(5, 28, 28, seed=2), idx(5, below=10, seed=3)]
    return dict(zip(MNIST, contents, strict=True))


def cifar() -> dict[str, bytes]:
    def record(number: int) -> bytes:
        return bytes([number % 10]) + bytes([number]) * 1024 + bytes([number + 1]) * 1024 + bytes([number + 2]) * 1024

    return {file: record(3 * place) + record(3 * place + 1) for place, file in enumerate(CIFAR)}


def write(folder: Path, contents: dict[str, bytes], *, compressed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        if compressed:
            (folder / f"{file}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / file).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data of whoever runs the tests, and no network."""
    monkeypatch.delenv("REPRO_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("mnist", "cifar10"):
        downloads = tuple(
            dataclasses.replace(item, addresses=("http://127.0.0.1:9/nothing",))
            for item in datasets._RELEASES[name].downloads
        )
        change(monkeypatch, name, downloads=downloads)


def change(monkeypatch: pytest.MonkeyPatch, name: str, **fields: Any) -> None:
    monkeypatch.setitem(datasets._RELEASES, name, dataclasses.replace(datasets._RELEASES[name], **fields))


def release(monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes]) -> None:
    """Let generated files be the release."""
    change(monkeypatch, name, files={file: hashlib.md5(content).hexdigest() for file, content in contents.items()})


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_digits() -> None:
    digits = load("digits")
    assert digits.train.images.shape == (1297, 1, 8, 8)
    assert digits.test.images.shape == (500, 1, 8, 8)
    assert digits.train.images.dtype == torch.uint8
    assert digits.train.labels.dtype == torch.int64
    assert digits.train.labels[:10].tolist() == list(range(10))
    assert digits.train.images.max() == 16
    assert digits.is_release


def test_division_by_a_seed() -> None:
    digits = load("digits")
    one, again, other = digits.divide(1), digits.divide(1), digits.divide(2)
    assert torch.equal(one.train.images, again.train.images)
    assert not torch.equal(one.train.labels, other.train.labels)
    assert one.train.images.shape == digits.train.images.shape
    assert one.fingerprint == digits.fingerprint

    def bag(dataset: Dataset) -> list[tuple[int, ...]]:
        images = torch.cat([dataset.train.images, dataset.test.images]).flatten(1)
        labels = torch.cat([dataset.train.labels, dataset.test.labels])
        return sorted((label, *image) for label, image in zip(labels.tolist(), images.tolist(), strict=True))

    assert bag(one) == bag(digits), "every image keeps its label, and none is lost or there twice"


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", [".", "mnist"])
def test_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, compressed: bool) -> None:
    contents = mnist()
    release(monkeypatch, "mnist", contents)
    write(tmp_path / "data" / place, contents, compressed=compressed)
    found = load("mnist", folder=tmp_path / "data")
    assert found.train.images.shape == (12, 1, 28, 28)
    assert found.test.labels.shape == (5,)
    assert bytes(found.train.images.flatten().tolist()) == contents[MNIST[0]][16:]
    assert bytes(found.test.labels.tolist()) == contents[MNIST[3]][8:]
    assert found.is_release


@pytest.mark.parametrize("place", [".", "cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
def test_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    release(monkeypatch, "cifar10", cifar())
    write(tmp_path / "data" / place, cifar())
    found = load("cifar10", folder=tmp_path / "data")
    assert found.train.images.shape == (10, 3, 32, 32)
    assert found.train.labels.tolist() == [0, 1, 3, 4, 6, 7, 9, 0, 2, 3]
    assert found.test.labels.tolist() == [5, 6]
    assert found.train.images[2, :, 0, 0].tolist() == [3, 4, 5]


def archive(contents: dict[str, bytes], extra: bytes = b"hello") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for file, content in {"readme.html": extra, **contents}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_cifar_in_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, "cifar10", cifar())
    folder = write(tmp_path / "data", {"cifar-10-binary.tar.gz": archive(cifar())})
    found = load("cifar10", folder=folder)
    assert found.is_release
    assert sorted(path.name for path in folder.iterdir()) == ["cifar-10-binary.tar.gz"], "nothing is unpacked"
    unpacked = load("cifar10", folder=write(tmp_path / "files", cifar()))
    assert unpacked.fingerprint == found.fingerprint
    assert torch.equal(unpacked.train.images, found.train.images)


def test_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, "mnist", mnist())
    with pytest.raises(MissingData):
        load("mnist")
    write(tmp_path / "cache/repro/data/mnist", mnist())
    assert load("mnist").is_release
    # REPRO_DATA comes before the cache, a folder that is named before REPRO_DATA.
    other = {**mnist(), MNIST[1]: idx(12, below=10, seed=9)}
    monkeypatch.setenv("REPRO_DATA", str(write(tmp_path / "variable", other)))
    with pytest.raises(CatalogError, match="variable/train-labels"):
        load("mnist")
    assert load("mnist", folder=write(tmp_path / "named", mnist())).is_release
    assert load("mnist", folder=write(tmp_path / "empty", {})).is_release, "the cache is asked when DIR has none"


def test_folders_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CatalogError, match=r"--data: there is no folder .*/nowhere"):
        load("mnist", folder=tmp_path / "nowhere")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(CatalogError, match=r"REPRO_DATA: there is no folder .*/nowhere"):
        load("mnist")


def test_unknown_data_set() -> None:
    with pytest.raises(CatalogError, match="no data set is called 'imagenet'; there are mnist, cifar10, digits"):
        load("imagenet")


# --- Not the release -------------------------------------------------------------------------------------------------


def test_wrong_sum(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", mnist())
    found = hashlib.md5(mnist()[MNIST[0]]).hexdigest()
    with pytest.raises(CatalogError, match=rf"{found}, that of the release 6bbc9ace898e44ae57da46a324031adb") as error:
        load("mnist", folder=folder)
    assert "--accept-data-mismatch" in str(error.value)
    accepted = load("mnist", folder=folder, accept_mismatch=True)
    assert not accepted.is_release
    assert accepted.train.images.shape == (12, 1, 28, 28)


def test_every_byte_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, "cifar10", cifar())
    changed = cifar()
    changed["test_batch.bin"] = changed["test_batch.bin"][:-1] + b"\0"
    folder = write(tmp_path / "data", changed)
    with pytest.raises(CatalogError, match=r"test_batch\.bin is not the file of the release"):
        load("cifar10", folder=folder)
    accepted = load("cifar10", folder=folder, accept_mismatch=True)
    assert not accepted.is_release
    assert accepted.fingerprint != load("cifar10", folder=write(tmp_path / "intact", cifar())).fingerprint


def broken(kind: str) -> tuple[str, dict[str, bytes]]:
    images, labels = mnist()[MNIST[0]], mnist()[MNIST[1]]
    return {
        "cut off": ("mnist", {**mnist(), MNIST[0]: images[:-1]}),
        "too long": ("mnist", {**mnist(), MNIST[0]: images + b"\0"}),
        "no header": ("mnist", {**mnist(), MNIST[0]: images[:7]}),
        "empty": ("mnist", {**mnist(), MNIST[3]: b""}),
        "other type": ("mnist", {**mnist(), MNIST[1]: b"\0\0\x0d\x01" + labels[4:]}),
        "a web page": ("mnist", {**mnist(), MNIST[2]: b"<html>not found</html>"}),
        "half a record": ("cifar10", {**cifar(), "data_batch_2.bin": cifar()["data_batch_2.bin"][:-1]}),
        "empty batch": ("cifar10", {**cifar(), "data_batch_2.bin": b""}),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("cut off", "train-images-idx3-ubyte is damaged or cut off: its header announces 9,408 bytes of data, it has"),
        ("too long", "announces 9,408 bytes of data, it has 9,409"),
        ("no header", "train-images-idx3-ubyte is no IDX file of 3 dimensions"),
        ("empty", "t10k-labels-idx1-ubyte is no IDX file of 1 dimensions"),
        ("other type", "train-labels-idx1-ubyte is no IDX file"),
        ("a web page", "t10k-images-idx3-ubyte is no IDX file"),
        ("half a record", r"data_batch_2\.bin is damaged or cut off: 6,145 bytes are no whole number of images"),
        ("empty batch", r"data_batch_2\.bin is damaged or cut off: 0 bytes"),
    ],
)
@pytest.mark.parametrize("accept", [False, True])
def test_damaged_files(tmp_path: Path, kind: str, reason: str, accept: bool) -> None:
    name, contents = broken(kind)
    with pytest.raises(CatalogError, match=reason):
        load(name, folder=write(tmp_path / "data", contents), accept_mismatch=accept)


def test_damaged_compression(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", mnist(), compressed=True)
    file = folder / f"{MNIST[2]}.gz"
    whole = file.read_bytes()
    for content in (whole[:-9], whole[:30], b"", b"nothing", whole[:20] + bytes(20) + whole[40:]):
        file.write_bytes(content)
        with pytest.raises(CatalogError, match=r"t10k-images-idx3-ubyte(\.gz)? is "):
            load("mnist", folder=folder)


def test_damaged_archive(tmp_path: Path) -> None:
    whole = archive(cifar())
    for content in (whole[:-20], whole[:100], b"", b"nothing", whole[:200] + bytes(50) + whole[250:]):
        folder = write(tmp_path / "data", {"cifar-10-binary.tar.gz": content})
        with pytest.raises(CatalogError, match=r"cifar-10-binary\.tar\.gz is (damaged or cut off|incomplete)"):
            load("cifar10", folder=folder)


def test_missing_files(tmp_path: Path) -> None:
    contents = mnist()
    del contents[MNIST[3]]
    with pytest.raises(CatalogError, match=r"MNIST in .* is incomplete: there is no t10k-labels-idx1-ubyte"):
        load("mnist", folder=write(tmp_path / "data", contents))
    batches = cifar()
    del batches["data_batch_4.bin"]
    folder = write(tmp_path / "other", {"cifar-10-binary.tar.gz": archive(batches)})
    with pytest.raises(CatalogError, match=r"is incomplete: there is no data_batch_4\.bin in it"):
        load("cifar10", folder=folder)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [(MNIST[1], idx(11, below=10), "12 images and 11 labels"), (MNIST[1], idx(12, below=256), "labels other than")],
)
def test_copies_that_make_no_sense(tmp_path: Path, file: str, content: bytes, reason: str) -> None:
    folder = write(tmp_path / "data", {**mnist(), file: content})
    with pytest.raises(CatalogError, match=reason):
        load("mnist", folder=folder, accept_mismatch=True)


def test_unreadable(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", mnist(), compressed=True)
    file = folder / f"{MNIST[0]}.gz"
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(CatalogError, match="incomplete: there is no train-images-idx3-ubyte"):
        load("mnist", folder=folder)


def test_scikit_learn_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingData, match=r"needs scikit-learn: pip install 'repro\[training\]'"):
        load("digits")


# --- Download --------------------------------------------------------------------------------------------------------


class Server:
    """Serves some files, by HTTP with ranges, and breaks off where it is told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks_after: int | None = None
        self.knows_ranges = True
        self.asked: list[str | None] = []
        self.address = ""


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = server.files.get(self.path.lstrip("/"))
            server.asked.append(self.headers["Range"])
            if content is None:
                self.send_error(404)
                return
            start = 0
            if server.knows_ranges and self.headers["Range"]:
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = len(content) if server.breaks_after is None else start + server.breaks_after
            self.wfile.write(content[start:end])

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror of a CIFAR-10 of twelve images, behind one that is down."""
    release(monkeypatch, "cifar10", cifar())
    with serving() as it:
        it.files["cifar.tar.gz"] = archive(cifar(), extra=idx(300_000))  # random, so it stays that large
        addresses = ("http://127.0.0.1:9/down", f"{it.address}/cifar.tar.gz")
        item = datasets._Download(
            "cifar-10-binary.tar.gz", hashlib.md5(it.files["cifar.tar.gz"]).hexdigest(), addresses
        )
        change(monkeypatch, "cifar10", downloads=(item,))
        yield it


def test_download(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    found = load("cifar10", progress=lambda *step: seen.append(step))
    assert found.is_release
    size = len(server.files["cifar.tar.gz"])
    assert seen[-1] == ("cifar-10-binary.tar.gz", size, size)
    assert [path.name for path in (tmp_path / "cache/repro/data/cifar10").iterdir()] == ["cifar-10-binary.tar.gz"]
    load("cifar10")
    assert server.asked == [None], "what is there is not fetched again"


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_download_that_breaks_off_is_resumed(server: Server, tmp_path: Path, knows_ranges: bool) -> None:
    part = tmp_path / "cache/repro/data/cifar10/cifar-10-binary.tar.gz.part"
    server.breaks_after = 150_000
    with pytest.raises(MissingData, match=r"cifar-10-binary\.tar\.gz could not be downloaded: .*, or it broke off"):
        load("cifar10")
    arrived = part.read_bytes()
    assert len(arrived) > 100_000
    assert server.files["cifar.tar.gz"].startswith(arrived)
    server.breaks_after, server.knows_ranges = None, knows_ranges
    assert load("cifar10").is_release
    assert server.asked == [None, f"bytes={len(arrived)}-"]
    assert not part.exists()


def test_download_that_is_complete_but_not_in_place(server: Server, tmp_path: Path) -> None:
    folder = write(tmp_path / "cache/repro/data/cifar10", {})
    (folder / "cifar-10-binary.tar.gz.part").write_bytes(server.files["cifar.tar.gz"])
    assert load("cifar10").is_release


def test_download_with_a_wrong_sum(server: Server, tmp_path: Path) -> None:
    right = hashlib.md5(server.files["cifar.tar.gz"]).hexdigest()
    server.files["cifar.tar.gz"] = archive({**cifar(), "test_batch.bin": bytes(3073)})
    wrong = hashlib.md5(server.files["cifar.tar.gz"]).hexdigest()
    with pytest.raises(CatalogError, match=f"expected md5:{right} but got {wrong}") as error:
        load("cifar10")
    assert not isinstance(error.value, MissingData)
    assert not list((tmp_path / "cache/repro/data/cifar10").iterdir()), "what is wrong is not kept"


def test_no_download(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingData, match=r"^needs CIFAR-10 \(binary version\): --data DIR \(or REPRO_DATA\)"):
        Source().load("cifar10")
    assert not server.asked
    assert Source(absent={"mnist": "no network"}).absent == {"mnist": "no network"}
    with pytest.raises(MissingData, match=r"^no network$"):
        Source(absent={"mnist": "no network"}).load("mnist")
    server.files.clear()
    with pytest.raises(MissingData, match=r"127\.0\.0\.1:\d+ says 404 Not Found"):
        load("cifar10")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingData, match=r"needs pooch: pip install 'repro\[training\]'"):
        load("cifar10")


def test_obtaining_does_not_import_torch(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", mnist())
    program = (
        "import sys; from pathlib import Path; from catalog import datasets;"
        f"datasets.obtain('mnist', folder=Path({str(folder)!r}), accept_mismatch=True); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
    obtain("mnist", folder=folder, accept_mismatch=True)
