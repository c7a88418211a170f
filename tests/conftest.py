"""What the tests share: the real records, a small folder of records to break, and a cache that is nobody's."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from catalog import Library, LibraryError
from tests.loopback import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.fetch import Web

SMALL = {
    "taxonomy.yaml": """
        topics:
          - {id: kernels, name: Convolutional Kernels}
          - {id: kernels/dilated, name: Dilated Kernels}
          - id: inception
            name: InceptionNet Series
            comments:
              - {source: xception, text: They go by the name of Inception.}
          - {id: residual, name: Residual Networks Family}
    """,
    "families.yaml": """
        families:
          - {id: inception-family, name: Inception, aliases: [InceptionNet], summary: Modules with parallel branches.}
          - {id: residual-family, name: ResNets, summary: Blocks with shortcuts.}
    """,
    "inception-v1.yaml": """
        id: inception-v1
        name: GoogLeNet
        aliases: [Inception v1]
        title: Going deeper with convolutions
        authors: [Christian Szegedy, Wei Liu]
        published: 2014-09-17
        links: {arxiv: "1409.4842", doi: 10.1109/CVPR.2015.7298594}
        family: inception-family
        taxonomy: [inception]
        summary: Parallel branches.
        builds_on:
          - {paper: network-in-network, relation: extends, what: uses 1 × 1 convolutions}
    """,
    "inception-v3.yaml": """
        id: inception-v3
        name: Inception-v3
        title: Rethinking the Inception Architecture for Computer Vision
        authors: [Christian Szegedy]
        published: 2015-12-02
        links: {arxiv: "1512.00567"}
        family: inception-family
        taxonomy: [inception]
        summary: Factorised kernels.
        builds_on:
          - {paper: inception-v1, relation: extends, what: factorises the kernels}
    """,
    "resnet.yaml": """
        id: resnet
        name: ResNet
        title: Deep Residual Learning for Image Recognition
        authors: [Kaiming He, Xiangyu Zhang]
        published: 2015-12-10
        links: {arxiv: "1512.03385", url: "https://example.org/resnet/"}
        family: residual-family
        taxonomy: [residual]
        summary: Shortcuts.
    """,
    "xception.yaml": """
        id: xception
        name: Xception
        aliases: [Xcéption Network]
        title: "Xception: Deep Learning with Depthwise Separable Convolutions"
        authors: [François Chollet]
        published: 2016-10-07
        links: {arxiv: "1610.02357"}
        family: inception-family
        taxonomy: [inception, kernels]
        summary: Depthwise separable convolutions.
        builds_on:
          - {paper: inception-v3, relation: extends, what: one tower per channel}
          - {paper: resnet, relation: applies, part: shortcut, what: around every module}
        compares_with:
          - {paper: network-in-network, what: no comparison}
        comments:
          - {source: mobilenet-v1, text: Xception scales up depthwise separable filters.}
        claims:
          - id: parameters
            statement: it has 22.86 million parameters
            source: Table 3
            basis: printed
            tier: structure
            subject: {variant: xception}
            measure: parameters
            printed: "22,855,952"
            expect: {equals: 22855952}
    """,
    "mobilenet-v1.yaml": """
        id: mobilenet-v1
        name: MobileNet
        title: "MobileNets: Efficient Convolutional Neural Networks"
        authors: [Andrew Howard]
        published: 2017-04
        taxonomy: [kernels/dilated]
        summary: Small networks.
        builds_on:
          - {paper: xception, relation: applies, what: depthwise separable convolutions}
          - {paper: inception-v3, relation: simplifies, what: drops the branches}
    """,
    "external/network-in-network.yaml": """
        id: network-in-network
        name: Network in Network
        aliases: [NiN]
        title: Network In Network
        authors: [Min Lin]
        published: 2013-12
    """,
}
"""A small catalogue: four papers that descend from one another, one that does not, and a work outside."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-pages", action="store_true", help="hold every page of the site against axe-core (minutes)")


class Records:
    """A folder of records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in SMALL.items():
            self.write(name, textwrap.dedent(text).lstrip())

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a piece of a file that is there exactly once."""
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def load(self) -> Library:
        return Library.load(self.folder)

    def problems(self) -> list[str]:
        """What is wrong with the folder, as people see it; nothing where it is valid."""
        try:
            self.load()
        except LibraryError as error:
            return str(error).splitlines()
        return []


@pytest.fixture(scope="session", autouse=True)
def _cache_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither read nor write the cache of whoever runs the tests; commands that are started as processes included."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def library() -> Library:
    """The project's own records."""
    return Library.load()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, library: Library) -> Path:
    """The site of the project's own records, built once for all processes that test it; not to be changed."""
    from catalog.website import build

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "whole"
    with FileLock(f"{folder}.lock"):
        if not (built := folder / "built").exists():
            build(library, folder)
            built.touch()
    return folder / "site"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on this machine, in place of public ones."""
    with serving() as started:
        yield started


@pytest.fixture
def web(server: Server, tmp_path: Path) -> Web:
    """Asks that server, without waiting."""
    from catalog.fetch import Web

    return Web(cache=tmp_path / "web", pause=0, timeout=(1, 1), longest=2, trusted=server.trusted)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """A small valid folder of records, for this test alone."""
    return Records(tmp_path / "papers")


@pytest.fixture
def small(records: Records) -> Library:
    """The small folder, loaded."""
    return records.load()
