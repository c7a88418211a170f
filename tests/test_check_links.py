"""Which links the tool calls dead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from catalog import paths
from catalog.fetch import Web
from tools import check_links

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Records
    from tests.loopback import Server


@pytest.fixture
def check(records: Records, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.setattr(paths, "RECORDS", records.folder)

    def run(*arguments: str, pause: float = 0) -> int:
        return check_links.main(
            list(arguments),
            lambda: Web(cache=tmp_path / "web", pause=pause, timeout=(1, 1), trusted=server.trusted),
            arxiv=server.url("/abs/"),
            doi=server.url("/doi/"),
        )

    return run


ALIVE = ["/abs/1409.4842", "/abs/1512.00567", "/abs/1512.03385", "/abs/1610.02357", "/doi/10.1109/CVPR.2015.7298594"]


def test_dead_and_unknown_links_are_named_with_file_and_line(
    check: Callable[..., int], records: Records, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ALIVE[:-2]:
        server.says(path, "x")
    server.says("/doi/10.1109/CVPR.2015.7298594", "no programs", 403)
    records.change("resnet.yaml", "https://example.org/resnet/", server.url("/resnet"))
    assert check() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"papers/inception-v1.yaml:7: links.doi: unknown: {server.url(ALIVE[-1])} (status 403)",
        f"papers/resnet.yaml:6: links.url: dead: {server.url('/resnet')} (status 404)",
        f"papers/xception.yaml:7: links.arxiv: dead: {server.url(ALIVE[-2])} (status 404)",
        "6 links: 3 alive, 2 dead, 1 unknown",
    ]


def test_all_is_well(check: Callable[..., int], server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ALIVE:
        server.says(path, "x")
    assert check("--only", "arxiv", "--only", "doi") == 0
    assert capsys.readouterr().out == "5 links: 5 alive, 0 dead, 0 unknown\n"
    assert sorted(server.asked) == sorted(("HEAD", path) for path in ALIVE)


def test_some_records_alone(check: Callable[..., int], server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.says("/abs/1610.02357", "x")
    assert check("xception") == 0
    assert capsys.readouterr().out.startswith("1 link: 1 alive")
    assert check("xceptoin") == 2
    assert "did you mean 'xception'?" in capsys.readouterr().err


def test_a_server_that_is_gone_is_dead_where_others_answer(
    check: Callable[..., int], records: Records, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.says("/abs/1512.03385", "x")
    records.change("resnet.yaml", "https://example.org/resnet/", "http://no-such-host.invalid/")
    assert check("resnet") == 1
    assert (
        "links.url: dead: http://no-such-host.invalid/ (no-such-host.invalid cannot be reached)"
        in capsys.readouterr().out
    )


def test_without_a_network_nothing_is_known_and_that_is_said_soon(
    records: Records, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    records.change("resnet.yaml", "https://example.org/resnet/", "http://no-such-host.invalid/")
    nowhere = "http://no-such-host.invalid/"
    started = time.monotonic()
    assert check_links.main([], Web, arxiv=nowhere, doi=nowhere) == 2
    assert time.monotonic() - started < 5, "a server that is not there is not asked about every link"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "without a network nothing is known" in printed.err
