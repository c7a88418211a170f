"""The site on this machine: what changes is shown, what is wrong is said once, and Ctrl-C ends it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import pytest

from catalog import paths, website
from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Records

SERVE = """
import socket, sys
from pathlib import Path
from catalog import paths, website
records, into, parts = map(Path, sys.argv[1:])
paths.SITE, paths.MKDOCS = parts / "site", parts / "mkdocs.yml"
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
print(port, flush=True)
website.serve(records, into, port=port)
"""
PATIENCE = 60
"""Seconds until something that should happen has not."""


def until(happened: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False


class Served:
    """A site that is being served, and what was said meanwhile."""

    def __init__(self, records: Records, folder: Path) -> None:
        self.records = records
        self.into = folder / "build"
        self.parts = folder / "parts" / "site"
        shutil.copytree(paths.SITE, self.parts)
        shutil.copy(paths.MKDOCS, self.parts.parent)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, records.folder, self.into, self.parts.parent],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Tests that run in the background of a shell inherit an ignored Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)

    def said(self) -> str:
        """The next line."""
        return self._lines.get(timeout=PATIENCE)

    def silence(self) -> bool:
        """Whether nothing more was said."""
        try:
            return not self._lines.get(timeout=1.5)
        except Empty:
            return True

    def __getitem__(self, page: str) -> str:
        """What stands at an address; nothing where there is nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{page}", timeout=PATIENCE) as answer:
                return answer.read().decode()
        except urllib.error.URLError:  # not there, or the server has only begun to start
            return ""

    def shows(self, text: str, page: str = "papers/resnet/") -> bool:
        return until(lambda: text in self[page])

    def search_finds(self, text: str) -> bool:
        def finds() -> bool:
            return any(text in entry["text"] for entry in json.loads(self["search/search_index.json"])["docs"])

        return until(finds)

    def end(self) -> float:
        """Seconds that it takes to end."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0
        return time.monotonic() - started


@pytest.fixture
def served(records: Records, tmp_path: Path) -> Iterator[Served]:
    site = Served(records, tmp_path)
    try:
        assert f"http://127.0.0.1:{site.port}/" in site.said()
        yield site
    finally:
        site.process.kill()
        site.process.wait()
        site._reader.join()
        for stream in (site.process.stdout, site.process.stderr):
            assert stream is not None
            stream.close()


def test_what_changes_is_shown_and_then_found(served: Served) -> None:
    assert served.shows("Shortcuts.")
    served.records.change("resnet.yaml", "summary: Shortcuts.", "summary: Shortcuts around blocks.")
    assert served.shows("Shortcuts around blocks.")
    assert served.search_finds("Shortcuts around blocks.")
    entries = json.loads(served["search/search_index.json"])["docs"]
    assert {"papers/resnet/", "papers/xception/"} <= {entry["location"] for entry in entries}
    assert served.end() < 5
    assert served.silence()


def test_all_pages_that_change_are_shown(served: Served) -> None:
    served.records.change("xception.yaml", "what: around every module", "what: around each of them")
    assert served.shows("around each of them", "papers/resnet/")
    assert "around each of them" in served["papers/xception/"]


def test_edits_in_quick_succession(served: Served) -> None:
    text = (served.records.folder / "resnet.yaml").read_text()
    for number in range(8):
        served.records.write("resnet.yaml", text.replace("Shortcuts.", f"Shortcuts, edit {number}."))
        time.sleep(0.3)
    assert served.shows("Shortcuts, edit 7.")
    assert served.search_finds("Shortcuts, edit 7.")
    assert served.silence()


def test_a_mistake_is_said_once_and_the_last_good_site_stays(served: Served) -> None:
    good = (served.records.folder / "resnet.yaml").read_text()
    bad = good.replace("taxonomy: [residual]", "taxonomy: [no-such-topic]")
    served.records.write("resnet.yaml", bad)
    assert "no-such-topic" in served.said()
    served.records.write("resnet.yaml", bad + "# saved again\n")
    assert served.silence()
    assert "Shortcuts." in served["papers/resnet/"]
    served.records.write("resnet.yaml", good.replace("Shortcuts.", "Shortcuts again."))
    assert served.shows("Shortcuts again.")
    served.records.write("resnet.yaml", bad)
    assert "no-such-topic" in served.said()


def test_papers_come_and_go(served: Served) -> None:
    text = (served.records.folder / "resnet.yaml").read_text()
    for old, new in {"resnet": "wide-resnet", "ResNet": "WRN", "Deep": "Wide", "1512.03385": "1605.07146"}.items():
        text = text.replace(old, new)
    new_paper = served.records.write("wide-resnet.yaml", text)
    assert served.shows("WRN", "papers/wide-resnet/")
    new_paper.unlink()
    assert until(lambda: not served["papers/wide-resnet/"])
    assert "WRN" not in served["papers/"]


def test_what_all_pages_share_is_shown_when_it_changes(served: Served) -> None:
    frame = served.parts / "theme" / "main.html"
    frame.write_text(frame.read_text().replace("{% block extrahead %}", '{% block extrahead %}<meta name="new">'))
    assert served.shows('<meta name="new">', "papers/xception/")
    sheet = served.parts / "styles" / "base.css"
    sheet.write_text(sheet.read_text() + ".new {}")
    assert served.shows(".new {}", "assets/site.css")
    template = served.parts / "templates" / "paper.md.j2"
    template.write_text(template.read_text() + "\nThe end of {{ subject.name }}.\n")
    assert served.shows("The end of Xception.", "papers/xception/")


def test_a_dead_link_is_said_and_the_site_stays(served: Served) -> None:
    page = served.parts / "templates" / "verification.md.j2"
    page.write_text(page.read_text() + "\n[gone](gone.md)\n")
    assert "MkDocs cannot render" in served.said()
    assert "gone.md" in served.said()
    assert served["papers/resnet/"]
    assert served.search_finds("Shortcuts.")


def test_browsers_load_again(served: Served) -> None:
    assert served.shows("Shortcuts.")
    script = re.search(r"livereload\((\d+), (\d+)\)", served["papers/resnet/"])
    assert script is not None
    asked = f"livereload/{script[1]}/{script[2]}"
    answers: Queue[str] = Queue()
    threading.Thread(target=lambda: answers.put(served[asked]), daemon=True).start()
    with pytest.raises(Empty):
        answers.get(timeout=1)
    served.records.change("resnet.yaml", "summary: Shortcuts.", "summary: Shortcuts around blocks.")
    assert int(answers.get(timeout=PATIENCE)) > int(script[1])
    assert "Shortcuts around blocks." in served["papers/resnet/"]


def test_the_policy_of_a_page_lets_it_notice_a_change(served: Served) -> None:
    assert served.shows("Shortcuts.")
    page = served["papers/resnet/"]
    (script,) = re.findall(r"<script>(\s*var livereload.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in page
    assert served["api/index.json"].startswith("{")


def test_ctrl_c_ends_it_while_it_builds(served: Served) -> None:
    served.records.change("resnet.yaml", "summary: Shortcuts.", "summary: Shortcuts around blocks.")
    assert until((served.into / "next").exists)
    assert served.end() < 5
    assert not (served.into / "next").exists()
    assert served.silence()


def test_a_port_that_is_taken(records: Records, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(CatalogError, match="cannot be used"):
            website.serve(records.folder, tmp_path / "build", port=other.getsockname()[1])
    assert not (tmp_path / "build").exists()
