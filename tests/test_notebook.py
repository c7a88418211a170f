"""What the library shows of itself in a notebook and at a prompt, and what its documentation promises."""

from __future__ import annotations

import ast
import doctest
import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import catalog
from catalog import Library, paths
from catalog.notebook import Table, html_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Records

ROOT = Path(__file__).parent.parent
HOSTILE = """<script>alert('x')</script> & "quoted" $x^2$ <img src=x onerror=alert(1)>"""


class Page(HTMLParser):
    """What a browser makes of some HTML: its tags, their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(thing: object) -> Page:
    return Page(html_of(thing))


THINGS: dict[str, Callable[[Library], object]] = {
    "library": lambda library: library,
    "paper": lambda library: library["xception"],
    "external": lambda library: library.external[0],
    "family": lambda library: library.families[0],
    "topic": lambda library: library.topics[0],
    "papers": lambda library: library.papers,
    "topics": lambda library: library.topics,
    "no papers": lambda library: library.papers[:0],
    "lineage": lambda library: library.lineage("inception-v1"),
    "search": lambda library: library.search("alert"),
    "nothing": lambda library: library.search("zzz"),
    "remarks": lambda library: library.ask("what is said about Xception"),
    "answer": lambda library: library.ask("papers since 2016"),
    "record": lambda library: library.ask("what is Xception"),
}


@pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS)
def test_everything_is_shown_in_the_colours_of_the_page_and_asks_nobody(
    thing: Callable[[Library], object], small: Library
) -> None:
    page = shown(thing(small))
    assert page.text.strip()
    assert not {"script", "style", "link", "img", "iframe"} & set(page.tags)
    assert page.attributes.keys() <= {"class", "style", "href"}
    assert not re.search(r"colou?r|background|url\(", " ".join(page.attributes.get("style", ())))
    assert all(address.startswith("https://") for address in page.attributes.get("href", ()))
    assert page.attributes["class"][0] == "tex2jax_ignore mathjax_ignore"
    assert len(repr(thing(small))) < 2000


@pytest.mark.parametrize("name", THINGS)
def test_what_records_say_is_text(name: str, records: Records) -> None:
    quoted = "'" + HOSTILE.replace("'", "''") + "'"
    for file in records.folder.rglob("*.yaml"):
        text = file.read_text()
        for field in ("title", "name", "summary", "venue"):
            words = f"'{file.stem} {field} " + quoted[1:]
            text = re.sub(rf"^{field}: .*$", lambda _, field=field, words=words: f"{field}: {words}", text, flags=re.M)
        text = re.sub(r"what: [^}\n]*", lambda _: f"what: {quoted}", text)
        text = re.sub(r"text: [^}\n]*", lambda _: f"text: {quoted}", text)
        file.write_text(text.replace("Shortcuts.", quoted))
    records.change("families.yaml", "name: Inception,", f"name: {quoted},")
    records.change("taxonomy.yaml", "name: Convolutional Kernels", f"name: {quoted}")
    library = records.load()
    page = shown(THINGS[name](library))
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert ("<script>alert('x')</script>" in page.text) == (name not in {"no papers", "nothing"})


def test_an_address_cannot_leave_its_attribute(records: Records) -> None:
    address = 'https://example.org/?a=1&b=\\"><script>x</script>'
    records.change("resnet.yaml", '"https://example.org/resnet/"', f'"{address}"')
    page = shown(records.load()["resnet"])
    assert address.replace("\\", "") in page.attributes["href"]
    assert "script" not in page.tags


def test_a_paper(library: Library) -> None:
    page = shown(library["xception"])
    for words in ("Xception: Deep Learning", "François Chollet", "2016-10-07", "extends inception-v3", "claim"):
        assert words in page.text
    assert "https://arxiv.org/abs/1610.02357" in page.attributes["href"]


def test_papers_are_a_tuple_that_is_shown_as_a_table(small: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    papers = small.papers_on("kernels")
    assert papers == (small["xception"], small["mobilenet-v1"])
    assert isinstance(papers[0], catalog.Paper)
    assert isinstance(papers[:1], Table)
    assert pickle.loads(pickle.dumps(papers)) == papers
    assert repr(papers).splitlines() == [
        "2016  xception      Xception   Xception: Deep Learning with Depthwise Separable Convolutions",
        "2017  mobilenet-v1  MobileNet  MobileNets: Efficient Convolutional Neural Networks",
        "(2)",
    ]
    page = shown(papers)
    assert page.tags.count("tr") == 3
    assert "yearidnametitle2016xceptionXception" in page.text
    for several in (small.papers, small.external, small.topics, small.families, small.members("residual-family")):
        assert isinstance(several, Table)
    answered = small.ask("papers on kernels").result
    assert isinstance(answered, Table)


def test_long_tables_and_lineages_are_cut_and_say_so(library: Library) -> None:
    assert "100 of 128" in shown(library.papers).text
    assert shown(library.papers).tags.count("tr") == 101
    assert repr(library.papers).endswith("and 108 more")
    whole = library.lineage("lenet", ancestors=False)
    assert len(whole.papers) > 20
    long = type(whole)(whole.of, whole.direction, whole.papers * 10)
    assert f"and {10 * len(whole.papers) - 100:,} more" in shown(long).text


def test_a_lineage_is_a_tree(small: Library) -> None:
    found = small.lineage("inception-v1")
    page = html_of(found)
    assert repr(found) == "<Lineage: inception-v1 and its descendants, 4 works in all>"
    # Xception hangs under Inception-v3, which hangs under GoogLeNet.
    assert re.search(r"GoogLeNet.*<ul.*Inception-v3.*extends: factorises.*<ul.*Xception", page)
    depth = [step.depth for step in found.papers]
    inside = page.replace(' style="margin: 0"', "").replace(' style="margin: 0.3em 0"', "")
    for step, level in zip(found.papers, depth, strict=True):
        before = inside[: inside.index(f"<b>{step.name}</b>")]
        assert before.count("<ul>") - before.count("</ul>") == level + 1


def test_in_short(small: Library, records: Records) -> None:
    assert repr(small) == f"<Library of 5 papers, in {records.folder}>"
    assert str(small["resnet"]) == "<Paper resnet: Deep Residual Learning for Image Recognition (2015)>"
    assert repr(small.work("network-in-network")) == "<ExternalWork network-in-network: Network In Network (2013)>"
    assert repr(small.family("residual-family")) == "<Family residual-family: ResNets>"
    assert repr(small.topic("kernels")) == "<Topic kernels: Convolutional Kernels>"


# --- What is promised ------------------------------------------------------------------------------------------------


def test_the_names_that_are_stable() -> None:
    """Somebody's notebooks use these; a change of the list is a change for them."""
    assert catalog.__all__ == [
        "Answer",
        "CatalogError",
        "ExternalWork",
        "Family",
        "Library",
        "LibraryError",
        "Lineage",
        "Paper",
        "Topic",
        "UnknownName",
    ]
    program = f"from catalog import {', '.join(catalog.__all__)}; print(Library.__module__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "catalog.library\n"
    for name in catalog.__all__:
        assert getattr(catalog, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        catalog.Nothing  # noqa: B018


def test_the_names_are_the_same_to_a_type_checker() -> None:
    (condition,) = (node for node in ast.parse(Path(catalog.__file__).read_text()).body if isinstance(node, ast.If))
    imported = {alias.name for node in condition.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(catalog.__all__)
    for package in ("catalog", "reproductions"):
        assert (ROOT / package / "py.typed").is_file()


def test_a_folder_in_the_home_of_the_user(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(records.folder.parent))
    assert len(Library.load("~/papers")) == 5


EXAMPLES = {
    "catalog": catalog.__doc__ or "",
    **{
        f"README.md, block {number}": block
        for number, block in enumerate(re.findall(r"```pycon\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
    },
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], {}, name, None, 0)
    assert test.examples
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert not said, "".join(said)


def test_the_readme_has_examples() -> None:
    assert len(EXAMPLES) > 1
    assert paths.CHECKOUT == ROOT
