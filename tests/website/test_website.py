"""The site: what its Markdown says, that nothing in a record can be more than text, and what rendering makes of it."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import markdown
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mkdocs.utils.yaml import yaml_load

from catalog import Library, paths
from catalog.errors import CatalogError
from catalog.records import Relation, Status, Tier
from catalog.verify.ledger import Ledger
from catalog.verify.runner import ClaimReport, PaperReport
from catalog.website import build
from catalog.website.content import ORDER
from catalog.website.markdown import date, fenced, literal, quotation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Records

# --- Text to Markdown ------------------------------------------------------------------------------------------------


class _Text(HTMLParser):
    """The text of a piece of HTML, and its tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@functools.cache
def _renderer() -> markdown.Markdown:
    """Markdown as the site's settings want it."""
    names, options = [], {}
    for extension in yaml_load(paths.MKDOCS.read_text(encoding="utf-8"))["markdown_extensions"]:
        name, option = next(iter(extension.items())) if isinstance(extension, dict) else (extension, {})
        names.append(name)
        options[name] = {**option, "permalink": False} if name == "toc" else option
    return markdown.Markdown(extensions=names, extension_configs=options)


def rendered(source: str) -> _Text:
    return _Text(_renderer().reset().convert(source))


# Where templates put text, and the tags that make the place.
CONTEXTS = [
    ("{}", ["p"]),
    ("{}\n{{ .facts }}", ["p"]),
    ("# {}", ["h1"]),
    ("## {} {{ #id }}", ["h2"]),
    ("- {}\n    - {}", ["ul", "li", "ul", "li"]),
    ("- **[{}](x.md)** ({})", ["ul", "li", "strong", "a"]),
    ("> {}\n>\n> {}", ["blockquote", "p", "p"]),
    ("*{}* [{}](x.md){{ .verdict }}: {}", ["p", "em", "a"]),
    (
        "| a | b |\n| --- | --- |\n| {} | {}<br>{} |",
        ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td", "br"],
    ),
]

# What a record may hold: no control characters, no surrogates, none of the line breaks that only Unicode knows.
TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn", "Co"], include_characters="\n")
    | st.sampled_from("`*_{}[]()<>#|!~^$&\\-+.:=\"'/@%1 \n"),
    min_size=1,
    max_size=40,
).filter(lambda text: text.strip())

NASTY = [
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "{{ config.site_name }} {% raw %}",
    "{ .verdict }",
    "name { #id onclick=alert(1) }",
    "a | b || c",
    "*em* **strong** _em_ __strong__ ~~del~~ ^sup^ ==mark==",
    "`code` ``code``",
    "[link](javascript:alert(1)) ![image](x) [ref][] [^1] [x]: y",
    "# heading",
    "C#",
    "1. list",
    "1) list",
    "2048",
    "0.5",
    "- item",
    "-1 to 1",
    "+ item",
    "---",
    "***",
    "===",
    "> quotation",
    "    code",
    "!!! note",
    "??? details",
    ": definition",
    "--8<-- 'file'",
    "/// block",
    "*[abbr]: x",
    "&amp; &lt; &copy; &#42; AT&T",
    r"back\slash \* \\ \`",
    "$1 \\times 1$",
    "https://example.org www.example.org a@example.org <https://example.org>",
    "two  spaces\nand a line",
    ":smile: (c) --> 1/2",
    "``` python",
    "~~~",
    "<!-- comment -->",
    "<details markdown='1'>",
]


@pytest.mark.parametrize(("place", "tags"), CONTEXTS)
@pytest.mark.parametrize("text", NASTY)
def test_text_is_shown_as_it_is(text: str, place: str, tags: list[str]) -> None:
    shown = rendered(place.format(*[literal(text)] * 3))
    assert shown.tags == tags
    assert shown.text.count(" ".join(text.split())) == place.count("{}")


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.sampled_from(CONTEXTS))
@example("\\", CONTEXTS[0])
@example("a\\", CONTEXTS[5])
def test_any_text_is_shown_as_it_is(text: str, context: tuple[str, list[str]]) -> None:
    place, tags = context
    plain = " ".join(text.split())
    shown = rendered(place.format(*[literal(text)] * 3))
    assert shown.tags == tags
    assert shown.text.count(plain) >= place.count("{}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"by $1 \times 1$ convolutions", "by 1 × 1 convolutions"),
        (r"$3 \times 3 \times c$ filters ($1\times3$)", "3 × 3 × c filters (1 × 3)"),
        (r"$N \geq 3$", "N ≥ 3"),
        (r"in $d$ dimensions, $\ell_{1}(\mathbb{R}^{d})$", r"in d dimensions, $\ell_{1}(\mathbb{R}^{d})$"),
        ("costs $5 and $6", "costs $5 and $6"),
        ("a *split-transform-merge* strategy [14]", "a *split-transform-merge* strategy [14]"),
    ],
)
def test_simple_mathematics_of_a_quotation_is_text(text: str, shown: str) -> None:
    block = rendered(quotation(text))
    assert block.tags == ["blockquote", "p"]
    assert block.text.strip() == shown


def test_a_quotation_keeps_its_paragraphs() -> None:
    block = rendered(quotation("one\ntwo\n\n- three\n"))
    assert block.tags == ["blockquote", "p", "p"]
    assert block.text.split("\n") == ["", "one two", "- three", ""]


@pytest.mark.parametrize(
    "source", ["x = '''\n```\n'''", "print(`1`)", "````\n~~~", "a\n\n\n\nb = '{{ x }}'", "<b>&amp;"]
)
def test_code_is_shown_as_it_is(source: str) -> None:
    shown = rendered(fenced(source, "python"))
    assert shown.text.strip() == source
    assert shown.tags.count("code") == 1


@pytest.mark.parametrize(
    ("published", "shown"), [("2016-10-07", "7 October 2016"), ("1998-11", "November 1998"), ("1989", "1989")]
)
def test_dates_are_as_exact_as_they_are_known(published: str, shown: str) -> None:
    assert date(published) == shown


# --- Pages -----------------------------------------------------------------------------------------------------------


def page(records: Records, name: str) -> str:
    docs = build(records.load(), records.folder.parent / "build", render=False)
    text = (docs / name / "index.md").read_text(encoding="utf-8")
    return re.sub(r'<span data-search-exclude="true">(.*?)</span>', r"\1", text)  # a mark for the search


@pytest.mark.usefixtures("_nothing_measured")
def test_the_page_of_a_paper(records: Records) -> None:
    shown = page(records, "papers/xception")
    for piece in (
        "# Xception\n",
        "Xception: Deep Learning with Depthwise Separable Convolutions",
        "François Chollet",
        "7 October 2016 · [arXiv 1610.02357](https://arxiv.org/abs/1610.02357)",
        "[InceptionNet Series](../../topics/inception/index.md)",
        "Family: [Inception](../../families/inception-family/index.md)",
        "- *extends* [Inception-v3](../inception-v3/index.md) (2015): one tower per channel",
        "- *applies* [ResNet](../resnet/index.md) (2015), shortcut: around every module",
        "- [Network in Network](../../works/index.md#network-in-network) (2013): no comparison",
        "- [MobileNet](../mobilenet-v1/index.md) (2017) *applies* it: depthwise separable convolutions",
        "> Xception scales up depthwise separable filters.\n>\n> — [MobileNet](../mobilenet-v1/index.md), 2017",
        "It is quoted on the pages of [InceptionNet Series](../../topics/inception/index.md).",
        "{ #claim-parameters .claim }",
        "| 22,855,952 | 22,855,952 |  | [not measured yet](../../verification/status/index.md#not-measured-yet)",
        "```sh\nrepro verify xception\n",
    ):
        assert piece in shown, piece


@pytest.mark.usefixtures("_nothing_measured")
def test_what_was_measured_is_shown(records: Records) -> None:
    paper = records.load()["xception"]
    measured = ClaimReport(paper.claims[0], Status.VERIFIED, "as printed", 22855952, 0.1)
    Ledger.load("xception").record(PaperReport(paper, (measured,)), device="an abacus")
    shown = page(records, "papers/xception")
    assert "| 22,855,952 | 22,855,952 | 22,855,952 | [verified](../../verification/status/index.md#verified)" in shown
    assert "[1 verified](#claims){ .verdict .verified }" in shown
    assert "on an abacus." in shown
    assert "last changed" not in shown
    records.change("xception.yaml", "expect: {equals: 22855952}", "expect: {at_least: 22855952}")
    assert "last changed" in page(records, "papers/xception")


@pytest.mark.usefixtures("_nothing_measured")
def test_a_deviation_is_explained(records: Records) -> None:
    records.change("xception.yaml", 'printed: "22,855,952"', 'printed: "23,000,000"')
    records.change(
        "xception.yaml",
        "expect: {equals: 22855952}",
        "expect: {equals: 22855952}\n    deviation: {cause: misprint, explanation: A digit is wrong.}",
    )
    shown = page(records, "papers/xception")
    assert "| it has 22.86 million parameters<br>*misprint*: A digit is wrong.<br>" in shown


@pytest.mark.usefixtures("_nothing_measured")
def test_named_values_stand_side_by_side(records: Records) -> None:
    records.change("xception.yaml", "measure: parameters", "check: sizes")
    records.change("xception.yaml", 'printed: "22,855,952"', 'printed: {all: "22,855,952"}')
    records.change(
        "xception.yaml", "expect: {equals: 22855952}", "expect: {all: {equals: 22855952}, ratio: {at_most: 0.5}}"
    )
    shown = page(records, "papers/xception")
    assert "\n| *all* | 22,855,952 | 22,855,952 |  | |\n| *ratio* |  | ≤ 0.5 |  | |\n" in shown


def test_the_page_of_a_paper_without_claims_and_code(records: Records) -> None:
    text = (records.folder / "mobilenet-v1.yaml").read_text()
    records.write("no-such-module.yaml", text.replace("mobilenet-v1", "no-such-module").replace("MobileNet", "Other"))
    shown = page(records, "papers/no-such-module")
    assert "None of its claims has been written down yet." in shown
    assert "No paper of the catalogue builds on it." in shown
    assert "## Code" not in shown


def test_pages_of_topics_families_and_other_works(records: Records) -> None:
    kernels = page(records, "topics/kernels")
    assert "- **[Dilated Kernels](dilated/index.md)**, 1 paper<br>" in kernels
    assert "## Papers of other topics" in kernels
    assert "<br><small>Xception: Deep Learning" in kernels
    assert "> They go by the name of Inception." in page(records, "topics/inception")
    assert "Part of [Convolutional Kernels](../index.md)" in page(records, "topics/kernels/dilated")
    family = page(records, "families/inception-family")
    assert "- **[GoogLeNet](../../papers/inception-v1/index.md)** (2014)" in family
    assert "    - *extends* [Inception-v3](../../papers/inception-v3/index.md) (2015): factorises the kernels" in family
    assert "        - *extends* [Xception](../../papers/xception/index.md) (2016): one tower per channel" in family
    works = page(records, "works")
    assert "## Network in Network { #network-in-network }" in works
    assert "- [GoogLeNet](../papers/inception-v1/index.md) (2014) *extends* it: uses 1 × 1 convolutions" in works
    assert "- [Xception](../papers/xception/index.md) (2016) is compared with it" in works


def test_the_page_of_descent(records: Records) -> None:
    shown = page(records, "lineage/descent")
    for relation in Relation:
        assert f"| *{relation}* |" in shown
    assert "        - *extends* [Xception](../../papers/xception/index.md) (2016)\n" in shown
    assert shown.count("](../../papers/resnet/index.md) (2015)\n") == 1


def test_the_same_catalogue_gives_the_same_bytes_and_leaves_them_alone(small: Library, tmp_path: Path) -> None:
    first, second = (build(small, tmp_path / name) for name in ("first", "second"))
    files = [
        path.relative_to(first) for path in first.parent.rglob("*") if path.is_file() and path.is_relative_to(first)
    ]
    assert len(files) > 50
    assert [file for file in files if (first / file).read_bytes() != (second / file).read_bytes()] == []
    docs = {path: path.stat().st_mtime_ns for path in (tmp_path / "first" / "docs").rglob("*.md")}
    build(small, tmp_path / "first", render=False)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "first" / "docs").rglob("*.md")} == docs


# --- Folders ---------------------------------------------------------------------------------------------------------


def test_pages_of_earlier_builds_are_removed(records: Records, tmp_path: Path) -> None:
    site = build(records.load(), tmp_path / "build")
    docs = tmp_path / "build" / "docs"
    gone = [docs / "papers/mobilenet-v1/index.md", site / "papers/mobilenet-v1/index.html"]
    assert all(path.is_file() for path in gone)
    records.change("xception.yaml", "comments:\n  - {source: mobilenet-v1,", "comments: []\n# {source: mobilenet-v1,")
    (records.folder / "mobilenet-v1.yaml").unlink()
    build(records.load(), tmp_path / "build")
    assert not any(path.exists() for path in gone)
    assert not gone[0].parent.exists()
    assert (docs / "papers/xception/index.md").is_file()


@pytest.mark.parametrize("folder", ["docs", "site"])
def test_a_folder_of_somebody_else_is_left_alone(folder: str, small: Library, tmp_path: Path) -> None:
    theirs = tmp_path / "into" / folder / "thesis.md"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(CatalogError, match=f"{folder} was not made by `repro site build`"):
        build(small, tmp_path / "into")
    assert theirs.read_text() == "mine"


def test_a_link_in_the_docs_folder_is_removed_and_not_followed(small: Library, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis.md").write_text("mine")
    docs = build(small, tmp_path / "build", render=False)
    (docs / "papers" / "link").symlink_to(tmp_path / "elsewhere")
    build(small, tmp_path / "build", render=False)
    assert not (docs / "papers" / "link").exists()
    assert (tmp_path / "elsewhere" / "thesis.md").read_text() == "mine"


def test_a_place_that_cannot_be_written(small: Library, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot write there"):
        build(small, tmp_path / "file")


def test_without_the_extra_the_error_says_what_to_install(
    small: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CatalogError, match=re.escape("needs mkdocs-material: pip install 'repro[site]'")):
        build(small, tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_a_dead_link_is_an_error_that_names_it(small: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(paths.SITE, tmp_path / "templates")
    (tmp_path / "templates" / "pages").mkdir(exist_ok=True)
    (tmp_path / "templates" / "pages" / "extra.md").write_text("[gone](gone.md) [anchor](index.md#gone)\n")
    monkeypatch.setattr(paths, "SITE", tmp_path / "templates")
    with pytest.raises(CatalogError) as error:
        build(small, tmp_path / "build")
    assert "extra.md" in str(error.value)
    assert "gone.md" in str(error.value)
    assert "#gone" in str(error.value)


def test_importing_the_builder_imports_neither_torch_nor_mkdocs() -> None:
    program = (
        "import sys, catalog.website; print([m for m in ('torch', 'mkdocs', 'jinja2', 'markdown') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- Rendered --------------------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r'<(\w+)\b[^>]*?\s(href|src|srcset|action|data)="([^"]*)"')
_ID = re.compile(r'\sid="([^"]*)"|<a [^>]*\bname="([^"]*)"')


def html_of(site: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(site.rglob("*.html")):
        yield path, path.read_text(encoding="utf-8")


def test_no_markup_is_left_over(whole: Path) -> None:
    left = re.compile(r"\{ ?[.#]|\{[{%#]|[%#}]\}|\]\(|markdown=")
    for path, text in html_of(whole):
        if found := left.search(re.sub(r"<(pre|script|style)\b.*?</\1>", "", text, flags=re.DOTALL)):
            pytest.fail(f"{path}: …{text[max(found.start() - 60, 0) : found.end() + 60]}…")


def test_everything_has_a_page(whole: Path, library: Library) -> None:
    for folder, subjects in (("papers", library.papers), ("topics", library.topics), ("families", library.families)):
        for subject in subjects:
            assert (whole / folder / subject.id / "index.html").is_file(), subject.id
    works = (whole / "works" / "index.html").read_text(encoding="utf-8")
    assert [work.id for work in library.external if f'id="{work.id}"' not in works] == []


def test_every_claim_has_an_address(whole: Path, library: Library) -> None:
    claims = [(paper.id, claim.id) for paper in library.papers for claim in paper.claims]
    assert claims
    for paper, claim in claims:
        assert f'id="claim-{claim}"' in (whole / "papers" / paper / "index.html").read_text(encoding="utf-8")


def test_every_tier_and_status_is_explained(whole: Path) -> None:
    explained = (whole / "verification" / "index.html").read_text(encoding="utf-8")
    for tier in Tier:
        assert f"<td>{tier}</td>" in explained
    status = (whole / "verification" / "status" / "index.html").read_text(encoding="utf-8")
    for verdict in ORDER:
        assert f'id="{verdict.replace(" ", "-")}"' in status


def test_no_page_asks_another_server_for_anything(whole: Path) -> None:
    asked = []
    for path, text in html_of(whole):
        said = re.sub(r'<link rel="canonical"[^>]*>', "", text)  # where the page is published; nothing is fetched
        for tag, attribute, address in _ADDRESS.findall(said):
            if urlsplit(address).netloc and not (tag == "a" and attribute == "href"):
                asked.append((path, tag, address))
    for path in whole.rglob("*.css"):
        asked += [
            (path, "css", address)
            for address in re.findall(r"(?:url\(|@import)\s*[\"']?(https?:)?//", path.read_text())
        ]
    assert asked == []


def test_every_link_inside_the_site_leads_somewhere(whole: Path) -> None:
    pages = dict(html_of(whole))
    ids = {path: {one or other for one, other in _ID.findall(text)} for path, text in pages.items()}
    dead = []
    for path, text in pages.items():
        if path.name == "404.html":
            continue  # its addresses begin at the root of a server
        for _, _, address in _ADDRESS.findall(text):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file() or (
                parts.fragment and target in ids and unquote(parts.fragment) not in ids[target] | {"__skip"}
            ):
                dead.append((path.relative_to(whole).as_posix(), address))
    assert dead == []


def test_hostile_records_show_as_text(records: Records, tmp_path: Path) -> None:
    hostile = "</title></textarea><script>alert(1)</script>{{ 7*7 }}<img src=x onerror=alert(1)>"
    quoted = json.dumps(hostile)
    records.change("resnet.yaml", "name: ResNet", f"name: {quoted}")
    records.change("resnet.yaml", "title: Deep Residual Learning for Image Recognition", f"title: {quoted}")
    records.change("resnet.yaml", "[Kaiming He, Xiangyu Zhang]", "['<b>Kaiming</b> {{ He }}']")
    records.change("resnet.yaml", "summary: Shortcuts.", f"summary: {quoted}")
    records.change("taxonomy.yaml", "name: Residual Networks Family", f"name: {quoted}")
    records.change("taxonomy.yaml", "text: They go by the name of Inception.", f"text: {quoted}")
    records.change("families.yaml", "name: ResNets", f"name: {json.dumps(hostile + hostile)}")
    records.change("external/network-in-network.yaml", "title: Network In Network", f'title: {quoted[:-1]}<br>"')
    records.change("xception.yaml", "statement: it has 22.86 million parameters", f"statement: {quoted}")
    records.change("xception.yaml", "source: Table 3", f"source: {quoted}")
    records.change("xception.yaml", "what: around every module", f"what: {quoted}")
    records.change(
        "resnet.yaml", "https://example.org/resnet/", r"https://example.org/(\"><script>alert(1)</script>_*`|&copy;"
    )
    site = build(records.load(), tmp_path / "build")
    for path, text in html_of(site):
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    for name in ("papers/resnet", "topics/residual", "topics/inception", "papers/xception", "works"):
        shown = _Text((site / name / "index.html").read_text(encoding="utf-8"))
        assert hostile in shown.text, name
    resnet = (site / "papers/resnet/index.html").read_text(encoding="utf-8")
    assert "<title>&lt;/title&gt;" in resnet
    assert 'href="https://example.org/%28%22%3E%3Cscript%3Ealert%281%29%3C/script%3E_%2A%60%7C&amp;copy;"' in resnet


def test_mkdocs_renders_the_same_by_itself(small: Library, tmp_path: Path) -> None:
    site = build(small, tmp_path / "build")
    shutil.copy(paths.MKDOCS, tmp_path)
    shutil.copytree(paths.SITE / "theme", tmp_path / "site" / "theme")
    shutil.move(site, tmp_path / "ours")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
    )
    names = {path.relative_to(site) for path in site.rglob("*") if path.is_file()}
    assert Path("papers/xception/index.html") in names
    assert [name for name in names if (site / name).read_bytes() != (tmp_path / "ours" / name).read_bytes()] == []
