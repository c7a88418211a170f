"""What the tool proposes for records, as a patch."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from catalog import paths
from catalog.fetch import Web
from catalog.metadata import Metadata, Sources
from tests.answers import ATOM, arxiv, openalex, sources
from tools import enrich

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Records
    from tests.loopback import Server

OURS: dict[str, Any] = {
    "title": "A ConvNet for the 2020s",
    "authors": ["Zhuang Liu", "S. Xie"],
    "published": "2022-01",
    "links": {"arxiv": "2201.03545"},
}
THEIRS = Metadata("A convnet for the 2020s.", ("Zhuang Liu", "Saining Xie"), "2022-01-10", "CVPR 2022", "2201.03545")


@pytest.mark.parametrize(
    ("ours", "theirs", "proposed"),
    [
        ({}, {}, {"authors": ["Zhuang Liu", "Saining Xie"], "published": "2022-01-10", "venue": "CVPR 2022"}),
        ({"published": "2022-01-09", "venue": "CVPR 2022"}, {"authors": ("Z. Liu", "S. Xie")}, {}),
        ({"published": "2022-01-09", "venue": "CVPR"}, {"authors": ("Z. Liu", "S. Xie")}, {"venue": "CVPR 2022"}),
        (
            {"published": "2022-01-09", "venue": "CVPR 2022, 11966-11976", "authors": ["Zhuang Liu", "Saining Xie"]},
            {},
            {},
        ),
        (
            {"venue": "CVPR 2022", "published": "2023", "authors": ["Zhuang Liu", "Saining Xie"]},
            {},
            {"published": "2022-01-10"},
        ),
        (
            {"venue": "CVPR 2022", "published": "2022-01-10"},
            {"title": "Another title", "authors": ("Zhuang Liu",), "doi": "10.1/x"},
            {"title": "Another title", "authors": ["Zhuang Liu"], "links": {"arxiv": "2201.03545", "doi": "10.1/x"}},
        ),
        (
            {
                "venue": "CVPR 2022",
                "published": "2022-01-10",
                "links": {"doi": "10.1/X"},
                "authors": ["A. Author", "B"],
            },
            {"doi": "10.1/x", "authors": ("Other Author", "B"), "arxiv": None},
            {"authors": ["Other Author", "B"]},
        ),
    ],
)
def test_what_is_proposed(ours: dict[str, Any], theirs: dict[str, Any], proposed: dict[str, Any]) -> None:
    from dataclasses import replace

    assert enrich.proposals(OURS | ours, replace(THEIRS, **theirs)) == proposed


@pytest.fixture
def folder(records: Records, monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    records.change("resnet.yaml", "name: ResNet", "name: ResNet  # as people say")
    return records


def asked(web: Web, server: Server, *arguments: str) -> int:
    return enrich.main(list(arguments), sources(web, server))


RESNET = {"title": "Deep Residual Learning for Image Recognition", "authors": ("Kaiming He", "Xiangyu Zhang")}


def test_the_patch_applies_and_nothing_is_changed_before(
    folder: Records, web: Web, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder.folder.parent
    before = (folder.folder / "resnet.yaml").read_text()
    server.says("/arxiv", arxiv(number="1512.03385v1", published="2015-12-10T19:51:55Z", **RESNET), **ATOM)
    server.says("/openalex/doi:10.48550/arXiv.1512.03385", openalex(doi="https://doi.org/10.1109/cvpr.2016.90"))
    output = root / "changes.patch"
    assert asked(web, server, "resnet", "--output", str(output)) == 0
    assert (folder.folder / "resnet.yaml").read_text() == before
    assert capsys.readouterr().err == "1 record found, changes to 1 proposed\n"
    subprocess.run(["git", "apply", "--unsafe-paths", str(output)], cwd=root, check=True)
    after = folder.load()["resnet"]
    assert (after.venue, after.links.doi) == ("CVPR 2022", "10.1109/cvpr.2016.90")
    assert "name: ResNet  # as people say\n" in (folder.folder / "resnet.yaml").read_text()
    assert asked(web, server, "resnet") == 0
    assert capsys.readouterr().out == ""


def test_a_number_that_leads_to_another_paper_is_said(
    folder: Records, web: Web, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.says("/arxiv", arxiv(number="1512.03385v1"), **ATOM)
    assert asked(web, server, "resnet") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "its number leads to 'A ConvNet for the 2020s'; correct the number" in printed.err


def test_one_failure_does_not_end_the_rest(
    folder: Records, web: Web, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.says("/arxiv?id_list=1512.03385&max_results=1", "<feed", **ATOM)
    title = "Xception: Deep Learning with Depthwise Separable Convolutions"
    theirs = arxiv(title, ["François Chollet"], "1610.02357v3", "2016-10-07T17:51:51Z")
    server.says("/arxiv?id_list=1610.02357&max_results=1", theirs, **ATOM)
    assert asked(web, server, "resnet", "xception") == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("papers/resnet.yaml: 127.0.0.1")
    assert "1 record found, changes to 0 proposed" in printed.err


def test_without_a_network_or_with_a_wrong_name(
    folder: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str], web: Web, server: Server
) -> None:
    nowhere = "http://no-such-host.invalid/"
    assert enrich.main([], Sources(Web(cache=tmp_path / "w", pause=0), nowhere, nowhere, nowhere)) == 2
    assert "is there a network? Nothing was proposed" in capsys.readouterr().err
    assert asked(web, server, "resnt") == 2
    assert "did you mean 'resnet'?" in capsys.readouterr().err
